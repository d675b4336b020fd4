#include "runtime/series.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace headroom::runtime {
namespace {

using namespace literals;

std::optional<double> value_of(std::span<const judge::Reading> readings, std::string_view series) {
  const auto found = std::find_if(readings.begin(), readings.end(),
                                  [&](const auto& one) { return one.series == series; });
  if (found == readings.end()) {
    ADD_FAILURE() << "no series " << series;
    return std::nullopt;
  }
  return found->value;
}

TEST(Series, AreSharesDegreesWattsAndRates) {
  Sample s;
  s.cpu.busy = Ratio(0.25);
  s.memory.total = 8_GiB;
  s.memory.available = 6_GiB;
  s.networks.resize(2);
  s.networks[0].name = "lo";
  s.networks[1].name = "eth0";
  for (NetworkReading& one : s.networks) {
    one.received_per_second = 1000;
    one.sent_per_second = 500;
  }
  s.temperatures = {{"a", 40, {}}, {"b", 61.5, {}}};
  s.powers = {{"package-0", 30, {}}, {"package-0 dram", 5, {}}, {"package-1", 20, {}}};
  GpuReading gpu;
  gpu.id = "GPU-1";
  gpu.memory_total = 24_GiB;
  gpu.memory_used = 6_GiB;
  gpu.watts = 300;
  s.gpus = {gpu};
  SeriesOf series;
  const auto readings = series.of(s);
  EXPECT_EQ(value_of(readings, "cpu"), 25);
  EXPECT_EQ(value_of(readings, "memory"), 25);
  EXPECT_EQ(value_of(readings, "network"), 1500);
  EXPECT_EQ(value_of(readings, "temperature"), 61.5);
  EXPECT_EQ(value_of(readings, "power"), 50);
  EXPECT_EQ(value_of(readings, "gpu_memory:GPU-1"), 25);
  EXPECT_EQ(value_of(readings, "gpu_power:GPU-1"), 300);
}

TEST(Series, HaveAGapWhereADeviceDoesNotAnswer) {
  Sample s;
  GpuReading gpu;
  gpu.id = "GPU-1";
  gpu.memory_total = 24_GiB;
  gpu.memory_used = 6_GiB;
  gpu.state = GpuState::stale;
  s.gpus = {gpu};
  s.filesystems.resize(1);
  s.filesystems[0].mount = "/nfs";
  s.filesystems[0].total = 10_GiB;
  s.filesystems[0].stale = true;
  SeriesOf series;
  const auto readings = series.of(s);
  EXPECT_FALSE(value_of(readings, "gpu_memory:GPU-1"));
  EXPECT_FALSE(value_of(readings, "disk:/nfs"));
  EXPECT_FALSE(value_of(readings, "cpu"));
}

TEST(Series, KeepTheirNamesAsDevicesComeAndGo) {
  SeriesOf series;
  for (int i = 0; i < 3000; ++i) {
    Sample s;
    s.filesystems.resize(1);
    s.filesystems[0].mount = "/m" + std::to_string(i);
    s.filesystems[0].total = 10_GiB;
    s.filesystems[0].free = 5_GiB;
    ASSERT_EQ(value_of(series.of(s), "disk:/m" + std::to_string(i)), 50);
  }
}

// A state with so many leases and components, each of which uses something.
control::State busy(int leases, int components, BootTime granted) {
  control::State state;
  for (int i = 1; i <= leases; ++i) {
    Lease lease;
    lease.id = static_cast<LeaseId>(i);
    lease.state = LeaseState::active;
    lease.granted.boot = granted;
    lease.booked.gpu_memory = i == 1 ? 4_GiB : Bytes();
    state.promises.keep(PutLease{lease});
    control::Use use;
    use.measured = Amounts{Bytes(i * 1000), 3_GiB, {}, {}};
    state.uses.emplace(lease.id, use);
  }
  for (int i = 0; i < components; ++i) {
    auto& run = state.component_runs["c" + std::to_string(1000 + i)];
    run.demands[index_of(Allotted::memory)].used = 512;
  }
  return state;
}

TEST(Workloads, HaveAHistoryAfterAMinute) {
  const Instant now{BootTime(std::chrono::hours(1)), {}};
  WorkloadSeries series;
  EXPECT_TRUE(series.of(busy(3, 0, now.boot - std::chrono::seconds(59)), now).empty());
  const control::State state = busy(2, 1, now.boot - std::chrono::seconds(60));
  const auto readings = series.of(state, now);
  EXPECT_EQ(readings.size(), 4U);
  EXPECT_EQ(value_of(readings, "lease_memory:l-1"), 1000);
  EXPECT_EQ(value_of(readings, "lease_gpu_memory:l-1"), 3.0 * (1LL << 30));
  EXPECT_EQ(value_of(readings, "lease_memory:l-2"), 2000);
  EXPECT_EQ(value_of(readings, "component_memory:c1000"), 512.0 * (1 << 20));
}

TEST(Workloads, AreTheOldestAndTheFirstOnesOnly) {
  const Instant now{BootTime(std::chrono::hours(1)), {}};
  WorkloadSeries series;
  const control::State state = busy(500, 500, BootTime());
  const auto readings = series.of(state, now);
  EXPECT_EQ(readings.size(), 2 * WorkloadSeries::kMost + 1);
  EXPECT_EQ(value_of(readings, "lease_memory:l-40"), 40000);
  EXPECT_EQ(value_of(readings, "component_memory:c1039"), 512.0 * (1 << 20));
}

TEST(Workloads, ThatComeAndGoTakeNoPlaceFromOthersForAnHour) {
  WorkloadSeries series;
  std::set<std::string> names;
  Instant now{BootTime(std::chrono::hours(1)), {}};
  control::State state;
  for (LeaseId id = 1; id <= 300; ++id) {  // one after the other, ten seconds each
    Lease lease;
    lease.id = id;
    lease.state = LeaseState::active;
    state.promises.leases.clear();
    state.promises.keep(PutLease{lease});
    state.uses.clear();
    state.uses[id].measured = Amounts{1_GiB, {}, {}, {}};
    for (const judge::Reading& one : series.of(state, now)) names.emplace(one.series);
    now.boot += std::chrono::seconds(10);
  }
  EXPECT_EQ(names.size(), WorkloadSeries::kMost);
  now.boot += WorkloadSeries::kKept;
  EXPECT_EQ(series.of(state, now).size(), 1U);
}

}  // namespace
}  // namespace headroom::runtime
