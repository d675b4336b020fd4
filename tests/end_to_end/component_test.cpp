// Components: programs that are registered with a real daemon, through the C++ face and by hand.
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <iostream>
#include <mutex>

#include "client/component.hpp"
#include "harness.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

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

class ComponentDaemon : public ::testing::Test {
 protected:
  ComponentDaemon() : daemon_(options()) {}
  static DaemonOptions options() {
    DaemonOptions options;
    options.configuration =
        "strategy = \"conservative+dynamic\"\n"
        "[control]\ninterval = \"200ms\"\nsetter_timeout = \"300ms\"\n";
    return options;
  }
  void SetUp() override { ASSERT_TRUE(daemon_.start()); }
  std::string url() const { return "unix://" + daemon_.socket(); }
  value shown(const std::string& name) { return daemon_.get("/api/v1/components/" + name); }
  double given(const std::string& name, const std::string& resource) {
    const value component = shown(name);
    for (const auto& one : list(component, "resources")) {
      if (text(one, "resource") == resource) return number(one, "allocation").value_or(-1);
    }
    return -1;
  }
  Daemon daemon_;
};

TEST_F(ComponentDaemon, ItsSettersAreCalledWithWhatItsQuotaSays) {
  Called cpu;
  Called batch;
  auto component = client::register_component(
      url(), "feature_pipeline",
      {{"cpu_percent", [&](double percent) { cpu.note(percent); }},
       {"batch_size", [&](double size) { batch.note(size); }, {.least = 1, .most = 64}}},
      {.priority = "high", .cpu_percent = 20, .memory_mb = 400});
  const double registered = seconds();
  ASSERT_TRUE(component) << component.error().what;
  EXPECT_EQ(cpu.after(1), 20);
  std::cout << "from its registration to its first setter "
            << std::llround(1000 * (seconds() - registered)) << " ms\n";
  EXPECT_GE(batch.after(1), 1);
  EXPECT_TRUE(eventually([&] { return given("feature_pipeline", "cpu") == 20; }));
  // A quota that is set by the command comes to the program, and the command says so.
  const auto set = daemon_.run({"quota", "set", "feature_pipeline", "--cpu", "30"});
  EXPECT_EQ(set.code, 0) << set.err;
  EXPECT_THAT(set.out, HasSubstr("cpu 20 → 30 %"));
  EXPECT_EQ(cpu.after(2), 30);
  EXPECT_THAT(daemon_.run({"component", "history", "feature_pipeline"}).out, HasSubstr("applied"));
  EXPECT_THAT(daemon_.run({"component"}).out, HasSubstr("connected"));
  // What it is given is booked: room for nobody else.
  EXPECT_THAT(daemon_.run({"lease"}).out, HasSubstr("feature_pipeline"));
}

TEST_F(ComponentDaemon, WhatOneClampsIsRecorded) {
  auto component = client::register_component(
      url(), "small", {{"cpu_percent", [](double percent) { return std::min(percent, 50.0); }}},
      {.cpu_percent = 60});
  ASSERT_TRUE(component) << component.error().what;
  EXPECT_TRUE(eventually([&] { return given("small", "cpu") == 50; }));
  const auto decisions = daemon_.get("/api/v1/components/small/allocations");
  bool seen = false;
  for (const auto& one : list(decisions)) {
    seen = seen || (number(one, "new") == 60.0 && number(one, "applied") == 50.0);
  }
  EXPECT_TRUE(seen);
}

TEST_F(ComponentDaemon, OneThatHangsIsSaidToBeUnresponsiveAndHarmsNobody) {
  std::mutex held;
  auto hang = std::make_unique<std::lock_guard<std::mutex>>(held);
  auto slow = client::register_component(
      url(), "hangs", {{"cpu_percent", [&](double) { const std::lock_guard lock(held); }}},
      {.cpu_percent = 30});
  ASSERT_TRUE(slow) << slow.error().what;
  Called other;
  auto quick = client::register_component(
      url(), "quick", {{"cpu_percent", [&](double percent) { other.note(percent); }}},
      {.cpu_percent = 20});
  ASSERT_TRUE(quick) << quick.error().what;
  EXPECT_EQ(other.after(1), 20);
  EXPECT_TRUE(eventually([&] { return text(shown("hangs"), "state") == "unresponsive"; }));
  EXPECT_EQ(given("hangs", "cpu"), 0);
  hang.reset();
  EXPECT_TRUE(eventually([&] { return given("hangs", "cpu") == 30; }));
  EXPECT_TRUE(eventually([&] { return text(shown("hangs"), "state") == "connected"; }));
}

TEST_F(ComponentDaemon, OneThatThrowsKeepsWhatItHas) {
  auto component = client::register_component(
      url(), "throws", {{"cpu_percent", [](double) { throw std::runtime_error("no such pool"); }}},
      {.cpu_percent = 30});
  ASSERT_TRUE(component) << component.error().what;
  EXPECT_TRUE(eventually([&] {
    return number(shown("throws"), "asks.failed").value_or(0) >= 1 ||
           text(shown("throws"), "problem").find("no such pool") != std::string::npos;
  }));
  EXPECT_EQ(given("throws", "cpu"), 0);
}

TEST_F(ComponentDaemon, QuotasAllocationsAndHistorySurviveItsDeath) {
  Called cpu;
  auto component = client::register_component(
      url(), "survivor", {{"cpu_percent", [&](double percent) { cpu.note(percent); }}},
      {.priority = "critical", .cpu_percent = 25, .memory_mb = 200});
  ASSERT_TRUE(component) << component.error().what;
  EXPECT_EQ(cpu.after(1), 25);
  ASSERT_TRUE(eventually([&] { return given("survivor", "cpu") == 25; }));
  daemon_.kill_and_reap();
  ASSERT_TRUE(daemon_.start());
  EXPECT_EQ(given("survivor", "cpu"), 25);
  EXPECT_EQ(text(shown("survivor"), "priority"), "critical");
  EXPECT_FALSE(list(daemon_.get("/api/v1/components/survivor/allocations")).empty());
  // It comes back by itself, and is asked again.
  EXPECT_TRUE(eventually([&] { return text(shown("survivor"), "state") == "connected"; }));
  ASSERT_EQ(daemon_.run({"quota", "set", "survivor", "--cpu", "35"}).code, 0);
  EXPECT_TRUE(eventually([&] { return given("survivor", "cpu") == 35; }));
}

TEST_F(ComponentDaemon, TheSelfTestOfTheOlderWordsPasses) {
  const auto done = daemon_.run({"resource-management", "test"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("PASS"));
}

}  // namespace
}  // namespace headroom::end_to_end
