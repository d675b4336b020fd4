// Checks the invariants of ARCHITECTURE.md after every event, from outside the code that must keep
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "decide/promises.hpp"
#include "machine.hpp"

namespace headroom::simulate {

/// What a client knows of a lease that it was told about.
struct Told {
  Holder holder;
  uid_t owner = 0;
  bool granted = false;
};

class Referee {
 public:
  explicit Referee(const Machine& machine) : machine_(machine) {}

  /// A lease may end from now on: its owner ended it, its time ran out.
  void may_end(LeaseId id) { may_end_.insert(id); }
  /// Its end now would be a fault.
  bool has_to_hold(LeaseId id) const;
  /// Nothing that lived before lives now.
  void rebooted() { everything_may_end_ = true; }

  /// Before the event: what the head of the queue may expect.
  void before(const control::Control& control, const Event& event, Instant at);
  /// After it; the first broken invariant, or empty.
  std::string after(const control::Control& control, const Event& event, const Effects& effects,
                    Instant at, bool forged);
  /// At a restart: what was read of the journal must hold all that clients were told.
  std::string replayed(const std::vector<Record>& records);

  /// A client has been told.
  void told(const Lease& lease);
  const std::map<LeaseId, Told>& promised() const { return told_; }
  const decide::Promises& shadow() const { return shadow_; }
  /// Everything, the costly checks included.
  std::string everything(const control::Control& control) const;
  std::uint64_t checked() const { return checked_; }
  std::uint64_t started_at_a_time() const { return started_; }

 private:
  std::string endings(const Lease& before, const Lease& now, Instant at);
  std::string victims(const control::Control& control, const Effects& effects) const;
  std::string grants(const control::Control& control, const std::map<LeaseId, Amounts>& grown,
                     const std::set<LeaseId>& granted) const;
  bool may_change(const Caller& caller, LeaseId id) const;
  std::string ledger(const control::State& state) const;
  std::string rooms(const control::State& state) const;
  std::string components(const control::State& state) const;
  std::string nested(const control::State& state) const;
  std::string devices(const control::State& state) const;
  std::string readings(const control::State& state, const Event& event) const;
  std::string killings(const control::Control& control, const Effects& effects) const;
  static bool keeps_all_waiting(const control::State& state, LeaseId id);
  std::string weights(const control::Control& control, const Effects& effects) const;
  std::string stillness(const control::Control& control, const Event& event, Instant at) const;
  std::string gauges(const control::Control& control, const Event& event);
  std::string queue(const control::Control& control, const Event& event,
                    const std::set<LeaseId>& granted, bool reads, Instant at) const;

  std::string starts(const control::Control& control, const Event& event,
                     const std::set<LeaseId>& granted, bool reads, Instant at);

  const Machine& machine_;
  decide::Promises shadow_;
  std::set<LeaseId> living_;
  std::map<LeaseId, Told> told_;
  std::set<LeaseId> may_end_;
  std::map<LeaseId, Holder> handed_to_;  ///< its owner said so
  bool everything_may_end_ = false;
  LeaseId highest_told_ = 0;
  struct Head {
    LeaseId lease = 0;
    std::optional<WallTime> earliest;
  };
  std::optional<Head> head_;
  std::map<std::pair<Resource, std::string>, std::pair<std::optional<double>, Level>> levels_;
  std::uint64_t checked_ = 0;
  std::optional<std::chrono::nanoseconds> offset_;  ///< of the wall's clock from the other
  std::set<LeaseId> disturbed_;  ///< wait for their time, and something took what was kept for them
  std::uint64_t started_ = 0;
};

}  // namespace headroom::simulate
