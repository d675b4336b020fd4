// Components: what they are given, and what becomes of those that do not do what they are asked.
#include <gmock/gmock.h>

#include <cmath>

#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using ::testing::HasSubstr;

/// The bench of 8 cores and 100 GiB with components: each has the setters cpu_percent and
/// memory_mb unless said otherwise, and listens.
class Components : public ::testing::Test {
 protected:
  static Config with(const char* strategy) {
    Config config = Bench::make();
    config.strategy = *strategy_of(strategy);
    config.control.memory_most = Bytes(64LL << 30);
    return config;
  }
  explicit Components(const char* strategy = "conservative+dynamic") : box(with(strategy)) {
    box.read();
  }

  static Setter setter(const std::string& name, double least = 0, double most = 0,
                       Allotted follows = Allotted::memory) {
    Setter one;
    one.name = name;
    one.least = least;
    one.most = most;
    one.follows = follows;
    return one;
  }
  static QuotaChange quota(std::optional<std::int64_t> cpu, std::optional<std::int64_t> memory = {},
                           Priority priority = Priority::normal) {
    QuotaChange change;
    change.parts[index_of(Allotted::cpu)].amount = cpu;
    change.parts[index_of(Allotted::memory)].amount = memory;
    change.priority = priority;
    return change;
  }
  RequestId put(const std::string& name, QuotaChange change = {}, pid_t pid = 0,
                std::vector<Setter> setters = {setter("cpu_percent"), setter("memory_mb")}) {
    AskComponent ask;
    ask.what = AskComponent::What::put;
    ask.name = name;
    ask.quota = std::move(change);
    ask.setters = std::move(setters);
    if (pid != 0) ask.holder = holder(pid);
    return box.ask(ask);
  }
  /// The ask in the effects of the last event, or of those since.
  const CallSetter* call(const std::string& name) const {
    for (const Effect& effect : box.effects) {
      const auto* one = std::get_if<CallSetter>(&effect);
      if (one != nullptr && one->component == name) return one;
    }
    return nullptr;
  }
  void listen(const std::string& name) { box.apply(ComponentHeard{name, true}); }
  void answer(const std::string& name, std::uint64_t ask, bool done = true,
              std::map<std::string, double> values = {}) {
    box.apply(SetterAnswered{name, ask, done, std::move(values), done ? "" : "it threw"});
  }
  /// Whatever is asked in the effects in hand is done, and what is asked because of that.
  void obey() {
    for (int i = 0; i < 100; ++i) {
      std::vector<CallSetter> calls;
      for (const Effect& effect : box.effects) {
        if (const auto* say = std::get_if<Say>(&effect)) ++heard[say->line.type];
        if (const auto* one = std::get_if<CallSetter>(&effect)) calls.push_back(*one);
      }
      if (calls.empty()) {
        box.effects.clear();
        return;
      }
      Effects all;
      for (const CallSetter& one : calls) {
        answer(one.component, one.ask);
        all.insert(all.end(), box.effects.begin(), box.effects.end());
      }
      box.effects = all;
    }
    FAIL() << "it is asked for ever";
  }
  void tell(const std::string& name, std::optional<std::int64_t> cpu,
            std::optional<std::int64_t> memory = {}) {
    AskComponent ask;
    ask.what = AskComponent::What::heard;
    ask.name = name;
    ask.used[index_of(Allotted::cpu)] = cpu;
    ask.used[index_of(Allotted::memory)] = memory;
    box.ask(ask);
  }
  /// So long, with a sample each second; all that is asked is done.
  void run(int seconds_long) {
    for (int i = 0; i < seconds_long; ++i) {
      box.pass(seconds(1));
      box.read();
      obey();
      check();
    }
  }
  const Component& component(const std::string& name) const {
    return box.shadow.components.at(name);
  }
  std::int64_t has(const std::string& name, Allotted what = Allotted::cpu) const {
    return component(name).has[index_of(what)];
  }
  ComponentView view(const std::string& name) const {
    for (const ComponentView& one : box.control.view(box.now()).components) {
      if (one.component.name == name) return one;
    }
    ADD_FAILURE() << name << " is not shown";
    return {};
  }
  /// What holds after every event.
  void check() const {
    std::int64_t cpu = 0;
    std::int64_t memory = 0;
    for (const auto& [name, one] : box.shadow.components) {
      if (!one.books) continue;
      cpu += one.has[index_of(Allotted::cpu)];
      memory += one.has[index_of(Allotted::memory)];
      const auto lease = box.shadow.leases.find(one.lease);
      ASSERT_NE(lease, box.shadow.leases.end()) << name;
      EXPECT_GE(lease->second.booked.memory.count() >> 20, one.has[index_of(Allotted::memory)]);
    }
    EXPECT_LE(cpu, 1000);
    EXPECT_LE(memory, 100 * 1024);
  }

  Bench box;
  std::map<std::string, int> heard;  ///< events by type, of the turns that were obeyed
};

TEST_F(Components, IsGivenItsQuotaUntilSomethingIsKnownOfIt) {
  put("service", quota(250, 512));
  EXPECT_EQ(box.said("component.registered"), 1);
  EXPECT_EQ(call("service"), nullptr) << "nobody listens yet";
  listen("service");
  const CallSetter* asked = call("service");
  ASSERT_NE(asked, nullptr);
  const std::vector<CallSetter::Value> wanted{{"cpu_percent", 0, 25}, {"memory_mb", 0, 512}};
  EXPECT_EQ(asked->values, wanted);
  EXPECT_EQ(view("service").allotted.front().asked, 250);
  answer("service", asked->ask);
  EXPECT_EQ(has("service"), 250);
  EXPECT_EQ(has("service", Allotted::memory), 512);
  // What it was given is room for nobody else.
  const Lease& lease = box.shadow.leases.at(component("service").lease);
  EXPECT_EQ(lease.booked.memory, 512_MiB);
  EXPECT_EQ(lease.booked.cpu.milli(), 2000);
  ASSERT_EQ(box.shadow.decisions.size(), 2U);
  const Decision& decision = box.shadow.decisions.begin()->second;
  EXPECT_EQ(decision.outcome, Decision::Outcome::applied);
  EXPECT_EQ(decision.applied, 250);
  EXPECT_FALSE(decision.reason.empty());
  EXPECT_EQ(view("service").state, ComponentState::connected);
}

