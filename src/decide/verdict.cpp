#include "decide/verdict.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <set>
#include <tuple>

#include "decide/calendar.hpp"

namespace headroom::decide {
namespace {

// Most leases that a refusal names.
constexpr std::size_t kNamed = 3;
// Whoever has more than these before it is told its place, and no time: it would be a guess, and
// dear. The list of leases tells it.
constexpr std::size_t kForeseen = 100;
// Most ends of leases that are counted on where something is kept for later: what ends after them
// counts as there for good.
constexpr std::size_t kEnds = 256;
// Of one lease, as many as the API takes.
constexpr int kMostDevices = 64;

// A copy of the ledger's rooms in which leases can be ended and started to look ahead.
struct Space {
  std::vector<std::int64_t> room;
  std::vector<int> leases;
  std::vector<int> exclusive;
  const std::map<uid_t, UserSum>* users;  // of the ledger; there may be thousands of them
  std::map<uid_t, UserSum> changed;       // those that are different here

  explicit Space(const Ledger& ledger) : users(&ledger.users()) {
    const auto& pools = ledger.pools();
    room.reserve(pools.size());
    leases.reserve(pools.size());
    exclusive.reserve(pools.size());
    for (const Pool& pool : pools) {
      // With its sign: what is overdrawn must come back first.
      room.push_back(pool.unknown.empty() ? pool.balance() : 0);
      leases.push_back(pool.leases);
      exclusive.push_back(pool.exclusive);
    }
  }
  // `part`: of a lease that is counted already.
  void add(const Amounts& amounts, int gpu, int disk, bool alone, uid_t owner, int sign,
           bool part = false) {
    for (const Slot& slot : slots(amounts, gpu, disk)) {
      const auto i = static_cast<std::size_t>(slot.pool);
      room[i] -= sign * slot.amount;
      leases[i] += sign;
      if (alone && slot.pool == gpu) exclusive[i] += sign;
    }
    UserSum& user = changed.try_emplace(owner, sum_of(owner)).first->second;
    const auto plus = [sign](Bytes& sum, Bytes amount) { sum += sign > 0 ? amount : -amount; };
    plus(user.booked.memory, amounts.memory);
    plus(user.booked.gpu_memory, amounts.gpu_memory);
    user.booked.cpu = Cores(user.booked.cpu.milli() + sign * amounts.cpu.milli());
    if (!part) user.leases += sign;
  }
  UserSum sum_of(uid_t owner) const {
    if (const auto own = changed.find(owner); own != changed.end()) return own->second;
    const auto found = users->find(owner);
    return found == users->end() ? UserSum() : found->second;
  }
  void end(const Entry& entry) {
    add(entry.booked, entry.gpu, entry.disk, entry.exclusive, entry.owner, -1, entry.part_of != 0);
  }
  /// What it would book here: of a whole device, all that there is.
  Amounts amounts_on(const Wanted& wanted, int gpu) const {
    Amounts amounts = wanted.amounts;
    if (wanted.whole && wanted.parent == 0 && gpu >= 0) {
      amounts.gpu_memory = std::max(amounts.gpu_memory, Bytes(room[static_cast<std::size_t>(gpu)]));
    }
    return amounts;
  }
  /// The same on a further device.
  Amounts part_on(const Wanted& wanted, int gpu) const {
    return {Bytes(), amounts_on(wanted, gpu).gpu_memory, Cores(), Bytes()};
  }
  /// On all of them.
  Amounts all_on(const Wanted& wanted, int gpu, const std::vector<int>& others) const {
    Amounts all = amounts_on(wanted, gpu);
    for (const int other : others) all.gpu_memory += amounts_on(wanted, other).gpu_memory;
    return all;
  }
  /// No more room than `other` has, and for this user what is worse of both.
  void at_most(const Space& other, uid_t owner) {
    for (std::size_t i = 0; i < room.size(); ++i) {
      room[i] = std::min(room[i], other.room[i]);
      leases[i] = std::max(leases[i], other.leases[i]);
      exclusive[i] = std::max(exclusive[i], other.exclusive[i]);
    }
    const UserSum there = other.sum_of(owner);
    UserSum& user = changed.try_emplace(owner, sum_of(owner)).first->second;
    user.booked.memory = std::max(user.booked.memory, there.booked.memory);
    user.booked.gpu_memory = std::max(user.booked.gpu_memory, there.booked.gpu_memory);
    user.booked.cpu = std::max(user.booked.cpu, there.booked.cpu);
    user.leases = std::max(user.leases, there.leases);
  }
  void start(const Wanted& wanted, int gpu, const std::vector<int>& others) {
    add(amounts_on(wanted, gpu), gpu, wanted.disk, wanted.exclusive, wanted.owner, +1);
    for (const int other : others) {
      add(part_on(wanted, other), other, -1, wanted.exclusive, wanted.owner, +1, true);
    }
  }
};

std::string budget_text(const Books& books) {
  constexpr const char* kLeast[] = {"low", "normal", "high", "critical"};
  const LeastPriority least = books.spent->least;
  return std::string("the month's budget is spent: ") +
         (least == LeastPriority::nobody
              ? std::string("nobody new starts")
              : std::string("leases below priority ") + kLeast[static_cast<int>(least)] + " wait") +
         " until the next one (cost.over_budget)";
}

struct Fit {
  bool fits = false;
  int gpu = -1;             // where
  std::vector<int> others;  // further devices, where it wants several
  int best_gpu = -1;        // the device that comes nearest
  Amounts short_by;
  int short_pool = -1;
  std::string capped;  // the user's cap that is in the way
  // Of a nested request:
  bool there = true;  // what it draws from has such devices
  Bytes most_gpu;     // and has booked so much of one at most
};

// 0 where a device was never read: nobody knows then.
std::int64_t total_gpu(const Ledger& ledger) {
  std::int64_t sum = 0;
  for (const Pool& pool : ledger.pools()) {
    if (pool.resource != Resource::gpu_memory) continue;
    if (pool.capacity == 0) return 0;
    sum += pool.capacity;
  }
  return sum;
}

// A device that a screen or a driver takes a little of is still a whole one.
std::int64_t least_of_whole(const Pool& pool) {
  return std::max<std::int64_t>(1, pool.most() - pool.capacity / 20);
}

// What of the device it must have at least.
std::int64_t least_on(const Pool& pool, const Wanted& wanted) {
  return wanted.whole ? least_of_whole(pool) : wanted.amounts.gpu_memory.count();
}

// The amounts on all its devices together.
Amounts sum_of(const Wanted& wanted) {
  Amounts all = wanted.amounts;
  for (int i = 1; i < wanted.count; ++i) all.gpu_memory += wanted.amounts.gpu_memory;
  return all;
}

// Whether a device can be given to it now.
bool takes(const Books& books, const Space& space, const Wanted& wanted, int gpu) {
  const Pool& pool = books.ledger.pool(gpu);
  const auto i = static_cast<std::size_t>(gpu);
  if (!pool.unknown.empty() || pool.hot || pool.drained) return false;
  if (space.exclusive[i] > 0 && !wanted.more) return false;
  if (wanted.exclusive && space.leases[i] > 0) return false;
  return space.room[i] >= least_on(pool, wanted);
}

struct Cap {
  Amounts most;
  int leases;
};
// A share of a capacity that was never read caps nothing: there is no room there anyway.
Cap cap_of(const Books& books) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto bytes = [](const Share& share, std::int64_t capacity) {
    return share.bytes || capacity > 0 ? share.of(Bytes(capacity)) : Bytes(kMost);
  };
  const Config::Leases& c = books.config.leases;
  const std::int64_t cores = books.ledger.pool(Ledger::kCpu).capacity;
  return {
      {bytes(c.user_memory, books.ledger.pool(Ledger::kMemory).capacity),
       bytes(c.user_gpu_memory, total_gpu(books.ledger)),
       cores > 0 ? Cores(static_cast<std::int64_t>(static_cast<double>(cores) * c.user_cpu.value()))
                 : Cores(kMost),
       Bytes()},
      c.user_leases};
}

// Which of the user's caps would be broken by `more` on top of `sum`, in words; empty: none.
std::string over_cap(const Books& books, uid_t owner, const UserSum& sum, const Amounts& more,
                     int more_leases = 1) {
  if (owner == 0) return {};
  const Cap cap = cap_of(books);
  if (more.memory.count() > 0 && sum.booked.memory + more.memory > cap.most.memory) {
    return "memory at " + amount_text(Resource::memory, cap.most.memory.count());
  }
  if (more.gpu_memory.count() > 0 &&
      sum.booked.gpu_memory + more.gpu_memory > cap.most.gpu_memory) {
    return "GPU memory at " + amount_text(Resource::gpu_memory, cap.most.gpu_memory.count());
  }
  if (more.cpu.milli() > 0 && more.cpu.milli() > cap.most.cpu.milli() - sum.booked.cpu.milli()) {
    return "CPU at " + amount_text(Resource::cpu, cap.most.cpu.milli());
  }
  if (more_leases > 0 && sum.leases + more_leases > cap.leases)
    return std::to_string(cap.leases) + " leases";
  return {};
}

// What of an amount a pool does not have; all of it where nobody can say.
std::int64_t missing_in(const Books& books, const Space& space, int pool, std::int64_t amount) {
  const Pool& of = books.ledger.pool(pool);
  if (!of.unknown.empty() || of.drained) return amount;
  return std::max<std::int64_t>(
      0, amount - std::max<std::int64_t>(0, space.room[static_cast<std::size_t>(pool)]));
}

// Several devices: the smallest that suffice, or the emptiest where leases are spread; all of them
// or none. False: there are not as many.
bool find_several(const Books& books, const Space& space, const Wanted& wanted, bool spread,
                  Fit& fit) {
  const auto room = [&](int gpu) { return space.room[static_cast<std::size_t>(gpu)]; };
  std::vector<int> open, shut;
  for (const int gpu : wanted.gpus) {
    (takes(books, space, wanted, gpu) ? open : shut).push_back(gpu);
  }
  const auto count = static_cast<std::size_t>(wanted.count);
  if (open.size() < count) {
    std::stable_sort(shut.begin(), shut.end(), [&](int a, int b) {
      return std::pair(books.ledger.pool(a).drained, room(b)) <
             std::pair(books.ledger.pool(b).drained, room(a));
    });
    fit.best_gpu = fit.short_pool = shut.empty() ? wanted.gpus.front() : shut.front();
    for (std::size_t i = 0; i < std::min(count - open.size(), shut.size()); ++i) {
      fit.short_by.gpu_memory +=
          Bytes(missing_in(books, space, shut[i], least_on(books.ledger.pool(shut[i]), wanted)));
    }
    return false;
  }
  const auto smaller = [&](int a, int b) { return room(a) < room(b); };
  const auto larger = [&](int a, int b) { return room(a) > room(b); };
  const auto choose = [&] {
    fit.best_gpu = fit.gpu = open.front();
    fit.others.assign(open.begin() + 1, open.begin() + static_cast<std::ptrdiff_t>(count));
    fit.capped = over_cap(books, wanted.owner, space.sum_of(wanted.owner),
                          space.all_on(wanted, fit.gpu, fit.others), wanted.more ? 0 : 1);
  };
  if (spread) {
    std::stable_sort(open.begin(), open.end(), larger);
    choose();
    if (fit.capped.empty()) return true;
  }
  // The smaller ones are less of the user's cap.
  std::stable_sort(open.begin(), open.end(), smaller);
  choose();
  return true;
}

// Whether the request fits into the space, and where, whatever is kept for later. Pure; O(devices).
Fit fit_now(const Books& books, const Space& space, const Wanted& wanted) {
  Fit fit;
  const Ledger& ledger = books.ledger;
  bool good = true;
  const auto missing = [&](int pool, std::int64_t amount) {
    return missing_in(books, space, pool, amount);
  };
  const auto lacks = [&](int pool, std::int64_t by) {
    good = false;
    if (fit.short_pool < 0) fit.short_pool = pool;
    return by;
  };
  const bool spread = wanted.spread || books.config.leases.place == Place::spread;
  if (!wanted.gpus.empty() && wanted.count > 1) {
    good = find_several(books, space, wanted, spread, fit);
  } else if (!wanted.gpus.empty()) {
    std::pair best{false, std::numeric_limits<std::int64_t>::min()};
    std::string capped;
    for (const int gpu : wanted.gpus) {
      const auto i = static_cast<std::size_t>(gpu);
      const Pool& pool = ledger.pool(gpu);
      if (const std::pair here{!pool.drained, space.room[i]}; fit.best_gpu < 0 || best < here) {
        best = here;
        fit.best_gpu = gpu;
      }
      if (!takes(books, space, wanted, gpu)) continue;
      if (wanted.whole) {  // a larger device is more of the user's cap
        std::string by = over_cap(books, wanted.owner, space.sum_of(wanted.owner),
                                  space.amounts_on(wanted, gpu), wanted.more ? 0 : 1);
        if (!by.empty()) {
          capped = std::move(by);
          continue;
        }
      }
      const bool better =
          fit.gpu < 0 || (spread ? space.room[i] > space.room[static_cast<std::size_t>(fit.gpu)]
                                 : space.room[i] < space.room[static_cast<std::size_t>(fit.gpu)]);
      if (better) fit.gpu = gpu;
    }
    if (fit.gpu < 0 && capped.empty()) {
      fit.short_by.gpu_memory = Bytes(
          lacks(fit.best_gpu, missing(fit.best_gpu, least_on(ledger.pool(fit.best_gpu), wanted))));
    }
    if (fit.gpu < 0) fit.capped = std::move(capped);
  }
  if (const std::int64_t by = missing(Ledger::kMemory, wanted.amounts.memory.count());
      wanted.amounts.memory.count() > 0 && by > 0) {
    fit.short_by.memory = Bytes(lacks(Ledger::kMemory, by));
  }
  if (const std::int64_t by = missing(Ledger::kCpu, wanted.amounts.cpu.milli());
      wanted.amounts.cpu.milli() > 0 && by > 0) {
    fit.short_by.cpu = Cores(lacks(Ledger::kCpu, by));
  }
  if (wanted.disk >= 0 && wanted.amounts.disk.count() > 0) {
    if (const std::int64_t by = missing(wanted.disk, wanted.amounts.disk.count()); by > 0) {
      fit.short_by.disk = Bytes(lacks(wanted.disk, by));
    }
  }
  if (fit.capped.empty()) {
    fit.capped = over_cap(books, wanted.owner, space.sum_of(wanted.owner),
                          space.all_on(wanted, fit.gpu, fit.others), wanted.more ? 0 : 1);
  }
  fit.fits = good && fit.capped.empty();
  return fit;
}

// What is kept for a lease that waits for its time.
struct Kept {
  LeaseId lease = 0;
  BootTime from;                  // never in the past
  std::optional<BootTime> until;  // empty: nobody says
  Wanted wanted;

