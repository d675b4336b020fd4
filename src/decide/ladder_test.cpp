#include "decide/ladder.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <queue>
#include <random>
#include <set>
#include <tuple>
#include <utility>

namespace headroom::decide {
namespace {

using std::chrono::seconds;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Step kAll[] = {Step::warn, Step::throttle, Step::shrink, Step::shut,
                         Step::hold, Step::freeze,   Step::kill};
constexpr std::int64_t kGiB = 1LL << 30;

BootTime at(double s) {
  return BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(s * 1e9)));
}
Strain use(double percent) {
  Strain strain;
  strain.used = percent;
  return strain;
}

TEST(Ladder, LinesLeaveRoomForWhatAStepGivesBack) {
  for (const Step step : kAll) {
    const Ladder::Lines& lines = Ladder::lines(step);
    EXPECT_LT(lines.leave, lines.enter) << to_string(step);
    EXPECT_GT(lines.calm, 0s) << to_string(step);
    if (step == Step::warn) continue;
    const Ladder::Lines& below = Ladder::lines(static_cast<Step>(static_cast<int>(step) - 1));
    EXPECT_LT(below.enter, lines.enter) << to_string(step);
    EXPECT_LE(lines.leave, below.enter) << to_string(step);
  }
}

TEST(Ladder, ClimbsAtOnceAndComesDownStepByStep) {
  Ladder ladder;
  EXPECT_EQ(ladder.update(use(50), at(0)), Step::watch);
  EXPECT_EQ(ladder.update(use(94), at(1)), Step::freeze);
  EXPECT_STREQ(ladder.cause().sign, "used");
  EXPECT_DOUBLE_EQ(ladder.cause().line, 93);
  std::vector<Step> seen;
  double t = 1;
  while (ladder.step() != Step::watch && t < 600) {
    const Step before = ladder.step();
    t += 0.1;
    if (ladder.update(use(40), at(t)) != before) seen.push_back(ladder.step());
  }
  EXPECT_THAT(seen, ElementsAre(Step::hold, Step::shut, Step::shrink, Step::throttle, Step::warn,
                                Step::watch));
  EXPECT_GE(t, 5 + 60 + 30 + 20 + 10 + 10);
}

TEST(Ladder, TheHighestStepIsAPersonsToSay) {
  Ladder ladder;
  EXPECT_EQ(ladder.update(use(99), at(0)), Step::freeze) << "nobody is killed unasked";
  ladder.limit(Step::shut);
  EXPECT_EQ(ladder.step(), Step::shut);
  EXPECT_EQ(ladder.update(use(99), at(1)), Step::shut);
  ladder.limit(Step::kill);
  EXPECT_EQ(ladder.update(use(99), at(2)), Step::kill);
  ladder.limit(Step::watch);
  EXPECT_EQ(ladder.update(use(99), at(3)), Step::watch);
}

TEST(Ladder, StallsAloneAreNoSign) {
  // nohang #25: a slow disk stalls everybody with half of the memory free.
  Ladder ladder;
  Strain stalled = use(30);
  stalled.some = 90;
  stalled.full = 80;
  EXPECT_EQ(ladder.update(stalled, at(0)), Step::watch);
  stalled.witness = true;
  EXPECT_EQ(ladder.update(stalled, at(1)), Step::watch) << "nor with one that waits at its fence";
  stalled.used = 87;
  EXPECT_EQ(ladder.update(stalled, at(2)), Step::freeze);
  EXPECT_STREQ(ladder.cause().sign, "full");
}

TEST(Ladder, FastGrowthIsSeenBeforeTheMemoryIsFull) {
  Ladder ladder;
  Strain grows = use(87);
  grows.full_in = 1500ms;
  EXPECT_EQ(ladder.update(grows, at(0)), Step::freeze);
  EXPECT_STREQ(ladder.cause().sign, "full_in");
  // A load of a model into an empty machine is none.
  Ladder empty;
  grows.used = 20;
  EXPECT_EQ(empty.update(grows, at(0)), Step::watch);
}

