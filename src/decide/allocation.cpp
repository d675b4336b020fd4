#include "decide/allocation.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace headroom::decide {
namespace {

constexpr std::chrono::hours kDay{24};
constexpr std::chrono::seconds kFirstRetry{1};
constexpr int kMostDoublings = 6;
constexpr int kDoubted = 3;  // refusals in a row

/// A smaller change than this is not worth one.
std::int64_t worth(std::int64_t now, const Pace& pace) {
  const auto band = static_cast<std::int64_t>(pace.deadband * static_cast<double>(now));
  return std::max<std::int64_t>({1, pace.least, band});
}

}  // namespace

const char* to_string(Move::Why why) {
  switch (why) {
    case Move::Why::demand:
      return "demand";
    case Move::Why::quota:
      return "quota";
    case Move::Why::others:
      return "others";
    case Move::Why::capacity:
      return "capacity";
  }
  return "demand";
}

std::int64_t Allocation::One::held() const {
  return std::max({now, asked.value_or(0), perhaps.value_or(0)});
}

std::vector<Move> Allocation::cycle(std::span<const Wish> wishes, std::int64_t capacity,
                                    Classes classes, const Pace& pace, BootTime at) {
  std::map<std::uint64_t, const Wish*> named;
  for (const Wish& wish : wishes) named.emplace(wish.id, &wish);
  std::erase_if(all_, [&](const auto& one) { return !named.contains(one.first); });

  std::vector<Claim> claims;
  claims.reserve(named.size());
  for (const auto& [id, wish] : named) {
    const One& one = all_[id];
    // Nothing is set aside for who keeps refusing, until it is asked again.
    const bool doubtful = one.failures >= kDoubted && at < one.not_before;
    const std::int64_t demand = doubtful ? one.now : wish->demand.value_or(one.now);
    claims.push_back({id, wish->floor, wish->ceiling, demand, wish->weight, wish->priority});
  }
  const Shares shares = allocate(claims, capacity, classes);

  // Is there anybody who would get more, and worth it, if others gave some back?
  std::int64_t wanted = 0;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const One& one = all_.at(claims[i].id);
    if (one.failures > 0) continue;  // it gets what is free, and from nobody
    const std::int64_t more = shares.given[i] - one.held();
    if (more >= worth(one.now, pace) || one.now < claims[i].floor) {
      wanted += std::max<std::int64_t>(0, more);
    }
  }
  const std::int64_t spare = capacity - out();

  std::vector<Move> moves;
  const auto may_ask = [&](const One& one) { return !one.asked && at >= one.not_before; };
  for (std::size_t i = 0; i < claims.size(); ++i) {
    One& one = all_.at(claims[i].id);
    const std::int64_t aim = shares.given[i];
    if (aim >= one.now) one.lower_since.reset();
    if (aim < one.now && !one.lower_since) one.lower_since = at;
    if (!may_ask(one) || aim >= one.now) continue;
    Move move{claims[i].id, one.now, aim, aim, Move::Why::demand};
    if (one.now > claims[i].ceiling) {
      move.why = Move::Why::quota;
    } else if (spare < 0) {
      move.why = Move::Why::capacity;
    } else if (wanted > spare) {
      if (one.now - aim < worth(one.now, pace)) continue;
      move.why = Move::Why::others;
    } else {
      std::erase_if(one.shrinks, [&](BootTime then) { return at - then >= kDay; });
      const auto most =
          static_cast<std::int64_t>(std::ceil(pace.shrink_most * static_cast<double>(one.now)));
      move.to = std::max(aim, one.now - most);
      const bool ripe = at - *one.lower_since >= pace.hold;
      if (!ripe || one.now - aim < worth(one.now, pace) || move.to == one.now) continue;
      if (one.shrinks.size() >= pace.shrinks_a_day) continue;
      one.shrinks.push_back(at);
    }
    one.asked = move.to;
    moves.push_back(move);
  }

  // What was asked back is still out until it is confirmed.
  std::int64_t left = capacity - out();
  std::vector<std::size_t> order(claims.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return claims[a].priority > claims[b].priority;
  });
  for (const std::size_t i : order) {
    One& one = all_.at(claims[i].id);
    const std::int64_t aim = shares.given[i];
    if (!may_ask(one) || aim <= one.now) continue;
    const std::int64_t more = std::min(aim - one.now, left + one.held() - one.now);
    // Its floor is its own however little is missing.
    const bool below_floor = one.now < claims[i].floor;
    if (more <= 0 || (!below_floor && more < worth(one.now, pace))) continue;
    left -= std::max<std::int64_t>(0, one.now + more - one.held());
    one.asked = one.now + more;
    moves.push_back({claims[i].id, one.now, *one.asked, aim,
                     below_floor && one.now > 0 ? Move::Why::quota : Move::Why::demand});
  }
  return moves;
}

void Allocation::adopt(std::uint64_t id, std::int64_t value, std::optional<std::int64_t> perhaps) {
  all_[id] = One();
  all_[id].perhaps = perhaps;
  all_[id].now = std::max<std::int64_t>(0, value);
}

void Allocation::applied(std::uint64_t id, std::int64_t value) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  found->second.now = std::max<std::int64_t>(0, value);
  found->second.asked.reset();
  found->second.perhaps.reset();
  found->second.failures = 0;
  found->second.not_before = {};
}

void Allocation::fell_short(std::uint64_t id, std::int64_t value, BootTime at) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  found->second.now = std::max<std::int64_t>(0, value);
  found->second.perhaps.reset();
  refused(id, at);
}

void Allocation::refused(std::uint64_t id, BootTime at) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  One& one = found->second;
  one.asked.reset();
  one.not_before = at + kFirstRetry * (1 << std::min(one.failures, kMostDoublings));
  ++one.failures;
}

void Allocation::unanswered(std::uint64_t id, BootTime at) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  const auto asked = found->second.asked;
  refused(id, at);
  if (asked) found->second.perhaps = std::max(asked, found->second.perhaps);
}

std::int64_t Allocation::held(std::uint64_t id) const {
  const auto found = all_.find(id);
  return found == all_.end() ? 0 : found->second.held();
}

std::optional<std::int64_t> Allocation::has(std::uint64_t id) const {
  const auto found = all_.find(id);
  return found == all_.end() ? std::nullopt : std::optional(found->second.now);
}

std::optional<std::int64_t> Allocation::asked(std::uint64_t id) const {
  const auto found = all_.find(id);
  return found == all_.end() ? std::nullopt : found->second.asked;
}

std::int64_t Allocation::out() const {
  std::int64_t sum = 0;
  for (const auto& [id, one] : all_) sum += one.held();
  return sum;
}

}  // namespace headroom::decide
