#include <array>
#include <charconv>

#include "judge/anomaly.hpp"
#include "mode.hpp"

namespace headroom::foresight {

std::string replay_anomaly(const Trace& trace, const Options&) {
  judge::Anomaly anomaly;
  std::string text = "timestamp,anomaly_score\n";
  for (const Sample& sample : trace.samples) {
    const double score = anomaly.update(sample.at, sample.value).score;
    std::array<char, 32> digits;
    const auto end =
        std::to_chars(digits.begin(), digits.end(), score, std::chars_format::fixed, 9);
    text += sample.stamp + ',' + std::string(digits.begin(), end.ptr) + '\n';
  }
  return text;
}

}  // namespace headroom::foresight
