#pragma once

#include <span>

namespace headroom::bench {

/// The table of all processes: who is there, since when, with how much memory and CPU time.
int bench_processes(std::span<char*> arguments);

}  // namespace headroom::bench
