// Times of the week: "Mon-Fri 08:00-18:00", by the clock on the wall of a time zone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "words/zone.hpp"

namespace headroom::decide {

/// A time of the week that comes again.
struct During {
  std::uint8_t days = 0;         ///< of its beginning: bit 0 Monday … bit 6 Sunday; 0: never
  std::chrono::minutes from{0};  ///< after midnight, below 24 h
  std::chrono::minutes to{0};    ///< above 0, at most 24 h; not after `from`: on the next day
  bool operator==(const During&) const = default;
};

/// Reads "Mon-Fri 08:00-18:00", "Sat,Sun 00:00-24:00", "Fri-Mon 22:00-06:00", "daily 22:00-06:00"
/// or "08:00-18:00" (daily). Several, separated by ";", are all of them together; at most 32.
/// Errors: invalid_request with the piece that is wrong and an example.
Result<std::vector<During>> parse_during(std::string_view text);
/// The text that parse_during() reads, days as short as they can be said.
std::string to_text(const std::vector<During>& during);

/// Whether `at` lies in one of them, the ends not included.
///
/// Each begins once a day and ends once: where the clocks go back, at the first of the two times
/// that its beginning, or its end, is shown; where they go forward over it, at that moment. So
/// 02:15 to 02:45 is not at all on the day on which 02:00 to 03:00 is left out.
bool is_during(const std::vector<During>& during, WallTime at, const ZoneRules& zone);
/// When is_during() next becomes the other, within the next eight days; empty: it does not.
std::optional<WallTime> next_change(const std::vector<During>& during, WallTime at,
                                    const ZoneRules& zone);

/// What the clocks of the zone show.
std::chrono::local_seconds local_of(std::chrono::sys_seconds at, const ZoneRules& zone);
/// The hour that the clocks show, 0 to 23.
int hour_of(WallTime at, const ZoneRules& zone);
/// The month that the clocks show, and when it ends.
std::chrono::year_month month_of(WallTime at, const ZoneRules& zone);
WallTime end_of(std::chrono::year_month month, const ZoneRules& zone);

}  // namespace headroom::decide
