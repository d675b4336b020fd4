#include "control/bench_for_test.hpp"
#include "decide/size.hpp"

namespace headroom::control {
namespace {

TEST(Control, ALeaseLivesFromItsGrantToItsEnd) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  ask.group = ask.fence = true;
  const RequestId request = b.ask(ask);
  EXPECT_EQ(b.lease(request), nullptr) << "its groups are made first";
  EXPECT_EQ(b.count<Watch>(), 1);
  ASSERT_EQ(b.count<PlaceHolder>(), 1);
  b.apply(Placed{1, group(1), true, ""});
  ASSERT_NE(b.lease(request), nullptr);
  EXPECT_EQ(b.state(1), LeaseState::reserved);
  EXPECT_EQ(b.shadow.leases.at(1).fence_at, 10_GiB);
  b.uses(1, 2_GiB);
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(1), LeaseState::loading);
  b.uses(1, 8_GiB);
  b.pass(seconds(4));
  b.read();
  EXPECT_EQ(b.state(1), LeaseState::loading) << "it still rises";
  b.pass(seconds(6));
  b.read();
  EXPECT_EQ(b.state(1), LeaseState::active);
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.state(1), LeaseState::releasing);
  EXPECT_EQ(b.count<Release>(), 1);
  b.apply(Released{1, false, 2, 9_GiB, 0});
  EXPECT_EQ(b.said("lease.orphans"), 1);
  b.apply(Released{1, false, 2, 9_GiB, 0});
  EXPECT_EQ(b.said("lease.orphans"), 0) << "said once";
  b.apply(Released{1, true, 0, 9_GiB, 0});
  EXPECT_EQ(b.state(1), LeaseState::ended);
  EXPECT_EQ(b.said("lease.ended"), 1);
  EXPECT_EQ(b.shadow.leases.at(1).peak.memory, 9_GiB);
}

TEST(Control, EndsExactlyOnceWhateverIsRepeatedOrLate) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  ask.group = true;
  b.ask(ask);
  b.apply(Exited{holder(50)});  // before its groups were made
  EXPECT_EQ(b.state(1), LeaseState::ended);
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.said("lease.ended"), 0);
  b.apply(Placed{1, group(1), false, ""});
  EXPECT_EQ(b.state(1), LeaseState::ended);
  EXPECT_EQ(b.count<Release>(), 1) << "the groups are taken away again";
  EXPECT_EQ(b.count<Respond>(), 1);
  b.apply(Released{1, true, 0, {}, 0});
  b.apply(Released{1, true, 0, {}, 0});
  b.apply(Fenced{1, true});
  EXPECT_EQ(b.state(1), LeaseState::ended);
  EXPECT_EQ(b.count<Journal>(), 0);
  EXPECT_FALSE(b.control.next_deadline());
}

TEST(Control, AReleaseThatNobodyAskedForEndsNothing) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(1_GiB), 50));
  b.apply(Released{id, true, 0, {}, 0});
  EXPECT_EQ(b.state(id), LeaseState::reserved);
}

TEST(Control, AWaiterIsGrantedWhenAHolderEndsAndTheMachineWasRead) {
  Bench b;
  b.read();
  b.granted(want(memory(60_GiB), 50));
  const LeaseId waiting = b.granted(patient(memory(60_GiB), 51));
  EXPECT_EQ(b.state(waiting), LeaseState::waiting);
  const RequestId poll = b.ask(AskWait{waiting, seconds(30)});
  EXPECT_EQ(b.lease(poll), nullptr);
  b.pass(seconds(1));
  b.apply(Exited{holder(50)});
  EXPECT_GE(b.count<Sense>(), 1);
  b.pass(milliseconds(1));
  b.read();
  EXPECT_EQ(b.state(waiting), LeaseState::reserved);
  ASSERT_NE(b.lease(poll), nullptr);
}

TEST(Control, PollsAreAnsweredOnceAtTheirTimeOrNotAtAllWhenWithdrawn) {
  Bench b;
  b.read();
  b.granted(want(memory(60_GiB), 50));
  const LeaseId waiting = b.granted(patient(memory(60_GiB), 51));
  EXPECT_NE(b.lease(b.ask(AskWait{waiting, seconds(0)})), nullptr);
  const RequestId slow = b.ask(AskWait{waiting, seconds(5)});
  const RequestId gone = b.ask(AskWait{waiting, seconds(5)});
  b.apply(Withdrawn{gone});
  b.pass(seconds(5));
  ASSERT_TRUE(b.control.next_deadline());
  b.apply(Ticked{});
  ASSERT_NE(b.lease(slow), nullptr);
  EXPECT_EQ(b.lease(slow)->lease.state, LeaseState::waiting);
  EXPECT_EQ(b.lease(gone), nullptr);
  EXPECT_FALSE(b.control.next_deadline());
  EXPECT_NE(b.refusal(b.ask(AskWait{99, seconds(1)})), nullptr);
}

TEST(Control, ARepeatedRequestFindsItsLeaseAlsoAfterARestart) {
  Bench b;
  b.read();
  AskLease ask = want(memory(1_GiB), 50);
  ask.idempotency_key = "k";
  const LeaseId first = b.granted(ask);
  EXPECT_EQ(b.granted(ask), first);
  b.restart({holder(50)});
  EXPECT_EQ(b.granted(ask), first);
  b.read();
  EXPECT_NE(b.granted(ask, 2000), first) << "another user's key is another key";
}

TEST(Control, AWaiterGivesUpAndATimeToLiveRunsOut) {
  Bench b;
  b.read();
  AskLease held = want(memory(60_GiB));
  held.ttl = seconds(100);
  const LeaseId timed = b.granted(held);
  AskLease ask = patient(memory(60_GiB), 51);
  ask.wait = seconds(10);
  const LeaseId waiting = b.granted(ask);
  b.pass(seconds(10));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(waiting), LeaseState::ended);
  EXPECT_EQ(b.state(timed), LeaseState::reserved);
  b.pass(seconds(90));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(timed), LeaseState::ended);
}

TEST(Control, WhatOnlyItsTimeEndsDoesNotLoseIt) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB));
  ask.ttl = seconds(100);
  AskChange change;
  change.lease = b.granted(ask);
  change.ttl = seconds(0);
  EXPECT_EQ(b.refusal(b.ask(change))->error.kind, ErrorKind::invalid_request);
  EXPECT_TRUE(b.shadow.leases.at(change.lease).expires);
  ask = want(memory(10_GiB), 50);
  ask.ttl = seconds(100);
  change.lease = b.granted(ask);
  EXPECT_NE(b.lease(b.ask(change)), nullptr) << "that one ends with its process";
  EXPECT_FALSE(b.shadow.leases.at(change.lease).expires);
}

