#include "judge/anomaly.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;

// A series that lives on both clocks, from a noon on.
class Feed {
 public:
  explicit Feed(std::chrono::nanoseconds period = 5min) : period_(period) {}
  AnomalyVerdict operator()(double value) {
    const AnomalyVerdict verdict = anomaly.update(now, value);
    pass(period_);
    if (verdict.alert) ++alerts;
    return verdict;
  }
  void pass(std::chrono::nanoseconds time) {
    now.boot += time;
    now.wall += time;
  }
  Anomaly anomaly;
  Instant now{BootTime(1h), WallTime(std::chrono::hours(12 + 24 * 20000))};
  int alerts = 0;

 private:
  std::chrono::nanoseconds period_;
};

double uniform(std::mt19937& random) { return static_cast<double>(random()) / 4294967296.0; }

double noise(std::mt19937& random) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += uniform(random);
  return sum - 6;  // nearly normal, the same with every library
}

double daily(int row) { return std::sin(2 * 3.14159265358979 * row / 288.0); }

// Rows of a healthy series, five minutes apart.
using Kind = double (*)(int row, std::mt19937& random);
constexpr Kind kHealthy[] = {
    [](int, std::mt19937& random) { return 50 + noise(random); },
    [](int row, std::mt19937& random) { return 40 + 20 * daily(row) + 2 * noise(random); },
    [](int, std::mt19937& random) { return std::exp(0.8 * noise(random)); },
    [](int, std::mt19937& random) { return 100 * uniform(random); },
    // Counts that come and go with the day.
    [](int row, std::mt19937& random) {
      const double rate = 20 + 15 * daily(row);
      return std::max(0.0, std::round(rate + std::sqrt(rate) * noise(random)));
    },
    // Idle, with short bursts now and then.
    [](int, std::mt19937& random) { return uniform(random) < 0.05 ? 90 + noise(random) : 2.0; },
};

TEST(Anomaly, TellsASpikeAndADip) {
  for (const double height : {30.0, -30.0}) {
    std::mt19937 random(1);
    Feed feed;
    for (int i = 0; i < 1000; ++i) feed(50 + noise(random));
    const int before = feed.alerts;
    const AnomalyVerdict verdict = feed(50 + height);
    EXPECT_LE(before, 1);
    EXPECT_GT(verdict.score, 0.6);
    EXPECT_TRUE(verdict.alert);
    EXPECT_EQ(verdict.reason, height > 0 ? AnomalyReason::spike : AnomalyReason::dip);
  }
}

TEST(Anomaly, TellsALevelShiftAndThenLivesWithIt) {
  std::mt19937 random(2);
  Feed feed;
  for (int i = 0; i < 1500; ++i) feed(50 + noise(random));
  const int before = feed.alerts;
  for (int i = 0; i < 12; ++i) feed(80 + noise(random));
  EXPECT_GE(feed.alerts, before + 1);
  const int after = feed.alerts;
  AnomalyVerdict verdict;
  for (int i = 0; i < 1000; ++i) verdict = feed(80 + noise(random));
  EXPECT_LE(feed.alerts, after + 2);
  ASSERT_TRUE(verdict.lo && verdict.hi);
  EXPECT_GT(*verdict.lo, 60);
}

TEST(Anomaly, CallsAShiftThatWasRampedALevelShift) {
  std::mt19937 random(3);
  Feed feed;
  for (int i = 0; i < 1500; ++i) feed(50 + noise(random));
  bool told = false;
  for (int i = 0; i < 12; ++i) {
    const AnomalyVerdict verdict = feed(50 + 4 * i + noise(random));
    told |= verdict.reason == AnomalyReason::level_shift;
  }
  EXPECT_TRUE(told);
}

TEST(Anomaly, TellsASeriesThatStandsStill) {
  std::mt19937 random(4);
  Feed feed;
  for (int i = 0; i < 2000; ++i) feed(50 + 5 * noise(random));
  bool told = false;
  for (int i = 0; i < 100; ++i) told |= feed(50).reason == AnomalyReason::flat_line;
  EXPECT_TRUE(told);
}