TEST(Ladder, WhatIsNotKnownTakesItNoStepDown) {
  Ladder ladder;
  (void)ladder.update(use(81), at(0));
  for (int t = 1; t < 100; ++t) EXPECT_EQ(ladder.update(Strain(), at(t)), Step::throttle);
  (void)ladder.update(use(40), at(100));
  EXPECT_EQ(ladder.update(use(40), at(300)), Step::throttle) << "nobody looked in between";
  for (int t = 301; t < 312; ++t) (void)ladder.update(use(40), at(t));
  EXPECT_EQ(ladder.step(), Step::warn);
}

/// Every kind of look at a machine that the lines tell apart.
std::vector<Strain> all_strains() {
  std::set<double> lines{0, 100};
  std::set<std::chrono::milliseconds> full_in;
  for (const Step step : kAll) {
    lines.insert(Ladder::lines(step).enter);
    lines.insert(Ladder::lines(step).leave);
    if (Ladder::lines(step).full_in > 0ms) full_in.insert(Ladder::lines(step).full_in);
  }
  std::vector<std::optional<double>> used{std::nullopt};
  used.insert(used.end(), lines.begin(), lines.end());
  std::vector<std::optional<std::chrono::nanoseconds>> fills{std::nullopt};
  fills.insert(fills.end(), full_in.begin(), full_in.end());
  std::vector<Strain> all;
  for (const auto& u : used) {
    for (const auto& fill : fills) {
      for (const double some : {0.0, 10.0}) {
        for (const double full : {0.0, 5.0, 20.0, 40.0}) {
          for (const bool witness : {false, true}) all.push_back({u, some, full, fill, witness});
        }
      }
    }
  }
  return all;
}

/// At least as bad in every respect.
bool is_worse(const Strain& a, const Strain& b) {
  const auto fills = [](const Strain& s) {
    return s.full_in.value_or(std::chrono::nanoseconds::max());
  };
  return a.used && b.used && *a.used >= *b.used && a.some >= b.some && a.full >= b.full &&
         fills(a) <= fills(b) && a.witness >= b.witness;
}

