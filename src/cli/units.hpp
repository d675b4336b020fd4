// Amounts as people read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace headroom::cli {

/// What stands where nothing is known or nothing is there.
inline constexpr const char* kNone = "–";

/// "15.4 GiB", "512 MiB", "1.61 TiB", "900 B". A negative amount keeps its sign.
std::string show_bytes(std::int64_t bytes);

/// "61.0 of 80.0 GiB": both in the unit of `total`.
std::string show_bytes_of(std::int64_t used, std::int64_t total);

/// The number alone, in the unit that show_bytes would choose for `scale`: "0.4" for a sum in GiB.
std::string show_bytes_in_unit_of(std::int64_t bytes, std::int64_t scale);
/// That unit: "GiB".
const char* unit_of(std::int64_t scale);

/// "7.0 cores", "1 core".
std::string show_cores(double cores);

/// A number with `digits` decimals: "38", "91.2".
std::string show_number(double value, int digits = 0);

/// At most so many decimals, and no zeros at their end: "24.5", "512".
std::string show_plain(double value, int digits);

/// How long an answer took: "0.3 ms", "12 ms", "1.2s".
std::string show_latency(double seconds);

/// A length of time: "0.3s", "41s", "3m 05s", "2h 03m", "3d 4h".
std::string show_span(double seconds);

/// Minutes and seconds of something that runs: "00:41", "1:02:03".
std::string show_clock(double seconds);

/// Seconds since 1970 of an RFC 3339 time in UTC ("2026-01-12T14:10:03.120Z"); empty when it is
/// none.
std::optional<double> parse_time(std::string_view text);

/// "14:32" in the local time zone, "14:32:07" with seconds; with the day in front ("Jan 11 23:50")
/// when that is not the day of `now`, and with the year when that is another one.
std::string show_time(double at, double now, bool seconds = false);

/// Columns a text takes on a terminal: UTF-8 code points, without colour codes.
std::size_t width_of(std::string_view text);

/// Makes text of others safe for a terminal: control characters become "?".
std::string printable(std::string_view text);

}  // namespace headroom::cli
