#include "optimum.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "random.hpp"

namespace headroom::schedule {
namespace {

// Of more jobs than these, no parts are looked at: their ends matter little, and it takes long.
constexpr std::size_t kMostCut = 64;

std::int64_t most_on_one_gpu(const Box& box) {
  return box.gpus.empty() ? 0 : *std::max_element(box.gpus.begin(), box.gpus.end());
}

bool together(const Box& box, const Job& a, const Job& b) {
  if (a.memory + b.memory > box.memory || a.cores + b.cores > box.cores) return false;
  if (a.gpu == 0 || b.gpu == 0) return true;
  for (std::size_t i = 0; i < box.gpus.size(); ++i) {
    if (a.gpu + b.gpu <= box.gpus[i]) return true;
    for (std::size_t j = 0; j < box.gpus.size(); ++j) {
      if (i != j && a.gpu <= box.gpus[i] && b.gpu <= box.gpus[j]) return true;
    }
  }
  return false;
}

// The area of one resource over its capacity. With sizes above capacity − t counted as the whole,
// those below t as nothing: of any set that fits at once, what is counted is at most the capacity
// (Fekete and Schepers, "New classes of fast lower bounds for bin packing problems", 2001).
std::int64_t area_bound(const std::vector<std::pair<std::int64_t, std::int64_t>>& sizes,
                        std::int64_t capacity) {
  std::int64_t best = 0;
  std::vector<std::int64_t> thresholds{0};
  for (const auto& [size, seconds] : sizes) {
    if (2 * size <= capacity) thresholds.push_back(size);
    if (2 * (capacity - size) < capacity) thresholds.push_back(capacity - size + 1);
  }
  for (const std::int64_t t : thresholds) {
    if (2 * t > capacity) continue;
    std::int64_t area = 0;
    for (const auto& [size, seconds] : sizes) {
      const std::int64_t counted = size > capacity - t ? capacity : size < t ? 0 : size;
      area += counted * seconds;
    }
    best = std::max(best, (area + capacity - 1) / capacity);
  }
  return best;
}

// Jobs of at least a size find so many places at once and no more: then they are jobs on that many
// equal machines, of which any j × places + 1 put j + 1 on one.
std::int64_t places_bound(std::vector<std::pair<std::int64_t, std::int64_t>> sizes,
                          const std::vector<std::int64_t>& capacities) {
  std::sort(sizes.rbegin(), sizes.rend());
  std::int64_t best = 0;
  std::vector<std::int64_t> seconds;  // of those of at least the size, longest first
  std::int64_t sum = 0;
  for (const auto& [size, length] : sizes) {
    if (size <= 0) break;
    seconds.insert(std::upper_bound(seconds.begin(), seconds.end(), length, std::greater<>()),
                   length);
    sum += length;
    std::int64_t places = 0;
    for (const std::int64_t capacity : capacities) places += capacity / size;
    if (places == 0) continue;
    best = std::max(best, (sum + places - 1) / places);
    for (std::size_t j = 1; j * static_cast<std::size_t>(places) < seconds.size(); ++j) {
      const std::size_t last = j * static_cast<std::size_t>(places);
      best = std::max(best, std::accumulate(seconds.begin() + static_cast<std::ptrdiff_t>(last - j),
                                            seconds.begin() + static_cast<std::ptrdiff_t>(last + 1),
                                            std::int64_t{0}));
    }
  }
  return best;
}

// Jobs of which no two fit at once, collected greedily from each one on.
std::int64_t clique_bound(const Instance& instance) {
  const auto& jobs = instance.jobs;
  std::vector<std::size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return jobs[a].seconds > jobs[b].seconds; });
  std::int64_t best = 0;
  for (const std::size_t first : order) {
    std::vector<std::size_t> clique{first};
    std::int64_t sum = jobs[first].seconds;
    for (const std::size_t next : order) {
      const bool alone = std::all_of(clique.begin(), clique.end(), [&](std::size_t in) {
        return in != next && !together(instance.box, jobs[in], jobs[next]);
      });
      if (!alone) continue;
      clique.push_back(next);
      sum += jobs[next].seconds;
    }
    best = std::max(best, sum);
  }
  return best;
}