TEST(Control, TimesWithoutMeasureAreBounded) {
  Bench b;
  b.read();
  AskLease ask = want(memory(1_GiB), 50);
  ask.ttl = seconds::max();
  ask.expected = seconds::max();
  const LeaseId id = b.granted(ask);
  EXPECT_GT(*b.shadow.leases.at(id).expires, b.now().boot);
  AskChange change;
  change.lease = id;
  change.ttl = change.expected = seconds::max();
  EXPECT_NE(b.lease(b.ask(change)), nullptr);
  b.apply(Ticked{});
  EXPECT_EQ(b.state(id), LeaseState::reserved);
}

TEST(Control, ALeaseThatIsEndedWhileItRunsGivesNothingUnseen) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(60_GiB), 50));
  b.pass(seconds(1));
  b.ask(AskEnd{id});
  EXPECT_NE(b.refusal(b.ask(want(memory(60_GiB), 51))), nullptr)
      << "its process may have taken them";
  b.sample.memory.available = 45_GiB;  // it has
  b.pass(seconds(1));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(memory(60_GiB), 51))), nullptr);
  EXPECT_NE(b.lease(b.ask(want(memory(30_GiB), 51))), nullptr);
}

TEST(Control, ALateSampleFromBeforeAnEndGivesNothingBack) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(60_GiB), 50));
  Sample late = b.sample;
  b.pass(seconds(1));
  late.at = b.now();
  b.pass(seconds(1));
  b.ask(AskEnd{id});
  b.apply(Sampled{std::make_shared<Sample>(late)});
  EXPECT_NE(b.refusal(b.ask(want(memory(60_GiB), 51))), nullptr);
}

TEST(Control, OnlyItsOwnerOrTheTrustedChangeALease) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(1_GiB), 50));
  const RequestId stranger = b.ask(AskEnd{id}, 2000);
  ASSERT_NE(b.refusal(stranger), nullptr);
  EXPECT_EQ(b.refusal(stranger)->error.kind, ErrorKind::not_allowed);
  b.apply(Asked{++b.request, {1000, false, false}, want(memory(1_GiB))});
  EXPECT_EQ(b.refusal(b.request)->error.kind, ErrorKind::not_allowed);
  EXPECT_NE(b.lease(b.ask(AskEnd{id}, 0, true)), nullptr);
  EXPECT_EQ(b.refusal(b.ask(AskEnd{77}))->error.kind, ErrorKind::not_found);
}

TEST(Control, AFullQueueRefuses) {
  Config config = Bench::make();
  config.leases.queue = 2;
  Bench b(config);
  b.read();
  b.granted(want(memory(60_GiB), 50));
  b.granted(patient(memory(60_GiB), 51));
  b.granted(patient(memory(60_GiB), 52));
  EXPECT_EQ(b.refusal(b.ask(patient(memory(60_GiB), 53)))->error.kind,
            ErrorKind::too_many_requests);
}

TEST(Control, FitAndLeaseSayTheSameOfTheSameRevision) {
  Bench b;
  b.read();
  for (int gib = 1; gib < 110; gib += 7) {
    AskFit fit;
    fit.needs = memory(Bytes(std::int64_t{gib} << 30));
    const auto* verdict = b.answer<Verdict>(b.ask(fit));
    ASSERT_NE(verdict, nullptr);
    EXPECT_EQ(verdict->revision, b.control.state().revision) << "asking changes nothing";
    const Answer said = verdict->answer;
    const RequestId request = b.ask(want(fit.needs, 100 + gib));
    EXPECT_EQ(b.lease(request) != nullptr, said == Answer::now) << gib;
    if (const Refusal* refusal = b.refusal(request)) {
      EXPECT_EQ(refusal->verdict->answer, said);
    }
  }
}

TEST(Control, SpreadIsMeantTheSameByFitAndLease) {
  Bench b;
  b.sample.gpus[0].memory_used = 10_GiB;
  b.read();
  AskFit fit;
  fit.needs = gpu_memory(2_GiB);
  fit.spread = true;
  EXPECT_EQ(b.answer<Verdict>(b.ask(fit))->gpu, "GPU-B");
  AskLease ask = want(fit.needs, 50);
  ask.spread = true;
  EXPECT_EQ(b.shadow.leases.at(b.granted(ask)).gpu, "GPU-B");
}

TEST(Control, ResizesWithinTheRoomAndNowhereElse) {
  Bench b;
  b.read();
  Needs needs = memory(10_GiB);
  needs.disk = 10_GiB;
  const LeaseId id = b.granted(want(needs, 50));
  b.granted(want(memory(60_GiB), 51));
  AskChange change;
  change.lease = id;
  change.needs = needs;
  change.needs->memory = 40_GiB;
  EXPECT_NE(b.refusal(b.ask(change)), nullptr);
  change.needs->memory = 25_GiB;
  EXPECT_NE(b.lease(b.ask(change)), nullptr);
  EXPECT_EQ(b.shadow.leases.at(id).booked.memory, 25_GiB);
  change.needs->disk_path = "/data";
  EXPECT_EQ(b.refusal(b.ask(change))->error.kind, ErrorKind::conflict)
      << "a booking does not move by itself";
  change.needs = memory(10_GiB);
  change.needs->gpu_memory = 1_GiB;
  EXPECT_EQ(b.refusal(b.ask(change))->error.kind, ErrorKind::conflict);
  change.needs = memory(5_GiB);
  EXPECT_NE(b.lease(b.ask(change)), nullptr);
  EXPECT_NE(b.refusal(b.ask(want(memory(25_GiB), 52))), nullptr) << "what it gave up may be in use";
  b.pass(seconds(1));
  b.read();
  EXPECT_NE(b.lease(b.ask(want(memory(25_GiB), 52))), nullptr);
}

