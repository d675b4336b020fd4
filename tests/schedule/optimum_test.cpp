#include "optimum.hpp"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "random.hpp"

namespace headroom::schedule {
namespace {

// Every order on every choice of devices, each job placed as early as it goes beside those before
// it: one of them is optimal.
std::int64_t by_brute_force(const Instance& instance) {
  const auto& jobs = instance.jobs;
  const std::size_t devices = std::max<std::size_t>(1, instance.box.gpus.size());
  std::size_t choices = 1;
  for (std::size_t i = 0; i < jobs.size(); ++i) choices *= devices;
  std::int64_t best = INT64_MAX;
  for (std::size_t choice = 0; choice < choices; ++choice) {
    std::vector<std::size_t> on;
    for (std::size_t i = 0, rest = choice; i < jobs.size(); ++i, rest /= devices) {
      on.push_back(rest % devices);
    }
    std::vector<int> order(jobs.size());
    std::iota(order.begin(), order.end(), 0);
    do {
      std::vector<std::int64_t> starts(order.size(), -1);
      std::int64_t last = 0;
      for (const int index : order) {
        const auto i = static_cast<std::size_t>(index);
        for (std::int64_t at = 0; starts[i] < 0 && at < best; ++at) {
          bool fits = true;
          for (std::int64_t t = at; t < at + jobs[i].seconds && fits; ++t) {
            std::int64_t memory = jobs[i].memory;
            std::int64_t gpu = jobs[i].gpu;
            for (std::size_t j = 0; j < starts.size(); ++j) {
              if (starts[j] < 0 || starts[j] > t || t >= starts[j] + jobs[j].seconds) continue;
              memory += jobs[j].memory;
              if (on[j] == on[i]) gpu += jobs[j].gpu;
            }
            fits = memory <= instance.box.memory &&
                   (jobs[i].gpu == 0 || gpu <= instance.box.gpus[on[i]]);
          }
          if (fits) starts[i] = at;
        }
        if (starts[i] < 0) last = INT64_MAX;  // it is too large for the device, or too late
        if (starts[i] < 0) break;
        last = std::max(last, starts[i] + jobs[i].seconds);
      }
      best = std::min(best, last);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  return best;
}

TEST(Optimum, IsThatOfAllOrders) {
  simulate::Random random(5);
  for (int round = 0; round < 30; ++round) {
    Instance instance;
    instance.box.memory = 20;
    instance.box.cores = 8;
    for (int i = 0; i < 6; ++i) {
      instance.jobs.push_back({random.between(2, 14), 0, 0, random.between(1, 9)});
    }
    const Optimum best = optimum(instance);
    ASSERT_TRUE(best.proven());
    EXPECT_EQ(best.seconds, by_brute_force(instance)) << "round " << round;
    EXPECT_STREQ(wrong(instance, best.starts, best.gpus), "");
    EXPECT_LE(lower_bound(instance), best.seconds);
  }
}

// The bound is what everything is compared with: one that is too high would hide a slow queue.
TEST(Optimum, NoBoundIsAboveTheBestOfAllOrdersOnDevices) {
  simulate::Random random(6);
  std::size_t met = 0;
  for (int round = 0; round < 60; ++round) {
    Instance instance;
    instance.box = {20, 8, {12, round % 2 == 0 ? 12 : 6}};
    for (int i = 0; i < 5; ++i) {
      const bool on_device = random.percent(80);
      instance.jobs.push_back({random.between(1, on_device ? 6 : 14),
                               on_device ? random.between(2, 11) : 0, 0, random.between(1, 9)});
    }
    const std::int64_t best = by_brute_force(instance);
    EXPECT_LE(lower_bound(instance), best) << "round " << round;
    EXPECT_EQ(optimum(instance).seconds, best) << "round " << round;
    met += lower_bound(instance) == best ? 1 : 0;
  }
  EXPECT_GT(met, 30U);  // nor is it far below
}

TEST(Optimum, IsAScheduleOnEveryMachine) {
  for (const Family family : kFamilies) {
    for (const Kind kind : kKinds) {
      for (const std::uint64_t seed : {1, 2}) {
        const Instance instance = make_instance(family, kind, 8, seed);
        const Optimum best = optimum(instance);
        ASSERT_TRUE(best.proven());
        EXPECT_STREQ(wrong(instance, best.starts, best.gpus), "");
        EXPECT_LE(lower_bound(instance), best.seconds);
        std::int64_t last = 0;
        for (std::size_t i = 0; i < best.starts.size(); ++i) {
          last = std::max(last, best.starts[i] + instance.jobs[i].seconds);
        }
        EXPECT_EQ(last, best.seconds);
      }
    }
  }
}

TEST(Optimum, AJobThatIsLargerThanTheRestAloneIsWaitedFor) {
  Instance instance;
  instance.box = {10, 4, {}};
  instance.jobs = {{10, 0, 0, 5}, {6, 0, 0, 3}, {6, 0, 0, 4}};
  EXPECT_EQ(lower_bound(instance), 12);
  EXPECT_EQ(optimum(instance).seconds, 12);
}

}  // namespace
}  // namespace headroom::schedule
