#include <cstdio>
#include <string>

#include "judge/forecast.hpp"
#include "judge/limit.hpp"
#include "mode.hpp"

namespace headroom::foresight {

std::string replay_limits(const Trace& trace, const Options& options) {
  judge::LimitPolicy policy;
  policy.kappa = options.kappa;
  policy.least = trace.kind == "memory" ? 1.02 : 0;
  judge::LimitEstimator estimator(policy);
  judge::Forecaster forecaster(policy.hold);
  std::string text = "timestamp,limit,decided_at\n";
  const Sample* before = nullptr;
  for (const Sample& sample : trace.samples) {
    if (before != nullptr) {
      char limit[64];
      std::snprintf(limit, sizeof limit, ",%.10g,", estimator.limit()->value);
      text += sample.stamp + limit + before->stamp + '\n';
    }
    forecaster.update(sample.at, sample.value);
    estimator.update(sample.at.boot, sample.value, forecaster.predict());
    before = &sample;
  }
  return text;
}

}  // namespace headroom::foresight
