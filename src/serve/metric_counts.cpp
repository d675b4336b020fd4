#include "serve/metric_counts.hpp"

#include <algorithm>
#include <cmath>

namespace headroom::serve {

void Histogram::add(double value) {
  if (!std::isfinite(value)) return;
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++buckets_[static_cast<std::size_t>(bound - bounds_.begin())];
  ++count_;
  sum_ += value;
}

void MetricCounts::called(std::string_view hook, HookResult result, std::chrono::nanoseconds took) {
  const auto same = [&](const HookCalls& calls) { return calls.hook == hook; };
  auto found = std::find_if(hooks.begin(), hooks.end(), same);
  if (found == hooks.end() && hooks.size() + 1 >= kHooks) {
    hook = "other";
    found = std::find_if(hooks.begin(), hooks.end(), same);
  }
  if (found == hooks.end()) {
    found = hooks.emplace(hooks.end());
    found->hook = hook;
  }
  ++found->results[static_cast<std::size_t>(result)];
  found->took.add(took);
}

void MetricCounts::answered(std::string_view route, int status) {
  const auto same = [&](const Answered& a) { return a.status == status && a.route == route; };
  auto found = std::find_if(answers.begin(), answers.end(), same);
  if (found == answers.end() && answers.size() + 1 >= kRoutes) {
    route = "other";
    status = 0;
    found = std::find_if(answers.begin(), answers.end(), same);
  }
  if (found == answers.end()) found = answers.insert(answers.end(), {route, status, 0});
  ++found->count;
}

}  // namespace headroom::serve
