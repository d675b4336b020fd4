#include "sense/network.hpp"

#include <string>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

TEST(Network, ReadsEveryInterfaceInOrder) {
  std::vector<InterfaceCounters> interfaces{{"stale", 1, 1, 1, 1}};
  parse_network(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
      "    lo: 1000 10 0 0 0 0 0 0 2000 10 0 0 0 0 0 0\n"
      "enp5s0:123456789012 999 3 4 0 0 0 0 98765432109 888 50 60 0 0 0 0\n",
      interfaces);
  ASSERT_EQ(interfaces.size(), 2u);
  EXPECT_EQ(interfaces[0].name, "lo");
  EXPECT_EQ(interfaces[0].received, 1000u);
  EXPECT_EQ(interfaces[0].sent, 2000u);
  EXPECT_EQ(interfaces[1].name, "enp5s0");
  EXPECT_EQ(interfaces[1].received, 123456789012u);
  EXPECT_EQ(interfaces[1].sent, 98765432109u);
  EXPECT_EQ(interfaces[1].errors, 53u);
  EXPECT_EQ(interfaces[1].dropped, 64u);
}

TEST(Network, LinesThatAreCutShortAreLeftOut) {
  std::vector<InterfaceCounters> interfaces;
  parse_network(
      "eth0: 12 x\neth1\n: 1 2 3 4 5 6 7 8 9\neth2: 1 2 3 4 5 6 7 8\neth3: 1 2 3 4 5 6 7 8 9\n"
      "ok: 1 0 0 0 0 0 0 0 2 0 0 0",
      interfaces);
  ASSERT_EQ(interfaces.size(), 1u);
  EXPECT_EQ(interfaces[0].name, "ok");
}

TEST(Network, MoreInterfacesThanTheBoundAreCounted) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += "veth" + std::to_string(i) + ": 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n";
  }
  std::vector<InterfaceCounters> interfaces;
  EXPECT_EQ(parse_network(text, interfaces), 300u - kMostInterfaces);
  EXPECT_EQ(interfaces.size(), kMostInterfaces);
}

TEST(Network, ASpeedThatTheLinkDoesNotKnowIsNone) {
  EXPECT_DOUBLE_EQ(*parse_speed("25000\n"), 3.125e9);
  for (const std::string_view text : {"-1\n", "0\n", "", "x", "10 20", "4294967295\n"}) {
    EXPECT_FALSE(parse_speed(text)) << text;
  }
}

TEST(Network, LinksTellSpeedAndCarrierAndVirtualOnesNoSpeed) {
  ReadBuffer buffer;
  std::vector<LinkReading> links;
  read_links(HEADROOM_SOURCE_DIR "/tests/machines/many_cores", buffer, links);
  const auto link = [&](std::string_view name) {
    for (const LinkReading& each : links) {
      if (each.name == name) return each;
    }
    ADD_FAILURE() << name;
    return LinkReading();
  };
  EXPECT_DOUBLE_EQ(link("ens1").speed.value_or(0), 12.5e9);
  EXPECT_EQ(link("ens1").up, true);
  EXPECT_FALSE(link("ens2").speed);
  EXPECT_EQ(link("ens2").up, false);
  EXPECT_FALSE(link("veth7").speed);
  EXPECT_EQ(link("veth7").up, true);
}

}  // namespace
}  // namespace headroom::sense
