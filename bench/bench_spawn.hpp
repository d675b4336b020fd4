#pragma once

#include <span>

namespace headroom::bench {

/// A command as a whole process: started, run, waited for; what it prints goes nowhere.
int bench_spawn(std::span<char*> arguments);

}  // namespace headroom::bench
