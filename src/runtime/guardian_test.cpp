#include "runtime/guardian.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>

#include "act/groups.hpp"

namespace headroom::runtime {
namespace {

namespace fs = std::filesystem;
using namespace headroom::literals;

std::string content(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool soon(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::usleep(1000);
  }
  return true;
}

// The guardian is this program itself, started with --guardian: glibc gives a constructor the
// words.
__attribute__((constructor)) void become_guardian(int count, char** words) {
  if (count == 2 && std::string_view(words[1]) == "--guardian") ::_exit(run_guardian());
}

class GuardianTest : public testing::Test {
 protected:
  GuardianTest() {
    std::string pattern = fs::temp_directory_path() / "headroom-guardian-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    options_.state_dir = pattern;
    config_.name = "headroom-guardian-test-" + std::to_string(::getpid());
    groups_ = std::make_unique<act::Groups>(act::Groups::probe(config_));
  }
  ~GuardianTest() override { fs::remove_all(options_.state_dir); }
  void SetUp() override {
    if (groups_->jobs_memory_group().empty()) {
      GTEST_SKIP() << "no memory groups here: " << testing::PrintToString(groups_->reasons());
    }
  }
  void TearDown() override {
    // The groups of the next test have the same names.
    EXPECT_TRUE(soon([&] { return Guardian::wait_for_last(options_.state_dir); }));
    for (const auto& group : groups_->leftovers()) (void)groups_->remove(group);
  }
  Group held(LeaseId id) {
    const Group group = groups_->make(id, 0).value();
    EXPECT_TRUE(groups_->fence(group, 64_MiB));
    if (!group.unified.empty()) {
      EXPECT_TRUE(groups_->freeze(group, true));
    }
    EXPECT_FALSE(is_free(group));
    return group;
  }
  static bool is_free(const Group& group) {
    const bool thawed = group.unified.empty() || content(group.unified + "/cgroup.freeze") == "0\n";
    const std::string fence =
        content(group.memory + (group.v2 ? "/memory.high" : "/memory.limit_in_bytes"));
    return thawed && (group.v2 ? fence == "max\n" : std::stoll(fence) > 1LL << 60);
  }

  Guardian::Options options_;
  act::GroupsConfig config_;
  std::unique_ptr<act::Groups> groups_;
};

TEST(GuardianMessages, AreReadAsTheyWereWritten) {
  GuardianMessage hold{true, 73, {}};
  hold.group.memory = "/m/lease-73";
  hold.group.unified = "/u/lease-73";
  EXPECT_EQ(decode_guardian(encode(hold)), hold);
  hold.group.v2 = true;
  EXPECT_EQ(decode_guardian(encode(hold)), hold);
  const GuardianMessage forget{false, 73, {}};
  EXPECT_EQ(decode_guardian(encode(forget)), forget);
  const std::string text = encode(hold);
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_FALSE(decode_guardian(std::string_view(text).substr(0, cut))) << cut;
  }
  EXPECT_FALSE(decode_guardian(text + "x"));
  EXPECT_FALSE(decode_guardian(std::string("-7x\0", 4)));
}

TEST_F(GuardianTest, LetsAllGoWhenItsDaemonIsKilled) {
  const Group one = held(1);
  const Group two = held(2);
  const Group done = held(3);
  const pid_t daemon = ::fork();
  ASSERT_GE(daemon, 0);
  if (daemon == 0) {
    Guardian guardian(options_);
    const bool all = guardian.hold(1, one) && guardian.hold(2, two) && guardian.hold(3, done);
    guardian.forget(3);
    ::kill(::getpid(), all ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(daemon, &status, 0), daemon);
  ASSERT_EQ(WTERMSIG(status), SIGKILL) << "the guardian could not be told";
  EXPECT_TRUE(soon([&] { return is_free(one) && is_free(two); }));
  EXPECT_TRUE(soon([&] { return Guardian::wait_for_last(options_.state_dir); }));
  EXPECT_FALSE(is_free(done)) << "somebody else saw to that one";
  EXPECT_TRUE(act::Groups::let_go(done));
}

TEST_F(GuardianTest, IsReplacedWhenItDies) {
  const Group one = held(1);
  const Group two = held(2);
  {
    Guardian guardian(options_);
    ASSERT_TRUE(guardian.hold(1, one));
    const pid_t first = guardian.pid();
    ASSERT_GT(first, 0);
    ::kill(first, SIGKILL);
    siginfo_t facts;
    ::waitid(P_PID, static_cast<id_t>(first), &facts, WEXITED | WNOWAIT);
    EXPECT_FALSE(is_free(one)) << "a dead guardian lets nobody go";
    guardian.look();
    ASSERT_GT(guardian.pid(), 0);
    EXPECT_NE(guardian.pid(), first);
    ASSERT_TRUE(guardian.hold(2, two));
  }
  EXPECT_TRUE(soon([&] { return is_free(one) && is_free(two); }));
}

TEST_F(GuardianTest, WithoutOneNothingIsHeld) {
  options_.program = "/nowhere/headroomd";
  Guardian guardian(options_);
  const auto held = guardian.hold(1, Group());
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(held.error().why, testing::HasSubstr("could not be started"));
  EXPECT_EQ(guardian.pid(), 0);
}

TEST_F(GuardianTest, IsNotEndedByATerminalOrAServiceManager) {
  const Group one = held(1);
  Guardian guardian(options_);
  ASSERT_TRUE(guardian.hold(1, one));
  ASSERT_TRUE(soon([&] {
    return content("/proc/" + std::to_string(guardian.pid()) + "/comm") == "headroom-guard\n";
  }));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::kill(guardian.pid(), signal);
  guardian.look();
  EXPECT_EQ(::kill(guardian.pid(), 0), 0);
  EXPECT_EQ(content("/proc/" + std::to_string(guardian.pid()) + "/comm"), "headroom-guard\n");
  EXPECT_TRUE(act::Groups::let_go(one));
}

TEST_F(GuardianTest, ADaemonThatComesNextWaitsForIt) {
  const Group one = held(1);
  {
    Guardian guardian(options_);
    ASSERT_TRUE(guardian.hold(1, one));
  }
  EXPECT_TRUE(soon([&] { return Guardian::wait_for_last(options_.state_dir); }));
  EXPECT_TRUE(is_free(one)) << "it has done its work by then";
}

}  // namespace
}  // namespace headroom::runtime
