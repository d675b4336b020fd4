#include "serve/specs.hpp"

#include <algorithm>
#include <cstdio>

#include "serve/advice.hpp"
#include "serve/documents.hpp"
#include "serve/model_document.hpp"
#include "serve/schema.hpp"

namespace headroom::serve {
namespace {

double gib(Bytes bytes) { return static_cast<double>(bytes.count()) / (1LL << 30); }

double percent(Bytes part, Bytes whole) {
  return whole.count() > 0
             ? 100.0 * static_cast<double>(part.count()) / static_cast<double>(whole.count())
             : 0.0;
}

// The specification's formats know no absent number: what is not there is 0, with gpu.available
// false beside it.
struct GpuTotals {
  const Sample& sample;
  bool available = false;
  Bytes used;
  Bytes total;
  double busy = 0;         // mean over the devices that say, percent
  double temperature = 0;  // the hottest
};

GpuTotals gpu_totals(const Sample& sample) {
  GpuTotals t{sample, false, {}, {}, 0, 0};
  int busy = 0;  // devices that say so
  for (const GpuReading& gpu : sample.gpus) {
    t.available = true;
    t.total += gpu.memory_total;
    t.used += gpu.memory_used.value_or(Bytes());
    if (gpu.busy) {
      t.busy += gpu.busy->percent();
      ++busy;
    }
    t.temperature = std::max(t.temperature, gpu.celsius.value_or(0.0));
  }
  if (busy > 0) t.busy /= busy;
  return t;
}

const Sample& sample_of(const View& view) {
  static const Sample kNone;
  return view.sample ? *view.sample : kNone;
}

WallTime time_of(const View& view) { return view.sample ? view.sample->at.wall : view.at.wall; }

double network_rate(const Sample& sample) {
  double sum = 0;
  for (const NetworkReading& n : sample.networks) {
    if (n.name == "lo") continue;
    sum += n.received_per_second.value_or(0) + n.sent_per_second.value_or(0);
  }
  return sum;
}

// An amount measured per window for the specification's averages.
double average(Backend& backend, const std::string& series) {
  const auto answer = backend.history({series, std::chrono::seconds(300), std::chrono::seconds(0)});
  return answer ? answer->average.value_or(0.0) : 0.0;
}

struct CpuStatus {
  const Sample& sample;
  Bytes total() const { return sample.memory.total.value_or(Bytes()); }
  Bytes available() const { return sample.memory.available.value_or(Bytes()); }
};
struct GpuStatus {
  const GpuReading& gpu;
};
struct ProcessStatus {
  Bytes memory;
  Bytes gpu_memory;
};
struct Status {
  const View& view;
  const ProcessReading* process;
};
// The same with its time.
struct TimedStatus {
  Status status;
};
struct SpecAlert {
  const Alert& alert;
};
struct Averages {
  double cpu = 0;
  double memory = 0;
  double gpu_memory = 0;
  double gpu_busy = 0;
};
struct Allocation {
  const Lease& lease;
};
struct AlertCounts {
  const View& view;
};
struct Report {
  const View& view;
  Averages averages;
};
struct SeriesStatistics {
  const HistoryAnswer& answer;
};
struct Column {
  const char* name;
  HistoryAnswer answer;
};
struct Columns {
  std::chrono::seconds window;
  std::vector<Column> columns;
};
// One moment of all columns.
struct Moment {
  const Columns& columns;
  std::size_t at;
  LeftOut<std::optional<double>> value(std::string_view name) const {
    for (const Column& column : columns.columns) {
      if (column.name != name) continue;
      const auto& points = column.answer.points;
      return {at < points.size() ? points[at].second : std::optional<double>()};
    }
    return {};
  }
};
struct Suggestions {
  const View& view;
};
struct SpecCleanup {
  const Freed& freed;
};
struct Resources {
  const Sample& sample;
  GpuTotals gpu;
  ResourcePath path;
  WallTime time;
  bool has(ResourcePath one) const { return path == one || path == ResourcePath::all; }
  template <class T>
  LeftOut<T> when(ResourcePath one, T value) const {
    return has(one) ? LeftOut<T>{value} : LeftOut<T>();
  }
};

// Its size, and when it was last used; where nobody knows, since when it is there.
using CachedModel = std::pair<double, std::optional<WallTime>>;

Keyed<CachedModel> cached_models(const View& view) {
  Keyed<CachedModel> out;
  for (const ModelView& model : view.models) {
    if (model.state == ModelState::known || model.state == ModelState::waiting) continue;
    const double size = gib(model.size.memory + model.size.gpu_memory);
    const auto used = model.used ? model.used : model.since;
    // In memory twice, it is one key: all of it, and the later use. They stand side by side.
    if (!out.items.empty() && out.items.back().first == model.model.name) {
      CachedModel& same = out.items.back().second;
      same.first += size;
      same.second = std::max(same.second, used);
    } else {
      out.items.emplace_back(model.model.name, CachedModel{size, used});
    }
  }
  return out;
}

std::string cleanup_message(const Freed& freed) {
  char text[96];
  std::snprintf(text, sizeof text, "Cleanup completed. CPU: %.1fGB freed, GPU: %.1fGB freed",
                gib(freed.memory), gib(freed.gpu_memory));
  return text;
}

// Whether all who were asked did as they were asked.
bool all_freed(const Freed& freed) {
  return std::all_of(freed.steps.begin(), freed.steps.end(), [](const FreeStep& step) {
    return step.outcome == FreeStep::Outcome::freed || step.outcome == FreeStep::Outcome::skipped;
  });
}

ProcessStatus process_status(const Status& status) {
  ProcessStatus sum;
  if (status.process != nullptr) {
    sum.memory = status.process->memory;
    for (const auto& [device, memory] : status.process->gpus) {
      sum.gpu_memory += memory.value_or(Bytes());
    }
    return sum;
  }
  for (const LeaseView& lease : status.view.leases) {
    if (!lease.measured || lease.lease.parent != 0) continue;
    sum.memory += lease.measured->memory;
    sum.gpu_memory += lease.measured->gpu_memory;
  }
  return sum;
}

std::size_t count_alerts(const View& view, bool critical) {
  return static_cast<std::size_t>(
      std::count_if(view.alerts.begin(), view.alerts.end(),
                    [&](const Alert& a) { return (a.level >= Level::critical) == critical; }));
}

}  // namespace

template <>
struct Described<CpuStatus> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"usage_percent", "",
            [](const CpuStatus& s) { return s.sample.cpu.busy.value_or(Ratio()).percent(); }},
      Field{"memory_used_gb", "Units of 2^30 bytes.",
            [](const CpuStatus& s) { return gib(s.total() - s.available()); }},
      Field{"memory_available_gb", "", [](const CpuStatus& s) { return gib(s.available()); }},
      Field{"memory_percent", "",
            [](const CpuStatus& s) { return percent(s.total() - s.available(), s.total()); }},
  };
};

