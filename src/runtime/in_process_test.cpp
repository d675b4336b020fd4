#include "runtime/in_process.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <limits>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;
using namespace literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kPatience = 60s;

// ThreadSanitizer makes everything ten times slower: there it is fewer components.
#if defined(__SANITIZE_THREAD__)
constexpr bool kSlowed = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool kSlowed = true;
#else
constexpr bool kSlowed = false;
#endif
#else
constexpr bool kSlowed = false;
#endif

/// A machine of 8 cores and 100 GiB, and time, both moved by hand.
class Hand {
 public:
  Hand() {
    sample_.cpu.cores = 8;
    sample_.cpu.busy = Ratio(0);
    sample_.memory.total = 100_GiB;
    sample_.memory.available = 100_GiB;
  }
  Instant now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void pass(std::chrono::nanoseconds time) {
    const std::lock_guard lock(mutex_);
    now_.boot += time;
    now_.wall += time;
  }
  void read(Instant at, const std::vector<sense::Target>& holders, Sample& out) {
    const std::lock_guard lock(mutex_);
    ++looks_;
    out = sample_;
    out.at = at;
    out.holders.clear();
    for (const sense::Target& one : holders) {
      if (!measured_) continue;
      HolderReading& reading = out.holders.emplace_back();
      reading.lease = one.lease;
      reading.memory = *measured_;
    }
  }
  void measure(Bytes memory) {
    const std::lock_guard lock(mutex_);
    measured_ = memory;
  }
  int looks() const {
    const std::lock_guard lock(mutex_);
    return looks_;
  }

 private:
  mutable std::mutex mutex_;
  // Wednesday, 1 July 2026, noon in UTC.
  Instant now_{BootTime(1000s), WallTime(std::chrono::seconds(1782907200))};
  Sample sample_;
  std::optional<Bytes> measured_;
  int looks_ = 0;
};

/// Values that a setter was called with, in their order.
class Called {
 public:
  void note(double value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(value);
    changed_.notify_all();
  }
  /// The last value once there were so many; not a number where they do not come.
  double after(std::size_t calls) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return values_.size() >= calls; })) return NAN;
    return values_.back();
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<double> values_;
};

/// Holds up who comes until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++came_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    ++went_;
    changed_.notify_all();
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool came(int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return came_ >= count; });
  }
  int inside() {
    const std::lock_guard lock(mutex_);
    return came_ - went_;
  }
  bool went(int count = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return went_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int came_ = 0, went_ = 0;
};

/// What a thread of headroom does comes true; how soon is the machine's affair.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// The threads of headroom in this process, by their names.
int threads(const std::string& beginning = "headroom") {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    if (std::getline(file, name) && name.starts_with(beginning)) ++count;
  }
  return count;
}

class InProcessTest : public ::testing::Test {
 protected:
  static Config config() {
    Config config;
    config.strategy = *strategy_of("aggressive+dynamic");
    config.node.margin_memory = {{}, Bytes(0)};
    return config;
  }
  InProcess::Options options(Config config = InProcessTest::config()) {
    InProcess::Options options;
    options.config = std::move(config);
    options.now = [this] { return hand.now(); };
    options.read = [this](Instant at, const std::vector<sense::Target>& holders, sense::ReadOptions,
                          Sample& out) { hand.read(at, holders, out); };
    return options;
  }
  static InProcessComponent must(InProcess& alone, const std::string& name,
                                 std::vector<ComponentSetter> setters,
                                 ComponentOptions options = {}) {
    auto component = alone.register_component(name, std::move(setters), std::move(options));
    if (!component) throw std::runtime_error(component.error().what + component.error().why);
    return std::move(*component);
  }
  InProcessComponent must(const std::string& name, std::vector<ComponentSetter> setters,
                          ComponentOptions options = {}) {
    return must(alone, name, std::move(setters), std::move(options));
  }
  void pass(std::chrono::nanoseconds time) {
    hand.pass(time);
    ASSERT_TRUE(alone.catch_up());
  }
  std::int64_t given(const std::string& name, Allotted what = Allotted::cpu) {
    const auto view = alone.component(name);
    return view ? view->component.has[index_of(what)] : -1;
  }
  std::size_t component_count() { return alone.components()->size(); }
  /// The newest decision of it about the processors, or about something else.
  Decision last(const std::string& name, Allotted what = Allotted::cpu) {
    const auto decisions = alone.decisions(name, kMostDecisions);
    for (const Decision& one : *decisions) {
      if (one.what == what) return one;
    }
    return {};
  }

