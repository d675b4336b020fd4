// Times of the week as somebody may write them: what is read is said again the same, and asking
// when it changes ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "decide/calendar.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headroom;
  using namespace std::chrono_literals;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto read = decide::parse_during(text);
  if (!read) return 0;
  if (decide::parse_during(decide::to_text(*read)) != *read) std::abort();
  const ZoneRules zone{"", 1h, {{std::chrono::sys_seconds(86400s), 2h}}};
  const WallTime at{std::chrono::seconds(static_cast<std::int64_t>(size) * 3571)};
  const auto next = decide::next_change(*read, at, zone);
  if (next && decide::is_during(*read, *next, zone) == decide::is_during(*read, at, zone)) {
    std::abort();
  }
  return 0;
}
