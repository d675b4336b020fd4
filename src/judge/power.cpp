#include "judge/power.hpp"

#include <algorithm>

namespace headroom::judge {

std::optional<double> node_watts(const Sample& sample) {
  const auto is_package = [](const PowerReading& power) {
    return power.sensor.starts_with("package-") && power.sensor.find(' ') == std::string::npos;
  };
  const bool packages = std::any_of(sample.powers.begin(), sample.powers.end(), is_package);
  std::optional<double> sum;
  for (const PowerReading& power : sample.powers) {
    if (power.watts && (!packages || is_package(power))) sum = sum.value_or(0) + *power.watts;
  }
  for (const GpuReading& gpu : sample.gpus) {
    if (gpu.watts && gpu.parent.empty()) sum = sum.value_or(0) + *gpu.watts;
  }
  return sum;
}

}  // namespace headroom::judge
