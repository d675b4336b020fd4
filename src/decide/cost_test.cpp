#include "decide/cost.hpp"

#include <gtest/gtest.h>

#include "decide/calendar.hpp"

namespace headroom::decide {
namespace {

using namespace literals;
using namespace std::chrono_literals;

Config::Cost prices() {
  Config::Cost cost;
  cost.per_hour = 2;
  cost.gpu_per_hour = 3;
  cost.per_kwh = 0.5;
  cost.idle_watts = 200;
  return cost;
}

// 100 GiB, 8 cores, a device of 24 GiB.
class Costs : public testing::Test {
 protected:
  Costs() {
    Sample sample;
    sample.cpu.cores = 8;
    sample.memory.total = 100_GiB;
    sample.memory.available = 100_GiB;
    GpuReading gpu;
    gpu.id = "GPU-A";
    gpu.memory_total = 24_GiB;
    gpu.memory_used = Bytes();
    sample.gpus.push_back(gpu);
    ledger.refresh(sample, Config(), Cores());
    device = ledger.gpu("GPU-A");
  }
  double booked(const Amounts& amounts, bool exclusive = false) const {
    return booking_per_hour(prices(), ledger, amounts, amounts.gpu_memory == Bytes() ? -1 : device,
                            exclusive)
        .value();
  }
  Ledger ledger;
  int device = -1;
};

TEST_F(Costs, TheNodeCostsItsPriceItsDevicesAndItsEnergy) {
  EXPECT_DOUBLE_EQ(node_per_hour(prices(), 2, 800.0).value(), 2 + 2 * 3 + 0.5 * (0.2 + 0.8));
  EXPECT_DOUBLE_EQ(node_per_hour(prices(), 0, std::nullopt).value(), 2 + 0.5 * 0.2);
  EXPECT_EQ(node_per_hour({}, 8, 800.0), Money());
}

TEST_F(Costs, ABookingPaysForItsShare) {
  const double node = 2 + 0.1;
  EXPECT_DOUBLE_EQ(booked({50_GiB, {}, {}, {}}), node / 4) << "half of the memory: a quarter";
  EXPECT_DOUBLE_EQ(booked({50_GiB, {}, 4_cores, {}}), node / 2);
  EXPECT_DOUBLE_EQ(booked({{}, 12_GiB, {}, {}}), 1.5);
  EXPECT_DOUBLE_EQ(booked({{}, 1_GiB, {}, {}}, true), 3) << "nobody else may be there";
  EXPECT_EQ(booked({}), 0);
}

TEST_F(Costs, AllThatCanBeBookedNeverCostsMoreThanTheNode) {
  EXPECT_DOUBLE_EQ(booked({100_GiB, 24_GiB, 8_cores, {}}),
                   node_per_hour(prices(), 1, std::nullopt).value());
  EXPECT_DOUBLE_EQ(booked({900_GiB, 24_GiB, 80_cores, {}}),
                   node_per_hour(prices(), 1, std::nullopt).value());
}

TEST_F(Costs, WhereNothingIsKnownOfTheMachineNothingIsAskedForIt) {
  EXPECT_EQ(booking_per_hour(prices(), Ledger(), {50_GiB, {}, 4_cores, {}}, -1, false), Money());
}

TEST(CostOfSlices, AreThoseOfTheirDevice) {
  Sample sample;
  sample.cpu.cores = 8;
  sample.memory.total = 100_GiB;
  sample.memory.available = 100_GiB;
  for (const char* id : {"MIG-a", "MIG-b", "MIG-c"}) {
    GpuReading slice;
    slice.id = id;
    slice.parent = "GPU-A";
    slice.memory_total = id == std::string("MIG-c") ? 20_GiB : 10_GiB;
    slice.memory_used = Bytes();
    sample.gpus.push_back(slice);
  }
  Ledger ledger;
  ledger.refresh(sample, Config(), Cores());
  double all = 0;
  for (const char* id : {"MIG-a", "MIG-b", "MIG-c"}) {
    const int pool = ledger.gpu(id);
    ASSERT_GE(pool, 0);
    const Amounts whole{{}, Bytes(ledger.pool(pool).capacity), {}, {}};
    all += booking_per_hour(prices(), ledger, whole, pool, false).value();
  }
  EXPECT_NEAR(all, 3, 1e-9);
}

TEST_F(Costs, SecondsAddUpToHours) {
  const Money hour = node_per_hour(prices(), 1, std::nullopt);
  Money sum;
  for (int i = 0; i < 3600; ++i) sum += over(hour, 1s);
  EXPECT_NEAR(sum.value(), hour.value(), 1e-5);
  EXPECT_EQ(over(hour, -1s), Money());
  EXPECT_EQ(over(hour, 1h), hour);
}

TEST(Months, EndWhenTheClocksSayso) {
  using namespace std::chrono;
  ZoneRules berlin;
  berlin.name = "Europe/Berlin";
  berlin.before = 1h;
  berlin.changes = {{sys_days(2026y / 3 / 29) + 1h, 2h}, {sys_days(2026y / 10 / 25) + 1h, 1h}};
  const WallTime late = sys_days(2026y / 3 / 31) + 22h;  // it is midnight there
  EXPECT_EQ(month_of(late - 1s, berlin), 2026y / March);
  EXPECT_EQ(month_of(late, berlin), 2026y / April);
  EXPECT_EQ(end_of(2026y / March, berlin), late);
  EXPECT_EQ(end_of(2026y / October, berlin), WallTime(sys_days(2026y / 10 / 31) + 23h));
  EXPECT_EQ(end_of(2026y / December, ZoneRules()), WallTime(sys_days(2027y / 1 / 1)));
  EXPECT_EQ(hour_of(late, berlin), 0);
  EXPECT_EQ(hour_of(late - 1s, berlin), 23);
  EXPECT_EQ(hour_of(sys_days(2026y / 10 / 25) + 1h, berlin), 2) << "for the second time";
}

}  // namespace
}  // namespace headroom::decide
