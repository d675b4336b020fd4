#include "judge/limit.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// The same numbers on every machine: uniform in -1 to 1.
class Noise {
 public:
  double next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state_ >> 11) / 4503599627370496.0 - 1;
  }

 private:
  std::uint64_t state_ = 11;
};

struct Outcome {
  double slack = 0;     ///< share of what was set aside that was not used
  double exceeded = 0;  ///< share of samples above the limit that was said three samples before
};

/// Feeds a series and holds each limit against the three samples after it.
template <class Value>
Outcome play(LimitEstimator& estimator, std::size_t count, Value value) {
  Forecaster forecaster;
  std::vector<double> values;
  std::vector<double> limits;
  for (std::size_t i = 0; i < count; ++i) {
    const auto now = nanoseconds(1h + 5min * static_cast<std::int64_t>(i));
    values.push_back(value(i));
    forecaster.update({BootTime(now), WallTime(now)}, values.back());
    estimator.update(BootTime(now), values.back(), forecaster.predict());
    limits.push_back(estimator.limit()->value);
  }
  double set_aside = 0;
  double used = 0;
  double exceeded = 0;
  for (std::size_t i = count / 2; i + 3 < count; ++i) {
    for (std::size_t j = i + 1; j <= i + 3; ++j) {
      set_aside += limits[i];
      used += std::min(limits[i], values[j]);
      exceeded += values[j] > limits[i] ? 1 : 0;
    }
  }
  const double samples = 3.0 * static_cast<double>(count - 3 - count / 2);
  return {1 - used / set_aside, exceeded / samples};
}

LimitPolicy policy(double kappa) {
  LimitPolicy policy;
  policy.kappa = kappa;
  return policy;
}

TEST(LimitEstimator, KnowsNothingBeforeTheFirstSample) {
  const LimitEstimator estimator;
  EXPECT_FALSE(estimator.limit());
  EXPECT_FALSE(estimator.raise(0));
}

TEST(LimitEstimator, SetsAsideLittleForWhatIsConstant) {
  LimitEstimator estimator;
  const Outcome outcome = play(estimator, 600, [](std::size_t) { return 64e9; });
  EXPECT_LT(outcome.slack, 0.025);
  EXPECT_EQ(outcome.exceeded, 0);
  EXPECT_GT(estimator.limit()->confidence, 0.99);
}

TEST(LimitEstimator, LeavesMoreRoomToWhatIsNew) {
  LimitEstimator estimator;
  Forecaster forecaster;
  estimator.update(BootTime(1h), 100, std::nullopt);
  EXPECT_GE(estimator.limit()->value, 120);
}

TEST(LimitEstimator, CoversPeaksThatComeAgain) {
  LimitEstimator estimator;
  const auto peaks = [](std::size_t i) { return i % 12 == 0 ? 80.0 : 20.0; };
  const Outcome outcome = play(estimator, 1500, peaks);
  EXPECT_EQ(outcome.exceeded, 0);
}

TEST(LimitEstimator, WeighsByKappa) {
  Outcome before;
  before.exceeded = 1;
  for (const double kappa :
       {10.0, LimitPolicy::kAggressive, LimitPolicy::kBalanced, LimitPolicy::kConservative}) {
    LimitEstimator estimator(policy(kappa));
    Noise noise;
    const Outcome outcome = play(estimator, 3000, [&](std::size_t) {
      return 50 + 10 * (noise.next() + noise.next() + noise.next());
    });
    EXPECT_GE(outcome.slack, before.slack) << kappa;
    EXPECT_LE(outcome.exceeded, before.exceeded) << kappa;
    before = outcome;
  }
  EXPECT_LT(before.exceeded, 0.004);
  EXPECT_LT(before.slack, 0.4);
}

TEST(LimitEstimator, IsAsConfidentAsItsLimitsLast) {
  LimitEstimator estimator(policy(LimitPolicy::kAggressive));
  Noise noise;
  double confidence = 0;
  std::vector<double> values;
  std::vector<double> limits;
  play(estimator, 3000, [&](std::size_t) {
    values.push_back(50 + 10 * (noise.next() + noise.next()));
    if (values.size() > 1) {
      limits.push_back(estimator.limit()->value);
      confidence = estimator.limit()->confidence;
    }
    return values.back();
  });
  double lasted = 0;
  for (std::size_t i = 1500; i + 3 < limits.size(); ++i) {
    const double peak = std::max({values[i + 1], values[i + 2], values[i + 3]});
    lasted += peak <= limits[i] ? 1 : 0;
  }
  EXPECT_NEAR(lasted / static_cast<double>(limits.size() - 1503), confidence, 0.03);
}

TEST(LimitEstimator, IsNeverBelowTheMemoryThatIsUsed) {
  LimitEstimator memory(policy(LimitPolicy::kAggressive));
  Noise noise;
  double use = 1000;
  play(memory, 1000, [&](std::size_t) {
    if (const auto limit = memory.limit()) {
      EXPECT_GE(limit->value, 1.02 * use * 0.999999);
    }
    use = std::max(0.0, use + 50 * noise.next());
    return use;
  });
}

