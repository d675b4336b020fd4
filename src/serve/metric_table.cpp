#include "serve/component_document.hpp"
#include "serve/metric.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace headroom::serve {
namespace {

using std::string_view;

constexpr double kMiB = 1024.0 * 1024.0;
constexpr std::size_t kLongestReason = 200;

// ---------------------------------------------------------------- what each family reads

void give(MetricSink& sink, MetricLabels labels, const std::optional<double>& value) {
  if (value) sink.real(labels, *value);
}
void give(MetricSink& sink, MetricLabels labels, const std::optional<Bytes>& value) {
  if (value) sink.whole(labels, value->count());
}
void give(MetricSink& sink, MetricLabels labels, const std::optional<Ratio>& value) {
  if (value) sink.real(labels, value->value());
}
void give(MetricSink& sink, MetricLabels labels, const std::optional<std::uint64_t>& value) {
  if (value) sink.whole(labels, static_cast<std::int64_t>(*value));
}
void give(MetricSink& sink, MetricLabels labels, std::chrono::nanoseconds value) {
  sink.real(labels, std::chrono::duration<double>(value).count());
}

void cpu_time(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  const CpuReading& cpu = facts.sample->cpu;
  if ((cpu.user_total + cpu.system_total).count() == 0) return;  // not read: no machine has none
  give(sink, {"user"}, cpu.user_total);
  give(sink, {"system"}, cpu.system_total);
  give(sink, {"iowait"}, cpu.iowait_total);
  give(sink, {"steal"}, cpu.steal_total);
  give(sink, {"idle"}, cpu.idle_total - cpu.iowait_total);
}

std::optional<Bytes> used(const MemoryReading& memory) {
  if (!memory.total || !memory.available) return std::nullopt;
  return *memory.total - *memory.available;
}

std::optional<double> share(const std::optional<Bytes>& part, const std::optional<Bytes>& whole) {
  if (!part || !whole || whole->count() <= 0) return std::nullopt;
  return static_cast<double>(part->count()) / static_cast<double>(whole->count());
}

void memory_usage(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  const MemoryReading& memory = facts.sample->memory;
  give(sink, {"used"}, used(memory));
  give(sink, {"free"}, memory.free);
  give(sink, {"cached"}, memory.cached);
}

void paging_usage(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  const MemoryReading& memory = facts.sample->memory;
  if (memory.swap_total && memory.swap_free) {
    give(sink, {"used"}, std::optional(*memory.swap_total - *memory.swap_free));
  }
  give(sink, {"free"}, memory.swap_free);
}

// A network filesystem that does not answer keeps old numbers, which are no reading.
template <class Give>
void each_filesystem(const MetricFacts& facts, Give each) {
  if (facts.sample == nullptr) return;
  for (const FilesystemReading& f : facts.sample->filesystems) {
    if (!f.stale) each(f);
  }
}

void filesystem_usage(const MetricFacts& facts, MetricSink& sink) {
  each_filesystem(facts, [&](const FilesystemReading& f) {
    const auto state = [&](string_view name, Bytes bytes) {
      sink.whole({f.source, f.mount, f.type, name}, bytes.count());
    };
    state("used", f.total - f.free);
    state("free", f.available);
    state("reserved", f.free - f.available);
  });
}

void stall(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  const StallReading& stall = facts.sample->stall;
  const auto line = [&](string_view resource, string_view kind,
                        const std::optional<StallLine>& read) {
    if (!read) return;
    sink.real({resource, kind, "10s"}, read->avg10.value());
    sink.real({resource, kind, "60s"}, read->avg60.value());
    sink.real({resource, kind, "300s"}, read->avg300.value());
  };
  line("cpu", "some", stall.cpu_some);
  line("cpu", "full", stall.cpu_full);
  line("memory", "some", stall.memory_some);
  line("memory", "full", stall.memory_full);
  line("io", "some", stall.io_some);
  line("io", "full", stall.io_full);
}

template <class Give>
void each_disk(const MetricFacts& facts, Give each) {
  if (facts.sample == nullptr) return;
  for (const DiskReading& disk : facts.sample->disks) each(disk);
}

// A device that does not answer, or is gone, keeps old numbers: they are no reading of now.
bool reads(const GpuReading& gpu) {
  return gpu.state != GpuState::stale && gpu.state != GpuState::lost;
}

template <class Give>
void each_gpu(const MetricFacts& facts, Give each) {
  if (facts.sample == nullptr) return;
  for (const GpuReading& gpu : facts.sample->gpus) {
    if (reads(gpu)) each(gpu);
  }
}

void gpu_status(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  for (const GpuReading& gpu : facts.sample->gpus) {
    for (const GpuState state : {GpuState::ok, GpuState::asleep, GpuState::stale, GpuState::lost}) {
      sink.whole({gpu.id, gpu.name, gpu.parent, "gpu", to_string(state)}, state == gpu.state);
    }
  }
}

void gpu_errors(const MetricFacts& facts, MetricSink& sink) {
  each_gpu(facts, [&](const GpuReading& gpu) {
    give(sink, {gpu.id, "gpu", "ecc_corrected"}, gpu.ecc_corrected);
    give(sink, {gpu.id, "gpu", "ecc_uncorrected"}, gpu.ecc_uncorrected);
    if (gpu.last_xid) give(sink, {gpu.id, "gpu", "xid"}, std::optional(gpu.xids));
  });
}

// Two chips may give their sensors the same name: the second one is "name #2".
template <class Reading, class Give>
void each_sensor(const std::vector<Reading>& readings, Give each) {
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const auto same =
        std::count_if(readings.begin(), readings.begin() + static_cast<std::ptrdiff_t>(i),
                      [&](const Reading& before) { return before.sensor == readings[i].sensor; });
    if (same == 0) {
      each(string_view(readings[i].sensor), readings[i]);
    } else {
      const std::string numbered = readings[i].sensor + " #" + std::to_string(same + 1);
      each(string_view(numbered), readings[i]);
    }
  }
}

