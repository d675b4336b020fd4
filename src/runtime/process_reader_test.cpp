#include "runtime/process_reader.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include <unistd.h>

#include <gtest/gtest.h>

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

/// A loop that this thread turns by hand, and a clock that it sets.
class ReadingProcesses : public ::testing::Test {
 protected:
  ProcessReader::Hooks hooks() {
    return {[this](std::function<void()> work) {
              const std::lock_guard lock(mutex);
              posted.push_back(std::move(work));
              changed.notify_all();
            },
            [this] { return Instant{BootTime(clock.load()), {}}; },
            [this] {
              ++asked;
              return beside;
            },
            [this](const ProcessReader::List& list) { lists.push_back(list); }};
  }
  /// Does the next thing that was posted; waits for it.
  void turn() {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 60s, [this] { return !posted.empty(); }));
    const auto work = std::move(posted.front());
    posted.pop_front();
    lock.unlock();
    work();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> posted;
  std::atomic<std::chrono::nanoseconds> clock{100s};
  ProcessReader::Beside beside;
  int asked = 0;
  std::vector<ProcessReader::List> lists;
};

TEST_F(ReadingProcesses, AnswersAllWhoWaitWithOneReading) {
  ProcessReader reader("", hooks());
  EXPECT_EQ(reader.latest(), nullptr);
  std::vector<ProcessReader::List> got;
  for (int i = 0; i < 3; ++i)
    reader.read([&](const ProcessReader::List& one) { got.push_back(one); });
  EXPECT_EQ(asked, 1);
  turn();
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0], got[2]);
  EXPECT_EQ(got[0], reader.latest());
  EXPECT_EQ(lists.size(), 1u);
  const auto& items = got[0]->items;
  EXPECT_NE(std::ranges::find(items, ::getpid(), &ProcessReading::pid), items.end());
}

TEST_F(ReadingProcesses, AFreshListIsGivenAgainAndAnOldOneIsNot) {
  ProcessReader reader("", hooks());
  int answers = 0;
  const auto count = [&](const ProcessReader::List&) { ++answers; };
  reader.read(count);
  turn();
  clock = 100s + 150ms;
  reader.read(count);
  EXPECT_EQ(answers, 2);
  EXPECT_EQ(asked, 1);
  clock = 101s;
  reader.read(count);
  EXPECT_EQ(answers, 2);
  turn();
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(asked, 2);
}

TEST_F(ReadingProcesses, EveryTenSecondsWhileSomebodyLooks) {
  ProcessReader reader("", hooks());
  reader.tick();
  EXPECT_EQ(asked, 0) << "nobody looks";
  reader.want();
  reader.tick();
  reader.tick();
  EXPECT_EQ(asked, 1) << "one at a time";
  turn();
  clock = 109s;
  reader.tick();
  EXPECT_EQ(asked, 1);
  clock = 110s;
  reader.tick();
  EXPECT_EQ(asked, 2);
  turn();
  clock = 161s;
  reader.tick();
  EXPECT_EQ(asked, 2) << "nobody has looked for a minute";
}

TEST_F(ReadingProcesses, LeasesAndGpusAreCompleted) {
  beside.leases = {{7, ::getpid(), 0, {}}};
  auto sample = std::make_shared<Sample>();
  GpuReading gpu;
  gpu.id = "GPU-a";
  GpuProcess taken;
  taken.pid = ::getpid();
  taken.memory = Bytes(60);
  gpu.processes = {taken};
  sample->gpus = {gpu};
  beside.sample = sample;
  ProcessReader reader("", hooks());
  reader.read([](const ProcessReader::List&) {});
  turn();
  const auto& items = reader.latest()->items;
  const auto own = std::ranges::find(items, ::getpid(), &ProcessReading::pid);
  ASSERT_NE(own, items.end());
  EXPECT_EQ(own->lease, 7u);
  EXPECT_EQ(own->gpus.size(), 1u);
}

TEST_F(ReadingProcesses, WhatIsPostedAfterItsEndDoesNothing) {
  bool answered = false;
  {
    ProcessReader reader("", hooks());
    reader.read([&](const ProcessReader::List&) { answered = true; });
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 60s, [this] { return !posted.empty(); }));
  }
  turn();
  EXPECT_FALSE(answered);
  EXPECT_TRUE(lists.empty());
}

TEST_F(ReadingProcesses, TooManyWhoWaitGetWhatThereIs) {
  ProcessReader reader("", hooks());
  int answers = 0;
  for (int i = 0; i < 1001; ++i) reader.read([&](const ProcessReader::List&) { ++answers; });
  EXPECT_EQ(answers, 1);
  turn();
  EXPECT_EQ(answers, 1001);
}

TEST_F(ReadingProcesses, EndsThoughNothingWasEverRead) { const ProcessReader reader("", hooks()); }

}  // namespace
}  // namespace headroom::runtime
