// What has to be done about an event: plain values. Each carries its reason.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/lease.hpp>
#include <headroom/pressure.hpp>
#include <headroom/result.hpp>
#include <headroom/room.hpp>

#include "words/event.hpp"
#include "words/record.hpp"
#include "words/session.hpp"
#include "words/view.hpp"

namespace headroom {

/// No, and why.
struct Refusal {
  Error error;
  std::optional<Verdict> verdict;
};

/// What takes nobody new.
struct Drains {
  std::vector<Drain> items;
};
/// What was done to make room, or would be.
struct Freed {
  bool dry_run = false;
  std::vector<FreeStep> steps;  ///< in the order of asking, then those that stay
  Bytes memory;                 ///< that came back, or would
  Bytes gpu_memory;             ///< likewise, of all devices
  std::string why;              ///< why it is less than was asked for; or empty
};
/// Tell the client of `request`.
struct Respond {
  RequestId request = 0;
  std::variant<Verdict, LeaseView, Alert, Refusal, Drains, ModelView, Freed, Sessions,
               ComponentView>
      what;
};
/// Keep this. Journal records are written before any other effect of the same event leaves.
struct Journal {
  Record record;
};
/// Say that this happened: into the list of events, the log, and to those who watch.
struct Say {
  EventLine line;
};
/// Tell those who watch that this lease, or this alert, is different now.
struct Changed {
  std::variant<LeaseId, Alert> what;
};
/// Read the machine now: memory has just come back. `per_cpu` counts the per-CPU free lists too.
struct Sense {
  bool per_cpu = false;
};
/// Tell when this process ends.
struct Watch {
  Holder holder;
};
/// Make groups for the lease and move its holder there; then fence or limit it.
struct PlaceHolder {
  LeaseId lease = 0;
  Holder holder;
  uid_t owner = 0;
  Bytes fence_at;  ///< 0 = none
  std::optional<Bytes> memory_limit;
  std::optional<Cores> cpu_limit;
};
/// Move the soft fence.
struct Fence {
  LeaseId lease = 0;
  Group group;
  Bytes at;
  std::string reason;
};
/// Stop the processes of a lease where they are, or let them go on.
struct Freeze {
  LeaseId lease = 0;
  Group group;
  bool frozen = true;
  std::string reason;
};
/// Give the processes of a lease less of the processors where others want them too.
struct Weigh {
  LeaseId lease = 0;
  Group group;
  int percent = 100;  ///< of the share that everybody has; 1 to 100, and 100 is all of it
  std::string reason;
};
/// End the processes of a lease: ask them to (SIGTERM), or end them all at once.
struct Terminate {
  LeaseId lease = 0;
  Group group;
  bool hard = false;
  std::string reason;
};
/// Look at the group of a lease whose holder has ended; remove it if it is empty.
struct Release {
  LeaseId lease = 0;
  Group group;
};

/// Tell those who want to be told of alerts.
struct Notify {
  enum class What { raised, escalated, eased, reminded, ended };
  What what = What::raised;
  Alert alert;
};
constexpr const char* to_string(Notify::What what) {
  switch (what) {
    case Notify::What::raised:
      return "raised";
    case Notify::What::escalated:
      return "escalated";
    case Notify::What::eased:
      return "eased";
    case Notify::What::reminded:
      return "reminded";
    case Notify::What::ended:
      return "ended";
  }
  return "raised";
}

/// Ask somebody to free or to load a model; the answer comes back as HookAnswered.
struct AskHook {
  std::uint64_t ask = 0;  ///< its number, never used twice in one run of the daemon
  std::string hook;       ///< a name of [hooks], or kHolderHook: the holder listens itself
  bool load = false;      ///< else: free
  std::string model;
  Bytes bytes;  ///< how much is to come free
  LeaseId lease = 0;
  Holder holder;  ///< of the lease, for signals and for holders that listen
  uid_t owner = 0;
  std::string reason;
};

/// Look at the session folders of these roots; the answer comes back as SessionsSeen.
struct LookAtSessions {
  std::uint64_t run = 0;
  std::vector<std::string> roots;
  std::string pattern;
  std::vector<Session> told;  ///< of which somebody told: in use while their holders live
};
/// Finish what earlier runs have left in these roots, and remove these folders unless they are in
/// use; the outcome comes back as SessionsCleaned.
struct CleanSessions {
  std::uint64_t run = 0;
  std::vector<std::string> roots;
  std::vector<SessionFolder> folders;
  bool even_if_changed = false;  ///< since they were looked at
  std::optional<uid_t> owner;    ///< for this user, who may not remove what lies in others' folders
  std::string reason;
};
/// Make a session folder; it comes back as SessionMade.
struct MakeSession {
  std::uint64_t run = 0;
  std::string root;
  std::string name;
  uid_t owner = 0;
};

/// Ask a component to set these; the answer comes back as SetterAnswered.
struct CallSetter {
  struct Value {
    std::string setter;
    double from = 0, to = 0;
    bool operator==(const Value&) const = default;
  };
  std::uint64_t ask = 0;  ///< its number, never used twice in one run of the daemon
  std::string component;
  std::vector<Value> values;
  std::chrono::milliseconds within{0};  ///< later answers count as none
  std::string reason;
};
/// Who listens for this component does so no more: it is gone, or is another one now.
struct EndListening {
  std::string component;
};
/// Hold the processes of a lease to so much of the processors; empty: to nothing.
struct LimitCpu {
  LeaseId lease = 0;
  Group group;
  std::optional<Cores> at;
  std::string reason;
};

/// Move the hard limit of memory that a lease was given; empty: away.
struct LimitMemory {
  LeaseId lease = 0;
  Group group;
  std::optional<Bytes> at;
  std::string reason;
};

using Effect =
    std::variant<Respond, Journal, Say, Changed, Sense, Watch, PlaceHolder, Fence, Freeze, Weigh,
                 Terminate, Release, Notify, AskHook, LookAtSessions, CleanSessions, MakeSession,
                 CallSetter, LimitCpu, LimitMemory, EndListening>;
using Effects = std::vector<Effect>;

}  // namespace headroom
