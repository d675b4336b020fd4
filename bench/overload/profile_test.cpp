#include "overload/profile.hpp"

#include <gmock/gmock.h>

namespace headroom::arena {
namespace {

TEST(Profile, IsReadFromTheCommandLine) {
  const auto profile =
      parse_profile({"--report", "r", "--work", "2.5", "--memory", "0:0,1:100,1:300", "--touch",
                     "7", "--cpu", "5", "--checkpoint", "0.5", "--children", "3"});
  ASSERT_TRUE(profile) << profile.error().why;
  EXPECT_EQ(profile->work_ms, 2500);
  EXPECT_THAT(profile->memory,
              testing::ElementsAre(Point{0, 0}, Point{1000, 100}, Point{1000, 300}));
  EXPECT_EQ(profile->touch_mib_s, 7);
  EXPECT_EQ(profile->checkpoint_ms, 500);
  EXPECT_EQ(profile->children, 3);
}

TEST(Profile, WithAMistakeIsRefusedWithTheWord) {
  for (const char* memory :
       {"", "0", "0:", "0:x", "0:-1", "2:1,1:1", "0:1;1:1", "nan:1", "1e9:1", "0:99999999"}) {
    const auto profile = parse_profile({"--report", "r", "--work", "1", "--memory", memory});
    ASSERT_FALSE(profile) << memory;
    EXPECT_THAT(profile.error().why, testing::HasSubstr("--memory"));
  }
  EXPECT_FALSE(parse_profile({}));
  EXPECT_FALSE(parse_profile({"--work"}));
  EXPECT_FALSE(parse_profile({"--report", "r", "--work", "1"}));
  EXPECT_FALSE(parse_profile({"--report", "r", "--memory", "0:1"}));
  EXPECT_FALSE(parse_profile({"--report", "r", "--memory", "0:1", "--work", "1", "--serve", "2"}));
}

TEST(Profile, HoldsWhatLiesBetweenItsPoints) {
  Profile profile;
  profile.memory = {{0, 0}, {1000, 100}, {2000, 100}, {2000, 300}, {3000, 0}};
  EXPECT_EQ(held_at(profile, 0), 0);
  EXPECT_EQ(held_at(profile, 500), 50);
  EXPECT_EQ(held_at(profile, 1999), 100);
  EXPECT_EQ(held_at(profile, 2000), 300);
  EXPECT_EQ(held_at(profile, 2500), 150);
  EXPECT_EQ(held_at(profile, 9000), 0);
  profile.memory = {{500, 40}};
  EXPECT_EQ(held_at(profile, 0), 40);
}

TEST(Report, IsReadAsItWasWritten) {
  const Report report{2, 12300, 12000, 140, 150, 77, true};
  Report read;
  ASSERT_TRUE(parse_report(format_report(report), read));
  EXPECT_EQ(read, report);
  EXPECT_EQ(format_report(report).size(), format_report({}).size());
}

TEST(Report, ThatIsNoneLeavesWhatWasThere) {
  const std::string whole = format_report({1, 2, 3, 4, 5, 6, false});
  Report report{9, 9, 9, 9, 9, 9, true};
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(parse_report(whole.substr(0, length), report)) << length;
  }
  EXPECT_FALSE(parse_report(whole + whole, report));
  EXPECT_FALSE(parse_report("1 2 3 4 5 -6 0\n", report));
  EXPECT_EQ(report.attempt, 9);
}

}  // namespace
}  // namespace headroom::arena
