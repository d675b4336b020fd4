#include "runtime/series.hpp"

#include <cmath>
#include <utility>

namespace headroom::runtime {

namespace {

constexpr std::size_t kMostNames = 1000;
constexpr std::chrono::minutes kSettled{1};  // a lease that is over sooner has no history
constexpr double kMiB = 1 << 20;             // what the memory of components is counted in

std::optional<double> share(Bytes part, Bytes whole) {
  if (whole.count() <= 0) return std::nullopt;
  return 100.0 * static_cast<double>(part.count()) / static_cast<double>(whole.count());
}

std::optional<double> percent(const std::optional<Ratio>& ratio) {
  return ratio ? std::optional(ratio->percent()) : std::nullopt;
}

std::optional<double> stalled(const std::optional<StallLine>& line) {
  return line ? std::optional(line->avg10.percent()) : std::nullopt;
}

}  // namespace

std::string_view SeriesOf::name(const char* resource, const std::string& device) {
  if (names_.size() >= kMostNames) names_.clear();  // devices came and went
  auto& text = names_[{resource, device}];
  if (text.empty()) text = std::string(resource) + ":" + device;
  return text;
}

std::span<const judge::Reading> SeriesOf::of(const Sample& s) {
  // Names that are dropped on the way would leave views behind.
  if (names_.size() + s.gpus.size() * 4 + s.filesystems.size() >= kMostNames) names_.clear();
  readings_.clear();
  const auto add = [&](std::string_view series, std::optional<double> value) {
    readings_.push_back({series, value});
  };
  add("cpu", percent(s.cpu.busy));
  if (s.cpu.load) add("load", (*s.cpu.load)[0]);
  const MemoryReading& m = s.memory;
  if (m.total && m.available) add("memory", share(*m.total - *m.available, *m.total));
  if (m.swap_total && m.swap_free) add("swap", share(*m.swap_total - *m.swap_free, *m.swap_total));
  add("stall_cpu", stalled(s.stall.cpu_some));
  add("stall_memory", stalled(s.stall.memory_some));
  add("stall_io", stalled(s.stall.io_some));

  std::optional<double> traffic;
  for (const NetworkReading& network : s.networks) {
    if (network.name == "lo" || !network.received_per_second || !network.sent_per_second) continue;
    traffic = traffic.value_or(0) + *network.received_per_second + *network.sent_per_second;
  }
  if (!s.networks.empty()) add("network", traffic);
  std::optional<double> written;
  for (const DiskReading& disk : s.disks) {
    if (!disk.read_per_second || !disk.written_per_second) continue;
    written = written.value_or(0) + *disk.read_per_second + *disk.written_per_second;
  }
  if (!s.disks.empty()) add("disk_io", written);
  std::optional<double> hottest;
  for (const TemperatureReading& one : s.temperatures) {
    hottest = std::fmax(hottest.value_or(one.celsius), one.celsius);
  }
  if (hottest) add("temperature", hottest);
  std::optional<double> watts;
  for (const PowerReading& one : s.powers) {
    const bool package =
        one.sensor.starts_with("package-") && one.sensor.find(' ') == std::string::npos;
    if (package && one.watts) watts = watts.value_or(0) + *one.watts;
  }
  if (watts) add("power", watts);

  for (const GpuReading& gpu : s.gpus) {
    // What is not answered now is a gap, not the last number drawn out.
    const bool fresh = gpu.state == GpuState::ok;
    const auto now = [&](std::optional<double> value) {
      return fresh ? value : std::optional<double>();
    };
    add(name("gpu_memory", gpu.id),
        now(gpu.memory_used ? share(*gpu.memory_used, gpu.memory_total) : std::nullopt));
    add(name("gpu_utilization", gpu.id), now(percent(gpu.busy)));
    add(name("gpu_temperature", gpu.id), now(gpu.celsius));
    add(name("gpu_power", gpu.id), now(gpu.watts));
  }
  for (const FilesystemReading& fs : s.filesystems) {
    add(name("disk", fs.mount), fs.stale ? std::nullopt : share(fs.total - fs.free, fs.total));
  }
  return readings_;
}

std::span<const judge::Reading> WorkloadSeries::of(const control::State& state, Instant at) {
  names_.clear();
  readings_.clear();
  names_.reserve(4 * kMost);  // what readings refer to must not move
  const auto add = [&](const char* resource, const std::string& of, double value) {
    readings_.push_back({names_.emplace_back(std::string(resource) + ":" + of), value});
  };
  std::erase_if(placed_, [&](const auto& one) { return at.boot - one.second >= kKept; });
  for (const auto& [id, use] : state.uses) {
    const bool placed = placed_.contains(id);
    if (!placed && placed_.size() >= kMost) continue;
    const auto lease = state.promises.leases.find(id);
    if (!use.measured || lease == state.promises.leases.end() || lease->second.part_of != 0 ||
        !decide::holds(lease->second.state) || at.boot - lease->second.granted.boot < kSettled) {
      continue;
    }
    placed_[id] = at.boot;
    const std::string name = "l-" + std::to_string(id);
    add("lease_memory", name, static_cast<double>(use.measured->memory.count()));
    if (lease->second.booked.gpu_memory.count() > 0) {
      add("lease_gpu_memory", name, static_cast<double>(use.measured->gpu_memory.count()));
    }
  }
  const std::int64_t cores = state.ledger.pool(decide::Ledger::kCpu).capacity;
  std::size_t components = 0;
  for (const auto& [name, run] : state.component_runs) {
    if (components++ == kMost) break;
    if (const auto& cpu = run.demands[index_of(Allotted::cpu)].used; cpu && cores > 0) {
      add("component_cpu", name, static_cast<double>(*cpu) / facts_of(Allotted::cpu).scale);
    }
    if (const auto& memory = run.demands[index_of(Allotted::memory)].used) {
      add("component_memory", name, static_cast<double>(*memory) * kMiB);
    }
  }
  return readings_;
}

}  // namespace headroom::runtime