  bool is_over(BootTime at) const { return until && *until <= at; }
  // Of a whole device, what it has at least: nobody else is on it anyway.
  void count(const Ledger& ledger, Space& space, int sign) const {
    const int gpu = wanted.gpus.empty() ? -1 : wanted.gpus.front();
    Amounts amounts = wanted.amounts;
    if (gpu >= 0) amounts.gpu_memory = Bytes(least_on(ledger.pool(gpu), wanted));
    space.add(amounts, gpu, wanted.disk, wanted.exclusive, wanted.owner, sign);
    for (std::size_t i = 1; i < wanted.gpus.size(); ++i) {
      amounts = {Bytes(), Bytes(least_on(ledger.pool(wanted.gpus[i]), wanted)), Cores(), Bytes()};
      space.add(amounts, wanted.gpus[i], -1, wanted.exclusive, wanted.owner, sign, true);
    }
  }
};

Kept keep_for(const Books& books, const Lease& lease, Wanted wanted) {
  Kept kept;
  kept.lease = lease.id;
  kept.from = books.now.boot;
  if (!is_due(lease, books.now.wall)) kept.from += *lease.starts - books.now.wall;
  if (wanted.expected) kept.until = kept.from + *wanted.expected;
  kept.wanted = std::move(wanted);
  // On whichever device it will be, it is on one of those that were chosen for it.
  if (kept.wanted.gpus.size() > static_cast<std::size_t>(kept.wanted.count)) {
    kept.wanted.gpus.resize(static_cast<std::size_t>(kept.wanted.count));
  }
  return kept;
}

// All of them, the first one first; at most kMostStarts.
using Keeps = std::vector<Kept>;

Keeps keeps_of(const Books& books) {
  Keeps all;
  if (books.starts == nullptr) return all;
  for (const auto& [at, id] : *books.starts) {
    const Lease& lease = books.promises.leases.at(id);
    auto wanted = wanted_of(books, lease);
    // One whose time has come and whose device is closed waits for that, and keeps nobody.
    if (!wanted || (is_due(lease, books.now.wall) && is_shut_out(books, *wanted))) continue;
    all.push_back(keep_for(books, lease, std::move(*wanted)));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Kept& a, const Kept& b) { return a.from < b.from; });
  return all;
}

// A moment of a space: the leases before `next` in the order of their ends have ended in it.
struct Moment {
  BootTime at;
  std::set<std::pair<BootTime, LeaseId>>::const_iterator next;
};
Moment moment_of(const Books& books) { return {books.now.boot, books.ledger.by_end().begin()}; }

// Whether they take anything of the same, or count for one user.
bool share(const Wanted& a, const Wanted& b) {
  if (a.owner == b.owner && a.owner != 0) return true;
  const Amounts &x = a.amounts, &y = b.amounts;
  if (x.memory.count() > 0 && y.memory.count() > 0) return true;
  if (x.cpu.milli() > 0 && y.cpu.milli() > 0) return true;
  if (a.disk >= 0 && a.disk == b.disk) return true;
  return std::any_of(a.gpus.begin(), a.gpus.end(), [&](int gpu) {
    return std::find(b.gpus.begin(), b.gpus.end(), gpu) != b.gpus.end();
  });
}

// Whether a request that starts at this moment could still be there when what is kept is wanted.
bool overlaps(const Wanted& wanted, BootTime at, const Kept& kept) {
  if (kept.lease == wanted.key.second || kept.is_over(at)) return false;
  return !wanted.expected || at + *wanted.expected > std::max(at, kept.from);
}

// The least room that there is while the request lasts, if it starts at this moment and all that is
// kept for others starts in its time. Empty: nothing is kept that it would meet.
//
// Room grows whenever a lease ends and shrinks only where a kept one starts: so these moments are
// looked at, and those that say when they end count as gone by then. Who is late is not counted on.
// `ends`: 0 counts on nobody's end, which is never more room, and cheaper.
std::optional<Space> least_room(const Books& books, const Keeps& keeps, const Space& space,
                                const Wanted& wanted, const Moment& when,
                                std::size_t ends = kEnds) {
  std::optional<Space> least;
  std::optional<Space> there;
  std::vector<const Kept*> running;
  auto next = when.next;
  std::size_t counted = 0;
  const auto& by_end = books.ledger.by_end();
  for (const Kept& kept : keeps) {
    if (!overlaps(wanted, when.at, kept) || !share(wanted, kept.wanted)) continue;
    if (!least) there = least = space;
    const BootTime at = std::max(kept.from, when.at);
    for (; next != by_end.end() && next->first <= at && counted < ends; ++next, ++counted) {
      if (next->first > books.now.boot) there->end(*books.ledger.entry(next->second));
    }
    std::erase_if(running, [&](const Kept* before) {
      if (!before->is_over(at)) return false;
      before->count(books.ledger, *there, -1);
      return true;
    });
    kept.count(books.ledger, *there, +1);
    running.push_back(&kept);
    least->at_most(*there, wanted.owner);
  }
  return least;
}

