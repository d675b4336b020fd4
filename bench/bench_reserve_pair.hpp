#pragma once

#include <span>

namespace headroom::bench {

/// A reservation of 1 MiB and its release, as two HTTP requests on one kept connection over the
/// Unix socket of a daemon that runs on the same CPU.
int bench_reserve_pair(std::span<char*> arguments);

}  // namespace headroom::bench
