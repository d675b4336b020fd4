// What a component waits for after headroom has decided.
#pragma once

#include <span>

namespace headroom::bench {

/// From a quota to the setter that it moves, over the socket of a daemon, beside a bare question to
/// it; and one cycle of the control machine with 1000 components, beside one with 10.
int bench_setter(std::span<char*> arguments);

}  // namespace headroom::bench
