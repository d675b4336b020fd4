#include "runtime/recorder.hpp"

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <queue>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom::runtime {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Instant kStart{BootTime(1000s), WallTime(1800000000s)};

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "recorder-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Stands in for the loop: work is done by whoever waits for something.
class Desk {
 public:
  std::function<void(std::function<void()>)> post() {
    return [this](std::function<void()> work) {
      const std::lock_guard guard(lock_);
      work_.push(std::move(work));
      changed_.notify_all();
    };
  }
  // Does work until it holds. A minute is far more than anything here takes.
  bool until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!holds()) {
      std::unique_lock guard(lock_);
      changed_.wait_for(guard, 10ms, [&] { return !work_.empty(); });
      if (std::chrono::steady_clock::now() > end) return false;
      while (!work_.empty()) {
        const auto work = std::move(work_.front());
        work_.pop();
        guard.unlock();
        work();
        guard.lock();
      }
    }
    return true;
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::queue<std::function<void()>> work_;
};

Instant at(int second) { return {kStart.boot + second * 1s, kStart.wall + second * 1s}; }

struct Running {
  explicit Running(const std::string& dir, int second = 0)
      : recorder({dir, {}, Bytes(10 << 20)},
                 {desk.post(), [this](std::string text) { said.push_back(std::move(text)); }},
                 at(second)) {}
  void sample(int second, double value) {
    const std::vector<judge::Reading> readings{{"cpu", value}, {"memory", std::nullopt}};
    recorder.append(at(second), readings);
  }
  Result<std::string> ask(const std::string& series, std::chrono::seconds window, int now) {
    std::optional<Result<std::string>> got;
    recorder.query(
        {series, window, 0s}, at(now).wall,
        [](const serve::HistoryAnswer& answer) {
          return std::to_string(answer.points.size()) + " points, average " +
                 std::to_string(static_cast<int>(answer.average.value_or(-1)));
        },
        [&](Result<std::string> result) { got = std::move(result); });
    EXPECT_TRUE(desk.until([&] { return got.has_value(); }));
    return got.value_or(std::string("never answered"));
  }
  Desk desk;
  std::vector<std::string> said;
  Recorder recorder;
};

EventLine event(std::uint64_t id) {
  EventLine line;
  line.id = id;
  line.at = kStart.wall;
  line.type = "daemon.started";
  line.text = "event " + std::to_string(id);
  return line;
}

TEST(Recorder, AnswersWhatWasJustAppended) {
  const Folder folder;
  Running running(folder.path());
  for (int i = 0; i < 90; ++i) running.sample(i, 10);
  EXPECT_EQ(running.ask("cpu", 90s, 90).value(), "90 points, average 10");
  const auto unknown = running.ask("memory", 90s, 90);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::not_found);
  EXPECT_EQ(running.recorder.problem(), "");
  EXPECT_TRUE(running.said.empty());
  EXPECT_GT(running.recorder.bytes(), 4096U);
}

TEST(Recorder, ARestartBringsBackEventsNumbersAndTheLastHour) {
  const Folder folder;
  {
    Running running(folder.path());
    EXPECT_TRUE(running.recorder.restored().events.empty());
    for (int i = 0; i < 200; ++i) running.sample(i, i);
    for (std::uint64_t id = 1; id <= 20; ++id) running.recorder.add_event(event(id));
    running.recorder.alert_given(5);
    running.recorder.stop();
    running.recorder.add_event(event(21));  // after the end: nobody is there
  }
  Running running(folder.path(), 205);
  const auto restored = running.recorder.restored();
  ASSERT_EQ(restored.events.size(), 20U);
  EXPECT_EQ(restored.events.back().text, "event 20");
  EXPECT_EQ(restored.last, (record::LastIds{20, 5}));
  ASSERT_EQ(restored.hour.series.size(), 1U);
  EXPECT_EQ(restored.hour.series[0].name, "cpu");

  judge::History memory(3600);
  std::vector<judge::History::Past> past;
  for (const auto& series : restored.hour.series) past.push_back({series.name, series.values});
  memory.refill(restored.hour.at, restored.hour.step, past, at(205));
  const auto series = memory.query("cpu", 300s, 0s, at(205));
  ASSERT_TRUE(series);
  EXPECT_EQ(series->count, 200U);
  EXPECT_EQ(series->points.front().at, kStart.wall);
  EXPECT_EQ(*series->last, 199);
  EXPECT_TRUE(running.recorder.restored().events.empty());
}

