#include "sense/zoneinfo.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

TEST(Zoneinfo, SumsWatermarksOfZonesAndListsOfProcessors) {
  const auto pages = parse_zoneinfo(
      "Node 0, zone      DMA\n  pages free     3840\n        min      46\n        high     68\n"
      "  pagesets\n    cpu: 0\n              count:    12\n              high:     99\n"
      "    cpu: 1\n              count:    30\n"
      "Node 1, zone   Normal\n        high     500\n    cpu: 0\n              count:    8\n");
  ASSERT_TRUE(pages);
  EXPECT_EQ(pages->high, 568u);
  EXPECT_EQ(pages->per_cpu_free, 50u);
}

TEST(Zoneinfo, ATextWithoutZonesIsNone) {
  EXPECT_FALSE(parse_zoneinfo(""));
  EXPECT_FALSE(parse_zoneinfo("        high     68\n"));
  EXPECT_EQ(parse_zoneinfo("Node 0\nhigh 18446744073709551615\nhigh 1")->high, ~0ULL);
}

}  // namespace
}  // namespace headroom::sense
