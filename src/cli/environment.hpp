// The environment of this process as a value.
#pragma once

#include <map>
#include <string>

namespace headroom::cli {

/// Every variable of the environment.
std::map<std::string, std::string> environment();

}  // namespace headroom::cli
