#include "sense/sampler.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <utility>

#include <unistd.h>

#include "sense/cgroup.hpp"
#include "sense/disk.hpp"
#include "sense/filesystem.hpp"
#include "sense/kernel_file.hpp"
#include "sense/meminfo.hpp"
#include "sense/network.hpp"
#include "sense/process.hpp"
#include "sense/scan.hpp"
#include "sense/stall.hpp"
#include "sense/stat.hpp"
#include "sense/zfs.hpp"
#include "sense/zoneinfo.hpp"

namespace headroom::sense {
namespace {

constexpr std::chrono::milliseconds kShortest{50};
/// Asking for one's own CPU time costs as much as a small source, and nothing waits for it.
constexpr std::chrono::seconds kOwnCpuEvery{10};
/// Up to so many disks, a file of each is cheaper than the one of all devices, in which the kernel
/// writes partitions, loop and RAM devices too. What disks there are is looked up now and then.
constexpr std::size_t kMostDiskFiles = 3;
constexpr std::chrono::seconds kDisksEvery{10};
constexpr std::uint64_t kSector = 512;
constexpr std::size_t kMostHugeSizes = 16;

/// A file of the node, under the name by which its absence is known.
struct Source {
  const char* sensor;
  const char* fix;
  KernelFile file;
  int reported = 0;  ///< the problem that the list of absences shows
};

struct InterfaceState {
  NetworkReading reading;
  bool fresh = true;                ///< first seen within this stretch of time: it has no rate yet
  std::uint64_t received_from = 0;  ///< counters at the start of the rate
  std::uint64_t sent_from = 0;
};

struct DiskState {
  DiskReading reading;
  bool fresh = true;
  std::uint64_t read_from = 0;
  std::uint64_t written_from = 0;
  std::uint64_t operations_from = 0;
  std::uint64_t busy_from = 0;
};

/// Brings `states` into the order of `counters`, by name. New names get a new state, names that
/// are no more lose theirs.
template <class State, class Counters>
void align(std::vector<State>& states, const std::vector<Counters>& counters) {
  for (std::size_t i = 0; i < counters.size(); ++i) {
    if (i < states.size() && states[i].reading.name == counters[i].name) continue;
    const auto from = states.begin() + static_cast<std::ptrdiff_t>(std::min(i, states.size()));
    const auto found = std::find_if(from, states.end(), [&](const State& state) {
      return state.reading.name == counters[i].name;
    });
    if (found != states.end()) {
      std::iter_swap(from, found);
      continue;
    }
    State fresh;
    fresh.reading.name = counters[i].name;
    states.insert(from, std::move(fresh));
  }
  states.resize(counters.size());
}

/// Copies the readings out, reusing the strings that are there.
template <class State, class Reading>
void copy_readings(const std::vector<State>& states, std::vector<Reading>& out) {
  out.resize(states.size());
  for (std::size_t i = 0; i < states.size(); ++i) out[i] = states[i].reading;
}

/// Events per second; empty if the counter was reset in between.
std::optional<double> rate(std::uint64_t now, std::uint64_t before, double per_seconds) {
  if (now < before) return std::nullopt;
  return static_cast<double>(now - before) * per_seconds;
}

std::uint64_t in_bytes(std::uint64_t sectors) {
  std::uint64_t bytes = 0;
  return __builtin_mul_overflow(sectors, kSector, &bytes) ? ~0ULL : bytes;
}

std::string without_slash(std::string root) {
  while (!root.empty() && root.back() == '/') root.pop_back();
  return root;
}

}  // namespace

struct Sampler::Files {
  explicit Files(Sources sources);

  void track(Target target);
  void untrack(LeaseId lease) { holders_.erase(lease); }
  void take(const SlowReading& slow);
  void read(Instant at, ReadOptions options, Sample& out);

 private:
  enum Which {
    stat,
    loadavg,
    meminfo,
    net_dev,
    diskstats,
    stall_cpu,
    stall_memory,
    stall_io,
    statm,
    arcstats,
    kSources
  };

