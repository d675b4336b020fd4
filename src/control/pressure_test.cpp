// What control does about memory that runs short: fences, freezing, and letting go.
#include <algorithm>

#include <gmock/gmock.h>

#include "control/tight_for_test.hpp"

namespace headroom::control {
namespace {

TEST_F(Tight, ATouchIsLookedAtAtOnceAndAnsweredWithCredit) {
  b.read();
  const LeaseId id = job(10_GiB, 11);
  look(100_GiB);
  b.uses(id, 10_GiB);
  b.pass(milliseconds(50));
  b.apply(Touched{{id}});
  EXPECT_EQ(b.count<Sense>(), 1);
  look(90_GiB, milliseconds(0));
  ASSERT_EQ(moved_.size(), 1U);
  EXPECT_GT(moved_[0].at, 10_GiB);
  EXPECT_FALSE(is_frozen(id));
}

TEST_F(Tight, ManyTouchesAtOnceAreOneLook) {
  b.read();
  const LeaseId one = job(10_GiB, 11);
  const LeaseId two = job(10_GiB, 12);
  look(100_GiB);
  b.pass(milliseconds(50));
  b.apply(Touched{{one, two}});
  EXPECT_EQ(b.count<Sense>(), 1);
}

TEST_F(Tight, ATouchRightAfterALookIsNotPutOffToTheNextOne) {
  b.read();
  job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB - 64_MiB);
  look(80_GiB);
  EXPECT_FALSE(is_frozen(grower)) << "up to its fence it is what it was promised";
  b.apply(Touched{{grower}});
  EXPECT_EQ(b.count<Sense>(), 1) << "it came there since";
  b.uses(grower, 10_GiB);
  look(80_GiB, milliseconds(0));
  EXPECT_TRUE(is_frozen(grower));
}

TEST_F(Tight, CreditThatNobodyHasTakenYetIsNotLentAgain) {
  b.read();
  const LeaseId one = job(40_GiB, 11);
  const LeaseId two = job(40_GiB, 12);
  b.uses(one, 40_GiB);
  b.uses(two, 40_GiB);
  Bytes lent;
  for (int i = 0; i < 20; ++i) {
    look(20_GiB);
    lent = Bytes();
    for (const LeaseId id : {one, two}) lent += b.shadow.leases.at(id).fence_at - 40_GiB;
    ASSERT_LE(lent, 20_GiB);
  }
  EXPECT_GT(lent, 2_GiB) << "but it is lent";
}

TEST_F(Tight, OneAtItsFenceWithoutRoomStandsStillUntilThereIs) {
  b.read();
  const LeaseId rest = job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  look(80_GiB);
  EXPECT_TRUE(is_frozen(grower));
  EXPECT_FALSE(is_frozen(rest));
  EXPECT_EQ(frozen_and_thawed(), (Moves{{grower, true}}));
  look(80_GiB);
  EXPECT_EQ(frozen_and_thawed(), Moves()) << "once";
  b.apply(Exited{holder(12)});
  b.apply(Released{rest, true, 0, Bytes(), 0});
  look(90_GiB);
  EXPECT_FALSE(is_frozen(grower));
  EXPECT_EQ(frozen_and_thawed(), (Moves{{grower, false}}));
  EXPECT_GT(b.shadow.leases.at(grower).fence_at, 10_GiB);
}

TEST_F(Tight, OnV2TheKernelHoldsItAndItIsNotFrozen) {
  b.read();
  job(80_GiB, 12, true);
  const LeaseId grower = job(10_GiB, 11, true);
  b.uses(grower, 10_GiB);
  look(80_GiB);
  look(80_GiB);
  EXPECT_FALSE(is_frozen(grower));
  EXPECT_TRUE(moved_.empty()) << moved_[0].reason << " " << moved_[0].at.count();
}

TEST_F(Tight, NobodyStandsStillForLongerThanAPersonSaid) {
  b.read();
  job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  look(80_GiB);
  ASSERT_TRUE(is_frozen(grower));
  (void)frozen_and_thawed();
  milliseconds still{0};
  for (; still < milliseconds(70'000) && is_frozen(grower); still += milliseconds(500)) {
    look(80_GiB, milliseconds(500));
  }
  EXPECT_GE(still, milliseconds(60'000));
  EXPECT_LE(still, milliseconds(60'500));
  EXPECT_EQ(frozen_and_thawed(), (Moves{{grower, false}}));
  for (int i = 0; i < 9; ++i) look(80_GiB, milliseconds(500));
  EXPECT_EQ(frozen_and_thawed(), Moves()) << "it gets a while to do something with it";
  for (int i = 0; i < 3; ++i) look(80_GiB, milliseconds(500));
  EXPECT_EQ(frozen_and_thawed(), (Moves{{grower, true}}));
}

// Its group was let go of while it stood still, and nobody would have let it run again.
TEST_F(Tight, WhatADeadHolderLeftBehindIsNotStoppedEvenWhereADeviceKeepsTheMemory) {
  b.read();
  job(40_GiB, 11);
  AskLease ask = fenced(40_GiB, 12);
  ask.needs.gpu_memory = 20_GiB;
  b.ask(ask);
  const LeaseId id = ++last_;
  Group made;
  made.memory = "/g/l-2";
  made.unified = "/u/l-2";
  b.apply(Placed{id, made, true, {}});
  const std::string gpu = b.shadow.leases.at(id).gpu;
  b.sample.gpus[gpu == "GPU-A" ? 0 : 1].memory_used = 20_GiB;
  b.uses(1, 30_GiB);
  b.uses(id, 30_GiB, 20_GiB, gpu);
  look(40_GiB, milliseconds(1000));
  b.apply(Exited{holder(12)});  // a child lives in its group
  b.apply(Released{id, false, 1, 30_GiB, 0});
  look(40_GiB, milliseconds(20'000));
  ASSERT_EQ(b.state(id), LeaseState::quarantined);
  (void)frozen_and_thawed();
  look(4_GiB, milliseconds(60'000));
  EXPECT_FALSE(is_frozen(id)) << "it may end";
  b.apply(Released{id, true, 0, Bytes(), 0});
  EXPECT_TRUE(b.shadow.leases.at(id).group == Group());
  EXPECT_FALSE(is_frozen(id));
}

TEST_F(Tight, WhereAStrangerTakesTheMemoryTheYoungerStopsAndTheOlderRunsOn) {
  b.read();
  const LeaseId old = job(40_GiB, 11);
  const LeaseId young = job(40_GiB, 12);
  b.uses(old, 30_GiB);
  b.uses(young, 30_GiB);
  look(40_GiB, milliseconds(1000));
  EXPECT_EQ(frozen_and_thawed(), Moves());
  look(4_GiB, milliseconds(60'000));  // 36 GiB are gone, and nobody here took them
  EXPECT_EQ(frozen_and_thawed(), (Moves{{young, true}}));
  EXPECT_EQ(b.said("ladder.step"), 1);
  look(4_GiB);
  EXPECT_EQ(frozen_and_thawed(), Moves()) << "not twice for one cause";
  // The stranger ends: it is calm for a while, then the younger goes on.
  for (int i = 0; i < 300 && is_frozen(young); ++i) look(40_GiB, milliseconds(100));
  EXPECT_EQ(frozen_and_thawed(), (Moves{{young, false}}));
  EXPECT_FALSE(is_frozen(old));
}

TEST_F(Tight, WhoIsBeyondItsBookingStopsAndNobodyWithin) {
  b.read();
  const LeaseId within = job(20_GiB, 11, true, Priority::low);
  const LeaseId beyond = job(20_GiB, 12, true, Priority::critical);
  b.apply(Fenced{beyond, false});  // the kernel would not
  b.uses(within, 15_GiB);
  b.uses(beyond, 77_GiB);
  look(4_GiB, milliseconds(1000));  // and 5 are promised to the one within
  EXPECT_EQ(frozen_and_thawed(), (Moves{{beyond, true}}));
}

// One who kept to its booking stood for 11 s while one who had twice its own was let go twice: who
// came first went first.
TEST_F(Tight, ThoseWhoKeepToTheirBookingGoOnTogetherAndWhoIsBeyondAfterThem) {
  b.read();
  const LeaseId beyond = job(10_GiB, 11, true);
  const LeaseId first = job(20_GiB, 12, true);
  const LeaseId second = job(20_GiB, 13, true, Priority::low);
  const LeaseId third = job(20_GiB, 14, true, Priority::low);
  b.apply(Fenced{beyond, true, 20_GiB});
  b.uses(beyond, 14_GiB);
  for (const LeaseId id : {first, second, third}) b.uses(id, 15_GiB);
  look(4_GiB, milliseconds(1000));
  look(4_GiB);
  ASSERT_EQ(frozen_and_thawed(), (Moves{{beyond, true}, {third, true}, {second, true}}));
  // What was lent has gone back: it stands at its fence, and there is none to raise it.
  for (int i = 0; i < 300 && is_frozen(second); ++i) look(17_GiB, milliseconds(100));
  EXPECT_EQ(frozen_and_thawed(), (Moves{{second, false}, {third, false}}));
  EXPECT_TRUE(is_frozen(beyond));
}

// At a step where jobs stop, one whose fence was raised was let go and stopped again in one breath,
// because the kernel had not taken the new fence yet, and stood for 5 s more.
TEST_F(Tight, WhoseFenceIsBeingRaisedIsNotWithoutOne) {
  b.read();
  const LeaseId within = job(20_GiB, 11, true);
  const LeaseId younger = job(20_GiB, 12, true);
  const LeaseId beyond = job(10_GiB, 13, true);
  b.uses(within, 15_GiB);
  b.uses(younger, 15_GiB);
  b.apply(Fenced{beyond, true, 14_GiB});
  b.uses(beyond, 14_GiB);
  look(4_GiB, milliseconds(1000));
  look(4_GiB);
  ASSERT_EQ(frozen_and_thawed(), (Moves{{beyond, true}, {younger, true}}));
  look(56_GiB);
  EXPECT_EQ(moved_.size(), 1U) << "its fence is raised";
  EXPECT_EQ(frozen_and_thawed(), (Moves{{beyond, false}, {younger, false}}));
}

TEST_F(Tight, ALeaseThatDeclinedItsFenceIsNotFrozen) {
  b.read();
  AskLease free = fenced(40_GiB, 11);
  free.fence = false;
  b.ask(free);
  ++last_;
  Group made;
  made.memory = "/g/l-1";
  made.unified = "/u/l-1";
  b.apply(Placed{1, made, false, {}});
  b.uses(1, 90_GiB);
  look(5_GiB, milliseconds(1000));
  look(3_GiB, milliseconds(1000));
  EXPECT_EQ(frozen_and_thawed(), Moves());
}

// What is used of the limit is not what is used of the machine: the difference was taken for
// something that fills the machine within a second.
TEST_F(Tight, ASpeedDoesNotJumpWhereAnotherEndBecomesTheNearerOne) {
  b.sample.memory.limit = 60_GiB;
  b.sample.memory.limit_used = 48_GiB;
  for (int i = 0; i < 60; ++i) look(12_GiB + 40_MiB - Bytes(i << 20));
  EXPECT_EQ(b.control.state().ladder.step(), Step::shut) << "88 % are used";
  EXPECT_LT(b.control.state().filling.fast, 20.0 * (1 << 20)) << "10 MiB in a second";
  EXPECT_GT(b.control.state().filling.fast, 0);
}

TEST_F(Tight, AMachineThatIsFullOfWhatWasGrantedStopsNobody) {
  Config config;  // with the margins that people have
  b.control.apply(Configured{config}, b.now());
  b.sample.memory.available = 98_GiB;  // 2 GiB are somebody else's
  b.read();
  std::vector<LeaseId> jobs;
  for (pid_t pid = 11; pid < 100; ++pid) {
    if (b.refusal(b.ask(fenced(4_GiB, pid))) != nullptr) break;
    const LeaseId id = b.shadow.leases.rbegin()->first;
    Group made;
    made.memory = "/g/l-" + std::to_string(id);
    made.unified = "/u/l-" + std::to_string(id);
    b.apply(Placed{id, made, true, {}});
    b.uses(id, Bytes());
    jobs.push_back(id);
  }
  ASSERT_GT(jobs.size(), 20U);
  Bytes used;
  for (const LeaseId id : jobs) {
    for (int step = 1; step <= 4; ++step) {
      used += Bytes(1_GiB - 30_MiB);
      b.uses(id, Bytes(step * (1_GiB - 30_MiB).count()));
      look(98_GiB - used, milliseconds(1000));
    }
  }
  EXPECT_GE(b.control.state().ladder.step(), Step::hold);
  EXPECT_EQ(frozen_and_thawed(), Moves());
}

TEST_F(Tight, WhileMemoryRunsShortNobodyNewComes) {
  b.read();
  b.control.apply(Configured{Bench::make()}, b.now());
  look(100_GiB, milliseconds(1000));
  look(9_GiB, milliseconds(20'000));
  EXPECT_EQ(b.said("ladder.step"), 1);
  EXPECT_NE(b.lease(b.ask(want(memory(1_GiB), 20))), nullptr) << "that is what the room is for";
  b.sample.stall.memory_full = StallLine{Ratio(0.07), Ratio(0), Ratio(0), {}};
  look(9_GiB, milliseconds(1000));
  EXPECT_NE(b.lease(b.ask(want(memory(1_GiB), 23))), nullptr) << "a slow disk does that too";
  b.sample.memory.swap_free = 2_GiB;
  look(9_GiB, milliseconds(1000));
  b.sample.memory.swap_free = 1_GiB;
  look(9_GiB, milliseconds(1000));
  const RequestId asked = b.ask(want(memory(1_GiB), 21));
  const Refusal* refused = b.refusal(asked);
  ASSERT_NE(refused, nullptr);
  ASSERT_TRUE(refused->verdict);
  EXPECT_THAT(refused->verdict->why, testing::HasSubstr("runs short"));
  for (int i = 0; i < 200; ++i) look(70_GiB, milliseconds(1000));
  EXPECT_NE(b.lease(b.ask(want(memory(1_GiB), 22))), nullptr);
}

TEST_F(Tight, ThatWhoIsHeldWaitsForMemorySaysNothingOfTheMachine) {
  for (const bool held : {true, false}) {
    Bench fresh;
    std::swap(b, fresh);
    last_ = 0;
    b.read();
    const LeaseId one = job(20_GiB, 11, true);
    const LeaseId other = job(60_GiB, 12, true);
    job(12_GiB, 13, true);  // which has not taken it yet
    b.uses(one, held ? 20_GiB : 18_GiB);
    b.uses(other, 50_GiB);
    b.sample.stall.memory_full = StallLine{Ratio(0.5), Ratio(0), Ratio(0), {}};
    look(12_GiB, milliseconds(20'000));
    b.apply(Touched{{one}});
    look(12_GiB, milliseconds(1000));
    EXPECT_EQ(b.control.state().ladder.step() >= Step::freeze, !held) << held;
  }
}

TEST_F(Tight, APersonMaySayThatNothingIsDone) {
  Config config = Bench::make();
  config.pressure.most = Step::warn;
  b.control.apply(Configured{config}, b.now());
  b.read();
  const LeaseId beyond = job(20_GiB, 12);
  b.apply(Fenced{beyond, false});
  b.uses(beyond, 90_GiB);
  look(3_GiB, milliseconds(1000));
  look(3_GiB, milliseconds(1000));
  EXPECT_EQ(frozen_and_thawed(), Moves());
  EXPECT_NE(b.control.state().ladder.step(), Step::freeze);
}

TEST_F(Tight, AtTheStepHoldWhatWasLentGoesBack) {
  b.read();
  const LeaseId id = job(20_GiB, 11, true);
  b.uses(id, 20_GiB);
  for (int i = 0; i < 6; ++i) look(80_GiB);
  const Bytes raised = b.shadow.leases.at(id).fence_at;
  ASSERT_GT(raised, 20_GiB);
  look(9_GiB, milliseconds(50'000));
  ASSERT_EQ(b.control.state().ladder.step(), Step::hold);
  EXPECT_EQ(b.shadow.leases.at(id).fence_at, 20_GiB);
  ASSERT_FALSE(moved_.empty());
  EXPECT_EQ(moved_.back().at, 20_GiB);
}

TEST_F(Tight, WhoEndsOrIsEndedStandsStillNoMore) {
  b.read();
  job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  look(80_GiB);
  ASSERT_TRUE(is_frozen(grower));
  b.apply(Exited{holder(11)});
  EXPECT_FALSE(is_frozen(grower));
  EXPECT_EQ(b.count<Freeze>(), 1) << "its children may want to end too";
}

TEST_F(Tight, WhatADeadHolderLeftAtItsFenceIsNotStoppedAndMayGo) {
  b.read();
  const LeaseId rest = job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  b.apply(Exited{holder(11)});
  b.apply(Released{grower, false, 1, 10_GiB, 0});
  look(80_GiB);
  look(80_GiB);
  EXPECT_FALSE(is_frozen(grower)) << "a child of it may still end by itself";
  b.apply(Released{grower, true, 0, Bytes(), 0});
  EXPECT_EQ(b.state(grower), LeaseState::ended);
  EXPECT_FALSE(is_frozen(rest));
}

TEST_F(Tight, AfterARestartEverybodyRunsAndTheFencesStandAgain) {
  b.read();
  job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  look(80_GiB);
  ASSERT_TRUE(is_frozen(grower));
  b.restart({holder(11), holder(12)});
  EXPECT_FALSE(is_frozen(grower));
  int fences = 0;
  int thaws = 0;
  for (const Effect& effect : b.effects) {
    if (const auto* fence = std::get_if<Fence>(&effect)) fences += fence->at.count() > 0;
    if (const auto* freeze = std::get_if<Freeze>(&effect)) thaws += !freeze->frozen;
  }
  EXPECT_EQ(fences, 2) << "they went with the daemon that held them";
  EXPECT_EQ(thaws, 1);
}

TEST_F(Tight, WhatCannotBeStoppedIsSaidAndNotTriedAllTheTime) {
  b.read();
  job(80_GiB, 12);
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  look(80_GiB);
  (void)frozen_and_thawed();
  b.apply(Frozen{grower, true, "cannot freeze: there is no cgroup2 hierarchy"});
  EXPECT_EQ(b.said("lease.frozen"), 1);
  EXPECT_FALSE(is_frozen(grower));
  for (int i = 0; i < 9; ++i) look(80_GiB, milliseconds(500));
  EXPECT_EQ(frozen_and_thawed(), Moves());
}

TEST_F(Tight, TheOnlyOneThereIsAndAtItsFenceIsNotStoppedAndLetGoInTurns) {
  b.read();
  job(80_GiB, 12);  // has booked, and is not there yet
  const LeaseId grower = job(10_GiB, 11);
  b.uses(grower, 10_GiB);
  b.sample.holders.erase(b.sample.holders.begin());
  look(4_GiB);  // a stranger has the rest
  ASSERT_TRUE(is_frozen(grower));
  (void)frozen_and_thawed();
  for (int i = 0; i < 500; ++i) look(4_GiB);
  EXPECT_EQ(frozen_and_thawed(), Moves())
      << "at step " << to_string(b.control.state().ladder.step());
}

TEST_F(Tight, WhereTheFirstStandsAtItsFenceTheNextOneRunsOn) {
  b.read();
  const LeaseId first = job(40_GiB, 11);
  const LeaseId second = job(40_GiB, 12);
  b.uses(first, 40_GiB);
  b.uses(second, 30_GiB);
  for (int i = 0; i < 200; ++i) look(4_GiB);  // a stranger has the rest
  EXPECT_EQ(b.control.state().ladder.step(), Step::freeze);
  EXPECT_TRUE(is_frozen(first)) << "at its fence, and nothing to raise it with";
  EXPECT_FALSE(is_frozen(second)) << "somebody runs on";
}

TEST_F(Tight, WhoIsLowOrBeyondItsBookingGetsLessOfTheProcessorsAndAllOfThemAgain) {
  b.read();
  const LeaseId within = job(40_GiB, 11);
  const LeaseId low = job(10_GiB, 12, true, Priority::low);
  const LeaseId over = job(10_GiB, 13, true);
  b.uses(within, 39_GiB);
  b.uses(low, 2_GiB);
  b.uses(over, 14_GiB);
  look(26_GiB, seconds(60));
  EXPECT_TRUE(weights_.empty()) << "nothing is short at 74 %";
  look(18_GiB, seconds(60));
  using Weights = std::vector<std::pair<LeaseId, int>>;
  EXPECT_EQ(std::exchange(weights_, {}), (Weights{{low, 80}, {over, 80}})) << "step throttle";
  for (int i = 0; i < 50; ++i) look(i % 2 == 0 ? 20_GiB : 17_GiB, seconds(60));
  EXPECT_EQ(std::exchange(weights_, {}), Weights()) << "it follows the step and not use";
  look(7_GiB, seconds(60));
  EXPECT_EQ(std::exchange(weights_, {}), (Weights{{low, 50}, {over, 50}}))
      << "never less than half";
  for (int i = 0; i < 60; ++i) look(60_GiB, seconds(5));
  Weights back;
  for (const auto& one : std::exchange(weights_, {})) {
    if (one.first == low) back.push_back(one);
  }
  EXPECT_EQ(back, (Weights{{low, 60}, {low, 70}, {low, 80}, {low, 100}})) << "step by step";
  EXPECT_EQ(std::ranges::count(said_, "lease.slowed"), 4) << "twice each, at most";
  EXPECT_FALSE(b.control.state().slowed.contains(within));
}

TEST_F(Tight, WhoEndsOrIsGoneIsSlowedDownNoMore) {
  b.read();
  const LeaseId low = job(10_GiB, 12, true, Priority::low);
  b.uses(low, 9_GiB);
  look(18_GiB, seconds(60));
  ASSERT_EQ(weights_.size(), 1U);
  weights_.clear();
  b.sample.holders.clear();
  b.apply(Exited{holder(12)});
  b.apply(Released{low, true, 0, Bytes(), 0});
  for (int i = 0; i < 3; ++i) look(18_GiB, seconds(60));
  EXPECT_TRUE(weights_.empty());
  EXPECT_TRUE(b.control.state().slowed.empty());
}

TEST_F(Tight, OfManyLeasesAFewAreWeighedAtEachLookAndAllInTheEnd) {
  b.read();
  std::vector<LeaseId> jobs;
  for (pid_t pid = 11; pid < 111; ++pid) jobs.push_back(job(100_MiB, pid, true, Priority::low));
  look(18_GiB, seconds(60));
  EXPECT_GT(weights_.size(), 10U);
  EXPECT_LT(weights_.size(), 40U);
  for (int i = 0; i < 10; ++i) look(18_GiB);
  EXPECT_EQ(weights_.size(), jobs.size());
  EXPECT_EQ(b.control.state().slowed.size(), jobs.size());
}

TEST_F(Tight, WhereTheShareOfTheProcessorsCannotBeChangedItIsSaidOnce) {
  b.read();
  const LeaseId low = job(10_GiB, 12, true, Priority::low);
  b.uses(low, 9_GiB);
  look(13_GiB, seconds(60));
  ASSERT_EQ(weights_.size(), 1U);
  b.apply(Weighed{low, weights_[0].second, "cannot write cpu.weight: Read-only file system"});
  EXPECT_EQ(b.said("lease.slowed"), 1);
  weights_.clear();
  for (int i = 0; i < 20; ++i) look(9_GiB, seconds(1));
  EXPECT_TRUE(weights_.empty());
}

TEST_F(Tight, AJobWithoutAFenceOrThatEndsIsNotSlowedDown) {
  b.read();
  AskLease declined = fenced(10_GiB, 12, Priority::low);
  declined.fence = false;
  b.ask(declined);
  const LeaseId free = ++last_;
  b.apply(Placed{free, Group{"/g/l-1", "/c/l-1", "/u/l-1", "", true}, false, {}});
  b.uses(free, 9_GiB);
  look(9_GiB, seconds(1));
  EXPECT_TRUE(weights_.empty());
}

TEST_F(Tight, AWeekOfAHealthyBusyMachineIsQuiet) {
  b.read();
  std::vector<LeaseId> jobs;
  for (pid_t pid = 11; pid < 19; ++pid) jobs.push_back(job(8_GiB, pid));
  std::uint64_t random = 88172645463325252ULL;
  const auto next = [&random] {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
  };
  int said = 0;
  // A week in steps of a minute; all use up to 97 % of what they booked, of 64 GiB together.
  for (int minute = 0; minute < 7 * 24 * 60; ++minute) {
    Bytes used;
    for (const LeaseId id : jobs) {
      const Bytes mine = Bytes(static_cast<std::int64_t>(next() % (7800ULL << 20)));
      b.uses(id, mine);
      used += mine;
    }
    look(100_GiB - used, milliseconds(60'000));
    said += b.said("ladder.step") + b.said("alert.opened") + b.said("lease.frozen") +
            b.said("lease.held") + b.said("lease.slowed");
  }
  EXPECT_EQ(said, 0);
}

}  // namespace
}  // namespace headroom::control
