#include <cstdio>
#include <string>

#include "judge/forecast.hpp"
#include "mode.hpp"

namespace headroom::foresight {

std::string replay_forecast(const Trace& trace, const Options&) {
  std::string text = "timestamp,forecast,lo,hi\n";
  judge::Forecaster forecaster;
  for (const Sample& sample : trace.samples) {
    forecaster.update(sample.at, sample.value);
    const auto forecast = forecaster.predict();
    char row[128];
    std::snprintf(row, sizeof row, ",%.10g,%.10g,%.10g\n", forecast->value, forecast->lo,
                  forecast->hi);
    text += sample.stamp + row;
  }
  return text;
}

}  // namespace headroom::foresight
