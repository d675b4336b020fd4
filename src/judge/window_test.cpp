#include "judge/window.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

const WallTime kWall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 12}};

Instant at(std::chrono::nanoseconds boot, std::chrono::nanoseconds wall_jump = 0ns) {
  return {BootTime(boot), kWall + boot + wall_jump};
}

void push(History& history, Instant when, std::string_view name, std::optional<double> value) {
  const Reading reading{name, value};
  history.push(when, std::span(&reading, 1));
}

TEST(History, GivesTheStatisticsOfTheWindowAskedFor) {
  History history(100);
  for (int i = 1; i <= 20; ++i) push(history, at(i * 1s), "memory", i);
  const auto series = history.query("memory", 10s, 0s, at(20s));
  ASSERT_TRUE(series) << series.error().why;
  EXPECT_EQ(series->count, 10u);
  EXPECT_EQ(series->points.size(), 10u);
  EXPECT_EQ(series->points.front(), (Point{kWall + 11s, 11.0}));
  EXPECT_DOUBLE_EQ(*series->average, 15.5);
  EXPECT_DOUBLE_EQ(*series->min, 11);
  EXPECT_DOUBLE_EQ(*series->max, 20);
  EXPECT_DOUBLE_EQ(*series->p95, 20);
  EXPECT_DOUBLE_EQ(*series->last, 20);
  EXPECT_EQ(*series->oldest, kWall + 1s);
}

TEST(History, TakesThe95thPercentileByNearestRank) {
  History history(200);
  for (int i = 1; i <= 100; ++i) push(history, at(i * 1s), "cpu", 101 - i);
  EXPECT_DOUBLE_EQ(*history.query("cpu", 0s, 0s, at(100s))->p95, 95);
}

TEST(History, KeepsAbsentValuesAsGapsAndNeverAsZero) {
  History history(10);
  push(history, at(1s), "cpu", 50);
  push(history, at(2s), "cpu", std::nullopt);
  push(history, at(3s), "cpu", std::nan(""));
  push(history, at(4s), "cpu", std::numeric_limits<double>::infinity());
  push(history, at(5s), "cpu", 1e300);
  push(history, at(6s), "memory", 1);
  push(history, at(7s), "cpu", 70);
  const auto series = history.query("cpu", 0s, 0s, at(7s));
  ASSERT_TRUE(series);
  EXPECT_EQ(series->count, 2u);
  EXPECT_DOUBLE_EQ(*series->min, 50);
  EXPECT_DOUBLE_EQ(*series->average, 60);
  ASSERT_EQ(series->points.size(), 7u);
  for (std::size_t i = 1; i < 6; ++i) EXPECT_FALSE(series->points[i].value) << i;
}

TEST(History, HasNoStatisticsWhereTheWindowHoldsNoValue) {
  History history(10);
  push(history, at(1s), "cpu", 50);
  push(history, at(60s), "cpu", std::nullopt);
  const auto series = history.query("cpu", 10s, 0s, at(60s));
  ASSERT_TRUE(series);
  EXPECT_EQ(series->count, 0u);
  EXPECT_FALSE(series->average || series->min || series->max || series->p95 || series->last);
  EXPECT_THAT(series->points, ElementsAre(Point{kWall + 60s, std::nullopt}));
  EXPECT_EQ(*series->oldest, kWall + 1s);
}

TEST(History, ForgetsTheOldestWhenTheRingIsFull) {
  History history(5);
  for (int i = 1; i <= 12; ++i) push(history, at(i * 1s), "cpu", i);
  const auto series = history.query("cpu", 0s, 0s, at(12s));
  EXPECT_THAT(series->points,
              ElementsAre(Point{kWall + 8s, 8.0}, Point{kWall + 9s, 9.0}, Point{kWall + 10s, 10.0},
                          Point{kWall + 11s, 11.0}, Point{kWall + 12s, 12.0}));
  EXPECT_EQ(history.samples(), 5u);
}

TEST(History, AveragesIntoBucketsThatStayWhereTheyAre) {
  History history(100);
  for (int i = 1; i <= 8; ++i) push(history, at(i * 1s), "cpu", i);
  const auto first = history.query("cpu", 0s, 4s, at(8s));
  EXPECT_THAT(first->points,
              ElementsAre(Point{kWall, 2.0}, Point{kWall + 4s, 5.5}, Point{kWall + 8s, 8.0}));
  push(history, at(9s), "cpu", 10);
  const auto second = history.query("cpu", 0s, 4s, at(9s));
  EXPECT_THAT(second->points,
              ElementsAre(Point{kWall, 2.0}, Point{kWall + 4s, 5.5}, Point{kWall + 8s, 9.0}));
}

TEST(History, ShowsANightAsleepAsOneGap) {
  History history(100);
  push(history, at(1s), "cpu", 10);
  push(history, at(2s), "cpu", 20);
  push(history, at(9h), "cpu", 30);
  const auto series = history.query("cpu", 0s, 1s, at(9h));
  EXPECT_THAT(series->points,
              ElementsAre(Point{kWall + 1s, 10.0}, Point{kWall + 2s, 20.0},
                          Point{kWall + 3s, std::nullopt}, Point{kWall + 9h, 30.0}));
  // and a window reaches over real time, not over samples
  EXPECT_EQ(history.query("cpu", 1h, 0s, at(9h))->count, 1u);
}

TEST(History, IsNotReorderedByAJumpOfTheWallClock) {
  History history(10);
  push(history, at(1s), "cpu", 1);
  push(history, at(2s, 1h), "cpu", 2);
  push(history, at(3s, -1h), "cpu", 3);
  const auto series = history.query("cpu", 0s, 0s, at(3s, -1h));
  EXPECT_THAT(series->points, ElementsAre(Point{kWall - 1h + 1s, 1.0}, Point{kWall - 1h + 2s, 2.0},
                                          Point{kWall - 1h + 3s, 3.0}));
}