void temperature(const MetricFacts& facts, MetricSink& sink) {
  each_gpu(facts, [&](const GpuReading& gpu) { give(sink, {"", gpu.id, "gpu"}, gpu.celsius); });
  if (facts.sample == nullptr) return;
  each_sensor(facts.sample->temperatures,
              [&](string_view name, const TemperatureReading& t) { sink.real({name}, t.celsius); });
}

void temperature_limit(const MetricFacts& facts, MetricSink& sink) {
  each_gpu(facts,
           [&](const GpuReading& gpu) { give(sink, {"", gpu.id, "gpu"}, gpu.celsius_limit); });
  if (facts.sample == nullptr) return;
  each_sensor(facts.sample->temperatures,
              [&](string_view name, const TemperatureReading& t) { give(sink, {name}, t.limit); });
}

void power(const MetricFacts& facts, MetricSink& sink) {
  each_gpu(facts, [&](const GpuReading& gpu) { give(sink, {gpu.id, "gpu"}, gpu.watts); });
  if (facts.sample == nullptr) return;
  each_sensor(facts.sample->powers,
              [&](string_view name, const PowerReading& p) { give(sink, {name}, p.watts); });
}

void energy(const MetricFacts& facts, MetricSink& sink) {
  each_gpu(facts, [&](const GpuReading& gpu) { give(sink, {gpu.id, "gpu"}, gpu.joules); });
  if (facts.sample == nullptr) return;
  each_sensor(facts.sample->powers,
              [&](string_view name, const PowerReading& p) { give(sink, {name}, p.joules); });
}

// Bytes of the resources that are counted in bytes.
template <class Member>
void rooms(const MetricFacts& facts, MetricSink& sink, Member member) {
  for (const Room& room : facts.view->rooms) {
    if (room.resource == Resource::cpu) continue;
    const std::optional<std::int64_t> value = member(room);
    if (value) sink.whole({to_string(room.resource), room.device}, *value);
  }
}
template <class Member>
void cores(const MetricFacts& facts, MetricSink& sink, Member member) {
  for (const Room& room : facts.view->rooms) {
    if (room.resource != Resource::cpu) continue;
    const std::optional<std::int64_t> value = member(room);
    if (value) sink.real({}, Cores(*value).value());
  }
}
std::optional<std::int64_t> room_of(const Room& room) { return room.room; }
std::optional<std::int64_t> booked_of(const Room& room) { return room.booked; }
std::optional<std::int64_t> reserve_of(const Room& room) { return room.reserve; }
std::optional<std::int64_t> unbooked_of(const Room& room) { return room.unbooked; }

void alerts_open(const MetricFacts& facts, MetricSink& sink) {
  constexpr std::size_t kLevels = 4;
  std::array<std::array<std::int64_t, kResources>, kLevels> open{};
  for (const Alert& alert : facts.view->alerts) {
    if (alert.ended) continue;
    ++open.at(static_cast<std::size_t>(alert.level)).at(static_cast<std::size_t>(alert.resource));
  }
  for (std::size_t level = 1; level < kLevels; ++level) {
    for (std::size_t resource = 0; resource < kResources; ++resource) {
      if (open[level][resource] == 0) continue;
      sink.whole({to_string(static_cast<Level>(level)), to_string(static_cast<Resource>(resource))},
                 open[level][resource]);
    }
  }
}

void alerts_raised(const MetricFacts& facts, MetricSink& sink) {
  if (!facts.costs) return;
  int level = 0;
  for (const std::uint64_t raised : facts.costs->alerts_raised) {
    sink.whole({to_string(static_cast<Level>(++level))}, static_cast<std::int64_t>(raised));
  }
}

// A resource that nobody watches has no count, not one of zero.
void pressure_events(const MetricFacts& facts, MetricSink& sink) {
  if (!facts.costs) return;
  for (std::size_t r = 0; r < std::size(facts.costs->pressure_events); ++r) {
    const auto resource = static_cast<Resource>(r);
    const bool watched =
        std::any_of(facts.view->pressures.begin(), facts.view->pressures.end(),
                    [&](const Pressure& pressure) { return pressure.resource == resource; });
    int level = 0;
    for (const std::uint64_t events : facts.costs->pressure_events[r]) {
      ++level;
      if (!watched && events == 0) continue;
      sink.whole({to_string(resource), to_string(static_cast<Level>(level))},
                 static_cast<std::int64_t>(events));
    }
  }
}

void lease_booked(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::LeaseGroup& lease : facts.leases) {
    give(sink, {lease.name, "memory"}, lease.booked_memory);
    give(sink, {lease.name, "gpu_memory"}, lease.booked_gpu_memory);
  }
}

void lease_used(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::LeaseGroup& lease : facts.leases) {
    give(sink, {lease.name, "memory"}, lease.used_memory);
    give(sink, {lease.name, "gpu_memory"}, lease.used_gpu_memory);
  }
}

void model_footprint(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ModelGroup& model : facts.models) {
    give(sink, {model.name, "memory"}, model.memory);
    give(sink, {model.name, "gpu_memory"}, model.gpu_memory);
  }
}

