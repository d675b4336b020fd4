// `headroom forecast`: what the readings are going to be.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// A table of the forecasts of `resource`; "": of all.
std::string render_forecasts(const client::json::value& forecasts, const std::string& resource,
                             const Style& style);

}  // namespace headroom::cli
