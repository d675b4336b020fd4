// What headroom has promised: all of it, and nothing else, is kept by the journal.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/lease.hpp>
#include <headroom/model.hpp>
#include <headroom/pressure.hpp>

#include "words/record.hpp"

namespace headroom::decide {

/// Whose runs are learned together.
struct LearnedKey {
  std::string name;
  std::string config;
  std::string device;  ///< the model of the GPU that they ran on; "": none
  bool operator==(const LearnedKey&) const = default;
  auto operator<=>(const LearnedKey&) const = default;
};
struct Learned {
  std::vector<LearnedRun> runs;  ///< newest last
  WallTime used{};               ///< when the last of them ended
  bool operator==(const Learned&) const = default;
};

inline constexpr std::size_t kMostMonths = 13;

struct Promises {
  LeaseId next_lease = 1;
  std::map<LeaseId, Lease> leases;  ///< living, and those that ended lately
  std::map<LearnedKey, Learned> learned;
  std::set<std::pair<Resource, std::string>> acknowledged;
  std::map<std::pair<Resource, std::string>, WallTime> muted;       ///< until when nobody is told
  std::map<std::string, Drain> drained;                             ///< by device; "" = the node
  std::map<std::string, Model> models;                              ///< that somebody told of
  std::map<std::pair<std::string, std::string>, Session> sessions;  ///< by root and name

  std::map<std::string, Component, std::less<>> components;
  /// The newest kMostDecisions, by their ask and amount.
  std::map<std::pair<std::uint64_t, Allotted>, Decision> decisions;
  /// What the node has cost, in the newest kMostMonths of which anything is known.
  std::map<std::chrono::year_month, Money> spent;

  /// Takes one record in. The only way these members change.
  void keep(const Record& record);
  /// The records that make these promises out of nothing: a snapshot.
  std::vector<Record> records() const;
  bool operator==(const Promises&) const = default;
};

/// Whether the lease counts against room: granted and not ended.
constexpr bool holds(LeaseState state) {
  return state != LeaseState::waiting && state != LeaseState::ended;
}

/// Whether its holder is gone, whatever is left of it.
constexpr bool is_ending(LeaseState state) {
  return state == LeaseState::releasing || state == LeaseState::quarantined ||
         state == LeaseState::ended;
}

/// Whether it holds what somebody who lives may use.
constexpr bool holds_for_somebody(LeaseState state) {
  return state != LeaseState::waiting && !is_ending(state);
}

/// Whether it waits for its own time, outside of the queue.
inline bool waits_for_start(const Lease& lease) {
  return lease.state == LeaseState::waiting && lease.starts.has_value();
}
/// Waiting leases that start at a time, by that time.
using Starts = std::set<std::pair<WallTime, LeaseId>>;

}  // namespace headroom::decide