// The buffers of the specification: a steady use of 20 % is given 25, 27 and 31 %.
TEST(ComponentBuffers, AreThoseOfThePosture) {
  for (const auto& [strategy, wanted] : {std::pair{"conservative+dynamic", 250},
                                         {"balanced+dynamic", 270},
                                         {"aggressive+dynamic", 310}}) {
    struct Fixture : Components {
      explicit Fixture(const char* name) : Components(name) {}
      void TestBody() override {}
      void steady() {
        put("a", {});
        listen("a");
        obey();
        for (int i = 0; i < 60; ++i) {
          tell("a", 200, 300);
          run(1);
        }
      }
      std::int64_t given() const { return has("a"); }
    };
    Fixture fixture(strategy);
    fixture.steady();
    EXPECT_EQ(fixture.given(), wanted) << strategy;
  }
}

TEST_F(Components, WhatOneGivesBackIsAnothersOnlyWhenThatIsConfirmed) {
  put("low", quota(0, {}, Priority::low));
  listen("low");
  obey();
  tell("low", 700);
  run(15);
  ASSERT_EQ(has("low"), 800);
  put("high", quota(500, {}, Priority::critical));
  listen("high");
  // There is nothing for it until the other one has given some back.
  const CallSetter* back = call("low");
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->values.front().setter, "cpu_percent");
  EXPECT_LT(back->values.front().to, 50);
  EXPECT_EQ(has("high"), 0);
  EXPECT_EQ(has("low"), 800);
  const auto asked = view("high").allotted.front().asked;
  EXPECT_TRUE(!asked || *asked == 0) << *asked;
  obey();
  run(2);
  EXPECT_EQ(has("high"), 500);
  EXPECT_LE(has("low"), 300);
  EXPECT_GE(has("low"), 50);
}

TEST_F(Components, OneThatClampsIsRecordedWithWhatItReallySet) {
  put("small", quota(600, 2048));
  listen("small");
  const CallSetter* asked = call("small");
  ASSERT_NE(asked, nullptr);
  answer("small", asked->ask, true, {{"cpu_percent", 50}, {"memory_mb", 1024}});
  EXPECT_EQ(has("small"), 500);
  EXPECT_EQ(has("small", Allotted::memory), 1024);
  EXPECT_EQ(box.shadow.decisions.begin()->second.to, 600);
  EXPECT_EQ(box.shadow.decisions.begin()->second.applied, 500);
  EXPECT_EQ(box.shadow.leases.at(component("small").lease).booked.memory, 1024_MiB);
}

TEST_F(Components, OneThatHangsKeepsWhatItHasAndIsSaidToBeUnresponsive) {
  put("hangs", quota(250, 512));
  listen("hangs");
  int unresponsive = 0;
  for (int i = 0; i < 60; ++i) {
    box.pass(seconds(1));
    box.apply(Ticked{});
    unresponsive += box.said("component.unresponsive");
    box.read();
    EXPECT_EQ(has("hangs"), 0);
  }
  EXPECT_EQ(unresponsive, 1) << "once is enough";
  EXPECT_EQ(view("hangs").state, ComponentState::unresponsive);
  EXPECT_GE(view("hangs").timed_out, 3U);
  EXPECT_LE(view("hangs").timed_out, 8U) << "it is asked less and less";
  EXPECT_THAT(view("hangs").problem, HasSubstr("did not answer in 5 s"));
  // It answers late: that counts, and it is well again.
  const std::uint64_t last = box.shadow.decisions.rbegin()->first.first;
  box.apply(SetterAnswered{"hangs", last, true, {}, ""});
  EXPECT_EQ(has("hangs"), 250);
  EXPECT_EQ(view("hangs").state, ComponentState::connected);
  EXPECT_EQ(view("hangs").problem, "");
}

TEST_F(Components, AnotherTimeoutWhileOneIsAskedLosesNoDeadline) {
  put("asked", quota(250));
  listen("asked");
  const CallSetter* asked = call("asked");
  ASSERT_NE(asked, nullptr);
  const std::uint64_t number = asked->ask;
  Config config = with("conservative+dynamic");
  config.control.setter_timeout = seconds(60);
  box.apply(Configured{config});
  answer("asked", number);
  EXPECT_EQ(has("asked"), 250);
  EXPECT_EQ(box.control.next_deadline(), std::nullopt);
}

TEST_F(Components, OneThatThrowsKeepsWhatItHas) {
  put("throws", quota(250, 512));
  listen("throws");
  for (int i = 0; i < 400; ++i) {
    if (const CallSetter* asked = call("throws")) {
      const auto ask = asked->ask;
      answer("throws", ask, false);
    }
    box.pass(seconds(1));
    box.read();
  }
  EXPECT_EQ(has("throws"), 0);
  EXPECT_GT(view("throws").failed, 5U);
  EXPECT_LE(view("throws").failed, 12U) << "asked again after 1, 2, 4 … 64 s";
  EXPECT_THAT(view("throws").problem, HasSubstr("it threw"));
}

TEST_F(Components, ManyFailuresAreOneAlert) {
  put("often", quota(250));
  listen("often");
  int opened = 0;
  for (int i = 0; i < 4000; ++i) {
    if (const CallSetter* asked = call("often")) {
      const auto ask = asked->ask;
      answer("often", ask, false);
    }
    box.pass(seconds(1));
    box.read();
    opened += box.said("alert.opened");
  }
  EXPECT_EQ(opened, 1);
  const auto open = box.control.state().alerts.open();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].resource, Resource::allocation_failures);
  EXPECT_EQ(open[0].device, "often");
  EXPECT_EQ(open[0].level, Level::warning);
  EXPECT_EQ(open[0].threshold, 5);
  AskComponent remove;
  remove.what = AskComponent::What::remove;
  remove.name = "often";
  box.ask(remove);
  box.read();
  EXPECT_TRUE(box.control.state().alerts.open().empty()) << "who is gone fails no more";
}

