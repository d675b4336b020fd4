#include "judge/forecast.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr std::int64_t kFirst = 1'000'000'000'000;

Instant at(nanoseconds since) {
  return {BootTime(nanoseconds(kFirst) + since), WallTime(nanoseconds(kFirst) + since)};
}

/// The same numbers on every machine: uniform in -1 to 1.
class Noise {
 public:
  double next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(state_ >> 11) / 4503599627370496.0 - 1;
  }

 private:
  std::uint64_t state_ = 7;
};

/// Feeds what `value` says at each step, and gives what was said of the time 15 minutes later.
template <class Value>
std::vector<Forecast> play(Forecaster& forecaster, nanoseconds step, std::size_t count,
                           Value value) {
  std::vector<Forecast> said;
  for (std::size_t i = 0; i < count; ++i) {
    const auto now = step * static_cast<std::int64_t>(i);
    forecaster.update(at(now), value(std::chrono::duration<double>(now).count()));
    said.push_back(*forecaster.predict());
  }
  return said;
}

double daily(double seconds) { return 100 + 50 * std::sin(seconds / 86400 * 2 * std::numbers::pi); }

void expect_sane(const Forecast& forecast) {
  EXPECT_TRUE(std::isfinite(forecast.value) && std::isfinite(forecast.lo) &&
              std::isfinite(forecast.hi));
  EXPECT_LE(forecast.lo, forecast.value);
  EXPECT_GE(forecast.hi, forecast.value);
  EXPECT_GE(forecast.confidence, 0);
  EXPECT_LE(forecast.confidence, 1);
}

TEST(Forecaster, KnowsNothingBeforeTheFirstSample) {
  const Forecaster forecaster;
  EXPECT_FALSE(forecaster.predict());
  EXPECT_FALSE(forecaster.time_to(5));
  EXPECT_EQ(forecaster.accuracy().forecasts, 0U);
}

TEST(Forecaster, TellsAConstantSeriesExactlyAndIsSureOfIt) {
  Forecaster forecaster;
  const auto said = play(forecaster, 5min, 50, [](double) { return 42e9; });
  EXPECT_EQ(said.back().value, 42e9);
  EXPECT_EQ(said.back().lo, 42e9);
  EXPECT_EQ(said.back().hi, 42e9);
  EXPECT_EQ(said.back().confidence, 1);
  EXPECT_NEAR(forecaster.accuracy().coverage, 1, 1e-6);
  EXPECT_EQ(said.back().limited_by, LimitingFactor::short_history);
}

TEST(Forecaster, LearnsTheCourseOfTheDay) {
  Forecaster forecaster;
  Noise noise;
  play(forecaster, 5min, 288 * 6, [&](double s) { return daily(s) + noise.next(); });
  EXPECT_LT(forecaster.accuracy().relative_error, 0.55);
  EXPECT_EQ(forecaster.predict()->limited_by, LimitingFactor::nothing);
}

TEST(Forecaster, DoesNotFollowASpike) {
  Forecaster forecaster;
  const auto said = play(forecaster, 5min, 600, [](double s) {
    return std::fmod(s, 7200) < 300 ? 90.0 : 10 + 0.5 * std::sin(s / 900);
  });
  const Forecast& after_spike = said[576];  // 576 * 300 s is a multiple of two hours
  EXPECT_LT(after_spike.value, 20);
}

TEST(Forecaster, FollowsALineAndSaysWhenItIsFull) {
  Forecaster forecaster;
  Noise noise;
  play(forecaster, 1min, 300, [&](double s) { return 20 + s / 360 + 0.1 * noise.next(); });
  // 300 minutes at 1 per 6 minutes: 70 is here; 95 is 150 minutes away.
  const auto full = forecaster.time_to(95);
  ASSERT_TRUE(full);
  EXPECT_NEAR(std::chrono::duration<double>(full->in).count(), 9000, 900);
  EXPECT_GT(full->confidence, 0.9);
  EXPECT_FALSE(forecaster.time_to(10));  // it does not fall
  EXPECT_EQ(forecaster.time_to(forecaster.predict(0ns)->value)->in, 0ns);
}

TEST(Forecaster, DoesNotSeeALineInNoise) {
  Forecaster forecaster;
  Noise noise;
  play(forecaster, 1min, 600, [&](double) { return 50 + 5 * noise.next(); });
  EXPECT_FALSE(forecaster.time_to(90));
}

