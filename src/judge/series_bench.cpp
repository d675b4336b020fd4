// What one sample of a series costs that is forecast, limited and watched at once: of one series
// whose states are in the cache, and of many in turn, whose states come from memory each time.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "judge/anomaly.hpp"
#include "judge/forecast.hpp"
#include "judge/limit.hpp"

namespace headroom::judge {
namespace {

struct Series {
  Forecaster forecaster;
  LimitEstimator estimator;
  Anomaly anomaly;
};

constexpr std::int64_t kGrown = 3000;  // samples: every part has something to say

double value_at(std::int64_t step, std::size_t series) {
  const auto x = static_cast<double>(step * 7919 + static_cast<std::int64_t>(series) * 104729);
  return 50 + 20 * std::sin(static_cast<double>(step) / 46) + std::fmod(x, 13);
}

void feed(Series& series, std::chrono::nanoseconds at, double value) {
  const Instant instant{BootTime(at), WallTime(at)};
  series.forecaster.update(instant, value);
  const auto forecast = series.forecaster.predict();
  series.estimator.update(instant.boot, value, forecast);
  benchmark::DoNotOptimize(series.estimator.limit());
  benchmark::DoNotOptimize(series.anomaly.update(instant, value));
}

/// Arguments: how many series, and seconds between samples.
void all_three(benchmark::State& run) {
  const std::chrono::seconds step(run.range(1));
  Series one;
  for (std::int64_t i = 1; i < kGrown; ++i) feed(one, step * i, value_at(i, 0));
  std::vector<Series> all(static_cast<std::size_t>(run.range(0)), one);
  std::int64_t now = kGrown;
  std::size_t next = 0;
  for (auto _ : run) {
    feed(all[next], step * now, value_at(now, next));
    if (++next == all.size()) {
      next = 0;
      ++now;
    }
  }
  run.counters["bytes"] = sizeof(Series);
}
BENCHMARK(all_three)
    ->ArgNames({"series", "seconds"})
    ->Args({1, 300})
    ->Args({10'000, 300})
    ->Args({10'000, 10});

}  // namespace
}  // namespace headroom::judge
