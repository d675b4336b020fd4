// The rows of the specifications that are seen from outside; docs/mission.md says which test shows
// which. S0 = enterprise, S3 = pipeline, S4 = app.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include <unistd.h>

#include "harness.hpp"

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;

const std::string kMonitoring = "/api/v1/monitoring/";

DaemonOptions enterprise(const std::string& gpus = "") {
  DaemonOptions options = gpus.empty() ? DaemonOptions{} : simulated_gpus(gpus);
  options.arguments = {"--profile", "enterprise"};
  return options;
}

/// A machine of 100 GiB of which that share of memory is used: a captured tree.
std::string captured(const TempFolder& folder, int percent_used) {
  const std::string root = folder.file("root");
  std::filesystem::create_directories(root + "/proc/net");
  constexpr std::int64_t kTotal = 104857600;  // kB
  const std::int64_t available = kTotal * (100 - percent_used) / 100;
  write_text(root + "/proc/meminfo",
             "MemTotal: " + std::to_string(kTotal) + " kB\nMemFree: " + std::to_string(available) +
                 " kB\nMemAvailable: " + std::to_string(available) + " kB\n");
  write_text(root + "/proc/stat",
             "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\n");
  write_text(root + "/proc/loadavg", "0.10 0.20 0.30 1/100 1000\n");
  return root;
}

std::string keys_of(const value& object) {
  std::set<std::string> names;
  if (const auto* fields = object.if_object()) {
    for (const auto& [key, inner] : *fields) names.emplace(key);
  }
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
  return all;
}

bool is_utc(const std::string& time) {
  static const std::regex kForm(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)");
  return std::regex_match(time, kForm);
}

double real(const value& document, const std::string& path) {
  return number(document, path).value_or(std::nan(""));
}

// S0-27 S0-28 S0-29 S0-41 to S0-54, S0-95
TEST(Mission, StatusIsTheSpecificationsDocument) {
  Daemon daemon(enterprise("24GiB,cc=8.6,used=4.2GiB,util=23.4,temp=67"));
  ASSERT_TRUE(daemon.start());
  ASSERT_TRUE(
      eventually([&] { return whole(daemon.get("/api/v1/snapshot"), "sample").value_or(0) >= 2; }));
  const value status = daemon.get(kMonitoring + "status");
  EXPECT_TRUE(is_utc(text(status, "timestamp")));
  EXPECT_GE(real(status, "cpu.usage_percent"), 0);
  EXPECT_LE(real(status, "cpu.usage_percent"), 100);
  const double used = real(status, "cpu.memory_used_gb");
  const double available = real(status, "cpu.memory_available_gb");
  EXPECT_NEAR(real(status, "cpu.memory_percent"), 100 * used / (used + available), 0.2);
  EXPECT_TRUE(client::is_true(status, "gpu.available"));
  EXPECT_NEAR(real(status, "gpu.memory_used_gb"), 4.2, 0.01);
  EXPECT_NEAR(real(status, "gpu.memory_total_gb"), 24, 0.01);
  EXPECT_NEAR(real(status, "gpu.memory_percent"), 17.5, 0.01);
  EXPECT_NEAR(real(status, "gpu.utilization"), 23.4, 0.01);
  EXPECT_NEAR(real(status, "gpu.temperature"), 67, 0.01);
  EXPECT_GE(real(status, "process.memory_gb"), 0);
  EXPECT_GE(real(status, "process.gpu_memory_gb"), 0);
  EXPECT_EQ(
      keys_of(status.at("gpu")),
      "available devices memory_percent memory_total_gb memory_used_gb temperature utilization");
}

// S0-47
TEST(Mission, StatusWithoutAGpuSaysSoBesideZeros) {
  DaemonOptions options = enterprise();
  options.configuration = "[sample]\ngpu = \"none\"\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const value status = daemon.get(kMonitoring + "status");
  EXPECT_FALSE(client::is_true(status, "gpu.available"));
  EXPECT_EQ(real(status, "gpu.memory_total_gb"), 0);
}

