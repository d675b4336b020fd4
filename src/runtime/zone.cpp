#include "runtime/zone.hpp"

#include <ctime>

namespace headroom::runtime {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr std::chrono::hours kStep{24};  // no zone changes twice in a day
constexpr std::chrono::hours kBefore{7 * 24};
constexpr std::chrono::hours kAfter{2 * 365 * 24};

seconds offset_at(sys_seconds when) {
  const std::time_t time = when.time_since_epoch().count();
  std::tm local{};
  return localtime_r(&time, &local) == nullptr ? seconds(0) : seconds(local.tm_gmtoff);
}

}  // namespace

ZoneRules read_zone(WallTime now) {
  tzset();
  ZoneRules rules;
  const sys_seconds middle(std::chrono::floor<seconds>(now.time_since_epoch()));
  sys_seconds at = middle - kBefore;
  const std::time_t time = middle.time_since_epoch().count();
  std::tm local{};
  if (localtime_r(&time, &local) != nullptr && local.tm_zone != nullptr) rules.name = local.tm_zone;
  rules.before = offset_at(at);
  seconds last = rules.before;
  for (; at < middle + kAfter; at += kStep) {
    const seconds next = offset_at(at + kStep);
    if (next == last) continue;
    sys_seconds low = at;  // has the old one
    sys_seconds high = at + kStep;
    while (high - low > seconds(1)) {
      const sys_seconds half = low + (high - low) / 2;
      (offset_at(half) == last ? low : high) = half;
    }
    rules.changes.push_back({high, next});
    last = next;
  }
  return rules;
}

}  // namespace headroom::runtime
