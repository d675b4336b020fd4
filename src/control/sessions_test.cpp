#include <gmock/gmock.h>

#include "control/bench_for_test.hpp"

namespace headroom::control {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kRoot = "/data/sessions";

Config with_root(seconds max_age) {
  Config config = Bench::make();
  config.sessions.roots = {kRoot};
  config.sessions.max_age = max_age;
  return config;
}

/// A machine whose root has folders; the worker is played by hand.
class SessionsTest : public testing::Test {
 protected:
  explicit SessionsTest(seconds max_age = seconds(0)) : b(with_root(max_age)) {
    root_.root = kRoot;
    root_.total = 100_GiB;
    root_.free = 90_GiB;
    b.read();
  }
  void folder(const std::string& name, hours age, uid_t owner = 1000, Bytes bytes = 1_GiB) {
    SessionFolder one;
    one.root = kRoot;
    one.name = name;
    one.inode = 100 + root_.folders.size();
    one.owner = owner;
    one.changed = b.now().wall - age;
    one.bytes = bytes;
    one.entries = 3;
    root_.folders.push_back(one);
  }
  template <class T>
  const T* effect() const {
    for (const Effect& one : b.effects) {
      if (const auto* found = std::get_if<T>(&one)) return found;
    }
    return nullptr;
  }
  std::vector<std::string> said() const {
    std::vector<std::string> texts;
    for (const Effect& one : b.effects) {
      if (const auto* say = std::get_if<Say>(&one)) texts.push_back(say->line.text);
    }
    return texts;
  }
  /// The worker has looked.
  void seen() {
    ASSERT_NE(effect<LookAtSessions>(), nullptr);
    SessionsSeen event;
    event.run = effect<LookAtSessions>()->run;
    event.roots = {root_};
    b.apply(event);
  }
  /// The worker has removed what it was told to, all but `left`.
  CleanSessions cleaned(const std::string& left = "") {
    const auto* clean = effect<CleanSessions>();
    EXPECT_NE(clean, nullptr);
    if (clean == nullptr) return {};
    const CleanSessions told = *clean;
    SessionsCleaned event;
    event.run = told.run;
    for (const SessionFolder& one : told.folders) {
      SessionRemoval removal;
      removal.root = one.root;
      removal.name = one.name;
      removal.bytes = one.bytes;
      removal.gone = removal.taken = one.name != left;
      removal.entries = 4;
      if (!removal.gone) removal.why = {"it is held by a process that locked it"};
      event.removals.push_back(removal);
      std::erase_if(root_.folders,
                    [&](const auto& f) { return f.name == one.name && removal.gone; });
    }
    b.apply(event);
    return told;
  }
  static AskSessions clean(hours older, bool dry_run = false) {
    AskSessions ask;
    ask.what = AskSessions::What::clean;
    ask.older = older;
    ask.dry_run = dry_run;
    return ask;
  }
  static AskSessions named(AskSessions::What what, const std::string& name) {
    AskSessions ask;
    ask.what = what;
    ask.name = name;
    return ask;
  }