// It was granted more and ended by the kernel at the limit that it had before.
TEST(Control, TheLimitsOfAnEnforcedLeaseFollowItsBooking) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  ask.needs.cpu = Cores(1000);
  ask.group = ask.fence = ask.enforce = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), true, ""});
  AskChange change;
  change.lease = 1;
  change.needs = ask.needs;
  change.needs->memory = 20_GiB;
  change.needs->cpu = Cores(2000);
  b.ask(change);
  std::string order;
  for (const Effect& effect : b.effects) {
    if (const auto* limit = std::get_if<LimitMemory>(&effect)) {
      EXPECT_EQ(limit->at, 20_GiB);
      order += "memory ";
    }
    if (const auto* limit = std::get_if<LimitCpu>(&effect)) {
      EXPECT_EQ(limit->at, Cores(2000));
      order += "cpu ";
    }
    if (std::get_if<Fence>(&effect) != nullptr) order += "fence ";
  }
  EXPECT_EQ(order, "memory cpu fence ");
  b.apply(Fenced{1, true});
  change.lease = 1;
  change.needs->memory = 5_GiB;
  b.ask(change);
  EXPECT_EQ(b.count<LimitMemory>(), 1) << "down as well";
}

TEST(Control, TheBookingOfALeaseThatIsNotEnforcedLimitsNothing) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  ask.group = ask.fence = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), true, ""});
  AskChange change;
  change.lease = 1;
  change.needs = memory(20_GiB);
  b.ask(change);
  EXPECT_EQ(b.count<Fence>(), 1);
  EXPECT_EQ(b.count<LimitMemory>() + b.count<LimitCpu>(), 0);
}

TEST(Control, AnOuterLeaseCannotShrinkBelowWhatIsNestedInIt) {
  Bench b;
  b.read();
  const LeaseId outer = b.granted(want(memory(10_GiB), 50));
  AskLease ask = want(memory(8_GiB), 51);
  ask.parent = outer;
  const LeaseId inner = b.granted(ask);
  EXPECT_EQ(b.shadow.leases.at(inner).parent, outer);
  EXPECT_NE(b.refusal(b.ask(ask)), nullptr) << "two are left";
  AskChange change;
  change.lease = outer;
  change.needs = memory(4_GiB);
  EXPECT_EQ(b.refusal(b.ask(change))->error.kind, ErrorKind::conflict);
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.state(outer), LeaseState::releasing) << "a command inside it still runs";
  b.apply(Exited{holder(51)});
  EXPECT_EQ(b.state(outer), LeaseState::ended);
}

TEST(Control, WhatIsNestedEndsWithAnOuterLeaseWhoseTimeRanOut) {
  Bench b;
  b.read();
  AskLease timed = want(memory(10_GiB), 50);
  timed.ttl = seconds(10);
  const LeaseId outer = b.granted(timed);
  AskLease ask = want(memory(8_GiB), 51);
  ask.parent = outer;
  const LeaseId inner = b.granted(ask);
  b.pass(seconds(10));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(outer), LeaseState::ended);
  EXPECT_EQ(b.state(inner), LeaseState::ended);
}

TEST(Control, WhoWaitedLongerThanItsTimeIsNotGrantedHoweverLateTheTick) {
  Bench b;
  b.read();
  const LeaseId first = b.granted(want(memory(80_GiB), 50));
  AskLease timed = want(memory(60_GiB), 51);
  timed.ttl = seconds(10);
  timed.wait = seconds(100);
  b.ask(timed);
  const LeaseId waiting = first + 1;
  ASSERT_EQ(b.state(waiting), LeaseState::waiting);
  b.pass(seconds(11));
  b.apply(Exited{holder(50)});
  b.read();  // there is room again, and the clock was not looked at
  EXPECT_EQ(b.state(waiting), LeaseState::ended);
}

TEST(Control, ATimeToLiveTellsWhenALeaseEnds) {
  Bench b;
  b.read();
  AskLease timed = want(memory(80_GiB), 50);
  timed.ttl = seconds(100);
  const auto until = b.now().wall + seconds(100);
  b.granted(timed);
  AskFit fit;
  fit.needs = memory(80_GiB);
  const auto* verdict = b.answer<Verdict>(b.ask(fit));
  ASSERT_NE(verdict, nullptr);
  ASSERT_EQ(verdict->answer, Answer::queued) << verdict->why;
  ASSERT_TRUE(verdict->earliest) << verdict->why;
  EXPECT_EQ(*verdict->earliest, until);
}

TEST(Control, AKeyThatIsUsedForAnotherRequestIsAConflict) {
  Bench b;
  b.read();
  AskLease ask = want(memory(1_GiB), 50);
  ask.idempotency_key = "k";
  b.granted(ask);
  ask.needs = memory(2_GiB);
  const auto* refusal = b.answer<Refusal>(b.ask(ask));
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->error.kind, ErrorKind::conflict);
}

TEST(Control, KeepsTheNewestThousandThatHaveEnded) {
  Bench b;
  b.read();
  LeaseId last = 0;
  for (int i = 0; i < 1100; ++i) {
    last = b.granted(want(memory(1_MiB)));
    b.ask(AskEnd{last});
  }
  EXPECT_EQ(b.shadow.leases.size(), 1000U);
  EXPECT_TRUE(b.shadow.leases.contains(last));
  // After a reboot the boot clock starts anew: what ends now is newer than all of them.
  b.boot_ms = 10;
  b.restart({}, false);
  b.read();
  const LeaseId id = b.granted(want(memory(1_MiB)));
  EXPECT_NE(b.lease(b.ask(AskEnd{id})), nullptr);
  EXPECT_TRUE(b.shadow.leases.contains(id));
  EXPECT_EQ(b.shadow.leases.size(), 1000U);
  b.pass(hours(25));
  b.apply(Ticked{});
  EXPECT_TRUE(b.shadow.leases.empty()) << "a day is kept";
}

TEST(Control, OneThatCannotBeForgottenYetKeepsNobody) {
  Bench b;
  b.read();
  AskLease ask = want(memory(1_MiB), 50);
  ask.group = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), false, ""});
  b.ask(AskEnd{1});  // its process runs on in its group
  for (int i = 0; i < 1050; ++i) b.ask(AskEnd{b.granted(want(memory(1_MiB)))});
  EXPECT_LE(b.shadow.leases.size(), 1001U);
  EXPECT_TRUE(b.shadow.leases.contains(1));
}

