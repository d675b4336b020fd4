#include "judge/foresight.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

/// Two series at one sample a second, hour after hour.
class Foreseen : public testing::Test {
 protected:
  template <class Of>
  std::vector<std::string> feed(std::chrono::seconds time, const Of& memory) {
    std::vector<std::string> told;
    for (std::chrono::seconds i{0}; i < time; ++i) {
      at_.boot += 1s;
      at_.wall += 1s;
      const std::vector<Reading> readings{{"memory", memory(seconds_++)}, {"disk:/", 40.0}};
      for (const Unusual& one : foresight_.push(at_, readings)) told.push_back(sentence(one));
    }
    return told;
  }
  ForecastView of(const std::string& series) const {
    for (const ForecastView& one : foresight_.forecasts()) {
      if (one.series == series) return one;
    }
    return {};
  }

  Foresight foresight_;
  Instant at_{BootTime(1000s), WallTime(1'790'000'000s)};
  long seconds_ = 0;
};

TEST_F(Foreseen, OneSampleInTenSecondsIsTakenIn) {
  feed(3600s, [](long) { return 30.0; });
  EXPECT_EQ(foresight_.series(), 2U);
  EXPECT_NEAR(static_cast<double>(of("memory").samples), 360, 1);
}

TEST_F(Foreseen, WhatStaysIsForecastToStayAndIsNotFullSoon) {
  feed(4h, [](long) { return 30.0; });
  const ForecastView memory = of("memory");
  EXPECT_NEAR(memory.value, 30, 0.5);
  EXPECT_LE(memory.lo, 30);
  EXPECT_GE(memory.hi, 30);
  EXPECT_EQ(memory.horizon, 15min);
  EXPECT_EQ(memory.full_in, std::nullopt);
}

TEST_F(Foreseen, WhatGrowsIsFullAtATimeAndNeverBeyond) {
  feed(4h, [](long i) { return 10.0 + 80.0 * static_cast<double>(i) / (4 * 3600); });
  const ForecastView memory = of("memory");
  ASSERT_TRUE(memory.full_in);
  // 20 points an hour, and 10 to go.
  EXPECT_NEAR(static_cast<double>(memory.full_in->count()), 1800, 600);
  EXPECT_LE(memory.hi, 100);
  EXPECT_GT(memory.value, 92);
}

TEST_F(Foreseen, AJumpAfterAQuietDayIsToldOnceAndAQuietDayIsNot) {
  unsigned random = 1;
  const auto noisy = [&](double level) {
    return [&random, level](long) {
      random = random * 1664525U + 1013904223U;
      return level + static_cast<double>(random >> 16U) / 65536.0;
    };
  };
  EXPECT_THAT(feed(36h, noisy(30)), IsEmpty());
  const auto told = feed(2h, noisy(80));
  ASSERT_EQ(told.size(), 1U) << testing::PrintToString(told);
  EXPECT_THAT(told.front(), HasSubstr("memory is unlike its past"));
  EXPECT_THAT(told.front(), HasSubstr("was expected"));
}

TEST_F(Foreseen, GapsAndWhatIsNoNumberAreLeftOut) {
  for (const auto value : {std::optional<double>(), std::optional(std::nan("")),
                           std::optional(std::numeric_limits<double>::infinity())}) {
    at_.boot += 10s;
    const std::vector<Reading> readings{{"memory", value}};
    EXPECT_THAT(foresight_.push(at_, readings), IsEmpty());
  }
  EXPECT_EQ(foresight_.series(), 0U);
}

TEST_F(Foreseen, WhatAnEarlierRunMeasuredIsTakenUp) {
  const std::vector<float> hour(3600, 25.0F);
  const std::vector<History::Past> past{{"memory", hour}};
  foresight_.refill(at_.wall - 3600s, 1s, past, at_);
  EXPECT_NEAR(static_cast<double>(of("memory").samples), 360, 1);
  EXPECT_NEAR(of("memory").value, 25, 0.5);
  feed(60s, [](long) { return 25.0; });
  EXPECT_NEAR(static_cast<double>(of("memory").samples), 366, 2);
  foresight_.refill(at_.wall, 0s, past, at_);  // makes no sense, and does nothing
}

TEST_F(Foreseen, WhatHasNoValueNowIsNotForecastAsIfItWentOn) {
  feed(1h, [](long) { return 30.0; });
  ASSERT_EQ(of("memory").series, "memory");
  for (int i = 0; i < 90; ++i) {
    at_.boot += 1s;
    at_.wall += 1s;
    foresight_.push(at_, std::vector<Reading>{{"memory", std::nullopt}, {"disk:/", 40.0}});
  }
  EXPECT_EQ(of("memory").series, "");
  EXPECT_EQ(of("disk:/").series, "disk:/");
  feed(20s, [](long) { return 30.0; });
  EXPECT_EQ(of("memory").series, "memory");
}

TEST_F(Foreseen, SeriesThatHaveGoneAreForgottenAndTooManyAreCounted) {
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) names.push_back("disk:/" + std::to_string(i));
  std::vector<Reading> readings;
  for (const std::string& name : names) readings.push_back({name, 10.0});
  EXPECT_THAT(foresight_.push(at_, readings), IsEmpty());
  EXPECT_EQ(foresight_.series(), Foresight::kMaxSeries);
  EXPECT_EQ(foresight_.overflowed(), 500 - Foresight::kMaxSeries);
  at_.boot += 25h;
  foresight_.push(at_, std::vector<Reading>{{"memory", 1.0}});
  EXPECT_EQ(foresight_.series(), 1U);
}

/// The same as Foreseen, after a day and a half; and another that takes it up.
class ForeseenAgain : public Foreseen {
 protected:
  ForeseenAgain() { run(foresight_, 36h); }

