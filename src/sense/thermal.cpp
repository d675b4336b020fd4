#include "sense/thermal.hpp"

#include <algorithm>

namespace headroom::sense {
namespace {

constexpr int kMostTrips = 32;

/// What is collected, and how much had to be left out.
struct Found {
  std::vector<TemperatureReading>& out;
  std::vector<Absence>& absent;
  std::size_t left_out = 0;
  bool any = false;  ///< a sensor is there, even if it says nothing

  /// True while there is place for one more.
  bool has_place() {
    any = true;
    if (out.size() < kMostTemperatures) return true;
    ++left_out;
    return false;
  }
  void add(std::string sensor, const SensorValue& value, const std::string& path,
           std::optional<double> limit) {
    if (!value.value) {
      absent.push_back({"temperature " + sensor, reason_of(path, value.problem), ""});
      return;
    }
    const auto celsius = degrees(*value.value);
    if (!celsius) {
      absent.push_back({"temperature " + sensor,
                        path + " tells " + std::to_string(*value.value / 1000) +
                            " degrees, as an input does to which nothing is connected",
                        ""});
      return;
    }
    out.push_back({std::move(sensor), *celsius, limit});
  }
};

/// A limit that the hardware tells; some tell 0 or a number without meaning.
std::optional<double> limit_of(const std::string& path, ReadBuffer& buffer) {
  const auto value = read_value(path, buffer).value;
  if (!value || *value <= 0) return std::nullopt;
  return degrees(*value);
}

void read_chip(const Chip& chip, ReadBuffer& buffer, Found& found) {
  std::size_t count = 0;
  for (const int number : chip.temperatures) {
    if (++count > kMostOnChip) {
      ++found.left_out;
      continue;
    }
    if (!found.has_place()) continue;
    const std::string stem = chip.folder + "/temp" + std::to_string(number);
    if (read_value(stem + "_enable", buffer).value == 0) continue;
    std::string label = read_name(stem + "_label", buffer);
    if (label.empty()) label = "temp" + std::to_string(number);
    std::string sensor = chip.name + " " + label;
    if (read_value(stem + "_fault", buffer).value.value_or(0) != 0) {
      found.absent.push_back({"temperature " + sensor, "the chip says that it is broken", ""});
      continue;
    }
    auto limit = limit_of(stem + "_crit", buffer);
    if (!limit) limit = limit_of(stem + "_max", buffer);
    found.add(std::move(sensor), read_value(stem + "_input", buffer), stem + "_input", limit);
  }
}

/// The lowest temperature at which the kernel or the firmware acts with force.
std::optional<double> trip_of(const std::string& folder, ReadBuffer& buffer) {
  std::optional<double> lowest;
  for (int i = 0; i < kMostTrips; ++i) {
    const std::string stem = folder + "/trip_point_" + std::to_string(i);
    const std::string type = read_name(stem + "_type", buffer);
    if (type.empty()) break;
    if (type != "critical" && type != "hot") continue;
    const auto limit = limit_of(stem + "_temp", buffer);
    if (limit && (!lowest || *limit < *lowest)) lowest = limit;
  }
  return lowest;
}

void read_zone(const std::string& folder, const std::string& name, const std::string& type,
               ReadBuffer& buffer, Found& found) {
  if (read_name(folder + "/mode", buffer) == "disabled" || !found.has_place()) return;
  const std::string sensor = type.empty() ? name : name + " " + type;
  found.add(sensor, read_value(folder + "/temp", buffer), folder + "/temp",
            trip_of(folder, buffer));
}

}  // namespace

std::optional<double> degrees(std::int64_t milli) {
  if (milli < -40'000 || milli > 126'000) return std::nullopt;
  return static_cast<double>(milli) / 1000.0;
}

void read_temperatures(const std::string& root, const std::vector<Chip>& chips, ReadBuffer& buffer,
                       std::vector<TemperatureReading>& out, std::vector<Absence>& absent) {
  out.clear();
  Found found{out, absent};
  bool has_coretemp = false;
  const std::string top = root + "/sys/class/thermal";
  std::vector<std::pair<std::string, std::string>> zones;  // name, type
  for (std::string& name : names_in(top)) {
    if (name.substr(0, 12) != "thermal_zone") continue;
    std::string type = read_name(top + "/" + name + "/type", buffer);
    zones.emplace_back(std::move(name), std::move(type));
  }
  for (const Chip& chip : chips) {
    // The kernel shows a zone as a chip too, under its type.
    const bool is_zone = std::any_of(zones.begin(), zones.end(), [&](const auto& zone) {
      std::string type = zone.second;
      std::replace(type.begin(), type.end(), '-', '_');
      return !type.empty() && type == chip.kind;
    });
    if (is_zone) continue;
    has_coretemp = has_coretemp || (chip.kind == "coretemp" && !chip.temperatures.empty());
    read_chip(chip, buffer, found);
  }
  for (const auto& [name, type] : zones) {
    if (type == "x86_pkg_temp" && has_coretemp) continue;  // the same sensor
    read_zone(top + "/" + name, name, type, buffer, found);
  }
  if (found.left_out > 0) {
    absent.push_back({"temperature",
                      std::to_string(found.left_out) + " more sensors are there than the " +
                          std::to_string(kMostTemperatures) + " that are told",
                      ""});
  }
  if (!found.any) {
    absent.push_back({"temperature",
                      "neither a sensor chip (/sys/class/hwmon) nor a thermal zone "
                      "(/sys/class/thermal) is there",
                      "load the driver of the board's sensors (sensors-detect finds it); a virtual "
                      "machine has none"});
  }
}

}  // namespace headroom::sense