// S0-53: what managed processes hold
TEST(Mission, StatusSumsTheManagedProcesses) {
  Daemon daemon(enterprise());
  ASSERT_TRUE(daemon.start());
  const auto holder = daemon.command(Words{"run", "--mem", "600M", "--name", "big", "--"} +
                                     job({"touch", "400", "until", daemon.file("over")}));
  ASSERT_TRUE(daemon.lease_is("big", "active") || daemon.lease_is("big", "loading"));
  EXPECT_TRUE(eventually([&] {
    const double held = real(daemon.get(kMonitoring + "status"), "process.memory_gb");
    return held > 0.38 && held < 0.5;
  })) << client::write_json(daemon.get(kMonitoring + "status"));
}

// S0-39 S0-40 S0-55 to S0-72
TEST(Mission, ReportIsTheSpecificationsDocument) {
  Daemon daemon(enterprise("24GiB,used=4.2GiB,util=23.4"));
  ASSERT_TRUE(daemon.start());
  const auto holder =
      daemon.command(Words{"run", "--mem", "64M", "--gpu-mem", "2G", "--name", "load", "--"} +
                     job({"until", daemon.file("over")}));
  ASSERT_TRUE(eventually([&] { return !daemon.lease("load").is_null(); }));
  value status = daemon.get(kMonitoring + "status");
  const value report = daemon.get(kMonitoring + "report");
  EXPECT_TRUE(is_utc(text(report, "timestamp")));
  status.as_object().erase("timestamp");
  EXPECT_EQ(keys_of(report.at("current")), keys_of(status));
  EXPECT_EQ(keys_of(report.at("average_5min")),
            "cpu_memory_percent cpu_percent gpu_memory_percent gpu_utilization");
  EXPECT_NEAR(real(report, "average_5min.gpu_utilization"), 23.4, 0.1);
  const auto& allocated = report.at("allocated_resources").as_object();
  ASSERT_EQ(allocated.size(), 1U);
  EXPECT_NEAR(real(allocated.begin()->value(), "gpu_memory_gb"), 2, 0.001);
  EXPECT_NEAR(real(allocated.begin()->value(), "cpu_memory_gb"), 0.0625, 0.001);
  EXPECT_TRUE(is_utc(text(allocated.begin()->value(), "timestamp")));
  EXPECT_TRUE(report.at("cached_models").is_object());
  EXPECT_EQ(keys_of(report.at("alerts")), "critical recent total warnings");
  const std::string health = text(report, "health_status");
  EXPECT_TRUE(health == "healthy" || health == "moderate" || health == "critical") << health;
}

// S0-12 S0-31 S0-73 to S0-79 S0-84 S0-85 S0-87
TEST(Mission, MemoryOver80PercentWarnsUnderEnterprise) {
  TempFolder folder;
  DaemonOptions options = enterprise();
  options.arguments = options.arguments + Words{"--root", captured(folder, 82)};
  options.configuration = "[pressure]\ndwell = \"100ms\"\n[sample]\ninterval = \"100ms\"\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  value alerts;
  ASSERT_TRUE(eventually([&] {
    alerts = daemon.get(kMonitoring + "alerts");
    return alerts.is_array() && !alerts.as_array().empty();
  }));
  ASSERT_EQ(alerts.as_array().size(), 1U);
  const value& alert = alerts.as_array().front();
  EXPECT_EQ(text(alert, "severity"), "warning");
  EXPECT_EQ(text(alert, "type"), "cpu_memory");
  EXPECT_EQ(text(alert, "message"), "High CPU memory usage");
  EXPECT_EQ(real(alert, "threshold"), 80);
  EXPECT_NEAR(real(alert, "value"), 82, 0.1);
  EXPECT_TRUE(is_utc(text(alert, "timestamp")));
  const value report = daemon.get(kMonitoring + "report");
  EXPECT_EQ(text(report, "health_status"), "moderate");
  EXPECT_EQ(whole(report, "alerts.warnings"), 1);
  EXPECT_EQ(report.at("alerts").at("recent").as_array().size(), 1U);
  const value advice = daemon.get(kMonitoring + "optimization-suggestions");
  const auto& lines = advice.at("suggestions").as_array();
  ASSERT_GE(lines.size(), 4U);
  EXPECT_EQ(lines[0].as_string(), "High CPU memory usage detected:");
  EXPECT_EQ(lines[1].as_string(), "- Consider reducing model cache size");
  EXPECT_EQ(lines[2].as_string(), "- Enable model offloading to disk");
  EXPECT_EQ(lines[3].as_string(), "- Use smaller model variants");
  EXPECT_EQ(text(advice, "current_health"), "moderate");
}

