#include "sense/zoneinfo.hpp"

#include <limits>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

void add(std::uint64_t& sum, std::optional<std::uint64_t> value) {
  if (__builtin_add_overflow(sum, value.value_or(0), &sum)) {
    sum = std::numeric_limits<std::uint64_t>::max();
  }
}

}  // namespace

std::optional<ZonePages> parse_zoneinfo(std::string_view text) {
  ZonePages pages;
  bool zone = false;
  Scan scan(text);
  while (!scan.done()) {
    scan.skip_spaces();
    if (scan.take("Node ")) {
      zone = true;
    } else if (scan.take("high ")) {  // "high:" belongs to one processor's list
      add(pages.high, scan.number());
    } else if (scan.take("count:")) {
      add(pages.per_cpu_free, scan.number());
    }
    scan.line();
  }
  if (!zone) return std::nullopt;
  return pages;
}

}  // namespace headroom::sense