TEST(Forecaster, TreatsRatesOfSamplingAlike) {
  std::vector<double> errors;
  for (const nanoseconds step : {nanoseconds(10s), nanoseconds(1min), nanoseconds(5min)}) {
    Forecaster forecaster;
    play(forecaster, step, static_cast<std::size_t>(48h / step),
         [](double s) { return daily(s) + 5 * std::sin(s / 1700) + 3 * std::sin(s / 610); });
    errors.push_back(forecaster.accuracy().relative_error);
    EXPECT_NEAR(forecaster.accuracy().forecasts, 48 * 12, 10);
  }
  EXPECT_NEAR(errors[0], errors[2], 0.15);
  EXPECT_NEAR(errors[1], errors[2], 0.15);
}

TEST(Forecaster, HoldsNineOfTenValuesOfARandomWalkInItsInterval) {
  for (const nanoseconds step : {nanoseconds(1min), nanoseconds(5min), nanoseconds(1h)}) {
    Forecaster forecaster;
    Noise noise;
    double level = 100;
    std::vector<double> values;
    const auto said = play(forecaster, step, 3000, [&](double) {
      level += noise.next();
      values.push_back(level);
      return level;
    });
    const std::size_t ahead = std::max<std::size_t>(1, static_cast<std::size_t>(15min / step));
    double inside = 0;
    for (std::size_t i = 300; i + ahead < said.size(); ++i) {
      const double came = values[i + ahead];
      inside += came >= said[i].lo && came <= said[i].hi ? 1 : 0;
    }
    EXPECT_NEAR(inside / static_cast<double>(said.size() - 300 - ahead), 0.9, 0.02);
  }
}

TEST(Forecaster, IsAsConfidentAsItIsOftenRight) {
  Forecaster forecaster;
  Noise noise;
  std::vector<double> values;
  const auto said = play(forecaster, 5min, 2000, [&](double) {
    values.push_back(100 + 20 * noise.next());
    return values.back();
  });
  double confidence = 0;
  double right = 0;
  for (std::size_t i = 500; i + 3 < said.size(); ++i) {
    confidence += said[i].confidence;
    right += std::abs(values[i + 3] - said[i].value) <= 0.1 * said[i].value ? 1 : 0;
  }
  EXPECT_NEAR(confidence / 1497, right / 1497, 0.1);
}

TEST(Forecaster, SaysNothingAnewWhenALaterSampleComes) {
  Noise noise;
  const auto value = [&](double s) { return daily(s) + 10 * noise.next(); };
  Forecaster whole;
  const auto all = play(whole, 5min, 700, value);
  noise = Noise();
  Forecaster cut;
  const auto some = play(cut, 5min, 400, value);
  for (std::size_t i = 0; i < some.size(); ++i) {
    EXPECT_EQ(some[i].value, all[i].value);
    EXPECT_EQ(some[i].hi, all[i].hi);
  }
}

TEST(Forecaster, LeavesOutWhatIsNotANumberAndTimesThatDoNotIncrease) {
  Forecaster forecaster;
  Forecaster undisturbed;
  for (int i = 0; i < 400; ++i) {
    const double value = 10 + i % 7;
    forecaster.update(at(i * 300s), value);
    undisturbed.update(at(i * 300s), value);
    forecaster.update(at(i * 300s), 1e9);        // repeated
    forecaster.update(at(i * 300s - 1h), -1e9);  // backwards
    forecaster.update(at(i * 300s + 1s), std::numeric_limits<double>::quiet_NaN());
    forecaster.update(at(i * 300s + 2s), std::numeric_limits<double>::infinity());
  }
  EXPECT_EQ(forecaster.predict()->value, undisturbed.predict()->value);
}

TEST(Forecaster, StaysFiniteWithHugeTinyAndJumpingValues) {
  const double kOdd[] = {0,    1e308, -1e308, 1e-308, -1e-300, 5,     5e-324,
                         1e30, -1e30, 1e-30,  3,      1e15,    -1e15, 0};
  Forecaster forecaster;
  std::int64_t seconds = 0;
  for (int i = 0; i < 3000; ++i) {
    seconds += i % 11 == 0 ? 86400 * (i % 400) : 1 + i % 700;
    forecaster.update(at(std::chrono::seconds(seconds)), kOdd[(i * 7 + i / 13) % std::size(kOdd)]);
    expect_sane(*forecaster.predict());
    expect_sane(*forecaster.predict(24h));
  }
  EXPECT_TRUE(Forecaster::restore(forecaster.save()));
}