// Only a daemon knows: in a process of its own nobody asks for models.
template <std::uint64_t MetricFacts::ModelGroup::* kMember>
void model_cache(const MetricFacts& facts, MetricSink& sink) {
  if (!facts.costs) return;
  for (const MetricFacts::ModelGroup& model : facts.models) {
    sink.whole({model.name}, static_cast<std::int64_t>(model.*kMember));
  }
}

using ComponentAmount = MetricFacts::ComponentGroup::Amount;
template <std::int64_t ComponentAmount::* kMember>
void component_amount(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ComponentGroup& one : facts.components) {
    for (const auto& [what, amount] : one.amounts) {
      sink.real({one.name, facts_of(what).setter}, in_unit(what, amount.*kMember));
    }
  }
}

template <std::optional<std::int64_t> ComponentAmount::* kMember>
void known_amount(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ComponentGroup& one : facts.components) {
    for (const auto& [what, amount] : one.amounts) {
      if (!(amount.*kMember)) continue;
      sink.real({one.name, facts_of(what).setter}, in_unit(what, *(amount.*kMember)));
    }
  }
}

template <std::optional<double> ComponentAmount::* kMember>
void known_quality(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ComponentGroup& one : facts.components) {
    for (const auto& [what, amount] : one.amounts) {
      if (amount.*kMember) sink.real({one.name, facts_of(what).setter}, *(amount.*kMember));
    }
  }
}

void setter_calls(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ComponentGroup& one : facts.components) {
    sink.whole({one.name, "applied"}, static_cast<std::int64_t>(one.applied));
    sink.whole({one.name, "failed"}, static_cast<std::int64_t>(one.failed));
    sink.whole({one.name, "timed_out"}, static_cast<std::int64_t>(one.timed_out));
  }
}

void adjustments(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ComponentGroup& one : facts.components) {
    for (const auto& [what, amount] : one.amounts) {
      const std::string_view name = facts_of(what).name;
      sink.whole({one.name, name, "success"}, static_cast<std::int64_t>(amount.applied));
      sink.whole({one.name, name, "failure"}, static_cast<std::int64_t>(amount.failed));
    }
  }
}

void prediction_accuracy(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::ComponentGroup& one : facts.components) {
    if (one.accuracy) sink.real({one.name}, *one.accuracy);
  }
}

void drained(const MetricFacts& facts, MetricSink& sink) {
  for (const Drain& drain : facts.view->drains) {
    sink.whole({drain.device.empty() ? string_view("node") : string_view(drain.device),
                drain.reason.empty() ? "asked" : "fault"},
               1);
  }
}

void session_bytes(const MetricFacts& facts, MetricSink& sink) {
  for (const SessionRootView& root : facts.view->session_roots) give(sink, {root.root}, root.bytes);
}
void sessions(const MetricFacts& facts, MetricSink& sink) {
  for (const SessionRootView& root : facts.view->session_roots) {
    if (root.bytes) sink.whole({root.root}, static_cast<std::int64_t>(root.sessions));
  }
}
void sessions_removed(const MetricFacts& facts, MetricSink& sink) {
  for (const SessionRootView& root : facts.view->session_roots) {
    sink.whole({root.root}, static_cast<std::int64_t>(root.removed));
  }
}

void process_cpu(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr || facts.sample->cpu.cores <= 0) return;
  for (const MetricFacts::LeaseGroup& lease : facts.leases) {
    if (lease.cpu) sink.real({lease.name}, lease.cpu->value() / facts.sample->cpu.cores);
  }
}

void process_memory(const MetricFacts& facts, MetricSink& sink) {
  for (const MetricFacts::LeaseGroup& lease : facts.leases) {
    give(sink, {lease.name}, lease.memory);
  }
}

const MetricCounts* counts(const MetricFacts& facts) {
  return facts.costs ? facts.costs->counts : nullptr;
}

// Nothing counted yet is no distribution.
void spread(MetricSink& sink, MetricLabels labels, const Histogram& values) {
  if (values.count() > 0) sink.spread(labels, values);
}

template <std::uint64_t MetricCounts::* kFirst, std::uint64_t MetricCounts::* kSecond>
void counted_pair(const MetricFacts& facts, MetricSink& sink, string_view first,
                  string_view second) {
  const MetricCounts* counted = counts(facts);
  if (counted == nullptr) return;
  sink.whole({first}, static_cast<std::int64_t>(counted->*kFirst));
  sink.whole({second}, static_cast<std::int64_t>(counted->*kSecond));
}

void overruns(const MetricFacts& facts, MetricSink& sink) {
  const MetricCounts* counted = counts(facts);
  if (counted == nullptr) return;
  for (std::size_t r = 0; r < counted->overruns.size(); ++r) {
    sink.whole({to_string(static_cast<Resource>(r))},
               static_cast<std::int64_t>(counted->overruns.at(r)));
  }
}

void http_requests(const MetricFacts& facts, MetricSink& sink) {
  if (!facts.costs) return;
  const MetricCounts* counted = facts.costs->counts;
  if (counted == nullptr || counted->answers.empty()) {
    give(sink, {}, std::optional(facts.costs->requests));
    return;
  }
  for (const MetricCounts::Answered& answered : counted->answers) {
    char code[16];
    const auto [end, error] = std::to_chars(code, code + sizeof code, answered.status);
    (void)error;  // an int has at most 11 characters
    const auto length = answered.status == 0 ? 0 : static_cast<std::size_t>(end - code);
    sink.whole({answered.route, string_view(code, length)},
               static_cast<std::int64_t>(answered.count));
  }
}

