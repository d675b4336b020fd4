#include "runtime/hook_worker.hpp"

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/hook_engine.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What the hooks of a test do; outlives them.
struct Script {
  std::mutex lock;
  std::condition_variable changed;
  std::set<std::string> held;      // whose calls wait until they are let go
  std::vector<std::string> begun;  // "name free model"
  std::map<std::string, int> at_once;
  int most_at_once = 0;
  int now_at_once = 0;
  std::vector<act::Resident> residents;
  act::HookOutcome look = act::HookOutcome::answered;
  bool throws = false;

  /// Waits for so many calls to have begun.
  bool begins(std::size_t count) {
    std::unique_lock guard(lock);
    return changed.wait_for(guard, 60s, [&] { return begun.size() >= count; });
  }
  void hold(const std::string& name) {
    const std::lock_guard guard(lock);
    held.insert(name);
  }
  void let_go(const std::string& name) {
    const std::lock_guard guard(lock);
    held.erase(name);
    changed.notify_all();
  }
};

class Scripted : public act::Hook {
 public:
  Scripted(HookSetting setting, std::shared_ptr<Script> script)
      : Hook(std::move(setting)), script_(std::move(script)) {}

 private:
  act::HookAnswer play(const std::string& what, std::optional<act::HookOutcome> outcome) const {
    std::unique_lock guard(script_->lock);
    script_->begun.push_back(name() + " " + what);
    EXPECT_EQ(++script_->at_once[name()], 1) << "one at a time of each";
    script_->most_at_once = std::max(script_->most_at_once, ++script_->now_at_once);
    script_->changed.notify_all();
    script_->changed.wait(guard, [&] { return !script_->held.contains(name()); });
    --script_->at_once[name()];
    --script_->now_at_once;
    if (script_->throws) throw std::runtime_error("a library's own");
    act::HookAnswer answer = act::answer(outcome.value_or(script_->look), what + " done");
    if (!outcome) answer.residents = script_->residents;
    return answer;
  }
  act::HookAnswer do_resident(Deadline) const override { return play("look", {}); }
  act::HookAnswer do_free(const act::HookAsk& ask, Deadline) const override {
    return play("free " + ask.model, act::HookOutcome::freed);
  }
  act::HookAnswer do_load(const act::HookAsk& ask, Deadline) const override {
    return play("load " + ask.model, act::HookOutcome::loaded);
  }
  std::shared_ptr<Script> script_;
};

/// A loop that this thread turns by hand, and a clock that it sets.
class AskingOthers : public ::testing::Test {
 protected:
  AskingOthers() { config.models.engines_every = 0s; }

  HookWorker::Hooks hooks() {
    return {[this](std::function<void()> work) {
              const std::lock_guard guard(lock);
              posted.push_back(std::move(work));
              changed.notify_all();
            },
            [this] { return BootTime(clock); },
            [this](HookAnswered one) { answered.push_back(std::move(one)); },
            [this](EngineRead one) { reads.push_back(std::move(one)); }};
  }
  void make() {
    worker.emplace(hooks(), [this](const HookSetting& setting) {
      return Result<std::unique_ptr<act::Hook>>(std::make_unique<Scripted>(setting, script));
    });
    worker->configure(config);
  }
  void add(const std::string& name, HookKind kind) {
    HookSetting setting;
    setting.name = name;
    setting.kind = kind;
    config.hooks.push_back(setting);
  }
  static AskHook ask_of(const std::string& hook, std::uint64_t number) {
    AskHook ask;
    ask.ask = number;
    ask.hook = hook;
    ask.model = "m" + std::to_string(number);
    return ask;
  }
  /// Does the next thing that was posted; waits for it.
  void turn() {
    std::unique_lock guard(lock);
    ASSERT_TRUE(changed.wait_for(guard, 60s, [this] { return !posted.empty(); }));
    const auto work = std::move(posted.front());
    posted.pop_front();
    guard.unlock();
    work();
  }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> out;
    for (const auto& one : answered) out.push_back(one.ask);
    return out;
  }

  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<void()>> posted;
  std::chrono::nanoseconds clock = 100s;
  std::shared_ptr<Script> script = std::make_shared<Script>();
  Config config;
  std::vector<HookAnswered> answered;
  std::vector<EngineRead> reads;
  std::optional<HookWorker> worker;
};

TEST_F(AskingOthers, AnAskIsCarriedOutAndItsAnswerComesBack) {
  add("a", HookKind::http);
  make();
  AskHook ask = ask_of("a", 7);
  worker->ask(ask, {});
  EXPECT_THAT(answered, IsEmpty()) << "never from within";
  turn();
  ASSERT_EQ(answered.size(), 1u);
  EXPECT_EQ(answered[0].ask, 7u);
  EXPECT_EQ(answered[0].result, HookResult::freed);
  EXPECT_EQ(answered[0].said, "free m7 done");
  ask.load = true;
  worker->ask(ask, {});
  turn();
  EXPECT_EQ(answered[1].result, HookResult::loaded);
  EXPECT_EQ(worker->next(), std::nullopt) << "no engine: it is not looked at";
}

