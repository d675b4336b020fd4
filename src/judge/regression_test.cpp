#include "judge/regression.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace headroom::judge {
namespace {

TEST(Regression, FindsTheWeightsThroughSpikes) {
  Regression<3> regression;
  for (int i = 0; i < 2000; ++i) {
    const Regression<3>::Features x = {static_cast<float>(i % 7) / 7, static_cast<float>(i % 5) / 5,
                                       1};
    const double spike = i % 11 == 0 ? 8 : 0;
    regression.learn(x, 2 * x[0] - x[1] + 0.5 + spike);
  }
  EXPECT_NEAR(regression.predict({1, 0, 0}), 2, 0.1);
  EXPECT_NEAR(regression.predict({0, 1, 0}), -1, 0.1);
  EXPECT_NEAR(regression.predict({0, 0, 1}), 0.5, 0.15);
}

TEST(Regression, BearsFeaturesThatAreAlikeOrNothing) {
  Regression<4> regression;
  for (int i = 0; i < 20000; ++i) {
    const auto x = static_cast<float>(i % 10);
    regression.learn({x, x, 0, x}, x);
    ASSERT_TRUE(regression.sound());
  }
  EXPECT_NEAR(regression.predict({5, 5, 0, 5}), 5, 0.05);
}

TEST(Regression, LearnsNothingFromWhatIsNotANumber) {
  Regression<2> regression;
  regression.learn({1, 2}, std::numeric_limits<double>::quiet_NaN());
  regression.learn({std::numeric_limits<float>::infinity(), 2}, 1);
  EXPECT_EQ(regression.predict({1, 1}), 0);
  EXPECT_TRUE(regression.sound());
}

}  // namespace
}  // namespace headroom::judge
