// Temperatures that are not a GPU's: sensor chips and thermal zones.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"
#include "sense/thermal_chip.hpp"

namespace headroom::sense {

/// Temperatures that are told, and thermal zones that are looked at.
constexpr std::size_t kMostTemperatures = 64;

/// Thousandths of a degree as degrees Celsius. Empty outside of -40 to 126: what chips say of an
/// input to which nothing is connected.
std::optional<double> degrees(std::int64_t milli);

/// Reads the temperatures of `chips` and of all thermal zones into `out`. A sensor that is there
/// and says nothing is an absence, which is added; so is a machine without any.
void read_temperatures(const std::string& root, const std::vector<Chip>& chips, ReadBuffer& buffer,
                       std::vector<TemperatureReading>& out, std::vector<Absence>& absent);

}  // namespace headroom::sense