// S0-32
TEST(Mission, MemoryOver90PercentIsOneCriticalAlert) {
  TempFolder folder;
  DaemonOptions options = enterprise();
  options.arguments = options.arguments + Words{"--root", captured(folder, 92)};
  options.configuration = "[pressure]\ndwell = \"100ms\"\n[sample]\ninterval = \"100ms\"\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  ASSERT_TRUE(eventually([&] { return list(daemon.get("/api/v1/alerts")).size() == 1; }));
  EXPECT_EQ(text(list(daemon.get("/api/v1/alerts"))[0], "severity"), "critical");
  EXPECT_EQ(text(daemon.get(kMonitoring + "report"), "health_status"), "critical");
}

// S0-33 S0-34
TEST(Mission, AFullOrHotGpuIsAnAlertWithRecommendations) {
  DaemonOptions options = enterprise("24GiB,used=23GiB,temp=86");
  options.configuration = "[pressure]\ndwell = \"100ms\"\n[sample]\ninterval = \"100ms\"\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  std::map<std::string, value> by_type;
  ASSERT_TRUE(eventually([&] {
    const value alerts = daemon.get(kMonitoring + "alerts");
    for (const value& one : alerts.as_array()) by_type[text(one, "type")] = one;
    return by_type.contains("gpu_memory") && by_type.contains("gpu_temperature");
  }));
  EXPECT_EQ(text(by_type["gpu_memory"], "severity"), "critical");
  EXPECT_EQ(real(by_type["gpu_memory"], "threshold"), 90);
  EXPECT_FALSE(by_type["gpu_memory"].at("recommendations").as_array().empty());
  EXPECT_EQ(text(by_type["gpu_temperature"], "severity"), "warning");
  EXPECT_EQ(real(by_type["gpu_temperature"], "threshold"), 85);
}

// S0-80 S0-81 S0-82 S0-94 S0-95
TEST(Mission, QueriesAreFilteredAndChecked) {
  Daemon daemon(enterprise());
  ASSERT_TRUE(daemon.start());
  EXPECT_EQ(daemon.ask("GET", kMonitoring + "alerts?severity=critical&limit=10").status, 200);
  const Answer wrong = daemon.ask("GET", kMonitoring + "alerts?severity=loud");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("emergency"));
  EXPECT_EQ(daemon.ask("GET", kMonitoring + "alerts?limit=0").status, 400);
  EXPECT_EQ(daemon.ask("GET", kMonitoring + "alerts?limit=1001").status, 400);
  for (const char* window : {"1", "300", "600", "86400"}) {
    const value history = daemon.get(kMonitoring + "history?window_seconds=" + window);
    EXPECT_EQ(whole(history, "window_seconds"), std::atoll(window));
    EXPECT_EQ(keys_of(history.at("statistics").at("cpu_memory_percent")), "avg max min");
    EXPECT_TRUE(history.at("history").is_array());
  }
  EXPECT_EQ(daemon.ask("GET", kMonitoring + "history?window_seconds=86401").status, 400);
}

