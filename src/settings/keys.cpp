#include "settings/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include <arpa/inet.h>

#include "settings/field.hpp"
#include "settings/named.hpp"
#include "settings/parse.hpp"

namespace headroom::settings {

namespace {

using namespace std::chrono_literals;

Problem check_node_name(const std::string& name) {
  if (name.size() > 253) return "is too long";
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!plain) return "has a character in it that a name cannot have";
  return {};
}

Problem check_path(const std::string& path) {
  if (path.empty() || path.front() != '/') return "is not an absolute path";
  if (path.size() > 4000) return "is too long";
  return {};
}

Problem check_socket(const std::string& path) {
  // sockaddr_un has room for 108 bytes, the last of which is the terminating zero.
  if (path.size() > 107) return "is longer than the 107 bytes the kernel allows for a socket";
  return check_path(path);
}

Problem check_gpu_sim(const std::string& text) {
  if (text.size() > 4096) return "is too long";
  return {};
}

bool is_ipv4(std::string_view host) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view host) {
  in6_addr address{};
  return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
         inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), &address) == 1;
}

Problem check_listen(const std::string& listen) {
  if (listen.empty()) return {};
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) return "has no port";
  std::string_view host = std::string_view(listen).substr(0, colon);
  const std::string_view port = std::string_view(listen).substr(colon + 1);
  if (port.empty() || port.size() > 5 ||
      !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
      std::stoi(std::string(port)) > 65535) {
    return "has no port from 0 to 65535 behind the last colon";
  }
  if (host.empty()) return "has no address before the port";
  if (host == "localhost" || is_ipv4(host) || is_ipv6(host)) return {};
  if (host.find(':') != std::string_view::npos && host.front() != '[') {
    return "has an IPv6 address without brackets around it";
  }
  return "has no address of this machine, like 127.0.0.1 or 0.0.0.0, before the port";
}

Problem check_file(const std::string& path) {
  if (path.empty()) return {};
  return check_path(path);
}

Problem check_host_name(const std::string& name) {
  if (name.empty() || name.size() > 253) return "is no host name";
  return check_node_name(name);
}

Problem check_any(const std::string& text) {
  if (text.size() > 4096) return "is too long";
  return {};
}

Problem check_model_name(const std::string& name) {
  if (name.empty() || name.size() > 200) return "is no name of 1 to 200 bytes";
  return check_any(name);
}

Problem check_pattern(const std::string& pattern) {
  if (pattern.empty() || pattern.find('/') != std::string::npos) return "is no pattern of a name";
  return check_any(pattern);
}

Problem check_currency(const std::string& currency) {
  if (currency.size() > 16) return "is too long";
  const bool plain = std::none_of(currency.begin(), currency.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x21 || c == '"' || c == '\\' || c == 0x7f;
  });
  if (!plain) return "has a character in it that a word cannot have";
  return {};
}

Problem check_otlp(const std::string& url) {
  if (url.empty()) return {};
  if (!url.starts_with("http://") || url.size() < 8) {
    return "does not begin with http://; a collector on this machine can go on with https";
  }
  return check_any(url);
}

// What is opened, made or sized once.
constexpr const char* kAtStart[] = {
    "node.name",        "http.socket", "http.listen",           "http.cert",      "http.key",
    "http.connections", "sample.gpu",  "sample.gpu_sim",        "sample.history", "sample.keep",
    "sample.wake_gpus", "state.",      "sample.history_budget", "log.",
};

template <class Access>
void add_rungs(std::vector<Key>& keys, const std::string& resource, const char* what, double most,
               const std::string& unit, bool has_alias, Access access) {
  const auto add = [&](const char* level, auto line) {
    Field<Config> field = rung<Config>(line, most, unit);
    Key key;
    key.name = "pressure." + resource + "." + level;
    key.allowed = field.allowed;
    key.about = std::string(what) + " from which the level is " + level + ".";
    if (has_alias) key.aliases = {"ml_pipeline." + resource + "_" + level + "_threshold"};
    key.set = field.set;
    key.get = field.get;
    keys.push_back(std::move(key));
  };
  add("warning", [=](auto& c) -> auto& { return access(c).warning; });
  add("critical", [=](auto& c) -> auto& { return access(c).critical; });
  add("emergency", [=](auto& c) -> auto& { return access(c).emergency; });
}

}  // namespace

