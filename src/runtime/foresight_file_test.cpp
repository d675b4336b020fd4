#include "runtime/foresight_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace headroom::runtime {
namespace {

namespace fs = std::filesystem;

class ForesightFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "headroom-foresight-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path() const { return dir_ + "/foresight"; }
  std::string dir_;
};

TEST_F(ForesightFiles, GivesBackWhatWasWrittenLast) {
  ForesightFile file(dir_);
  EXPECT_EQ(file.read(), "");
  file.write("first");
  file.write(std::string("a\0b", 3));
  ASSERT_TRUE(file.wait(std::chrono::seconds(60)));
  EXPECT_EQ(file.read(), std::string("a\0b", 3));
  struct stat is{};
  ASSERT_EQ(::stat(path().c_str(), &is), 0);
  EXPECT_EQ(is.st_mode & 0777, 0600U);
  EXPECT_FALSE(fs::exists(path() + ".new"));
}

TEST_F(ForesightFiles, DamageAndCutsAreNothing) {
  ForesightFile file(dir_);
  file.write("what was learned");
  ASSERT_TRUE(file.wait(std::chrono::seconds(60)));
  std::stringstream whole;
  whole << std::ifstream(path(), std::ios::binary).rdbuf();
  const std::string bytes = whole.str();
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes.substr(0, cut);
    EXPECT_EQ(file.read(), "") << cut;
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 4);
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << other;
    EXPECT_EQ(file.read(), "") << at;
  }
}

TEST_F(ForesightFiles, ALinkAPipeAndAFolderAreNotRead) {
  ForesightFile file(dir_);
  std::ofstream(dir_ + "/elsewhere") << "x";
  ASSERT_EQ(::symlink((dir_ + "/elsewhere").c_str(), path().c_str()), 0);
  EXPECT_EQ(file.read(), "");
  fs::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(file.read(), "");
  fs::remove(path());
  ASSERT_TRUE(fs::create_directory(path()));
  EXPECT_EQ(file.read(), "");
  file.write("x");
  ASSERT_TRUE(file.wait(std::chrono::seconds(60)));
  EXPECT_TRUE(fs::is_directory(path())) << "what cannot be replaced stays";
  EXPECT_FALSE(fs::exists(path() + ".new"));
}

TEST(ForesightFile, WithoutADirectoryNothingIsKept) {
  ForesightFile file("");
  file.write("x");
  ASSERT_TRUE(file.wait(std::chrono::seconds(60)));
  EXPECT_EQ(file.read(), "");
}

}  // namespace
}  // namespace headroom::runtime