// S0-14 S0-83 S0-86
TEST(Mission, BatchSizesAreTheRecommendedOnesOrWhatFits) {
  for (const auto& [gpu, small, medium, large] :
       {std::tuple("24GiB", 4, 2, 1), std::tuple("6GiB", 4, 0, 0)}) {
    Daemon daemon(enterprise(gpu));
    ASSERT_TRUE(daemon.start());
    const value advice = daemon.get(kMonitoring + "optimization-suggestions");
    EXPECT_EQ(whole(advice, "optimal_batch_sizes.small"), small) << gpu;
    EXPECT_EQ(whole(advice, "optimal_batch_sizes.medium"), medium) << gpu;
    EXPECT_EQ(whole(advice, "optimal_batch_sizes.large"), large) << gpu;
  }
}

// S0-96 to S0-100
TEST(Mission, TheVariablesOfTheSpecificationAreShownWithTheirNames) {
  DaemonOptions options = enterprise();
  options.variables = {{"MUSICGEN_MEMORY_PRESSURE_THRESHOLD", "0.85"},
                       {"MUSICGEN_MONITORING_INTERVAL", "1.0"},
                       {"MUSICGEN_HISTORY_SIZE", "300"},
                       {"MUSICGEN_MODEL_CACHE_SIZE", "5"},
                       {"MUSICGEN_MODEL_CACHE_DIR", "/tmp/models"}};
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  const std::map<std::string, std::pair<std::string, std::string>> expected = {
      {"pressure.memory.cleanup_at", {"85", "MUSICGEN_MEMORY_PRESSURE_THRESHOLD"}},
      {"pressure.gpu_memory.cleanup_at", {"85", "MUSICGEN_MEMORY_PRESSURE_THRESHOLD"}},
      {"sample.interval", {"\"1s\"", "MUSICGEN_MONITORING_INTERVAL"}},
      {"sample.history", {"300", "MUSICGEN_HISTORY_SIZE"}},
      {"models.cache_size", {"5", "MUSICGEN_MODEL_CACHE_SIZE"}},
      {"models.cache_dir", {"\"/tmp/models\"", "MUSICGEN_MODEL_CACHE_DIR"}}};
  std::size_t seen = 0;
  const value settings = daemon.get("/api/v1/config");  // a list of what is gone would be none
  for (const value& setting : list(settings)) {
    const auto found = expected.find(text(setting, "key"));
    if (found == expected.end()) continue;
    ++seen;
    EXPECT_EQ(text(setting, "value"), found->second.first) << found->first;
    EXPECT_EQ(text(setting, "origin"), found->second.second) << found->first;
  }
  EXPECT_EQ(seen, expected.size());
  const Outcome shown = daemon.run({"config", "show", "cleanup_at"});
  EXPECT_THAT(shown.out, HasSubstr("MUSICGEN_MEMORY_PRESSURE_THRESHOLD"));
}

// S3-56 to S3-68, AT-S3-8
TEST(Mission, TheConfigurationOfTheSpecificationIsTakenAsPrinted) {
  TempFolder folder;
  const std::string file = folder.file("config.toml");
  write_text(file,
             "[ml_pipeline]\n"
             "# Resource thresholds\n"
             "cpu_warning_threshold = 70.0\ncpu_critical_threshold = 85.0\n"
             "cpu_emergency_threshold = 95.0\n\n"
             "memory_warning_threshold = 75.0\nmemory_critical_threshold = 85.0\n"
             "memory_emergency_threshold = 95.0\n\n"
             "disk_warning_threshold = 80.0\ndisk_critical_threshold = 90.0\n"
             "disk_emergency_threshold = 95.0\n\n"
             "# Monitoring intervals\n"
             "resource_monitoring_interval = 10  # seconds\n"
             "resource_alert_cooldown = 300  # seconds\n");
  EXPECT_EQ(headroomd({"--config", file, "--profile", "pipeline", "--check"}).code, 0);
  DaemonOptions options;
  options.arguments = {"--profile", "pipeline"};
  options.configuration = read_text(file);
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  std::set<std::string> named;
  const value settings = daemon.get("/api/v1/config");  // a list of what is gone would be none
  for (const value& setting : list(settings)) {
    if (text(setting, "origin").find("headroom.toml:") == std::string::npos &&
        text(setting, "origin").find(".toml:") == std::string::npos) {
      continue;
    }
    EXPECT_THAT(text(setting, "alias"), HasSubstr("ml_pipeline.")) << text(setting, "key");
    named.insert(text(setting, "key"));
  }
  EXPECT_EQ(named.size(), 12U) << "eleven lines, one of which sets two intervals";
}

