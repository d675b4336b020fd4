// Equally spaced slots of one series: laying stretches over each other, and making them coarser.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace headroom::record {

/// Milliseconds since 1970 on the wall clock.
using Millis = std::int64_t;

/// The largest multiple of `step` that is not after `at`; also before 1970.
constexpr Millis floor_to(Millis at, Millis step) {
  const Millis rest = at % step;
  return rest < 0 ? at - rest - step : at - rest;
}

/// One tier of the history.
struct Tier {
  Millis step = 1000;  ///< between slots
  Millis span = 0;     ///< of one block; a multiple of step
  Millis keep = 0;     ///< how far back it reaches at least
};

/// Slots of `step` from `at`, which is a multiple of it. A gap is not a number.
///
/// A grid of samples has values only; a coarse one also the least and the largest of each slot.
struct Grid {
  Millis at = 0;
  Millis step = 1000;
  std::vector<double> average;
  std::vector<double> least;  ///< empty in a grid of samples
  std::vector<double> largest;

  Grid() = default;
  Grid(Millis begin, Millis between, std::size_t slots, bool coarse);
  bool coarse() const { return !least.empty(); }
  Millis until() const { return at + step * static_cast<Millis>(average.size()); }
  /// Without the gaps at both ends.
  Grid trimmed() const;
};

/// Puts what `from` knows into `to`, over what was there; what lies outside is left out. Where the
/// steps differ a value of `from` goes into every slot it covers, and several in one slot are
/// averaged. Into a coarse grid samples go as their own least and largest.
void lay_over(Grid& to, const Grid& from);

/// Puts the averages, least and largest of `from` into the coarse grid `to`, whose step is a
/// multiple of that of `from`. A slot that `from` knows wholly replaces what was there; one that it
/// knows in part is joined with it, weighted by that part.
void coarsen_onto(Grid& to, const Grid& from);

}  // namespace headroom::record