void sensors(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  const std::vector<Absence>& absent = facts.sample->absent;
  const std::pair<string_view, bool> known[] = {
      {"cpu", true},
      {"memory", true},
      {"stall", true},
      {"network", true},
      {"disk", true},
      // Read beside the others: in the first samples neither there nor absent.
      {"gpu", !facts.sample->gpus.empty()},
      {"temperature", !facts.sample->temperatures.empty()},
      {"power", !facts.sample->powers.empty()},
  };
  for (const auto& [sensor, read] : known) {
    const bool missing =
        std::any_of(absent.begin(), absent.end(),
                    [name = sensor](const Absence& a) { return a.sensor == name; });
    if (read && !missing) sink.whole({sensor}, 1);
  }
  each_sensor(absent, [&](string_view name, const Absence& a) {
    sink.whole({name, string_view(a.reason).substr(0, kLongestReason)}, 0);
  });
}

template <std::uint64_t Costs::* kMember>
void cost(const MetricFacts& facts, MetricSink& sink) {
  if (facts.costs) sink.whole({}, static_cast<std::int64_t>((*facts.costs).*kMember));
}

void seed_memory(const MetricFacts& facts, MetricSink& sink) {
  if (facts.sample == nullptr) return;
  if (const auto part = share(used(facts.sample->memory), facts.sample->memory.total)) {
    sink.real({}, *part * 100.0);
  }
}

// The exporter of NVIDIA names a device by number, UUID, model and host.
template <class Value>
void dcgm(const MetricFacts& facts, MetricSink& sink, Value value) {
  each_gpu(facts, [&](const GpuReading& gpu) {
    const std::optional<double> reading = value(gpu);
    if (!reading) return;
    const std::string index = std::to_string(gpu.index);
    sink.real({index, gpu.id, gpu.name, facts.node.name}, *reading);
  });
}

// ------------------------------------------------------------------------------ the table

struct Row {
  string_view name;
  MetricKind kind = MetricKind::gauge;
  string_view unit{};
  string_view help{};
  std::array<string_view, 5> attributes{};
  void (*read)(const MetricFacts&, MetricSink&) = nullptr;
  MetricSet set = MetricSet::always;
  MetricSince since = MetricSince::daemon;
  bool named_when_empty = false;
  string_view prometheus{};  ///< where custom is stronger than the translation
};

using enum MetricKind;
using Facts = MetricFacts;
using Sink = MetricSink;