// Four numbers of an IPv4 address that begins with 127.
bool is_loopback_v4(std::string_view host) {
  int parts = 0;
  while (true) {
    unsigned part = 0;
    const auto [end, error] = std::from_chars(host.data(), host.data() + host.size(), part);
    if (error != std::errc() || part > 255 || (parts == 0 && part != 127)) return false;
    host.remove_prefix(static_cast<std::size_t>(end - host.data()));
    if (++parts == 4) return host.empty();
    if (host.empty() || host.front() != '.') return false;
    host.remove_prefix(1);
  }
}

std::string variable_of(std::string_view key) {
  std::string out = "HEADROOM_";
  for (const char c : key) {
    if (c == '.') {
      out += "__";
    } else {
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return out;
}

std::vector<Key> make_keys() {
  std::vector<Key> keys;
  const auto add = [&keys](std::string name, Field<Config> field, std::string about,
                           std::vector<std::string> aliases = {}) {
    keys.push_back({std::move(name), std::move(field.allowed), std::move(about), std::move(aliases),
                    std::move(field.set), std::move(field.get)});
    for (const char* section : kAtStart) {
      if (keys.back().name.starts_with(section)) keys.back().at_start = true;
    }
  };
  // The member of a Config that a key stands for, for reading and for writing.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a member cannot stand in parentheses
#define HEADROOM_MEMBER(member) [](auto& c) -> auto& { return c.member; }

  Words<std::string> profile_words;
  for (const Profile& profile : make_profiles()) {
    profile_words.emplace_back(profile.name, profile.name);
  }
  add("profile", choice<Config>(HEADROOM_MEMBER(profile), profile_words),
      "A named set of numbers that lies over the built-in ones.");
  add("strategy",
      {"conservative, balanced, aggressive, adaptive, dynamic, predictive, cooperative, or two as "
       "in "
       "aggressive+predictive",
       [](Config& config, const Value& value) -> Problem {
         const auto* text = text_of(value);
         if (text == nullptr) return wrong_kind(value);
         const auto strategy = strategy_of(*text);
         if (!strategy) return "is no strategy" + did_you_mean(*text, kStrategyWords);
         config.strategy = *strategy;
         return {};
       },
       [](const Config& config) { return toml_text(to_text(config.strategy)); }},
      "How much of the capacity is held back, and how allocations move.");

  add("node.name",
      text<Config>(HEADROOM_MEMBER(node.name), "letters, digits, - _ and .", check_node_name),
      "What this machine is called; empty means its host name.");
  add("node.margin.memory", share<Config>(HEADROOM_MEMBER(node.margin_memory)),
      "Memory that is never booked, for the error of measurement.");
  add("node.margin.gpu_memory", share<Config>(HEADROOM_MEMBER(node.margin_gpu_memory)),
      "Memory of each GPU that is never booked.");
  add("node.margin.disk", share<Config>(HEADROOM_MEMBER(node.margin_disk)),
      "Space of each filesystem that is never booked.");

  add("http.socket", text<Config>(HEADROOM_MEMBER(http.socket), "an absolute path", check_socket),
      "The Unix socket of the daemon.");
  add("http.listen",
      text<Config>(HEADROOM_MEMBER(http.listen), "an address and a port, like 127.0.0.1:8000",
                   check_listen),
      "The TCP address of the daemon; empty means the socket alone.");
  add("http.readonly", boolean<Config>(HEADROOM_MEMBER(http.readonly)),
      "Whether every request that would change something is refused.");
  add("http.token_file",
      text<Config>(HEADROOM_MEMBER(http.token_file), "an absolute path, or empty", check_file),
      "A file with the word that callers from other machines must know; only its owner may read "
      "it.");
  add("http.private", boolean<Config>(HEADROOM_MEMBER(http.private_reads)),
      "Whether callers from other machines need the token for reading too.");
  add("http.cert",
      text<Config>(HEADROOM_MEMBER(http.cert), "an absolute path, or empty", check_file),
      "A certificate in PEM; with http.key, the TCP address speaks TLS.");
  add("http.key", text<Config>(HEADROOM_MEMBER(http.key), "an absolute path, or empty", check_file),
      "The certificate's key in PEM.");
  add("http.names",
      texts<Config>(HEADROOM_MEMBER(http.names), "a list of host names", 32, check_host_name),
      "Names of this machine that a browser may use for it, besides localhost.");
  add("http.connections", whole_number<Config>(HEADROOM_MEMBER(http.connections), 1, 100'000),
      "Connections open at once; more are turned away.");

  add("sample.interval", duration<Config>(HEADROOM_MEMBER(sample.interval), 50ms, 1h),
      "The time between two looks at the machine.",
      {"MUSICGEN_MONITORING_INTERVAL", "ml_pipeline.resource_monitoring_interval"});
  add("sample.history", whole_number<Config>(HEADROOM_MEMBER(sample.history), 1, 86'400),
      "Samples kept at full rate, at least.", {"MUSICGEN_HISTORY_SIZE"});
  add("sample.gpu",
      choice<Config>(HEADROOM_MEMBER(sample.gpu), Words<GpuSource>{{"auto", GpuSource::automatic},
                                                                   {"nvml", GpuSource::nvml},
                                                                   {"sim", GpuSource::sim},
                                                                   {"none", GpuSource::none}}),
      "Where GPU readings come from.");
  add("sample.gpu_sim",
      text<Config>(HEADROOM_MEMBER(sample.gpu_sim),
                   "GPUs, like \"24GiB,cc=8.6,used=4.2GiB; 24GiB\"", check_gpu_sim),
      "The GPUs that are made up when sample.gpu is sim.");
  add("sample.wake_gpus", boolean<Config>(HEADROOM_MEMBER(sample.wake_gpus)),
      "Whether sleeping GPUs are asked too, which wakes them.");
  add("sample.keep", duration<Config>(HEADROOM_MEMBER(sample.keep), 0ms, 8760h),
      "How far back the history on disk reaches; 0s keeps none.");
  add("sample.history_budget",
      bytes<Config>(HEADROOM_MEMBER(sample.history_budget), Bytes(1LL << 20), Bytes(1LL << 30)),
      "The most that the history takes on disk.");

  add("pressure.dwell", duration<Config>(HEADROOM_MEMBER(pressure.dwell), 0ms, 1h),
      "How long a level lasts before it becomes an alert; an emergency does at once.");
  add("pressure.clear_below",
      number<Config>(HEADROOM_MEMBER(pressure.clear_below), 0, 50, " points"),
      "How far below its line a value falls before the level is left.");
  add("pressure.cooldown", duration<Config>(HEADROOM_MEMBER(pressure.cooldown), 1s, 168h),
      "The time between two reminders of one alert.", {"ml_pipeline.resource_alert_cooldown"});
  add("pressure.notify",
      choice<Config>(HEADROOM_MEMBER(pressure.notify),
                     Words<Level>{{"warning", Level::warning},
                                  {"critical", Level::critical},
                                  {"emergency", Level::emergency}}),
      "The lowest level somebody is told about.");
  add("pressure.ladder",
      choice<Config>(HEADROOM_MEMBER(pressure.most), Words<Step>{{"watch", Step::watch},
                                                                 {"warn", Step::warn},
                                                                 {"throttle", Step::throttle},
                                                                 {"shrink", Step::shrink},
                                                                 {"shut", Step::shut},
                                                                 {"hold", Step::hold},
                                                                 {"freeze", Step::freeze},
                                                                 {"kill", Step::kill}}),
      "The most that is done when memory runs short; each step does what those before it do too.");
  add("pressure.freeze_most", duration<Config>(HEADROOM_MEMBER(pressure.freeze_most), 1s, 1h),
      "The longest that a lease stands still at a time.");
  add("pressure.grace", duration<Config>(HEADROOM_MEMBER(pressure.grace), 0ms, 10min),
      "With pressure.ladder = \"kill\": the time between SIGTERM and SIGKILL.");
  const std::string percent_unit = " (percent)";
  add_rungs(keys, "cpu", "CPU use", 100, percent_unit, true, HEADROOM_MEMBER(pressure.cpu));
  add_rungs(keys, "memory", "Memory use", 100, percent_unit, true,
            HEADROOM_MEMBER(pressure.memory));
  add_rungs(keys, "disk", "Use of a filesystem", 100, percent_unit, true,
            HEADROOM_MEMBER(pressure.disk));
  add_rungs(keys, "gpu_memory", "GPU memory use", 100, percent_unit, false,
            HEADROOM_MEMBER(pressure.gpu_memory));
  add("pressure.gpu_memory.basis",
      choice<Config>(HEADROOM_MEMBER(pressure.gpu_memory_basis),
                     Words<Basis>{{"unbooked", Basis::unbooked}, {"total", Basis::total}}),
      "Whether GPU memory that is booked counts as pressure (total) or not (unbooked).");
  add_rungs(keys, "gpu_temperature", "GPU temperature", 150, " (degrees Celsius)", false,
            HEADROOM_MEMBER(pressure.gpu_temperature));

  add_rungs(keys, "power", "Power draw of the machine", 1e6, " (watts)", false,
            HEADROOM_MEMBER(pressure.power));
  add_rungs(keys, "network", "Network use of the machine", 1e12, " (bytes per second)", false,
            HEADROOM_MEMBER(pressure.network));
  const auto add_cleanup = [&](const std::string& resource, const char* what, auto at, auto to) {
    add("pressure." + resource + ".cleanup_at", rung<Config>(at, 100, percent_unit),
        std::string(what) + " above which others are asked to free some.",
        {"MUSICGEN_MEMORY_PRESSURE_THRESHOLD"});
    keys.back().alias_is_fraction = true;
    add("pressure." + resource + ".cleanup_to", rung<Config>(to, 100, percent_unit),
        std::string(what) + " below which they are asked no more.");
  };
  add_cleanup("memory", "Memory use", HEADROOM_MEMBER(pressure.memory_cleanup_at),
              HEADROOM_MEMBER(pressure.memory_cleanup_to));
  add_cleanup("gpu_memory", "GPU memory use", HEADROOM_MEMBER(pressure.gpu_memory_cleanup_at),
              HEADROOM_MEMBER(pressure.gpu_memory_cleanup_to));

  add("models.cache_size", whole_number<Config>(HEADROOM_MEMBER(models.cache_size), 0, 100'000),
      "Models that stay resident at most; 0 is no limit.", {"MUSICGEN_MODEL_CACHE_SIZE"});
  add("models.cache_dir",
      text<Config>(HEADROOM_MEMBER(models.cache_dir), "an absolute path, or empty", check_file),
      "The folder that models are stored in.", {"MUSICGEN_MODEL_CACHE_DIR"});
  add("models.pinned",
      texts<Config>(HEADROOM_MEMBER(models.pinned), "a list of names", 1000, check_model_name),
      "Models that are never unloaded.");
  add("models.require_gpu", boolean<Config>(HEADROOM_MEMBER(models.require_gpu)),
      "Whether a model that wants a GPU is refused on a machine without one.");
  add("models.idle_unload", duration<Config>(HEADROOM_MEMBER(models.idle_unload), 0ms, 8760h),
      "How long a model stays unused before it is asked to go; 0s: for ever.");
  add("models.min_residency", duration<Config>(HEADROOM_MEMBER(models.min_residency), 0ms, 24h),
      "How long a model that was loaded stays before another's load may ask it to go.");
  add("models.churn_loads", whole_number<Config>(HEADROOM_MEMBER(models.churn_loads), 1, 4),
      "Loads of one model within models.churn_window, from which on nothing goes for it.");
  add("models.churn_window", duration<Config>(HEADROOM_MEMBER(models.churn_window), 0ms, 24h),
      "The time in which its loads are counted; 0s counts none.");
  add("models.engines_every", duration<Config>(HEADROOM_MEMBER(models.engines_every), 0ms, 1h),
      "The time between two looks at what the engines of [hooks] hold; 0s: they are not asked.");

  add("control.interval", duration<Config>(HEADROOM_MEMBER(control.interval), 100ms, 1h),
      "The time between two moves of allocations.", {"ml_pipeline.resource_monitoring_interval"});
  add("control.cpu_range",
      range<Config>(HEADROOM_MEMBER(control.cpu_least), HEADROOM_MEMBER(control.cpu_most), 0, 100,
                    percent_unit),
      "What a component may be given of the CPU.");
  add("control.memory_range",
      byte_range<Config>(HEADROOM_MEMBER(control.memory_least),
                         HEADROOM_MEMBER(control.memory_most)),
      "What a component may be given of memory.");
  add("control.min_change.cpu",
      number<Config>(HEADROOM_MEMBER(control.cpu_change), 0, 100, " (points of percent)"),
      "Smaller changes of a component's share of the CPU are not made.");
  add("control.min_change.memory",
      bytes<Config>(HEADROOM_MEMBER(control.memory_change), Bytes(1LL << 20), Bytes(1LL << 40)),
      "Smaller changes of a component's memory are not made.");
  add("control.setter_timeout",
      duration<Config>(HEADROOM_MEMBER(control.setter_timeout), 100ms, 10min),
      "A component that answers later has not done what it was asked.");
  add("control.shadow", boolean<Config>(HEADROOM_MEMBER(control.shadow)),
      "Only say what components would be given: nothing is set.");

  add("sessions.roots",
      texts<Config>(HEADROOM_MEMBER(sessions.roots), "a list of absolute paths", 1000, check_path),
      "Folders in which session folders lie.");
  add("sessions.pattern",
      text<Config>(HEADROOM_MEMBER(sessions.pattern), "a name with * and ?", check_pattern),
      "What session folders are called.");
  add("sessions.max_age", duration<Config>(HEADROOM_MEMBER(sessions.max_age), 0ms, 87600h),
      "The age from which an idle session folder may go; 0s is off.");

  add("cost.currency", text<Config>(HEADROOM_MEMBER(cost.currency), "a word", check_currency),
      "What amounts of money are followed by, like EUR.");
  const std::string money = " (cost.currency)";
  add("cost.per_hour", number<Config>(HEADROOM_MEMBER(cost.per_hour), 0, 1e6, money),
      "What this machine costs in an hour, without its GPUs.");
  add("cost.gpu_per_hour", number<Config>(HEADROOM_MEMBER(cost.gpu_per_hour), 0, 1e6, money),
      "What each of its GPUs costs in an hour.");
  add("cost.per_kwh", number<Config>(HEADROOM_MEMBER(cost.per_kwh), 0, 1e6, money),
      "What a kilowatt hour costs.");
  add("cost.idle_watts", number<Config>(HEADROOM_MEMBER(cost.idle_watts), 0, 1e6, " (watts)"),
      "What the machine draws besides what its meters tell.");
  add("cost.budget", number<Config>(HEADROOM_MEMBER(cost.budget), 0, 1e9, money),
      "What the machine may cost in a month; an alert tells of 80 and 100 %. 0 is no budget.");
  add("cost.over_budget",
      choice<Config>(HEADROOM_MEMBER(cost.over_budget),
                     Words<LeastPriority>{{"low", LeastPriority::low},
                                          {"normal", LeastPriority::normal},
                                          {"high", LeastPriority::high},
                                          {"critical", LeastPriority::critical},
                                          {"nobody", LeastPriority::nobody}}),
      "The priority from which a lease still starts once the budget is spent; others wait for the "
      "next month.");

  add("leases.wait", duration<Config>(HEADROOM_MEMBER(leases.wait), 0ms, 8760h),
      "How long a request waits for room when it does not say.");
  add("leases.ttl", duration<Config>(HEADROOM_MEMBER(leases.ttl), 0ms, 87600h),
      "How long a lease lasts when it does not say; 0s means as long as its holder lives.");
  add("leases.queue", whole_number<Config>(HEADROOM_MEMBER(leases.queue), 1, 100'000),
      "Requests that wait at once; more are refused.");
  add("leases.place",
      choice<Config>(HEADROOM_MEMBER(leases.place),
                     Words<Place>{{"pack", Place::pack}, {"spread", Place::spread}}),
      "Which GPU is taken when several fit: the fullest (pack) or the emptiest (spread).");
  add("leases.ageing", duration<Config>(HEADROOM_MEMBER(leases.ageing), 1s, 8760h),
      "The waiting time that is worth one priority class.");
  add("leases.user_memory", share<Config>(HEADROOM_MEMBER(leases.user_memory)),
      "Memory one user books at most; root is not capped.");
  add("leases.user_gpu_memory", share<Config>(HEADROOM_MEMBER(leases.user_gpu_memory)),
      "GPU memory one user books at most, of each GPU.");
  add("leases.user_cpu", percent<Config>(HEADROOM_MEMBER(leases.user_cpu)),
      "CPU one user books at most.");
  add("leases.user_leases", whole_number<Config>(HEADROOM_MEMBER(leases.user_leases), 1, 1'000'000),
      "Leases one user holds or waits for at once, at most.");

  add("leases.idle", duration<Config>(HEADROOM_MEMBER(leases.idle), 0ms, 8760h),
      "How long the greater half of a booking may go unused before that is said; 0s: for ever.");

  add("state.dir", text<Config>(HEADROOM_MEMBER(state.dir), "an absolute path", check_path),
      "Where the daemon keeps what survives a restart.");
  add("state.journal",
      bytes<Config>(HEADROOM_MEMBER(state.journal), Bytes(1LL << 20), Bytes(1LL << 30)),
      "The size of the journal file.");

  add("metrics.openmetrics", boolean<Config>(HEADROOM_MEMBER(metrics.openmetrics)),
      "Whether OpenMetrics is answered where it is asked for.");
  add("metrics.seed_names", boolean<Config>(HEADROOM_MEMBER(metrics.seed_names)),
      "Whether the names ml_resource_… are there too.");
  add("metrics.dcgm_names", boolean<Config>(HEADROOM_MEMBER(metrics.dcgm_names)),
      "Whether the names DCGM_FI_DEV_… are there too.");
  add("metrics.otlp",
      text<Config>(HEADROOM_MEMBER(metrics.otlp), "http://host:4318, or empty", check_otlp),
      "The OpenTelemetry collector that metrics are sent to.");
  add("metrics.otlp_interval", duration<Config>(HEADROOM_MEMBER(metrics.otlp_interval), 1s, 1h),
      "The time between two such messages.");
  add("metrics.otlp_json", boolean<Config>(HEADROOM_MEMBER(metrics.otlp_json)),
      "Whether they are JSON instead of protobuf.");
  add("metrics.max_series", whole_number<Config>(HEADROOM_MEMBER(metrics.max_series), 10, 100'000),
      "Names of leases and models that are told apart; the rest is summed as \"other\".");

  Words<std::string> log_levels;
  for (const char* level : {"trace", "debug", "info", "warn", "error"}) {
    log_levels.emplace_back(level, level);
  }
  add("log.level", choice<Config>(HEADROOM_MEMBER(log.level), log_levels),
      "The least important message that is logged.");
  add("log.format",
      choice<Config>(HEADROOM_MEMBER(log.format), Words<LogFormat>{{"auto", LogFormat::automatic},
                                                                   {"journal", LogFormat::journal},
                                                                   {"text", LogFormat::text},
                                                                   {"json", LogFormat::json}}),
      "How messages are written; auto means journal fields under systemd and text elsewhere.");
#undef HEADROOM_MEMBER
  return keys;
}

std::vector<Conflict> find_conflicts(const Config& config) {
  std::vector<Conflict> conflicts;
  struct Line {
    const char* level;
    std::optional<double> value;
  };
  const auto check = [&](const std::string& resource, const Rungs& rungs) {
    const std::string prefix = "pressure." + resource + ".";
    std::optional<Line> below;
    for (const Line& line : {Line{"warning", rungs.warning}, Line{"critical", rungs.critical},
                             Line{"emergency", rungs.emergency}}) {
      if (!line.value) continue;
      if (below && *below->value > *line.value) {
        conflicts.push_back({{prefix + below->level, prefix + line.level},
                             prefix + below->level + " = " + number_text(*below->value) +
                                 " is above " + prefix + line.level + " = " +
                                 number_text(*line.value) +
                                 "; lower the one, or raise the other "
                                 "or set it to \"off\""});
      }
      if (!below && config.pressure.clear_below >= *line.value) {
        conflicts.push_back({{"pressure.clear_below", prefix + line.level},
                             "pressure.clear_below = " + number_text(config.pressure.clear_below) +
                                 " is not below " + prefix + line.level + " = " +
                                 number_text(*line.value) + ", so its level could never be left"});
      }
      below = line;
    }
  };
  check("cpu", config.pressure.cpu);
  check("memory", config.pressure.memory);
  check("disk", config.pressure.disk);
  check("gpu_memory", config.pressure.gpu_memory);
  check("gpu_temperature", config.pressure.gpu_temperature);
  check("power", config.pressure.power);
  check("network", config.pressure.network);
  const auto check_cleanup = [&](const std::string& resource, const std::optional<double>& at,
                                 const std::optional<double>& to) {
    if (!at || !to || *to < *at) return;
    const std::string prefix = "pressure." + resource + ".cleanup_";
    conflicts.push_back({{prefix + "at", prefix + "to"},
                         prefix + "to = " + number_text(*to) + " is not below " + prefix +
                             "at = " + number_text(*at) + ", so asking would never end"});
  };
  check_cleanup("memory", config.pressure.memory_cleanup_at, config.pressure.memory_cleanup_to);
  check_cleanup("gpu_memory", config.pressure.gpu_memory_cleanup_at,
                config.pressure.gpu_memory_cleanup_to);
  const Config::Http& http = config.http;
  const std::string_view host = std::string_view(http.listen).substr(0, http.listen.rfind(':'));
  if (!http.listen.empty() && http.token_file.empty() && host != "localhost" && host != "[::1]" &&
      !is_loopback_v4(host)) {
    conflicts.push_back({{"http.listen", "http.token_file"},
                         "http.listen = " + toml_text(http.listen) +
                             " lets other machines in, and http.token_file names no word that they "
                             "must know; make one with: head -c 24 /dev/urandom | base64 > "
                             "/etc/headroom/token"});
  }
  if (http.cert.empty() != http.key.empty()) {
    conflicts.push_back({{"http.cert", "http.key"}, "http.cert and http.key go together"});
  }
  find_named_conflicts(config, conflicts);
  return conflicts;
}

}  // namespace headroom::settings
