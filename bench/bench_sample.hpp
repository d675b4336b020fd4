#pragma once

#include <span>

namespace headroom::bench {

/// One full sample of this machine, hot; with --period-ms paced, as the daemon meets it.
int bench_sample(std::span<char*> arguments);

}  // namespace headroom::bench
