#include "http/listen.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "http/testing.hpp"

namespace headroom::http {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

std::string me() { return "pid " + std::to_string(::getpid()) + " ("; }

TEST(Listen, MakesTheDirectoryAndASocketWithTheModeWanted) {
  const TempDir dir;
  const mode_t old = ::umask(077);
  const auto opened = open_unix_listener(dir / "run/x.sock", 0660);
  ::umask(old);
  ASSERT_TRUE(opened);
  struct stat status{};
  ASSERT_EQ(::stat((dir / "run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755U);
  ASSERT_EQ(::stat((dir / "run/x.sock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660U);
}

TEST(Listen, ReplacesASocketThatADeadDaemonLeft) {
  const TempDir dir;
  {
    const auto dead = open_unix_listener(dir / "s", 0600);
  }  // its file stays
  ASSERT_TRUE(std::filesystem::exists(dir / "s"));
  EXPECT_TRUE(open_unix_listener(dir / "s", 0600));
}

TEST(Listen, RefusesASocketOfALivingDaemonAndSaysWhose) {
  const TempDir dir;
  const auto living = open_unix_listener(dir / "s", 0600);
  ASSERT_TRUE(living);
  const auto second = open_unix_listener(dir / "s", 0600);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_THAT(second.error().why, HasSubstr(me()));
  testing::Raw::unix_socket(dir / "s");  // and the living one still listens
}

TEST(Listen, LeavesAFileAloneThatIsNoSocket) {
  const TempDir dir;
  std::ofstream(dir / "s") << "precious";
  const auto opened = open_unix_listener(dir / "s", 0600);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::conflict);
  EXPECT_TRUE(std::filesystem::is_regular_file(dir / "s"));
}

TEST(Listen, SaysWhenThePathIsTooLongOrEmpty) {
  const auto opened = open_unix_listener("/tmp/" + std::string(200, 'x'), 0600);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid_request);
  EXPECT_THAT(opened.error().why, HasSubstr("205 bytes"));
  EXPECT_FALSE(open_unix_listener("", 0600));
}

TEST(Listen, SaysWhenTheDirectoryCannotBeMade) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto opened = open_unix_listener(dir / "file/run/s", 0600);
  ASSERT_FALSE(opened);
  EXPECT_FALSE(opened.error().why.empty());
}

TEST(Listen, RemovesOnlyItsOwnFile) {
  const TempDir dir;
  auto own = open_unix_listener(dir / "s", 0600);
  ASSERT_TRUE(own);
  std::filesystem::rename(dir / "s", dir / "kept");
  const auto other = open_unix_listener(dir / "s", 0600);
  ASSERT_TRUE(other);
  remove_socket_file(*own);
  EXPECT_TRUE(std::filesystem::exists(dir / "s"));
  remove_socket_file(*other);
  EXPECT_FALSE(std::filesystem::exists(dir / "s"));
}

std::uint16_t port_of(const Fd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

TEST(Listen, NamesTheHolderOfATakenPort) {
  const auto first = open_tcp_listener("127.0.0.1", 0);
  ASSERT_TRUE(first);
  const auto second = open_tcp_listener("127.0.0.1", port_of(first->fd));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_THAT(second.error().why, HasSubstr("the port is held by " + me()));
}

TEST(Listen, TakesNumericAddressesAndLocalhostOnly) {
  EXPECT_TRUE(open_tcp_listener("localhost", 0));
  for (const char* host : {"example.org", "", "::zz", "300.1.1.1"}) {
    const auto opened = open_tcp_listener(host, 0);
    ASSERT_FALSE(opened) << host;
    EXPECT_EQ(opened.error().kind, ErrorKind::invalid_request);
  }
  const auto in6 = open_tcp_listener("::1", 0);
  if (!in6) GTEST_SKIP() << "no IPv6 here: " << in6.error().why;
}

}  // namespace
}  // namespace headroom::http
