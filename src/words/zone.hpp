// What the clocks of a place show, as data.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace headroom {

/// The offsets of local time from UTC. Nothing here reads a file.
struct ZoneRules {
  struct Change {
    std::chrono::sys_seconds from;   ///< this offset is in force from here on
    std::chrono::seconds offset{0};  ///< of local time from UTC, east positive
    bool operator==(const Change&) const = default;
  };
  std::string name = "UTC";
  std::chrono::seconds before{0};  ///< the offset before the first change
  std::vector<Change> changes;     ///< ascending
  bool operator==(const ZoneRules&) const = default;
};

}  // namespace headroom
