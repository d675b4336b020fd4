// Every parser of a file that the slow sensors read, and of the memory that needs a word more, gets
// every input: none may crash, hang, read outside of it, or tell what cannot be.
#include <cstdint>
#include <string_view>

#include "sense/compressed.hpp"
#include "sense/meminfo.hpp"
#include "sense/network.hpp"
#include "sense/numa.hpp"
#include "sense/power.hpp"
#include "sense/scan.hpp"
#include "sense/thermal.hpp"
#include "sense/thermal_chip.hpp"
#include "sense/zfs.hpp"

using namespace headroom;
using namespace headroom::sense;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view half = text.substr(0, size / 2);
  const auto number = whole_number(text);
  if (number) {
    const auto celsius = degrees(*number);
    if (celsius && !(*celsius >= -40 && *celsius <= 126)) __builtin_trap();
    if (*number >= 0) {
      const auto now = static_cast<std::uint64_t>(*number);
      const auto used = energy_between(now / 2, now, now);
      if (!used || *used > now) __builtin_trap();
      energy_between(now, now / 2, std::nullopt);
    }
  }
  if (trimmed(text).size() > text.size()) __builtin_trap();
  const auto speed = parse_speed(text);
  if (speed && !(*speed > 0)) __builtin_trap();
  for (const char* what : {"_input", "_label"}) {
    const auto sensor = sensor_number(text, "temp", what);
    if (sensor && *sensor < 0) __builtin_trap();
  }
  const auto node = parse_node_meminfo(text);
  if (node && (node->total < Bytes() || node->free < Bytes())) __builtin_trap();
  const auto arc = parse_arcstats(text);
  if (arc && arc->size < Bytes()) __builtin_trap();
  parse_arcstats(half);
  const auto zram = parse_zram(text);
  if (zram && *zram < Bytes()) __builtin_trap();
  parse_huge_page_size(text);
  return 0;
}
