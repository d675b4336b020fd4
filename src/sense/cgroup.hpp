// Control groups: the texts of their files, and the memory limit that holds for the jobs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/filesystem.hpp"
#include "sense/kernel_file.hpp"

namespace headroom::sense {

/// Text of memory.limit_in_bytes or memory.max. Empty if there is no limit: "max", or the 2^60 and
/// more by which v1 says the same; empty too if it is not understood.
std::optional<Bytes> parse_limit(std::string_view text);

/// Text of a file with one number: memory.current, memory.usage_in_bytes, cpuacct.usage.
std::optional<Bytes> parse_amount(std::string_view text);

/// The number behind `key` in a file of "key number" lines; empty if there is none.
std::optional<std::uint64_t> parse_keyed(std::string_view text, std::string_view key);

/// Bytes written, summed over the devices of an io.stat file; empty if it names none.
std::optional<Bytes> parse_io_stat(std::string_view text);

/// Number of lines of a cgroup.procs file that hold a pid; the pids go to `pids`, which is
/// replaced.
int parse_procs(std::string_view text, std::vector<int>& pids);

/// What a group uses, with its children.
struct GroupMemory {
  Bytes held;   ///< cannot be reclaimed: anonymous, shared memory and, in v2, the kernel's part
  Bytes cache;  ///< reclaimable: page cache and, in v2, reclaimable slab
};

/// Text of memory.stat; empty if it is not understood.
std::optional<GroupMemory> parse_memory_stat_v1(std::string_view text);
std::optional<GroupMemory> parse_memory_stat_v2(std::string_view text);

/// The groups of a process, as /proc/PID/cgroup says them.
struct GroupPaths {
  std::optional<std::string> memory;   ///< of the v1 memory hierarchy
  std::optional<std::string> unified;  ///< of the v2 hierarchy
};
GroupPaths parse_cgroup(std::string_view text);

/// The folder of the memory group that this process's jobs live under: its own group, or for a
/// systemd service the group around it, whose limit is not the service's own. Empty if no memory
/// hierarchy is mounted. Pure.
std::string jobs_group_of(const GroupPaths& own, const std::vector<Mount>& mounts);

/// The smallest limit on the path from a group up to the root, and what is used against it.
class MemoryLimit {
 public:
  /// `group` is a folder; `root` stands in for "/".
  MemoryLimit(const std::string& root, const std::string& group, Keep keep);
  /// Sets limit, limit_used and limit_path of `out`; all empty where no limit is below
  /// `out.total`. Limits are read anew every 10 s, the use each time.
  void read(BootTime now, ReadBuffer& buffer, MemoryReading& out);

 private:
  struct Step {
    std::string path;  ///< the folder, as on the machine
    bool v2 = false;
    KernelFile limit, usage, stat;
    std::optional<Bytes> bytes;
  };
  std::vector<Step> steps_;
  std::optional<BootTime> read_at_;
};

}  // namespace headroom::sense
