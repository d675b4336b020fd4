#include "client/component.hpp"

#include <future>
#include <optional>
#include <stdexcept>

#include <gmock/gmock.h>
#include <sys/prctl.h>

#include "client/json.hpp"
#include "client/standin_for_test.hpp"

namespace headroom::client {
namespace {

using std::chrono::milliseconds;
using test::Asked;
using test::StandIn;
using test::Told;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Told not_found() { return {404, R"({"type":"/problems/not-found","title":"No such thing"})"}; }

/// A value that a test waits for.
template <class T>
class Box {
 public:
  void put(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  /// All there are, at least so many; fewer after a minute.
  std::vector<T> wait(std::size_t count = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return values_.size() >= count; });
    return values_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> values_;
};

class ComponentClient : public ::testing::Test {
 protected:
  std::string ack(std::size_t times = 1) {
    const auto acks = daemon.wait_for("POST", "/ack", times);
    return acks.size() < times ? "none" : acks.back().body;
  }

  Component must(std::vector<ComponentSetter> setters, ComponentOptions options = {}) {
    auto component = register_component(daemon.url(), "feature_pipeline", std::move(setters),
                                        std::move(options));
    if (!component) throw std::runtime_error(component.error().what + component.error().why);
    return std::move(*component);
  }

  StandIn daemon;
};

TEST_F(ComponentClient, RegistersWithItsProcessSettersAndQuota) {
  daemon.start();
  const auto component =
      must({{"cpu_percent", [](double) {}},
            {"batch_size", [](double) {}, {.least = 1, .most = 64, .unit = "items"}}},
           {.priority = "high",
            .cpu_percent = 20,
            .memory_mb = 400.5,
            .enforce = false,
            .values = {{"cpu_percent", 18}}});
  EXPECT_EQ(component.name(), "feature_pipeline");
  const auto puts = daemon.wait_for("PUT", "/api/v1/components/feature_pipeline");
  EXPECT_EQ(puts.at(0).body,
            R"({"pid":)" + std::to_string(getpid()) +
                R"(,"priority":"high","cpu_percent":20,"memory_mb":400.5,"enforce":false,)"
                R"("setters":[{"name":"cpu_percent"},{"name":"batch_size","least":1,"most":64,)"
                R"("follows":"memory","unit":"items","whole":true}],"values":{"cpu_percent":18}})");
  daemon.wait_for("GET", "/stream");
}

TEST_F(ComponentClient, CallsSettersAndAcknowledgesWhatWasApplied) {
  daemon.start();
  Box<double> cpu, batch;
  const auto component = must({{"cpu_percent",
                                [&](double percent) {
                                  cpu.put(percent);
                                  return std::min(percent, 30.0);
                                }},
                               {"batch_size", [&](double size) { batch.put(size); }}});
  daemon.ask(R"({"id":17,"values":{"cpu_percent":31,"batch_size":12},"within_seconds":5})");
  EXPECT_EQ(
      ack(),
      R"({"id":17,"result":"applied","values":{"cpu_percent":30,"batch_size":12},"said":""})");
  EXPECT_THAT(cpu.wait(), ElementsAre(31));
  EXPECT_THAT(batch.wait(), ElementsAre(12));
  const auto status = component.status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.asked, 1u);
  EXPECT_EQ(status.failed, 0u);
  EXPECT_THAT(status.values, ElementsAre(Pair("batch_size", 12), Pair("cpu_percent", 30)));
}

// What it is asked came in one piece with the beginning of the stream, and it was not connected
// yet.
TEST_F(ComponentClient, IsConnectedWhenItsFirstSetterIsCalled) {
  daemon.start();
  daemon.ask(R"({"id":17,"values":{"batch_size":12},"within_seconds":5})");
  std::optional<Component> component;
  std::promise<void> there;
  Box<bool> connected;
  component.emplace(must({{"batch_size", [&](double) {
                             there.get_future().wait();
                             connected.put(component->status().connected);
                           }}}));
  there.set_value();
  EXPECT_THAT(connected.wait(), ElementsAre(true));
}

TEST(SetterCall, TakesWhatProgramsReturn) {
  const auto seen = [](const SetterCall& call) {
    const auto applied = call(5);
    return (applied.ok ? "ok " : "failed ") +
           (applied.value ? std::to_string(*applied.value) : "") + applied.said;
  };
  EXPECT_EQ(seen([](double) {}), "ok ");
  EXPECT_EQ(seen([](double) { return true; }), "ok ");
  EXPECT_EQ(seen([](double) { return false; }), "failed the setter said no");
  EXPECT_EQ(seen([](double) { return 4; }), "ok 4.000000");
  EXPECT_EQ(seen([](double value) { return std::optional<double>(value / 2); }), "ok 2.500000");
  EXPECT_EQ(seen([](double) { return std::optional<double>(); }), "failed the setter said no");
  EXPECT_EQ(seen([](double) { return Applied::failed("busy"); }), "failed busy");
  EXPECT_FALSE(SetterCall());
}

TEST_F(ComponentClient, ASetterThatFailsOrThrowsIsReportedAndEndsNothing) {
  daemon.start();
  const auto component = must({{"good", [](double) {}},
                               {"bad", [](double) -> bool { throw std::runtime_error("no pool"); }},
                               {"odd", [](double) -> bool { throw 7; }},
                               {"no", [](double) { return false; }}});
  daemon.ask(R"({"id":1,"values":{"good":1,"bad":2,"odd":3,"no":4,"none":5,"good2":"x"}})");
  EXPECT_EQ(ack(), R"({"id":1,"result":"failed","values":{"good":1},"said":"bad: no pool; )"
                   R"(odd: it threw something that is no exception; no: the setter said no; )"
                   R"(none: there is no such setter; good2: there is no such setter"})");
  daemon.ask(R"({"id":2,"values":{"good":9}})");
  EXPECT_EQ(ack(2), R"({"id":2,"result":"applied","values":{"good":9},"said":""})");
  EXPECT_EQ(component.status().failed, 1u);
}

