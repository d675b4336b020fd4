#include "runtime/process_reader.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>

#include "sense/group_tree.hpp"
#include "sense/process_list.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kFresh = 200ms;
constexpr auto kEvery = 10s;
constexpr auto kInterest = 60s;
constexpr auto kPatience = 1s;  ///< for the thread at the end
constexpr std::size_t kMostWaiting = 1000;

}  // namespace

/// What the two threads share, under the lock.
struct ProcessReader::Shared {
  std::mutex lock;
  std::condition_variable changed;
  std::optional<Beside> asked;
  bool stop = false;
  bool ended = false;
  /// The reader of this is there; empty once it is not. Held while it is called, so that the end
  /// of the reader waits for the call.
  std::function<void(List)> deliver;
  std::function<Instant()> now;
  std::thread thread;

  static void run(const std::shared_ptr<Shared>& self, const std::string& root);
};

void ProcessReader::Shared::run(const std::shared_ptr<Shared>& self, const std::string& root) {
  ::pthread_setname_np(::pthread_self(), "processes");
  sense::ProcessLister lister(root);
  std::optional<sense::GroupTree> groups;  // of others; read with the first lease of one
  auto before = std::make_shared<const ProcessList>();
  std::unique_lock lock(self->lock);
  for (;;) {
    self->changed.wait(lock, [&] { return self->stop || self->asked; });
    if (self->stop) break;
    Beside beside = *std::exchange(self->asked, std::nullopt);
    const auto now = self->now;
    lock.unlock();

    auto list = std::make_shared<ProcessList>();
    list->items.reserve(before->items.size() + 16);
    const Instant start = now();
    lister.read(start, *list);
    for (sense::LeaseMark& mark : beside.leases) {
      if (mark.foreign.empty()) continue;
      if (!groups) groups.emplace(root);
      mark.members = groups->processes(mark.foreign).pids;
    }
    sense::assign_leases(*list, beside.leases, before.get());
    if (beside.sample) sense::match_gpu_processes(*list, beside.sample->gpus);
    list->took = now().boot - start.boot;
    before = list;

    lock.lock();
    if (self->deliver) self->deliver(before);
  }
  self->ended = true;
  self->changed.notify_all();
}

ProcessReader::ProcessReader(std::string root, Hooks hooks)
    : root_(std::move(root)), hooks_(std::move(hooks)), shared_(std::make_shared<Shared>()) {
  shared_->now = hooks_.now;
  // What is posted may run when the reader is gone: it looks whether the two still belong together.
  std::weak_ptr<Shared> alive = shared_;
  shared_->deliver = [this, alive, post = hooks_.post](List list) {
    post([this, alive, list = std::move(list)]() mutable {
      const auto shared = alive.lock();
      if (!shared) return;
      {
        const std::lock_guard lock(shared->lock);
        if (shared->stop) return;
      }
      finish(std::move(list));
    });
  };
}

ProcessReader::~ProcessReader() {
  std::unique_lock lock(shared_->lock);
  shared_->stop = true;
  shared_->deliver = nullptr;
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

void ProcessReader::start() {
  reading_ = true;
  Beside beside = hooks_.beside ? hooks_.beside() : Beside{};
  const std::lock_guard lock(shared_->lock);
  shared_->asked = std::move(beside);
  if (!shared_->thread.joinable()) {
    shared_->thread = std::thread([shared = shared_, root = root_] { Shared::run(shared, root); });
  }
  shared_->changed.notify_all();
}

void ProcessReader::finish(List list) {
  reading_ = false;
  latest_ = std::move(list);
  if (hooks_.on_list) hooks_.on_list(latest_);
  auto waiting = std::exchange(waiting_, {});
  for (const auto& done : waiting) done(latest_);
}

void ProcessReader::read(std::function<void(List)> done) {
  const bool fresh = latest_ && hooks_.now().boot - latest_->at.boot < kFresh;
  if (fresh || waiting_.size() >= kMostWaiting) {
    done(latest_);
    return;
  }
  waiting_.push_back(std::move(done));
  if (!reading_) start();
}

void ProcessReader::want() { wanted_until_ = hooks_.now().boot + kInterest; }

void ProcessReader::tick() {
  const BootTime now = hooks_.now().boot;
  if (reading_ || now >= wanted_until_) return;
  if (!latest_ || now - latest_->at.boot >= kEvery) start();
}

}  // namespace headroom::runtime
