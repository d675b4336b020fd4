#include "serve/metric.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "serve/metric_backend_for_test.hpp"
#include "serve/otlp.hpp"
#include "serve/prometheus.hpp"
#include "serve/protobuf.hpp"

namespace headroom::serve {
namespace {

using namespace literals;
using ::testing::ElementsAre;
using testing::fill;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::StillMachine;

constexpr auto kOpen = MetricsFormat::openmetrics;

std::string file(const std::string& path) {
  std::ifstream in(std::string(HEADROOM_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// ------------------------------------------------------------------------------- the table

TEST(MetricTable, NamesFollowTheStandardTranslation) {
  using enum MetricKind;
  EXPECT_EQ(prometheus_name("system.cpu.utilization", "1", gauge), "system_cpu_utilization_ratio");
  EXPECT_EQ(prometheus_name("system.cpu.time", "s", counter), "system_cpu_time_seconds_total");
  EXPECT_EQ(prometheus_name("system.memory.usage", "By", amount), "system_memory_usage_bytes");
  EXPECT_EQ(prometheus_name("system.disk.operations", "{operation}", counter),
            "system_disk_operations_total");
  EXPECT_EQ(prometheus_name("hw.status", "1", amount), "hw_status");
  EXPECT_EQ(prometheus_name("hw.temperature", "Cel", gauge), "hw_temperature_celsius");
  EXPECT_EQ(prometheus_name("hw.energy", "J", counter), "hw_energy_joules_total");
  EXPECT_EQ(prometheus_name("hw.power", "W", gauge), "hw_power_watts");
  EXPECT_EQ(prometheus_name("ml_resource_cpu_percent", "%", gauge), "ml_resource_cpu_percent");
  EXPECT_EQ(prometheus_name("headroom.lease.wait", "s", histogram), "headroom_lease_wait_seconds");
  EXPECT_EQ(prometheus_label("system.memory.state"), "system_memory_state");
}

TEST(MetricTable, NamesAreUniqueAndRight) {
  std::set<std::string> seen;
  const std::regex name("[a-zA-Z_][a-zA-Z0-9_]*"), label("[a-zA-Z][a-zA-Z0-9_]*");
  for (const MetricFamily& family : metric_families()) {
    EXPECT_TRUE(seen.insert(family.prometheus).second) << family.prometheus;
    EXPECT_TRUE(seen.insert("otel " + std::string(family.name)).second) << family.name;
    EXPECT_TRUE(std::regex_match(family.prometheus, name)) << family.prometheus;
    for (const std::string& one : family.labels) {
      EXPECT_TRUE(std::regex_match(one, label)) << one;
      EXPECT_FALSE(one == "pid" || one == "command") << "a label without bounds";
    }
    EXPECT_EQ(family.kind == MetricKind::counter, family.prometheus.ends_with("_total"));
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_EQ(family.help.find_first_of("\\\n\""), std::string_view::npos) << family.name;
  }
}

TEST(MetricTable, EveryFamilyThatHasAnythingToCountIsShownOnAFullMachine) {
  StillMachine machine;
  fill(machine);
  machine.config_.metrics.dcgm_names = true;
  const std::string text = "\n" + metrics_text(machine);
  for (const MetricFamily& family : metric_families()) {
    EXPECT_THAT(text, HasSubstr("\n# TYPE " + family.prometheus + " "));
    EXPECT_NE(text.find("\n" + family.prometheus), std::string::npos) << family.prometheus;
  }
}

// ---------------------------------------------------------------------------------- values

TEST(Metrics, UnknownIsNoSample) {
  StillMachine machine;
  const std::string text = metrics_text(machine);
  for (const char* name : {"\nsystem_memory", "\nsystem_cpu", "\nheadroom_stall", "\nhw_",
                           "\nheadroom_room", "\nml_resource_cpu", "\nml_resource_memory"}) {
    EXPECT_THAT(text, Not(HasSubstr(name)));
  }
  machine.view_.sample = nullptr;
  EXPECT_THAT(metrics_text(machine), Not(HasSubstr("\nheadroom_sample_age")));
}

TEST(Metrics, ACommandWithoutADaemonCountsNothing) {
  StillMachine machine;
  fill(machine);
  machine.node_.socket.clear();
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, Not(HasSubstr("\nheadroom_http")));
  EXPECT_THAT(text, Not(HasSubstr("\nheadroom_alerts_total")));
  EXPECT_THAT(text, Not(HasSubstr("\nml_resource_pressure_events_total{")));
  EXPECT_THAT(text, HasSubstr("\nsystem_memory_usage_bytes{"));
}

TEST(Metrics, ADeviceThatDoesNotAnswerHasAStatusAndNoReadings) {
  StillMachine machine;
  fill(machine);
  machine.sample_->gpus[2].state = GpuState::lost;
  machine.config_.metrics.dcgm_names = true;
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, HasSubstr("hw_id=\"GPU-2\",hw_name=\"NVIDIA H100\",hw_type=\"gpu\","
                              "hw_state=\"lost\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("hw_gpu_memory_usage_bytes{hw_id=\"GPU-2\"")));
  EXPECT_THAT(text, Not(HasSubstr("hw_parent=\"GPU-2\"")));
  EXPECT_THAT(text, Not(HasSubstr("UUID=\"GPU-2\"")));
  EXPECT_THAT(text, HasSubstr("hw_gpu_memory_usage_bytes{hw_id=\"GPU-1\"} 21474836480\n"));
}

TEST(Metrics, TimeOfTheProcessorsAddsUp) {
  StillMachine machine;
  fill(machine);
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, HasSubstr("system_cpu_time_seconds_total{cpu_mode=\"idle\"} 9000\n"));
  EXPECT_THAT(text, HasSubstr("system_cpu_time_seconds_total{cpu_mode=\"iowait\"} 50\n"));
}

TEST(Metrics, LeasesOfOneNameAreSummedAndNamesAreBounded) {
  StillMachine machine;
  machine.config_.metrics.max_series = 10;
  for (LeaseId id = 1; id <= 30; ++id) {
    machine.add_lease(id, "job" + std::to_string((id - 1) % 15), 2_GiB);
  }
  machine.view_.leases[0].lease.parent = 7;  // draws from l-7: counted there
  const std::string text = metrics_text(machine);
  const auto booked = [&](const std::string& name) {
    const std::string line =
        "headroom_lease_booked_bytes{name=\"" + name + "\",resource=\"memory\"} ";
    const std::size_t at = text.find(line);
    return at == std::string::npos ? -1 : std::stoll(text.substr(at + line.size()));
  };
  EXPECT_EQ(booked("job0"), 2LL << 30);
  EXPECT_EQ(booked("job9"), 4LL << 30);
  EXPECT_EQ(booked("job10"), -1);
  EXPECT_EQ(booked("other"), 20LL << 30);
  EXPECT_THAT(text, HasSubstr("\nheadroom_leases 30\n"));
  EXPECT_THAT(text, HasSubstr("headroom_lease_used_bytes{name=\"other\",resource=\"memory\"} " +
                              std::to_string(10LL << 30) + "\n"));
}

TEST(Metrics, ModelsOfOneNameAreSummedAndNamesAreBounded) {
  StillMachine machine;
  machine.config_.metrics.max_series = 2;
  const auto add = [&](const char* name, ModelState state, const char* gpu, Bytes size) {
    ModelView model;
    model.model.name = name;
    model.state = state;
    model.gpu = gpu;
    model.size.gpu_memory = size;
    model.requests = 4;
    model.hits = 3;
    machine.view_.models.push_back(model);
  };
  add("a", ModelState::resident, "GPU-0", 1_GiB);
  add("a", ModelState::draining, "GPU-1", 2_GiB);
  add("b", ModelState::known, "", 0_B);
  add("c", ModelState::resident, "GPU-1", 4_GiB);
  add("d", ModelState::loading, "GPU-1", 8_GiB);
  add("never", ModelState::known, "", 0_B);
  machine.view_.models.back().requests = 0;
  const std::string text = metrics_text(machine);
  const auto has = [&](const std::string& line) { EXPECT_THAT(text, HasSubstr(line + "\n")); };
  has("headroom_models_resident{device=\"GPU-0\"} 1");
  has("headroom_models_resident{device=\"GPU-1\"} 2");
  has("headroom_model_footprint_bytes{model=\"a\",resource=\"gpu_memory\"} 3221225472");
  has("headroom_model_footprint_bytes{model=\"other\",resource=\"gpu_memory\"} 4294967296");
  has("headroom_model_cache_requests_total{model=\"a\"} 4");
  has("headroom_model_cache_hits_total{model=\"b\"} 3");
  has("headroom_model_cache_requests_total{model=\"other\"} 8");
  EXPECT_THAT(text, Not(HasSubstr("never")));
}

TEST(Metrics, DrainsSayWhatIsClosedAndWhy) {
  StillMachine machine;
  fill(machine);
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, HasSubstr("headroom_drained{device=\"GPU-3\",cause=\"fault\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("headroom_drained{device=\"node\",cause=\"asked\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("headroom_model_unloads_total{result=\"freed\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("headroom_freed_bytes_total{resource=\"gpu_memory\"} 1073741824\n"));
}

TEST(Metrics, TextOfTheMachineIsEscapedAndMended) {
  StillMachine machine;
  fill(machine);
  machine.sample_->networks[0].name = "a\nb\xFF\\\"\xC3\xA9";
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, HasSubstr("network_interface_name=\"a\\nb\xEF\xBF\xBD\\\\\\\"\xC3\xA9\""));
  EXPECT_THAT(text, HasSubstr("system_filesystem_mountpoint=\"/data \\\"a\\\"\\\\b\""));
}

TEST(Metrics, TwoSensorsOfOneNameAreToldApart) {
  StillMachine machine;
  fill(machine);
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, HasSubstr("hw_temperature_celsius{hw_id=\"nvme Composite\"} 41.5\n"));
  EXPECT_THAT(text, HasSubstr("hw_temperature_celsius{hw_id=\"nvme Composite #2\"} 43\n"));
}

TEST(Metrics, ASensorIsUpOnlyWhereItRead) {
  StillMachine machine;
  fill(machine);
  machine.sample_->powers.clear();
  const std::string text = metrics_text(machine);
  EXPECT_THAT(text, HasSubstr("headroom_sensor_up{sensor=\"gpu\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("headroom_sensor_up{sensor=\"temperature\",reason=\"there is no "
                              "\\\"hwmon\\\"\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("{sensor=\"temperature\"} 1")));
  EXPECT_THAT(text, Not(HasSubstr("sensor=\"power\"")));
}

TEST(Metrics, BucketsAddUpAndBoundsAreWrittenAlike) {
  StillMachine machine;
  fill(machine);
  for (const MetricsFormat format : {MetricsFormat::text, kOpen}) {
    const std::string text = metrics_text(machine, format);
    EXPECT_THAT(text, HasSubstr("headroom_sample_duration_seconds_bucket{le=\"1e-05\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("headroom_sample_duration_seconds_bucket{le=\"2.5e-05\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("headroom_sample_duration_seconds_bucket{le=\"0.0001\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("headroom_sample_duration_seconds_bucket{le=\"1.0\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("headroom_sample_duration_seconds_bucket{le=\"+Inf\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("headroom_sample_duration_seconds_count 3\n"));
    EXPECT_THAT(text, HasSubstr("headroom_lease_wait_seconds_bucket{result=\"granted\",le=\"5.0\"} "
                                "1\n"));
  }
}

TEST(Metrics, NamesOfOthersAreThereWhenWanted) {
  StillMachine machine;
  fill(machine);
  std::string text = metrics_text(machine);
  for (const char* name :
       {"ml_resource_cpu_percent", "ml_resource_memory_percent",
        "ml_resource_allocation_adjustments_total", "ml_resource_pressure_events_total",
        "ml_resource_prediction_accuracy"}) {
    EXPECT_THAT(text, HasSubstr("# TYPE " + std::string(name) + " "));
  }
  EXPECT_THAT(text, HasSubstr("ml_resource_pressure_events_total{resource=\"memory\","
                              "level=\"warning\"} 4\n"));
  EXPECT_THAT(text, Not(HasSubstr("DCGM_")));
  machine.config_.metrics.seed_names = false;
  machine.config_.metrics.dcgm_names = true;
  text = metrics_text(machine);
  EXPECT_THAT(text, Not(HasSubstr("ml_resource_")));
  EXPECT_THAT(text, HasSubstr("DCGM_FI_DEV_FB_USED{gpu=\"1\",UUID=\"GPU-1\",modelName=\"NVIDIA "
                              "H100\",Hostname=\"box\"} 20480\n"));
  EXPECT_THAT(text, HasSubstr("DCGM_FI_DEV_FB_FREE{gpu=\"1\",UUID=\"GPU-1\",modelName=\"NVIDIA "
                              "H100\",Hostname=\"box\"} 61440\n"));
}

TEST(Metrics, AnswersAreCountedByRouteWithinBounds) {
  MetricCounts counts;
  static const std::string kRoute = "/x";
  for (int status = 1; status < 1000; ++status) counts.answered(kRoute, status);
  EXPECT_EQ(counts.answers.size(), MetricCounts::kRoutes);
  EXPECT_EQ(counts.answers.back().route, "other");
  std::uint64_t all = 0;
  for (const auto& answered : counts.answers) all += answered.count;
  EXPECT_EQ(all, 999U);
}

TEST(Metrics, CallsOfHooksAreCountedByHookAndResultWithinBounds) {
  MetricCounts counts;
  counts.called("ollama", HookResult::freed, std::chrono::seconds(2));
  counts.called("ollama", HookResult::freed, std::chrono::seconds(4));
  counts.called("ollama", HookResult::timed_out, std::chrono::seconds(30));
  ASSERT_EQ(counts.hooks.size(), 1U);
  EXPECT_EQ(counts.hooks[0].results[static_cast<std::size_t>(HookResult::freed)], 2U);
  EXPECT_EQ(counts.hooks[0].results[static_cast<std::size_t>(HookResult::timed_out)], 1U);
  EXPECT_EQ(counts.hooks[0].took.count(), 3U);
  EXPECT_DOUBLE_EQ(counts.hooks[0].took.sum(), 36);
  for (int i = 0; i < 1000; ++i) {
    counts.called("hook" + std::to_string(i), HookResult::refused, std::chrono::seconds(1));
  }
  EXPECT_EQ(counts.hooks.size(), MetricCounts::kHooks);
  EXPECT_EQ(counts.hooks.back().hook, "other");
}

TEST(OpenMetrics, NamesFamiliesByTheirStemAndEnds) {
  StillMachine machine;
  fill(machine);
  const std::string text = metrics_text(machine, kOpen);
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE system_cpu_time_seconds counter\n"
                              "# UNIT system_cpu_time_seconds seconds\n"
                              "system_cpu_time_seconds_total{cpu_mode=\"user\"} 1000\n"));
  EXPECT_THAT(metrics_text(machine), Not(HasSubstr("# UNIT")));
}

TEST(Negotiation, PrefersWhatIsAskedForAndFallsBackToText) {
  Config config;
  const auto open = [&](std::string_view accept) {
    return negotiate_metrics(accept, config) == kOpen;
  };
  EXPECT_FALSE(open(""));
  EXPECT_FALSE(open("*/*"));
  EXPECT_FALSE(open("text/html,application/xhtml+xml,*/*;q=0.8"));
  EXPECT_TRUE(open("application/openmetrics-text"));
  EXPECT_TRUE(open("Application/OpenMetrics-Text; Version=\"1.0.0\"; q=0.5"));
  EXPECT_TRUE(
      open("application/openmetrics-text;version=1.0.0,application/"
           "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
  EXPECT_FALSE(open("application/openmetrics-text;q=0.4,text/plain;q=0.5"));
  EXPECT_TRUE(open("application/openmetrics-text;q=0.4,text/*;q=0.3,*/*;q=0.9"));
  EXPECT_FALSE(open("application/openmetrics-text;version=2.0.0,text/plain;q=0.1"));
  EXPECT_FALSE(open("application/openmetrics-text;q=0"));
  EXPECT_FALSE(open("application/openmetrics-text;q=7,text/plain;q=0.1"));
  EXPECT_FALSE(open(";;;,,,=;q"));
  config.metrics.openmetrics = false;
  EXPECT_FALSE(open("application/openmetrics-text"));
}

// ------------------------------------------------------------------------------------ OTLP

TEST(Protobuf, WritesTheExamplesOfItsDocumentation) {
  std::string out;
  Protobuf proto(out);
  proto.number(1, 150);
  proto.text(2, "testing");
  proto.open(3);
  proto.number(1, 150);
  proto.close();
  proto.real(4, 1.0);
  const std::vector<std::uint64_t> packed = {1, 256};
  proto.fixed(5, packed);
  EXPECT_EQ(out, std::string("\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01"
                             "\x21\0\0\0\0\0\0\xf0\x3f\x2a\x10\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0",
                             44));
}

TEST(Protobuf, LengthsOfAnySizeStandBeforeTheirMessage) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 128U, 16380U, 16384U, 100000U}) {
    std::string out;
    Protobuf proto(out);
    proto.open(1);
    proto.text(2, std::string(size, 'x'));
    proto.close();
    std::size_t at = 1;
    std::uint64_t length = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(out.at(at++));
      length |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) break;
    }
    EXPECT_EQ(length, out.size() - at) << size;
  }
}

TEST(Otlp, SaysTheSameAsTheText) {
  StillMachine machine;
  fill(machine);
  machine.sample_->networks[0].name = "bad\xFFname";
  const auto value = boost::json::parse(otlp_metrics(machine, OtlpEncoding::json));
  const auto& resource = value.at("resourceMetrics").at(0);
  std::map<std::string, std::string> attributes;
  for (const auto& one : resource.at("resource").at("attributes").as_array()) {
    attributes[one.at("key").as_string().c_str()] =
        one.at("value").at("stringValue").as_string().c_str();
  }
  EXPECT_EQ(attributes["service.name"], "headroomd");
  EXPECT_EQ(attributes["service.version"], "1.2.3");
  EXPECT_EQ(attributes["host.name"], "box");
  std::map<std::string, boost::json::value> metrics;
  for (const auto& one : resource.at("scopeMetrics").at(0).at("metrics").as_array()) {
    EXPECT_TRUE(metrics.emplace(one.at("name").as_string().c_str(), one).second);
  }
  const auto& io = metrics.at("system.network.io").at("sum");
  EXPECT_EQ(io.at("aggregationTemporality").as_int64(), 2);
  EXPECT_TRUE(io.at("isMonotonic").as_bool());
  const auto& point = io.at("dataPoints").at(0);
  EXPECT_EQ(point.at("asInt").as_string(), "1000");
  EXPECT_EQ(point.at("timeUnixNano").as_string(), "1768227002750000000");
  EXPECT_EQ(point.at("startTimeUnixNano").as_string(), "1768226903000000000");
  EXPECT_EQ(point.at("attributes").at(0).at("value").at("stringValue").as_string(),
            "bad\xEF\xBF\xBDname");
  const auto& usage = metrics.at("system.memory.usage").at("sum");
  EXPECT_FALSE(usage.as_object().contains("isMonotonic"));
  const auto& busy = metrics.at("system.cpu.utilization").at("gauge").at("dataPoints").at(0);
  EXPECT_DOUBLE_EQ(busy.at("asDouble").as_double(), 0.38);
  EXPECT_FALSE(busy.as_object().contains("startTimeUnixNano"));
  const auto& took = metrics.at("headroom.sample.duration").at("histogram").at("dataPoints").at(0);
  EXPECT_EQ(took.at("count").as_string(), "3");
  EXPECT_EQ(took.at("bucketCounts").as_array().size(),
            took.at("explicitBounds").as_array().size() + 1);
  // What has nothing to tell is not named.
  EXPECT_TRUE(metrics.contains("ml_resource_prediction_accuracy"));
  machine.view_.components.clear();
  EXPECT_THAT(otlp_metrics(machine, OtlpEncoding::json),
              Not(HasSubstr("ml_resource_prediction_accuracy")));
  EXPECT_THAT(otlp_metrics(machine, OtlpEncoding::protobuf), HasSubstr("bad\xEF\xBF\xBDname"));
}

// ------------------------------------------------------------ what is shipped with the names

std::string kind_word(const MetricFamily& family) {
  switch (family.kind) {
    case MetricKind::gauge:
      return "gauge";
    case MetricKind::amount:
      return "amount";
    case MetricKind::counter:
      return "counter";
    case MetricKind::histogram:
      return "histogram";
  }
  return "";
}

// The table of docs/metrics.md.
std::string table() {
  std::string out =
      "| Prometheus | OpenTelemetry | kind | unit | labels | what |\n|---|---|---|---|---|---|\n";
  for (const MetricFamily& family : metric_families()) {
    out += "| `" + family.prometheus + "` | `" + std::string(family.name) + "`";
    out += " | " + kind_word(family) + " | " + std::string(family.unit) + " | ";
    for (const std::string& label : family.labels) {
      out += (&label == &family.labels.front() ? "" : ", ") + label;
    }
    out += " | " + std::string(family.help) + " |\n";
  }
  return out;
}

TEST(MetricTable, IsTheOneInTheDocument) {
  const std::string path = "docs/metrics.md";
  const std::string begin = "<!-- table of metrics -->\n", end = "<!-- end of table -->\n";
  std::string text = file(path);
  const std::size_t from = text.find(begin), to = text.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos && from < to);
  const std::size_t at = from + begin.size();
  if (std::getenv("HEADROOM_UPDATE_GOLDEN") != nullptr) {
    text.replace(at, to - at, table());
    std::ofstream(std::string(HEADROOM_SOURCE_DIR) + "/" + path) << text;
    return;
  }
  EXPECT_EQ(text.substr(at, to - at), table())
      << "HEADROOM_UPDATE_GOLDEN=1 serve_test --gtest_filter=MetricTable.* rewrites it";
}

// The metrics that an expression of PromQL names and that nobody has.
std::vector<std::string> strangers(std::string text) {
  text = std::regex_replace(text, std::regex(R"(\{[^{}]*\}|"[^"]*")"), " ");
  text = std::regex_replace(
      text, std::regex(R"(\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\))"), " ");
  std::set<std::string> known;
  for (const MetricFamily& family : metric_families()) {
    known.insert(family.prometheus);
    if (family.kind != MetricKind::histogram) continue;
    for (const char* suffix : {"_bucket", "_sum", "_count"})
      known.insert(family.prometheus + suffix);
  }
  std::vector<std::string> out;
  const std::regex name(R"(\b(system|hw|process|headroom|ml_resource|DCGM)_[A-Za-z0-9_]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), name), end; it != end; ++it) {
    if (!known.contains(it->str())) out.push_back(it->str());
  }
  return out;
}

void expressions(const boost::json::value& value, std::vector<std::string>& out) {
  if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      if (key == "expr") out.emplace_back(member.as_string().c_str());
      expressions(member, out);
    }
  } else if (const auto* array = value.if_array()) {
    for (const auto& member : *array) expressions(member, out);
  }
}

TEST(Strangers, AreFound) {
  EXPECT_THAT(strangers("sum by (hw_id) (rate(hw_energy_joules_total{hw_type=\"gpu\"}[1m]))"),
              IsEmpty());
  EXPECT_THAT(strangers("headroom_sample_duration_seconds_bucket + headroom_rooms"),
              ElementsAre("headroom_rooms"));
}

TEST(Dashboard, AsksOnlyForMetricsThatExist) {
  const auto board = boost::json::parse(file("packaging/grafana/headroom.json"));
  std::vector<std::string> asked;
  expressions(board, asked);
  EXPECT_GE(asked.size(), 15U);
  for (const std::string& expression : asked) {
    EXPECT_THAT(strangers(expression), IsEmpty()) << expression;
  }
}

TEST(Rules, AskOnlyForMetricsThatExist) {
  std::istringstream rules(file("packaging/prometheus/headroom.rules.yml"));
  std::string line;
  int asked = 0;
  while (std::getline(rules, line)) {
    const std::size_t at = line.find("expr: ");
    if (at == std::string::npos) continue;
    ++asked;
    EXPECT_THAT(strangers(line.substr(at + 6)), IsEmpty()) << line;
  }
  EXPECT_GE(asked, 7);
}

}  // namespace
}  // namespace headroom::serve
