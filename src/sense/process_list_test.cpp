#include "sense/process_list.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>

namespace headroom::sense {
namespace {

using namespace std::chrono_literals;

Instant at(std::chrono::nanoseconds since_boot) { return {BootTime(since_boot), {}}; }

const ProcessReading* find(const ProcessList& list, pid_t pid) {
  const auto found = std::ranges::find(list.items, pid, &ProcessReading::pid);
  return found == list.items.end() ? nullptr : &*found;
}

/// A child that does `work` and then waits for its end.
class Child {
 public:
  template <class Work>
  explicit Child(Work work) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) return;
    pid = ::fork();
    if (pid == 0) {
      work();
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte = 0;
    ::close(ready[1]);
    // One byte, or the end where the child became another program.
    if (::read(ready[0], &byte, 1) < 0) pid = -1;
    ::close(ready[0]);
  }
  ~Child() { end(); }
  void end() {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    pid = -1;
  }
  pid_t pid = -1;
};

void rest() {}

void become_sleep() {
  ::execl("/bin/sleep", "sleep", "1000", nullptr);
  ::_exit(127);
}

TEST(ProcessLister, TellsWhoAndWhatAProcessIs) {
  const Child child(become_sleep);
  ProcessLister lister("");
  ProcessList list;
  lister.read(at(1s), list);
  const ProcessReading* const found = find(list, child.pid);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->name, "sleep");
  EXPECT_EQ(found->command, "sleep 1000");
  EXPECT_EQ(found->parent, ::getpid());
  EXPECT_EQ(found->uid, ::geteuid());
  EXPECT_GT(found->start_time, 0u);
  EXPECT_FALSE(found->cpu) << "there is no rate in the first read";
  EXPECT_GE(found->resident, found->memory);
  EXPECT_TRUE(std::ranges::is_sorted(list.items, {}, &ProcessReading::pid));
}

TEST(ProcessLister, RatesAreSinceTheReadBefore) {
  const Child child(rest);
  ProcessLister lister("");
  ProcessList list;
  lister.read(at(1s), list);
  const auto before = find(list, ::getpid())->cpu_total;
  for (std::atomic<int> i = 0; i < 30'000'000; ++i) {
  }
  lister.read(at(3s), list);
  const ProcessReading* const own = find(list, ::getpid());
  ASSERT_TRUE(own->cpu);
  const double used = std::chrono::duration<double>(own->cpu_total - before).count();
  EXPECT_NEAR(own->cpu->value(), used / 2, 0.001);
  EXPECT_EQ(find(list, child.pid)->cpu, Cores(0));
  const auto rate = own->cpu;
  lister.read(at(3s + 10ms), list);  // too short for a rate of its own
  EXPECT_EQ(find(list, ::getpid())->cpu, rate);
}

TEST(ProcessLister, SeesThatAProcessBecameAnotherProgram) {
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  int gone[2];
  ASSERT_EQ(::pipe2(gone, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char byte = 0;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    become_sleep();
  }
  ::close(gone[1]);
  ProcessLister lister("");
  ProcessList list;
  for (int i = 1; i <= 3; ++i) lister.read(at(i * 1s), list);  // it is well known by then
  EXPECT_NE(find(list, pid)->name, "sleep");
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  char byte = 0;
  ASSERT_EQ(::read(gone[0], &byte, 1), 0);  // closed by the exec
  lister.read(at(4s), list);
  EXPECT_EQ(find(list, pid)->name, "sleep");
  EXPECT_EQ(find(list, pid)->command, "sleep 1000");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  for (const int file : {go[0], go[1], gone[0]}) ::close(file);
}

TEST(ProcessLister, SeesTheDeadUntilSomebodyWaitsForThem) {
  ProcessLister lister("");
  ProcessList list;
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  lister.read(at(1s), list);
  ASSERT_NE(find(list, pid), nullptr);
  EXPECT_EQ(find(list, pid)->memory, Bytes(0));
  ::waitpid(pid, nullptr, 0);
  lister.read(at(2s), list);
  EXPECT_EQ(find(list, pid), nullptr);
}

TEST(ProcessLister, ManyComeAndGoBetweenReads) {
  ProcessLister lister("");
  ProcessList list;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 1; i <= 20; ++i) {
    children.push_back(std::make_unique<Child>(rest));
    if (i % 3 == 0) children.erase(children.begin());
    lister.read(at(i * 1s), list);
    for (const auto& child : children) EXPECT_NE(find(list, child->pid), nullptr);
  }
  EXPECT_EQ(list.unlisted, 0u);
}