TEST(Anomaly, TellsTheDayThatIsNotLikeTheOthers) {
  std::mt19937 random(5);
  Feed feed;
  const auto value = [&](int row) { return (row % 288 < 120 ? 80 : 20) + noise(random); };
  for (int i = 0; i < 14 * 288; ++i) feed(value(i));
  double highest = 0;
  for (int i = 0; i < 120; ++i) highest = std::max(highest, feed(20 + noise(random)).score);
  EXPECT_GT(highest, 0.4);  // neither level nor any value is new: only the hour is wrong
}

TEST(Anomaly, IsQuietOverASlowDrift) {
  std::mt19937 random(6);
  Feed feed;
  for (int i = 0; i < 4000; ++i) feed(50 + 0.02 * i + noise(random));
  EXPECT_LE(feed.alerts, 3);
}

TEST(Anomaly, HasNothingToSayOfAConstantOrACounter) {
  for (const double step : {0.0, 1.0, 1e9}) {
    Feed feed;
    double last = 0;
    for (int i = 0; i < 5000; ++i) last = feed(7 + step * i).score;
    EXPECT_EQ(feed.alerts, 0) << step;
    EXPECT_LT(last, 0.5) << step;
  }
}

TEST(Anomaly, AConstantThatChangesIsToldAndThenAccepted) {
  Feed feed;
  for (int i = 0; i < 1000; ++i) feed(7);
  EXPECT_TRUE(feed(8).alert);
  for (int i = 0; i < 200; ++i) feed(8);
  const int after = feed.alerts;
  EXPECT_LE(after, 3);
  for (int i = 0; i < 1000; ++i) feed(8);
  EXPECT_EQ(feed.alerts, after);
}

TEST(Anomaly, AHealthyWeekIsQuiet) {
  // Over 200 weeks of six kinds of series; the first day of each is learning.
  int alerts = 0;
  int most = 0;
  int weeks = 0;
  for (const Kind& kind : kHealthy) {
    for (unsigned seed = 0; seed < 35; ++seed) {
      std::mt19937 random(seed);
      Feed feed;
      for (int i = 0; i < 7 * 288; ++i) feed(kind(i, random));
      alerts += feed.alerts;
      most = std::max(most, feed.alerts);
      ++weeks;
    }
  }
  EXPECT_LE(alerts, weeks) << "more than one alert a week";
  EXPECT_LE(most, 6);
}

TEST(Anomaly, AJobOfEveryNightIsGotUsedTo) {
  int first = 0;
  int later = 0;
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    Feed feed;
    const auto weeks = [&](int days) {
      for (int i = 0; i < days * 288; ++i) {
        const bool job = i % 288 >= 100 && i % 288 < 103;
        feed(20 + noise(random) + (job ? 60 + 3 * noise(random) : 0));
      }
      return feed.alerts;
    };
    const int alerts = weeks(7);
    first += alerts;
    later += weeks(5 * 7) - alerts;
  }
  EXPECT_GE(first, 10);
  EXPECT_LE(later, 30);  // of 350 nights
}

TEST(Anomaly, TheLearntBarBoundsTheAlertsOfASeriesThatNeverSettles) {
  // Every day another kind of series: what was learnt is of no use.
  std::mt19937 random(7);
  Feed feed;
  const int days = 200;
  for (int i = 0; i < days * 288; ++i)
    feed(std::pow(10.0, static_cast<double>(random() % 9)) * uniform(random) + 1e6 * (i / 288 % 7));
  // Half an alert a day, and what the bar can climb once.
  EXPECT_LE(feed.alerts, days / 2 + 20);
}

TEST(Anomaly, AHigherScorePassesWhileALowerOneIsMuted) {
  std::mt19937 random(8);
  Feed feed;
  for (int i = 0; i < 1000; ++i) feed(50 + noise(random));
  const double first = feed(62).score;
  EXPECT_GT(first, 0);
  EXPECT_EQ(feed(55).score, 0);
  EXPECT_GT(feed(500).score, first);
}

TEST(Anomaly, ACutSeriesGivesTheSameRows) {
  const auto scores = [](int rows) {
    std::mt19937 random(9);
    Feed feed;
    std::vector<double> told;
    for (int i = 0; i < rows; ++i)
      told.push_back(feed(40 + 20 * daily(i) + noise(random) + (i % 700 == 650 ? 90 : 0)).score);
    return told;
  };
  const std::vector<double> whole = scores(3000);
  for (const int rows : {1, 51, 651, 1777}) {
    const std::vector<double> part = scores(rows);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << rows;
  }
}

