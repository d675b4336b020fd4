#include "record/history.hpp"

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/event_store.hpp"

namespace headroom::record {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Bytes kBudget(10 << 20);
constexpr WallTime kStart(std::chrono::seconds(1800000000));  // a multiple of 300 s

class Folder {
 public:
  Folder() {
    // In memory where there is such a place: nothing here is about a slow disk.
    const bool shm = fs::is_directory("/dev/shm") && access("/dev/shm", W_OK) == 0;
    const fs::path parent = shm ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string name = (parent / "history-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Both clocks, moved by hand.
struct Clock {
  Instant now{BootTime(1000s), kStart};
  void pass(std::chrono::nanoseconds time) {
    now.boot += time;
    now.wall += time;
  }
};

// A history as the recorder runs it: a sample a second, and stored once a minute.
struct Machine {
  explicit Machine(const std::string& dir, HistoryOptions options = {}, Bytes budget = kBudget)
      : database(dir, budget), history(database, options) {}
  void sample(const std::vector<Named>& values, std::chrono::nanoseconds after = 1s) {
    history.append(clock.now, values);
    clock.pass(after);
    if (++samples % 60 == 0) history.store();
  }
  Series last(const std::string& name, std::chrono::nanoseconds window,
              std::chrono::milliseconds step = 0ms) {
    auto series = history.query(name, clock.now.wall - window, clock.now.wall, step);
    if (!series) {
      ADD_FAILURE() << series.error().what << ": " << series.error().why;
      return {};
    }
    return std::move(*series);
  }
  Clock clock;
  Database database;
  History history;
  int samples = 0;
};

std::size_t known(const Series& series) {
  std::size_t count = 0;
  for (const auto& [at, value] : series.points) count += value.has_value() ? 1 : 0;
  return count;
}

std::int64_t size_of(const std::string& dir) {
  std::int64_t sum = 0;
  for (const auto& file : fs::directory_iterator(dir)) {
    sum += static_cast<std::int64_t>(file.file_size());
  }
  return sum;
}

TEST(History, TheLastMinutesAreThereAtFullRateWithTheirStatistics) {
  const Folder folder;
  Machine machine(folder.path());
  for (int i = 0; i < 600; ++i) machine.sample({{"cpu", i}, {"memory", 40.25}});
  const Series series = machine.last("cpu", 600s);
  ASSERT_EQ(series.points.size(), 600U);
  EXPECT_EQ(series.step, 1s);
  EXPECT_EQ(series.points.front(), std::pair(kStart, std::optional(0.0)));
  EXPECT_EQ(series.points.back(), std::pair(kStart + 599s, std::optional(599.0)));
  EXPECT_EQ(series.average, 299.5);
  EXPECT_EQ(series.least, 0);
  EXPECT_EQ(series.largest, 599);
  EXPECT_EQ(series.p95, 569);
  EXPECT_EQ(series.last, 599);
  EXPECT_EQ(series.oldest, kStart);
  EXPECT_EQ(machine.history.names(), (std::vector<std::string>{"cpu", "memory"}));
  EXPECT_EQ(machine.last("memory", 10s).average, 40.25);
}

TEST(History, CoarserTiersAverageRightlyAndKeepTheExtremes) {
  const Folder folder;
  Machine machine(folder.path());
  // An hour has the value of its number; one sample of it is a spike.
  const int hours = 50;
  for (int i = 0; i < hours * 3600; ++i) {
    machine.sample({{"cpu", i % 3600 == 1800 ? 99.0 : i / 3600}});
  }
  const Series day = machine.last("cpu", 24h);
  EXPECT_EQ(day.step, 10s);
  EXPECT_EQ(known(day), 8640U);
  EXPECT_EQ(day.points.size(), 8640U);
  EXPECT_EQ(day.points.front(), std::pair(kStart + 26h, std::optional(26.0)));
  EXPECT_EQ(day.least, 26);
  EXPECT_EQ(day.largest, 99);
  EXPECT_NEAR(*day.average, (26 + 49) / 2.0, 0.02);
  EXPECT_EQ(day.points[180].second, (26 * 9 + 99) / 10.0);

  const Series all = machine.last("cpu", 720h);
  EXPECT_EQ(all.step, 5min);
  EXPECT_EQ(known(all), 600U);
  EXPECT_EQ(all.oldest, kStart);
  EXPECT_EQ(all.points.front().second, 0.0);
  EXPECT_EQ(all.largest, 99);
  EXPECT_NEAR(*all.points[6].second, 99 / 300.0, 0.006);

  const Series hour = machine.last("cpu", 1h);
  EXPECT_EQ(hour.step, 1s);
  EXPECT_EQ(known(hour), 3600U);
  const Series steps = machine.last("cpu", 24h, 1h);
  EXPECT_EQ(steps.step, 1h);
  ASSERT_EQ(steps.points.size(), 24U);
  EXPECT_NEAR(*steps.points[3].second, 29 + 70 / 3600.0, 0.006);
}

TEST(History, AnswersNeverHaveMoreThanTheBoundedNumberOfPoints) {
  const Folder folder;
  HistoryOptions options;
  options.step = 100ms;
  Machine machine(folder.path(), options);
  for (int i = 0; i < 36000; ++i) machine.sample({{"cpu", i % 7}}, 100ms);
  for (const auto window : {1h, 24h, 720h}) {
    for (const auto step : {0ms, 100ms, 1000ms}) {
      EXPECT_LE(machine.last("cpu", window, step).points.size(), History::kPoints);
    }
  }
  EXPECT_EQ(machine.last("cpu", 1min).points.size(), 600U);
}

TEST(History, SaysWhatIsWrongWithAQuestion) {
  const Folder folder;
  Machine machine(folder.path());
  machine.sample({{"cpu", 1}});
  const auto unknown = machine.history.query("cpus", kStart, kStart + 10s, 0ms);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::not_found);
  EXPECT_THAT(unknown.error().help, HasSubstr("cpu"));
  EXPECT_FALSE(machine.history.query("cpu", kStart, kStart, 0ms));
  EXPECT_FALSE(machine.history.query("cpu", kStart, kStart + 10s, -1ms));
  const auto before = machine.history.query("cpu", kStart - 20h, kStart - 10h, 0ms);
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->points.empty());
  EXPECT_FALSE(before->average);
}

TEST(History, AGapIsAGapAndLateSamplesMakeNone) {
  const Folder folder;
  Machine machine(folder.path());
  // A timer that is half a millisecond late each time skips a second now and then.
  for (int i = 0; i < 4000; ++i) machine.sample({{"cpu", 1}}, 1000500us);
  const Series steady = machine.last("cpu", 3600s);
  EXPECT_EQ(known(steady), steady.points.size());
  machine.clock.pass(10min);
  for (int i = 0; i < 60; ++i) {
    machine.sample({{"cpu", i % 20 < 10 ? 1 : std::numeric_limits<double>::quiet_NaN()}});
  }
  const Series holes = machine.last("cpu", 15min);
  const auto gaps = std::count_if(holes.points.begin(), holes.points.end(),
                                  [](const auto& point) { return !point.second; });
  EXPECT_EQ(gaps, 3);  // the pause, and two of ten seconds; the last has not ended
}

TEST(History, SurvivesACleanStopWhole) {
  const Folder folder;
  Clock clock;
  {
    Machine machine(folder.path());
    for (int i = 0; i < 2 * 3600 + 17; ++i) machine.sample({{"cpu", i}});
    EXPECT_TRUE(machine.history.finish());
    clock = machine.clock;
  }
  Machine again(folder.path());
  again.clock = clock;
  EXPECT_EQ(again.database.problem(), "");
  const Series series = again.last("cpu", 1h);
  EXPECT_EQ(known(series), 3600U);
  EXPECT_EQ(series.points.back().second, 2 * 3600 + 16);
  const Series all = again.last("cpu", 24h);
  EXPECT_EQ(known(all), 722U);  // of ten seconds
  // After the restart it goes on, in a new boot.
  again.clock.now.boot = BootTime(5s);
  for (int i = 0; i < 3600; ++i) again.sample({{"cpu", 7}});
  EXPECT_EQ(known(again.last("cpu", 2h, 10s)), 720U);
  EXPECT_EQ(again.history.recent(again.clock.now.wall, 1h).series.size(), 1U);
}

TEST(History, TheLastHourComesBackToFillMemory) {
  const Folder folder;
  Machine machine(folder.path());
  for (int i = 0; i < 5000; ++i) machine.sample({{"cpu", i}, {i < 100 ? "gone" : "gpu", 3}});
  const Recent recent = machine.history.recent(machine.clock.now.wall, 1h);
  ASSERT_EQ(recent.series.size(), 2U);
  EXPECT_EQ(recent.series[0].name, "cpu");
  ASSERT_EQ(recent.series[0].values.size(), 3600U);
  EXPECT_EQ(recent.series[0].values[3599], 4999.0F);
  EXPECT_TRUE(
      std::isnan(machine.history.recent(machine.clock.now.wall + 2s, 1h).series[0].values[3599]));
  EXPECT_EQ(recent.at, machine.clock.now.wall - 1h);
}

TEST(History, AKillCostsAtMostTheMinuteInHand) {
  const Folder folder;
  for (int round = 0; round < 6; ++round) {
    int stored[2];
    ASSERT_EQ(pipe(stored), 0);
    const pid_t child = fork();
    if (child == 0) {
      // As fast as it can, until it is killed; says how many samples it has stored.
      close(stored[0]);
      Machine machine(folder.path());
      for (int round_before = 0; round_before < round; ++round_before) machine.clock.pass(24h);
      for (int i = 0;; ++i) {
        machine.history.append(machine.clock.now, std::vector<Named>{{"cpu", i}});
        machine.clock.pass(1s);
        if (i % 60 != 59) continue;
        if (!machine.history.store()) _exit(1);
        const int done = i - 59;  // the last of them may be in the minute in hand
        if (write(stored[1], &done, sizeof done) != sizeof done) _exit(1);
      }
    }
    close(stored[1]);
    // Somewhere in the middle of it: another place each time.
    int done = 0;
    for (int reads = 0; reads < 80 + 37 * round; ++reads) {
      ASSERT_EQ(read(stored[0], &done, sizeof done), static_cast<ssize_t>(sizeof done));
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    int more = 0;
    while (read(stored[0], &more, sizeof more) == static_cast<ssize_t>(sizeof more)) done = more;
    close(stored[0]);

    Machine machine(folder.path());
    EXPECT_EQ(machine.database.problem(), "");
    EXPECT_TRUE(machine.database.take_notes().empty());
    const WallTime begin = kStart + round * 24h;
    const auto series = machine.history.query("cpu", begin, begin + 24h, 0ms);
    ASSERT_TRUE(series);
    const Series& got = *series;
    ASSERT_FALSE(got.points.empty());
    EXPECT_GE(*got.last, done - 10) << round;
    for (const auto& [at, value] : got.points) {
      ASSERT_TRUE(value);
      // The average of the ten seconds (or five minutes) that begin here, or of what there is.
      const double second = std::chrono::duration<double>(at - begin).count();
      ASSERT_GE(*value, second);
      ASSERT_LE(*value, second + std::chrono::duration<double>(got.step).count());
    }
  }
}

TEST(History, AClockSetBackKeepsWhatIsLivedTwiceOnce) {
  const Folder folder;
  Machine machine(folder.path());
  for (int i = 0; i < 3 * 3600; ++i) machine.sample({{"cpu", 10}});
  machine.clock.now.wall -= 1h;
  for (int i = 0; i < 1800; ++i) machine.sample({{"cpu", 20}});
  // An hour and a half of it: an hour as it was, half an hour anew; what is dated later is not
  // part of the past now.
  Series series = machine.last("cpu", 2h + 30min, 10s);
  EXPECT_EQ(known(series), 900U);
  EXPECT_EQ(series.points[719].second, 10);
  EXPECT_EQ(series.points[720].second, 20);
  EXPECT_EQ(series.points.back().second, 20);
  for (int i = 0; i < 3 * 3600; ++i) machine.sample({{"cpu", 30}});
  series = machine.last("cpu", 5h + 30min, 10s);
  EXPECT_EQ(known(series), 1980U);
  EXPECT_EQ(series.points.size(), 1980U);
  const double sum = (2 * 10 + 0.5 * 20 + 3 * 30) / 5.5;
  EXPECT_NEAR(*series.average, sum, 0.05);
}

TEST(History, AClockSetForwardIsAGapAndComingBackLosesNothing) {
  const Folder folder;
  Machine machine(folder.path());
  for (int i = 0; i < 26 * 3600; ++i) machine.sample({{"cpu", 10}});
  machine.clock.now.wall += 365 * 24h;
  for (int i = 0; i < 2 * 3600; ++i) machine.sample({{"cpu", 50}});
  EXPECT_EQ(known(machine.last("cpu", 24h)), 720U);
  machine.clock.now.wall -= 365 * 24h;
  for (int i = 0; i < 2 * 3600; ++i) machine.sample({{"cpu", 20}});
  const Series series = machine.last("cpu", 30h, 10s);
  EXPECT_EQ(series.largest, 20);
  // Two hours were lived under a wrong date. Of the first day nothing older than a few spans went.
  EXPECT_GE(known(series), 20U * 12);
  EXPECT_EQ(series.points.back().second, 20);
  EXPECT_LE(*machine.history.oldest("cpu"), kStart + 1h);
}

TEST(History, SmallStepsOfTheClockLeaveNoTrace) {
  const Folder folder;
  Machine machine(folder.path());
  for (int i = 0; i < 7200; ++i) {
    if (i % 100 == 50) machine.clock.now.wall -= 20ms;
    if (i % 100 == 70) machine.clock.now.wall += 15ms;
    if (i % 1000 == 500) machine.clock.now.wall -= 3s;
    machine.sample({{"cpu", 5}});
  }
  const Series series = machine.last("cpu", 7150s, 10s);
  EXPECT_EQ(known(series), series.points.size());
  EXPECT_EQ(machine.history.out_of_order(), 0U);
  machine.clock.now.boot -= 10s;
  machine.sample({{"cpu", 5}});
  EXPECT_EQ(machine.history.out_of_order(), 1U);
}

TEST(History, AnotherIntervalAfterARestartGoesOn) {
  const Folder folder;
  Clock clock;
  for (const auto step : {1000ms, 7000ms, 500ms, 60000ms, 600000ms, 1000ms}) {
    HistoryOptions options;
    options.step = step;
    Machine machine(folder.path(), options);
    machine.clock = clock;
    for (auto passed = 0ms; passed < 4h; passed += step) machine.sample({{"cpu", 8}}, step);
    machine.history.finish();
    clock = machine.clock;
    const Series series = machine.last("cpu", 4h);
    EXPECT_NEAR(*series.average, 8, 1e-9) << step.count();
    EXPECT_GT(known(series), 20U) << step.count();
  }
  Machine machine(folder.path());
  machine.clock = clock;
  const Series all = machine.last("cpu", 24h, 5min);
  EXPECT_GE(known(all), 24U * 11);
  EXPECT_EQ(all.least, 8);
  EXPECT_EQ(all.largest, 8);
}

TEST(History, SeriesAreBoundedAndTheQuietestGivesWay) {
  const Folder folder;
  Machine machine(folder.path());
  std::vector<Named> many;
  for (std::size_t i = 0; i < History::kSeries; ++i) many.emplace_back("s" + std::to_string(i), i);
  machine.sample(many);
  many.emplace_back("one too many", 1);
  machine.sample(many);
  EXPECT_EQ(machine.history.overflowed(), 1U);
  // One is no more measured: after the minute in hand it makes place.
  many.erase(many.begin() + 7);
  for (int i = 0; i < 120; ++i) machine.sample(many);
  EXPECT_EQ(machine.history.names().size(), History::kSeries);
  EXPECT_EQ(*machine.last("one too many", 10s).last, 1);
  EXPECT_FALSE(machine.history.query("s7", kStart, kStart + 1h, 0ms));
  EXPECT_EQ(*machine.last("s8", 10s).last, 8);
}

TEST(History, ADeviceThatWentAwayAgesOut) {
  const Folder folder;
  HistoryOptions options;
  options.keep = std::chrono::hours(48);
  options.step = 10s;
  Machine machine(folder.path(), options);
  for (int i = 0; i < 3600; ++i) machine.sample({{"cpu", 1}, {"gpu:0", 2}}, 10s);
  EXPECT_EQ(machine.history.names().size(), 2U);
  for (int i = 0; i < 24 * 360 * 5; ++i) machine.sample({{"cpu", 1}}, 10s);
  EXPECT_EQ(machine.history.names(), (std::vector<std::string>{"cpu"}));
}

TEST(History, FortyDaysOfFortySeriesStayWithinTheBudget) {
  const Folder folder;
  HistoryOptions options;
  options.step = 100s;
  Machine machine(folder.path(), options);
  std::vector<Named> values;
  for (int s = 0; s < 40; ++s) values.emplace_back("series " + std::to_string(s), 0.0);
  std::uint64_t random = 1;
  std::int64_t largest = 0;
  for (int i = 0; i < 40 * 864; ++i) {
    for (auto& [name, value] : values) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      value =
          std::clamp(value + static_cast<double>(random >> 33) / 2147483648.0 * 6 - 3, 0.0, 100.0);
    }
    machine.sample(values, 100s);
    if (i % 36 == 0) largest = std::max(largest, size_of(folder.path()));
  }
  EXPECT_EQ(machine.database.problem(), "");
  EXPECT_LE(largest, kBudget.count());
  const Series month = machine.last("series 3", 720h);
  EXPECT_EQ(known(month), 8640U);
  EXPECT_EQ(known(machine.last("series 39", 24h)), 864U);
  RecordProperty("bytes", static_cast<int>(largest));
  std::printf("40 series, 40 days: at most %.2f MB on disk\n", static_cast<double>(largest) / 1e6);
  EXPECT_LE(*machine.history.oldest("series 3"), machine.clock.now.wall - 720h);
  EXPECT_GE(*machine.history.oldest("series 3"), machine.clock.now.wall - 32 * 24h);
}

TEST(History, ASmallBudgetDropsTheOldestOfTheFinestTierFirst) {
  const Folder folder;
  HistoryOptions options;
  options.step = 10s;
  options.keep_fine = std::chrono::hours(720);
  constexpr Bytes kSmall(900 << 10);
  Machine machine(folder.path(), options, kSmall);
  std::vector<Named> values;
  for (int s = 0; s < 20; ++s) values.emplace_back("series " + std::to_string(s), 0.0);
  std::uint64_t random = 1;
  for (int i = 0; i < 4 * 8640; ++i) {
    for (auto& [name, value] : values) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      value = static_cast<double>(random >> 33) / 2147483648.0 * 100;
    }
    machine.sample(values, 10s);
    if (i % 360 == 0) {
      ASSERT_LE(size_of(folder.path()), kSmall.count());
    }
  }
  EXPECT_EQ(machine.database.problem(), "");
  const auto fine =
      machine.history.query("series 1", machine.clock.now.wall - 1h, machine.clock.now.wall, 0ms);
  ASSERT_TRUE(fine);
  EXPECT_EQ(known(*fine), 360U);
  EXPECT_LT(*machine.history.oldest("series 1"), machine.clock.now.wall - 48h);
}

TEST(History, ABudgetThatIsTooSmallIsSaidAndMemoryGoesOn) {
  const Folder folder;
  Machine machine(folder.path(), {}, Bytes(1));  // 256 KiB is the least
  std::vector<Named> values;
  for (int s = 0; s < 400; ++s) values.emplace_back("series " + std::to_string(s), 0.0);
  std::uint64_t random = 1;
  for (int i = 0; i < 7200; ++i) {
    for (auto& [name, value] : values) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      value = static_cast<double>(random >> 11);
    }
    machine.sample(values);
  }
  EXPECT_THAT(machine.database.problem(), HasSubstr("history_budget"));
  EXPECT_LE(size_of(folder.path()), 256 << 10);
  EXPECT_EQ(known(machine.last("series 5", 1h)), 3600U);
}