TEST(History, DropsASampleThatIsNotNewerThanTheLast) {
  History history(3);
  for (int i = 1; i <= 4; ++i) push(history, at(i * 1s), "cpu", i);
  push(history, at(4s), "cpu", 99);
  push(history, at(2s), "cpu", 99);
  EXPECT_EQ(history.out_of_order(), 2u);
  EXPECT_DOUBLE_EQ(*history.query("cpu", 0s, 0s, at(4s))->max, 4);
}

TEST(History, LetsSeriesComeAndGo) {
  History history(3);
  push(history, at(1s), "disk:/usb", 40);
  EXPECT_THAT(history.names(), ElementsAre("disk:/usb"));
  for (int i = 2; i <= 3; ++i) push(history, at(i * 1s), "cpu", 1);
  EXPECT_THAT(history.names(), ElementsAre("cpu", "disk:/usb"));
  push(history, at(4s), "cpu", 1);  // the only value of the disk has left the ring
  EXPECT_THAT(history.names(), ElementsAre("cpu"));
  const auto gone = history.query("disk:/usb", 0s, 0s, at(4s));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
  EXPECT_THAT(gone.error().help, HasSubstr("cpu"));
}

TEST(History, IsBoundedInSeriesAndCountsWhatIsTooMuch) {
  History history(2);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < History::kMaxSeries + 7; ++i) names.push_back(std::to_string(i));
  std::vector<Reading> readings;
  for (const auto& name : names) readings.push_back({name, 1.0});
  history.push(at(1s), readings);
  EXPECT_EQ(history.names().size(), History::kMaxSeries);
  EXPECT_EQ(history.overflowed(), 7u);
}

TEST(History, RefusesNegativeWindowsAndSteps) {
  History history(2);
  push(history, at(1s), "cpu", 1);
  EXPECT_EQ(history.query("cpu", -1s, 0s, at(1s)).error().kind, ErrorKind::invalid_request);
  EXPECT_EQ(history.query("cpu", 0s, -1s, at(1s)).error().kind, ErrorKind::invalid_request);
}

TEST(History, KeepsAnHourWhateverIsConfigured) {
  EXPECT_EQ(History::capacity_for(300), 3600u);
  EXPECT_EQ(History::capacity_for(-1), 3600u);
  EXPECT_EQ(History::capacity_for(7200), 7200u);
}

// Against a list that keeps everything: the ring must give the same answers.
TEST(History, AgreesWithAPlainListOnRandomSamples) {
  for (unsigned seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::size_t capacity = 1 + random() % 40;
    History history(capacity);
    std::vector<std::pair<std::chrono::nanoseconds, std::optional<float>>> all;
    std::chrono::nanoseconds now = 0s;
    for (int i = 0; i < 120; ++i) {
      now += std::chrono::milliseconds(1 + random() % 3000);
      std::optional<float> value;
      if (random() % 5 != 0) value = static_cast<float>(random() % 1000) / 10.0F;
      push(history, at(now), "x", value);
      all.emplace_back(now, value);
    }
    const std::chrono::nanoseconds window = std::chrono::seconds(random() % 60);
    if (all.size() > capacity) all.erase(all.begin(), all.end() - static_cast<long>(capacity));
    const bool known = std::any_of(all.begin(), all.end(), [](auto& e) { return e.second; });
    const auto series = history.query("x", window, 0s, at(now));
    ASSERT_EQ(series.has_value(), known);
    if (!known) continue;
    if (window > 0s) std::erase_if(all, [&](auto& e) { return now - e.first >= window; });
    ASSERT_EQ(series->points.size(), all.size());
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(series->points[i].at, kWall + all[i].first);
      ASSERT_EQ(series->points[i].value.has_value(), all[i].second.has_value());
      if (!all[i].second) continue;
      EXPECT_FLOAT_EQ(static_cast<float>(*series->points[i].value), *all[i].second);
      sum += static_cast<double>(*all[i].second);
      ++count;
    }
    EXPECT_EQ(series->count, count);
    if (count > 0) {
      EXPECT_NEAR(*series->average, sum / static_cast<double>(count), 1e-9);
    }

    const auto coarse = history.query("x", window, 5s, at(now));
    ASSERT_TRUE(coarse);
    EXPECT_LE(coarse->points.size(), 2 * all.size());
    for (std::size_t i = 1; i < coarse->points.size(); ++i) {
      EXPECT_LT(coarse->points[i - 1].at, coarse->points[i].at);
    }
  }
}

TEST(History, WhatAnEarlierRunMeasuredComesBackBeforeTheFirstSample) {
  History history(100);
  const float gap = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> memory{1, 2, gap, 4, 5};
  const std::vector<float> cpu{gap, gap, gap, 8, gap};
  const std::vector<History::Past> past{{"memory", memory}, {"cpu", cpu}};
  const Instant now = at(1000s);
  // The last of them would be at this very moment: the sample that comes now takes its place.
  history.refill(now.wall - 4s, 1s, past, now);
  push(history, at(1000s), "memory", 9);
  const auto series = history.query("memory", 0s, 0s, now);
  ASSERT_TRUE(series);
  EXPECT_EQ(series->count, 4U);
  EXPECT_EQ(series->last, 9);
  EXPECT_EQ(series->oldest, now.wall - 4s);
  EXPECT_EQ(history.query("cpu", 0s, 0s, now)->last, 8);
  EXPECT_EQ(history.out_of_order(), 0U);
}

}  // namespace
}  // namespace headroom::judge