// Of jobs that may also be cut into parts: nothing here asks that they run without a pause.
std::int64_t bound_by_parts(const Instance& instance) {
  std::int64_t best = clique_bound(instance);
  std::vector<std::pair<std::int64_t, std::int64_t>> memory, cores, gpu;
  std::int64_t gpu_area = 0;
  for (const Job& job : instance.jobs) {
    best = std::max(best, job.seconds);
    memory.emplace_back(job.memory, job.seconds);
    cores.emplace_back(job.cores, job.seconds);
    if (job.gpu > 0) gpu.emplace_back(job.gpu, job.seconds);
    gpu_area += job.gpu * job.seconds;
  }
  best = std::max(
      {best, area_bound(memory, instance.box.memory), area_bound(cores, instance.box.cores)});
  best = std::max(best, places_bound(memory, {instance.box.memory}));
  const auto& gpus = instance.box.gpus;
  if (gpus.empty()) return best;
  best = std::max(best, places_bound(gpu, gpus));
  const std::int64_t all = std::accumulate(gpus.begin(), gpus.end(), std::int64_t{0});
  best = std::max(best, (gpu_area + all - 1) / all);
  const auto count = static_cast<std::int64_t>(gpus.size());
  const bool equal = all == count * gpus.front();
  if (equal) {
    best = std::max(best, (area_bound(gpu, gpus.front()) + count - 1) / count);
  } else {
    // What fits only on the largest device has that one alone.
    std::vector<std::pair<std::int64_t, std::int64_t>> large;
    const std::int64_t most = most_on_one_gpu(instance.box);
    std::int64_t second = 0;
    for (const std::int64_t size : gpus) second = std::max(second, size < most ? size : 0);
    for (const auto& [size, seconds] : gpu) {
      if (size > second) large.emplace_back(size, seconds);
    }
    best = std::max(best, area_bound(large, most));
  }
  return best;
}

// Whether nobody ends within `seconds`. Who runs without a pause from 0 on and until `seconds` at
// most runs at least its length less d between d and `seconds` - d (energetic reasoning: Baptiste,
// Le Pape and Nuijten, "Satisfiability tests and time-bound adjustments for cumulative scheduling
// problems", 1999): these parts must find place there.
bool is_refuted(const Instance& instance, std::int64_t seconds) {
  std::set<std::int64_t> cuts;
  for (const Job& job : instance.jobs) {
    cuts.insert(job.seconds);
    cuts.insert(seconds - job.seconds);
  }
  if (instance.jobs.size() > kMostCut) cuts.clear();
  return std::any_of(cuts.begin(), cuts.end(), [&](std::int64_t cut) {
    const std::int64_t within = seconds - 2 * cut;
    if (cut <= 0 || within <= 0) return false;
    Instance parts{instance.box, {}};
    for (Job job : instance.jobs) {
      job.seconds = std::min(job.seconds - cut, within);
      if (job.seconds > 0) parts.jobs.push_back(job);
    }
    return bound_by_parts(parts) > within;
  });
}

struct Running {
  std::int64_t end = 0;
  int job = 0;
  int gpu = -1;
};

class Search {
 public:
  Search(const Instance& instance, std::uint64_t nodes)
      : instance_(instance),
        most_nodes_(nodes),
        starts_(instance.jobs.size(), -1),
        gpus_(instance.jobs.size(), -1) {
    order_.resize(instance.jobs.size());
    std::iota(order_.begin(), order_.end(), 0);
    // Long ones first: good schedules are met early.
    const auto area = [&](int a) { return job(a).seconds * (job(a).memory + job(a).gpu); };
    std::sort(order_.begin(), order_.end(),
              [&](int a, int b) { return std::pair(area(b), a) < std::pair(area(a), b); });
  }

  Optimum run() {
    best_.bound = lower_bound(instance_);
    first_guess();
    Box free = instance_.box;
    std::vector<Running> running;
    if (best_.seconds > best_.bound) at(0, (1U << order_.size()) - 1U, free, running);
    best_.nodes = nodes_;
    if (nodes_ <= most_nodes_) best_.bound = best_.seconds;
    return best_;
  }

 private:
  const Job& job(int index) const { return instance_.jobs[static_cast<std::size_t>(index)]; }

