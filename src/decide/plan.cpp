#include "decide/plan.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "decide/space.hpp"

namespace headroom::decide {
namespace {

using std::chrono::seconds;

// Most waiters that are put in an order of their own.
constexpr std::size_t kPlanned = 256;
// What one call may cost: an order that is begun when this is reached is the last one. A step is
// one waiter or one end looked at, a few nanoseconds.
constexpr std::size_t kSteps = 100'000;
// Most orders that one call plays.
constexpr std::size_t kTries = 400;
// What is longer counts as this in sums.
constexpr std::int64_t kMostSeconds = 1'000'000;

std::int64_t milliseconds_of(BootTime::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

// What one takes, and gives back.
struct Take {
  Take(const Amounts& amounts, int on_disk, bool exclusive)
      : memory(amounts.memory.count()),
        cpu(amounts.cpu.milli()),
        gpu_memory(amounts.gpu_memory.count()),
        disk(amounts.disk.count()),
        disk_pool(on_disk),
        alone(exclusive) {}
  std::int64_t memory;
  std::int64_t cpu;
  std::int64_t gpu_memory;  // of a whole device: the least size
  std::int64_t disk;
  int disk_pool;
  bool alone;
};

// A waiter, as far as its start depends on it.
struct Job {
  Job(const Queue::Key& its_key, const Take& its_take) : key(its_key), take(its_take) {}
  Queue::Key key;
  Take take;
  std::vector<int> gpus;
  int count = 1;  // of devices
  bool whole = false;
  bool spread = false;
  bool tired = false;  // out of patience
  BootTime asked;
  std::int64_t length = 0;  // milliseconds: ten years of each of them stay far from overflow
  std::int64_t share = 0;   // the largest that it wants of anything, in thousandths, at least one
  std::int64_t area = 0;    // that, times its length in seconds
};

// Where one is placed: on a device, or on none (−1), and on further ones where it wants several.
struct Spot {
  int gpu = -1;
  std::vector<int> others;
};

// When what comes back.
struct End {
  std::int64_t at = 0;  // milliseconds from now
  const Take* take = nullptr;
  int gpu = -1;
  std::int64_t gpu_memory = 0;
};

struct Space {
  struct Room {
    std::int64_t room = 0;
    int leases = 0;
    int exclusive = 0;
  };
  std::vector<Room> of;  // by pool

  Room& at(int pool) { return of[static_cast<std::size_t>(pool)]; }
  const Room& at(int pool) const { return of[static_cast<std::size_t>(pool)]; }
  void add(const Take& take, int gpu, std::int64_t gpu_memory, int sign) {
    at(Ledger::kMemory).room -= sign * take.memory;
    at(Ledger::kCpu).room -= sign * take.cpu;
    if (take.disk_pool >= 0) at(take.disk_pool).room -= sign * take.disk;
    if (gpu < 0 || gpu_memory <= 0) return;
    at(gpu).room -= sign * gpu_memory;
    at(gpu).leases += sign;
    if (take.alone) at(gpu).exclusive += sign;
  }
  void end(const End& end) { add(*end.take, end.gpu, end.gpu_memory, -1); }
};

// How good an order is: what ends last, then how early what is large and long is done. The second
// grows with every gap that an order leaves, also where another one ends last.
struct Cost {
  std::int64_t last = 0;
  std::int64_t gaps = 0;
  auto operator<=>(const Cost&) const = default;
};
constexpr Cost kWorst{std::numeric_limits<std::int64_t>::max(), 0};

using Order = std::vector<std::uint16_t>;

// Plays what `next_start` would do in an order, if everything takes as long as it said.
class Player {
 public:
  Player(const Books& books, const std::vector<Job>& jobs)
      : jobs_(jobs), spread_(books.config.leases.place == Place::spread) {
    for (const Pool& pool : books.ledger.pools()) {
      const bool open = pool.unknown.empty() && !pool.hot && !pool.drained;
      now_.of.push_back({open ? pool.balance() : kClosed, pool.leases, pool.exclusive});
      // A device that a screen takes a little of is still a whole one: see the verdict.
      whole_.push_back(std::max<std::int64_t>(1, pool.most() - pool.capacity / 20));
    }
    for (const Job& job : jobs) {
      const bool fixed = !job.gpus.empty() && !job.whole;
      light_.push_back({job.take.memory, job.take.cpu, fixed ? job.take.gpu_memory : 0});
      gpus_.insert(job.gpus.begin(), job.gpus.end());
    }
    const auto& by_end = books.ledger.by_end();
    held_.reserve(by_end.size());
    ends_.reserve(by_end.size());
    for (const auto& [at, id] : by_end) {
      const Entry& entry = *books.ledger.entry(id);
      held_.emplace_back(entry.booked, entry.disk, entry.exclusive);
      // One that is late is expected to end any moment.
      const std::int64_t in = std::max<std::int64_t>(0, milliseconds_of(at - books.now.boot));
      ends_.push_back({in, &held_.back(), entry.gpu, entry.booked.gpu_memory.count()});
    }
  }
  std::size_t steps() const { return steps_; }
  // Empty: it cannot be said when one of them starts. Given up where it ends after `most`.
  std::optional<Cost> play(const Order& order, std::int64_t most) {
    space_.of.assign(now_.of.begin(), now_.of.end());
    coming_.assign(ends_.begin(), ends_.end());
    waiting_.assign(order.begin(), order.end());
    next_ = 0;
    at_ = 0;
    cost_ = {0, 0};
    while (true) {
      while (!waiting_.empty()) {
        const auto spot = fits(space_, jobs_[waiting_.front()]);
        if (!spot) break;
        start(jobs_[waiting_.front()], *spot);
        waiting_.erase(waiting_.begin());
      }
      if (waiting_.empty()) return cost_;
      if (!fill_beside()) return std::nullopt;
      if (cost_.last > most) return kWorst;
      at_ = coming_[next_].at;
      while (next_ < coming_.size() && coming_[next_].at == at_) space_.end(coming_[next_++]);
    }
  }

 private:
  // A further device of one that wants several, which are whole ones.
  inline static const Take kDevice{Amounts(), -1, true};
  // Far from the ends of the range, so that what comes back can be added.
  static constexpr std::int64_t kClosed = std::numeric_limits<std::int64_t>::min() / 2;

  // What most of those who do not fit fail at, close together.
  struct Light {
    std::int64_t memory = 0;
    std::int64_t cpu = 0;
    std::int64_t gpu = 0;  // on the emptiest
  };
  Light left_in(const Space& space) const {
    const auto left = [&](int pool) { return std::max<std::int64_t>(0, space.at(pool).room); };
    Light light{left(Ledger::kMemory), left(Ledger::kCpu), 0};
    for (const int gpu : gpus_) light.gpu = std::max(light.gpu, left(gpu));
    return light;
  }

  void start(const Job& job, const Spot& spot) {
    const std::int64_t ends = at_ + job.length;
    cost_.last = std::max(cost_.last, ends);
    cost_.gaps += job.area * std::min(at_ / 1000, kMostSeconds * 10);
    take({ends, &job.take, spot.gpu, gpu_memory_on(space_, job, spot.gpu)});
    for (const int gpu : spot.others) {
      take({ends, &kDevice, gpu, gpu_memory_on(space_, job, gpu)});
    }
  }
  void take(const End& end) {
    space_.add(*end.take, end.gpu, end.gpu_memory, +1);
    const auto later = [](std::int64_t at, const End& other) { return at < other.at; };
    coming_.insert(std::upper_bound(coming_.begin() + static_cast<std::ptrdiff_t>(next_),
                                    coming_.end(), end.at, later),
                   end);
  }
  // In the room that is kept for the first one.
  void take_beside(const Job& job, const Spot& spot) {
    beside_.add(job.take, spot.gpu, gpu_memory_on(beside_, job, spot.gpu), +1);
    for (const int gpu : spot.others) {
      beside_.add(kDevice, gpu, gpu_memory_on(beside_, job, gpu), +1);
    }
  }
  // Starts whoever leaves the first one alone. False: it cannot be said when that starts.
  bool fill_beside() {
    const Job& head = jobs_[waiting_.front()];
    beside_.of.assign(space_.of.begin(), space_.of.end());
    std::int64_t starts = at_;
    std::optional<Spot> there;
    for (std::size_t i = next_; i < coming_.size() && !there; ++i) {
      beside_.end(coming_[i]);
      starts = coming_[i].at;
      there = fits(beside_, head);
    }
    if (!there) return false;
    take_beside(head, *there);
    const std::int64_t until = starts + kGrace.count();
    Light left = left_in(space_);
    std::size_t kept = 1;
    steps_ += waiting_.size();
    for (std::size_t i = 1; i < waiting_.size(); ++i) {
      const Light& light = light_[waiting_[i]];
      if (light.memory > left.memory || light.cpu > left.cpu || light.gpu > left.gpu) {
        waiting_[kept++] = waiting_[i];
        continue;
      }
      const Job& job = jobs_[waiting_[i]];
      const auto spot = fits(space_, job);
      const bool before = at_ + job.length <= until;
      if (!spot || !(before || fits_on(beside_, job, *spot))) {
        waiting_[kept++] = waiting_[i];
        continue;
      }
      if (!before) take_beside(job, *spot);
      start(job, *spot);
      left = left_in(space_);
    }
    waiting_.resize(kept);
    return true;
  }
  static std::int64_t gpu_memory_on(const Space& space, const Job& job, int gpu) {
    const std::int64_t least = job.take.gpu_memory;
    return job.whole && gpu >= 0 ? std::max(least, space.at(gpu).room) : least;
  }
  static bool fits_beside_gpu(const Space& space, const Take& take) {
    const auto has = [&](int pool, std::int64_t amount) {
      return amount <= 0 || space.at(pool).room >= amount;
    };
    return has(Ledger::kMemory, take.memory) && has(Ledger::kCpu, take.cpu) &&
           (take.disk_pool < 0 || has(take.disk_pool, take.disk));
  }
  bool gpu_takes(const Space& space, const Job& job, int gpu) const {
    const Space::Room& room = space.at(gpu);
    const std::int64_t least =
        job.whole ? whole_[static_cast<std::size_t>(gpu)] : job.take.gpu_memory;
    return room.room >= least && room.exclusive == 0 && !(job.take.alone && room.leases > 0);
  }
  bool fits_on(const Space& space, const Job& job, const Spot& spot) const {
    return fits_beside_gpu(space, job.take) && (spot.gpu < 0 || gpu_takes(space, job, spot.gpu)) &&
           std::all_of(spot.others.begin(), spot.others.end(),
                       [&](int gpu) { return gpu_takes(space, job, gpu); });
  }
  // Where it fits, as the verdict places it.
  std::optional<Spot> fits(const Space& space, const Job& job) {
    ++steps_;
    if (!fits_beside_gpu(space, job.take)) return std::nullopt;
    if (job.gpus.empty()) return Spot();
    const bool spread = job.spread || spread_;
    if (job.count > 1) return fits_several(space, job, spread);
    std::optional<int> best;
    for (const int gpu : job.gpus) {
      if (!gpu_takes(space, job, gpu)) continue;
      const std::int64_t room = space.at(gpu).room;
      if (!best || (spread ? room > space.at(*best).room : room < space.at(*best).room)) best = gpu;
    }
    if (!best) return std::nullopt;
    return Spot{*best, {}};
  }
  std::optional<Spot> fits_several(const Space& space, const Job& job, bool spread) const {
    std::vector<int> open;
    for (const int gpu : job.gpus) {
      if (gpu_takes(space, job, gpu)) open.push_back(gpu);
    }
    const auto count = static_cast<std::ptrdiff_t>(job.count);
    if (static_cast<std::ptrdiff_t>(open.size()) < count) return std::nullopt;
    std::stable_sort(open.begin(), open.end(), [&](int a, int b) {
      return spread ? space.at(a).room > space.at(b).room : space.at(a).room < space.at(b).room;
    });
    return Spot{open.front(), {open.begin() + 1, open.begin() + count}};
  }

  const std::vector<Job>& jobs_;
  std::vector<Light> light_;  // by job
  std::set<int> gpus_;        // that any of them may be on
  bool spread_;
  Space now_;
  std::vector<std::int64_t> whole_;  // by pool
  std::vector<Take> held_;           // by the leases that will end
  std::vector<End> ends_;
  std::size_t steps_ = 0;
  // Of the order that is played.
  Space space_;
  Space beside_;
  std::vector<End> coming_;
  std::vector<std::uint16_t> waiting_;
  std::size_t next_ = 0;  // of those that come
  std::int64_t at_ = 0;
  Cost cost_;
};

// Not random, only scattered: the same books give the same numbers.
class Scatter {
 public:
  explicit Scatter(std::uint64_t from) : state_(from) {}
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>((state_ >> 33) % n);
  }

 private:
  std::uint64_t state_;
};

std::int64_t share_of(const Ledger& ledger, const Wanted& wanted) {
  std::int64_t most = 0;
  const auto count = [&](int pool, std::int64_t amount) {
    const std::int64_t all = ledger.pool(pool).most() / 1000;
    if (all > 0) most = std::max(most, amount / all);
  };
  count(Ledger::kMemory, wanted.amounts.memory.count());
  count(Ledger::kCpu, wanted.amounts.cpu.milli());
  if (!wanted.gpus.empty()) count(wanted.gpus.front(), wanted.amounts.gpu_memory.count());
  if (wanted.disk >= 0) count(wanted.disk, wanted.amounts.disk.count());
  return std::clamp<std::int64_t>(most, 1, 1000);
}

// Whether `other` may not go before `job`, which has no patience left: it asked after it, and has
// patience, or did not ask together with it.
bool puts_off(const Job& other, const Job& job, seconds together) {
  return other.key > job.key && (!other.tired || other.asked > job.asked + together);
}

// Whether nobody is put off. The first one was told a time, and is not asked.
bool is_fair(const std::vector<Job>& jobs, const Order& order, seconds together) {
  const Job* patient = nullptr;  // of those before, the last to ask
  const Job* tired = nullptr;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Job& job = jobs[order[i]];
    if (job.tired && patient != nullptr && puts_off(*patient, job, together)) return false;
    if (job.tired && tired != nullptr && puts_off(*tired, job, together)) return false;
    const Job*& last = job.tired ? tired : patient;
    if (last == nullptr || job.key > last->key) last = &job;
  }
  return true;
}

// The order in which whoever was put off is moved before those who may not go before it.
Order made_fair(const std::vector<Job>& jobs, const Order& order, seconds together) {
  Order fair;
  for (const std::uint16_t index : order) {
    const Job& job = jobs[index];
    auto at = fair.end();
    if (job.tired && !fair.empty()) {
      at = std::find_if(fair.begin() + 1, fair.end(),
                        [&](std::uint16_t other) { return puts_off(jobs[other], job, together); });
    }
    fair.insert(at, index);
  }
  return fair;
}

// The best order that is found of `order`, of which the first one stays where it is.
Order improved(const Books& books, const std::vector<Job>& jobs, Order order, bool anew) {
  const seconds together = asked_together(books.config);
  Player player(books, jobs);
  const auto first = player.play(order, kWorst.last);
  if (!first) return order;
  Order best = std::move(order);
  Cost cost = *first;
  if (cost.gaps == 0) return best;  // all of them can start
  const bool all_patient =
      std::none_of(jobs.begin(), jobs.end(), [](const Job& job) { return job.tired; });
  const auto consider = [&](const Order& other) {
    if (!all_patient && !is_fair(jobs, other, together)) return;
    if (const auto its = player.play(other, cost.last); its && *its <= cost) {
      cost = *its;
      best = other;
    }
  };
  const auto sorted = [&](auto value) {
    Order by = best;
    std::sort(by.begin() + 1, by.end(), [&](std::uint16_t a, std::uint16_t b) {
      return std::pair(value(jobs[b]), a) < std::pair(value(jobs[a]), b);
    });
    consider(all_patient ? by : made_fair(jobs, by, together));
  };
  if (anew) {
    sorted([](const Job& job) { return job.length; });
    sorted([](const Job& job) { return job.area; });
    sorted([](const Job& job) { return job.share; });
  }
  Scatter scatter(books.revision);
  for (std::size_t i = 0; i < kTries && player.steps() < kSteps; ++i) {
    Order other = best;
    const auto from =
        other.begin() + static_cast<std::ptrdiff_t>(1 + scatter.below(best.size() - 1));
    const auto to = other.begin() + static_cast<std::ptrdiff_t>(1 + scatter.below(best.size() - 1));
    if (scatter.below(2) == 0) {
      std::iter_swap(from, to);
    } else if (from < to) {
      std::rotate(from, from + 1, to + 1);
    } else {
      std::rotate(to, from, from + 1);
    }
    consider(other);
  }
  return best;
}

}  // namespace

