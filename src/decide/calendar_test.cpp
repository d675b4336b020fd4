#include "decide/calendar.hpp"

#include <gmock/gmock.h>

namespace headroom::decide {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;
using testing::HasSubstr;

sys_seconds utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  return sys_days(std::chrono::year(year) / month / day) + hours(hour) + minutes(minute);
}
WallTime wall(sys_seconds at) { return WallTime(at); }

/// The rules of 2026, and of the turn of the year.
const ZoneRules kBerlin{
    "Europe/Berlin", 1h, {{utc(2026, 3, 29, 1), 2h}, {utc(2026, 10, 25, 1), 1h}}};
const ZoneRules kNewYork{
    "America/New_York", -5h, {{utc(2026, 3, 8, 7), -4h}, {utc(2026, 11, 1, 6), -5h}}};
/// Half an hour, and the other way round: summer is in January.
const ZoneRules kLordHowe{"Australia/Lord_Howe",
                          11h,
                          {{utc(2026, 4, 4, 15), 10h + 30min}, {utc(2026, 10, 3, 15, 30), 11h}}};
const ZoneRules kKathmandu{"Asia/Kathmandu", 5h + 45min, {}};

std::vector<During> during(std::string_view text) { return *parse_during(text); }
bool is(std::string_view text, sys_seconds at, const ZoneRules& zone = {}) {
  return is_during(during(text), wall(at), zone);
}
/// How long it is within the time of the week, from `begin` until `end`, minute by minute.
minutes inside(std::string_view text, sys_seconds begin, sys_seconds end, const ZoneRules& zone) {
  const auto all = during(text);
  minutes sum{0};
  for (sys_seconds at = begin; at < end; at += 1min)
    sum += is_during(all, wall(at), zone) ? 1min : 0min;
  return sum;
}

TEST(Calendar, ReadsDaysAndTimesAndSaysThemAgain) {
  const std::vector<std::pair<std::string, std::string>> rows{
      {"Mon-Fri 08:00-18:00", "Mon-Fri 08:00-18:00"},
      {"sat,SUN 00:00-24:00", "Sat,Sun 00:00-24:00"},
      {"Fri-Mon 22:00-06:00", "Mon,Fri-Sun 22:00-06:00"},
      {"08:00-18:00", "daily 08:00-18:00"},
      {"daily 22:00-06:00", "daily 22:00-06:00"},
      {"Mon-Sun 01:02-03:04", "daily 01:02-03:04"},
      {" Mon 08:00-09:00 ; Tue 10:00-11:00 ", "Mon 08:00-09:00; Tue 10:00-11:00"},
  };
  for (const auto& [text, again] : rows) {
    const auto read = parse_during(text);
    ASSERT_TRUE(read) << text << ": " << read.error().why;
    EXPECT_EQ(to_text(*read), again);
    EXPECT_EQ(parse_during(again), *read);
  }
}

TEST(Calendar, WhatIsNoTimeIsRefusedWithAnExample) {
  for (const char* text : {"", " ", "Mon", "Mon-Fri", "08:00", "8:00-18:00", "Mon-Fri 08:00-18:60",
                           "25:00-26:00", "Mon-Fri 08:00-24:01", "Mun 08:00-18:00",
                           "Mon- 08:00-18:00", "Mon, 08:00-18:00", "08:00-08:00", "24:00-08:00",
                           "08:00-00:00", "08:00-18:00;", "-8:00-18:00", "Mon 0a:00-18:00"}) {
    const auto read = parse_during(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::invalid_request);
    EXPECT_THAT(read.error().help, HasSubstr("Mon-Fri 08:00-18:00"));
  }
  const auto why = [](const char* text) { return parse_during(text).error().why; };
  EXPECT_EQ(why("Mon,Wed 08:00-9:00"),
            "\"9:00\" is no time: hours and minutes have two figures each, from 00:00 to 24:00");
  EXPECT_EQ(why("24:00-08:00"),
            "\"24:00\" is no time: hours and minutes have two figures each, from 00:00 to 23:59");
  EXPECT_THAT(why("Mon 25:00-26:00"), HasSubstr("\"25:00\" and \"26:00\" are no times: "));
  EXPECT_THAT(why("mon-fri 8-18"), HasSubstr("\"8\" and \"18\" are no times: "));
  EXPECT_EQ(why("Mon-Fri"), "it does not end with two times, as in 08:00-18:00");
  std::string many = "Mon 08:00-09:00";
  for (int i = 0; i < 32; ++i) many += ";Mon 08:00-09:00";
  EXPECT_FALSE(parse_during(many));
}