TEST_F(AskingOthers, OfEachOneIsAskedAtATimeAndFourOfAll) {
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    add(name, HookKind::http);
    script->hold(name);
  }
  make();
  std::uint64_t number = 0;
  for (const char* name : {"a", "a", "b", "c", "d", "e"}) worker->ask(ask_of(name, ++number), {});
  ASSERT_TRUE(script->begins(4));
  script->let_go("b");
  turn();
  ASSERT_TRUE(script->begins(5)) << "e's turn, for b is done";
  script->let_go("a");
  turn();
  ASSERT_TRUE(script->begins(6));
  for (const char* name : {"c", "d", "e"}) script->let_go(name);
  for (int i = 0; i < 4; ++i) turn();
  EXPECT_EQ(answered.size(), 6u);
  EXPECT_EQ(script->most_at_once, 4);
}

TEST_F(AskingOthers, WhatWaitsForTooLongIsAnsweredAndNotAsked) {
  add("a", HookKind::http);
  config.hooks[0].timeout = 3s;
  script->hold("a");
  make();
  worker->ask(ask_of("a", 1), {});
  worker->ask(ask_of("a", 2), {});
  EXPECT_EQ(worker->next(), BootTime(103s));
  clock = 103s;
  worker->tick();
  turn();
  ASSERT_THAT(numbers(), ElementsAre(2u));
  EXPECT_EQ(answered[0].result, HookResult::unreachable);
  EXPECT_THAT(answered[0].said, HasSubstr("not asked"));
  script->let_go("a");
  turn();
  EXPECT_THAT(numbers(), ElementsAre(2u, 1u));
  EXPECT_EQ(script->begun.size(), 1u);
}

TEST_F(AskingOthers, TooMuchAtOnceIsRefusedAtOnce) {
  add("a", HookKind::http);
  script->hold("a");
  make();
  for (std::uint64_t number = 0; number <= 256; ++number) worker->ask(ask_of("a", number), {});
  worker->ask(ask_of("a", 999), {});
  turn();
  ASSERT_THAT(numbers(), ElementsAre(999u));
  EXPECT_EQ(answered[0].result, HookResult::unreachable);
  EXPECT_EQ(answered[0].said, "too much is asked at once");
  script->let_go("a");
  for (int i = 0; i < 257; ++i) turn();
  EXPECT_EQ(answered.size(), 258u);
}

TEST_F(AskingOthers, WhoIsNotConfiguredCannotBeReached) {
  add("a", HookKind::http);
  add("b", HookKind::http);
  script->hold("a");
  make();
  worker->ask(ask_of("nobody", 1), {});
  turn();
  EXPECT_EQ(answered[0].result, HookResult::unreachable);
  EXPECT_EQ(answered[0].said, "there is no hooks.nobody");
  worker->ask(ask_of("a", 2), {});
  worker->ask(ask_of("a", 3), {});
  ASSERT_TRUE(script->begins(1));
  config.hooks.erase(config.hooks.begin());
  worker->configure(config);
  turn();
  EXPECT_EQ(answered[1].ask, 3u);
  EXPECT_EQ(answered[1].said, "there is no hooks.a any more");
  script->let_go("a");
  turn();
  EXPECT_EQ(answered[2].ask, 2u) << "what was under way is told";
  EXPECT_EQ(answered[2].result, HookResult::freed);
  worker->ask(ask_of("b", 4), {});
  turn();
  EXPECT_EQ(answered[3].result, HookResult::freed);
}

TEST_F(AskingOthers, AHookThatCannotBeMadeSaysWhy) {
  add("a", HookKind::ollama);
  config.hooks[0].url = "http://:x";
  worker.emplace(hooks());
  worker->configure(config);
  turn();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_FALSE(reads[0].answered);
  EXPECT_THAT(reads[0].said, HasSubstr("url"));
  worker->ask(ask_of("a", 1), {});
  turn();
  EXPECT_EQ(answered[0].result, HookResult::unreachable);
  EXPECT_THAT(answered[0].said, HasSubstr("url"));
}

TEST_F(AskingOthers, AnEngineIsLookedAtAtOnceEveryTimeAndAfterEachAsk) {
  add("a", HookKind::ollama);
  config.models.engines_every = 10s;
  act::Resident resident;
  resident.name = "llama";
  resident.gpu_memory = Bytes(5);
  resident.busy = true;
  act::Resident asleep = resident;
  asleep.name = "tired";
  asleep.state = act::ResidentState::asleep;
  script->residents = {resident, asleep};
  make();
  turn();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_TRUE(reads[0].answered);
  ASSERT_EQ(reads[0].models.size(), 1u) << "what sleeps holds nothing";
  EXPECT_EQ(reads[0].models[0].name, "llama");
  EXPECT_EQ(reads[0].models[0].gpu_memory, Bytes(5));
  EXPECT_EQ(reads[0].models[0].busy, true);
  EXPECT_EQ(worker->next(), BootTime(110s));
  clock = 110s;
  worker->tick();
  turn();
  EXPECT_EQ(reads.size(), 2u);
  EXPECT_EQ(worker->next(), BootTime(120s));
  clock = 113s;
  worker->ask(ask_of("a", 1), {});
  turn();
  EXPECT_EQ(answered.size(), 1u);
  turn();
  EXPECT_EQ(reads.size(), 3u);
  EXPECT_THAT(script->begun, ElementsAre("a look", "a look", "a free m1", "a look"));
}

