// Whole disks: /proc/diskstats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace headroom::sense {

struct DiskCounters {
  std::string_view name;           ///< in the text it was parsed from
  std::uint64_t sectors_read = 0;  ///< of 512 bytes, whatever the disk's own are
  std::uint64_t sectors_written = 0;
  std::uint64_t operations = 0;  ///< reads and writes that were finished
  std::uint64_t busy_ms = 0;     ///< time in which at least one was under way
};

/// Disks that are told; a host of a storage network may see each of them on many paths.
constexpr std::size_t kMostDisks = 256;

/// Text of /proc/diskstats into `out`, replacing what it held: disks as the kernel met them.
/// Left out are partitions, and devices without a disk of their own: loop, RAM, zram, optical and
/// floppy drives, network block devices, and what is laid over other disks (dm-, md, bcache, drbd,
/// zd), since the same bytes are counted again in the disks below. A line that is not understood is
/// left out too.
/// Returns how many more than `kMostDisks` there were.
std::size_t parse_diskstats(std::string_view text, std::vector<DiskCounters>& out);

/// Text of /sys/block/NAME/stat: the same counters of one disk, without its name. Empty if it is
/// not understood.
std::optional<DiskCounters> parse_block_stat(std::string_view text);

}  // namespace headroom::sense