// No guardian could be started at that moment: the job ran without a fence for all its life.
TEST(Fence, ThatCouldNotBeSetAtTheStartComesLater) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  ask.group = ask.fence = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), false, "no guardian", true});
  EXPECT_EQ(b.shadow.leases.at(1).fence_at, 10_GiB);
  EXPECT_FALSE(b.shadow.leases.at(1).fence_set);
  b.apply(Fenced{1, true});
  EXPECT_TRUE(b.shadow.leases.at(1).fence_set);
}

TEST(Fence, IsRaisedWhileThereIsRoomAndHeldWhenThereIsNone) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  ask.group = ask.fence = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), true, ""});
  b.uses(1, 10_GiB);
  b.sample.memory.available = 90_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.count<Fence>(), 1);
  EXPECT_EQ(b.said("lease.overrun"), 1);
  EXPECT_GT(b.shadow.leases.at(1).fence_at, 10_GiB);
  EXPECT_FALSE(b.shadow.leases.at(1).fence_set)
      << "the intent is journaled before, the outcome after";
  b.apply(Fenced{1, true});
  EXPECT_TRUE(b.shadow.leases.at(1).fence_set);
  b.uses(1, b.shadow.leases.at(1).fence_at);
  b.sample.memory.available = 0_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.count<Fence>(), 0);
  EXPECT_EQ(b.said("lease.held"), 1);
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.said("lease.held"), 0) << "said once";
}

TEST(Control, AHandOverLeavesTheWholeBookingToTheNewHolderAndTheOldOneWhatItTook) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(40_GiB), 50));
  b.uses(id, 30_GiB);
  b.sample.memory.available = 70_GiB;
  b.pass(seconds(1));
  b.read();
  AskChange change;
  change.lease = id;
  change.holder = holder(51);
  b.pass(seconds(1));
  b.ask(change);
  // The old holder keeps its 30 GiB, and may have taken 10 more; the new one may take 40.
  EXPECT_NE(b.refusal(b.ask(want(memory(21_GiB), 52))), nullptr);
  // A sample from before the hand-over tells of the old holder, which had less for a moment.
  b.sample.memory.available = 100_GiB;
  b.sample.at = {b.now().boot - milliseconds(500), b.now().wall};
  b.apply(Sampled{std::make_shared<Sample>(b.sample)});
  EXPECT_NE(b.refusal(b.ask(want(memory(21_GiB), 52))), nullptr);
  b.uses(id, 0_GiB);
  b.sample.memory.available = 70_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(memory(31_GiB), 52))), nullptr);
  EXPECT_NE(b.lease(b.ask(want(memory(30_GiB), 52))), nullptr) << "70 less the new holder's 40";
}

TEST(Gpu, WhatTheDeviceDoesNotGiveBackIsQuarantinedAndComesBackLate) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(20_GiB), 50));
  const std::string gpu = b.shadow.leases.at(id).gpu;
  b.sample.gpus[gpu == "GPU-A" ? 0 : 1].memory_used = 20_GiB;
  b.uses(id, Bytes(), 20_GiB, gpu);
  b.pass(seconds(1));
  b.read();
  b.sample.holders.clear();
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.state(id), LeaseState::releasing);
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::releasing);
  b.pass(seconds(10));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::quarantined);
  EXPECT_EQ(b.said("lease.quarantined"), 1);
  AskChange change;
  change.lease = id;
  change.needs = gpu_memory(1_GiB);
  EXPECT_EQ(b.refusal(b.ask(change))->error.kind, ErrorKind::conflict);
  b.sample.gpus[0].memory_used = b.sample.gpus[1].memory_used = Bytes();
  b.pass(seconds(100));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::ended);
}

TEST(Gpu, ALeaseThatGaveItsPartBackDoesNotGrowBesideOneThatIsAloneThere) {
  Bench b;
  b.sample.gpus.pop_back();
  b.read();
  Needs both = gpu_memory(2_GiB);
  both.memory = 1_GiB;
  const LeaseId first = b.granted(want(both, 50));
  AskChange change;
  change.lease = first;
  change.needs = memory(1_GiB);
  ASSERT_NE(b.lease(b.ask(change)), nullptr);
  Needs whole = gpu_memory(4_GiB);
  whole.gpus = 1;
  const LeaseId alone = b.granted(want(whole, 51));
  change.needs = both;
  EXPECT_EQ(b.refusal(b.ask(change))->error.kind, ErrorKind::conflict);
  EXPECT_EQ(b.control.state().ledger.pool(b.control.state().ledger.gpu("GPU-A")).leases, 1);
  change.lease = alone;
  change.needs = whole;
  change.needs->gpu_memory = 5_GiB;
  EXPECT_NE(b.lease(b.ask(change)), nullptr) << "the one that is alone grows";
}

TEST(Gpu, ALoadBesideADeathDoesNotLookLikeBytesThatWereKept) {
  Bench b;
  b.sample.gpus.pop_back();
  b.read();
  const LeaseId dying = b.granted(want(gpu_memory(10_GiB), 50));
  const LeaseId loading = b.granted(want(gpu_memory(12_GiB), 51));
  b.sample.gpus[0].memory_used = 10_GiB;
  b.uses(dying, Bytes(), 10_GiB);
  b.uses(loading, Bytes(), Bytes());
  b.pass(seconds(1));
  b.read();
  b.apply(Exited{holder(50)});
  b.sample.holders.clear();
  b.uses(loading, Bytes(), 12_GiB);
  b.sample.gpus[0].memory_used = 12_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(dying), LeaseState::ended);
}

TEST(Gpu, ALookFromBeforeADeathSaysNothingOfWhatTheDeadTook) {
  Bench b;
  b.sample.gpus.pop_back();
  b.sample.gpus[0].memory_used = 5_GiB;  // a stranger's
  b.read();
  const LeaseId dying = b.granted(want(gpu_memory(12_GiB), 50));
  b.uses(dying, Bytes(), 1_GiB);
  b.sample.gpus[0].memory_used = 6_GiB;
  b.pass(seconds(1));
  b.read();
  // It takes all that it booked, dies, and its driver keeps it; the device's numbers are older.
  b.pass(seconds(2));
  b.apply(Exited{holder(50)});
  b.sample.holders.clear();
  b.pass(milliseconds(80));
  b.sample.gpus[0].age = seconds(1);
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(12_GiB), 51))), nullptr) << "17 GiB of 24 are in use";
  b.sample.gpus[0].age = {};
  b.sample.gpus[0].memory_used = 17_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(12_GiB), 51))), nullptr);
  b.sample.gpus[0].memory_used = 5_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(dying), LeaseState::ended);
  EXPECT_NE(b.lease(b.ask(want(gpu_memory(12_GiB), 51))), nullptr);
}