TEST(Recorder, EventsAreWrittenWithoutWaitingForTheStop) {
  const Folder folder;
  Running running(folder.path());
  const auto before = running.recorder.bytes();
  running.recorder.add_event(event(1));
  EXPECT_TRUE(running.desk.until([&] { return running.recorder.bytes() > before; }));
}

TEST(Recorder, AProblemIsSaidOnceAndItsEndToo) {
  const Folder folder;
  const std::string dir = folder.path() + "/later";
  Running running(dir);
  ASSERT_TRUE(running.desk.until([&] { return !running.said.empty(); }));
  EXPECT_THAT(running.said[0], HasSubstr("goes on in memory"));
  EXPECT_NE(running.recorder.problem(), "");
  for (int i = 0; i < 300; ++i) running.sample(i, 10);
  EXPECT_EQ(running.ask("cpu", 300s, 300).value(), "300 points, average 10");
  EXPECT_EQ(running.said.size(), 1U);
  fs::create_directory(dir);
  for (int i = 300; i < 400; ++i) running.sample(i, 10);
  ASSERT_TRUE(running.desk.until([&] { return running.said.size() == 2; }));
  EXPECT_THAT(running.said[1], HasSubstr("again"));
  EXPECT_EQ(running.recorder.problem(), "");
}

TEST(Recorder, WhatTheThreadDoesNotTakeIsDroppedAndCounted) {
  const Folder folder;
  Running running(folder.path());
  // The thread is held up in a render.
  std::mutex gate;
  gate.lock();
  std::atomic<bool> inside{false};
  bool answered = false;
  running.sample(0, 1);
  running.recorder.query(
      {"cpu", 60s, 0s}, at(1).wall,
      [&](const serve::HistoryAnswer&) {
        inside = true;
        const std::lock_guard guard(gate);
        return std::string();
      },
      [&](const Result<std::string>&) { answered = true; });
  ASSERT_TRUE(running.desk.until([&] { return inside.load(); }));
  const int samples = static_cast<int>(Recorder::kSamples);
  for (int i = 1; i <= samples + 25; ++i) running.sample(i, 1);
  for (std::uint64_t id = 1; id <= Recorder::kEvents + 7; ++id) {
    running.recorder.add_event(event(id));
  }
  EXPECT_EQ(running.recorder.overflowed(), 25U + 7U);
  std::size_t refused = 0;
  std::size_t others = 0;
  for (std::size_t i = 0; i < Recorder::kQueries + 3; ++i) {
    running.recorder.query(
        {"cpu", 60s, 0s}, at(700).wall, [](const serve::HistoryAnswer&) { return std::string(); },
        [&](const Result<std::string>& result) {
          const bool many = !result && result.error().kind == ErrorKind::too_many_requests;
          ++(many ? refused : others);
        });
  }
  gate.unlock();
  ASSERT_TRUE(running.desk.until([&] { return answered && refused + others == 67; }));
  EXPECT_EQ(refused, 3U);
  running.recorder.stop();
  Running again(folder.path(), 700);
  const auto restored = again.recorder.restored();
  EXPECT_EQ(restored.events.size(), Recorder::kEvents);
  EXPECT_EQ(restored.events.back().id, Recorder::kEvents + 7);
}

TEST(Recorder, OtherSettingsTakeOverWithoutLoss) {
  const Folder folder;
  Running running(folder.path());
  for (int i = 0; i < 120; ++i) running.sample(i, 10);
  Recorder::Options options{folder.path(), {}, Bytes(10 << 20)};
  options.history.step = 10s;
  running.recorder.configure(options);
  for (int i = 120; i < 600; i += 10) running.sample(i, 20);
  EXPECT_EQ(running.ask("cpu", 600s, 600).value(), "60 points, average 18");
}

TEST(Recorder, QuestionsAfterTheStopAreAnsweredToo) {
  const Folder folder;
  Running running(folder.path());
  running.recorder.stop();
  const auto late = running.ask("cpu", 60s, 60);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace headroom::runtime
