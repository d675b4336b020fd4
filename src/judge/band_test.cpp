#include "judge/band.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace headroom::judge {
namespace {

TEST(Band, PutsFivePercentBeyondEachLineOfALopsidedError) {
  Band band;
  double beyond_low = 0;
  double beyond_high = 0;
  for (int i = 0; i < 20000; ++i) {
    const double u = std::fmod(i * 0.6180339887498949, 1);
    const double error = u < 0.5 ? -u : 10 * (u - 0.5) * u;
    const double below = band.below();
    const double above = band.above();
    if (i >= 1000) {
      beyond_low += error < -below ? 1 : 0;
      beyond_high += error > above ? 1 : 0;
    }
    band.learn(error, below, above);
  }
  EXPECT_NEAR(beyond_low / 19000, 0.05, 0.005);
  EXPECT_NEAR(beyond_high / 19000, 0.05, 0.005);
  EXPECT_GT(band.above(), 2 * band.below());
}

TEST(Band, StaysWithinBoundsWhateverComes) {
  Band band;
  for (int i = 0; i < 10000; ++i) {
    const double error = i % 3 == 0 ? 1e308 : i % 3 == 1 ? 0 : -1e-300;
    band.learn(error, band.below(), band.above());
    ASSERT_TRUE(band.sound());
  }
}

}  // namespace
}  // namespace headroom::judge
