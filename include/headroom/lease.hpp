// Leases: resources booked for a holder until it ends or the time runs out.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/instant.hpp>
#include <headroom/size.hpp>
#include <headroom/units.hpp>

namespace headroom {

using LeaseId = std::uint64_t;  ///< shown as "l-73"

/// What a request wants. An absent amount is not wanted; zero is refused.
struct Needs {
  std::optional<Bytes> memory;
  std::optional<Bytes> gpu_memory;  ///< on each device
  std::optional<Cores> cpu;
  std::optional<Bytes> disk;
  std::string disk_path;          ///< any path on the filesystem meant; "" = "/"
  int gpus = 0;                   ///< so many whole devices, shared with nobody
  std::string gpu;                ///< these devices only: UUIDs or indices, with commas between
  std::optional<double> compute;  ///< least CUDA compute capability
  bool operator==(const Needs&) const = default;
};

enum class Priority { low, normal, high, critical };

constexpr const char* to_string(Priority priority) {
  switch (priority) {
    case Priority::low:
      return "low";
    case Priority::normal:
      return "normal";
    case Priority::high:
      return "high";
    case Priority::critical:
      return "critical";
  }
  return "normal";
}

/// Who holds a lease: a process, or a control group that somebody else made and removes. Never a
/// bare pid or path: the start time tells a reused pid apart, the inode a group made anew.
struct Holder {
  pid_t pid = 0;                 ///< 0: a group, or tied to time only
  std::uint64_t start_time = 0;  ///< field 22 of /proc/PID/stat, clock ticks since boot
  std::string group = {};        ///< its path in its hierarchy, "/system.slice/a.service"; or empty
  std::uint64_t inode = 0;       ///< of the group's folder; 0 without a group
  /// False: tied to time only.
  bool somebody() const { return pid != 0 || !group.empty(); }
  bool operator==(const Holder&) const = default;
  auto operator<=>(const Holder&) const = default;
};

enum class LeaseState {
  waiting,
  reserved,  ///< granted; nothing of it is used yet
  loading,   ///< its use still rises
  active,
  releasing,    ///< the holder has ended, its bytes are not all back
  quarantined,  ///< bytes that did not come back in their time: never given twice
  ended,
  draining,  ///< its model was asked to go; all of it is still booked
};

constexpr const char* to_string(LeaseState state) {
  switch (state) {
    case LeaseState::waiting:
      return "waiting";
    case LeaseState::reserved:
      return "reserved";
    case LeaseState::loading:
      return "loading";
    case LeaseState::active:
      return "active";
    case LeaseState::releasing:
      return "releasing";
    case LeaseState::quarantined:
      return "quarantined";
    case LeaseState::ended:
      return "ended";
    case LeaseState::draining:
      return "draining";
  }
  return "ended";
}

/// Amounts of one lease: booked, measured or peak.
struct Amounts {
  Bytes memory;
  Bytes gpu_memory;
  Cores cpu;
  Bytes disk;
  bool operator==(const Amounts&) const = default;
};

/// The control groups a lease's processes live in: directories, empty where there is none.
struct Group {
  std::string memory;   ///< v1 memory controller, or the v2 group
  std::string cpu;      ///< v1 cpu controller, or the v2 group
  std::string unified;  ///< the v2 group (pressure, freeze, kill); without cgroup2 v1's freezer
  std::string scope;    ///< the systemd unit, where systemd made the group
  bool v2 = false;      ///< memory and cpu are the v2 group's own controllers
  bool operator==(const Group&) const = default;
};

struct Lease {
  LeaseId id = 0;
  std::string name;
  uid_t owner = 0;
  LeaseState state = LeaseState::waiting;
  Priority priority = Priority::normal;
  Needs needs;
  Amounts booked;     ///< what counts against room; zero while waiting
  std::string gpu;    ///< the device it was placed on (UUID)
  std::string mount;  ///< the filesystem its disk bytes lie on
  Holder holder;
  LeaseId parent = 0;  ///< nested: draws from this lease's booking
  /// A further device of this lease, which holds several: books that device's memory, and nothing
  /// else. Nobody is shown it by itself.
  LeaseId part_of = 0;
  bool fence = false;        ///< wants the soft fence
  bool enforce = false;      ///< wants the hard limit
  bool grouped = false;      ///< wants groups of its own
  bool spread = false;       ///< wants the emptiest device, not the fullest that fits
  bool return_idle = false;  ///< lets go of what it has booked and not used for long
  Group group;
  Bytes
      fence_at;  ///< where the soft fence is meant to stand; 0 = none (journaled before it is set)
  bool fence_set = false;  ///< the kernel took it (journaled after)
  Instant asked;
  Instant granted;                               ///< epoch while waiting
  Instant ended;                                 ///< epoch until it has ended
  std::optional<std::chrono::seconds> expected;  ///< --for, or learned
  bool expected_learned = false;
  /// Not before then: until its time has come it waits outside of the queue, and what it needs is
  /// kept for it. `gpu` names the devices meanwhile, with commas between. `give_up` and `expires`
  /// count from here, and are right once it is late or granted.
  std::optional<WallTime> starts;
  bool late = false;                ///< its time has come, and it could not be granted then
  std::optional<BootTime> give_up;  ///< a waiter's deadline
  std::optional<BootTime> expires;  ///< end of a time to live
  std::string idempotency_key;
  std::string reason;  ///< why it ended, why it is late, or why there is no group
  Amounts peak;
  std::uint64_t oom_kills = 0;
  std::optional<int> exit_status;  ///< its exit code or 128 + the signal, where known
  std::string model;               ///< the model that it keeps in memory, or uses; or empty
  bool use = false;                ///< a use of that model: books nothing, and keeps it where it is
  std::string config;              ///< what tells its runs apart from others of its name; or empty
  Size size;                       ///< what `needs` come from; from nobody: they were said
  /// Since when its processes are meant to stand still (journaled before they are stopped).
  std::optional<BootTime> frozen;
  bool moved = false;  ///< to another device, after an allocation had failed on its first
  Money cost;          ///< of what it had booked until `charged`
  BootTime charged{};  ///< up to here; epoch: it was never charged
  bool operator==(const Lease&) const = default;
};

}  // namespace headroom
