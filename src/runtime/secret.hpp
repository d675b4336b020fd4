// A word in a file that only its owner may read.
#pragma once

#include <string>

#include <headroom/result.hpp>

namespace headroom::runtime {

/// The first line of the file, without blanks around it. Errors: invalid_request when it cannot be
/// read, is readable for the world, larger than 4 KiB or has fewer than 16 characters.
Result<std::string> read_secret(const std::string& path);

}  // namespace headroom::runtime
