#include "judge/gauge.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using enum Level;

const WallTime kWall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 12}};

Instant at(double seconds, std::chrono::nanoseconds wall_jump = 0ns) {
  const auto boot = std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  return {BootTime(boot), kWall + boot + wall_jump};
}

GaugeSettings settings() {
  GaugeSettings s;
  s.rungs = {75, 85, 95};
  return s;
}

Gauge memory(GaugeSettings s = settings()) { return Gauge(Resource::memory, "", std::move(s)); }

struct Row {
  double seconds;
  std::optional<double> value;
  Level level;
  AlertStep alert = AlertStep::none;
};

void play(Gauge& gauge, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const GaugeChange change = gauge.update(row.value, at(row.seconds));
    EXPECT_EQ(change.now, row.level) << "at " << row.seconds;
    EXPECT_EQ(gauge.level(), row.level) << "at " << row.seconds;
    EXPECT_EQ(change.alert, row.alert) << "at " << row.seconds;
  }
}

TEST(Gauge, RaisesTheLevelAtOnceAndTheAlertAfterTheDwell) {
  Gauge gauge = memory();
  play(gauge, {{0, 50, ok},
               {1, 76, warning},
               {2, 77, warning},
               {3, 77, warning},
               {3.9, 77, warning},
               {4, 77, warning, AlertStep::opened},
               {5, 77, warning}});
}

TEST(Gauge, ReachesALineWhenTheValueIsOnIt) {
  Gauge gauge = memory();
  play(gauge, {{0, 74.999, ok}, {1, 75, warning}, {2, 85, critical}});
}

TEST(Gauge, RaisesTheAlertOfAnEmergencyAtOnce) {
  Gauge gauge = memory();
  play(gauge, {{0, 50, ok}, {1, 96, emergency, AlertStep::opened}});
}

TEST(Gauge, GoesDownOnlyBelowTheClearLineOfTheLevelInForce) {
  Gauge gauge = memory();
  play(gauge, {{0, 86, critical},
               {1, 84, critical},  // under the line, not under the clear line
               {2, 80, critical},  // on the clear line
               {3, 79.9, warning, AlertStep::opened},
               {4, 71, warning},
               {5, 70, warning},
               {6, 69.9, ok, AlertStep::ended}});
}

TEST(Gauge, FallsPastLevelsWhoseOwnClearLineDoesNotHold) {
  Gauge gauge = memory();
  play(gauge, {{0, 99, emergency, AlertStep::opened}, {1, 50, ok, AlertStep::ended}});
  Gauge half = memory();
  play(half, {{0, 99, emergency, AlertStep::opened}, {1, 81, critical, AlertStep::lowered}});
}

TEST(Gauge, ForgetsAShortPeak) {
  Gauge gauge = memory();
  play(gauge, {{0, 90, critical},
               {2, 60, ok},
               {3, 90, critical},
               {5.9, 90, critical},
               {6, 90, critical, AlertStep::opened}});
}

TEST(Gauge, KeepsOneAlertThroughEscalationAndBack) {
  Gauge gauge = memory();
  play(gauge, {{0, 76, warning},
               {3, 76, warning, AlertStep::opened},
               {4, 86, critical, AlertStep::escalated},
               {5, 96, emergency, AlertStep::escalated},
               {6, 87, critical, AlertStep::lowered},
               {7, 96, emergency, AlertStep::escalated},
               {8, 60, ok, AlertStep::ended}});
}

TEST(Gauge, SaysTheReadingAndTheLineThatCausedAStepAndHowLongTheAlertLasted) {
  Gauge gauge = memory();
  gauge.update(88, at(10));
  const auto opened = gauge.update(89, at(13));
  EXPECT_EQ(opened.alert, AlertStep::opened);
  EXPECT_DOUBLE_EQ(opened.value, 89);
  EXPECT_DOUBLE_EQ(opened.threshold, 85);
  for (int second = 14; second < 73; ++second) gauge.update(89, at(second));
  const auto ended = gauge.update(20, at(73));
  EXPECT_EQ(ended.alert, AlertStep::ended);
  EXPECT_EQ(ended.lasted, 60s);
}

TEST(Gauge, RemindsOncePerCooldown) {
  Gauge gauge = memory();
  int reminders = 0;
  for (int second = 0; second <= 1000; ++second) {
    if (gauge.update(80, at(second)).alert == AlertStep::reminded) {
      ++reminders;
      EXPECT_EQ((second - 3) % 300, 0) << second;
    }
  }
  EXPECT_EQ(reminders, 3);
}

