// What /proc/meminfo leaves out: /proc/zoneinfo.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace headroom::sense {

/// Sums over all zones of all nodes, in pages.
struct ZonePages {
  std::uint64_t high = 0;          ///< high watermarks: below them the kernel reclaims
  std::uint64_t per_cpu_free = 0;  ///< on the processors' own free lists
};

/// Text of /proc/zoneinfo. Empty if it names no zone.
std::optional<ZonePages> parse_zoneinfo(std::string_view text);

}  // namespace headroom::sense
