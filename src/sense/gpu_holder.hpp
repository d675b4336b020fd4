// What leases hold on GPUs, by what the drivers say of processes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/sample.hpp>

#include "sense/holder.hpp"

namespace headroom::sense {

/// Finds out under which lease each process runs that a driver names. That is asked once, when the
/// process is first named: by its control group, else by one around it that is a holder, else by
/// its ancestors. Not thread-safe.
class GpuHolders {
 public:
  /// `root` stands in for "/" ("" is the machine).
  explicit GpuHolders(std::string root) : root_(std::move(root)) {}

  /// This lease too from now on, or as it is now; what was known of processes is asked anew.
  void track(Target target);
  /// This lease no more; unknown ones are ignored.
  void untrack(LeaseId lease);

  /// Says of every process that a driver names under which lease it runs, whose it is and what it
  /// is called. Sets gpu and gpu_memory of the holders whose lease is on a GPU whose driver names
  /// all its processes and their memory; the others stay as they are. A further device of a lease
  /// that was read gets a reading of its own, of the device alone.
  void read(std::vector<GpuReading>& gpus, std::vector<HolderReading>& holders);

 private:
  struct Known {
    LeaseId lease = 0;  ///< 0 = of no lease
    std::optional<uid_t> uid;
    std::string name;
    std::string container;
  };
  Known find(pid_t pid) const;

  std::string root_;
  std::map<LeaseId, Target> targets_;
  std::map<pid_t, Known> known_;
};

}  // namespace headroom::sense
