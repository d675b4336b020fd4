#include <gtest/gtest.h>

#include "cli/graph.hpp"

namespace headroom::cli {
namespace {

using Values = std::vector<std::optional<double>>;

TEST(Series, KeepsTheLastFifteenMinutesAndTheirGaps) {
  Series series;
  EXPECT_FALSE(series.newest());
  series.put(1000, 1);
  series.put(1003, 3);
  series.put(1003, 2);  // the greater stays
  EXPECT_EQ(series.window(1003, 5, 1), (Values{std::nullopt, 1, std::nullopt, std::nullopt, 3}));
  series.put(1003 + Series::kSeconds + 5, 9);
  EXPECT_EQ(series.window(1003, 1, 1), (Values{std::nullopt}));
  series.put(1003, 7);  // too old by now
  EXPECT_EQ(series.greatest(1003 + Series::kSeconds + 5, Series::kSeconds), 9);
}

TEST(Series, TakesHistoryInAnyOrder) {
  Series series;
  series.put(100, 5);
  series.put(98, 3);
  EXPECT_EQ(series.window(100, 3, 1), (Values{3, std::nullopt, 5}));
}

TEST(Series, BucketsStandStillWhileTimeGoesOn) {
  Series series;
  for (int i = 0; i < 40; ++i) series.put(1000 + i, i % 10);
  // Until 1013 and 1014 the buckets that are over are the same.
  const auto one = series.window(1013, 4, 5);
  const auto other = series.window(1014, 4, 5);
  EXPECT_EQ(one[2], other[2]);
  EXPECT_EQ(one[2], 9);  // 1005 to 1009
  const auto later = series.window(1015, 4, 5);
  EXPECT_EQ(later[1], one[2]);
}

TEST(Graph, TellsZeroFromUnknown) {
  Canvas canvas(2, 1);
  draw_graph(canvas, {0, 0, 2, 1}, {std::nullopt, std::nullopt, 0.0, 1.0}, Ink::cpu);
  EXPECT_EQ(canvas.text({}), " ⣸\n");
}

TEST(Graph, FillsRowsFromTheBottomAndTheNewestIsAtTheRight) {
  Canvas canvas(3, 2, false);
  draw_graph(canvas, {0, 0, 3, 2}, {0.25, 1.0}, Ink::cpu);
  EXPECT_EQ(canvas.text({}), "  #\n =#\n");
}

TEST(Bar, ShowsWhatIsThereHoweverLittle) {
  Canvas canvas(10, 1);
  draw_bar(canvas, 0, 0, 10, {{0.5, "█", {}}, {0.005, "▒", {}}, {0, "╱", {}}},
           {{0.9, Pen{Ink::warning}}});
  EXPECT_EQ(canvas.text({}), "█████····╎\n");
  Canvas wide(20, 1);
  draw_bar(wide, 0, 0, 20, {{0.5, "█", {}}, {0.02, "▒", {}}});
  EXPECT_EQ(wide.text({}), "██████████▒·········\n");
}

TEST(Bar, NeverLeavesItsPlace) {
  Canvas canvas(6, 1);
  draw_bar(canvas, 1, 0, 4, {{3.0, "█", {}}, {2.0, "▒", {}}}, {{1.5, {}}});
  EXPECT_EQ(canvas.text({}), " ████\n");
}

}  // namespace
}  // namespace headroom::cli
