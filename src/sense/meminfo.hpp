// Memory of the node: /proc/meminfo.
#pragma once

#include <string_view>

#include <headroom/sample.hpp>

namespace headroom::sense {

/// Text of /proc/meminfo into total, available, free, cached, swap_total and swap_free; what it
/// does not say becomes empty. Other fields stay. True if total and available were there.
bool parse_meminfo(std::string_view text, MemoryReading& out);

}  // namespace headroom::sense
