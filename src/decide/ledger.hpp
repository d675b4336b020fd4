// The ledger: what each resource has, what is booked of it, and how much room is left.
// Integers only; every sum is kept up to date as leases come and go, so that a question about one
// request does not depend on how many leases there are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/room.hpp>
#include <headroom/sample.hpp>

#include "words/config.hpp"

namespace headroom::decide {

/// One resource of one device. Amounts are bytes, or thousandths of a core.
struct Pool {
  Resource resource = Resource::memory;
  std::string device;
  std::string name;
  int gpu_index = -1;
  std::optional<double> compute;
  std::string parent;    ///< of a MIG slice: the device it is cut from
  bool hot = false;      ///< its temperature is critical: nothing new is placed on it
  bool drained = false;  ///< somebody wants nobody new on it
  bool tight = false;    ///< memory runs short: nobody new until it does not
  /// Kept from who comes new: those who are at their fence, and were measured badly when they came,
  /// go before him.
  std::int64_t claimed = 0;
  /// Held by leases that stand at their fence in vain: comes back when a person ends them.
  std::int64_t stuck = 0;
  std::string unknown;  ///< why there is no answer, or empty
  std::int64_t capacity = 0;
  std::int64_t reserve = 0;
  std::int64_t margin = 0;
  std::int64_t free = 0;
  /// GPU: what was used when its first lease came; empty where nobody looked before (a restart).
  std::optional<std::int64_t> used_idle;
  std::int64_t booked = 0;
  std::int64_t measured = 0;  ///< of `booked`, what is used
  std::int64_t beyond = 0;    ///< used by leases beyond what they booked
  std::int64_t unmaterialised = 0;
  /// Given up by leases since the machine was read, while it may have been taken since: not free
  /// until a sample from after `unseen_at` shows what of it is.
  std::int64_t unseen = 0;
  /// As much of it as it may be beside a `free` that was read later than the bookings' use was
  /// measured, and before `unseen_at`: then the leases may have had less of what they booked.
  std::int64_t unseen_most = 0;
  BootTime unseen_at{};
  BootTime read_at{};  ///< when `free` was so
  /// Counted as free by the driver, which would not give it: memory in pieces, most likely. Until
  /// some of what is used comes back.
  std::int64_t refused = 0;
  std::int64_t used_at_refusal = 0;
  std::int64_t ending = 0;  ///< of `booked`, by leases that say when they end
  /// A GPU that works in the machine's memory: what is booked of it is booked of that too, and its
  /// terms are that one's.
  bool unified = false;
  bool gone = true;  ///< a GPU that the last sample did not have
  int leases = 0;
  int exclusive = 0;                                   ///< leases on it that share with nobody
  std::set<std::pair<std::int64_t, LeaseId>> by_size;  ///< who holds how much

  /// What can still be booked; 0 when unknown or overdrawn.
  std::int64_t room() const { return unknown.empty() ? std::max<std::int64_t>(0, balance()) : 0; }
  /// The same with its sign: below 0 is how much must come back before there is room again.
  std::int64_t balance() const {
    return tight ? std::min<std::int64_t>(0, terms() - claimed) : terms() - claimed;
  }
  /// What those who are there already may be lent: also while nobody new is taken.
  std::int64_t spare() const { return unknown.empty() ? std::max<std::int64_t>(0, terms()) : 0; }
  /// Why nobody new is placed on it, whatever its room; empty: it is open.
  std::string closed() const {
    return drained ? "is drained: it takes nobody new"
           : tight ? "runs short: it takes nobody new until it does not"
           : hot   ? "is too hot"
                   : "";
  }
  std::int64_t terms() const {
    return std::min(capacity - reserve - booked, free - refused - unmaterialised - unseen) - margin;
  }
  /// The most that can ever be booked at once.
  std::int64_t most() const { return std::max<std::int64_t>(0, capacity - reserve - margin); }
  /// The most that could be booked now if every lease ended: what others use stays.
  std::int64_t most_beside_others() const {
    return std::min(capacity - reserve, free + measured + beyond) - margin;
  }
};

/// One amount against one pool.
struct Slot {
  int pool = -1;
  std::int64_t amount = 0;
};

/// What one lease has in the ledger.
struct Entry {
  uid_t owner = 0;
  Amounts booked;
  Amounts measured;
  int gpu = -1;   ///< pool index
  int disk = -1;  ///< pool index
  bool exclusive = false;
  std::optional<BootTime> ends;  ///< when it is expected to end
  LeaseId part_of = 0;           ///< a further device of this lease
};

/// What one user has booked.
struct UserSum {
  Amounts booked;
  int leases = 0;
  int parts = 0;  ///< further devices of these leases
};

/// What of the machine's memory could be had now: MemAvailable, and what ZFS keeps as cache above
/// its least, which the kernel counts as used although it is given back under pressure.
Bytes usable_memory(const MemoryReading& memory);

class Ledger {
 public:
  static constexpr int kMemory = 0;
  static constexpr int kCpu = 1;

