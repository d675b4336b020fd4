#include "decide/who_ends.hpp"

#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

constexpr std::int64_t operator""_GiB(unsigned long long count) {
  return static_cast<std::int64_t>(count << 30);
}

using std::chrono::seconds;

Overrunner one(LeaseId lease, std::int64_t measured, std::int64_t booked,
               Priority priority = Priority::normal, int granted = 0) {
  return {lease, measured << 30, booked << 30, priority, BootTime(seconds(granted))};
}

TEST(WhoEnds, NobodyWithinItsBookingNorALittleBeyond) {
  EXPECT_FALSE(who_ends({one(1, 100, 100), one(2, 125, 100), one(3, 10, 200)}, 50_GiB));
  EXPECT_FALSE(who_ends({}, 50_GiB));
  EXPECT_FALSE(who_ends({one(1, 100, 0)}, 50_GiB)) << "it booked no memory: it overran nothing";
}

TEST(WhoEnds, OneThatFreesEnoughThenTheLowerClassThenTheYounger) {
  EXPECT_EQ(who_ends({one(1, 40, 10, Priority::low), one(2, 60, 10, Priority::high)}, 50_GiB), 2U);
  EXPECT_EQ(who_ends({one(1, 60, 10, Priority::low), one(2, 60, 10, Priority::high)}, 50_GiB), 1U);
  EXPECT_EQ(who_ends({one(1, 60, 10, Priority::normal, 5), one(2, 60, 10)}, 50_GiB), 1U);
  EXPECT_EQ(who_ends({one(1, 60, 10), one(2, 60, 10)}, 50_GiB), 2U);
}

TEST(WhoEnds, NotOneAfterTheOtherOfThoseWhoseEndBringsNothing) {
  std::vector<Overrunner> all = {one(1, 45, 10)};
  for (LeaseId id = 2; id < 20; ++id) all.push_back(one(id, 3, 1, Priority::low, 10));
  EXPECT_EQ(who_ends(all, 55_GiB), 1U);
  EXPECT_FALSE(who_ends({{1, 14 << 20, 10 << 20, Priority::normal, {}}}, 55_GiB))
      << "4 MiB are no overrun";
}

TEST(WhoEnds, IsTheSameInWhateverOrderTheyAreNamed) {
  std::vector<Overrunner> all = {one(1, 60, 10), one(2, 40, 10, Priority::low), one(3, 60, 10),
                                 one(4, 60, 59), one(5, 70, 10, Priority::high)};
  const auto first = who_ends(all, 50_GiB);
  std::sort(all.begin(), all.end(),
            [](const Overrunner& a, const Overrunner& b) { return a.lease < b.lease; });
  do {
    ASSERT_EQ(who_ends(all, 50_GiB), first);
  } while (std::next_permutation(
      all.begin(), all.end(),
      [](const Overrunner& a, const Overrunner& b) { return a.lease < b.lease; }));
}

}  // namespace
}  // namespace headroom::decide
