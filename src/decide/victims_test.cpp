#include "decide/victims.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using namespace literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

BootTime at(int second) { return BootTime(seconds(second)); }

constexpr std::int64_t kGb = 1'000'000'000;

// A device with models on it, put in by hand, used in the order in which they are added.
class Device {
 public:
  Resident& add(const std::string& name, double gb, milliseconds reload = milliseconds(5000)) {
    Resident one;
    one.name = name;
    one.bytes = Bytes(static_cast<std::int64_t>(gb * static_cast<double>(kGb)));
    one.reload = reload;
    one.last_used = at(static_cast<int>(residents_.size()) + 1);
    residents_.push_back(one);
    uses.used(name, one.bytes, reload, Bytes(1000 * kGb));
    return residents_.back();
  }
  Victims need(double gb, Priority priority = Priority::normal, int now = 1000) {
    return choose_victims(residents_, uses,
                          {Bytes(static_cast<std::int64_t>(gb * static_cast<double>(kGb))),
                           priority, "asker", at(now)},
                          rules);
  }
  std::vector<std::string> names(const Victims& victims) const {
    std::vector<std::string> all;
    for (const Victim& victim : victims.unload) all.push_back(residents_[victim.resident].name);
    return all;
  }
  Spared spared(const Victims& victims, const std::string& name) const {
    for (const Kept& kept : victims.kept) {
      if (residents_[kept.resident].name == name) return kept.why;
    }
    ADD_FAILURE() << name << " is not kept";
    return Spared::dearer;
  }
  std::vector<Resident>& residents() { return residents_; }

  Uses uses;
  VictimRules rules;

 private:
  std::vector<Resident> residents_;
};

// jundot/omlx#3306: models of 1.7, 8 and 17 GB went, oldest first, where the last was enough.
TEST(Victims, omlx_3306_one_victim_not_three) {
  Device device;
  device.add("small", 1.7);
  device.add("middle", 8);
  device.add("large", 17);
  EXPECT_THAT(device.names(device.need(12)), ElementsAre("large"));
  EXPECT_THAT(device.names(device.need(1.5)), ElementsAre("small"));
  EXPECT_EQ(device.spared(device.need(12), "small"), Spared::dearer);
}

// llama-swap#1118: of two that cost the same the younger went.
TEST(Victims, llama_swap_1118_tie_goes_to_the_older) {
  Device never_used;
  for (const char* name : {"b", "a"}) {
    Resident one;
    one.name = name;
    one.bytes = 4_GiB;
    one.reload = milliseconds(5000);
    one.last_used = at(*name == 'b' ? 10 : 20);
    never_used.residents().push_back(one);
  }
  EXPECT_THAT(never_used.names(never_used.need(1)), ElementsAre("b"));
  std::swap(never_used.residents()[0], never_used.residents()[1]);
  EXPECT_THAT(never_used.names(never_used.need(1)), ElementsAre("b"));

  Device used;
  used.add("older", 4);
  used.add("younger", 4);
  EXPECT_THAT(used.names(used.need(1)), ElementsAre("older"));
}

// roboflow/inference#2091: pinned entries at the head used up the loop's budget, and nobody went.
TEST(Victims, roboflow_2091_pinned_entries_do_not_use_up_the_search) {
  for (int pins = 0; pins <= 50; ++pins) {
    Device device;
    for (int i = 0; i < 50; ++i) device.add("m" + std::to_string(i), 1).pinned = i < pins;
    const Victims victims = device.need(3);
    if (pins <= 47) {
      ASSERT_EQ(victims.unload.size(), 3U) << pins << " pinned";
      for (const Victim& victim : victims.unload) {
        EXPECT_GE(victim.resident, static_cast<std::size_t>(pins));
      }
    } else {
      EXPECT_THAT(victims.unload, IsEmpty()) << pins << " pinned";
      EXPECT_EQ(victims.outcome, Eviction::pinned);
    }
  }
}

// llama.cpp#22560: a low-priority request unloaded what a higher one had loaded.
TEST(Victims, llama_cpp_22560_low_priority_evicts_nothing_higher) {
  Device device;
  device.add("chat", 10).priority = Priority::normal;
  device.add("batch", 2).priority = Priority::low;
  Victims victims = device.need(8, Priority::low);
  EXPECT_THAT(victims.unload, IsEmpty());
  EXPECT_EQ(victims.outcome, Eviction::outranked);
  EXPECT_EQ(device.spared(victims, "chat"), Spared::outranks);
  victims = device.need(8, Priority::normal);
  EXPECT_THAT(device.names(victims), ElementsAre("chat"));
  EXPECT_EQ(device.spared(victims, "batch"), Spared::dearer);
  EXPECT_THAT(device.names(device.need(1, Priority::high)), ElementsAre("batch"));
}

