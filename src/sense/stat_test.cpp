#include "sense/stat.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kStat =
    "cpu  1000 200 300 8000 500 10 20 30 40 0\n"
    "cpu0 500 100 150 4000 250 5 10 15 20 0\n"
    "cpu1 500 100 150 4000 250 5 10 15 20 0\n"
    "intr 1 2 3\ncpu9 is no processor here\n";

TEST(Stat, SumsTheKindsOfTimeAndCountsProcessors) {
  const auto ticks = parse_stat(kStat);
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->user, 1200u);
  EXPECT_EQ(ticks->system, 330u);
  EXPECT_EQ(ticks->idle, 8000u);
  EXPECT_EQ(ticks->iowait, 500u);
  EXPECT_EQ(ticks->steal, 30u);
  EXPECT_EQ(ticks->cores, 2);
}

TEST(Stat, TakesOldKernelsThatKnowFourKindsOnly) {
  const auto ticks = parse_stat("cpu  1 2 3 4");
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->user, 3u);
  EXPECT_EQ(ticks->iowait, 0u);
  EXPECT_EQ(ticks->cores, 0);
}

TEST(Stat, RefusesWhatIsNoStat) {
  for (const std::string_view text :
       {"", "cpu", "cpu ", "cpu0 1 2 3 4", "cpu  1 2 x", "intr 1\n"}) {
    EXPECT_FALSE(parse_stat(text)) << text;
  }
}

TEST(Stat, SharesAreOfTheTimeInBetweenAndIowaitIsNotBusy) {
  const CpuTicks before{100, 50, 1000, 20, 0, 2};
  const CpuTicks now{160, 70, 1100, 30, 10, 2};
  CpuReading out;
  fill_cpu(now, nullptr, 100, out);
  EXPECT_FALSE(out.busy);
  EXPECT_EQ(out.busy_total, milliseconds(2400));
  EXPECT_EQ(out.idle_total, milliseconds(11300));
  fill_cpu(now, &before, 100, out);
  EXPECT_DOUBLE_EQ(out.busy->value(), 0.45);
  EXPECT_DOUBLE_EQ(out.user->value(), 0.30);
  EXPECT_DOUBLE_EQ(out.system->value(), 0.10);
  EXPECT_DOUBLE_EQ(out.iowait->value(), 0.05);
  EXPECT_DOUBLE_EQ(out.steal->value(), 0.05);
}

TEST(Stat, TimeThatStepsBackIsNoTime) {
  const CpuTicks before{100, 50, 1000, 20, 0, 2};
  const CpuTicks now{200, 50, 1000, 5, 0, 2};
  CpuReading out;
  fill_cpu(now, &before, 100, out);
  EXPECT_DOUBLE_EQ(out.busy->value(), 1.0);
  EXPECT_DOUBLE_EQ(out.iowait->value(), 0.0);
}

TEST(Stat, HugeNumbersSaturate) {
  const auto ticks = parse_stat("cpu  99999999999999999999999 18446744073709551615 1 1 1");
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->user, ~0ULL);
  CpuReading out;
  fill_cpu(*ticks, nullptr, 100, out);
  EXPECT_EQ(out.busy_total, std::chrono::nanoseconds::max());
}

TEST(Loadavg, ReadsThreeLoads) {
  const auto load = parse_loadavg("3.50 2.25 1.07 2/700 4711\n");
  ASSERT_TRUE(load);
  EXPECT_DOUBLE_EQ((*load)[0], 3.5);
  EXPECT_DOUBLE_EQ((*load)[2], 1.07);
  for (const std::string_view text : {"", "1.00 2.00", "1.0 2.0 3.0", "x"})
    EXPECT_FALSE(parse_loadavg(text)) << text;
}

}  // namespace
}  // namespace headroom::sense
