#include "decide/cover.hpp"

#include <random>

#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

constexpr std::uint32_t kEnough = 1'000'000;

struct Best {
  std::int64_t cost = INT64_MAX;
  std::int64_t tie = INT64_MAX;
};

Best by_trying_all(const std::vector<CoverItem>& items, std::int64_t need) {
  Best best;
  for (std::size_t set = 0; set < (std::size_t{1} << items.size()); ++set) {
    std::int64_t bytes = 0, cost = 0, tie = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if ((set >> i & 1) == 0) continue;
      bytes += items[i].bytes;
      cost += items[i].cost;
      tie += items[i].tie;
    }
    if (bytes < need) continue;
    if (cost < best.cost || (cost == best.cost && tie < best.tie)) best = {cost, tie};
  }
  return best;
}

std::vector<CoverItem> drawn(std::mt19937_64& random, std::size_t count, std::int64_t most_cost) {
  std::vector<CoverItem> items;
  for (std::size_t i = 0; i < count; ++i) {
    items.push_back({static_cast<std::int64_t>(random() % 30) + 1,
                     static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most_cost)),
                     static_cast<std::int64_t>(i) + 1});
  }
  return items;
}

TEST(Cover, IsTheCheapestOfAllSetsThenTheLeastTie) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto items = drawn(random, 1 + round % 11, round % 2 == 0 ? 4 : 1000);
    const auto need = static_cast<std::int64_t>(random() % 120) + 1;
    const Cover cover = cheapest_cover(items, need, kEnough);
    const Best best = by_trying_all(items, need);
    if (best.cost == INT64_MAX) {
      EXPECT_TRUE(cover.chosen.empty());
      continue;
    }
    std::int64_t tie = 0;
    for (const std::size_t item : cover.chosen) tie += items[item].tie;
    ASSERT_TRUE(cover.exact);
    ASSERT_EQ(cover.cost, best.cost) << "round " << round;
    ASSERT_EQ(tie, best.tie) << "round " << round;
    ASSERT_GE(cover.bytes, need);
  }
}

TEST(Cover, WithoutASearchCostsAtMostTwiceTheLeastAndHoldsNothingNeedless) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    const auto items = drawn(random, 1 + round % 11, 1000);
    const auto need = static_cast<std::int64_t>(random() % 120) + 1;
    const Cover cover = cheapest_cover(items, need, 1);
    const Best best = by_trying_all(items, need);
    if (best.cost == INT64_MAX) continue;
    ASSERT_FALSE(cover.exact);
    ASSERT_GE(cover.bytes, need);
    ASSERT_LE(cover.cost, 2 * best.cost + 1) << "round " << round;
    for (const std::size_t item : cover.chosen) {
      ASSERT_LT(cover.bytes - items[item].bytes, need) << "round " << round;
    }
  }
}

TEST(Cover, HoldsItsBoundOfWorkAndItsNumbersAtTheEndOfTheirRanges) {
  std::vector<CoverItem> items(
      kMostItems, {kMostItemBytes, kMostItemCost, static_cast<std::int64_t>(kMostItems)});
  const std::int64_t half = kMostItemBytes * static_cast<std::int64_t>(kMostItems / 2);
  const Cover cover = cheapest_cover(items, half, 500);
  EXPECT_LE(cover.steps, 500U);
  EXPECT_EQ(cover.chosen.size(), kMostItems / 2);
  EXPECT_EQ(cover.cost, kMostItemCost * static_cast<std::int64_t>(kMostItems / 2));
  EXPECT_TRUE(cheapest_cover(items, INT64_MAX, 500).chosen.empty());
  EXPECT_TRUE(cheapest_cover({}, 1, 500).chosen.empty());
  EXPECT_TRUE(cheapest_cover(items, 0, 500).chosen.empty());
}

}  // namespace
}  // namespace headroom::decide
