#include "act/held_files.hpp"

#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headroom::act {
namespace {

int looked = 0;
bool refused = false;

Result<void> look(const std::string& folder) {
  ++looked;
  if (!refused) return {};
  return fail(ErrorKind::not_allowed, "cannot use " + folder, "it is not ours");
}

class HeldFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/held-files-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    looked = 0;
    refused = false;
  }
  void TearDown() override {
    for (int i = 0; i < 8; ++i) ::unlink((folder_ + "/" + name(i)).c_str());
    ::rmdir(folder_.c_str());
  }
  static std::string name(int i) { return "file." + std::to_string(i); }
  void put(int i, const std::string& text) const { std::ofstream(folder_ + "/" + name(i)) << text; }
  std::string content(int i) const {
    std::ifstream file(folder_ + "/" + name(i));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder_;
};

TEST_F(HeldFilesTest, AFolderIsLookedAtOnceForEachFileAndAFileIsReadAnewEachTime) {
  HeldFiles files(&look);
  put(0, "one");
  EXPECT_EQ(*files.read(folder_, "file.0"), "one");
  put(0, "three");
  EXPECT_EQ(*files.read(folder_, "file.0"), "three");
  EXPECT_EQ(looked, 1);
  ASSERT_TRUE(files.write(folder_, "file.0", "seven"));
  ASSERT_TRUE(files.write(folder_, "file.0", "eight"));
  EXPECT_EQ(content(0), "eight");
  EXPECT_EQ(looked, 2);
  EXPECT_EQ(files.open_now(), 2u);
}

TEST_F(HeldFilesTest, WhatWasWrittenLastIsKnownWhileTheFileIsHeld) {
  HeldFiles files(&look);
  put(0, "one");
  EXPECT_EQ(files.last_written(folder_, "file.0"), "");
  ASSERT_TRUE(files.write(folder_, "file.0", "two"));
  ASSERT_TRUE(files.write(folder_, "file.0", "six"));
  put(0, "another's");
  EXPECT_EQ(files.last_written(folder_, "file.0"), "six");
  EXPECT_FALSE(files.write(folder_, "file.1", "ten"));
  EXPECT_EQ(files.last_written(folder_, "file.1"), "") << "it was not taken";
  files.forget(folder_);
  EXPECT_EQ(files.last_written(folder_, "file.0"), "");
}

TEST_F(HeldFilesTest, AFolderThatIsNotOursIsNotOpened) {
  HeldFiles files(&look);
  put(0, "one");
  refused = true;
  EXPECT_EQ(files.read(folder_, "file.0").error().kind, ErrorKind::not_allowed);
  EXPECT_EQ(files.write(folder_, "file.0", "two").error().kind, ErrorKind::not_allowed);
  EXPECT_EQ(content(0), "one");
  EXPECT_EQ(files.open_now(), 0u);
}

TEST_F(HeldFilesTest, TheOneThatWasNotUsedForLongestIsClosedForAnother) {
  HeldFiles files(&look, 2);
  for (int i = 0; i < 3; ++i) put(i, std::to_string(i));
  ASSERT_TRUE(files.read(folder_, "file.0"));
  ASSERT_TRUE(files.read(folder_, "file.1"));
  ASSERT_TRUE(files.read(folder_, "file.0"));
  ASSERT_TRUE(files.read(folder_, "file.2"));
  EXPECT_EQ(files.open_now(), 2u);
  EXPECT_EQ(looked, 3);
  ASSERT_TRUE(files.read(folder_, "file.0"));
  EXPECT_EQ(looked, 3) << "it was used later than file.1";
  ASSERT_TRUE(files.read(folder_, "file.1"));
  EXPECT_EQ(looked, 4);
}

TEST_F(HeldFilesTest, WhatIsForgottenIsOpenedAnew) {
  HeldFiles files(&look);
  put(0, "one");
  ASSERT_TRUE(files.read(folder_, "file.0"));
  files.forget(folder_.substr(0, folder_.size() - 1));  // another folder's name
  EXPECT_EQ(files.open_now(), 1u);
  files.forget(folder_);
  EXPECT_EQ(files.open_now(), 0u);
  refused = true;
  EXPECT_FALSE(files.read(folder_, "file.0"));
}

TEST_F(HeldFilesTest, AFileThatIsNotThereIsSaidToBeMissingAndIsNotHeld) {
  HeldFiles files(&look);
  EXPECT_EQ(files.read(folder_, "file.0").error().kind, ErrorKind::not_found);
  EXPECT_EQ(files.write(folder_, "file.0", "x").error().kind, ErrorKind::not_found);
  EXPECT_EQ(files.open_now(), 0u);
  EXPECT_NE(::access((folder_ + "/file.0").c_str(), F_OK), 0) << "never makes one";
}

}  // namespace
}  // namespace headroom::act
