#include "sense/mounts_served.hpp"

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include <sys/vfs.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using std::chrono::milliseconds;

/// Servers that answer or do not. Its threads may outlive a test: it is shared with them.
class Servers {
 public:
  void kill(const std::string& path) {
    const std::lock_guard<std::mutex> hold(lock_);
    dead_.insert(path);
  }
  void revive() {
    const std::lock_guard<std::mutex> hold(lock_);
    dead_.clear();
    changed_.notify_all();
  }
  void fail_with(int problem) {
    const std::lock_guard<std::mutex> hold(lock_);
    problem_ = problem;
  }
  int asked() {
    const std::lock_guard<std::mutex> hold(lock_);
    return asked_;
  }
  int asked(const std::string& path) {
    const std::lock_guard<std::mutex> hold(lock_);
    return asked_of_[path];
  }
  int ask(const std::string& path, struct ::statfs& out) {
    std::unique_lock<std::mutex> hold(lock_);
    ++asked_;
    ++asked_of_[path];
    changed_.wait(hold, [&] { return dead_.count(path) == 0; });
    out.f_frsize = 4096;
    out.f_blocks = 1000;
    out.f_bfree = 500;
    out.f_bavail = 400;
    out.f_files = 50;
    out.f_ffree = 7;
    return problem_;
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::set<std::string> dead_;
  std::map<std::string, int> asked_of_;
  int problem_ = 0;
  int asked_ = 0;
};

Mount mount_of(const std::string& where) {
  return {"0:" + std::to_string(where.size()), "/", where, "nfs4", "nas:" + where, "rw"};
}

class ServedMountsTest : public testing::Test {
 protected:
  ServedMounts make(milliseconds patience) {
    return {"", patience, [servers = servers_](const std::string& path, struct ::statfs& out) {
              return servers->ask(path, out);
            }};
  }
  /// Waits until no thread is under way any more.
  static void settle(const ServedMounts& served) {
    for (int i = 0; i < 10'000 && served.asking() > 0; ++i) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    EXPECT_EQ(served.asking(), 0u);
  }
  void read(ServedMounts& served) {
    absent_.clear();
    served.read(readings_, absent_);
  }
  /// Why it has no numbers, or old ones; "" for one that answered.
  std::string reason(const std::string& mount) const {
    for (const Absence& absence : absent_) {
      if (absence.sensor == "disk " + mount) return absence.reason;
    }
    return "";
  }

  std::shared_ptr<Servers> servers_ = std::make_shared<Servers>();
  std::vector<FilesystemReading> readings_;
  std::vector<Absence> absent_;
};

constexpr milliseconds kLong{60'000};
constexpr milliseconds kShort{100};

TEST_F(ServedMountsTest, TellsWhatTheServerAnswers) {
  auto served = make(kLong);
  served.set({mount_of("/a"), mount_of("/bb")});
  read(served);
  ASSERT_EQ(readings_.size(), 2u);
  EXPECT_EQ(readings_[0].mount, "/a");
  EXPECT_EQ(readings_[0].source, "nas:/a");
  EXPECT_TRUE(readings_[0].network);
  EXPECT_FALSE(readings_[0].stale);
  EXPECT_EQ(readings_[0].total, Bytes(4096000));
  EXPECT_EQ(readings_[0].available, Bytes(1638400));
  EXPECT_EQ(readings_[0].inodes_total, 50u);
  EXPECT_EQ(readings_[0].inodes_free, 7u);
  EXPECT_TRUE(absent_.empty());
}

TEST_F(ServedMountsTest, ADeadServerKeepsItsNumbersAndIsAskedOnce) {
  auto served = make(kShort);
  served.set({mount_of("/a"), mount_of("/bb")});
  do read(served);
  while (readings_.size() < 2);  // a busy machine may need more than one round
  settle(served);
  servers_->kill("/a");
  // On a busy machine the living one may be late too: it is asked again when it has answered.
  const int before = servers_->asked("/a");
  const int living = servers_->asked("/bb");
  do read(served);
  while (servers_->asked("/bb") < living + 5 || reason("/bb") != "");
  EXPECT_LE(served.asking(), 1u);
  EXPECT_EQ(servers_->asked("/a"), before + 1);
  ASSERT_EQ(readings_.size(), 2u);
  EXPECT_TRUE(readings_[0].stale);
  EXPECT_EQ(readings_[0].total, Bytes(4096000));
  EXPECT_FALSE(readings_[1].stale);
  ASSERT_EQ(absent_.size(), 1u);
  EXPECT_NE(reason("/a").find("does not answer"), std::string::npos);
  servers_->revive();
  settle(served);
  read(served);  // the late answer
  EXPECT_FALSE(readings_[0].stale);
  EXPECT_EQ(reason("/a"), "");
}

TEST_F(ServedMountsTest, OneThatNeverAnsweredHasNoNumbers) {
  auto served = make(kShort);
  servers_->kill("/a");
  served.set({mount_of("/a")});
  read(served);
  EXPECT_TRUE(readings_.empty());
  ASSERT_EQ(absent_.size(), 1u);
  EXPECT_NE(absent_[0].fix.find("umount -l"), std::string::npos);
  servers_->revive();
  settle(served);
}

TEST_F(ServedMountsTest, NoMoreThanEightThreadsAreLeftBehind) {
  auto served = make(kShort);
  std::vector<Mount> mounts;
  for (std::size_t i = 1; i <= 12; ++i) {
    mounts.push_back(mount_of("/" + std::string(i, 'x')));
    servers_->kill(mounts.back().mount);
  }
  served.set(mounts);
  for (int i = 0; i < 3; ++i) read(served);
  EXPECT_EQ(served.asking(), ServedMounts::kMostAsking);
  EXPECT_EQ(servers_->asked(), 8);
  EXPECT_TRUE(readings_.empty());
  ASSERT_EQ(absent_.size(), 12u);
  EXPECT_NE(absent_[11].reason.find("not asked"), std::string::npos);
  servers_->revive();
  settle(served);
  do read(served);
  while (!absent_.empty());
  EXPECT_EQ(readings_.size(), 12u);
  settle(served);
}

TEST_F(ServedMountsTest, MoreThanEightLivingOnesAreAllAsked) {
  auto served = make(kLong);
  std::vector<Mount> mounts;
  for (std::size_t i = 1; i <= 30; ++i) mounts.push_back(mount_of("/" + std::string(i, 'x')));
  served.set(mounts);
  read(served);
  EXPECT_EQ(readings_.size(), 30u);
  EXPECT_TRUE(absent_.empty());
}

TEST_F(ServedMountsTest, AnErrorIsAReasonAndTakesTheNumbersAway) {
  auto served = make(kLong);
  served.set({mount_of("/a")});
  read(served);
  EXPECT_EQ(readings_.size(), 1u);
  servers_->fail_with(ESTALE);
  read(served);
  EXPECT_TRUE(readings_.empty());
  ASSERT_EQ(absent_.size(), 1u);
  EXPECT_NE(absent_[0].reason.find("Stale"), std::string::npos);
}

TEST_F(ServedMountsTest, AnInterruptEndsAReadAtOnce) {
  auto served = make(kLong);
  servers_->kill("/a");
  served.set({mount_of("/a")});
  std::thread other([&] {
    while (servers_->asked() == 0) std::this_thread::yield();
    served.interrupt();
  });
  read(served);  // would take a minute
  other.join();
  EXPECT_TRUE(readings_.empty());
  servers_->revive();
  settle(served);
}

TEST_F(ServedMountsTest, AMountThatIsGoneIsForgottenAndItsThreadLeftAlone) {
  {
    auto served = make(kShort);
    servers_->kill("/a");
    served.set({mount_of("/a"), mount_of("/bb")});
    read(served);
    served.set({mount_of("/bb")});
    do read(served);
    while (readings_.empty());
    EXPECT_EQ(readings_[0].mount, "/bb");
    EXPECT_TRUE(absent_.empty());
  }
  servers_->revive();  // the thread ends after the object that started it
}

}  // namespace
}  // namespace headroom::sense
