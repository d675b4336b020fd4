// The one table of metrics: what there is, under which names, and how each is read. Every form that
// metrics leave in (Prometheus text, OpenMetrics, OTLP) is written from it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/backend.hpp"
#include "serve/metric_counts.hpp"

namespace headroom::serve {

enum class MetricKind {
  gauge,      ///< a value now
  amount,     ///< a value now that may be summed over its attributes ("UpDownCounter")
  counter,    ///< only rises
  histogram,  ///< seconds, by bounds
};

/// Which of the names may be left out by the configuration.
enum class MetricSet { always, seed, dcgm };

/// Since when a counter counts.
enum class MetricSince { daemon, boot };

/// What metrics are read from: one moment. `sample` is null before the first, `costs` in a process
/// that is no daemon.
struct MetricFacts {
  std::shared_ptr<const View> view;
  const Sample* sample = nullptr;
  const Config& config;
  const NodeFacts& node;
  std::optional<Costs> costs;
  Instant now;

  /// The leases of one name, of at most `metrics.max_series` names; the rest has the name "other".
  struct LeaseGroup {
    std::string_view name;
    std::optional<Bytes> booked_memory, booked_gpu_memory;
    std::optional<Bytes> used_memory, used_gpu_memory;
    std::optional<Bytes> memory;  ///< of the processes, with page cache
    std::optional<Cores> cpu;
  };
  std::vector<LeaseGroup> leases;
  std::int64_t held = 0;
  std::int64_t waiting = 0;

  /// The models of one name, bounded as leases are. A name that nobody has asked for since the
  /// start and that is not in memory is left out.
  struct ModelGroup {
    std::string_view name;
    std::optional<Bytes> memory, gpu_memory;  ///< of those in memory
    std::uint64_t requests = 0;
    std::uint64_t hits = 0;
  };
  std::vector<ModelGroup> models;
  /// Components of one name; those beyond metrics.max_series together as "other".
  struct ComponentGroup {
    std::string_view name;
    struct Amount {
      std::int64_t has = 0, least = 0;   ///< units of the Allotted
      std::optional<std::int64_t> most;  ///< empty: nothing bounds it
      std::optional<std::int64_t> demand;
      std::optional<std::int64_t> forecast;
      std::optional<double> sure, error;      ///< of the forecast; of several the worst
      std::uint64_t applied = 0, failed = 0;  ///< changes
    };
    std::map<Allotted, Amount> amounts;
    std::optional<double> accuracy;
    std::uint64_t applied = 0, failed = 0, timed_out = 0;  ///< asks
  };
  std::vector<ComponentGroup> components;
  std::vector<std::pair<std::string_view, std::int64_t>> resident;  ///< how many, by device
};

/// Takes one moment. Loop thread only; the backend must outlive the result.
MetricFacts metric_facts(Backend& backend);

/// Values of a family's attributes, in its order; an empty one, or one left out at the end, is
/// absent.
using MetricLabels = std::initializer_list<std::string_view>;

/// Takes the points of one family after the other.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  virtual void whole(MetricLabels labels, std::int64_t value) = 0;
  virtual void real(MetricLabels labels, double value) = 0;
  virtual void spread(MetricLabels labels, const Histogram& values) = 0;
};

struct MetricFamily {
  std::string_view name;   ///< OpenTelemetry's: "system.memory.usage"
  std::string prometheus;  ///< by the standard translation: "system_memory_usage_bytes"
  MetricKind kind = MetricKind::gauge;
  std::string_view unit;         ///< UCUM: "By", "s", "1", "Cel"; empty where there is none
  std::string_view unit_suffix;  ///< of `prometheus`, without "_total": "bytes"; or empty
  std::string_view help;
  std::vector<std::string_view> attributes;  ///< OpenTelemetry's names
  std::vector<std::string> labels;           ///< the same as Prometheus writes them
  MetricSet set = MetricSet::always;
  MetricSince since = MetricSince::daemon;
  bool named_when_empty = false;  ///< is announced although nothing can be counted yet
  /// Gives the points that are known; an unknown one is not given.
  void (*read)(const MetricFacts& facts, MetricSink& sink) = nullptr;
};

/// All of them, in the order in which they are shown. Made once.
const std::vector<MetricFamily>& metric_families();

/// Whether the configuration wants this family.
inline bool wanted(const MetricFamily& family, const Config::Metrics& config) {
  if (family.set == MetricSet::seed) return config.seed_names;
  return family.set == MetricSet::always || config.dcgm_names;
}

/// How Prometheus spells an OpenTelemetry name: dots become underscores, the unit is a suffix,
/// counters end in "_total", gauges of unit 1 in "_ratio".
std::string prometheus_name(std::string_view name, std::string_view unit, MetricKind kind);

/// An attribute's name as Prometheus spells it.
std::string prometheus_label(std::string_view attribute);

/// The word that a unit has as a suffix there, or "".
std::string_view metric_unit_word(std::string_view unit, MetricKind kind);

/// Appends text with what is not UTF-8 replaced.
void append_utf8(std::string& out, std::string_view text);

}  // namespace headroom::serve
