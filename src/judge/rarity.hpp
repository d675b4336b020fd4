// How rare a value is among those seen before: two counts of bounded size.
#pragma once

#include <array>
#include <cstdint>

namespace headroom::judge {

/// Counts magnitudes in half octaves and tells how rare one is: from its rank where enough was
/// seen, beyond that from a Pareto tail whose index is Hill's estimate (Hill, Annals of Statistics
/// 3, 1975), drawn towards a prior while little is known. Old counts fade by halves.
class MagnitudeHistogram {
 public:
  /// `magnitude` is finite and not negative.
  void add(double magnitude);
  /// How many were added and have not faded.
  double seen() const;
  /// -log10 of the probability of one at least as large; 0 while fewer than 80 were seen.
  double surprise(double magnitude) const;
  /// The magnitude that a share `tail` of those seen reach or pass; 0 when nothing was seen.
  double exceeded_by(double tail) const;
  /// The counts add up, so that a state from elsewhere may be used.
  bool valid() const;

 private:
  static constexpr int kBuckets = 24;  // twelve octaves below the largest seen
  static constexpr std::int16_t kUnset = INT16_MIN;
  struct Top;
  Top top(double count) const;
  void widen(int buckets);

  std::array<std::uint16_t, kBuckets> counts_{};
  std::uint16_t total_ = 0;
  std::int16_t lowest_ = kUnset;  // of bucket 0, in half octaves above 1
};

/// Counts signed values on a scale that is even near zero and logarithmic far from it, and tells
/// how seldom the neighbourhood of one was visited: novelty, which a rank does not see (a value
/// between two common ones). A count is shared between the two nearest bins, so that no edge
/// decides.
class NoveltyHistogram {
 public:
  /// The place of `value` among the bins where `scale` (positive) is an ordinary size of it.
  static double place_of(double value, double scale);
  void add(double place);
  /// How many were added and have not faded.
  double seen() const;
  /// -log10 of the share of the bins around `place`; 0 while fewer than 30 were seen.
  double surprise(double place) const;
  bool valid() const;

 private:
  static constexpr int kReach = 24;
  std::array<std::uint16_t, 2 * kReach + 1> counts_{};
  std::uint16_t total_ = 0;
};

}  // namespace headroom::judge
