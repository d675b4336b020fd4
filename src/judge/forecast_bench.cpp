// What one sample costs the forecaster and the estimator of limits: one series, and ten thousand in
// turn, whose states (11 MB) come from memory each time.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "judge/forecast.hpp"
#include "judge/limit.hpp"

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;

struct Series {
  Forecaster forecaster;
  LimitEstimator estimator;
};

double value_at(std::int64_t step, std::size_t series) {
  const auto x = static_cast<double>(step * 7919 + static_cast<std::int64_t>(series) * 104729);
  return 50 + 20 * std::sin(static_cast<double>(step) / 46) + std::fmod(x, 13);
}

/// Arguments: how many series, seconds between samples, and whether limits are told too.
void one_sample(benchmark::State& run) {
  std::vector<Series> all(static_cast<std::size_t>(run.range(0)));
  const std::chrono::seconds step(run.range(1));
  const bool limits = run.range(2) != 0;
  std::int64_t now = 1;
  std::size_t next = 0;
  const auto feed = [&] {
    Series& series = all[next];
    const std::chrono::nanoseconds at = step * now;
    const double value = value_at(now, next);
    series.forecaster.update({BootTime(at), WallTime(at)}, value);
    const auto forecast = series.forecaster.predict();
    benchmark::DoNotOptimize(forecast);
    if (limits) {
      series.estimator.update(BootTime(at), value, forecast);
      benchmark::DoNotOptimize(series.estimator.limit());
    }
    if (++next == all.size()) {
      next = 0;
      ++now;
    }
  };
  for (std::size_t i = 0; i < 50 * all.size(); ++i) feed();  // all experts have something to say
  for (auto _ : run) feed();
  run.counters["bytes"] = limits ? sizeof(Series) : sizeof(Forecaster);
}
BENCHMARK(one_sample)
    ->ArgNames({"series", "seconds", "limits"})
    ->Args({1, 300, 0})
    ->Args({1, 300, 1})
    ->Args({1, 1, 1})
    ->Args({10'000, 300, 0})
    ->Args({10'000, 300, 1})
    ->Args({10'000, 1, 1});

}  // namespace
}  // namespace headroom::judge
