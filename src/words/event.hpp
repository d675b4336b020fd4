// What happens to the control machine: plain values, no behaviour.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/lease.hpp>
#include <headroom/result.hpp>
#include <headroom/sample.hpp>

#include "words/config.hpp"
#include "words/record.hpp"
#include "words/session.hpp"
#include "words/zone.hpp"

namespace headroom {

using RequestId = std::uint64_t;

/// Who asks.
struct Caller {
  uid_t uid = 0;
  bool known = false;    ///< false: the kernel could not say
  bool trusted = false;  ///< root, or in the group that may change everything
};

/// How somebody names a control group that headroom did not make.
struct GroupName {
  enum class By {
    path,       ///< in its hierarchy, or as a folder
    unit,       ///< of systemd
    container,  ///< the beginning of its id; of LXC, the name
  };
  By by = By::path;
  std::string text;
};

/// Would it fit? Changes nothing.
struct AskFit {
  std::string name;
  std::string model;  ///< what this model needs, where `has_needs` is false
  Needs needs;
  bool has_needs = true;  ///< false: what the name has needed before
  Priority priority = Priority::normal;
  bool spread = false;
  std::optional<std::chrono::seconds> expected;
  std::string config = {};  ///< which runs of the name are meant; or empty
};
/// Book it.
struct AskLease {
  std::string name;
  std::string model;  ///< the model that it keeps in memory; or empty
  bool use = false;   ///< it only uses the model, which then stays where it is; no needs
  Needs needs;
  bool has_needs = true;  ///< false: book what the name has needed before
  Priority priority = Priority::normal;
  bool spread = false;
  std::optional<std::chrono::milliseconds> wait;  ///< 0 = now or not at all; empty = without limit
  std::optional<std::chrono::seconds> expected;
  std::chrono::seconds ttl{0};
  Holder holder;
  LeaseId beside = 0;  ///< a living lease that measures processes of the holder already; 0: none
  LeaseId parent = 0;
  bool fence = false;
  bool enforce = false;
  bool group = false;  ///< move the holder into groups of its own
  bool return_idle = false;
  std::string idempotency_key;
  std::string config = {};  ///< what tells its runs apart from others of its name; or empty
  /// Not before then, and what it needs is kept for it until then; `wait` and `ttl` count from
  /// there.
  std::optional<WallTime> starts = {};
};
/// Answer when the lease is no longer waiting, at the latest after `patience`.
struct AskWait {
  LeaseId lease = 0;
  std::chrono::milliseconds patience{0};
};
/// Change a living lease: resize, renew, hand over, say how long, say how its holder ended.
struct AskChange {
  LeaseId lease = 0;
  std::optional<Needs> needs;
  std::optional<std::chrono::seconds> ttl;
  std::optional<std::chrono::seconds> expected;
  std::optional<int> exit_status;
  std::optional<Holder> holder;  ///< hand it over to this process
  LeaseId beside = 0;            ///< another living lease that measures this process; 0: none
  std::optional<bool> return_idle;
  /// An allocation of so much on its device has failed: it is moved to another one, once.
  std::optional<Bytes> failed_gpu_memory;
};
struct AskEnd {
  LeaseId lease = 0;
};
struct AskAcknowledge {
  std::uint64_t alert = 0;
  bool acknowledged = true;
};
/// Tell nobody of this alert until then, even if it escalates or comes again; a time that has
/// passed takes it back.
struct AskMute {
  std::uint64_t alert = 0;
  WallTime until{};
};
/// Nobody new on a device, or on the whole node, until it is taken back.
struct AskDrain {
  std::string device;  ///< UUID or index; "" = the node
  bool drained = true;
};
/// Show a model, or tell of one; what is empty stays as it is.
struct AskModel {
  std::string name;
  bool create = false;  ///< where nobody knows it yet; else not found
  std::optional<Bytes> memory;
  std::optional<Bytes> gpu_memory;
  std::optional<double> compute;
  std::optional<Priority> priority;
  std::optional<bool> pinned;
  std::optional<std::string> hook;
  std::optional<std::chrono::milliseconds> load;  ///< how long loading it took
  bool touched = false;                           ///< it was used just now
  bool unload = false;                            ///< ask it to go, whoever wants its memory
  bool forget = false;                            ///< what was told and learned of it
};
/// Make room: ask models to go until so much has come free.
struct AskFree {
  std::optional<Bytes> memory;      ///< that is to come free; empty with the other: all that may go
  std::optional<Bytes> gpu_memory;  ///< on one device
  std::string gpu;                  ///< on this device: UUID or index; "" = where it costs least
  Priority priority = Priority::normal;  ///< for whom; nobody of a higher one goes
  bool force = false;  ///< models used in the last minute too; never those in use or pinned
  bool dry_run = false;
  std::chrono::milliseconds patience{30000};  ///< answers then, with what was seen until then
};
/// Look at session folders, remove them, or make one.
struct AskSessions {
  enum class What { list, clean, remove, add };
  What what = What::list;
  std::string name;  ///< remove, add
  std::string root;  ///< one of sessions.roots; "": all of them; for add: the first
  std::optional<std::chrono::seconds> older;  ///< clean: empty: sessions.max_age
  bool dry_run = false;
  Holder holder;  ///< add: as long as it lives the folder is in use
};
/// What of a quota is to change; what is empty stays.
struct QuotaChange {
  struct Part {
    std::optional<std::int64_t> amount, least, most;  ///< units of the Allotted; 0 takes it back
    bool any() const { return amount || least || most; }
  };
  std::array<Part, kAllotted> parts;
  std::optional<Priority> priority;
  std::optional<double> buffer;  ///< below 0: the strategy's again
  std::optional<bool> enforce;
  /// These are of the times `during` alone; with nothing else said the times are forgotten.
  std::string during;
};
/// Register a component, change its quota, hear of it, forget it.
struct AskComponent {
  enum class What { put, quota, heard, remove, answer };
  What what = What::quota;
  std::string name;
  QuotaChange quota;
  std::vector<Setter> setters;                ///< put
  Holder holder;                              ///< put: whose end is its own; or nobody
  LeaseId beside = 0;                         ///< a living lease that measures the holder; 0: none
  std::map<std::string, double> values = {};  ///< put: what its setters have set now
  /// put, heard: what it says that it uses; in units.
  std::array<std::optional<std::int64_t>, kAllotted> used{};
  /// answer: to this ask; `values` are what was set instead.
  std::uint64_t ask = 0;
  bool done = false;
  std::string said;  ///< why not; or empty
};
using Ask = std::variant<AskFit, AskLease, AskWait, AskChange, AskEnd, AskAcknowledge, AskMute,
                         AskDrain, AskModel, AskFree, AskSessions, AskComponent>;

/// The machine was read.
struct Sampled {
  std::shared_ptr<const Sample> sample;
};
/// A client asked for something.
struct Asked {
  RequestId request = 0;
  Caller caller;
  Ask ask;
};
/// The client of a request that is not answered yet has gone.
struct Withdrawn {
  RequestId request = 0;
};
/// A holder has ended.
struct Exited {
  Holder holder;
};
/// Time has passed a deadline.
struct Ticked {};
/// The journal was read at start. `alive` are the holders that still run; `same_boot` says whether
/// boot times in the records mean this boot: after a reboot no holder lives.
struct Restored {
  std::vector<Record> records;
  std::vector<Holder> alive;
  bool same_boot = true;
  std::string foresight = {};  ///< what Control::save_foresight() gave; or empty
};
struct Configured {
  Config config;
};
/// The groups of a lease were made and its holder moved in, or why not.
struct Placed {
  LeaseId lease = 0;
  Result<Group> group;
  bool fenced = false;
  std::string problem;       ///< what of fence or limit did not work, or empty
  bool fence_comes = false;  ///< the fence did not work, and is tried again
};
/// The fence was moved.
struct Fenced {
  LeaseId lease = 0;
  bool done = false;
  Bytes at = {};  ///< where it stands, where that is more than was wanted
};
/// Its processes were stopped, or let go, or why not.
struct Frozen {
  LeaseId lease = 0;
  bool frozen = false;
  std::string problem;  ///< or empty
};
/// Its share of the processors was changed, or why not.
struct Weighed {
  LeaseId lease = 0;
  int percent = 100;
  std::string problem;  ///< or empty
};
/// Its processes were asked to end, or ended, or why not.
struct Terminated {
  LeaseId lease = 0;
  bool hard = false;
  int processes = 0;    ///< that were there
  std::string problem;  ///< or empty
};
/// These have come to their fence, between two samples.
struct Touched {
  std::vector<LeaseId> leases;
};
/// A group whose holder has ended was looked at, and removed if nothing runs in it any more.
struct Released {
  LeaseId lease = 0;
  bool gone = false;
  int processes = 0;
  Bytes memory_peak;
  std::uint64_t oom_kills = 0;
};

/// What somebody said who was asked to free or to load a model. None of it is a measurement.
enum class HookResult {
  freed,         ///< asked again, it has it no more
  loaded,        ///< asked again, it has it
  acknowledged,  ///< it took the ask
  refused,
  not_found,  ///< it has no such model
  unreachable,
  timed_out,
  nonsense,
};
constexpr std::size_t kHookResults = 8;

constexpr const char* to_string(HookResult result) {
  switch (result) {
    case HookResult::freed:
      return "freed";
    case HookResult::loaded:
      return "loaded";
    case HookResult::acknowledged:
      return "acknowledged";
    case HookResult::refused:
      return "refused";
    case HookResult::not_found:
      return "not_found";
    case HookResult::unreachable:
      return "unreachable";
    case HookResult::timed_out:
      return "timed_out";
    case HookResult::nonsense:
      return "nonsense";
  }
  return "nonsense";
}

struct HookAnswered {
  std::uint64_t ask = 0;
  HookResult result = HookResult::unreachable;
  std::string said;
};
/// A model that an engine says it holds.
struct EngineModel {
  std::string name;
  bool loading = false;
  std::optional<Bytes> memory;
  std::optional<Bytes> gpu_memory;
  std::optional<WallTime> used;
  std::optional<pid_t> pid;
  std::optional<bool> busy;
  bool operator==(const EngineModel&) const = default;
};
/// The engine behind a hook was asked what it holds.
struct EngineRead {
  std::string hook;
  bool answered = false;  ///< false: `said` has why not, and `models` says nothing
  std::string said;
  std::vector<EngineModel> models;
};

/// The roots were looked at.
struct SessionsSeen {
  std::uint64_t run = 0;
  std::vector<SessionRoot> roots;
};
/// What came of a cleaning: of what was asked for in that order, then of what earlier runs had
/// left.
struct SessionsCleaned {
  std::uint64_t run = 0;
  std::vector<SessionRemoval> removals;
  std::vector<SessionRemoval> finished;
};
struct SessionMade {
  std::uint64_t run = 0;
  Result<SessionFolder> folder;
};

/// Whether somebody listens for what a component is asked.
struct ComponentHeard {
  std::string component;
  bool listens = false;
};
/// What a component did that was asked to set something.
struct SetterAnswered {
  std::string component;
  std::uint64_t ask = 0;
  bool done = false;                     ///< else it failed
  std::map<std::string, double> values;  ///< that it set instead of those that it was asked to set
  std::string said;                      ///< why it failed; or empty
};
/// The time zone of this machine was read.
struct ZoneRead {
  ZoneRules rules;
};

using Event = std::variant<Sampled, Asked, Withdrawn, Exited, Ticked, Restored, Configured, Placed,
                           Fenced, Frozen, Weighed, Terminated, Touched, Released, HookAnswered,
                           EngineRead, SessionsSeen, SessionsCleaned, SessionMade, ComponentHeard,
                           SetterAnswered, ZoneRead>;

}  // namespace headroom
