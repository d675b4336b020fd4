#include "serve/prometheus.hpp"

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>

#include "serve/documents.hpp"

namespace headroom::serve {
namespace {

using Label = std::pair<std::string_view, std::string_view>;

// Writes families one after the other; a value that is absent is not written.
class Text {
 public:
  explicit Text(std::string& out) : out_(out) {}

  Text& family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name);
    out_.append(" ").append(type).append("\n");
    return *this;
  }
  Text& value(std::initializer_list<Label> labels, double value) {
    if (!std::isfinite(value)) return *this;
    out_ += name_;
    char separator = '{';
    for (const auto& [key, text] : labels) {
      if (text.empty()) continue;
      out_ += separator;
      separator = ',';
      out_.append(key).append("=\"");
      for (const char c : text) {
        if (c == '\\' || c == '"') out_ += '\\';
        out_ += c == '\n' ? ' ' : c;
      }
      out_ += '"';
    }
    if (separator == ',') out_ += '}';
    char digits[40];
    const auto [end, error] =
        value == std::floor(value) && std::abs(value) < 1e18
            ? std::to_chars(digits, digits + sizeof digits, static_cast<std::int64_t>(value))
            : std::to_chars(digits, digits + sizeof digits, value);
    (void)error;  // the shortest form of a double has at most 24 characters
    out_ += ' ';
    out_.append(digits, end);
    out_ += '\n';
    return *this;
  }
  template <class T>
  Text& maybe(std::initializer_list<Label> labels, const std::optional<T>& v) {
    if (!v) return *this;
    if constexpr (std::is_same_v<T, double>) return value(labels, *v);
    if constexpr (std::is_same_v<T, Bytes>) return value(labels, static_cast<double>(v->count()));
    if constexpr (std::is_same_v<T, Ratio>) return value(labels, v->value());
    return *this;
  }

 private:
  std::string& out_;
  std::string_view name_;
};

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

double amount(const Room& room, std::int64_t value) {
  return room.resource == Resource::cpu ? static_cast<double>(value) / 1000.0
                                        : static_cast<double>(value);
}

