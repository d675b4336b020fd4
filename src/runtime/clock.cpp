#include "runtime/clock.hpp"

#include <ctime>

namespace headroom::runtime {
namespace {

std::chrono::nanoseconds read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Instant now() { return {BootTime(read(CLOCK_BOOTTIME)), WallTime(read(CLOCK_REALTIME))}; }

}  // namespace headroom::runtime