TEST_F(Components, OneThatDoesNotAnswerIsAnAlertUntilItDoes) {
  put("hangs", quota(250));
  listen("hangs");
  std::uint64_t last = 0;
  const auto look = [&] {
    if (const CallSetter* asked = call("hangs")) last = asked->ask;
    box.pass(seconds(1));
    box.apply(Ticked{});
    if (const CallSetter* asked = call("hangs")) last = asked->ask;
    box.read();
  };
  for (int i = 0; i < 600 && box.control.state().alerts.open().empty(); ++i) look();
  const auto open = box.control.state().alerts.open();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].resource, Resource::component_unresponsive);
  EXPECT_EQ(open[0].device, "hangs");
  EXPECT_TRUE(box.control.view(box.now()).pressures.size() < 10) << "it is no pressure of the node";
  for (const Pressure& one : box.control.view(box.now()).pressures) {
    EXPECT_TRUE(is_pressed(one.resource));
  }
  answer("hangs", last);  // late, but it is there
  for (int i = 0; i < 200 && !box.control.state().alerts.open().empty(); ++i) {
    if (const CallSetter* asked = call("hangs")) answer("hangs", asked->ask);
    box.pass(seconds(1));
    box.read();
  }
  EXPECT_TRUE(box.control.state().alerts.open().empty());
}

class Predictive : public Components {
 protected:
  Predictive() : Components("balanced+predictive") {}
};

TEST_F(Predictive, ForecastsThatAreNotSureAreAnAlertAfterTenMinutes) {
  put("noisy", quota(250));
  listen("noisy");
  std::uint64_t seed = 7;
  int minutes = 0;
  const auto open = [&] { return box.control.state().alerts.open(); };
  for (int i = 0; i < 6 * 60 * 4 && open().empty(); ++i) {
    // Each ten seconds something else, over four powers of ten.
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const double exponent = static_cast<double>(seed >> 40) / static_cast<double>(1U << 24);
    tell("noisy", static_cast<std::int64_t>(std::pow(10.0, 3 * exponent)));
    for (int s = 0; s < 10; ++s) {
      if (const CallSetter* asked = call("noisy")) answer("noisy", asked->ask);
      box.pass(seconds(1));
      box.read();
    }
    minutes = i / 6;
  }
  ASSERT_EQ(open().size(), 1U);
  EXPECT_EQ(open()[0].resource, Resource::forecast_low_confidence);
  EXPECT_GE(minutes, 60 + 9) << "of the first hour nobody expects to be sure";
}

TEST_F(Components, WhatWasLearnedOfThemIsThereAfterARestart) {
  put("learned", quota(250));
  listen("learned");
  const auto live = [&](int turns) {
    for (int i = 0; i < turns; ++i) {
      tell("learned", 300);
      if (const CallSetter* asked = call("learned")) answer("learned", asked->ask);
      box.pass(seconds(10));
      box.read();
    }
  };
  live(400);
  const auto seen = [&] { return view("learned").allotted[index_of(Allotted::cpu)].accuracy; };
  ASSERT_TRUE(seen());
  const std::string saved = box.control.save_foresight();
  for (const bool kept : {false, true}) {
    box.restart({}, true, kept ? saved : std::string());
    box.read();
    put("learned", quota(250));
    listen("learned");
    live(6);
    EXPECT_EQ(seen().has_value(), kept);
  }
  // Two restarts on end, and nobody was back between them.
  box.restart({}, true, saved);
  EXPECT_EQ(box.control.save_foresight().size(), saved.size());
  // Nothing that it is given breaks it.
  for (std::size_t cut = 0; cut < saved.size(); cut += 97) {
    box.restart({}, true, saved.substr(0, cut));
    put("learned", quota(250));
    listen("learned");
    live(1);
  }
}

TEST_F(Components, WhatWasToBeAskedNextAndWasNotIsBookedNoMore) {
  for (const bool late : {false, true}) {
    const std::string name = late ? "late" : "deaf";
    put(name, quota(250));
    listen(name);
    obey();
    const std::int64_t had = has(name, Allotted::memory);
    AskComponent more;
    more.what = AskComponent::What::quota;
    more.name = name;
    more.quota = quota(300);
    box.ask(more);
    ASSERT_NE(call(name), nullptr);  // never answered: what comes next waits
    more.quota = quota({}, 512);
    box.ask(more);
    box.pass(seconds(2));
    box.read();
    const LeaseId lease = component(name).lease;
    ASSERT_EQ(box.shadow.leases.at(lease).booked.memory, 512_MiB);
    if (late) {
      box.pass(seconds(6));
      box.apply(Ticked{});
    } else {
      box.apply(ComponentHeard{name, false});
    }
    EXPECT_EQ(has(name, Allotted::memory), had);
    EXPECT_EQ(box.shadow.leases.at(lease).booked.memory.count() >> 20, had) << name;
  }
}

TEST_F(Components, OneThatLeavesInTheCallLeavesNothingBehind) {
  put("leaves", quota(800));
  listen("leaves");
  const CallSetter* asked = call("leaves");
  ASSERT_NE(asked, nullptr);
  const std::uint64_t number = asked->ask;
  const LeaseId lease = component("leaves").lease;
  AskComponent ask;
  ask.what = AskComponent::What::remove;
  ask.name = "leaves";
  box.ask(ask);
  EXPECT_EQ(box.state(lease), LeaseState::ended);
  answer("leaves", number);
  EXPECT_TRUE(box.shadow.components.empty());
  EXPECT_EQ(box.control.next_deadline(), std::nullopt);
  box.pass(seconds(1));
  box.read();
  put("next", quota(800));
  listen("next");
  obey();
  EXPECT_EQ(has("next"), 800) << "what the other one was asked to have is free";
}

TEST_F(Components, IsGoneWithItsProcess) {
  put("mortal", quota(250, 512), 41);
  listen("mortal");
  obey();
  const LeaseId lease = component("mortal").lease;
  box.apply(Exited{holder(41)});
  EXPECT_EQ(box.said("component.gone"), 1);
  EXPECT_FALSE(component("mortal").registered);
  EXPECT_EQ(component("mortal").quota.parts[index_of(Allotted::cpu)].amount, 250)
      << "its quota stays";
  EXPECT_EQ(has("mortal"), 0);
  EXPECT_NE(box.state(lease), LeaseState::active);
  EXPECT_EQ(view("mortal").state, ComponentState::known);
}

TEST_F(Components, WithoutAProcessItIsGoneWhenNobodyHearsOfIt) {
  put("quiet", quota(250));
  listen("quiet");
  obey();
  run(120);
  EXPECT_TRUE(component("quiet").registered) << "it listens";
  box.apply(ComponentHeard{"quiet", false});
  run(50);
  EXPECT_TRUE(component("quiet").registered);
  run(15);
  EXPECT_FALSE(component("quiet").registered);
}

