#include "demo/job.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEADROOM_OTHER_MEMORY 1  // a sanitizer's own counts to the process as well
#endif
#endif
#ifndef HEADROOM_OTHER_MEMORY
#define HEADROOM_OTHER_MEMORY 0
#endif

namespace headroom::demo {
namespace {

using Clock = std::chrono::steady_clock;

class DemoJob : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/demo-job-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  pid_t start(const char* seconds, const char* checkpoint, const char* memory = "12") {
    const pid_t pid = fork();
    if (pid == 0) {
      execl(HEADROOM_DEMO_JOB, HEADROOM_DEMO_JOB, "--mem", memory, "--seconds", seconds,
            "--checkpoint", checkpoint, "--dir", dir_.c_str(), "--name", "j", nullptr);
      _exit(127);
    }
    return pid;
  }
  static int wait_for(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
  }
  std::optional<Progress> saved() const { return read_progress(checkpoint_path(dir_, "j")); }
  std::optional<Progress> seen() const { return read_progress(progress_path(dir_, "j")); }

  std::string dir_;
};

TEST(DemoProgress, IsReadBackAndNothingElseIs) {
  const Progress progress{12345, 678};
  EXPECT_EQ(parse_progress(format_progress(progress)), progress);
  EXPECT_EQ(format_progress({0, 0}).size(), format_progress({2'000'000'000, 1}).size());
  for (const char* text :
       {"", "\n", "12\n", "12 x\n", "-1 2\n", "1 2", "1 2 3\n", "99999999999999999999 1\n"}) {
    EXPECT_FALSE(parse_progress(text)) << text;
  }
}

TEST(DemoProgress, LessIsTouchedThanIsBooked) {
  for (const int booked : {1, 4, 40, 700}) EXPECT_GT(touched_mib(booked), 0);
  for (const int booked : {40, 200, 700}) {
    EXPECT_LT(touched_mib(booked), booked - 3);
    EXPECT_GT(touched_mib(booked), booked * 8 / 10);
  }
}

TEST_F(DemoJob, TakesItsTimeAndSavesItsWork) {
  const auto begin = Clock::now();
  const int status = wait_for(start("0.4", "0.1"));
  EXPECT_EQ(status, 0);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(400));
  ASSERT_TRUE(saved());
  EXPECT_EQ(saved()->done_ms, 400);
  ASSERT_TRUE(seen());
  EXPECT_EQ(seen()->done_ms, 400);
}

TEST_F(DemoJob, HoldsTheMemoryItSaysItHolds) {
  const pid_t pid = start("20", "60", "64");
  const auto deadline = Clock::now() + std::chrono::seconds(50);
  const int wanted = touched_mib(64);
  while (!(seen() && seen()->held_mib == wanted) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  long pages = 0, resident = 0;
  std::ifstream("/proc/" + std::to_string(pid) + "/statm") >> pages >> resident;
  kill(pid, SIGKILL);
  wait_for(pid);
  EXPECT_GE(resident * sysconf(_SC_PAGESIZE) >> 20, wanted);
#if !HEADROOM_OTHER_MEMORY
  EXPECT_LT(resident * sysconf(_SC_PAGESIZE) >> 20, 64);
#endif
}

TEST_F(DemoJob, ResumesAfterAKillFromItsLastCheckpoint) {
  const pid_t pid = start("60", "0.1");
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  while (!saved() && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill(pid, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(wait_for(pid)));
  ASSERT_TRUE(saved());
  const int kept_ms = saved()->done_ms;
  EXPECT_GE(kept_ms, 100);
  EXPECT_EQ(kept_ms % 100, 0) << "a checkpoint stands at a full interval";

  // The work is all but done now, so the second attempt has little left.
  const double all_s = (kept_ms + 200) / 1000.0;
  const auto begin = Clock::now();
  EXPECT_EQ(wait_for(start(std::to_string(all_s).c_str(), "0.1")), 0);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(200));
  EXPECT_EQ(saved()->done_ms, kept_ms + 200);
}

TEST_F(DemoJob, HasNothingLeftToDoWhenAllIsSaved) {
  std::ofstream(checkpoint_path(dir_, "j")) << format_progress({3600'000, 0});
  EXPECT_EQ(wait_for(start("3600", "1")), 0);
}

TEST_F(DemoJob, BeginsAnewWhenItsCheckpointIsBroken) {
  std::ofstream(checkpoint_path(dir_, "j")) << "3600000";
  const auto begin = Clock::now();
  EXPECT_EQ(wait_for(start("0.2", "1")), 0);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(200));
}

TEST_F(DemoJob, SaysWhenItCannotWrite) {
  dir_ += "/missing";
  EXPECT_EQ(WEXITSTATUS(wait_for(start("0.2", "1"))), 1);
  dir_.resize(dir_.size() - 8);
}

TEST_F(DemoJob, RefusesWrongUsage) { EXPECT_EQ(WEXITSTATUS(wait_for(start("0", "1"))), 2); }

}  // namespace
}  // namespace headroom::demo
