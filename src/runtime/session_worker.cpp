#include "runtime/session_worker.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

#include "act/folder.hpp"
#include "act/process.hpp"
#include "act/refusal.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;  // for the thread at the end
constexpr std::uint64_t kEntriesOfOneRun = 10'000'000;

SessionsSeen look(const LookAtSessions& work) {
  SessionsSeen seen;
  seen.run = work.run;
  for (const std::string& path : work.roots) {
    SessionRoot& one = seen.roots.emplace_back();
    one.root = path;
    const auto root = act::FolderRoot::open(path);
    if (!root) {
      one.problem = act::sentence(root.error());
      continue;
    }
    const auto space = root->space();
    one.total = space.total;
    one.free = space.free;
    act::FolderRule rule;
    rule.pattern = work.pattern;
    auto folders = root->scan(rule);
    if (!folders) {
      one.problem = act::sentence(folders.error());
      continue;
    }
    one.folders = std::move(*folders);
    for (SessionFolder& folder : one.folders) {
      const auto told = std::find_if(work.told.begin(), work.told.end(), [&](const auto& session) {
        return session.root == folder.root && session.name == folder.name;
      });
      if (told == work.told.end() || !told->holder.somebody() || !folder.held.empty()) continue;
      const auto process = act::watch(told->holder);
      // Only one that is known to have ended holds it no more.
      const bool over = process ? !process->alive() : process.error().kind == ErrorKind::not_found;
      if (!over) {
        folder.held = "process " + std::to_string(told->holder.pid);
      }
    }
  }
  return seen;
}

/// `stopped` is asked before each folder.
SessionsCleaned clean(const CleanSessions& work, const std::function<bool()>& stopped) {
  SessionsCleaned cleaned;
  cleaned.run = work.run;
  act::FolderRemoval how;
  how.even_if_changed = work.even_if_changed;
  how.entries = kEntriesOfOneRun;
  const auto take = [&](std::vector<SessionRemoval>& to, SessionRemoval removal) {
    how.entries -= std::min(how.entries, removal.entries);
    to.push_back(std::move(removal));
  };
  std::map<std::string, Result<act::FolderRoot>> roots;
  for (const std::string& path : work.roots) {
    const auto root = roots.emplace(path, act::FolderRoot::open(path)).first;
    if (!root->second || stopped()) continue;
    for (SessionRemoval& removal : root->second->finish(how)) {
      take(cleaned.finished, std::move(removal));
    }
  }
  // What a run before has left was somebody else's perhaps; what goes now is this user's.
  how.owner = work.owner;
  for (const SessionFolder& folder : work.folders) {
    const auto root = roots.find(folder.root);
    SessionRemoval removal;
    removal.root = folder.root;
    removal.name = folder.name;
    if (root == roots.end() || !root->second) {
      removal.why.push_back(root == roots.end() ? "its root is not there"
                                                : act::sentence(root->second.error()));
    } else if (stopped()) {
      removal.why.emplace_back("the daemon ends");
    } else {
      // Whoever cleans for all removes of each user what that user might have removed: somebody may
      // have moved another's files into a folder of his own.
      if (!work.owner && !work.even_if_changed) how.owner = folder.owner;
      removal = root->second->remove(folder, how);
    }
    take(cleaned.removals, std::move(removal));
  }
  return cleaned;
}

SessionMade make(const MakeSession& work) {
  auto root = act::FolderRoot::open(work.root);
  if (!root) return {work.run, tl::unexpected(root.error())};
  return {work.run, root->make(work.name, work.owner)};
}

tl::unexpected<Error> captured_tree() {
  return fail(ErrorKind::not_allowed, "nothing of this machine is touched",
              "the readings come from a captured tree", "start without --root");
}

/// The answer where nothing may be touched.
Event refused(const SessionWorker::Work& work) {
  if (const auto* wanted = std::get_if<LookAtSessions>(&work)) {
    SessionsSeen seen;
    seen.run = wanted->run;
    for (const std::string& root : wanted->roots) {
      seen.roots.push_back({root, {}, {}, {}, act::sentence(captured_tree().value())});
    }
    return seen;
  }
  if (const auto* wanted = std::get_if<CleanSessions>(&work))
    return SessionsCleaned{wanted->run, {}, {}};
  return SessionMade{std::get<MakeSession>(work).run, captured_tree()};
}

}  // namespace

/// What the two threads share, under the lock.
struct SessionWorker::Shared {
  bool captured = false;
  std::mutex lock;
  std::condition_variable changed;
  std::deque<Work> asked;
  bool stop = false;
  bool ended = false;
  /// Empty once the worker is gone. Held while it is called, so that its end waits for the call.
  std::function<void(Event)> deliver;
  std::thread thread;

  static void run(const std::shared_ptr<Shared>& self);
};

void SessionWorker::Shared::run(const std::shared_ptr<Shared>& self) {
  ::pthread_setname_np(::pthread_self(), "sessions");
  const auto stopped = [&self] {
    const std::lock_guard held(self->lock);
    return self->stop;
  };
  std::unique_lock lock(self->lock);
  for (;;) {
    self->changed.wait(lock, [&] { return self->stop || !self->asked.empty(); });
    if (self->stop) break;
    const Work work = std::move(self->asked.front());
    self->asked.pop_front();
    lock.unlock();
    Event event;
    if (self->captured) {
      event = refused(work);
    } else if (const auto* wanted = std::get_if<LookAtSessions>(&work)) {
      event = look(*wanted);
    } else if (const auto* cleaning = std::get_if<CleanSessions>(&work)) {
      event = clean(*cleaning, stopped);
    } else {
      event = make(std::get<MakeSession>(work));
    }
    lock.lock();
    if (self->deliver) self->deliver(std::move(event));
  }
  self->ended = true;
  self->changed.notify_all();
}

SessionWorker::SessionWorker(bool captured, std::function<void(std::function<void()>)> post,
                             Done done)
    : shared_(std::make_shared<Shared>()) {
  shared_->captured = captured;
  // What is posted may run when the worker is gone: it looks whether the two still belong together.
  std::weak_ptr<Shared> alive = shared_;
  shared_->deliver = [alive, post = std::move(post), done = std::move(done)](Event event) {
    post([alive, done, event = std::move(event)]() mutable {
      const auto shared = alive.lock();
      if (!shared) return;
      {
        const std::lock_guard lock(shared->lock);
        if (shared->stop) return;
      }
      done(std::move(event));
    });
  };
}

SessionWorker::~SessionWorker() {
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

void SessionWorker::ask(Work work) {
  const std::lock_guard lock(shared_->lock);
  shared_->asked.push_back(std::move(work));
  if (!shared_->thread.joinable()) {
    shared_->thread = std::thread([shared = shared_] { Shared::run(shared); });
  }
  shared_->changed.notify_all();
}

}  // namespace headroom::runtime