TEST_F(ComponentClient, WhatCannotBeReadIsAProblemAndEndsNothing) {
  daemon.start();
  Box<std::string> problems;
  ComponentOptions options;
  options.on_problem = [&](const Error& error) {
    problems.put(error.what);
    throw std::runtime_error("who is told may throw");
  };
  const auto component = must({{"good", [](double) {}}}, options);
  daemon.ask("nonsense");
  daemon.ask(R"({"id":2,"values":{"good":9}})");
  EXPECT_EQ(ack(), R"({"id":2,"result":"applied","values":{"good":9},"said":""})");
  EXPECT_THAT(problems.wait(), ElementsAre("what feature_pipeline was asked cannot be read"));
}

TEST_F(ComponentClient, TellsWhatItUsesAndGivesSignsOfLife) {
  daemon.start();
  ComponentOptions options;
  options.heartbeat = milliseconds(20);
  auto component = must({}, options);
  EXPECT_EQ(daemon.wait_for("POST", "/heartbeat").at(0).body, "{}");
  component.report({{"cpu_percent", 12.5}});
  component.report({{"memory_mb", 310}});
  const auto seen = [&] {
    std::string body;
    for (std::size_t times = 2; times < 500; ++times) {
      body = daemon.wait_for("POST", "/heartbeat", times).back().body;
      if (body.find("memory_mb") != std::string::npos) break;
    }
    return body;
  };
  EXPECT_EQ(seen(), R"({"used":{"cpu_percent":12.5,"memory_mb":310}})");
}

TEST_F(ComponentClient, RegistersAgainWhenTheDaemonComesBackAndKeepsWhatWasSetMeanwhile) {
  daemon.start();
  Box<std::string> problems;
  ComponentOptions options;
  options.cpu_percent = 20;
  options.on_problem = [&](const Error& error) { problems.put(error.what); };
  const auto component = must({{"cpu_percent", [](double) {}}}, options);
  daemon.ask(R"({"id":1,"values":{"cpu_percent":25}})");
  ack();
  daemon.stop();
  EXPECT_THAT(problems.wait().at(0), HasSubstr("no daemon answers on"));
  daemon.start();
  const auto puts = daemon.wait_for("PUT", "/feature_pipeline", 2);
  ASSERT_EQ(puts.size(), 2u);
  EXPECT_THAT(puts[0].body, HasSubstr(R"("cpu_percent":20)"));
  EXPECT_EQ(puts[1].body,
            R"({"pid":)" + std::to_string(getpid()) +
                R"(,"setters":[{"name":"cpu_percent"}],"values":{"cpu_percent":25}})");
  daemon.ask(R"({"id":1,"values":{"cpu_percent":26}})");
  EXPECT_EQ(ack(2), R"({"id":1,"result":"applied","values":{"cpu_percent":26},"said":""})");
  EXPECT_FALSE(component.status().problem);
}

TEST_F(ComponentClient, TellsADaemonThatKnowsNothingOfItAllAgain) {
  daemon.start();
  ComponentOptions options;
  options.cpu_percent = 20;
  const auto component = must({}, options);
  daemon.wait_for("GET", "/stream");
  daemon.stop();
  daemon.start([](const Asked& asked) {
    return asked.method == "GET" && asked.target.ends_with("/feature_pipeline") ? not_found()
                                                                                : Told{};
  });
  const auto puts = daemon.wait_for("PUT", "/feature_pipeline", 2);
  ASSERT_EQ(puts.size(), 2u);
  EXPECT_EQ(puts[1].body, puts[0].body);
}

TEST_F(ComponentClient, IsTreatedAsNewWhereAHeartbeatFindsItForgotten) {
  auto forgotten = std::make_shared<std::atomic<bool>>(true);
  daemon.start([forgotten](const Asked& asked) {
    const bool beat = asked.target.ends_with("/heartbeat");
    return beat && forgotten->exchange(false) ? not_found() : Told{};
  });
  ComponentOptions options;
  options.heartbeat = milliseconds(5);
  const auto component = must({}, options);
  EXPECT_EQ(daemon.wait_for("PUT", "/feature_pipeline", 2).size(), 2u);
  EXPECT_EQ(daemon.wait_for("GET", "/stream", 2).size(), 2u);
}