/// A captured /proc of the test's own.
class Tree : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/headroom_proc_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root = name;
  }
  void TearDown() override { std::filesystem::remove_all(root); }
  void put(pid_t pid, const std::string& file, const std::string& text) const {
    const std::string folder = root + "/proc/" + std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/" + file, std::ios::binary) << text;
  }
  void put_process(pid_t pid, const std::string& name, std::uint64_t start,
                   std::uint64_t flags = 4194560) const {
    put(pid, "stat",
        std::to_string(pid) + " (" + name + ") S 1 5 5 0 -1 " + std::to_string(flags) +
            " 100 0 0 0 100 50 0 0 20 0 1 0 " + std::to_string(start) + " 100 200 1 0\n");
    put(pid, "statm", "9000 1000 200 1 0 9 0\n");
  }
  std::string root;
};

TEST_F(Tree, IsReadWithUsersGroupsAndWords) {
  put_process(10, "train", 7000);
  put(10, "status", "Name:\ttrain\nUid:\t1000\t1001\t1001\t1001\n");
  put(10, "cmdline", std::string("python\0train.py\0\0", 17));
  put(10, "cgroup", "0::/system.slice/headroom.scope/lease-3\n");
  ProcessLister lister(root);
  ProcessList list;
  lister.read(at(1s), list);
  ASSERT_EQ(list.items.size(), 1u);
  const ProcessReading& one = list.items[0];
  EXPECT_EQ(one.uid, 1001u);
  EXPECT_EQ(one.command, "python train.py");
  EXPECT_EQ(one.account.unit, "headroom.scope");
  EXPECT_EQ(one.job, "/system.slice/headroom.scope/lease-3");
  EXPECT_EQ(one.cpu_total, 1500ms);
  EXPECT_FALSE(one.io_per_second);
}

TEST_F(Tree, ANumberUsedAgainIsAnotherProcess) {
  put_process(10, "old", 7000);
  ProcessLister lister(root);
  ProcessList list;
  lister.read(at(1s), list);
  lister.read(at(2s), list);
  EXPECT_TRUE(list.items[0].cpu);
  put_process(10, "new", 9000);
  lister.read(at(3s), list);
  ASSERT_EQ(list.items.size(), 1u);
  EXPECT_EQ(list.items[0].name, "new");
  EXPECT_FALSE(list.items[0].cpu);
}

TEST_F(Tree, ThreadsOfTheKernelAreCounted) {
  put_process(2, "kthreadd", 1, 2129984);
  put_process(3, "ksoftirqd/0", 1, 69238848);
  put_process(10, "train", 7000);
  ProcessLister lister(root);
  ProcessList list;
  for (int i = 1; i <= 2; ++i) {
    lister.read(at(i * 1s), list);
    EXPECT_EQ(list.kernel_threads, 2u);
    EXPECT_EQ(list.items.size(), 1u);
  }
}

TEST_F(Tree, WhatIsCutShortIsLeftEmpty) {
  put_process(10, "a", 7000);
  put(10, "cmdline", "");
  put(10, "cgroup", "");
  put(10, "status", "Uid:");
  put(11, "stat", "11 (half) S 1");
  put(11, "statm", "1 1 1");
  ProcessLister lister(root);
  ProcessList list;
  lister.read(at(1s), list);
  ASSERT_EQ(list.items.size(), 1u);
  EXPECT_EQ(list.items[0].command, "");
  EXPECT_FALSE(list.items[0].uid);
}

TEST_F(Tree, OverlongWordsAreCut) {
  put_process(10, "a", 7000);
  put(10, "cmdline", std::string(100'000, 'x'));
  ProcessLister lister(root);
  ProcessList list;
  lister.read(at(1s), list);
  EXPECT_EQ(list.items[0].command.size(), 4096u);
}

TEST_F(Tree, WhatMayNotBeReadIsCountedWithTheReason) {
  if (::geteuid() == 0) {
    // Root may read everything: look as somebody else, in a child.
    ProcessList list;
    put_process(10, "mine", 7000);
    put_process(11, "hidden", 7000);
    std::filesystem::permissions(root + "/proc/11", std::filesystem::perms::none);
    std::filesystem::permissions(root, std::filesystem::perms::all);
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setuid(65534) != 0) ::_exit(2);
      ProcessLister lister(root);
      lister.read(at(1s), list);
      ::_exit(list.items.size() == 1 && list.unlisted == 1 && !list.reason.empty() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    std::filesystem::permissions(root + "/proc/11", std::filesystem::perms::all);
  } else {
    put_process(11, "hidden", 7000);
    std::filesystem::permissions(root + "/proc/11", std::filesystem::perms::none);
    ProcessLister lister(root);
    ProcessList list;
    lister.read(at(1s), list);
    EXPECT_EQ(list.unlisted, 1u);
    EXPECT_NE(list.reason, "");
    std::filesystem::permissions(root + "/proc/11", std::filesystem::perms::all);
  }
}

TEST_F(Tree, WithoutProcThereIsAReason) {
  ProcessLister lister(root);
  ProcessList list;
  lister.read(at(1s), list);
  EXPECT_TRUE(list.items.empty());
  EXPECT_THAT(list.reason, ::testing::HasSubstr("/proc"));
}

}  // namespace
}  // namespace headroom::sense