template <>
struct Described<GpuStatus> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"id", "", [](const GpuStatus& s) -> const auto& { return s.gpu.id; }},
      Field{"name", "", [](const GpuStatus& s) -> const auto& { return s.gpu.name; }},
      Field{"memory_used_gb", "",
            [](const GpuStatus& s) { return gib(s.gpu.memory_used.value_or(Bytes())); }},
      Field{"memory_total_gb", "", [](const GpuStatus& s) { return gib(s.gpu.memory_total); }},
      Field{"busy_ratio", "", [](const GpuStatus& s) { return s.gpu.busy; }},
      Field{"temperature", "", [](const GpuStatus& s) { return s.gpu.celsius; }},
  };
};

template <>
struct Described<GpuTotals> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"available", "false: there is no GPU, and the numbers are 0.", &GpuTotals::available},
      Field{"memory_used_gb", "Of all devices.", [](const GpuTotals& t) { return gib(t.used); }},
      Field{"memory_total_gb", "", [](const GpuTotals& t) { return gib(t.total); }},
      Field{"memory_percent", "", [](const GpuTotals& t) { return percent(t.used, t.total); }},
      Field{"utilization", "Mean over devices, percent.", &GpuTotals::busy},
      Field{"temperature", "Of the hottest, Celsius.", &GpuTotals::temperature},
      Field{"devices", "",
            [](const GpuTotals& t) {
              std::vector<GpuStatus> out;
              for (const GpuReading& gpu : t.sample.gpus) out.push_back({gpu});
              return out;
            }},
  };
};

template <>
struct Described<ProcessStatus> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"memory_gb", "Of the leases' processes, or of the one that was asked for.",
            [](const ProcessStatus& s) { return gib(s.memory); }},
      Field{"gpu_memory_gb", "", [](const ProcessStatus& s) { return gib(s.gpu_memory); }},
  };
};