seconds patience(const Config& config, seconds expected) {
  return std::max(config.leases.ageing, expected);
}

seconds asked_together(const Config& config) { return config.leases.ageing / 10; }

std::vector<Queue::Key> plan(const Books& books) {
  if (books.queue.size() < 2) return {};
  const auto& waiters = books.queue.in_order();
  // The first ones by key, where they stand now.
  std::vector<std::pair<Queue::Key, std::size_t>> first;
  const std::size_t front = std::min(waiters.size(), std::max(books.queue.planned(), kPlanned));
  for (std::size_t i = 0; i < front; ++i) first.emplace_back(waiters[i], i);
  std::sort(first.begin(), first.end());
  std::vector<Queue::Key> keys;
  std::vector<Job> jobs;
  std::vector<std::size_t> stood;  // of each job, where
  std::optional<Priority> priority;
  bool known = books.ledger.by_end().size() <= kEnds;
  std::vector<Queue::Key> aside;  // they wait for nothing that others could take
  const Keeps keeps = keeps_of(books);
  for (const auto& [key, place] : first) {
    if (keys.size() >= kPlanned) break;
    if (!known) {
      keys.push_back(key);
      continue;
    }
    const Lease& waiter = books.promises.leases.at(key.second);
    auto wanted = wanted_of(books, waiter);
    if (!wanted || waiter.parent != 0 || keeps_nobody(books, keeps, *wanted)) {
      keys.push_back(key);
      aside.push_back(key);
      continue;
    }
    if (priority && *priority != waiter.priority) break;
    if (!wanted->expected) {
      if (jobs.empty()) known = false;
      break;
    }
    priority = waiter.priority;
    const seconds expected = *wanted->expected;
    Job job(key, Take(wanted->amounts, wanted->disk, wanted->exclusive));
    job.count = wanted->count;
    job.whole = wanted->whole;
    job.spread = wanted->spread;
    job.tired = books.now.boot - waiter.asked.boot >= patience(books.config, expected);
    job.asked = waiter.asked.boot;
    job.length = milliseconds_of(expected);
    job.share = share_of(books.ledger, *wanted);
    job.area = job.share * std::min(expected.count(), kMostSeconds);
    job.gpus = std::move(wanted->gpus);
    jobs.push_back(std::move(job));
    stood.push_back(place);
    keys.push_back(key);
  }
  if (!known || jobs.size() < 2) return keys;

  // As they stand. Whoever is first was told when it starts, and stays first.
  Order order(jobs.size());
  std::iota(order.begin(), order.end(), std::uint16_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::uint16_t a, std::uint16_t b) { return stood[a] < stood[b]; });
  order = made_fair(jobs, order, asked_together(books.config));
  if (order.size() > 2) {
    order = improved(books, jobs, std::move(order), books.queue.planned() < jobs.size());
  }
  std::vector<Queue::Key> out = std::move(aside);
  for (const std::uint16_t index : order) out.push_back(jobs[index].key);
  return out;
}

}  // namespace headroom::decide
