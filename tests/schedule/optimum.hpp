// The shortest time in which a machine can do a set of jobs, all of which are there at the start.
#pragma once

#include <cstdint>
#include <vector>

#include "instance.hpp"

namespace headroom::schedule {

/// No schedule ends before this many seconds: the largest of the longest job, the area of each
/// resource (also with sizes rounded by dual feasible functions), what the jobs of at least a size
/// take on as many equal machines as they find places at once, and the sum of jobs of which no two
/// fit at once. For up to 64 jobs the same is asked of the parts that must run within the middle of
/// the time. Jobs need not run without a pause here, nor stay on one device: it may be out of
/// reach.
std::int64_t lower_bound(const Instance& instance);

/// A schedule of the least makespan, or at least a bound from both sides.
struct Optimum {
  std::int64_t seconds = 0;  ///< of the best schedule found
  std::int64_t bound = 0;    ///< nobody is faster; equal to `seconds` where that was proven
  std::vector<std::int64_t> starts;
  std::vector<int> gpus;  ///< where each runs; −1: on none
  std::uint64_t nodes = 0;
  bool proven() const { return seconds == bound; }
};

/// Branch and bound over all schedules in which every job begins at the start or at another's end:
/// any schedule can be pushed to the left into one of these without ending later. Gives up after
/// `nodes` nodes. REQUIRES at most 16 jobs, each of which fits into the empty machine.
Optimum optimum(const Instance& instance, std::uint64_t nodes = 20'000'000);

/// Why these starts are no schedule of the instance; empty: they are one.
const char* wrong(const Instance& instance, const std::vector<std::int64_t>& starts,
                  const std::vector<int>& gpus);

}  // namespace headroom::schedule
