#include "sense/stall.hpp"

#include <algorithm>
#include <limits>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

std::optional<StallLine> rest_of_line(Scan& scan) {
  if (!scan.take("avg10=")) return std::nullopt;
  const auto avg10 = scan.hundredths();
  if (!scan.take(" avg60=")) return std::nullopt;
  const auto avg60 = scan.hundredths();
  if (!scan.take(" avg300=")) return std::nullopt;
  const auto avg300 = scan.hundredths();
  if (!scan.take(" total=")) return std::nullopt;
  const auto total = scan.number();
  if (!avg10 || !avg60 || !avg300 || !total) return std::nullopt;
  const auto share = [](std::uint64_t hundredths) {
    return Ratio(static_cast<double>(hundredths) / 10'000.0);
  };
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return StallLine{share(*avg10), share(*avg60), share(*avg300),
                   std::chrono::microseconds(static_cast<std::int64_t>(std::min(*total, kMost)))};
}

}  // namespace

StallLines parse_stall(std::string_view text) {
  StallLines lines;
  Scan scan(text);
  while (!scan.done()) {
    if (scan.take("some ")) {
      lines.some = rest_of_line(scan);
    } else if (scan.take("full ")) {
      lines.full = rest_of_line(scan);
    }
    scan.line();
  }
  return lines;
}

}  // namespace headroom::sense
