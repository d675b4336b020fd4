// Components of a program's own process, on the real machine: alone, and beside a daemon.
#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <variant>

#include "client/component.hpp"
#include "harness.hpp"
#include "runtime/in_process.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

/// The last value that a setter was called with.
class Newest {
 public:
  void note(double value) {
    const std::lock_guard lock(mutex_);
    value_ = value;
    changed_.notify_all();
  }
  /// Once it is true of it; not a number where that does not come.
  double when(const std::function<bool(double)>& is_so) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kPatience, [&] { return value_ && is_so(*value_); });
    return came ? *value_ : NAN;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<double> value_;
};

Config quick() {
  Config config;
  config.strategy = *strategy_of("conservative+dynamic");
  config.control.interval = 200ms;
  config.sample.interval = 100ms;
  return config;
}

TEST(InProcess, ItIsGivenWhatItsProcessUses) {
  runtime::InProcess alone({.config = quick()});
  Newest memory;
  const double begun = seconds();
  const auto component = alone.register_component(
      "trainer", {{"memory_mb", [&](double mb) { memory.note(mb); }}}, {.memory_mb = 100});
  ASSERT_TRUE(component) << component.error().what << ": " << component.error().why;
  EXPECT_GE(memory.when([](double mb) { return mb >= 100; }), 100);
  std::cout << "from nothing to the first setter " << std::llround(1000 * (seconds() - begun))
            << " ms\n";
  // What it takes is measured, and what it is given follows.
  std::vector<char> taken(300UL << 20, 'x');
  EXPECT_GE(memory.when([](double mb) { return mb >= 300; }), 300);
  EXPECT_TRUE(eventually([&] {
    const auto view = alone.component("trainer");
    return view && view->component.has[index_of(Allotted::memory)] >= 300;
  }));
  EXPECT_EQ(taken[123], 'x');
  const auto decisions = alone.decisions("trainer", 1);
  ASSERT_EQ(decisions->size(), 1u);
  EXPECT_THAT(decisions->front().reason, HasSubstr("it uses "));
}

// As docs/components.md has it.
using AnyComponent = std::variant<client::Component, runtime::InProcessComponent>;

Result<AnyComponent> register_anywhere(runtime::InProcess& alone, const std::string& url,
                                       const std::string& name,
                                       const std::vector<ComponentSetter>& setters,
                                       ComponentOptions options) {
  auto there = client::register_component(url, name, setters, options);
  if (there) return AnyComponent(std::move(*there));
  if (there.error().kind != ErrorKind::unavailable) return tl::unexpected(there.error());
  options.enforce.reset();  // which only a daemon can do
  auto here = alone.register_component(name, setters, std::move(options));
  if (!here) return tl::unexpected(here.error());
  return AnyComponent(std::move(*here));
}

TEST(InProcess, AProgramUsesTheDaemonWhereThereIsOneAndItselfElsewhere) {
  runtime::InProcess alone({.config = quick()});
  Newest memory;
  const std::vector<ComponentSetter> setters{{"memory_mb", [&](double mb) { memory.note(mb); }}};
  const ComponentOptions options{.memory_mb = 200, .enforce = false};
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const std::string url = "unix://" + daemon.socket();
  {
    auto there = register_anywhere(alone, url, "worker", setters, options);
    ASSERT_TRUE(there) << there.error().what;
    EXPECT_TRUE(std::holds_alternative<client::Component>(*there));
    EXPECT_EQ(memory.when([](double mb) { return mb == 200; }), 200);
    EXPECT_THAT(daemon.run({"component"}).out, HasSubstr("worker"));
    EXPECT_TRUE(alone.components()->empty());
    std::visit([](auto& one) { EXPECT_TRUE(one.leave()); }, *there);
  }
  // What is refused is not done behind the daemon's back.
  const auto refused = register_anywhere(alone, url, "worker", setters, {.priority = "urgent"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid_request);
  daemon.kill_and_reap();
  auto here = register_anywhere(alone, url, "worker", setters, {.memory_mb = 250, .enforce = true});
  ASSERT_TRUE(here) << here.error().what;
  EXPECT_TRUE(std::holds_alternative<runtime::InProcessComponent>(*here));
  EXPECT_EQ(memory.when([](double mb) { return mb == 250; }), 250);
  std::visit([](auto& one) { one.report({{"memory_mb", 120}}); }, *here);
  std::visit([](auto& one) { EXPECT_TRUE(one.status().connected); }, *here);
}

}  // namespace
}  // namespace headroom::end_to_end
