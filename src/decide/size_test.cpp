#include "decide/size.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using namespace literals;
using std::chrono::seconds;

constexpr std::int64_t kMost = 1LL << 62;

std::vector<Peak> peaks(std::initializer_list<double> gib) {
  std::vector<Peak> all;
  for (const double one : gib) {
    all.push_back({Bytes(static_cast<std::int64_t>(std::abs(one) * 1073741824)), one < 0});
  }
  return all;
}

double over(const Interval& interval, Bytes bytes) {
  return static_cast<double>(interval.p95.count()) / static_cast<double>(bytes.count());
}

TEST(Size, UnknownIsAStateAndNotZero) {
  EXPECT_EQ(predict({}, Kin::same), std::nullopt);
  const std::vector<Peak> unmeasured{{Bytes(0), false}, {Bytes(-5), false}, {Bytes(0), true}};
  EXPECT_EQ(predict(unmeasured, Kin::same), std::nullopt);
}

TEST(Size, OneLoadOfASteadyThingIsEnough) {
  const auto one = predict(peaks({9.2}), Kin::same);
  ASSERT_TRUE(one);
  const Bytes then(static_cast<std::int64_t>(9.2 * 1.005 * 1073741824));
  EXPECT_NEAR(over({one->p50, one->p50}, then), 1, 0.03);
  EXPECT_GE(one->p95, then);
  EXPECT_LT(over(*one, then), 1.12);
}

TEST(Size, MoreRunsThatAgreeNarrowIt) {
  double before = 2;
  std::vector<Peak> all;
  for (int i = 0; i < 8; ++i) {
    all.push_back({4_GiB, false});
    const double now = over(*predict(all, Kin::same), 4_GiB);
    EXPECT_LT(now, before);
    before = now;
  }
  EXPECT_LT(before, 1.02);
}

TEST(Size, WhatIsLessAkinIsWider) {
  const auto all = peaks({4, 4.1, 4});
  const auto same = predict(all, Kin::same);
  const auto device = predict(all, Kin::device);
  const auto config = predict(all, Kin::configuration);
  EXPECT_LT(same->p95, device->p95);
  EXPECT_LT(device->p95, config->p95);
  EXPECT_EQ(same->p50, config->p50);
}

TEST(Size, IsNeverBelowTheHighest) {
  const auto one = predict(peaks({9, 1, 1, 1, 1, 1, 1, 1}), Kin::same);
  EXPECT_GE(one->p95, 9_GiB);
  EXPECT_NEAR(over({one->p50, one->p50}, 1_GiB), 1, 0.01) << "what it takes of late";
  EXPECT_LT(predict(peaks({9, 1, 1, 1, 1, 1, 1, 1, 1}), Kin::same)->p95, 2_GiB)
      << "of more than eight the oldest are let go";
}

TEST(Size, ADeathRaisesItOnceAndNotForEver) {
  // It had 4 GiB when it died: it needs more, nobody knows how much.
  const auto first = predict(peaks({-4}), Kin::same);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->p50, 4_GiB);
  EXPECT_EQ(first->p95, 5_GiB);
  // Whatever it is given it takes, and dies.
  std::vector<LearnedRun> runs{{{4_GiB, Bytes(), Cores(), Bytes()}, seconds(0), true}};
  for (int i = 0; i < 20; ++i) {
    std::vector<Peak> all;
    for (const LearnedRun& run : runs) all.push_back({run.peak.memory, run.killed});
    const Bytes booked = predict(all, Kin::same)->p95;
    EXPECT_EQ(booked, 5_GiB);
    keep_run(runs, {{booked, Bytes(), Cores(), Bytes()}, seconds(0), true});
    EXPECT_LE(runs.size(), kLearnedRuns);
  }
  // A whole run after it says what it needs; what it had at its death is still a floor.
  const auto whole = predict(peaks({-4, 3}), Kin::same);
  EXPECT_EQ(whole->p50, 3_GiB);
  EXPECT_EQ(whole->p95, 4_GiB);
  EXPECT_EQ(predict(peaks({3, -4}), Kin::same)->p50, 4_GiB);
  EXPECT_EQ(predict(peaks({3, -4}), Kin::same)->p95, 5_GiB);
}