  Source source(const char* sensor, const char* path, const char* fix) const {
    return {sensor, fix, KernelFile(root_ + path, keep_), 0};
  }
  std::optional<std::string_view> text_of(Which which) {
    return sources_[which].file.read(now_, buffer_);
  }
  /// Takes note of a source that became absent or came back.
  void settle(Which which) {
    Source& settled = sources_[which];
    if (settled.file.problem() == settled.reported) return;
    settled.reported = settled.file.problem();
    absences_changed_ = true;
  }
  /// Takes note of how many there are more than may be told.
  void note_left_out(std::size_t& known, std::size_t left_out) {
    if (known == left_out) return;
    known = left_out;
    absences_changed_ = true;
  }
  void read_cpu();
  void read_memory(ReadOptions options, MemoryReading& out);
  void read_huge_pages(MemoryReading& out);
  void read_arc(MemoryReading& out);
  void read_stall(StallReading& out);
  void read_networks();
  void fill_links();
  void list_disks();
  bool read_disk_files();
  void read_disks();
  void read_own(OwnReading& out);
  void read_holders(std::vector<HolderReading>& out);
  void find_gpus(const Sources& sources);
  void find_limit(const std::string& jobs_group);
  std::optional<ZonePages> read_zones();
  void list_absences();

  std::string root_;  ///< "" for the machine itself
  Keep keep_;
  ReadBuffer buffer_;
  std::array<Source, kSources> sources_;
  Filesystems filesystems_;
  MeminfoLayout meminfo_layout_;
  std::optional<MemoryLimit> limit_;
  std::optional<Bytes> kernel_reserve_;
  std::int64_t ticks_per_second_;

  BootTime now_{};
  bool first_ = true;
  bool new_rates_ = false;  ///< this read ends one stretch of time and begins the next
  double per_seconds_ = 0;  ///< 1 / length of the stretch that this read ended
  BootTime rates_from_{};
  std::uint64_t number_ = 0;

  CpuReading cpu_;
  std::optional<CpuTicks> ticks_from_;
  std::vector<CoreTicks> cores_;
  std::vector<CoreTicks> cores_from_;
  std::vector<KernelFile> huge_files_;  ///< what is free of each size of huge pages
  std::vector<Bytes> huge_sizes_;       ///< in their order
  std::vector<InterfaceCounters> interface_counters_;
  std::size_t interfaces_left_out_ = 0;
  std::vector<InterfaceState> interfaces_;
  std::vector<DiskCounters> disk_counters_;
  std::size_t disks_left_out_ = 0;
  std::vector<DiskState> disks_;
  std::vector<KernelFile> disk_files_;  ///< of disks_, in their order; empty: read the list
  std::optional<BootTime> disks_listed_at_;
  std::vector<FilesystemReading> filesystem_readings_;
  SlowReading slow_;
  std::vector<GpuReading> gpus_;
  std::optional<BootTime> own_cpu_at_;
  std::chrono::nanoseconds own_cpu_{};
  std::map<LeaseId, TrackedHolder> holders_;
  std::optional<ProcessTable> table_;  ///< only while a holder needs it

