// What one verdict costs with many leases; headroom-bench decide measures it through the control
// machine.
#include <benchmark/benchmark.h>

#include "decide/verdict.hpp"

namespace headroom::decide {
namespace {

using namespace literals;

void decide_with_leases(benchmark::State& run) {
  const auto leases = static_cast<LeaseId>(run.range(0));
  Config config;
  Sample sample;
  sample.memory.total = sample.memory.available = Bytes(static_cast<std::int64_t>(leases) << 22);
  Ledger ledger;
  ledger.refresh(sample, config, Cores());
  for (LeaseId id = 1; id <= leases; ++id) {
    Entry entry;
    entry.owner = static_cast<uid_t>(id % 500);
    entry.booked.memory = 1_MiB;
    entry.ends = BootTime(std::chrono::seconds(id));
    ledger.book(id, entry);
  }
  const Promises promises;
  const Queue queue;
  Needs needs;
  needs.memory = 1_MiB;
  for (auto _ : run) {
    const auto wanted = want(ledger, needs);
    benchmark::DoNotOptimize(decide({promises, ledger, queue, config, Instant(), 1}, *wanted));
  }
}
BENCHMARK(decide_with_leases)->Arg(100)->Arg(10'000)->Arg(100'000);

}  // namespace
}  // namespace headroom::decide
