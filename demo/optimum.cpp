#include "demo/optimum.hpp"

#include <algorithm>
#include <limits>
#include <sstream>

#include "demo/built_in.hpp"

namespace headroom::demo {
namespace {

struct Running {
  int memory_mib = 0;
  long declared_end = 0;  // what the queue believes
  long end = 0;           // what happens
};

/// When the head will fit, and how much is left beside it then.
struct Shadow {
  long at = 0;
  int extra_mib = 0;
};

Shadow shadow_of(const Job& head, std::vector<Running> running, int free_mib, long now) {
  std::sort(running.begin(), running.end(),
            [](const Running& a, const Running& b) { return a.declared_end < b.declared_end; });
  for (const Running& job : running) {
    free_mib += job.memory_mib;
    // A job that is late is expected to end any moment.
    if (free_mib >= head.memory_mib) {
      return {std::max(job.declared_end, now), free_mib - head.memory_mib};
    }
  }
  return {std::numeric_limits<long>::max(), 0};
}

}  // namespace

Result<Schedule> parse_schedule(const Instance& instance, std::string_view text) {
  Schedule schedule;
  schedule.starts.assign(instance.jobs.size(), -1);
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto refuse = [&](const std::string& why) {
      return fail(ErrorKind::invalid_request, "line " + std::to_string(number) + ": " + line, why);
    };
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    if (word == "usable") {
      if (!(words >> schedule.usable_mib)) return refuse("expected a number of MiB");
    } else if (word == "makespan") {
      if (!(words >> schedule.makespan)) return refuse("expected a number of seconds");
    } else if (word == "start") {
      std::string name;
      int second = 0;
      if (!(words >> name >> second) || second < 0) return refuse("expected start NAME SECOND");
      const auto job = std::find_if(instance.jobs.begin(), instance.jobs.end(),
                                    [&](const Job& each) { return each.name == name; });
      if (job == instance.jobs.end()) return refuse("the instance has no such job");
      int& start = schedule.starts[static_cast<std::size_t>(job - instance.jobs.begin())];
      if (start != -1) return refuse("this job has a start already");
      start = second;
    } else {
      return refuse("a line starts with usable, makespan or start");
    }
  }
  for (std::size_t i = 0; i < instance.jobs.size(); ++i) {
    if (schedule.starts[i] == -1) {
      return fail(ErrorKind::invalid_request,
                  "the schedule has no start for " + instance.jobs[i].name);
    }
  }
  return schedule;
}

int lower_bound_seconds(const Instance& instance, int usable_mib) {
  long area = 0;
  int longest = 0;
  for (const Job& job : instance.jobs) {
    area += static_cast<long>(job.memory_mib) * job.seconds;
    longest = std::max(longest, job.seconds);
  }
  return std::max(longest, static_cast<int>((area + usable_mib - 1) / usable_mib));
}

Result<void> check_certificate(const Instance& instance, const Schedule& schedule) {
  const auto refuse = [](const std::string& why) {
    return fail(ErrorKind::invalid_request, "the schedule is no certificate", why);
  };
  if (schedule.usable_mib > usable_mib(instance.limit_mib)) {
    return refuse("it uses more than what is usable of the limit");
  }
  if (schedule.usable_mib <= 0 || schedule.starts.size() != instance.jobs.size()) {
    return refuse("it is not about this instance");
  }
  int end = 0;
  for (std::size_t i = 0; i < instance.jobs.size(); ++i) {
    // What is taken only rises at a start, so looking at every start is enough.
    const int at = schedule.starts[i];
    if (at < 0) return refuse(instance.jobs[i].name + " starts before the beginning");
    int taken = 0;
    for (std::size_t j = 0; j < instance.jobs.size(); ++j) {
      if (schedule.starts[j] <= at && at < schedule.starts[j] + instance.jobs[j].seconds) {
        taken += instance.jobs[j].memory_mib;
      }
    }
    if (taken > schedule.usable_mib) {
      return refuse("at second " + std::to_string(at) + " it takes " + std::to_string(taken) +
                    " MiB of " + std::to_string(schedule.usable_mib));
    }
    end = std::max(end, at + instance.jobs[i].seconds);
  }
  if (end != schedule.makespan) {
    return refuse("it ends at second " + std::to_string(end) + ", not " +
                  std::to_string(schedule.makespan));
  }
  const int bound = lower_bound_seconds(instance, schedule.usable_mib);
  if (end != bound) {
    return refuse("it ends at second " + std::to_string(end) + ", the lower bound is " +
                  std::to_string(bound));
  }
  return {};
}

Result<Schedule> certified_optimum(const Instance& instance) {
  auto schedule = parse_schedule(instance, kOptimumText);
  if (!schedule) return schedule;
  if (auto checked = check_certificate(instance, *schedule); !checked) {
    return tl::unexpected(checked.error());
  }
  return schedule;
}

long simulate_backfill(const Instance& instance, int usable_mib,
                       const std::function<long(std::size_t job)>& overhead) {
  std::vector<std::size_t> queue(instance.jobs.size());
  for (std::size_t i = 0; i < queue.size(); ++i) queue[i] = i;
  std::vector<Running> running;
  int free_mib = usable_mib;
  long now = 0;
  const auto start = [&](std::size_t i) {
    const Job& job = instance.jobs[i];
    const long declared_end = now + job.seconds * 1000L;
    running.push_back({job.memory_mib, declared_end, declared_end + overhead(i)});
    free_mib -= job.memory_mib;
  };

  while (true) {
    while (!queue.empty() && instance.jobs[queue.front()].memory_mib <= free_mib) {
      start(queue.front());
      queue.erase(queue.begin());
    }
    if (!queue.empty()) {
      Shadow shadow = shadow_of(instance.jobs[queue.front()], running, free_mib, now);
      for (auto next = queue.begin() + 1; next != queue.end();) {
        const Job& job = instance.jobs[*next];
        const bool ends_before = now + job.seconds * 1000L <= shadow.at;
        const bool fits_beside = job.memory_mib <= shadow.extra_mib;
        if (job.memory_mib > free_mib || !(ends_before || fits_beside)) {
          ++next;
          continue;
        }
        if (!ends_before) shadow.extra_mib -= job.memory_mib;
        start(*next);
        next = queue.erase(next);
      }
    }
    if (running.empty()) return now;
    const auto first =
        std::min_element(running.begin(), running.end(),
                         [](const Running& a, const Running& b) { return a.end < b.end; });
    now = first->end;
    free_mib += first->memory_mib;
    running.erase(first);
  }
}

}  // namespace headroom::demo
