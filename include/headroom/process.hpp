// The processes of the machine: who uses what.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <headroom/instant.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// Where a process belongs, as its control group tells.
struct Account {
  std::string unit;       ///< systemd unit: "nginx.service"; empty where there is none
  std::string container;  ///< the first 12 digits of its id, or its name; empty outside of one
  std::string engine;     ///< "docker", "podman", "containerd", "cri-o", "lxc", "kubernetes"
  std::string pod;        ///< Kubernetes pod UID, or empty
  bool operator==(const Account&) const = default;
};

/// One process. Its memory is its own: resident without file pages and shared memory.
struct ProcessReading {
  pid_t pid = 0;
  pid_t parent = 0;
  std::uint64_t start_time = 0;  ///< clock ticks since boot; with the pid it names a process
  std::optional<uid_t> uid;
  std::string name;     ///< what the kernel calls it (comm)
  std::string command;  ///< its words; only for those who may see them
  Account account;
  std::string job;           ///< a job of headroom's: its group, as /proc/PID/cgroup names it
  Bytes memory;              ///< its own
  Bytes resident;            ///< with file pages and shared memory
  std::optional<Cores> cpu;  ///< since the read before; empty for one that is new
  std::chrono::nanoseconds cpu_total{};
  /// Bytes read from and written to disks, since the read before; empty where it may not be seen.
  std::optional<double> io_per_second;
  std::vector<std::pair<std::string, std::optional<Bytes>>> gpus;  ///< GPU UUID, memory there
  std::uint64_t lease = 0;  ///< that it runs under; 0 = nobody booked for it
};

/// All of them at one instant.
struct ProcessList {
  Instant at;
  std::chrono::nanoseconds took{};
  std::vector<ProcessReading> items;  ///< by pid
  std::uint64_t kernel_threads = 0;   ///< not listed
  std::uint64_t unlisted = 0;         ///< processes that are there and are not in `items`
  std::string reason;                 ///< why some are not, or empty
};

}  // namespace headroom
