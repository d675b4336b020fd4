#include "runtime/group_finder.hpp"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>

#include <gtest/gtest.h>
#include <unistd.h>

#include "sense/group_tree.hpp"

namespace headroom::runtime {
namespace {

/// The loop: work is done when the test says so.
class GroupFinderTest : public testing::Test {
 protected:
  GroupFinderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
    std::filesystem::create_directories(root_ + "/proc/self");
    std::filesystem::create_directories(root_ + "/cg/a");
    std::filesystem::create_directories(root_ + "/cg/empty");
    std::ofstream(root_ + "/proc/self/mountinfo") << "1 2 0:3 / /cg rw - cgroup2 c rw\n";
    std::ofstream(root_ + "/proc/self/cgroup") << "0::/\n";
    std::ofstream(root_ + "/cg/a/cgroup.procs") << ::getpid() << "\n";
    std::ofstream(root_ + "/cg/empty/cgroup.procs") << "";
    tree_ = std::make_shared<const sense::GroupTree>(root_);
  }
  ~GroupFinderTest() override { std::filesystem::remove_all(root_); }

  GroupFinder make() {
    return GroupFinder(tree_, "", [this](std::function<void()> work) {
      const std::lock_guard lock(lock_);
      work_.push_back(std::move(work));
      changed_.notify_all();
    });
  }
  /// Does one piece of work that was posted.
  void turn() {
    std::unique_lock lock(lock_);
    changed_.wait(lock, [this] { return !work_.empty(); });
    const auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
  }

  std::string root_;
  std::shared_ptr<const sense::GroupTree> tree_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
};

TEST_F(GroupFinderTest, TellsWhoseProcessesAreInAGroup) {
  GroupFinder finder = make();
  std::optional<Result<FoundGroup>> found;
  const auto take = [&](Result<FoundGroup> one) { found = std::move(one); };
  finder.find({GroupName::By::path, "/a"}, take);
  EXPECT_FALSE(found) << "nothing of it is done by the loop";
  turn();
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->holder.group, "/a");
  EXPECT_EQ((*found)->processes, std::vector<pid_t>{::getpid()});
  EXPECT_EQ((*found)->owner, ::getuid());
  finder.find({GroupName::By::path, "/empty"}, take);
  turn();
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->owner, ::getuid()) << "whose folder it is";
  std::ofstream(root_ + "/cg/a/cgroup.procs") << "1\n0\n";
  finder.find({GroupName::By::path, "/a"}, take);
  turn();
  ASSERT_TRUE(found && *found);
  EXPECT_FALSE((*found)->owner) << "not all of them can be seen";
  finder.find({GroupName::By::unit, "no"}, take);
  turn();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->error().kind, ErrorKind::not_found);
}

TEST_F(GroupFinderTest, AnswersInOrderAndRefusesWhenTooManyWait) {
  GroupFinder finder = make();
  int done = 0;
  int refused = 0;
  for (int i = 0; i < 70; ++i) {
    finder.find({GroupName::By::path, "/a"}, [&, i](const Result<FoundGroup>& found) {
      if (found) {
        EXPECT_EQ(done++, i);
      } else {
        EXPECT_EQ(found.error().kind, ErrorKind::too_many_requests);
        ++refused;
      }
    });
  }
  EXPECT_EQ(refused, 6);
  while (done < 64) turn();
}

TEST_F(GroupFinderTest, NobodyIsAnsweredAfterItsEnd) {
  bool answered = false;
  {
    GroupFinder finder = make();
    finder.find({GroupName::By::path, "/a"}, [&](const auto&) { answered = true; });
    std::unique_lock lock(lock_);
    changed_.wait(lock, [this] { return !work_.empty(); });
  }
  turn();
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace headroom::runtime
