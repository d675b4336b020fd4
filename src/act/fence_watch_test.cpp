#include "act/fence_watch.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "act/child_for_test.hpp"
#include "act/groups.hpp"

namespace headroom::act {
namespace {

using namespace headroom::literals;
using testing::ElementsAre;
using testing::IsEmpty;

class FenceWatchTest : public testing::Test {
 protected:
  FenceWatchTest() {
    config_.name = "headroom-fence-test-" + std::to_string(::getpid());
    groups_ = std::make_unique<Groups>(Groups::probe(config_));
  }
  void SetUp() override {
    if (groups_->jobs_memory_group().empty()) {
      GTEST_SKIP() << "no memory groups here: " << testing::PrintToString(groups_->reasons());
    }
  }
  void TearDown() override {
    for (const auto& group : groups_->leftovers()) (void)groups_->remove(group);
  }
  /// A job in the group that takes so much and then waits.
  std::unique_ptr<Child> job(const Group& group, std::size_t bytes) {
    auto child = std::make_unique<Child>([bytes] {
      void* memory =
          ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return 1;
      std::memset(memory, 1, bytes);
      ::pause();
      return 0;
    });
    EXPECT_TRUE(groups_->place(group, child->pid()));
    return child;
  }
  bool told(int milliseconds) const {
    pollfd one{watch_.fd(), POLLIN, 0};
    return ::poll(&one, 1, milliseconds) == 1;
  }

  GroupsConfig config_;
  std::unique_ptr<Groups> groups_;
  FenceWatch watch_;
};

TEST_F(FenceWatchTest, TellsWhoHasComeToItsFence) {
  const auto small = *groups_->make(1, 0);
  const auto large = *groups_->make(2, 0);
  ASSERT_TRUE(groups_->fence(small, 64_MiB));
  ASSERT_TRUE(groups_->fence(large, 16_MiB));
  ASSERT_TRUE(watch_.watch(1, small, 64_MiB));
  ASSERT_TRUE(watch_.watch(2, large, 16_MiB));
  (void)watch_.touched();
  const auto inside = job(small, 8 << 20);
  const auto grower = job(large, 20 << 20);
  inside->go();
  grower->go();
  ASSERT_TRUE(told(20'000));
  EXPECT_THAT(watch_.touched(), ElementsAre(2));
  watch_.forget(2);
  EXPECT_THAT(watch_.touched(), IsEmpty());
}

TEST_F(FenceWatchTest, AfterAMoveItTellsOfTheNewPlace) {
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->fence(group, 8_MiB));
  ASSERT_TRUE(watch_.watch(1, group, 8_MiB));
  ASSERT_TRUE(groups_->fence(group, 64_MiB));
  ASSERT_TRUE(watch_.watch(1, group, 64_MiB));
  (void)watch_.touched();
  const auto grower = job(group, 68 << 20);
  grower->go();
  ASSERT_TRUE(told(20'000));
  EXPECT_THAT(watch_.touched(), ElementsAre(1));
  EXPECT_GE(groups_->look(group)->memory.value_or(Bytes()), 60_MiB);
}

TEST_F(FenceWatchTest, TellsAtOnceOfOneThatIsBeyondItAlready) {
  const auto group = *groups_->make(1, 0);
  if (group.v2) GTEST_SKIP() << "v2 tells again and again";
  const auto grower = job(group, 20 << 20);
  grower->go();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (groups_->look(group)->memory.value_or(Bytes()) < 20_MiB &&
         std::chrono::steady_clock::now() < until) {
    ::usleep(1000);
  }
  ASSERT_TRUE(watch_.watch(1, group, 8_MiB));
  EXPECT_TRUE(told(0));
  EXPECT_THAT(watch_.touched(), ElementsAre(1));
}

TEST_F(FenceWatchTest, AGroupThatIsGoneIsAnError) {
  auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->remove(group).value_or(false));
  const auto watched = watch_.watch(1, group, 8_MiB);
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().kind, ErrorKind::not_found);
  EXPECT_FALSE(watch_.watch(1, Group(), 8_MiB));
  EXPECT_THAT(watch_.touched(), IsEmpty());
}

TEST_F(FenceWatchTest, AGroupThatGoesWhileItIsWatchedIsForgottenQuietly) {
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->fence(group, 8_MiB));
  ASSERT_TRUE(watch_.watch(1, group, 8_MiB));
  ASSERT_TRUE(groups_->remove(group).value_or(false));
  (void)told(2000);  // v1 signals the end of the group once, some time after it
  (void)watch_.touched();
  EXPECT_FALSE(told(0));
  watch_.forget(1);
  watch_.forget(1);
}

}  // namespace
}  // namespace headroom::act
