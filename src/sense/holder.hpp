// What the holder of a lease uses: by its control group, or by its processes where it has none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/sample.hpp>

#include "sense/cgroup.hpp"
#include "sense/kernel_file.hpp"
#include "sense/process.hpp"

namespace headroom::sense {

/// One holder to read: which lease, where its processes live, and who it is.
struct Target {
  LeaseId lease = 0;
  Group group;
  Holder holder;
  std::string gpu = {};  ///< UUID of the device the lease is on; "" = none
  LeaseId part_of = 0;   ///< a further device of this lease, whose processes they are
  /// Its processes had memory before they came into the group: the kernel counts that to the group
  /// that they came from.
  bool moved_in = false;
  bool operator==(const Target&) const = default;
};

/// Reads one target again and again. Where the group's files do not tell a figure, it is summed
/// over the group's processes; where there is no group (yet, or any more), over the holder and all
/// of its descendants ever seen. Of a group that somebody else made, what it had written before
/// does not count. A figure that cannot be known is empty. Not thread-safe.
class TrackedHolder {
 public:
  /// `root` stands in for "/" ("" is the machine); the group's folders are taken as they are.
  TrackedHolder(Target target, const std::string& root, Keep keep);

  const Target& target() const { return target_; }
  /// Whether the last read, or the first one, needs the process table.
  bool needs_processes() const { return needs_processes_; }
  /// Reads into `out`. `table` was read at the same time; null if it was not needed.
  void read(BootTime now, ReadBuffer& buffer, const ProcessTable* table, HolderReading& out);

 private:
  /// A process that belongs to the holder, with the CPU time it had when it was last seen.
  struct Member {
    pid_t pid = 0;
    std::uint64_t start_time = 0;
    std::chrono::nanoseconds cpu{};
  };
  struct Sum {
    Bytes anonymous;
    Bytes resident;
    int processes = 0;
  };

  void read_below(BootTime now, ReadBuffer& buffer);
  bool read_group(BootTime now, ReadBuffer& buffer, HolderReading& out);
  void find_cpu_file(BootTime now, ReadBuffer& buffer);
  void members_of_group(const ProcessTable& table);
  void members_of_tree(const ProcessTable& table);
  Sum sum_members(const ProcessTable& table);
  void read_written(ReadBuffer& buffer, HolderReading& out);
  void set_rate(BootTime now, HolderReading& out);

  Target target_;
  std::string root_;
  Keep keep_;
  KernelFile procs_, memory_stat_, memory_usage_, oom_, cpu_, io_;
  /// Of the groups below one that somebody else made: others make some in it as they like.
  std::vector<KernelFile> below_;
  std::optional<BootTime> below_at_;
  std::string folder_;  ///< in which the group's processes are told
  bool seen_ = false;   ///< the group was there once
  bool cpu_looked_for_ = false;
  bool needs_processes_ = true;
  std::vector<int> pids_;  ///< of the group, or of the members
  std::vector<int> more_;
  std::vector<Member> members_;  ///< by ascending pid
  std::vector<Member> next_;
  std::chrono::nanoseconds gone_cpu_{};  ///< of members that have ended
  std::optional<Bytes> written_;
  std::optional<Bytes> written_before_;  ///< by a group of somebody else's, until it was read first
  std::optional<BootTime> rate_from_;
  std::optional<std::chrono::nanoseconds> rate_cpu_;
  std::optional<Cores> rate_;
};

}  // namespace headroom::sense