  // A sample every ten seconds; memory with noise around a level.
  std::vector<std::string> run(Foresight& foresight, std::chrono::seconds time, double level = 30) {
    std::vector<std::string> told;
    for (std::chrono::seconds i{0}; i < time; i += 10s) {
      at_.boot += 10s;
      at_.wall += 10s;
      random_ = random_ * 1664525U + 1013904223U;
      const double memory = level + static_cast<double>(random_ >> 16U) / 65536.0;
      const std::vector<Reading> readings{{"memory", memory}, {"disk:/", 40.0}};
      for (const Unusual& one : foresight.push(at_, readings)) told.push_back(sentence(one));
    }
    return told;
  }
  void off(std::chrono::seconds time, BootTime boot) {
    at_.wall += time;
    at_.boot = boot;
  }
  static ForecastView memory_of(const Foresight& foresight) {
    for (const ForecastView& one : foresight.forecasts()) {
      if (one.series == "memory") return one;
    }
    return {};
  }

  unsigned random_ = 1;
};

TEST_F(ForeseenAgain, ARestartInTheSameBootChangesNothing) {
  Foresight again;
  ASSERT_TRUE(again.restore(foresight_.save()));
  const Instant then = at_;
  const unsigned random = random_;
  EXPECT_THAT(run(foresight_, 2h), IsEmpty());
  at_ = then;
  random_ = random;
  EXPECT_THAT(run(again, 2h), IsEmpty());
  EXPECT_TRUE(again.save() == foresight_.save());
  EXPECT_EQ(memory_of(again).value, memory_of(foresight_).value);
}

TEST_F(ForeseenAgain, AfterARebootItGoesOnWhereverTheBootClockStands) {
  const ForecastView before = memory_of(foresight_);
  const std::string saved = foresight_.save();
  const Instant then = at_;
  // Off for minutes and for days; and looked at soon after the start, or long after: later than
  // the other boot lasted.
  for (const std::chrono::seconds time : {300s, 3 * 86400s}) {
    for (const BootTime boot : {BootTime(5s), BootTime(100h)}) {
      Foresight again;
      ASSERT_TRUE(again.restore(saved));
      EXPECT_EQ(again.series(), 2U);
      at_ = then;
      off(time, boot);
      EXPECT_THAT(run(again, 1h), IsEmpty());
      const ForecastView after = memory_of(again);
      EXPECT_EQ(after.samples, before.samples + 360);
      EXPECT_NEAR(static_cast<double>((after.seen - before.seen).count()),
                  static_cast<double>(time.count()) + 3600, 1);
      EXPECT_GT(after.judged, before.judged);
      EXPECT_NEAR(after.value, 30.5, 0.5);
      EXPECT_LE(after.hi - after.lo, 1.5 * (before.hi - before.lo));
      EXPECT_EQ(run(again, 2h, 80).size(), 1U) << "what is unlike the past is seen";
    }
  }
}

TEST_F(ForeseenAgain, WhatWasToldOnceIsNotToldAgainAfterARestart) {
  ASSERT_EQ(run(foresight_, 20min, 80).size(), 1U);
  const std::string saved = foresight_.save();
  for (const auto& [time, times] : {std::pair{1h, 0U}, std::pair{30h, 1U}}) {
    Foresight again;
    ASSERT_TRUE(again.restore(saved));
    off(time, BootTime(5s));
    EXPECT_THAT(run(again, 3h, 80), IsEmpty());
    EXPECT_EQ(run(again, 20min, 1000).size(), times) << time.count();
  }
}

TEST_F(ForeseenAgain, NothingIsForecastBeforeItHasAValueAgain) {
  Foresight again;
  ASSERT_TRUE(again.restore(foresight_.save()));
  EXPECT_THAT(again.forecasts(), IsEmpty());
  off(600s, BootTime(5s));
  again.push(at_, std::vector<Reading>{{"disk:/", 40.0}});
  ASSERT_EQ(again.forecasts().size(), 1U);
  EXPECT_EQ(again.forecasts()[0].series, "disk:/");
  EXPECT_EQ(again.series(), 2U);
  at_.boot += 25h;
  again.push(at_, std::vector<Reading>{{"disk:/", 40.0}});
  EXPECT_EQ(again.series(), 1U) << "a day without a value";
}

TEST_F(ForeseenAgain, AHistoryIsTakenUpOnlyFromWhereItWasSaved) {
  const std::uint64_t before = memory_of(foresight_).samples;
  Foresight again;
  ASSERT_TRUE(again.restore(foresight_.save()));
  // The daemon ran on for ten minutes after it was saved, and was ended.
  const std::vector<float> hour(3600, 30.5F);
  const std::vector<History::Past> past{{"memory", hour}};
  const WallTime start = at_.wall - 50min;
  off(10min, BootTime(5s));
  again.refill(start, 1s, past, at_);
  run(again, 60s);
  EXPECT_NEAR(static_cast<double>(memory_of(again).samples), static_cast<double>(before) + 66, 2);
}

TEST_F(ForeseenAgain, ADamagedOrForeignTextIsRefusedAndChangesNothing) {
  const std::string good = foresight_.save();
  Foresight again;
  ASSERT_TRUE(again.restore(good));
  const std::string before = again.save();
  std::vector<std::string> bad{"",
                               "headroom foresight 1\n",
                               "headroom foresight 0\n" + good.substr(21),
                               good.substr(0, good.size() - 1),
                               good + "x",
                               good.substr(1)};
  for (std::size_t i = 0; i < good.size(); i += 37) {
    bad.push_back(good);
    bad.back()[i] = static_cast<char>(bad.back()[i] ^ 4);
  }
  for (const std::string& text : bad) {
    const auto refused = again.restore(text);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid_request);
  }
  EXPECT_EQ(again.series(), 2U);
  EXPECT_TRUE(again.save() == before);
}