// Whether the request fits into the space at this moment, beside all that is kept for others.
Fit fit_into(const Books& books, const Keeps& keeps, const Space& space, const Wanted& wanted,
             const Moment& when) {
  Fit fit = fit_now(books, space, wanted);
  if (keeps.empty() || !fit.fits) return fit;
  for (const std::size_t ends : {std::size_t{0}, kEnds}) {
    const auto least = least_room(books, keeps, space, wanted, when, ends);
    if (!least) return fit;
    Fit beside = fit_now(books, *least, wanted);
    if (beside.fits || ends != 0) return beside;
  }
  return fit;
}

// Looks ahead: ends leases one by one in the order they are expected to end.
class Future {
 public:
  Future(const Books& books, const Keeps& keeps, Space space)
      : books_(books),
        keeps_(keeps),
        space_(std::move(space)),
        most_(space_.room),
        next_(books.ledger.by_end().begin()) {
    const auto& pools = books.ledger.pools();
    for (std::size_t i = 0; i < most_.size(); ++i) most_[i] += pools[i].ending;
    for (const Kept& kept : keeps) {
      if (kept.until) kept_ends_.emplace_back(*kept.until, kept.lease);
    }
    std::sort(kept_ends_.begin(), kept_ends_.end());
  }

  Space& space() { return space_; }
  LeaseId last_ended() const { return last_; }
  BootTime at() const { return at_; }
  Moment moment() const { return {at_, next_}; }

  /// Goes on until the request fits. Empty: it cannot be said when.
  std::optional<Fit> until_fits(const Wanted& wanted) {
    if (!may_ever_fit(wanted)) return std::nullopt;
    // What is kept for later stays in its way while others only end: that was counted on already.
    // It is otherwise on another device, and once the time of one has come.
    bool blocked = false;
    while (true) {
      if (!blocked) {
        Fit fit = fit_now(books_, space_, wanted);
        if (fit.fits && !keeps_.empty()) {
          fit = fit_into(books_, keeps_, space_, wanted, moment());
          blocked = !fit.fits;
        }
        if (fit.fits) return fit;
      }
      const std::size_t over = kept_over_;
      const std::size_t started = started_.size();
      if (!step()) return std::nullopt;
      const auto has_begun = [&](const Kept& kept) {
        return kept.from <= at_ && !kept.is_over(at_);
      };
      if (over != kept_over_ || started != started_.size() || wanted.gpus.size() > 1 ||
          std::any_of(keeps_.begin(), keeps_.end(), has_begun)) {
        blocked = false;
      }
    }
  }
  void start(const Wanted& wanted, const Fit& fit) {
    // It gives back what it took.
    Running running{space_.amounts_on(wanted, fit.gpu),
                    fit.gpu,
                    {},
                    wanted.disk,
                    wanted.exclusive,
                    wanted.owner};
    for (const int other : fit.others) {
      running.parts.emplace_back(other, space_.part_on(wanted, other));
    }
    add(running, +1);
    if (wanted.expected) started_.emplace(at_ + *wanted.expected, std::move(running));
  }

 private:
  struct Running {
    Amounts amounts;
    int gpu;
    std::vector<std::pair<int, Amounts>> parts;  // on further devices
    int disk;
    bool exclusive;
    uid_t owner;
  };
  void add(const Running& one, int sign) {
    space_.add(one.amounts, one.gpu, one.disk, one.exclusive, one.owner, sign);
    for (const auto& [gpu, amounts] : one.parts) {
      space_.add(amounts, gpu, -1, one.exclusive, one.owner, sign, true);
    }
  }
  bool step() {
    const auto& by_end = books_.ledger.by_end();
    const bool real = next_ != by_end.end();
    // What was kept for one is there again when that has ended.
    if (kept_over_ < kept_ends_.size()) {
      const auto& [at, lease] = kept_ends_[kept_over_];
      if ((!real || at < next_->first) && (started_.empty() || at < started_.begin()->first)) {
        at_ = std::max(at_, at);
        last_ = lease;
        ++kept_over_;
        return true;
      }
    }
    if (!started_.empty() && (!real || started_.begin()->first < next_->first)) {
      const auto first = started_.begin();
      at_ = std::max(at_, first->first);
      add(first->second, -1);
      started_.erase(first);
      return true;
    }
    if (!real) return false;
    at_ = std::max(at_, next_->first);
    last_ = next_->second;
    space_.end(*books_.ledger.entry(last_));
    ++next_;
    return true;
  }

  // Whether there is room once all have ended who say when: without a look at each of them.
  bool may_ever_fit(const Wanted& wanted) const {
    const auto enough = [this](int pool, std::int64_t amount) {
      return amount <= 0 || most_[static_cast<std::size_t>(pool)] >= amount;
    };
    const Amounts& a = wanted.amounts;
    return enough(Ledger::kMemory, a.memory.count()) && enough(Ledger::kCpu, a.cpu.milli()) &&
           (wanted.disk < 0 || enough(wanted.disk, a.disk.count())) &&
           (wanted.gpus.empty() ||
            std::any_of(wanted.gpus.begin(), wanted.gpus.end(),
                        [&](int gpu) { return enough(gpu, a.gpu_memory.count()); }));
  }

  const Books& books_;
  const Keeps& keeps_;
  Space space_;
  std::vector<std::int64_t> most_;  // the room that there can be at any time
  std::set<std::pair<BootTime, LeaseId>>::const_iterator next_;
  std::multimap<BootTime, Running> started_;
  std::vector<std::pair<BootTime, LeaseId>> kept_ends_;
  std::size_t kept_over_ = 0;
  // A lease that runs longer than expected is expected to end any moment: never in the past.
  BootTime at_ = books_.now.boot;
  LeaseId last_ = 0;
};

// What the head of the queue must not lose to those that start before it.
struct Head {
  Wanted wanted;
  std::optional<BootTime> starts;  // empty: it cannot be said when
  std::optional<Space> beside;     // what is left beside it, at its start
  Moment moment;                   // that start
};

Head look_at_head(const Books& books, const Keeps& keeps, const Space& space,
                  const Wanted& wanted) {
  Head head{wanted, {}, {}, moment_of(books)};
  Future future(books, keeps, space);
  if (const auto fit = future.until_fits(wanted)) {
    head.starts = future.at();
    head.moment = future.moment();
    future.space().start(wanted, fit->gpu, fit->others);
    head.beside = future.space();
  }
  return head;
}

// Whether starting `wanted` as it fits now leaves the head its earliest start (EASY backfill:
// Lifka, "The ANL/IBM SP scheduling system", 1995). Where that start is unknown, only what the head
// cannot use may be taken: nothing of a pool that it is short of, and of the others no more than
// leaves its need.
bool leaves_head_alone(const Books& books, const Keeps& keeps, const Space& space, const Head& head,
                       const Wanted& wanted, const Fit& fit) {
  const int gpu = fit.gpu;
  if (head.starts) {
    if (wanted.expected && books.now.boot + *wanted.expected <= *head.starts + kGrace) return true;
    Wanted there = wanted;
    if (wanted.count > 1 && gpu >= 0) {  // more memory alone wants no device
      there.gpus = fit.others;
      there.gpus.push_back(gpu);
    } else {
      there.amounts = space.amounts_on(wanted, gpu);
      there.whole = false;
      if (gpu >= 0) there.gpus = {gpu};
    }
    // It has run for a while then.
    if (there.expected) {
      *there.expected -=
          std::chrono::duration_cast<std::chrono::seconds>(*head.starts - books.now.boot);
    }
    return fit_into(books, keeps, *head.beside, there, head.moment).fits;
  }
  if (wanted.owner == head.wanted.owner) {  // they share the user's cap
    UserSum sum = space.sum_of(wanted.owner);
    const Amounts amounts = space.all_on(wanted, gpu, fit.others);
    sum.booked.memory += amounts.memory;
    sum.booked.gpu_memory += amounts.gpu_memory;
    sum.booked.cpu = Cores(sum.booked.cpu.milli() + amounts.cpu.milli());
    sum.leases += wanted.more ? 0 : 1;
    if (!over_cap(books, wanted.owner, sum, sum_of(head.wanted)).empty()) return false;
  }
  const auto is_heads = [&](int pool) {
    const auto& gpus = head.wanted.gpus;
    return std::find(gpus.begin(), gpus.end(), pool) != gpus.end();
  };
  // Several devices are whole ones: the head could not use them.
  if (std::any_of(fit.others.begin(), fit.others.end(), is_heads)) return false;
  for (const Slot& slot : slots(wanted.amounts, gpu, wanted.disk)) {
    std::int64_t need = 0;
    if (slot.pool == Ledger::kMemory) need = head.wanted.amounts.memory.count();
    if (slot.pool == Ledger::kCpu) need = head.wanted.amounts.cpu.milli();
    if (slot.pool == head.wanted.disk) need = head.wanted.amounts.disk.count();
    if (is_heads(slot.pool)) {
      if (head.wanted.exclusive || wanted.exclusive) return false;
      need = head.wanted.amounts.gpu_memory.count();
    }
    if (need > 0 && space.room[static_cast<std::size_t>(slot.pool)] - slot.amount < need) {
      return false;
    }
  }
  return true;
}

// Whether it may be placed on this device (-1: none at all).
bool may_be_on(const Wanted& wanted, int gpu) {
  return wanted.gpus.empty() ||
         std::find(wanted.gpus.begin(), wanted.gpus.end(), gpu) != wanted.gpus.end();
}