// --------------------------------------------------------------------- what can go wrong with it

TEST(History, WithoutADiskMemoryGoesOnAndIsWrittenLater) {
  const Folder folder;
  const std::string dir = folder.path() + "/not there";
  Machine machine(dir);
  for (int i = 0; i < 1000; ++i) machine.sample({{"cpu", i}});
  EXPECT_THAT(machine.database.problem(), HasSubstr("No such file"));
  EXPECT_EQ(known(machine.last("cpu", 1000s)), 1000U);
  fs::create_directory(dir);
  EXPECT_TRUE(machine.history.finish());
  EXPECT_EQ(machine.database.problem(), "");
  {
    Database elsewhere(dir, kBudget);
    EXPECT_FALSE(elsewhere.open());
    EXPECT_THAT(elsewhere.problem(), HasSubstr("another process has it open"));
  }
  EXPECT_EQ(known(machine.last("cpu", 1000s)), 1000U);
}

TEST(History, WhatMemoryHeldTakesTheNumbersOfTheFileThatComesBack) {
  const Folder folder;
  Clock clock;
  {
    Machine machine(folder.path());
    for (int i = 0; i < 120; ++i) machine.sample({{"zebra", 1}, {"cpu", 2}});
    machine.history.finish();
    clock = machine.clock;
  }
  fs::rename(folder.path(), folder.path() + ".away");
  Machine machine(folder.path());
  machine.clock = clock;
  for (int i = 0; i < 150; ++i) machine.sample({{"ant", 3}, {"cpu", 4}, {"zebra", 5}});
  EXPECT_FALSE(machine.database.problem().empty());
  fs::rename(folder.path() + ".away", folder.path());
  EXPECT_TRUE(machine.history.store());
  for (int i = 0; i < 30; ++i) machine.sample({{"ant", 3}, {"cpu", 4}, {"zebra", 5}});
  const Series zebra = machine.last("zebra", 300s);
  EXPECT_EQ(known(zebra), 300U);
  EXPECT_EQ(zebra.least, 1);
  EXPECT_EQ(zebra.largest, 5);
  EXPECT_EQ(*machine.last("ant", 300s).average, 3);
  EXPECT_EQ(machine.last("cpu", 300s).largest, 4);
  EXPECT_TRUE(machine.history.finish());
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}
std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(History, ADamagedFileIsMovedAsideAndSaid) {
  const Folder folder;
  write_file(folder.path() + "/history.db", std::string(20000, 'x'));
  Machine machine(folder.path());
  const auto notes = machine.database.take_notes();
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_THAT(notes[0], HasSubstr("history.db.damaged"));
  EXPECT_EQ(read_file(folder.path() + "/history.db.damaged"), std::string(20000, 'x'));
  for (int i = 0; i < 120; ++i) machine.sample({{"cpu", i}});
  EXPECT_TRUE(machine.history.finish());
  EXPECT_EQ(machine.database.problem(), "");
}