TEST(Gauge, NeverRemindsWithACooldownOfZero) {
  GaugeSettings s = settings();
  s.cooldown = 0s;
  Gauge gauge = memory(s);
  for (int second = 0; second <= 1000; ++second) {
    EXPECT_NE(gauge.update(80, at(second)).alert, AlertStep::reminded);
  }
}

TEST(Gauge, KeepsTheLevelWhileTheReadingIsMissingAndSaysWhenItIsStale) {
  Gauge gauge = memory();
  play(gauge, {{0, 80, warning}, {1, std::nullopt, warning}, {10, std::nullopt, warning}});
  EXPECT_FALSE(gauge.stale());
  EXPECT_FALSE(gauge.pressure().value);
  play(gauge, {{10.1, std::nullopt, warning}, {60, std::nan(""), warning}});
  EXPECT_TRUE(gauge.stale());
  EXPECT_FALSE(gauge.alert_open());  // unknown is not full
  play(gauge, {{61, 80, warning}});  // what was high a minute ago says nothing about now
  EXPECT_FALSE(gauge.stale());
  play(gauge, {{63.9, 80, warning}, {64, 80, warning, AlertStep::opened}});
}

TEST(Gauge, CountsAShortGapIntoTheDwell) {
  Gauge gauge = memory();
  play(gauge, {{0, 80, warning},
               {1, std::nullopt, warning},
               {2, std::nullopt, warning},
               {3, 80, warning, AlertStep::opened}});
}

TEST(Gauge, IsStaleWhenItNeverHadAReading) {
  Gauge gauge = memory();
  gauge.update(std::nullopt, at(0));
  EXPECT_FALSE(gauge.stale());
  gauge.update(std::nullopt, at(11));
  EXPECT_TRUE(gauge.stale());
  EXPECT_EQ(gauge.level(), ok);
}

TEST(Gauge, DoesNotCountANightAsleepIntoTheDwell) {
  Gauge gauge = memory();
  play(gauge, {{0, 80, warning},
               {1, 80, warning},
               {30000, 80, warning},
               {30002, 80, warning},
               {30003, 80, warning, AlertStep::opened}});
}

TEST(Gauge, RaisesAlertsUnderASlowSampler) {
  Config config;
  config.sample.interval = 10s;
  Gauge gauge(Resource::memory, "", gauge_settings(config, Resource::memory));
  play(gauge, {{0, 80, warning}, {10.2, 80, warning, AlertStep::opened}});
}

TEST(Gauge, TakesItsLinesFromTheConfiguration) {
  const Config config;
  EXPECT_EQ(gauge_settings(config, Resource::memory).rungs, (Rungs{75, 85, 95}));
  EXPECT_EQ(gauge_settings(config, Resource::gpu_memory).rungs, (Rungs{{}, 90, 97}));
  EXPECT_EQ(gauge_settings(config, Resource::cpu).rungs, (Rungs{70, 85, 95}));
  EXPECT_EQ(gauge_settings(config, Resource::disk).rungs, (Rungs{80, 90, 95}));
  EXPECT_EQ(gauge_settings(config, Resource::gpu_temperature).rungs, (Rungs{85, {}, {}}));
  EXPECT_EQ(gauge_settings(config, Resource::power).rungs, Rungs{});
  EXPECT_EQ(gauge_settings(config, Resource::memory).gap, 10s);
  Config drawn;
  drawn.pressure.power = {400, 600, {}};
  EXPECT_EQ(gauge_settings(drawn, Resource::power).rungs, (Rungs{400, 600, {}}));
  EXPECT_EQ(gauge_settings(drawn, Resource::power).clear_below, 20) << "five hundredths of watts";
}

TEST(Gauge, HasOnlyTheLevelsWhoseLinesExist) {
  GaugeSettings s = settings();
  s.rungs = {{}, 90, {}};
  Gauge gauge = memory(s);
  play(gauge, {{0, 89, ok}, {1, 100, critical}, {2, 84, ok}});
  s.rungs = {};
  Gauge none = memory(s);
  play(none, {{0, 100, ok}, {100, 1e9, ok}});
}

TEST(Gauge, ShowsWhatWouldClearTheLevel) {
  Gauge gauge = memory();
  EXPECT_FALSE(gauge.pressure().threshold);
  gauge.update(90, at(5));
  gauge.update(91, at(9));
  const Pressure shown = gauge.pressure();
  EXPECT_EQ(shown.level, critical);
  EXPECT_DOUBLE_EQ(*shown.value, 91);
  EXPECT_DOUBLE_EQ(*shown.threshold, 85);
  EXPECT_DOUBLE_EQ(*shown.clears_below, 80);
  EXPECT_EQ(shown.since, kWall + 5s);
}

