#include "bench/bench_processes.hpp"

#include <chrono>
#include <cstdio>

#include "bench/options.hpp"
#include "bench/timing.hpp"
#include "sense/process_list.hpp"

namespace headroom::bench {

int bench_processes(std::span<char*> arguments) {
  const auto options = parse_options(arguments);
  if (!options) return 2;
  sense::ProcessLister lister("");
  ProcessList list;
  const auto times = Times::of(options->rounds > 0 ? options->rounds : 1000, [&](int) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    lister.read({BootTime(now), {}}, list);
  });
  std::printf(
      "%zu processes and %llu threads of the kernel: min %ld ns, median %ld ns, p99 %ld ns\n",
      list.items.size(), static_cast<unsigned long long>(list.kernel_threads), times.least(),
      times.median(), times.p99());
  if (options->ns) std::printf("%ld\n", times.median());
  return 0;
}

}  // namespace headroom::bench
