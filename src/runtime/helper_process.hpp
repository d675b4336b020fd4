// Starting the small processes that do for the daemon what it must not do itself.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace headroom::runtime {

/// The first descriptor of a helper that is not one of the standard ones.
inline constexpr int kHelperDescriptor = 3;

/// Starts `program` in a process group of its own, with `descriptors` as 3, 4 and so on, and no
/// others but the standard ones; its input and output lead nowhere, its errors to ours. Signals are
/// as a new process has them. Returns its pid, or -errno. Any thread.
pid_t start_helper(const std::string& program, const std::vector<std::string>& arguments,
                   const std::vector<int>& descriptors);

}  // namespace headroom::runtime
