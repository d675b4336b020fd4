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
