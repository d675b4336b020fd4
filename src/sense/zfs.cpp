#include "sense/zfs.hpp"

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

/// The rest of a line "name  type  value".
std::optional<Bytes> value_of(Scan& scan) {
  scan.skip_words(1);
  return scan.bytes();
}

}  // namespace

std::optional<ArcSize> parse_arcstats(std::string_view text) {
  std::optional<Bytes> size;
  std::optional<Bytes> least;
  Scan scan(text);
  while (!scan.done() && !(size && least)) {
    if (scan.take("size ")) {
      size = value_of(scan);
    } else if (scan.take("c_min ")) {
      least = value_of(scan);
    }
    scan.line();
  }
  if (!size) return std::nullopt;
  return ArcSize{*size, least};
}

}  // namespace headroom::sense
