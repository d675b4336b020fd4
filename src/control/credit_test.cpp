// Who comes to its fence and is lent more, and who goes before whom for it.
#include <gmock/gmock.h>

#include "control/tight_for_test.hpp"

namespace headroom::control {
namespace {

/// Jobs of 100 GiB together, and one that asks for more.
class Credit : public Tight {
 protected:
  LeaseId waits(Bytes memory, pid_t pid, Priority priority = Priority::normal) {
    AskLease ask = patient(control::memory(memory), pid);
    ask.name = "waiter" + std::to_string(pid);
    ask.priority = priority;
    return last_ = b.granted(ask);
  }
  void ends(LeaseId id, pid_t pid) {
    b.sample.holders.erase(
        std::find_if(b.sample.holders.begin(), b.sample.holders.end(),
                     [id](const HolderReading& one) { return one.lease == id; }));
    b.apply(Exited{holder(pid)});
    b.apply(Released{id, true, 0, Bytes(), 0});
  }
  Bytes fence(LeaseId id) const { return b.shadow.leases.at(id).fence_at; }
};

TEST_F(Credit, WhatComesFreeServesWhoIsHeldFirst) {
  b.read();
  const LeaseId grower = job(20_GiB, 11);
  const LeaseId other = job(60_GiB, 12);
  b.uses(grower, 20_GiB);
  b.uses(other, 59_GiB);  // 98 % of its booking, and content
  look(Bytes());
  ASSERT_EQ(b.said("lease.held"), 1);
  const LeaseId waiter = waits(60_GiB, 13);
  ends(other, 12);
  // 60 GiB are free. 20 of them are kept for who was here before, until it has them or stops
  // asking.
  look(60_GiB);
  EXPECT_EQ(b.state(waiter), LeaseState::waiting);
  EXPECT_EQ(fence(grower), 21_GiB);
}

TEST_F(Credit, WhileWhoIsHeldLacksMemoryNobodyNewGetsIt) {
  b.read();
  const LeaseId grower = job(40_GiB, 11, true);
  job(50_GiB, 12, true);  // has not taken it yet
  b.uses(grower, 40_GiB);
  look(50_GiB);
  const LeaseId waiter = waits(10_GiB, 13);
  // Little by little something comes free: the one that was here before takes it.
  Bytes used = 40_GiB;
  for (int i = 0; i < 8; ++i) {
    look(51_GiB, milliseconds(1000));
    EXPECT_EQ(b.state(waiter), LeaseState::waiting);
    used = fence(grower);
    b.uses(grower, used);
  }
  EXPECT_EQ(used, 48_GiB);
}

TEST_F(Credit, WhoIsNearItsFenceAndContentKeepsNothingFromTheOthers) {
  b.read();
  const LeaseId content = job(40_GiB, 11, true);
  job(50_GiB, 12, true);
  b.uses(content, 39_GiB + 500_MiB);
  look(50_GiB);
  EXPECT_EQ(b.said("lease.held"), 0);
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, 0);
  b.apply(Touched{{content}});
  look(50_GiB);
  EXPECT_GT(b.control.state().ledger.pool(0).claimed, 0);
}

TEST_F(Credit, WhoTakesFarMoreThanItBookedComesAfterThoseWhoWait) {
  b.read();
  const LeaseId grower = job(20_GiB, 11);
  const LeaseId other = job(40_GiB, 12);
  b.uses(other, 40_GiB);
  Bytes used;
  for (int i = 0; i < 30; ++i) {
    used = std::min(fence(grower), 40_GiB);
    b.uses(grower, used);
    look(60_GiB - used);
    if (fence(grower) >= 40_GiB) break;
  }
  ASSERT_EQ(fence(grower), 40_GiB) << "twice its booking, while nobody waited";
  b.uses(grower, 40_GiB);
  const LeaseId waiter = waits(60_GiB, 13);
  ends(other, 12);
  look(60_GiB);
  EXPECT_EQ(b.state(waiter), LeaseState::reserved);
  EXPECT_EQ(fence(grower), 40_GiB);
}

TEST_F(Credit, WhatComesFreeGoesToOneAndNotInPartsToAll) {
  b.read();
  const LeaseId first = job(20_GiB, 11, true);
  const LeaseId second = job(20_GiB, 12, true);
  const LeaseId other = job(50_GiB, 13, true);
  b.uses(first, 20_GiB);
  b.uses(second, 20_GiB);
  look(50_GiB);  // all of which is promised
  ASSERT_EQ(fence(first), 20_GiB);
  ASSERT_EQ(fence(second), 20_GiB);
  look(50_GiB + 100_MiB);
  EXPECT_EQ(fence(first), 20_GiB + 100_MiB);
  EXPECT_EQ(fence(second), 20_GiB);
  b.uses(first, 20_GiB + 100_MiB);
  look(50_GiB + 150_MiB);
  EXPECT_EQ(fence(first), 20_GiB + 250_MiB);
  EXPECT_EQ(fence(second), 20_GiB);
  EXPECT_EQ(fence(other), 50_GiB);
}

TEST_F(Credit, WhoWaitsForADeviceKeepsNobodyAtItsFence) {
  b.read();
  const LeaseId grower = job(20_GiB, 11, true);
  for (pid_t pid : {20, 21}) (void)(last_ = b.granted(want(gpu_memory(24_GiB), pid)));
  AskLease ask = patient(gpu_memory(10_GiB), 13);
  ask.needs.memory = 70_GiB;
  ask.priority = Priority::high;
  const LeaseId waiter = last_ = b.granted(ask);
  ASSERT_EQ(b.state(waiter), LeaseState::waiting);
  b.uses(grower, 20_GiB);
  look(70_GiB);
  EXPECT_GT(fence(grower), 20_GiB);
}

TEST_F(Credit, WhatWasLentIsStillLentAfterARestart) {
  b.read();
  const LeaseId grower = job(20_GiB, 11, true);
  b.uses(grower, 20_GiB);
  for (int i = 0; i < 4; ++i) {
    look(70_GiB);
    b.uses(grower, fence(grower));
  }
  const Bytes lent = fence(grower) - 20_GiB;
  ASSERT_GT(lent, 5_GiB);
  b.uses(grower, 15_GiB);
  look(80_GiB);
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, lent.count());
  b.restart({holder(11)});
  look(80_GiB);
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, lent.count());
}

