// A delegated systemd scope: a part of the v2 tree that systemd leaves to us.
//
// One scope holds the groups of all jobs, not one scope each: systemd removes a scope's group, and
// with it the kernel's counters, at the moment its last process ends, which is when they are
// wanted; and asking the bus takes longer than a turn of the event loop may. A sleeping keeper
// process keeps the scope alive while no job is in it, also over a restart of the daemon.
#pragma once

#include <chrono>
#include <string>

#include <sys/types.h>

#include <headroom/result.hpp>

namespace headroom::act {

struct Scope {
  std::string unit;  ///< "headroom.scope"
  std::string path;  ///< its group, below the root of the cgroup2 hierarchy
  pid_t keeper = 0;  ///< to be waited for when it is our child; 0: started in an earlier life
};

/// Finds the active scope "<name>.scope", or starts it with a new keeper in it, over the bus of the
/// system manager (as root) or of the user's. Blocks, at most about `deadline`. unavailable: no
/// systemd, no bus, no answer; not_allowed: refused. Then no keeper is left behind.
Result<Scope> hold_scope(const std::string& name, std::chrono::milliseconds deadline);

/// Ends and reaps the keeper, if it is our child.
void release_keeper(Scope& scope);

}  // namespace headroom::act
