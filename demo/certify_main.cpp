// Searches a schedule that ends at the lower bound and prints optimum.txt. Run by hand when
// instance.txt changes; the check of what it prints is a test.
#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

#include "demo/optimum.hpp"

namespace headroom::demo {
namespace {

/// Puts the jobs, in the order of `priority`, at the earliest second where they fit.
Schedule place_in_order(const Instance& instance, int usable,
                        const std::vector<std::size_t>& priority) {
  Schedule schedule{usable, 0, std::vector<int>(instance.jobs.size(), 0)};
  std::vector<int> taken;
  for (const std::size_t i : priority) {
    const Job& job = instance.jobs[i];
    const auto length = static_cast<std::size_t>(job.seconds);
    std::size_t at = 0;
    for (std::size_t second = at; second < at + length && second < taken.size(); ++second) {
      if (taken[second] + job.memory_mib > usable) at = second + 1;
    }
    taken.resize(std::max(taken.size(), at + length));
    for (std::size_t second = at; second < at + length; ++second) taken[second] += job.memory_mib;
    schedule.starts[i] = static_cast<int>(at);
    schedule.makespan = std::max(schedule.makespan, static_cast<int>(at + length));
  }
  return schedule;
}

int certify() {
  const auto instance = built_in_instance();
  if (!instance) {
    std::fprintf(stderr, "%s: %s\n", instance.error().what.c_str(), instance.error().why.c_str());
    return 1;
  }
  const int usable = usable_mib(instance->limit_mib);
  const int bound = lower_bound_seconds(*instance, usable);
  long area = 0;
  for (const Job& job : instance->jobs) area += static_cast<long>(job.memory_mib) * job.seconds;

  std::vector<std::size_t> priority(instance->jobs.size());
  for (std::size_t i = 0; i < priority.size(); ++i) priority[i] = i;
  std::mt19937 random(1);  // NOLINT: the same search every time
  constexpr int kTries = 1'000'000;
  for (int tried = 0; tried < kTries; ++tried) {
    const Schedule schedule = place_in_order(*instance, usable, priority);
    if (schedule.makespan == bound) {
      std::printf(
          "# A schedule for instance.txt and the proof that none is shorter.\n"
          "#\n"
          "# Usable are %d of %d MiB: the limit less 5 %% reserve and 2 %% margin.\n"
          "# All jobs together take %ld MiB x s, and %ld / %d = %.2f s. Every duration is a whole\n"
          "# number of seconds, so some shortest schedule has whole starts (push every job to the\n"
          "# left until it begins at 0 or at another's end) and ends at a whole second: none ends\n"
          "# before second %d. The one below ends there. It is the optimum for the usable memory\n"
          "# and these durations; it knows nothing of starting a process or of freeing its "
          "memory.\n"
          "# Found by certify_main.cpp, checked by optimum_test.cpp and at every start of the "
          "demo.\n"
          "\n"
          "usable %d\nmakespan %d\n\n",
          usable, instance->limit_mib, area, area, usable, static_cast<double>(area) / usable,
          bound, usable, bound);
      for (std::size_t i = 0; i < instance->jobs.size(); ++i) {
        std::printf("start %-14s %2d\n", instance->jobs[i].name.c_str(), schedule.starts[i]);
      }
      return 0;
    }
    std::shuffle(priority.begin(), priority.end(), random);
  }
  std::fprintf(stderr, "no schedule of %d s found in %d tries\n", bound, kTries);
  return 1;
}

}  // namespace
}  // namespace headroom::demo

int main() { return headroom::demo::certify(); }