  Bench b;
  SessionRoot root_;
};

TEST_F(SessionsTest, ADryRunGivesThePlanOfTheRealOne) {
  folder("session_old", hours(48));
  folder("session_new", hours(1));
  const RequestId dry = b.ask(clean(hours(24), true), 0, true);
  seen();
  const auto plan = *b.answer<Sessions>(dry);
  EXPECT_TRUE(plan.dry_run);
  EXPECT_EQ(plan.freed, 1_GiB);
  ASSERT_THAT(plan.items, SizeIs(2));
  EXPECT_EQ(plan.items[0].state, SessionState::going);
  EXPECT_EQ(effect<CleanSessions>(), nullptr);
  EXPECT_THAT(b.control.state().promises.sessions, IsEmpty());

  const RequestId real = b.ask(clean(hours(24)), 0, true);
  seen();
  EXPECT_EQ(b.answer<Sessions>(real), nullptr);
  // The intent is kept before the removal leaves, and the outcome after it.
  EXPECT_TRUE(b.control.state().promises.sessions.at({kRoot, "session_old"}).going);
  ASSERT_THAT(effect<CleanSessions>()->folders, SizeIs(1));
  EXPECT_EQ(effect<CleanSessions>()->folders[0].inode, plan.items[0].folder.inode);
  cleaned();
  EXPECT_THAT(b.control.state().promises.sessions, IsEmpty());
  ASSERT_NE(b.answer<Sessions>(real), nullptr);
  EXPECT_EQ(b.answer<Sessions>(real)->freed, 1_GiB);
  EXPECT_EQ(b.answer<Sessions>(real)->items[0].state, SessionState::gone);
  ASSERT_THAT(said(), SizeIs(1));
  EXPECT_THAT(said()[0], HasSubstr("Cleaned up old session: /data/sessions/session_old"));
  EXPECT_EQ(b.control.view(b.now()).session_roots.at(0).removed, 1u);
}

TEST_F(SessionsTest, WhatCouldNotBeRemovedIsSaidAndKept) {
  folder("session_a", hours(48));
  folder("session_b", hours(72));
  const RequestId real = b.ask(clean(hours(24)), 0, true);
  seen();
  cleaned("session_a");
  const auto* answer = b.answer<Sessions>(real);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->items[1].state, SessionState::left);
  EXPECT_THAT(answer->items[1].why, HasSubstr("locked it"));
  EXPECT_EQ(answer->freed, 1_GiB);
  EXPECT_THAT(b.control.state().promises.sessions, IsEmpty());
}

TEST_F(SessionsTest, AnOrdinaryUserCleansOnlyTheirOwn) {
  folder("session_mine", hours(48), 1000);
  folder("session_theirs", hours(48), 2000);
  b.ask(clean(hours(24)), 1000);
  seen();
  const CleanSessions told = cleaned();
  ASSERT_THAT(told.folders, SizeIs(1));
  EXPECT_EQ(told.folders[0].name, "session_mine");
  EXPECT_EQ(told.owner, 1000u);

  const RequestId remove = b.ask(named(AskSessions::What::remove, "theirs"), 1000);
  seen();
  EXPECT_EQ(b.refusal(remove)->error.kind, ErrorKind::not_allowed);
}

TEST_F(SessionsTest, WhoIsNotKnownChangesNothing) {
  b.apply(Asked{++b.request, {0, false, false}, clean(hours(24))});
  EXPECT_EQ(b.refusal(b.request)->error.kind, ErrorKind::not_allowed);
  b.apply(Asked{++b.request, {0, false, false}, AskSessions{}});
  EXPECT_NE(effect<LookAtSessions>(), nullptr);
}

TEST_F(SessionsTest, ANameMayBeShortAndTheAgeDoesNotMatter) {
  folder("session_run-1", hours(0));
  const RequestId remove = b.ask(named(AskSessions::What::remove, "run-1"));
  seen();
  ASSERT_NE(effect<CleanSessions>(), nullptr);
  EXPECT_TRUE(effect<CleanSessions>()->even_if_changed);
  cleaned();
  EXPECT_EQ(b.answer<Sessions>(remove)->items[0].state, SessionState::gone);

  const RequestId again = b.ask(named(AskSessions::What::remove, "run-1"));
  seen();
  EXPECT_EQ(b.refusal(again)->error.kind, ErrorKind::not_found);
  const RequestId odd = b.ask(named(AskSessions::What::remove, "../etc"));
  EXPECT_EQ(b.refusal(odd)->error.kind, ErrorKind::invalid_request);
}

TEST_F(SessionsTest, OneThatIsInUseIsNotRemoved) {
  folder("session_live", hours(48));
  root_.folders[0].held = "process 42";
  const RequestId remove = b.ask(named(AskSessions::What::remove, "live"), 0, true);
  seen();
  EXPECT_EQ(b.refusal(remove)->error.kind, ErrorKind::conflict);
  EXPECT_THAT(b.refusal(remove)->error.why, HasSubstr("process 42"));
  b.ask(clean(hours(1)), 0, true);
  seen();
  EXPECT_THAT(effect<CleanSessions>()->folders, IsEmpty());
}