  Ledger();

  /// Takes capacity and free amounts from a sample. `cpu_unbooked` is the last minute's CPU use
  /// that no lease accounts for. Devices that are missing from the sample become unknown, not
  /// empty.
  void refresh(const Sample& sample, const Config& config, Cores cpu_unbooked);

  /// Books; REQUIRES that `id` is not booked. The entry's pools must exist.
  void book(LeaseId id, const Entry& entry);
  /// Takes a booking out; unknown ids are ignored.
  void unbook(LeaseId id);
  /// Keeps `amounts`, which a lease gives up while its holder may have taken them unseen, out of
  /// the room until a sample from after `at` is taken in; `most` once an older one is, which may
  /// show less of the holder's use than was measured until now. Unknown ids are ignored.
  void keep_until_read(LeaseId id, const Amounts& amounts, const Amounts& most, BootTime at);
  /// Says what the holder of a booked lease uses now.
  void measure(LeaseId id, const Amounts& measured);
  /// Whether a device takes nobody new ("" = the node: no pool does); a slice follows its device.
  /// Devices that were not seen yet count too.
  void drain(const std::string& device, bool drained);
  /// An allocation of `bytes` failed on a device that counts as much as free: no more than less
  /// than that is room, until a tenth of its use, or a hundredth of the device, has come back.
  void refuse(int pool, Bytes bytes);
  void set_tight(bool tight) { pools_[kMemory].tight = tight; }
  void set_claimed(std::int64_t bytes) { pools_[kMemory].claimed = bytes; }
  void set_stuck(std::int64_t bytes) { pools_[kMemory].stuck = bytes; }
  void set_hot(int pool, bool hot) { pools_[static_cast<std::size_t>(pool)].hot = hot; }

  const std::vector<Pool>& pools() const { return pools_; }
  const Pool& pool(int index) const { return pools_[static_cast<std::size_t>(index)]; }
  const Entry* entry(LeaseId id) const;
  const std::map<LeaseId, Entry>& entries() const { return entries_; }
  /// Booked leases by the time they are expected to end, soonest first; those that say none are not
  /// in it.
  const std::set<std::pair<BootTime, LeaseId>>& by_end() const { return by_end_; }
  const std::map<uid_t, UserSum>& users() const { return users_; }

  /// The pool of a GPU by UUID or index ("GPU-5d1f…", "0"); -1 when there is none.
  int gpu(std::string_view id) const;
  /// The pool of the filesystem that holds `path`: the longest mount that is a prefix; -1 when
  /// none.
  int disk(std::string_view path) const;
  bool has_gpus() const;
  /// The pool of a device by its exact name, made unknown where the machine has not shown it (yet):
  /// a lease on a GPU that has fallen off the bus stays booked on it.
  int device(Resource resource, const std::string& device);

  /// The terms of every pool.
  std::vector<Room> rooms() const;

 private:
  bool is_drained(const Pool& pool) const;
  static void read(Pool& pool, BootTime at);
  void count_amounts(const Entry& entry, int sign);
  void count_lease(LeaseId id, const Entry& entry, int sign);

  std::vector<Pool> pools_;
  std::map<LeaseId, Entry> entries_;
  std::set<std::pair<BootTime, LeaseId>> by_end_;
  std::map<uid_t, UserSum> users_;
  std::set<std::string> drained_;
};

/// The amounts of an entry against its pools; `count` of them are set.
struct Slots {
  Slot at[4];
  int count = 0;
  const Slot* begin() const { return at; }
  const Slot* end() const { return at + count; }
};
Slots slots(const Amounts& amounts, int gpu, int disk);

/// What an entry has booked and not used yet.
Amounts unmaterialised(const Entry& entry);

/// Whether what a lease uses is more than it booked. Measuring is not exact to the page: 2 % and
/// 16 MiB more are no overrun.
bool is_over(const Amounts& measured, const Amounts& booked);

/// The share of memory that a strategy keeps back from bookings.
Ratio reserve_share(const Strategy& strategy);

}  // namespace headroom::decide
