// The newest events on disk, and the numbers that must not be given twice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "record/database.hpp"
#include "words/view.hpp"

namespace headroom::record {

/// The highest numbers given so far.
struct LastIds {
  std::uint64_t event = 0;
  std::uint64_t alert = 0;
  bool operator==(const LastIds&) const = default;
};

/// Keeps events in the database: the newest 10 000, and of their texts at most a quarter of the
/// budget. Not thread-safe.
class EventStore {
 public:
  static constexpr std::uint64_t kKept = 10000;
  static constexpr std::size_t kText = 2000;  ///< bytes; a longer text is cut
  static constexpr std::uint64_t kAhead = 1000;

  EventStore(Database& database, Bytes budget);

  /// The newest, oldest first, at most `most`.
  std::vector<EventLine> newest(std::size_t most);
  /// Numbers that none of earlier runs is above: after a clean stop the last ones, else up to
  /// kAhead more, since what was given between the last write and a kill is not known.
  LastIds last();

  /// Keeps these, and makes sure that no number up to `given` is given again. With `exact` nothing
  /// more is given in this run. False: nothing was written, as the database says.
  bool store(std::span<const EventLine> lines, const LastIds& given, bool exact);
  /// These numbers must be written before they are used much further.
  bool runs_out(const LastIds& given) const;

 private:
  bool sum(std::int64_t& bytes);

  Database& database_;
  std::int64_t budget_;
  int opened_ = 0;
  LastIds written_;
  std::int64_t bytes_ = -1;  // of all texts; -1: not summed yet
};

}  // namespace headroom::record
