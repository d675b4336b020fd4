// Sensor chips: the folders of /sys/class/hwmon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"

namespace headroom::sense {

/// Chips that are looked at, and sensors of each kind on one.
constexpr std::size_t kMostChips = 64;
constexpr std::size_t kMostOnChip = 16;

/// One chip with the numbers of its sensors.
struct Chip {
  std::string folder;             ///< "/sys/class/hwmon/hwmon3", as seen from here
  std::string kind;               ///< "coretemp"
  std::string name;               ///< "coretemp"; with "(nvme1)" behind it where several are alike
  std::vector<int> temperatures;  ///< N of tempN_input or tempN_label
  std::vector<int> powers;        ///< N of powerN_input, powerN_average or powerN_label
  std::vector<int> currents;      ///< N of currN_input or inN_label
};

/// The chips that may be read. Left out are those of GPUs, which have their own source and which a
/// read would wake; of thermal zones, which are read as such; and of drives that a read would keep
/// from going to sleep. One whose device sleeps is left asleep, and is an absence, which is added.
std::vector<Chip> list_chips(const std::string& root, ReadBuffer& buffer,
                             std::vector<Absence>& absent);

/// The number of a sensor from a file's name: 12 of "temp12_input" for ("temp", "_input").
std::optional<int> sensor_number(std::string_view file, std::string_view kind,
                                 std::string_view what);

/// One number of a sensor's file.
struct SensorValue {
  std::optional<std::int64_t> value;
  int problem = 0;  ///< why there is none
};
SensorValue read_value(const std::string& path, ReadBuffer& buffer);

/// A label or a name: without white space at the ends, no longer than 64 characters, and without
/// control characters. Empty if there is none.
std::string read_name(const std::string& path, ReadBuffer& buffer);

}  // namespace headroom::sense
