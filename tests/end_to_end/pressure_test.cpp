// Memory that runs short, on the kernel of this machine: who is held, and who lets go.
#include "harness.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <vector>

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kMiB = 1 << 20;

/// A daemon in a machine of 700 MiB, in which a lease has booked all but a little.
class Held : public ::testing::Test {
 protected:
  explicit Held(const std::string& configuration = "", std::int64_t mebibytes = 700)
      : machine_(mebibytes), daemon_(with(configuration)) {}
  static DaemonOptions with(const std::string& configuration) {
    DaemonOptions options;
    options.configuration = configuration;
    return options;
  }
  void SetUp() override {
    if (machine_.group().empty()) GTEST_SKIP() << "no memory group can be made here";
    daemon_.options().memory_group = machine_.group();
    ASSERT_TRUE(daemon_.start());
    if (text(daemon_.get("/api/v1/node"), "tier") == "v1") GTEST_SKIP() << "no cgroup2 hierarchy";
    const std::int64_t room = *whole(daemon_.room("memory"), "room_bytes");
    ASSERT_GT(room, 300 * kMiB);
    const auto blocker = daemon_.run(
        {"lease", "add", "blocker", "--ttl", "1h", "--mem", std::to_string(room - 48 * kMiB)});
    ASSERT_EQ(blocker.code, 0) << blocker.err;
  }
  /// A job that books 32 MiB and takes 200, or what is said.
  std::unique_ptr<Program> grower(const Words& then = {"say", "through"},
                                  const std::string& mebibytes = "200") {
    return daemon_.command(Words{"run", "--mem", "32M", "--name", "grower", "--"} +
                           job(Words{"touch", mebibytes} + then));
  }
  bool is_frozen() { return boolean(daemon_.lease("grower"), "frozen"); }
  /// On v2 the kernel holds it first, and it is stopped after 10 s.
  bool stands_still() {
    return eventually([&] { return is_frozen(); });
  }
  static std::int64_t number_in(const std::string& file) {
    std::ifstream in(file);
    std::int64_t number = -1;
    in >> number;
    return number;
  }
  /// Bytes that hold the job: the limit behind its fence on v1, the fence on v2; very many where
  /// nothing does.
  std::int64_t limit_of(const std::string& group) const {
    if (!machine_.v2()) return number_in(group + "/memory.limit_in_bytes");
    const std::int64_t high = number_in(group + "/memory.high");
    return high < 0 ? std::numeric_limits<std::int64_t>::max() : high;
  }
  static bool boolean(const value& document, const char* name) {
    const auto* object = document.if_object();
    const auto* found = object == nullptr ? nullptr : object->if_contains(name);
    return found != nullptr && found->is_bool() && found->as_bool();
  }

  SmallMachine machine_;
  Daemon daemon_;
};

TEST_F(Held, OneThatOutgrowsItsBookingStandsStillUntilThereIsRoomForIt) {
  // It wants far more than what a busy machine may let it have before anybody looks: what it was
  // lent by then, and the limit of the kernel 64 MiB above that.
  const auto job = grower({"say", "through"}, "400");
  ASSERT_TRUE(stands_still()) << job->err();
  const auto lease = daemon_.lease("grower");
  EXPECT_LT(*whole(lease, "measured.memory_bytes"), 250 * kMiB);
  // Below the limit behind its fence the kernel had nothing to refuse.
  const std::string group = text(lease, "group.path");
  const char* most = machine_.v2() ? "/memory.peak" : "/memory.max_usage_in_bytes";
  std::cout << "it stood still at " << number_in(group + most) / kMiB
            << " MiB at most, with a fence from 32 MiB";
  if (!machine_.v2()) {
    std::cout << "; the kernel refused it memory " << number_in(group + "/memory.failcnt")
              << " times";
  }
  std::cout << "\n";
  EXPECT_TRUE(job->running());
  EXPECT_THAT(daemon_.run({"lease"}).out, HasSubstr("FROZEN"));
  EXPECT_THAT(daemon_.run({"event", "--limit", "50"}).out, HasSubstr("stands still"));
  ASSERT_EQ(daemon_.run({"lease", "rm", text(daemon_.lease("blocker"), "id")}).code, 0);
  EXPECT_TRUE(job->says("through")) << job->err();
  EXPECT_EQ(job->finish().code, 0);
}

// ^C did nothing until its time to stand still was over.
TEST_F(Held, OneThatIsAskedToEndWhileItStandsStillHearsOfIt) {
  const auto held = daemon_.command(Words{"run", "--mem", "32M", "--name", "grower", "--"} +
                                    job(Words{"catch", "15", "touch", "400", "say", "through"}));
  ASSERT_TRUE(stands_still()) << held->err();
  held->signal(SIGTERM);
  EXPECT_TRUE(held->says("got 15")) << held->err();
  EXPECT_THAT(held->err(), HasSubstr("stands still"));
  EXPECT_TRUE(held->says("through"));
  EXPECT_EQ(held->finish().code, 0);
}

