#include "sense/thermal_chip.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <limits.h>
#include <unistd.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::uint64_t kHighestNumber = 10'000;

bool is_of_gpu(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"amdgpu", "radeon", "nouveau",
                                                      "nvidia", "i915",   "xe"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

/// The last part of where a link leads; empty if it is none.
std::string target_of(const std::string& link) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  if (length <= 0) return {};
  const std::string_view path(target, static_cast<std::size_t>(length));
  return std::string(path.substr(path.rfind('/') + 1));
}

bool sleeps(const std::string& folder, ReadBuffer& buffer) {
  const auto text = read_once((folder + "/device/power/runtime_status").c_str(), buffer);
  return text && trimmed(*text) == "suspended";
}

void add_number(std::vector<int>& numbers, std::optional<int> number) {
  if (number && std::find(numbers.begin(), numbers.end(), *number) == numbers.end()) {
    numbers.push_back(*number);
  }
}

void list_sensors(Chip& chip) {
  for (const std::string& file : names_in(chip.folder)) {
    for (const char* what : {"_input", "_label"}) {
      add_number(chip.temperatures, sensor_number(file, "temp", what));
    }
    for (const char* what : {"_input", "_average", "_label"}) {
      add_number(chip.powers, sensor_number(file, "power", what));
    }
    add_number(chip.currents, sensor_number(file, "curr", "_input"));
    add_number(chip.currents, sensor_number(file, "in", "_label"));  // the volts of the same rail
  }
  for (std::vector<int>* numbers : {&chip.temperatures, &chip.powers, &chip.currents}) {
    std::sort(numbers->begin(), numbers->end());
  }
}

/// Tells chips of the same name apart by their devices.
void tell_apart(std::vector<Chip>& chips) {
  std::vector<bool> alike(chips.size());
  for (std::size_t i = 0; i < chips.size(); ++i) {
    for (std::size_t j = 0; j < chips.size(); ++j) {
      if (i != j && chips[i].kind == chips[j].kind) alike[i] = true;
    }
  }
  for (std::size_t i = 0; i < chips.size(); ++i) {
    if (!alike[i]) continue;
    std::string device = target_of(chips[i].folder + "/device");
    if (device.empty()) device = chips[i].folder.substr(chips[i].folder.rfind('/') + 1);
    chips[i].name += " (" + device + ")";
  }
}

}  // namespace

std::vector<Chip> list_chips(const std::string& root, ReadBuffer& buffer,
                             std::vector<Absence>& absent) {
  std::vector<Chip> chips;
  const std::string top = root + "/sys/class/hwmon";
  for (const std::string& name : names_in(top)) {
    if (name.substr(0, 5) != "hwmon") continue;
    Chip chip;
    chip.folder = top + "/" + name;
    chip.name = read_name(chip.folder + "/name", buffer);
    if (chip.name.empty()) chip.name = name;
    chip.kind = chip.name;
    if (is_of_gpu(chip.kind) || chip.kind == "drivetemp") continue;
    if (target_of(chip.folder + "/device").substr(0, 12) == "thermal_zone") continue;
    if (chips.size() == kMostChips) {
      absent.push_back(
          {"temperature",
           "more sensor chips are there than the " + std::to_string(kMostChips) + " that are read",
           ""});
      break;
    }
    if (sleeps(chip.folder, buffer)) {
      absent.push_back({"temperature " + chip.name, "its device sleeps, and is left asleep", ""});
      continue;
    }
    list_sensors(chip);
    chips.push_back(std::move(chip));
  }
  tell_apart(chips);
  return chips;
}

std::optional<int> sensor_number(std::string_view file, std::string_view kind,
                                 std::string_view what) {
  Scan scan(file);
  if (!scan.take(kind) || scan.peek() < '0' || scan.peek() > '9') return std::nullopt;
  const auto number = scan.number();
  if (!number || *number > kHighestNumber || !scan.take(what) || !scan.done()) {
    return std::nullopt;
  }
  return static_cast<int>(*number);
}

SensorValue read_value(const std::string& path, ReadBuffer& buffer) {
  const auto text = read_once(path.c_str(), buffer);
  if (!text) return {std::nullopt, errno};
  const auto value = whole_number(*text);
  return {value, value ? 0 : KernelFile::kGarbled};
}

std::string read_name(const std::string& path, ReadBuffer& buffer) {
  const auto text = read_once(path.c_str(), buffer);
  if (!text) return {};
  const std::string_view name = trimmed(*text);
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && static_cast<unsigned char>(c) < 0x7f;
  });
  return printable && name.size() <= kLongestName ? std::string(name) : std::string();
}

}  // namespace headroom::sense
