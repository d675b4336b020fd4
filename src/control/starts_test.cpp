// Leases that start at a time.
#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using std::chrono::minutes;

WallTime in(const Bench& b, seconds time) { return b.now().wall + time; }

AskLease later(const Bench& b, Needs needs, seconds start, std::optional<seconds> expected,
               pid_t pid = 0) {
  AskLease ask = patient(std::move(needs), pid);
  ask.name = "nightly";
  ask.starts = in(b, start);
  ask.expected = expected;
  return ask;
}

TEST(Starts, ItWaitsOutsideOfTheQueueAndStartsAtItsTime) {
  Bench b;
  b.read();
  const LeaseView* kept = b.lease(b.ask(later(b, gpu_memory(20_GiB), hours(1), hours(2), 50)));
  ASSERT_NE(kept, nullptr);
  const LeaseId id = kept->lease.id;
  EXPECT_EQ(kept->lease.state, LeaseState::waiting);
  EXPECT_EQ(kept->earliest, in(b, hours(1)));
  EXPECT_EQ(kept->place, 0);
  EXPECT_EQ(b.count<Watch>(), 1);
  EXPECT_TRUE(b.control.state().queue.empty());
  // Who would still be there then waits, and is told what helps.
  const RequestId long_one = b.ask(want(gpu_memory(24_GiB)));
  EXPECT_NE(b.lease(long_one), nullptr) << "there is another device";
  const RequestId other = b.ask(want(gpu_memory(5_GiB)));
  ASSERT_NE(b.refusal(other), nullptr);
  EXPECT_NE(b.refusal(other)->error.why.find("kept for lease nightly (l-1) from "),
            std::string::npos)
      << b.refusal(other)->error.why;
  EXPECT_NE(b.refusal(other)->error.help.find("with --for of at most 1h it fits now"),
            std::string::npos)
      << b.refusal(other)->error.help;
  AskLease brief = want(gpu_memory(24_GiB));
  brief.expected = minutes(59);
  const LeaseId before = b.granted(brief);
  EXPECT_EQ(b.state(before), LeaseState::reserved);
  ASSERT_TRUE(b.control.next_deadline());
  EXPECT_EQ(*b.control.next_deadline(), b.now().boot + hours(1) - decide::kRoomBefore);
  b.pass(minutes(59));
  b.ask(AskEnd{before});
  b.pass(minutes(1) - milliseconds(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::waiting);
  EXPECT_EQ(b.control.next_deadline(), b.now().boot + milliseconds(1));
  b.pass(milliseconds(1));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(id), LeaseState::reserved);
  EXPECT_EQ(b.said("lease.granted"), 1);
  EXPECT_EQ(b.said("lease.late"), 0);
  EXPECT_FALSE(b.control.next_deadline());
}

