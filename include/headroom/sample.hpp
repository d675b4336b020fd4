// What the machine said at one moment. Everything that may be missing is optional, and `absent`
// says why it is: unknown is neither zero nor full.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

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

/// One processor. Shares of the time since the sample before; empty in the first sample.
struct CoreReading {
  int number = 0;  ///< as the kernel counts; offline ones are left out
  std::optional<Ratio> busy;
  std::optional<Ratio> iowait;
  std::optional<Ratio> steal;
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
  std::chrono::nanoseconds user_total{};      ///< with nice; counters, all cores, since boot
  std::chrono::nanoseconds system_total{};    ///< with interrupts
  std::chrono::nanoseconds iowait_total{};
  std::chrono::nanoseconds steal_total{};
  std::vector<CoreReading> each;  ///< by number
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
  std::optional<Bytes> shared;  ///< tmpfs and shared memory; part of `cached`, never reclaimable
  std::optional<Bytes> dirty;   ///< waits to be written to disks
  std::optional<Bytes> huge_total;  ///< set aside as huge pages, whether used or not
  std::optional<Bytes> huge_free;   ///< of these, what nobody uses; only huge-page users can
  std::optional<Bytes> arc;         ///< ZFS keeps this as cache; the kernel counts it as used
  std::optional<Bytes> arc_least;   ///< below which ZFS does not shrink it
  std::optional<Bytes> zram;        ///< memory that compressed swap devices take
  std::optional<Bytes> zswap;       ///< memory that compressed swap pages take
};

/// One memory node of a machine that has several.
struct NumaReading {
  int number = 0;
  Bytes total;
  Bytes free;
  std::optional<Bytes> file;  ///< page cache
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
  std::uint64_t errors_total = 0;   ///< both directions
  std::uint64_t dropped_total = 0;  ///< both directions
  std::optional<double> speed;      ///< bytes per second the link can carry each way; if it says
  std::optional<bool> up;           ///< has a carrier
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

/// One mounted filesystem with storage of its own; `mount` names it. A network mount that does not
/// answer keeps its last numbers and is `stale`.
struct FilesystemReading {
  std::string mount;
  std::string source;
  std::string type;
  Bytes total;
  Bytes free;       ///< for anybody
  Bytes available;  ///< for users who are not root
  bool network = false;
  bool stale = false;
  std::optional<std::uint64_t> inodes_total;
  std::optional<std::uint64_t> inodes_free;
};

/// A temperature sensor that is not a GPU's.
struct TemperatureReading {
  std::string sensor;  ///< "coretemp Package id 0", "thermal_zone0 acpitz"
  double celsius = 0;
  std::optional<double> limit;  ///< where the hardware slows down or stops
};

/// A power meter that is not a GPU's.
struct PowerReading {
  std::string sensor;            ///< "package-0", "package-0 dram", "hwmon ina3221 VDD_IN"
  std::optional<double> watts;   ///< since the read before, where only energy is counted
  std::optional<double> joules;  ///< a counter since boot or since it was last full
};

enum class GpuState {
  ok,
  asleep,  ///< suspended by the kernel, and left so: nothing was asked of it
  stale,   ///< does not answer in time: the numbers are `age` old
  lost,    ///< fell off the bus, or the driver says it must be reset
};
constexpr const char* to_string(GpuState state) {
  switch (state) {
    case GpuState::ok:
      return "ok";
    case GpuState::asleep:
      return "asleep";
    case GpuState::stale:
      return "stale";
    case GpuState::lost:
      return "lost";
  }
  return "ok";
}

/// What one process holds on one GPU.
struct GpuProcess {
  pid_t pid = 0;                ///< in this machine's outermost namespace
  std::optional<Bytes> memory;  ///< empty where the driver does not say (WDDM, MIG, some vGPUs)
  bool graphics = false;        ///< else it computes
  std::uint64_t lease = 0;      ///< that it runs under; 0 = nobody booked for it
  std::optional<uid_t> uid;     ///< empty where /proc does not show it
  std::string name;             ///< what the kernel calls it (comm)
  std::string container;        ///< or empty
};

/// One GPU or MIG slice.
struct GpuReading {
  std::string id;  ///< UUID
  int index = 0;   ///< in PCI bus order; slices follow their device
  std::string name;
  std::string parent;  ///< of a MIG slice: the UUID of the device it is cut from
  std::string pci;     ///< "0000:65:00.0"
  GpuState state = GpuState::ok;
  std::string state_reason;        ///< why it is not ok
  std::chrono::nanoseconds age{};  ///< of these numbers, at the sample's instant
  Bytes memory_total;
  std::optional<Bytes> memory_used;  ///< everybody's
  Bytes memory_reserved;             ///< what the driver keeps; not part of `memory_used`
  std::optional<Ratio> busy;         ///< share of time some kernel ran
  std::optional<Ratio> memory_busy;  ///< share of time its memory was read or written
  std::optional<double> celsius;
  std::optional<double> celsius_limit;  ///< where it slows itself down
  std::optional<double> watts;
  std::optional<double> watts_limit;
  std::optional<double> joules;        ///< a counter since the driver was loaded
  std::optional<double> clock;         ///< of the processors, MHz
  std::optional<double> memory_clock;  ///< MHz
  std::optional<Ratio> fan;
  std::optional<double> received_per_second;  ///< bytes over PCIe
  std::optional<double> sent_per_second;
  std::vector<std::string> slowed;  ///< why it runs slower than it could: "power", "heat"
  std::optional<std::uint64_t> ecc_corrected;    ///< since the driver was loaded
  std::optional<std::uint64_t> ecc_uncorrected;  ///< since the driver was loaded
  std::optional<std::uint64_t> last_xid;         ///< the driver's number of the last fatal error
  std::uint64_t xids = 0;                        ///< seen since the start
  std::optional<double> compute;                 ///< capability, 8.6
  bool processes_known = false;  ///< the driver names the processes; `processes` is complete
  std::vector<GpuProcess> processes;
  /// It has no memory of its own and works in the machine's: one pool for both.
  bool unified = false;
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
  std::vector<NumaReading> numa;  ///< empty on a machine with one memory node
  std::vector<TemperatureReading> temperatures;
  std::vector<PowerReading> powers;
  std::vector<GpuReading> gpus;
  std::string gpu_driver;  ///< "NVIDIA 550.54.15"; empty where there is none
  std::vector<HolderReading> holders;
  OwnReading own;
  std::vector<Absence> absent;
};

}  // namespace headroom