// S4-47 to S4-57
TEST(Mission, TheResourcesPathsHaveTheirSixKeys) {
  Daemon daemon(simulated_gpus("24GiB,used=6GiB,util=40; 24GiB,used=18GiB,util=60"));
  ASSERT_TRUE(daemon.start());
  ASSERT_TRUE(
      eventually([&] { return whole(daemon.get("/api/v1/snapshot"), "sample").value_or(0) >= 2; }));
  EXPECT_EQ(keys_of(daemon.get("/resources/cpu")), "cpu_percent timestamp");
  EXPECT_EQ(keys_of(daemon.get("/resources/memory")), "memory_usage_mb timestamp");
  EXPECT_EQ(keys_of(daemon.get("/resources/network")), "network_usage_bytes_per_second timestamp");
  const value all = daemon.get("/resources/all");
  EXPECT_EQ(keys_of(all),
            "cpu_percent gpu_available gpu_memory_percent gpu_percent memory_usage_mb "
            "network_usage_bytes_per_second timestamp");
  EXPECT_NEAR(real(all, "gpu_percent"), 50, 0.01) << "the mean over devices";
  EXPECT_NEAR(real(all, "gpu_memory_percent"), 50, 0.01);
  EXPECT_GT(real(all, "timestamp"), 1.7e9) << "seconds since the epoch";
}

// S3-102 to S3-107
TEST(Mission, TheFiveMetricsOfTheSpecificationAreThere) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const std::string metrics = daemon.ask("GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("# TYPE ml_resource_cpu_percent gauge"));
  EXPECT_THAT(metrics, HasSubstr("# TYPE ml_resource_memory_percent gauge"));
  EXPECT_THAT(metrics, HasSubstr("# TYPE ml_resource_allocation_adjustments_total counter"));
  EXPECT_THAT(metrics, HasSubstr("# TYPE ml_resource_pressure_events_total counter"));
  EXPECT_THAT(metrics, HasSubstr("# TYPE ml_resource_prediction_accuracy gauge"));
}

// S0-12: an alert reaches a command and can be acknowledged and muted
TEST(Mission, AnAlertReachesACommand) {
  TempFolder folder;
  DaemonOptions options = enterprise();
  options.arguments = options.arguments + Words{"--root", captured(folder, 92)};
  options.configuration =
      "[pressure]\ndwell = \"100ms\"\n[sample]\ninterval = \"100ms\"\n"
      "[notify.file]\nkind = \"command\"\nrun = [\"sh\", \"-c\", \"cat > '" +
      folder.file("told") + ".new' && mv '" + folder.file("told") + ".new' '" +
      folder.file("told") + "'\"]\n";
  Daemon daemon(options);
  ASSERT_TRUE(daemon.start());
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(folder.file("told")); }));
  const auto told = client::parse_json(read_text(folder.file("told")));
  ASSERT_TRUE(told);
  EXPECT_EQ(text(*told, "what"), "raised");
  EXPECT_EQ(text(*told, "alert.severity"), "critical");
  const std::string id = text(*told, "alert.id");
  EXPECT_EQ(daemon.run({"alert", "ack", id}).code, 0);
  EXPECT_TRUE(client::is_true(daemon.get("/api/v1/alerts/" + id), "acknowledged"));
  EXPECT_EQ(daemon.run({"alert", "mute", id, "1h"}).code, 0);
  EXPECT_TRUE(is_utc(text(daemon.get("/api/v1/alerts/" + id), "muted_until")));
}

