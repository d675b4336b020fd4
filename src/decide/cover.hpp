// The cheapest set that covers a need: the arithmetic under the choice of victims.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headroom::decide {

inline constexpr std::size_t kMostItems = 4096;
inline constexpr std::int64_t kMostItemBytes = std::int64_t{1} << 49;
inline constexpr std::int64_t kMostItemCost = std::int64_t{1} << 40;

/// One thing that may go into the set.
struct CoverItem {
  std::int64_t bytes = 0;  ///< 1 to kMostItemBytes
  std::int64_t cost = 0;   ///< 0 to kMostItemCost
  std::int64_t tie = 1;    ///< 1 to kMostItems; of sets that cost the same the smaller sum wins
};

struct Cover {
  std::vector<std::size_t> chosen;  ///< indices, ascending; empty where nothing covers the need
  std::int64_t bytes = 0;
  std::int64_t cost = 0;
  bool exact = true;        ///< false: the bound of work ended the search for a better set
  std::uint32_t steps = 0;  ///< branches looked at
};

/// The set of items whose bytes sum to at least `need`, of least cost, then of least tie.
///
/// Exact while the search takes fewer than `most_steps` branches. Beyond, it is the cheapest set
/// seen until then, and its cost is at most twice the least: the search starts at a greedy set that
/// is. No item of the set could stay out of it. O(n log n + most_steps · log n).
/// REQUIRES: at most kMostItems items.
Cover cheapest_cover(std::span<const CoverItem> items, std::int64_t need, std::uint32_t most_steps);

}  // namespace headroom::decide