void readings(Text& text, const Sample& s) {
  text.family("system_cpu_utilization_ratio", "gauge", "Share of time the processors were busy.");
  text.maybe({}, s.cpu.busy);
  text.family("system_cpu_time_seconds_total", "counter", "Time of all processors since boot.");
  text.value({{"cpu_mode", "busy"}}, seconds(s.cpu.busy_total));
  text.value({{"cpu_mode", "idle"}}, seconds(s.cpu.idle_total));
  const MemoryReading& m = s.memory;
  text.family("system_memory_usage_bytes", "gauge", "Memory by state.");
  if (m.total && m.available) {
    text.value({{"system_memory_state", "used"}},
               static_cast<double>((*m.total - *m.available).count()));
  }
  text.maybe({{"system_memory_state", "free"}}, m.free);
  text.maybe({{"system_memory_state", "cached"}}, m.cached);
  text.family("system_memory_limit_bytes", "gauge",
              "Memory of the machine, or the limit above this node.");
  text.maybe({}, m.limit ? m.limit : m.total);
  text.family("system_memory_linux_available_bytes", "gauge", "MemAvailable.");
  text.maybe({}, m.available);
  text.family("system_paging_usage_bytes", "gauge", "Swap by state.");
  text.maybe({{"system_paging_state", "free"}}, m.swap_free);
  if (m.swap_total && m.swap_free) {
    text.value({{"system_paging_state", "used"}},
               static_cast<double>((*m.swap_total - *m.swap_free).count()));
  }
  text.family("system_filesystem_usage_bytes", "gauge", "Space by state.");
  for (const FilesystemReading& f : s.filesystems) {
    text.value({{"system_filesystem_mountpoint", f.mount}, {"system_filesystem_state", "free"}},
               static_cast<double>(f.available.count()));
    text.value({{"system_filesystem_mountpoint", f.mount}, {"system_filesystem_state", "used"}},
               static_cast<double>((f.total - f.free).count()));
  }
  text.family("system_disk_io_bytes_total", "counter", "Bytes moved.");
  for (const DiskReading& d : s.disks) {
    text.value({{"system_device", d.name}, {"disk_io_direction", "read"}},
               static_cast<double>(d.read_total));
    text.value({{"system_device", d.name}, {"disk_io_direction", "write"}},
               static_cast<double>(d.written_total));
  }
  text.family("system_network_io_bytes_total", "counter", "Bytes moved.");
  for (const NetworkReading& n : s.networks) {
    text.value({{"network_interface_name", n.name}, {"network_io_direction", "receive"}},
               static_cast<double>(n.received_total));
    text.value({{"network_interface_name", n.name}, {"network_io_direction", "transmit"}},
               static_cast<double>(n.sent_total));
  }
  if (!s.gpus.empty()) {
    text.family("hw_gpu_utilization_ratio", "gauge", "Share of time the device was busy.");
    for (const GpuReading& g : s.gpus) text.maybe({{"hw_id", g.id}}, g.busy);
    text.family("hw_gpu_memory_usage_bytes", "gauge", "Memory used on the device.");
    for (const GpuReading& g : s.gpus) text.maybe({{"hw_id", g.id}}, g.memory_used);
    text.family("hw_gpu_memory_limit_bytes", "gauge", "Memory of the device.");
    for (const GpuReading& g : s.gpus) {
      text.value({{"hw_id", g.id}}, static_cast<double>(g.memory_total.count()));
    }
    text.family("hw_temperature_celsius", "gauge", "Temperature of the device.");
    for (const GpuReading& g : s.gpus) text.maybe({{"hw_parent", g.id}}, g.celsius);
    text.family("hw_power_watts", "gauge", "Power of the device.");
    for (const GpuReading& g : s.gpus) text.maybe({{"hw_id", g.id}}, g.watts);
  }
  text.family("headroom_stall_ratio", "gauge", "Share of time that tasks waited for a resource.");
  const auto stall = [&](std::string_view resource, std::string_view kind,
                         const std::optional<StallLine>& line) {
    if (!line) return;
    text.value({{"resource", resource}, {"kind", kind}, {"window", "10s"}}, line->avg10.value());
    text.value({{"resource", resource}, {"kind", kind}, {"window", "60s"}}, line->avg60.value());
  };
  stall("cpu", "some", s.stall.cpu_some);
  stall("memory", "some", s.stall.memory_some);
  stall("memory", "full", s.stall.memory_full);
  stall("io", "some", s.stall.io_some);
  stall("io", "full", s.stall.io_full);
  text.family("sensor_up", "gauge", "1 where a sensor answers.");
  for (const Absence& a : s.absent) text.value({{"sensor", a.sensor}}, 0);
}

void decisions(Text& text, const View& view) {
  const auto rooms = [&](std::string_view name, std::string_view help, auto member) {
    text.family(name, "gauge", help);
    for (const Room& room : view.rooms) {
      if (room.resource == Resource::cpu) continue;
      const std::optional<std::int64_t> value = member(room);
      if (value) {
        text.value({{"resource", to_string(room.resource)}, {"device", room.device}},
                   static_cast<double>(*value));
      }
    }
  };
  using Maybe = std::optional<std::int64_t>;
  rooms("headroom_room_bytes", "What can still be booked.", [](const Room& r) { return r.room; });
  rooms("headroom_booked_bytes", "What leases have booked.",
        [](const Room& r) { return Maybe(r.booked); });
  rooms("headroom_reserved_bytes", "What is never booked.",
        [](const Room& r) { return Maybe(r.reserve); });
  rooms("headroom_unbooked_bytes", "What is used and was booked by nobody.",
        [](const Room& r) { return Maybe(r.unbooked); });
  text.family("headroom_room_cores", "gauge", "Processors that can still be booked.");
  for (const Room& room : view.rooms) {
    if (room.resource == Resource::cpu && room.room) text.value({}, amount(room, *room.room));
  }
  text.family("headroom_pressure_level", "gauge", "0 ok, 1 warning, 2 critical, 3 emergency.");
  for (const Pressure& p : view.pressures) {
    text.value({{"resource", to_string(p.resource)}, {"device", p.device}},
               static_cast<int>(p.level));
  }
  text.family("headroom_health_level", "gauge", "0 healthy, 1 moderate, 2 critical.");
  text.value({}, std::min(2, static_cast<int>(view.health)));
  std::map<std::pair<std::string_view, std::string_view>, int> open;
  for (const Alert& alert : view.alerts) {
    if (!alert.ended) ++open[{to_string(alert.level), to_string(alert.resource)}];
  }
  text.family("headroom_alerts_open", "gauge", "Alerts that are open now.");
  for (const auto& [key, count] : open) {
    text.value({{"severity", key.first}, {"resource", key.second}}, count);
  }
  int held = 0;
  int waiting = 0;
  Amounts booked;
  Amounts used;
  for (const LeaseView& lease : view.leases) {
    if (lease.lease.state == LeaseState::ended) continue;
    if (lease.lease.state == LeaseState::waiting) {
      ++waiting;
      continue;
    }
    ++held;
    if (lease.lease.parent != 0) continue;
    booked.memory += lease.lease.booked.memory;
    booked.gpu_memory += lease.lease.booked.gpu_memory;
    if (lease.measured) {
      used.memory += lease.measured->memory;
      used.gpu_memory += lease.measured->gpu_memory;
    }
  }
  text.family("headroom_leases", "gauge", "Leases that are held.").value({}, held);
  text.family("headroom_leases_waiting", "gauge", "Requests in the queue.").value({}, waiting);
  text.family("headroom_lease_booked_bytes", "gauge", "What all leases have booked.");
  text.value({{"resource", "memory"}}, static_cast<double>(booked.memory.count()));
  text.value({{"resource", "gpu_memory"}}, static_cast<double>(booked.gpu_memory.count()));
  text.family("headroom_lease_used_bytes", "gauge", "What the holders of all leases use.");
  text.value({{"resource", "memory"}}, static_cast<double>(used.memory.count()));
  text.value({{"resource", "gpu_memory"}}, static_cast<double>(used.gpu_memory.count()));
}

}  // namespace

