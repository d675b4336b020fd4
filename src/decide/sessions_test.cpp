#include "decide/sessions.hpp"

#include <gmock/gmock.h>

#include <limits>
#include <random>

namespace headroom::decide {
namespace {

using namespace std::chrono_literals;
using namespace headroom::literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

SessionFolder folder(std::string name, std::chrono::seconds age, Bytes bytes = 1_GiB) {
  SessionFolder one;
  one.root = "/srv/sessions";
  one.name = std::move(name);
  one.changed = kNow - age;
  one.bytes = bytes;
  one.entries = 10;
  return one;
}
SessionFolder held(SessionFolder one) {
  one.held = "process 42";
  return one;
}
SessionFolder spared(SessionFolder one) {
  one.spared = "it is a symbolic link";
  return one;
}

std::vector<std::string> going(const std::vector<SessionView>& plan) {
  std::vector<std::string> names;
  for (const auto& fate : plan) {
    if (fate.state == SessionState::going) names.push_back(fate.folder.name);
  }
  return names;
}
std::string why(const std::vector<SessionView>& plan, const std::string& name) {
  for (const auto& fate : plan) {
    if (fate.folder.name == name) return fate.why;
  }
  return "not there";
}

TEST(Sessions, GoByAgeOldestFirstAndTheOthersSayWhyTheyStay) {
  SessionRules rules;
  rules.max_age = 24h;
  const auto plan = plan_sessions({folder("young", 23h), folder("old", 25h), folder("older", 49h),
                                   held(folder("held", 100h)), spared(folder("link", 100h))},
                                  rules, kNow);
  EXPECT_THAT(going(plan), ElementsAre("older", "old"));
  EXPECT_EQ(why(plan, "older"), "unchanged for 2 d 1 h, longer than 1 d");
  EXPECT_EQ(why(plan, "young"), "changed 23 h ago, and stays until that is 1 d");
  EXPECT_EQ(why(plan, "held"), "in use by process 42");
  EXPECT_EQ(why(plan, "link"), "it is a symbolic link");
}

TEST(Sessions, ExactlyTheAgeIsOldEnough) {
  SessionRules rules;
  rules.max_age = 24h;
  EXPECT_THAT(going(plan_sessions({folder("even", 24h)}, rules, kNow)), ElementsAre("even"));
}

TEST(Sessions, NothingGoesWhereNothingIsAskedFor) {
  const auto plan = plan_sessions({folder("old", 9000h)}, SessionRules{}, kNow);
  EXPECT_THAT(going(plan), IsEmpty());
  EXPECT_EQ(why(plan, "old"), "nobody needs its room");
}

TEST(Sessions, AFullDiskTakesTheOldestUntilItIsEnoughAndNeverTheLive) {
  SessionRules rules;
  rules.to_free = 2_GiB;
  const auto plan = plan_sessions(
      {folder("a", 2h), folder("b", 3h), folder("c", 4h), held(folder("held", 90h, 100_GiB)),
       folder("busy", 10min, 100_GiB), folder("empty", 100h, Bytes(0))},
      rules, kNow);
  EXPECT_THAT(going(plan), ElementsAre("c", "b"));
  EXPECT_EQ(why(plan, "a"), "nobody needs its room");
  EXPECT_EQ(why(plan, "busy"), "changed 10 min ago, and stays until that is 1 h");
  EXPECT_THAT(why(plan, "c"), HasSubstr("the disk is too full"));
}

TEST(Sessions, WhatGoesByAgeCountsForTheDisk) {
  SessionRules rules;
  rules.max_age = 24h;
  rules.to_free = 2_GiB;
  EXPECT_THAT(going(plan_sessions({folder("old", 48h), folder("mid", 12h), folder("new", 6h)},
                                  rules, kNow)),
              ElementsAre("old", "mid"));
}

TEST(Sessions, ARunIsBoundedButAlwaysDoesSomething) {
  SessionRules rules;
  rules.max_age = 1h;
  rules.entries = 15;
  auto plan = plan_sessions({folder("a", 9h), folder("b", 8h)}, rules, kNow);
  EXPECT_THAT(going(plan), ElementsAre("a"));
  EXPECT_THAT(why(plan, "b"), HasSubstr("the next one goes on"));
  rules.entries = 1;
  EXPECT_THAT(going(plan_sessions({folder("a", 9h)}, rules, kNow)), ElementsAre("a"));
  rules.entries = 1000;
  rules.bytes = 1_GiB;
  EXPECT_THAT(going(plan_sessions({folder("a", 9h), folder("b", 8h)}, rules, kNow)),
              ElementsAre("a"));
}

TEST(Sessions, ATimeStampOutOfRangeIsNoReasonToGoOrToCrash) {
  SessionRules rules;
  rules.max_age = 1h;
  SessionFolder future = folder("future", 1h), past = folder("past", 1h);
  future.changed = WallTime::max();
  past.changed = WallTime::min();
  const auto plan = plan_sessions({future, past}, rules, kNow);
  EXPECT_THAT(going(plan), ElementsAre("past"));
  EXPECT_THAT(why(plan, "future"), HasSubstr("still to come"));
  EXPECT_THAT(why(plan, "past"), HasSubstr("a century"));
}

TEST(Sessions, WhateverIsSeenTheLiveStayAndOrderDoesNotMatter) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<SessionFolder> seen;
    for (int i = 0; i < 12; ++i) {
      auto one = folder("s" + std::to_string(i),
                        std::chrono::seconds(static_cast<std::int64_t>(random() % 400'000)) - 1000s,
                        Bytes(static_cast<std::int64_t>(random() % (4ULL << 30))));
      if (random() % 4 == 0) one.held = "process 1";
      if (random() % 4 == 0) one.spared = "it is no folder";
      seen.push_back(std::move(one));
    }
    SessionRules rules;
    rules.max_age = std::chrono::seconds(random() % 3 * 100'000);
    rules.to_free = Bytes(static_cast<std::int64_t>(random() % (20ULL << 30)));
    const auto plan = plan_sessions(seen, rules, kNow);
    ASSERT_EQ(plan.size(), seen.size());
    WallTime last = WallTime::min();
    for (const auto& fate : plan) {
      EXPECT_FALSE(fate.why.empty());
      if (fate.state != SessionState::going) continue;
      EXPECT_EQ(fate.folder.held + fate.folder.spared, "");
      EXPECT_LE(fate.folder.changed,
                kNow - std::min<std::chrono::seconds>(
                           rules.rest, rules.max_age.count() > 0 ? rules.max_age : rules.rest));
      EXPECT_GE(fate.folder.changed, last);
      last = fate.folder.changed;
    }
    std::shuffle(seen.begin(), seen.end(), random);
    EXPECT_EQ(plan_sessions(seen, rules, kNow), plan) << "round " << round;
  }
}

TEST(Sessions, TheDiskIsEmptiedToItsClearLine) {
  EXPECT_EQ(to_free_of(100_GiB, 21_GiB, 80, 75), Bytes(0));
  EXPECT_EQ(to_free_of(100_GiB, 20_GiB, 80, 75), 5_GiB);
  EXPECT_EQ(to_free_of(100_GiB, 0_GiB, 80, 75), 25_GiB);
  EXPECT_EQ(to_free_of(100_GiB, 10_GiB, 80, 95), 10_GiB);  // a clear line above the line
  EXPECT_EQ(to_free_of(Bytes(0), Bytes(0), 80, 75), Bytes(0));
  EXPECT_EQ(to_free_of(1_GiB, 2_GiB, 80, 75), Bytes(0));
  EXPECT_EQ(to_free_of(1_GiB, Bytes(-1), 80, 75), Bytes(0));
}

TEST(Sessions, TellsLengthsOfTimeInTwoUnits) {
  EXPECT_EQ(span_text(0s), "0 s");
  EXPECT_EQ(span_text(-5s), "0 s");
  EXPECT_EQ(span_text(65s), "1 min 5 s");
  EXPECT_EQ(span_text(24h), "1 d");
  EXPECT_EQ(span_text(76h), "3 d 4 h");
}

}  // namespace
}  // namespace headroom::decide
