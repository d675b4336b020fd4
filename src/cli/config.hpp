// `headroom config`: the settings in force, and where each comes from.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The answer to GET /config as a table: the settings with `with` in their key or alias. Pure.
std::string render_config(const client::json::value& config, const std::string& with,
                          const Style& style);

}  // namespace headroom::cli