TEST_F(ComponentClient, BeginsWithoutADaemonOnlyWhereThatIsAllowed) {
  const auto none = register_component(daemon.url(), "x", {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(none.error().help, HasSubstr("systemctl start headroomd"));
  ComponentOptions options;
  options.later = true;
  options.memory_mb = 400;
  const auto component = must({}, options);
  EXPECT_FALSE(component.status().connected);
  daemon.start();
  EXPECT_THAT(daemon.wait_for("PUT", "/feature_pipeline").at(0).body,
              HasSubstr(R"("memory_mb":400)"));
  daemon.wait_for("GET", "/stream");
}

TEST_F(ComponentClient, ARefusalIsTheCallersWhateverTheOptionsSay) {
  daemon.start([](const Asked&) {
    return Told{403, R"({"type":"/problems/not-allowed","title":"No","detail":"it is joe's"})"};
  });
  ComponentOptions options;
  options.later = true;
  const auto refused = register_component(daemon.url(), "x", {}, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::not_allowed);
  EXPECT_EQ(refused.error().why, "it is joe's");
}

TEST_F(ComponentClient, SettersThatCannotBeAreRefusedBeforeAnythingIsAsked) {
  daemon.start();
  EXPECT_EQ(register_component(daemon.url(), "", {}).error().kind, ErrorKind::invalid_request);
  EXPECT_THAT(register_component(daemon.url(), "x", {{"a", {}}}).error().what,
              HasSubstr("cannot be called"));
  const auto twice =
      register_component(daemon.url(), "x", {{"a", [](double) {}}, {"a", [](double) {}}});
  EXPECT_THAT(twice.error().what, HasSubstr("is there twice"));
  EXPECT_EQ(daemon.count("PUT"), 0u);
}

TEST_F(ComponentClient, DestroyingLeavesItRegisteredAndLeavingUnregistersIt) {
  daemon.start();
  {
    const auto component = must({});
    daemon.wait_for("GET", "/stream");
  }
  EXPECT_EQ(daemon.count("DELETE"), 0u);
  auto component = must({});
  daemon.wait_for("GET", "/stream", 2);
  auto moved = std::move(component);
  EXPECT_TRUE(moved.leave());
  EXPECT_EQ(daemon.wait_for("DELETE", "/feature_pipeline").size(), 1u);
  EXPECT_TRUE(moved.leave());  // once more changes nothing
  EXPECT_FALSE(moved.status().connected);
}

TEST_F(ComponentClient, LeavesFromWithinASetter) {
  daemon.start();
  std::promise<Component*> known;
  auto component = must({{"stop", [when = known.get_future().share()](double) {
                            return when.get()->leave().has_value();
                          }}});
  known.set_value(&component);
  daemon.ask(R"({"id":1,"values":{"stop":1}})");
  EXPECT_EQ(daemon.wait_for("DELETE", "/feature_pipeline").size(), 1u);
}

TEST_F(ComponentClient, ASetterThatHangsHoldsUpItsOwnComponentAloneAndNotTheDestructor) {
  daemon.start();
  auto go_on = std::make_shared<std::promise<void>>();
  auto called = std::make_shared<std::promise<void>>();
  auto over = std::make_shared<std::promise<void>>();
  const auto blocked = [wait = go_on->get_future().share(), called, over](double) {
    called->set_value();
    wait.wait();
    over->set_value();
  };
  ComponentOptions options;
  options.end_within = milliseconds(10);
  {
    const auto hangs = must({{"cpu_percent", blocked}}, options);
    daemon.ask(R"({"id":1,"values":{"cpu_percent":1}})");
    called->get_future().wait();
    const auto other = register_component(daemon.url(), "other", {{"b", [](double) {}}});
    ASSERT_TRUE(other);
    daemon.wait_for("GET", "/other/stream");
    daemon.ask(R"({"id":2,"values":{"b":1}})", "other");
    EXPECT_EQ(daemon.wait_for("POST", "/other/ack").size(), 1u);
  }  // both are destroyed here, although one setter still runs
  EXPECT_EQ(daemon.count("POST"), 1u);
  go_on->set_value();
  over->get_future().wait();
}

TEST_F(ComponentClient, ItsThreadHasANameAndNoSignals) {
  daemon.start();
  Box<std::string> names;
  const auto component =
      must({{"a", [&](double) {
               std::array<char, 16> name{};
               prctl(PR_GET_NAME, name.data());
               sigset_t blocked;
               pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
               names.put(std::string(name.data()) +
                         (sigismember(&blocked, SIGTERM) == 1 ? " blocked" : ""));
             }}});
  daemon.ask(R"({"id":1,"values":{"a":1}})");
  EXPECT_THAT(names.wait(), ElementsAre("headroom featur blocked"));
}

}  // namespace
}  // namespace headroom::client