  // Orders at random, each placed as early as it goes: something to beat.
  void first_guess() {
    simulate::Random random(1);
    std::vector<int> order = order_;
    for (int turn = 0; turn < 200; ++turn) {
      serial(order);
      for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[random.below(i)]);
    }
  }
  void serial(const std::vector<int>& order) {
    std::vector<std::int64_t> starts(order.size(), -1);
    std::vector<int> gpus(order.size(), -1);
    std::int64_t last = 0;
    std::vector<int> placed;
    for (const int index : order) {
      std::vector<std::int64_t> moments{0};
      for (const int other : placed) {
        moments.push_back(starts[static_cast<std::size_t>(other)] + job(other).seconds);
      }
      std::sort(moments.begin(), moments.end());
      for (const std::int64_t moment : moments) {
        if (const int gpu = fits_during(index, moment, placed, starts, gpus); gpu >= -1) {
          starts[static_cast<std::size_t>(index)] = moment;
          gpus[static_cast<std::size_t>(index)] = gpu;
          break;
        }
      }
      placed.push_back(index);
      last = std::max(last, starts[static_cast<std::size_t>(index)] + job(index).seconds);
    }
    if (best_.starts.empty() || last < best_.seconds) {
      best_.seconds = last;
      best_.starts = starts;
      best_.gpus = gpus;
    }
  }
  // The device where it fits for all of its time; −1: needs none; −2: nowhere.
  int fits_during(int index, std::int64_t from, const std::vector<int>& placed,
                  const std::vector<std::int64_t>& starts, const std::vector<int>& gpus) const {
    const std::int64_t to = from + job(index).seconds;
    std::vector<std::int64_t> moments{from};
    for (const int other : placed) {
      const std::int64_t start = starts[static_cast<std::size_t>(other)];
      if (start > from && start < to) moments.push_back(start);
    }
    const auto free_at = [&](std::int64_t moment) {
      Box free = instance_.box;
      for (const int other : placed) {
        const auto o = static_cast<std::size_t>(other);
        if (starts[o] > moment || starts[o] + job(other).seconds <= moment) continue;
        free.memory -= job(other).memory;
        free.cores -= job(other).cores;
        if (gpus[o] >= 0) free.gpus[static_cast<std::size_t>(gpus[o])] -= job(other).gpu;
      }
      return free;
    };
    for (int gpu = job(index).gpu > 0 ? 0 : -1;
         gpu < (job(index).gpu > 0 ? static_cast<int>(instance_.box.gpus.size()) : 0); ++gpu) {
      const bool all = std::all_of(moments.begin(), moments.end(), [&](std::int64_t moment) {
        const Box free = free_at(moment);
        return job(index).memory <= free.memory && job(index).cores <= free.cores &&
               (gpu < 0 || job(index).gpu <= free.gpus[static_cast<std::size_t>(gpu)]);
      });
      if (all) return gpu;
    }
    return -2;
  }

  // What is left cannot end before this: by area, with what runs taking its part until its end.
  std::int64_t bound(std::int64_t now, std::uint32_t left,
                     const std::vector<Running>& running) const {
    std::int64_t last = now;
    std::int64_t memory = 0;
    std::int64_t gpu = 0;
    std::int64_t cores = 0;
    for (const Running& r : running) {
      last = std::max(last, r.end);
      memory += job(r.job).memory * (r.end - now);
      gpu += job(r.job).gpu * (r.end - now);
      cores += job(r.job).cores * (r.end - now);
    }
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if ((left >> i & 1U) == 0) continue;
      const Job& j = job(order_[i]);
      last = std::max(last, now + j.seconds);
      memory += j.memory * j.seconds;
      gpu += j.gpu * j.seconds;
      cores += j.cores * j.seconds;
    }
    const auto over = [&](std::int64_t area, std::int64_t capacity) {
      if (capacity > 0) last = std::max(last, now + (area + capacity - 1) / capacity);
    };
    over(memory, instance_.box.memory);
    over(cores, instance_.box.cores);
    over(gpu,
         std::accumulate(instance_.box.gpus.begin(), instance_.box.gpus.end(), std::int64_t{0}));
    return last;
  }

  // At a moment: starts any set of what is left, then goes on to the next end.
  void at(std::int64_t now, std::uint32_t left, Box& free, std::vector<Running>& running) {
    if (left == 0) {
      std::int64_t last = now;
      for (const Running& r : running) last = std::max(last, r.end);
      if (last < best_.seconds) {
        best_.seconds = last;
        best_.starts = starts_;
        best_.gpus = gpus_;
      }
      return;
    }
    if (bound(now, left, running) >= best_.seconds) return;
    if (seen(now, left, running)) return;
    choose(now, left, left, 0, free, running);
  }

  // The same jobs are left while the same run until no sooner: what follows is no better.
  bool seen(std::int64_t now, std::uint32_t left, const std::vector<Running>& running) {
    std::vector<std::int64_t> state{now, static_cast<std::int64_t>(left)};
    std::vector<std::array<std::int64_t, 3>> runs;
    for (const Running& r : running) runs.push_back({r.end, r.job, r.gpu});
    std::sort(runs.begin(), runs.end());
    for (const auto& run : runs) state.insert(state.end(), run.begin(), run.end());
    if (seen_.size() > 3'000'000) return false;
    return !seen_.insert(std::move(state)).second;
  }

  void choose(std::int64_t now, std::uint32_t left, std::uint32_t open, std::size_t from, Box& free,
              std::vector<Running>& running) {
    if (++nodes_ > most_nodes_ || best_.seconds == best_.bound) return;
    for (std::size_t i = from; i < order_.size(); ++i) {
      if ((open >> i & 1U) == 0) continue;
      const int index = order_[i];
      const Job& j = job(index);
      if (j.memory > free.memory || j.cores > free.cores) continue;
      const int gpus = j.gpu > 0 ? static_cast<int>(free.gpus.size()) : 0;
      for (int gpu = gpus > 0 ? 0 : -1; gpu < gpus; ++gpu) {
        if (gpu >= 0) {
          const auto g = static_cast<std::size_t>(gpu);
          if (j.gpu > free.gpus[g]) continue;
          // An empty device is like another empty one of its size.
          bool same = false;
          for (std::size_t b = 0; b < g; ++b) {
            same = same ||
                   (instance_.box.gpus[b] == instance_.box.gpus[g] &&
                    free.gpus[b] == instance_.box.gpus[b] && free.gpus[g] == instance_.box.gpus[g]);
          }
          if (same) continue;
          free.gpus[g] -= j.gpu;
        }
        free.memory -= j.memory;
        free.cores -= j.cores;
        running.push_back({now + j.seconds, index, gpu});
        starts_[static_cast<std::size_t>(index)] = now;
        gpus_[static_cast<std::size_t>(index)] = gpu;
        choose(now, left & ~(1U << i), open & ~(1U << i), i + 1, free, running);
        running.pop_back();
        free.memory += j.memory;
        free.cores += j.cores;
        if (gpu >= 0) free.gpus[static_cast<std::size_t>(gpu)] += j.gpu;
      }
    }
    // No more of them now.
    if (running.empty() && left != 0) return;
    if (left == 0) {
      at(now, left, free, running);
      return;
    }
    std::int64_t next = running.front().end;
    for (const Running& r : running) next = std::min(next, r.end);
    std::vector<Running> still;
    Box after = free;
    for (const Running& r : running) {
      if (r.end > next) {
        still.push_back(r);
        continue;
      }
      after.memory += job(r.job).memory;
      after.cores += job(r.job).cores;
      if (r.gpu >= 0) after.gpus[static_cast<std::size_t>(r.gpu)] += job(r.job).gpu;
    }
    at(next, left, after, still);
  }

  const Instance& instance_;
  std::uint64_t most_nodes_;
  std::uint64_t nodes_ = 0;
  std::vector<int> order_;
  std::vector<std::int64_t> starts_;
  std::vector<int> gpus_;
  std::set<std::vector<std::int64_t>> seen_;
  Optimum best_;
};

}  // namespace

