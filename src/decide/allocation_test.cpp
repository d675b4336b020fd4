#include "decide/allocation.hpp"

#include <algorithm>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace headroom::decide {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kCapacity = 1000;
const Pace kPace{0.1, 60s, 0.05, 1, 48};

/// Components that do what they are asked.
class Cycle : public testing::Test {
 protected:
  std::vector<Move> ask() {
    at_ += 10s;
    return allocation_.cycle(wishes_, kCapacity, Classes::strict, kPace, at_);
  }
  std::vector<Move> ask_and_apply() {
    const auto moves = ask();
    for (const Move& move : moves) allocation_.applied(move.id, move.to);
    return moves;
  }
  void settle(int cycles = 100) {
    for (int i = 0; i < cycles; ++i) ask_and_apply();
  }
  std::int64_t has(std::uint64_t id) const { return allocation_.has(id).value_or(-1); }

  Allocation allocation_;
  std::vector<Wish> wishes_;
  BootTime at_{100s};
};

TEST_F(Cycle, ANewComponentGetsWhatItWouldUse) {
  wishes_ = {{1, 10, 500, 1, Priority::normal, 200}};
  EXPECT_THAT(ask(), ElementsAre(Move{1, 0, 200, 200, Move::Why::demand}));
  EXPECT_THAT(ask(), IsEmpty()) << "it has not answered yet";
  EXPECT_EQ(allocation_.out(), 200);
  allocation_.applied(1, 200);
  EXPECT_THAT(ask(), IsEmpty());
}

TEST_F(Cycle, UpAtOnceAndDownSlowlyAfterAWhile) {
  wishes_ = {{1, 10, 900, 1, Priority::normal, 200}};
  settle(1);
  wishes_[0].demand = 800;
  EXPECT_THAT(ask_and_apply(), ElementsAre(Move{1, 200, 800, 800, Move::Why::demand}));
  wishes_[0].demand = 400;
  for (int i = 0; i < 6; ++i) EXPECT_THAT(ask_and_apply(), IsEmpty()) << i;
  EXPECT_THAT(ask_and_apply(), ElementsAre(Move{1, 800, 720, 400, Move::Why::demand}));
  settle();
  EXPECT_NEAR(static_cast<double>(has(1)), 400, 20);
}

TEST_F(Cycle, AShortDipOfDemandTakesNothingBack) {
  wishes_ = {{1, 10, 900, 1, Priority::normal, 800}};
  settle(1);
  for (int i = 0; i < 50; ++i) {
    wishes_[0].demand = i % 5 == 4 ? 800 : 100;
    EXPECT_THAT(ask_and_apply(), IsEmpty());
  }
}

TEST_F(Cycle, WhatAnotherLacksComesBackAtOnceAndIsGivenOnceItIsConfirmed) {
  wishes_ = {{1, 100, 900, 1, Priority::low, 900}};
  settle(1);
  wishes_.push_back({2, 50, 900, 1, Priority::high, 700});
  const auto first = ask();
  EXPECT_THAT(first, ElementsAre(Move{1, 900, 300, 300, Move::Why::others},
                                 Move{2, 0, 100, 700, Move::Why::demand}))
      << "what is free at once, the rest when it is back";
  EXPECT_LE(allocation_.out(), kCapacity);
  allocation_.applied(2, 100);
  EXPECT_THAT(ask(), IsEmpty()) << "it has not come back yet";
  allocation_.applied(1, 300);
  EXPECT_THAT(ask(), ElementsAre(Move{2, 100, 700, 700, Move::Why::demand}));
}

TEST_F(Cycle, WhoDoesNotAnswerOrRefusesKeepsWhatItHasAndIsAskedAgainLater) {
  wishes_ = {{1, 10, 900, 1, Priority::normal, 200}};
  ASSERT_EQ(ask().size(), 1U);
  allocation_.refused(1, at_);
  EXPECT_EQ(has(1), 0);
  EXPECT_EQ(allocation_.asked(1), std::nullopt);
  std::vector<int> tries;
  for (int i = 0; i < 30; ++i) {
    if (ask().empty()) continue;
    tries.push_back(i);
    allocation_.refused(1, at_);
  }
  EXPECT_THAT(tries, ElementsAre(0, 1, 2, 3, 5, 9, 16, 23)) << "cycles of 10 s: 1, 2, 4 … 64 s";
}

