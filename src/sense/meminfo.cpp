#include "sense/meminfo.hpp"

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

enum Field { total, free, available, buffers, cached, swap_total, swap_free, reclaimable };

// In the order of the text, so that each is looked for behind the one before.
constexpr std::array<std::string_view, 8> kKeys = {
    "MemTotal:", "MemFree:",   "MemAvailable:", "Buffers:",
    "Cached:",   "SwapTotal:", "SwapFree:",     "SReclaimable:"};

bool stands_at(std::string_view text, std::size_t at, std::string_view key) {
  return at <= text.size() && (at == 0 || text[at - 1] == '\n') &&
         text.substr(at, key.size()) == key;
}

/// The line that begins with `key`, from `from` on; the end of the text if there is none.
std::size_t find_line(std::string_view text, std::string_view key, std::size_t from) {
  std::size_t at = from;
  while (at < text.size() && !stands_at(text, at, key)) {
    const std::size_t newline = text.find('\n', at);
    at = newline == std::string_view::npos ? text.size() : newline + 1;
  }
  return at;
}

}  // namespace

bool parse_meminfo(std::string_view text, MeminfoLayout& layout, MemoryReading& out) {
  std::array<std::optional<Bytes>, kKeys.size()> value;
  std::size_t behind = 0;  // where the search goes on; always the start of a line
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    std::size_t& at = layout.field[i];
    if (at < behind || !stands_at(text, at, kKeys[i])) {
      at = find_line(text, kKeys[i], behind);
      if (at == text.size()) continue;
    }
    Scan scan(text.substr(at + kKeys[i].size()));
    value[i] = scan.bytes(1024);
    behind = at;
  }
  out.total = value[total];
  out.available = value[available];
  out.free = value[free];
  out.swap_total = value[swap_total];
  out.swap_free = value[swap_free];
  out.cached.reset();
  if (value[cached]) {
    out.cached =
        *value[cached] + value[buffers].value_or(Bytes()) + value[reclaimable].value_or(Bytes());
  }
  return out.total && out.available;
}

}  // namespace headroom::sense