// What a nested request may still take of its parent's booking.
Fit fit_into_parent(const Books& books, const Wanted& wanted) {
  Fit fit;
  const auto parent = books.promises.leases.find(wanted.parent);
  if (parent == books.promises.leases.end() || !holds(parent->second.state)) return fit;
  Amounts left = parent->second.booked;
  // What is left of each of its devices, the first one first.
  struct Device {
    int gpu;
    Bytes booked;
    Bytes left;
  };
  std::vector<Device> devices;
  devices.push_back({books.ledger.gpu(parent->second.gpu), left.gpu_memory, left.gpu_memory});
  if (parent->second.needs.gpus > 1) {
    for (const auto& [id, lease] : books.promises.leases) {
      if (lease.part_of != wanted.parent || !holds(lease.state)) continue;
      const Bytes booked = lease.booked.gpu_memory;
      devices.push_back({books.ledger.gpu(lease.gpu), booked, booked});
    }
  }
  for (const auto& [id, lease] : books.promises.leases) {
    if (lease.parent != wanted.parent || !holds(lease.state)) continue;
    left.memory -= lease.booked.memory;
    left.cpu = Cores(left.cpu.milli() - lease.booked.cpu.milli());
    left.disk -= lease.booked.disk;
    // One inside that wants several devices has the first ones of them.
    const int at = devices.size() == 1 ? devices.front().gpu : books.ledger.gpu(lease.gpu);
    for (std::size_t i = 0; i < devices.size(); ++i) {
      const bool its = lease.needs.gpus > 1 ? i < static_cast<std::size_t>(lease.needs.gpus)
                                            : devices[i].gpu == at;
      if (its) devices[i].left -= lease.booked.gpu_memory;
    }
  }
  const auto over = [](std::int64_t want, std::int64_t have) {
    return want > 0 ? std::max<std::int64_t>(0, want - have) : 0;
  };
  fit.short_by.memory = Bytes(over(wanted.amounts.memory.count(), left.memory.count()));
  fit.short_by.cpu = Cores(over(wanted.amounts.cpu.milli(), left.cpu.milli()));
  fit.short_by.disk = Bytes(over(wanted.amounts.disk.count(), left.disk.count()));
  const auto lacks = [&](const Device& device) {
    return Bytes(over(wanted.amounts.gpu_memory.count(), device.left.count()));
  };
  const auto may_be = [&](const Device& device) { return may_be_on(wanted, device.gpu); };
  fit.gpu = devices.front().gpu;
  if (const auto count = static_cast<std::size_t>(wanted.count); count > 1) {
    fit.there = devices.size() >= count;
    devices.resize(std::min(devices.size(), count));
    fit.there = fit.there && std::all_of(devices.begin(), devices.end(), may_be);
    fit.most_gpu = devices.front().booked;
    for (const Device& device : devices) {
      if (device.gpu != fit.gpu) fit.others.push_back(device.gpu);
      fit.most_gpu = std::min(fit.most_gpu, device.booked);
      fit.short_by.gpu_memory = std::max(fit.short_by.gpu_memory, lacks(device));
    }
  } else {
    const Device* best = nullptr;
    for (const Device& device : devices) {
      if (!may_be(device)) continue;
      fit.most_gpu = std::max(fit.most_gpu, device.booked);
      if (best == nullptr || lacks(device) < lacks(*best)) best = &device;
    }
    fit.there = best != nullptr;
    if (best != nullptr) {
      fit.gpu = best->gpu;
      fit.short_by.gpu_memory = lacks(*best);
    }
  }
  if (!fit.there) fit.short_by.gpu_memory = sum_of(wanted).gpu_memory;
  fit.fits = fit.short_by == Amounts();
  return fit;
}

WallTime wall(const Books& books, BootTime at) { return books.now.wall + (at - books.now.boot); }

std::string lease_text(const Books& books, LeaseId id) {
  id = lead_of(books.promises, id);
  const auto found = books.promises.leases.find(id);
  const std::string name = found == books.promises.leases.end() ? "" : found->second.name + " ";
  return "lease " + name + "(l-" + std::to_string(id) + ")";
}

std::int64_t amount_in(const Books& books, LeaseId id, int pool) {
  const Entry* entry = books.ledger.entry(id);
  if (entry == nullptr) return 0;
  for (const Slot& slot : slots(entry->booked, entry->gpu, entry->disk)) {
    if (slot.pool == pool) return slot.amount;
  }
  return 0;
}

std::string devices_text(const Wanted& wanted) {
  std::string text = std::to_string(wanted.count) + (wanted.exclusive ? " whole GPUs" : " GPUs");
  if (!wanted.whole) {
    text +=
        " with " + amount_text(Resource::gpu_memory, wanted.amounts.gpu_memory.count()) + " each";
  }
  return text;
}

// Of several devices: how many are free, and what is with the others.
void explain_devices(const Books& books, const Wanted& wanted, LeaseId ends_first,
                     Verdict& verdict) {
  const Space space(books.ledger);
  int free = 0;
  std::size_t shut = 0;
  std::string others;
  for (const int gpu : wanted.gpus) {
    if (takes(books, space, wanted, gpu)) {
      ++free;
      continue;
    }
    if (++shut > kNamed) continue;
    const Pool& pool = books.ledger.pool(gpu);
    others += "; " + pool.name;
    if (!pool.unknown.empty()) {
      others += ": " + pool.unknown;
    } else if (const std::string closed = pool.closed(); !closed.empty()) {
      others += " " + closed;
    } else if (pool.by_size.empty()) {
      others += " has " + amount_text(pool.resource, pool.room()) +
                " room; what is used was booked by nobody";
    } else {
      others += " is held by " + lease_text(books, pool.by_size.rbegin()->second);
      if (pool.by_size.size() > 1) {
        others += " and " + std::to_string(pool.by_size.size() - 1) + " more";
      }
      for (auto it = pool.by_size.rbegin();
           it != pool.by_size.rend() && verdict.in_the_way.size() < kNamed; ++it) {
        verdict.in_the_way.push_back(it->second);
      }
    }
  }
  if (shut > kNamed) others += "; and " + std::to_string(shut - kNamed) + " more are not";
  verdict.why = devices_text(wanted) + " wanted, " + std::to_string(free) +
                (free == 1 ? " is" : " are") + " free" + others;
  const auto first = std::find(verdict.in_the_way.begin(), verdict.in_the_way.end(), ends_first);
  if (first != verdict.in_the_way.end()) std::rotate(verdict.in_the_way.begin(), first, first + 1);
}

// People know leases, not their further devices.
void name_leads(const Books& books, std::vector<LeaseId>& ids) {
  std::vector<LeaseId> leads;
  for (const LeaseId id : ids) {
    const LeaseId lead = lead_of(books.promises, id);
    if (std::find(leads.begin(), leads.end(), lead) == leads.end()) leads.push_back(lead);
  }
  ids = std::move(leads);
}

// Why it does not fit now, in one sentence; fills who is in the way.
void explain(const Books& books, const Wanted& wanted, const Fit& fit, LeaseId ends_first,
             Verdict& verdict) {
  // Where room is missing too, that is the reason: a cap of all there is says nothing of its own.
  if (fit.short_pool < 0 && !fit.capped.empty()) {
    verdict.why = "your leases would be more than one user may book: " + fit.capped;
    return;
  }
  if (fit.short_pool < 0) {
    verdict.why = "another request waits before it, and would be delayed";
    return;
  }
  const Pool& pool = books.ledger.pool(fit.short_pool);
  if (pool.resource == Resource::gpu_memory && wanted.count > 1) {
    explain_devices(books, wanted, ends_first, verdict);
    return;
  }
  const Amounts& a = wanted.amounts;
  const std::int64_t need = pool.resource == Resource::memory       ? a.memory.count()
                            : pool.resource == Resource::cpu        ? a.cpu.milli()
                            : pool.resource == Resource::gpu_memory ? a.gpu_memory.count()
                                                                    : a.disk.count();
  if (!pool.unknown.empty()) {
    verdict.why = pool.name + ": " + pool.unknown;
    return;
  }
  verdict.why = amount_text(pool.resource, need) + " of " +
                (pool.resource == Resource::disk ? "disk on " : "") + pool.name + " wanted, " +
                amount_text(pool.resource, pool.room()) + " room";
  if (const std::string closed = pool.closed();
      pool.drained || pool.tight ||
      (pool.resource == Resource::gpu_memory && pool.room() >= need)) {
    verdict.why = pool.name + " " + (closed.empty() ? "is not free for this alone" : closed);
    if (!closed.empty()) return;  // the end of no lease would help
  }
  if (ends_first != 0 && amount_in(books, ends_first, fit.short_pool) > 0) {
    verdict.in_the_way.push_back(ends_first);
  }
  std::int64_t covered = 0;
  const std::int64_t lack = need - pool.room();
  for (auto it = pool.by_size.rbegin();
       it != pool.by_size.rend() && verdict.in_the_way.size() < kNamed && covered < lack; ++it) {
    covered += it->first;
    if (it->second != ends_first) verdict.in_the_way.push_back(it->second);
  }
  if (pool.refused > 0) {
    verdict.why += "; it counts " + amount_text(pool.resource, pool.refused) +
                   " as free that it would not give";
  }
  if (verdict.in_the_way.empty()) {
    if (pool.refused == 0) verdict.why += "; what is used was booked by nobody";
    return;
  }
  verdict.why += "; ";
  for (std::size_t i = 0; i < verdict.in_the_way.size(); ++i) {
    const LeaseId id = verdict.in_the_way[i];
    if (i > 0) verdict.why += ", ";
    verdict.why += lease_text(books, id) + " holds " +
                   amount_text(pool.resource, amount_in(books, id, fit.short_pool));
  }
}

std::string span_text(std::chrono::nanoseconds span) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(span).count();
  if (minutes == 0) {
    return std::to_string(std::chrono::floor<std::chrono::seconds>(span).count()) + "s";
  }
  if (minutes < 60) return std::to_string(minutes) + "m";
  std::string text = std::to_string(minutes / 60) + "h";
  if (minutes % 60 != 0) text += " " + std::to_string(minutes % 60) + "m";
  return text;
}

