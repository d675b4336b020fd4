#include "runtime/group_finder.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include <pthread.h>

#include "act/process.hpp"
#include "sense/group_tree.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;  ///< for the thread at the end
constexpr std::size_t kMostWaiting = 64;

/// The user whose all of these processes are.
std::optional<uid_t> owner_of(const sense::GroupProcesses& processes) {
  std::optional<uid_t> owner;
  for (const pid_t pid : processes.pids) {
    const auto uid = act::owner_of(pid);
    if (!uid && uid.error().kind == ErrorKind::not_found) continue;  // it has just ended
    if (!uid || (owner && *owner != *uid)) return std::nullopt;
    owner = *uid;
  }
  return owner;
}

Result<FoundGroup> look(const sense::GroupTree& tree, const std::string& jobs,
                        const GroupName& name) {
  auto holder = tree.find(name, jobs);
  if (!holder) return tl::unexpected(holder.error());
  FoundGroup found;
  sense::GroupProcesses processes = tree.processes(holder->group);
  if (processes.all) {
    found.owner = processes.pids.empty() ? tree.owner(holder->group) : owner_of(processes);
  }
  found.processes = std::move(processes.pids);
  found.holder = std::move(*holder);
  return found;
}

}  // namespace

/// What the two threads share, under the lock.
struct GroupFinder::Shared {
  struct Asked {
    std::uint64_t number = 0;
    GroupName name;
  };

  std::shared_ptr<const sense::GroupTree> tree;
  std::string jobs;
  std::mutex lock;
  std::condition_variable changed;
  std::deque<Asked> asked;
  bool stop = false;
  bool ended = false;
  /// Empty once the finder is gone. Held while it is called, so that its end waits for the call.
  std::function<void(std::uint64_t, Result<FoundGroup>)> deliver;
  std::thread thread;

  static void run(const std::shared_ptr<Shared>& self);
};

void GroupFinder::Shared::run(const std::shared_ptr<Shared>& self) {
  ::pthread_setname_np(::pthread_self(), "groups");
  std::unique_lock lock(self->lock);
  for (;;) {
    self->changed.wait(lock, [&] { return self->stop || !self->asked.empty(); });
    if (self->stop) break;
    const Asked asked = std::move(self->asked.front());
    self->asked.pop_front();
    lock.unlock();
    auto found = look(*self->tree, self->jobs, asked.name);
    lock.lock();
    if (self->deliver) self->deliver(asked.number, std::move(found));
  }
  self->ended = true;
  self->changed.notify_all();
}

GroupFinder::GroupFinder(std::shared_ptr<const sense::GroupTree> tree, std::string jobs,
                         std::function<void(std::function<void()>)> post)
    : shared_(std::make_shared<Shared>()) {
  shared_->tree = std::move(tree);
  shared_->jobs = std::move(jobs);
  // What is posted may run when the finder is gone: it looks whether the two still belong together.
  std::weak_ptr<Shared> alive = shared_;
  shared_->deliver = [this, alive, post = std::move(post)](std::uint64_t number,
                                                           Result<FoundGroup> found) {
    post([this, alive, number, found = std::move(found)]() mutable {
      const auto shared = alive.lock();
      if (!shared) return;
      {
        const std::lock_guard lock(shared->lock);
        if (shared->stop) return;
      }
      const auto done = waiting_.extract(number);
      if (!done.empty()) done.mapped()(std::move(found));
    });
  };
}

GroupFinder::~GroupFinder() {
  std::unique_lock lock(shared_->lock);
  shared_->stop = true;
  shared_->deliver = nullptr;
  shared_->asked.clear();
  shared_->changed.notify_all();
  if (!shared_->thread.joinable()) return;
  const bool ended = shared_->changed.wait_for(lock, kPatience, [&] { return shared_->ended; });
  lock.unlock();
  if (ended) {
    shared_->thread.join();
  } else {
    shared_->thread.detach();
  }
}

void GroupFinder::find(GroupName name, Done done) {
  if (waiting_.size() >= kMostWaiting) {
    return done(fail(ErrorKind::too_many_requests, "too many ask for control groups",
                     std::to_string(kMostWaiting) + " of them wait already", "try later"));
  }
  waiting_.emplace(++last_, std::move(done));
  const std::lock_guard lock(shared_->lock);
  shared_->asked.push_back({last_, std::move(name)});
  if (!shared_->thread.joinable()) {
    shared_->thread = std::thread([shared = shared_] { Shared::run(shared); });
  }
  shared_->changed.notify_all();
}

}  // namespace headroom::runtime
