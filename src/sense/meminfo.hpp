// Memory of the node: /proc/meminfo.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include <headroom/sample.hpp>

namespace headroom::sense {

/// Where in the text the wanted fields stood last time. The kernel writes the same fields in the
/// same width each time, so that they are mostly there again.
struct MeminfoLayout {
  std::array<std::size_t, 15> field{};
};

/// Text of /proc/meminfo into total, available, free, cached, swap_total, swap_free, shared, dirty,
/// zswap, huge_total and huge_free; what it does not say becomes empty. Other fields stay. True if
/// total and available were there.
/// huge_free is empty where huge_total is not when pages of other sizes than the default are set
/// aside too, of which this file tells the sum only.
bool parse_meminfo(std::string_view text, MeminfoLayout& layout, MemoryReading& out);

/// The size of a page from the name of its folder in /sys/kernel/mm/hugepages: 1 GiB of
/// "hugepages-1048576kB". Empty if it is no such name.
std::optional<Bytes> parse_huge_page_size(std::string_view folder);

}  // namespace headroom::sense