TEST(Forecaster, SurvivesGapsAndStepsOfTheWallClock) {
  Forecaster forecaster;
  Noise noise;
  const auto value = [&](int i) { return 30 + 3 * noise.next() + 0 * i; };
  for (int i = 0; i < 500; ++i) forecaster.update(at(i * 60s), value(i));
  for (int i = 0; i < 500; ++i) forecaster.update(at(30h + i * 60s), value(i));  // a night's sleep
  EXPECT_NEAR(forecaster.predict()->value, 30, 2);
  for (int i = 0; i < 500; ++i) {
    Instant now = at(60h + i * 60s);
    now.wall -= std::chrono::hours(24 * 365 * 60);  // the clock was set, to before 1970
    forecaster.update(now, value(i));
    expect_sane(*forecaster.predict());
  }
  EXPECT_NEAR(forecaster.predict()->value, 30, 2);
}

TEST(Forecaster, IsTakenUpAgainWhereItWasLeft) {
  Forecaster forecaster;
  Noise noise;
  play(forecaster, 5min, 600, [&](double s) { return daily(s) + noise.next(); });
  auto again = Forecaster::restore(forecaster.save());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->predict()->value, forecaster.predict()->value);
  // After a reboot boot time starts anew; the wall clock tells the time between.
  for (int i = 600; i < 900; ++i) {
    const double value = daily(i * 300) + noise.next();
    forecaster.update(at(i * 300s), value);
    again->update({BootTime(i * 300s - 599 * 300s), at(i * 300s).wall}, value);
  }
  EXPECT_NEAR(again->predict()->value, forecaster.predict()->value, 1e-3);
  EXPECT_NEAR(again->accuracy().relative_error, forecaster.accuracy().relative_error, 1e-3);
}

TEST(Forecaster, RefusesADamagedState) {
  Forecaster forecaster;
  play(forecaster, 5min, 100, daily);
  const std::string good = forecaster.save();
  EXPECT_FALSE(Forecaster::restore(""));
  EXPECT_FALSE(Forecaster::restore(good.substr(1)));
  EXPECT_FALSE(Forecaster::restore(good + 'x'));
  for (std::size_t i = 0; i < good.size(); i += 13) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(Forecaster::restore(bad)) << i;
  }
}

TEST(Forecaster, AnswersForOtherHorizonsThanItsOwn) {
  Forecaster forecaster(1h);
  Noise noise;
  play(forecaster, 5min, 288 * 3, [&](double s) { return daily(s) + 5 * noise.next(); });
  EXPECT_EQ(forecaster.horizon(), 1h);
  const Forecast main = *forecaster.predict();
  const Forecast late = *forecaster.predict(12h);
  EXPECT_GT(late.hi - late.lo, main.hi - main.lo);
  EXPECT_EQ(late.limited_by, LimitingFactor::horizon);
  EXPECT_EQ(Forecaster(1s).horizon(), 1min);
  EXPECT_EQ(Forecaster(nanoseconds::max()).horizon(), 24h);
}

TEST(Forecaster, HoldsNineOfTenAThirdOfItsHorizonAheadToo) {
  for (const bool walks : {true, false}) {
    Forecaster forecaster;
    Noise noise;
    double level = 100;
    double inside = 0;
    std::optional<Forecast> said;
    for (int i = 0; i < 3000; ++i) {
      level = walks ? level + noise.next() : 100 + noise.next();
      if (i >= 500) inside += level >= said->lo && level <= said->hi ? 1 : 0;
      forecaster.update(at(i * 5min), level);
      said = forecaster.predict(5min);
    }
    EXPECT_NEAR(inside / 2500, 0.9, 0.02) << walks;
    EXPECT_EQ(forecaster.predict(0ns)->value, level);
    if (walks) {
      EXPECT_LT(said->hi - said->lo, forecaster.predict()->hi - forecaster.predict()->lo);
    }
  }
}

TEST(Forecaster, SaysWhenASeriesMovesTooMuchToBeTold) {
  Forecaster forecaster;
  Noise noise;
  play(forecaster, 5min, 600, [&](double) { return 50 + 50 * noise.next(); });
  EXPECT_EQ(forecaster.predict()->limited_by, LimitingFactor::volatility);
}

TEST(Forecaster, NamesItsMethodByAStandardName) {
  Forecaster forecaster;
  play(forecaster, 5min, 300, [](double s) { return s; });
  EXPECT_THAT(name_of(forecaster.predict()->method),
              testing::AnyOf("linear_regression", "autoregression"));
}

}  // namespace
}  // namespace headroom::judge
