#include "runtime/notifier.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "act/notify.hpp"

namespace headroom::runtime {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostWaiting = 256;
constexpr std::size_t kMostRemembered = 10000;
constexpr auto kWithin = 10s;
constexpr std::chrono::milliseconds kPauses[] = {1s, 5s};  // between the tries

}  // namespace

bool wants(const NotifyTarget& target, Level lowest, const Alert& alert) {
  if (target.levels.empty()) return alert.level >= lowest;
  return std::find(target.levels.begin(), target.levels.end(), alert.level) != target.levels.end();
}

struct Notifier::Work {
  struct Task {
    NotifyTarget target;
    Notify news;
  };

  Work(boost::asio::io_context& io_context, std::string name,
       std::function<void(const std::string&, const std::string&)> on_failure)
      : io(io_context), node(std::move(name)), failed(std::move(on_failure)) {}

  void run(const std::shared_ptr<Work>& self);
  Result<void> try_hard(const Task& task);

  boost::asio::io_context& io;
  const std::string node;
  const std::function<void(const std::string&, const std::string&)> failed;  // on the loop
  std::set<std::pair<std::string, std::uint64_t>> told;                      // on the loop
  std::set<std::string> failing;                                             // on the loop
  std::uint64_t failures = 0;                                                // on the loop
  std::thread thread;

  std::mutex mutex;  // of the two below
  std::deque<Task> tasks;
  bool stopping = false;
  std::condition_variable changed;
};

Notifier::Notifier(boost::asio::io_context& io, std::string node,
                   std::function<void(const std::string&, const std::string&)> failed)
    : work_(std::make_shared<Work>(io, std::move(node), std::move(failed))) {}

Notifier::~Notifier() {
  {
    const std::lock_guard lock(work_->mutex);
    work_->stopping = true;
    work_->tasks.clear();
  }
  work_->changed.notify_all();
  if (work_->thread.joinable()) work_->thread.join();
}

std::uint64_t Notifier::failures() const { return work_->failures; }

void Notifier::tell(const Config& config, const Notify& news) {
  for (const NotifyTarget& target : config.notify) {
    const auto key = std::pair(target.name, news.alert.id);
    const bool heard = work_->told.contains(key);
    if (!heard && !wants(target, config.pressure.notify, news.alert)) continue;
    if (!heard && (news.what == Notify::What::ended || news.what == Notify::What::eased)) continue;
    if (news.what == Notify::What::ended) {
      work_->told.erase(key);
    } else {
      if (work_->told.size() >= kMostRemembered) work_->told.erase(work_->told.begin());
      work_->told.insert(key);
    }
    {
      const std::lock_guard lock(work_->mutex);
      if (work_->tasks.size() >= kMostWaiting) {
        ++work_->failures;
        continue;
      }
      work_->tasks.push_back({target, news});
    }
    if (!work_->thread.joinable()) {
      work_->thread = std::thread([work = work_] { work->run(work); });
    }
    work_->changed.notify_one();
  }
}

Result<void> Notifier::Work::try_hard(const Task& task) {
  for (const auto pause : kPauses) {
    auto done = act::notify(task.target, task.news, node, kWithin);
    if (done) return done;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, pause, [this] { return stopping; });
    if (stopping) return done;
  }
  return act::notify(task.target, task.news, node, kWithin);
}

void Notifier::Work::run(const std::shared_ptr<Work>& self) {
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return stopping || !tasks.empty(); });
      if (stopping) return;
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    const auto done = try_hard(task);
    std::string problem;
    if (!done) problem = done.error().what + ": " + done.error().why;
    boost::asio::post(io, [self, name = task.target.name, problem = std::move(problem)] {
      if (problem.empty()) {
        if (self->failing.erase(name) > 0) self->failed(name, "");
        return;
      }
      ++self->failures;
      if (self->failing.insert(name).second) self->failed(name, problem);
    });
  }
}

}  // namespace headroom::runtime
