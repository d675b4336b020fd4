#include "sense/meminfo.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

enum Field {
  total,
  free,
  available,
  buffers,
  cached,
  swap_total,
  swap_free,
  zswap,
  dirty,
  shared,
  reclaimable,
  huge_count,
  huge_count_free,
  huge_size,
  huge_bytes
};

// In the order of the text, so that each is looked for behind the one before.
constexpr std::array<std::string_view, 15> kKeys = {
    "MemTotal:",     "MemFree:",         "MemAvailable:",   "Buffers:",      "Cached:",
    "SwapTotal:",    "SwapFree:",        "Zswap:",          "Dirty:",        "Shmem:",
    "SReclaimable:", "HugePages_Total:", "HugePages_Free:", "Hugepagesize:", "Hugetlb:"};

bool stands_at(std::string_view text, std::size_t at, std::string_view key) {
  return at <= text.size() && (at == 0 || text[at - 1] == '\n') &&
         text.substr(at, key.size()) == key;
}

/// The line that begins with `key`, from `from` on; `stop` if there is none before that.
std::size_t find_line(std::string_view text, std::string_view key, std::size_t from,
                      std::size_t stop) {
  std::size_t at = from;
  while (at < stop && !stands_at(text, at, key)) {
    const std::size_t newline = text.find('\n', at);
    at = newline == std::string_view::npos ? stop : newline + 1;
  }
  return std::min(at, stop);
}

/// `count` pages of `size`; saturates.
Bytes pages_of(std::int64_t count, Bytes size) {
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(count, size.count(), &bytes)) {
    bytes = std::numeric_limits<std::int64_t>::max();
  }
  return Bytes(bytes);
}

void fill_huge(std::optional<Bytes> count, std::optional<Bytes> count_free,
               std::optional<Bytes> size, std::optional<Bytes> bytes, MemoryReading& out) {
  out.huge_total = bytes;  // of every size; kernels before 4.19 do not say it
  out.huge_free.reset();
  if (!count || !size) return;
  const Bytes of_default = pages_of(count->count(), *size);
  if (!out.huge_total) out.huge_total = of_default;
  if (count_free && *out.huge_total <= of_default) {
    out.huge_free = pages_of(count_free->count(), *size);
  }
}

}  // namespace

bool parse_meminfo(std::string_view text, MeminfoLayout& layout, MemoryReading& out) {
  std::array<std::optional<Bytes>, kKeys.size()> value;
  std::size_t behind = 0;  // where the search goes on; always the start of a line
  for (std::size_t i = 0; i < kKeys.size(); ++i) {
    std::size_t& at = layout.field[i];
    if (at < behind || !stands_at(text, at, kKeys[i])) {
      // A line that this kernel does not have is not behind the one that follows it elsewhere.
      std::size_t stop = text.size();
      if (i + 1 < kKeys.size() && layout.field[i + 1] >= behind &&
          stands_at(text, layout.field[i + 1], kKeys[i + 1])) {
        stop = layout.field[i + 1];
      }
      at = find_line(text, kKeys[i], behind, stop);
      if (at == stop) continue;
    }
    Scan scan(text.substr(at + kKeys[i].size()));
    value[i] = scan.bytes(i == huge_count || i == huge_count_free ? 1 : 1024);
    behind = at;
  }
  out.total = value[total];
  out.available = value[available];
  out.free = value[free];
  out.swap_total = value[swap_total];
  out.swap_free = value[swap_free];
  out.zswap = value[zswap];
  out.dirty = value[dirty];
  out.shared = value[shared];
  fill_huge(value[huge_count], value[huge_count_free], value[huge_size], value[huge_bytes], out);
  out.cached.reset();
  if (value[cached]) {
    out.cached =
        *value[cached] + value[buffers].value_or(Bytes()) + value[reclaimable].value_or(Bytes());
  }
  return out.total && out.available;
}

std::optional<Bytes> parse_huge_page_size(std::string_view folder) {
  Scan scan(folder);
  if (!scan.take("hugepages-")) return std::nullopt;
  const auto size = scan.bytes(1024);
  if (!size || !scan.take("kB") || !scan.done()) return std::nullopt;
  return size;
}

}  // namespace headroom::sense
