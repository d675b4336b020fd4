#include "decide/allocate.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace headroom::decide {

/// How a counterexample is printed.
void showValue(const Claim& claim, std::ostream& out) {
  out << "{id " << claim.id << ", " << claim.floor << " to " << claim.ceiling << ", wants "
      << claim.demand << ", weight " << claim.weight << ", " << to_string(claim.priority) << "}";
}

namespace {

using Amounts = std::vector<std::int64_t>;
using testing::ElementsAre;

std::int64_t sum(const Amounts& all) { return std::accumulate(all.begin(), all.end(), 0LL); }

/// What it would take if there were enough.
std::int64_t wanted(const Claim& claim) {
  return std::clamp(claim.demand, claim.floor, claim.ceiling);
}

/// One unit after the other to whoever has the least per weight with it: slow, and nothing else.
Amounts one_by_one(const std::vector<Claim>& claims, std::int64_t capacity) {
  Amounts given(claims.size(), 0);
  const auto hand_out = [&](const auto& may_take) {
    for (; sum(given) < capacity;) {
      std::size_t winner = claims.size();
      for (std::size_t i = 0; i < claims.size(); ++i) {
        if (!may_take(i)) continue;
        if (winner == claims.size()) {
          winner = i;
          continue;
        }
        const auto mine = (given[i] + 1) * claims[winner].weight;
        const auto other = (given[winner] + 1) * claims[i].weight;
        if (mine < other || (mine == other && claims[i].id < claims[winner].id)) winner = i;
      }
      if (winner == claims.size()) return;
      ++given[winner];
    }
  };
  std::int64_t floors = 0;
  for (const Claim& claim : claims) floors += claim.floor;
  const bool fit = floors <= capacity;
  if (fit) {
    for (std::size_t i = 0; i < claims.size(); ++i) given[i] = claims[i].floor;
  }
  for (const Priority priority :
       {Priority::critical, Priority::high, Priority::normal, Priority::low}) {
    hand_out([&](std::size_t i) {
      return claims[i].priority == priority &&
             given[i] < (fit ? wanted(claims[i]) : claims[i].floor);
    });
  }
  return given;
}

TEST(Allocate, EverybodyGetsWhatHeDemandsWhereThereIsEnough) {
  const std::vector<Claim> claims{{1, 10, 100, 30}, {2, 0, 20, 50}, {3, 5, 50, 0}};
  const Shares shares = allocate(claims, 1000);
  EXPECT_THAT(shares.given, ElementsAre(30, 20, 5))
      << "never beyond the ceiling or below the floor";
  EXPECT_EQ(shares.floors_unmet, 0);
}

TEST(Allocate, WhatIsTooLittleIsSharedByWeightAndNobodyGetsMoreThanHeDemands) {
  const std::vector<Claim> claims{{1, 0, 100, 100, 1}, {2, 0, 100, 100, 2}, {3, 0, 100, 10, 7}};
  EXPECT_THAT(allocate(claims, 100).given, ElementsAre(30, 60, 10));
}

TEST(Allocate, AHigherClassComesFirstAndTheFloorsBeforeIt) {
  std::vector<Claim> claims{{1, 5, 100, 80, 1, Priority::low}, {2, 5, 100, 80, 1, Priority::high}};
  EXPECT_THAT(allocate(claims, 60).given, ElementsAre(5, 55));
  EXPECT_THAT(allocate(claims, 60, Classes::weighted).given, ElementsAre(12, 48)) << "1 : 4";
  EXPECT_THAT(allocate(claims, 8).given, ElementsAre(3, 5));
  EXPECT_EQ(allocate(claims, 8).floors_unmet, 2);
}

TEST(Allocate, AWeightedShareIsOneUnitOffAtMost) {
  const std::vector<Claim> claims{{1, 0, 100, 100, 3}, {2, 0, 100, 100, 3}, {3, 0, 100, 100, 1}};
  EXPECT_EQ(sum(allocate(claims, 10).given), 10);
  EXPECT_THAT(allocate(claims, 10).given, ElementsAre(5, 4, 1)) << "the smaller id first";
}

TEST(Allocate, NothingAndNobody) {
  EXPECT_TRUE(allocate({}, 100).given.empty());
  const std::vector<Claim> claims{{1, 0, 10, 5}, {2, -3, -5, -9}};
  EXPECT_THAT(allocate(claims, 0).given, ElementsAre(0, 0));
  EXPECT_THAT(allocate(claims, -7).given, ElementsAre(0, 0));
  EXPECT_THAT(allocate(claims, 100).given, ElementsAre(5, 0));
}

TEST(Allocate, HugeNumbersStayExact) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 43;
  const std::vector<Claim> claims{
      {1, 0, kHuge, kHuge, 1}, {2, 1, kHuge, kHuge, 1'000'000}, {3, 0, kHuge, kHuge, 3}};
  EXPECT_EQ(sum(allocate(claims, kHuge + 1).given), kHuge + 1);
  const std::vector<Claim> beyond{{1, 0, INT64_MAX, INT64_MAX}, {2, INT64_MAX, INT64_MAX, 0}};
  EXPECT_EQ(sum(allocate(beyond, INT64_MAX).given), std::int64_t{1} << 44);
}

