// The modes of headroom-replay: each feeds a series, sample by sample, to one of judge's classes.
#pragma once

#include <string>

#include "trace.hpp"

namespace headroom::foresight {

/// What the command line may choose.
struct Options {
  double kappa = 50;  ///< limits: what a unit of usage above its limit costs, in units set aside
};

/// Each returns a CSV with a header; what stands on a row was said before any later sample.
/// timestamp (of the newest sample that was used), forecast (15 minutes later), lo, hi.
std::string replay_forecast(const Trace& trace, const Options& options);
/// timestamp (of the sample that the limit is for), limit, decided_at (of the sample before).
std::string replay_limits(const Trace& trace, const Options& options);
/// timestamp, anomaly_score in [0, 1]; what alerts at the default settings is not marked.
std::string replay_anomaly(const Trace& trace, const Options& options);

}  // namespace headroom::foresight
