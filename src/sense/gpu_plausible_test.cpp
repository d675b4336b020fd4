#include "sense/gpu_plausible.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using namespace headroom::literals;

GpuReading reading(const std::string& id, const std::string& pci, Bytes total = 24_GiB) {
  GpuReading gpu;
  gpu.id = id;
  gpu.pci = pci;
  gpu.memory_total = total;
  gpu.memory_used = 1_GiB;
  return gpu;
}

TEST(GpuPlausible, LeavesWhatCanBe) {
  GpuPlausible plausible;
  GpuReading gpu = reading("a", "0000:01:00.0");
  gpu.busy = Ratio(1.0);
  gpu.celsius = -5;
  gpu.watts = 299;
  gpu.watts_limit = 150;  // a peak above the limit
  gpu.fan = Ratio(1.05);
  gpu.memory_reserved = 23_GiB;
  gpu.processes_known = true;
  gpu.processes = {{1, 1_GiB, false}, {2, 128_MiB, false}};
  std::vector<std::string> doubts;
  plausible.mend(gpu, doubts);
  EXPECT_TRUE(doubts.empty()) << doubts.front();
  EXPECT_TRUE(gpu.busy && gpu.celsius && gpu.watts && gpu.fan && gpu.memory_used);
  EXPECT_TRUE(gpu.processes_known);
}

TEST(GpuPlausible, EachLieCostsItsOwnField) {
  struct Row {
    const char* name;
    void (*lie)(GpuReading&);
    bool (*refused)(const GpuReading&);
  };
  const Row rows[] = {
      {"used", [](GpuReading& g) { g.memory_used = 25_GiB; },
       [](const GpuReading& g) { return !g.memory_used; }},
      {"used with reserve",
       [](GpuReading& g) {
         g.memory_used = 24_GiB;
         g.memory_reserved = 1_GiB;
       },
       [](const GpuReading& g) { return !g.memory_used; }},
      {"negative", [](GpuReading& g) { g.memory_used = Bytes(-1); },
       [](const GpuReading& g) { return !g.memory_used; }},
      {"busy", [](GpuReading& g) { g.busy = Ratio(1.01); },
       [](const GpuReading& g) { return !g.busy; }},
      {"cold", [](GpuReading& g) { g.celsius = -21; },
       [](const GpuReading& g) { return !g.celsius; }},
      {"hot", [](GpuReading& g) { g.celsius = 151; },
       [](const GpuReading& g) { return !g.celsius; }},
      {"power over limit",
       [](GpuReading& g) {
         g.watts_limit = 150;
         g.watts = 301;
       },
       [](const GpuReading& g) { return !g.watts && g.watts_limit; }},
      {"power", [](GpuReading& g) { g.watts = 2001; },
       [](const GpuReading& g) { return !g.watts; }},
      {"processes",
       [](GpuReading& g) {
         g.processes_known = true;
         g.processes = {{1, 10_GiB, false}};
       },
       [](const GpuReading& g) { return !g.processes_known && g.processes.size() == 1; }},
  };
  for (const Row& row : rows) {
    GpuPlausible plausible;
    GpuReading gpu = reading("a", "0000:01:00.0");
    row.lie(gpu);
    std::vector<std::string> doubts;
    plausible.mend(gpu, doubts);
    EXPECT_TRUE(row.refused(gpu)) << row.name;
    EXPECT_EQ(doubts.size(), 1u) << row.name;
  }
}

TEST(GpuPlausible, AnotherTotalAndACounterThatWentBackAreBelievedWhenTheyStay) {
  GpuPlausible plausible;
  std::vector<std::string> doubts;
  GpuReading gpu = reading("a", "0000:01:00.0");
  gpu.joules = 1000;
  plausible.mend(gpu, doubts);
  for (int i = 1; i <= GpuPlausible::kBelieveAfter; ++i) {
    gpu = reading("a", "0000:01:00.0", 80_GiB);
    gpu.joules = i;
    doubts.clear();
    plausible.mend(gpu, doubts);
    const bool believed = i == GpuPlausible::kBelieveAfter;
    EXPECT_EQ(gpu.memory_total, believed ? 80_GiB : 24_GiB) << i;
    EXPECT_EQ(gpu.joules.has_value(), believed) << i;
    EXPECT_EQ(doubts.size(), believed ? 0u : 2u) << i;
  }
}

TEST(GpuPlausible, OrderIsByAddressAndSlicesFollow) {
  GpuPlausible plausible;
  std::vector<std::string> doubts;
  GpuReading slice = reading("MIG-1", "0000:b3:00.0", 5_GiB);
  slice.parent = "b";
  std::vector<GpuReading> all = {reading("b", "0000:b3:00.0"), slice, reading("c", "10000:01:00.0"),
                                 reading("a", "0000:65:00.0")};
  plausible.identify(all, doubts);
  std::string order;
  for (const GpuReading& gpu : all) order += gpu.id + std::to_string(gpu.index) + " ";
  EXPECT_EQ(order, "a0 b1 MIG-12 c3 ");
  EXPECT_TRUE(doubts.empty());
}

TEST(GpuPlausible, ADeviceThatIsPluggedInElsewhereMoves) {
  GpuPlausible plausible;
  std::vector<std::string> doubts;
  std::vector<GpuReading> all = {reading("a", "0000:65:00.0"), reading("b", "0000:b3:00.0")};
  plausible.identify(all, doubts);
  all = {reading("b", "0000:b3:00.0"), reading("a", "0000:c0:00.0")};
  plausible.identify(all, doubts);
  EXPECT_EQ(all[0].id, "b");
  EXPECT_EQ(all[1].pci, "0000:c0:00.0");
  EXPECT_TRUE(doubts.empty());
}

}  // namespace
}  // namespace headroom::sense