TEST(Gpu, WhoDiedWhileItsDeviceDidNotAnswerGivesNothingBackBeforeALookFromAfterwards) {
  Bench b;
  b.sample.gpus.pop_back();
  b.read();
  AskLease ask = want(gpu_memory(12_GiB), 50);
  ask.group = true;
  b.ask(ask);
  const LeaseId dying = 1;
  b.apply(Placed{dying, group(dying), true, {}});
  b.uses(dying, Bytes(), 1_GiB);
  b.sample.gpus[0].memory_used = 1_GiB;
  b.pass(seconds(1));
  b.read();
  b.sample.gpus[0].state = GpuState::stale;
  b.pass(seconds(1));
  b.read();
  // It takes all that it booked and dies.
  b.pass(seconds(2));
  b.apply(Exited{holder(50)});
  Released released;
  released.lease = dying;
  released.gone = true;
  b.apply(released);
  EXPECT_EQ(b.state(dying), LeaseState::ended);
  b.sample.holders.clear();
  // The device answers, with what was so before.
  b.sample.gpus[0].state = GpuState::ok;
  b.sample.gpus[0].age = seconds(1);
  b.pass(milliseconds(80));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(20_GiB), 51))), nullptr) << "12 GiB of 24 are in use";
  b.sample.gpus[0].age = {};
  b.sample.gpus[0].memory_used = 12_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(20_GiB), 51))), nullptr);
  EXPECT_NE(b.lease(b.ask(want(gpu_memory(12_GiB), 51))), nullptr);
}

TEST(Gpu, WhatAChildTookAfterItsParentsDeathIsLookedAtBeforeItIsGivenAgain) {
  Bench b;
  b.sample.gpus.pop_back();
  b.read();
  AskLease ask = want(gpu_memory(12_GiB), 50);
  ask.group = true;
  b.ask(ask);
  const LeaseId dying = 1;
  b.apply(Placed{dying, group(dying), true, {}});
  b.pass(seconds(1));
  b.read();
  b.pass(seconds(1));
  b.apply(Exited{holder(50)});
  Released orphan;
  orphan.lease = dying;
  orphan.processes = 1;
  b.apply(orphan);
  b.pass(seconds(1));
  b.read();  // the device has nothing of it
  EXPECT_EQ(b.state(dying), LeaseState::releasing);
  EXPECT_TRUE(b.control.state().owed.empty());
  // The child takes 12 GiB and dies.
  b.pass(seconds(5));
  orphan.processes = 0;
  orphan.gone = true;
  b.apply(orphan);
  EXPECT_EQ(b.state(dying), LeaseState::ended);
  EXPECT_EQ(b.count<Sense>(), 1);
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(20_GiB), 51))), nullptr)
      << "nobody knows yet what of the 12 GiB is back";
  b.pass(milliseconds(1));
  b.read();
  EXPECT_NE(b.lease(b.ask(want(gpu_memory(20_GiB), 51))), nullptr);
}

TEST(Gpu, BytesThatWereNeverSeenWaitForOneLook) {
  Bench b;
  b.sample.gpus.pop_back();
  b.read();
  b.granted(want(gpu_memory(20_GiB), 50));
  b.pass(milliseconds(100));
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.count<Sense>(), 1);
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(20_GiB), 51))), nullptr);
  b.sample.gpus[0].memory_used = 20_GiB;  // the driver frees late
  b.pass(milliseconds(100));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(gpu_memory(20_GiB), 51))), nullptr);
}

TEST(Restored, EndsTheDeadKeepsTheLivingAndTheAgeOfTheWaiting) {
  Bench b;
  b.read();
  const LeaseId dead = b.granted(want(memory(30_GiB), 50));
  const LeaseId living = b.granted(want(memory(30_GiB), 51));
  AskLease ask = want(memory(1_MiB), 53);
  ask.group = true;
  b.ask(ask);  // and the daemon dies before its groups are made
  const LeaseId unplaced = 3;
  const LeaseId waiting = b.granted(patient(memory(90_GiB), 52));
  const Instant asked = b.shadow.leases.at(waiting).asked;
  b.pass(seconds(20));
  b.restart({holder(51), holder(52), holder(53)});
  EXPECT_EQ(b.state(dead), LeaseState::ended);
  EXPECT_EQ(b.state(living), LeaseState::reserved);
  EXPECT_EQ(b.shadow.leases.at(waiting).asked, asked);
  EXPECT_EQ(b.count<Watch>(), 3);
  EXPECT_EQ(b.state(unplaced), LeaseState::reserved);
  EXPECT_EQ(b.count<PlaceHolder>(), 1);
  EXPECT_EQ(b.count<Respond>(), 0);
}

TEST(Restored, NothingLivesAfterAReboot) {
  Bench b;
  b.read();
  b.granted(want(memory(30_GiB), 50));
  b.granted(patient(memory(90_GiB), 51));
  b.boot_ms = 500;
  b.restart({holder(50), holder(51)}, false);
  EXPECT_EQ(b.said("lease.ended"), 2);
  EXPECT_TRUE(b.control.state().ledger.entries().empty());
  EXPECT_TRUE(b.control.state().queue.empty());
}

TEST(Restored, GroupsOfEndedLeasesAreLookedAtAgain) {
  Bench b;
  b.read();
  AskLease ask = want(memory(1_GiB), 50);
  ask.group = true;
  b.ask(ask);
  b.apply(Placed{1, group(1), false, ""});
  b.ask(AskEnd{1});
  b.restart({holder(50)});
  EXPECT_EQ(b.count<Release>(), 1);
  b.apply(Released{1, true, 0, {}, 0});
  b.restart({});
  EXPECT_EQ(b.count<Release>(), 0) << "it is gone, and that is known";
}

TEST(Restored, ANestedLeaseWhoseOuterRecordIsLostBooksForItself) {
  Bench b;
  b.read();
  const LeaseId outer = b.granted(want(memory(10_GiB), 50));
  AskLease ask = want(memory(8_GiB), 51);
  ask.parent = outer;
  const LeaseId inner = b.granted(ask);
  b.shadow.leases.erase(outer);
  b.restart({holder(50), holder(51)});
  EXPECT_EQ(b.shadow.leases.at(inner).parent, 0U);
  EXPECT_EQ(b.control.state().ledger.pool(decide::Ledger::kMemory).booked, (8_GiB).count());
}

