// `headroom fit`: would it fit now, where, and if not, what would help.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to POST /fit for people. `request` is what was asked (its needs and name); `room` is
/// the /room document, for the names of devices (may be empty). Pure.
std::string render_fit(const client::json::value& verdict, const client::json::value& request,
                       const client::json::value& room, const Style& style);

}  // namespace headroom::cli
