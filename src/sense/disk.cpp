#include "sense/disk.hpp"

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Has a name of the kind "zram0": the kind, then a digit.
bool is_kind(std::string_view name, std::string_view kind) {
  return name.size() > kind.size() && name.substr(0, kind.size()) == kind &&
         is_digit(name[kind.size()]);
}

/// Kinds of devices by the number that the kernel has given them for good (its list is
/// Documentation/admin-guide/devices.txt).
bool is_without_disk(std::uint64_t major) {
  switch (major) {
    case 1:    // RAM
    case 2:    // floppy
    case 7:    // loop
    case 9:    // md
    case 11:   // optical
    case 31:   // mtdblock
    case 43:   // network block
    case 147:  // drbd
      return true;
    default:
      return false;
  }
}

/// The kinds whose number is given anew at each start.
bool is_without_disk(std::string_view name) {
  return is_kind(name, "zram") || is_kind(name, "dm-") || is_kind(name, "bcache") ||
         is_kind(name, "zd");  // a volume of ZFS
}

/// A partition follows its disk and bears its name: "sda1" after "sda", "nvme0n1p1" after
/// "nvme0n1".
bool is_part_of(std::string_view disk, std::string_view name) {
  if (disk.empty() || name.size() <= disk.size() || name.substr(0, disk.size()) != disk)
    return false;
  std::string_view rest = name.substr(disk.size());
  if (is_digit(disk.back())) {
    if (rest.front() != 'p') return rest.substr(0, 4) == "boot" || rest == "rpmb";  // of eMMC
    rest.remove_prefix(1);
  }
  if (rest.empty()) return false;
  for (const char c : rest) {
    if (!is_digit(c)) return false;
  }
  return true;
}

/// The counters behind a disk's name. False if they are cut short.
bool take_counters(Scan& scan, DiskCounters& counters) {
  const auto reads = scan.number();
  scan.skip_words(1);  // merged
  const auto sectors_read = scan.number();
  scan.skip_words(1);  // ms reading
  const auto writes = scan.number();
  scan.skip_words(1);  // merged
  const auto sectors_written = scan.number();
  scan.skip_words(2);  // ms writing, under way now
  const auto busy = scan.number();
  if (!reads || !sectors_read || !writes || !sectors_written || !busy) return false;
  counters.sectors_read = *sectors_read;
  counters.sectors_written = *sectors_written;
  if (__builtin_add_overflow(*reads, *writes, &counters.operations)) counters.operations = ~0ULL;
  counters.busy_ms = *busy;
  return true;
}

}  // namespace

std::size_t parse_diskstats(std::string_view text, std::vector<DiskCounters>& out) {
  out.clear();
  std::size_t left_out = 0;
  std::string_view disk;
  Scan scan(text);
  while (!scan.done()) {
    const auto major = scan.number();
    if (major && !is_without_disk(*major)) {
      scan.skip_words(1);  // minor
      DiskCounters counters;
      counters.name = scan.word();
      if (!counters.name.empty() && !is_without_disk(counters.name) &&
          !is_part_of(disk, counters.name) && take_counters(scan, counters)) {
        disk = counters.name;
        if (out.size() < kMostDisks) {
          out.push_back(counters);
        } else {
          ++left_out;
        }
      }
    }
    scan.line();
  }
  return left_out;
}

std::optional<DiskCounters> parse_block_stat(std::string_view text) {
  DiskCounters counters;
  Scan scan(text);
  if (!take_counters(scan, counters)) return std::nullopt;
  return counters;
}

}  // namespace headroom::sense
