// `headroom resource-management`: the older words and flags, each an alias of a command of ours.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// One line of how things stand: "strategy adaptive   health moderate   cpu 38 %   memory 33 %
/// 4 components   12 allocations applied". What is an empty value is left out. Pure.
std::string render_pulse(const client::json::value& node, const client::json::value& snapshot,
                         const client::json::value& components, const Style& style);

}  // namespace headroom::cli