TEST_F(Held, ItGoesOnByItselfWhenTheDaemonIsKilled) {
  const auto job = grower();
  ASSERT_TRUE(stands_still()) << job->err();
  daemon_.kill_and_reap();
  EXPECT_TRUE(job->says("through")) << job->err();
}

TEST_F(Held, TheNextDaemonHoldsWhatTheKilledOneHeld) {
  const auto job = grower({"until", daemon_.file("over"), "say", "through"});
  ASSERT_TRUE(stands_still()) << job->err();
  const std::string group = text(daemon_.lease("grower"), "group.path");
  daemon_.kill_and_reap();
  ASSERT_TRUE(daemon_.start());
  EXPECT_TRUE(daemon_.lease_is("grower", "active") || is_frozen());
  const auto limit = [&] { return limit_of(group); };
  EXPECT_TRUE(eventually([&] { return limit() < 700 * kMiB; })) << limit();
  ASSERT_EQ(daemon_.run({"lease", "rm", text(daemon_.lease("blocker"), "id")}).code, 0);
  write_text(daemon_.file("over"), "");
  EXPECT_TRUE(job->says("through")) << job->err();
}

TEST_F(Held, RecoverLetsAllGoWhereNoDaemonLives) {
  const auto job = grower({"until", daemon_.file("over"), "say", "through"});
  ASSERT_TRUE(stands_still()) << job->err();
  const auto refused = headroomd({"--recover", "--state", daemon_.state()});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("another"));
  EXPECT_TRUE(is_frozen()) << "what a daemon holds is the daemon's";
  daemon_.kill_and_reap();
  StartOptions there;
  there.memory_group = machine_.group();
  const auto done = headroomd({"--recover", "--state", daemon_.state()}, there);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("l-"));
  write_text(daemon_.file("over"), "");
  EXPECT_TRUE(job->says("through")) << job->err();
}

/// The same machine, filled by a stranger, with the ladder up to one step.
class OnStep : public Held, public ::testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::int64_t kMachine = 1000;  // MiB
  static constexpr std::int64_t kBooked = 32;
  static constexpr std::int64_t kTaken = 62;  // by the job: no more than fits
  static constexpr double kFilled = 94.3;     // percent: above the line of freezing

  OnStep() : Held(std::string("[pressure]\nladder = \"") + GetParam() + "\"\n", kMachine) {}
  static int number_of(std::string_view step) {
    static constexpr std::array kSteps{"watch", "warn", "throttle", "shrink",
                                       "shut",  "hold", "freeze"};
    return static_cast<int>(std::ranges::find(kSteps, step) - kSteps.begin());
  }
  value memory() {
    const auto all = daemon_.get("/api/v1/pressure");
    for (const auto& one : list(all)) {
      if (text(one, "resource") == "memory") return one;
    }
    return {};
  }
  std::int64_t step() { return whole(memory(), "step_number").value_or(0); }
  /// Processes that are nobody's lease fill the machine; what the kernel gave back meanwhile is
  /// taken again.
  bool filled_to(int wanted) {
    return eventually([&] {
      if (step() == wanted && number(memory(), "value").value_or(0) > kFilled - 1) return true;
      // What the last one took has to be in a sample before anybody can say what is lacking.
      if (!strangers_.empty() && seconds() - filled_at_ < 3) return false;
      const double percent = number(memory(), "value").value_or(kFilled);
      const auto lacking = static_cast<std::int64_t>((kFilled - percent) / 100 * kMachine);
      if (lacking < 2 || strangers_.size() == 10) return false;
      StartOptions inside;
      inside.memory_group = machine_.group();
      strangers_.push_back(std::make_unique<Program>(
          job({"touch", std::to_string(lacking), "say", "full", "until", daemon_.file("over")}),
          inside));
      EXPECT_TRUE(strangers_.back()->says("full"));
      filled_at_ = seconds();
      return false;
    });
  }
  std::vector<std::unique_ptr<Program>> strangers_;
  double filled_at_ = 0;
};

