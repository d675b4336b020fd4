#include "sense/stall.hpp"

#include <algorithm>
#include <limits>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

std::optional<Ratio> share(Scan& scan, std::string_view name) {
  scan.skip_spaces();
  if (!scan.take(name)) return std::nullopt;
  const auto percent = scan.decimal();
  if (!percent) return std::nullopt;
  return Ratio(*percent / 100.0);
}

std::optional<StallLine> rest_of_line(Scan& scan) {
  const auto avg10 = share(scan, "avg10=");
  const auto avg60 = share(scan, "avg60=");
  const auto avg300 = share(scan, "avg300=");
  scan.skip_spaces();
  if (!avg10 || !avg60 || !avg300 || !scan.take("total=")) return std::nullopt;
  const auto total = scan.number();
  if (!total) return std::nullopt;
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return StallLine{*avg10, *avg60, *avg300,
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
