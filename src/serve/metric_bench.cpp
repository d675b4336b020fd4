// What a scrape costs once the machine has been read: time for one sample told.
#include <algorithm>

#include <benchmark/benchmark.h>

#include "serve/metric_backend_for_test.hpp"
#include "serve/otlp.hpp"
#include "serve/prometheus.hpp"

namespace headroom::serve {
namespace {

void count(benchmark::State& state, const std::string& text) {
  const auto comments = std::count(text.begin(), text.end(), '#');
  const auto samples = std::count(text.begin(), text.end(), '\n') - comments;
  state.counters["samples"] = static_cast<double>(samples);
  state.counters["per_sample"] = benchmark::Counter(
      static_cast<double>(samples),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void scrape(benchmark::State& state) {
  testing::StillMachine machine;
  testing::fill(machine);
  const auto format = static_cast<MetricsFormat>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(metrics_text(machine, format));
  count(state, metrics_text(machine));
}
BENCHMARK(scrape)->Arg(0)->Arg(1);

void otlp(benchmark::State& state) {
  testing::StillMachine machine;
  testing::fill(machine);
  const auto encoding = static_cast<OtlpEncoding>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(otlp_metrics(machine, encoding));
  count(state, metrics_text(machine));
}
BENCHMARK(otlp)->Arg(0)->Arg(1);

}  // namespace
}  // namespace headroom::serve
