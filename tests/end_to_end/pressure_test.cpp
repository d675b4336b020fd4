// Memory that runs short, on the kernel of this machine: who is held, and who lets go.
#include "harness.hpp"

#include <fstream>
#include <iostream>

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kMiB = 1 << 20;

/// A daemon in a machine of 700 MiB, in which a lease has booked all but a little.
class Held : public ::testing::Test {
 protected:
  void SetUp() override {
    if (machine_.group().empty()) GTEST_SKIP() << "no v1 memory group can be made here";
    daemon_.options().memory_group = machine_.group();
    ASSERT_TRUE(daemon_.start());
    if (text(daemon_.get("/api/v1/node"), "tier") == "v1") GTEST_SKIP() << "no cgroup2 hierarchy";
    const std::int64_t room = *whole(daemon_.room("memory"), "room_bytes");
    ASSERT_GT(room, 300 * kMiB);
    const auto blocker = daemon_.run(
        {"lease", "add", "blocker", "--ttl", "1h", "--mem", std::to_string(room - 48 * kMiB)});
    ASSERT_EQ(blocker.code, 0) << blocker.err;
  }
  /// A job that books 32 MiB and takes 200.
  std::unique_ptr<Program> grower(const Words& then = {"say", "through"}) {
    return daemon_.command(Words{"run", "--mem", "32M", "--name", "grower", "--"} +
                           job(Words{"touch", "200"} + then));
  }
  bool is_frozen() { return boolean(daemon_.lease("grower"), "frozen"); }
  bool stands_still() {
    return eventually([&] { return is_frozen(); });
  }
  static std::int64_t number_in(const std::string& file) {
    std::ifstream in(file);
    std::int64_t number = -1;
    in >> number;
    return number;
  }
  static bool boolean(const value& document, const char* name) {
    const auto* object = document.if_object();
    const auto* found = object == nullptr ? nullptr : object->if_contains(name);
    return found != nullptr && found->is_bool() && found->as_bool();
  }

  SmallMachine machine_{700};
  Daemon daemon_;
};

TEST_F(Held, OneThatOutgrowsItsBookingStandsStillUntilThereIsRoomForIt) {
  const auto job = grower();
  ASSERT_TRUE(stands_still()) << job->err();
  const auto lease = daemon_.lease("grower");
  EXPECT_LT(*whole(lease, "measured.memory_bytes"), 160 * kMiB);
  // Below the limit behind its fence the kernel had nothing to refuse.
  const std::string group = text(lease, "group.path");
  std::cout << "it stood still at " << number_in(group + "/memory.max_usage_in_bytes") / kMiB
            << " MiB at most, with a fence from 32 MiB; the kernel refused it memory "
            << number_in(group + "/memory.failcnt") << " times\n";
  EXPECT_TRUE(job->running());
  EXPECT_THAT(daemon_.run({"lease"}).out, HasSubstr("FROZEN"));
  EXPECT_THAT(daemon_.run({"event", "--limit", "50"}).out, HasSubstr("stands still"));
  ASSERT_EQ(daemon_.run({"lease", "rm", text(daemon_.lease("blocker"), "id")}).code, 0);
  EXPECT_TRUE(job->says("through")) << job->err();
  EXPECT_EQ(job->finish().code, 0);
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
  const auto limit = [&] { return number_in(group + "/memory.limit_in_bytes"); };
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

}  // namespace
}  // namespace headroom::end_to_end
