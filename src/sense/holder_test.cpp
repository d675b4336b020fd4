#include "sense/holder.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

const std::string kBox = HEADROOM_SOURCE_DIR "/tests/machines/v2_limits";

BootTime at(int ms) { return BootTime(milliseconds(ms)); }

/// A process that holds memory, and does what it is told through a pipe.
class Job {
 public:
  /// The memory is touched only at the first step, so that the group can be entered before.
  Job(std::size_t bytes, bool with_child) {
    if (::pipe(commands_) != 0 || ::pipe(answers_) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) run(bytes, with_child);
    ::close(commands_[0]);
    ::close(answers_[1]);
  }
  ~Job() {
    ::close(commands_[1]);  // both processes end at the end of the pipe
    ::close(answers_[0]);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  pid_t pid() const { return pid_; }
  bool step() const {
    const char go = 1;
    char done = 0;
    return ::write(commands_[1], &go, 1) == 1 && ::read(answers_[0], &done, 1) == 1;
  }
  void end_parent_only() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  [[noreturn]] void run(std::size_t bytes, bool with_child) {
    ::close(commands_[1]);
    ::close(answers_[0]);
    char byte = 0;
    if (::read(commands_[0], &byte, 1) != 1) ::_exit(0);
    if (with_child) {
      const pid_t child = ::fork();
      if (child > 0) {
        for (;;) {  // the child does the rest
          if (::waitpid(child, nullptr, 0) == child) ::_exit(0);
        }
      }
    }
    char* const memory = static_cast<char*>(::malloc(bytes + 1));
    std::memset(memory, 1, bytes + 1);
    const char done = memory[bytes / 2];
    if (::write(answers_[1], &done, 1) != 1) ::_exit(1);
    while (::read(commands_[0], &byte, 1) == 1) {
      volatile std::uint64_t sum = 0;
      for (std::uint64_t i = 0; i < 200'000'000; ++i) sum = sum + i;
      if (::write(answers_[1], &done, 1) != 1) break;
    }
    ::_exit(0);
  }

  int commands_[2] = {-1, -1};
  int answers_[2] = {-1, -1};
  pid_t pid_ = -1;
};

std::uint64_t start_time_of(pid_t pid) {
  ReadBuffer buffer;
  const auto text = read_once(("/proc/" + std::to_string(pid) + "/stat").c_str(), buffer);
  const auto stat = text ? parse_process_stat(*text) : std::nullopt;
  return stat ? stat->start_time : 0;
}

class TreeTest : public testing::Test {
 protected:
  HolderReading read(TrackedHolder& holder, ProcessTable& table, int ms) {
    HolderReading reading;
    table.read(buffer_);
    holder.read(at(ms), buffer_, &table, reading);
    return reading;
  }
  ReadBuffer buffer_;
};

TEST_F(TreeTest, SumsTheHolderAndItsDescendantsButNoStranger) {
  ProcessTable table(kBox);
  TrackedHolder holder({7, {}, {5000, 7000}}, kBox, Keep::closed);
  EXPECT_TRUE(holder.needs_processes());
  const HolderReading reading = read(holder, table, 0);
  EXPECT_EQ(reading.lease, 7u);
  EXPECT_EQ(reading.processes, 3);  // 5004 names 5000 as its parent, but is older than it
  EXPECT_EQ(reading.memory, pages_to_bytes(800 + 400 + 40));
  EXPECT_EQ(reading.memory_with_cache, pages_to_bytes(1000 + 500 + 50));
  EXPECT_EQ(reading.cpu_total, milliseconds(1500 + 500 + 50));
  EXPECT_EQ(reading.written, Bytes(12288));
  EXPECT_FALSE(reading.cpu);
  EXPECT_FALSE(reading.gpu_memory);
}

TEST_F(TreeTest, APidThatWasGivenToAnotherProcessReadsAsGone) {
  ProcessTable table(kBox);
  TrackedHolder holder({7, {}, {5000, 6999}}, kBox, Keep::closed);
  const HolderReading reading = read(holder, table, 0);
  EXPECT_EQ(reading.processes, 0);
  EXPECT_EQ(reading.memory, Bytes(0));
}

TEST_F(TreeTest, ALeaseThatIsTiedToTimeOnlyHasNothingToMeasure) {
  ProcessTable table(kBox);
  TrackedHolder holder({7, {}, {}}, kBox, Keep::closed);
  const HolderReading reading = read(holder, table, 0);
  EXPECT_FALSE(reading.memory);
  EXPECT_FALSE(reading.cpu_total);
}

TEST_F(TreeTest, FollowsAProcessWhoseParentHasEnded) {
  Job job(32 << 20, true);
  ASSERT_GT(job.pid(), 0);
  ProcessTable table("");
  TrackedHolder holder({1, {}, {job.pid(), start_time_of(job.pid())}}, "", Keep::open);
  ASSERT_TRUE(job.step());
  HolderReading reading = read(holder, table, 0);
  EXPECT_EQ(reading.processes, 2);
  EXPECT_GE(reading.memory, Bytes(32 << 20));
  ASSERT_TRUE(job.step());  // burns some CPU time in the child
  reading = read(holder, table, 1000);
  const auto cpu = reading.cpu_total;
  ASSERT_TRUE(cpu && reading.cpu);
  EXPECT_GT(reading.cpu->milli(), 0);
  job.end_parent_only();
  reading = read(holder, table, 2000);
  EXPECT_EQ(reading.processes, 1);
  EXPECT_GE(reading.memory, Bytes(32 << 20));
  EXPECT_GE(reading.cpu_total, cpu);  // what the ended parent used is not forgotten
}

TEST(GroupHolder, ReadsTheFilesOfAV2Group) {
  const std::string scope = kBox + "/sys/fs/cgroup/jobs.slice/job-1.scope";
  ReadBuffer buffer;
  Group group{scope, scope, scope, "", true};
  TrackedHolder holder({3, group, {5000, 7000}}, kBox, Keep::closed);
  HolderReading reading;
  holder.read(at(0), buffer, nullptr, reading);
  EXPECT_FALSE(holder.needs_processes());
  EXPECT_EQ(reading.processes, 3);
  EXPECT_EQ(reading.memory, Bytes(1000000 + 5000 + 200 + 7));
  EXPECT_EQ(reading.memory_with_cache, Bytes(1100000));
  EXPECT_EQ(reading.cpu_total, std::chrono::seconds(5));
  EXPECT_EQ(reading.oom_kills, 1u);
  EXPECT_EQ(reading.written, Bytes(5096));
}

TEST(GroupHolder, CpuIsTheRiseOfTheCounterAndAQuickSecondLookRepeatsIt) {
  char folder[] = "/tmp/headroom-group-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = folder;
  const auto set = [&](const char* usage) {
    std::ofstream(path + "/cpuacct.usage") << usage << "\n";
  };
  std::ofstream(path + "/cgroup.procs") << "";
  std::ofstream(path + "/cpu.stat") << "nr_periods 0\n";
  set("1000000000");
  ReadBuffer buffer;
  TrackedHolder holder({3, {path, path, "", "", false}, {}}, "", Keep::closed);
  HolderReading reading;
  holder.read(at(0), buffer, nullptr, reading);
  EXPECT_EQ(reading.cpu_total, nanoseconds(1000000000));
  EXPECT_FALSE(reading.cpu);
  set("2500000000");
  holder.read(at(1000), buffer, nullptr, reading);
  EXPECT_EQ(reading.cpu, Cores(1500));
  set("2600000000");
  holder.read(at(1020), buffer, nullptr, reading);
  EXPECT_EQ(reading.cpu, Cores(1500));
  set("3500000000");
  holder.read(at(2000), buffer, nullptr, reading);
  EXPECT_EQ(reading.cpu, Cores(1000));
  EXPECT_FALSE(reading.memory);  // it has no memory.stat: unknown, not zero
  fs::remove_all(path);
  holder.read(at(3000), buffer, nullptr, reading);
  EXPECT_EQ(reading.memory, Bytes(0));  // the group was there and is gone
  EXPECT_EQ(reading.processes, 0);
}

TEST(GroupHolder, OfSomebodyElseCountsWhatIsBelowAndNotWhatItWroteBefore) {
  char folder[] = "/tmp/headroom-group-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = folder;
  const auto put = [&](const std::string& name, const char* text) {
    std::ofstream(path + name) << text << "\n";
  };
  fs::create_directories(path + "/a/b");
  put("/cgroup.procs", "10");
  put("/a/cgroup.procs", "11\n12");
  put("/a/b/cgroup.procs", "13");
  put("/memory.stat", "anon 4096");
  put("/cpu.stat", "usage_usec 5");
  put("/io.stat", "8:0 rbytes=1 wbytes=900000");
  ReadBuffer buffer;
  Holder group;
  group.group = "/somebodys";
  TrackedHolder holder({3, {path, path, path, "", true}, group}, "", Keep::closed);
  HolderReading reading;
  holder.read(at(0), buffer, nullptr, reading);
  EXPECT_EQ(reading.processes, 4);
  EXPECT_EQ(reading.memory, Bytes(4096));
  EXPECT_EQ(reading.written, Bytes(0)) << "before its lease";
  put("/io.stat", "8:0 rbytes=1 wbytes=900500");
  fs::create_directories(path + "/c");
  put("/c/cgroup.procs", "14");
  holder.read(at(11000), buffer, nullptr, reading);
  EXPECT_EQ(reading.written, Bytes(500));
  EXPECT_EQ(reading.processes, 5) << "a new group below it is found after a while";
  fs::remove_all(path);
}

/// Groups of this machine, made below our own; removed at the end.
class RealGroupTest : public testing::Test {
 protected:
  void SetUp() override {
    ReadBuffer buffer;
    const GroupPaths own = parse_cgroup(*read_once("/proc/self/cgroup", buffer));
    const auto mounts = parse_mountinfo(*read_once("/proc/self/mountinfo", buffer));
    const std::string name = "/headroom_test_" + std::to_string(::getpid());
    group_.v2 = !own.memory;
    group_.memory = jobs_group_of(own, mounts) + name;
    for (const Mount& mount : mounts) {
      if (mount.type == "cgroup2") group_.unified = mount.mount + own.unified.value_or("/") + name;
    }
    if (group_.v2) group_.cpu = group_.unified = group_.memory;
    for (const std::string& path : {group_.memory, group_.unified}) {
      std::error_code error;
      if (path.empty() || (!fs::create_directory(path, error) && !fs::exists(path, error))) {
        GTEST_SKIP() << "no group can be made here: " << path << " " << error.message();
      }
    }
    if (!fs::exists(group_.memory + "/memory.stat"))
      GTEST_SKIP() << "no memory controller in " << group_.memory;
  }
  void TearDown() override {
    ::rmdir(group_.memory.c_str());
    ::rmdir(group_.unified.c_str());
  }
  bool place(pid_t pid) const {
    for (const std::string& path : {group_.memory, group_.unified}) {
      std::ofstream procs(path + "/cgroup.procs");
      procs << pid << std::flush;
      if (!procs) return false;
    }
    return true;
  }
  Group group_;
};

TEST_F(RealGroupTest, MeasuresWhatAJobInTheGroupUses) {
  ReadBuffer buffer;
  HolderReading reading;
  Job job(48 << 20, true);
  ASSERT_GT(job.pid(), 0);
  TrackedHolder holder({9, group_, {job.pid(), start_time_of(job.pid())}}, "", Keep::open);
  if (!place(job.pid())) GTEST_SKIP() << "the group takes no process here";
  ASSERT_TRUE(job.step());
  holder.read(at(0), buffer, nullptr, reading);
  EXPECT_EQ(reading.processes, 2);
  EXPECT_GE(reading.memory, Bytes(47 << 20));
  EXPECT_LE(reading.memory, Bytes(80 << 20));
  EXPECT_GE(reading.memory_with_cache, Bytes(47 << 20));
  ASSERT_TRUE(reading.cpu_total);
  EXPECT_FALSE(reading.cpu);
  EXPECT_EQ(reading.oom_kills, 0u);
  const nanoseconds before = *reading.cpu_total;
  ASSERT_TRUE(job.step());
  holder.read(at(1000), buffer, nullptr, reading);
  EXPECT_GT(*reading.cpu_total, before);
  ASSERT_TRUE(reading.cpu);
  EXPECT_GT(reading.cpu->milli(), 0);
}

TEST_F(RealGroupTest, OfWhoMovedInCountsWhatItHadBeforeToo) {
  ReadBuffer buffer;
  HolderReading reading;
  Job job(48 << 20, false);
  ASSERT_GT(job.pid(), 0);
  ASSERT_TRUE(job.step());  // it takes its memory where it is
  if (!place(job.pid())) GTEST_SKIP() << "the group takes no process here";
  Target target{9, group_, {job.pid(), start_time_of(job.pid())}};
  target.moved_in = true;
  TrackedHolder holder(target, "", Keep::open);
  EXPECT_TRUE(holder.needs_processes());
  ProcessTable table("");
  table.read(buffer);
  holder.read(at(0), buffer, &table, reading);
  EXPECT_TRUE(holder.needs_processes());
  EXPECT_GE(reading.memory, Bytes(47 << 20));
  EXPECT_LE(reading.memory, Bytes(80 << 20));
}

TEST_F(RealGroupTest, CountsWhatTheKernelKilledForMemory) {
  if (group_.v2) GTEST_SKIP() << "written for the v1 memory controller";
  ReadBuffer buffer;
  HolderReading reading;
  TrackedHolder holder({9, group_, {}}, "", Keep::open);
  std::ofstream(group_.memory + "/memory.limit_in_bytes") << (16 << 20) << std::flush;
  {
    Job job(64 << 20, false);
    if (!place(job.pid())) GTEST_SKIP() << "the group takes no process here";
    EXPECT_FALSE(job.step());
  }
  holder.read(at(0), buffer, nullptr, reading);
  EXPECT_EQ(reading.oom_kills, 1u);
  EXPECT_EQ(reading.processes, 0);
}

}  // namespace
}  // namespace headroom::sense