TEST_F(Components, AnotherOneOfItsNameTakesItsPlace) {
  put("twin", quota(250, 512), 41);
  listen("twin");
  obey();
  const LeaseId first = component("twin").lease;
  put("twin", quota(250, 512), 42);
  EXPECT_NE(component("twin").lease, first);
  EXPECT_EQ(box.state(first), LeaseState::ended);
  EXPECT_EQ(has("twin"), 0);
  box.apply(Exited{holder(41)});
  EXPECT_TRUE(component("twin").registered) << "it was the other one's process";
  listen("twin");
  obey();
  run(1);
  EXPECT_EQ(has("twin"), 250);
}

TEST_F(Components, TheSameOneAgainGoesOnWithWhatItHas) {
  put("again", quota(250, 512), 41);
  listen("again");
  obey();
  const LeaseId lease = component("again").lease;
  put("again", {}, 41);
  EXPECT_EQ(component("again").lease, lease);
  EXPECT_EQ(has("again"), 250);
  EXPECT_EQ(box.said("component.registered"), 0);
}

TEST_F(Components, ARestartInMidApplyForgetsNothingAndGivesNothingTwice) {
  put("a", quota(300, 512), 41);
  listen("a");
  obey();
  put("b", quota(500, 512), 42);
  listen("b");
  ASSERT_NE(call("b"), nullptr);  // asked, not answered
  box.restart({holder(41), holder(42)});
  check();
  EXPECT_EQ(has("a"), 300);
  EXPECT_EQ(has("b"), 0);
  EXPECT_EQ(view("b").state, ComponentState::registered);
  for (const auto& [key, decision] : box.shadow.decisions) {
    EXPECT_NE(decision.outcome, Decision::Outcome::asked);
  }
  box.read();
  // It had set it; that it says when it comes back.
  AskComponent ask;
  ask.what = AskComponent::What::put;
  ask.name = "b";
  ask.holder = holder(42);
  ask.setters = {setter("cpu_percent"), setter("memory_mb")};
  ask.values = {{"cpu_percent", 50}, {"memory_mb", 512}};
  box.ask(ask);
  EXPECT_EQ(has("b"), 500);
  listen("a");
  obey();
  listen("b");
  obey();
  run(20);
  EXPECT_EQ(has("a"), 300);
  EXPECT_EQ(has("b"), 500);
}

TEST_F(Components, OfAMachineThatWasRestartedNobodyIsRegistered) {
  put("a", quota(400, 512), 41);
  box.restart({}, false);
  EXPECT_FALSE(component("a").registered);
  EXPECT_EQ(component("a").quota.parts[0].amount, 400);
}

TEST_F(Components, QuotasAreHeldWithinTheConfiguredRange) {
  AskComponent ask;
  ask.what = AskComponent::What::quota;
  ask.name = "wide";
  ask.quota = quota(950);
  const Refusal* no = box.refusal(box.ask(ask));
  ASSERT_NE(no, nullptr);
  EXPECT_EQ(no->error.what, "cpu 95 % is outside 5-80 %");
  EXPECT_THAT(no->error.why, HasSubstr("control.cpu_range"));
  EXPECT_TRUE(box.shadow.components.empty());
  ask.quota = quota(400);
  ask.quota.parts[0].most = 300;
  no = box.refusal(box.ask(ask));
  ASSERT_NE(no, nullptr);
  EXPECT_THAT(no->error.what, HasSubstr("not in order"));
  ask.name = "a/b";
  EXPECT_NE(box.refusal(box.ask(ask)), nullptr);
}

TEST_F(Components, OfAnotherUserIsLeftAlone) {
  put("mine", quota(250));
  AskComponent ask;
  ask.what = AskComponent::What::quota;
  ask.name = "mine";
  ask.quota = quota(300);
  const Refusal* no = box.refusal(box.ask(ask, 2000));
  ASSERT_NE(no, nullptr);
  EXPECT_EQ(no->error.kind, ErrorKind::not_allowed);
  EXPECT_EQ(box.refusal(box.ask(ask, 2000, true)), nullptr);
}

TEST_F(Components, OtherBoundsHoldAtTheirTimes) {
  // 1 700 000 000 s is a Tuesday, 22:13:20 UTC.
  put("day", quota(200));
  AskComponent ask;
  ask.what = AskComponent::What::quota;
  ask.name = "day";
  ask.quota.during = "Tue 22:30-23:00";
  ask.quota.parts[0].amount = 400;
  ask.quota.parts[0].least = 400;
  ASSERT_EQ(box.refusal(box.ask(ask)), nullptr);
  listen("day");
  obey();
  EXPECT_EQ(has("day"), 200);
  run(60 * 17 + 10);
  EXPECT_EQ(has("day"), 400);
  EXPECT_EQ(view("day").window, "Tue 22:30-23:00");
  const QuotaPart usual = view("day").bounds[0];
  EXPECT_EQ(usual.amount, 200) << "also while another one is in force";
  const QuotaPart then = view("day").window_bounds.at(0)[0];
  EXPECT_EQ(std::pair(then.amount, then.least), std::pair(std::int64_t{400}, std::int64_t{400}));
  EXPECT_EQ(then.most, usual.most) << "what these times do not say is as at the others";
  // The clock is set back by an hour: its usual bounds again.
  box.wall_ms -= 3'600'000;
  run(25);
  EXPECT_EQ(view("day").window, "");
  // In another zone it is another time of the day.
  ZoneRules east;
  east.name = "East";
  east.before = hours(1);
  box.apply(ZoneRead{east});
  run(25);
  EXPECT_EQ(view("day").window, "Tue 22:30-23:00");
}

TEST_F(Components, ABoundThatNobodySaidIsNoNumber) {
  put("fast", quota(200));
  AskComponent ask;
  ask.what = AskComponent::What::quota;
  ask.name = "fast";
  ask.quota.parts[index_of(Allotted::disk_iops)].amount = 500;
  ASSERT_EQ(box.refusal(box.ask(ask)), nullptr);
  const ComponentView shown = view("fast");
  EXPECT_EQ(shown.bounds[index_of(Allotted::disk_iops)].most, 0);
  for (const AllottedView& one : shown.allotted) {
    EXPECT_EQ(one.most.has_value(), one.what == Allotted::cpu || one.what == Allotted::memory);
  }
  EXPECT_EQ(shown.allotted.back().amount, 500);
}

