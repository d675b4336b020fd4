#include "runtime/stall_trigger.hpp"

#include <filesystem>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>
#include <boost/asio/steady_timer.hpp>

#include "act/child_for_test.hpp"
#include "act/groups.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;
using act::Child;
using testing::HasSubstr;

constexpr auto kBound = 30s;  // only a failure takes so long

class StallTriggerTest : public testing::Test {
 protected:
  /// Runs the loop until `done`.
  template <class Done>
  bool eventually(const Done& done) {
    const auto until = std::chrono::steady_clock::now() + kBound;
    while (!done() && std::chrono::steady_clock::now() < until) {
      io_.restart();
      io_.run_for(50ms);
    }
    return done();
  }

  boost::asio::io_context io_{1};
  int stalled_ = 0;
  int lost_ = 0;
  StallTrigger trigger_{io_, [this] { ++stalled_; }, [this] { ++lost_; }};
};

// Of the processor, which is easier to make scarce than memory; the kernel's side is the same.
TEST_F(StallTriggerTest, WakesTheLoopWhenProcessesWait) {
  const auto armed = trigger_.arm("/proc/pressure/cpu");
  if (!armed) GTEST_SKIP() << armed.error().what << ": " << armed.error().why;
  std::vector<std::unique_ptr<Child>> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(std::make_unique<Child>([] {
      cpu_set_t one;
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {  // the first one that we may use
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (::sched_setaffinity(0, sizeof one, &one) == 0) break;
      }
      for (;;) (void)::getppid();
      return 0;
    }));
    busy.back()->go();
  }
  EXPECT_TRUE(eventually([&] { return stalled_ > 0; }));
  EXPECT_EQ(lost_, 0);
}

TEST_F(StallTriggerTest, WhereItIsRefusedItSaysWhy) {
  const auto missing = trigger_.arm("/proc/pressure/none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_THAT(missing.error().what, HasSubstr("/proc/pressure/none"));
  if (::access(StallTrigger::kPath, W_OK) != 0) GTEST_SKIP() << "no pressure stall information";
  const auto window = trigger_.arm(StallTrigger::kPath, "some 140000 20000000");
  ASSERT_FALSE(window);  // 20 s is too long for anybody
  EXPECT_EQ(window.error().kind, ErrorKind::invalid_request);
  EXPECT_THAT(window.error().what, HasSubstr("20000000"));
  EXPECT_FALSE(window.error().why.empty());
  EXPECT_TRUE(trigger_.arm()) << "and may be tried again";
  EXPECT_EQ(stalled_ + lost_, 0);
}

TEST_F(StallTriggerTest, AGroupThatIsRemovedWhileItIsPolledIsSaidOnce) {
  auto groups =
      act::Groups::probe({"/", "headroom-stall-test-" + std::to_string(::getpid()), false});
  const auto group = groups.make(1, 0);
  if (!group || group->unified.empty()) GTEST_SKIP() << "no cgroup2 hierarchy";
  const auto armed = trigger_.arm(group->unified + "/memory.pressure");
  if (!armed) {
    EXPECT_TRUE(groups.remove(*group).value_or(false));
    GTEST_SKIP() << armed.error().what << ": " << armed.error().why;
  }
  ASSERT_TRUE(groups.remove(*group).value_or(false));
  EXPECT_TRUE(eventually([&] { return lost_ > 0; }));
  io_.restart();
  io_.run_for(20ms);
  EXPECT_EQ(lost_, 1) << "and nothing spins";
}

}  // namespace
}  // namespace headroom::runtime