// What one lease wants of a pool, where it is placed on these devices.
std::int64_t need_in(const Ledger& ledger, const Wanted& wanted, int pool) {
  if (pool == Ledger::kMemory) return wanted.amounts.memory.count();
  if (pool == Ledger::kCpu) return wanted.amounts.cpu.milli();
  if (pool == wanted.disk) return wanted.amounts.disk.count();
  return may_be_on(wanted, pool) && !wanted.gpus.empty() ? least_on(ledger.pool(pool), wanted) : 0;
}

// Why a request that would fit now has to wait: what it would take is kept for later. Says with
// what length it would fit now.
void explain_kept(const Books& books, const Keeps& keeps, const Space& space, const Wanted& wanted,
                  const Fit& fit, Verdict& verdict) {
  const Pool* pool = fit.short_pool < 0 ? nullptr : &books.ledger.pool(fit.short_pool);
  std::int64_t kept_of_it = 0;
  std::string names;
  for (const Kept& kept : keeps) {
    if (!overlaps(wanted, books.now.boot, kept)) continue;
    const std::int64_t amount =
        pool == nullptr ? 0 : need_in(books.ledger, kept.wanted, fit.short_pool);
    if (pool != nullptr ? amount == 0 : kept.wanted.owner != wanted.owner) continue;
    kept_of_it += amount;
    if (verdict.in_the_way.size() >= kNamed) continue;
    verdict.in_the_way.push_back(kept.lease);
    names += (names.empty() ? "" : ", ") + lease_text(books, kept.lease);
    const Lease& lease = books.promises.leases.at(kept.lease);
    names += is_due(lease, books.now.wall) ? ", whose time has come"
                                           : " from " + time_text(books, *lease.starts);
  }
  if (pool == nullptr) {
    verdict.why = "your leases would be more than one user may book with what is kept for " +
                  names + ": " + fit.capped;
  } else {
    const bool all = pool->resource == Resource::gpu_memory && wanted.exclusive;
    verdict.why = (all ? pool->name + " is"
                       : amount_text(pool->resource, kept_of_it) + " of " + pool->name + " are") +
                  " kept for " + names;
  }
  // Whatever it fits beside now, it does for a shorter time too: the longest that ends where one
  // of them starts.
  const auto before = [&](const Kept& kept) {
    return std::chrono::floor<std::chrono::seconds>(kept.from - books.now.boot);
  };
  const auto longest = std::partition_point(keeps.begin(), keeps.end(), [&](const Kept& kept) {
    Wanted shorter = wanted;
    shorter.expected = std::min(before(kept), wanted.expected.value_or(before(kept)));
    return fit_into(books, keeps, space, shorter, moment_of(books)).fits;
  });
  if (longest != keeps.begin() && before(*std::prev(longest)).count() > 0) {
    const Kept& kept = *std::prev(longest);
    verdict.help.push_back({"shorter",
                            "with --for of at most " + span_text(before(kept)) + " it fits now",
                            kept.lease, books.promises.leases.at(kept.lease).starts});
  }
  const auto least = least_room(books, keeps, space, wanted, moment_of(books));
  if (pool == nullptr || !least || wanted.exclusive) return;
  if (const std::int64_t left = least->room[static_cast<std::size_t>(fit.short_pool)]; left > 0) {
    verdict.help.push_back(
        {"smaller",
         "ask for at most " + amount_text(pool->resource, left) + " of " + pool->name,
         0,
         {}});
  }
}

// Larger than anything this machine could ever give? Then says why.
bool never(const Books& books, const Wanted& wanted, Verdict& verdict) {
  const auto& ledger = books.ledger;
  const auto too_large = [&](int pool_index, std::int64_t amount) {
    const Pool& pool = ledger.pool(pool_index);
    if (amount <= 0 || !pool.unknown.empty() || amount <= pool.most()) return false;
    verdict.why = amount_text(pool.resource, amount) + " of " + pool.name +
                  " is more than can ever be booked: " + amount_text(pool.resource, pool.most());
    return true;
  };
  if (too_large(Ledger::kMemory, wanted.amounts.memory.count())) {
    verdict.short_by.memory =
        Bytes(wanted.amounts.memory.count() - ledger.pool(Ledger::kMemory).most());
    return true;
  }
  if (too_large(Ledger::kCpu, wanted.amounts.cpu.milli())) {
    verdict.short_by.cpu = Cores(wanted.amounts.cpu.milli() - ledger.pool(Ledger::kCpu).most());
    return true;
  }
  if (wanted.disk >= 0 && too_large(wanted.disk, wanted.amounts.disk.count())) {
    verdict.short_by.disk = Bytes(wanted.amounts.disk.count() - ledger.pool(wanted.disk).most());
    return true;
  }
  if (wanted.count > 1 && !wanted.gpus.empty()) {
    std::vector<int> small;
    for (const int gpu : wanted.gpus) {
      const Pool& pool = ledger.pool(gpu);
      if (pool.unknown.empty() && pool.most() < least_on(pool, wanted)) small.push_back(gpu);
    }
    const auto count = static_cast<std::size_t>(wanted.count);
    const std::size_t others = wanted.gpus.size() - small.size();
    if (others < count) {
      std::sort(small.begin(), small.end(),
                [&](int a, int b) { return ledger.pool(a).most() > ledger.pool(b).most(); });
      for (std::size_t i = 0; i < count - others; ++i) {
        const Pool& pool = ledger.pool(small[i]);
        verdict.short_by.gpu_memory += Bytes(least_on(pool, wanted) - pool.most());
      }
      verdict.best_gpu = ledger.pool(small.front()).device;
      verdict.why = devices_text(wanted) + " wanted, and " + std::to_string(others) +
                    (others == 1 ? " has" : " have") + " as much at all";
      return true;
    }
  } else if (!wanted.gpus.empty()) {
    int largest = wanted.gpus.front();
    for (const int gpu : wanted.gpus) {
      const auto size = [&](int one) {
        return std::pair(ledger.pool(one).most(), ledger.pool(one).room());
      };
      if (size(gpu) > size(largest)) largest = gpu;
    }
    if (too_large(largest, wanted.amounts.gpu_memory.count())) {
      verdict.best_gpu = ledger.pool(largest).device;
      verdict.short_by.gpu_memory =
          Bytes(wanted.amounts.gpu_memory.count() - ledger.pool(largest).most());
      return true;
    }
  }
  if (const std::string cap =
          over_cap(books, wanted.owner, UserSum(), sum_of(wanted), wanted.more ? 0 : 1);
      !cap.empty()) {
    verdict.why = "it is more than one user may ever book: " + cap;
    return true;
  }
  return false;
}

void fill_place(const Books& books, const Wanted& wanted, const Fit& fit, Verdict& verdict) {
  verdict.amounts = amounts_at(books.ledger, wanted, fit.gpu);
  if (fit.gpu >= 0) verdict.gpu = books.ledger.pool(fit.gpu).device;
  if (!fit.others.empty()) verdict.gpus.push_back(verdict.gpu);
  for (const int other : fit.others) {
    verdict.amounts.gpu_memory += amounts_at(books.ledger, wanted, other).gpu_memory;
    verdict.gpus.push_back(books.ledger.pool(other).device);
  }
  if (fit.others.empty() && wanted.count > 1) verdict.amounts = sum_of(wanted);
  if (wanted.disk >= 0) verdict.mount = books.ledger.pool(wanted.disk).device;
}

Verdict decide_nested(const Books& books, const Wanted& wanted) {
  Verdict verdict;
  verdict.revision = books.revision;
  const auto parent = books.promises.leases.find(wanted.parent);
  const Amounts whole = parent == books.promises.leases.end() ? Amounts() : parent->second.booked;
  const Fit fit = fit_into_parent(books, wanted);
  fill_place(books, wanted, fit, verdict);
  if (fit.fits) {
    verdict.answer = Answer::now;
    return verdict;
  }
  verdict.short_by = fit.short_by;
  verdict.in_the_way.push_back(wanted.parent);
  const bool there = fit.there;
  const bool could = there && wanted.amounts.memory <= whole.memory &&
                     wanted.amounts.gpu_memory <= fit.most_gpu && wanted.amounts.cpu <= whole.cpu &&
                     wanted.amounts.disk <= whole.disk;
  verdict.answer = could ? Answer::queued : Answer::never;
  verdict.place = could ? 1 : 0;
  verdict.why =
      could
          ? "other commands inside " + lease_text(books, wanted.parent) + " have taken its booking"
      : !there ? "it runs inside " + lease_text(books, wanted.parent) + ", which has no such device"
               : "it runs inside " + lease_text(books, wanted.parent) +
                     ", which has booked less than that";
  verdict.help.push_back({"larger", "book more for the outer run", wanted.parent, {}});
  return verdict;
}

}  // namespace

std::string amount_text(Resource resource, std::int64_t amount) {
  // Said of every lease: in integers, which is much cheaper than the printf family.
  const auto whole = [amount](std::int64_t unit, const char* word) {
    return std::to_string(amount / unit + (amount % unit >= unit / 2 ? 1 : 0)) + word;
  };
  const auto tenths = [amount](std::int64_t unit, const char* word) {
    const std::int64_t tenth = (amount % unit * 10 + unit / 2) / unit;
    return std::to_string(amount / unit + tenth / 10) + "." + std::to_string(tenth % 10) + word;
  };
  constexpr std::int64_t kKiB = 1LL << 10, kMiB = 1LL << 20, kGiB = 1LL << 30;
  if (resource == Resource::cpu) return tenths(1000, " cores");
  if (amount < kMiB) return whole(kKiB, " KiB");
  if (amount < kGiB) return whole(kMiB, " MiB");
  return tenths(kGiB, " GiB");
}

