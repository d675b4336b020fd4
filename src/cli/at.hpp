// When something is to start, as typed: --at 08:00, --at "2026-11-23 22:00", --at +2h …
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

namespace headroom::cli {

/// Seconds since 1970 of a time after `now` (seconds since 1970).
///
/// "08:00" is the next time that the clocks show that, "2026-11-23 08:00" that day's, both in the
/// zone of the environment (TZ); "2026-11-23T08:00:00Z" and with "+01:00" say their zone; "+2h" and
/// "in 2h" count from now. Where the clocks go back and show a time twice, it is the first of the
/// two that is still to come; where they go forward over it, that day has none.
/// Errors: invalid_request for all else, for a time that has passed, and for one that the clocks do
/// not show.
Result<std::int64_t> parse_at(const std::string& text, std::int64_t now);

/// "2026-11-23T08:00:00Z", as the API takes it.
std::string at_text(std::int64_t at);

}  // namespace headroom::cli