TEST(Size, HostileRunsNeverMakeItNothingNegativeOrTooMuch) {
  std::mt19937_64 engine(4);
  const std::int64_t edges[] = {
      std::numeric_limits<std::int64_t>::min(), -1, 0, 1, 2, 4096, kMost - 1, kMost,
      std::numeric_limits<std::int64_t>::max()};
  for (int round = 0; round < 20000; ++round) {
    std::vector<Peak> all;
    std::int64_t highest = 0;
    for (std::uint64_t i = engine() % 12; i > 0; --i) {
      const std::int64_t bytes = engine() % 3 == 0
                                     ? edges[engine() % std::size(edges)]
                                     : static_cast<std::int64_t>(engine() >> (engine() % 63 + 1));
      all.push_back({Bytes(bytes), engine() % 4 == 0});
    }
    for (std::size_t i = all.size() > 8 ? all.size() - 8 : 0; i < all.size(); ++i) {
      highest = std::max(highest, std::min(all[i].bytes.count(), kMost));
    }
    for (const Kin kin : {Kin::same, Kin::device, Kin::configuration}) {
      const auto one = predict(all, kin);
      ASSERT_EQ(one.has_value(), highest > 0);
      if (!one) continue;
      ASSERT_GT(one->p50.count(), 0);
      ASSERT_GE(one->p95, one->p50);
      // A double tells no more than 53 bits apart.
      ASSERT_GE(one->p95.count(), highest - highest / (1LL << 50));
      ASSERT_LE(one->p95.count(), kMost);
    }
  }
}

TEST(Size, BeyondAModelIsThePriorUntilItWasMeasured) {
  const Interval prior{700_MiB, 1400_MiB};
  EXPECT_EQ(predict_beyond(prior, {}), prior);
  const std::vector<Bytes> one{500_MiB};
  const Interval seen = predict_beyond(prior, one);
  EXPECT_EQ(seen.p50, 500_MiB);
  EXPECT_GT(seen.p95, 500_MiB);
  EXPECT_LT(seen.p95, prior.p95);
  const std::vector<Bytes> many(20, 500_MiB);
  EXPECT_LT(predict_beyond(prior, many).p95, seen.p95);
  Size size;
  add_beyond(size, seen);
  EXPECT_EQ(size, Size()) << "what takes no device has no context";
  size.gpu_memory = Interval{Bytes(kMost), Bytes(kMost)};
  add_beyond(size, seen);
  EXPECT_EQ(size.gpu_memory->p95.count(), kMost) << "and no sum leaves its range";
}

/// What was learned, put together by hand.
struct Book {
  void run(const char* name, const char* config, const char* device, Bytes memory,
           Bytes gpu_memory = Bytes(), bool killed = false) {
    Learned& set = learned[{name, config, device}];
    set.runs.push_back({{memory, gpu_memory, Cores(), Bytes()}, seconds(10 * ++count), killed});
    set.used = WallTime(seconds(count));
  }
  Known known(const char* name, const char* config, const char* device) const {
    return known_size(learned, name, config, device);
  }
  std::map<LearnedKey, Learned> learned;
  int count = 0;
};