TEST(Readings, CpuUseBeyondABookingWasBookedByNobody) {
  Bench b;
  b.read();
  Needs needs;
  needs.cpu = 1_cores;
  const LeaseId id = b.granted(want(needs, 50));
  b.uses(id, Bytes());
  b.sample.holders[0].cpu = 6_cores;
  b.sample.cpu.busy = Ratio(6.0 / 8);
  for (int i = 0; i < 300; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  needs.cpu = 4_cores;
  EXPECT_NE(b.refusal(b.ask(want(needs, 51))), nullptr);
}

TEST(Readings, ALeaseThatWasNotReadCountsAsNotUsed) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(want(memory(60_GiB), 50));
  b.uses(id, 60_GiB);
  b.sample.memory.available = 40_GiB;
  b.pass(seconds(1));
  b.read();
  // It gives its memory back, and its reading is missing: it may take it again.
  b.sample.holders.clear();
  b.sample.memory.available = 100_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_NE(b.refusal(b.ask(want(memory(50_GiB), 51))), nullptr);
}

TEST(Readings, LeasesOfOneProcessShareWhatItUses) {
  Bench b;
  b.sample.gpus.pop_back();
  b.read();
  const LeaseId first = b.granted(want(gpu_memory(4_GiB), 50));
  const LeaseId second = b.granted(want(gpu_memory(4_GiB), 50));
  b.uses(second, Bytes(), 4_GiB);
  b.uses(first, Bytes(), 4_GiB);
  b.sample.gpus[0].memory_used = 4_GiB;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.control.state().ledger.pool(b.control.state().ledger.gpu("0")).unmaterialised,
            (4_GiB).count());
}

TEST(Readings, AfterARestartADevicesUseIsNotTakenForALeases) {
  Bench b;
  b.sample.gpus.pop_back();
  b.sample.gpus[0].memory_used = 4_GiB;  // a foreign program
  b.read();
  const LeaseId id = b.granted(want(gpu_memory(16_GiB), 50));
  b.restart({holder(50)});
  HolderReading mute;
  mute.lease = id;
  b.sample.holders = {mute};
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.control.state().ledger.pool(b.control.state().ledger.gpu("0")).unmaterialised,
            (16_GiB).count());
}

TEST(Learned, ANameBooksWhatItHasNeeded) {
  Bench b;
  b.read();
  AskLease ask = want(memory(10_GiB), 50);
  const LeaseId id = b.granted(ask);
  b.uses(id, 2_GiB);
  b.pass(seconds(100));
  b.read();
  AskChange change;
  change.lease = id;
  change.exit_status = 0;
  b.ask(change);
  b.apply(Exited{holder(50)});
  b.sample.holders.clear();
  b.pass(seconds(1));
  b.read();
  AskLease again = want(Needs(), 51);
  again.has_needs = false;
  const LeaseId learned = b.granted(again);
  const Lease& lease = b.shadow.leases.at(learned);
  ASSERT_TRUE(lease.size.memory);
  EXPECT_EQ(lease.size.memory->p50, 2_GiB);
  EXPECT_EQ(lease.size.from, SizeFrom::learned);
  EXPECT_EQ(lease.size.runs, 1U);
  EXPECT_EQ(lease.booked.memory, lease.size.memory->p95);
  EXPECT_GT(lease.booked.memory, 2_GiB + Bytes((2_GiB).count() / 12));
  EXPECT_LT(lease.booked.memory, 2_GiB + Bytes((2_GiB).count() / 7));
  EXPECT_EQ(b.shadow.leases.at(learned).expected, seconds(100));
  EXPECT_TRUE(b.shadow.leases.at(learned).expected_learned);
  again.name = "nobody knows it";
  EXPECT_EQ(b.refusal(b.ask(again))->error.kind, ErrorKind::invalid_request);
}

/// Runs of one name, each to its end.
struct LearnBench : Bench {
  LearnBench() { read(); }
  /// Books `ask`, uses so much, and ends: by itself, or killed for want of memory.
  Lease run(AskLease ask, Bytes uses_memory, std::uint64_t kills = 0) {
    ask.holder = {++pid, 7};
    ask.group = true;
    const RequestId asking = this->ask(ask);
    const LeaseId id = control.state().promises.next_lease - 1;
    apply(Placed{id, Group{"/m", "", "", "", false}, false, ""});
    EXPECT_NE(lease(asking), nullptr);
    const Lease booked = shadow.leases.at(id);
    uses(id, uses_memory);
    pass(seconds(10));
    read();
    AskChange change;
    change.lease = id;
    change.exit_status = kills > 0 ? 137 : 0;
    if (kills == 0) this->ask(change);
    apply(Exited{ask.holder});
    apply(Released{id, true, 0, uses_memory, kills});
    if (kills > 0) this->ask(change);  // told late: it must not teach twice
    EXPECT_EQ(state(id), LeaseState::ended);
    sample.holders.clear();
    pass(seconds(1));
    read();
    return booked;
  }
  AskLease asks(const char* config, bool says = false) {
    AskLease ask = want(says ? memory(8_GiB) : Needs(), 0);
    ask.has_needs = says;
    ask.config = config;
    return ask;
  }
  pid_t pid = 100;
};

TEST(Learned, AnotherConfigurationIsAnotherSizeAndUntilItRanAWiderOne) {
  LearnBench b;
  b.run(b.asks("batch-32", true), 2_GiB);
  const Lease other = b.run(b.asks("batch-64"), 4_GiB);
  EXPECT_EQ(other.size.from, SizeFrom::other_configuration);
  EXPECT_EQ(other.size.memory->p50, 2_GiB);
  EXPECT_GE(other.booked.memory, 4_GiB) << "twice as much is no surprise there";
  EXPECT_EQ(b.run(b.asks("batch-64"), 4_GiB).size.memory->p50, 4_GiB);
  const Lease first = b.run(b.asks("batch-32"), 2_GiB);
  EXPECT_EQ(first.size.from, SizeFrom::learned);
  EXPECT_EQ(first.size.memory->p50, 2_GiB);
  EXPECT_LT(first.booked.memory, 3_GiB);
  // What was kept is there after a restart.
  b.restart({});
  b.read();
  EXPECT_EQ(b.run(b.asks("batch-64"), 4_GiB).size.memory->p50, 4_GiB);
}

