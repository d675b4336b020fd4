#include "judge/float24.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

namespace headroom::judge {
namespace {

TEST(Float24, IsNearAndNeverLessWhereThatIsAsked) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> power(-37, 37);
  for (int i = 0; i < 100000; ++i) {
    const float x = std::pow(10.0F, power(random));
    const float most = x / 65536;
    ASSERT_NEAR(Float24(x), x, most);
    ASSERT_NEAR(Float24(-x), -x, most);
    ASSERT_GE(Float24::at_least(x), x);
    ASSERT_NEAR(Float24::at_least(x), x, 2 * most);
  }
}

TEST(Float24, KeepsWhatItHolds) {
  for (const float x : {0.0F, 1.0F, -3.0F, 1.0F / 32768, 65535.0F, 0x1.fffep127F}) {
    EXPECT_EQ(Float24(x), x);
    EXPECT_EQ(Float24::at_least(std::abs(x)), std::abs(x));
  }
  static_assert(sizeof(Float24) == 3 && alignof(Float24) == 1);
}

}  // namespace
}  // namespace headroom::judge