// S3-123, C4: one word, or two joined, from now on and after a restart
TEST(Mission, AStrategyIsSetByNameAndWhatItHoldsBackFollows) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto kept = [&] { return *whole(daemon.room("memory"), "reserve_bytes"); };
  const std::int64_t before = kept();
  const auto shown = daemon.run({"strategy"});
  EXPECT_THAT(shown.out, HasSubstr("strategy adaptive"));
  EXPECT_THAT(shown.out, HasSubstr("conservative"));
  EXPECT_EQ(daemon.run({"strategy", "set", "conservative+predictive"}).code, 0);
  EXPECT_EQ(text(daemon.get("/api/v1/strategy"), "name"), "conservative+predictive");
  EXPECT_GT(kept(), 2 * before) << "20 % instead of 5";
  const auto wrong = daemon.run({"strategy", "set", "bold"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("aggressive+predictive"));
  EXPECT_EQ(daemon.stop().code, 0);
  ASSERT_TRUE(daemon.start());
  EXPECT_THAT(daemon.run({"strategy"}).out, HasSubstr("strategy conservative+predictive"));
}

// S3-36, S3-37, S3-39: what is expected, of what method, how sure
TEST(Mission, ForecastsAreThereWithTheFirstSamplesAndSayHowLittleTheyKnow) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto memory = [&] {
    const auto all = daemon.get("/api/v1/forecasts");
    for (const auto& one : list(all)) {
      if (text(one, "resource") == "memory") return one;
    }
    return value();
  };
  ASSERT_TRUE(eventually([&] { return whole(memory(), "samples").value_or(0) > 0; }));
  EXPECT_EQ(number(memory(), "horizon_seconds"), 900);
  EXPECT_EQ(text(memory(), "limited_by"), "short_history");
  EXPECT_NE(text(memory(), "method"), "");
  EXPECT_THAT(daemon.run({"forecast", "memory"}).out, HasSubstr("EXPECTED"));
  const auto further = daemon.get("/api/v1/forecasts?horizon=1h");
  ASSERT_FALSE(list(further).empty());
  EXPECT_EQ(number(list(further).at(0), "horizon_seconds"), 3600);
  EXPECT_THAT(daemon.run({"forecast", "memroy"}).err, HasSubstr("did you mean memory?"));
  EXPECT_EQ(daemon.run({"forecast", "--horizon", "soon"}).code, 2);
}

// C27, UX 8: changes at run time are kept, and what is wrong changes nothing
TEST(Mission, SettingsChangeAtRunTimeAndSurviveARestart) {
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  EXPECT_EQ(daemon.run({"config", "set", "pressure.memory.warning", "61"}).code, 0);
  EXPECT_EQ(daemon.run({"config", "set", "pressure.memory.warning", "lots"}).code, 2);
  EXPECT_EQ(daemon.run({"config", "set", "presure.memory.warning", "61"}).code, 4);
  EXPECT_EQ(daemon.run({"config", "get", "pressure.memory.warning"}).out, "61\n");
  EXPECT_EQ(daemon.stop().code, 0);
  ASSERT_TRUE(daemon.start());
  EXPECT_EQ(daemon.run({"config", "get", "pressure.memory.warning"}).out, "61\n");
  EXPECT_EQ(daemon.run({"config", "unset", "pressure.memory.warning"}).code, 0);
  EXPECT_EQ(daemon.run({"config", "get", "pressure.memory.warning"}).out, "75\n");
}

}  // namespace
}  // namespace headroom::end_to_end
