#include "act/groups.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "act/child_for_test.hpp"
#include "act/held_files.hpp"
#include "act/process.hpp"
#include "act/refusal.hpp"

namespace headroom::act {
namespace {

namespace fs = std::filesystem;
using namespace headroom::literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

std::string content(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Takes memory and writes to all of it.
int* take(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  std::memset(memory, 1, bytes);
  return static_cast<int*>(memory);
}

/// On the kernel of this machine, in groups of our own, whatever tier that gives.
class RealGroups : public testing::Test {
 protected:
  RealGroups() {
    static int count = 0;
    config_.name = "headroom-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    groups_ = std::make_unique<Groups>(Groups::probe(config_));
  }
  void SetUp() override {
    RecordProperty("tier", to_string(groups_->tier()));
    if (groups_->tier() == Tier::none) {
      GTEST_SKIP() << "no control groups here: " << testing::PrintToString(groups_->reasons());
    }
  }
  void TearDown() override {
    for (const auto& group : groups_->leftovers()) (void)groups_->remove(group);
    const std::string parent = groups_->jobs_memory_group();
    groups_.reset();
    EXPECT_FALSE(!parent.empty() && fs::exists(parent)) << parent << " is left behind";
  }
  bool v2() const { return groups_->tier() == Tier::v2; }

  GroupsConfig config_;
  std::unique_ptr<Groups> groups_;
};

TEST_F(RealGroups, MakesTheGroupsOfALeaseOnce) {
  const auto group = groups_->make(73, 1000);
  ASSERT_TRUE(group) << sentence(group.error());
  for (const auto& folder : {group->memory, group->cpu, group->unified}) {
    if (!folder.empty()) {
      EXPECT_TRUE(fs::is_directory(folder)) << folder;
      EXPECT_EQ(fs::path(folder).filename(), "lease-73");
    }
  }
  EXPECT_EQ(fs::path(group->memory).parent_path(), groups_->jobs_memory_group());
  EXPECT_EQ(group->v2, v2());
  EXPECT_EQ(groups_->make(73, 1000), group);
  EXPECT_EQ(Groups::lease_of(*group), LeaseId{73});
}

TEST_F(RealGroups, TheParentLiesBelowOurOwnGroup) {
  // A container's limit on us must hold for the jobs too, whatever part of the tree is mounted.
  if (v2()) GTEST_SKIP() << "with v2 we may have moved into a leaf beside the jobs";
  const std::string own = fs::path(groups_->jobs_memory_group()).parent_path();
  EXPECT_THAT(content(own + "/cgroup.procs"), HasSubstr(std::to_string(::getpid()) + "\n"));
}

TEST_F(RealGroups, PlacesAProcessInEveryHierarchy) {
  const auto group = *groups_->make(1, 0);
  Child child;
  const auto placed = groups_->place(group, child.pid());
  ASSERT_TRUE(placed) << sentence(placed.error());
  const std::string memberships = content("/proc/" + std::to_string(child.pid()) + "/cgroup");
  const auto lines = parse_memberships(memberships);
  if (!v2()) {
    EXPECT_THAT(*path_in({"/", "", false, {"memory"}}, lines), HasSubstr("/lease-1"));
    EXPECT_THAT(*path_in({"/", "", false, {"cpu"}}, lines), HasSubstr("/lease-1"));
  }
  if (!group.unified.empty()) {
    EXPECT_THAT(*path_in({"/", "", true, {}}, lines), HasSubstr("/lease-1"));
  }
  EXPECT_THAT(groups_->members(group), UnorderedElementsAre(child.pid()));
  EXPECT_EQ(groups_->look(group)->processes, 1);
}

TEST_F(RealGroups, DoesNotPlaceWhatIsNoJobOrHasEnded) {
  const auto group = *groups_->make(1, 0);
  for (const pid_t pid : {-1, 0, 1, ::getpid()}) {
    EXPECT_EQ(groups_->place(group, pid).error().kind, ErrorKind::invalid_request) << pid;
  }
  Child child;
  child.wait_killed();
  EXPECT_EQ(groups_->place(group, child.pid()).error().kind, ErrorKind::not_found);
}

TEST_F(RealGroups, FencesAndTakesTheFenceAway) {
  const auto group = *groups_->make(1, 0);
  const std::string file = group.memory + (v2() ? "/memory.high" : "/memory.limit_in_bytes");
  const std::string before = content(file);
  const auto set = groups_->fence(group, 64_MiB);
  ASSERT_TRUE(set) << sentence(set.error());
  const Bytes stands = v2() ? 64_MiB : groups_->backstop(64_MiB);
  EXPECT_EQ(content(file), std::to_string(stands.count()) + "\n");
  ASSERT_TRUE(groups_->fence(group, Bytes(0)));
  EXPECT_EQ(content(file), before);
  if (!v2()) {
    EXPECT_THAT(content(group.memory + "/memory.oom_control"), HasSubstr("kill_disable 0"));
  }
}

TEST_F(RealGroups, LimitsAndLiftsTheLimits) {
  const auto group = *groups_->make(1, 0);
  if (!v2()) {
    ASSERT_TRUE(write_small(group.cpu + "/cpu.cfs_period_us", "50000"));  // as a job might
  }
  const auto set = groups_->limit(group, 64_MiB, Cores(1500));
  ASSERT_TRUE(set) << sentence(set.error());
  const std::string memory = group.memory + (v2() ? "/memory.max" : "/memory.limit_in_bytes");
  const std::string cpu = group.cpu + (v2() ? "/cpu.max" : "/cpu.cfs_quota_us");
  EXPECT_EQ(content(memory), "67108864\n");
  EXPECT_EQ(content(cpu), v2() ? "150000 100000\n" : "150000\n");
  if (!v2()) {
    EXPECT_EQ(content(group.cpu + "/cpu.cfs_period_us"), "100000\n");
  }
  if (v2()) {
    EXPECT_EQ(content(group.memory + "/memory.oom.group"), "1\n");
  }
  ASSERT_TRUE(groups_->limit(group, 64_MiB, Cores(1)));  // less than the kernel's least
  EXPECT_EQ(content(cpu), v2() ? "1000 100000\n" : "1000\n");
  ASSERT_TRUE(groups_->limit(group, {}, {}));
  EXPECT_EQ(content(cpu), v2() ? "max 100000\n" : "-1\n");
  if (v2()) {
    EXPECT_EQ(content(memory), "max\n");
  }
  if (!v2()) {
    EXPECT_GT(parse_amount(content(memory))->count(), 1LL << 50);
  }
  EXPECT_EQ(groups_->limit(group, Bytes(0), {}).error().kind, ErrorKind::invalid_request);
  EXPECT_EQ(groups_->limit(group, {}, Cores(-5)).error().kind, ErrorKind::invalid_request);
}

TEST_F(RealGroups, CountsADeathAtTheLimit) {
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->limit(group, 48_MiB, {}));
  Child child([] { return take(256 << 20) != nullptr ? 0 : 1; });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  const int status = child.wait();
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  const auto left = groups_->look(group);
  ASSERT_TRUE(left);
  EXPECT_GE(left->oom_kills, 1u);
  EXPECT_EQ(left->processes, 0);
  if (left->memory_peak) {
    EXPECT_LE(*left->memory_peak, 48_MiB);
    EXPECT_GE(*left->memory_peak, 40_MiB);
  }
}

TEST_F(RealGroups, ALimitCarriesNoDeathIntoTheSiblings) {
  const auto small = *groups_->make(1, 0);
  const auto other = *groups_->make(2, 0);
  ASSERT_TRUE(groups_->limit(small, 48_MiB, {}));
  Child grower([] { return take(256 << 20) != nullptr ? 0 : 1; });
  Child quiet([] { return take(8 << 20) != nullptr ? 7 : 1; });
  ASSERT_TRUE(groups_->place(small, grower.pid()));
  ASSERT_TRUE(groups_->place(other, quiet.pid()));
  grower.go();
  grower.wait();
  quiet.go();
  EXPECT_EQ(WEXITSTATUS(quiet.wait()), 7);
  EXPECT_EQ(groups_->look(other)->oom_kills, 0u);
}

TEST_F(RealGroups, ReadsWhatIsChargedAndThePeak) {
  const auto group = *groups_->make(1, 0);
  Child child([] {
    int* memory = take(32 << 20);
    ::raise(SIGSTOP);
    return memory != nullptr ? 0 : 1;
  });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  ASSERT_TRUE(child.wait_stopped());
  const auto left = groups_->look(group);
  ASSERT_TRUE(left && left->memory);
  EXPECT_GE(*left->memory, 32_MiB);
  EXPECT_LE(*left->memory, 64_MiB);
  if (left->memory_peak) {
    EXPECT_GE(*left->memory_peak, 32_MiB);
  }
}

TEST_F(RealGroups, ALimitBelowWhatIsUsedIsRefusedOnV1AndEndsTheJobOnV2) {
  const auto group = *groups_->make(1, 0);
  Child child([] {
    int* memory = take(64 << 20);
    ::raise(SIGSTOP);
    return memory != nullptr ? 0 : 1;
  });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  ASSERT_TRUE(child.wait_stopped());
  const auto lowered = groups_->limit(group, 16_MiB, {});
  if (v2()) {
    EXPECT_EQ(WTERMSIG(child.wait()), SIGKILL);
    EXPECT_GE(groups_->look(group)->oom_kills, 1u);
  } else {
    ASSERT_FALSE(lowered);
    EXPECT_EQ(lowered.error().kind, ErrorKind::conflict);
    EXPECT_TRUE(watch(*identify(child.pid()))->alive());
  }
}

TEST_F(RealGroups, TouchesOfTheFenceAreCountedOnV2) {
  if (!v2()) GTEST_SKIP() << "v1 does not count them";
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->fence(group, 16_MiB));
  Child child([] { return take(18 << 20) != nullptr ? 0 : 1; });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  EXPECT_EQ(child.wait(), 0) << "a fence slows, it does not end";
  EXPECT_GT(groups_->look(group)->high_events, 0u);
}

/// Waits for something that the kernel does soon, for at most 20 s.
template <class Condition>
bool soon(const Condition& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::usleep(1000);
  }
  return true;
}

