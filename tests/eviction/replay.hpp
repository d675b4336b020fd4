// What a load costs under a way of choosing victims, and what it costs at least.
#pragma once

#include <cstdint>
#include <optional>

#include "trace.hpp"

namespace headroom::eviction {

/// Every model asked for is loaded if it is not resident; who goes for it is what differs.
enum class Policy {
  lru,      ///< used longest ago first, until it fits
  largest,  ///< the largest first, until it fits
  score,    ///< the greatest idle time ÷ reload time first, until it fits (as Lemonade does)
  ours,     ///< decide::choose_victims, without its limits against thrashing
};

struct Cost {
  std::int64_t reload = 0;  ///< ms, all loads
  std::int64_t loads = 0;
};
Cost replay(const Trace& trace, Policy policy);

/// The least that any choice of victims can cost, with all uses known beforehand: a dynamic
/// programme over the sets that fit. Empty with more than 10 models.
std::optional<std::int64_t> optimum(const Trace& trace);
/// The same by evicting whoever is used again last. REQUIRES: models of equal size and reload time.
std::int64_t belady(const Trace& trace);

}  // namespace headroom::eviction
