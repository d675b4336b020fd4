// `headroom strategy`: how allocations move.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The strategy that is set, what it means now, and the words there are.
std::string render_strategy(const client::json::value& strategy, const Style& style);

}  // namespace headroom::cli
