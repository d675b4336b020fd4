#include "cli/lease_watch.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

#include "client/daemon.hpp"

namespace headroom::cli {

using client::json::value;

struct LeaseWatch::Shared {
  Query query;
  std::string id;
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

  std::mutex mutex;
  std::condition_variable stopped;
  bool stop = false;
  std::optional<Result<value>> newest;

  ~Shared() {
    if (event >= 0) close(event);
  }

  void publish(Result<value> lease) {
    const std::lock_guard lock(mutex);
    newest = std::move(lease);
    eventfd_write(event, 1);
  }

  /// False when it was told to stop meanwhile.
  bool pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    return !stopped.wait_for(lock, time, [this] { return stop; });
  }

  void run() {
    constexpr std::chrono::milliseconds kFirst{50};
    constexpr std::chrono::milliseconds kLongest{2000};
    client::Daemon daemon(query.url, query.timeout);
    auto rest = kFirst;
    do {
      auto lease = daemon.lease(id, query.poll);
      if (!lease && lease.error().kind == ErrorKind::not_found) {
        lease = daemon.book(query.request, query.key);
        if (lease) id = client::text(*lease, "id");
      }
      const bool gone = !lease && lease.error().kind == ErrorKind::unavailable;
      const bool waits = lease && client::text(*lease, "state") == "waiting";
      publish(std::move(lease));
      if (!gone && !waits) return;
      // A daemon that answers without resting must not make us spin either.
      if (!pause(rest)) return;
      rest = gone ? std::min(rest * 2, kLongest) : kFirst;
    } while (true);
  }
};

LeaseWatch::LeaseWatch(Query query, std::string id) : shared_(std::make_shared<Shared>()) {
  shared_->query = std::move(query);
  shared_->id = std::move(id);
  std::thread([shared = shared_] { shared->run(); }).detach();
}

LeaseWatch::~LeaseWatch() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stop = true;
  shared_->stopped.notify_all();
}

int LeaseWatch::fd() const { return shared_->event; }

std::optional<Result<value>> LeaseWatch::news() {
  const std::lock_guard lock(shared_->mutex);
  eventfd_t count = 0;
  eventfd_read(shared_->event, &count);
  auto newest = std::move(shared_->newest);
  shared_->newest.reset();
  return newest;
}

}  // namespace headroom::cli