TEST_F(ForeseenAgain, ASeriesThatDoesNotHoldIsLeftOut) {
  std::string text = foresight_.save();
  const std::size_t state = text.find("forecast 2", text.find("memory"));
  ASSERT_NE(state, std::string::npos);
  text[state + 100] = static_cast<char>(text[state + 100] ^ 1);
  text.resize(text.size() - sizeof(std::uint64_t));
  const std::uint64_t sum = checksum(text);
  text.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  Foresight again;
  ASSERT_TRUE(again.restore(text));
  EXPECT_EQ(again.series(), 1U);
  again.push(at_, std::vector<Reading>{{"disk:/", 40.0}});
  EXPECT_EQ(again.forecasts().at(0).series, "disk:/");

  Foresight other(1h);  // a state is built for its own horizon
  ASSERT_TRUE(other.restore(foresight_.save()));
  EXPECT_EQ(other.series(), 0U);
}

TEST_F(Foreseen, WhatIsSavedIsBounded) {
  std::vector<std::string> names{std::string(Foresight::kLongestName + 1, 'x')};
  while (names.size() < 2 * Foresight::kMaxSeries)
    names.push_back("s" + std::to_string(names.size()));
  std::vector<Reading> readings;
  for (const std::string& name : names) readings.push_back({name, 10.0});
  foresight_.push(at_, readings);
  const std::string text = foresight_.save();
  EXPECT_LT(text.size(), Foresight::kMaxSeries * 2048);
  Foresight again;
  ASSERT_TRUE(again.restore(text));
  EXPECT_LT(again.series(), Foresight::kMaxSeries + 1);
  EXPECT_GT(again.series(), Foresight::kMaxSeries - 2);
}

TEST(FillsUp, OnlySharesOfWhatHasAnEnd) {
  for (const char* series : {"memory", "swap", "disk:/var", "gpu_memory:GPU-1"}) {
    EXPECT_TRUE(fills_up(series)) << series;
  }
  for (const char* series : {"cpu", "load", "network", "gpu_temperature:GPU-1", "disk_io", ""}) {
    EXPECT_FALSE(fills_up(series)) << series;
  }
}

}  // namespace
}  // namespace headroom::judge
