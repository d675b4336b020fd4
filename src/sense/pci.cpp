#include "sense/pci.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include <dirent.h>

#include "sense/kernel_file.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kMostDisplays = 64;
constexpr int kMostEntries = 16384;
constexpr std::uint64_t kDisplayClass = 0x03;

std::string folder_of(const std::string& root, PciAddress address) {
  return root + "/sys/bus/pci/devices/" + pci_text(address);
}

/// The text of a small file without its newline; empty if it cannot be read.
std::string_view word_of(const std::string& path, ReadBuffer& buffer) {
  const auto text = read_once(path.c_str(), buffer);
  if (!text) return {};
  return text->substr(0, text->find('\n'));
}

/// Reads "0x10de".
std::optional<std::uint64_t> prefixed_hex(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void read_power(const std::string& folder, ReadBuffer& buffer, PciDisplay& display) {
  display.managed = word_of(folder + "/power/control", buffer) == "auto";
  const std::string_view status = word_of(folder + "/power/runtime_status", buffer);
  display.suspended = status == "suspended" || status == "suspending";
}

}  // namespace

std::optional<PciAddress> parse_pci_address(std::string_view text) {
  constexpr std::uint64_t kMost[] = {0xffffffff, 0xff, 0x1f, 0x7};
  constexpr char kEnds[] = {':', ':', '.', '\0'};
  std::uint64_t part[4] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int i = 0; i < 4; ++i) {
    const auto [next, error] = std::from_chars(at, end, part[i], 16);
    if (error != std::errc() || next == at || part[i] > kMost[i]) return std::nullopt;
    at = next;
    if (i == 3) break;
    if (at == end || *at != kEnds[i]) return std::nullopt;
    ++at;
  }
  if (at != end) return std::nullopt;
  return part[0] << 16 | part[1] << 8 | part[2] << 3 | part[3];
}

std::string pci_text(PciAddress address) {
  char text[32];
  std::snprintf(text, sizeof text, "%04llx:%02llx:%02llx.%llx",
                static_cast<unsigned long long>(address >> 16 & 0xffffffff),
                static_cast<unsigned long long>(address >> 8 & 0xff),
                static_cast<unsigned long long>(address >> 3 & 0x1f),
                static_cast<unsigned long long>(address & 0x7));
  return text;
}

std::vector<PciDisplay> read_pci_displays(const std::string& root) {
  std::vector<PciDisplay> displays;
  DIR* const listing = ::opendir((root + "/sys/bus/pci/devices").c_str());
  if (listing == nullptr) return displays;
  ReadBuffer buffer;
  for (int seen = 0; seen < kMostEntries && displays.size() < kMostDisplays; ++seen) {
    const dirent* const entry = ::readdir(listing);
    if (entry == nullptr) break;
    const auto address = parse_pci_address(entry->d_name);
    if (!address) continue;
    const std::string folder = folder_of(root, *address);
    const auto kind = prefixed_hex(word_of(folder + "/class", buffer));
    if (!kind || *kind >> 16 != kDisplayClass) continue;
    const auto vendor = prefixed_hex(word_of(folder + "/vendor", buffer));
    if (!vendor || (*vendor != kNvidiaVendor && *vendor != kAmdVendor)) continue;
    PciDisplay display;
    display.address = *address;
    display.vendor = static_cast<std::uint16_t>(*vendor);
    read_power(folder, buffer, display);
    displays.push_back(display);
  }
  ::closedir(listing);
  std::sort(displays.begin(), displays.end(),
            [](const PciDisplay& a, const PciDisplay& b) { return a.address < b.address; });
  return displays;
}

void read_pci_power(const std::string& root, PciDisplay& display) {
  ReadBuffer buffer;
  read_power(folder_of(root, display.address), buffer, display);
}

}  // namespace headroom::sense