  Hand hand;
  InProcess alone{options()};
};

TEST_F(InProcessTest, ItsSettersAreCalledWithWhatItsQuotaSays) {
  Called cpu;
  Called batch;
  const auto component =
      must("feature_pipeline",
           {{"cpu_percent", [&](double percent) { cpu.note(percent); }},
            {"batch_size", [&](double size) { batch.note(size); }, {.least = 1, .most = 64}}},
           {.priority = "high", .cpu_percent = 20, .memory_mb = 400});
  EXPECT_EQ(component.name(), "feature_pipeline");
  EXPECT_EQ(cpu.after(1), 20);
  EXPECT_GE(batch.after(1), 1);
  ASSERT_TRUE(eventually([&] { return given("feature_pipeline") == 200; }));
  EXPECT_EQ(given("feature_pipeline", Allotted::memory), 400);
  EXPECT_EQ(last("feature_pipeline").outcome, Decision::Outcome::applied);
  const auto status = component.status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.asked, 1u);
  EXPECT_EQ(status.failed, 0u);
  EXPECT_EQ(status.values.at("cpu_percent"), 20);
  EXPECT_FALSE(status.problem);
  const auto view = alone.component("feature_pipeline");
  EXPECT_EQ(view->state, ComponentState::connected);
  EXPECT_EQ(view->priority, Priority::high);
  EXPECT_EQ(view->component.holder.pid, getpid());
}

TEST_F(InProcessTest, AQuotaIsChangedAtRunTimeInTheWordsOfTheApi) {
  Called cpu;
  const auto component =
      must("x", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}}, {.cpu_percent = 20});
  EXPECT_EQ(cpu.after(1), 20);
  ASSERT_TRUE(eventually([&] { return given("x") == 200; }));
  const auto view = alone.set_quota("x", {.cpu_percent = 30,
                                          .min_cpu_percent = 10,
                                          .max_cpu_percent = 40,
                                          .priority = "critical",
                                          .buffer_percent = 40});
  ASSERT_TRUE(view) << view.error().what;
  EXPECT_EQ(view->component.quota.priority, Priority::critical);
  EXPECT_EQ(view->component.quota.buffer, 0.4);
  EXPECT_EQ(cpu.after(2), 30);
  ASSERT_TRUE(eventually([&] { return given("x") == 300; }));
  // A ceiling and a floor hold whatever it is meant to have.
  ASSERT_TRUE(
      alone.set_quota("x", {.cpu_percent = 0, .min_cpu_percent = 35, .max_cpu_percent = 35}));
  EXPECT_EQ(cpu.after(3), 35);
  // At other times other bounds: Wednesday is none of these, Saturday is, in any zone.
  ASSERT_TRUE(eventually([&] { return given("x") == 350; }));
  ASSERT_TRUE(alone.set_quota(
      "x", {.min_cpu_percent = 50, .max_cpu_percent = 50, .during = "Sat-Sun 00:00-24:00"}));
  pass(11s);
  EXPECT_EQ(given("x"), 350);
  pass(72h);
  EXPECT_EQ(cpu.after(4), 50);
  ASSERT_TRUE(eventually([&] { return given("x") == 500; }));
  EXPECT_EQ(alone.component("x")->window, "Sat,Sun 00:00-24:00");
  const auto all = alone.decisions("", 100);
  ASSERT_EQ(all->size(), 5u);  // one of memory, which has no setter
  EXPECT_EQ(all->front().to, 500);
}