constexpr Row kRows[] = {
    // Readings, under OpenTelemetry's names.
    {"system.cpu.utilization",
     gauge,
     "1",
     "Share of time the processors were busy, since the sample before.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.sample != nullptr) give(s, {}, f.sample->cpu.busy);
     }},
    {.name = "system.cpu.time",
     .kind = counter,
     .unit = "s",
     .help = "Time of all processors since boot.",
     .attributes = {"cpu.mode"},
     .read = cpu_time,
     .since = MetricSince::boot},
    {"system.memory.usage",
     amount,
     "By",
     "Memory by state; used is what is not available.",
     {"system.memory.state"},
     memory_usage},
    {"system.memory.limit",
     amount,
     "By",
     "Memory of the machine, or the limit above this node.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.sample != nullptr)
         give(s, {}, f.sample->memory.limit ? f.sample->memory.limit : f.sample->memory.total);
     }},
    {"system.memory.utilization",
     gauge,
     "1",
     "Share of the memory in use.",
     {"system.memory.state"},
     [](const Facts& f, Sink& s) {
       if (f.sample != nullptr)
         give(s, {"used"}, share(used(f.sample->memory), f.sample->memory.total));
     }},
    {"system.memory.linux.available",
     amount,
     "By",
     "What new programs can have without swapping, as the kernel estimates it.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.sample != nullptr) give(s, {}, f.sample->memory.available);
     }},
    {"system.paging.usage", amount, "By", "Swap by state.", {"system.paging.state"}, paging_usage},
    {"system.filesystem.usage",
     amount,
     "By",
     "Space by state; free is for users who are not root.",
     {"system.device", "system.filesystem.mountpoint", "system.filesystem.type",
      "system.filesystem.state"},
     filesystem_usage},
    {"system.filesystem.utilization",
     gauge,
     "1",
     "Share of the space in use.",
     {"system.device", "system.filesystem.mountpoint", "system.filesystem.type"},
     [](const Facts& f, Sink& s) {
       each_filesystem(f, [&](const FilesystemReading& r) {
         give(s, {r.source, r.mount, r.type}, share(r.total - r.free, r.total));
       });
     }},
    {"system.filesystem.limit",
     amount,
     "By",
     "Size of the filesystem.",
     {"system.device", "system.filesystem.mountpoint", "system.filesystem.type"},
     [](const Facts& f, Sink& s) {
       each_filesystem(f, [&](const FilesystemReading& r) {
         s.whole({r.source, r.mount, r.type}, r.total.count());
       });
     }},
    {.name = "system.disk.io",
     .kind = counter,
     .unit = "By",
     .help = "Bytes read from and written to disks since boot.",
     .attributes = {"system.device", "disk.io.direction"},
     .read =
         [](const Facts& f, Sink& s) {
           each_disk(f, [&](const DiskReading& d) {
             s.whole({d.name, "read"}, static_cast<std::int64_t>(d.read_total));
             s.whole({d.name, "write"}, static_cast<std::int64_t>(d.written_total));
           });
         },
     .since = MetricSince::boot},
    {.name = "system.disk.operations",
     .kind = counter,
     .unit = "{operation}",
     .help = "Reads and writes of disks since boot.",
     .attributes = {"system.device"},
     .read =
         [](const Facts& f, Sink& s) {
           each_disk(f, [&](const DiskReading& d) {
             s.whole({d.name}, static_cast<std::int64_t>(d.operations_total));
           });
         },
     .since = MetricSince::boot},
    {.name = "system.network.io",
     .kind = counter,
     .unit = "By",
     .help = "Bytes received and sent since boot.",
     .attributes = {"network.interface.name", "network.io.direction"},
     .read =
         [](const Facts& f, Sink& s) {
           if (f.sample == nullptr) return;
           for (const NetworkReading& n : f.sample->networks) {
             s.whole({n.name, "receive"}, static_cast<std::int64_t>(n.received_total));
             s.whole({n.name, "transmit"}, static_cast<std::int64_t>(n.sent_total));
           }
         },
     .since = MetricSince::boot},
    {"hw.gpu.utilization",
     gauge,
     "1",
     "Share of time the device was busy.",
     {"hw.id", "hw.gpu.task"},
     [](const Facts& f, Sink& s) {
       each_gpu(f, [&](const GpuReading& g) { give(s, {g.id, "general"}, g.busy); });
     }},
    {"hw.gpu.memory.usage",
     amount,
     "By",
     "Memory in use on the device, whoever uses it.",
     {"hw.id"},
     [](const Facts& f, Sink& s) {
       each_gpu(f, [&](const GpuReading& g) { give(s, {g.id}, g.memory_used); });
     }},
    {"hw.gpu.memory.limit",
     amount,
     "By",
     "Memory of the device.",
     {"hw.id"},
     [](const Facts& f, Sink& s) {
       each_gpu(f, [&](const GpuReading& g) { s.whole({g.id}, g.memory_total.count()); });
     }},
    {"hw.gpu.memory.utilization",
     gauge,
     "1",
     "Share of the device's memory in use.",
     {"hw.id"},
     [](const Facts& f, Sink& s) {
       each_gpu(
           f, [&](const GpuReading& g) { give(s, {g.id}, share(g.memory_used, g.memory_total)); });
     }},
    {.name = "hw.errors",
     .kind = counter,
     .unit = "{error}",
     .help = "Errors that the device's driver has counted.",
     .attributes = {"hw.id", "hw.type", "error.type"},
     .read = gpu_errors,
     .since = MetricSince::boot},
    {"hw.power", gauge, "W", "Power drawn now.", {"hw.id", "hw.type"}, power},
    {.name = "hw.energy",
     .kind = counter,
     .unit = "J",
     .help = "Energy drawn since the meter began.",
     .attributes = {"hw.id", "hw.type"},
     .read = energy,
     .since = MetricSince::boot},
    {"hw.status",
     amount,
     "1",
     "1 for the state that the device is in, else 0.",
     {"hw.id", "hw.name", "hw.parent", "hw.type", "hw.state"},
     gpu_status},
    {"hw.temperature",
     gauge,
     "Cel",
     "Temperature of a GPU (its parent) or of another sensor.",
     {"hw.id", "hw.parent", "hw.temperature.sensor_location"},
     temperature},
    {"hw.temperature.limit",
     gauge,
     "Cel",
     "Where the hardware slows itself down or stops.",
     {"hw.id", "hw.parent", "hw.temperature.sensor_location"},
     temperature_limit},
    {"process.cpu.utilization",
     gauge,
     "1",
     "Share of all processors that the processes of a lease use.",
     {"lease"},
     process_cpu},
    {"process.memory.usage",
     amount,
     "By",
     "Memory that the processes of a lease use, with page cache.",
     {"lease"},
     process_memory},
    {"headroom.stall",
     gauge,
     "1",
     "Share of time that tasks waited for a resource.",
     {"resource", "kind", "window"},
     stall},

    // Decisions.
    {"headroom.build_info",
     gauge,
     "",
     "Which headroom this is.",
     {"version"},
     [](const Facts& f, Sink& s) { s.whole({f.node.version}, 1); }},
    {"headroom.start_time",
     gauge,
     "s",
     "When the daemon was started, since 1970.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.costs) give(s, {}, f.node.started.wall.time_since_epoch());
     }},
    {"headroom.sample.age",
     gauge,
     "s",
     "Age of the readings.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.sample != nullptr) give(s, {}, f.now.boot - f.sample->at.boot);
     }},
    {"headroom.sample.duration",
     histogram,
     "s",
     "How long reading the machine took.",
     {},
     [](const Facts& f, Sink& s) {
       if (counts(f) != nullptr) spread(s, {}, counts(f)->samples);
     }},
    {"headroom.room",
     gauge,
     "By",
     "What can still be booked.",
     {"resource", "device"},
     [](const Facts& f, Sink& s) { rooms(f, s, room_of); }},
    {"headroom.booked",
     gauge,
     "By",
     "What leases have booked.",
     {"resource", "device"},
     [](const Facts& f, Sink& s) { rooms(f, s, booked_of); }},
    {"headroom.reserved",
     gauge,
     "By",
     "What is never booked.",
     {"resource", "device"},
     [](const Facts& f, Sink& s) { rooms(f, s, reserve_of); }},
    {"headroom.unbooked",
     gauge,
     "By",
     "What is used and was booked by nobody.",
     {"resource", "device"},
     [](const Facts& f, Sink& s) { rooms(f, s, unbooked_of); }},
    {"headroom.room.cores",
     gauge,
     "{core}",
     "Processors that can still be booked.",
     {},
     [](const Facts& f, Sink& s) { cores(f, s, room_of); }},
    {"headroom.booked.cores",
     gauge,
     "{core}",
     "Processors that leases have booked.",
     {},
     [](const Facts& f, Sink& s) { cores(f, s, booked_of); }},
    {"headroom.pressure_level",
     gauge,
     "",
     "0 ok, 1 warning, 2 critical, 3 emergency.",
     {"resource", "device"},
     [](const Facts& f, Sink& s) {
       for (const Pressure& p : f.view->pressures) {
         // Without a reading "ok" only means that nobody knows otherwise.
         if (p.level == Level::ok && !p.value) continue;
         s.whole({to_string(p.resource), p.device}, static_cast<int>(p.level));
       }
     }},
    {"headroom.ladder_step",
     gauge,
     "",
     "What is done about memory that runs short: 0 nothing to 7 kill.",
     {"resource", "device"},
     [](const Facts& f, Sink& s) {
       for (const Pressure& p : f.view->pressures) {
         if (p.step) s.whole({to_string(p.resource), p.device}, static_cast<int>(*p.step));
       }
     }},
    {"headroom.health_level",
     gauge,
     "",
     "0 healthy, 1 moderate, 2 critical.",
     {},
     [](const Facts& f, Sink& s) { s.whole({}, std::min(2, static_cast<int>(f.view->health))); }},
    {"headroom.alerts_open",
     gauge,
     "{alert}",
     "Alerts that are open now.",
     {"severity", "resource"},
     alerts_open},
    {"headroom.alerts",
     counter,
     "{alert}",
     "Alerts since the start, by the level they rose to.",
     {"severity"},
     alerts_raised},
    {"headroom.leases",
     gauge,
     "{lease}",
     "Leases that are held.",
     {},
     [](const Facts& f, Sink& s) { s.whole({}, f.held); }},
    {"headroom.leases_waiting",
     gauge,
     "{lease}",
     "Requests in the queue.",
     {},
     [](const Facts& f, Sink& s) { s.whole({}, f.waiting); }},
    {"headroom.lease.booked",
     gauge,
     "By",
     "What the leases of one name have booked.",
     {"name", "resource"},
     lease_booked},
    {"headroom.lease.used",
     gauge,
     "By",
     "What the holders of the leases of one name use of what they booked.",
     {"name", "resource"},
     lease_used},
    {"headroom.lease.overrun",
     counter,
     "{overrun}",
     "Times that a holder used more than it had booked.",
     {"resource"},
     overruns},
    {"headroom.lease.wait",
     histogram,
     "s",
     "Time from asking to the answer.",
     {"result"},
     [](const Facts& f, Sink& s) {
       if (counts(f) == nullptr) return;
       spread(s, {"granted"}, counts(f)->granted);
       spread(s, {"given_up"}, counts(f)->given_up);
     }},
    {"headroom.drained",
     gauge,
     "",
     "1 for a device, or the node, that takes nobody new: somebody asked for it, or it has a "
     "fault.",
     {"device", "cause"},
     drained},
    {"headroom.session",
     gauge,
     "By",
     "What the session folders of a root took when they were last looked at.",
     {"root"},
     session_bytes},
    {"headroom.sessions", gauge, "{session}", "How many they were.", {"root"}, sessions},
    {"headroom.sessions.removed",
     counter,
     "{session}",
     "Session folders that were removed since the start.",
     {"root"},
     sessions_removed},
    {"headroom.models_resident",
     gauge,
     "{model}",
     "Models in memory, by the device that they are on.",
     {"device"},
     [](const Facts& f, Sink& s) {
       for (const auto& [device, count] : f.resident) s.whole({device}, count);
     }},
    {"headroom.model.footprint",
     gauge,
     "By",
     "What the models of one name take that are in memory.",
     {"model", "resource"},
     model_footprint},
    {"headroom.model.load",
     histogram,
     "s",
     "From a model's lease to the end of its loading.",
     {},
     [](const Facts& f, Sink& s) {
       if (counts(f) != nullptr) spread(s, {}, counts(f)->loads);
     }},
    {"headroom.model.cache.requests",
     counter,
     "{request}",
     "Times that a model was wanted.",
     {"model"},
     model_cache<&MetricFacts::ModelGroup::requests>},
    {"headroom.model.cache.hits",
     counter,
     "{request}",
     "Times that it was in memory then.",
     {"model"},
     model_cache<&MetricFacts::ModelGroup::hits>},
    {"headroom.model.unloads",
     counter,
     "{model}",
     "Models that were asked to go: their memory was freed, or it was kept.",
     {"result"},
     [](const Facts& f, Sink& s) {
       counted_pair<&MetricCounts::unloaded, &MetricCounts::kept>(f, s, "freed", "kept");
     }},
    {"headroom.component.allocation",
     gauge,
     "",
     "What a component has been given, in the unit of its setter.",
     {"component", "setter"},
     component_amount<&ComponentAmount::has>},
    {"headroom.component.demand",
     gauge,
     "",
     "What it would be given if there were enough, in the unit of its setter.",
     {"component", "setter"},
     known_amount<&ComponentAmount::demand>},
    {"headroom.component.quota.min",
     gauge,
     "",
     "The least that it is given, in the unit of its setter.",
     {"component", "setter"},
     component_amount<&ComponentAmount::least>},
    {"headroom.component.quota.max",
     gauge,
     "",
     "The most that it is given, in the unit of its setter.",
     {"component", "setter"},
     known_amount<&ComponentAmount::most>},
    {"headroom.forecast.demand",
     gauge,
     "",
     "What it is expected to use in a quarter of an hour, in the unit of its setter.",
     {"component", "setter"},
     known_amount<&ComponentAmount::forecast>},
    {"headroom.forecast.confidence",
     gauge,
     "1",
     "The probability that it will be within 10 % of headroom_forecast_demand.",
     {"component", "setter"},
     known_quality<&ComponentAmount::sure>},
    {"headroom.forecast.error",
     gauge,
     "1",
     "Of its forecasts until now, over that of assuming that the last value stays; 1: no better.",
     {"component", "setter"},
     known_quality<&ComponentAmount::error>},
    {"headroom.cost.per_hour",
     gauge,
     "",
     "What the node costs in an hour: what leases have booked of it, and what lies idle.",
     {"part"},
     [](const Facts& f, Sink& s) {
       if (!f.view->cost) return;
       const double leases = f.view->cost->leases_per_hour.value();
       s.real({"leases"}, leases);
       s.real({"idle"}, std::max(0.0, f.view->cost->per_hour.value() - leases));
     }},
    {"headroom.cost.month",
     gauge,
     "",
     "What the node has cost in this month.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.view->cost) s.real({}, f.view->cost->spent.value());
     }},
    {"headroom.cost.budget",
     gauge,
     "",
     "What the node may cost in a month.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.view->cost && f.view->cost->budget > Money()) s.real({}, f.view->cost->budget.value());
     }},
    {"headroom.setter.calls",
     counter,
     "{call}",
     "Things that a component was asked to set, by what came of it.",
     {"component", "result"},
     setter_calls},
    {"headroom.cleanups",
     counter,
     "{cleanup}",
     "Cleanups that somebody asked for, by whether they reached what was wanted.",
     {"result"},
     [](const Facts& f, Sink& s) {
       counted_pair<&MetricCounts::cleanups, &MetricCounts::short_cleanups>(f, s, "done", "short");
     }},
    {"headroom.hook.calls",
     counter,
     "{call}",
     "Asks of hooks, by what became of them.",
     {"hook", "result"},
     [](const Facts& f, Sink& s) {
       if (counts(f) == nullptr) return;
       for (const MetricCounts::HookCalls& calls : counts(f)->hooks) {
         for (std::size_t i = 0; i < calls.results.size(); ++i) {
           if (calls.results[i] == 0) continue;
           s.whole({calls.hook, to_string(static_cast<HookResult>(i))},
                   static_cast<std::int64_t>(calls.results[i]));
         }
       }
     }},
    {"headroom.hook.duration",
     histogram,
     "s",
     "From the ask of a hook to its answer.",
     {"hook"},
     [](const Facts& f, Sink& s) {
       if (counts(f) == nullptr) return;
       for (const MetricCounts::HookCalls& calls : counts(f)->hooks) {
         spread(s, {calls.hook}, calls.took);
       }
     }},
    {"headroom.freed",
     counter,
     "By",
     "What cleanups were seen to bring back.",
     {"resource"},
     [](const Facts& f, Sink& s) {
       counted_pair<&MetricCounts::freed_memory, &MetricCounts::freed_gpu_memory>(f, s, "memory",
                                                                                  "gpu_memory");
     }},
    {"headroom.decision.duration",
     histogram,
     "s",
     "How long one decision took.",
     {},
     [](const Facts& f, Sink& s) {
       if (counts(f) != nullptr) spread(s, {}, counts(f)->decisions);
     }},
    {"headroom.sensor_up",
     gauge,
     "",
     "1 where a sensor answers; else 0, and why.",
     {"sensor", "reason"},
     sensors},
    {"headroom.http.requests",
     counter,
     "{request}",
     "Requests answered.",
     {"route", "code"},
     http_requests},
    {"headroom.http.request.duration",
     histogram,
     "s",
     "From a request's last byte to its answer.",
     {},
     [](const Facts& f, Sink& s) {
       if (counts(f) != nullptr) spread(s, {}, counts(f)->requests);
     }},
    {"headroom.http.connections",
     gauge,
     "{connection}",
     "Connections open now.",
     {},
     cost<&Costs::connections>},
    {"headroom.http.refused_connections",
     counter,
     "{connection}",
     "Connections refused because there were too many.",
     {},
     cost<&Costs::refused_connections>},
    {"headroom.http.bad_requests",
     counter,
     "{request}",
     "Requests that were no HTTP.",
     {},
     cost<&Costs::bad_requests>},
    {"headroom.http.dropped_streams",
     counter,
     "{stream}",
     "Streams whose reader was too slow.",
     {},
     cost<&Costs::dropped_streams>},
    {"headroom.events",
     counter,
     "{event}",
     "Events since the start.",
     {},
     cost<&Costs::events_total>},
    {"headroom.journal_failures",
     counter,
     "{record}",
     "Records that could not be kept.",
     {},
     cost<&Costs::journal_failures>},
    {"headroom.loop_overruns",
     counter,
     "{turn}",
     "Turns of the loop that took over 10 ms.",
     {},
     cost<&Costs::loop_overruns>},
    {"headroom.notification_failures",
     counter,
     "{notification}",
     "People and programs that could not be told of an alert.",
     {},
     cost<&Costs::notifications_failed>},
    {"headroom.history", gauge, "By", "History on disk.", {}, cost<&Costs::history_bytes>},
    {.name = "headroom.process.cpu.time",
     .kind = counter,
     .unit = "s",
     .help = "Processor time of the daemon.",
     .read =
         [](const Facts& f, Sink& s) {
           if (f.sample != nullptr) give(s, {}, f.sample->own.cpu_total);
         },
     .prometheus = "process_cpu_seconds_total"},
    {.name = "headroom.process.memory.resident",
     .unit = "By",
     .help = "Resident memory of the daemon.",
     .read =
         [](const Facts& f, Sink& s) {
           if (f.sample != nullptr) give(s, {}, f.sample->own.resident);
         },
     .prometheus = "process_resident_memory_bytes"},
    {.name = "headroom.process.open_fds",
     .help = "Files and sockets that the daemon has open.",
     .read =
         [](const Facts& f, Sink& s) {
           if (counts(f) != nullptr) give(s, {}, counts(f)->open_files);
         },
     .prometheus = "process_open_fds"},

    // The five names of the specification of ML pipelines.
    {"ml_resource_cpu_percent",
     gauge,
     "%",
     "Processors in use, 0 to 100.",
     {},
     [](const Facts& f, Sink& s) {
       if (f.sample != nullptr && f.sample->cpu.busy) s.real({}, f.sample->cpu.busy->percent());
     },
     MetricSet::seed,
     MetricSince::daemon,
     true},
    {"ml_resource_memory_percent",
     gauge,
     "%",
     "Memory in use, 0 to 100.",
     {},
     seed_memory,
     MetricSet::seed,
     MetricSince::daemon,
     true},
    {"ml_resource_allocation_adjustments",
     counter,
     "{adjustment}",
     "Changes of what a component may use.",
     {"component", "resource", "result"},
     adjustments,
     MetricSet::seed,
     MetricSince::daemon,
     true},
    {"ml_resource_pressure_events",
     counter,
     "{event}",
     "Times that a resource rose to a level.",
     {"resource", "level"},
     pressure_events,
     MetricSet::seed,
     MetricSince::daemon,
     true},
    {"ml_resource_prediction_accuracy",
     gauge,
     "",
     "How right forecasts were, 0 to 1.",
     {"component"},
     prediction_accuracy,
     MetricSet::seed,
     MetricSince::daemon,
     true},

    // The names of NVIDIA's exporter.
    {"DCGM_FI_DEV_GPU_UTIL",
     gauge,
     "",
     "GPU utilization, percent.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) {
       dcgm(f, s, [](const GpuReading& g) {
         return g.busy ? std::optional(g.busy->percent()) : std::nullopt;
       });
     },
     MetricSet::dcgm},
    {"DCGM_FI_DEV_FB_USED",
     gauge,
     "",
     "Memory in use, MiB.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) {
       dcgm(f, s, [](const GpuReading& g) {
         return g.memory_used ? std::optional(static_cast<double>(g.memory_used->count()) / kMiB)
                              : std::nullopt;
       });
     },
     MetricSet::dcgm},
    {"DCGM_FI_DEV_FB_FREE",
     gauge,
     "",
     "Memory free, MiB.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) {
       dcgm(f, s, [](const GpuReading& g) {
         if (!g.memory_used) return std::optional<double>();
         const Bytes free = g.memory_total - *g.memory_used - g.memory_reserved;
         return std::optional(static_cast<double>(free.count()) / kMiB);
       });
     },
     MetricSet::dcgm},
    {"DCGM_FI_DEV_GPU_TEMP",
     gauge,
     "",
     "GPU temperature, degrees Celsius.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) { dcgm(f, s, [](const GpuReading& g) { return g.celsius; }); },
     MetricSet::dcgm},
    {"DCGM_FI_DEV_POWER_USAGE",
     gauge,
     "",
     "Power draw, watts.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) { dcgm(f, s, [](const GpuReading& g) { return g.watts; }); },
     MetricSet::dcgm},
    {"DCGM_FI_DEV_SM_CLOCK",
     gauge,
     "",
     "Clock of the processors, MHz.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) { dcgm(f, s, [](const GpuReading& g) { return g.clock; }); },
     MetricSet::dcgm},
    {"DCGM_FI_DEV_MEM_CLOCK",
     gauge,
     "",
     "Clock of the memory, MHz.",
     {"gpu", "UUID", "modelName", "Hostname"},
     [](const Facts& f, Sink& s) {
       dcgm(f, s, [](const GpuReading& g) { return g.memory_clock; });
     },
     MetricSet::dcgm},
};

