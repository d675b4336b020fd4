#include "judge/rarity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace headroom::judge {
namespace {

double uniform(std::mt19937& random) { return static_cast<double>(random()) / 4294967296.0; }

double noise(std::mt19937& random) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += uniform(random);
  return sum - 6;  // nearly normal, the same with every library
}

TEST(MagnitudeHistogram, RarerIsMoreSurprising) {
  MagnitudeHistogram histogram;
  std::mt19937 random(23);
  EXPECT_EQ(histogram.surprise(5), 0);
  for (int i = 0; i < 5000; ++i) histogram.add(std::abs(noise(random)));
  double last = 0;
  for (double magnitude = 0.1; magnitude < 100; magnitude *= 1.1) {
    // Where the tail takes over from the rank it may begin a step of log10(2) lower.
    EXPECT_GE(histogram.surprise(magnitude), last - 0.3) << magnitude;
    last = histogram.surprise(magnitude);
  }
  EXPECT_NEAR(histogram.surprise(1.96), -std::log10(0.05), 0.15);
  EXPECT_NEAR(histogram.exceeded_by(0.05), 1.96, 0.2);
  EXPECT_TRUE(histogram.valid());
}

TEST(MagnitudeHistogram, ForgetsWhatWasLongAgoAndFollowsTheScale) {
  MagnitudeHistogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.add(1e-6 * (1 + i % 7));
  for (int i = 0; i < 40000; ++i) histogram.add(1e6 * (1 + i % 7));
  EXPECT_GT(histogram.exceeded_by(0.9), 5e5);
  EXPECT_TRUE(histogram.valid());
}

TEST(NoveltyHistogram, AGapBetweenTwoCommonValuesIsNew) {
  NoveltyHistogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.add(NoveltyHistogram::place_of(i % 2 ? 0 : 100, 1));
  EXPECT_GT(histogram.surprise(NoveltyHistogram::place_of(10, 1)), 2.5);
  EXPECT_LT(histogram.surprise(NoveltyHistogram::place_of(100, 1)), 0.5);
}

}  // namespace
}  // namespace headroom::judge
