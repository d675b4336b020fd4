#include "act/fence_watch.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

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

  /// Whether the group has been charged so much, within 20 s.
  bool charged(const Group& group, Bytes amount) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (groups_->look(group)->memory.value_or(Bytes()) < amount) {
      if (std::chrono::steady_clock::now() > until) return false;
      ::usleep(1000);
    }
    return true;
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
  ASSERT_TRUE(charged(group, 20_MiB));
  ASSERT_TRUE(watch_.watch(1, group, 8_MiB));
  EXPECT_TRUE(told(0));
  EXPECT_THAT(watch_.touched(), ElementsAre(1));
}

/// What is to be done later waits until the test does it.
class LaterFences : public FenceWatchTest {
 protected:
  void SetUp() override {
    FenceWatchTest::SetUp();
    if (IsSkipped()) return;
    group_ = *groups_->make(1, 0);
    if (group_.v2) GTEST_SKIP() << "v2 is told at once";
  }
  void do_what_waits() {
    for (auto& slow : std::exchange(waiting_, {})) slow();
  }

  Group group_;
  std::vector<std::function<void()>> waiting_;
  bool takes_ = true;
  std::optional<FenceWatch> later_{[this](std::function<void()> slow) {
    if (takes_) waiting_.push_back(std::move(slow));
    return takes_;
  }};
};

TEST_F(LaterFences, OfManyWishesOnlyTheLastIsCarriedOutAndOneCallWaits) {
  for (const Bytes at : {8_MiB, 16_MiB, 200_MiB}) ASSERT_TRUE(later_->watch(1, group_, at));
  EXPECT_EQ(waiting_.size(), 1u);
  const auto grower = job(group_, 40 << 20);
  grower->go();
  ASSERT_TRUE(charged(group_, 40_MiB));
  do_what_waits();
  EXPECT_THAT(later_->touched(), IsEmpty()) << "it is far from 200 MiB";
  ASSERT_TRUE(later_->watch(1, group_, 16_MiB));
  EXPECT_THAT(later_->touched(), IsEmpty());
  do_what_waits();
  EXPECT_THAT(later_->touched(), ElementsAre(1)) << "who has come there meanwhile is told of";
}

TEST_F(LaterFences, WhoIsForgottenOrGoneMeanwhileIsNotWatched) {
  const auto grower = job(group_, 20 << 20);
  grower->go();
  ASSERT_TRUE(charged(group_, 20_MiB));
  ASSERT_TRUE(later_->watch(1, group_, 8_MiB));
  later_->forget(1);
  do_what_waits();
  EXPECT_THAT(later_->touched(), IsEmpty());
  ASSERT_TRUE(later_->watch(1, group_, 8_MiB)) << "and once more";
  do_what_waits();
  EXPECT_THAT(later_->touched(), ElementsAre(1));

  ASSERT_TRUE(later_->watch(1, group_, 8_MiB));
  later_.reset();
  do_what_waits();
}

TEST_F(LaterFences, WhereNothingCanBeDoneLaterThatIsSaidAndTriedAgainTheNextTime) {
  takes_ = false;
  EXPECT_EQ(later_->watch(1, group_, 8_MiB).error().kind, ErrorKind::unavailable);
  takes_ = true;
  EXPECT_TRUE(later_->watch(1, group_, 8_MiB));
  EXPECT_EQ(waiting_.size(), 1u);
}

TEST_F(LaterFences, WishesComeAndGoWhileAThreadSetsThem) {
  std::atomic<bool> stop = false;
  std::mutex lock;
  std::deque<std::function<void()>> queue;
  FenceWatch watch([&](std::function<void()> slow) {
    const std::lock_guard guard(lock);
    queue.push_back(std::move(slow));
    return true;
  });
  std::thread thread([&] {
    while (!stop) {
      std::function<void()> slow;
      {
        const std::lock_guard guard(lock);
        if (!queue.empty()) {
          slow = std::move(queue.front());
          queue.pop_front();
        }
      }
      if (slow) slow();
    }
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(watch.watch(1, group_, Bytes((8 + i) << 20)));
    if (i % 3 == 0) watch.forget(1);
    (void)watch.touched();
  }
  const auto grower = job(group_, 20 << 20);
  grower->go();
  ASSERT_TRUE(charged(group_, 20_MiB));
  EXPECT_TRUE(watch.watch(1, group_, 8_MiB));
  pollfd one{watch.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&one, 1, 20'000), 1);
  EXPECT_THAT(watch.touched(), ElementsAre(1));
  stop = true;
  thread.join();
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
