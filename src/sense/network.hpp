// Network interfaces: /proc/net/dev.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace headroom::sense {

struct InterfaceCounters {
  std::string_view name;       ///< in the text it was parsed from
  std::uint64_t received = 0;  ///< bytes
  std::uint64_t sent = 0;
};

/// Text of /proc/net/dev into `out`, replacing what it held: every interface in the file's order,
/// the loopback one too. A line that is not understood is left out.
void parse_network(std::string_view text, std::vector<InterfaceCounters>& out);

}  // namespace headroom::sense
