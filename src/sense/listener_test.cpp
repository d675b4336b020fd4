#include "sense/listener.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace headroom::sense {
namespace {

constexpr const char* kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
    "4711 1 0000000000000000 100 0 0 10 0\n"
    "   1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 "
    "4712 1 0000000000000000 100 0 0 10 0\n";

TEST(Listener, IsReadFromTheKernelsTable) {
  EXPECT_EQ(parse_listener(kTcp, 8000), (Listener{4711, 1000}));
  EXPECT_EQ(parse_listener(kTcp, 8001), std::nullopt) << "connected, not listening";
  EXPECT_EQ(parse_listener(kTcp, 80), std::nullopt);
}

TEST(Listener, BrokenTwinsGiveNothing) {
  EXPECT_EQ(parse_listener("", 8000), std::nullopt);
  EXPECT_EQ(parse_listener("one line", 8000), std::nullopt);
  const std::string text = kTcp;
  const auto line = text.find(" 1000  ");
  for (std::size_t i = 0; i < line; ++i) {
    EXPECT_EQ(parse_listener(text.substr(0, i), 8000), std::nullopt) << i;
  }
  EXPECT_EQ(parse_listener("sl\n 0: 1F40 x 0A 0 0 0 y 0 z\n", 8000), std::nullopt);
  EXPECT_EQ(parse_listener("sl\n 0: 0:1F40 x 0A 0 0 0 y 0 z\n", 8000), std::nullopt);
}

TEST(Listener, OfThisProcessIsThisProcess) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto listener = read_listener(ntohs(address.sin_port));
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->uid, static_cast<std::int64_t>(geteuid()));
  EXPECT_EQ(read_holder_of(listener->inode), getpid());
  ::close(fd);
  EXPECT_EQ(read_listener(ntohs(address.sin_port)), std::nullopt);
  EXPECT_EQ(read_holder_of(0), std::nullopt);
}

}  // namespace
}  // namespace headroom::sense
