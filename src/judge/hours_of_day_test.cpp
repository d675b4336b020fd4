#include "judge/hours_of_day.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace headroom::judge {
namespace {

// Days of minutes: `high` from 14 to 17, `low` from 3 to 6, else between.
HoursOfDay after(int days, double high, double low) {
  HoursOfDay hours;
  for (int hour = 0; hour <= days * 24; ++hour) {
    for (int minute = 0; minute < 60; ++minute) {
      const int of = hour % 24;
      const bool peak = of >= 14 && of < 17;
      const bool quiet = of >= 3 && of < 6;
      hours.push(of, peak ? high : quiet ? low : (high + low) / 2);
    }
  }
  return hours;
}

TEST(HoursOfDay, NameThePeakAndTheQuietHours) {
  const auto told = after(4, 80, 20).told();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->peak.from, 14);
  EXPECT_EQ(told->peak.to, 17);
  EXPECT_NEAR(told->peak.mean, 80, 0.1);
  EXPECT_EQ(told->quiet.from, 3);
  EXPECT_NEAR(told->quiet.mean, 20, 0.1);
  EXPECT_EQ(told->days, 4);
}

TEST(HoursOfDay, TwoDaysAreNoHabit) {
  EXPECT_FALSE(after(2, 80, 20).told());
  EXPECT_TRUE(after(3, 80, 20).told());
}

TEST(HoursOfDay, ADayWithoutShapeHasNoPeak) {
  EXPECT_FALSE(after(5, 50, 45).told()) << "less than ten apart";
  EXPECT_FALSE(after(5, 90, 70).told()) << "less than half as high again";
}

TEST(HoursOfDay, AStretchMayGoOverMidnight) {
  HoursOfDay hours;
  for (int hour = 0; hour <= 4 * 24; ++hour) {
    for (int minute = 0; minute < 60; ++minute) {
      const int of = hour % 24;
      hours.push(of, of == 23 || of == 0 || of == 1 ? 90 : 10);
    }
  }
  const auto told = hours.told();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->peak.from, 23);
  EXPECT_EQ(told->peak.to, 2);
}

TEST(HoursOfDay, GoesOnAfterARestartAndFollowsANewHabit) {
  auto restored = HoursOfDay::restore(after(7, 80, 20).save());
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->told()->peak.from, 14);
  for (int hour = 0; hour <= 20 * 24; ++hour) {
    for (int minute = 0; minute < 60; ++minute) restored->push(hour % 24, hour % 24 == 8 ? 95 : 5);
  }
  const auto told = restored->told();
  ASSERT_TRUE(told);
  EXPECT_GE(told->peak.from, 6);
  EXPECT_LE(told->peak.from, 8);
}

TEST(HoursOfDay, WhatIsNoNumberCountsNothingAndDamageIsRefused) {
  HoursOfDay hours = after(4, 80, 20);
  hours.push(14, std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isfinite(hours.told()->peak.mean));
  std::string bytes = hours.save();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  EXPECT_FALSE(HoursOfDay::restore(bytes));
  EXPECT_FALSE(HoursOfDay::restore(""));
}

}  // namespace
}  // namespace headroom::judge