TEST_F(InProcessTest, WhatAQuotaMayNotBeIsRefusedWithItsReason) {
  const auto refused = [&](const QuotaWords& words, const std::string& name = "x") {
    const auto view = alone.set_quota(name, words);
    return view ? "taken" : view.error().what + ": " + view.error().why;
  };
  EXPECT_THAT(refused({.cpu_percent = 95}), HasSubstr("cpu 95 % is outside 5-80 %"));
  EXPECT_THAT(refused({.min_cpu_percent = 50, .max_cpu_percent = 40}), HasSubstr("not in order"));
  EXPECT_THAT(refused({.memory_mb = -1}), HasSubstr("memory_mb is no amount"));
  EXPECT_THAT(refused({.min_disk_iops = std::numeric_limits<double>::quiet_NaN()}),
              HasSubstr("min_disk_iops is no amount"));
  EXPECT_THAT(refused({.max_network_mb = 2e9}), HasSubstr("max_network_mb is no amount"));
  EXPECT_THAT(refused({.priority = "urgent"}), HasSubstr("\"urgent\" is not a priority"));
  EXPECT_THAT(refused({.buffer_percent = 1001}), HasSubstr("buffer_percent"));
  EXPECT_NE(refused({.cpu_percent = 20, .during = "someday"}), "taken");
  EXPECT_THAT(refused({.cpu_percent = 20}, "a b"), HasSubstr("no name of a component"));
  EXPECT_THAT(alone.component("x").error().what, HasSubstr("there is no component x"));
  EXPECT_EQ(alone.component("x").error().kind, ErrorKind::not_found);
  // What is said before it registers is kept for it.
  EXPECT_EQ(refused({.cpu_percent = 25}), "taken");
  EXPECT_EQ(alone.component("x")->state, ComponentState::known);
  EXPECT_EQ(threads(), 0);
  Called cpu;
  const auto component = must("x", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}});
  EXPECT_EQ(cpu.after(1), 25);
}

TEST_F(InProcessTest, WhatCannotBeRegisteredIsRefusedAndLeavesNothingBehind) {
  const auto nothing = [](double) {};
  const auto refused = [&](const std::string& name, std::vector<ComponentSetter> setters,
                           ComponentOptions options = {}) {
    const auto made = alone.register_component(name, std::move(setters), std::move(options));
    return made ? "taken" : made.error().what + ": " + made.error().why;
  };
  EXPECT_THAT(refused("", {}), HasSubstr("no name of a component"));
  EXPECT_THAT(refused("x", {{"a", {}}}), HasSubstr("setter 'a' of x cannot be called"));
  EXPECT_THAT(refused("x", {{"cpu_percent", nothing}, {"cpu_percent", nothing}}),
              HasSubstr("is there twice"));
  EXPECT_THAT(refused("x", {{"batch_size", nothing}}), HasSubstr("nobody knows what batch_size"));
  EXPECT_THAT(refused("x", {{"batch_size", nothing, {.least = 1, .most = 1e13}}}),
              HasSubstr("nobody can count"));
  EXPECT_THAT(refused("x", {{"batch_size", nothing, {.least = 1, .most = 9, .follows = "luck"}}}),
              HasSubstr("follows luck"));
  EXPECT_THAT(refused("x", {}, {.enforce = true}), HasSubstr("cannot be held"));
  EXPECT_THAT(refused("x", {}, {.values = {{"cpu_percent", NAN}}}), HasSubstr("stands at"));
  EXPECT_THAT(refused("x", {}, {.cpu_percent = 99}), HasSubstr("outside 5-80 %"));
  EXPECT_THAT(refused("x", {}, {.priority = "urgent"}), HasSubstr("not a priority"));
  EXPECT_TRUE(alone.components()->empty());
  EXPECT_EQ(threads(), 0);
  const auto first = must("x", {});
  const auto second = alone.register_component("x", {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
}

TEST_F(InProcessTest, FollowsADemandThatChanges) {
  Called cpu;
  auto component =
      must("x", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}}, {.cpu_percent = 10});
  EXPECT_EQ(cpu.after(1), 10);
  ASSERT_TRUE(eventually([&] { return given("x") == 100; }));
  // It uses more: at once, and not only at the next turn.
  component.report({{"cpu_percent", 40}, {"nonsense", 3}, {"memory_mb", -5}});
  pass(1s);
  EXPECT_GE(cpu.after(2), 40);
  ASSERT_TRUE(eventually([&] { return given("x") >= 400; }));
  EXPECT_EQ(alone.component("x")->allotted.at(0).used, 400);
  EXPECT_FALSE(alone.component("x")->allotted.at(1).used);
  // It uses less: step by step, after a while.
  const std::int64_t most = given("x");
  for (int i = 0; i < 200 && given("x") > most / 2; ++i) {
    component.report({{"cpu_percent", 6}});
    pass(11s);
    // Time does not pass while it is asked, or it would run out.
    ASSERT_TRUE(eventually([&] { return last("x").outcome != Decision::Outcome::asked; }));
  }
  EXPECT_LE(given("x"), most / 2) << last("x").to << " " << to_string(last("x").outcome) << ": "
                                  << last("x").reason;
}

