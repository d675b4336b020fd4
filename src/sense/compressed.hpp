// Swap that is compressed in memory: /sys/block/zram*/mm_stat.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"

namespace headroom::sense {

/// Text of /sys/block/zramN/mm_stat: the memory that the device takes, with what it wastes. Empty
/// if it is not understood.
std::optional<Bytes> parse_zram(std::string_view text);

/// The memory that all zram devices take. Empty where there is none, or one does not tell, which is
/// then added to `absent`: a sum without it would be wrong.
std::optional<Bytes> read_zram(const std::string& root, ReadBuffer& buffer,
                               std::vector<Absence>& absent);

}  // namespace headroom::sense
