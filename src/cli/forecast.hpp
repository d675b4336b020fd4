// `headroom forecast`: what the readings are going to be.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// A table of the forecasts of a resource, or of a device, lease or component; "": of all.
std::string render_forecasts(const client::json::value& forecasts, const std::string& wanted,
                             const Style& style);

}  // namespace headroom::cli
