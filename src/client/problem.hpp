// How the daemon says no: problem+json (RFC 9457) turned into an Error of three parts.
#pragma once

#include <string_view>

#include <headroom/result.hpp>

namespace headroom::client {

/// Turns the body of an answer with a status of 400 or more into an Error: title, detail and the
/// lease in the way, and one line of help per way out. A body that is no problem document still
/// gives an Error, with the kind that the status stands for.
Error parse_problem(int status, std::string_view body);

}  // namespace headroom::client