TEST(KnownSize, TheMostSpecificThatHasRunsCounts) {
  Book book;
  EXPECT_EQ(book.known("train", "b32", "H100").size.from, SizeFrom::nobody);
  book.run("train", "b64", "H100", 1_GiB, 40_GiB);
  book.run("trainer", "b32", "H100", 1_GiB, 70_GiB);
  const Known other = book.known("train", "b32", "H100");
  EXPECT_EQ(other.size.from, SizeFrom::other_configuration);
  EXPECT_EQ(other.size.gpu_memory->p50, 40_GiB);
  EXPECT_GT(other.size.gpu_memory->p95, 60_GiB);
  book.run("train", "b32", "A100", 1_GiB, 20_GiB);
  const Known elsewhere = book.known("train", "b32", "H100");
  EXPECT_EQ(elsewhere.size.from, SizeFrom::other_device);
  EXPECT_EQ(elsewhere.size.gpu_memory->p50, 20_GiB);
  book.run("train", "b32", "H100", 1_GiB, 22_GiB);
  book.run("train", "b32", "H100", 1_GiB, 22_GiB);
  const Known known = book.known("train", "b32", "H100");
  EXPECT_EQ(known.size.from, SizeFrom::learned);
  EXPECT_EQ(known.size.gpu_memory->p50, 22_GiB);
  EXPECT_EQ(known.size.runs, 2U);
  EXPECT_EQ(known.length, seconds(50));
  EXPECT_FALSE(book.known("train", "b32", "A100").size.gpu_memory->p95 > 23_GiB);
}

TEST(KnownSize, WhatRanWithoutADeviceIsTheSameBesideAny) {
  Book book;
  book.run("sort", "x", "", 2_GiB);
  const Known known = book.known("sort", "x", "H100");
  EXPECT_EQ(known.size.from, SizeFrom::learned);
  EXPECT_EQ(known.size.memory->p50, 2_GiB);
  EXPECT_FALSE(known.size.gpu_memory);
}

TEST(KnownSize, WhoNamesNoConfigurationMeansTheOneThatRanLast) {
  Book book;
  book.run("train", "b32", "", 2_GiB);
  book.run("train", "b64", "", 4_GiB);
  EXPECT_EQ(book.known("train", "", "").size.memory->p50, 4_GiB);
  EXPECT_EQ(book.known("train", "", "").size.from, SizeFrom::learned);
  book.run("train", "", "", 3_GiB);
  EXPECT_EQ(book.known("train", "", "").size.memory->p50, 3_GiB);
  // As an older version kept it, which told no configurations apart: it never hides newer ones.
  book.learned[{"train", "", ""}].used = WallTime();
  EXPECT_EQ(book.known("train", "", "").size.memory->p50, 4_GiB);
}

TEST(KnownSize, ADeathIsForWantOfMemoryAndSaysNothingOfADevice) {
  Book book;
  book.run("train", "b32", "H100", 4_GiB, 3_GiB, true);
  const Known known = book.known("train", "b32", "H100");
  EXPECT_EQ(known.size.memory->p95, 5_GiB);
  EXPECT_EQ(known.size.gpu_memory->p50, 3_GiB);
  EXPECT_EQ(known.size.deaths, 1U);
}

TEST(KnownSize, WhoRanLongestAgoMakesPlace) {
  Book book;
  for (std::size_t i = 0; i < kMostLearnedOfName; ++i) {
    EXPECT_EQ(crowded_out(book.learned, {"a", std::to_string(i), ""}), std::nullopt);
    book.run("a", std::to_string(i).c_str(), "", 1_GiB);
  }
  book.run("a", "0", "", 1_GiB);
  EXPECT_EQ(crowded_out(book.learned, {"a", "5", ""}), std::nullopt) << "it is known already";
  EXPECT_EQ(crowded_out(book.learned, {"a", "new", ""}), (LearnedKey{"a", "1", ""}));
  EXPECT_EQ(crowded_out(book.learned, {"b", "new", ""}), std::nullopt);
  while (book.learned.size() < kMostLearned) {
    book.run(("b" + std::to_string(book.count)).c_str(), "", "", 1_GiB);
  }
  EXPECT_EQ(crowded_out(book.learned, {"c", "", ""}), (LearnedKey{"a", "1", ""}));
}

}  // namespace
}  // namespace headroom::decide
