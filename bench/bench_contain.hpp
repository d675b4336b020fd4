// headroom-bench contain: how fast a job is stopped, slowed, let on and ended, beside the kernel
// alone.
#pragma once

#include <span>

namespace headroom::bench {

/// Prints one row per deed: ours, the bare write of the same to the same file, and their ratio;
/// and how far beyond its fence a job gets that grows as fast as it can. Needs root. Gives the exit
/// code.
int bench_contain(std::span<char*> arguments);

}  // namespace headroom::bench
