#include "decide/plan.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace headroom::decide {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// Most waiters that are put in an order of their own, and most ends that are looked at.
constexpr std::size_t kPlanned = 32;
constexpr std::size_t kEnds = 128;
// What one call may cost, in comparisons of one waiter with one moment.
constexpr std::size_t kWork = 60'000;
constexpr std::size_t kLeastTries = 24;

// A waiter, as far as its start depends on it.
struct Job {
  Queue::Key key;
  Wanted wanted;
  std::int64_t length = 0;  // nanoseconds
  std::int64_t area = 0;    // the largest share that it wants of anything, times its length
  std::int64_t share = 0;   // that share, in thousandths
};

// When what comes back.
struct End {
  std::int64_t at = 0;  // nanoseconds from now
  Amounts amounts;
  int gpu = -1;
  int disk = -1;
  bool exclusive = false;
};

struct Space {
  std::vector<std::int64_t> room;
  std::vector<int> leases;
  std::vector<int> exclusive;

  void add(const Amounts& amounts, int gpu, int disk, bool alone, int sign) {
    for (const Slot& slot : slots(amounts, gpu, disk)) {
      const auto i = static_cast<std::size_t>(slot.pool);
      room[i] -= sign * slot.amount;
      leases[i] += sign;
      if (alone && slot.pool == gpu) exclusive[i] += sign;
    }
  }
  void end(const End& end) { add(end.amounts, end.gpu, end.disk, end.exclusive, -1); }
};

// How good an order is: what ends last, then how long all wait together.
struct Cost {
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  std::int64_t waits = 0;
  auto operator<=>(const Cost&) const = default;
};

using Order = std::vector<std::uint8_t>;

// Plays what `next_start` would do in an order, if everything takes as long as it said.
class Player {
 public:
  Player(const Books& books, const std::vector<Job>& jobs) : books_(books), jobs_(jobs) {
    for (const Pool& pool : books.ledger.pools()) {
      now_.room.push_back(pool.unknown.empty() && !pool.hot ? pool.balance() : 0);
      now_.leases.push_back(pool.leases);
      now_.exclusive.push_back(pool.exclusive);
    }
    for (const auto& [at, id] : books.ledger.by_end()) {
      const Entry& entry = *books.ledger.entry(id);
      // One that is late is expected to end any moment.
      const std::int64_t in = std::max<std::int64_t>(0, nanoseconds(at - books.now.boot).count());
      ends_.push_back({in, entry.booked, entry.gpu, entry.disk, entry.exclusive});
    }
  }
  std::size_t ends() const { return ends_.size(); }

