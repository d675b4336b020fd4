// Pressure stall information: /proc/pressure/* and a group's *.pressure.
#pragma once

#include <optional>
#include <string_view>

#include <headroom/sample.hpp>

namespace headroom::sense {

struct StallLines {
  std::optional<StallLine> some;
  std::optional<StallLine> full;
};

/// Text of one pressure file; a line that is missing or not understood is empty.
StallLines parse_stall(std::string_view text);

}  // namespace headroom::sense