TEST(Starts, WhatCannotBeKeptIsRefusedAndSaysWho) {
  Bench b;
  b.read();
  b.ask(later(b, memory(60_GiB), hours(1), hours(1)));
  const auto refused = [&](AskLease ask) -> Error {
    const RequestId id = b.ask(ask);
    const Refusal* refusal = b.refusal(id);
    return refusal == nullptr ? Error{} : refusal->error;
  };
  const Error beside = refused(later(b, memory(50_GiB), hours(1) + minutes(59), hours(1)));
  EXPECT_EQ(beside.kind, ErrorKind::conflict);
  EXPECT_NE(beside.why.find("lease nightly (l-1) has 60.0 GiB from "), std::string::npos)
      << beside.why;
  EXPECT_NE(beside.help.find("or later"), std::string::npos) << beside.help;
  EXPECT_NE(b.lease(b.ask(later(b, memory(50_GiB), hours(2), hours(1)))), nullptr);
  EXPECT_EQ(refused(later(b, memory(200_GiB), hours(3), hours(1))).kind, ErrorKind::can_never_fit);
  EXPECT_EQ(refused(later(b, memory(1_GiB), seconds(0), hours(1))).kind,
            ErrorKind::invalid_request);
  EXPECT_EQ(refused(later(b, memory(1_GiB), hours(24 * 400), hours(1))).kind,
            ErrorKind::invalid_request);
  AskLease model = later(b, memory(1_GiB), hours(1), hours(1));
  model.model = "llama";
  EXPECT_EQ(refused(model).kind, ErrorKind::invalid_request);
  AskLease inner = later(b, memory(1_GiB), hours(1), hours(1));
  inner.parent = 1;
  EXPECT_EQ(refused(inner).kind, ErrorKind::invalid_request);
  // There is a bound on them.
  const auto small = later(b, memory(1_MiB), hours(5), hours(1));
  for (auto i = b.control.state().starts.size(); i < decide::kMostStartsOfOne; ++i) {
    ASSERT_NE(b.lease(b.ask(small)), nullptr);
  }
  EXPECT_EQ(refused(small).kind, ErrorKind::too_many_requests) << "one user, and there are others";
  for (uid_t uid = 2000; b.control.state().starts.size() < decide::kMostStarts; ++uid) {
    for (std::size_t i = 0; i < 10 && b.control.state().starts.size() < decide::kMostStarts; ++i) {
      ASSERT_NE(b.lease(b.ask(small, uid)), nullptr);
    }
  }
  EXPECT_EQ(refused(later(b, memory(1_MiB), hours(5), hours(1))).kind,
            ErrorKind::too_many_requests);
}

// The device that is short was named, and nobody for whom anything is kept there.
TEST(Starts, WhereAnotherDeviceIsKeptTheRefusalNamesForWhom) {
  Bench b;
  b.read();
  b.ask(later(b, gpu_memory(20_GiB), hours(1), hours(2), 50));
  b.ask(want(gpu_memory(18_GiB)));
  const RequestId other = b.ask(want(gpu_memory(10_GiB)));
  ASSERT_NE(b.refusal(other), nullptr);
  EXPECT_NE(b.refusal(other)->error.why.find("kept for lease nightly"), std::string::npos)
      << b.refusal(other)->error.why;
}

TEST(Starts, OneThatNobodySaidTheLengthOfIsKeptForGoodAndSaysSo) {
  Bench b;
  b.read();
  const LeaseView* kept = b.lease(b.ask(later(b, memory(60_GiB), hours(1), {})));
  ASSERT_NE(kept, nullptr);
  EXPECT_NE(kept->why.find("--for"), std::string::npos) << kept->why;
  const RequestId next = b.ask(later(b, memory(60_GiB), hours(100), hours(1)));
  ASSERT_NE(b.refusal(next), nullptr);
  EXPECT_NE(b.refusal(next)->error.why.find("for good"), std::string::npos);
}

TEST(Starts, SomebodyWhoOverranMakesItLateAndWhatComesFreeIsKeptForIt) {
  Bench b;
  b.read();
  AskLease ask = want(memory(60_GiB), 40);
  ask.expected = seconds(50);
  const LeaseId runs = b.granted(ask);
  const LeaseId small = b.granted(want(memory(20_GiB), 41));
  const LeaseId id = b.granted(later(b, memory(70_GiB), seconds(60), seconds(100), 50));
  b.pass(seconds(60));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(id), LeaseState::waiting);
  EXPECT_EQ(b.said("lease.late"), 0) << "an end may be on its way";
  ASSERT_EQ(b.control.next_deadline(), b.now().boot + decide::kStartGrace);
  b.pass(decide::kStartGrace);
  b.apply(Ticked{});
  EXPECT_EQ(b.said("lease.late"), 1);
  EXPECT_NE(b.shadow.leases.at(id).reason.find("l-" + std::to_string(runs)), std::string::npos)
      << b.shadow.leases.at(id).reason;
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.said("lease.late"), 0) << "once";
  EXPECT_FALSE(b.control.next_deadline());
  // It stays first: nobody else gets what is free.
  const RequestId other = b.ask(patient(memory(10_GiB), 60));
  ASSERT_NE(b.lease(other), nullptr);
  const LeaseId waits = b.lease(other)->lease.id;
  EXPECT_EQ(b.state(waits), LeaseState::waiting);
  EXPECT_NE(b.lease(other)->why.find("kept for lease nightly"), std::string::npos)
      << b.lease(other)->why;
  b.apply(Exited{holder(41)});
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(small), LeaseState::ended);
  EXPECT_EQ(b.state(id), LeaseState::waiting);
  EXPECT_EQ(b.state(waits), LeaseState::waiting);
  b.apply(Exited{holder(40)});
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::reserved);
  EXPECT_TRUE(b.shadow.leases.at(id).reason.empty());
  EXPECT_EQ(b.state(waits), LeaseState::reserved);
}

