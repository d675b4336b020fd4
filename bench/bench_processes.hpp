#pragma once

#include <span>

namespace headroom::bench {

/// All processes, found and read: who they are, where they belong, how much memory and CPU time.
int bench_processes(std::span<char*> arguments);

}  // namespace headroom::bench
