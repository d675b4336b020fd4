#include "record/codec.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "record/block.hpp"
#include "record/bytes.hpp"
#include "record/tier.hpp"

namespace headroom::record {
namespace {

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

std::vector<double> there_and_back(const std::vector<double>& values) {
  std::string bytes;
  encode_column(values, bytes);
  std::vector<double> out;
  EXPECT_TRUE(decode_column(bytes, out));
  EXPECT_EQ(out.size(), values.size());
  out.resize(values.size());
  return out;
}

void expect_within(const std::vector<double>& values, double error) {
  const auto back = there_and_back(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      ASSERT_TRUE(std::isnan(back[i])) << i;
    } else {
      ASSERT_LE(std::abs(back[i] - values[i]), error) << i << ": " << values[i];
    }
  }
}

using Draw = std::function<double(std::size_t, std::mt19937_64&)>;

std::vector<double> drawn(std::size_t count, std::uint64_t seed, const Draw& draw) {
  std::mt19937_64 random(seed);
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(draw(i, random));
  return values;
}

TEST(Column, WholeNumbersAndDecimalsComeBackExactly) {
  const std::vector<Draw> shapes = {
      [](std::size_t, auto&) { return 42.0; },
      [](std::size_t i, auto&) { return static_cast<double>(i); },
      [](std::size_t i, auto&) { return 1e12 + 4096.0 * static_cast<double>(i * i); },
      [](std::size_t, auto& r) { return static_cast<double>(r() % 100); },
      [](std::size_t, auto& r) { return static_cast<double>(r() % 10001) / 100; },
      [](std::size_t, auto& r) { return (static_cast<double>(r() % 2000000) - 1e6) / 1000; },
      [](std::size_t, auto& r) { return r() % 40 == 0 ? static_cast<double>(r() >> 12) : 0.0; },
      [](std::size_t, auto& r) { return static_cast<double>(r() >> 11) - 4503599627370496.0; },
      [](std::size_t i, auto& r) { return i / 300 % 2 != 0 ? static_cast<double>(r() % 9) : 1e9; },
      [](std::size_t i, auto& r) { return r() % 3 == 0 ? kGap : static_cast<double>(i % 7); },
  };
  for (std::size_t shape = 0; shape < shapes.size(); ++shape) {
    for (const std::size_t count : {0U, 1U, 2U, 127U, 128U, 129U, 3600U}) {
      SCOPED_TRACE(testing::Message() << "shape " << shape << ", " << count);
      expect_within(drawn(count, count + shape, shapes[shape]), 0);
    }
  }
}

TEST(Column, OtherNumbersAreRoundedAsPromised) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> share(0, 100);
  expect_within(drawn(3600, 1, [&](std::size_t, auto& r) { return share(r); }), 0.00501);
  for (const double largest : {1e3, 1e4, 1e6, 4e9, 1e12, 1e20, 1e30}) {
    std::uniform_real_distribution<double> any(-largest, largest);
    SCOPED_TRACE(largest);
    expect_within(drawn(500, 2, [&](std::size_t, auto& r) { return any(r); }),
                  largest / 10000 * 0.5001);
  }
}

TEST(Column, WhatIsNoNumberIsAGap) {
  const double infinite = std::numeric_limits<double>::infinity();
  expect_within({kGap, kGap}, 0);
  expect_within({1, infinite, -infinite, 2, kGap}, 0);
  EXPECT_TRUE(std::isnan(there_and_back({1, 1e31})[1]));
}

TEST(Column, TakesFewBytes) {
  const auto bytes_of = [](const std::vector<double>& values) {
    std::string bytes;
    encode_column(values, bytes);
    return static_cast<double>(bytes.size()) / static_cast<double>(values.size());
  };
  EXPECT_LT(bytes_of(std::vector<double>(3600, 25276501000.0)), 0.03);
  std::normal_distribution<double> noise(50, 3);
  EXPECT_LT(bytes_of(drawn(3600, 3, [&](std::size_t, auto& r) { return noise(r); })), 1.4);
  // A counter that grows by pages now and then.
  double counter = 5e9;
  EXPECT_LT(bytes_of(drawn(3600, 4,
                           [&](std::size_t, auto& r) {
                             return counter +=
                                    r() % 4 == 0 ? 4096.0 * static_cast<double>(r() % 50) : 0.0;
                           })),
            0.6);
}

TEST(Column, AnyCutIsNoColumn) {
  for (const bool gaps : {false, true}) {
    std::string bytes;
    encode_column(drawn(300, 5,
                        [&](std::size_t i, auto& r) {
                          return gaps && i % 50 == 7 ? kGap : static_cast<double>(r() % 1000);
                        }),
                  bytes);
    std::vector<double> out;
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      ASSERT_FALSE(decode_column({bytes.data(), cut}, out)) << cut;
      ASSERT_TRUE(out.empty());
    }
    ASSERT_FALSE(decode_column(bytes + std::string(1, '\0'), out));
  }
}

// ------------------------------------------------------------------------------------- blocks

std::string some_block() {
  BlockMaker maker(1200000, 10000);
  for (const SeriesId id : {1U, 2U, 40U, 70000U}) {
    Grid grid(1210000, 10000, 20, id % 2 == 0);
    for (std::size_t i = 3; i < 18; ++i) {
      grid.average[i] = static_cast<double>(i * id);
      if (!grid.coarse()) continue;
      grid.least[i] = grid.average[i] - 1;
      grid.largest[i] = grid.average[i] + 1;
    }
    maker.add(id, grid);
  }
  return maker.make();
}

