// Display devices on the PCI bus, as sysfs tells. Nothing here touches a device: these files are
// answered by the kernel from what it knows, also while the device sleeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headroom::sense {

/// Where a device is: domain, bus, device and function in one number that sorts as lspci does.
/// At most 48 bits.
using PciAddress = std::uint64_t;

inline constexpr std::uint16_t kNvidiaVendor = 0x10de;
inline constexpr std::uint16_t kAmdVendor = 0x1002;

/// Reads "0000:65:00.0", and "00000000:65:00.0" as NVML writes it; empty for anything else.
std::optional<PciAddress> parse_pci_address(std::string_view text);

/// "0000:65:00.0", as sysfs writes it.
std::string pci_text(PciAddress address);

struct PciDisplay {
  PciAddress address = 0;
  std::uint16_t vendor = 0;
  bool managed = false;  ///< the kernel may suspend it when nobody uses it: power/control is "auto"
  bool suspended = false;  ///< it sleeps, or is on its way there
};

/// The display devices (class 03xxxx) of the two vendors above, by address; at most 64.
std::vector<PciDisplay> read_pci_displays(const std::string& root);

/// Reads again whether it sleeps.
void read_pci_power(const std::string& root, PciDisplay& display);

}  // namespace headroom::sense