std::vector<MetricFamily> make_families() {
  std::vector<MetricFamily> families;
  families.reserve(std::size(kRows));
  for (const Row& row : kRows) {
    MetricFamily family;
    family.name = row.name;
    family.prometheus = row.prometheus.empty() ? prometheus_name(row.name, row.unit, row.kind)
                                               : std::string(row.prometheus);
    family.kind = row.kind;
    family.unit = row.unit;
    family.help = row.help;
    string_view stem = family.prometheus;
    if (stem.ends_with("_total")) stem.remove_suffix(6);
    const string_view word = metric_unit_word(row.unit, row.kind);
    if (!word.empty() && stem.ends_with("_" + std::string(word))) family.unit_suffix = word;
    for (const string_view attribute : row.attributes) {
      if (attribute.empty()) break;
      family.attributes.push_back(attribute);
      family.labels.push_back(prometheus_label(attribute));
    }
    family.set = row.set;
    family.since = row.since;
    family.named_when_empty = row.named_when_empty;
    family.read = row.read;
    families.push_back(std::move(family));
  }
  return families;
}

}  // namespace

const std::vector<MetricFamily>& metric_families() {
  static const std::vector<MetricFamily> kFamilies = make_families();
  return kFamilies;
}

}  // namespace headroom::serve
