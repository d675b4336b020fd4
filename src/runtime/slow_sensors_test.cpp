#include "runtime/slow_sensors.hpp"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace headroom::runtime {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kMachine = HEADROOM_SOURCE_DIR "/tests/machines/arm_board";

/// Runs the loop until `done` holds, for a minute at most.
template <class Done>
bool run_until(asio::io_context& loop, Done done) {
  loop.restart();
  const auto work = asio::make_work_guard(loop);  // it waits for what the thread posts
  for (int i = 0; i < 6000 && !done(); ++i) loop.run_for(milliseconds(10));
  return done();
}

TEST(SlowSensorsThread, HandsTheFirstReadingToTheLoop) {
  asio::io_context loop;
  int taken = 0;
  std::size_t powers = 0;
  const auto here = std::this_thread::get_id();
  bool in_loop = true;
  SlowSensors sensors(loop, kMachine, [&](const sense::SlowReading& slow) {
    ++taken;
    powers = slow.powers.size();
    in_loop = in_loop && std::this_thread::get_id() == here;
  });
  EXPECT_TRUE(run_until(loop, [&] { return taken > 0; }));
  EXPECT_EQ(powers, 2u);
  EXPECT_TRUE(in_loop);
}

TEST(SlowSensorsThread, ReadsAgainWhenAskedAndByItself) {
  asio::io_context loop;
  int taken = 0;
  SlowSensors asked(loop, kMachine, [&](const sense::SlowReading&) { ++taken; }, seconds(3600));
  EXPECT_TRUE(run_until(loop, [&] { return taken == 1; }));
  asked.request();
  EXPECT_TRUE(run_until(loop, [&] { return taken == 2; }));
  int by_itself = 0;
  SlowSensors timed(
      loop, kMachine, [&](const sense::SlowReading&) { ++by_itself; }, milliseconds(1));
  EXPECT_TRUE(run_until(loop, [&] { return by_itself > 3; }));
  EXPECT_EQ(taken, 2);
}

/// Readings that are counted, and made to wait.
struct Gate {
  std::mutex lock;
  std::condition_variable changed;
  int begun = 0;
  bool open = true;

  void pass() {
    std::unique_lock<std::mutex> hold(lock);
    ++begun;
    changed.notify_all();
    changed.wait(hold, [this] { return open; });
  }
  void wait_for(int count) {
    std::unique_lock<std::mutex> hold(lock);
    changed.wait(hold, [&] { return begun >= count; });
  }
  void set(bool to) {
    const std::lock_guard<std::mutex> hold(lock);
    open = to;
    changed.notify_all();
  }
};

TEST(SlowSensorsThread, ALoopThatIsBusyTakesOnlyTheNewest) {
  asio::io_context loop;
  const auto gate = std::make_shared<Gate>();
  std::vector<std::int64_t> taken;
  SlowSensors sensors(
      loop,
      [gate](Instant, sense::SlowReading& out) {
        gate->pass();
        out.zram = Bytes(gate->begun);  // only this thread counts up
      },
      [&](const sense::SlowReading& slow) { taken.push_back(slow.zram->count()); }, seconds(3600));
  for (int i = 1; i <= 5; ++i) {  // when the sixth begins, the fifth has been handed over
    gate->wait_for(i);
    sensors.request();
  }
  gate->wait_for(6);
  EXPECT_TRUE(run_until(loop, [&] { return !taken.empty(); }));
  EXPECT_GE(taken[0], 5);
  EXPECT_LE(taken.size(), 2u);
}

TEST(SlowSensorsThread, StopsWhileASensorHangsAndTouchesTheLoopNoMore) {
  const auto gate = std::make_shared<Gate>();
  gate->set(false);
  bool taken = false;
  {
    asio::io_context loop;
    SlowSensors sensors(
        loop, [gate](Instant, sense::SlowReading&) { gate->pass(); },
        [&](const sense::SlowReading&) { taken = true; }, seconds(3600));
    gate->wait_for(1);
    sensors.stop();
    loop.poll();
  }
  gate->set(true);  // the thread comes back when the loop is gone
  EXPECT_FALSE(taken);
}

TEST(SlowSensorsThread, AfterStopNothingIsTaken) {
  asio::io_context loop;
  const auto gate = std::make_shared<Gate>();
  int taken = 0;
  SlowSensors sensors(
      loop, [gate](Instant, sense::SlowReading&) { gate->pass(); },
      [&](const sense::SlowReading&) { ++taken; }, milliseconds(1));
  gate->wait_for(3);  // a reading waits for the loop
  sensors.stop();
  loop.poll();
  EXPECT_EQ(taken, 0);
}

}  // namespace
}  // namespace headroom::runtime
