// What a job of the arena does, as its command line declares it. Nothing here is random.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>

namespace headroom::arena {

/// Memory held when so much work is done; between two points it grows or shrinks evenly, and two
/// points of one time are a jump, which is made as fast as the kernel gives memory.
struct Point {
  int work_ms = 0;
  int held_mib = 0;
  bool operator==(const Point&) const = default;
};

struct Profile {
  std::string report;         ///< the file the job tells of itself in
  int work_ms = 0;            ///< work until it is done; of a service: unused
  std::vector<Point> memory;  ///< by rising work; before the first and after the last: as there
  int touch_mib_s = 0;        ///< memory rewritten in a second of work
  int cpu_percent = 0;        ///< of one core, burnt while it works
  int checkpoint_ms = 0;      ///< work between two checkpoints; 0: none is made
  std::string read_file;      ///< read from its start to its end and again; empty: nothing is read
  int read_mib_s = 0;         ///< in a second of work
  int children = 0;           ///< processes that hold the memory in its place, in equal parts
  int serve_per_s = 0;        ///< of a service: requests wanted in each second; 0: it is no service
  double until_s = 0;         ///< of a service: the monotonic time at which it ends
  int exit_code = 0;
};

/// Reads `--report FILE --work 12.5 --memory 0:0,4:120,12.5:120 …`. Fails with the word that is
/// wrong.
Result<Profile> parse_profile(const std::vector<std::string_view>& words);

/// MiB held when `work_ms` is done; at a jump, what stands behind it.
int held_at(const Profile& profile, int work_ms);

/// What a job tells about itself: one line of one length, rewritten in place, so that a kill
/// leaves a whole one.
struct Report {
  int attempt = 0;   ///< 1 for the first
  int done_ms = 0;   ///< work done, with what was saved before
  int saved_ms = 0;  ///< of that, what outlives a kill
  int held_mib = 0;  ///< memory touched now, children included
  int peak_mib = 0;  ///< most of it in this attempt
  int served = 0;    ///< requests answered, all attempts together
  bool ended = false;
  bool operator==(const Report&) const = default;
};

std::string format_report(const Report& report);
/// False, and `report` as it was, for anything that format_report did not write.
bool parse_report(std::string_view text, Report& report);

}  // namespace headroom::arena
