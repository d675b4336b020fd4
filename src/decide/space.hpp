// Room as it is at a moment or will be, and whether a request fits into it: for the verdict alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "decide/verdict.hpp"

namespace headroom::decide {

/// Most ends of leases that are counted on where something is kept for later: what ends after them
/// counts as there for good.
inline constexpr std::size_t kEnds = 256;

/// A copy of the ledger's rooms in which leases can be ended and started to look ahead.
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

/// As if there were no leases, with what `room` says of each pool.
Space emptied(const Ledger& ledger, std::int64_t (Pool::*room)() const);

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

/// A device that a screen or a driver takes a little of is still a whole one.
std::int64_t least_of_whole(const Pool& pool);
/// What of the device it must have at least.
std::int64_t least_on(const Pool& pool, const Wanted& wanted);
/// The amounts on all its devices together.
Amounts sum_of(const Wanted& wanted);
/// Whether a device can be given to it now.
bool takes(const Books& books, const Space& space, const Wanted& wanted, int gpu);
/// Which of the user's caps would be broken by `more` on top of `sum`, in words; empty: none.
std::string over_cap(const Books& books, uid_t owner, const UserSum& sum, const Amounts& more,
                     int more_leases = 1);
/// Whether the request fits into the space, and where, whatever is kept for later. Pure;
/// O(devices).
Fit fit_now(const Books& books, const Space& space, const Wanted& wanted);

// Victims have a Kept of their own.
namespace later {
/// What is kept for a lease that waits for its time.
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
}  // namespace later

/// All of them, the first one first; at most kMostStarts.
using Keeps = std::vector<later::Kept>;
later::Kept keep_for(const Books& books, const Lease& lease, Wanted wanted);
Keeps keeps_of(const Books& books);

/// A moment of a space: the leases before `next` in the order of their ends have ended in it.
struct Moment {
  BootTime at;
  std::set<std::pair<BootTime, LeaseId>>::const_iterator next;
};
inline Moment moment_of(const Books& books) {
  return {books.now.boot, books.ledger.by_end().begin()};
}
inline WallTime wall(const Books& books, BootTime at) {
  return books.now.wall + (at - books.now.boot);
}

/// Whether a request that starts at this moment could still be there when what is kept is wanted.
bool overlaps(const Wanted& wanted, BootTime at, const later::Kept& kept);
/// The least room that there is while the request lasts, if it starts at this moment and all that
/// is kept for others starts in its time. Empty: nothing is kept that it would meet.
///
/// Room grows whenever a lease ends and shrinks only where a kept one starts: so these moments are
/// looked at, and those that say when they end count as gone by then. Who is late is not counted
/// on. `ends`: 0 counts on nobody's end, which is never more room, and cheaper.
std::optional<Space> least_room(const Books& books, const Keeps& keeps, const Space& space,
                                const Wanted& wanted, const Moment& when, std::size_t ends = kEnds);
/// Whether the request fits into the space at this moment, beside all that is kept for others.
Fit fit_into(const Books& books, const Keeps& keeps, const Space& space, const Wanted& wanted,
             const Moment& when);
/// Whether it could not start even if every lease ended: too much is used that nobody booked, or is
/// kept for good for those who start at a time. The end of no lease helps it, so that it keeps
/// nobody behind it from the room that there is; nor does one that is_shut_out().
bool keeps_nobody(const Books& books, const Keeps& keeps, const Wanted& wanted);
/// What a nested request may still take of its parent's booking.
Fit fit_into_parent(const Books& books, const Wanted& wanted);
/// What one lease wants of a pool, where it is placed on these devices.
std::int64_t need_in(const Ledger& ledger, const Wanted& wanted, int pool);

}  // namespace headroom::decide
