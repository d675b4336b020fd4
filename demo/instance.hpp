// The jobs of the demo: fixed rectangles of memory and time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>

namespace headroom::demo {

/// One job: takes `memory_mib` for `seconds`, from the start of its process to its end.
struct Job {
  std::string name;
  int memory_mib = 0;
  int seconds = 0;
  int checkpoint = 0;  ///< seconds of work between two checkpoints
  bool operator==(const Job&) const = default;
};

/// A memory limit and the jobs that want to live in it, in the order they are submitted.
struct Instance {
  int limit_mib = 0;
  std::vector<Job> jobs;
};

/// What of a limit can be booked: the limit less headroom's reserve (5 %) and margin (2 %),
/// rounded down to whole MiB.
constexpr int usable_mib(int limit_mib) { return limit_mib * 93 / 100; }

/// Reads lines `limit MIB` and `job NAME MIB SECONDS CHECKPOINT`; `#` starts a comment.
/// Fails on a line it cannot read, a name used twice, or a job larger than what is usable.
Result<Instance> parse_instance(std::string_view text);

/// The instance that is built into the program (instance.txt).
Result<Instance> built_in_instance();

}  // namespace headroom::demo