  // Empty: it cannot be said when one of them starts.
  std::optional<Cost> play(const Order& order) {
    Space space = now_;
    std::vector<End>& coming = coming_;
    coming.assign(ends_.begin(), ends_.end());
    std::size_t next = 0;  // of those that come
    waiting_.assign(order.begin(), order.end());
    std::int64_t now = 0;
    Cost cost{0, 0};
    const auto start = [&](std::size_t index, int gpu) {
      const Job& job = jobs_[waiting_[index]];
      End end{now + job.length, amounts_on(space, job, gpu), gpu, job.wanted.disk,
              job.wanted.exclusive};
      space.add(end.amounts, gpu, end.disk, end.exclusive, +1);
      cost.last = std::max(cost.last, end.at);
      cost.waits += now / 1'000'000;
      const auto later = [](std::int64_t at, const End& other) { return at < other.at; };
      coming.insert(std::upper_bound(coming.begin() + static_cast<std::ptrdiff_t>(next),
                                     coming.end(), end.at, later),
                    end);
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(index));
    };
    while (true) {
      while (!waiting_.empty()) {
        const auto gpu = fits(space, jobs_[waiting_.front()]);
        if (!gpu) break;
        start(0, *gpu);
      }
      if (waiting_.empty()) return cost;
      // When the head starts, and what is left beside it then.
      const Job& head = jobs_[waiting_.front()];
      Space beside = space;
      std::int64_t starts = now;
      std::optional<int> there;
      for (std::size_t i = next; i < coming.size() && !there; ++i) {
        beside.end(coming[i]);
        starts = coming[i].at;
        there = fits(beside, head);
      }
      if (!there) return std::nullopt;
      beside.add(amounts_on(beside, head, *there), *there, head.wanted.disk, head.wanted.exclusive,
                 +1);
      for (std::size_t i = 1; i < waiting_.size();) {
        const Job& job = jobs_[waiting_[i]];
        const auto gpu = fits(space, job);
        const bool before = gpu && now + job.length <= starts + nanoseconds(kGrace).count();
        if (!gpu || !(before || fits_on(beside, job, *gpu))) {
          ++i;
          continue;
        }
        if (!before) {
          beside.add(amounts_on(beside, job, *gpu), *gpu, job.wanted.disk, job.wanted.exclusive,
                     +1);
        }
        start(i, *gpu);
      }
      now = coming[next].at;
      while (next < coming.size() && coming[next].at == now) space.end(coming[next++]);
    }
  }

 private:
  static Amounts amounts_on(const Space& space, const Job& job, int gpu) {
    Amounts amounts = job.wanted.amounts;
    if (job.wanted.whole && gpu >= 0) {
      amounts.gpu_memory =
          std::max(amounts.gpu_memory, Bytes(space.room[static_cast<std::size_t>(gpu)]));
    }
    return amounts;
  }
  static bool fits_beside_gpu(const Space& space, const Job& job) {
    const Amounts& a = job.wanted.amounts;
    const auto has = [&](int pool, std::int64_t amount) {
      return amount <= 0 || space.room[static_cast<std::size_t>(pool)] >= amount;
    };
    return has(Ledger::kMemory, a.memory.count()) && has(Ledger::kCpu, a.cpu.milli()) &&
           (job.wanted.disk < 0 || has(job.wanted.disk, a.disk.count()));
  }
  bool gpu_takes(const Space& space, const Job& job, int gpu) const {
    const auto i = static_cast<std::size_t>(gpu);
    return space.exclusive[i] == 0 && !(job.wanted.exclusive && space.leases[i] > 0) &&
           space.room[i] >= job.wanted.amounts.gpu_memory.count();
  }
  bool fits_on(const Space& space, const Job& job, int gpu) const {
    return fits_beside_gpu(space, job) && (gpu < 0 || gpu_takes(space, job, gpu));
  }
  // Where it fits, as the verdict places it; −1: on no device.
  std::optional<int> fits(const Space& space, const Job& job) const {
    if (!fits_beside_gpu(space, job)) return std::nullopt;
    if (job.wanted.gpus.empty()) return -1;
    const bool spread = job.wanted.spread || books_.config.leases.place == Place::spread;
    std::optional<int> best;
    for (const int gpu : job.wanted.gpus) {
      if (!gpu_takes(space, job, gpu)) continue;
      const auto room = [&](int one) { return space.room[static_cast<std::size_t>(one)]; };
      if (!best || (spread ? room(gpu) > room(*best) : room(gpu) < room(*best))) best = gpu;
    }
    return best;
  }

  const Books& books_;
  const std::vector<Job>& jobs_;
  Space now_;
  std::vector<End> ends_;
  std::vector<End> coming_;
  std::vector<std::uint8_t> waiting_;
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
  count(Ledger::kCpu, wanted.amounts.cpu.milli() * 1000 / 1000);
  if (!wanted.gpus.empty()) count(wanted.gpus.front(), wanted.amounts.gpu_memory.count());
  if (wanted.disk >= 0) count(wanted.disk, wanted.amounts.disk.count());
  return most;
}

