// One level for the whole node.
#pragma once

#include <span>

#include <headroom/pressure.hpp>
#include <headroom/sample.hpp>

#include "words/health.hpp"

namespace headroom::judge {

/// The share of time tasks waited for a processor, in the last ten seconds, from which a busy CPU
/// counts as trouble and not as work.
inline constexpr Ratio kCpuStallCounts{0.10};

/// The highest level of memory, GPU memory, GPU temperature and disk. A busy CPU is normal for
/// this kind of work: it counts only when the kernel says that tasks wait for it; where the
/// kernel does not say (no PSI), it does not count. Power and network do not count.
Level roll_up(std::span<const Pressure> pressures, const StallReading& stall);

}  // namespace headroom::judge
