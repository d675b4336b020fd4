#include "sense/power.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace headroom::sense {
namespace {

/// A busy package fills its counter in a quarter of an hour or more: after less than this it has
/// not gone round twice.
constexpr std::chrono::minutes kSurelyOnce{10};
constexpr std::chrono::milliseconds kShortest{50};
constexpr std::int64_t kMostMicrowatts = 1'000'000'000'000;  // a megawatt is no machine

/// One zone of the kernel's power capping: "intel-rapl:0", and below it "intel-rapl:0:2".
struct Zone {
  std::string folder;
  std::string name;  ///< "package-0", "package-0 dram"
};

/// The zones that add something: packages, what is beside them, and their memory. Cores and
/// graphics are parts of a package, and the second interface to a package tells the same.
std::vector<Zone> list_zones(const std::string& top, ReadBuffer& buffer) {
  std::vector<Zone> zones;
  for (const std::string& name : names_in(top)) {
    const auto colons = std::count(name.begin(), name.end(), ':');
    if (name.substr(0, 11) != "intel-rapl:" || colons < 1 || colons > 2) continue;
    Zone zone;
    zone.folder = top + "/" + name;
    zone.name = read_name(zone.folder + "/name", buffer);
    if (zone.name.empty()) zone.name = name;
    if (colons == 2) {
      if (zone.name != "dram") continue;
      const std::string parent = top + "/" + name.substr(0, name.rfind(':'));
      std::string of = read_name(parent + "/name", buffer);
      if (of.empty()) of = name.substr(0, name.rfind(':'));
      zone.name = of + " dram";
    }
    zones.push_back(std::move(zone));
  }
  return zones;
}

/// What is collected, and how much had to be left out.
struct Found {
  std::vector<PowerReading>& out;
  std::vector<Absence>& absent;
  std::size_t left_out = 0;

  bool has_place() {
    if (out.size() < kMostMeters) return true;
    ++left_out;
    return false;
  }
  void add(std::string sensor, const SensorValue& microwatts, const std::string& path) {
    if (microwatts.value && *microwatts.value >= 0 && *microwatts.value <= kMostMicrowatts) {
      const double watts = static_cast<double>(*microwatts.value) * 1e-6;
      out.push_back({std::move(sensor), watts, std::nullopt});
    } else {
      const int problem = microwatts.value ? KernelFile::kGarbled : microwatts.problem;
      absent.push_back({"power " + sensor, reason_of(path, problem), ""});
    }
  }
};

std::string name_of(const Chip& chip, const std::string& label_path, const std::string& otherwise,
                    ReadBuffer& buffer) {
  const std::string label = read_name(label_path, buffer);
  return "hwmon " + chip.name + " " + (label.empty() ? otherwise : label);
}

void read_powers(const Chip& chip, ReadBuffer& buffer, Found& found) {
  std::size_t count = 0;
  for (const int number : chip.powers) {
    if (++count > kMostOnChip) {
      ++found.left_out;
      continue;
    }
    if (!found.has_place()) continue;
    const std::string stem = chip.folder + "/power" + std::to_string(number);
    std::string sensor = name_of(chip, stem + "_label", "power" + std::to_string(number), buffer);
    SensorValue value = read_value(stem + "_input", buffer);
    const bool has_input = value.problem != ENOENT;
    if (!has_input) value = read_value(stem + "_average", buffer);
    found.add(std::move(sensor), value, stem + (has_input ? "_input" : "_average"));
  }
}

/// Chips of boards that measure volts and amperes, one pair for each rail.
void read_rails(const Chip& chip, ReadBuffer& buffer, Found& found) {
  if (chip.kind != "ina3221") return;
  std::size_t count = 0;
  for (const int number : chip.currents) {
    if (number < 1 || number > 3) continue;  // the others are sums of these
    if (++count > kMostOnChip || !found.has_place()) continue;
    const std::string suffix = std::to_string(number);
    const std::string in = chip.folder + "/in" + suffix;
    const std::string curr = chip.folder + "/curr" + suffix;
    if (read_value(in + "_enable", buffer).value == 0) continue;
    std::string sensor = name_of(chip, in + "_label", "rail" + suffix, buffer);
    const SensorValue millivolts = read_value(in + "_input", buffer);
    SensorValue product = read_value(curr + "_input", buffer);
    if (!millivolts.value) {
      found.add(std::move(sensor), millivolts, in + "_input");
      continue;
    }
    // Thousandths of a volt times thousandths of an ampere are millionths of a watt.
    std::int64_t microwatts = 0;
    if (product.value && __builtin_mul_overflow(*product.value, *millivolts.value, &microwatts)) {
      product = {std::nullopt, KernelFile::kGarbled};
    } else if (product.value) {
      product.value = microwatts;
    }
    found.add(std::move(sensor), product, curr + "_input");
  }
}

std::optional<std::uint64_t> positive(const SensorValue& value) {
  if (!value.value || *value.value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*value.value);
}

}  // namespace