TEST(Anomaly, ARestoredStateGoesOnAsIfNothingHadHappened) {
  std::mt19937 random(10);
  Feed feed;
  for (int i = 0; i < 1500; ++i) feed(40 + 20 * daily(i) + noise(random));
  Result<Anomaly> restored = Anomaly::restore(feed.anomaly.save());
  ASSERT_TRUE(restored);
  for (int i = 0; i < 1000; ++i) {
    const Instant at = feed.now;
    const double value = 40 + 20 * daily(i) + noise(random) + (i % 300 == 299 ? 50 : 0);
    const AnomalyVerdict one = feed(value);
    const AnomalyVerdict other = restored->update(at, value);
    ASSERT_EQ(one.score, other.score);
    ASSERT_EQ(one.alert, other.alert);
    ASSERT_EQ(one.lo, other.lo);
  }
  EXPECT_EQ(feed.anomaly.save(), restored->save());
}

// The state with one byte changed and the checksum made right again.
std::string tampered(std::string state, std::size_t at, char byte) {
  state.resize(state.size() - sizeof(std::uint64_t));
  state[at] = byte;
  const std::uint64_t sum = checksum(state);
  state.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return state;
}

TEST(Anomaly, AStateThatDoesNotHoldTogetherIsRefused) {
  Feed feed;
  std::mt19937 random(11);
  for (int i = 0; i < 500; ++i) feed(noise(random));
  const std::string good = feed.anomaly.save();
  EXPECT_TRUE(Anomaly::restore(good));
  EXPECT_FALSE(Anomaly::restore(""));
  EXPECT_FALSE(Anomaly::restore(std::string_view(good).substr(1)));
  std::string damaged = good;
  damaged[500] = static_cast<char>(damaged[500] ^ 1);
  EXPECT_FALSE(Anomaly::restore(damaged));
  const std::size_t name = good.find('\n') + 1;
  EXPECT_TRUE(Anomaly::restore(tampered(good, 0, good[0])));
  EXPECT_FALSE(Anomaly::restore(tampered(good, 0, 'x'))) << "another name";
  // A count of the first histogram, which no longer adds up.
  EXPECT_FALSE(Anomaly::restore(tampered(good, name, static_cast<char>(good[name] ^ 1))));
}

TEST(Anomaly, AGapIsNoSpikeButWhatComesAfterItIsJudged) {
  std::mt19937 random(12);
  Feed feed;
  for (int i = 0; i < 2000; ++i) feed(50 + 0.01 * i + noise(random));
  const int before = feed.alerts;
  feed.pass(2 * 24h);
  for (int i = 0; i < 50; ++i) feed(69 + noise(random));
  EXPECT_EQ(feed.alerts, before);
  EXPECT_GT(feed(400).score, 0.5);
}

TEST(Anomaly, AStepOfTheWallClockIsNoAnomaly) {
  std::mt19937 random(13);
  Feed feed;
  const auto value = [&](int row) { return 50 + 30 * daily(row) + noise(random); };
  for (int i = 0; i < 10 * 288; ++i) feed(value(i));
  const int before = feed.alerts;
  feed.now.wall += 11h;
  for (int i = 0; i < 288; ++i) feed(value(i));
  EXPECT_EQ(feed.alerts, before);
}

TEST(Anomaly, ABootClockThatBeginsAnewKeepsWhatWasLearnt) {
  std::mt19937 random(14);
  Feed feed;
  for (int i = 0; i < 2000; ++i) feed(50 + noise(random));
  const int before = feed.alerts;
  feed.now.boot = BootTime(10s);
  for (int i = 0; i < 30; ++i) feed(50 + noise(random));
  EXPECT_EQ(feed.alerts, before);
  EXPECT_TRUE(feed(90).alert);
}

TEST(Anomaly, TimesThatStandStillOrGoBackBreakNothing) {
  std::mt19937 random(15);
  Anomaly anomaly;
  for (int i = 0; i < 5000; ++i) {
    const auto at = std::chrono::seconds(random() % 4 == 0 ? random() % 100000 : 50000);
    const AnomalyVerdict verdict = anomaly.update({BootTime(at), WallTime(-at)}, 5 + noise(random));
    ASSERT_TRUE(verdict.score >= 0 && verdict.score < 1);
  }
}

