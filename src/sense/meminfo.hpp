// Memory of the node: /proc/meminfo.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include <headroom/sample.hpp>

namespace headroom::sense {

/// Where in the text the wanted fields stood last time. The kernel writes the same fields in the
/// same width each time, so that they are mostly there again.
struct MeminfoLayout {
  std::array<std::size_t, 8> field{};
};

/// Text of /proc/meminfo into total, available, free, cached, swap_total and swap_free; what it
/// does not say becomes empty. Other fields stay. True if total and available were there.
bool parse_meminfo(std::string_view text, MeminfoLayout& layout, MemoryReading& out);

}  // namespace headroom::sense
