// A control group with a memory limit, made for the demo and removed with everything in it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <headroom/result.hpp>

namespace headroom::demo {

/// Where a process's memory group is.
struct MemoryGroup {
  std::string dir;    ///< of the process's own group
  std::string mount;  ///< of the hierarchy; `dir` is it or lies below
  bool v2 = false;
  bool operator==(const MemoryGroup&) const = default;
};

/// Finds the memory group from /proc/self/cgroup and /proc/self/mountinfo: the v1 memory hierarchy
/// where there is one, else v2. Fails when neither is mounted.
Result<MemoryGroup> parse_memory_group(std::string_view cgroup, std::string_view mountinfo);

/// A group with a limit. One thread.
class LimitedGroup {
 public:
  /// Makes the group below this process's own (v1), or below the nearest group that hands the
  /// memory controller down (v2). Fails without the right to do so and says what is needed.
  static Result<LimitedGroup> create(int limit_mib);

  LimitedGroup(LimitedGroup&& other) noexcept;
  LimitedGroup& operator=(LimitedGroup&&) = delete;
  /// Ends what is left in the group and removes it.
  ~LimitedGroup();

  /// Moves the calling process in; for a child between fork and exec. False when that failed.
  /// On v2 a group that has children holds no processes itself, and a daemon makes children of
  /// its own: so it gets a corner where nobody else is.
  enum class Corner : bool { jobs, daemon };
  bool enter(Corner corner) const;
  /// What is charged to the group now, without the page cache that can go at once.
  int used_mib() const;
  /// How many processes the kernel has killed for lack of memory in the group (v2: and below).
  long kernel_kills() const;
  /// Kills every process in the group and below, until none is left or two seconds are over.
  void end_all() const;
  const std::string& dir() const { return dir_; }

 private:
  LimitedGroup(std::string dir, std::string aside, bool v2)
      : dir_(std::move(dir)), aside_(std::move(aside)), v2_(v2) {}
  std::string home(Corner corner) const;

  std::string dir_;
  std::string aside_;  ///< the group this process moved to, so that its own could have children
  bool v2_ = false;
};

}  // namespace headroom::demo
