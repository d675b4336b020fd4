#include "judge/health.hpp"

#include <algorithm>

namespace headroom::judge {

Level roll_up(std::span<const Pressure> pressures, const StallReading& stall) {
  const bool tasks_wait = stall.cpu_some && stall.cpu_some->avg10 >= kCpuStallCounts;
  Level worst = Level::ok;
  for (const Pressure& pressure : pressures) {
    switch (pressure.resource) {
      case Resource::memory:
      case Resource::gpu_memory:
      case Resource::gpu_temperature:
      case Resource::disk:
        worst = std::max(worst, pressure.level);
        break;
      case Resource::cpu:
        if (tasks_wait) worst = std::max(worst, pressure.level);
        break;
      case Resource::power:
      case Resource::network:
      case Resource::budget:
      case Resource::allocation_failures:
      case Resource::component_unresponsive:
      case Resource::forecast_low_confidence:
        break;
    }
  }
  return worst;
}

}  // namespace headroom::judge