TEST_F(Cycle, WhoAlwaysRefusesTakesNothingFromTheOthers) {
  wishes_ = {{1, 100, 900, 1, Priority::low, 900}};
  settle(1);
  wishes_.push_back({2, 0, 900, 1, Priority::high, 700});
  // The first time nobody knows that it will refuse.
  for (int i = 0; i < 200; ++i) {
    for (const Move& move : ask()) {
      if (move.id == 2) {
        allocation_.refused(2, at_);
      } else {
        allocation_.applied(move.id, move.to);
      }
    }
  }
  EXPECT_GT(has(1), 850) << "it comes back, and stays";
}

TEST_F(Cycle, WhatWasReallyTakenCountsAndNotWhatWasAsked) {
  wishes_ = {{1, 0, 900, 1, Priority::normal, 600}, {2, 0, 900, 1, Priority::normal, 600}};
  ASSERT_EQ(ask().size(), 2U);
  allocation_.applied(1, 300);  // it draws a line of its own
  allocation_.applied(2, 500);
  EXPECT_EQ(allocation_.out(), 800);
}

TEST_F(Cycle, WhoHasMoreThanItsQuotaGivesItBackAtOnce) {
  wishes_ = {{1, 10, 900, 1, Priority::normal, 800}};
  settle(1);
  wishes_[0].ceiling = 300;
  EXPECT_THAT(ask_and_apply(), ElementsAre(Move{1, 800, 300, 300, Move::Why::quota}));
  wishes_[0].floor = 310;
  wishes_[0].ceiling = 900;
  wishes_[0].demand = 0;
  EXPECT_THAT(ask_and_apply(), ElementsAre(Move{1, 300, 310, 310, Move::Why::quota}))
      << "little as it is";
}

TEST_F(Cycle, WhereTheMachineHasLessThanIsOutItComesBackAtOnce) {
  wishes_ = {{1, 10, 900, 1, Priority::normal, 800}};
  settle(1);
  at_ += 10s;
  const auto moves = allocation_.cycle(wishes_, 500, Classes::strict, kPace, at_);
  EXPECT_THAT(moves, ElementsAre(Move{1, 800, 500, 500, Move::Why::capacity}));
}

TEST_F(Cycle, WhatNobodyKnowsChangesNothing) {
  wishes_ = {{1, 10, 900, 1, Priority::normal, 800}};
  settle(1);
  wishes_[0].demand.reset();
  for (int i = 0; i < 50; ++i) EXPECT_THAT(ask_and_apply(), IsEmpty());
}

TEST_F(Cycle, WhoGoesLeavesWhatItHadToTheOthers) {
  wishes_ = {{1, 0, 900, 1, Priority::normal, 700}, {2, 0, 900, 1, Priority::normal, 700}};
  settle(3);
  EXPECT_EQ(has(2), 500);
  wishes_.erase(wishes_.begin());
  settle(1);
  EXPECT_EQ(has(2), 700);
  EXPECT_EQ(allocation_.has(1), std::nullopt);
  allocation_.applied(1, 100);  // a late answer
  allocation_.refused(1, at_);
  EXPECT_EQ(allocation_.out(), 700);
}

// ------------------------------------------------------------------ properties

/// Components that come, go, change their minds, do what they are asked, refuse, or do not answer.
struct World {
  std::map<std::uint64_t, Wish> wishes;
  std::map<std::uint64_t, std::int64_t> open;  ///< asked and not answered
  Allocation allocation;
  BootTime at{100s};
  std::uint64_t last = 0;

  std::vector<Wish> list() const {
    std::vector<Wish> all;
    for (const auto& [id, wish] : wishes) all.push_back(wish);
    return all;
  }
};

Wish any_wish(std::uint64_t id) {
  Wish wish;
  wish.id = id;
  wish.floor = *rc::gen::inRange<std::int64_t>(0, 60);
  wish.ceiling = wish.floor + *rc::gen::inRange<std::int64_t>(0, 900);
  wish.weight = *rc::gen::inRange<std::int64_t>(1, 10);
  wish.priority = *rc::gen::element(Priority::low, Priority::normal, Priority::high);
  wish.demand = *rc::gen::inRange<std::int64_t>(0, 1000);
  return wish;
}

