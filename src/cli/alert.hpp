// `headroom alert`: what is not ok.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to GET /alerts as a table; a sentence when there is none. Pure.
std::string render_alerts(const client::json::value& alerts, const Style& style);

/// One alert with all that is known of it and what is recommended. Pure.
std::string render_alert(const client::json::value& alert, const Style& style);

}  // namespace headroom::cli
