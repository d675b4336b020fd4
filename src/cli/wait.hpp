// `headroom wait`: block until it fits, or until pressure falls.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

#include "client/json.hpp"

namespace headroom::cli {

/// "memory<80%", "gpu_temperature<75", "gpu_memory:0<90%".
struct Line {
  std::string resource;
  std::string device;  ///< after ":"; "" = every device has to be below
  double below = 0;
};

/// Empty when the word has no "<", so that it is no line; a failure when it has but is none.
Result<std::optional<Line>> parse_line(std::string_view word);

/// True when each reading of the /pressure document that the line is about lies below it. Fails
/// with `not_found` when there is no such reading.
Result<bool> is_below(const Line& line, const client::json::value& pressure);

}  // namespace headroom::cli