TEST(Gauge, EndsItsAlertWhenTheDeviceIsGone) {
  Gauge gauge(Resource::gpu_memory, "GPU-1", settings());
  gauge.update(99, at(0));
  const auto ended = gauge.close(at(7));
  EXPECT_EQ(ended.alert, AlertStep::ended);
  EXPECT_EQ(ended.lasted, 7s);
  EXPECT_EQ(gauge.level(), ok);
  EXPECT_EQ(gauge.close(at(8)).alert, AlertStep::none);
}

TEST(Gauge, FollowsNewLinesFromTheNextReadingOn) {
  Gauge gauge = memory();
  play(gauge, {{0, 80, warning}, {3, 80, warning, AlertStep::opened}});
  GaugeSettings s = settings();
  s.rungs = {90, {}, {}};
  gauge.configure(s);
  play(gauge, {{4, 80, ok, AlertStep::ended}});
}

TEST(Gauge, TakesABootTimeThatGoesBackwardsAsStandingStill) {
  Gauge gauge = memory();
  play(gauge, {{100, 80, warning}, {50, 80, warning}, {103, 80, warning, AlertStep::opened}});
}

TEST(Gauge, IsNotMovedByAJumpOfTheWallClock) {
  Gauge gauge = memory();
  gauge.update(80, at(0));
  EXPECT_EQ(gauge.update(80, at(1, 24h)).alert, AlertStep::none);
  EXPECT_EQ(gauge.update(80, at(2, -24h)).alert, AlertStep::none);
  EXPECT_EQ(gauge.update(80, at(3)).alert, AlertStep::opened);
  EXPECT_EQ(gauge.update(80, at(4, 24h)).alert, AlertStep::none);
  const auto ended = gauge.update(10, at(5, -24h));
  EXPECT_EQ(ended.lasted, 2s);
}

TEST(GaugeProperty, NoiseSmallerThanTheGapNeverFlaps) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> base(0, 100), noise(0, 4.999);
    Gauge gauge = memory();
    const double low = base(random);
    int changes = 0;
    Level before = gauge.update(low, at(0)).now;
    for (int second = 1; second < 300; ++second) {
      const Level now = gauge.update(low + noise(random), at(second)).now;
      EXPECT_GE(now, before);  // up once at most, never down again
      if (now != before) ++changes;
      before = now;
    }
    EXPECT_LE(changes, 1);
  }
}

TEST(GaugeProperty, MoreUsageNeverMeansALowerLevel) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> value(0, 110), more(0, 10);
    Gauge lower = memory(), higher = memory();
    for (int second = 0; second < 200; ++second) {
      const double v = value(random);
      const Level a = lower.update(v, at(second)).now;
      const Level b = higher.update(v + more(random), at(second)).now;
      EXPECT_LE(a, b) << "at " << second;
    }
  }
}

TEST(GaugeProperty, StepsOfAnAlertAlwaysFollowEachOtherSensibly) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> value(40, 105);
    Gauge gauge = memory();
    bool open = false;
    double opened_at = 0, now = 0;
    Level level = ok;
    for (int i = 0; i < 400; ++i) {
      now += static_cast<double>(random() % 15000) / 1000.0;
      std::optional<double> reading;
      if (random() % 6 != 0) reading = value(random);
      const auto change =
          gauge.update(reading, at(now, std::chrono::hours(static_cast<int>(random() % 49) - 24)));
      EXPECT_EQ(change.before, level);
      if (!reading) {
        EXPECT_EQ(change.alert, AlertStep::none);
      }
      switch (change.alert) {
        case AlertStep::none:
          break;
        case AlertStep::opened:
          EXPECT_FALSE(open);
          EXPECT_NE(change.now, ok);
          open = true;
          opened_at = now;
          break;
        case AlertStep::escalated:
          EXPECT_TRUE(open && change.now > level);
          break;
        case AlertStep::lowered:
          EXPECT_TRUE(open && change.now < level);
          break;
        case AlertStep::reminded:
          EXPECT_TRUE(open && change.now == level);
          break;
        case AlertStep::ended:
          EXPECT_TRUE(open);
          EXPECT_EQ(change.now, ok);
          EXPECT_NEAR(std::chrono::duration<double>(change.lasted).count(), now - opened_at, 1e-6);
          open = false;
          break;
      }
      level = change.now;
      EXPECT_EQ(gauge.alert_open(), open);
      if (level == emergency) {
        EXPECT_TRUE(open);
      }
    }
  }
}

}  // namespace
}  // namespace headroom::judge
