// Amounts, times and words as people write them, in files, variables, flags and requests. Pure.
#pragma once

#include <chrono>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/pressure.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

#include "words/config.hpp"

namespace headroom::settings {

// Every parser takes the whole text, blanks around it aside, and answers invalid_request with the
// text as given, the reason, and the forms that are allowed. Nothing negative is accepted.

/// "12G", "512MiB", "1.5 GiB", "600M", "1024": K, M, G and T, with or without B or iB, in either
/// case, are powers of 1024; a bare number is bytes. Rounded to whole bytes.
Result<Bytes> parse_bytes(std::string_view text);

/// "4", "0.5", "1500m" (thousandths). Rounded to thousandths; what would round to none is refused.
Result<Cores> parse_cores(std::string_view text);

/// "85%" or "85": 0 to 100.
Result<Ratio> parse_percent(std::string_view text);

/// "2%" (0 to 100) or a size as parse_bytes takes it.
Result<Share> parse_share(std::string_view text);

/// "500ms", "3s", "1.5h", "2h30m", "7d": d, h, m, s and ms, each once and in this order; a bare
/// number is seconds. At most 100 years; rounded to milliseconds.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

Result<Priority> parse_priority(std::string_view text);  ///< low normal high critical
Result<Level> parse_level(std::string_view text);        ///< ok warning critical emergency
/// The names of resources; "gpu.memory" is taken for "gpu_memory", and so on.
Result<Resource> parse_resource(std::string_view text);
/// "true yes on 1", "false no off 0".
Result<bool> parse_bool(std::string_view text);

/// The candidate that `word` was most likely meant to be; empty when none is near. Counts
/// letters left out, added, changed or swapped; ignores case.
std::optional<std::string> nearest(std::string_view word,
                                   std::span<const std::string_view> candidates);

/// ", did you mean X?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// The same amount in the largest unit that divides it: "16MiB", "1536MiB", "1000". parse_bytes
/// gives it back.
std::string format_bytes_exact(Bytes bytes);
/// "3s", "5m", "1500ms", "0s". parse_duration gives it back.
std::string format_duration_exact(std::chrono::milliseconds duration);
/// "2%" or a size.
std::string format_share_exact(const Share& share);

}  // namespace headroom::settings