TEST(Learned, ADeathForWantOfMemoryTeachesThatItNeedsMoreOnce) {
  LearnBench b;
  b.run(b.asks("x", true), 4_GiB, 1);
  const Lease second = b.run(b.asks("x"), 5_GiB, 1);
  EXPECT_EQ(second.booked.memory, 5_GiB) << "a quarter more than it had when it died";
  EXPECT_EQ(second.size.deaths, 1U);
  EXPECT_EQ(b.shadow.learned.begin()->second.runs.size(), 2U) << "each death teaches once";
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(b.run(b.asks("x"), 5_GiB, 1).booked.memory, 5_GiB) << "and it does not grow for ever";
  }
}

TEST(Learned, TheVerdictSaysWhatItsAmountsAreFrom) {
  LearnBench b;
  b.run(b.asks("x", true), 2_GiB);
  AskFit fit;
  fit.name = b.asks("x").name;
  fit.has_needs = false;
  const auto* verdict = b.answer<Verdict>(b.ask(fit));
  ASSERT_NE(verdict, nullptr);
  EXPECT_EQ(verdict->size.from, SizeFrom::learned) << "the configuration that ran last";
  EXPECT_EQ(verdict->size.memory->p95, verdict->amounts.memory);
  fit.has_needs = true;
  fit.needs = memory(1_GiB);
  EXPECT_EQ(b.answer<Verdict>(b.ask(fit))->size, Size()) << "it was said";
}

TEST(Learned, MoreConfigurationsThanAreKeptPushOutTheOldestAndAreNoError) {
  LearnBench b;
  for (std::size_t i = 0; i < decide::kMostLearnedOfName + 3; ++i) {
    b.run(b.asks(std::to_string(i).c_str(), true), 1_GiB);
  }
  EXPECT_EQ(b.shadow.learned.size(), decide::kMostLearnedOfName);
  const std::string name = b.asks("").name;
  EXPECT_FALSE(b.shadow.learned.contains({name, "0", ""}));
  EXPECT_TRUE(b.shadow.learned.contains({name, "3", ""}));
}

TEST(Alerts, AnAcknowledgementHoldsOverARestartAndEndsWithItsAlert) {
  Bench b;
  b.sample.memory.available = 10_GiB;  // 90 %
  for (int i = 0; i < 5; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  ASSERT_EQ(b.control.state().alerts.open().size(), 1U);
  ASSERT_NE(b.answer<Alert>(b.ask(AskAcknowledge{b.control.state().alerts.open()[0].id, true})),
            nullptr);
  b.restart({});
  for (int i = 0; i < 5; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  ASSERT_EQ(b.control.state().alerts.open().size(), 1U);
  EXPECT_TRUE(b.control.state().alerts.open()[0].acknowledged);
  b.restart({});
  b.sample.memory.available = 90_GiB;  // it was over while no daemon ran
  b.pass(seconds(1));
  b.read();
  EXPECT_TRUE(b.shadow.acknowledged.empty());
  b.sample.memory.available = 10_GiB;
  for (int i = 0; i < 5; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  EXPECT_FALSE(b.control.state().alerts.open()[0].acknowledged) << "a new one was seen by nobody";
}

std::vector<Notify> news_in(const Effects& effects) {
  std::vector<Notify> all;
  for (const Effect& effect : effects) {
    if (const auto* one = std::get_if<Notify>(&effect)) all.push_back(*one);
  }
  return all;
}

TEST(Alerts, AreToldWhenRaisedAndWhenEnded) {
  Bench b;
  std::vector<Notify> told;
  const auto live = [&](Bytes available, int seconds_long) {
    b.sample.memory.available = available;
    for (int i = 0; i < seconds_long; ++i) {
      b.pass(seconds(1));
      b.read();
      for (const Notify& one : news_in(b.effects)) told.push_back(one);
    }
  };
  live(10_GiB, 6);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].what, Notify::What::raised);
  EXPECT_EQ(told[0].alert.level, Level::critical);
  live(90_GiB, 6);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1].what, Notify::What::ended);
}

TEST(Alerts, AMutedOneIsToldToNobodyUntilItsTimeAlsoOverARestart) {
  Bench b;
  const auto tight = [&] {
    std::size_t told = 0;
    for (const Bytes available : {90_GiB, 10_GiB}) {
      b.sample.memory.available = available;
      for (int i = 0; i < 6; ++i) {
        b.pass(seconds(1));
        b.read();
        told += news_in(b.effects).size();
      }
    }
    return told;
  };
  EXPECT_EQ(tight(), 1U);
  const std::uint64_t id = b.control.state().alerts.open()[0].id;
  const Alert muted = *b.answer<Alert>(b.ask(AskMute{id, b.now().wall + hours(1)}, 0, true));
  ASSERT_TRUE(muted.muted_until);
  EXPECT_EQ(tight(), 0U) << "neither its end nor its return";
  EXPECT_TRUE(b.control.state().alerts.open()[0].muted_until);
  b.restart({});
  EXPECT_EQ(tight(), 0U);
  b.pass(hours(1));
  EXPECT_GT(tight(), 0U);
  EXPECT_TRUE(b.shadow.muted.empty());

  const std::uint64_t now = b.control.state().alerts.open()[0].id;
  b.ask(AskMute{now, b.now().wall + hours(1)}, 0, true);
  b.ask(AskMute{now, b.now().wall}, 0, true);  // and taken back
  EXPECT_TRUE(b.shadow.muted.empty());
  EXPECT_EQ(b.refusal(b.ask(AskMute{999, b.now().wall + hours(1)}, 0, true))->error.kind,
            ErrorKind::not_found);
}

TEST(Alerts, ABookingThatNobodyHasUsedEndsNoAlert) {
  Bench b;
  b.sample.gpus[0].memory_used = 22_GiB;  // 92 %, booked by nobody
  const auto live = [&] {
    for (int i = 0; i < 6; ++i) {
      b.pass(seconds(1));
      b.read();
    }
  };
  live();
  ASSERT_EQ(b.control.state().alerts.open().size(), 1U);
  AskLease ask;
  ask.name = "small";
  ask.needs.gpu_memory = 1_GiB;
  ask.needs.gpu = "GPU-A";
  ask.ttl = seconds(600);
  b.ask(ask);
  live();
  EXPECT_EQ(b.control.state().alerts.open().size(), 1U);
  b.ask(AskMute{b.control.state().alerts.open()[0].id, b.now().wall + hours(1)});
  EXPECT_TRUE(b.shadow.muted.empty()) << "not by everybody";
}