TEST(History, AFileOfANewerProgramOrOfAnotherIsLeftAlone) {
  for (const char* sql : {"PRAGMA application_id=1751413297; PRAGMA user_version=99;"
                          "CREATE TABLE later (a)",
                          "CREATE TABLE mine (a)"}) {
    const Folder folder;
    const std::string path = folder.path() + "/history.db";
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(handle);
    const std::string before = read_file(path);
    Machine machine(folder.path());
    for (int i = 0; i < 120; ++i) machine.sample({{"cpu", i}});
    EXPECT_THAT(machine.database.problem(), HasSubstr("left alone"));
    EXPECT_EQ(known(machine.last("cpu", 120s)), 120U);
    EXPECT_EQ(read_file(path), before);
    EXPECT_TRUE(machine.database.take_notes().empty());
  }
}

// Every page of the file is damaged in turn: nothing is invented, and it goes on.
TEST(History, AnyDamageToTheFileIsNotBelieved) {
  const Folder folder;
  Clock clock;
  {
    Machine machine(folder.path());
    for (int i = 0; i < 3 * 3600; ++i) machine.sample({{"cpu", 42}, {"memory", i % 50}});
    machine.history.finish();
    clock = machine.clock;
  }
  const std::string whole = read_file(folder.path() + "/history.db");
  ASSERT_GT(whole.size(), 8U * 4096);
  std::uint64_t random = 5;
  int lost = 0;
  for (int round = 0; round < 150; ++round) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    std::string bytes = whole;
    const std::size_t at = (random >> 20) % bytes.size();
    if (round % 10 == 9) {
      bytes.resize(at);
    } else {
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 << (random % 8)));
    }
    const Folder other;
    write_file(other.path() + "/history.db", bytes);
    Machine machine(other.path());
    machine.clock = clock;
    for (int i = 0; i < 60; ++i) machine.sample({{"cpu", 42}});
    const Series series = machine.last("cpu", 24h);
    if (series.least) {
      ASSERT_EQ(*series.least, 42) << round << " at " << at;
      ASSERT_EQ(*series.largest, 42) << round << " at " << at;
    }
    if (known(series) < 1080) ++lost;
    EXPECT_TRUE(machine.history.finish()) << machine.database.problem();
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, 150);
}

