// What a series is going to be, as it is shown.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <headroom/instant.hpp>

namespace headroom {

/// The forecast of one series of the node. Values are in the unit of the series' history.
struct ForecastView {
  std::string series;  ///< "memory", "gpu_memory:GPU-…", "disk:/"
  WallTime updated{};  ///< when the newest sample was taken in
  double now = 0;      ///< its value
  std::chrono::seconds horizon{0};
  double value = 0;           ///< expected after `horizon`
  double lo = 0, hi = 0;      ///< holds it with 90 % probability
  double confidence = 0;      ///< probability that what comes lies within 10 % of `value`
  std::string method;         ///< the one that counts most: "moving_median"
  std::string limited_by;     ///< what keeps it from being better: "short_history"; or "nothing"
  double relative_error = 1;  ///< mean absolute error over that of the last value
  double coverage = 0;        ///< share of values that lay between lo and hi
  std::uint64_t samples = 0;  ///< taken in
  std::uint32_t judged = 0;   ///< forecasts whose value has come
  std::chrono::seconds seen{0};
  std::optional<std::chrono::seconds> full_in;  ///< shares only: until it is at 100 %
  std::optional<double> full_confidence;
};

}  // namespace headroom
