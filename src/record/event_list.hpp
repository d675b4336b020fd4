// The newest events, in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "words/view.hpp"

namespace headroom::record {

/// Keeps the newest events and numbers them. Not thread-safe.
class EventList {
 public:
  static constexpr std::size_t kKept = 10000;

  explicit EventList(std::size_t keep = kKept) : keep_(keep) {}

  /// Gives the event its number and keeps it; returns it as kept.
  const EventLine& add(EventLine line);

  /// Puts back the events of an earlier run, oldest first; the next one gets a number above `last`
  /// and above theirs.
  void restore(std::vector<EventLine> lines, std::uint64_t last);

  struct Filter {
    std::optional<WallTime> since;
    std::uint64_t after = 0;  ///< only those numbered higher
    std::string type;         ///< a type, or its beginning up to a dot; empty: all
    std::size_t limit = 100;
  };
  /// The newest that pass, newest first.
  std::vector<EventLine> newest(const Filter& filter) const;

  std::uint64_t last() const { return last_; }

 private:
  std::size_t keep_;
  std::deque<EventLine> lines_;
  std::uint64_t last_ = 0;
};

}  // namespace headroom::record