// Explicit-state check: all that the automaton can be in at whole seconds, with each look.
TEST(Ladder, EveryStateWithEveryLook) {
  constexpr double kTick = 1;
  const std::vector<Strain> strains = all_strains();
  using State = std::pair<Step, int>;  // and for how long it has been calm; -1: it is not
  const auto state_of = [](const Ladder& ladder, double t) {
    const auto calm = ladder.calm_since();
    return State{ladder.step(),
                 calm ? static_cast<int>(std::lround(
                            std::chrono::duration<double>(at(t) - *calm).count() / kTick))
                      : -1};
  };
  // A ladder is kept with the time at which it was seen.
  std::map<State, std::pair<Ladder, double>> known;
  std::queue<State> open;
  Ladder first;
  first.limit(Step::kill);
  (void)first.update(use(0), at(0));
  known.emplace(state_of(first, 0), std::pair(first, 0.0));
  open.push(state_of(first, 0));
  std::size_t moves = 0;
  while (!open.empty()) {
    const auto [ladder, t] = known.at(open.front());
    const State state = open.front();
    open.pop();
    std::vector<Step> reached;
    for (const Strain& strain : strains) {
      Ladder next = ladder;
      const Step step = next.update(strain, at(t + kTick));
      reached.push_back(step);
      ++moves;
      const int change = static_cast<int>(step) - static_cast<int>(state.first);
      ASSERT_GE(change, -1) << "one step down at a time";
      if (change < 0) {
        const double calm = (state.second + 1) * kTick;
        ASSERT_GE(state.second, 0);
        ASSERT_GE(calm, std::chrono::duration<double>(Ladder::lines(state.first).calm).count());
        ASSERT_TRUE(strain.used.has_value());
        ASSERT_LT(*strain.used, Ladder::lines(state.first).leave);
      }
      if (const State found = state_of(next, t + kTick); !known.contains(found)) {
        known.emplace(found, std::pair(next, t + kTick));
        open.push(found);
      }
    }
    for (std::size_t a = 0; a < strains.size(); a += 7) {
      for (std::size_t b = 0; b < strains.size(); b += 11) {
        if (!is_worse(strains[a], strains[b])) continue;
        ASSERT_GE(reached[a], reached[b]) << "more strain never leads lower";
      }
    }
  }
  EXPECT_GT(known.size(), 140U);
  EXPECT_GT(moves, 100'000U);

  // With the same look again and again it comes to rest, and never turns round on the way.
  for (const auto& [state, seen] : known) {
    for (std::size_t i = 0; i < strains.size(); i += 5) {
      Ladder ladder = seen.first;
      double t = seen.second;
      bool down = false;
      for (int k = 0; k < 300; ++k) {
        const Step before = ladder.step();
        const Step after = ladder.update(strains[i], at(t += kTick));
        down = down || after < before;
        ASSERT_FALSE(down && after > before) << to_string(before);
      }
      const Step rest = ladder.step();
      for (int k = 0; k < 70; ++k) ASSERT_EQ(ladder.update(strains[i], at(t += kTick)), rest);
    }
  }
}

TEST(Ladder, NoiseGivesOneRaiseAndOneClear) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> noise(-2, 2);
    Ladder ladder;
    int raised = 0;
    int cleared = 0;
    double t = 0;
    const auto look = [&](double level) {
      const Step before = ladder.step();
      const Step after = ladder.update(use(level + noise(random)), at(t += 0.5));
      raised += before < Step::warn && after >= Step::warn;
      cleared += before >= Step::warn && after < Step::warn;
    };
    for (int i = 0; i < 200; ++i) look(60);
    for (int i = 0; i < 1200; ++i) look(75);  // at its very line
    for (int i = 0; i < 200; ++i) look(60);
    EXPECT_EQ(raised, 1) << "seed " << seed;
    EXPECT_EQ(cleared, 1) << "seed " << seed;
  }
}

// A plant that the ladder acts on late, sees through noise, and of which looks are lost: whatever
// it does, steps down are at least the dwell of the step apart, and it comes back to the ground.
TEST(Ladder, RandomPlantsDoNotMakeItSwing) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> unit(0, 1);
    const double delay = 5 * unit(random);
    const double period = 20 + 100 * unit(random);
    const double lost = 0.3 * unit(random);
    const int shape = static_cast<int>(4 * unit(random));
    std::queue<std::pair<double, Step>> on_its_way;
    Ladder ladder;
    Step felt = Step::watch;
    double used = 50;
    double last_down = -1e9;
    const double end = 1200;
    for (double t = 0; t < end + 400; t += 0.5) {
      double wants = shape == 0   ? 98.0
                     : shape == 1 ? 75 + 25 * std::sin(t / period * 6.28)
                     : shape == 2 ? 60 + 40 * std::fmod(t, period) / period
                                  : (std::fmod(t, period) < period / 2 ? 70 : 97);
      if (t > end) wants = 40;
      // Whoever is held grows no more; whoever shrinks gives back.
      const double speed = wants > used ? (felt >= Step::freeze ? 0
                                           : felt >= Step::hold ? 0.2
                                                                : 2)
                                        : 2;
      used += std::max(-speed, std::min(speed, wants - used));
      if (felt >= Step::shrink && used > 75) used -= 0.5;
      while (!on_its_way.empty() && on_its_way.front().first <= t) {
        felt = on_its_way.front().second;
        on_its_way.pop();
      }
      if (unit(random) < lost) continue;
      const Step before = ladder.step();
      const Step after = ladder.update(use(used + 2 * unit(random) - 1), at(t));
      on_its_way.emplace(t + delay, after);
      if (after >= before) continue;
      const double calm = std::chrono::duration<double>(Ladder::lines(before).calm).count();
      ASSERT_GE(t - last_down, std::min(calm, 5.0)) << "seed " << seed;
      last_down = t;
    }
    EXPECT_EQ(ladder.step(), Step::watch) << "seed " << seed;
  }
}

