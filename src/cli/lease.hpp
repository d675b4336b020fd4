// `headroom lease`: what is booked, and by whom.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to GET /leases as a table; a sentence when there is none. Pure.
std::string render_leases(const client::json::value& leases, const Style& style);

/// One lease with all that is known of it. Pure.
std::string render_lease(const client::json::value& lease, const Style& style);

}  // namespace headroom::cli