// ------------------------------------------------------------------ against one unit after another

/// All claims of small numbers, in a fixed order.
std::vector<Claim> small_claims(std::int64_t most_floor, std::int64_t most_more,
                                std::int64_t most_weight) {
  std::vector<Claim> all;
  for (std::int64_t floor = 0; floor <= most_floor; ++floor) {
    for (std::int64_t more = 0; more <= most_more; ++more) {
      for (std::int64_t weight = 1; weight <= most_weight; ++weight) {
        for (const Priority priority : {Priority::normal, Priority::high}) {
          all.push_back({0, floor, floor + more, floor + more, weight, priority});
        }
      }
    }
  }
  return all;
}

/// Every choice of `left` more of `all`, with repetition.
template <class Look>
void each_choice(const std::vector<Claim>& all, std::size_t from, int left,
                 std::vector<Claim>& chosen, const Look& look) {
  if (left == 0) return look(chosen);
  for (std::size_t i = from; i < all.size(); ++i) {
    chosen.push_back(all[i]);
    chosen.back().id = chosen.size();
    each_choice(all, i, left - 1, chosen, look);
    chosen.pop_back();
  }
}

TEST(Allocate, FiveComponentsOfSmallNumbersAsOneUnitAfterTheOther) {
  std::size_t cases = 0;
  std::vector<Claim> chosen;
  each_choice(small_claims(1, 2, 2), 0, 5, chosen, [&](const std::vector<Claim>& claims) {
    for (std::int64_t capacity = 0; capacity <= 12; ++capacity, ++cases) {
      ASSERT_EQ(allocate(claims, capacity).given, one_by_one(claims, capacity))
          << "capacity " << capacity << " of " << rc::toString(claims);
    }
  });
  EXPECT_GT(cases, 1'000'000U);
}

TEST(Allocate, ThreeComponentsOfSmallNumbersAsOneUnitAfterTheOther) {
  std::vector<Claim> chosen;
  each_choice(small_claims(2, 5, 4), 0, 3, chosen, [&](const std::vector<Claim>& claims) {
    for (std::int64_t capacity = 0; capacity <= 12; ++capacity) {
      ASSERT_EQ(allocate(claims, capacity).given, one_by_one(claims, capacity))
          << "capacity " << capacity << " of " << rc::toString(claims);
    }
  });
}

// ------------------------------------------------------------------ properties, on any numbers

rc::Gen<Claim> any_claim() {
  return rc::gen::build<Claim>(
      rc::gen::set(&Claim::floor, rc::gen::inRange<std::int64_t>(0, 50)),
      rc::gen::set(&Claim::demand, rc::gen::inRange<std::int64_t>(0, 2000)),
      rc::gen::set(&Claim::weight, rc::gen::inRange<std::int64_t>(1, 100)),
      rc::gen::set(&Claim::ceiling, rc::gen::inRange<std::int64_t>(0, 2000)),
      rc::gen::set(&Claim::priority, rc::gen::element(Priority::low, Priority::normal,
                                                      Priority::high, Priority::critical)));
}

struct Case {
  std::vector<Claim> claims;
  std::int64_t capacity = 0;
  Classes classes = Classes::strict;
};
Case any_case() {
  Case one;
  one.claims = *rc::gen::container<std::vector<Claim>>(any_claim());
  for (std::size_t i = 0; i < one.claims.size(); ++i) {
    Claim& claim = one.claims[i];
    claim.id = i + 1;
    claim.ceiling += claim.floor;
  }
  one.capacity = *rc::gen::inRange<std::int64_t>(0, 5000);
  one.classes = *rc::gen::element(Classes::strict, Classes::weighted);
  return one;
}
Amounts given(const Case& one) { return allocate(one.claims, one.capacity, one.classes).given; }

RC_GTEST_PROP(AllocateProperty, P1P2P3P6NeverMoreThanThereIsAndNeverLessThanIsWanted, ()) {
  const Case one = any_case();
  const Shares shares = allocate(one.claims, one.capacity, one.classes);
  std::int64_t floors = 0;
  std::int64_t all = 0;
  for (std::size_t i = 0; i < one.claims.size(); ++i) {
    floors += one.claims[i].floor;
    all += wanted(one.claims[i]);
    RC_ASSERT(shares.given[i] <= wanted(one.claims[i]));
  }
  RC_ASSERT(shares.floors_unmet == std::max<std::int64_t>(0, floors - one.capacity));
  RC_ASSERT(sum(shares.given) == std::min(one.capacity, floors > one.capacity ? floors : all));
  if (shares.floors_unmet > 0) return;
  for (std::size_t i = 0; i < one.claims.size(); ++i) {
    RC_ASSERT(shares.given[i] >= one.claims[i].floor);
  }
}