TEST(Starts, TheClockIsSetOverItsTime) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(later(b, memory(60_GiB), hours(3), hours(1), 50));
  b.wall_ms += milliseconds(hours(4)).count();
  b.pass(seconds(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::reserved) << "it starts at once";
}

TEST(Starts, TheClockIsSetBackBeforeItsTime) {
  Bench b;
  b.read();
  const LeaseId id = b.granted(later(b, memory(60_GiB), hours(1), hours(1), 50));
  b.wall_ms -= milliseconds(hours(1)).count();
  b.pass(hours(1));
  b.read();
  EXPECT_EQ(b.state(id), LeaseState::waiting);
  EXPECT_EQ(b.control.next_deadline(), b.now().boot + hours(1) - decide::kRoomBefore);
  b.pass(hours(1));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(id), LeaseState::reserved);
}

TEST(Starts, ItIsKeptOverARestartOfTheDaemonAndGrantedWhenItsTimePassedMeanwhile) {
  Bench b;
  b.read();
  const LeaseId early = b.granted(later(b, memory(60_GiB), hours(1), hours(1), 50));
  const LeaseId late = b.granted(later(b, memory(60_GiB), hours(9), hours(1), 51));
  b.pass(hours(1) + minutes(10));
  b.restart({holder(50), holder(51)});
  EXPECT_EQ(b.state(early), LeaseState::waiting) << "the machine was not read yet";
  b.read();
  EXPECT_EQ(b.state(early), LeaseState::reserved);
  EXPECT_EQ(b.state(late), LeaseState::waiting);
  const RequestId other = b.ask(want(memory(41_GiB)));
  EXPECT_NE(b.refusal(other), nullptr) << "it is still kept";
  b.restart({holder(50)});
  EXPECT_EQ(b.state(late), LeaseState::ended) << "its holder has died";
  EXPECT_TRUE(b.control.state().starts.empty());
}

TEST(Starts, ItsHoldersDeathAndItsOwnersWordRemoveIt) {
  Bench b;
  b.read();
  const LeaseId dies = b.granted(later(b, memory(60_GiB), hours(1), hours(1), 50));
  b.apply(Exited{holder(50)});
  EXPECT_EQ(b.state(dies), LeaseState::ended);
  const LeaseId leaves = b.granted(later(b, memory(60_GiB), hours(1), hours(1), 51));
  AskChange change;
  change.lease = leaves;
  change.needs = memory(10_GiB);
  EXPECT_NE(b.refusal(b.ask(change)), nullptr) << "it was promised as it is";
  b.ask(AskEnd{leaves});
  EXPECT_EQ(b.state(leaves), LeaseState::ended);
  EXPECT_TRUE(b.control.state().starts.empty());
  EXPECT_FALSE(b.control.next_deadline());
  EXPECT_NE(b.lease(b.ask(want(memory(60_GiB)))), nullptr);
}

