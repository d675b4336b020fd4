// The cache of ZFS: /proc/spl/kstat/zfs/arcstats.
#pragma once

#include <optional>
#include <string_view>

#include <headroom/units.hpp>

namespace headroom::sense {

/// What ZFS keeps in memory.
struct ArcSize {
  Bytes size;
  std::optional<Bytes> least;  ///< it does not shrink below this
};

/// Text of /proc/spl/kstat/zfs/arcstats. Empty if the size is not there.
std::optional<ArcSize> parse_arcstats(std::string_view text);

}  // namespace headroom::sense