TEST(Calendar, BeginsAtItsBeginningAndIsOverAtItsEnd) {
  // 2026-11-20 is a Friday.
  EXPECT_FALSE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 20, 7, 59)));
  EXPECT_TRUE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 20, 8)));
  EXPECT_TRUE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 20, 17, 59)));
  EXPECT_FALSE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 20, 18)));
  EXPECT_FALSE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 21, 12)));
  EXPECT_TRUE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 20, 2, 30), kKathmandu)) << "08:15 there";
  EXPECT_FALSE(is("Mon-Fri 08:00-18:00", utc(2026, 11, 20, 2, 14), kKathmandu));
}

TEST(Calendar, AWindowAcrossMidnightBelongsToTheDayOnWhichItBegins) {
  EXPECT_TRUE(is("Fri 22:00-06:00", utc(2026, 11, 20, 23)));
  EXPECT_TRUE(is("Fri 22:00-06:00", utc(2026, 11, 21, 5, 59)));
  EXPECT_FALSE(is("Fri 22:00-06:00", utc(2026, 11, 21, 6)));
  EXPECT_FALSE(is("Fri 22:00-06:00", utc(2026, 11, 20, 5))) << "that is Thursday's";
  EXPECT_FALSE(is("Fri 22:00-06:00", utc(2026, 11, 21, 23)));
}

TEST(Calendar, OverlappingWindowsAreOne) {
  const char* both = "Mon-Fri 08:00-12:00; Fri 11:00-15:00; Fri 15:00-16:00";
  EXPECT_EQ(inside(both, utc(2026, 11, 20), utc(2026, 11, 21), {}), 8h);
  EXPECT_EQ(next_change(during(both), wall(utc(2026, 11, 20, 9)), {}), wall(utc(2026, 11, 20, 16)))
      << "where one goes over into the next nothing changes";
}

/// A day on which the clocks are changed: what the window lasts that begins on it.
struct Row {
  const char* what;
  const ZoneRules* zone;
  const char* window;
  sys_seconds day;  ///< some hours before, in UTC
  minutes lasts;
};

TEST(Calendar, WhereTheClocksAreChangedEachWindowComesOnce) {
  const sys_seconds spring = utc(2026, 3, 28, 23);   // midnight in Berlin
  const sys_seconds autumn = utc(2026, 10, 24, 22);  // likewise
  const sys_seconds us_spring = utc(2026, 3, 8, 5);
  const sys_seconds us_autumn = utc(2026, 11, 1, 4);
  const sys_seconds howe_autumn = utc(2026, 4, 4, 13);  // midnight of the 5th there
  const sys_seconds howe_spring = utc(2026, 10, 3, 13, 30);
  const std::vector<Row> rows{
      {"forward, around it", &kBerlin, "daily 01:00-04:00", spring, 2h},
      {"forward, it begins in the gap", &kBerlin, "daily 02:30-04:00", spring, 1h},
      {"forward, it ends in the gap", &kBerlin, "daily 01:00-02:30", spring, 1h},
      {"forward, all of it is left out", &kBerlin, "daily 02:15-02:45", spring, 0h},
      {"forward, far from it", &kBerlin, "daily 08:00-18:00", spring, 10h},
      {"forward, the whole day", &kBerlin, "daily 00:00-24:00", spring, 23h},
      {"back, around it", &kBerlin, "daily 01:00-04:00", autumn, 4h},
      {"back, it begins in the hour shown twice", &kBerlin, "daily 02:30-04:00", autumn,
       2h + 30min},
      {"back, it ends there", &kBerlin, "daily 01:00-02:30", autumn, 1h + 30min},
      {"back, all of it lies there", &kBerlin, "daily 02:15-02:45", autumn, 30min},
      {"back, from the hour to its end", &kBerlin, "daily 02:00-03:00", autumn, 2h},
      {"back, far from it", &kBerlin, "daily 08:00-18:00", autumn, 10h},
      {"back, the whole day", &kBerlin, "daily 00:00-24:00", autumn, 25h},
      {"west, forward", &kNewYork, "daily 01:00-04:00", us_spring, 2h},
      {"west, left out", &kNewYork, "daily 02:00-03:00", us_spring, 0h},
      {"west, back", &kNewYork, "daily 01:15-01:45", us_autumn, 30min},
      {"west, back, the whole day", &kNewYork, "daily 00:00-24:00", us_autumn, 25h},
      {"half an hour, back", &kLordHowe, "daily 00:00-24:00", howe_autumn, 24h + 30min},
      {"half an hour, back, twice shown", &kLordHowe, "daily 01:30-02:00", howe_autumn, 1h},
      {"half an hour, forward", &kLordHowe, "daily 00:00-24:00", howe_spring, 23h + 30min},
      {"half an hour, left out", &kLordHowe, "daily 02:05-02:25", howe_spring, 0h},
  };
  for (const Row& row : rows) {
    const sys_seconds begin = row.day;
    const auto one = during(row.window);
    // The day itself, by the clock there.
    minutes sum{0};
    int begins = 0;
    bool was = is_during(one, wall(begin - 1min), *row.zone);
    const bool whole = std::string_view(row.window).ends_with("24:00");
    const sys_seconds end = begin + (whole ? row.lasts : minutes(23h));
    for (sys_seconds at = begin; at < end; at += 1min) {
      const bool is = is_during(one, wall(at), *row.zone);
      sum += is ? 1min : 0min;
      begins += is && !was ? 1 : 0;
      was = is;
    }
    EXPECT_EQ(sum, row.lasts) << row.what;
    EXPECT_LE(begins, 1) << row.what;
  }
}

