// What the job program and the demo agree on: its files and what stands in them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace headroom::demo {

/// What a job tells about itself, several times a second.
struct Progress {
  int done_ms = 0;   ///< work done, this attempt's and what it resumed from
  int held_mib = 0;  ///< memory touched now
  bool operator==(const Progress&) const = default;
};

/// Text of a progress or checkpoint file; of one length, so that a rewrite in place never leaves
/// the end of an older one.
std::string format_progress(const Progress& progress);

/// Reads what format_progress wrote; empty when it is something else.
std::optional<Progress> parse_progress(std::string_view text);

/// Where a job keeps its progress, rewritten in place.
std::string progress_path(const std::string& dir, const std::string& name);

/// Where a job keeps the work that outlives it, replaced as a whole.
std::string checkpoint_path(const std::string& dir, const std::string& name);

/// Reads a progress or checkpoint file; empty when there is none.
std::optional<Progress> read_progress(const std::string& path);

/// How much a job booked at `booked_mib` touches: less than that by what the process itself, its
/// page tables and its files take, so that what is measured stays below what is booked.
constexpr int touched_mib(int booked_mib) {
  const int touched = booked_mib - 4 - booked_mib / 128;
  return touched > 1 ? touched : 1;
}

}  // namespace headroom::demo
