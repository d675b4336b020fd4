// What the machine said at one moment. Everything that may be missing is optional, and `absent`
// says why it is: unknown is neither zero nor full.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// A sensor that gave nothing, and why; `fix` is what a person can do, or empty.
struct Absence {
  std::string sensor;  ///< "stall", "gpu", "limit", "disk /mnt/x", …
  std::string reason;
  std::string fix;
  bool operator==(const Absence&) const = default;
};

/// Shares of the time since the sample before; empty in the first sample.
struct CpuReading {
  int cores = 0;              ///< online processors; 0 = unknown
  std::optional<Ratio> busy;  ///< everything but idle and iowait
  std::optional<Ratio> user;
  std::optional<Ratio> system;
  std::optional<Ratio> iowait;
  std::optional<Ratio> steal;
  std::optional<std::array<double, 3>> load;  ///< 1, 5 and 15 minutes
  std::chrono::nanoseconds busy_total{};      ///< since boot, all cores; a counter
  std::chrono::nanoseconds idle_total{};      ///< since boot, all cores; a counter
};

struct MemoryReading {
  std::optional<Bytes> total;
  std::optional<Bytes> available;  ///< MemAvailable, as the kernel estimates it
  std::optional<Bytes> free;
  std::optional<Bytes> cached;  ///< page cache and reclaimable slab
  std::optional<Bytes> swap_total;
  std::optional<Bytes> swap_free;
  /// The smallest memory limit on the path from the jobs' parent group to the root, when it is
  /// below `total`; and what is used against it, without reclaimable cache.
  std::optional<Bytes> limit;
  std::optional<Bytes> limit_used;
  std::string limit_path;  ///< the group that sets it
  /// Pages on the per-CPU free lists, which MemAvailable does not count
  /// (only read when asked for: after a release).
  std::optional<Bytes> per_cpu_free;
  /// What the kernel keeps for itself: the sum of the zones' high watermarks.
  std::optional<Bytes> kernel_reserve;
};

/// Pressure stall information of one resource: shares of time in the last 10, 60, 300 s, and the
/// stalled time since boot.
struct StallLine {
  Ratio avg10;
  Ratio avg60;
  Ratio avg300;
  std::chrono::microseconds total{};
};
struct StallReading {
  std::optional<StallLine> cpu_some, cpu_full;
  std::optional<StallLine> memory_some, memory_full;
  std::optional<StallLine> io_some, io_full;
};

/// One interface. Rates are since the sample before; empty in the first.
struct NetworkReading {
  std::string name;
  std::uint64_t received_total = 0;  ///< bytes, a counter
  std::uint64_t sent_total = 0;
  std::optional<double> received_per_second;  ///< bytes
  std::optional<double> sent_per_second;
};

/// One whole disk (no partitions, no loop or RAM devices).
struct DiskReading {
  std::string name;
  std::uint64_t read_total = 0;  ///< bytes, a counter
  std::uint64_t written_total = 0;
  std::uint64_t operations_total = 0;
  std::optional<double> read_per_second;  ///< bytes
  std::optional<double> written_per_second;
  std::optional<double> operations_per_second;
  std::optional<Ratio> busy;
};

/// One mounted local filesystem with storage of its own; `mount` names it.
struct FilesystemReading {
  std::string mount;
  std::string source;
  std::string type;
  Bytes total;
  Bytes free;       ///< for anybody
  Bytes available;  ///< for users who are not root
};

/// One GPU or MIG slice.
struct GpuReading {
  std::string id;  ///< UUID
  int index = 0;   ///< in PCI bus order
  std::string name;
  Bytes memory_total;
  std::optional<Bytes> memory_used;  ///< everybody's
  Bytes memory_reserved;             ///< what the driver keeps; not part of `memory_used`
  std::optional<Ratio> busy;         ///< share of time some kernel ran
  std::optional<double> celsius;
  std::optional<double> watts;
  std::optional<double> compute;  ///< capability, 8.6
  bool simulated = false;
};

/// What a tracked holder (a lease's group, or its process tree where it has no group) uses.
struct HolderReading {
  std::uint64_t lease = 0;
  std::optional<Bytes> memory;  ///< not reclaimable: anonymous, shared, kernel
  std::optional<Bytes> memory_with_cache;
  std::optional<std::chrono::nanoseconds> cpu_total;  ///< a counter
  std::optional<Cores> cpu;                           ///< since the sample before
  std::optional<Bytes> written;                       ///< to disks, a counter
  /// GPU memory by the driver's own per-process figure, for `gpu`.
  std::optional<Bytes> gpu_memory;
  std::string gpu;
  int processes = 0;
  std::uint64_t oom_kills = 0;  ///< by the kernel, in its group
};

/// The daemon's own cost.
struct OwnReading {
  std::optional<Bytes> resident;
  std::chrono::nanoseconds cpu_total{};
};

/// Everything, at one instant.
struct Sample {
  Instant at;
  std::uint64_t number = 0;  ///< counts up from 1
  std::chrono::nanoseconds took{};
  CpuReading cpu;
  MemoryReading memory;
  StallReading stall;
  std::vector<NetworkReading> networks;
  std::vector<DiskReading> disks;
  std::vector<FilesystemReading> filesystems;
  std::vector<GpuReading> gpus;
  std::vector<HolderReading> holders;
  OwnReading own;
  std::vector<Absence> absent;
};

}  // namespace headroom