std::int64_t lower_bound(const Instance& instance) {
  std::int64_t bound = bound_by_parts(instance);
  while (is_refuted(instance, bound)) ++bound;
  return bound;
}

Optimum optimum(const Instance& instance, std::uint64_t nodes) {
  return Search(instance, nodes).run();
}

const char* wrong(const Instance& instance, const std::vector<std::int64_t>& starts,
                  const std::vector<int>& gpus) {
  for (std::size_t i = 0; i < instance.jobs.size(); ++i) {
    if (starts[i] < 0) return "a job does not start";
    if ((instance.jobs[i].gpu > 0) != (gpus[i] >= 0)) return "a job is on no device";
    Box free = instance.box;
    for (std::size_t j = 0; j < instance.jobs.size(); ++j) {
      const Job& job = instance.jobs[j];
      if (starts[j] > starts[i] || starts[j] + job.seconds <= starts[i]) continue;
      free.memory -= job.memory;
      free.cores -= job.cores;
      if (job.gpu > 0) free.gpus[static_cast<std::size_t>(gpus[j])] -= job.gpu;
    }
    if (free.memory < 0) return "more memory than there is";
    if (free.cores < 0) return "more cores than there are";
    for (const std::int64_t gpu : free.gpus) {
      if (gpu < 0) return "more of a device than there is";
    }
  }
  return "";
}

}  // namespace headroom::schedule
