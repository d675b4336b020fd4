// What the control machine shows: one immutable picture from which every read is answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <headroom/component.hpp>
#include <headroom/lease.hpp>
#include <headroom/model.hpp>
#include <headroom/pressure.hpp>
#include <headroom/room.hpp>
#include <headroom/sample.hpp>

#include "words/config.hpp"
#include "words/record.hpp"
#include "words/session.hpp"

namespace headroom {

/// One line of what happened and why.
struct EventLine {
  std::uint64_t id = 0;  ///< given by the list of events
  WallTime at{};
  std::string type;  ///< "lease.granted", "alert.opened", …
  LeaseId lease = 0;
  std::optional<Resource> resource;
  std::string device;
  std::string text;
};

/// One device of a lease that holds several.
struct LeaseDevice {
  std::string gpu;  ///< UUID
  std::optional<int> index;
  Bytes booked;
  std::optional<Bytes> measured;  ///< empty: nothing was read yet
};

/// Of a lease that holds several devices the amounts of GPU memory are those of all of them.
struct LeaseView {
  Lease lease;
  std::optional<Amounts> measured;  ///< empty: nothing was read yet
  bool over = false;                ///< uses more than it booked
  int place = 0;                    ///< in the queue; 1 = next
  std::optional<WallTime> earliest;
  std::string why;  ///< what it waits for
  std::optional<int> gpu_index;
  std::optional<double> gpu_fraction;  ///< of the device of which it is least
  std::vector<LeaseDevice> devices;    ///< all of them, where it holds several; else empty
  std::string idle;                    ///< what of its booking it has not used for long, or empty
  /// Of what it has booked, until now and in an hour; empty: nothing has a price.
  std::optional<Money> cost, cost_per_hour;
};

/// What the node costs.
struct CostView {
  Money per_hour;                     ///< as it is now
  Money leases_per_hour;              ///< of that, what leases have booked
  std::chrono::year_month month{};    ///< this one, in the node's zone
  Money spent;                        ///< in it
  std::optional<Money> spent_before;  ///< in the month before; empty: not known
  Money budget;                       ///< of a month; 0: none
  /// When the budget is spent if it goes on so; empty: not in this month. In the past: it is.
  std::optional<WallTime> spent_at;
  WallTime until{};  ///< the month's end
};

/// The hours of the day in which something is used most and least, as they were on the last days.
struct PeakHours {
  std::string series;              ///< "memory", "gpu_memory:GPU-…"
  int peak_from = 0, peak_to = 0;  ///< of the node's clock, 0 to 23; `to` may be on the next day
  double peak = 0;                 ///< mean of these hours, percent
  int quiet_from = 0, quiet_to = 0;
  double quiet = 0;
  int days = 0;  ///< that were looked at
};

struct View {
  std::uint64_t revision = 0;
  Instant at;
  std::shared_ptr<const Sample> sample;  ///< null before the first
  std::vector<Room> rooms;
  std::vector<Pressure> pressures;
  std::vector<Alert> alerts;  ///< open ones, then those that ended, oldest first
  std::vector<LeaseView> leases;
  std::vector<ModelView> models;  ///< by name; a resident one before those that are only known
  std::vector<ComponentView> components;  ///< by name
  Level health = Level::ok;
  std::string readiness;                       ///< why not ready, or empty
  std::vector<Drain> drains;                   ///< what takes nobody new
  std::vector<SessionRootView> session_roots;  ///< as configured
  std::optional<CostView> cost;                ///< empty: nothing has a price
  std::vector<PeakHours> peaks;                ///< empty: there are none, or nobody knows yet
  std::shared_ptr<const Config> config;
};

}  // namespace headroom