TEST(Anomaly, AValueThatIsNotFiniteIsAGap) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::mt19937 random(16);
  Feed with;
  Feed without;
  for (int i = 0; i < 1000; ++i) {
    const double value = noise(random);
    const AnomalyVerdict one = with(value);
    const AnomalyVerdict other = without(value);
    ASSERT_EQ(one.score, other.score);
    for (const double bad : {std::nan(""), kInfinity, -kInfinity}) {
      const AnomalyVerdict verdict = with.anomaly.update(with.now, bad);
      ASSERT_EQ(verdict.score, other.score);
      ASSERT_FALSE(verdict.alert);
    }
  }
}

TEST(Anomaly, HugeAndTinyValuesGiveFiniteAnswers) {
  for (const double scale : {1e308, 1e100, 1e-100, 1e-308, 5e-324}) {
    std::mt19937 random(17);
    Feed feed;
    for (int i = 0; i < 2000; ++i) {
      const AnomalyVerdict verdict = feed(scale * (uniform(random) - 0.5) * (i % 97 ? 1 : 1e10));
      ASSERT_TRUE(verdict.score >= 0 && verdict.score < 1) << scale;
      ASSERT_TRUE(std::isfinite(verdict.lo.value_or(0)) && std::isfinite(verdict.hi.value_or(0)));
    }
    EXPECT_TRUE(Anomaly::restore(feed.anomaly.save())) << scale;
  }
}

TEST(Anomaly, TheUnitDoesNotMatter) {
  std::mt19937 random(18);
  Feed bytes;
  Feed gibibytes;
  for (int i = 0; i < 3000; ++i) {
    const double value = 40 + 20 * daily(i) + noise(random) + (i % 500 == 400 ? 60 : 0);
    ASSERT_NEAR(bytes(value * 1073741824.0).score, gibibytes(value).score, 1e-9) << i;
  }
}

TEST(Anomaly, SamplesOfASecondAreJudgedByTheMinute) {
  std::mt19937 random(19);
  Feed feed(1s);
  for (int i = 0; i < 60 * 600; ++i) feed(50 + 5 * noise(random));
  EXPECT_NEAR(feed.anomaly.rows(), 600, 20);
  EXPECT_LE(feed.alerts, 1);
  const int before = feed.alerts;
  for (int i = 0; i < 120; ++i) feed(90 + 5 * noise(random));
  EXPECT_EQ(feed.alerts, before + 1);
}

TEST(Anomaly, EveryPeriodFromASecondToADayTellsTheSpike) {
  for (const std::chrono::nanoseconds period :
       {std::chrono::nanoseconds(1s), std::chrono::nanoseconds(10s), std::chrono::nanoseconds(60s),
        std::chrono::nanoseconds(15min), std::chrono::nanoseconds(1h),
        std::chrono::nanoseconds(24h)}) {
    std::mt19937 random(20);
    Feed feed(period);
    const auto minutes = std::max<std::int64_t>(1, 1min / period);
    for (int i = 0; i < 800 * minutes; ++i) feed(50 + noise(random));
    double highest = 0;
    for (int i = 0; i < 2 * minutes; ++i) highest = std::max(highest, feed(200).score);
    EXPECT_GT(highest, 0.6) << period.count();
  }
}

TEST(Anomaly, AChangedPeriodIsNoAnomaly) {
  std::mt19937 random(21);
  Feed feed(5min);
  for (int i = 0; i < 2000; ++i) feed(50 + noise(random));
  Feed slower(15min);
  slower.anomaly = feed.anomaly;
  slower.now = feed.now;
  for (int i = 0; i < 300; ++i) slower(50 + noise(random));
  EXPECT_LE(slower.alerts, 1);
}

TEST(Anomaly, TheRangeHoldsNearlyAllThatComes) {
  std::mt19937 random(22);
  Feed feed;
  int outside = 0;
  AnomalyVerdict verdict;
  for (int i = 0; i < 6000; ++i) {
    const double value = 50 + noise(random);
    if (i > 2000) outside += value < *verdict.lo || value > *verdict.hi;
    verdict = feed(value);
  }
  EXPECT_GT(outside, 0);
  EXPECT_LT(outside, 60);  // of 4000, where 20 are meant
}

}  // namespace
}  // namespace headroom::judge