TEST_F(Components, KnobsFollowTheAllocationThatTheyAreSaidToFollow) {
  put("batches", quota(250, 1024), 0,
      {setter("memory_mb"), setter("batch_size", 1, 65, Allotted::memory),
       setter("concurrent_operations", 1, 11, Allotted::cpu)});
  AskComponent ask;
  ask.what = AskComponent::What::quota;
  ask.name = "batches";
  ask.quota.parts[0].least = 50;
  ask.quota.parts[0].most = 450;
  ask.quota.parts[1].least = 512;
  ask.quota.parts[1].most = 1536;
  box.ask(ask);
  listen("batches");
  const CallSetter* asked = call("batches");
  ASSERT_NE(asked, nullptr);
  std::map<std::string, double> to;
  for (const auto& value : asked->values) to[value.setter] = value.to;
  const std::map<std::string, double> wanted{
      {"memory_mb", 1024}, {"batch_size", 33}, {"concurrent_operations", 6}};
  EXPECT_EQ(to, wanted);
}

TEST_F(Components, WithoutSettersNobodyIsAsked) {
  put("plain", quota(250, 512), 41, {});
  EXPECT_EQ(box.count<CallSetter>(), 0);
  EXPECT_EQ(has("plain"), 250);
}

TEST_F(Components, InsideALeaseItGetsWhatThatHasBooked) {
  const LeaseId outer = box.granted(want(memory(2_GiB), 41));
  AskComponent ask;
  ask.what = AskComponent::What::put;
  ask.name = "inner";
  ask.holder = holder(41);
  ask.beside = outer;
  ask.quota = quota(250, 4096);
  box.ask(ask);
  box.pass(seconds(1));
  box.read();
  EXPECT_EQ(component("inner").lease, outer);
  EXPECT_FALSE(component("inner").books);
  EXPECT_EQ(has("inner", Allotted::memory), 2048);
  EXPECT_EQ(box.shadow.leases.at(outer).booked.memory, 2_GiB);
  // When the lease is over it has nothing; it registers anew.
  box.ask(AskEnd{outer});
  box.pass(seconds(1));
  box.read();
  EXPECT_FALSE(component("inner").registered);
  ask.beside = 0;
  box.ask(ask);
  EXPECT_TRUE(component("inner").books);
  EXPECT_NE(component("inner").lease, outer);
}

class Cooperative : public Components {
 protected:
  Cooperative() : Components("aggressive+cooperative") {}
};

TEST_F(Cooperative, IdleShareIsLentAndReturned) {
  put("lender", quota(500));
  put("borrower", quota(300));
  listen("lender");
  obey();
  listen("borrower");
  obey();
  const auto live = [&](std::int64_t lender, std::int64_t borrower, int for_seconds) {
    for (int i = 0; i < for_seconds; ++i) {
      tell("lender", lender);
      tell("borrower", borrower);
      run(1);
    }
  };
  live(50, 600, 60);
  EXPECT_LT(has("lender"), 100);
  EXPECT_GT(has("borrower"), 700);
  EXPECT_EQ(heard["allocation.lent"], 1);
  EXPECT_EQ(heard["allocation.returned"], 0);
  live(500, 600, 60);
  EXPECT_GE(has("lender"), 500);
  EXPECT_LE(has("borrower"), 500);
  EXPECT_EQ(heard["allocation.returned"], 1);
}

/// What is left to headroom: whichever estimator has proven better.
class LeftToHeadroom : public Components {
 protected:
  explicit LeftToHeadroom(const char* strategy = "balanced") : Components(strategy) {
    put("bursty", quota(450, 512, Priority::high));
    listen("bursty");
    obey();
    put("greedy", quota(400, 512));
    listen("greedy");
    obey();
  }
  /// The greedy one uses whatever it has; the other all that it has too in a burst, else nothing.
  void live(bool burst, int for_seconds) {
    for (int i = 0; i < for_seconds; ++i) {
      tell("bursty", burst ? has("bursty") : 6, 300);
      tell("greedy", has("greedy"), 300);
      run(1);
    }
  }
};

TEST_F(LeftToHeadroom, AnIdleShareIsLentAfterABurstThatWasSeen) {
  live(false, 120);
  live(true, 40);
  const std::int64_t then = has("greedy");
  live(false, 60);
  EXPECT_GE(has("greedy"), then + 200);
  EXPECT_LE(has("bursty"), 200);
}

TEST_F(LeftToHeadroom, WhatWasLentIsBackAFewSecondsAfterItsOwnerUsesWhatItKept) {
  for (int i = 0; i < 3; ++i) {
    live(false, i == 0 ? 150 : 60);  // first it has to be known a little
    EXPECT_LT(has("bursty"), 450) << i;
    live(true, 4);
    EXPECT_GE(has("bursty"), 450) << i;
    for (int j = 0; j < 36; ++j) {
      live(true, 1);
      ASSERT_GE(has("bursty"), 450) << i << " " << j;
    }
  }
  EXPECT_EQ(heard["allocation.lent"], heard["allocation.returned"]);
  EXPECT_GE(heard["allocation.lent"], 3);
}

TEST_F(LeftToHeadroom, BeyondWhatItIsMeantToHaveNothingIdleIsKeptFromOthers) {
  live(true, 40);
  EXPECT_GT(has("bursty"), 500) << "its class is the higher one";
  live(false, 30);
  EXPECT_EQ(has("bursty"), 450) << "too little is known of it to lend that";
}

TEST_F(LeftToHeadroom, WhatIsLeftBesideTheNeedsMovesNothing) {
  live(false, 150);
  live(true, 40);
  live(false, 60);
  const std::int64_t kept = has("bursty");
  EXPECT_LT(kept, 450);
  const int moves = heard["allocation"];
  for (int i = 0; i < 30; ++i) {
    tell("bursty", 6, 300);
    tell("greedy", has("greedy") / 2, 300);
    run(1);
    ASSERT_EQ(has("bursty"), kept) << i;
  }
  EXPECT_LE(heard["allocation"], moves + 1);
}

TEST_F(LeftToHeadroom, WhoUsesAllThatItHasIsNotSaidToLend) {
  put("third", quota(400, 512));
  listen("third");
  obey();
  for (int i = 0; i < 120; ++i) {
    for (const char* const name : {"bursty", "greedy", "third"}) tell(name, has(name), 300);
    run(1);
  }
  EXPECT_LT(has("third"), 400) << "the three are meant to have more than there is";
  EXPECT_EQ(heard["allocation.lent"], 0);
}

class Conservative : public LeftToHeadroom {
 protected:
  Conservative() : LeftToHeadroom("conservative") {}
};

