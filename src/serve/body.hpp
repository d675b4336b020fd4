// Request bodies as values: JSON in, every field checked, unknown ones refused by name.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

#include "words/event.hpp"

namespace headroom::serve {

/// The holder that a request for a lease names.
struct HolderField {
  bool given = false;
  std::optional<pid_t> pid;  ///< empty with `given`: tied to time only
};

Result<AskFit> parse_fit(std::string_view body);
/// `holder` gets what the body says of it; the kernel is asked by the caller.
Result<AskLease> parse_lease(std::string_view body, HolderField& holder);
Result<AskChange> parse_change(std::string_view body);
/// {"acknowledged": true}
Result<bool> parse_acknowledge(std::string_view body);

}  // namespace headroom::serve
