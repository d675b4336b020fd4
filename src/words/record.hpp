// What the journal keeps: the changes of the promises, as plain values and as bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/lease.hpp>
#include <headroom/model.hpp>
#include <headroom/pressure.hpp>
#include <headroom/result.hpp>

#include "words/session.hpp"

namespace headroom {

/// What a run used at most and how long it took.
struct LearnedRun {
  Amounts peak;
  std::chrono::seconds length{};  ///< 0: not known, or it says nothing
  bool killed = false;            ///< it died for want of memory
  bool operator==(const LearnedRun&) const = default;
};
inline constexpr std::size_t kLearnedRuns = 8;

/// The lease is now as it stands here (new or changed).
struct PutLease {
  Lease lease;
  bool operator==(const PutLease&) const = default;
};
/// The lease is forgotten (it ended long ago).
struct DropLease {
  LeaseId id = 0;
  bool operator==(const DropLease&) const = default;
};
/// The last runs of a name in one configuration on one kind of device, newest last, at most
/// kLearnedRuns.
struct PutLearned {
  std::string name;
  std::vector<LearnedRun> runs;  ///< empty: forget them
  std::string config = {};       ///< as the requests told it; "": they did not
  std::string device = {};       ///< the model of the GPU; "": none
  WallTime used{};               ///< when the last of them ended
  bool operator==(const PutLearned&) const = default;
};
/// Somebody has seen this alert; holds until the alert ends.
struct PutAcknowledged {
  Resource resource = Resource::memory;
  std::string device;
  bool acknowledged = true;
  bool operator==(const PutAcknowledged&) const = default;
};
/// Nobody is told of alerts on this until then; the epoch takes it back.
struct PutMuted {
  Resource resource = Resource::memory;
  std::string device;
  WallTime until{};
  bool operator==(const PutMuted&) const = default;
};
/// A device, or the whole node (""), that takes nobody new.
struct Drain {
  std::string device;  ///< GPU UUID; "" = the node
  uid_t by = 0;        ///< who said so; root for what headroom did by itself
  WallTime since{};
  std::string reason;  ///< why headroom did it by itself; empty: somebody asked for it
  bool operator==(const Drain&) const = default;
};
struct PutDrain {
  Drain drain;
  bool drained = true;  ///< false: it takes leases again
  bool operator==(const PutDrain&) const = default;
};
struct PutModel {
  Model model;
  bool known = true;  ///< false: it is forgotten
  bool operator==(const PutModel&) const = default;
};
/// Somebody told of a session folder, or its removal begins.
struct PutSession {
  Session session;
  bool known = true;  ///< false: it is forgotten
  bool operator==(const PutSession&) const = default;
};
struct PutComponent {
  Component component;
  bool known = true;  ///< false: it is forgotten, with its quota
  bool operator==(const PutComponent&) const = default;
};
/// An allocation was asked for, or answered: the newest of its id, component and amount counts.
struct PutDecision {
  Decision decision;
  bool operator==(const PutDecision&) const = default;
};
/// The counter of lease ids: the next one to be given. Never goes back.
struct PutNextLease {
  LeaseId next = 1;
  bool operator==(const PutNextLease&) const = default;
};

/// What the node has cost in a month of its zone, up to now.
struct PutSpent {
  std::chrono::year_month month{};
  Money spent;
  bool operator==(const PutSpent&) const = default;
};

using Record =
    std::variant<PutLease, DropLease, PutLearned, PutAcknowledged, PutNextLease, PutMuted, PutDrain,
                 PutModel, PutSession, PutComponent, PutDecision, PutSpent>;

/// Appends the record's bytes to `out`: a kind, then fields as (tag, length, value), so that a
/// reader skips the fields it does not know and gives missing ones their default: a journal of an
/// older version reads, and one of a newer version does as far as it can.
void encode(const Record& record, std::string& out);

/// Reads one record back. Refuses bytes that are no record (unknown kind, cut field, bad
/// enumerator).
Result<Record> decode(std::string_view bytes);

}  // namespace headroom
