#include "optimum.hpp"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

#include "random.hpp"

namespace headroom::schedule {
namespace {

// Every order, each job placed as early as it goes beside those before it: one of them is optimal.
std::int64_t by_brute_force(const Instance& instance) {
  std::vector<int> order(instance.jobs.size());
  std::iota(order.begin(), order.end(), 0);
  std::int64_t best = INT64_MAX;
  do {
    std::vector<std::int64_t> starts(order.size(), -1);
    std::int64_t last = 0;
    for (const int index : order) {
      const auto i = static_cast<std::size_t>(index);
      for (std::int64_t at = 0; starts[i] < 0; ++at) {
        bool fits = true;
        for (std::int64_t t = at; t < at + instance.jobs[i].seconds && fits; ++t) {
          std::int64_t memory = instance.jobs[i].memory;
          for (std::size_t j = 0; j < starts.size(); ++j) {
            if (starts[j] >= 0 && starts[j] <= t && t < starts[j] + instance.jobs[j].seconds) {
              memory += instance.jobs[j].memory;
            }
          }
          fits = memory <= instance.box.memory;
        }
        if (fits) starts[i] = at;
      }
      last = std::max(last, starts[i] + instance.jobs[i].seconds);
    }
    best = std::min(best, last);
  } while (std::next_permutation(order.begin(), order.end()));
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
