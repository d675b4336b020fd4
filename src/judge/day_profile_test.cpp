#include "judge/day_profile.hpp"

#include <gtest/gtest.h>

namespace headroom::judge {
namespace {

TEST(DayProfile, FindsTheNearestOfTheSameHalfHour) {
  DayProfile days;
  EXPECT_FALSE(days.nearest(3, 5));
  for (const double value : {10.0, 20.0, 30.0}) {
    days.add(3, value, 20, 10);
    days.add(4, 1e9, 20, 10);
  }
  days.add(5, 0, 20, 10);
  EXPECT_NEAR(days.nearest(3, 21).value_or(0), 20, 1);
  EXPECT_FALSE(days.nearest(5, 0));
  // Eight spreads are as far as it sees.
  EXPECT_NEAR(days.nearest(4, 1e9).value_or(0), 20 + 8 * 10, 30);
  EXPECT_TRUE(days.valid());
}

TEST(DayProfile, FollowsTheMedianAndTheSpread) {
  DayProfile days;
  for (int day = 0; day < 3; ++day) {
    for (int slot = 0; slot < DayProfile::kSlots; ++slot) days.add(slot, 10, 10, 1);
  }
  for (int slot = 0; slot < DayProfile::kSlots; ++slot) days.add(slot, 18, 18, 4);
  days.add(0, 18, 18, 4);
  EXPECT_NEAR(days.nearest(10, 9).value_or(0), 10, 0.5);
  EXPECT_NEAR(days.nearest(10, 19).value_or(0), 18, 0.5);
}

}  // namespace
}  // namespace headroom::judge
