#include "sense/stat.hpp"

#include <string>

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
  std::vector<CoreTicks> cores;
  const auto ticks = parse_stat(kStat, cores);
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->user, 1200u);
  EXPECT_EQ(ticks->system, 330u);
  EXPECT_EQ(ticks->idle, 8000u);
  EXPECT_EQ(ticks->iowait, 500u);
  EXPECT_EQ(ticks->steal, 30u);
  EXPECT_EQ(ticks->cores, 2);
  ASSERT_EQ(cores.size(), 2u);
  EXPECT_EQ(cores[1].number, 1);
  EXPECT_EQ(cores[1].busy, 780u);
  EXPECT_EQ(cores[1].idle, 4000u);
  EXPECT_EQ(cores[1].iowait, 250u);
  EXPECT_EQ(cores[1].steal, 15u);
}

TEST(Stat, ProcessorsThatAreOfflineLeaveGapsAndLinesThatAreNoneAreLeftOut) {
  std::vector<CoreTicks> cores{{9, 1, 1, 1, 1}};
  const auto ticks = parse_stat(
      "cpu  1 2 3 4\ncpu0 1 2 3 4 5\ncpu2 1 2 3 4 5\ncpu64 1 2 3\ncpux 1 2 3 4 5\n"
      "cpu1 1 2 3 4 5\ncpu99999999999999999999 1 2 3 4 5\ncpu4095 1 2 3 4 5\nintr 5\ncpu7 1 2 3 "
      "4\n",
      cores);
  ASSERT_TRUE(ticks);
  ASSERT_EQ(cores.size(), 3u);
  EXPECT_EQ(cores[0].number, 0);
  EXPECT_EQ(cores[1].number, 2);
  EXPECT_EQ(cores[2].number, 4095);
}

TEST(Stat, NoMoreProcessorsAreToldThanTheBound) {
  std::string text = "cpu  1 2 3 4 5 6 7 8\n";
  for (int i = 0; i < 5000; ++i) text += "cpu" + std::to_string(i) + " 1 2 3 4 5 6 7 8 9 10\n";
  std::vector<CoreTicks> cores;
  const auto ticks = parse_stat(text, cores);
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->cores, 5000);
  EXPECT_EQ(cores.size(), kMostCores);
}

TEST(Stat, AProcessorThatComesHasNoShareYetAndOneThatGoesIsLeftOut) {
  std::vector<CoreReading> out;
  const std::vector<CoreTicks> first{{0, 100, 900, 0, 0}, {3, 50, 950, 0, 0}};
  const std::vector<CoreTicks> second{{0, 150, 950, 0, 0}, {2, 7, 0, 0, 0}, {3, 50, 1000, 50, 0}};
  const std::vector<CoreTicks> third{{2, 107, 100, 0, 50}, {3, 150, 900, 40, 0}};
  fill_cores(first, nullptr, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].number, 3);
  EXPECT_FALSE(out[0].busy);
  fill_cores(second, &first, out);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_DOUBLE_EQ(out[0].busy->value(), 0.5);
  EXPECT_FALSE(out[1].busy || out[1].iowait || out[1].steal);
  EXPECT_DOUBLE_EQ(out[2].busy->value(), 0.0);
  EXPECT_DOUBLE_EQ(out[2].iowait->value(), 0.5);
  fill_cores(second, &second, out);  // no tick has passed
  EXPECT_DOUBLE_EQ(out[0].busy->value(), 0.5);
  fill_cores(third, &second, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_DOUBLE_EQ(out[0].busy->value(), 0.5);
  EXPECT_DOUBLE_EQ(out[0].steal->value(), 0.25);
  EXPECT_DOUBLE_EQ(out[1].busy->value(), 1.0);  // its idle time and iowait stepped back
  EXPECT_DOUBLE_EQ(out[1].iowait->value(), 0.0);
}

TEST(Stat, BetweenTwoStretchesOfTimeTheSharesOfThoseThatStayAreKept) {
  std::vector<CoreReading> out;
  const std::vector<CoreTicks> first{{0, 100, 900, 0, 0}, {1, 50, 950, 0, 0}};
  const std::vector<CoreTicks> second{{0, 150, 950, 0, 0}, {1, 100, 1000, 0, 0}};
  fill_cores(second, &first, out);
  fill_cores({{1, 100, 1000, 0, 0}, {5, 1, 1, 1, 1}}, nullptr, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_DOUBLE_EQ(out[0].busy->value(), 0.5);
  EXPECT_EQ(out[1].number, 5);
  EXPECT_FALSE(out[1].busy);
}

TEST(Stat, TakesOldKernelsThatKnowFourKindsOnly) {
  std::vector<CoreTicks> cores;
  const auto ticks = parse_stat("cpu  1 2 3 4", cores);
  ASSERT_TRUE(ticks);
  EXPECT_EQ(ticks->user, 3u);
  EXPECT_EQ(ticks->iowait, 0u);
  EXPECT_EQ(ticks->cores, 0);
}

TEST(Stat, RefusesWhatIsNoStat) {
  for (const std::string_view text :
       {"", "cpu", "cpu ", "cpu0 1 2 3 4", "cpu  1 2 x", "intr 1\n"}) {
    std::vector<CoreTicks> cores;
    EXPECT_FALSE(parse_stat(text, cores)) << text;
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
  EXPECT_EQ(out.user_total, milliseconds(1600));
  EXPECT_EQ(out.system_total, milliseconds(700));
  EXPECT_EQ(out.iowait_total, milliseconds(300));
  EXPECT_EQ(out.steal_total, milliseconds(100));
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
  std::vector<CoreTicks> cores;
  const auto ticks = parse_stat("cpu  99999999999999999999999 18446744073709551615 1 1 1", cores);
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