RC_GTEST_PROP(AllocateProperty, P4WhileAHigherClassLacksNoLowerOneIsAboveItsFloor, ()) {
  Case one = any_case();
  one.classes = Classes::strict;
  const Amounts shares = given(one);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] == wanted(one.claims[i])) continue;
    for (std::size_t j = 0; j < shares.size(); ++j) {
      if (one.claims[j].priority < one.claims[i].priority) {
        RC_ASSERT(shares[j] <= one.claims[j].floor);
      }
    }
  }
}

RC_GTEST_PROP(AllocateProperty, P5OneLevelExplainsAClassUpToOneUnit, ()) {
  Case one = any_case();
  one.classes = Classes::strict;
  const Amounts shares = given(one);
  // Whoever could take one more would have at least as much per weight as anybody who has one
  // above his floor.
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] >= wanted(one.claims[i])) continue;
    for (std::size_t j = 0; j < shares.size(); ++j) {
      if (one.claims[j].priority != one.claims[i].priority) continue;
      if (shares[j] <= one.claims[j].floor) continue;
      RC_ASSERT((shares[i] + 1) * one.claims[j].weight >= shares[j] * one.claims[i].weight);
    }
  }
}

RC_GTEST_PROP(AllocateProperty, P7TheOrderOfTheClaimsDoesNotMatter, ()) {
  Case one = any_case();
  const Amounts before = given(one);
  std::vector<std::size_t> order(one.claims.size());
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  std::shuffle(order.begin(), order.end(), random);
  Case other = one;
  for (std::size_t i = 0; i < order.size(); ++i) other.claims[i] = one.claims[order[i]];
  const Amounts after = given(other);
  for (std::size_t i = 0; i < order.size(); ++i) RC_ASSERT(after[i] == before[order[i]]);
}

RC_GTEST_PROP(AllocateProperty, P8NobodyLosesWhenThereIsMoreToShare, ()) {
  Case one = any_case();
  const Shares before = allocate(one.claims, one.capacity, one.classes);
  one.capacity += *rc::gen::inRange<std::int64_t>(1, 100);
  const Shares after = allocate(one.claims, one.capacity, one.classes);
  // From where the floors do not fit to where they do, floors of the lowest come in full.
  for (std::size_t i = 0; i < one.claims.size(); ++i) RC_ASSERT(after.given[i] >= before.given[i]);
}

RC_GTEST_PROP(AllocateProperty, P9NobodyLosesWhenItsOwnWeightOrDemandRises, ()) {
  Case one = any_case();
  RC_PRE(!one.claims.empty());
  const auto who = *rc::gen::inRange<std::size_t>(0, one.claims.size());
  const Amounts before = given(one);
  if (*rc::gen::arbitrary<bool>()) {
    one.claims[who].weight += *rc::gen::inRange<std::int64_t>(1, 50);
  } else {
    one.claims[who].demand += *rc::gen::inRange<std::int64_t>(1, 500);
  }
  RC_ASSERT(given(one)[who] >= before[who]);
}

RC_GTEST_PROP(AllocateProperty, P9WhoSaysMoreThanItUsesGainsNothingThatItUses, ()) {
  Case one = any_case();
  RC_PRE(!one.claims.empty());
  const auto who = *rc::gen::inRange<std::size_t>(0, one.claims.size());
  const Amounts honest = given(one);
  const std::int64_t use = wanted(one.claims[who]);
  one.claims[who].demand += *rc::gen::inRange<std::int64_t>(1, 2000);
  RC_ASSERT(std::min(given(one)[who], use) == honest[who]);
}

RC_GTEST_PROP(AllocateProperty, P12ASmallChangeOfDemandIsASmallChangeOfShares, ()) {
  Case one = any_case();
  RC_PRE(!one.claims.empty());
  const Amounts before = given(one);
  std::int64_t change = 0;
  for (Claim& claim : one.claims) {
    const std::int64_t then = wanted(claim);
    claim.demand = std::max<std::int64_t>(0, claim.demand + *rc::gen::inRange(-20, 21));
    change += std::abs(wanted(claim) - then);
  }
  const Amounts after = given(one);
  std::int64_t moved = 0;
  for (std::size_t i = 0; i < after.size(); ++i) moved += std::abs(after[i] - before[i]);
  RC_ASSERT(moved <= 2 * change + static_cast<std::int64_t>(one.claims.size()));
}

RC_GTEST_PROP(AllocateProperty, OnAnyNumbersAsOneUnitAfterTheOther, ()) {
  Case one = any_case();
  RC_ASSERT(allocate(one.claims, one.capacity).given == one_by_one(one.claims, one.capacity));
}

}  // namespace
}  // namespace headroom::decide
