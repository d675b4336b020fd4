#include "act/refusal.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace headroom::act {
namespace {

namespace fs = std::filesystem;

TEST(Refusal, SortsWhatTheKernelSays) {
  for (const int error : {EPERM, EACCES, EROFS}) {
    EXPECT_EQ(refusal("x", error).kind, ErrorKind::not_allowed);
    EXPECT_FALSE(refusal("x", error).help.empty()) << error;
  }
  for (const int error : {ENOENT, ENODEV, ESRCH}) {
    EXPECT_EQ(refusal("x", error).kind, ErrorKind::not_found);
  }
  EXPECT_EQ(refusal("x", EBUSY).kind, ErrorKind::conflict);
  EXPECT_EQ(refusal("x", EINVAL).kind, ErrorKind::invalid_request);
  EXPECT_EQ(refusal("x", EOPNOTSUPP).kind, ErrorKind::unavailable);
  EXPECT_EQ(refusal("x", EIO).kind, ErrorKind::internal);
  EXPECT_EQ(refusal("x", 99999).why, "error 99999");
}

TEST(Refusal, MakesOneLineOfAnError) {
  EXPECT_EQ(sentence({ErrorKind::internal, "what", "", ""}), "what");
  EXPECT_EQ(sentence({ErrorKind::internal, "what", "why", ""}), "what: why");
  EXPECT_EQ(sentence({ErrorKind::internal, "what", "why", "help"}), "what: why; fix: help");
}

TEST(SmallFiles, AreReadUpToALimitAndNeverMade) {
  std::string folder = fs::temp_directory_path() / "headroom-small-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string file = folder + "/file";
  EXPECT_EQ(read_small(file).error().kind, ErrorKind::not_found);
  EXPECT_EQ(write_small(file, "1").error().kind, ErrorKind::not_found);
  EXPECT_FALSE(fs::exists(file));
  std::ofstream(file) << std::string(10'000, 'x');
  EXPECT_EQ(read_small(file)->size(), 10'000u);
  EXPECT_EQ(read_small(file, 5000)->size(), 5000u);
  EXPECT_FALSE(read_small(folder)) << "a folder is no file";
  EXPECT_EQ(write_small("/dev/full", "1").error().kind, ErrorKind::unavailable);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace headroom::act
