// The readings of a sample as fields of documents.
#pragma once

#include <headroom/process.hpp>
#include <headroom/sample.hpp>

#include "serve/schema.hpp"

namespace headroom::serve {

template <>
struct Described<CoreReading> {
  static constexpr std::string_view name = "Core";
  static constexpr auto fields = std::tuple{
      Field{"number", "As the kernel counts; offline ones are left out.", &CoreReading::number},
      Field{"busy_ratio", "", &CoreReading::busy},
      Field{"iowait_ratio", "", &CoreReading::iowait},
      Field{"steal_ratio", "", &CoreReading::steal},
  };
};

template <>
struct Described<CpuReading> {
  static constexpr std::string_view name = "Cpu";
  static constexpr auto fields = std::tuple{
      Field{"cores", "Online processors.", &CpuReading::cores},
      Field{"busy_ratio", "Share of time since the sample before; all but idle and iowait.",
            &CpuReading::busy},
      Field{"user_ratio", "", &CpuReading::user},
      Field{"system_ratio", "", &CpuReading::system},
      Field{"iowait_ratio", "Idle, while something waits for a disk.", &CpuReading::iowait},
      Field{"steal_ratio", "Taken by the host of this virtual machine.", &CpuReading::steal},
      Field{"load", "Over 1, 5 and 15 minutes.", &CpuReading::load},
      Field{"busy_seconds_total", "Of all cores since boot; a counter.", &CpuReading::busy_total},
      Field{"idle_seconds_total", "Of all cores since boot; a counter.", &CpuReading::idle_total},
      Field{"each", "One entry for each online processor.", &CpuReading::each},
  };
};

template <>
struct Described<MemoryReading> {
  static constexpr std::string_view name = "Memory";
  static constexpr auto fields = std::tuple{
      Field{"total_bytes", "", &MemoryReading::total},
      Field{"available_bytes", "What the kernel says can be had without swapping.",
            &MemoryReading::available},
      Field{"free_bytes", "", &MemoryReading::free},
      Field{"used_bytes", "total less available.",
            [](const MemoryReading& m) {
              return m.total && m.available ? std::optional(*m.total - *m.available)
                                            : std::optional<Bytes>();
            }},
      Field{"cached_bytes", "Page cache and reclaimable slab.", &MemoryReading::cached},
      Field{"swap_total_bytes", "", &MemoryReading::swap_total},
      Field{"swap_free_bytes", "", &MemoryReading::swap_free},
      Field{"limit_bytes", "The smallest limit above this node, when it is below the total.",
            &MemoryReading::limit},
      Field{"limit_used_bytes", "What is used against it, without reclaimable cache.",
            &MemoryReading::limit_used},
      Field{"limit_group", "The control group that sets it.",
            [](const MemoryReading& m) { return MaybeText{m.limit_path}; }},
      Field{"shared_bytes", "tmpfs and shared memory; part of the cache, never reclaimable.",
            &MemoryReading::shared},
      Field{"dirty_bytes", "Waits to be written to disks.", &MemoryReading::dirty},
      Field{"huge_total_bytes", "Set aside as huge pages, used or not.",
            &MemoryReading::huge_total},
      Field{"huge_free_bytes", "", &MemoryReading::huge_free},
      Field{"arc_bytes", "Cache of ZFS, which the kernel counts as used.", &MemoryReading::arc},
      Field{"arc_least_bytes", "Below which ZFS does not shrink it.", &MemoryReading::arc_least},
      Field{"zram_bytes", "Memory that compressed swap devices take.", &MemoryReading::zram},
      Field{"zswap_bytes", "Memory that compressed swap pages take.", &MemoryReading::zswap},
  };
};

template <>
struct Described<NumaReading> {
  static constexpr std::string_view name = "NumaNode";
  static constexpr auto fields = std::tuple{
      Field{"number", "", &NumaReading::number},
      Field{"total_bytes", "", &NumaReading::total},
      Field{"free_bytes", "", &NumaReading::free},
      Field{"file_bytes", "Page cache.", &NumaReading::file},
  };
};

template <>
struct Described<StallLine> {
  static constexpr std::string_view name = "StallLine";
  static constexpr auto fields = std::tuple{
      Field{"avg10_ratio", "Share of the last 10 seconds.", &StallLine::avg10},
      Field{"avg60_ratio", "", &StallLine::avg60},
      Field{"avg300_ratio", "", &StallLine::avg300},
      Field{"total_seconds", "Since boot; a counter.", &StallLine::total},
  };
};

struct StallPair {
  const std::optional<StallLine>& some;
  const std::optional<StallLine>& full;
};
template <>
struct Described<StallPair> {
  static constexpr std::string_view name = "Stall";
  static constexpr auto fields = std::tuple{
      Field{"some", "At least one task waited.",
            [](const StallPair& s) -> const auto& { return s.some; }},
      Field{"full", "All tasks waited.", [](const StallPair& s) -> const auto& { return s.full; }},
  };
};

template <>
struct Described<StallReading> {
  static constexpr std::string_view name = "Stalls";
  static constexpr auto fields = std::tuple{
      Field{"cpu", "", [](const StallReading& s) { return StallPair{s.cpu_some, s.cpu_full}; }},
      Field{"memory", "",
            [](const StallReading& s) { return StallPair{s.memory_some, s.memory_full}; }},
      Field{"io", "", [](const StallReading& s) { return StallPair{s.io_some, s.io_full}; }},
  };
};

inline constexpr auto kNetworkReadings = std::tuple{
    Field{"received_bytes_total", "A counter.", &NetworkReading::received_total},
    Field{"sent_bytes_total", "A counter.", &NetworkReading::sent_total},
    Field{"received_bytes_per_second", "", &NetworkReading::received_per_second},
    Field{"sent_bytes_per_second", "", &NetworkReading::sent_per_second},
    Field{"errors_total", "Both directions.", &NetworkReading::errors_total},
    Field{"dropped_total", "Both directions.", &NetworkReading::dropped_total},
    Field{"speed_bytes_per_second", "What the link can carry each way, if it says.",
          &NetworkReading::speed},
    Field{"up", "It has a carrier.", &NetworkReading::up},
};
template <>
struct Described<NetworkReading> {
  static constexpr std::string_view name = "Interface";
  static constexpr auto fields =
      std::tuple_cat(std::tuple{Field{"name", "", &NetworkReading::name}}, kNetworkReadings);
};

inline constexpr auto kDiskReadings = std::tuple{
    Field{"read_bytes_total", "A counter.", &DiskReading::read_total},
    Field{"written_bytes_total", "A counter.", &DiskReading::written_total},
    Field{"read_bytes_per_second", "", &DiskReading::read_per_second},
    Field{"written_bytes_per_second", "", &DiskReading::written_per_second},
    Field{"operations_per_second", "", &DiskReading::operations_per_second},
    Field{"busy_ratio", "Share of time it had something to do.", &DiskReading::busy},
};
template <>
struct Described<DiskReading> {
  static constexpr std::string_view name = "Disk";
  static constexpr auto fields =
      std::tuple_cat(std::tuple{Field{"name", "", &DiskReading::name}}, kDiskReadings);
};

inline constexpr auto kFilesystemReadings = std::tuple{
    Field{"source", "", &FilesystemReading::source},
    Field{"type", "", &FilesystemReading::type},
    Field{"total_bytes", "", &FilesystemReading::total},
    Field{"free_bytes", "For anybody.", &FilesystemReading::free},
    Field{"available_bytes", "For users who are not root.", &FilesystemReading::available},
    Field{"network", "", &FilesystemReading::network},
    Field{"stale", "It does not answer: these are its last numbers.", &FilesystemReading::stale},
    Field{"inodes_total", "", &FilesystemReading::inodes_total},
    Field{"inodes_free", "", &FilesystemReading::inodes_free},
};
template <>
struct Described<FilesystemReading> {
  static constexpr std::string_view name = "Filesystem";
  static constexpr auto fields = std::tuple_cat(
      std::tuple{Field{"mount", "", &FilesystemReading::mount}}, kFilesystemReadings);
};

template <>
struct Described<TemperatureReading> {
  static constexpr std::string_view name = "Temperature";
  static constexpr auto fields = std::tuple{
      Field{"sensor", "", &TemperatureReading::sensor},
      Field{"celsius", "", &TemperatureReading::celsius},
      Field{"limit_celsius", "Where the hardware slows down or stops.", &TemperatureReading::limit},
  };
};

template <>
struct Described<PowerReading> {
  static constexpr std::string_view name = "Power";
  static constexpr auto fields = std::tuple{
      Field{"sensor", "", &PowerReading::sensor},
      Field{"watts", "", &PowerReading::watts},
      Field{"joules_total", "A counter.", &PowerReading::joules},
  };
};

template <>
struct Described<GpuProcess> {
  static constexpr std::string_view name = "GpuProcess";
  static constexpr auto fields = std::tuple{
      Field{"pid", "", &GpuProcess::pid},
      Field{"memory_bytes", "", &GpuProcess::memory},
      Field{"kind", "compute or graphics.",
            [](const GpuProcess& p) -> std::string_view {
              return p.graphics ? "graphics" : "compute";
            }},
  };
};

inline constexpr auto kGpuReadings = std::tuple{
    Field{"memory_total_bytes", "", &GpuReading::memory_total},
    Field{"memory_used_bytes", "By everybody.", &GpuReading::memory_used},
    Field{"memory_reserved_bytes", "What the driver keeps; not part of what is used.",
          &GpuReading::memory_reserved},
    Field{"busy_ratio", "Share of time some kernel ran.", &GpuReading::busy},
    Field{"temperature_celsius", "", &GpuReading::celsius},
    Field{"power_watts", "", &GpuReading::watts},
    Field{"compute", "Capability, such as 8.6.", &GpuReading::compute},
    Field{"simulated", "", &GpuReading::simulated},
    Field{"parent", "Of a MIG slice: the UUID of its device.",
          [](const GpuReading& g) { return MaybeText{g.parent}; }},
    Field{"pci", "", [](const GpuReading& g) { return MaybeText{g.pci}; }},
    Field{"state", "asleep: left so, nothing was asked. stale: does not answer. lost: gone.",
          &GpuReading::state},
    Field{"state_reason", "Why it is not ok.",
          [](const GpuReading& g) { return MaybeText{g.state_reason}; }},
    Field{"age_seconds", "Of these numbers, when the sample was taken.", &GpuReading::age},
    Field{"memory_busy_ratio", "Share of time its memory was read or written.",
          &GpuReading::memory_busy},
    Field{"temperature_limit_celsius", "Where it slows itself down.", &GpuReading::celsius_limit},
    Field{"power_limit_watts", "", &GpuReading::watts_limit},
    Field{"energy_joules_total", "A counter.", &GpuReading::joules},
    Field{"clock_mhz", "", &GpuReading::clock},
    Field{"memory_clock_mhz", "", &GpuReading::memory_clock},
    Field{"fan_ratio", "", &GpuReading::fan},
    Field{"received_bytes_per_second", "Over PCIe.", &GpuReading::received_per_second},
    Field{"sent_bytes_per_second", "Over PCIe.", &GpuReading::sent_per_second},
    Field{"slowed", "Why it runs slower than it could.", &GpuReading::slowed},
    Field{"ecc_corrected_total", "Since the driver was loaded.", &GpuReading::ecc_corrected},
    Field{"ecc_uncorrected_total", "Since the driver was loaded.", &GpuReading::ecc_uncorrected},
    Field{"last_xid", "The driver's number of the last fatal error.", &GpuReading::last_xid},
    Field{"xids_total", "Fatal errors seen since the start.", &GpuReading::xids},
    Field{"processes_known", "processes is complete.", &GpuReading::processes_known},
    Field{"processes", "", &GpuReading::processes},
};
template <>
struct Described<GpuReading> {
  static constexpr std::string_view name = "Gpu";
  static constexpr auto fields =
      std::tuple_cat(std::tuple{Field{"id", "UUID.", &GpuReading::id},
                                Field{"index", "In the order of the PCI bus.", &GpuReading::index},
                                Field{"name", "The product.", &GpuReading::name}},
                     kGpuReadings);
};

template <>
struct Described<Absence> {
  static constexpr std::string_view name = "Absence";
  static constexpr auto fields = std::tuple{
      Field{"sensor", "", &Absence::sensor},
      Field{"reason", "", &Absence::reason},
      Field{"fix", "What a person can do.", [](const Absence& a) { return MaybeText{a.fix}; }},
  };
};

}  // namespace headroom::serve