Runner runner(LeaseId lease, std::int64_t measured, std::int64_t booked) {
  Runner one;
  one.lease = lease;
  one.measured = measured * kGiB;
  one.booked = one.most = booked * kGiB;
  one.over = measured > booked;
  one.granted = at(static_cast<double>(lease));
  return one;
}

TEST(WhoStops, NobodyWhereAllThatWasPromisedFits) {
  EXPECT_THAT(who_stops({runner(1, 4, 6), runner(2, 3, 4)}, 3 * kGiB), IsEmpty());
  EXPECT_THAT(who_stops({}, 0), IsEmpty());
}

TEST(WhoStops, TheOneBeyondItsBookingBeforeAnybodyWithin) {
  Runner over = runner(1, 8, 4);
  over.held = true;
  EXPECT_THAT(who_stops({over, runner(2, 3, 4), runner(3, 1, 2)}, 2 * kGiB), ElementsAre(1));
  // Older and more important as it may be.
  over.priority = Priority::critical;
  EXPECT_THAT(who_stops({runner(2, 3, 4), over}, 1 * kGiB), ElementsAre(1));
}

TEST(WhoStops, ThenTheLowerClassAndTheYounger) {
  Runner important = runner(9, 1, 4);
  important.priority = Priority::high;
  EXPECT_THAT(who_stops({runner(1, 1, 4), runner(2, 1, 4), important}, 6 * kGiB), ElementsAre(2));
  EXPECT_THAT(who_stops({runner(1, 1, 4), runner(2, 1, 4), important}, 5 * kGiB),
              ElementsAre(2, 1));
}

TEST(WhoStops, AndTheyGoOnInTheOppositeOrder) {
  Runner important = runner(9, 1, 4);
  important.priority = Priority::high;
  std::vector<LeaseId> order;
  for (const Runner& one : in_order({runner(1, 8, 4), runner(3, 1, 4), runner(2, 1, 4), important}))
    order.push_back(one.lease);
  EXPECT_THAT(order, ElementsAre(9, 2, 3, 1));
}

TEST(WhoStops, TheFirstAlwaysRunsOn) {
  EXPECT_THAT(who_stops({runner(1, 1, 8), runner(2, 1, 8)}, 0), ElementsAre(2));
  Runner held = runner(1, 9, 4);
  held.held = true;
  EXPECT_THAT(who_stops({held}, 0), IsEmpty());
}

TEST(WhoStops, IsTheSameInWhateverOrderTheyAreNamed) {
  // PR 40704 of a well-known scheduler: the victim was whoever came first out of a hash table.
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Runner> runners;
    for (LeaseId id = 1; id <= 8; ++id) {
      Runner one = runner(id, static_cast<int>(random() % 6), static_cast<int>(random() % 6));
      one.held = one.over && random() % 2 == 0;
      one.priority = static_cast<Priority>(random() % 4);
      one.granted = at(static_cast<double>(random() % 3));
      runners.push_back(one);
    }
    const std::int64_t available = static_cast<std::int64_t>(random() % 12) * kGiB;
    const auto before = who_stops(runners, available);
    std::shuffle(runners.begin(), runners.end(), random);
    EXPECT_EQ(who_stops(runners, available), before);
    // Lemma: with them standing still, everybody else may take all that was promised to him.
    std::int64_t needs = 0;
    std::int64_t most = 0;
    std::size_t run_on = 0;
    for (const Runner& one : runners) {
      if (std::find(before.begin(), before.end(), one.lease) != before.end()) continue;
      ++run_on;
      const std::int64_t need = std::max<std::int64_t>(0, one.most - one.measured);
      needs += need;
      most = std::max(most, need);
    }
    EXPECT_GE(run_on, 1U);
    // Unless not even the first one's fits: then nobody else may take anything.
    EXPECT_TRUE(needs <= available || needs == most) << needs;
  }
}

}  // namespace
}  // namespace headroom::decide
