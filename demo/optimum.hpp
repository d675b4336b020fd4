// What the shortest possible time for the jobs is, and why nobody can be faster.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "demo/instance.hpp"

namespace headroom::demo {

/// A start for every job, in seconds from the beginning and in the order of the instance.
struct Schedule {
  int usable_mib = 0;
  int makespan = 0;  ///< seconds until the last job has ended
  std::vector<int> starts;
};

/// Reads lines `usable MIB`, `makespan SECONDS` and `start NAME SECOND`; `#` starts a comment.
/// Every job of `instance` must have exactly one start.
Result<Schedule> parse_schedule(const Instance& instance, std::string_view text);

/// The schedule that is built into the program (optimum.txt), read and checked.
Result<Schedule> certified_optimum(const Instance& instance);

/// A number of seconds below which no schedule can stay: the larger of the longest job and the
/// area of all jobs divided by what is usable, rounded up. Rounding up is right because all
/// durations are whole seconds: any schedule can be pushed to the left until every start is 0 or
/// another job's end, and then it ends at a whole second.
int lower_bound_seconds(const Instance& instance, int usable_mib);

/// Checks that a schedule starts no job before 0, never takes more than its usable memory, ends
/// when it says, and ends at the lower bound, so that it is optimal. Fails with the first thing
/// that is wrong.
Result<void> check_certificate(const Instance& instance, const Schedule& schedule);

/// Plays a queue in submission order with backfill that does not delay its head (EASY), which
/// knows every job's duration. `overhead(job)` is what a start and end cost beyond the job's own
/// time, in milliseconds, unknown to the queue. Returns the time until the last end, in
/// milliseconds.
long simulate_backfill(const Instance& instance, int usable_mib,
                       const std::function<long(std::size_t job)>& overhead);

}  // namespace headroom::demo
