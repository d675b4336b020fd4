// The only clock of the program.
#pragma once

#include <headroom/instant.hpp>

namespace headroom::runtime {

/// Now, on both clocks.
Instant now();

}  // namespace headroom::runtime
