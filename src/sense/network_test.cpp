#include "sense/network.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

TEST(Network, ReadsEveryInterfaceInOrder) {
  std::vector<InterfaceCounters> interfaces{{"stale", 1, 1}};
  parse_network(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
      "    lo: 1000 10 0 0 0 0 0 0 2000 10 0 0 0 0 0 0\n"
      "enp5s0:123456789012 999 0 0 0 0 0 0 98765432109 888 0 0 0 0 0 0\n",
      interfaces);
  ASSERT_EQ(interfaces.size(), 2u);
  EXPECT_EQ(interfaces[0].name, "lo");
  EXPECT_EQ(interfaces[0].received, 1000u);
  EXPECT_EQ(interfaces[0].sent, 2000u);
  EXPECT_EQ(interfaces[1].name, "enp5s0");
  EXPECT_EQ(interfaces[1].received, 123456789012u);
  EXPECT_EQ(interfaces[1].sent, 98765432109u);
}

TEST(Network, LinesThatAreCutShortAreLeftOut) {
  std::vector<InterfaceCounters> interfaces;
  parse_network(
      "eth0: 12 x\neth1\n: 1 2 3 4 5 6 7 8 9\neth2: 1 2 3 4 5 6 7 8\nok: 1 0 0 0 0 0 0 0 2",
      interfaces);
  ASSERT_EQ(interfaces.size(), 1u);
  EXPECT_EQ(interfaces[0].name, "ok");
}

}  // namespace
}  // namespace headroom::sense
