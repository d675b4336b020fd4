#include "decide/uses.hpp"

#include <random>

#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using namespace literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kReload(5000);

// Models of one size on a device with place for `places` of them.
class Device {
 public:
  explicit Device(int places) : capacity_(Bytes(places)) {}
  void use(const std::string& model) { uses.used(model, 1_B, kReload, capacity_); }
  std::uint32_t likelihood(const std::string& model, Guess guess) const {
    return uses.likelihood(uses.find(model), guess);
  }
  Uses uses;

 private:
  Bytes capacity_;
};

TEST(Uses, ARhythmTellsWhoComesNext) {
  Device device(2);
  for (int i = 0; i < 10; ++i) {
    for (const char* model : {"a", "b", "c"}) device.use(model);
  }
  device.use("a");
  device.use("b");  // c is next, then a
  EXPECT_GT(device.likelihood("c", Guess::rhythm), device.likelihood("a", Guess::rhythm));
  EXPECT_GT(device.likelihood("a", Guess::rhythm), device.likelihood("b", Guess::rhythm));
  EXPECT_LT(device.likelihood("c", Guess::age), device.likelihood("a", Guess::age));
}

TEST(Uses, ARoundThatDoesNotFitIsLearnedWhereLruLoadsEveryTime) {
  Device device(3);
  for (int i = 0; i < 100; ++i) {
    for (const char* model : {"a", "b", "c", "d"}) device.use(model);
  }
  EXPECT_EQ(device.uses.cost(Guess::oldest), 400 * kReload);
  EXPECT_EQ(device.uses.leader(), Guess::rhythm);
  EXPECT_LT(device.uses.own_cost(), 180 * kReload);
}

TEST(Uses, AHundredUsesInARowAreOneTurn) {
  Device often(2), once(2);
  for (int round = 0; round < 5; ++round) {
    for (const char* model : {"a", "b", "c"}) {
      for (int i = 0; i < 100; ++i) often.use(model);
      once.use(model);
    }
  }
  EXPECT_EQ(often.uses, once.uses);
}

TEST(Uses, OftenForgetsOldFavourites) {
  Device device(4);
  for (int i = 0; i < 1000; ++i) device.use(i % 2 == 0 ? "old" : "b");
  for (int i = 0; i < 1500; ++i) device.use(i % 3 == 0 ? "new" : i % 3 == 1 ? "b" : "c");
  EXPECT_GT(device.likelihood("new", Guess::often), device.likelihood("old", Guess::often));
}

TEST(Uses, LeadersNeverCostMuchMoreThanLruWhateverIsAsked) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    Uses uses;
    for (int i = 0; i < 2000; ++i) {
      // Every 50 uses another set of favourites: what was learned is wrong again.
      const auto base = (static_cast<std::uint64_t>(i) / 50 * 7919) % 12;
      const std::uint64_t model = (base + random() % (1 + random() % 12)) % 12;
      uses.used(std::to_string(model), Bytes(static_cast<std::int64_t>(1 + model * 5 % 9)),
                milliseconds(1000 + 700 * static_cast<int>(model * 7 % 11)), Bytes(20));
    }
    const auto lru = uses.cost(Guess::oldest);
    EXPECT_LE(uses.own_cost(), lru + lru / 20) << "seed " << seed;
  }
}

TEST(Uses, ModelsAreBoundedAndTheOneUsedLongestAgoIsForgotten) {
  Device device(4);
  for (std::size_t i = 0; i <= Uses::kMostModels; ++i) device.use("m" + std::to_string(i));
  EXPECT_EQ(device.uses.size(), Uses::kMostModels);
  EXPECT_EQ(device.uses.find("m0"), nullptr);
  EXPECT_NE(device.uses.find("m1"), nullptr);
  device.uses.forget("m1");
  EXPECT_EQ(device.uses.find("m1"), nullptr);
  EXPECT_EQ(device.likelihood("m1", Guess::rhythm), device.likelihood("m1", Guess::age));
}

TEST(Uses, AModelLargerThanTheDeviceTakesThePlaceOfAll) {
  Uses uses;
  uses.used("a", 1_GiB, kReload, 2_GiB);
  uses.used("huge", Bytes(INT64_MAX), milliseconds(INT64_MAX), 2_GiB);
  uses.used("none", Bytes(-5), milliseconds(-5), Bytes(-1));
  EXPECT_EQ(uses.find("a")->shadows, 0);
  EXPECT_GE(uses.find("none")->reload.count(), 1);
}

TEST(Uses, CalmComesWhenTheFirstOfTheLoadsIsOld) {
  Uses uses;
  const auto at = [](int second) { return BootTime(seconds(second)); };
  for (const int second : {1, 10, 20, 30, 40}) uses.loaded("a", at(second));
  const UseHistory& a = *uses.find("a");
  EXPECT_EQ(Uses::calm_at(a, 3, seconds(60), at(41)), at(80));  // 20, 30, 40
  EXPECT_EQ(Uses::calm_at(a, 4, seconds(60), at(41)), at(70));
  EXPECT_EQ(Uses::calm_at(a, 4, seconds(60), at(75)), at(75));
  EXPECT_EQ(Uses::calm_at(a, 4, seconds(0), at(41)), at(41));
  EXPECT_EQ(Uses::calm_at(UseHistory(), 1, seconds(60), at(41)), at(41));
}

}  // namespace
}  // namespace headroom::decide