TEST(Readings, AStaleOrLostDeviceTakesNobody) {
  for (const GpuState state : {GpuState::stale, GpuState::lost}) {
    Bench b;
    b.sample.gpus[0].state = state;
    b.sample.gpus[0].state_reason = "nvmlDeviceGetMemoryInfo has not answered for 3 s";
    b.sample.gpus[0].memory_used = 23_GiB;  // old, and no longer a reason for an alert either
    for (int i = 0; i < 6; ++i) {
      b.pass(seconds(1));
      b.read();
    }
    EXPECT_TRUE(b.control.state().alerts.open().empty());
    const decide::Ledger& ledger = b.control.state().ledger;
    const decide::Pool& pool = ledger.pools()[static_cast<std::size_t>(ledger.gpu("GPU-A"))];
    EXPECT_NE(pool.unknown.find("nvmlDeviceGetMemoryInfo"), std::string::npos) << pool.unknown;
    EXPECT_EQ(ledger.pools()[static_cast<std::size_t>(ledger.gpu("GPU-B"))].unknown, "");
  }
}

TEST(Readings, AMountThatDoesNotAnswerAndACutDeviceTakeNobody) {
  Bench b;
  b.sample.filesystems[1].free = b.sample.filesystems[1].available = 1_GiB;
  b.sample.filesystems[1].stale = true;
  GpuReading slice = b.sample.gpus[0];
  slice.id = "MIG-1";
  slice.parent = "GPU-A";
  slice.index = 2;
  b.sample.gpus.push_back(slice);
  for (int i = 0; i < 6; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  EXPECT_TRUE(b.control.state().alerts.open().empty());
  const auto pool = [&](int at) { return b.control.state().ledger.pool(at); };
  const decide::Ledger& ledger = b.control.state().ledger;
  EXPECT_NE(pool(ledger.disk("/data/x")).unknown, "");
  EXPECT_NE(pool(ledger.gpu("GPU-A")).unknown, "");
  EXPECT_EQ(pool(ledger.gpu("MIG-1")).unknown, "");
}

TEST(Readings, WhatZfsKeepsAsCacheIsNoPressure) {
  Bench b;
  b.sample.memory.available = 10_GiB;
  b.sample.memory.arc = 60_GiB;
  b.sample.memory.arc_least = 4_GiB;
  for (int i = 0; i < 6; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  EXPECT_TRUE(b.control.state().alerts.open().empty());
  const decide::Pool& memory = b.control.state().ledger.pools()[decide::Ledger::kMemory];
  EXPECT_EQ(memory.free, (66_GiB).count());
  b.sample.memory.huge_total = 20_GiB;
  b.read();
  EXPECT_GE(memory.reserve, (20_GiB).count()) << "huge pages are nobody's room";
}

TEST(Readings, PowerAndNetworkHaveLinesOnlyWhereSomebodyDrewThem) {
  Config config = Bench::make();
  Bench plain(config);
  config.pressure.power.critical = 500;
  config.pressure.network.warning = 1e6;
  Bench b(config);
  for (Bench* each : {&plain, &b}) {
    each->sample.powers = {{"package-0", 200, {}}, {"package-0 dram", 50, {}}};
    each->sample.gpus[0].watts = 350;
    each->sample.networks.resize(2);
    each->sample.networks[0].name = "lo";
    each->sample.networks[1].name = "eth0";
    for (NetworkReading& network : each->sample.networks) {
      network.received_per_second = 9e6;
      network.sent_per_second = 1e6;
    }
    for (int i = 0; i < 6; ++i) {
      each->pass(seconds(1));
      each->read();
    }
  }
  EXPECT_TRUE(plain.control.state().alerts.open().empty());
  const auto open = b.control.state().alerts.open();
  ASSERT_EQ(open.size(), 2U);
  EXPECT_EQ(open[0].resource, Resource::power);
  EXPECT_EQ(open[0].value, 550);
  EXPECT_EQ(open[1].value, 1e7);
}

TEST(Time, AJumpOfTheWallClockEndsNothing) {
  Bench b;
  b.read();
  AskLease ask = want(memory(60_GiB), 50);
  ask.ttl = seconds(100);
  const LeaseId id = b.granted(ask);
  AskLease waits = patient(memory(60_GiB), 51);
  waits.wait = seconds(50);
  const LeaseId waiting = b.granted(waits);
  for (const std::int64_t jump : {3'600'000LL, -7'200'000LL, 3'600'000LL}) {
    b.wall_ms += jump;
    b.pass(seconds(1));
    b.apply(Ticked{});
    b.read();
    EXPECT_EQ(b.state(id), LeaseState::reserved);
    EXPECT_EQ(b.state(waiting), LeaseState::waiting);
  }
}

TEST(Time, ANightsSleepEndsWhatWasToEnd) {
  Bench b;
  b.read();
  AskLease ask = want(memory(60_GiB), 50);
  ask.ttl = seconds(100);
  const LeaseId id = b.granted(ask);
  const LeaseId kept = b.granted(want(memory(10_GiB), 51));
  b.pass(hours(8));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(id), LeaseState::ended);
  EXPECT_EQ(b.state(kept), LeaseState::reserved);
  b.pass(milliseconds(1));
  b.read();
  EXPECT_NE(b.lease(b.ask(want(memory(60_GiB), 52))), nullptr);
}

TEST(Configured, NewAgeingOrdersTheQueueAnew) {
  Bench b;
  b.read();
  b.granted(want(memory(60_GiB), 50));
  const LeaseId low = b.granted([] {
    AskLease ask = patient(memory(60_GiB), 51);
    ask.priority = Priority::low;
    return ask;
  }());
  b.pass(seconds(100));
  const LeaseId high = b.granted([] {
    AskLease ask = patient(memory(60_GiB), 52);
    ask.priority = Priority::high;
    return ask;
  }());
  EXPECT_EQ(b.control.state().queue.in_order().begin()->second, high);
  Config config = Bench::make();
  config.leases.ageing = seconds(10);
  b.apply(Configured{config});
  EXPECT_EQ(b.control.state().queue.in_order().begin()->second, low);
  EXPECT_EQ(b.control.state().queue.size(), 2U);
}

}  // namespace
}  // namespace headroom::control
