#include "runtime/hook_worker.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostCalls = 4;
constexpr std::size_t kMostLooks = 2;
constexpr std::size_t kMostWaiting = 256;
constexpr std::chrono::milliseconds kTurnWithin = 30s;
constexpr std::chrono::milliseconds kLookWithin = 5s;
constexpr std::chrono::milliseconds kShortestPause = 100ms;
constexpr std::chrono::nanoseconds kLongestPause = 60s;
constexpr auto kPatience = 1s;  // for the threads at the end

bool is_engine(HookKind kind) {
  return kind != HookKind::http && kind != HookKind::command && kind != HookKind::signal;
}

HookResult result_of(act::HookOutcome outcome) {
  switch (outcome) {
    case act::HookOutcome::freed:
      return HookResult::freed;
    case act::HookOutcome::loaded:
      return HookResult::loaded;
    case act::HookOutcome::acknowledged:
      return HookResult::acknowledged;
    case act::HookOutcome::refused:
      return HookResult::refused;
    case act::HookOutcome::not_found:
      return HookResult::not_found;
    case act::HookOutcome::unreachable:
      return HookResult::unreachable;
    case act::HookOutcome::timed_out:
      return HookResult::timed_out;
    case act::HookOutcome::answered:  // what it has, where it was asked for something else
    case act::HookOutcome::nonsense:
      break;
  }
  return HookResult::nonsense;
}

act::HookAnswer no_answer(act::HookOutcome outcome, std::string said) {
  act::HookAnswer answer;
  answer.outcome = outcome;
  answer.said = std::move(said);
  return answer;
}

// What sleeps has given its GPU memory back, and is not there to be unloaded.
std::vector<EngineModel> models_of(std::vector<act::Resident> residents) {
  std::vector<EngineModel> models;
  models.reserve(residents.size());
  for (act::Resident& resident : residents) {
    if (resident.state == act::ResidentState::asleep) continue;
    models.push_back({std::move(resident.name), resident.state == act::ResidentState::loading,
                      resident.memory, resident.gpu_memory, resident.last_used, resident.pid,
                      resident.busy});
  }
  return models;
}

}  // namespace

/// What the threads share.
struct HookWorker::Shared {
  std::mutex lock;  // of the two below
  std::size_t running = 0;
  /// The worker of this is there; empty once it is not. Held while it is called, so that the end of
  /// the worker waits for the call.
  std::function<void(std::function<void()>)> post;
  std::condition_variable changed;
  bool stopped = false;  // on the loop thread
};

HookWorker::HookWorker(Hooks hooks, MakeHook make)
    : hooks_(std::move(hooks)), make_(std::move(make)), shared_(std::make_shared<Shared>()) {
  shared_->post = hooks_.post;
}

HookWorker::~HookWorker() {
  shared_->stopped = true;
  std::unique_lock lock(shared_->lock);
  shared_->post = nullptr;
  shared_->changed.wait_for(lock, kPatience, [&] { return shared_->running == 0; });
}

HookWorker::Door* HookWorker::door(const std::string& name) {
  const auto found = doors_.find(name);
  return found == doors_.end() ? nullptr : &found->second;
}

void HookWorker::post(std::function<void()> work) {
  // What is posted may run when the worker is gone.
  hooks_.post([shared = shared_, work = std::move(work)] {
    if (!shared->stopped) work();
  });
}

void HookWorker::answer_later(std::uint64_t ask, HookResult result, std::string said) {
  post([this, ask, result, said = std::move(said)] { hooks_.answered({ask, result, said}); });
}

