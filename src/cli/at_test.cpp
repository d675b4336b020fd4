#include "cli/at.hpp"

#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>

namespace headroom::cli {
namespace {

// A zone of its own for a test; no file of the machine is needed for this form.
class At : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const char* zone = std::getenv("TZ")) before_ = zone;
    set("CET-1CEST,M3.5.0/2,M10.5.0/3");
  }
  void TearDown() override {
    if (before_.empty()) {
      unsetenv("TZ");
      tzset();
    } else {
      set(before_.c_str());
    }
  }
  static void set(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  // 2026-11-22 10:00 in that zone.
  static constexpr std::int64_t kNow = 1795338000;
  static std::string read(const std::string& text, std::int64_t now = kNow) {
    const auto at = parse_at(text, now);
    return at ? at_text(*at) : "refused";
  }

 private:
  std::string before_;
};

TEST_F(At, ReadsEveryFormThatItNames) {
  ASSERT_EQ(at_text(kNow), "2026-11-22T09:00:00Z");
  const std::pair<const char*, const char*> table[] = {
      {"11:30", "2026-11-22T10:30:00Z"},
      {"8:00", "2026-11-23T07:00:00Z"},
      {"08:00", "2026-11-23T07:00:00Z"},
      {"10:00", "2026-11-23T09:00:00Z"},  // now is not next
      {"10:00:01", "2026-11-22T09:00:01Z"},
      {"2026-11-23 08:00", "2026-11-23T07:00:00Z"},
      {"2026-11-23T08:00", "2026-11-23T07:00:00Z"},
      {"2026-11-23 08:00:30", "2026-11-23T07:00:30Z"},
      {"2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z"},
      {"2026-11-23T08:00:00.250Z", "2026-11-23T08:00:00Z"},
      {"2026-11-23T08:00:00-05:30", "2026-11-23T13:30:00Z"},
      {"2026-11-23t08:00:00+01:00", "2026-11-23T07:00:00Z"},
      {"+2h", "2026-11-22T11:00:00Z"},
      {"in 90s", "2026-11-22T09:01:30Z"},
      {"in 1h30m", "2026-11-22T10:30:00Z"},
      {"2027-02-28 00:00", "2027-02-27T23:00:00Z"},
  };
  for (const auto& [text, at] : table) EXPECT_EQ(read(text), at) << text;
}

TEST_F(At, SaysWhatIsWrongAndWhatHelps) {
  const std::pair<const char*, const char*> table[] = {
      {"", "no time of a day"},
      {"tomorrow", "no time of a day"},
      {"24:00", "no time of a day"},
      {"08:60", "no time of a day"},
      {"0800", "no time of a day"},
      {"08:00x", "no time of a day"},
      {"-2h", "no time of a day"},
      {"2026-11-23", "no time of a day"},
      {"2026-02-30 08:00", "no such day"},
      {"9999-01-01 08:00", "no such day"},
      {"2026-11-23T08:00:00+1", "no zone"},
      {"2026-11-23T08:00:00+99:00", "no zone"},
      {"2026-11-23T08:00:00Zulu", "after its zone"},
      {"2026-11-22 09:59", "passed"},
      {"2026-11-22T09:00:00Z", "passed"},
      {"+0s", "now"},
      {"+", "not a time"},
      {"in a while", "not a time"},
  };
  for (const auto& [text, why] : table) {
    const auto at = parse_at(text, kNow);
    ASSERT_FALSE(at) << text;
    EXPECT_EQ(at.error().kind, ErrorKind::invalid_request);
    EXPECT_NE(at.error().what.find("--at"), std::string::npos);
    EXPECT_NE(at.error().why.find(why), std::string::npos) << text << ": " << at.error().why;
    EXPECT_FALSE(at.error().help.empty());
  }
}

TEST_F(At, ATimeThatTheClocksGoForwardOverIsNoTimeOfThatDay) {
  // On 2027-03-28 02:00 to 03:00 is left out.
  const auto gap = parse_at("2027-03-28 02:30", kNow);
  ASSERT_FALSE(gap);
  EXPECT_NE(gap.error().why.find("go forward"), std::string::npos);
  EXPECT_EQ(read("2027-03-28 01:59"), "2027-03-28T00:59:00Z");
  EXPECT_EQ(read("2027-03-28 03:00"), "2027-03-28T01:00:00Z");
  // The next 02:30 is that of the day after: here at 01:30 of that night.
  EXPECT_EQ(read("02:30", 1806193800), "2027-03-29T00:30:00Z");
}

TEST_F(At, OfATimeThatTheClocksShowTwiceTheFirstThatIsStillToComeIsMeant) {
  // On 2027-10-31 02:00 to 03:00 is shown twice.
  EXPECT_EQ(read("2027-10-31 02:30"), "2027-10-31T00:30:00Z");
  // Between the two of them.
  EXPECT_EQ(read("2027-10-31 02:30", 1824944400), "2027-10-31T01:30:00Z");
  EXPECT_EQ(read("02:30", 1824944400), "2027-10-31T01:30:00Z");
  EXPECT_EQ(read("2027-10-31T02:30:00+01:00"), "2027-10-31T01:30:00Z");
}

}  // namespace
}  // namespace headroom::cli
