// Components in a view, by name.
#pragma once

#include <string_view>

#include "http/message.hpp"
#include "words/view.hpp"

namespace headroom::serve {

/// Null when there is none.
const ComponentView* find_component(const View& view, std::string_view name);
/// The answer when there is none.
http::Response no_component(std::string_view name);

}  // namespace headroom::serve
