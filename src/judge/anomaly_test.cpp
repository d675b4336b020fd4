#include "judge/anomaly.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;

// A series that lives on both clocks, from an arbitrary noon on.
class Feed {
 public:
  explicit Feed(std::chrono::nanoseconds period = 5min) : period_(period) {}
  AnomalyVerdict operator()(double value) {
    const AnomalyVerdict verdict = anomaly.update(now, value);
    pass(period_);
    if (verdict.alert) ++alerts;
    return verdict;
  }
  void pass(std::chrono::nanoseconds time) {
    now.boot += time;
    now.wall += time;
  }
  Anomaly anomaly;
  Instant now{BootTime(1h), WallTime(std::chrono::hours(12 + 24 * 20000))};
  int alerts = 0;

 private:
  std::chrono::nanoseconds period_;
};

double noise(std::mt19937& random) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) / 4294967296.0;
  return sum - 6;  // nearly normal, the same with every library
}

TEST(Anomaly, TellsASpikeAboveANoisyLevel) {
  std::mt19937 random(1);
  Feed feed;
  for (int i = 0; i < 1000; ++i) feed(50 + noise(random));
  const int before = feed.alerts;
  const AnomalyVerdict verdict = feed(80);
  EXPECT_GT(verdict.score, 0.6);
  EXPECT_TRUE(verdict.alert);
  EXPECT_EQ(verdict.reason, AnomalyReason::spike);
  EXPECT_LE(before, 1);
}

}  // namespace
}  // namespace headroom::judge