TEST(LimitEstimator, RaisesAtOnceWhatIsNearlyReached) {
  LimitEstimator estimator;
  play(estimator, 300, [](std::size_t i) { return 50.0 + static_cast<double>(i % 5); });
  const double limit = estimator.limit()->value;
  EXPECT_FALSE(estimator.raise(limit));  // all is well
  EXPECT_FALSE(estimator.raise(1000));   // far away
  const auto now = nanoseconds(1h + 5min * 299 + 1s);
  estimator.update(BootTime(now), 2 * limit, std::nullopt);  // a second later, far above
  const auto raised = estimator.raise(limit);
  ASSERT_TRUE(raised);
  EXPECT_GE(raised->value, 2.04 * limit);
}

TEST(LimitEstimator, SaysNothingAnewWhenALaterSampleComes) {
  const auto value = [](std::size_t i) { return 20 + 10 * std::sin(static_cast<double>(i * i)); };
  LimitEstimator cut;
  play(cut, 400, value);
  LimitEstimator whole;
  double then = 0;
  play(whole, 900, [&](std::size_t i) {
    if (i == 400) then = whole.limit()->value;
    return value(i);
  });
  EXPECT_EQ(then, cut.limit()->value);
}

TEST(LimitEstimator, StaysFiniteWhateverComes) {
  const double kOdd[] = {0,
                         1e308,
                         -5,
                         5e-324,
                         1e30,
                         1e-30,
                         3,
                         std::nan(""),
                         1e15,
                         -1e15,
                         std::numeric_limits<double>::infinity()};
  LimitEstimator estimator;
  std::int64_t seconds = 1;
  for (int i = 0; i < 5000; ++i) {
    seconds += i % 13 == 0 ? 86400 * (i % 300) : i % 700 - 20;  // gaps, repeated, backwards
    Forecast forecast;
    forecast.value = kOdd[i % std::size(kOdd)];
    forecast.hi = kOdd[i / 3 % std::size(kOdd)];
    estimator.update(BootTime(std::chrono::seconds(seconds)), kOdd[i * 7 % std::size(kOdd)],
                     forecast);
    if (const auto limit = estimator.limit()) {
      EXPECT_TRUE(std::isfinite(limit->value) && limit->value >= 0) << i;
      EXPECT_TRUE(limit->confidence >= 0 && limit->confidence <= 1);
    }
  }
  EXPECT_TRUE(LimitEstimator::restore(estimator.save()));
}

TEST(LimitEstimator, ForgetsOldPeaksOverAGap) {
  LimitEstimator estimator(policy(LimitPolicy::kAggressive));
  play(estimator, 300, [](std::size_t) { return 1000.0; });
  for (int i = 0; i < 60; ++i) {
    const auto now = nanoseconds(100h + 5min * i);
    estimator.update(BootTime(now), 10, std::nullopt);
  }
  EXPECT_LT(estimator.limit()->value, 40);
}

TEST(LimitEstimator, TreatsRatesOfSamplingAlike) {
  std::vector<double> limits;
  for (const std::int64_t step : {10, 60, 300, 900}) {
    LimitEstimator estimator;
    for (std::int64_t now = 1; now < 3 * 86400; now += step) {
      const double use = 50 + 20 * std::sin(static_cast<double>(now) / 5000);
      estimator.update(BootTime(std::chrono::seconds(now)), use, std::nullopt);
    }
    limits.push_back(estimator.limit()->value);
  }
  for (const double limit : limits) EXPECT_NEAR(limit, limits[2], 0.05 * limits[2]);
}

TEST(LimitEstimator, IsTakenUpAgainWhereItWasLeft) {
  LimitEstimator estimator;
  Noise noise;
  play(estimator, 500, [&](std::size_t) { return 50 + 10 * noise.next(); });
  auto again = LimitEstimator::restore(estimator.save());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->limit()->value, estimator.limit()->value);
  again->update(BootTime(3s), 50, std::nullopt);  // boot time starts anew
  EXPECT_NEAR(again->limit()->value, estimator.limit()->value, 10);
  std::string bad = estimator.save();
  bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
  EXPECT_FALSE(LimitEstimator::restore(bad));
  EXPECT_FALSE(LimitEstimator::restore("limit 1"));
}

TEST(LimitEstimator, NamesItsRule) {
  EXPECT_EQ(name_of(LimitRule::forecast_quantile), "forecast_quantile");
  LimitEstimator estimator;
  play(estimator, 300, [](std::size_t) { return 5.0; });
  EXPECT_EQ(estimator.limit()->rule, LimitRule::current_use);  // 1.02 of what never moves
}

}  // namespace
}  // namespace headroom::judge
