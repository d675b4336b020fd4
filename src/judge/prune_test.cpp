#include "judge/prune.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

namespace headroom::judge {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

OwnLimits limits(std::vector<OwnLimit> all = {{Resource::memory, 100}}) {
  return *OwnLimits::make(std::move(all), 10s, 0.9);
}

/// Feeds one value for so long; the time after it.
BootTime feed(OwnLimits& limits, double value, std::chrono::nanoseconds time, BootTime from,
              std::chrono::nanoseconds step = 1s, Resource resource = Resource::memory) {
  for (const BootTime until = from + time; from < until;) {
    from += step;
    limits.update(resource, value, from);
  }
  return from;
}

TEST(Prune, APlateauAboveTheLimitIsAReasonWithItsNumbers) {
  OwnLimits own = limits();
  const BootTime at = feed(own, 120, 12s, BootTime(100s));
  ASSERT_EQ(own.reasons(at).size(), 1U);
  EXPECT_EQ(own.reasons(at).front(), (PruneReason{Resource::memory, 120, 120, 100, 90}));
}

TEST(Prune, AShortSpikeIsNone) {
  OwnLimits own = limits();
  const BootTime before = feed(own, 50, 60s, BootTime(100s));
  const BootTime at = feed(own, 140, 4s, before);  // (6 × 50 + 4 × 140) / 10 = 86
  EXPECT_THAT(own.reasons(at), IsEmpty());
  EXPECT_EQ(own.is_over(Resource::memory, at), true) << "but it is over its limit";
  EXPECT_EQ(own.reasons(feed(own, 140, 1s, at)).size(), 1U) << "until it is no spike any more";
}

TEST(Prune, WhoIsBelowTheLimitAgainIsNotAskedHoweverHighTheMean) {
  OwnLimits own = limits();
  const BootTime before = feed(own, 150, 30s, BootTime(100s));
  const BootTime at = feed(own, 99, 1s, before);
  EXPECT_THAT(own.reasons(at), IsEmpty());
  EXPECT_EQ(own.is_over(Resource::memory, at), false);
}

TEST(Prune, BeforeThePeriodIsKnownNothingIsAdvised) {
  OwnLimits own = limits();
  EXPECT_EQ(own.is_over(Resource::memory, BootTime(100s)), std::nullopt);
  BootTime at = BootTime(100s);
  own.update(Resource::memory, 200, at);
  EXPECT_THAT(own.reasons(at), IsEmpty());
  at = feed(own, 200, 7s, at);
  EXPECT_THAT(own.reasons(at), IsEmpty());
  at = feed(own, 200, 1s, at);
  EXPECT_EQ(own.reasons(at).size(), 1U);
}

TEST(Prune, WhatIsUnknownIsNeitherZeroNorFull) {
  OwnLimits own = limits();
  BootTime at = feed(own, 120, 20s, BootTime(100s));
  for (int i = 0; i < 3; ++i) own.update(Resource::memory, std::nullopt, at += 1s);
  own.update(Resource::memory, std::nan(""), at);
  own.update(Resource::memory, std::numeric_limits<double>::infinity(), at);
  EXPECT_THAT(own.reasons(at), IsEmpty()) << "the last value is too old to act on";
  EXPECT_EQ(own.is_over(Resource::memory, at), std::nullopt);
  at = feed(own, 120, 7s, at);
  EXPECT_THAT(own.reasons(at), IsEmpty()) << "of four seconds in ten nothing is known";
  at = feed(own, 120, 2s, at);
  EXPECT_EQ(own.reasons(at).size(), 1U);
}

TEST(Prune, TheMeanIsOverTimeAndNotOverReadings) {
  OwnLimits own = limits();
  const BootTime before = feed(own, 40, 9s, BootTime(100s));
  const BootTime at = feed(own, 200, 1s, before, 1ms);  // a thousand readings in one second
  EXPECT_THAT(own.reasons(at), IsEmpty());
}

TEST(Prune, ManyReadingsTakeBoundedMemoryAndGiveTheSameAnswer) {
  OwnLimits own = limits();
  const BootTime before = feed(own, 50, 60s, BootTime(100s), 1ms);
  const BootTime still = feed(own, 140, 4s, before, 1ms);
  EXPECT_THAT(own.reasons(still), IsEmpty());
  EXPECT_EQ(own.reasons(feed(own, 140, 1s, still, 1ms)).size(), 1U);
}

TEST(Prune, EachResourceSpeaksForItselfInTheOrderOfTheLimits) {
  OwnLimits own = limits({{Resource::cpu, 80}, {Resource::memory, 100}, {Resource::network, 10}});
  BootTime at(100s);
  for (int i = 0; i < 12; ++i) {
    at += 1s;
    own.update(Resource::memory, 200, at);
    own.update(Resource::cpu, 95, at);
    own.update(Resource::network, 2, at);
    own.update(Resource::power, 1e9, at);  // nobody has drawn a line there
  }
  const auto reasons = own.reasons(at);
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_EQ(reasons[0].resource, Resource::cpu);
  EXPECT_EQ(reasons[1].resource, Resource::memory);
}

TEST(Prune, AClockThatGoesBackIsPassedOver) {
  OwnLimits own = limits();
  const BootTime at = feed(own, 120, 20s, BootTime(100s));
  own.update(Resource::memory, 1, at - 5s);
  EXPECT_EQ(own.reasons(at).size(), 1U);
}

TEST(Prune, WrongLimitsAreRefusedByName) {
  const auto said = [](std::vector<OwnLimit> all, std::chrono::nanoseconds period, double target) {
    const auto made = OwnLimits::make(std::move(all), period, target);
    return made ? std::string() : made.error().what + " " + made.error().why;
  };
  EXPECT_THAT(said({}, 0s, 0.9), HasSubstr("period"));
  EXPECT_THAT(said({}, 1s, 0), HasSubstr("target"));
  EXPECT_THAT(said({}, 1s, 1.1), HasSubstr("target"));
  EXPECT_THAT(said({}, 1s, std::nan("")), HasSubstr("target"));
  EXPECT_THAT(said({{Resource::cpu, -1}}, 1s, 0.9), HasSubstr("cpu"));
  EXPECT_THAT(said({{Resource::cpu, 1}, {Resource::cpu, 2}}, 1s, 0.9), HasSubstr("two limits"));
  EXPECT_EQ(said({}, 1s, 1), "");
}

}  // namespace
}  // namespace headroom::judge
