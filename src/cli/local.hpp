// Reading this machine without a daemon.
#pragma once

#include <string>
#include <string_view>

#include <headroom/result.hpp>

namespace headroom::cli {

/// What a daemon would answer to GET `target` ("/api/v1/snapshot"), computed in this process from
/// two samples 100 ms apart. Fails with `unavailable` for what only a daemon knows.
Result<std::string> read_locally(std::string_view target);

/// Reads the machine once more, for a command that goes on: later answers are of this reading.
/// All functions of this file belong to one thread.
Result<void> sample_locally();

/// What a daemon would answer to POST /api/v1/fit with this body; nobody's leases are known here.
Result<std::string> fit_locally(std::string_view body);

}  // namespace headroom::cli