namespace {

// "0", "GPU-5d1f…" or several of these with commas between: the pools, each once.
Result<std::vector<int>> named_devices(const Ledger& ledger, std::string_view names) {
  std::vector<int> pools;
  while (true) {
    const std::size_t comma = names.find(',');
    const std::string name(names.substr(0, comma));
    const int pool = ledger.gpu(name);
    if (pool < 0) {
      return fail(ErrorKind::not_found, "there is no GPU " + name, "it is not in this machine",
                  "headroom --json lists the devices");
    }
    if (std::find(pools.begin(), pools.end(), pool) == pools.end()) pools.push_back(pool);
    if (comma == std::string_view::npos) return pools;
    names.remove_prefix(comma + 1);
  }
}

}  // namespace

// What is wanted of a device that works in the machine's memory is wanted of that: one pool.
Result<void> share_memory(const Ledger& ledger, const Needs& needs, Wanted& wanted) {
  const auto is_unified = [&](int gpu) { return ledger.pool(gpu).unified; };
  const auto has_its_own = [&](int gpu) { return !is_unified(gpu) && !ledger.pool(gpu).gone; };
  if (std::none_of(wanted.gpus.begin(), wanted.gpus.end(), is_unified)) return {};
  if (std::any_of(wanted.gpus.begin(), wanted.gpus.end(), has_its_own)) {
    // Beside devices with memory of their own, one without is meant only by its name.
    std::erase_if(wanted.gpus, is_unified);
    return {};
  }
  std::erase_if(wanted.gpus, [&](int gpu) { return !is_unified(gpu); });
  if (!needs.gpu_memory) {
    return fail(ErrorKind::invalid_request, "it is not said how much memory it takes",
                ledger.pool(wanted.gpus.front()).name +
                    " works in the machine's memory, which others need too",
                "add --gpu-mem");
  }
  std::int64_t all = 0;
  if (__builtin_mul_overflow(needs.gpu_memory->count(), wanted.count, &all) ||
      __builtin_add_overflow(wanted.amounts.memory.count(), all, &all)) {
    return fail(ErrorKind::can_never_fit, "it is more memory than can be counted",
                "what is wanted of the device and beside it is one pool here", "ask for less");
  }
  wanted.amounts.memory = Bytes(all);
  return {};
}

Result<Wanted> want(const Ledger& ledger, const Needs& needs) {
  Wanted wanted;
  const auto positive = [](const auto& amount, std::int64_t value) { return !amount || value > 0; };
  if (!positive(needs.memory, needs.memory ? needs.memory->count() : 0) ||
      !positive(needs.gpu_memory, needs.gpu_memory ? needs.gpu_memory->count() : 0) ||
      !positive(needs.cpu, needs.cpu ? needs.cpu->milli() : 0) ||
      !positive(needs.disk, needs.disk ? needs.disk->count() : 0)) {
    return fail(ErrorKind::invalid_request, "an amount is zero or less",
                "a need is more than nothing, or it is left out");
  }
  if (needs.compute && !(*needs.compute >= 0 && *needs.compute < 1000)) {
    return fail(ErrorKind::invalid_request, "the compute capability is no such number",
                "it is one like 8.6");
  }
  if (needs.gpus < 0 || needs.gpus > kMostDevices) {
    return fail(ErrorKind::invalid_request, "the number of whole GPUs is out of range",
                std::to_string(needs.gpus) + " were wanted",
                "between 1 and " + std::to_string(kMostDevices));
  }
  wanted.amounts = {needs.memory.value_or(Bytes()), needs.gpu_memory.value_or(Bytes()),
                    needs.cpu.value_or(Cores()), needs.disk.value_or(Bytes())};
  wanted.exclusive = needs.gpus >= 1;
  wanted.count = std::max(1, needs.gpus);
  if (needs.gpu_memory || wanted.exclusive) {
    if (!ledger.has_gpus()) {
      return fail(ErrorKind::can_never_fit, "GPU memory was wanted, and this machine has no GPU",
                  "none is known to headroom", "headroom doctor says what was looked for");
    }
    if (!needs.gpu.empty()) {
      auto named = named_devices(ledger, needs.gpu);
      if (!named) return tl::unexpected(std::move(named.error()));
      wanted.gpus = std::move(*named);
      if (const std::size_t found = wanted.gpus.size();
          found < static_cast<std::size_t>(wanted.count)) {
        return fail(ErrorKind::invalid_request,
                    std::to_string(wanted.count) + " whole GPUs were wanted, and " +
                        std::to_string(found) + " named",
                    "nobody knows which the others are to be",
                    "name as many at least, for example 0,1, or none");
      }
    } else {
      for (std::size_t i = 0; i < ledger.pools().size(); ++i) {
        if (ledger.pools()[i].resource == Resource::gpu_memory) {
          wanted.gpus.push_back(static_cast<int>(i));
        }
      }
    }
    if (needs.compute) {
      std::erase_if(wanted.gpus, [&](int gpu) {
        const auto& compute = ledger.pool(gpu).compute;
        return !compute || *compute < *needs.compute;
      });
      if (wanted.gpus.empty()) {
        char text[64];
        std::snprintf(text, sizeof text, "no device has compute capability %.1f", *needs.compute);
        return fail(ErrorKind::can_never_fit, text, "the devices of this machine are older");
      }
    }
    if (auto shared = share_memory(ledger, needs, wanted); !shared) {
      return tl::unexpected(std::move(shared.error()));
    }
    if (wanted.gpus.size() < static_cast<std::size_t>(wanted.count)) {
      const std::size_t found = wanted.gpus.size();
      return fail(ErrorKind::can_never_fit,
                  std::to_string(wanted.count) + " whole GPUs were wanted, and there " +
                      (found == 1 ? "is 1" : "are " + std::to_string(found)) +
                      (needs.compute ? " of that compute capability" : ""),
                  "this machine has no more", "ask for fewer");
    }
    if (wanted.exclusive) {
      // A whole device is booked by what it has, so that the sum over devices stays true.
      wanted.whole = !needs.gpu_memory;
      if (wanted.whole) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (const int gpu : wanted.gpus) least = std::min(least, least_of_whole(ledger.pool(gpu)));
        wanted.amounts.gpu_memory = Bytes(least);
      }
    }
  } else if (!needs.gpu.empty() || needs.compute) {
    return fail(ErrorKind::invalid_request, "a device was named, and nothing of it wanted", {},
                "add --gpu-mem or --gpus 1");
  }
  if (needs.disk) {
    wanted.disk = ledger.disk(needs.disk_path.empty() ? "/" : needs.disk_path);
    if (wanted.disk < 0) {
      return fail(ErrorKind::not_found,
                  "no local filesystem holds " +
                      (needs.disk_path.empty() ? std::string("/") : needs.disk_path),
                  "headroom watches local disks only");
    }
  }
  if (wanted.amounts == Amounts()) {
    return fail(ErrorKind::invalid_request, "nothing is wanted", "the needs are empty",
                "name at least one of memory, GPU memory, CPU, disk");
  }
  return wanted;
}

LeaseId lead_of(const Promises& promises, LeaseId id) {
  const auto lease = promises.leases.find(id);
  return lease == promises.leases.end() || lease->second.part_of == 0 ? id : lease->second.part_of;
}

Amounts amounts_at(const Ledger& ledger, const Wanted& wanted, int gpu) {
  Amounts amounts = wanted.amounts;
  if (wanted.whole && wanted.parent == 0 && gpu >= 0) {
    amounts.gpu_memory = std::max(amounts.gpu_memory, Bytes(ledger.pool(gpu).room()));
  }
  return amounts;
}

Result<Wanted> wanted_of(const Books& books, const Lease& lease) {
  auto wanted = want(books.ledger, lease.needs);
  if (!wanted) return wanted;
  wanted->priority = lease.priority;
  wanted->start = lease.state == LeaseState::waiting;
  wanted->owner = lease.owner;
  wanted->spread = lease.spread;
  wanted->expected = lease.expected;
  wanted->key = Queue::key(lease, books.config.leases.ageing);
  wanted->parent = lease.parent;
  if (waits_for_start(lease) && !lease.gpu.empty()) {
    if (auto chosen = named_devices(books.ledger, lease.gpu)) wanted->gpus = std::move(*chosen);
  }
  return wanted;
}

