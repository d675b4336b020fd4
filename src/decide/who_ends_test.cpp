#include "decide/who_ends.hpp"

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using std::chrono::seconds;

Overrunner one(LeaseId lease, std::int64_t measured, std::int64_t booked,
               Priority priority = Priority::normal, int granted = 0) {
  return {lease, measured, booked, priority, BootTime(seconds(granted))};
}

TEST(WhoEnds, NobodyWithinItsBookingNorALittleBeyond) {
  EXPECT_FALSE(who_ends({one(1, 100, 100), one(2, 125, 100), one(3, 10, 200)}, 50));
  EXPECT_FALSE(who_ends({}, 50));
  EXPECT_FALSE(who_ends({one(1, 100, 0)}, 50)) << "it booked no memory: it overran nothing";
}

TEST(WhoEnds, OneThatFreesEnoughThenTheLowerClassThenTheYounger) {
  EXPECT_EQ(who_ends({one(1, 40, 10, Priority::low), one(2, 60, 10, Priority::high)}, 50), 2U);
  EXPECT_EQ(who_ends({one(1, 60, 10, Priority::low), one(2, 60, 10, Priority::high)}, 50), 1U);
  EXPECT_EQ(who_ends({one(1, 60, 10, Priority::normal, 5), one(2, 60, 10)}, 50), 1U);
  EXPECT_EQ(who_ends({one(1, 60, 10), one(2, 60, 10)}, 50), 2U);
}

TEST(WhoEnds, IsTheSameInWhateverOrderTheyAreNamed) {
  std::vector<Overrunner> all = {one(1, 60, 10), one(2, 40, 10, Priority::low), one(3, 60, 10),
                                 one(4, 60, 59), one(5, 70, 10, Priority::high)};
  const auto first = who_ends(all, 50);
  std::sort(all.begin(), all.end(),
            [](const Overrunner& a, const Overrunner& b) { return a.lease < b.lease; });
  do {
    ASSERT_EQ(who_ends(all, 50), first);
  } while (std::next_permutation(
      all.begin(), all.end(),
      [](const Overrunner& a, const Overrunner& b) { return a.lease < b.lease; }));
}

}  // namespace
}  // namespace headroom::decide
