// The control groups that others have made: found by path, unit or container, and told apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>

#include "sense/filesystem.hpp"
#include "words/event.hpp"

namespace headroom::sense {

/// The path of a group in its hierarchy, without a slash at its end, from what somebody wrote: that
/// path, or the group's folder below one of `mounts`. Pure. Errors: invalid_request for what is no
/// path, goes up ("..") or is longer than 1024 bytes; not_allowed for the root, which is the
/// machine itself.
Result<std::string> parse_group_path(std::string_view text, const std::vector<Mount>& mounts);

/// The folders of the groups below the one in this folder, the near ones first, at most so many.
std::vector<std::string> groups_below(const std::string& folder, std::size_t most);

/// The processes of a group and of those below it.
struct GroupProcesses {
  std::vector<pid_t> pids;  ///< at most 4096, in no order
  bool all = true;          ///< false: more of them, or some that cannot be seen from here
};

/// The tree of control groups as the kernel shows it: nothing in it is made, moved or changed. Does
/// not change after its making, so that every thread may use it.
class GroupTree {
 public:
  /// `root` stands in for "/" ("" is the machine itself).
  explicit GroupTree(std::string root);
  GroupTree(const GroupTree&) = delete;
  GroupTree& operator=(const GroupTree&) = delete;

  /// The group that is meant, as a holder. A unit or a container is looked for among at most 8192
  /// groups, which takes up to a second: not for the loop. Errors: not_found; not_allowed for the
  /// root, for a group of headroom's own, for one that headroom runs in or that holds `jobs` (the
  /// folder of the jobs' parent; "" = none); invalid_request when several are meant; unavailable
  /// where there are no control groups, or too many to look at.
  Result<Holder> find(const GroupName& name, const std::string& jobs) const;

  /// It is still the group that it was: another one of that name has another inode. One system
  /// call.
  bool is_there(const Holder& holder) const;

  /// Where the figures of a group are read. Empty where it is gone.
  Group folders(const std::string& path) const;

  /// At most 512 groups are looked at.
  GroupProcesses processes(const std::string& path) const;

  /// Whose folder it is; empty where it is gone.
  std::optional<uid_t> owner(const std::string& path) const;

 private:
  Result<Holder> identify(const std::string& path, const std::string& jobs) const;
  Result<std::string> find_unit(std::string_view text) const;
  Result<std::string> find_container(std::string_view id) const;
  std::optional<std::string> folder(const Mount& mount, const std::string& path) const;
  std::optional<std::string> main_folder(const std::string& path) const;

  std::string root_;
  std::vector<Mount> mounts_;  ///< of control groups, all of them
  /// Those whose files are read; null where there is none. They point into mounts_.
  const Mount* memory_ = nullptr;  ///< of version 1
  const Mount* cpu_ = nullptr;     ///< of version 1
  const Mount* unified_ = nullptr;
  std::vector<const Mount*> searched_;  ///< the one with memory first
};

}  // namespace headroom::sense