template <>
struct Described<Status> {
  static constexpr std::string_view name = "MonitoringCurrent";
  static constexpr auto fields = std::tuple{
      Field{"cpu", "", [](const Status& s) { return CpuStatus{sample_of(s.view)}; }},
      Field{"gpu", "", [](const Status& s) { return gpu_totals(sample_of(s.view)); }},
      Field{"process", "", [](const Status& s) { return process_status(s); }},
      Field{"pressure", "Levels of the node's own resources.",
            [](const Status& s) {
              Keyed<Level> levels;
              for (const Pressure& p : s.view.pressures) {
                if (p.device.empty()) levels.items.emplace_back(to_string(p.resource), p.level);
              }
              return levels;
            }},
  };
};

template <>
struct Described<TimedStatus> {
  static constexpr std::string_view name = "MonitoringStatus";
  static constexpr auto fields = std::tuple_cat(
      std::tuple{
          Field{"timestamp", "", [](const TimedStatus& t) { return time_of(t.status.view); }}},
      std::apply(
          [](const auto&... field) {
            return std::tuple{Field{
                field.name, field.about,
                [get = field.get](const TimedStatus& t) { return std::invoke(get, t.status); }}...};
          },
          Described<Status>::fields));
};

template <>
struct Described<SpecAlert> {
  static constexpr std::string_view name = "MonitoringAlert";
  static constexpr auto fields = std::tuple{
      Field{"timestamp", "", [](const SpecAlert& a) { return a.alert.since; }},
      Field{"severity", "", [](const SpecAlert& a) { return a.alert.level; }},
      Field{"type", "cpu_memory, gpu_memory, gpu_temperature, cpu, disk and so on.",
            [](const SpecAlert& a) -> std::string_view {
              return a.alert.resource == Resource::memory ? "cpu_memory"
                                                          : to_string(a.alert.resource);
            }},
      Field{"message", "", [](const SpecAlert& a) -> const auto& { return a.alert.text; }},
      Field{"value", "", [](const SpecAlert& a) { return a.alert.value; }},
      Field{"threshold", "", [](const SpecAlert& a) { return a.alert.threshold; }},
      Field{"id", "", [](const SpecAlert& a) { return "a" + std::to_string(a.alert.id); }},
      Field{
          "state", "open or ended.",
          [](const SpecAlert& a) -> std::string_view { return a.alert.ended ? "ended" : "open"; }},
      Field{"since", "", [](const SpecAlert& a) { return a.alert.since; }},
      Field{"recommendations", "", [](const SpecAlert& a) { return recommendations(a.alert); }},
  };
};

template <>
struct Described<Averages> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"cpu_percent", "", &Averages::cpu},
      Field{"cpu_memory_percent", "", &Averages::memory},
      Field{"gpu_memory_percent", "", &Averages::gpu_memory},
      Field{"gpu_utilization", "", &Averages::gpu_busy},
  };
};

template <>
struct Described<Allocation> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"cpu_memory_gb", "", [](const Allocation& a) { return gib(a.lease.booked.memory); }},
      Field{"gpu_memory_gb", "",
            [](const Allocation& a) { return gib(a.lease.booked.gpu_memory); }},
      Field{"timestamp", "", [](const Allocation& a) { return a.lease.granted.wall; }},
  };
};

template <>
struct Described<AlertCounts> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"total", "", [](const AlertCounts& c) { return std::uint64_t{c.view.alerts.size()}; }},
      Field{"critical", "",
            [](const AlertCounts& c) { return std::uint64_t{count_alerts(c.view, true)}; }},
      Field{"warnings", "",
            [](const AlertCounts& c) { return std::uint64_t{count_alerts(c.view, false)}; }},
      Field{"recent", "At most five, newest last.",
            [](const AlertCounts& c) {
              std::vector<SpecAlert> out;
              const auto& all = c.view.alerts;
              for (std::size_t i = all.size() > 5 ? all.size() - 5 : 0; i < all.size(); ++i) {
                out.push_back({all[i]});
              }
              return out;
            }},
  };
};