// The best order that is found of `order`, of which the first `fixed` stay where they are.
Order improved(const Books& books, const std::vector<Job>& jobs, Order order, std::size_t fixed) {
  Player player(books, jobs);
  const auto first = player.play(order);
  if (!first) return order;
  Order best = order;
  Cost cost = *first;
  if (cost.waits == 0) return best;  // all of them can start
  const auto consider = [&](const Order& other) {
    if (const auto its = player.play(other); its && *its <= cost) {
      cost = *its;
      best = other;
    }
  };
  const auto sorted = [&](auto value) {
    Order by = order;
    std::stable_sort(
        by.begin() + static_cast<std::ptrdiff_t>(fixed), by.end(),
        [&](std::uint8_t a, std::uint8_t b) { return value(jobs[a]) > value(jobs[b]); });
    consider(by);
  };
  sorted([](const Job& job) { return job.length; });
  sorted([](const Job& job) { return job.area; });
  sorted([](const Job& job) { return job.share; });
  const std::size_t movable = order.size() - fixed;
  const std::size_t each = order.size() * (order.size() + player.ends());
  const std::size_t tries = std::max(kLeastTries, kWork / each);
  Scatter scatter(books.revision);
  for (std::size_t i = 0; i < tries; ++i) {
    Order other = best;
    const auto from = other.begin() + static_cast<std::ptrdiff_t>(fixed + scatter.below(movable));
    const auto to = other.begin() + static_cast<std::ptrdiff_t>(fixed + scatter.below(movable));
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

std::vector<Queue::Key> plan(const Books& books) {
  if (books.queue.size() < 2) return {};
  const auto& waiters = books.queue.in_order();
  // The first ones by key, where they stand now.
  std::vector<std::pair<Queue::Key, std::size_t>> first;
  for (std::size_t i = 0; i < waiters.size() && (i < books.queue.planned() || i < kPlanned); ++i) {
    first.emplace_back(waiters[i], i);
  }
  std::sort(first.begin(), first.end());
  std::vector<Queue::Key> keys;
  std::vector<Job> jobs;
  std::vector<std::size_t> stood;  // of each job, where
  std::optional<Priority> priority;
  bool known = books.ledger.by_end().size() <= kEnds;
  std::vector<Queue::Key> aside;  // they wait for nothing that others could take
  for (const auto& [key, place] : first) {
    if (keys.size() >= kPlanned) break;
    const Lease& waiter = books.promises.leases.at(key.second);
    auto wanted = wanted_of(books, waiter);
    if (!wanted || waiter.parent != 0) {
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
    Job job{key, std::move(*wanted), 0, 0, 0};
    job.length = nanoseconds(*job.wanted.expected).count();
    job.share = share_of(books.ledger, job.wanted);
    job.area = job.share * (job.length / 1'000'000'000);
    jobs.push_back(std::move(job));
    stood.push_back(place);
    keys.push_back(key);
  }
  if (!known || jobs.size() < 2) return keys;

  Order order(jobs.size());
  std::iota(order.begin(), order.end(), std::uint8_t{0});
  const auto tired = [&](std::uint8_t index) {
    const Lease& waiter = books.promises.leases.at(jobs[index].key.second);
    return books.now.boot - waiter.asked.boot >= patience(books.config, *waiter.expected);
  };
  // Whoever is first now was told when it starts, and stays first.
  std::iter_swap(order.begin(), std::min_element(order.begin(), order.end(), [&](auto a, auto b) {
                   return stood[a] < stood[b];
                 }));
  std::sort(order.begin() + 1, order.end());
  const auto movable = std::stable_partition(order.begin() + 1, order.end(), tired);
  const auto fixed = static_cast<std::size_t>(movable - order.begin());
  std::stable_sort(movable, order.end(),
                   [&](std::uint8_t a, std::uint8_t b) { return stood[a] < stood[b]; });
  if (order.size() - fixed >= 2) order = improved(books, jobs, std::move(order), fixed);
  std::vector<Queue::Key> out = std::move(aside);
  for (const std::uint8_t index : order) out.push_back(jobs[index].key);
  return out;
}

}  // namespace headroom::decide
