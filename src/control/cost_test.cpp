#include <gmock/gmock.h>

#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using testing::HasSubstr;

Config priced() {
  Config config = Bench::make();
  config.cost.per_hour = 4;
  config.cost.gpu_per_hour = 2;
  return config;
}

// What the lease costs, as it is shown.
double cost_of(const Bench& b, LeaseId id) {
  for (const LeaseView& one : b.control.view(b.now()).leases) {
    if (one.lease.id == id && one.cost) return one.cost->value();
  }
  return -1;
}
double spent(const Bench& b) {
  const auto cost = b.control.view(b.now()).cost;
  return cost ? cost->spent.value() : -1;
}
void pass_hours(Bench& b, int count) {
  for (int i = 0; i < count * 60; ++i) {
    b.pass(seconds(60));
    b.read();
  }
}

TEST(Cost, ALeasePaysForWhatItHasBooked) {
  Bench b(priced());
  b.read();
  const LeaseId id = b.granted(want(memory(50_GiB)));
  EXPECT_EQ(cost_of(b, id), 0);
  pass_hours(b, 2);
  EXPECT_NEAR(cost_of(b, id), 2 * 4 * 0.25, 1e-6) << "half of the memory is a quarter of the node";
  AskChange more;
  more.lease = id;
  more.needs = memory(75_GiB);
  b.ask(more);
  pass_hours(b, 1);
  EXPECT_NEAR(cost_of(b, id), 2 + 1.5, 1e-6) << "before as it was, now as it is";
  b.ask(AskEnd{id});
  b.read();
  pass_hours(b, 3);
  EXPECT_NEAR(cost_of(b, id), 3.5, 1e-3) << "what has ended costs nothing more";
}

TEST(Cost, AllDevicesOfALeaseArePaidFor) {
  Bench b(priced());
  b.read();
  Needs needs;
  needs.gpus = 2;
  const LeaseId id = b.granted(want(needs));
  pass_hours(b, 1);
  EXPECT_NEAR(cost_of(b, id), 4, 1e-6);
  b.ask(AskEnd{id});
  b.read();
  b.pass(seconds(60));
  b.read();
  EXPECT_NEAR(cost_of(b, id), 4, 0.1) << "also of those that were given back first";
}

TEST(Cost, ARestartForgetsNoneOfIt) {
  Bench b(priced());
  b.read();
  AskLease ask = want(memory(50_GiB), 10);
  const LeaseId id = b.granted(ask);
  pass_hours(b, 2);
  const double before = spent(b);
  b.restart({holder(10)});
  b.read();
  EXPECT_NEAR(cost_of(b, id), 2, 1e-6);
  EXPECT_NEAR(spent(b), before, 4.0 / 60) << "a minute at most is lost";
  pass_hours(b, 1);
  EXPECT_NEAR(cost_of(b, id), 3, 1e-6);
}

TEST(Cost, TheFirstSampleBeforeTheJournalIsReadForgetsNoMonth) {
  Bench b(priced());
  b.read();
  pass_hours(b, 2);
  const auto before = b.shadow.spent;
  ASSERT_EQ(before.size(), 1U);
  const std::vector<Record> records = b.shadow.records();
  b.control = Control(priced());
  b.sample.at = b.now();
  const Effects first = b.control.apply(Sampled{std::make_shared<Sample>(b.sample)}, b.now());
  for (const Effect& effect : first) {
    const auto* journal = std::get_if<Journal>(&effect);
    EXPECT_TRUE(journal == nullptr || !std::holds_alternative<PutSpent>(journal->record));
  }
  b.apply(Restored{records, {}, true});
  EXPECT_EQ(b.control.state().promises.spent, before);
}

TEST(Cost, ARebootMakesNobodyPayForAnotherBoot) {
  for (const bool longer : {false, true}) {
    Bench b(priced());
    b.read();
    const LeaseId id = b.granted(want(memory(50_GiB), 10));
    pass_hours(b, 5);
    const double before = cost_of(b, id);
    EXPECT_NEAR(before, 5, 1e-6);
    b.boot_ms = longer ? 1000LL * 3600 * 500 : 1000;  // the clock of the new boot
    b.restart({}, false);
    ASSERT_EQ(b.state(id), LeaseState::ended);
    EXPECT_LE(b.shadow.leases.at(id).cost.value(), before);
    EXPECT_GE(b.shadow.leases.at(id).cost.value(), before - 1.1) << "an hour at most is lost";
  }
}

TEST(Cost, ANewPriceCountsFromNowOn) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(50_GiB)));
  pass_hours(b, 5);
  EXPECT_EQ(cost_of(b, id), -1) << "nothing has a price";
  b.apply(Configured{priced()});
  pass_hours(b, 1);
  EXPECT_NEAR(cost_of(b, id), 1, 1e-6) << "not for the time before";
  Config dear = priced();
  dear.cost.per_hour = 40;
  b.apply(Configured{dear});
  pass_hours(b, 1);
  EXPECT_NEAR(cost_of(b, id), 11, 1e-6);
  b.apply(Configured{Bench::make()});
  pass_hours(b, 5);
  b.apply(Configured{priced()});
  pass_hours(b, 1);
  EXPECT_NEAR(cost_of(b, id), 12, 1e-6);
}

