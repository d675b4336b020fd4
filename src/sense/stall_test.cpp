#include "sense/stall.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

TEST(Stall, ReadsBothLinesAsSharesOfTime) {
  const StallLines lines = parse_stall(
      "some avg10=1.50 avg60=0.25 avg300=100.00 total=123456\nfull avg10=0.50 avg60=0.10 "
      "avg300=0.00 total=4567\n");
  ASSERT_TRUE(lines.some && lines.full);
  EXPECT_DOUBLE_EQ(lines.some->avg10.value(), 0.015);
  EXPECT_DOUBLE_EQ(lines.some->avg60.value(), 0.0025);
  EXPECT_DOUBLE_EQ(lines.some->avg300.value(), 1.0);
  EXPECT_EQ(lines.some->total, std::chrono::microseconds(123456));
  EXPECT_EQ(lines.full->total, std::chrono::microseconds(4567));
}

TEST(Stall, ALineThatIsCutShortIsEmpty) {
  const StallLines lines =
      parse_stall("some avg10=1.50 avg60=0.25\nfull avg10=0.50 avg60=0.10 avg300=0.00 total=1");
  EXPECT_FALSE(lines.some);
  EXPECT_TRUE(lines.full);
  EXPECT_FALSE(parse_stall("").some);
  EXPECT_FALSE(parse_stall("some avg10=x avg60=0.25 avg300=0.00 total=1\n").some);
  EXPECT_FALSE(parse_stall("full\n").full);
}

}  // namespace
}  // namespace headroom::sense
