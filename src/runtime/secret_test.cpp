#include "runtime/secret.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace headroom::runtime {
namespace {

class Secret : public testing::Test {
 protected:
  Secret() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    dir_ = name;
  }
  ~Secret() override { std::filesystem::remove_all(dir_); }
  std::string file(const std::string& content, mode_t mode = 0600) {
    const std::string path = dir_ + "/word";
    std::ofstream(path) << content;
    chmod(path.c_str(), mode);
    return path;
  }
  std::string dir_;
};

TEST_F(Secret, IsTheFirstLineOfItsFile) {
  EXPECT_EQ(read_secret(file("  0123456789abcdef \nmore\n")).value(), "0123456789abcdef");
}

TEST_F(Secret, IsRefusedWhereItIsNone) {
  EXPECT_NE(read_secret(file("0123456789abcdef", 0644)).error().why.find("everybody"),
            std::string::npos);
  EXPECT_NE(read_secret(file("short")).error().why.find("16"), std::string::npos);
  EXPECT_NE(read_secret(file(std::string(5000, 'x'))).error().why.find("4 KiB"), std::string::npos);
  EXPECT_FALSE(read_secret(dir_));
  EXPECT_FALSE(read_secret(dir_ + "/none"));
}

}  // namespace
}  // namespace headroom::runtime