std::optional<std::uint64_t> energy_between(std::uint64_t before, std::uint64_t now,
                                            std::optional<std::uint64_t> range) {
  if (now >= before) return now - before;
  if (!range || before > *range) return std::nullopt;
  return *range - before + now;
}

PowerMeters::PowerMeters(std::string root) : root_(std::move(root)) {}

void PowerMeters::read_energy(BootTime now, ReadBuffer& buffer, std::vector<PowerReading>& out,
                              std::vector<Absence>& absent) {
  std::vector<Energy> energies;
  Found found{out, absent};
  for (Zone& zone : list_zones(root_ + "/sys/class/powercap", buffer)) {
    if (!found.has_place()) break;
    const std::string path = zone.folder + "/energy_uj";
    const SensorValue value = read_value(path, buffer);
    const auto microjoules = positive(value);
    if (!microjoules) {
      const bool forbidden = value.problem == EACCES || value.problem == EPERM;
      absent.push_back(
          {"power " + zone.name,
           reason_of(path, value.value ? KernelFile::kGarbled : value.problem),
           forbidden ? "only root may read it: let a udev rule give it to the daemon's group "
                       "(chgrp headroom and chmod g+r of energy_uj), or run headroomd as root"
                     : ""});
      continue;
    }
    const auto range = positive(read_value(zone.folder + "/max_energy_range_uj", buffer));
    PowerReading reading{zone.name, std::nullopt, static_cast<double>(*microjoules) * 1e-6};
    const auto old = std::find_if(energies_.begin(), energies_.end(), [&](const Energy& energy) {
      return energy.folder == zone.folder;
    });
    if (old != energies_.end()) {
      const auto passed = now - old->at;
      const auto used = energy_between(old->microjoules, *microjoules, range);
      if (used && passed >= kShortest && passed <= kSurelyOnce) {
        const double watts =
            static_cast<double>(*used) * 1e-6 / std::chrono::duration<double>(passed).count();
        if (watts * 1e6 <= static_cast<double>(kMostMicrowatts)) reading.watts = watts;
      }
    }
    energies.push_back({zone.folder, *microjoules, now});
    out.push_back(std::move(reading));
  }
  energies_ = std::move(energies);
}

void PowerMeters::read(BootTime now, const std::vector<Chip>& chips, ReadBuffer& buffer,
                       std::vector<PowerReading>& out, std::vector<Absence>& absent) {
  out.clear();
  const std::size_t absences = absent.size();
  read_energy(now, buffer, out, absent);
  Found found{out, absent};
  for (const Chip& chip : chips) {
    read_powers(chip, buffer, found);
    read_rails(chip, buffer, found);
  }
  if (found.left_out > 0) {
    absent.push_back({"power",
                      std::to_string(found.left_out) + " more meters are there than the " +
                          std::to_string(kMostMeters) + " that are told",
                      ""});
  }
  if (out.empty() && absent.size() == absences) {
    absent.push_back({"power",
                      "no meter is there: neither RAPL (/sys/class/powercap) nor one of the board "
                      "(/sys/class/hwmon)",
                      "load the driver (intel_rapl_msr); a virtual machine has none"});
  }
}

}  // namespace headroom::sense