TEST_F(Conservative, MemoryInUseIsNotTakenForWhatIsOnlyForeseen) {
  const auto live_with = [&](std::int64_t bursty, int for_seconds) {
    for (int i = 0; i < for_seconds; ++i) {
      tell("bursty", 6, std::min(bursty, has("bursty", Allotted::memory)));
      tell("greedy", 6, std::min<std::int64_t>(42000, has("greedy", Allotted::memory)));
      run(1);
    }
  };
  live_with(30000, 300);
  const std::int64_t kept = has("bursty", Allotted::memory);
  ASSERT_GE(kept, 30000);
  ASSERT_GE(has("greedy", Allotted::memory), 40000);
  const std::int64_t used = std::min<std::int64_t>(42000, has("greedy", Allotted::memory));
  live_with(13, 300);
  EXPECT_GE(has("greedy", Allotted::memory), used);
  EXPECT_GE(has("bursty", Allotted::memory), 0.95 * static_cast<double>(kept));
}

class Adaptive : public LeftToHeadroom {
 protected:
  Adaptive() : LeftToHeadroom("adaptive") {}
};

TEST_F(Adaptive, BusyProcessorsAreNoReasonToGiveLessMemory) {
  box.sample.cpu.busy = Ratio(1.0);
  for (int i = 0; i < 120; ++i) {
    tell("bursty", 400, 300);
    tell("greedy", has("greedy"), 300 + 10 * i);
    run(1);
    EXPECT_GE(has("greedy", Allotted::memory), 300 + 10 * i) << i;
  }
  EXPECT_GE(has("greedy", Allotted::memory), 1.3 * 1490);
}

TEST_F(Components, WhatIsNotLentIsKeptForItsOwner) {
  put("idle", quota(500));
  put("greedy", quota(300));
  listen("idle");
  obey();
  listen("greedy");
  obey();
  for (int i = 0; i < 60; ++i) {
    tell("idle", 10);
    tell("greedy", 700);
    run(1);
  }
  EXPECT_EQ(has("idle"), 500);
  EXPECT_EQ(has("greedy"), 300) << "conservative keeps a fifth of the node back";
}

TEST_F(Components, AProgramThatStartsAgainDoesNotUndoWhatAPersonSet) {
  put("server", quota(200, 400), 11);
  AskComponent set;
  set.what = AskComponent::What::quota;
  set.name = "server";
  set.quota = quota(330, {}, Priority::critical);
  box.ask(set);
  put("server", quota(200, 600), 12);
  const Quota& kept = component("server").quota;
  EXPECT_EQ(kept.parts[index_of(Allotted::cpu)].amount, 330);
  EXPECT_EQ(kept.parts[index_of(Allotted::memory)].amount, 400);
  EXPECT_EQ(kept.priority, Priority::critical);
}

TEST_F(Components, WhatAProgramSaysCountsWhereNobodySaidAnything) {
  AskComponent set;
  set.what = AskComponent::What::quota;
  set.name = "server";
  set.quota = quota(330, {}, Priority::high);
  box.ask(set);
  put("server", quota(200, 600), 12);
  const Quota& kept = component("server").quota;
  EXPECT_EQ(kept.parts[index_of(Allotted::cpu)].amount, 330);
  EXPECT_EQ(kept.parts[index_of(Allotted::memory)].amount, 600);
  EXPECT_EQ(kept.priority, Priority::high);
}

// A person had said the least and the most, and the program's own amount and class were lost.
TEST_F(Components, WhatAProgramIsMeantToHaveCountsBetweenThePersonsBounds) {
  AskComponent set;
  set.what = AskComponent::What::quota;
  set.name = "server";
  set.quota.parts[index_of(Allotted::cpu)] = {{}, 100, 250};
  box.ask(set);
  QuotaChange said = quota(200, 600, Priority::high);
  said.enforce = true;
  put("server", said, 11);
  const auto part = [&] { return component("server").quota.parts[index_of(Allotted::cpu)]; };
  EXPECT_EQ(part(), (QuotaPart{200, 100, 250}));
  EXPECT_EQ(component("server").quota.priority, Priority::high);
  EXPECT_TRUE(component("server").quota.enforce);
  // Later it is the person who took the class back.
  set.quota = {};
  set.quota.priority = Priority::normal;
  set.quota.enforce = false;
  box.ask(set);
  put("server", said, 12);
  EXPECT_EQ(component("server").quota.priority, Priority::normal);
  EXPECT_FALSE(component("server").quota.enforce);
}

TEST_F(Components, WhatAProgramSaysBeyondThePersonsBoundsIsBroughtWithinThem) {
  AskComponent set;
  set.what = AskComponent::What::quota;
  set.name = "server";
  set.quota.parts[index_of(Allotted::cpu)].most = 150;
  box.ask(set);
  put("server", quota(200, 600), 11);
  EXPECT_TRUE(component("server").registered) << "it starts, with what it may have";
  EXPECT_EQ(component("server").quota.parts[index_of(Allotted::cpu)], (QuotaPart{150, 0, 150}));
}

TEST_F(Components, WhatOneKeepsOfWhatItWasToGiveBackIsNotAnothersYet) {
  put("server", quota({}, 1000), 0, {setter("memory_mb")});
  listen("server");
  obey();
  ASSERT_EQ(has("server", Allotted::memory), 1000);
  AskComponent less;
  less.what = AskComponent::What::quota;
  less.name = "server";
  less.quota = quota({}, 900);
  less.quota.parts[index_of(Allotted::memory)].most = 900;
  box.ask(less);
  const CallSetter* asked = call("server");
  for (int i = 0; i < 60 && asked == nullptr; ++i) {
    box.pass(seconds(1));
    box.read();
    asked = call("server");
  }
  ASSERT_NE(asked, nullptr);
  const std::int64_t to = std::llround(asked->values.front().to);
  ASSERT_LT(to, 1000);
  answer("server", asked->ask, true, {{"memory_mb", to + 20.0}});
  EXPECT_EQ(has("server", Allotted::memory), to + 20) << "it still has that";
}

TEST_F(Components, WhoGetsLessThanItNeedsIsToldWhatItWouldGet) {
  put("first", quota(700));
  put("second", quota(700));
  listen("first");
  listen("second");
  obey();
  run(25);
  ASSERT_LT(has("second"), 700);
  std::string reason;
  for (const auto& [key, one] : box.shadow.decisions) {
    if (one.component == "second" && one.what == Allotted::cpu) reason = one.reason;
  }
  EXPECT_THAT(reason, HasSubstr("it would get 70 % if as much were free"));
}

