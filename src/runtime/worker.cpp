#include "runtime/worker.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;

}  // namespace

struct Worker::Shared {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<void()>> waiting;
  bool stop = false;
  bool ended = false;
  std::thread thread;

  void run();
};

void Worker::Shared::run() {
  std::unique_lock guard(lock);
  for (;;) {
    changed.wait(guard, [&] { return stop || !waiting.empty(); });
    if (stop) break;
    auto work = std::move(waiting.front());
    waiting.pop_front();
    guard.unlock();
    work();
    work = nullptr;  // what it held on to goes without the lock too
    guard.lock();
  }
  ended = true;
  changed.notify_all();
}

Worker::Worker(std::string name, std::size_t most)
    : name_(std::move(name)), most_(most), shared_(std::make_shared<Shared>()) {}

Worker::~Worker() {
  std::unique_lock guard(shared_->lock);
  shared_->stop = true;
  shared_->changed.notify_all();
  auto dropped = std::exchange(shared_->waiting, {});
  guard.unlock();
  dropped.clear();  // what it holds on to may take a lock of its own
  guard.lock();
  if (!shared_->thread.joinable()) return;
  const bool ended = shared_->changed.wait_for(guard, kPatience, [&] { return shared_->ended; });
  guard.unlock();
  if (ended) {
    shared_->thread.join();
  } else {
    shared_->thread.detach();
  }
}

bool Worker::post(std::function<void()> work) {
  const std::lock_guard guard(shared_->lock);
  if (shared_->waiting.size() >= most_) return false;
  if (!shared_->thread.joinable()) {
    try {
      shared_->thread = std::thread([shared = shared_] { shared->run(); });
    } catch (const std::system_error&) {
      return false;
    }
    ::pthread_setname_np(shared_->thread.native_handle(), name_.c_str());
  }
  shared_->waiting.push_back(std::move(work));
  shared_->changed.notify_all();
  return true;
}

}  // namespace headroom::runtime