TEST_F(InProcessTest, WhatIsMeasuredOfTheProcessCountsForAComponentThatIsAlone) {
  const auto component = must("x", {{"memory_mb", [](double) {}}}, {.memory_mb = 200});
  ASSERT_TRUE(eventually([&] { return given("x", Allotted::memory) == 200; }));
  hand.measure(1000_MiB);
  pass(1s);
  ASSERT_TRUE(eventually([&] { return given("x", Allotted::memory) >= 1000; }));
  EXPECT_EQ(alone.component("x")->allotted.at(1).used, 1000);
}

TEST_F(InProcessTest, WhatOneClampsIsRecorded) {
  const auto component =
      must("small", {{"cpu_percent", [](double percent) { return std::min(percent, 50.0); }}},
           {.cpu_percent = 60});
  ASSERT_TRUE(eventually([&] { return given("small") == 500; }));
  const Decision decision = last("small");
  EXPECT_EQ(decision.to, 600);
  EXPECT_EQ(decision.applied, 500);
  EXPECT_EQ(component.status().values.at("cpu_percent"), 50);
}

TEST_F(InProcessTest, OneThatThrowsKeepsWhatItHasAndIsAskedAgain) {
  Called cpu;
  const auto component = must("throws",
                              {{"cpu_percent",
                                [&](double percent) {
                                  cpu.note(percent);
                                  if (cpu.count() < 3) {
                                    throw std::runtime_error("no such pool");
                                  }
                                }}},
                              {.cpu_percent = 30});
  ASSERT_TRUE(eventually([&] { return last("throws").outcome == Decision::Outcome::failed; }));
  EXPECT_EQ(given("throws"), 0);
  EXPECT_EQ(component.status().failed, 1u);
  EXPECT_THAT(component.status().problem->why, HasSubstr("cpu_percent: no such pool"));
  for (int i = 0; i < 30 && given("throws") == 0; ++i) {
    pass(2s);
    ASSERT_TRUE(eventually([&] { return last("throws").outcome != Decision::Outcome::asked; }));
  }
  EXPECT_EQ(given("throws"), 300);
  EXPECT_FALSE(component.status().problem);
}

TEST_F(InProcessTest, OneThatLiesIsNotBelieved) {
  const auto nan = must("nan", {{"cpu_percent", [](double) { return NAN; }}}, {.cpu_percent = 10});
  const auto more =
      must("more", {{"cpu_percent", [](double) { return 1e300; }}}, {.cpu_percent = 10});
  const auto below =
      must("below", {{"cpu_percent", [](double) { return -7; }}}, {.cpu_percent = 10});
  const auto odd =
      must("odd", {{"cpu_percent", [](double) -> bool { throw 7; }}}, {.cpu_percent = 10});
  for (const char* name : {"nan", "more", "below", "odd"}) {
    ASSERT_TRUE(eventually([&] {
      pass(100ms);  // what is given back is given again after the next look
      return last(name).id != 0 && last(name).outcome != Decision::Outcome::asked;
    })) << name;
  }
  EXPECT_EQ(given("nan"), 0);
  EXPECT_THAT(nan.status().problem->why, HasSubstr("no number"));
  EXPECT_EQ(given("more"), 100);  // more than it was asked to set is not its own
  EXPECT_EQ(given("below"), 0);
  EXPECT_THAT(odd.status().problem->why, HasSubstr("no exception"));
}