TEST(Cost, TheNodeCostsWhileItIsLookedAtAndMonthsAreApart) {
  Bench b(priced());
  b.read();
  pass_hours(b, 3);
  EXPECT_NEAR(spent(b), 3 * 8, 1e-6) << "the node and two devices";
  b.pass(hours(10));
  b.read();
  EXPECT_NEAR(spent(b), 3 * 8, 1e-6) << "nobody knows what was while nobody looked";
  b.wall_ms = 1'701'388'700'000;  // a hundred seconds before December 2023
  b.read();
  const double november = spent(b);
  for (int i = 0; i < 4; ++i) {
    b.pass(seconds(60));
    b.read();
  }
  const auto cost = b.control.view(b.now()).cost;
  ASSERT_TRUE(cost && cost->spent_before);
  EXPECT_LT(cost->spent.value(), 0.6);
  EXPECT_GT(cost->spent.value(), 0.2);
  EXPECT_NEAR(cost->spent_before->value(), november, 0.3);
}

// 8 an hour, 24 a month: spent after three hours.
Config short_of_money(LeastPriority least) {
  Config config = priced();
  config.cost.budget = 24;
  config.cost.over_budget = least;
  return config;
}

TEST(Cost, ABudgetThatIsSpentIsAnAlertAndNotMore) {
  Bench b(short_of_money(LeastPriority::low));
  b.read();
  pass_hours(b, 1);
  EXPECT_TRUE(b.control.state().alerts.open().empty());
  const auto foreseen = b.control.view(b.now()).cost->spent_at;
  ASSERT_TRUE(foreseen);
  EXPECT_NEAR(std::chrono::duration<double>(*foreseen - b.now().wall).count(), 2 * 3600, 10);
  for (int i = 0; i < 100; ++i) {
    b.pass(seconds(60));
    b.read();
  }
  ASSERT_EQ(b.control.state().alerts.open().size(), 1U);
  EXPECT_EQ(b.control.state().alerts.open()[0].resource, Resource::budget);
  EXPECT_EQ(b.control.state().alerts.open()[0].level, Level::warning);
  pass_hours(b, 1);
  ASSERT_EQ(b.control.state().alerts.open().size(), 1U);
  EXPECT_EQ(b.control.state().alerts.open()[0].level, Level::critical);
  EXPECT_EQ(b.control.view(b.now()).health, Level::ok) << "money is no illness";
  EXPECT_NE(b.granted(want(memory(1_GiB))), 0U) << "cost.over_budget is low: everybody starts";
}

TEST(Cost, OverBudgetOnlyWhoMattersStartsUntilTheNextMonth) {
  Bench b(short_of_money(LeastPriority::high));
  b.read();
  pass_hours(b, 4);
  AskLease low = patient(memory(1_GiB));
  const LeaseId waits = b.granted(low);
  EXPECT_EQ(b.state(waits), LeaseState::waiting);
  const RequestId refused = b.ask(want(memory(1_GiB)));
  ASSERT_NE(b.refusal(refused), nullptr);
  EXPECT_THAT(b.refusal(refused)->error.what + b.refusal(refused)->error.why,
              HasSubstr("the month's budget is spent"));
  AskLease high = want(memory(1_GiB));
  high.priority = Priority::high;
  EXPECT_EQ(b.state(b.granted(high)), LeaseState::reserved) << "and does not wait behind the other";
  const auto view = b.control.view(b.now());
  for (const LeaseView& one : view.leases) {
    if (one.lease.id != waits) continue;
    EXPECT_EQ(one.earliest, std::optional(view.cost->until));
    EXPECT_THAT(one.why, HasSubstr("budget"));
  }
  b.wall_ms = 1'701'388'800'000;  // December begins
  b.read();
  EXPECT_EQ(b.state(waits), LeaseState::reserved);
}

TEST(Cost, WhoWaitsForMoneyTakesNoMemoryFromOthers) {
  Bench b(short_of_money(LeastPriority::high));
  b.read();
  AskLease holds = want(gpu_memory(20_GiB), 10);
  holds.model = "idle";
  const LeaseId model = b.granted(holds);
  pass_hours(b, 4);
  AskLease poor = patient(gpu_memory(23_GiB));
  poor.needs.gpu = "GPU-A";
  EXPECT_EQ(b.state(b.granted(poor)), LeaseState::waiting);
  pass_hours(b, 1);
  EXPECT_EQ(b.count<AskHook>(), 0);
  EXPECT_NE(b.state(model), LeaseState::draining);
}

TEST(Cost, WithNobodyNobodyStartsAndWhatRunsRunsOn) {
  Bench b(short_of_money(LeastPriority::nobody));
  b.read();
  const LeaseId runs = b.granted(want(memory(1_GiB), 10));
  pass_hours(b, 4);
  AskLease critical = patient(memory(1_GiB));
  critical.priority = Priority::critical;
  EXPECT_EQ(b.state(b.granted(critical)), LeaseState::waiting);
  EXPECT_TRUE(decide::holds(b.state(runs)));
  AskChange more;
  more.lease = runs;
  more.needs = memory(2_GiB);
  b.ask(more);
  EXPECT_EQ(b.shadow.leases.at(runs).booked.memory, 2_GiB) << "it is no start";
  Config richer = short_of_money(LeastPriority::nobody);
  richer.cost.budget = 1000;
  b.apply(Configured{richer});
  b.read();
  for (const auto& [id, lease] : b.shadow.leases) EXPECT_TRUE(decide::holds(lease.state)) << id;
}

}  // namespace
}  // namespace headroom::control
