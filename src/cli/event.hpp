// `headroom event`: what happened and why.
#pragma once

#include <optional>
#include <string>

#include <headroom/result.hpp>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to GET /events as a table, oldest first, so that the newest stands last; `room` has
/// the names that devices go by. Pure.
std::string render_events(const client::json::value& events, const client::json::value& room,
                          const Style& style);

/// One event as a line of that table, for -f. Pure.
std::string render_event(const client::json::value& event, const client::json::value& room,
                         const Style& style);

/// What is wrong with a type that no event has: it is neither the beginning of one that there is in
/// this version, nor of one in `seen`, the answer to GET /events. Pure.
std::optional<Error> wrong_type(const std::string& type, const client::json::value& seen);

}  // namespace headroom::cli
