#include "demo/optimum.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace headroom::demo {
namespace {

Instance small_instance() {
  return *parse_instance("limit 100\njob a 60 2 1\njob b 30 4 1\njob c 60 2 1  # behind a\n");
}

long nothing(std::size_t) { return 0; }

TEST(DemoInstance, IsOneThatCannotRunAllAtOnceAndIsNotDegenerate) {
  const auto instance = built_in_instance();
  ASSERT_TRUE(instance) << instance.error().what << ": " << instance.error().why;
  EXPECT_EQ(instance->jobs.size(), 24u);
  int together = 0;
  std::vector<int> sizes;
  for (const Job& job : instance->jobs) {
    together += job.memory_mib;
    sizes.push_back(job.memory_mib);
    EXPECT_LE(job.name.size(), 13u) << job.name << " does not fit into its cell";
    EXPECT_LE(job.checkpoint, job.seconds) << job.name;
  }
  EXPECT_GE(together, 3 * instance->limit_mib);
  EXPECT_LE(together, 5 * instance->limit_mib);
  std::sort(sizes.begin(), sizes.end());
  EXPECT_GE(sizes.back(), 8 * sizes.front());
}

TEST(DemoInstance, RefusesWhatItCannotReadWithTheLineNumber) {
  for (const char* text :
       {"", "limit none\n", "limit 100\njob a 10 1\n", "limit 100\njob a 10 1 1 1\n",
        "limit 100\njob a 94 1 1\n", "limit 100\njob a 10 0 1\n", "job a 10 1 1\n",
        "limit 100\njob a 10 1 1\njob a 10 1 1\n", "limit 100\nrun a\n"}) {
    EXPECT_FALSE(parse_instance(text)) << text;
  }
  EXPECT_EQ(parse_instance("limit 100\n\njob a\n").error().what.substr(0, 6), "line 3");
}

TEST(DemoOptimum, IsFeasibleAndEndsAtTheLowerBound) {
  const auto instance = built_in_instance();
  ASSERT_TRUE(instance);
  const auto optimum = certified_optimum(*instance);
  ASSERT_TRUE(optimum) << optimum.error().what << ": " << optimum.error().why;
  EXPECT_EQ(optimum->usable_mib, usable_mib(instance->limit_mib));
  EXPECT_EQ(optimum->makespan, lower_bound_seconds(*instance, optimum->usable_mib));
}

TEST(DemoOptimum, TheCheckRefusesEveryKindOfWrongSchedule) {
  const Instance instance = small_instance();
  // Area 60·2 + 30·4 + 60·2 = 360 over 93 MiB: at least 4 s.
  EXPECT_EQ(lower_bound_seconds(instance, 93), 4);
  EXPECT_TRUE(check_certificate(instance, {93, 4, {0, 0, 2}}));
  EXPECT_FALSE(check_certificate(instance, {93, 4, {0, 0, 1}})) << "a and c overlap";
  EXPECT_FALSE(check_certificate(instance, {93, 5, {0, 0, 3}})) << "longer than the bound";
  EXPECT_FALSE(check_certificate(instance, {93, 4, {0, 0, 3}})) << "ends later than it says";
  EXPECT_FALSE(check_certificate(instance, {93, 4, {-1, 0, 2}})) << "before the beginning";
  EXPECT_FALSE(check_certificate(instance, {100, 4, {0, 0, 2}})) << "more than usable";
  EXPECT_FALSE(check_certificate(instance, {93, 4, {0, 0}})) << "a job is missing";
}

TEST(DemoOptimum, TheBoundIsTheLongestJobWhereThatIsLarger) {
  EXPECT_EQ(lower_bound_seconds(*parse_instance("limit 100\njob a 1 9 1\njob b 80 2 1\n"), 93), 9);
}

TEST(DemoOptimum, AScheduleNamesEveryJobOnce) {
  const Instance instance = small_instance();
  const std::string head = "usable 93\nmakespan 4\nstart a 0\nstart b 0\n";
  EXPECT_TRUE(parse_schedule(instance, head + "start c 2\n"));
  EXPECT_FALSE(parse_schedule(instance, head));
  EXPECT_FALSE(parse_schedule(instance, head + "start c 2\nstart c 3\n"));
  EXPECT_FALSE(parse_schedule(instance, head + "start d 2\n"));
  EXPECT_FALSE(parse_schedule(instance, head + "start c -1\n"));
}

TEST(DemoBackfill, FillsGapsAndNeverDelaysTheHead) {
  // a runs, big waits for it; quick ends before that, and slow would delay big.
  const Instance gap = *parse_instance(
      "limit 100\njob a 50 4 1\njob big 90 2 1\njob slow 40 9 1\njob quick 40 4 1\n");
  EXPECT_EQ(simulate_backfill(gap, 93, nothing), 15000);  // a and quick, big, slow
  // slow fits beside the head when that starts, so it may run at once.
  const Instance beside =
      *parse_instance("limit 100\njob a 50 4 1\njob big 50 2 1\njob slow 40 9 1\n");
  EXPECT_EQ(simulate_backfill(beside, 93, nothing), 9000);
}

TEST(DemoBackfill, ComesCloseToTheOptimumAlsoWithRealOverheads) {
  const auto instance = built_in_instance();
  ASSERT_TRUE(instance);
  const auto optimum = certified_optimum(*instance);
  ASSERT_TRUE(optimum);
  const double best_ms = optimum->makespan * 1000.0;
  EXPECT_LE(static_cast<double>(simulate_backfill(*instance, optimum->usable_mib, nothing)),
            1.05 * best_ms);
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<long> overhead(instance->jobs.size());
    for (long& each : overhead) each = std::uniform_int_distribution<long>(10, 100)(random);
    // And with a little less memory, as when the daemon itself takes more than the reserve.
    const double time_ms =
        static_cast<double>(simulate_backfill(*instance, optimum->usable_mib - round % 4 * 10,
                                              [&](std::size_t i) { return overhead[i]; }));
    EXPECT_LE(time_ms, 1.06 * best_ms) << "round " << round;
  }
}

}  // namespace
}  // namespace headroom::demo
