// What the clock on the wall of this machine shows.
#pragma once

#include <headroom/instant.hpp>

#include "words/zone.hpp"

namespace headroom::runtime {

/// The time zone of this machine (TZ, /etc/localtime) from a week before `now` to two years after,
/// as the C library has it. About 0.2 ms; one thread at a time.
ZoneRules read_zone(WallTime now);

}  // namespace headroom::runtime