TEST_F(SessionsTest, OneThatWasAddedIsAPromiseUntilItIsGone) {
  AskSessions add = named(AskSessions::What::add, "run-1");
  add.holder.pid = 42;
  add.holder.start_time = 7;
  const RequestId made = b.ask(add, 1000);
  ASSERT_NE(effect<MakeSession>(), nullptr);
  EXPECT_EQ(effect<MakeSession>()->name, "session_run-1");
  EXPECT_EQ(effect<MakeSession>()->owner, 1000u);
  folder("session_run-1", hours(0));
  b.apply(SessionMade{effect<MakeSession>()->run, root_.folders[0]});
  ASSERT_NE(b.answer<Sessions>(made), nullptr);
  ASSERT_THAT(b.control.state().promises.sessions, SizeIs(1));

  b.ask(AskSessions{});
  ASSERT_THAT(effect<LookAtSessions>()->told, SizeIs(1));
  EXPECT_EQ(effect<LookAtSessions>()->told[0].holder.pid, 42);
  root_.folders.clear();
  seen();
  EXPECT_THAT(b.control.state().promises.sessions, SizeIs(1)) << "its disk may not be mounted";
  b.pass(hours(1));
  b.ask(AskSessions{});
  folder("session_other", hours(0));  // and its owner has removed the first one by themselves
  seen();
  EXPECT_THAT(b.control.state().promises.sessions, IsEmpty());
}

TEST_F(SessionsTest, AFailureToMakeOneIsTold) {
  const RequestId made = b.ask(named(AskSessions::What::add, "run-1"));
  b.apply(SessionMade{effect<MakeSession>()->run, fail(ErrorKind::conflict, "it is taken")});
  EXPECT_EQ(b.refusal(made)->error.kind, ErrorKind::conflict);
  EXPECT_THAT(b.control.state().promises.sessions, IsEmpty());
}

TEST_F(SessionsTest, NothingIsCleanedByItselfUnlessAgeOrDiskSaySo) {
  folder("session_old", hours(9000));
  for (int i = 0; i < 100; ++i) {
    b.pass(seconds(60));
    b.read();
    EXPECT_EQ(effect<LookAtSessions>(), nullptr);
  }
}

TEST_F(SessionsTest, AFullDiskTakesTheOldestUntilItIsClear) {
  folder("session_a", hours(5), 1000, 2_GiB);
  folder("session_b", hours(9), 2000, 4_GiB);
  folder("session_c", hours(7), 2000, 4_GiB);
  b.sample.filesystems[1].free = b.sample.filesystems[1].available = root_.free = 18_GiB;
  b.read();
  for (int i = 0; i < 70 && effect<LookAtSessions>() == nullptr; ++i) {
    b.pass(seconds(1));
    b.read();
  }
  seen();  // 82 % are used: 7 GiB are missing until 75 %
  const CleanSessions told = cleaned();
  ASSERT_THAT(told.folders, SizeIs(2));
  EXPECT_EQ(told.folders[0].name, "session_b");
  EXPECT_EQ(told.folders[1].name, "session_c");
  EXPECT_FALSE(told.owner);
  EXPECT_FALSE(told.even_if_changed);
}

class OldSessionsTest : public SessionsTest {
 protected:
  OldSessionsTest() : SessionsTest(hours(24)) {}
};

TEST_F(OldSessionsTest, GoByThemselvesAndNobodyIsAskedTwice) {
  folder("session_old", hours(48));
  int looks = 0;
  for (int i = 0; i < 3600; ++i) {
    b.pass(seconds(1));
    b.read();
    if (effect<LookAtSessions>() == nullptr) continue;
    ++looks;
    seen();
    cleaned();
  }
  EXPECT_THAT(root_.folders, IsEmpty());
  EXPECT_GE(looks, 6);
  EXPECT_LE(looks, 8);
}