template <>
struct Described<Report> {
  static constexpr std::string_view name = "MonitoringReport";
  static constexpr auto fields = std::tuple{
      Field{"timestamp", "", [](const Report& r) { return time_of(r.view); }},
      Field{"current", "", [](const Report& r) { return Status{r.view, nullptr}; }},
      Field{"average_5min", "", &Report::averages},
      Field{"allocated_resources", "Leases that are granted.",
            [](const Report& r) {
              Keyed<Allocation> out;
              for (const LeaseView& view : r.view.leases) {
                const Lease& l = view.lease;
                if (l.state == LeaseState::waiting || l.state == LeaseState::ended) continue;
                std::string key = "l-" + std::to_string(l.id);
                if (!l.name.empty()) key.insert(0, l.name + "_");
                out.items.emplace_back(std::move(key), Allocation{l});
              }
              return out;
            }},
      Field{"cached_models", "Size in units of 2^30 bytes and last use of each that is in memory.",
            [](const Report& r) { return cached_models(r.view); }},
      Field{"alerts", "", [](const Report& r) { return AlertCounts{r.view}; }},
      Field{"health_status", "healthy, moderate or critical.",
            [](const Report& r) -> std::string_view { return health_word(r.view.health); }},
  };
};

template <>
struct Described<SeriesStatistics> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"avg", "", [](const SeriesStatistics& s) { return s.answer.average; }},
      Field{"max", "", [](const SeriesStatistics& s) { return s.answer.max; }},
      Field{"min", "", [](const SeriesStatistics& s) { return s.answer.min; }},
  };
};

template <>
struct Described<Moment> {
  static constexpr std::string_view name = "";
  static constexpr auto fields = std::tuple{
      Field{"timestamp", "",
            [](const Moment& m) { return m.columns.columns.front().answer.points[m.at].first; }},
      Field{"cpu_percent", "", [](const Moment& m) { return m.value("cpu_percent"); }},
      Field{"cpu_memory_percent", "",
            [](const Moment& m) { return m.value("cpu_memory_percent"); }},
      Field{"gpu_memory_percent", "Of the first GPU; left out where there is none.",
            [](const Moment& m) { return m.value("gpu_memory_percent"); }},
      Field{"gpu_utilization", "", [](const Moment& m) { return m.value("gpu_utilization"); }},
  };
};

template <>
struct Described<Columns> {
  static constexpr std::string_view name = "MonitoringHistory";
  static constexpr auto fields = std::tuple{
      Field{"window_seconds", "", &Columns::window},
      Field{"data_points", "",
            [](const Columns& c) { return std::uint64_t{c.columns.front().answer.points.size()}; }},
      Field{"oldest", "", [](const Columns& c) { return c.columns.front().answer.oldest; }},
      Field{"statistics", "",
            [](const Columns& c) {
              Keyed<SeriesStatistics> out;
              for (const Column& column : c.columns) {
                out.items.emplace_back(column.name, SeriesStatistics{column.answer});
              }
              return out;
            }},
      Field{"history", "",
            [](const Columns& c) {
              std::vector<Moment> out;
              for (std::size_t i = 0; i < c.columns.front().answer.points.size(); ++i) {
                out.push_back({c, i});
              }
              return out;
            }},
  };
};

template <>
struct Described<Suggestions> {
  static constexpr std::string_view name = "Suggestions";
  static constexpr auto fields = std::tuple{
      Field{"suggestions", "A heading and its lines for each thing that is tight.",
            [](const Suggestions& s) { return suggestions(s.view); }},
      Field{"optimal_batch_sizes", "0 where the model does not fit any GPU now.",
            [](const Suggestions& s) {
              Keyed<int> out;
              for (const char* row : {"small", "medium", "large"}) {
                out.items.emplace_back(row, optimal_batch(s.view, row));
              }
              return out;
            }},
      Field{"current_health", "healthy, moderate or critical.",
            [](const Suggestions& s) -> std::string_view { return health_word(s.view.health); }},
  };
};

template <>
struct Described<SpecCleanup> {
  static constexpr std::string_view name = "MonitoringCleanup";
  static constexpr auto fields = std::tuple{
      Field{"success", "false: the memory of somebody who was asked did not come back.",
            [](const SpecCleanup& c) { return all_freed(c.freed); }},
      Field{"cpu_memory_freed_gb", "Units of 2^30 bytes, seen to come back.",
            [](const SpecCleanup& c) { return gib(c.freed.memory); }},
      Field{"gpu_memory_freed_gb", "",
            [](const SpecCleanup& c) { return gib(c.freed.gpu_memory); }},
      Field{"message", "", [](const SpecCleanup& c) { return cleanup_message(c.freed); }},
      Field{"steps", "In the order of asking, then those that stay.",
            [](const SpecCleanup& c) -> const auto& { return c.freed.steps; }},
  };
};

