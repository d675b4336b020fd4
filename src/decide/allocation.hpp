// From what should be shared out to what is asked of whom, and when.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>

#include "decide/allocate.hpp"

namespace headroom::decide {

/// What a component may get of a resource, and what it would use.
struct Wish {
  std::uint64_t id = 0;
  std::int64_t floor = 0;
  std::int64_t ceiling = 0;
  std::int64_t weight = 1;
  Priority priority = Priority::normal;
  std::optional<std::int64_t> demand;  ///< empty: nobody knows; then it keeps what it has
};

/// How fast allocations may follow.
struct Pace {
  double shrink_most = 0.1;          ///< share of what it has, in one cycle
  std::chrono::nanoseconds hold{0};  ///< the demand must have been lower for so long
  double deadband = 0.05;            ///< smaller changes, as a share, are not worth one
  std::int64_t least = 1;            ///< nor are smaller ones in units
  std::size_t shrinks_a_day = 48;    ///< of a component, if nobody needs what it gives back
};

/// Ask a component to work with `to` from now on.
struct Move {
  enum class Why {
    demand,   ///< its demand has changed, or it is new
    quota,    ///< what it has lies outside of its quota
    others,   ///< there is too little for all
    capacity  ///< more is given out than there is
  };
  std::uint64_t id = 0;
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t aim = 0;  ///< where it is to come in the end
  Why why = Why::demand;
  bool operator==(const Move&) const = default;
};
const char* to_string(Move::Why why);

/// The allocations of one resource: what every component has, and what it was asked to have.
///
/// Two phases: what one gives back is given to another only after it was confirmed. So the larger
/// of what everybody has and was asked to have is never more together than the capacity, as long
/// as that does not shrink and nobody takes more than he was asked to. Up at once, as far as there
/// is some; down by at most Pace::shrink_most a cycle, and only after Pace::hold; but at once where
/// others lack it. Between two of its shrinks a component grows at most as often as the deadband
/// fits between its floor and its ceiling, so the shrinks a day bound all its changes.
/// The order of the wishes does not matter. Not thread-safe; time is passed in.
class Allocation {
 public:
  /// What is to be asked now. Components that are not named any more are forgotten; new ones have
  /// nothing yet. While a component has not answered it is asked nothing else.
  std::vector<Move> cycle(std::span<const Wish> wishes, std::int64_t capacity, Classes classes,
                          const Pace& pace, BootTime at);
  /// It has so much before its first cycle, or whatever was asked of it; `perhaps` it has that.
  void adopt(std::uint64_t id, std::int64_t value, std::optional<std::int64_t> perhaps = {});
  /// It works with so much now, asked or not; an unknown id is ignored.
  void applied(std::uint64_t id, std::int64_t value);
  /// It set another value than it was asked to: it has that, and is asked again as after refused().
  void fell_short(std::uint64_t id, std::int64_t value, BootTime at);
  /// It did not do what it was asked, or did not answer in time: it keeps what it had, and is asked
  /// again after 1, 2, 4 … 64 s.
  void refused(std::uint64_t id, BootTime at);

  /// It did not answer in time: as refused(), but it may have done it all the same, so that is
  /// nobody else's until it says what it has.
  void unanswered(std::uint64_t id, BootTime at);

  /// What it has; empty: unknown.
  std::optional<std::int64_t> has(std::uint64_t id) const;
  /// What it was asked to have and has not answered.
  std::optional<std::int64_t> asked(std::uint64_t id) const;
  /// What is out of it: the largest of what it has, was asked to have, and may have set.
  std::int64_t held(std::uint64_t id) const;
  /// All that is out.
  std::int64_t out() const;

 private:
  struct One {
    std::int64_t now = 0;
    std::optional<std::int64_t> asked;
    std::optional<std::int64_t> perhaps;  ///< asked, and not answered in time
    std::optional<BootTime> lower_since;  ///< it would use less than it has
    std::vector<BootTime> shrinks;        ///< of the last day, those that nobody needed
    int failures = 0;
    BootTime not_before{};
    std::int64_t held() const;
  };
  std::map<std::uint64_t, One> all_;
};

}  // namespace headroom::decide