// LocalAI and Lemonade unload model after model while another process holds the memory.
TEST(Victims, localai_foreign_memory_makes_eviction_futile) {
  Device device;
  device.add("a", 0.5);
  device.add("b", 0.7);
  const Victims victims = device.need(20, Priority::critical);
  EXPECT_THAT(victims.unload, IsEmpty());
  EXPECT_EQ(victims.outcome, Eviction::futile);
  EXPECT_EQ(victims.allowed, Bytes(1'200'000'000));
  EXPECT_THAT(victims.why, HasSubstr("something else takes the memory"));
}

// modelmesh-serving#341: with three models in turn and place for two, LRU loads every time.
TEST(Victims, modelmesh_serving_341_cyclic) {
  Uses uses;
  std::vector<Resident> residents;
  int loads = 0;
  constexpr int kUses = 600;
  for (int i = 0; i < kUses; ++i) {
    const std::string name(1, static_cast<char>('a' + i % 3));
    uses.used(name, 4_GiB, milliseconds(5000), 8_GiB);
    const auto same = [&](const Resident& one) { return one.name == name; };
    if (std::any_of(residents.begin(), residents.end(), same)) continue;
    ++loads;
    if (residents.size() == 2) {
      const Victims victims = choose_victims(
          residents, uses, {4_GiB, Priority::normal, name, at(100 * i)}, VictimRules());
      ASSERT_EQ(victims.unload.size(), 1U);
      residents.erase(residents.begin() + static_cast<std::ptrdiff_t>(victims.unload[0].resident));
    }
    Resident one;
    one.name = name;
    one.bytes = 4_GiB;
    one.since = at(100 * i);
    residents.push_back(one);
  }
  // At best every second use is a load; with LRU every use.
  EXPECT_LE(loads, (kUses / 2 + 2) * 3 / 2);
  EXPECT_LE(loads, kUses / 2 + 20);  // what it does in truth
}

// llama.cpp PR#18373: all pinned, and the answer was to go on as if there were room.
TEST(Victims, llama_cpp_18373_all_pinned_or_busy_is_said) {
  Device device;
  device.add("a", 4).pinned = true;
  device.add("b", 4).busy = 2;
  Victims victims = device.need(3);
  EXPECT_THAT(victims.unload, IsEmpty());
  EXPECT_EQ(victims.outcome, Eviction::busy);
  EXPECT_THAT(victims.why, HasSubstr("1 busy (3.7 GiB), 1 pinned (3.7 GiB)"));
  victims = device.need(5);
  EXPECT_EQ(victims.outcome, Eviction::pinned);
}

// llama.cpp#21678, Ray PR#65825: a model that was loading, or just loaded, went for the next one.
TEST(Victims, llama_cpp_21678_loading_and_just_loaded_models_stay) {
  Device device;
  device.add("loading", 9).loading = true;
  device.add("fresh", 9).since = at(998);
  Victims victims = device.need(4);
  EXPECT_THAT(victims.unload, IsEmpty());
  EXPECT_EQ(victims.outcome, Eviction::later);
  EXPECT_EQ(victims.retry, at(998) + device.rules.min_residency);
  EXPECT_EQ(device.spared(victims, "loading"), Spared::loading);
  EXPECT_EQ(device.spared(victims, "fresh"), Spared::resting);
  EXPECT_THAT(device.names(device.need(4, Priority::high)), ElementsAre("fresh"));
  EXPECT_THAT(device.names(device.need(4, Priority::normal, 1003)), ElementsAre("fresh"));
}

TEST(Victims, AModelReloadedAgainAndAgainStaysUntilItsLoadsAreOld) {
  Device device;
  device.add("pong", 9);
  for (const int second : {950, 960, 970, 980}) device.uses.loaded("pong", at(second));
  const Victims victims = device.need(4);
  EXPECT_EQ(victims.outcome, Eviction::later);
  EXPECT_EQ(device.spared(victims, "pong"), Spared::churning);
  EXPECT_EQ(victims.retry, at(1010));
  EXPECT_THAT(device.names(device.need(4, Priority::normal, 1010)), ElementsAre("pong"));
}

TEST(Victims, LaterNamesTheMomentAtWhichEnoughMayGo) {
  Device device;
  device.add("a", 4).since = at(996);
  device.add("b", 4).since = at(999);
  device.add("c", 4).since = at(998);
  EXPECT_EQ(device.need(6).retry, at(1003));
  EXPECT_EQ(device.need(9).retry, at(1004));
  EXPECT_THAT(device.names(device.need(6, Priority::normal, 1003)), testing::SizeIs(2));
}

// The set counts, not the one: one large model that costs less than the two that are older.
TEST(Victims, TheSetOfLeastRegretGoesDearestLast) {
  Device device;
  device.add("a", 5, milliseconds(20'000));
  device.add("b", 5, milliseconds(20'000));
  device.add("c", 10, milliseconds(8'000));
  EXPECT_THAT(device.names(device.need(9)), ElementsAre("c"));
  EXPECT_THAT(device.names(device.need(14)), ElementsAre("c", "a"));
  const Victims victims = device.need(14);
  EXPECT_LE(victims.unload[0].regret, victims.unload[1].regret);
  EXPECT_EQ(victims.freed, Bytes(15 * kGb));
  EXPECT_THAT(
      victims.why,
      HasSubstr("13.0 GiB must come free: c (9.3 GiB, reload 8 s), a (4.7 GiB, reload 20 s) go"));
}

TEST(Victims, APriorityWeighsAmongThoseThatMayGo) {
  Device device;
  device.add("high", 4).priority = Priority::high;
  device.add("low", 4).priority = Priority::low;
  EXPECT_THAT(device.names(device.need(1, Priority::critical)), ElementsAre("low"));
}

TEST(Victims, TheAskerAndWhatHoldsNothingAreNoVictims) {
  Device device;
  device.add("asker", 9);
  device.add("empty", 0);
  const Victims victims = device.need(4);
  EXPECT_THAT(victims.unload, IsEmpty());
  EXPECT_EQ(device.spared(victims, "asker"), Spared::asker);
  EXPECT_EQ(device.spared(victims, "empty"), Spared::empty);
  EXPECT_EQ(victims.outcome, Eviction::futile);
}

TEST(Victims, NothingMissingUnloadsNothing) {
  Device device;
  device.add("a", 4);
  EXPECT_EQ(device.need(0).outcome, Eviction::needless);
  EXPECT_EQ(device.need(-3).outcome, Eviction::needless);
  EXPECT_THAT(device.need(-3).unload, IsEmpty());
  EXPECT_EQ(Device().need(1).outcome, Eviction::futile);
}

}  // namespace
}  // namespace headroom::decide
