#include "mode.hpp"

#include <algorithm>

namespace headroom::foresight {

std::string replay_limits(const Trace& trace, const Options&) {
  std::string text = "timestamp,limit,decided_at\n";
  double highest = 0;
  for (std::size_t i = 1; i < trace.samples.size(); ++i) {
    highest = std::max(highest, trace.samples[i - 1].value);
    text += trace.samples[i].stamp + ',' + std::to_string(highest * 1.1) + ',' +
            trace.samples[i - 1].stamp + '\n';
  }
  return text;
}

}  // namespace headroom::foresight