TEST_F(InProcessTest, OneThatHangsIsSaidToBeUnresponsiveAndHarmsNobody) {
  Gate gate;
  const auto slow =
      must("hangs", {{"cpu_percent", [&](double) { gate.pass(); }}}, {.cpu_percent = 30});
  ASSERT_TRUE(gate.came());
  Called other;
  const auto quick = must("quick", {{"cpu_percent", [&](double percent) { other.note(percent); }}},
                          {.cpu_percent = 20});
  EXPECT_EQ(other.after(1), 20);
  ASSERT_TRUE(eventually([&] { return given("quick") == 200; }));  // before its time runs out too
  for (int i = 0; i < 100 && alone.component("hangs")->state == ComponentState::connected; ++i) {
    pass(6s);
  }
  EXPECT_EQ(alone.component("hangs")->state, ComponentState::unresponsive);
  EXPECT_EQ(given("hangs"), 0);
  EXPECT_EQ(last("hangs").outcome, Decision::Outcome::timed_out);
  EXPECT_THAT(slow.status().problem->why, HasSubstr("did not answer in 5 s"));
  // Meanwhile the machine is looked at, and the other one is asked.
  const int looks = hand.looks();
  ASSERT_TRUE(alone.set_quota("quick", {.cpu_percent = 25}));
  EXPECT_EQ(other.after(2), 25);
  ASSERT_TRUE(eventually([&] { return given("quick") == 250; }));
  pass(1s);
  EXPECT_GT(hand.looks(), looks);
  gate.open();
  for (int i = 0; i < 100 && given("hangs") != 300; ++i) {
    pass(6s);
    ASSERT_TRUE(eventually([&] { return last("hangs").outcome != Decision::Outcome::asked; }));
  }
  EXPECT_EQ(given("hangs"), 300);
  EXPECT_EQ(alone.component("hangs")->state, ComponentState::connected);
}

TEST_F(InProcessTest, AnAnswerAfterItsTimeCountsIfNothingElseWasAsked) {
  Gate gate;
  const auto component =
      must("late", {{"cpu_percent", [&](double) { gate.pass(); }}}, {.cpu_percent = 30});
  ASSERT_TRUE(gate.came());
  pass(5001ms);
  ASSERT_EQ(last("late").outcome, Decision::Outcome::timed_out);
  const std::uint64_t id = last("late").id;
  gate.open();
  ASSERT_TRUE(eventually([&] { return given("late") == 300; }));
  EXPECT_EQ(last("late").id, id);
  EXPECT_EQ(last("late").outcome, Decision::Outcome::applied);
}

TEST_F(InProcessTest, SoManyThatHangHarmNobodyAndNoMoreThreadsAreThereThanSaid) {
  Gate gate;
  std::deque<InProcessComponent> all;
  for (int i = 0; i < 80; ++i) {
    all.push_back(must("hangs" + std::to_string(i), {{"memory_mb", [&](double) { gate.pass(); }}},
                       {.memory_mb = 100}));
  }
  ASSERT_TRUE(eventually([&] {
    pass(101ms);
    return gate.inside() == 64;
  }));
  // The rest waits, however long.
  for (int i = 0; i < 10; ++i) pass(101ms);
  EXPECT_EQ(gate.inside(), 64);
  EXPECT_EQ(threads("headroom setter"), 64);
  EXPECT_EQ(threads(), 65);
  gate.open();
  ASSERT_TRUE(gate.went(80));
  // Those that are not needed any more end.
  ASSERT_TRUE(eventually([&] {
    (void)alone.catch_up();
    return threads("headroom setter") <= 4;
  }));
  Called memory;
  all.push_back(
      must("quick", {{"memory_mb", [&](double mb) { memory.note(mb); }}}, {.memory_mb = 300}));
  pass(1s);
  EXPECT_EQ(memory.after(1), 300);
}