TEST_P(OnStep, WhatADaemonThatIsKilledHeldRunsByItselfAndTheNextOneHasIt) {
  // On v2 who is within twice its booking is held by the kernel and need not stand still.
  if (machine_.v2()) GTEST_SKIP() << "of a v1 memory group";
  const int wanted = number_of(GetParam());
  const auto job =
      daemon_.command(Words{"run", "--mem", std::to_string(kBooked) + "M", "--name", "grower",
                            "--priority", "low", "--"} +
                      end_to_end::job({"touch", "30", "say", "there", "until", daemon_.file("go"),
                                       "touch", std::to_string(kTaken - 30), "say", "through",
                                       "until", daemon_.file("over")}));
  ASSERT_TRUE(job->says("there")) << job->err();
  ASSERT_TRUE(daemon_.lease_is("grower", "active"));
  ASSERT_TRUE(filled_to(wanted)) << step();
  write_text(daemon_.file("go"), "");
  ASSERT_TRUE(stands_still()) << "nobody has room for what it takes beyond its booking\n"
                              << daemon_.run({"event", "--limit", "50"}).out;
  const auto before = daemon_.lease("grower");
  const std::string group = text(before, "group.path");
  const auto limit = [&] { return limit_of(group); };
  ASSERT_LT(limit(), kMachine * kMiB);
  if (wanted >= number_of("throttle")) {
    EXPECT_THAT(daemon_.run({"event", "--limit", "50"}).out, HasSubstr("lease.slowed"));
  }

  const double killed = seconds();
  daemon_.kill_and_reap();
  EXPECT_TRUE(job->says("through")) << job->err();
  std::cout << "it ran on " << 1000 * (seconds() - killed) << " ms after the daemon's death\n";
  EXPECT_LT(seconds() - killed, 2.0);
  EXPECT_TRUE(eventually([&] { return limit() > kMachine * kMiB; })) << limit();

  ASSERT_TRUE(daemon_.start());
  const auto after = daemon_.lease("grower");
  EXPECT_EQ(text(after, "id"), text(before, "id"));
  EXPECT_EQ(text(after, "state"), "active");
  EXPECT_EQ(*whole(after, "booked.memory_bytes"), kBooked * kMiB);
  EXPECT_TRUE(eventually([&] { return limit() < kMachine * kMiB; })) << "it has its fence again";
  EXPECT_TRUE(eventually([&] { return step() >= wanted; })) << step();
  write_text(daemon_.file("over"), "");
  EXPECT_EQ(job->finish().code, 0);
  EXPECT_EQ(daemon_.run({"lease", "rm", text(daemon_.lease("blocker"), "id")}).code, 0);
  EXPECT_TRUE(daemon_.lease_ends("grower"));
}

INSTANTIATE_TEST_SUITE_P(Ladder, OnStep,
                         ::testing::Values("warn", "throttle", "shrink", "shut", "hold", "freeze"),
                         [](const auto& one) { return std::string(one.param); });

/// The same machine, where a person said that headroom may end who takes too much.
class MayEnd : public Held {
 protected:
  MayEnd() : Held("[pressure]\nladder = \"kill\"\ngrace = \"2s\"\n") {}
  /// Takes far more than it booked while there is room, and then another one needs that.
  void overrun(const Words& words) {
    ASSERT_EQ(daemon_.run({"lease", "rm", text(daemon_.lease("blocker"), "id")}).code, 0);
    job_ = daemon_.command(Words{"run", "--mem", "32M", "--name", "grower", "--"} +
                           job(words + Words{"touch", "400", "say", "there", "touch", "200",
                                             "until", daemon_.file("over")}));
    ASSERT_TRUE(job_->says("there")) << job_->err();
    waiter_ = daemon_.command(Words{"run", "--mem", "350M", "--name", "waiter", "--"} +
                              job({"say", "through"}));
  }
  std::unique_ptr<Program> job_;
  std::unique_ptr<Program> waiter_;
};

TEST_F(MayEnd, WhoTakesFarMoreThanItBookedIsEndedAndWhoWaitedRuns) {
  overrun({});
  EXPECT_TRUE(waiter_->says("through", 60s)) << daemon_.run({"event", "--limit", "50"}).out;
  EXPECT_EQ(job_->finish().code, 128 + SIGTERM);
  EXPECT_THAT(job_->err(), HasSubstr("headroom ended it"));
  EXPECT_THAT(daemon_.run({"event", "--limit", "50"}).out, HasSubstr("SIGTERM"));
}

TEST_F(MayEnd, ADaemonThatIsKilledBetweenAskingAndEndingLeavesItAlive) {
  overrun({"catch", "15"});
  ASSERT_TRUE(job_->says("got 15", 60s)) << daemon_.run({"event", "--limit", "50"}).out;
  daemon_.kill_and_reap();
  EXPECT_TRUE(job_->running());
  ASSERT_TRUE(daemon_.start());
  EXPECT_TRUE(daemon_.lease_is("grower", "active"));
  write_text(daemon_.file("over"), "");
}

}  // namespace
}  // namespace headroom::end_to_end
