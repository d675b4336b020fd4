#include "bench/bench_processes.hpp"

#include <cstdio>

#include "bench/options.hpp"
#include "bench/timing.hpp"
#include "sense/process.hpp"

namespace headroom::bench {

int bench_processes(std::span<char*> arguments) {
  const auto options = parse_options(arguments);
  if (!options) return 2;
  sense::ProcessTable table("");
  sense::ReadBuffer buffer;
  const auto times =
      Times::of(options->rounds > 0 ? options->rounds : 3000, [&](int) { table.read(buffer); });
  std::printf("%zu processes: min %ld ns, median %ld ns, p99 %ld ns\n", table.processes().size(),
              times.least(), times.median(), times.p99());
  if (options->ns) std::printf("%ld\n", times.median());
  return 0;
}

}  // namespace headroom::bench
