// Whose the processes are: which lease they run under, and what they hold on which GPU. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/process.hpp>
#include <headroom/sample.hpp>

namespace headroom::sense {

/// What processes of a lease are known by.
struct LeaseMark {
  std::uint64_t lease = 0;
  pid_t pid = 0;                    ///< of the holder; 0 = none
  std::uint64_t start_time = 0;     ///< of the holder; 0 = unknown
  std::vector<std::string> groups;  ///< folders of its control groups; empty ones count for nothing
  std::string foreign = {};  ///< path of the group that is the holder; "" = the holder is none
  std::vector<pid_t> members = {};  ///< the processes of that group
};

/// Sets `lease` of every process: by its control group, else by a group around it that holds one,
/// else by its nearest ancestor (or itself) that does. Who was a member in `before` and still lives
/// stays one though its parents have ended; null: nobody was. A lease that is not among `leases` is
/// nobody's.
void assign_leases(ProcessList& list, const std::vector<LeaseMark>& leases,
                   const ProcessList* before);

/// What a GPU's processes do not account for.
struct GpuRemainder {
  std::string device;
  int index = 0;
  std::optional<Bytes> memory;  ///< empty where the use itself is unknown
  Bytes reserved;               ///< by the driver; not part of `memory`
};

/// Sets `gpus` of every process that a driver names, and adds those that /proc does not show (of
/// another process namespace, or just ended) as items without name and user. Gives what is left,
/// of all GPUs in their order; where a driver names no processes, that is all that is used.
std::vector<GpuRemainder> match_gpu_processes(ProcessList& list,
                                              const std::vector<GpuReading>& gpus);

}  // namespace headroom::sense