TEST_F(Components, WhenMemoryRunsShortWhoListensIsAskedToDoLess) {
  QuotaChange change = quota({}, 50'000);
  change.parts[index_of(Allotted::memory)].least = 20'000;
  put("server", change, 0,
      {setter("memory_mb"), setter("batch_size", 1, 64), setter("concurrent_operations", 1, 16)});
  listen("server");
  obey();
  ASSERT_EQ(has("server", Allotted::memory), 50'000);
  const double batch = view("server").values.at("batch_size");
  // A stranger takes memory, more with each second: to less than a tenth free.
  for (int i = 0; i < 30; ++i) {
    box.sample.memory.available = std::max(8_GiB, 88_GiB - Bytes((i * 5LL) << 30));
    tell("server", {}, 30'000);
    run(1);
  }
  EXPECT_LT(has("server", Allotted::memory), 50'000);
  EXPECT_LT(view("server").values.at("batch_size"), batch);
  EXPECT_THAT(box.shadow.decisions.rbegin()->second.reason, HasSubstr("the least that it should"));
  // And gets it back when that is gone.
  box.sample.memory.available = 88_GiB;
  run(120);
  EXPECT_EQ(has("server", Allotted::memory), 50'000);
}

TEST_F(Components, ALimitOfOurOwnIsNotLearnedFromTwice) {
  put("capped", quota(250, 512));
  AskComponent ask;
  ask.what = AskComponent::What::quota;
  ask.name = "capped";
  ask.quota.enforce = true;
  box.ask(ask);
  listen("capped");
  obey();
  ASSERT_EQ(has("capped", Allotted::memory), 512);
  // It stands at its limit: it gets more once, and no more while it does not use that.
  for (int i = 0; i < 100; ++i) {
    tell("capped", 100, 512);
    run(1);
  }
  EXPECT_EQ(has("capped", Allotted::memory), 640) << "512 and a buffer of 25 %";
}

TEST_F(Components, ShadowOnlySaysWhatItWouldDo) {
  Config config = with("conservative+dynamic");
  config.control.shadow = true;
  box.apply(Configured{config});
  put("shown", quota(250, 512));
  EXPECT_EQ(box.count<CallSetter>(), 0);
  EXPECT_EQ(box.said("allocation"), 1);
  listen("shown");
  EXPECT_EQ(box.count<CallSetter>(), 0);
  EXPECT_EQ(has("shown"), 0);
  ASSERT_FALSE(box.shadow.decisions.empty());
  EXPECT_EQ(box.shadow.decisions.begin()->second.outcome, Decision::Outcome::shadow);
  run(60);
  EXPECT_EQ(box.shadow.decisions.size(), 2U) << "it is said once";
  config.control.shadow = false;
  box.apply(Configured{config});
  run(15);
  EXPECT_EQ(has("shown"), 250) << "and then it is done";
}

TEST_F(Components, TheConfigurationKnowsSomeBeforeTheyRegister) {
  Config config = with("conservative+dynamic");
  config.components.push_back({"prediction_service", "critical", 25, 512_MiB});
  box.apply(Configured{config});
  EXPECT_EQ(view("prediction_service").state, ComponentState::known);
  EXPECT_EQ(view("prediction_service").priority, Priority::critical);
  put("prediction_service");
  listen("prediction_service");
  obey();
  EXPECT_EQ(has("prediction_service"), 250);
  EXPECT_EQ(has("prediction_service", Allotted::memory), 512);
}

TEST_F(Components, SteadyUseChangesNothing) {
  put("steady", quota(250, 512));
  listen("steady");
  obey();
  for (int i = 0; i < 60; ++i) {
    tell("steady", 200, 400);
    run(1);
  }
  const std::size_t before = box.shadow.decisions.size();
  for (int i = 0; i < 600; ++i) {
    tell("steady", 200 + i % 3, 400 + i % 5);
    run(1);
  }
  EXPECT_LE(box.shadow.decisions.size(), before + 1);
}

TEST_F(Components, WhoClaimsMoreThanThereIsGetsWhatIsLeft) {
  put("honest", quota(300, 1024));
  listen("honest");
  obey();
  AskComponent ask;
  ask.what = AskComponent::What::put;
  ask.name = "greedy";
  ask.setters = {setter("cpu_percent"), setter("memory_mb")};
  ask.values = {{"cpu_percent", 1e12}, {"memory_mb", 1e300}};
  box.ask(ask);
  EXPECT_EQ(has("greedy"), 500) << "800 are shared out, and 300 are somebody's";
  EXPECT_LE(has("greedy", Allotted::memory), 64 * 1024);
  check();
  listen("greedy");
  obey();
  run(5);
  EXPECT_EQ(has("honest"), 300);
}

TEST_F(Components, WhoSaysThatItSetMoreThanItWasAskedToHasWhatItWasAsked) {
  put("liar", quota(250, 512));
  listen("liar");
  const CallSetter* asked = call("liar");
  ASSERT_NE(asked, nullptr);
  answer("liar", asked->ask, true, {{"cpu_percent", 1e9}, {"memory_mb", -5}});
  EXPECT_EQ(has("liar"), 250);
  EXPECT_EQ(has("liar", Allotted::memory), 0);
  check();
}

TEST_F(Components, WhoCountsInWholeNumbersHasDoneWhatItWasAsked) {
  put("rounds", quota(245, 500));
  listen("rounds");
  const CallSetter* asked = call("rounds");
  ASSERT_NE(asked, nullptr);
  answer("rounds", asked->ask, true, {{"cpu_percent", 24}, {"memory_mb", 499}});
  EXPECT_EQ(box.count<CallSetter>(), 0);
  EXPECT_EQ(view("rounds").values.at("cpu_percent"), 24);
  EXPECT_EQ(box.shadow.decisions.begin()->second.applied, 240);
  AskComponent more;
  more.what = AskComponent::What::quota;
  more.name = "rounds";
  more.quota = quota(400);
  box.ask(more);
  ASSERT_NE(call("rounds"), nullptr) << "24 was no bound of its own";
}

TEST_F(Components, WhatWasSetBeforeSomethingElseFailedIsItsOwn) {
  put("half", quota(250, 512));
  listen("half");
  const CallSetter* asked = call("half");
  ASSERT_NE(asked, nullptr);
  answer("half", asked->ask, false, {{"cpu_percent", 25}});
  EXPECT_EQ(has("half"), 250);
  EXPECT_EQ(has("half", Allotted::memory), 0);
  check();
}

TEST_F(Components, WhatWasToBeAskedNextIsAskedAfterATimeout) {
  put("slow", quota(250));
  listen("slow");
  obey();
  AskComponent change;
  change.what = AskComponent::What::quota;
  change.name = "slow";
  change.quota = quota(400);
  box.ask(change);
  ASSERT_NE(call("slow"), nullptr);  // never answered
  change.quota = quota(std::nullopt, 2048);
  box.ask(change);
  EXPECT_EQ(call("slow"), nullptr) << "one thing at a time";
  box.pass(seconds(6));
  box.apply(Ticked{});
  bool memory_asked = false;
  for (int i = 0; i < 30; ++i) {
    if (const CallSetter* asked = call("slow")) {
      for (const auto& value : asked->values) {
        memory_asked = memory_asked || value.setter == "memory_mb";
      }
    }
    obey();
    box.pass(seconds(1));
    box.read();
  }
  EXPECT_TRUE(memory_asked);
  EXPECT_EQ(has("slow", Allotted::memory), 2048);
  EXPECT_EQ(has("slow"), 400);
}

TEST_F(Components, TheKernelHoldsItWhileItsQuotaSaysSo) {
  put("held", quota(250, 512), 41);
  listen("held");
  obey();
  const LeaseId lease = component("held").lease;
  AskComponent change;
  change.what = AskComponent::What::quota;
  change.name = "held";
  change.quota.enforce = true;
  box.ask(change);
  EXPECT_EQ(box.count<PlaceHolder>(), 1);
  Group made = group(lease);
  made.cpu = "/c/held";
  box.apply(Placed{lease, made, false, ""});
  EXPECT_EQ(box.count<Fence>(), 1);
  ASSERT_EQ(box.count<LimitCpu>(), 1);
  EXPECT_EQ(box.shadow.leases.at(lease).fence_at, 512_MiB);
  change.quota.enforce = false;
  box.ask(change);
  EXPECT_EQ(box.count<LimitCpu>(), 1);
  EXPECT_EQ(box.shadow.leases.at(lease).fence_at, Bytes());
  change.quota.enforce = true;
  box.ask(change);
  EXPECT_EQ(box.count<LimitCpu>(), 1);
  change.what = AskComponent::What::remove;
  box.ask(change);
  bool lifted = false;
  for (const Effect& effect : box.effects) {
    const auto* limit = std::get_if<LimitCpu>(&effect);
    lifted = lifted || (limit != nullptr && !limit->at);
  }
  EXPECT_TRUE(lifted);
  EXPECT_EQ(box.count<EndListening>(), 1) << "who listened for it listens for nobody";
}

// Each change of its processors took back the memory that it was lent, and it was lent anew.
TEST_F(Components, WhatItIsLentStaysWithItWhileItsMemoryIsNotLess) {
  QuotaChange change = quota(250, 512);
  change.enforce = true;
  put("held", change, 41);
  listen("held");
  obey();
  const LeaseId lease = component("held").lease;
  Group made = group(lease);
  made.cpu = "/c/held";
  box.apply(Placed{lease, made, true, ""});
  box.apply(Fenced{lease, true, 700_MiB});
  const auto fence = [&] { return box.shadow.leases.at(lease).fence_at; };
  ASSERT_EQ(fence(), 700_MiB);
  const auto set = [&](std::optional<std::int64_t> cpu, std::optional<std::int64_t> memory) {
    AskComponent ask;
    ask.what = AskComponent::What::quota;
    ask.name = "held";
    ask.quota = quota(cpu, memory);
    if (memory) ask.quota.parts[index_of(Allotted::memory)].most = *memory;
    box.ask(ask);
    obey();
    run(25);
  };
  set(300, {});
  ASSERT_EQ(has("held"), 300);
  EXPECT_EQ(fence(), 700_MiB);
  set({}, 1024);
  EXPECT_EQ(fence(), 1024_MiB);
  set({}, 300);
  run(200);
  ASSERT_EQ(has("held", Allotted::memory), 300);
  EXPECT_EQ(fence(), 300_MiB) << "it is to have less";
}

TEST_F(Components, LessIsGivenAtEachTurnAndNotAtEachAnswer) {
  put("shrinks", quota(0, 4096), 0);
  put("noisy", quota(100));
  listen("shrinks");
  obey();
  listen("noisy");
  obey();
  ASSERT_EQ(has("shrinks", Allotted::memory), 4096);
  Config config = with("aggressive+cooperative");
  box.apply(Configured{config});
  // It uses little; others ask and answer all the time.
  for (int i = 0; i < 300; ++i) {
    tell("shrinks", 10, 200);
    AskComponent change;
    change.what = AskComponent::What::quota;
    change.name = "noisy";
    change.quota = quota(100 + 50 * (i % 2));
    box.ask(change);
    obey();
    run(1);
  }
  // Two minutes until it is believed, then a fifth every five seconds, 48 a day at most.
  const auto shrinks =
      std::count_if(box.shadow.decisions.begin(), box.shadow.decisions.end(), [](const auto& one) {
        return one.second.component == "shrinks" && one.second.what == Allotted::memory &&
               one.second.to < one.second.from;
      });
  EXPECT_GT(shrinks, 1);
  EXPECT_LE(shrinks, 36);
}

TEST_F(Components, WhatNobodyBookedOfTheProcessorsMakesNoShareWaver) {
  put("steady", quota(400, 512));
  listen("steady");
  obey();
  ASSERT_EQ(has("steady"), 400);
  for (int i = 0; i < 180; ++i) {
    box.sample.cpu.busy = Ratio(i % 60 < 40 ? 1.0 : 0.1);  // somebody compiles
    tell("steady", 200, 300);
    run(1);
    ASSERT_EQ(has("steady"), 400) << i;
  }
}

TEST_F(Components, AnswersThatNobodyAskedForChangeNothing) {
  put("liar", quota(250));
  AskComponent ask;
  ask.what = AskComponent::What::answer;
  ask.name = "liar";
  ask.ask = 99;
  ask.done = true;
  ask.values = {{"cpu_percent", 80}};
  const Refusal* no = box.refusal(box.ask(ask));
  ASSERT_NE(no, nullptr);
  EXPECT_EQ(no->error.kind, ErrorKind::not_found);
  EXPECT_EQ(has("liar"), 0);
}

}  // namespace
}  // namespace headroom::control