TEST_F(InProcessTest, AFewThatHangLeaveAThreadToTheOthersAfterATenthOfASecond) {
  Gate gate;
  std::deque<InProcessComponent> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(must("hangs" + std::to_string(i), {{"memory_mb", [&](double) { gate.pass(); }}},
                       {.memory_mb = 100}));
  }
  ASSERT_TRUE(gate.came(4));
  Called memory;
  const auto quick =
      must("quick", {{"memory_mb", [&](double mb) { memory.note(mb); }}}, {.memory_mb = 300});
  EXPECT_TRUE(eventually([&] {
    pass(101ms);
    return memory.count() == 1;
  }));
  gate.open();
}

TEST_F(InProcessTest, LeavesFromWithinItsOwnSetter) {
  std::promise<InProcessComponent*> known;
  std::promise<bool> left;
  std::atomic<int> calls = 0;
  auto component = must("x",
                        {{"cpu_percent",
                          [&, when = known.get_future().share()](double) {
                            ++calls;
                            left.set_value(when.get()->leave().has_value());
                          }},
                         {"memory_mb", [&](double) { ++calls; }}},
                        {.cpu_percent = 20, .memory_mb = 200});
  known.set_value(&component);
  EXPECT_TRUE(left.get_future().get());
  EXPECT_FALSE(component.status().connected);
  EXPECT_TRUE(component.leave());  // once more changes nothing
  EXPECT_TRUE(alone.components()->empty());
  EXPECT_TRUE(eventually([] { return threads() == 0; }));
  EXPECT_EQ(calls, 1);
}

TEST_F(InProcessTest, ASetterMayChangeAQuotaItself) {
  Called cpu;
  Called other;
  const auto second =
      must("second", {{"cpu_percent", [&](double percent) { other.note(percent); }}},
           {.cpu_percent = 10});
  EXPECT_EQ(other.after(1), 10);
  const auto first = must("first",
                          {{"cpu_percent",
                            [&](double percent) {
                              cpu.note(percent);
                              (void)alone.set_quota("second", {.cpu_percent = 15});
                              if (cpu.count() == 1) {
                                (void)alone.set_quota("first", {.cpu_percent = 30});
                              }
                            }}},
                          {.cpu_percent = 20});
  EXPECT_EQ(cpu.after(2), 30);
  EXPECT_EQ(other.after(2), 15);
}

TEST_F(InProcessTest, NothingRunsBeforeTheFirstAndAfterTheLast) {
  EXPECT_EQ(threads(), 0);
  for (int round = 0; round < 3; ++round) {
    Called cpu;
    auto first = must("first", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}},
                      {.cpu_percent = 20});
    EXPECT_EQ(cpu.after(1), 20);
    auto second = must("second", {});
    EXPECT_EQ(threads("headroom setter"), 1);
    EXPECT_EQ(threads(), 2);
    EXPECT_TRUE(first.leave());
    EXPECT_EQ(threads(), 2);
    EXPECT_TRUE(second.leave());
    EXPECT_EQ(threads(), 0);
    hand.pass(1h);
  }
}

TEST_F(InProcessTest, ASetterThatHangsHoldsUpNoEnd) {
  auto gate = std::make_shared<Gate>();
  {
    auto other = std::make_unique<InProcess>(options());
    auto component = must(*other, "hangs", {{"cpu_percent", [gate](double) { gate->pass(); }}},
                          {.cpu_percent = 20, .end_within = 10ms});
    ASSERT_TRUE(gate->came());
    other.reset();  // before the component: its end is the end of them all
    EXPECT_FALSE(component.status().connected);
    component.report({{"cpu_percent", 5}});
  }
  EXPECT_EQ(threads("headroom setter"), 1);
  gate->open();
  EXPECT_TRUE(gate->went());
  EXPECT_TRUE(eventually([] { return threads() == 0; }));
}

