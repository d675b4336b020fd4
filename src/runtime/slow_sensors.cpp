#include "runtime/slow_sensors.hpp"

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

#include <boost/asio/post.hpp>

#include "runtime/clock.hpp"

namespace headroom::runtime {
namespace {

constexpr std::chrono::milliseconds kPatience{500};

}  // namespace

/// What the loop and the thread share. The thread holds on to it, so that it may be left behind.
struct SlowSensors::Shared : std::enable_shared_from_this<Shared> {
  Shared(boost::asio::io_context& its_loop, Read its_read, Take its_take,
         std::chrono::milliseconds its_every)
      : loop(its_loop), read(std::move(its_read)), take(std::move(its_take)), every(its_every) {}

  void run();
  void hand_over(sense::SlowReading reading);
  void deliver();

  boost::asio::io_context& loop;  ///< not to be touched once `stopping`
  const Read read;                ///< called in the sensors' thread
  const Take take;                ///< called in the loop's thread
  const std::chrono::milliseconds every;

  std::mutex lock;  ///< guards what follows
  std::condition_variable changed;
  bool wished = true;
  bool stopping = false;
  bool ended = false;                        ///< the thread
  bool posted = false;                       ///< deliver() is on its way
  std::optional<sense::SlowReading> newest;  ///< not yet taken
};

void SlowSensors::Shared::run() {
  for (;;) {
    {
      std::unique_lock<std::mutex> hold(lock);
      changed.wait_for(hold, every, [this] { return wished || stopping; });
      if (stopping) break;
      wished = false;
    }
    sense::SlowReading reading;
    read(now(), reading);
    hand_over(std::move(reading));
  }
  const std::lock_guard<std::mutex> hold(lock);
  ended = true;
  changed.notify_all();
}

void SlowSensors::Shared::hand_over(sense::SlowReading reading) {
  const std::lock_guard<std::mutex> hold(lock);
  if (stopping) return;
  newest = std::move(reading);
  if (std::exchange(posted, true)) return;
  boost::asio::post(loop, [self = shared_from_this()] { self->deliver(); });
}

void SlowSensors::Shared::deliver() {
  std::optional<sense::SlowReading> reading;
  {
    const std::lock_guard<std::mutex> hold(lock);
    posted = false;
    if (stopping) return;
    reading = std::exchange(newest, std::nullopt);
  }
  if (reading) take(*reading);
}

SlowSensors::SlowSensors(boost::asio::io_context& loop, const std::string& root, Take take,
                         std::chrono::milliseconds every)
    : sensors_(std::make_shared<sense::SlowSensors>(root)),
      shared_(std::make_shared<Shared>(
          loop,
          [sensors = sensors_](Instant at, sense::SlowReading& out) { sensors->read(at, out); },
          std::move(take), every)) {
  start();
}

SlowSensors::SlowSensors(boost::asio::io_context& loop, Read read, Take take,
                         std::chrono::milliseconds every)
    : shared_(std::make_shared<Shared>(loop, std::move(read), std::move(take), every)) {
  start();
}

void SlowSensors::start() {
  // Signals are for the thread that waits for them.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([shared = shared_] {
      ::pthread_setname_np(::pthread_self(), "slow_sensors");
      shared->run();
    }).detach();
  } catch (const std::system_error&) {
    // Without the thread samples lack these sensors, and say so: nobody took a reading.
    shared_->ended = true;
    sense::SlowReading none;
    none.absent.push_back({"sensors", "no thread could be started for the slow ones",
                           "raise the limit of tasks of headroomd (TasksMax)"});
    shared_->hand_over(std::move(none));
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

SlowSensors::~SlowSensors() { stop(); }

void SlowSensors::request() {
  const std::lock_guard<std::mutex> hold(shared_->lock);
  shared_->wished = true;
  shared_->changed.notify_all();
}

void SlowSensors::stop() {
  if (sensors_) sensors_->interrupt();
  std::unique_lock<std::mutex> hold(shared_->lock);
  if (std::exchange(shared_->stopping, true)) return;
  shared_->changed.notify_all();
  shared_->changed.wait_for(hold, kPatience, [this] { return shared_->ended; });
}

}  // namespace headroom::runtime