TEST_F(AskingOthers, AnEngineThatDoesNotAnswerIsLookedAtLessOften) {
  add("a", HookKind::comfyui);
  config.models.engines_every = 10s;
  script->look = act::HookOutcome::unreachable;
  make();
  std::vector<std::chrono::nanoseconds> pauses;
  for (int i = 0; i < 5; ++i) {
    turn();
    ASSERT_EQ(reads.size(), static_cast<std::size_t>(i) + 1);
    EXPECT_FALSE(reads.back().answered);
    EXPECT_EQ(reads.back().said, "look done");
    pauses.push_back(*worker->next() - BootTime(clock));
    clock += pauses.back();
    worker->tick();
  }
  EXPECT_THAT(pauses, ElementsAre(20s, 40s, 60s, 60s, 60s));
  {
    const std::lock_guard guard(script->lock);
    script->look = act::HookOutcome::answered;
  }
  turn();  // begun before it came back
  clock += 60s;
  worker->tick();
  turn();
  EXPECT_EQ(*worker->next() - BootTime(clock), 10s) << "it is back";
}

TEST_F(AskingOthers, EnginesThatHangHoldUpNobodysMemory) {
  for (const char* name : {"a", "b", "c"}) {
    add(name, HookKind::ollama);
    script->hold(name);
  }
  add("z", HookKind::http);
  config.models.engines_every = 10s;
  make();
  ASSERT_TRUE(script->begins(2));
  EXPECT_EQ(worker->next(), std::nullopt) << "the third is not looked at before one answers";
  worker->ask(ask_of("z", 1), {});
  turn();
  EXPECT_THAT(numbers(), ElementsAre(1u));
  EXPECT_THAT(reads, IsEmpty());
  for (const char* name : {"a", "b", "c"}) script->let_go(name);
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_EQ(reads.size(), 3u);
}

TEST_F(AskingOthers, TheConfigurationMayChangeWhileOneIsLookedAt) {
  add("a", HookKind::ollama);
  config.models.engines_every = 10s;
  script->hold("a");
  make();
  ASSERT_TRUE(script->begins(1));
  worker->configure(config);  // the same: nothing is begun again
  config.hooks.clear();
  worker->configure(config);
  turn();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_FALSE(reads[0].answered);
  script->let_go("a");
  turn();
  EXPECT_EQ(reads.size(), 1u) << "nobody wants to know any more";
  add("a", HookKind::ollama);
  config.hooks[0].url = "http://127.0.0.1:1";
  worker->configure(config);
  turn();
  EXPECT_EQ(reads.size(), 2u);
  config.models.engines_every = 0s;
  worker->configure(config);
  EXPECT_EQ(worker->next(), std::nullopt);
  worker->ask(ask_of("a", 1), {});
  turn();
  EXPECT_EQ(worker->next(), std::nullopt);
  EXPECT_EQ(script->begun.size(), 3u) << "it is not looked at";
}

TEST_F(AskingOthers, WhatAHookThrowsIsAnAnswerToo) {
  add("a", HookKind::http);
  script->throws = true;
  make();
  worker->ask(ask_of("a", 1), {});
  turn();
  EXPECT_EQ(answered[0].result, HookResult::nonsense);
}

TEST_F(AskingOthers, AtTheEndNobodyIsToldAndWhatHangsIsLeft) {
  add("a", HookKind::http);
  script->hold("a");
  make();
  worker->ask(ask_of("a", 1), {});
  worker->ask(ask_of("a", 2), {});
  ASSERT_TRUE(script->begins(1));
  worker.reset();
  script->let_go("a");
  const std::lock_guard guard(lock);
  for (const auto& work : posted) work();
  EXPECT_THAT(answered, IsEmpty());
}

TEST_F(AskingOthers, ASignalReachesTheHolderThatIsHeld) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const auto holder = act::identify(child);
  ASSERT_TRUE(holder);
  HookSetting setting;
  setting.name = "poke";
  setting.kind = HookKind::signal;
  setting.signal = "USR1";
  config.hooks.push_back(setting);
  worker.emplace(hooks());
  worker->configure(config);
  worker->ask(ask_of("poke", 1), {});
  turn();
  EXPECT_EQ(answered[0].result, HookResult::not_found) << "its holder has ended";
  auto watch = act::watch(*holder);
  ASSERT_TRUE(watch);
  worker->ask(ask_of("poke", 2), std::move(*watch));
  turn();
  EXPECT_EQ(answered[1].result, HookResult::acknowledged);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

}  // namespace
}  // namespace headroom::runtime
