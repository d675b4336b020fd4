// One row of the anomaly score: of one series whose state is in the cache, and in turn of so many
// that each state comes from memory. The floor is the same walk that only reads the states.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "judge/anomaly.hpp"

namespace headroom::judge {
namespace {

Instant row_at(std::int64_t row) {
  const auto passed = std::chrono::minutes(5 * row);
  return {BootTime(passed), WallTime(passed)};
}

// Noise around a level, without a library's distribution in the timing.
double value_at(std::uint32_t& state) {
  state = state * 1664525U + 1013904223U;
  return 50 + static_cast<double>(state >> 8U) / (1U << 24U);
}

std::vector<Anomaly> grown(std::size_t series) {
  Anomaly one;
  std::uint32_t random = 1;
  for (std::int64_t row = 0; row < 3000; ++row) one.update(row_at(row), value_at(random));
  return std::vector<Anomaly>(series, one);
}

void update(benchmark::State& state) {
  std::vector<Anomaly> all = grown(static_cast<std::size_t>(state.range(0)));
  std::uint32_t random = 2;
  std::int64_t row = 3000;
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(all[next].update(row_at(row), value_at(random)));
    if (++next == all.size()) next = 0, ++row;
  }
  state.counters["bytes_per_series"] = sizeof(Anomaly);
}
BENCHMARK(update)->Arg(1)->Arg(200)->Arg(200000);

void read_only(benchmark::State& state) {
  const std::vector<Anomaly> all = grown(static_cast<std::size_t>(state.range(0)));
  std::size_t next = 0;
  for (auto _ : state) {
    const auto* words = reinterpret_cast<const std::uint64_t*>(&all[next]);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < sizeof(Anomaly) / sizeof(*words); ++i) sum += words[i];
    benchmark::DoNotOptimize(sum);
    if (++next == all.size()) next = 0;
  }
}
BENCHMARK(read_only)->Arg(1)->Arg(200000);

}  // namespace
}  // namespace headroom::judge
