#include "decide/who_ends.hpp"

#include <tuple>

namespace headroom::decide {

std::optional<LeaseId> who_ends(const std::vector<Overrunner>& all, std::int64_t deficit) {
  const auto rank = [deficit](const Overrunner& one) {
    return std::tuple(one.measured >= deficit, -static_cast<int>(one.priority), one.granted,
                      one.lease);
  };
  const Overrunner* chosen = nullptr;
  for (const Overrunner& one : all) {
    const bool overran = one.booked > 0 && static_cast<double>(one.measured) >
                                               kOverrun * static_cast<double>(one.booked);
    if (overran && (chosen == nullptr || rank(one) > rank(*chosen))) chosen = &one;
  }
  return chosen == nullptr ? std::nullopt : std::optional(chosen->lease);
}

}  // namespace headroom::decide
