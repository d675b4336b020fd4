#include "decide/space.hpp"

#include <limits>

namespace headroom::decide {

using later::Kept;

namespace {

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

// Whether it may be placed on this device (-1: none at all).
bool may_be_on(const Wanted& wanted, int gpu) {
  return wanted.gpus.empty() ||
         std::find(wanted.gpus.begin(), wanted.gpus.end(), gpu) != wanted.gpus.end();
}

}  // namespace

std::int64_t least_of_whole(const Pool& pool) {
  return std::max<std::int64_t>(1, pool.most() - pool.capacity / 20);
}

std::int64_t least_on(const Pool& pool, const Wanted& wanted) {
  return wanted.whole ? least_of_whole(pool) : wanted.amounts.gpu_memory.count();
}

Amounts sum_of(const Wanted& wanted) {
  Amounts all = wanted.amounts;
  for (int i = 1; i < wanted.count; ++i) all.gpu_memory += wanted.amounts.gpu_memory;
  return all;
}

bool takes(const Books& books, const Space& space, const Wanted& wanted, int gpu) {
  const Pool& pool = books.ledger.pool(gpu);
  const auto i = static_cast<std::size_t>(gpu);
  if (!pool.unknown.empty() || pool.hot || pool.drained) return false;
  if (space.exclusive[i] > 0 && !wanted.more) return false;
  if (wanted.exclusive && space.leases[i] > 0) return false;
  return space.room[i] >= least_on(pool, wanted);
}

std::string over_cap(const Books& books, uid_t owner, const UserSum& sum, const Amounts& more,
                     int more_leases) {
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

Space emptied(const Ledger& ledger, std::int64_t (Pool::*room)() const) {
  static const std::map<uid_t, UserSum> kNobody;
  Space space(ledger);
  space.users = &kNobody;
  for (std::size_t i = 0; i < ledger.pools().size(); ++i) {
    space.room[i] = (ledger.pools()[i].*room)();
    space.leases[i] = space.exclusive[i] = 0;
  }
  return space;
}

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

bool overlaps(const Wanted& wanted, BootTime at, const Kept& kept) {
  if (kept.lease == wanted.key.second || kept.is_over(at)) return false;
  return !wanted.expected || at + *wanted.expected > std::max(at, kept.from);
}

std::optional<Space> least_room(const Books& books, const Keeps& keeps, const Space& space,
                                const Wanted& wanted, const Moment& when, std::size_t ends) {
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

bool keeps_nobody(const Books& books, const Keeps& keeps, const Wanted& wanted) {
  if (is_shut_out(books, wanted)) return true;
  const Ledger& ledger = books.ledger;
  const Space empty = emptied(ledger, &Pool::most_beside_others);
  Keeps for_good;
  for (const Kept& kept : keeps) {
    if (!kept.until) for_good.push_back(kept);
  }
  const Space space =
      least_room(books, for_good, empty, wanted, {books.now.boot, ledger.by_end().end()})
          .value_or(empty);
  // A device of which nothing is known, or which is too hot, may be back at any moment.
  const auto enough = [&](int index, std::int64_t need) {
    const Pool& pool = ledger.pool(index);
    return need <= 0 || !pool.unknown.empty() || pool.unified ||
           space.room[static_cast<std::size_t>(index)] >= need;
  };
  const Amounts& a = wanted.amounts;
  if (!enough(Ledger::kMemory, a.memory.count()) || !enough(Ledger::kCpu, a.cpu.milli())) {
    return true;
  }
  if (wanted.disk >= 0 && !enough(wanted.disk, a.disk.count())) return true;
  const auto could_be_had = [&](int gpu) {
    const auto i = static_cast<std::size_t>(gpu);
    return space.exclusive[i] == 0 && !(wanted.exclusive && space.leases[i] > 0) &&
           enough(gpu, least_on(ledger.pool(gpu), wanted));
  };
  return !wanted.gpus.empty() &&
         std::count_if(wanted.gpus.begin(), wanted.gpus.end(), could_be_had) < wanted.count;
}

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

std::int64_t need_in(const Ledger& ledger, const Wanted& wanted, int pool) {
  if (pool == Ledger::kMemory) return wanted.amounts.memory.count();
  if (pool == Ledger::kCpu) return wanted.amounts.cpu.milli();
  if (pool == wanted.disk) return wanted.amounts.disk.count();
  return may_be_on(wanted, pool) && !wanted.gpus.empty() ? least_on(ledger.pool(pool), wanted) : 0;
}

}  // namespace headroom::decide
