#include "decide/who_ends.hpp"

#include <algorithm>
#include <tuple>

namespace headroom::decide {

bool overran(const Overrunner& one) {
  constexpr std::int64_t kSlack = 16LL << 20;
  if (one.hopeless) return one.booked > 0 && one.measured > one.booked;
  return one.booked > 0 && one.measured - one.booked > kSlack &&
         static_cast<double>(one.measured) > kOverrun * static_cast<double>(one.booked);
}

std::optional<LeaseId> who_ends(const std::vector<Overrunner>& all, std::int64_t deficit) {
  const auto rank = [deficit](const Overrunner& one) {
    return std::tuple(std::min(one.measured, deficit), -static_cast<int>(one.priority), one.granted,
                      one.lease);
  };
  const Overrunner* chosen = nullptr;
  for (const Overrunner& one : all) {
    if (overran(one) && (chosen == nullptr || rank(one) > rank(*chosen))) chosen = &one;
  }
  return chosen == nullptr ? std::nullopt : std::optional(chosen->lease);
}

}  // namespace headroom::decide
