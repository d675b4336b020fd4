// AMD GPUs as the amdgpu driver tells about them in sysfs; no library is needed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <headroom/sample.hpp>

#include "sense/pci.hpp"

namespace headroom::sense {

/// Reads one card from /sys/bus/pci/devices/ADDRESS. Empty if it is no card of the amdgpu driver.
/// A read may block while the card wakes, so only the helper process calls this, and not for a card
/// that sleeps. What the card does not tell is empty; the processes are not known.
std::optional<GpuReading> read_amdgpu(const std::string& root, PciAddress address);

/// "amdgpu 6.8.5", "amdgpu" where it is the kernel's own, or empty if it is not loaded.
std::string amdgpu_driver(const std::string& root);

/// The clock in force, in MHz, from a table like "0: 500Mhz\n1: 2100Mhz *\n".
std::optional<double> parse_dpm_clock(std::string_view text);

/// The errors from "ue: 0\nce: 3\n".
struct RasCounts {
  std::uint64_t corrected = 0;
  std::uint64_t uncorrected = 0;
};
std::optional<RasCounts> parse_ras_counts(std::string_view text);

}  // namespace headroom::sense