TEST(Starts, HowLongItWaitsAndLivesCountsFromItsStart) {
  Bench b;
  b.read();
  AskLease lives = later(b, memory(10_GiB), hours(1), minutes(10));
  lives.ttl = minutes(10);
  const LeaseId lived = b.granted(lives);
  b.wall_ms -= milliseconds(hours(2)).count();  // neither counts by the other clock meanwhile
  b.pass(seconds(1));
  b.read();
  b.pass(hours(3) - seconds(1));
  b.apply(Ticked{});
  ASSERT_EQ(b.state(lived), LeaseState::reserved);
  EXPECT_EQ(b.shadow.leases.at(lived).expires, b.now().boot + minutes(10));
  b.pass(minutes(10));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(lived), LeaseState::ended);

  const LeaseId there = b.granted(want(memory(90_GiB), 40));
  AskLease short_wait = later(b, memory(60_GiB), hours(1), hours(1), 50);
  short_wait.wait = minutes(5);
  const LeaseId gives_up = b.granted(short_wait);
  b.pass(hours(1));
  b.apply(Ticked{});
  b.pass(decide::kStartGrace);
  b.apply(Ticked{});
  EXPECT_EQ(b.state(gives_up), LeaseState::waiting);
  EXPECT_EQ(b.control.next_deadline(), b.now().boot + minutes(5) - decide::kStartGrace);
  b.pass(minutes(5));
  b.apply(Ticked{});
  EXPECT_EQ(b.state(gives_up), LeaseState::ended);
  EXPECT_EQ(b.state(there), LeaseState::reserved);
}

TEST(Starts, WhatWasKeptForOneThatGivesUpIsTheNextOnes) {
  Bench b;
  b.read();
  const LeaseId there = b.granted(want(memory(30_GiB), 40));
  AskLease impatient = later(b, memory(80_GiB), hours(1), seconds(10), 50);
  impatient.wait = seconds(0);
  const LeaseId gives_up = b.granted(impatient);
  const LeaseId next = b.granted(later(b, memory(60_GiB), hours(1) + seconds(10), hours(1), 51));
  b.pass(hours(1) + seconds(11));  // nobody looked in between
  b.apply(Ticked{});
  EXPECT_EQ(b.state(gives_up), LeaseState::ended);
  EXPECT_EQ(b.state(next), LeaseState::reserved);
  EXPECT_EQ(b.state(there), LeaseState::reserved);
}

TEST(Starts, RoomIsMadeALittleBefore) {
  Config config = Bench::make();
  config.models.min_residency = seconds(0);
  Bench b(config);
  b.read();
  AskLease model = want(gpu_memory(20_GiB), 40);
  model.name = model.model = "llama";
  model.needs.gpu = "0";
  const LeaseId resident = b.granted(model);
  AskModel hook;
  hook.name = "llama";
  hook.create = true;
  hook.hook = "holder";
  b.ask(hook);
  AskLease ask = later(b, gpu_memory(10_GiB), hours(1), hours(1), 50);
  ask.needs.gpu = "0";
  const LeaseId id = b.granted(ask);
  b.uses(resident, Bytes(), 20_GiB);
  b.sample.gpus[0].memory_used = 20_GiB;
  for (int i = 0; i < 30; ++i) {
    b.pass(seconds(60));
    b.read();
    EXPECT_EQ(b.count<AskHook>(), 0) << i;
  }
  ASSERT_EQ(b.state(resident), LeaseState::active);
  b.pass(minutes(28));
  b.apply(Ticked{});
  EXPECT_EQ(b.count<AskHook>(), 1);
  EXPECT_EQ(b.state(resident), LeaseState::draining);
  EXPECT_EQ(b.state(id), LeaseState::waiting);
}

TEST(Starts, ARepeatedRequestIsTheSameLease) {
  Bench b;
  b.read();
  AskLease ask = later(b, memory(60_GiB), hours(1), hours(1), 50);
  ask.idempotency_key = "k";
  const LeaseId id = b.granted(ask);
  b.pass(hours(2));  // its time has passed
  EXPECT_EQ(b.granted(ask), id);
  ask.starts = in(b, hours(3));
  EXPECT_NE(b.refusal(b.ask(ask)), nullptr);
}

}  // namespace
}  // namespace headroom::control