TEST_F(InProcessTest, WhoseNameAnotherOneHasAfterwardsIsNotCalledForIt) {
  auto gate = std::make_shared<Gate>();
  auto first = must("x", {{"cpu_percent", [gate](double) { gate->pass(); }}},
                    {.cpu_percent = 20, .end_within = 0ms});
  ASSERT_TRUE(gate->came());
  EXPECT_TRUE(first.leave());
  Called cpu;
  const auto second =
      must("x", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}}, {.cpu_percent = 40});
  pass(1s);  // what the first one had is given again after the next look
  EXPECT_EQ(cpu.after(1), 40);
  gate->open();
  ASSERT_TRUE(gate->went());
  ASSERT_TRUE(eventually([&] { return given("x") == 400; }));
  EXPECT_EQ(component_count(), 1u);
}

TEST_F(InProcessTest, TheStrategyCanBeChosen) {
  EXPECT_EQ(alone.strategy(), *strategy_of("aggressive+dynamic"));
  const auto wrong = alone.set_strategy("bold");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().why, AllOf(HasSubstr("conservative"), HasSubstr("cooperative")));
  EXPECT_TRUE(alone.set_strategy("conservative+dynamic"));
  EXPECT_EQ(alone.strategy(), *strategy_of("conservative+dynamic"));
  Called cpu;
  auto component =
      must("x", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}}, {.cpu_percent = 20});
  EXPECT_EQ(cpu.after(1), 20);
  component.report({{"cpu_percent", 40}});
  pass(1s);
  EXPECT_EQ(cpu.after(2), 50);
  EXPECT_TRUE(alone.set_strategy("aggressive+dynamic"));  // its buffer is larger
  EXPECT_EQ(cpu.after(3), 62);
}

TEST_F(InProcessTest, AForkedProcessHasNoneOfIt) {
  Called cpu;
  auto component =
      must("x", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}}, {.cpu_percent = 20});
  EXPECT_EQ(cpu.after(1), 20);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto says = [](const auto& result) {
      return !result && result.error().kind == ErrorKind::unavailable &&
             !result.error().help.empty();
    };
    int wrong = 0;
    if (threads() > 1) wrong |= 1;  // this one has kept no name of theirs
    if (!says(alone.register_component("y", {}))) wrong |= 2;
    if (!says(alone.set_quota("x", {.cpu_percent = 30}))) wrong |= 4;
    if (!says(alone.component("x")) || !says(alone.components())) wrong |= 8;
    if (!says(alone.set_strategy("dynamic")) || !says(alone.strategy())) wrong |= 16;
    if (!says(alone.decisions("", 1)) || !says(alone.catch_up())) wrong |= 32;
    component.report({{"cpu_percent", 5}});
    if (component.status().connected || !component.status().problem) wrong |= 64;
    if (!says(component.leave())) wrong |= 128;
    {
      const auto over = std::move(component);
    }  // waits for nobody
    _exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  // The parent has lost nothing.
  ASSERT_TRUE(eventually([&] { return given("x") == 200; }));
  EXPECT_TRUE(alone.set_quota("x", {.cpu_percent = 30}));
  EXPECT_EQ(cpu.after(2), 30);
}

