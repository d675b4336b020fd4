// Models by their names, as paths have them.
#pragma once

#include <optional>
#include <string_view>

#include "serve/operation.hpp"
#include "words/view.hpp"

namespace headroom::serve {

/// The model of this name, the resident one first; null when nobody knows it.
const ModelView* find_model(const View& view, std::string_view name);

/// That there is none, with the name that was perhaps meant.
http::Response no_model(const View& view, std::string_view name);

/// Why a text cannot be the name of a model; empty when it can.
std::optional<http::Response> bad_model_name(std::string_view name);

}  // namespace headroom::serve
