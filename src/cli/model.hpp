// headroom model, free and advise: what takes memory by name, and what would give it back.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The models of a /models document as a table.
std::string render_models(const client::json::value& models, const Style& style);
/// One model, line by line.
std::string render_model(const client::json::value& model, const Style& style);
/// What a /cleanup document did or would do.
std::string render_freed(const client::json::value& freed, const Style& style);
/// The items of an /advice document.
std::string render_advice(const client::json::value& advice, const Style& style);

/// The sum of what steps free: "9.2 GiB".
std::string step_amount(const client::json::value& step);

}  // namespace headroom::cli