TEST(Calendar, AWeekendOfTheClockChangeHasAsManyHoursAsThereAre) {
  EXPECT_EQ(inside("Sat,Sun 00:00-24:00", utc(2026, 3, 25), utc(2026, 4, 1), kBerlin), 47h);
  EXPECT_EQ(inside("Sat,Sun 00:00-24:00", utc(2026, 10, 21), utc(2026, 10, 28), kBerlin), 49h);
  EXPECT_EQ(inside("Sat 22:00-06:00", utc(2026, 3, 25), utc(2026, 4, 1), kBerlin), 7h);
  EXPECT_EQ(inside("Sat 22:00-06:00", utc(2026, 10, 21), utc(2026, 10, 28), kBerlin), 9h);
}

TEST(Calendar, AClockThatIsSetBackSimplyGivesWhatItShows) {
  const auto work = during("Mon-Fri 08:00-18:00");
  EXPECT_TRUE(is_during(work, wall(utc(2026, 11, 20, 8, 5)), {}));
  EXPECT_FALSE(is_during(work, wall(utc(2026, 11, 20, 7, 55)), {})) << "ten minutes back";
  EXPECT_EQ(next_change(work, wall(utc(2026, 11, 20, 7, 55)), {}), wall(utc(2026, 11, 20, 8)));
}

TEST(Calendar, TellsTheNextChange) {
  const auto work = during("Mon-Fri 08:00-18:00");
  EXPECT_EQ(next_change(work, wall(utc(2026, 11, 20, 8)), {}), wall(utc(2026, 11, 20, 18)));
  EXPECT_EQ(next_change(work, wall(utc(2026, 11, 20, 18)), {}), wall(utc(2026, 11, 23, 8)))
      << "over the weekend";
  EXPECT_EQ(next_change(during("Fri 08:00-09:00"), wall(utc(2026, 11, 20, 9)), {}),
            wall(utc(2026, 11, 27, 8)));
  EXPECT_EQ(next_change(during("daily 00:00-24:00"), wall(utc(2026, 11, 20, 9)), {}), std::nullopt);
  EXPECT_EQ(next_change({}, wall(utc(2026, 11, 20, 9)), {}), std::nullopt);
  // Berlin, the morning of the change: 08:00 is 06:00 UTC from now on.
  EXPECT_EQ(next_change(work, wall(utc(2026, 3, 28, 12)), kBerlin), wall(utc(2026, 3, 30, 6)));
}

TEST(Calendar, TwoWindowsThatAreAlwaysOneOrTheOtherNeverChange) {
  const auto always = during("00:00-23:00; 01:02-00:04");
  const ZoneRules zone{"", 1h, {{sys_seconds(86400s), 2h}}};
  for (sys_seconds at(40'000s); at < sys_seconds(200'000s); at += 1min) {
    ASSERT_EQ(next_change(always, wall(at), zone), std::nullopt) << at.time_since_epoch().count();
  }
}

TEST(Calendar, NextChangeAgreesWithEveryMinuteOfAYear) {
  for (const ZoneRules* zone : {&kBerlin, &kNewYork, &kLordHowe}) {
    const auto windows = during("Mon-Fri 01:45-02:20; Sat 22:00-06:00; Sun 02:30-03:30");
    sys_seconds at = utc(2026, 1, 1);
    bool now = is_during(windows, wall(at), *zone);
    auto next = next_change(windows, wall(at), *zone);
    int changes = 0;
    for (; at < utc(2027, 1, 1); at += 1min) {
      const bool is = is_during(windows, wall(at), *zone);
      if (is != now) {
        ASSERT_EQ(next, wall(at)) << zone->name;
        now = is;
        next = next_change(windows, wall(at), *zone);
        ++changes;
      }
    }
    EXPECT_GT(changes, 600) << zone->name;
  }
}

}  // namespace
}  // namespace headroom::decide