TEST_F(OldSessionsTest, ACleaningThatWasCutShortIsFinishedAfterTheRestart) {
  folder("session_old", hours(48));
  b.ask(clean(hours(24)), 0, true);
  seen();
  const std::vector<Record> records = b.control.state().promises.records();
  Bench next(with_root(seconds(0)));  // not even the age is a reason any more
  Restored restored;
  restored.records = records;
  next.shadow = b.control.state().promises;
  next.apply(restored);
  EXPECT_THAT(next.control.state().promises.sessions, IsEmpty());
  bool looked = false;
  for (int i = 0; i < 70 && !looked; ++i) {
    next.pass(seconds(1));
    next.read();
    for (const Effect& one : next.effects)
      looked = looked || std::holds_alternative<LookAtSessions>(one);
  }
  EXPECT_TRUE(looked);
}

TEST_F(SessionsTest, WhoAsksOftenGetsTheLastLookAndQueuesAreBounded) {
  folder("session_a", hours(5));
  b.ask(AskSessions{});
  seen();
  const RequestId again = b.ask(AskSessions{});
  EXPECT_EQ(effect<LookAtSessions>(), nullptr);
  ASSERT_NE(b.answer<Sessions>(again), nullptr);
  EXPECT_THAT(b.answer<Sessions>(again)->items, SizeIs(1));
  b.pass(seconds(6));
  for (int i = 0; i < 17; ++i) b.ask(AskSessions{});
  const RequestId more = b.ask(AskSessions{});
  EXPECT_EQ(b.refusal(more)->error.kind, ErrorKind::too_many_requests);
  b.apply(Withdrawn{more - 1});
  EXPECT_EQ(b.refusal(b.ask(AskSessions{})), nullptr);
}

TEST_F(SessionsTest, ARootThatCannotBeReadIsAProblemNotAnEmptyOne) {
  folder("session_a", hours(5));
  b.ask(AskSessions{});
  seen();
  b.pass(seconds(6));
  const RequestId list = b.ask(AskSessions{});
  root_.folders.clear();
  root_.problem = "cannot use /data/sessions: others may rename what is in it";
  seen();
  ASSERT_NE(b.answer<Sessions>(list), nullptr);
  EXPECT_THAT(b.answer<Sessions>(list)->problems, SizeIs(1));
  EXPECT_EQ(b.control.view(b.now()).session_roots.at(0).bytes, 1_GiB);
}

// A root lay on a filesystem whose server was gone: everybody who asked waited for ever.
TEST_F(SessionsTest, WhereARootDoesNotAnswerWhoeverAsksIsTold) {
  folder("session_a", hours(5));
  const RequestId list = b.ask(AskSessions{});
  const LookAtSessions hangs = *effect<LookAtSessions>();
  AskSessions add;
  add.what = AskSessions::What::add;
  add.name = "run-1";
  const RequestId waits = b.ask(add);
  EXPECT_EQ(b.control.next_deadline(), b.now().boot + seconds(300));
  b.pass(seconds(299));
  b.apply(Ticked{});
  EXPECT_EQ(b.refusal(list), nullptr);
  b.pass(seconds(1));
  b.apply(Ticked{});
  EXPECT_THAT(said(), SizeIs(1));
  ASSERT_NE(b.refusal(list), nullptr);
  EXPECT_EQ(b.refusal(list)->error.kind, ErrorKind::unavailable);
  EXPECT_NE(b.refusal(waits), nullptr);
  EXPECT_NE(b.refusal(b.ask(AskSessions{})), nullptr) << "at once";
  EXPECT_FALSE(b.control.next_deadline());

  SessionsSeen event;
  event.run = hangs.run;
  event.roots = {root_};
  b.apply(event);
  EXPECT_EQ(b.answer<Sessions>(list), nullptr) << "who was told so is not told twice";
  const RequestId again = b.ask(AskSessions{});
  seen();
  EXPECT_NE(b.answer<Sessions>(again), nullptr);
}

}  // namespace
}  // namespace headroom::control
