#include "mode.hpp"

namespace headroom::foresight {

std::string replay_forecast(const Trace& trace, const Options&) {
  std::string text = "timestamp,forecast,lo,hi\n";
  for (const Sample& sample : trace.samples) {
    const std::string value = std::to_string(sample.value);
    text += sample.stamp + ',' + value + ',' + value + ',' + value + '\n';
  }
  return text;
}

}  // namespace headroom::foresight
