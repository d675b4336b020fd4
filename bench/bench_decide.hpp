#pragma once

#include <span>

namespace headroom::bench {

/// One decision with 10 000 live leases, and with ten times as many.
int bench_decide(std::span<char*> arguments);

}  // namespace headroom::bench
