#include "serve/specs.hpp"

#include <algorithm>
#include <cstdio>

#include "serve/documents.hpp"

namespace headroom::serve {
namespace {

double gib(std::int64_t bytes) { return static_cast<double>(bytes) / (1LL << 30); }

double percent(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

// The specification's formats know no absent number: what is not there is 0, with gpu.available
// false beside it.
struct GpuTotals {
  bool available = false;
  std::int64_t used = 0;
  std::int64_t total = 0;
  double busy = 0;         // mean over devices, percent
  double temperature = 0;  // the hottest
};

GpuTotals gpu_totals(const View& view) {
  GpuTotals t;
  if (!view.sample) return t;
  for (const GpuReading& gpu : view.sample->gpus) {
    t.available = true;
    t.total += gpu.memory_total.count();
    t.used += gpu.memory_used.value_or(Bytes()).count();
    t.busy += gpu.busy.value_or(Ratio()).percent();
    t.temperature = std::max(t.temperature, gpu.celsius.value_or(0.0));
  }
  if (t.available) t.busy /= static_cast<double>(view.sample->gpus.size());
  return t;
}

double network_rate(const View& view) {
  double sum = 0;
  if (!view.sample) return 0;
  for (const NetworkReading& n : view.sample->networks) {
    if (n.name == "lo") continue;
    sum += n.received_per_second.value_or(0) + n.sent_per_second.value_or(0);
  }
  return sum;
}

double epoch(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

const char* spec_type(Resource resource) {
  return resource == Resource::memory ? "cpu_memory" : to_string(resource);
}

// An amount measured per window for the specification's averages.
double average(Backend& backend, const std::string& series) {
  const auto answer = backend.history({series, std::chrono::seconds(300), std::chrono::seconds(0)});
  return answer ? answer->average.value_or(0.0) : 0.0;
}

}  // namespace

void write_monitoring_status(Json& json, const View& view, bool with_time) {
  json.open();
  const WallTime at = view.sample ? view.sample->at.wall : view.at.wall;
  if (with_time) json.time("timestamp", at);
  const Sample empty;
  const Sample& s = view.sample ? *view.sample : empty;
  const Bytes total = s.memory.total.value_or(Bytes());
  const Bytes available = s.memory.available.value_or(Bytes());
  json.open("cpu")
      .real("usage_percent", s.cpu.busy.value_or(Ratio()).percent())
      .real("memory_used_gb", gib((total - available).count()))
      .real("memory_available_gb", gib(available.count()))
      .real("memory_percent", percent((total - available).count(), total.count()))
      .close();
  const GpuTotals gpu = gpu_totals(view);
  json.open("gpu")
      .boolean("available", gpu.available)
      .real("memory_used_gb", gib(gpu.used))
      .real("memory_total_gb", gib(gpu.total))
      .real("memory_percent", percent(gpu.used, gpu.total))
      .real("utilization", gpu.busy)
      .real("temperature", gpu.temperature)
      .list("devices");
  for (const GpuReading& one : s.gpus) {
    json.open()
        .text("id", one.id)
        .text("name", one.name)
        .real("memory_used_gb", gib(one.memory_used.value_or(Bytes()).count()))
        .real("memory_total_gb", gib(one.memory_total.count()))
        .ratio("busy_ratio", one.busy)
        .real("temperature", one.celsius)
        .close();
  }
  json.end_list().close();
  Amounts managed;
  for (const LeaseView& lease : view.leases) {
    if (!lease.measured || lease.lease.parent != 0) continue;
    managed.memory += lease.measured->memory;
    managed.gpu_memory += lease.measured->gpu_memory;
  }
  json.open("process")
      .real("memory_gb", gib(managed.memory.count()))
      .real("gpu_memory_gb", gib(managed.gpu_memory.count()))
      .close();
  json.open("pressure");
  for (const Pressure& p : view.pressures) {
    if (p.device.empty()) json.text(to_string(p.resource), to_string(p.level));
  }
  json.close().close();
}

void write_monitoring_alert(Json& json, const Alert& a) {
  json.open()
      .time("timestamp", a.since)
      .text("severity", to_string(a.level))
      .text("type", spec_type(a.resource))
      .text("message", a.text)
      .real("value", a.value)
      .real("threshold", a.threshold)
      .text("id", "a" + std::to_string(a.id))
      .text("state", a.ended ? "ended" : "open")
      .time("since", a.since)
      .list("recommendations");
  for (const std::string& one : recommendations(a)) json.text(one);
  json.end_list().close();
}

void write_monitoring_report(Json& json, Backend& backend) {
  const auto view = backend.view();
  std::string current;
  Json inner(current);
  write_monitoring_status(inner, *view, false);
  json.open()
      .time("timestamp", view->sample ? view->sample->at.wall : view->at.wall)
      .raw("current", current)
      .open("average_5min")
      .real("cpu_percent", average(backend, "cpu"))
      .real("cpu_memory_percent", average(backend, "memory"));
  double memory = 0;
  double busy = 0;
  int count = 0;
  if (view->sample) {
    for (const GpuReading& gpu : view->sample->gpus) {
      memory += average(backend, "gpu_memory:" + gpu.id);
      busy += average(backend, "gpu_utilization:" + gpu.id);
      ++count;
    }
  }
  json.real("gpu_memory_percent", count > 0 ? memory / count : 0.0)
      .real("gpu_utilization", count > 0 ? busy / count : 0.0)
      .close()
      .open("allocated_resources");
  for (const LeaseView& lease : view->leases) {
    const Lease& l = lease.lease;
    if (l.state == LeaseState::waiting || l.state == LeaseState::ended) continue;
    // Keys are read as they are: a name is escaped as a text would be.
    std::string key;
    Json(key).text(l.name.empty() ? "l-" + std::to_string(l.id)
                                  : l.name + "_l-" + std::to_string(l.id));
    json.open(std::string_view(key).substr(1, key.size() - 2))
        .real("cpu_memory_gb", gib(l.booked.memory.count()))
        .real("gpu_memory_gb", gib(l.booked.gpu_memory.count()))
        .time("timestamp", l.granted.wall)
        .close();
  }
  json.close().open("cached_models").close();
  std::vector<const Alert*> recent;
  int critical = 0;
  int warnings = 0;
  for (const Alert& alert : view->alerts) {
    recent.push_back(&alert);
    (alert.level >= Level::critical ? critical : warnings) += 1;
  }
  const std::size_t from = recent.size() > 5 ? recent.size() - 5 : 0;
  json.open("alerts")
      .number("total", static_cast<std::int64_t>(recent.size()))
      .number("critical", critical)
      .number("warnings", warnings)
      .list("recent");
  for (std::size_t i = from; i < recent.size(); ++i) write_monitoring_alert(json, *recent[i]);
  json.end_list().close().text("health_status", health_word(view->health)).close();
}

void write_monitoring_history(Json& json, Backend& backend, std::chrono::seconds window) {
  struct Column {
    const char* name;
    HistoryAnswer answer;
  };
  std::vector<Column> columns;
  for (const auto& [name, series] :
       {std::pair("cpu_percent", "cpu"), std::pair("cpu_memory_percent", "memory")}) {
    auto answer = backend.history({series, window, std::chrono::seconds(0)});
    columns.push_back({name, answer ? std::move(*answer) : HistoryAnswer()});
  }
  const auto view = backend.view();
  if (view->sample && !view->sample->gpus.empty()) {
    const std::string& id = view->sample->gpus.front().id;
    for (const auto& [name, series] : {std::pair("gpu_memory_percent", "gpu_memory:" + id),
                                       std::pair("gpu_utilization", "gpu_utilization:" + id)}) {
      auto answer = backend.history({series, window, std::chrono::seconds(0)});
      columns.push_back({name, answer ? std::move(*answer) : HistoryAnswer()});
    }
  }
  const auto& times = columns.front().answer.points;
  json.open()
      .number("window_seconds", std::int64_t{window.count()})
      .number("data_points", static_cast<std::int64_t>(times.size()));
  if (columns.front().answer.oldest) {
    json.time("oldest", *columns.front().answer.oldest);
  } else {
    json.null("oldest");
  }
  json.open("statistics");
  for (const Column& column : columns) {
    json.open(column.name)
        .real("avg", column.answer.average)
        .real("max", column.answer.max)
        .real("min", column.answer.min)
        .close();
  }
  json.close().list("history");
  for (std::size_t i = 0; i < times.size(); ++i) {
    json.open().time("timestamp", times[i].first);
    for (const Column& column : columns) {
      const auto& points = column.answer.points;
      json.real(column.name, i < points.size() ? points[i].second : std::optional<double>());
    }
    json.close();
  }
  json.end_list().close();
}

void write_resources(Json& json, const View& view, ResourcePath path, WallTime now) {
  const Sample empty;
  const Sample& s = view.sample ? *view.sample : empty;
  const GpuTotals gpu = gpu_totals(view);
  const bool all = path == ResourcePath::all;
  json.open();
  if (all || path == ResourcePath::cpu) {
    json.real("cpu_percent", s.cpu.busy.value_or(Ratio()).percent());
  }
  if (all || path == ResourcePath::memory) {
    const Bytes used = s.memory.total.value_or(Bytes()) - s.memory.available.value_or(Bytes());
    json.real("memory_usage_mb", static_cast<double>(used.count()) / (1 << 20));
  }
  if (all || path == ResourcePath::gpu) {
    json.real("gpu_percent", gpu.busy).real("gpu_memory_percent", percent(gpu.used, gpu.total));
    json.boolean("gpu_available", gpu.available);
  }
  if (all || path == ResourcePath::network) {
    json.real("network_usage_bytes_per_second", network_rate(view));
  }
  // Epoch seconds, as this document has them; seven digits would not do.
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", epoch(s.number > 0 ? s.at.wall : now));
  json.raw("timestamp", text).close();
}

}  // namespace headroom::serve