std::string metrics_text(Backend& backend) {
  std::string out;
  out.reserve(16384);
  Text text(out);
  const auto view = backend.view();
  const NodeFacts& node = backend.node();
  const Instant now = backend.now();
  text.family("headroom_build_info", "gauge", "Which headroom this is.");
  text.value({{"version", node.version}}, 1);
  text.family("headroom_start_time_seconds", "gauge", "When the daemon was started.");
  text.value({}, seconds(node.started.wall.time_since_epoch()));
  if (view->sample) {
    const Sample& s = *view->sample;
    text.family("headroom_sample_age_seconds", "gauge", "Age of the readings.");
    text.value({}, seconds(now.boot - s.at.boot));
    text.family("headroom_sample_duration_seconds", "gauge", "How long reading the machine took.");
    text.value({}, seconds(s.took));
    readings(text, s);
    if (s.memory.total && s.memory.available) {
      text.family("ml_resource_memory_percent", "gauge", "Memory in use, 0 to 100.");
      text.value({}, 100.0 * static_cast<double>((*s.memory.total - *s.memory.available).count()) /
                         static_cast<double>(s.memory.total->count()));
    }
    if (s.cpu.busy) {
      text.family("ml_resource_cpu_percent", "gauge", "Processors in use, 0 to 100.");
      text.value({}, s.cpu.busy->percent());
    }
    text.family("process_cpu_seconds_total", "counter", "Processor time of the daemon.");
    text.value({}, seconds(s.own.cpu_total));
    text.family("process_resident_memory_bytes", "gauge", "Resident memory of the daemon.");
    text.maybe({}, s.own.resident);
  }
  decisions(text, *view);
  const Costs costs = backend.costs();
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    text.family(name, "counter", help).value({}, static_cast<double>(value));
  };
  counter("headroom_http_requests_total", "Requests answered.", costs.requests);
  counter("headroom_http_refused_connections_total",
          "Connections refused because there were too many.", costs.refused_connections);
  counter("headroom_http_bad_requests_total", "Requests that were no HTTP.", costs.bad_requests);
  counter("headroom_http_dropped_streams_total", "Streams whose reader was too slow.",
          costs.dropped_streams);
  counter("headroom_events_total", "Events since the start.", costs.events_total);
  counter("headroom_journal_failures_total", "Records that could not be kept.",
          costs.journal_failures);
  counter("headroom_loop_overruns_total", "Turns of the loop that took over 10 ms.",
          costs.loop_overruns);
  text.family("headroom_http_connections", "gauge", "Connections open now.");
  text.value({}, static_cast<double>(costs.connections));
  return out;
}

}  // namespace headroom::serve
