// headroom-bench: what the parts of headroom cost, each to be set against a floor or a peer by
// ratio.py. Each part is one line of the table below and one pair of files.
#include <cstdio>
#include <span>
#include <string_view>

#include "bench/bench_contain.hpp"
#include "bench/bench_decide.hpp"
#include "bench/bench_processes.hpp"
#include "bench/bench_reserve_pair.hpp"
#include "bench/bench_sample.hpp"
#include "bench/bench_setter.hpp"
#include "bench/bench_spawn.hpp"

namespace {

struct Part {
  const char* name;
  const char* about;
  int (*run)(std::span<char*> arguments);  ///< gives the exit code
};

constexpr Part kParts[] = {
    {"sample", "one full sample, read and parsed [--ns | --print] [-n COUNT] [--period-ms MS]",
     headroom::bench::bench_sample},
    {"decide", "would it fit? with 10 000 and with 100 000 live leases [--ns] [-n COUNT]",
     headroom::bench::bench_decide},
    {"contain", "jobs stopped, slowed, let on and ended, beside the bare writes [ROW…] [-n COUNT]",
     headroom::bench::bench_contain},
    {"processes", "the table of all processes, found and read [--ns] [-n COUNT]",
     headroom::bench::bench_processes},
    {"reserve-pair",
     "a lease reserved and released over HTTP [--ns] [-n COUNT] [--socket PATH | --daemon PROGRAM]",
     headroom::bench::bench_reserve_pair},
    {"setter",
     "from a quota to its setter over the socket, and cycles of many components [-n COUNT]",
     headroom::bench::bench_setter},
    {"spawn", "a command as a whole process [--ns] [-n COUNT] -- COMMAND [WORD…]",
     headroom::bench::bench_spawn},
};

int usage(std::FILE* out, int code) {
  std::fprintf(out, "usage: headroom-bench PART [OPTIONS]\n");
  for (const Part& part : kParts) std::fprintf(out, "  %-14s%s\n", part.name, part.about);
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return usage(stderr, 2);
  const std::string_view wanted = argv[1];
  if (wanted == "--help" || wanted == "-h") return usage(stdout, 0);
  for (const Part& part : kParts) {
    if (wanted == part.name) return part.run({argv + 2, static_cast<std::size_t>(argc - 2)});
  }
  std::fprintf(stderr, "headroom-bench: there is no part \"%s\"\n", argv[1]);
  return usage(stderr, 2);
}
