#include "http/peer.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "http/testing.hpp"

namespace headroom::http {
namespace {

constexpr std::string_view kTable =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
    "4711 1 "
    "0000000000000000 100 0 0 10 0\n"
    "   1: 0100007F:C350 0100007F:1F40 01 00000000:00000000 00:00000000 00000000  1000        0 "
    "4712 1 "
    "0000000000000000 20 4 30 10 -1\n"
    "   2: 0100007F:C351 0100007F:1F40 06 00000000:00000000 03:00000D2B 00000000     0        0 0 "
    "3 "
    "0000000000000000\n"
    "   3: 0100007F:C352 0100007F:1F40 01 00000000:00000000 00:00000000 00000000     0        0 0 "
    "1 "
    "0000000000000000\n"
    "   4: 0100007F:C353 0100007F:1F40 05 00000000:00000000 00:00000000 00000000     0        0 0 "
    "1\n"
    "   5: 0100007F:C354 0100007F";

TEST(Peer, FindsTheOwnerOfAnEstablishedSocket) {
  EXPECT_EQ(find_owner(kTable, "0100007F:C350", "0100007F:1F40"), 1000U);
}

TEST(Peer, TakesNoOrphanForRoot) {
  for (const char* local :
       {"0100007F:C351", "0100007F:C352", "0100007F:C353", "0100007F:C354", "0100007F:1F40"}) {
    EXPECT_FALSE(find_owner(kTable, local, "0100007F:1F40")) << local;
  }
  EXPECT_FALSE(find_owner(kTable, "0100007F:C350", "0100007F:1F41"));
  EXPECT_FALSE(find_owner("", "0100007F:C350", "0100007F:1F40"));
}

TEST(Peer, PrintsAddressesAsTheKernelDoes) {
  sockaddr_storage address{};
  auto& in = reinterpret_cast<sockaddr_in&>(address);
  in.sin_family = AF_INET;
  in.sin_port = htons(8000);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(socket_table_address(address, false), "0100007F:1F40");
  EXPECT_EQ(socket_table_address(address, true), "0000000000000000FFFF00000100007F:1F40");
  address = {};
  auto& in6 = reinterpret_cast<sockaddr_in6&>(address);
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(8000);
  in6.sin6_addr = in6addr_loopback;
  EXPECT_EQ(socket_table_address(address, true), "00000000000000000000000001000000:1F40");
  EXPECT_EQ(socket_table_address(address, false), "");
}

/// A TCP connection of this process to itself; the caller's socket may be an IPv6 one that speaks
/// IPv4, and then its row is in the other table.
struct Pair {
  explicit Pair(bool mapped) {
    listener = Fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = address.sin_port;
    ::inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
    caller = Fd(::socket(mapped ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
    connected = (mapped ? ::connect(caller.get(), reinterpret_cast<sockaddr*>(&in6), sizeof in6)
                        : ::connect(caller.get(), reinterpret_cast<sockaddr*>(&address),
                                    sizeof address)) == 0;
    if (!connected) return;
    accepted = Fd(::accept(listener.get(), nullptr, nullptr));
    socklen_t length = sizeof own;
    ::getpeername(accepted.get(), reinterpret_cast<sockaddr*>(&own), &length);
    length = sizeof far;
    ::getsockname(accepted.get(), reinterpret_cast<sockaddr*>(&far), &length);
  }
  Fd listener, caller, accepted;
  bool connected = false;
  sockaddr_storage own{};  ///< the caller's
  sockaddr_storage far{};  ///< the listener's
};

TEST(Peer, BothWaysToAskTheKernelFindTheOwner) {
  for (const bool mapped : {false, true}) {
    Pair pair(mapped);
    if (!pair.connected) GTEST_SKIP() << "no IPv6 here";
    EXPECT_EQ(read_owner(pair.own, pair.far), ::getuid());
    const OwnerAnswer answer = ask_owner(pair.own, pair.far);
    if (answer.answered) {
      EXPECT_EQ(answer.owner, ::getuid());
    } else {
      std::printf("this kernel answers no sock_diag questions\n");
    }
    const Peer peer = read_peer(pair.accepted.get());
    EXPECT_TRUE(peer.known);
    EXPECT_FALSE(peer.unix_socket);
    EXPECT_EQ(peer.uid, ::getuid());
  }
}

TEST(Peer, NeitherWayFindsASocketThatItsHolderClosed) {
  Pair pair(false);
  pair.caller.reset();
  EXPECT_FALSE(read_owner(pair.own, pair.far));
  EXPECT_FALSE(ask_owner(pair.own, pair.far).owner);
  EXPECT_FALSE(read_peer(pair.accepted.get()).known);
}

TEST(Peer, IsUnknownForWhatIsNoSocket) {
  EXPECT_FALSE(read_peer(-1).known);
  EXPECT_FALSE(read_port_holder(1));
  EXPECT_EQ(read_command(-1), "");
  EXPECT_NE(read_command(::getpid()), "");
}

}  // namespace
}  // namespace headroom::http