Verdict decide(const Books& books, const Wanted& wanted) {
  if (wanted.parent != 0) return decide_nested(books, wanted);
  Verdict verdict;
  verdict.revision = books.revision;
  fill_place(books, wanted, Fit(), verdict);
  if (never(books, wanted, verdict)) {
    verdict.answer = Answer::never;
    verdict.help.push_back({"smaller", "ask for less", 0, {}});
    return verdict;
  }

  if (is_over_budget(books, wanted)) {
    verdict.answer = Answer::queued;
    verdict.place = static_cast<int>(books.queue.place_of(wanted.key)) + 1;
    verdict.earliest = books.spent->until;
    verdict.why = budget_text(books);
    verdict.help.push_back({"wait", "the next month begins", 0, verdict.earliest});
    return verdict;
  }
  const Space space(books.ledger);
  const Keeps keeps = keeps_of(books);
  const Fit beside = fit_into(books, keeps, space, wanted, moment_of(books));
  // Whether it would fit if nothing was kept for later: then that is the reason.
  const Fit fit = beside.fits || keeps.empty() ? beside : fit_now(books, space, wanted);
  const bool is_kept = fit.fits && !beside.fits;
  const std::size_t before = books.queue.place_of(wanted.key);
  std::size_t looked = 0;
  const auto next_ahead = [&]() -> std::optional<Wanted> {
    while (looked < before) {
      const Lease& waiter = books.promises.leases.at(books.queue.in_order()[looked++].second);
      // Nested waiters stand in the queue too, but wait for nothing that others could take.
      if (waiter.parent != 0) continue;
      // One whose device is gone waits for that, and keeps nobody.
      auto other = wanted_of(books, waiter);
      if (other && !is_shut_out(books, *other)) return std::move(*other);
    }
    return std::nullopt;
  };
  std::optional<Wanted> ahead = next_ahead();
  const bool may =
      beside.fits &&
      (!ahead || leaves_head_alone(books, keeps, space, look_at_head(books, keeps, space, *ahead),
                                   wanted, fit));
  if (fit.best_gpu >= 0) verdict.best_gpu = books.ledger.pool(fit.best_gpu).device;
  if (may) {
    verdict.answer = Answer::now;
    fill_place(books, wanted, fit, verdict);
    return verdict;
  }

  verdict.answer = Answer::queued;
  verdict.place = static_cast<int>(before) + 1;
  verdict.short_by = fit.short_by;
  Future future(books, keeps, space);
  bool known = before <= kForeseen;
  for (; ahead && known; ahead = next_ahead()) {
    const auto there = future.until_fits(*ahead);
    known = there.has_value();
    if (known) future.start(*ahead, *there);
  }
  LeaseId ends_first = 0;
  if (known) {
    if (future.until_fits(wanted)) {
      verdict.earliest = wall(books, future.at());
      ends_first = future.last_ended();
    }
  }
  if (is_kept) {
    explain_kept(books, keeps, space, wanted, beside, verdict);
  } else {
    explain(books, wanted, fit, ends_first, verdict);
  }
  name_leads(books, verdict.in_the_way);
  ends_first = lead_of(books.promises, ends_first);
  if (verdict.earliest) {
    verdict.help.push_back(
        {"wait",
         ends_first == 0 ? std::string("it fits when those who wait before it have had their turn")
                         : "it fits when " + lease_text(books, ends_first) + " ends",
         ends_first, verdict.earliest});
  } else if (!verdict.in_the_way.empty()) {
    verdict.help.push_back({"wait",
                            "it fits after " + lease_text(books, verdict.in_the_way.front()) +
                                (verdict.in_the_way.size() > 1 ? " and others have" : " has") +
                                (known ? " ended; when that is, not all have said"
                                       : " ended and those who wait before it have had their "
                                         "turn; when that is, not all have said"),
                            verdict.in_the_way.front(),
                            {}});
  }
  const bool devices = wanted.count > 1 && fit.short_pool >= 0 &&
                       books.ledger.pool(fit.short_pool).resource == Resource::gpu_memory;
  if (fit.short_pool >= 0 && books.ledger.pool(fit.short_pool).drained) {
    verdict.help.push_back(
        {"drain", "root or the group headroom ends it: headroom drain --undo", 0, {}});
  } else if (devices) {
    const auto free = std::count_if(wanted.gpus.begin(), wanted.gpus.end(),
                                    [&](int gpu) { return takes(books, space, wanted, gpu); });
    if (free > 0 && wanted.exclusive) {
      verdict.help.push_back(
          {"smaller",
           "ask for at most " + std::to_string(free) + (free == 1 ? " whole GPU" : " whole GPUs"),
           0,
           {}});
    }
  } else if (fit.short_pool >= 0 && fit.capped.empty()) {
    const Pool& pool = books.ledger.pool(fit.short_pool);
    std::int64_t room = pool.room();
    if (const auto least = least_room(books, keeps, space, wanted, moment_of(books))) {
      room = std::min(room, least->room[static_cast<std::size_t>(fit.short_pool)]);
    }
    if (room > 0) {
      verdict.help.push_back(
          {"smaller",
           "ask for at most " + amount_text(pool.resource, room) + " of " + pool.name,
           0,
           {}});
    }
  }
  return verdict;
}

std::vector<Lack> lacks_on(const Books& books, const Wanted& wanted, const std::vector<int>& gpus) {
  const Ledger& ledger = books.ledger;
  std::vector<Lack> lacks;
  bool only_memory = true;
  std::optional<Space> least;
  if (const Keeps keeps = keeps_of(books); !keeps.empty()) {
    Wanted here = wanted;
    if (!wanted.gpus.empty()) here.gpus = gpus;
    least = least_room(books, keeps, Space(ledger), here, moment_of(books));
  }
  const auto look = [&](int index, std::int64_t need) {
    if (index < 0 || need <= 0) return;
    const Pool& pool = ledger.pool(index);
    // What is kept for others has to be there besides.
    if (least && pool.unknown.empty()) {
      need += pool.balance() - least->room[static_cast<std::size_t>(index)];
    }
    const bool open = pool.unknown.empty() && !pool.drained && !pool.hot;
    if (open && pool.balance() >= need) return;
    if (!open || (pool.resource != Resource::memory && pool.resource != Resource::gpu_memory)) {
      only_memory = false;
      return;
    }
    lacks.push_back(
        {index, need + pool.margin - (pool.capacity - pool.reserve - pool.booked),
         need + pool.margin - (pool.free - pool.refused - pool.unmaterialised - pool.unseen)});
  };
  for (const int gpu : gpus) {
    const Pool& pool = ledger.pool(gpu);
    if (pool.exclusive > 0 || (wanted.exclusive && pool.leases > 0)) return {};
    if (least && (least->exclusive[static_cast<std::size_t>(gpu)] > 0 ||
                  (wanted.exclusive && least->leases[static_cast<std::size_t>(gpu)] > 0))) {
      return {};
    }
    look(gpu, least_on(pool, wanted));
  }
  look(Ledger::kMemory, wanted.amounts.memory.count());
  look(Ledger::kCpu, wanted.amounts.cpu.milli());
  look(wanted.disk, wanted.amounts.disk.count());
  if (!only_memory) return {};
  return lacks;
}

std::vector<std::vector<int>> placings(const Books& books, const Wanted& wanted) {
  std::vector<std::vector<int>> all;
  if (wanted.gpus.empty()) return {{}};
  if (wanted.count == 1) {
    for (const int gpu : wanted.gpus) all.push_back({gpu});
    return all;
  }
  std::vector<std::pair<std::int64_t, int>> lacks;
  for (const int gpu : wanted.gpus) {
    const Pool& pool = books.ledger.pool(gpu);
    if (!pool.unknown.empty() || pool.drained || pool.hot || pool.exclusive > 0) continue;
    if (wanted.exclusive && pool.leases > 0) continue;
    lacks.emplace_back(std::max<std::int64_t>(0, least_on(pool, wanted) - pool.room()), gpu);
  }
  const auto count = static_cast<std::size_t>(wanted.count);
  if (lacks.size() < count) return {};
  std::sort(lacks.begin(), lacks.end());
  std::vector<int>& least = all.emplace_back();
  for (std::size_t i = 0; i < count; ++i) least.push_back(lacks[i].second);
  return all;
}

bool is_within_cap(const Books& books, const Wanted& wanted, const Amounts& less) {
  const auto& users = books.ledger.users();
  const auto user = users.find(wanted.owner);
  UserSum sum = user == users.end() ? UserSum() : user->second;
  sum.booked.memory -= less.memory;
  sum.booked.gpu_memory -= less.gpu_memory;
  sum.booked.cpu = Cores(sum.booked.cpu.milli() - less.cpu.milli());
  return over_cap(books, wanted.owner, sum, sum_of(wanted), wanted.more ? 0 : 1).empty();
}

bool is_over_budget(const Books& books, const Wanted& wanted) {
  if (!books.spent || !wanted.start || wanted.more || wanted.parent != 0) return false;
  return static_cast<int>(wanted.priority) < static_cast<int>(books.spent->least);
}

bool is_shut_out(const Books& books, const Wanted& wanted) {
  if (is_over_budget(books, wanted)) return true;
  const Ledger& ledger = books.ledger;
  // Whoever waits for memory that does not come back by itself keeps nobody from the rest.
  const Pool& memory = ledger.pool(Ledger::kMemory);
  const std::int64_t need = wanted.amounts.memory.count();
  if (memory.stuck > 0 && need > memory.room() && need > memory.most() - memory.stuck) return true;
  return !wanted.gpus.empty() &&
         std::count_if(wanted.gpus.begin(), wanted.gpus.end(),
                       [&](int gpu) { return !ledger.pool(gpu).drained; }) < wanted.count;
}

std::optional<Start> next_start(const Books& books) {
  if (books.queue.empty()) return std::nullopt;
  const Space space(books.ledger);
  const Keeps keeps = keeps_of(books);
  std::optional<Head> head;
  for (const Queue::Key& key : books.queue.in_order()) {
    const Lease& waiter = books.promises.leases.at(key.second);
    auto wanted = wanted_of(books, waiter);
    if (!wanted) continue;
    if (waiter.parent != 0) {
      if (const Fit fit = fit_into_parent(books, *wanted); fit.fits)
        return Start{waiter.id, fit.gpu, fit.others};
      continue;
    }
    if (is_shut_out(books, *wanted)) continue;
    const Fit fit = fit_into(books, keeps, space, *wanted, moment_of(books));
    if (!head) {
      if (fit.fits) return Start{waiter.id, fit.gpu, fit.others};
      head = look_at_head(books, keeps, space, *wanted);
    } else if (fit.fits && leaves_head_alone(books, keeps, space, *head, *wanted, fit)) {
      return Start{waiter.id, fit.gpu, fit.others};
    }
  }
  return std::nullopt;
}

std::vector<Outlook> outlook(const Books& books) {
  std::vector<Outlook> out;
  const Keeps keeps = keeps_of(books);
  Future future(books, keeps, Space(books.ledger));
  bool known = true;
  int place = 0;
  for (const Queue::Key& key : books.queue.in_order()) {
    const Lease& waiter = books.promises.leases.at(key.second);
    Outlook one{waiter.id, ++place, {}};
    const auto wanted = wanted_of(books, waiter);
    if (wanted && waiter.parent == 0 && known && !is_shut_out(books, *wanted)) {
      if (const auto fit = future.until_fits(*wanted)) {
        one.earliest = wall(books, future.at());
        future.start(*wanted, *fit);
      } else {
        known = false;
      }
    }
    out.push_back(one);
  }
  return out;
}

bool is_due(const Lease& lease, WallTime now) {
  return waits_for_start(lease) && (lease.late || *lease.starts <= now);
}