void HookWorker::configure(const Config& config) {
  const BootTime at = hooks_.now();
  const auto wanted = config.models.engines_every;
  const std::chrono::nanoseconds every = wanted > 0ms ? std::max(wanted, kShortestPause) : wanted;
  const bool other_pace = every_ != every;
  every_ = every;
  std::map<std::string, Door> doors;
  for (const HookSetting& setting : config.hooks) {
    Door& fresh = doors[setting.name];
    Door* const old = door(setting.name);
    const bool same = old != nullptr && old->setting == setting;
    if (same) {
      fresh = std::move(*old);
    } else {
      fresh.setting = setting;
      fresh.generation = ++generation_;
      fresh.engine = setting.kind && is_engine(*setting.kind);
      fresh.server = std::make_shared<EngineServer>(setting);
      if (auto made = make_(setting)) {
        fresh.hook = std::move(*made);
      } else {
        fresh.trouble = made.error().why.empty() ? made.error().what : made.error().why;
        if (fresh.engine) {
          post([this, name = setting.name, trouble = fresh.trouble] {
            hooks_.read({name, false, trouble, {}});
          });
        }
      }
    }
    if (fresh.engine && fresh.hook && (!same || other_pace)) {
      fresh.pause = every_;
      fresh.look = every_ > 0ns && !fresh.busy ? std::optional(at) : std::nullopt;
    }
  }
  for (const auto& [name, door] : doors_) {
    if (!door.engine || doors.contains(name)) continue;
    post([this, gone = name] { hooks_.read({gone, false, "it is not configured any more", {}}); });
  }
  doors_ = std::move(doors);
  std::erase_if(waiting_, [&](const Waiting& one) {
    const Door* const to = door(one.ask.hook);
    if (to != nullptr && to->hook) return false;
    answer_later(one.ask.ask, HookResult::unreachable,
                 to == nullptr ? "there is no hooks." + one.ask.hook + " any more" : to->trouble);
    return true;
  });
  start_more();
}

void HookWorker::ask(const AskHook& ask, std::optional<act::ProcessWatch> process) {
  Door* const to = door(ask.hook);
  if (to == nullptr || !to->hook) {
    return answer_later(ask.ask, HookResult::unreachable,
                        to == nullptr ? "there is no hooks." + ask.hook : to->trouble);
  }
  if (waiting_.size() >= kMostWaiting) {
    return answer_later(ask.ask, HookResult::unreachable, "too much is asked at once");
  }
  Waiting waiting;
  waiting.ask = ask;
  if (process) waiting.process = std::make_shared<act::ProcessWatch>(std::move(*process));
  waiting.until = hooks_.now() + std::min(to->setting.timeout, kTurnWithin);
  waiting_.push_back(std::move(waiting));
  start_more();
}

void HookWorker::tick() {
  const BootTime at = hooks_.now();
  std::erase_if(waiting_, [&](const Waiting& one) {
    if (one.until > at) return false;
    answer_later(one.ask.ask, HookResult::unreachable,
                 "it was not asked, because what was asked before took too long");
    return true;
  });
  start_more();
}

std::optional<BootTime> HookWorker::next() const {
  std::optional<BootTime> next;
  const auto sooner = [&](BootTime at) { next = next ? std::min(*next, at) : at; };
  for (const Waiting& one : waiting_) sooner(one.until);
  if (calls_ < kMostCalls && looks_ < kMostLooks) {
    for (const auto& [name, door] : doors_) {
      if (door.look && !door.busy) sooner(*door.look);
    }
  }
  return next;
}

void HookWorker::start_more() {
  for (auto it = waiting_.begin(); it != waiting_.end() && calls_ < kMostCalls;) {
    Door* const to = door(it->ask.hook);
    if (to->busy) {
      ++it;
      continue;
    }
    Waiting waiting = std::move(*it);
    it = waiting_.erase(it);
    start_ask(*to, std::move(waiting));
  }
  const BootTime at = hooks_.now();
  while (calls_ < kMostCalls && looks_ < kMostLooks) {
    Door* longest_due = nullptr;
    for (auto& [name, door] : doors_) {
      if (!door.look || door.busy || *door.look > at) continue;
      if (longest_due == nullptr || *door.look < *longest_due->look) longest_due = &door;
    }
    if (longest_due == nullptr) return;
    start_look(*longest_due);
  }
}

