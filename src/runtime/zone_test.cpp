#include "runtime/zone.hpp"

#include <cstdlib>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace headroom::runtime {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;

/// The zone of this process, put back at the end.
class Zone : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const char* set = std::getenv("TZ")) before_ = set;
  }
  void TearDown() override {
    if (before_) {
      setenv("TZ", before_->c_str(), 1);
    } else {
      unsetenv("TZ");
    }
  }
  static ZoneRules in(const char* zone, std::int64_t at) {
    setenv("TZ", zone, 1);
    return read_zone(WallTime(seconds(at)));
  }

 private:
  std::optional<std::string> before_;
};

// Rules in the notation of POSIX, so that no file of zones is needed.
constexpr const char* kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3";
constexpr const char* kSydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
constexpr std::int64_t kJanuary2026 = 1'767'225'600;

TEST_F(Zone, HasTheChangesOfTwoYears) {
  const ZoneRules rules = in(kBerlin, kJanuary2026);
  EXPECT_EQ(rules.before, hours(1));
  ASSERT_EQ(rules.changes.size(), 4U);
  EXPECT_EQ(rules.changes[0].from, sys_seconds(seconds(1'774'746'000)));  // 29 March, 01:00 UTC
  EXPECT_EQ(rules.changes[0].offset, hours(2));
  EXPECT_EQ(rules.changes[1].from, sys_seconds(seconds(1'792'890'000)));  // 25 October, 01:00 UTC
  EXPECT_EQ(rules.changes[1].offset, hours(1));
}

TEST_F(Zone, InTheSouthSummerIsInJanuary) {
  const ZoneRules rules = in(kSydney, kJanuary2026);
  EXPECT_EQ(rules.before, hours(11));
  ASSERT_GE(rules.changes.size(), 2U);
  EXPECT_EQ(rules.changes[0].offset, hours(10));
}

TEST_F(Zone, WithoutChangesThereIsOnlyAnOffset) {
  const ZoneRules rules = in("IST-5:30", kJanuary2026);
  EXPECT_EQ(rules.before, std::chrono::minutes(330));
  EXPECT_TRUE(rules.changes.empty());
  EXPECT_EQ(rules.name, "IST");
}

}  // namespace
}  // namespace headroom::runtime
