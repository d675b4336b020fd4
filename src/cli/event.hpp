// `headroom event`: what happened and why.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to GET /events as a table, oldest first, so that the newest stands last. Pure.
std::string render_events(const client::json::value& events, const Style& style);

/// One event as a line of that table, for -f. Pure.
std::string render_event(const client::json::value& event, const Style& style);

}  // namespace headroom::cli