void anything_happens(World& world) {
  const int what = *rc::gen::inRange(0, 10);
  if (what == 0 && world.wishes.size() < 12) {
    const std::uint64_t id = ++world.last;
    world.wishes[id] = any_wish(id);
  } else if (!world.wishes.empty()) {
    auto one = world.wishes.begin();
    std::advance(one, *rc::gen::inRange<std::size_t>(0, world.wishes.size()));
    const std::uint64_t id = one->first;
    if (what == 1) {
      world.wishes.erase(one);
      world.open.erase(id);
    } else if (what == 2) {
      world.wishes[id] = any_wish(id);
    } else if (what <= 5) {
      one->second.demand = *rc::gen::inRange<std::int64_t>(0, 1000);
    } else if (world.open.contains(id)) {
      if (what == 6) {
        world.allocation.refused(id, world.at);
      } else {
        world.allocation.applied(id, world.open[id]);
      }
      world.open.erase(id);
    }
  }
}

RC_GTEST_PROP(AllocationProperty, P1NeverMoreIsOutThanThereIsAlsoHalfWay, ()) {
  World world;
  const int steps = *rc::gen::inRange(1, 200);
  for (int i = 0; i < steps; ++i) {
    anything_happens(world);
    world.at += std::chrono::seconds(*rc::gen::inRange(1, 60));
    for (const Move& move :
         world.allocation.cycle(world.list(), kCapacity, Classes::strict, kPace, world.at)) {
      RC_ASSERT(!world.open.contains(move.id));
      RC_ASSERT(move.to != move.from);
      RC_ASSERT(move.to <= std::max(move.from, world.wishes[move.id].ceiling));
      world.open[move.id] = move.to;
    }
    RC_ASSERT(world.allocation.out() <= kCapacity);
  }
}

RC_GTEST_PROP(AllocationProperty, P10ConstantDemandComesToRestWithoutTurningBack, ()) {
  World world;
  const int count = *rc::gen::inRange(1, 8);
  // Where they come from is anything.
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t id = 1; id <= static_cast<std::uint64_t>(count); ++id) {
      world.wishes[id] = any_wish(id);
    }
    std::map<std::uint64_t, int> direction;
    std::map<std::uint64_t, int> turns;
    int last_move = 0;
    for (int i = 0; i < 400; ++i) {
      world.at += 10s;
      for (const Move& move :
           world.allocation.cycle(world.list(), kCapacity, Classes::strict, kPace, world.at)) {
        const int now = move.to > move.from ? 1 : -1;
        if (direction[move.id] == -now) ++turns[move.id];
        direction[move.id] = now;
        world.allocation.applied(move.id, move.to);
        last_move = i;
      }
    }
    for (const auto& [id, times] : turns) RC_ASSERT(times <= 1);
    RC_ASSERT(last_move < 350);
  }
}

RC_GTEST_PROP(AllocationProperty, P11ShrinksThatNobodyNeedsStayWithinTheirNumberAndSize, ()) {
  World world;
  world.wishes[1] = any_wish(1);
  world.wishes[1].ceiling = kCapacity;  // alone: nobody ever lacks anything
  Pace pace = kPace;
  pace.hold = 0s;
  pace.shrinks_a_day = 5;
  std::vector<BootTime> shrinks;
  for (int i = 0; i < 300; ++i) {
    world.wishes[1].demand = *rc::gen::inRange<std::int64_t>(0, 1000);
    world.at += std::chrono::minutes(*rc::gen::inRange(1, 30));
    for (const Move& move :
         world.allocation.cycle(world.list(), kCapacity, Classes::strict, pace, world.at)) {
      world.allocation.applied(1, move.to);
      if (move.to > move.from) continue;
      RC_ASSERT(10 * (move.from - move.to) < move.from + 10);
      shrinks.push_back(world.at);
    }
  }
  for (std::size_t i = 0; i + 5 < shrinks.size(); ++i) {
    RC_ASSERT(shrinks[i + 5] - shrinks[i] >= std::chrono::hours(24));
  }
}

RC_GTEST_PROP(AllocationProperty, P7TheOrderOfTheWishesDoesNotMatter, ()) {
  World world;
  Allocation other;
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  for (int i = 0; i < 50; ++i) {
    anything_happens(world);
    world.at += 10s;
    auto moves =
        world.allocation.cycle(world.list(), kCapacity, Classes::weighted, kPace, world.at);
    auto wishes = world.list();
    std::shuffle(wishes.begin(), wishes.end(), random);
    RC_ASSERT(other.cycle(wishes, kCapacity, Classes::weighted, kPace, world.at) == moves);
    for (const Move& move : moves) {
      world.allocation.applied(move.id, move.to);
      other.applied(move.id, move.to);
    }
  }
}

}  // namespace
}  // namespace headroom::decide
