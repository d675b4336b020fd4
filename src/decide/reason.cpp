#include "decide/reason.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>
#include <vector>

#include "decide/calendar.hpp"

namespace headroom::decide {

using later::Kept;

namespace {

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

// Of which pool something is kept: of the one that is short, or else of the first of its kind. The
// device that is short need not be the one that is kept; -1: none is short.
int kept_pool(const Books& books, const Keeps& keeps, const Wanted& wanted, int short_pool) {
  const auto needed = [&](int pool) {
    return std::any_of(keeps.begin(), keeps.end(), [&](const Kept& kept) {
      return overlaps(wanted, books.now.boot, kept) && need_in(books.ledger, kept.wanted, pool) > 0;
    });
  };
  if (short_pool < 0 || needed(short_pool)) return short_pool;
  const Resource resource = books.ledger.pool(short_pool).resource;
  for (int pool = 0; pool < static_cast<int>(books.ledger.pools().size()); ++pool) {
    if (books.ledger.pool(pool).resource == resource && needed(pool)) return pool;
  }
  return short_pool;
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

LeaseId lead_of(const Promises& promises, LeaseId id) {
  const auto lease = promises.leases.find(id);
  return lease == promises.leases.end() || lease->second.part_of == 0 ? id : lease->second.part_of;
}

std::string budget_text(const Books& books) {
  constexpr const char* kLeast[] = {"low", "normal", "high", "critical"};
  const LeastPriority least = books.spent->least;
  return std::string("the month's budget is spent: ") +
         (least == LeastPriority::nobody
              ? std::string("nobody new starts")
              : std::string("leases below priority ") + kLeast[static_cast<int>(least)] + " wait") +
         " until the next one (cost.over_budget)";
}

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

void explain_kept(const Books& books, const Keeps& keeps, const Space& space, const Wanted& wanted,
                  const Fit& fit, Verdict& verdict) {
  const int short_pool = kept_pool(books, keeps, wanted, fit.short_pool);
  const Pool* pool = short_pool < 0 ? nullptr : &books.ledger.pool(short_pool);
  std::int64_t kept_of_it = 0;
  std::string names;
  for (const Kept& kept : keeps) {
    if (!overlaps(wanted, books.now.boot, kept)) continue;
    const std::int64_t amount =
        pool == nullptr ? 0 : need_in(books.ledger, kept.wanted, short_pool);
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
  if (const std::int64_t left = least->room[static_cast<std::size_t>(short_pool)]; left > 0) {
    verdict.help.push_back(
        {"smaller",
         "ask for at most " + amount_text(pool->resource, left) + " of " + pool->name,
         0,
         {}});
  }
}

bool never(const Books& books, const Wanted& wanted, Verdict& verdict) {
  const auto& ledger = books.ledger;
  const auto too_large = [&](int pool_index, std::int64_t amount) {
    const Pool& pool = ledger.pool(pool_index);
    if (amount <= 0 || !pool.unknown.empty() || amount <= pool.most()) return false;
    verdict.why = amount_text(pool.resource, amount) + " of " + pool.name +
                  " is more than can ever be booked: " + amount_text(pool.resource, pool.most());
    if (const std::int64_t there = pool.most_beside_others(); there > 0) {
      verdict.help.push_back(
          {"smaller",
           "ask for at most " + amount_text(pool.resource, there) + " of " + pool.name +
               (there < pool.most() ? ": the rest is used by what nobody booked for" : ""),
           0,
           {}});
    }
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

}  // namespace headroom::decide
