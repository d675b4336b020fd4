// Network interfaces: /proc/net/dev, and what their drivers tell in /sys/class/net.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sense/kernel_file.hpp"

namespace headroom::sense {

struct InterfaceCounters {
  std::string_view name;       ///< in the text it was parsed from
  std::uint64_t received = 0;  ///< bytes
  std::uint64_t sent = 0;
  std::uint64_t errors = 0;   ///< both directions
  std::uint64_t dropped = 0;  ///< both directions
};

/// Interfaces that are told; on a host of many containers each has its own.
constexpr std::size_t kMostInterfaces = 256;

/// Text of /proc/net/dev into `out`, replacing what it held: the first interfaces in the file's
/// order, the loopback one too. A line that is not understood is left out. Returns how many more
/// than `kMostInterfaces` there were.
std::size_t parse_network(std::string_view text, std::vector<InterfaceCounters>& out);

/// Text of /sys/class/net/NAME/speed, in Mbit/s, as bytes per second in each direction. Empty where
/// the link does not know (-1, or 0) or the text is no number.
std::optional<double> parse_speed(std::string_view text);

/// What a link can carry and whether it is plugged in.
struct LinkReading {
  std::string name;
  std::optional<double> speed;  ///< bytes per second each way; empty on virtual links
  std::optional<bool> up;       ///< has a carrier
};

/// Asks the drivers of all interfaces, which may take its time: for a thread of its own.
void read_links(const std::string& root, ReadBuffer& buffer, std::vector<LinkReading>& out);

}  // namespace headroom::sense