void HookWorker::start_ask(Door& door, Waiting waiting) {
  door.busy = true;
  const auto deadline = std::chrono::steady_clock::now() + door.setting.timeout;
  const std::uint64_t number = waiting.ask.ask;
  start(
      [hook = door.hook, waiting = std::move(waiting), deadline]() -> act::HookAnswer {
        act::HookAsk ask;
        ask.model = waiting.ask.model;
        ask.bytes = waiting.ask.bytes;
        if (waiting.process) ask.processes.push_back(waiting.process.get());
        auto answer = waiting.ask.load ? hook->load(ask, deadline) : hook->free(ask, deadline);
        if (answer) return std::move(*answer);
        return no_answer(act::HookOutcome::refused, answer.error().why);
      },
      [this, name = door.setting.name, generation = door.generation,
       number](const act::HookAnswer& answer) { finish_ask(name, generation, number, answer); });
}

void HookWorker::start_look(Door& door) {
  door.busy = true;
  door.look.reset();
  ++looks_;
  const auto deadline =
      std::chrono::steady_clock::now() + std::min(door.setting.timeout, kLookWithin);
  start(
      [hook = door.hook, server = door.server, deadline] {
        act::HookAnswer answer = hook->resident(deadline);
        const bool named =
            std::all_of(answer.residents.begin(), answer.residents.end(),
                        [](const act::Resident& one) { return one.pid.has_value(); });
        if (named) return answer;
        const auto pid = server->find();
        for (act::Resident& one : answer.residents) one.pid = one.pid ? one.pid : pid;
        return answer;
      },
      [this, name = door.setting.name, generation = door.generation](act::HookAnswer answer) {
        finish_look(name, generation, std::move(answer));
      });
}

void HookWorker::start(std::function<act::HookAnswer()> call,
                       std::function<void(act::HookAnswer)> done) {
  ++calls_;
  {
    const std::lock_guard lock(shared_->lock);
    ++shared_->running;
  }
  try {
    std::thread([shared = shared_, call = std::move(call), done]() mutable {
      ::pthread_setname_np(::pthread_self(), "hook");
      act::HookAnswer answer;
      try {
        answer = call();
      } catch (const std::exception& error) {
        answer = no_answer(act::HookOutcome::nonsense, error.what());
      }
      call = nullptr;  // what it holds is let go before anybody is told
      const std::lock_guard lock(shared->lock);
      if (shared->post) {
        shared->post([shared, done = std::move(done), answer = std::move(answer)]() mutable {
          if (!shared->stopped) done(std::move(answer));
        });
      }
      --shared->running;
      shared->changed.notify_all();
    }).detach();
  } catch (const std::system_error& error) {
    {
      const std::lock_guard lock(shared_->lock);
      --shared_->running;
    }
    post([done = std::move(done), answer = no_answer(act::HookOutcome::unreachable,
                                                     std::string("no thread could be started: ") +
                                                         error.what())] { done(answer); });
  }
}

void HookWorker::finish_ask(const std::string& name, std::uint64_t generation, std::uint64_t ask,
                            const act::HookAnswer& answer) {
  --calls_;
  Door* const of = door(name);
  if (of != nullptr && of->generation == generation) {
    of->busy = false;
    if (of->engine && every_ > 0ns) {  // what has become of it?
      of->pause = every_;
      of->look = hooks_.now();
    }
  }
  start_more();
  hooks_.answered({ask, result_of(answer.outcome), answer.said});
}

void HookWorker::finish_look(const std::string& name, std::uint64_t generation,
                             act::HookAnswer answer) {
  --calls_;
  --looks_;
  Door* const of = door(name);
  if (of == nullptr || of->generation != generation) return start_more();
  const bool answered = answer.outcome == act::HookOutcome::answered;
  of->busy = false;
  of->pause = answered ? every_ : std::min(of->pause * 2, std::max(kLongestPause, every_));
  if (every_ > 0ns) of->look = hooks_.now() + of->pause;
  start_more();
  EngineRead read;
  read.hook = name;
  read.answered = answered;
  if (!answered) {
    read.said = std::move(answer.said);
  } else {
    read.models = models_of(std::move(answer.residents));
  }
  hooks_.read(std::move(read));
}

}  // namespace headroom::runtime