  std::vector<Absence> fixed_absences_;  ///< found at the start, true until the end
  std::vector<Absence> absences_;
  bool absences_changed_ = true;
};

Sampler::Files::Files(Sources sources)
    : root_(without_slash(sources.root)),
      keep_(root_.empty() ? Keep::open : Keep::closed),
      sources_{source("cpu", "/proc/stat", "mount /proc"),
               source("load", "/proc/loadavg", "mount /proc"),
               source("memory", "/proc/meminfo", "mount /proc"),
               source("network", "/proc/net/dev", "mount /proc"),
               source("disk", "/proc/diskstats", "mount /proc"),
               source("stall", "/proc/pressure/cpu", ""),
               source("stall", "/proc/pressure/memory", ""),
               source("stall", "/proc/pressure/io", ""),
               source("own", "/proc/self/statm", "mount /proc"),
               source("arc", "/proc/spl/kstat/zfs/arcstats", "")},
      filesystems_(root_, keep_),
      ticks_per_second_(std::max<std::int64_t>(::sysconf(_SC_CLK_TCK), 1)) {
  if (const auto zones = read_zones()) kernel_reserve_ = pages_to_bytes(zones->high);
  const std::string huge_pages = root_ + "/sys/kernel/mm/hugepages";
  for (const std::string& folder : names_in(huge_pages, kMostHugeSizes)) {
    const auto size = parse_huge_page_size(folder);
    if (!size) continue;
    huge_sizes_.push_back(*size);
    huge_files_.emplace_back(huge_pages + "/" + folder + "/free_hugepages", keep_);
  }
  find_limit(sources.jobs_group);
  find_gpus(sources);
}

void Sampler::Files::find_limit(const std::string& jobs_group) {
  std::string group = jobs_group;
  if (group.empty()) {
    GroupPaths own;
    if (const auto text = read_once((root_ + "/proc/self/cgroup").c_str(), buffer_))
      own = parse_cgroup(*text);
    std::vector<Mount> mounts;
    if (const auto text = read_once((root_ + "/proc/self/mountinfo").c_str(), buffer_)) {
      mounts = parse_mountinfo(*text);
    }
    const std::string found = jobs_group_of(own, mounts);
    if (!found.empty()) group = root_ + found;
  }
  if (group.empty()) {
    fixed_absences_.push_back({"limit", "no memory hierarchy of control groups is mounted",
                               "mount cgroup2 at /sys/fs/cgroup"});
    return;
  }
  limit_.emplace(root_, without_slash(group), keep_);
}

void Sampler::Files::find_gpus(const Sources& sources) {
  switch (sources.gpu) {
    case GpuSource::none:
      return;
    case GpuSource::sim: {
      auto gpus = parse_gpu_sim(sources.gpu_sim);
      if (gpus) {
        gpus_ = std::move(*gpus);
      } else {
        fixed_absences_.push_back(
            {"gpu", gpus.error().what + ": " + gpus.error().why, gpus.error().help});
      }
      return;
    }
    case GpuSource::automatic:
    case GpuSource::nvml:
      fixed_absences_.push_back(absent_gpu(root_, sources.gpu == GpuSource::nvml));
      return;
  }
}

std::optional<ZonePages> Sampler::Files::read_zones() {
  const auto text = read_once((root_ + "/proc/zoneinfo").c_str(), buffer_);
  return text ? parse_zoneinfo(*text) : std::nullopt;
}

void Sampler::Files::track(Target target) {
  const LeaseId lease = target.lease;
  const auto old = holders_.find(lease);
  if (old != holders_.end() && old->second.target() == target) return;
  holders_.insert_or_assign(lease, TrackedHolder(std::move(target), root_, keep_));
}

void Sampler::Files::read_cpu() {
  const auto text = text_of(stat);
  const auto ticks = text ? parse_stat(*text, cores_) : std::nullopt;
  if (text && !ticks) sources_[stat].file.garbled();
  settle(stat);
  if (!ticks) {
    const auto load = cpu_.load;
    cpu_ = CpuReading{};
    cpu_.load = load;
    ticks_from_.reset();
  } else {
    const bool shares = new_rates_ && ticks_from_;
    fill_cpu(*ticks, shares ? &*ticks_from_ : nullptr, ticks_per_second_, cpu_);
    fill_cores(cores_, shares ? &cores_from_ : nullptr, cpu_.each);
    if (new_rates_ || !ticks_from_) {
      ticks_from_ = *ticks;
      cores_from_.swap(cores_);
    }
  }
  const auto load_text = text_of(loadavg);
  cpu_.load = load_text ? parse_loadavg(*load_text) : std::nullopt;
  if (load_text && !cpu_.load) sources_[loadavg].file.garbled();
  settle(loadavg);
}

void Sampler::Files::read_memory(ReadOptions options, MemoryReading& out) {
  const auto text = text_of(meminfo);
  if (!parse_meminfo(text.value_or(std::string_view()), meminfo_layout_, out) && text)
    sources_[meminfo].file.garbled();
  settle(meminfo);
  if (out.huge_total && !out.huge_free) read_huge_pages(out);
  read_arc(out);
  out.zram = slow_.zram;
  out.kernel_reserve = kernel_reserve_;
  out.per_cpu_free.reset();
  if (options.per_cpu_free) {
    if (const auto zones = read_zones()) out.per_cpu_free = pages_to_bytes(zones->per_cpu_free);
  }
  if (limit_) {
    limit_->read(now_, buffer_, out);
  } else {
    out.limit.reset();
    out.limit_used.reset();
    out.limit_path.clear();
  }
}

/// What is free of huge pages, where several sizes of them are set aside.
void Sampler::Files::read_huge_pages(MemoryReading& out) {
  Bytes free;
  for (std::size_t i = 0; i < huge_files_.size(); ++i) {
    const auto text = huge_files_[i].read(now_, buffer_);
    const auto pages = text ? whole_number(*text) : std::nullopt;
    std::int64_t bytes = 0;
    if (!pages || *pages < 0 || __builtin_mul_overflow(*pages, huge_sizes_[i].count(), &bytes)) {
      return;
    }
    free += Bytes(bytes);
  }
  if (!huge_files_.empty()) out.huge_free = std::min(free, *out.huge_total);
}

/// The cache of ZFS. It must be of the same instant as the rest: what it gives back in between
/// would be counted twice.
void Sampler::Files::read_arc(MemoryReading& out) {
  const auto text = text_of(arcstats);
  const auto arc = text ? parse_arcstats(*text) : std::nullopt;
  if (text && !arc) sources_[arcstats].file.garbled();
  settle(arcstats);
  out.arc = arc ? std::optional(arc->size) : std::nullopt;
  out.arc_least = arc ? arc->least : std::nullopt;
}

void Sampler::Files::read_stall(StallReading& out) {
  const auto lines = [this](Which which, std::optional<StallLine>& some,
                            std::optional<StallLine>& full) {
    const auto text = text_of(which);
    const StallLines stall = parse_stall(text.value_or(std::string_view()));
    if (text && !stall.some) sources_[which].file.garbled();
    settle(which);
    some = stall.some;
    full = stall.full;
  };
  lines(stall_cpu, out.cpu_some, out.cpu_full);
  lines(stall_memory, out.memory_some, out.memory_full);
  lines(stall_io, out.io_some, out.io_full);
}

void Sampler::Files::read_networks() {
  const auto text = text_of(net_dev);
  note_left_out(interfaces_left_out_,
                parse_network(text.value_or(std::string_view()), interface_counters_));
  // Every network namespace has its loopback interface: no line at all means that it is no such
  // file.
  if (text && interface_counters_.empty()) sources_[net_dev].file.garbled();
  settle(net_dev);
  align(interfaces_, interface_counters_);
  for (std::size_t i = 0; i < interfaces_.size(); ++i) {
    InterfaceState& state = interfaces_[i];
    const InterfaceCounters& counters = interface_counters_[i];
    state.reading.received_total = counters.received;
    state.reading.sent_total = counters.sent;
    state.reading.errors_total = counters.errors;
    state.reading.dropped_total = counters.dropped;
    if (!new_rates_) continue;
    if (!std::exchange(state.fresh, false)) {
      state.reading.received_per_second =
          rate(counters.received, state.received_from, per_seconds_);
      state.reading.sent_per_second = rate(counters.sent, state.sent_from, per_seconds_);
    }
    state.received_from = counters.received;
    state.sent_from = counters.sent;
  }
}

/// What the drivers told of the interfaces, most of which are in the same order as before.
void Sampler::Files::fill_links() {
  std::size_t at = 0;
  for (InterfaceState& state : interfaces_) {
    const auto is_it = [&](const LinkReading& link) { return link.name == state.reading.name; };
    const LinkReading* link = nullptr;
    if (at < slow_.links.size() && is_it(slow_.links[at])) {
      link = &slow_.links[at];
    } else {
      const auto found = std::find_if(slow_.links.begin(), slow_.links.end(), is_it);
      if (found != slow_.links.end()) {
        link = &*found;
        at = static_cast<std::size_t>(found - slow_.links.begin());
      }
    }
    ++at;
    state.reading.speed = link != nullptr ? link->speed : std::nullopt;
    state.reading.up = link != nullptr ? link->up : std::nullopt;
  }
}

/// Reads all devices, and opens the files of the disks among them.
void Sampler::Files::list_disks() {
  const auto text = text_of(diskstats);
  note_left_out(disks_left_out_,
                parse_diskstats(text.value_or(std::string_view()), disk_counters_));
  // A machine may have no disk: only a text of which nothing is understood is wrong.
  if (text && disk_counters_.empty() && !text->empty() && text->front() != ' ') {
    sources_[diskstats].file.garbled();
  }
  settle(diskstats);
  if (keep_ == Keep::closed || (disks_listed_at_ && now_ - *disks_listed_at_ < kDisksEvery)) return;
  disks_listed_at_ = now_;
  const bool same = disk_files_.size() == disk_counters_.size() &&
                    disks_.size() == disk_counters_.size() &&
                    std::equal(disks_.begin(), disks_.end(), disk_counters_.begin(),
                               [](const DiskState& state, const DiskCounters& counters) {
                                 return state.reading.name == counters.name;
                               });
  if (same) return;
  disk_files_.clear();
  if (disk_counters_.size() > kMostDiskFiles) return;
  for (const DiskCounters& counters : disk_counters_) {
    std::string name(counters.name);
    std::replace(name.begin(), name.end(), '/', '!');  // as sysfs writes "cciss/c0d0"
    disk_files_.emplace_back("/sys/block/" + name + "/stat", keep_);
  }
}

/// Reads the file of each disk. False if one of them gave nothing: the list is another one by now.
bool Sampler::Files::read_disk_files() {
  disk_counters_.clear();
  for (std::size_t i = 0; i < disk_files_.size(); ++i) {
    const auto text = disk_files_[i].read(now_, buffer_);
    auto counters = text ? parse_block_stat(*text) : std::nullopt;
    if (!counters) return false;
    counters->name = disks_[i].reading.name;
    disk_counters_.push_back(*counters);
  }
  return true;
}

void Sampler::Files::read_disks() {
  const bool listed_lately = disks_listed_at_ && now_ - *disks_listed_at_ < kDisksEvery;
  if (disk_files_.empty() || !listed_lately) {
    list_disks();
  } else if (!read_disk_files()) {
    disk_files_.clear();
    list_disks();
  }
  align(disks_, disk_counters_);
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    DiskState& state = disks_[i];
    const DiskCounters& counters = disk_counters_[i];
    state.reading.read_total = in_bytes(counters.sectors_read);
    state.reading.written_total = in_bytes(counters.sectors_written);
    state.reading.operations_total = counters.operations;
    if (!new_rates_) continue;
    if (!std::exchange(state.fresh, false)) {
      constexpr double kBytes = static_cast<double>(kSector);
      state.reading.read_per_second =
          rate(counters.sectors_read, state.read_from, per_seconds_ * kBytes);
      state.reading.written_per_second =
          rate(counters.sectors_written, state.written_from, per_seconds_ * kBytes);
      state.reading.operations_per_second =
          rate(counters.operations, state.operations_from, per_seconds_);
      const auto busy = rate(counters.busy_ms, state.busy_from, per_seconds_ * 0.001);
      state.reading.busy = busy ? std::optional(Ratio(std::min(*busy, 1.0))) : std::nullopt;
    }
    state.read_from = counters.sectors_read;
    state.written_from = counters.sectors_written;
    state.operations_from = counters.operations;
    state.busy_from = counters.busy_ms;
  }
}

