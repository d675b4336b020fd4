// Ending who takes far more than it booked.
#include <gmock/gmock.h>

#include "control/tight_for_test.hpp"

namespace headroom::control {
namespace {

class Killing : public Tight {
 protected:
  void allow(Step most) {
    Config config = Bench::make();
    config.pressure.most = most;
    b.control.apply(Configured{config}, b.now());
  }
  /// Two that run within their bookings, one that has twice its own and wants more, one that waits.
  void overrun(bool v2 = true, Bytes booked = 20_GiB) {
    b.read();
    within_ = job(30_GiB, 11, v2);
    grower_ = job(booked, 12, v2);
    b.uses(within_, 30_GiB);
    for (int i = 0; i < 40; ++i) {
      used_ = std::min(b.shadow.leases.at(grower_).fence_at, 44_GiB);
      b.uses(grower_, used_);
      look(70_GiB - used_);
    }
    AskLease ask = patient(control::memory(60_GiB), 13);
    ask.name = "waiter";
    waiter_ = last_ = b.granted(ask);
    b.uses(grower_, b.shadow.leases.at(grower_).fence_at);
    used_ = b.shadow.leases.at(grower_).fence_at;
  }
  std::vector<std::pair<LeaseId, bool>> ended(milliseconds time) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(500)) {
      look(70_GiB - used_, milliseconds(500));
    }
    return std::exchange(ends_, {});
  }
  /// Until somebody is told to end.
  std::vector<std::pair<LeaseId, bool>> asked() {
    for (int i = 0; i < 140 && ends_.empty(); ++i) look(70_GiB - used_, milliseconds(500));
    return std::exchange(ends_, {});
  }
  long hopeless() const { return std::count(said_.begin(), said_.end(), "lease.hopeless"); }

  LeaseId within_ = 0, grower_ = 0, waiter_ = 0;
  Bytes used_;
};

