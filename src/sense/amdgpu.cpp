#include "sense/amdgpu.hpp"

#include <algorithm>
#include <cstdint>

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>

#include "sense/kernel_file.hpp"
#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr int kMostEntries = 256;
constexpr std::size_t kMostText = 128;

/// The files of one folder.
class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  std::optional<std::string_view> text(const std::string& name) {
    return read_once((path_ + "/" + name).c_str(), buffer_);
  }
  std::string word(const std::string& name) {
    const auto read = text(name);
    return read ? std::string(read->substr(0, std::min(read->find('\n'), kMostText)))
                : std::string();
  }
  std::optional<std::uint64_t> number(const std::string& name) {
    const auto read = text(name);
    return read ? Scan(*read).number() : std::nullopt;
  }
  /// Of temperatures, which may be below zero.
  std::optional<double> scaled(const std::string& name, double by) {
    const auto read = text(name);
    if (!read) return std::nullopt;
    const bool negative = read->starts_with('-');
    const auto value = Scan(read->substr(negative ? 1 : 0)).number();
    if (!value) return std::nullopt;
    return static_cast<double>(*value) * (negative ? -by : by);
  }
  std::optional<Bytes> bytes(const std::string& name) {
    const auto read = text(name);
    return read ? Scan(*read).bytes() : std::nullopt;
  }
  std::optional<Ratio> percent(const std::string& name) {
    const auto value = number(name);
    return value ? std::optional(Ratio(static_cast<double>(*value) * 0.01)) : std::nullopt;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  ReadBuffer buffer_;
};

/// The names in a folder that begin with `prefix`, sorted.
std::vector<std::string> names_in(const std::string& folder, std::string_view prefix) {
  std::vector<std::string> names;
  DIR* const listing = ::opendir(folder.c_str());
  if (listing == nullptr) return names;
  for (int seen = 0; seen < kMostEntries; ++seen) {
    const dirent* const entry = ::readdir(listing);
    if (entry == nullptr) break;
    if (std::string_view(entry->d_name).starts_with(prefix)) names.emplace_back(entry->d_name);
  }
  ::closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

void read_sensors(const std::string& folder, GpuReading& out) {
  Folder hwmon(folder);
  out.celsius = hwmon.scaled("temp1_input", 1e-3);
  out.celsius_limit = hwmon.scaled("temp1_crit", 1e-3);
  out.watts = hwmon.scaled("power1_average", 1e-6);
  if (!out.watts) out.watts = hwmon.scaled("power1_input", 1e-6);  // newer cards have only this
  out.watts_limit = hwmon.scaled("power1_cap", 1e-6);
  out.clock = hwmon.scaled("freq1_input", 1e-6);
  out.memory_clock = hwmon.scaled("freq2_input", 1e-6);
  const auto fan = hwmon.number("pwm1");
  const auto full = hwmon.number("pwm1_max");
  if (fan && full && *full > 0) {
    out.fan = Ratio(static_cast<double>(*fan) / static_cast<double>(*full));
  }
}

void read_errors(const std::string& folder, GpuReading& out) {
  Folder ras(folder);
  for (const std::string& name : names_in(folder, "")) {
    if (!name.ends_with("_err_count")) continue;
    const auto text = ras.text(name);
    const auto counts = text ? parse_ras_counts(*text) : std::nullopt;
    if (!counts) continue;
    out.ecc_corrected = out.ecc_corrected.value_or(0) + counts->corrected;
    out.ecc_uncorrected = out.ecc_uncorrected.value_or(0) + counts->uncorrected;
  }
}

/// "amdgpu" from the line DRIVER=amdgpu.
bool driven_by_amdgpu(Folder& device) {
  const auto text = device.text("uevent");
  return text && (text->starts_with("DRIVER=amdgpu\n") ||
                  text->find("\nDRIVER=amdgpu\n") != std::string_view::npos);
}

}  // namespace

std::optional<double> parse_dpm_clock(std::string_view text) {
  Scan scan(text);
  while (!scan.done()) {
    const std::string_view line = scan.line();
    if (line.find('*') == std::string_view::npos) continue;
    Scan in_force(line.substr(std::min(line.find(':') + 1, line.size())));
    const auto value = in_force.number();
    if (value) return static_cast<double>(*value);
  }
  return std::nullopt;
}

std::optional<RasCounts> parse_ras_counts(std::string_view text) {
  std::optional<std::uint64_t> corrected;
  std::optional<std::uint64_t> uncorrected;
  Scan scan(text);
  while (!scan.done()) {
    Scan line(scan.line());
    if (line.take("ue:")) uncorrected = line.number();
    if (line.take("ce:")) corrected = line.number();
  }
  if (!corrected || !uncorrected) return std::nullopt;
  return RasCounts{*corrected, *uncorrected};
}

std::string amdgpu_driver(const std::string& root) {
  if (names_in(root + "/sys/module/amdgpu", "").empty()) return {};
  const std::string version = Folder(root + "/sys/module/amdgpu").word("version");
  return version.empty() ? "amdgpu" : "amdgpu " + version;
}

std::optional<GpuReading> read_amdgpu(const std::string& root, PciAddress address) {
  GpuReading out;
  out.pci = pci_text(address);
  Folder device(root + "/sys/bus/pci/devices/" + out.pci);
  if (!driven_by_amdgpu(device)) return std::nullopt;
  const std::string unique = device.word("unique_id");
  out.id = "amdgpu-" + (unique.empty() ? out.pci : unique);
  out.name = device.word("product_name");
  if (out.name.empty()) out.name = "AMD GPU " + device.word("device");
  out.memory_total = device.bytes("mem_info_vram_total").value_or(Bytes());
  out.memory_used = device.bytes("mem_info_vram_used");
  out.busy = device.percent("gpu_busy_percent");
  out.memory_busy = device.percent("mem_busy_percent");
  if (const auto names = names_in(device.path() + "/hwmon", "hwmon"); !names.empty()) {
    read_sensors(device.path() + "/hwmon/" + names.front(), out);
  }
  // The sensor says what it is now, the table what was asked for.
  if (!out.clock) {
    if (const auto table = device.text("pp_dpm_sclk")) out.clock = parse_dpm_clock(*table);
  }
  if (!out.memory_clock) {
    if (const auto table = device.text("pp_dpm_mclk")) out.memory_clock = parse_dpm_clock(*table);
  }
  read_errors(device.path() + "/ras", out);
  return out;
}

}  // namespace headroom::sense
