// Server-Sent Events as text.
#pragma once

#include <string>
#include <string_view>

namespace headroom::http {

/// One event, ready to be written to a stream. Empty `id` or `event`: no such line. `data` may have
/// several lines; line ends in `id` and `event` become spaces.
std::string sse_event(std::string_view id, std::string_view event, std::string_view data);

}  // namespace headroom::http