void Sampler::Files::read_own(OwnReading& out) {
  const auto text = text_of(statm);
  const auto pages = text ? parse_statm(*text) : std::nullopt;
  if (text && !pages) sources_[statm].file.garbled();
  settle(statm);
  out.resident = pages ? std::optional(pages_to_bytes(pages->resident)) : std::nullopt;
  if (!own_cpu_at_ || now_ - *own_cpu_at_ >= kOwnCpuEvery) {
    own_cpu_at_ = now_;
    timespec cpu{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    own_cpu_ = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
  }
  out.cpu_total = own_cpu_;
}

void Sampler::Files::read_holders(std::vector<HolderReading>& out) {
  out.resize(holders_.size());
  const auto needs = [](const auto& holder) { return holder.second.needs_processes(); };
  bool have_table = false;
  const auto read_table = [&] {
    if (!table_) table_.emplace(root_);
    have_table = table_->read(buffer_);
  };
  if (std::any_of(holders_.begin(), holders_.end(), needs)) {
    read_table();
  } else {
    table_.reset();
  }
  auto reading = out.begin();
  for (auto& [lease, holder] : holders_) {
    holder.read(now_, buffer_, have_table ? &*table_ : nullptr, *reading);
    if (!have_table && holder.needs_processes()) {  // its group has just gone
      read_table();
      if (have_table) holder.read(now_, buffer_, &*table_, *reading);
    }
    ++reading;
  }
}

void Sampler::Files::list_absences() {
  absences_ = fixed_absences_;
  bool stall_listed = false;
  for (const Source& source : sources_) {
    if (source.reported == 0) continue;
    if (std::string_view(source.sensor) == "arc" && source.reported == ENOENT &&
        ::access((root_ + "/proc/spl/kstat/zfs").c_str(), F_OK) != 0) {
      continue;  // a machine without ZFS lacks nothing
    }
    if (std::string_view(source.sensor) != "stall") {
      absences_.push_back({source.sensor, source.file.reason(), source.fix});
    } else if (!std::exchange(stall_listed, true)) {
      const bool off = source.reported == EOPNOTSUPP;
      absences_.push_back(
          {"stall",
           std::string(off ? "pressure stall information is there and switched off ("
                           : "the kernel gives no pressure stall information (") +
               source.file.reason() + ")",
           off ? "boot with psi=1 on the kernel's command line"
               : "boot a kernel that has CONFIG_PSI with psi=1"});
    }
  }
  const auto say_left_out = [this](const char* sensor, std::size_t left_out) {
    if (left_out == 0) return;
    absences_.push_back(
        {sensor, std::to_string(left_out) + " more of them are there than those told", ""});
  };
  say_left_out("network", interfaces_left_out_);
  say_left_out("disk", disks_left_out_);
  filesystems_.absences(absences_);
  absences_.insert(absences_.end(), slow_.absent.begin(), slow_.absent.end());
}

void Sampler::Files::take(const SlowReading& slow) {
  slow_ = slow;
  absences_changed_ = true;
}

void Sampler::Files::read(Instant at, ReadOptions options, Sample& out) {
  now_ = at.boot;
  new_rates_ = first_ || (options.rates && now_ - rates_from_ >= kShortest);
  if (new_rates_) {
    if (!first_) per_seconds_ = 1.0 / std::chrono::duration<double>(now_ - rates_from_).count();
    rates_from_ = now_;
  }
  first_ = false;

  out.at = at;
  out.number = ++number_;
  read_cpu();
  out.cpu = cpu_;
  read_memory(options, out.memory);
  read_stall(out.stall);
  read_networks();
  fill_links();
  copy_readings(interfaces_, out.networks);
  read_disks();
  copy_readings(disks_, out.disks);
  if (options.filesystems) filesystems_.read(now_, buffer_, filesystem_readings_);
  out.filesystems.resize(filesystem_readings_.size() + slow_.filesystems.size());
  const auto behind =
      std::copy(filesystem_readings_.begin(), filesystem_readings_.end(), out.filesystems.begin());
  std::copy(slow_.filesystems.begin(), slow_.filesystems.end(), behind);
  out.numa = slow_.numa;
  out.temperatures = slow_.temperatures;
  out.powers = slow_.powers;
  out.gpus = gpus_;
  read_own(out.own);
  read_holders(out.holders);
  if (filesystems_.absences_changed() || absences_changed_) {
    list_absences();
    absences_changed_ = false;
  }
  out.absent = absences_;
}

Sampler::Sampler(Sources sources) : files_(std::make_unique<Files>(std::move(sources))) {}
Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;

void Sampler::track(Target target) { files_->track(std::move(target)); }
void Sampler::untrack(LeaseId lease) { files_->untrack(lease); }
void Sampler::take(const SlowReading& slow) { files_->take(slow); }
void Sampler::read(Instant at, ReadOptions options, Sample& out) { files_->read(at, options, out); }

}  // namespace headroom::sense
