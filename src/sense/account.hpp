// Where a process belongs: systemd unit, container, pod, or a job of headroom's.
#pragma once

#include <string>
#include <string_view>

#include <headroom/process.hpp>

namespace headroom::sense {

struct Membership {
  Account account;
  /// The group of the lease that the process runs under, as the text names it: "/headroom/lease-7".
  /// Empty where it is in none.
  std::string job;
  bool operator==(const Membership&) const = default;
};

/// Text of /proc/PID/cgroup, of any generation of control groups. What is not understood is left
/// empty: no group is too strange to be read. Pure.
Membership parse_membership(std::string_view text);

/// What the path of a group tells of what is in it. Pure.
Account parse_group(std::string_view path);

}  // namespace headroom::sense
