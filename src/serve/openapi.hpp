// The OpenAPI document, made from the rows that the router dispatches by.
#pragma once

#include <string>
#include <string_view>

namespace headroom::serve {

class Schemas;

/// OpenAPI 3.1 as JSON; `version` is the program's.
std::string openapi_document(std::string_view version);

/// All schemas of the components.
void describe_all(Schemas& all);

}  // namespace headroom::serve
