// Memory nodes of a machine that has several: /sys/devices/system/node.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"

namespace headroom::sense {

/// Nodes that are told.
constexpr std::size_t kMostNodes = 64;

/// Text of /sys/devices/system/node/nodeN/meminfo. Empty if total or free is not there; `number`
/// is left at 0.
std::optional<NumaReading> parse_node_meminfo(std::string_view text);

/// Reads every node that has memory into `out`, by number; nothing on a machine with one. A node
/// whose file says nothing is an absence, which is added.
void read_numa(const std::string& root, ReadBuffer& buffer, std::vector<NumaReading>& out,
               std::vector<Absence>& absent);

}  // namespace headroom::sense
