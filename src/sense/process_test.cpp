#include "sense/process.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

constexpr const char* kTail =
    " S 7 10 10 0 -1 4194560 100 0 0 0 100 50 9 9 20 0 1 0 7000 100000 200 18446744073709551615 0";

TEST(ProcessStat, ReadsWhateverTheProgramCallsItself) {
  for (const char* name : {"train", "a) R 1 2 3 (b", "", ")))", "new\nline", "\xff\xfe"}) {
    const auto stat = parse_process_stat(std::string("10 (") + name + ")" + kTail);
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->parent, 7);
    EXPECT_EQ(stat->cpu_ticks, 150u);
    EXPECT_EQ(stat->start_time, 7000u);
  }
}

TEST(ProcessStat, RefusesWhatIsCutShort) {
  const std::string whole = std::string("10 (x)") + kTail;
  EXPECT_FALSE(parse_process_stat(""));
  EXPECT_FALSE(parse_process_stat("10 (x)"));
  EXPECT_FALSE(parse_process_stat(whole.substr(0, whole.find(" 7000"))));
  EXPECT_FALSE(parse_process_stat("10 (x) S -1 1"));
}

TEST(Statm, ReadsPages) {
  const auto pages = parse_statm("732 424 397 6 0 89 0\n");
  ASSERT_TRUE(pages);
  EXPECT_EQ(pages->resident, 424u);
  EXPECT_EQ(pages->shared, 397u);
  EXPECT_FALSE(parse_statm("732 424"));
  EXPECT_EQ(pages_to_bytes(~0ULL), Bytes(std::numeric_limits<std::int64_t>::max()));
}

TEST(ProcessIo, ReadsBytesWritten) {
  EXPECT_EQ(parse_process_io("rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 1\n"),
            Bytes(4096));
  EXPECT_FALSE(parse_process_io("cancelled_write_bytes: 1\n"));
}

TEST(ProcessIo, ReadsTheTrafficOfBothDirections) {
  EXPECT_EQ(parse_process_traffic("rchar: 9\nread_bytes: 5\nwrite_bytes: 4096\n"), Bytes(4101));
  EXPECT_FALSE(parse_process_traffic("read_bytes: 5\n"));
}

TEST(ProcessStat, TellsThreadsOfTheKernel) {
  const auto text = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 1 0 0 0";
  EXPECT_TRUE(parse_process_stat(text)->kernel);
  EXPECT_EQ(parse_process_stat(text)->name, "kthreadd");
  EXPECT_FALSE(parse_process_stat(std::string("10 (x)") + kTail)->kernel);
}

class Child {
 public:
  explicit Child(std::size_t bytes = 0) {
    int ready[2];
    if (::pipe(ready) != 0) return;
    pid = ::fork();
    if (pid == 0) {
      char* const memory = static_cast<char*>(::malloc(bytes + 1));
      // The compiler must not see that nobody reads them.
      for (std::size_t i = 0; i <= bytes; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
      const char byte = memory[bytes / 2];
      if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
      for (;;) ::pause();
    }
    char byte = 0;
    if (::read(ready[0], &byte, 1) != 1) pid = -1;
    ::close(ready[0]);
    ::close(ready[1]);
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

TEST(ProcessTable, FindsThisProcessAndItsChildWithTheirMemory) {
  const Child child(64 << 20);
  for (const std::size_t most_open : {std::size_t{0}, std::size_t{256}}) {
    ProcessTable table("", most_open);
    ReadBuffer buffer;
    for (int i = 0; i < 2; ++i) {  // met anew, then refreshed
      ASSERT_TRUE(table.read(buffer));
      const Process* const found = table.find(child.pid);
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->parent, ::getpid());
      EXPECT_GE(found->anonymous, Bytes(60 << 20));
      EXPECT_LE(found->anonymous, found->resident);
      EXPECT_GT(found->start_time, 0u);
      ASSERT_NE(table.find(::getpid()), nullptr);
      EXPECT_GT(table.find(::getpid())->cpu.count(), 0);
      EXPECT_TRUE(std::is_sorted(table.processes().begin(), table.processes().end(),
                                 [](const Process& a, const Process& b) { return a.pid < b.pid; }));
    }
  }
}

TEST(ProcessTable, AProcessThatEndedIsGoneAndANewOneIsThere) {
  ProcessTable table("");
  ReadBuffer buffer;
  Child first;
  ASSERT_TRUE(table.read(buffer));
  const pid_t pid = first.pid;
  EXPECT_NE(table.find(pid), nullptr);
  first.end();
  const Child second;
  ASSERT_TRUE(table.read(buffer));
  EXPECT_EQ(table.find(pid), nullptr);
  EXPECT_NE(table.find(second.pid), nullptr);
}

TEST(ProcessTable, ReadsACapturedTree) {
  ProcessTable table(HEADROOM_SOURCE_DIR "/tests/machines/v2_limits");
  ReadBuffer buffer;
  ASSERT_TRUE(table.read(buffer));
  ASSERT_EQ(table.processes().size(), 5u);
  const Process* const holder = table.find(5000);
  ASSERT_NE(holder, nullptr);
  EXPECT_EQ(holder->cpu, std::chrono::milliseconds(1500));
  EXPECT_EQ(holder->anonymous, pages_to_bytes(800));
  EXPECT_EQ(holder->start_time, 7000u);
}

TEST(ProcessTable, WithoutProcThereIsNoTable) {
  ProcessTable table("/nowhere");
  ReadBuffer buffer;
  EXPECT_FALSE(table.read(buffer));
  EXPECT_TRUE(table.processes().empty());
}

}  // namespace
}  // namespace headroom::sense
