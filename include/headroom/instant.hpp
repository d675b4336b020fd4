// Time as data: types for points in time that have no "now". Only src/runtime owns a clock.
#pragma once

#include <chrono>

namespace headroom {

/// CLOCK_BOOTTIME: counts while the machine sleeps, never jumps. Deadlines live on it.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

/// UTC wall time; may jump. Only shown and used for calendars.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// One moment on both clocks.
struct Instant {
  BootTime boot;
  WallTime wall;
  bool operator==(const Instant&) const = default;
};

}  // namespace headroom