std::string time_text(const Books& books, WallTime at) {
  static const ZoneRules kUtc;
  using std::chrono::floor;
  const ZoneRules& zone = books.zone == nullptr ? kUtc : *books.zone;
  const auto local = [&](WallTime time) {
    return local_of(floor<std::chrono::seconds>(time), zone);
  };
  const auto then = local(at);
  const auto day = floor<std::chrono::days>(then);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(then - day);
  char text[64];
  if (day == floor<std::chrono::days>(local(books.now.wall))) {
    std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()));
  } else {
    std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()));
  }
  return std::string(text) + (zone.name == "UTC" ? " UTC" : "");
}

StartPlan plan_start(const Books& books, const Lease& lease) {
  StartPlan plan;
  auto found = wanted_of(books, lease);
  if (!found) {
    plan.why = found.error().what;
    return plan;
  }
  Wanted& wanted = *found;
  const Ledger& ledger = books.ledger;
  fill_place(books, wanted, Fit(), plan.verdict);
  if (never(books, wanted, plan.verdict)) {
    plan.never = true;
    plan.verdict.help.push_back({"smaller", "ask for less", 0, {}});
    return plan;
  }
  // The machine as it is then if nobody is left but those who have said that they stay longer. Who
  // is late, or has not said, is not counted: why_not_yet() names them.
  const BootTime from = books.now.boot + (*lease.starts - books.now.wall);
  static const std::map<uid_t, UserSum> kNobody;
  Space space(ledger);
  space.users = &kNobody;
  for (std::size_t i = 0; i < ledger.pools().size(); ++i) {
    space.room[i] = ledger.pools()[i].most();
    space.leases[i] = space.exclusive[i] = 0;
  }
  const auto stays = ledger.by_end().upper_bound({from, std::numeric_limits<LeaseId>::max()});
  for (auto it = stays; it != ledger.by_end().end(); ++it) {
    const Entry& entry = *ledger.entry(it->second);
    space.add(entry.booked, entry.gpu, entry.disk, entry.exclusive, entry.owner, +1,
              entry.part_of != 0);
  }
  const Keeps keeps = keeps_of(books);
  const Moment when{from, stays};
  const Space least = least_room(books, keeps, space, wanted, when).value_or(space);

  // Where least is promised; of those where least is held by who has not said for how long; then as
  // placing goes.
  std::vector<int> open;
  for (const int gpu : wanted.gpus) {
    if (takes(books, least, wanted, gpu)) open.push_back(gpu);
  }
  const bool spread = wanted.spread || books.config.leases.place == Place::spread;
  const auto rank = [&](int gpu) {
    const Pool& pool = ledger.pool(gpu);
    const std::int64_t room = pool.room();
    return std::tuple(pool.most() - least.room[static_cast<std::size_t>(gpu)],
                      pool.booked - pool.ending, spread ? -room : room);
  };
  std::stable_sort(open.begin(), open.end(), [&](int a, int b) { return rank(a) < rank(b); });
  const auto count = static_cast<std::size_t>(wanted.count);
  Wanted placed = wanted;
  if (!wanted.gpus.empty() && open.size() >= count) {
    open.resize(count);
    placed.gpus = open;
  }
  const Fit fit = fit_now(books, least, placed);
  if (fit.fits) {
    plan.kept = true;
    for (const int gpu : open) plan.devices.push_back(ledger.pool(gpu).device);
    return plan;
  }
  if (fit.short_pool < 0) {
    plan.why = fit.capped.empty()
                   ? "it cannot be placed"
                   : "your leases would be more than one user may book then: " + fit.capped;
    return plan;
  }
  const Pool& pool = ledger.pool(fit.short_pool);
  plan.why = amount_text(pool.resource, need_in(ledger, wanted, fit.short_pool)) + " of " +
             pool.name + " wanted, ";
  if (!pool.unknown.empty() || pool.drained || pool.hot) {
    plan.why = pool.name + (pool.unknown.empty() ? " " + pool.closed() : ": " + pool.unknown);
    return plan;
  }
  plan.why +=
      amount_text(pool.resource,
                  std::max<std::int64_t>(0, least.room[static_cast<std::size_t>(fit.short_pool)])) +
      " left then";
  bool known = true;
  BootTime over = from;
  const auto name = [&](LeaseId id, std::int64_t amount, std::optional<BootTime> until) {
    if (amount <= 0) return;
    known = known && until.has_value();
    if (until) over = std::max(over, *until);
    if (plan.in_the_way.size() >= kNamed) return;
    const Lease& other = books.promises.leases.at(lead_of(books.promises, id));
    plan.in_the_way.push_back(other.id);
    plan.why += std::string(plan.in_the_way.size() == 1 ? "; " : ", ") +
                lease_text(books, other.id) + " has " + amount_text(pool.resource, amount);
    if (waits_for_start(other)) plan.why += " from " + time_text(books, *other.starts);
    plan.why += until ? " until " + time_text(books, wall(books, *until)) : " for good";
  };
  for (const Kept& kept : keeps) {
    if (overlaps(wanted, from, kept)) {
      name(kept.lease, need_in(ledger, kept.wanted, fit.short_pool), kept.until);
    }
  }
  for (auto it = stays; it != ledger.by_end().end(); ++it) {
    name(it->second, amount_in(books, it->second, fit.short_pool), it->first);
  }
  if (known && over > from) plan.after = wall(books, over);
  return plan;
}

namespace {

// Whether one whose time has come fits beside what those before it still want: on the devices that
// were kept for it, else wherever it leaves what is kept for others.
Fit fit_due(const Books& books, const Keeps& before, const Space& space, const Lease& lease,
            const Wanted& wanted) {
  Fit fit;
  if (!is_shut_out(books, wanted)) {
    fit = fit_into(books, before, space, wanted, moment_of(books));
  }
  if (fit.fits || lease.gpu.empty()) return fit;
  Lease free = lease;
  free.gpu.clear();
  const auto anywhere = wanted_of(books, free);
  if (!anywhere || is_shut_out(books, *anywhere)) return fit;
  const Fit other = fit_into(books, keeps_of(books), space, *anywhere, moment_of(books));
  return other.fits ? other : fit;
}

// What those whose time has come before this one still want.
Keeps due_before(const Books& books, LeaseId id) {
  Keeps before;
  if (books.starts == nullptr) return before;
  for (const auto& [at, other] : *books.starts) {
    if (other == id) break;
    const Lease& lease = books.promises.leases.at(other);
    if (!is_due(lease, books.now.wall)) continue;
    auto wanted = wanted_of(books, lease);
    if (!wanted || is_shut_out(books, *wanted)) continue;
    before.push_back(keep_for(books, lease, std::move(*wanted)));
  }
  return before;
}

}  // namespace

std::optional<Start> next_due(const Books& books) {
  if (books.starts == nullptr || books.starts->empty()) return std::nullopt;
  std::optional<Space> space;
  Keeps before;
  for (const auto& [at, id] : *books.starts) {
    const Lease& lease = books.promises.leases.at(id);
    if (!is_due(lease, books.now.wall)) continue;
    auto wanted = wanted_of(books, lease);
    if (!wanted) continue;
    if (!space) space.emplace(books.ledger);
    const Fit fit = fit_due(books, before, *space, lease, *wanted);
    if (fit.fits) return Start{id, fit.gpu, fit.others};
    if (is_shut_out(books, *wanted)) continue;
    before.push_back(keep_for(books, lease, std::move(*wanted)));
  }
  return std::nullopt;
}

std::string why_not_yet(const Books& books, const Lease& lease) {
  const auto wanted = wanted_of(books, lease);
  if (!wanted) return wanted.error().what;
  Verdict verdict;
  Space space(books.ledger);
  if (is_due(lease, books.now.wall)) {
    if (is_over_budget(books, *wanted)) return budget_text(books);
    const Keeps before = due_before(books, lease.id);
    const Fit fit = fit_into(books, before, space, *wanted, moment_of(books));
    const Fit alone = fit_now(books, space, *wanted);
    if (fit.fits) return "it starts at once";
    if (alone.fits) {
      explain_kept(books, before, space, *wanted, fit, verdict);
    } else {
      explain(books, *wanted, alone, 0, verdict);
    }
    return verdict.why;
  }
  std::string why = "its time has not come";
  if (!lease.expected) {
    why += "; nobody said how long it takes (--for), so what it needs is kept for good";
  }
  // Who holds what it needs, and will not have ended by then as far as anybody knows.
  const BootTime from = books.now.boot + (*lease.starts - books.now.wall);
  std::size_t counted = 0;
  const auto& by_end = books.ledger.by_end();
  for (auto it = by_end.begin(); it != by_end.end() && it->first <= from && counted < kEnds;
       ++it, ++counted) {
    if (it->first > books.now.boot) space.end(*books.ledger.entry(it->second));
  }
  const Fit fit = fit_now(books, space, *wanted);
  if (fit.fits || fit.short_pool < 0) return why;
  const Pool& pool = books.ledger.pool(fit.short_pool);
  if (const std::string closed = pool.closed(); !closed.empty()) {
    return why + "; " + pool.name + " " + closed;
  }
  std::string names;
  std::size_t named = 0;
  for (auto it = pool.by_size.rbegin(); it != pool.by_size.rend() && named < kNamed; ++it) {
    const Entry* entry = books.ledger.entry(it->second);
    if (entry == nullptr || (entry->ends && *entry->ends > books.now.boot)) continue;
    ++named;
    names += (named == 1 ? "" : ", ") + lease_text(books, it->second) + " holds " +
             amount_text(pool.resource, it->first);
  }
  if (names.empty()) {
    return why + "; " + pool.name + " has too little now, and what is used was booked by nobody";
  }
  return why + "; " + names + " of " + pool.name + (named == 1 ? " and has" : " and have") +
         " not said that " + (named == 1 ? "it ends" : "they end") + " before";
}

}  // namespace headroom::decide