TEST_F(Killing, NobodyIsEndedUnlessAPersonSaidSoButItIsSaidOnceWhoWouldBe) {
  overrun();
  EXPECT_EQ(ended(milliseconds(120'000)), Moves());
  EXPECT_EQ(hopeless(), 1);
}

TEST_F(Killing, WhoHoldsUpOthersIsAskedToEndAndThenEnded) {
  allow(Step::kill);
  overrun();
  EXPECT_EQ(ended(milliseconds(50'000)), Moves()) << "what another leaves may be enough";
  EXPECT_EQ(asked(), (Moves{{grower_, false}}));
  EXPECT_EQ(ended(milliseconds(1'000)), Moves()) << "it saves what it has";
  EXPECT_EQ(ended(milliseconds(5'000)), (Moves{{grower_, true}}));
  EXPECT_EQ(ended(milliseconds(60'000)), Moves()) << "once each, and nobody else";
  b.sample.holders.pop_back();
  b.apply(Exited{holder(12)});
  b.apply(Released{grower_, true, 0, Bytes(), 0});
  EXPECT_THAT(b.shadow.leases.at(grower_).reason, testing::HasSubstr("headroom ended it"));
  look(70_GiB);
  EXPECT_EQ(b.state(waiter_), LeaseState::reserved);
  EXPECT_EQ(b.state(within_), LeaseState::active);
}

TEST_F(Killing, WhoEndsWhenAskedIsNotEndedHard) {
  allow(Step::kill);
  overrun();
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  b.sample.holders.pop_back();
  b.apply(Exited{holder(12)});
  b.apply(Released{grower_, true, 0, Bytes(), 0});
  used_ = Bytes();
  EXPECT_EQ(ended(milliseconds(20'000)), Moves());
}

// Its memory was gone before its process was: it had "ended by itself", and its owner was not told
// why.
TEST_F(Killing, WhoIsSeenEmptyWhileItEndsWasEndedByUs) {
  allow(Step::kill);
  overrun();
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  b.uses(grower_, 1_MiB);
  look(70_GiB, milliseconds(500));
  b.sample.holders.pop_back();
  b.apply(Exited{holder(12)});
  // Until the group is empty it is on its way out, and that is told too.
  EXPECT_EQ(b.state(grower_), LeaseState::releasing);
  EXPECT_THAT(b.shadow.leases.at(grower_).reason, testing::HasSubstr("headroom ended it"));
  b.apply(Released{grower_, true, 0, Bytes(), 0});
  EXPECT_THAT(b.shadow.leases.at(grower_).reason, testing::HasSubstr("headroom ended it"));
}

TEST_F(Killing, WhoMakesRoomInItsGraceIsLetBe) {
  allow(Step::kill);
  overrun();
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  b.uses(grower_, 1_MiB);
  used_ = 1_MiB;
  EXPECT_EQ(ended(milliseconds(30'000)), Moves());
  EXPECT_TRUE(decide::holds(b.state(grower_)));
}

// It was let go first, took all up to the limit behind its fence within milliseconds, and stood
// there in the kernel, where nobody hears of a signal, until it was ended hard.
TEST_F(Killing, WhoIsStoppedIsToldToEndBeforeItIsLetGo) {
  allow(Step::kill);
  overrun(false, 12_GiB);
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  std::string order;
  for (const Effect& effect : last_read_) {
    if (std::get_if<Terminate>(&effect) != nullptr) order += "told ";
    const auto* fence = std::get_if<Fence>(&effect);
    if (fence != nullptr && fence->lease == grower_) order += "raised ";
    const auto* freeze = std::get_if<Freeze>(&effect);
    if (freeze != nullptr && !freeze->frozen) order += "let go ";
  }
  EXPECT_EQ(order, "told raised let go ");
}

// Two waited behind one who wanted nearly all of the machine, which was never there: nobody was
// ended for any of them.
TEST_F(Killing, WhoseEndHelpsSomebodyBehindTheFirstIsEndedForHim) {
  allow(Step::kill);
  overrun();
  AskLease ask = patient(control::memory(90_GiB), 14);
  ask.priority = Priority::high;
  b.granted(ask);
  EXPECT_EQ(asked(), (Moves{{grower_, false}}));
}

TEST_F(Killing, WhereNobodyElseRunsNobodyIsWaitedFor) {
  allow(Step::kill);
  overrun();
  b.sample.holders.erase(b.sample.holders.begin());
  b.apply(Exited{holder(11)});
  b.apply(Released{within_, true, 0, Bytes(), 0});
  used_ += 30_GiB;  // a stranger has it
  const auto told = ended(milliseconds(11'000));
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.front(), std::pair(grower_, false));
}

TEST_F(Killing, WhoIsAskedToEndIsNotHeldAtItsFenceMeanwhile) {
  allow(Step::kill);
  overrun();
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  const Bytes raised = b.shadow.leases.at(grower_).fence_at;
  EXPECT_GT(raised, used_) << "it could not hear of it in time";
  ASSERT_LT(b.control.state().ladder.step(), Step::hold);
  look(8_GiB);
  ASSERT_GE(b.control.state().ladder.step(), Step::hold);
  EXPECT_EQ(b.shadow.leases.at(grower_).fence_at, raised) << "nor where memory runs short";
}

TEST_F(Killing, WhoIsAloneAndTookTooLittleToBeEndedIsLentWhatIsLeft) {
  allow(Step::kill);
  b.read();
  const LeaseId grower = job(70_GiB, 12, true);
  b.uses(grower, 70_GiB);
  AskLease ask = patient(control::memory(60_GiB), 13);
  last_ = b.granted(ask);
  Bytes used;
  for (int i = 0; i < 60; ++i) {
    used = std::min(b.shadow.leases.at(grower).fence_at, 85_GiB);
    b.uses(grower, used);
    look(98_GiB - used, milliseconds(1'000));
  }
  EXPECT_EQ(used, 85_GiB) << "nobody would ever come free for either of them";
  EXPECT_EQ(std::exchange(ends_, {}), Moves());
}

TEST_F(Killing, WhoIsAloneAndWithinTwiceItsBookingIsNotWaitedForEither) {
  allow(Step::kill);
  b.read();
  const LeaseId grower = job(60_GiB, 12, true);
  AskLease ask = patient(control::memory(60_GiB), 13);
  last_ = b.granted(ask);
  Bytes used;
  for (int i = 0; i < 40 && ends_.empty(); ++i) {
    used = b.shadow.leases.at(grower).fence_at;
    b.uses(grower, used);
    look(98_GiB - used, milliseconds(1'000));
  }
  EXPECT_EQ(std::exchange(ends_, {}), (Moves{{grower, false}}));
}

TEST_F(Killing, WhoIsAloneAndWantsMoreThanThereIsIsEndedForALittle) {
  allow(Step::kill);
  b.read();
  const LeaseId grower = job(85_GiB, 12, true);
  const auto grows = [&] {
    for (int i = 0; i < 40 && ends_.empty(); ++i) {
      const Bytes used = b.shadow.leases.at(grower).fence_at;
      b.uses(grower, used);
      look(98_GiB - used, milliseconds(1'000));
    }
    return std::exchange(ends_, {});
  };
  EXPECT_EQ(grows(), Moves()) << "nobody waits for it";
  AskLease ask = patient(control::memory(60_GiB), 13);
  last_ = b.granted(ask);
  EXPECT_EQ(grows(), (Moves{{grower, false}}));
}

// Its fence is raised so that it can hear of it, and for so long it is not at its fence in vain: it
// was let be, asked again, and lent a step each time.
TEST_F(Killing, WhoIsAloneAndDoesNotHearOfItIsEndedAfterItsGrace) {
  allow(Step::kill);
  b.read();
  const LeaseId grower = job(85_GiB, 12);
  AskLease ask = patient(control::memory(60_GiB), 13);
  last_ = b.granted(ask);
  Bytes used;
  for (int i = 0; i < 60 && ends_.empty(); ++i) {
    used = b.shadow.leases.at(grower).fence_at;
    b.uses(grower, used);
    look(98_GiB - used, milliseconds(1'000));
  }
  ASSERT_EQ(std::exchange(ends_, {}), (Moves{{grower, false}}));
  ASSERT_LT(used, 106_GiB) << "a little more than it booked";
  for (int i = 0; i < 40; ++i) look(98_GiB - used, milliseconds(80));
  used = b.shadow.leases.at(grower).fence_at;
  b.uses(grower, used);
  for (int i = 0; i < 30; ++i) look(98_GiB - used, milliseconds(80));
  EXPECT_EQ(std::exchange(ends_, {}), (Moves{{grower, true}}));
}

TEST_F(Killing, WhoStandsStillRunsAgainWhenItIsAskedToEnd) {
  allow(Step::kill);
  overrun(false);
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  ASSERT_EQ(frozen_and_thawed().back(), std::pair(grower_, false));
  look(70_GiB - used_, milliseconds(1'000));
  look(70_GiB - used_, milliseconds(1'000));
  EXPECT_FALSE(is_frozen(grower_)) << "or it could not save what it has";
}

TEST_F(Killing, WhileOthersRunWhoMayBeMisjudgedHasAMinuteAndWhoTakesWithoutEndHasNot) {
  allow(Step::kill);
  overrun();  // a little more than twice its booking
  EXPECT_EQ(ended(milliseconds(50'000)), Moves());
  EXPECT_EQ(asked(), (Moves{{grower_, false}}));
}

TEST_F(Killing, WhoTakesWithoutEndIsEndedWhileOthersRun) {
  allow(Step::kill);
  overrun(true, 12_GiB);
  ASSERT_GT(used_, 30_GiB) << "two and a half times its booking";
  EXPECT_EQ(ended(milliseconds(20'000)), (Moves{{grower_, false}, {grower_, true}}));
}

TEST_F(Killing, APersonMayTakeItBack) {
  allow(Step::kill);
  overrun();
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  allow(Step::freeze);
  EXPECT_EQ(ended(milliseconds(60'000)), Moves());
}

TEST_F(Killing, WhoCannotBeEndedIsSaidAndNotTriedAgain) {
  allow(Step::kill);
  overrun();
  ASSERT_EQ(asked(), (Moves{{grower_, false}}));
  ASSERT_EQ(ended(milliseconds(6'000)), (Moves{{grower_, true}}));
  b.apply(Terminated{grower_, true, 0, "the kernel refused"});
  EXPECT_EQ(b.said("lease.killed"), 1);
  EXPECT_EQ(ended(milliseconds(120'000)), Moves());
}

TEST_F(Killing, AFullMachineEndsTheOneBeyondItsBookingAndNobodyWithin) {
  allow(Step::kill);
  b.read();
  const LeaseId within = job(60_GiB, 11, true, Priority::low);
  const LeaseId beyond = job(20_GiB, 12, true, Priority::critical);
  b.apply(Fenced{beyond, false});  // the kernel would not
  b.uses(within, 60_GiB);
  b.uses(beyond, 37_GiB);
  used_ = 67_GiB;  // 3 GiB are left
  EXPECT_EQ(ended(milliseconds(1'000)), (Moves{{beyond, false}}));
}

// The step stands for 15 s after its cause is gone: whoever else was beyond his booking was ended
// in that time, however much memory was free.
TEST_F(Killing, OnAMachineThatIsEmptyAgainNoSecondOneIsEnded) {
  allow(Step::kill);
  b.read();
  const LeaseId one = job(20_GiB, 11, true);
  const LeaseId two = job(20_GiB, 12, true);
  for (const LeaseId id : {one, two}) b.apply(Fenced{id, false});
  b.uses(one, 47_GiB);
  b.uses(two, 50_GiB);
  used_ = 67_GiB;
  ASSERT_EQ(ended(milliseconds(1'000)), (Moves{{two, false}}));
  b.sample.holders.pop_back();
  b.apply(Exited{holder(12)});
  b.apply(Released{two, true, 0, Bytes(), 0});
  used_ = 17_GiB;
  EXPECT_EQ(ended(milliseconds(60'000)), Moves());
}

TEST_F(Killing, AFullMachineOnWhichEverybodyKeepsToItsBookingEndsNobody) {
  allow(Step::kill);
  b.read();
  const LeaseId one = job(60_GiB, 11, true);
  const LeaseId two = job(40_GiB, 12, true);
  b.uses(one, 60_GiB);
  b.uses(two, 39_GiB);
  used_ = 69_GiB;
  EXPECT_EQ(ended(milliseconds(60'000)), Moves());
}

}  // namespace
}  // namespace headroom::control
