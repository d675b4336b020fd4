#include "decide/allocate.hpp"

#include <algorithm>
#include <cmath>
#include <queue>

namespace headroom::decide {
namespace {

constexpr std::int64_t kMostUnits = std::int64_t{1}
                                    << 44;  // a thousand sums of it are whole numbers of a double
constexpr std::int64_t kMostWeight = 1'000'000;
constexpr std::size_t kClasses = 4;
constexpr double kRounding = 1e-10;  // more than all errors of a level together

/// Somebody who gets between `low` and `high`.
struct Taker {
  std::size_t place = 0;  // among the claims
  std::uint64_t id = 0;
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::int64_t weight = 1;
  std::int64_t given = 0;
};

/// True when the unit `a` of one comes before the unit `b` of the other.
bool comes_before(const Taker& one, std::int64_t a, const Taker& other, std::int64_t b) {
  __extension__ using Wide = __int128;
  const Wide left = Wide{a} * other.weight;
  const Wide right = Wide{b} * one.weight;
  return left != right ? left < right : one.id < other.id;
}

/// The level of units per weight at which the takers have about `capacity` together. Between two
/// levels at which nobody begins or ends to take, what they have grows evenly.
double level_of(const std::vector<Taker>& takers, std::int64_t capacity) {
  struct Turn {
    double level;
    double speed;  // units per level that are added from there on
  };
  std::vector<Turn> turns;
  turns.reserve(2 * takers.size());
  double have = 0;
  for (const Taker& taker : takers) {
    const auto weight = static_cast<double>(taker.weight);
    have += static_cast<double>(taker.low);
    if (taker.low == taker.high) continue;
    turns.push_back({static_cast<double>(taker.low) / weight, weight});
    turns.push_back({static_cast<double>(taker.high) / weight, -weight});
  }
  std::sort(turns.begin(), turns.end(),
            [](const Turn& a, const Turn& b) { return a.level < b.level; });
  double level = 0;
  double speed = 0;
  for (const Turn& turn : turns) {
    const double more = speed * (turn.level - level);
    if (have + more >= static_cast<double>(capacity)) break;
    have += more;
    level = turn.level;
    speed += turn.speed;
  }
  return speed > 0 ? level + (static_cast<double>(capacity) - have) / speed : level;
}

/// Gives the takers `capacity` together, or all that they want. REQUIRES: their lows fit.
void fill(std::vector<Taker>& takers, std::int64_t capacity) {
  std::int64_t wanted = 0;
  for (Taker& taker : takers) wanted += taker.given = taker.high;
  if (wanted <= capacity) return;

  // Below the true level, so that all of this is among what is given in the end.
  const double level = level_of(takers, capacity) * (1 - kRounding);
  std::int64_t given = 0;
  for (Taker& taker : takers) {
    const auto about = static_cast<std::int64_t>(level * static_cast<double>(taker.weight));
    given += taker.given = std::clamp(about, taker.low, taker.high);
  }
  // The rest is handed out one by one.
  const auto later = [&](std::size_t a, std::size_t b) {
    return comes_before(takers[b], takers[b].given + 1, takers[a], takers[a].given + 1);
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> next(later);
  const auto offer = [&](std::size_t taker) {
    if (takers[taker].given < takers[taker].high) next.push(taker);
  };
  for (std::size_t i = 0; i < takers.size(); ++i) offer(i);
  for (; given < capacity; ++given) {
    const std::size_t winner = next.top();
    next.pop();
    ++takers[winner].given;
    offer(winner);
  }
}

Taker taker_of(const Claim& claim, std::size_t place, Classes classes) {
  Taker taker;
  taker.place = place;
  taker.id = claim.id;
  taker.low = std::clamp<std::int64_t>(claim.floor, 0, kMostUnits);
  const auto ceiling = std::clamp<std::int64_t>(claim.ceiling, taker.low, kMostUnits);
  taker.high = std::clamp(claim.demand, taker.low, ceiling);
  taker.weight = std::clamp<std::int64_t>(claim.weight, 1, kMostWeight);
  if (classes == Classes::weighted) {
    taker.weight <<= static_cast<int>(claim.priority);
  }
  return taker;
}

}  // namespace

Shares allocate(std::span<const Claim> claims, std::int64_t capacity, Classes classes) {
  Shares shares;
  shares.given.resize(claims.size());
  capacity = std::clamp<std::int64_t>(capacity, 0, kMostUnits);
  std::vector<std::vector<Taker>> groups(kClasses);  // the highest class first
  std::int64_t floors = 0;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const Taker taker = taker_of(claims[i], i, classes);
    floors += taker.low;
    groups[kClasses - 1 - static_cast<std::size_t>(claims[i].priority)].push_back(taker);
  }
  shares.floors_unmet = std::max<std::int64_t>(0, floors - capacity);
  if (classes == Classes::weighted && shares.floors_unmet == 0) {
    for (std::size_t i = 1; i < groups.size(); ++i) {
      groups[0].insert(groups[0].end(), groups[i].begin(), groups[i].end());
      groups[i].clear();
    }
  }
  std::int64_t left = capacity;
  std::int64_t floors_below = floors;
  for (std::vector<Taker>& group : groups) {
    std::int64_t own = 0;
    for (const Taker& taker : group) own += taker.low;
    floors_below -= own;
    if (shares.floors_unmet > 0) {
      for (Taker& taker : group) {
        taker.high = taker.low;
        taker.low = 0;
      }
    }
    fill(group, shares.floors_unmet > 0 ? left : left - floors_below);
    for (const Taker& taker : group) {
      shares.given[taker.place] = taker.given;
      left -= taker.given;
    }
  }
  return shares;
}

}  // namespace headroom::decide