template <>
struct Described<Resources> {
  using R = Resources;
  static constexpr std::string_view name = "Resources";
  static constexpr auto fields = std::tuple{
      Field{"cpu_percent", "",
            [](const R& r) {
              return r.when(ResourcePath::cpu, r.sample.cpu.busy.value_or(Ratio()).percent());
            }},
      Field{"memory_usage_mb", "Units of 2^20 bytes, of the node.",
            [](const R& r) {
              const Bytes used = r.sample.memory.total.value_or(Bytes()) -
                                 r.sample.memory.available.value_or(Bytes());
              return r.when(ResourcePath::memory, static_cast<double>(used.count()) / (1 << 20));
            }},
      Field{"gpu_percent", "", [](const R& r) { return r.when(ResourcePath::gpu, r.gpu.busy); }},
      Field{"gpu_memory_percent", "",
            [](const R& r) { return r.when(ResourcePath::gpu, percent(r.gpu.used, r.gpu.total)); }},
      Field{"gpu_available", "",
            [](const R& r) { return r.when(ResourcePath::gpu, r.gpu.available); }},
      Field{"network_usage_bytes_per_second", "Both directions, of all interfaces but lo.",
            [](const R& r) { return r.when(ResourcePath::network, network_rate(r.sample)); }},
      Field{"timestamp", "Seconds since 1970.", [](const R& r) { return EpochSeconds{r.time}; }},
  };
};

void write_monitoring_status(Json& json, const View& view, const ProcessReading* process) {
  put(json, TimedStatus{{view, process}});
}

void write_monitoring_alerts(Json& json, const std::vector<Alert>& alerts) {
  std::vector<SpecAlert> all;
  for (const Alert& alert : alerts) all.push_back({alert});
  put(json, all);
}

void write_monitoring_report(Json& json, Backend& backend) {
  const auto view = backend.view();
  Report report{*view, {average(backend, "cpu"), average(backend, "memory"), 0, 0}};
  const auto& gpus = sample_of(*view).gpus;
  for (const GpuReading& gpu : gpus) {
    const auto count = static_cast<double>(gpus.size());
    report.averages.gpu_memory += average(backend, "gpu_memory:" + gpu.id) / count;
    report.averages.gpu_busy += average(backend, "gpu_utilization:" + gpu.id) / count;
  }
  put(json, report);
}

void write_monitoring_history(Json& json, Backend& backend, std::chrono::seconds window) {
  Columns columns{window, {}};
  const auto add = [&](const char* name, const std::string& series) {
    auto answer = backend.history({series, window, std::chrono::seconds(0)});
    columns.columns.push_back({name, answer ? std::move(*answer) : HistoryAnswer()});
  };
  add("cpu_percent", "cpu");
  add("cpu_memory_percent", "memory");
  const auto view = backend.view();
  if (view->sample && !view->sample->gpus.empty()) {
    const std::string& id = view->sample->gpus.front().id;
    add("gpu_memory_percent", "gpu_memory:" + id);
    add("gpu_utilization", "gpu_utilization:" + id);
  }
  put(json, columns);
}

void write_monitoring_cleanup(Json& json, const Freed& freed) { put(json, SpecCleanup{freed}); }

void write_suggestions(Json& json, const View& view) { put(json, Suggestions{view}); }

void write_resources(Json& json, const View& view, ResourcePath path, WallTime now) {
  const Sample& sample = sample_of(view);
  put(json, Resources{sample, gpu_totals(sample), path, sample.number > 0 ? sample.at.wall : now});
}

void describe_specs(Schemas& all) {
  (void)schema_of<TimedStatus>(all);
  (void)schema_of<Report>(all);
  (void)schema_of<Columns>(all);
  (void)schema_of<Suggestions>(all);
  (void)schema_of<SpecCleanup>(all);
  (void)schema_of<Resources>(all);
  all.set("MonitoringAlerts", schema_of<std::vector<SpecAlert>>(all).text());
}

}  // namespace headroom::serve