TEST_F(InProcessTest, AThousandComponentsThatComeAndGoAtRandomGetNoMoreThanThereIs) {
  constexpr int kThreads = 4;
  constexpr int kOfEach = kSlowed ? 75 : 250;
  constexpr int kSteps = 300;
  struct One {
    std::shared_ptr<std::atomic<bool>> here = std::make_shared<std::atomic<bool>>(true);
    std::optional<InProcessComponent> component;
  };
  std::atomic<int> called_after_leaving = 0;
  std::atomic<int> refused = 0;
  std::atomic<std::int64_t> calls = 0;
  std::atomic<int> too_much = 0;
  const auto check = [&] {
    const auto views = alone.components();
    std::int64_t cpu = 0;
    std::int64_t memory = 0;
    for (const ComponentView& view : *views) {
      cpu += view.component.has[index_of(Allotted::cpu)];
      memory += view.component.has[index_of(Allotted::memory)];
    }
    if (cpu > 1000 || memory > 100 * 1024) ++too_much;
  };
  std::vector<std::thread> programs;
  std::vector<std::map<int, One>> kept(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    programs.emplace_back([&, thread] {
      std::mt19937 random(static_cast<unsigned>(1 + thread));
      const auto up_to = [&random](int most) {
        return std::uniform_int_distribution<int>(0, most)(random);
      };
      auto& mine = kept[static_cast<std::size_t>(thread)];
      const auto name = [&](int i) {
        return "c" + std::to_string(thread) + "-" + std::to_string(i);
      };
      const auto join = [&](int i) {
        One one;
        const auto setter = [&called_after_leaving, &calls, here = one.here](double value) {
          if (!*here) ++called_after_leaving;
          ++calls;
          return std::min(value, 300.0);
        };
        auto made = alone.register_component(
            name(i), {{"cpu_percent", setter}, {"memory_mb", setter}}, {.memory_mb = 100.0 + i});
        if (!made) {
          ++refused;
          return;
        }
        one.component.emplace(std::move(*made));
        mine[i] = std::move(one);
      };
      for (int i = 0; i < kOfEach; ++i) join(i);
      for (int step = 0; step < kSteps; ++step) {
        const int i = up_to(kOfEach - 1);
        const auto found = mine.find(i);
        if (found == mine.end()) {
          join(i);
        } else if (up_to(2) == 0) {
          (void)found->second.component->leave();
          *found->second.here = false;
          mine.erase(found);
        } else if (up_to(1) == 0) {
          found->second.component->report(
              {{"cpu_percent", up_to(9) * 1.0}, {"memory_mb", up_to(499) * 1.0}});
        } else {
          (void)alone.set_quota(name(i), {.memory_mb = 100.0 + up_to(399)});
        }
        if (step % 50 == 0) check();
        if (thread == 0) pass(250ms);  // the machine is read while they come and go
      }
    });
  }
  for (std::thread& one : programs) one.join();
  EXPECT_EQ(called_after_leaving, 0);
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(too_much, 0);
  EXPECT_GT(calls, 1000);
  std::size_t left = 0;
  for (const auto& one : kept) left += one.size();
  EXPECT_EQ(component_count(), left);
  // Time stands still now: no ask runs out, and each is answered.
  EXPECT_TRUE(eventually([&] {
    const auto all = alone.decisions("", kMostDecisions);
    return std::none_of(all->begin(), all->end(), [](const Decision& one) {
      return one.outcome == Decision::Outcome::asked;
    });
  }));
  kept.clear();
  EXPECT_EQ(component_count(), 0u);
  EXPECT_EQ(threads(), 0);
}

TEST(InProcessAlone, ReadsThisMachine) {
  InProcess alone;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<double> amounts;
  std::string name;
  bool blocked = false;
  auto component = alone.register_component("x",
                                            {{"memory_mb",
                                              [&](double mb) {
                                                std::array<char, 16> comm{};
                                                prctl(PR_GET_NAME, comm.data());
                                                sigset_t signals;
                                                pthread_sigmask(SIG_SETMASK, nullptr, &signals);
                                                const std::lock_guard lock(mutex);
                                                name = comm.data();
                                                blocked = sigismember(&signals, SIGTERM) == 1;
                                                amounts.push_back(mb);
                                                changed.notify_all();
                                              }}},
                                            {.memory_mb = 100});
  ASSERT_TRUE(component) << component.error().what;
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return !amounts.empty(); }));
  EXPECT_EQ(amounts.front(), 100);
  EXPECT_EQ(name, "headroom setter");
  EXPECT_TRUE(blocked);
}

}  // namespace
}  // namespace headroom::runtime