/// Takes memory MiB by MiB until it is ended, and tells how much through a page that both see.
struct Grower {
  static constexpr int kMostTaken = 1024;  // MiB: whatever goes wrong
  Grower()
      : taken(static_cast<std::atomic<int>*>(
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
        child([this] {
          while (taken->load() < kMostTaken && take(1 << 20) != nullptr) taken->fetch_add(1);
          ::pause();
          return 1;
        }) {}
  ~Grower() {
    child.wait_killed();
    ::munmap(taken, 4096);
  }
  std::atomic<int>* taken;  // MiB
  Child child;
};

// On a machine of 256 MiB one with eight children went 64 MiB beyond a fence of 62, and the kernel
// ended somebody within his booking.
TEST(Backstop, IsAsMuchBeyondTheFenceAsTheMachineCanSpare) {
  EXPECT_EQ(Groups::backstop(62_MiB, 256_MiB), 70_MiB);
  EXPECT_EQ(Groups::backstop(200_MiB, 256_MiB), 216_MiB);
  EXPECT_EQ(Groups::backstop(62_MiB, 24_GiB), 126_MiB);
  EXPECT_EQ(Groups::backstop(8_GiB, 24_GiB), 9_GiB);
  EXPECT_EQ(Groups::backstop(96_GiB, 128_GiB), 104_GiB);
  for (const Bytes machine : {256_MiB, 24_GiB, 128_GiB}) {
    for (Bytes at = 16_MiB; at <= machine; at += Bytes(at.count() / 3 / 4096 * 4096)) {
      const Bytes back = Groups::fence_before(Groups::backstop(at, machine), machine);
      EXPECT_LE(back, at) << at.count();
      EXPECT_GE(back, at - 16_B) << at.count();
    }
  }
}

TEST_F(RealGroups, AJobThatOutgrowsItsFenceIsStoppedThereAndGoesOnWhenItIsRaised) {
  const auto group = *groups_->make(1, 0);
  if (v2()) GTEST_SKIP() << "v2 slows it instead: see TouchesOfTheFenceAreCountedOnV2";
  ASSERT_EQ(groups_->fence(group, 16_MiB), 16_MiB);
  Grower grower;
  ASSERT_TRUE(groups_->place(group, grower.child.pid()));
  grower.child.go();
  const auto stopped = [&] {
    return content(group.memory + "/memory.oom_control").find("under_oom 1") != std::string::npos;
  };
  ASSERT_TRUE(soon(stopped));
  const std::int64_t backstop = groups_->backstop(16_MiB).count() >> 20;
  EXPECT_LE(grower.taken->load(), backstop);
  EXPECT_GE(grower.taken->load(), backstop / 2);
  EXPECT_EQ(groups_->look(group)->oom_kills, 0u) << "nothing dies at a fence";
  ASSERT_TRUE(groups_->fence(group, 128_MiB));
  EXPECT_TRUE(soon([&] { return grower.taken->load() > 128; })) << "it goes on";
  ASSERT_TRUE(soon(stopped));
  EXPECT_TRUE(watch(*identify(grower.child.pid()))->alive());
}

TEST_F(RealGroups, AFenceNeverGoesBelowWhatIsTaken) {
  const auto group = *groups_->make(1, 0);
  Child child([] {
    if (take(64 << 20) == nullptr) return 1;
    ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  ASSERT_TRUE(soon([&] { return groups_->look(group)->memory.value_or(Bytes()) > 64_MiB; }));
  const auto stands = groups_->fence(group, 1_MiB);
  ASSERT_TRUE(stands) << sentence(stands.error());
  EXPECT_GT(*stands, 64_MiB);
  EXPECT_LT(*stands, 80_MiB);
}

// What is charged holds the cache of files and fills a group up to its fence. A fence that was to
// come down went up by a fiftieth each time.
TEST_F(RealGroups, AFenceThatCannotComeDownStaysWhereItIs) {
  const auto group = *groups_->make(1, 0);
  Child child([] {
    if (take(64 << 20) == nullptr) return 1;
    ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  ASSERT_TRUE(soon([&] { return groups_->look(group)->memory.value_or(Bytes()) > 64_MiB; }));
  const Bytes stood = groups_->look(group)->memory.value() + 1_MiB;
  ASSERT_EQ(groups_->fence(group, stood), stood);
  for (int i = 0; i < 5; ++i) {
    const auto stands = groups_->fence(group, 8_MiB);
    ASSERT_TRUE(stands) << sentence(stands.error());
    EXPECT_LE(*stands, stood);
    EXPECT_GE(*stands, stood - 64_KiB);
  }
  EXPECT_EQ(groups_->fence(group, 80_MiB), 80_MiB) << "up it goes as far as is said";
}

TEST_F(RealGroups, ALimitIsMovedAndNeverBelowWhatIsTaken) {
  const auto group = *groups_->make(1, 0);
  Child child([] {
    if (take(64 << 20) == nullptr) return 1;
    ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->limit(group, 128_MiB, {}));
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  ASSERT_TRUE(soon([&] { return groups_->look(group)->memory.value_or(Bytes()) > 64_MiB; }));
  const std::string file = group.memory + (v2() ? "/memory.max" : "/memory.limit_in_bytes");
  EXPECT_EQ(groups_->limit_memory(group, 256_MiB), 256_MiB);
  EXPECT_EQ(content(file), "268435456\n");
  const auto stands = groups_->limit_memory(group, 16_MiB);
  ASSERT_TRUE(stands) << sentence(stands.error());
  EXPECT_GT(*stands, 64_MiB);
  EXPECT_LT(*stands, 80_MiB);
  EXPECT_TRUE(watch(*identify(child.pid()))->alive());
  EXPECT_EQ(groups_->limit_memory(group, {}), Bytes());
  EXPECT_NE(content(file).substr(0, 2), "26");
  EXPECT_EQ(groups_->limit_memory(group, Bytes()).error().kind, ErrorKind::invalid_request);
}

TEST_F(RealGroups, AHardLimitStaysOneWhateverItsFenceDoes) {
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->fence(group, 32_MiB));
  ASSERT_TRUE(groups_->limit(group, 32_MiB, {}));
  ASSERT_TRUE(groups_->fence(group, 256_MiB)) << "as a raised fence would";
  Child child([] { return take(128 << 20) != nullptr ? 0 : 1; });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  EXPECT_EQ(WTERMSIG(child.wait()), SIGKILL);
  EXPECT_GE(groups_->look(group)->oom_kills, 1u);
  ASSERT_TRUE(Groups::let_go(group));
  const char* limit = v2() ? "/memory.max" : "/memory.limit_in_bytes";
  EXPECT_EQ(content(group.memory + limit), "33554432\n") << "somebody asked for that";
}

TEST_F(RealGroups, ALimitThatAnotherHasPutInPlaceOfAFenceStays) {
  const auto group = *groups_->make(1, 0);
  if (v2()) GTEST_SKIP() << "there a fence and a limit are two files";
  ASSERT_TRUE(groups_->fence(group, 32_MiB));
  ASSERT_TRUE(write_small(group.memory + "/memory.limit_in_bytes", "50331648"));
  ASSERT_TRUE(write_small(group.memory + "/memory.oom_control", "0"));
  ASSERT_TRUE(groups_->fence(group, 256_MiB));
  EXPECT_EQ(content(group.memory + "/memory.limit_in_bytes"), "50331648\n");
  EXPECT_EQ(content(group.memory + "/memory.soft_limit_in_bytes"), "268435456\n");
}

TEST_F(RealGroups, FreezesAndThawsAndEndsWhatIsFrozen) {
  const auto group = *groups_->make(1, 0);
  if (group.unified.empty()) GTEST_SKIP() << "no cgroup2 hierarchy";
  Grower grower;
  ASSERT_TRUE(groups_->place(group, grower.child.pid()));
  ASSERT_TRUE(groups_->fence(group, 256_MiB));  // what it takes at most here
  grower.child.go();
  ASSERT_TRUE(soon([&] { return grower.taken->load() > 2; }));
  ASSERT_TRUE(groups_->freeze(group, true));
  ASSERT_TRUE(soon([&] { return groups_->is_frozen(group) == true; }));
  const int then = grower.taken->load();
  ::usleep(20'000);
  EXPECT_EQ(grower.taken->load(), then);
  ASSERT_TRUE(groups_->freeze(group, false));
  EXPECT_TRUE(soon([&] { return grower.taken->load() > then || then >= 256; }));
  ASSERT_TRUE(groups_->freeze(group, true));
  grower.child.wait_killed();  // returns: a frozen process can be ended
  EXPECT_TRUE(soon([&] { return groups_->remove(group) == true; }));
}

TEST_F(RealGroups, WhoIsAskedToEndMayDoSoInItsOwnWay) {
  const auto group = *groups_->make(1, 0);
  Child polite([] {
    static volatile std::sig_atomic_t told = 0;
    ::signal(SIGTERM, [](int) { told = 1; });
    ::raise(SIGSTOP);
    while (told == 0) ::usleep(1000);
    return 7;
  });
  Child other([] {
    ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, polite.pid()));
  ASSERT_TRUE(groups_->place(group, other.pid()));
  polite.go();
  other.go();
  ASSERT_TRUE(polite.wait_stopped());
  ::kill(polite.pid(), SIGCONT);
  EXPECT_EQ(groups_->end(group, false), 2);
  EXPECT_EQ(WEXITSTATUS(polite.wait()), 7) << "it had time to save what it had";
  EXPECT_EQ(WTERMSIG(other.wait()), SIGTERM);
  EXPECT_TRUE(soon([&] { return groups_->remove(group) == true; }));
  EXPECT_EQ(groups_->end(group, false).error().kind, ErrorKind::not_found);
}

TEST_F(RealGroups, EndingHardEndsWhatIsFrozenAndWhatDoesNotListen) {
  const auto group = *groups_->make(1, 0);
  Child deaf([] {
    ::signal(SIGTERM, SIG_IGN);
    const pid_t grandchild = ::fork();
    ::raise(grandchild == 0 ? SIGCONT : SIGSTOP);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, deaf.pid()));
  deaf.go();
  ASSERT_TRUE(deaf.wait_stopped());
  ASSERT_TRUE(soon([&] { return groups_->members(group).size() == 2; }));
  if (!group.unified.empty()) {
    ASSERT_TRUE(groups_->freeze(group, true));
    ASSERT_TRUE(soon([&] { return groups_->is_frozen(group) == true; }));
  }
  EXPECT_EQ(groups_->end(group, false), 2);
  EXPECT_EQ(groups_->members(group).size(), 2u) << "it stands still, and does not listen";
  EXPECT_EQ(groups_->end(group, true), 2);
  EXPECT_EQ(WTERMSIG(deaf.wait()), SIGKILL);
  EXPECT_TRUE(soon([&] { return groups_->remove(group) == true; }));
}

TEST_F(RealGroups, WithoutCgroup2TheyAreEndedOneAfterTheOther) {
  Group group = *groups_->make(1, 0);
  if (v2()) GTEST_SKIP() << "there is nothing but cgroup2";
  Child one([] {
    ::signal(SIGTERM, SIG_IGN);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, one.pid()));
  one.go();
  Group blind = group;
  blind.unified.clear();
  EXPECT_EQ(groups_->end(blind, true), 1);
  EXPECT_EQ(WTERMSIG(one.wait()), SIGKILL);
  EXPECT_TRUE(soon([&] { return groups_->remove(group) == true; }));
}

TEST_F(RealGroups, LettingGoThawsAndTakesTheFenceAway) {
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->fence(group, 16_MiB));
  Grower grower;
  ASSERT_TRUE(groups_->place(group, grower.child.pid()));
  if (!group.unified.empty()) {
    ASSERT_TRUE(groups_->freeze(group, true));
  }
  grower.child.go();
  ASSERT_TRUE(Groups::let_go(group));
  EXPECT_TRUE(soon([&] { return grower.taken->load() > 256; })) << "nothing holds it any more";
  grower.child.wait_killed();
  Group foreign = group;
  foreign.memory = fs::path(groups_->jobs_memory_group()).parent_path().string() + "/lease-5";
  EXPECT_EQ(Groups::let_go(foreign).error().kind, ErrorKind::not_allowed);
}

TEST_F(RealGroups, GivesAJobLessOfTheProcessorsAndAllOfItsShareAgain) {
  const auto group = *groups_->make(1, 0);
  if (group.cpu.empty()) GTEST_SKIP() << "no cpu controller";
  const std::string file = group.cpu + (v2() ? "/cpu.weight" : "/cpu.shares");
  const std::string whole = content(file);
  ASSERT_TRUE(groups_->weigh(group, 50));
  EXPECT_EQ(2 * std::stoi(content(file)), std::stoi(whole));
  EXPECT_EQ(groups_->weigh(group, 0).error().kind, ErrorKind::invalid_request);
  EXPECT_EQ(groups_->weigh(group, 101).error().kind, ErrorKind::invalid_request);
  ASSERT_TRUE(groups_->weigh(group, 100));
  EXPECT_EQ(content(file), whole);
  ASSERT_TRUE(groups_->weigh(group, 50));
  ASSERT_TRUE(Groups::let_go(group));
  EXPECT_EQ(content(file), whole) << "as after the death of the daemon";
}

/// On the kernel of this machine, as if it had no cgroup2.
class WithoutCgroup2 : public RealGroups {
 protected:
  WithoutCgroup2() {
    std::string pattern = fs::temp_directory_path() / "headroom-v1-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    config_.root = pattern;
    fs::create_directories(pattern + "/proc/self");
    fs::create_directories(pattern + "/sys/fs");
    fs::create_directory_symlink("/sys/fs/cgroup", pattern + "/sys/fs/cgroup");
    std::istringstream mounts(content("/proc/self/mountinfo"));
    std::ofstream v1(pattern + "/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
      if (line.find(" - cgroup2 ") == std::string::npos) v1 << line << '\n';
    }
    std::ofstream(pattern + "/proc/self/cgroup") << content("/proc/self/cgroup");
    v1.close();
    groups_.reset();  // or it would remove the parents under the other
    groups_ = std::make_unique<Groups>(Groups::probe(config_));
  }
  void SetUp() override {
    if (groups_->tier() == Tier::none) GTEST_SKIP() << "no v1 controllers here";
    ASSERT_EQ(groups_->tier(), Tier::v1);
  }
  ~WithoutCgroup2() override { fs::remove_all(config_.root); }
};

TEST_F(WithoutCgroup2, V1sFreezerStopsAJobAndLetsItGo) {
  const auto group = *groups_->make(1, 0);
  if (group.unified.empty()) GTEST_SKIP() << "no v1 freezer here";
  Grower grower;
  ASSERT_TRUE(groups_->place(group, grower.child.pid()));
  ASSERT_TRUE(groups_->fence(group, 256_MiB));
  grower.child.go();
  ASSERT_TRUE(soon([&] { return grower.taken->load() > 2; }));
  ASSERT_TRUE(groups_->freeze(group, true));
  ASSERT_TRUE(soon([&] { return groups_->is_frozen(group) == true; }));
  const int then = grower.taken->load();
  ::usleep(20'000);
  EXPECT_EQ(grower.taken->load(), then);
  ASSERT_TRUE(groups_->freeze(group, false));
  EXPECT_TRUE(soon([&] { return grower.taken->load() > then || then >= 256; }));
  ASSERT_TRUE(groups_->freeze(group, true));
  ASSERT_TRUE(Groups::let_go(group));
  EXPECT_EQ(groups_->is_frozen(group), false) << "as after the death of the daemon";
}

TEST_F(WithoutCgroup2, WhoStandsStillInV1sFreezerCanBeEnded) {
  const auto group = *groups_->make(1, 0);
  if (group.unified.empty()) GTEST_SKIP() << "no v1 freezer here";
  Child deaf([] {
    ::signal(SIGTERM, SIG_IGN);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, deaf.pid()));
  deaf.go();
  ASSERT_TRUE(groups_->freeze(group, true));
  ASSERT_TRUE(soon([&] { return groups_->is_frozen(group) == true; }));
  EXPECT_EQ(groups_->end(group, true), 1);
  EXPECT_EQ(WTERMSIG(deaf.wait()), SIGKILL);
  EXPECT_TRUE(soon([&] { return groups_->remove(group) == true; }));
}

TEST_F(RealGroups, DoesNotRemoveWhatIsInUseAndEndsNothing) {
  const auto group = *groups_->make(1, 0);
  Child child;
  ASSERT_TRUE(groups_->place(group, child.pid()));
  EXPECT_EQ(groups_->remove(group), false);
  EXPECT_TRUE(watch(*identify(child.pid()))->alive());
  EXPECT_TRUE(fs::exists(group.memory));
  child.wait_killed();
  EXPECT_EQ(groups_->remove(group), true);
  for (const auto& folder : {group.memory, group.cpu, group.unified})
    EXPECT_FALSE(fs::exists(folder));
  EXPECT_EQ(groups_->remove(group), true) << "gone is gone";
  EXPECT_EQ(groups_->look(group).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->fence(group, 1_MiB).error().kind, ErrorKind::not_found);
  const auto again = groups_->make(1, 0);
  ASSERT_TRUE(again);
  EXPECT_TRUE(fs::exists(again->memory));
}

TEST_F(RealGroups, RemovesRightAfterTheEndOfAJobMoreThanOnce) {
  for (LeaseId id = 1; id <= 20; ++id) {
    const auto group = *groups_->make(id, 0);
    Child child;
    ASSERT_TRUE(groups_->place(group, child.pid()));
    child.wait_killed();
    EXPECT_EQ(groups_->remove(group), true) << id;
  }
}

TEST_F(RealGroups, SeesAWholeTreeOfProcessesAndGroups) {
  const auto group = *groups_->make(1, 0);
  Child first;
  Child second;
  ASSERT_TRUE(groups_->place(group, first.pid()));
  ASSERT_TRUE(groups_->place(group, second.pid()));
  // A job that may do so makes groups below its own.
  const std::string base = group.memory.empty() ? group.unified : group.memory;
  fs::create_directories(base + "/a/b");
  ASSERT_TRUE(write_small(base + "/a/b/cgroup.procs", std::to_string(second.pid())));
  EXPECT_THAT(groups_->members(group), UnorderedElementsAre(first.pid(), second.pid()));
  EXPECT_EQ(groups_->look(group)->processes, 2);
  first.wait_killed();
  EXPECT_EQ(groups_->remove(group), false);
  second.wait_killed();
  EXPECT_EQ(groups_->remove(group), true);
}

TEST_F(RealGroups, ChildrenOfAJobStayInItsGroup) {
  const auto group = *groups_->make(1, 0);
  Child child([] {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::pause();
      ::_exit(0);
    }
    ::raise(SIGSTOP);
    ::kill(grandchild, SIGKILL);
    ::waitpid(grandchild, nullptr, 0);
    return 0;
  });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  ASSERT_TRUE(child.wait_stopped());
  EXPECT_EQ(groups_->members(group).size(), 2u);
  ::kill(child.pid(), SIGCONT);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(RealGroups, FindsItsGroupsAgainAfterARestart) {
  const auto group = *groups_->make(7, 0);
  const auto empty = *groups_->make(8, 0);
  Child child;
  ASSERT_TRUE(groups_->place(group, child.pid()));
  groups_.reset();  // the daemon ends; the job goes on
  EXPECT_TRUE(fs::exists(group.memory));

  groups_ = std::make_unique<Groups>(Groups::probe(config_));
  EXPECT_THAT(groups_->leftovers(), UnorderedElementsAre(group, empty));
  EXPECT_EQ(groups_->look(group)->processes, 1);
  const auto fresh = groups_->make(7, 0);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fs::path(fresh->memory).filename(), "lease-7.2") << "not into another life's group";
  EXPECT_EQ(Groups::lease_of(*fresh), LeaseId{7});
  const auto reused = groups_->make(8, 0);
  ASSERT_TRUE(reused);
  EXPECT_EQ(*reused, empty) << "an empty one makes way";
  child.wait_killed();
  EXPECT_EQ(groups_->remove(group), true);
}

TEST_F(RealGroups, CountersBeginAtNothingInAReusedName) {
  const auto group = *groups_->make(7, 0);
  ASSERT_TRUE(groups_->limit(group, 32_MiB, {}));
  Child child([] { return take(128 << 20) != nullptr ? 0 : 1; });
  ASSERT_TRUE(groups_->place(group, child.pid()));
  child.go();
  child.wait();
  groups_.reset();
  groups_ = std::make_unique<Groups>(Groups::probe(config_));
  const auto again = *groups_->make(7, 0);
  EXPECT_EQ(groups_->look(again)->oom_kills, 0u);
}

TEST_F(RealGroups, LeavesForeignGroupsAlone) {
  const std::string parent = groups_->jobs_memory_group();
  const std::string foreign = fs::path(parent).parent_path().string() + "/lease-5";
  Group theirs;
  theirs.memory = foreign;
  theirs.v2 = v2();
  fs::create_directory(foreign);
  EXPECT_EQ(groups_->fence(theirs, 1_MiB).error().kind, ErrorKind::not_allowed);
  EXPECT_EQ(groups_->limit(theirs, 1_MiB, {}).error().kind, ErrorKind::not_allowed);
  EXPECT_EQ(groups_->remove(theirs).error().kind, ErrorKind::not_allowed);
  EXPECT_EQ(groups_->look(theirs).error().kind, ErrorKind::not_allowed);
  EXPECT_THAT(groups_->members(theirs), IsEmpty());
  EXPECT_TRUE(fs::exists(foreign));
  fs::remove(foreign);
  Group itself;
  itself.memory = parent;
  EXPECT_EQ(groups_->remove(itself).error().kind, ErrorKind::not_allowed);
  itself.memory = parent + "/lease-5/..";
  EXPECT_EQ(groups_->remove(itself).error().kind, ErrorKind::not_allowed);
}

TEST_F(RealGroups, AForeignGroupOfTheParentsNameIsNotTaken) {
  const std::string own = fs::path(groups_->jobs_memory_group()).parent_path();
  GroupsConfig config = config_;
  config.name += "-x";
  config.systemd_allowed = false;
  if (!groups_->make(1, 0)->scope.empty()) GTEST_SKIP() << "the scope is ours alone";
  fs::create_directory(own + "/" + config.name);  // without our mark
  {
    Groups other = Groups::probe(config);
    EXPECT_EQ(other.jobs_memory_group(), own + "/" + config.name + "-2");
  }
  EXPECT_TRUE(fs::exists(own + "/" + config.name));
  fs::remove(own + "/" + config.name);
}

TEST_F(RealGroups, AGroupMadeAnewUnderTheSameNameIsNotTheLeases) {
  const auto group = *groups_->make(1, 0);
  // What is held open of it is of no use then.
  if (!group.memory.empty()) ASSERT_TRUE(groups_->fence(group, 64_MiB));
  if (!group.cpu.empty()) ASSERT_TRUE(groups_->limit_cpu(group, Cores(1000)));
  if (!group.unified.empty()) ASSERT_TRUE(groups_->freeze(group, false));
  std::vector<std::string> folders;
  for (const auto& folder : {group.memory, group.cpu, group.unified}) {
    if (!folder.empty() && ::rmdir(folder.c_str()) == 0) folders.push_back(folder);
  }
  ASSERT_FALSE(folders.empty());
  for (const auto& folder : folders) ASSERT_EQ(::mkdir(folder.c_str(), 0755), 0);
  Child child;
  EXPECT_EQ(groups_->place(group, child.pid()).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->fence(group, 1_MiB).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->limit(group, 1_MiB, Cores(1000)).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->freeze(group, true).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->look(group).error().kind, ErrorKind::not_found);
  EXPECT_EQ(Groups::let_go(group).error().kind, ErrorKind::not_found);
  EXPECT_THAT(groups_->freeze(group, true).error().why, HasSubstr("another one of that name"));
  EXPECT_THAT(groups_->members(group), IsEmpty());
  EXPECT_EQ(groups_->remove(group), true) << "the lease's own is gone";
  for (const auto& folder : folders) {
    EXPECT_TRUE(fs::exists(folder)) << "and the other one stays";
    ::rmdir(folder.c_str());
  }
}

TEST_F(RealGroups, HeadroomItselfAndWhoStartedItAreNeverStopped) {
  const auto group = *groups_->make(1, 0);
  if (group.unified.empty()) GTEST_SKIP() << "no cgroup2 hierarchy";
  // The child is the daemon, we are who started it.
  Child daemon([&] {
    const std::string procs = group.unified + "/cgroup.procs";
    const Groups own = Groups::probe({"/", config_.name + "-own", false});
    const pid_t starter = ::getppid();
    const auto mounts = parse_mounts(content("/proc/self/mountinfo"));
    const auto mount = std::ranges::find_if(mounts, [&](const Mount& one) {
      return one.v2 && group.unified.starts_with(one.point + "/");
    });
    if (mount == mounts.end()) return 7;
    const auto refused = own.place(group, starter);
    if (refused || refused.error().kind != ErrorKind::not_allowed) return 1;
    // Somebody else may still move us there.
    for (const pid_t who : {::getpid(), starter}) {
      const auto text = read_small("/proc/" + std::to_string(who) + "/cgroup");
      const auto path =
          text ? path_in({"/", "", true, {}}, parse_memberships(*text)) : std::nullopt;
      if (!path || !write_small(procs, std::to_string(who))) return 2;
      const auto frozen = own.freeze(group, true);
      if (frozen) (void)own.freeze(group, false);
      const auto ended = own.end(group, false);
      const auto back = directory_of(*mount, *path);
      if (!back || !write_small(*back + "/cgroup.procs", std::to_string(who))) return 3;
      if (frozen || frozen.error().kind != ErrorKind::not_allowed) return 4;
      if (frozen.error().why.find(std::to_string(who)) == std::string::npos) return 5;
      if (ended || ended.error().kind != ErrorKind::not_allowed) return 8;
    }
    return own.freeze(group, true) && own.freeze(group, false) ? 0 : 6;
  });
  daemon.go();
  EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(RealGroups, AFenceOnOneLeaseLeavesItsNeighboursAlone) {
  const auto tight = *groups_->make(1, 0);
  const auto other = *groups_->make(2, 0);
  ASSERT_TRUE(groups_->fence(tight, 16_MiB));
  Grower grower;
  ASSERT_TRUE(groups_->place(tight, grower.child.pid()));
  grower.child.go();
  const auto at_its_fence = [&] {
    return v2() ? groups_->look(tight)->high_events > 0
                : content(tight.memory + "/memory.oom_control").find("under_oom 1") !=
                      std::string::npos;
  };
  ASSERT_TRUE(soon(at_its_fence));
  const int then = grower.taken->load();
  Child neighbour([] { return take(128 << 20) != nullptr ? 7 : 1; });
  ASSERT_TRUE(groups_->place(other, neighbour.pid()));
  neighbour.go();
  EXPECT_EQ(WEXITSTATUS(neighbour.wait()), 7);
  if (v2()) {
    EXPECT_EQ(groups_->look(other)->high_events, 0u);
    EXPECT_EQ(content(groups_->jobs_memory_group() + "/memory.high"), "max\n")
        << "a fence on many is a fence on the innocent";
  } else {
    EXPECT_EQ(content(other.memory + "/memory.failcnt"), "0\n");
    EXPECT_GT(
        parse_amount(content(groups_->jobs_memory_group() + "/memory.limit_in_bytes"))->count(),
        1LL << 50);
    EXPECT_EQ(grower.taken->load(), then);
  }
}

TEST_F(RealGroups, OneThatSleepsInThePenaltyOfItsFenceStopsWhenItWakes) {
  if (!v2()) GTEST_SKIP() << "v1 has no such penalty";
  const auto group = *groups_->make(1, 0);
  ASSERT_TRUE(groups_->fence(group, 16_MiB));
  Grower grower;
  ASSERT_TRUE(groups_->place(group, grower.child.pid()));
  grower.child.go();
  // By then one more MiB costs it about two seconds.
  ASSERT_TRUE(soon([&] { return groups_->look(group)->memory.value_or(Bytes()) > 18_MiB; }));
  ASSERT_TRUE(groups_->freeze(group, true)) << "does not wait for that";
  ASSERT_TRUE(soon([&] { return groups_->is_frozen(group) == true; }));
  const int then = grower.taken->load();
  ::usleep(50'000);
  EXPECT_EQ(grower.taken->load(), then);
  ASSERT_TRUE(groups_->freeze(group, false));
}

TEST_F(RealGroups, AGroupWithoutFoldersIsNoGroup) {
  EXPECT_EQ(groups_->place({}, 4711).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->fence({}, 1_MiB).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->look({}).error().kind, ErrorKind::not_found);
  EXPECT_EQ(groups_->remove({}), true);
  EXPECT_FALSE(Groups::lease_of({}));
}

TEST(Groups, WithoutRightsThereAreReasonsAndNoGroup) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become nobody";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Child child([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    Groups groups = Groups::probe({"/", "headroom-test-nobody", true});
    const auto made = groups.make(1, 65534);
    std::string said =
        std::string(to_string(groups.tier())) + "|" + groups.jobs_memory_group() + "|";
    for (const auto& reason : groups.reasons()) said += reason + "\n";
    if (made || made.error().kind != ErrorKind::not_allowed) said += "made a group";
    if (!groups.leftovers().empty()) said += "found groups";
    return ::write(ends[1], said.data(), said.size()) > 0 ? 0 : 2;
  });
  child.go();
  ASSERT_EQ(child.wait(), 0);
  ::close(ends[1]);
  char text[8192];
  const ssize_t got = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  ASSERT_GT(got, 0);
  const std::string said(text, static_cast<std::size_t>(got));
  EXPECT_THAT(said, testing::StartsWith("none||")) << said;
  EXPECT_THAT(said, HasSubstr("memory groups: "));
  EXPECT_THAT(said, HasSubstr("Permission denied"));
  EXPECT_THAT(said, HasSubstr("; fix: "));
  EXPECT_THAT(said, Not(HasSubstr("made a group")));
  EXPECT_THAT(said, Not(HasSubstr("found groups")));
}

/// What a forked daemon in `group` finds out; empty when all went well.
std::string daemon_in(const Groups& groups, const Group& group, const GroupsConfig& config) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  Child daemon([&] {
    Groups own = Groups::probe(config);
    std::string said = own.tier() == Tier::v2 ? "" : testing::PrintToString(own.reasons());
    Child job;
    const auto lease = own.make(1, 0);
    if (said.empty() && !lease) said = sentence(lease.error());
    if (said.empty() && !own.place(*lease, job.pid())) said = "cannot place";
    if (said.empty() && !own.limit(*lease, 64_MiB, Cores(1000))) said = "cannot limit";
    // A second look comes from the leaf, and finds the same place.
    if (said.empty() && Groups::probe(config).jobs_memory_group() != own.jobs_memory_group()) {
      said = "another parent";
    }
    said += '\n';
    return ::write(ends[1], said.data(), said.size()) > 0 ? 0 : 1;
  });
  const auto placed = groups.place(group, daemon.pid());
  if (!placed) return sentence(placed.error());
  daemon.go();
  daemon.wait();
  ::close(ends[1]);
  char text[4096];
  const ssize_t got = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got) - 1) : "it died";
}

TEST_F(RealGroups, ADaemonAloneInItsGroupMovesIntoALeaf) {
  if (!v2()) {
    GTEST_SKIP() << "only v2 keeps processes out of inner groups";
  }
  const auto group = *groups_->make(1, 0);
  GroupsConfig config{"/", config_.name + "-inner", false};
  EXPECT_EQ(daemon_in(*groups_, group, config), "");
  EXPECT_TRUE(fs::exists(group.memory + "/" + config.name + "-daemon"));
}

TEST_F(RealGroups, ADaemonThatIsNotAloneInItsGroupMovesNobody) {
  if (!v2()) {
    GTEST_SKIP() << "only v2 keeps processes out of inner groups";
  }
  const auto group = *groups_->make(1, 0);
  Child other;
  ASSERT_TRUE(groups_->place(group, other.pid()));
  GroupsConfig config{"/", config_.name + "-inner", false};
  EXPECT_THAT(daemon_in(*groups_, group, config), HasSubstr("holds other processes"));
  EXPECT_THAT(content(group.memory + "/cgroup.procs"), HasSubstr(std::to_string(other.pid())));
  EXPECT_FALSE(fs::exists(group.memory + "/" + config.name));
}

TEST_F(RealGroups, TheScopeOfSystemdLastsAsLongAsThereAreLeases) {
  const auto group = *groups_->make(1, 0);
  if (group.scope.empty()) {
    GTEST_SKIP() << "no systemd: " << testing::PrintToString(groups_->reasons());
  }
  EXPECT_EQ(group.scope, config_.name + ".scope");
  const std::string folder = fs::path(groups_->jobs_memory_group()).parent_path();
  EXPECT_EQ(fs::path(folder).filename(), group.scope);
  groups_.reset();
  EXPECT_TRUE(fs::exists(group.memory)) << "an empty lease is a lease";
  groups_ = std::make_unique<Groups>(Groups::probe(config_));
  EXPECT_THAT(groups_->leftovers(), UnorderedElementsAre(group));
  EXPECT_EQ(groups_->remove(group), true);
  groups_.reset();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (fs::exists(folder) && std::chrono::steady_clock::now() < until) ::sched_yield();
  EXPECT_FALSE(fs::exists(folder)) << "systemd removes a scope that has ended";
  groups_ = std::make_unique<Groups>(Groups::probe(config_));
}

TEST(Scope, WithoutSystemdThereIsAReasonAndNoKeeper) {
  if (::access("/run/systemd/system", F_OK) == 0) {
    GTEST_SKIP() << "systemd is there";
  }
  const auto scope = hold_scope("headroom-test-none", std::chrono::milliseconds(100));
  ASSERT_FALSE(scope);
  EXPECT_EQ(scope.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
}

/// A tree of plain folders in place of the kernel's.
class FakeGroups : public testing::Test {
 protected:
  FakeGroups() {
    std::string pattern = fs::temp_directory_path() / "headroom-groups-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    root_ = pattern;
    config_ = {root_, "headroom", false};
  }
  ~FakeGroups() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void lay_out_v1() {
    write("/proc/self/mountinfo",
          "1 2 0:3 /docker/abc /cg/memory rw - cgroup c rw,memory\n"
          "1 2 0:4 / /cg/cpu rw - cgroup c rw,cpu\n");
    write("/proc/self/cgroup", "4:memory:/docker/abc/own\n1:cpu:/\n0::/\n");
    fs::create_directories(root_ + "/cg/memory/own");
    fs::create_directories(root_ + "/cg/cpu");
  }
  void lay_out_v2() {
    write("/proc/self/mountinfo", "1 2 0:3 / /cg rw - cgroup2 c rw\n");
    write("/proc/self/cgroup", "0::/own\n");
    write("/cg/cgroup.controllers", "cpu memory\n");
    write("/cg/own/cgroup.controllers", "cpu memory\n");
    write("/cg/own/cgroup.subtree_control", "cpu memory\n");
  }
  std::string root_;
  GroupsConfig config_;
};

TEST_F(FakeGroups, AMissingProcIsAReason) {
  const Groups groups = Groups::probe(config_);
  EXPECT_EQ(groups.tier(), Tier::none);
  EXPECT_THAT(groups.reasons(), Contains(HasSubstr("mountinfo")));
}

TEST_F(FakeGroups, AMachineWithoutControllersIsAReason) {
  write("/proc/self/mountinfo", "1 2 0:3 / / rw - ext4 /dev/sda rw\n");
  write("/proc/self/cgroup", "");
  const Groups groups = Groups::probe(config_);
  EXPECT_EQ(groups.tier(), Tier::none);
  EXPECT_THAT(groups.reasons(), Contains(HasSubstr("mount cgroup2")));
}

TEST_F(FakeGroups, FindsItsPlaceInAContainersMount) {
  lay_out_v1();
  const Groups groups = Groups::probe(config_);
  EXPECT_EQ(groups.tier(), Tier::v1);
  EXPECT_EQ(groups.jobs_memory_group(), root_ + "/cg/memory/own/headroom");
  EXPECT_THAT(groups.reasons(), IsEmpty());
}

TEST_F(FakeGroups, AGroupThatTheMountDoesNotShowIsAReason) {
  lay_out_v1();
  write("/proc/self/cgroup", "4:memory:/elsewhere\n1:cpu:/\n");
  const Groups groups = Groups::probe(config_);
  EXPECT_EQ(groups.tier(), Tier::v1) << "the cpu controller is still there";
  EXPECT_EQ(groups.jobs_memory_group(), "");
  EXPECT_THAT(groups.reasons(), Contains(HasSubstr("outside of what /cg/memory shows")));
}

TEST_F(FakeGroups, OfSeveralMountsItTakesOneThatShowsItsGroup) {
  lay_out_v1();
  write("/proc/self/mountinfo",
        "1 2 0:3 /elsewhere /cg/other rw - cgroup c rw,memory\n"
        "1 2 0:3 /docker/abc /cg/gone rw - cgroup c rw,memory\n"
        "1 2 0:3 /docker/abc /cg/memory rw - cgroup c rw,memory\n");
  const Groups groups = Groups::probe(config_);
  EXPECT_EQ(groups.jobs_memory_group(), root_ + "/cg/memory/own/headroom");
}

TEST_F(FakeGroups, WithoutAMemoryGroupOnlyMemoryIsRefused) {
  lay_out_v1();
  write("/proc/self/cgroup", "1:cpu:/\n");
  Groups groups = Groups::probe(config_);
  const auto group = groups.make(1, 0);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->memory, "");
  EXPECT_EQ(groups.fence(*group, 1_MiB).error().kind, ErrorKind::unavailable);
  EXPECT_EQ(groups.limit(*group, 1_MiB, {}).error().kind, ErrorKind::unavailable);
  const auto left = groups.look(*group);
  ASSERT_TRUE(left);
  EXPECT_FALSE(left->memory) << "unknown is not zero";
  EXPECT_FALSE(left->memory_peak);
}

TEST_F(FakeGroups, LeavesNoHalfMadeGroup) {
  lay_out_v1();
  Groups groups = Groups::probe(config_);
  fs::remove(root_ + "/cg/cpu/headroom");
  const auto group = groups.make(1, 0);
  ASSERT_FALSE(group);
  EXPECT_EQ(group.error().kind, ErrorKind::not_found);
  EXPECT_FALSE(fs::exists(root_ + "/cg/memory/own/headroom/lease-1"));
}

TEST_F(FakeGroups, PutsAProcessBackWhenOneHierarchyRefuses) {
  lay_out_v1();
  Groups groups = Groups::probe(config_);
  const auto group = *groups.make(1, 0);
  write("/proc/4711/cgroup", "4:memory:/docker/abc/home\n1:cpu:/\n");
  write("/cg/memory/own/headroom/lease-1/cgroup.procs", "");
  write("/cg/memory/home/cgroup.procs", "");
  const auto placed = groups.place(group, 4711);  // the cpu group has no cgroup.procs
  ASSERT_FALSE(placed);
  EXPECT_EQ(content(root_ + "/cg/memory/home/cgroup.procs"), "4711");
}

TEST_F(FakeGroups, FilesThatVanishAreErrorsWithWords) {
  lay_out_v1();
  Groups groups = Groups::probe(config_);
  const auto group = *groups.make(1, 0);
  EXPECT_EQ(groups.fence(group, 1_MiB).error().kind, ErrorKind::not_found);
  for (const auto& result : {groups.limit(group, 1_MiB, {}), groups.limit(group, {}, Cores(1000)),
                             groups.place(group, 4711)}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::not_found);
    EXPECT_FALSE(result.error().what.empty());
    EXPECT_FALSE(result.error().why.empty());
  }
  EXPECT_EQ(groups.look(group)->oom_kills, 0u);
  EXPECT_FALSE(groups.look(group)->memory);
}

TEST_F(FakeGroups, RefusesV2WhenTheJobsGroupCannotGiveMemoryToItsChildren) {
  lay_out_v2();  // plain folders: a new group has no cgroup.subtree_control
  const Groups groups = Groups::probe(config_);
  EXPECT_EQ(groups.tier(), Tier::none);
  EXPECT_THAT(groups.reasons(), Contains(HasSubstr("cgroup.subtree_control")));
  EXPECT_FALSE(fs::exists(root_ + "/cg/own/headroom")) << "nothing half-made is left";
}

TEST_F(FakeGroups, ReadsTheCountersOfV2) {
  lay_out_v2();
  write("/cg/own/headroom/cgroup.subtree_control", "cpu memory\n");
  const std::string parent = root_ + "/cg/own/headroom";
  if (::lsetxattr(parent.c_str(), "trusted.headroom", "1", 1, 0) != 0 &&
      ::lsetxattr(parent.c_str(), "user.headroom", "1", 1, 0) != 0) {
    GTEST_SKIP() << "no extended attributes in " << root_;
  }
  Groups groups = Groups::probe(config_);
  ASSERT_EQ(groups.tier(), Tier::v2) << testing::PrintToString(groups.reasons());
  const auto group = *groups.make(1, 0);
  EXPECT_EQ(group.memory, group.unified);
  EXPECT_TRUE(group.v2);
  const std::string lease = "/cg/own/headroom/lease-1";
  write(lease + "/cgroup.procs", "12\n0\n13\n");
  write(lease + "/memory.current", "4096\n");
  write(lease + "/memory.events", "low 0\nhigh 5\nmax 0\noom 0\noom_kill 2\n");
  const auto left = groups.look(group);
  ASSERT_TRUE(left);
  EXPECT_EQ(*left, (Left{3, 4096_B, {}, 2, 5})) << "no memory.peak before Linux 5.19";
  EXPECT_THAT(groups.members(group), UnorderedElementsAre(12, 13));
  EXPECT_EQ(groups.remove(group), false);
  for (const char* file : {"/memory.high", "/memory.max", "/memory.oom.group", "/cpu.max"}) {
    write(lease + file, "");
  }
  ASSERT_TRUE(groups.fence(group, 7_MiB));
  ASSERT_TRUE(groups.limit(group, 9_MiB, Cores(2500)));
  EXPECT_EQ(content(root_ + lease + "/memory.high"), "7340032");
  EXPECT_EQ(content(root_ + lease + "/memory.max"), "9437184");
  EXPECT_EQ(content(root_ + lease + "/memory.oom.group"), "1");
  EXPECT_EQ(content(root_ + lease + "/cpu.max"), "250000 100000");
}

/// Makes the kernel refuse to open a file for writing, with this errno, until it goes.
class Refused {
 public:
  Refused(std::string path, int error) : path_(std::move(path)), error_(error) {
    if (error == ENOENT) works_ = fs::remove(path_);
    if (error == EPERM) works_ = immutable(true);
    if (error == EROFS) {
      const char* at = path_.c_str();
      works_ = ::mount(at, at, nullptr, MS_BIND, nullptr) == 0;
      works_ = works_ && ::mount(at, at, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0;
    }
  }
  ~Refused() {
    if (error_ == EPERM) immutable(false);
    if (error_ == EROFS) ::umount2(path_.c_str(), MNT_DETACH);
  }
  Refused(const Refused&) = delete;
  Refused& operator=(const Refused&) = delete;
  /// False where this filesystem or this user cannot.
  bool works() const { return works_; }

 private:
  bool immutable(bool on) const {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    int flags = 0;
    bool done = fd >= 0 && ::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    done = done && ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (fd >= 0) ::close(fd);
    return done;
  }
  std::string path_;
  int error_;
  bool works_ = false;
};

/// Something that is done to a group, and the file that it needs for it.
struct Deed {
  const char* file;
  Result<void> (*act)(const Groups&, const Group&);
  std::vector<const char*> untouched;  ///< files that must say what they said before
};

Result<void> raise_fence(const Groups& groups, const Group& group) {
  const auto set = groups.fence(group, 7_MiB);
  return set ? Result<void>() : tl::unexpected(set.error());
}
Result<void> limit_memory(const Groups& groups, const Group& group) {
  return groups.limit(group, 9_MiB, {});
}
Result<void> limit_both(const Groups& groups, const Group& group) {
  return groups.limit(group, 9_MiB, Cores(2000));
}
Result<void> freeze(const Groups& groups, const Group& group) { return groups.freeze(group, true); }
Result<void> place(const Groups& groups, const Group& group) { return groups.place(group, 4711); }
Result<void> let_go(const Groups&, const Group& group) { return Groups::let_go(group); }

const std::vector<Deed>& deeds(bool v2) {
  static const std::vector<Deed> on_v2 = {
      {"memory.high", raise_fence, {"memory.max", "cgroup.freeze"}},
      {"memory.max", limit_memory, {"memory.high"}},
      {"memory.oom.group", limit_memory, {"memory.max"}},
      {"cpu.max", limit_both, {"memory.max", "memory.oom.group"}},
      {"cgroup.freeze", freeze, {"memory.high"}},
      {"cgroup.procs", place, {}},
      {"memory.high", let_go, {}},
      {"cgroup.freeze", let_go, {}},
  };
  static const std::vector<Deed> on_v1 = {
      {"memory.oom_control", raise_fence, {"memory.limit_in_bytes"}},
      {"memory.limit_in_bytes", raise_fence, {"memory.oom_control"}},
      {"memory.limit_in_bytes", limit_memory, {"cpu.cfs_quota_us"}},
      {"cpu.cfs_quota_us", limit_both, {"memory.limit_in_bytes"}},
      {"cgroup.procs", place, {}},
  };
  return v2 ? on_v2 : on_v1;
}

/// Groups of plain files, of which one after the other is refused.
class RefusedFiles : public FakeGroups {
 protected:
  /// The lease's group, with all its files as a fresh one has them.
  std::optional<Group> lay_out(bool v2) {
    if (v2) {
      lay_out_v2();
      write("/cg/own/headroom/cgroup.subtree_control", "cpu memory\n");
      const std::string parent = root_ + "/cg/own/headroom";
      if (::lsetxattr(parent.c_str(), "trusted.headroom", "1", 1, 0) != 0) return std::nullopt;
    } else {
      lay_out_v1();
    }
    groups_.emplace(Groups::probe(config_));
    const auto group = groups_->make(1, 0);
    if (!group) return std::nullopt;
    if (v2) {
      for (const char* name : {"memory.max", "memory.high"}) fill(*group, name, "max");
      for (const char* name : {"memory.oom.group", "cgroup.freeze"}) fill(*group, name, "0");
      fill(*group, "cpu.max", "max 100000");
    } else {
      fill(*group, "memory.limit_in_bytes", "9223372036854771712");
      fill(*group, "memory.oom_control", "0");
      fill(*group, "cpu.cfs_quota_us", "-1");
      fill(*group, "cpu.cfs_period_us", "100000");
      std::ofstream(group->memory + "/cgroup.procs") << "";
    }
    fill(*group, "cgroup.procs", "");
    return *group;
  }
  static std::string path(const Group& group, const char* name) {
    return (std::string_view(name).starts_with("cpu.") ? group.cpu : group.memory) + "/" + name;
  }
  static void fill(const Group& group, const char* name, const char* text) {
    std::ofstream(path(group, name)) << text;
  }
  void clear() {
    groups_.reset();
    for (const char* folder : {"/cg", "/proc"}) fs::remove_all(root_ + folder);
  }
  std::optional<Groups> groups_;
};

TEST_F(RefusedFiles, EveryFileThatIsWrittenMayBeRefusedAndNothingIsLeftHalfDone) {
  int tried = 0;
  for (const bool v2 : {true, false}) {
    for (const Deed& deed : deeds(v2)) {
      for (const int error : {ENOENT, EPERM, EROFS}) {
        const auto group = lay_out(v2);
        if (!group) continue;
        std::map<const char*, std::string> before;
        for (const char* name : deed.untouched) before[name] = content(path(*group, name));
        {
          const Refused refused(path(*group, deed.file), error);
          if (!refused.works()) continue;
          ++tried;
          const auto done = deed.act(*groups_, *group);
          const std::string what = std::string(deed.file) + ": " + std::strerror(error);
          // Old kernels have no such file, and what is gone needs no letting go.
          const bool fine = error == ENOENT && (deed.act == let_go ||
                                                std::string_view(deed.file) == "memory.oom.group");
          EXPECT_EQ(done.has_value(), fine) << what;
          if (!done) {
            EXPECT_EQ(done.error().kind,
                      error == ENOENT ? ErrorKind::not_found : ErrorKind::not_allowed)
                << what;
            EXPECT_THAT(done.error().what, HasSubstr(deed.file)) << what;
            EXPECT_THAT(done.error().why, HasSubstr(std::strerror(error))) << what;
            EXPECT_EQ(done.error().help.empty(), error == ENOENT) << what;
            for (const auto& [name, text] : before) {
              EXPECT_EQ(content(path(*group, name)), text) << what << ", and " << name;
            }
          }
          if (deed.act == let_go && std::string_view(deed.file) == "memory.high") {
            EXPECT_EQ(content(group->unified + "/cgroup.freeze"), "0") << "the rest is done";
          }
        }
        clear();
      }
    }
  }
  RecordProperty("tried", tried);
  if (tried == 0) GTEST_SKIP() << "nothing can be refused here";
}

/// From now on every write to a file fails with this errno, but for one descriptor.
bool refuse_writes(int error, int but) {
  const std::uint32_t refused = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pwrite64, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(but), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, refused),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(rules), rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(RefusedFiles, AKernelThatDoesNotSupportItIsSaidInWords) {
  for (const bool v2 : {true, false}) {
    const auto group = lay_out(v2);
    if (!group) continue;
    // A sanitizer looks at a type that it has not met by writing into a pipe: here it still may.
    ASSERT_TRUE(
        HeldFiles([](const std::string&) { return Result<void>(); }).read("/proc", "uptime"));
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    Child child([&] {
      if (!refuse_writes(EOPNOTSUPP, ends[1])) return 77;
      for (const Deed& deed : deeds(v2)) {
        const auto done = deed.act(*groups_, *group);
        const bool unavailable = !done && done.error().kind == ErrorKind::unavailable;
        std::string said = done ? std::string("done") : sentence(done.error());
        said += unavailable ? " (unavailable)\n" : "\n";
        if (::write(ends[1], said.data(), said.size()) < 0) return 1;
      }
      return 0;
    });
    child.go();
    const int code = WEXITSTATUS(child.wait());
    ::close(ends[1]);
    std::string said;
    char text[4096];
    for (ssize_t got; (got = ::read(ends[0], text, sizeof text)) > 0;) said.append(text, got);
    ::close(ends[0]);
    if (code == 77) GTEST_SKIP() << "no seccomp here";
    ASSERT_EQ(code, 0);
    std::istringstream lines(said);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      EXPECT_THAT(line, HasSubstr("cannot write"));
      EXPECT_THAT(line, HasSubstr("not supported"));
      EXPECT_THAT(line, HasSubstr("(unavailable)"));
    }
    EXPECT_EQ(count, deeds(v2).size());
    clear();
  }
}

}  // namespace
}  // namespace headroom::act
