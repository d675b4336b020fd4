// `headroom drain`: what takes nobody new.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// What is drained, one line each (the answer of GET /api/v1/drains). Pure.
std::string render_drains(const client::json::value& drains, const Style& style);

}  // namespace headroom::cli