TEST(History, AFileThatMayNotGrowIsSaidAndCatchesUp) {
  const Folder folder;
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    Machine machine(folder.path());
    for (int i = 0; i < 300; ++i) machine.sample({{"cpu", i}});
    const rlimit small{static_cast<rlim_t>(16 << 10), RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 6000; ++i) machine.sample({{"cpu", i}});
    if (machine.database.problem().empty()) _exit(1);
    if (known(machine.last("cpu", 1h)) != 3600) _exit(2);
    const rlimit large{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &large);
    for (int i = 0; i < 60; ++i) machine.sample({{"cpu", i}});
    if (!machine.history.finish() || !machine.database.problem().empty()) _exit(3);
    _exit(machine.history.dropped() == 0 ? 0 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  Machine machine(folder.path());
  machine.clock.pass(6360s);
  EXPECT_EQ(known(machine.last("cpu", 6360s, 10s)), 636U);
}

TEST(History, AFullDiskIsSaidAndCatchesUp) {
  const Folder folder;
  if (mount("none", folder.path().c_str(), "tmpfs", 0, "size=192k") != 0) {
    GTEST_SKIP() << "a small file system cannot be mounted here";
  }
  {
    Machine machine(folder.path());
    machine.sample({{"cpu", 1}});
    EXPECT_TRUE(machine.history.finish()) << machine.database.problem();
    write_file(folder.path() + "/filler", std::string(300000, 'x'));
    for (int i = 0; i < 6000; ++i) machine.sample({{"cpu", i}});
    EXPECT_THAT(machine.database.problem(), HasSubstr("the disk is full"));
    EXPECT_EQ(known(machine.last("cpu", 1h)), 3600U);
    fs::remove(folder.path() + "/filler");
    for (int i = 0; i < 60; ++i) machine.sample({{"cpu", i}});
    EXPECT_TRUE(machine.history.finish());
    EXPECT_EQ(machine.database.problem(), "");
    EXPECT_EQ(known(machine.last("cpu", 6000s, 10s)), 600U);
    EXPECT_TRUE(machine.database.take_notes().empty());
  }
  umount2(folder.path().c_str(), MNT_DETACH);
}

TEST(History, AReadOnlyDiskIsSaid) {
  const Folder folder;
  if (mount("none", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "a file system cannot be mounted here";
  }
  ASSERT_EQ(mount("none", folder.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
  {
    Machine machine(folder.path());
    for (int i = 0; i < 100; ++i) machine.sample({{"cpu", i}});
    EXPECT_THAT(machine.database.problem(), HasSubstr("Read-only"));
    EXPECT_EQ(known(machine.last("cpu", 100s)), 100U);
    ASSERT_EQ(mount("none", folder.path().c_str(), "tmpfs", MS_REMOUNT, "size=1m"), 0);
    EXPECT_TRUE(machine.history.finish());
  }
  umount2(folder.path().c_str(), MNT_DETACH);
}

TEST(History, NothingIsKeptWhereNothingIsWanted) {
  const Folder folder;
  HistoryOptions options;
  options.keep = std::chrono::hours(0);
  Machine machine(folder.path(), options);
  for (int i = 0; i < 120; ++i) machine.sample({{"cpu", i}});
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_TRUE(machine.history.names().empty());
}

// --------------------------------------------------------------------------------------- events

EventLine event(std::uint64_t id, const std::string& text = "text") {
  EventLine line;
  line.id = id;
  line.at = kStart + id * 1ms;
  line.type = "lease.granted";
  line.lease = id;
  if (id % 2 == 0) line.resource = Resource::disk;
  line.device = "/";
  line.text = text;
  return line;
}

TEST(EventStore, EventsAndNumbersComeBack) {
  const Folder folder;
  {
    Database database(folder.path(), kBudget);
    EventStore store(database, kBudget);
    EXPECT_EQ(store.last(), LastIds());
    const std::vector<EventLine> lines{event(1), event(2, "größer")};
    ASSERT_TRUE(store.store(lines, {2, 7}, true));
  }
  Database database(folder.path(), kBudget);
  EventStore store(database, kBudget);
  EXPECT_EQ(store.last(), (LastIds{2, 7}));
  const auto lines = store.newest(10);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].id, 1U);
  EXPECT_EQ(lines[1].text, "größer");
  EXPECT_EQ(lines[1].at, kStart + 2ms);
  EXPECT_EQ(lines[1].resource, Resource::disk);
  EXPECT_FALSE(lines[0].resource);
  EXPECT_EQ(store.newest(1)[0].id, 2U);
}

TEST(EventStore, AfterAKillNoNumberIsGivenTwice) {
  const Folder folder;
  {
    Database database(folder.path(), kBudget);
    EventStore store(database, kBudget);
    ASSERT_TRUE(store.store(std::vector<EventLine>{event(1)}, {1, 1}, false));
    EXPECT_FALSE(store.runs_out({400, 1}));
    EXPECT_TRUE(store.runs_out({502, 1}));
    // Up to 500 more were given, and nobody wrote them.
  }
  Database database(folder.path(), kBudget);
  EventStore store(database, kBudget);
  EXPECT_GE(store.last().event, 500U);
  EXPECT_GE(store.last().alert, 500U);
}

TEST(EventStore, TheNewestAreKeptWithinCountAndBytes) {
  const Folder folder;
  Database database(folder.path(), kBudget);
  EventStore store(database, kBudget);
  std::vector<EventLine> lines;
  for (std::uint64_t id = 1; id <= 25000; ++id) {
    lines.push_back(event(id));
    if (lines.size() < 500) continue;
    ASSERT_TRUE(store.store(lines, {id, 0}, false));
    lines.clear();
  }
  auto kept = store.newest(100000);
  EXPECT_EQ(kept.size(), EventStore::kKept);
  EXPECT_EQ(kept.back().id, 25000U);
  // Long texts: fewer of them.
  for (std::uint64_t id = 25001; id <= 40000; ++id) {
    lines.push_back(event(id, std::string(5000, 'y')));
    if (lines.size() < 500) continue;
    ASSERT_TRUE(store.store(lines, {id, 0}, false)) << database.problem();
    lines.clear();
  }
  kept = store.newest(100000);
  EXPECT_EQ(kept.back().text.size(), EventStore::kText);
  EXPECT_LT(kept.size(), 3000U);
  EXPECT_GT(kept.size(), 500U);
  EXPECT_LE(size_of(folder.path()), kBudget.count());
}

}  // namespace
}  // namespace headroom::record
