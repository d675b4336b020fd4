#include "runtime/listeners.hpp"

#include <vector>

#include <gmock/gmock.h>

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Listening : public ::testing::Test {
 protected:
  static AskHook ask_of(LeaseId lease, std::uint64_t number) {
    AskHook ask;
    ask.ask = number;
    ask.hook = kHolderHook;
    ask.model = "llama";
    ask.lease = lease;
    return ask;
  }
  Listeners::Send hears() {
    return [this](const AskHook& ask) {
      heard.push_back(ask.ask);
      return true;
    };
  }
  std::vector<HookResult> results() const {
    std::vector<HookResult> out;
    for (const auto& one : answered) out.push_back(one.result);
    return out;
  }

  std::vector<HookAnswered> answered;
  std::vector<std::uint64_t> heard;
  Listeners listeners{[this](HookAnswered one) { answered.push_back(std::move(one)); }};
};

TEST_F(Listening, WhereNobodyListensThatIsSaidAtOnce) {
  listeners.listen(4, hears());
  listeners.ask(ask_of(3, 17), BootTime(100s));
  EXPECT_THAT(heard, IsEmpty()) << "another's lease";
  EXPECT_THAT(results(), ElementsAre(HookResult::unreachable));
  EXPECT_EQ(answered[0].ask, 17u);
  EXPECT_EQ(answered[0].said, "its holder does not listen");
  EXPECT_EQ(listeners.next(), std::nullopt);
}

TEST_F(Listening, TheHolderHearsAndItsFirstAnswerCounts) {
  listeners.listen(3, hears());
  listeners.listen(3, hears());
  listeners.ask(ask_of(3, 17), BootTime(100s));
  EXPECT_THAT(heard, ElementsAre(17u, 17u));
  EXPECT_THAT(answered, IsEmpty());
  ASSERT_TRUE(listeners.answer(3, 17, HookResult::freed, "gone\x1b[2J\n now"));
  EXPECT_THAT(results(), ElementsAre(HookResult::freed));
  EXPECT_EQ(answered[0].said.find('\x1b'), std::string::npos);
  const auto again = listeners.answer(3, 17, HookResult::refused, "");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::not_found);
  listeners.tick(BootTime(200s));
  EXPECT_EQ(answered.size(), 1u);
}

TEST_F(Listening, AnAnswerOfAnotherLeaseOrThatIsNoneIsRefused) {
  listeners.listen(3, hears());
  listeners.ask(ask_of(3, 17), BootTime(100s));
  EXPECT_EQ(listeners.answer(4, 17, HookResult::freed, "").error().kind, ErrorKind::not_found);
  EXPECT_EQ(listeners.answer(3, 18, HookResult::freed, "").error().kind, ErrorKind::not_found);
  for (const auto result : {HookResult::unreachable, HookResult::timed_out, HookResult::nonsense}) {
    EXPECT_EQ(listeners.answer(3, 17, result, "").error().kind, ErrorKind::invalid_request);
  }
  EXPECT_THAT(answered, IsEmpty());
}

TEST_F(Listening, AHolderThatDoesNotAnswerIsWaitedForNoLongerThanItsTime) {
  listeners.listen(3, hears());
  listeners.ask(ask_of(3, 17), BootTime(100s));
  listeners.ask(ask_of(3, 18), BootTime(104s));
  EXPECT_EQ(listeners.next(), BootTime(110s));
  listeners.tick(BootTime(110s - 1ns));
  EXPECT_THAT(answered, IsEmpty());
  listeners.tick(BootTime(110s));
  EXPECT_THAT(results(), ElementsAre(HookResult::timed_out));
  EXPECT_EQ(listeners.next(), BootTime(114s));
  EXPECT_FALSE(listeners.answer(3, 17, HookResult::freed, "late"));
}

TEST_F(Listening, WhoLeavesBeforeAnsweringIsNotWaitedFor) {
  const auto first = listeners.listen(3, hears());
  const auto second = listeners.listen(3, hears());
  listeners.ask(ask_of(3, 17), BootTime(100s));
  listeners.stop_listening(3, first);
  EXPECT_THAT(answered, IsEmpty()) << "one still listens";
  listeners.stop_listening(3, second);
  EXPECT_THAT(results(), ElementsAre(HookResult::unreachable));
  listeners.stop_listening(3, second);
  EXPECT_EQ(answered.size(), 1u);
}

TEST_F(Listening, OneWhoCannotBeToldIsGone) {
  std::uint64_t number = 0;
  number = listeners.listen(3, [&](const AskHook&) {
    listeners.stop_listening(3, number);  // its connection closes while it is written to
    return false;
  });
  listeners.ask(ask_of(3, 17), BootTime(100s));
  EXPECT_THAT(results(), ElementsAre(HookResult::unreachable));
  listeners.ask(ask_of(3, 18), BootTime(100s));
  EXPECT_EQ(answered[1].said, "its holder does not listen");
}

TEST_F(Listening, HasBounds) {
  for (std::size_t i = 0; i < Listeners::kMostOfLease; ++i)
    EXPECT_NE(listeners.listen(1, hears()), 0u);
  EXPECT_EQ(listeners.listen(1, hears()), 0u);
  for (LeaseId lease = 2; lease < 2 + Listeners::kMost - Listeners::kMostOfLease; ++lease) {
    ASSERT_NE(listeners.listen(lease, hears()), 0u);
  }
  EXPECT_EQ(listeners.listen(5000, hears()), 0u);
  for (std::uint64_t ask = 1; ask <= Listeners::kMostAsked; ++ask) {
    listeners.ask(ask_of(2, ask), BootTime(100s));
  }
  EXPECT_THAT(answered, IsEmpty());
  listeners.ask(ask_of(2, 5000), BootTime(100s));
  EXPECT_THAT(results(), ElementsAre(HookResult::unreachable));
  EXPECT_THAT(answered[0].said, HasSubstr("too much"));
}

TEST_F(Listening, AtTheEndNobodyIsTold) {
  const auto listener = listeners.listen(3, hears());
  listeners.ask(ask_of(3, 17), BootTime(100s));
  listeners.close();
  listeners.stop_listening(3, listener);
  listeners.tick(BootTime(500s));
  EXPECT_THAT(answered, IsEmpty());
}

}  // namespace
}  // namespace headroom::runtime
