// Leases that start at a time: whether they can be promised it, and who is in their way.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "decide/reason.hpp"
#include "decide/space.hpp"
#include "decide/verdict.hpp"

namespace headroom::decide {

using later::Kept;

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

bool is_due(const Lease& lease, WallTime now) {
  return waits_for_start(lease) && (lease.late || *lease.starts <= now);
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
    if (plan.verdict.help.empty()) {
      plan.verdict.help.push_back({"smaller", "ask for less", 0, {}});
    }
    return plan;
  }
  // The machine as it is then if nobody is left but those who have said that they stay longer. Who
  // is late, or has not said, is not counted: why_not_yet() names them.
  const BootTime from = books.now.boot + (*lease.starts - books.now.wall);
  Space space = emptied(ledger, &Pool::most);
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
