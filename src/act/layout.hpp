// Where control groups are, worked out from what the kernel prints. Pure: no file is touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <headroom/lease.hpp>
#include <headroom/units.hpp>

namespace headroom::act {

/// One control group hierarchy as /proc/self/mountinfo shows it.
struct Mount {
  std::string root;   ///< the group that is shown at `point`
  std::string point;  ///< where it is mounted
  bool v2 = false;
  std::vector<std::string> controllers;  ///< of a v1 hierarchy; empty for v2
  bool operator==(const Mount&) const = default;
};

/// The cgroup mounts of a mountinfo text, in its order, at most 64. Lines that make no sense are
/// skipped.
std::vector<Mount> parse_mounts(std::string_view mountinfo);

/// The group a process is in, in one hierarchy: a line of /proc/PID/cgroup.
struct Membership {
  std::vector<std::string> controllers;  ///< empty: the v2 hierarchy
  std::string path;
  bool operator==(const Membership&) const = default;
};

/// The lines of a /proc/PID/cgroup text, at most 64. Lines that make no sense are skipped.
std::vector<Membership> parse_memberships(std::string_view text);

/// The group of `memberships` in the hierarchy of `mount`; empty when there is none.
std::optional<std::string> path_in(const Mount& mount, const std::vector<Membership>& memberships);

/// The directory where `mount` shows the group `path`; empty when that group is outside of what
/// is mounted (as in a container that sees another part of the tree).
std::optional<std::string> directory_of(const Mount& mount, std::string_view path);

/// The lease a group's name belongs to: "lease-73", or "lease-73.2" where the first name was
/// still taken. Empty for every other name.
std::optional<LeaseId> parse_lease_name(std::string_view name);

/// The name of a lease's group; `life` 1 is the plain one.
std::string lease_name(LeaseId id, int life);

/// True when `text` holds `word`, separated by blanks.
bool has_word(std::string_view text, std::string_view word);

/// The number after `key` in a file of "key number" lines (memory.events, memory.oom_control).
std::optional<std::uint64_t> parse_keyed(std::string_view text, std::string_view key);

/// A file that holds one amount of bytes. "max" and what is beyond the range of Bytes are the
/// largest Bytes; empty when it is no number.
std::optional<Bytes> parse_amount(std::string_view text);

/// The lines of a cgroup.procs text. A process of a pid namespace that we cannot see is 0.
std::vector<pid_t> parse_pids(std::string_view text, std::size_t limit);

}  // namespace headroom::act