// How many of its series can be read.
int readable(const std::string& bytes) {
  const auto length = head_size(bytes);
  if (!length || *length > bytes.size()) return -1;
  const auto head = read_head({bytes.data(), *length}, bytes.size());
  if (!head) return -1;
  int whole = 0;
  for (const Entry& entry : head->entries) {
    const auto grid = read_entry(*head, entry, {bytes.data() + entry.at, entry.length});
    if (!grid) continue;
    ++whole;
    EXPECT_EQ(grid->at, 1240000);
    EXPECT_EQ(grid->average.size(), 15U);
    EXPECT_EQ(grid->average[4], 7.0 * entry.id);
    EXPECT_EQ(grid->coarse(), entry.id % 2 == 0);
  }
  return whole;
}

TEST(Block, IsReadAsItWasMade) { EXPECT_EQ(readable(some_block()), 4); }

TEST(Block, EveryChangedByteIsRefusedAndCostsOneSeriesOrTheBlock) {
  const std::string whole = some_block();
  const std::size_t head = *head_size(whole);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int mask = 1; mask < 256; ++mask) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      ASSERT_EQ(readable(bytes), at < head ? -1 : 3) << at << " ^ " << mask;
    }
  }
}

TEST(Block, EveryCutIsRefused) {
  const std::string whole = some_block();
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    ASSERT_EQ(readable(whole.substr(0, cut)), -1) << cut;
  }
  EXPECT_EQ(readable(whole + "x"), -1);
}

TEST(Block, AnEntryOfAnotherSeriesOrTimeIsRefused) {
  const auto make = [](Millis at, SeriesId id) {
    BlockMaker maker(at, 1000);
    Grid grid(at, 1000, 1, false);
    grid.average[0] = 5;
    maker.add(id, grid);
    return maker.make();
  };
  const std::string one = make(1000, 1);
  const auto head = read_head({one.data(), *head_size(one)}, one.size());
  ASSERT_TRUE(head);
  const Entry& entry = head->entries[0];
  EXPECT_TRUE(read_entry(*head, entry, {one.data() + entry.at, entry.length}));
  for (const std::string& other : {make(1000, 2), make(2000, 1)}) {
    ASSERT_EQ(other.size(), one.size());
    EXPECT_FALSE(read_entry(*head, entry, {other.data() + entry.at, entry.length}));
  }
}

// -------------------------------------------------------------------------------------- tiers

TEST(Grid, FloorsAlsoBefore1970) {
  EXPECT_EQ(floor_to(2999, 1000), 2000);
  EXPECT_EQ(floor_to(-1, 1000), -1000);
  EXPECT_EQ(floor_to(-1000, 1000), -1000);
}

TEST(Grid, ALaterStretchCoversAnEarlierOneAndItsGapsDoNot) {
  Grid to(10000, 1000, 5, false);
  to.average = {1, 2, 3, 4, 5};
  Grid from(12000, 1000, 5, false);
  from.average = {30, kGap, 50, 60, 70};
  lay_over(to, from);
  EXPECT_EQ(to.average, (std::vector<double>{1, 2, 30, 4, 50}));
}

TEST(Grid, OtherStepsFillOrAverage) {
  Grid to(0, 1000, 6, false);
  Grid slow(0, 3000, 2, false);
  slow.average = {7, 9};
  lay_over(to, slow);
  EXPECT_EQ(to.average, (std::vector<double>{7, 7, 7, 9, 9, 9}));
  Grid coarse(0, 3000, 2, true);
  lay_over(coarse, to);
  Grid fast(0, 1500, 4, false);
  fast.average = {1, 3, 5, 9};
  lay_over(coarse, fast);
  EXPECT_EQ(coarse.average, (std::vector<double>{2, 7}));
  EXPECT_EQ(coarse.least, (std::vector<double>{1, 5}));
  EXPECT_EQ(coarse.largest, (std::vector<double>{3, 9}));
}

TEST(Grid, CoarserSlotsAverageAndKeepTheExtremes) {
  Grid fine(8000, 1000, 13, false);
  for (std::size_t i = 0; i < 13; ++i) fine.average[i] = static_cast<double>(i);
  fine.average[5] = kGap;
  Grid to(0, 10000, 3, true);
  coarsen_onto(to, fine);
  EXPECT_EQ(to.average[0], 0.5);
  EXPECT_DOUBLE_EQ(to.average[1], (2 + 3 + 4 + 6 + 7 + 8 + 9 + 10 + 11) / 9.0);
  EXPECT_EQ(to.largest[1], 11);
  EXPECT_EQ(to.least[1], 2);
  EXPECT_EQ(to.average[2], 12);
  // A slot known in part is joined by its share; one known wholly takes over.
  Grid again(10000, 1000, 20, false);
  for (std::size_t i = 0; i < 20; ++i) again.average[i] = 100;
  coarsen_onto(to, again);
  EXPECT_EQ(to.average[1], 100);
  EXPECT_EQ(to.least[1], 100);
  Grid half(10000, 1000, 5, false);
  for (double& each : half.average) each = 200;
  coarsen_onto(to, half);
  EXPECT_EQ(to.average[1], 150);
  EXPECT_EQ(to.largest[1], 200);
  EXPECT_EQ(to.least[1], 100);
}

TEST(Bytes, NumbersComeBackAndALongOneIsRefused) {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63},
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    std::string bytes;
    put_varint(bytes, zigzag(value));
    ByteReader reader(bytes);
    EXPECT_EQ(unzigzag(reader.varint()), value);
    EXPECT_TRUE(reader.rest().empty() && !reader.bad());
  }
  ByteReader reader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  reader.varint();
  EXPECT_TRUE(reader.bad());
}

}  // namespace
}  // namespace headroom::record
