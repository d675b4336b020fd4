// A day of history, as a daemon that ran until now would have left it.
#pragma once

#include <string>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

namespace headroom::load {

/// Writes `hours` of samples, one a second, which end at `until`, into the history of a state
/// folder that no daemon uses now. The series are those of a machine without GPUs, with daily and
/// hourly waves and noise that repeats.
Result<void> fill_history(const std::string& state, int hours, WallTime until);

}  // namespace headroom::load
