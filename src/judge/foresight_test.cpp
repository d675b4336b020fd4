#include "judge/foresight.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>

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
  for (int i = 0; i < 300; ++i) names.push_back("disk:/" + std::to_string(i));
  std::vector<Reading> readings;
  for (const std::string& name : names) readings.push_back({name, 10.0});
  EXPECT_THAT(foresight_.push(at_, readings), IsEmpty());
  EXPECT_EQ(foresight_.series(), Foresight::kMaxSeries);
  EXPECT_EQ(foresight_.overflowed(), 300 - Foresight::kMaxSeries);
  at_.boot += 25h;
  foresight_.push(at_, std::vector<Reading>{{"memory", 1.0}});
  EXPECT_EQ(foresight_.series(), 1U);
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