TEST_F(Credit, WhoFitsBesideWhatIsHeldInVainIsNotShutOut) {
  b.read();
  const LeaseId hog = job(10_GiB, 11, true);
  Bytes used;
  for (int i = 0; i < 30; ++i) {
    used = std::min(fence(hog), 44_GiB);
    b.uses(hog, used);
    look(98_GiB - used);
  }
  b.uses(hog, fence(hog));
  used = fence(hog);
  const LeaseId large = waits(95_GiB, 13);
  look(98_GiB - used, milliseconds(1'000));
  look(98_GiB - used, milliseconds(11'000));
  b.uses(hog, fence(hog));
  used = fence(hog);
  const LeaseId small = waits(20_GiB, 14);
  look(98_GiB - used, milliseconds(1'000));
  EXPECT_EQ(b.state(large), LeaseState::waiting);
  EXPECT_EQ(b.state(small), LeaseState::reserved) << "the large one waits for what stays";
}

TEST_F(Credit, AHigherClassThatWaitsIsNotPassed) {
  b.read();
  const LeaseId grower = job(20_GiB, 11);
  const LeaseId other = job(60_GiB, 12);
  b.uses(grower, 20_GiB);
  b.uses(other, 60_GiB);
  const LeaseId urgent = waits(60_GiB, 13, Priority::critical);
  look(Bytes());
  ends(other, 12);
  look(60_GiB);
  EXPECT_EQ(b.state(urgent), LeaseState::reserved);
}

TEST_F(Credit, WhereNothingComesFreeForItTheOthersHaveTheirTurnAfterAMinute) {
  b.read();
  const LeaseId grower = job(40_GiB, 11, true);
  const LeaseId other = job(50_GiB, 12, true);
  b.uses(grower, 40_GiB);
  b.uses(other, 50_GiB);
  look(30_MiB);
  b.sample.memory.available = 30_MiB;
  const LeaseId waiter = waits(5_GiB, 13);
  EXPECT_EQ(b.state(waiter), LeaseState::waiting);
  look(30_MiB, milliseconds(59'000));
  EXPECT_GT(b.control.state().ledger.pool(0).claimed, 0);
  look(30_MiB, milliseconds(2'000));
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, 0);
  look(30_MiB, milliseconds(60'000));
  EXPECT_GT(b.control.state().ledger.pool(0).claimed, 0) << "and it has its turn again";
}

TEST_F(Credit, AtTheStepHoldMemoryThatCameBackIsLentAtOnce) {
  b.read();
  const LeaseId grower = job(10_GiB, 11);
  const LeaseId other = job(80_GiB, 12);
  b.uses(grower, 9_GiB);
  b.uses(other, 80_GiB);
  look(9_GiB, milliseconds(1000));
  ASSERT_GE(b.control.state().ladder.step(), Step::hold);
  b.uses(grower, 10_GiB);
  look(8_GiB);
  EXPECT_EQ(fence(grower), 10_GiB) << "that would take it further up";
  ends(other, 12);
  look(88_GiB);
  ASSERT_GE(b.control.state().ladder.step(), Step::hold) << "which stands for a minute";
  EXPECT_GT(fence(grower), 10_GiB);
}

TEST_F(Credit, TheLastQuarterIsLentSlowlyToWhoTakesFarMoreThanItBooked) {
  b.read();
  const LeaseId grower = job(2_GiB, 11);
  Bytes used;
  int quick = 0;
  while (used < 80_GiB && quick < 200) {
    used = fence(grower);
    b.uses(grower, used);
    look(100_GiB - used, milliseconds(100));
    if (fence(grower) == used) break;
    ++quick;
  }
  EXPECT_GE(used, 60_GiB);
  EXPECT_LE(used, 83_GiB) << "somebody may come who books";
}

TEST_F(Credit, OnV2WhoTakesFarMoreThanItBookedDoesNotCreepOnForEver) {
  b.read();
  const LeaseId grower = job(20_GiB, 11, true);
  job(50_GiB, 12, true);  // has not taken it yet
  Bytes used;
  for (int i = 0; i < 30; ++i) {
    used = std::min(fence(grower), 45_GiB);
    b.uses(grower, used);
    look(100_GiB - used);
  }
  ASSERT_GE(used, 40_GiB);
  b.uses(grower, fence(grower) - 2_GiB);
  look(50_GiB);
  const LeaseId waiter = waits(60_GiB, 13);
  b.uses(grower, fence(grower) + 1_MiB);
  look(50_GiB);
  EXPECT_FALSE(is_frozen(grower)) << "the kernel holds it";
  look(50_GiB, milliseconds(9'000));
  EXPECT_FALSE(is_frozen(grower));
  look(50_GiB, milliseconds(2'000));
  EXPECT_TRUE(is_frozen(grower));
  b.ask(AskEnd{waiter});
  look(60_GiB, milliseconds(1'000));
  EXPECT_FALSE(is_frozen(grower)) << "nobody waits, and there is room";
}

TEST_F(Credit, WhoEndsWhileHeldKeepsNothingFromTheOthers) {
  b.read();
  const LeaseId grower = job(20_GiB, 11);
  const LeaseId other = job(60_GiB, 12);
  b.uses(grower, 20_GiB);
  b.uses(other, 50_GiB);
  look(10_GiB);
  ASSERT_GT(b.control.state().ledger.pool(0).claimed, 0);
  ends(grower, 11);
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, 0);
  b.ask(AskEnd{other});
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, 0);
}

TEST_F(Credit, WhatItLacksStillIsKeptWhileItIsLentInSteps) {
  b.read();
  const LeaseId grower = job(20_GiB, 11, true);
  const LeaseId other = job(60_GiB, 12, true);
  b.uses(grower, 20_GiB);
  b.uses(other, 60_GiB);
  look(19_GiB);
  const LeaseId waiter = waits(30_GiB, 13);
  b.uses(grower, 21_GiB);  // it was raised, and comes to that too
  look(18_GiB);
  ASSERT_EQ(b.state(waiter), LeaseState::waiting);
  ends(other, 12);  // runs the queue before it is seen that there is more for the one that is held
  EXPECT_EQ(b.state(waiter), LeaseState::waiting);
  Bytes used;
  for (int i = 0; i < 8; ++i) {
    used = std::min(fence(grower), 38_GiB);
    b.uses(grower, used);
    look(98_GiB - used);
    if (used < 38_GiB) EXPECT_GE(fence(grower), std::min(used + 1_GiB, 40_GiB));
  }
  EXPECT_EQ(used, 38_GiB) << "what it needs to end";
  EXPECT_EQ(b.state(waiter), LeaseState::reserved) << "it is content";
}

/// A job of twice its 20 GiB, and beside it others that come and go while somebody waits for
/// memory.
class CreditInVain : public Credit {
 protected:
  void others_come_and_go(Bytes waited_for, pid_t until) {
    b.read();
    grower = job(20_GiB, 11, true);
    for (int i = 0; i < 30; ++i) {
      const Bytes used = std::min(fence(grower), 40_GiB);
      b.uses(grower, used);
      look(98_GiB - used);
      if (fence(grower) >= 40_GiB) break;
    }
    ASSERT_EQ(fence(grower), 40_GiB);
    b.uses(grower, 40_GiB);
    const LeaseId other = job(30_GiB, 12, true);
    b.uses(other, 29_GiB);
    look(29_GiB);
    waiter = waits(waited_for, 19);
    LeaseId before = 0;
    for (pid_t pid = 20; pid < until; ++pid) {
      if (before != 0) ends(before, pid - 1);
      look(29_GiB);
      if (pid <= 23) EXPECT_EQ(fence(grower), 40_GiB) << "they have not had as much yet";
      before = job(10_GiB, pid, true, Priority::high);
      b.uses(before, 9_GiB);
      look(20_GiB);
    }
    EXPECT_EQ(b.state(waiter), LeaseState::waiting);
  }
  LeaseId grower = 0;
  LeaseId waiter = 0;
};

TEST_F(CreditInVain, ItHasATurnWhenTheOthersWereGrantedAsMuch) {
  others_come_and_go(45_GiB, 26);
  EXPECT_GT(fence(grower), 40_GiB);
  EXPECT_LE(fence(grower), 60_GiB) << "and no further turn beyond three times its booking";
}

TEST_F(CreditInVain, ATurnTakesNothingThatSomebodyNeedsToBeAbleToStart) {
  others_come_and_go(52_GiB, 40);
  EXPECT_EQ(fence(grower), 40_GiB) << "it may never end, and he would never start";
}

TEST_F(Credit, OnV2WhoCreepsBeyondItsFenceStandsAndWhoKeepsToItsBookingRunsOn) {
  b.read();
  const LeaseId creeper = job(70_GiB, 11, true);
  const LeaseId within = job(20_GiB, 12, true, Priority::low);
  b.uses(within, 10_GiB);
  Bytes used = 70_GiB;
  for (int i = 0; i < 60; ++i) {
    used += is_frozen(creeper) ? Bytes() : 500_MiB;
    b.uses(creeper, used);
    look(90_GiB - used, milliseconds(1'000));
  }
  EXPECT_TRUE(is_frozen(creeper));
  EXPECT_LE(used, fence(creeper) + 6_GiB) << "what it creeps by was promised to the other one";
  EXPECT_FALSE(is_frozen(within));
}

TEST_F(Credit, WhoIsAloneGetsToItsEndAlthoughSomebodyWaitsForMoreThanIsLeft) {
  b.read();
  const LeaseId grower = job(20_GiB, 11, true);
  Bytes used;
  for (int i = 0; i < 30; ++i) {
    used = std::min(fence(grower), 60_GiB);
    b.uses(grower, used);
    look(98_GiB - used);
  }
  const LeaseId waiter = waits(50_GiB, 13);
  for (int i = 0; i < 60; ++i) {
    used = std::min(fence(grower), 90_GiB);
    b.uses(grower, used);
    look(98_GiB - used, milliseconds(6'000));
  }
  EXPECT_EQ(used, 90_GiB) << "they would wait for each other for ever";
  EXPECT_EQ(b.state(waiter), LeaseState::waiting);
}

// Three stood at their fences for 45 s, with a tenth of the machine free: what was free was kept
// for the one that went before the queue, and the step of the ladder, whose line was just not left,
// kept it from that one.
TEST_F(Credit, WhereNobodyRunsTheStepKeepsNothingFromWhoGoesFirst) {
  b.read();
  const LeaseId far = job(15_GiB, 11);
  const LeaseId misjudged = job(15_GiB, 12);
  const LeaseId other = job(8_GiB, 13);
  b.uses(misjudged, 14_GiB);
  b.uses(other, 7_GiB);
  Bytes used;
  for (int i = 0; i < 60; ++i) {
    used = fence(far);
    b.uses(far, used);
    look(93_GiB - used - 21_GiB, milliseconds(6'000));
  }
  // Both take what they get, the one that was misjudged up to 20 GiB.
  const auto looks = [&](int times, Bytes others) {
    for (int i = 0; i < times; ++i) {
      const Bytes takes = std::min(fence(misjudged), 20_GiB);
      used = fence(far);
      b.uses(far, used);
      b.uses(misjudged, takes);
      look(98_GiB - used - takes - others);
    }
  };
  looks(5, 13_GiB);
  ASSERT_GE(b.control.state().ladder.step(), Step::hold);
  ASSERT_TRUE(is_frozen(far));
  ASSERT_TRUE(is_frozen(misjudged));
  const LeaseId waiter = waits(5_GiB, 14, Priority::low);
  ends(other, 13);
  looks(20, 2_GiB);
  EXPECT_GE(fence(misjudged), 20_GiB);
  EXPECT_FALSE(is_frozen(misjudged));
  EXPECT_EQ(b.state(waiter), LeaseState::reserved) << "it has enough, and keeps nothing";
}

TEST_F(Credit, WhatWasLentAndIsNotTakenAnyMoreGoesBackAfterAMinute) {
  b.read();
  const LeaseId grower = job(20_GiB, 11, true);
  Bytes used;
  for (int i = 0; i < 60 && fence(grower) < 60_GiB; ++i) {
    used = fence(grower);
    b.uses(grower, used);
    look(98_GiB - used);
  }
  ASSERT_GE(fence(grower), 60_GiB);
  // A peak within the minute: it may come again.
  b.uses(grower, 30_GiB);
  for (int i = 0; i < 130; ++i) {
    b.uses(grower, i % 20 == 0 ? 40_GiB : 30_GiB);
    look(58_GiB, milliseconds(1'000));
  }
  EXPECT_GE(fence(grower), 40_GiB);
  EXPECT_LE(fence(grower), 42_GiB) << "what it took at most, and a little";
  b.uses(grower, 10_GiB);
  for (int i = 0; i < 130; ++i) look(88_GiB, milliseconds(1'000));
  EXPECT_EQ(fence(grower), 20_GiB) << "its booking is its own";
  EXPECT_EQ(b.control.state().ledger.pool(0).claimed, 0) << "others may have it";
}

// Its fence could not go below what it had: it was lent nothing, and nobody looked again.
TEST_F(Credit, WhoseBookingWasLoweredBelowWhatItHadIsFencedThereWhenItHasLess) {
  b.read();
  const LeaseId id = job(40_GiB, 11, true);
  b.uses(id, 30_GiB);
  look(70_GiB);
  AskChange change;
  change.lease = id;
  change.needs = control::memory(20_GiB);
  b.ask(change);
  ASSERT_EQ(b.count<Fence>(), 1);
  b.apply(Fenced{id, true, 30_GiB + 4_MiB});
  ASSERT_EQ(fence(id), 30_GiB + 4_MiB);
  b.uses(id, 10_GiB);
  for (int i = 0; i < 70; ++i) look(90_GiB, milliseconds(1'000));
  EXPECT_EQ(fence(id), 20_GiB);
}

}  // namespace
}  // namespace headroom::control
