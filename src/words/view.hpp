// What the control machine shows: one immutable picture from which every read is answered.
#pragma once

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
  std::shared_ptr<const Config> config;
};

}  // namespace headroom
