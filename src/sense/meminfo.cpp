#include "sense/meminfo.hpp"

#include "sense/scan.hpp"

namespace headroom::sense {

bool parse_meminfo(std::string_view text, MemoryReading& out) {
  std::optional<Bytes> total, available, free, buffers, cached, swap_total, swap_free, slab;
  Scan scan(text);
  const auto value = [&scan](std::optional<Bytes>& into) { into = scan.bytes(1024); };
  // The kernel writes the fields in one order, so that the last one wanted ends the search.
  while (!scan.done() && !slab) {
    switch (scan.peek()) {
      case 'M':
        if (scan.take("MemTotal:")) value(total);
        else if (scan.take("MemFree:")) value(free);
        else if (scan.take("MemAvailable:")) value(available);
        break;
      case 'B':
        if (scan.take("Buffers:")) value(buffers);
        break;
      case 'C':
        if (scan.take("Cached:")) value(cached);
        break;
      case 'S':
        if (scan.take("SwapTotal:")) value(swap_total);
        else if (scan.take("SwapFree:")) value(swap_free);
        else if (scan.take("SReclaimable:")) value(slab);
        break;
      default:
        break;
    }
    scan.line();
  }
  out.total = total;
  out.available = available;
  out.free = free;
  out.swap_total = swap_total;
  out.swap_free = swap_free;
  out.cached.reset();
  if (cached) out.cached = *cached + buffers.value_or(Bytes()) + slab.value_or(Bytes());
  return total && available;
}

}  // namespace headroom::sense
