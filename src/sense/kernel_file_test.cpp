#include "sense/kernel_file.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

class KernelFileTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(folder_), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return std::string(folder_) + "/file"; }
  void write(const std::string& text) const { std::ofstream(path()) << text; }
  static BootTime at(int seconds) { return BootTime(std::chrono::seconds(seconds)); }

  char folder_[32] = "/tmp/headroom-file-XXXXXX";
  ReadBuffer buffer_;
};

TEST_F(KernelFileTest, ReadsFromTheStartEachTime) {
  write("one");
  KernelFile file(path(), Keep::open);
  EXPECT_EQ(file.read(at(0), buffer_), "one");
  write("two and more");
  EXPECT_EQ(file.read(at(0), buffer_), "two and more");
  EXPECT_EQ(file.problem(), 0);
  EXPECT_EQ(file.reason(), "");
}

TEST_F(KernelFileTest, ReadsFilesLargerThanTheBuffer) {
  const std::string large(100'000, 'x');
  write(large);
  KernelFile file(path(), Keep::open);
  EXPECT_EQ(file.read(at(0), buffer_), large);
  write(std::string(6'000'000, 'y'));
  EXPECT_EQ(file.read(at(0), buffer_)->size(), 4u * 1024 * 1024);  // the bound
}

TEST_F(KernelFileTest, AFileThatIsMissingIsLookedForAgainAfterAMinute) {
  KernelFile file(path(), Keep::open);
  EXPECT_FALSE(file.read(at(0), buffer_));
  EXPECT_EQ(file.problem(), ENOENT);
  EXPECT_NE(file.reason().find(path()), std::string::npos);
  write("late");
  EXPECT_FALSE(file.read(at(59), buffer_));
  EXPECT_EQ(file.read(at(60), buffer_), "late");
  EXPECT_EQ(file.problem(), 0);
}

TEST_F(KernelFileTest, AClosedFileFollowsTheNameAtOnce) {
  KernelFile file(path(), Keep::closed);
  EXPECT_FALSE(file.read(at(0), buffer_));
  write("there");
  EXPECT_EQ(file.read(at(0), buffer_), "there");
  EXPECT_EQ(file.descriptor(), -1);
  std::filesystem::remove(path());
  EXPECT_FALSE(file.read(at(0), buffer_));
}

TEST_F(KernelFileTest, AFileThatEndsIsClosedAndOpenedAnew) {
  // The file of a process that has ended gives ESRCH from then on.
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  ASSERT_GT(child, 0);
  KernelFile file("/proc/" + std::to_string(child) + "/statm", Keep::open);
  EXPECT_TRUE(file.read(at(0), buffer_));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(file.read(at(1), buffer_));
  EXPECT_EQ(file.problem(), ENOENT);
  EXPECT_EQ(file.descriptor(), -1);
}

TEST_F(KernelFileTest, WithoutANameItIsSilent) {
  KernelFile file;
  EXPECT_FALSE(file.read(at(0), buffer_));
  EXPECT_EQ(file.problem(), 0);
  EXPECT_FALSE(file.named());
}

}  // namespace
}  // namespace headroom::sense
