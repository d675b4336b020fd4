#include "settings/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "settings/parse.hpp"

namespace headroom::settings {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

using Problem = std::optional<std::string>;  // empty: none

constexpr std::size_t kShown = 60;
constexpr const char* kOff = "off";  // a line that does not exist

// As short as it can be and still be read back as the same number.
std::string number_text(double number) {
  std::array<char, 40> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::string(text.data(), end) : std::string();
}

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04X", static_cast<unsigned>(c));
      out += code.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string kind_of(const Value& value) {
  struct Namer {
    std::string operator()(const std::string&) const { return "text"; }
    std::string operator()(std::int64_t) const { return "a number"; }
    std::string operator()(double) const { return "a number"; }
    std::string operator()(bool) const { return "true or false"; }
    std::string operator()(const Value::Other& other) const { return other.kind; }
  };
  return std::visit(Namer{}, value.data);
}

std::string wrong_kind(const Value& value) {
  return value.plain ? "cannot be read" : "is " + kind_of(value);
}

std::optional<double> plain_number(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

const std::string* text_of(const Value& value) { return std::get_if<std::string>(&value.data); }

std::optional<double> number_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
    return static_cast<double>(*whole);
  }
  if (const auto* number = std::get_if<double>(&value.data)) return *number;
  if (const auto* text = text_of(value); text != nullptr && value.plain) return plain_number(*text);
  return std::nullopt;
}

// The two directions of one kind of value. `Access` gives the member of a Config, const or not.
struct Field {
  std::string allowed;
  std::function<Problem(Config&, const Value&)> set;
  std::function<std::string(const Config&)> get;
};

template <class Access>
Field whole_number(Access access, int least, int most) {
  return {"a whole number from " + std::to_string(least) + " to " + std::to_string(most),
          [=](Config& config, const Value& value) -> Problem {
            const auto number = number_of(value);
            if (!number) return wrong_kind(value);
            if (!std::isfinite(*number) || *number != std::floor(*number)) {
              return "is not a whole number";
            }
            if (*number < least || *number > most) return "is out of range";
            access(config) = static_cast<int>(*number);
            return {};
          },
          [=](const Config& config) { return std::to_string(access(config)); }};
}

template <class Access>
Field number(Access access, double least, double most, const std::string& unit) {
  return {"a number from " + number_text(least) + " to " + number_text(most) + unit,
          [=](Config& config, const Value& value) -> Problem {
            const auto given = number_of(value);
            if (!given) return wrong_kind(value);
            if (!(*given >= least && *given <= most)) return "is out of range";
            access(config) = *given;
            return {};
          },
          [=](const Config& config) { return number_text(access(config)); }};
}

// A line of a ladder: a number, or "off".
template <class Access>
Field rung(Access access, double most, const std::string& unit) {
  return {"a number from 0 to " + number_text(most) + unit + ", or \"off\"",
          [=](Config& config, const Value& value) -> Problem {
            if (const auto* text = text_of(value); text != nullptr && *text == kOff) {
              access(config).reset();
              return {};
            }
            const auto given = number_of(value);
            if (!given) return wrong_kind(value);
            if (!(*given >= 0 && *given <= most)) return "is out of range";
            access(config) = *given;
            return {};
          },
          [=](const Config& config) {
            const auto& line = access(config);
            return line ? number_text(*line) : toml_text(kOff);
          }};
}

template <class Access>
Field boolean(Access access) {
  return {"true or false",
          [=](Config& config, const Value& value) -> Problem {
            if (const auto* given = std::get_if<bool>(&value.data)) {
              access(config) = *given;
              return {};
            }
            const auto* text = text_of(value);
            if (text == nullptr || !value.plain) return wrong_kind(value);
            const auto parsed = parse_bool(*text);
            if (!parsed) return "is neither";
            access(config) = *parsed;
            return {};
          },
          [=](const Config& config) { return access(config) ? "true" : "false"; }};
}

// Durations of the unit Access gives: what it cannot hold exactly is refused, not rounded.
template <class Access>
Field duration(Access access, milliseconds least, milliseconds most) {
  return {format_duration_exact(least) + " to " + format_duration_exact(most),
          [=](Config& config, const Value& value) -> Problem {
            using Unit = std::remove_cvref_t<decltype(access(config))>;
            milliseconds given{};
            if (const auto* text = text_of(value)) {
              const auto parsed = parse_duration(*text);
              if (!parsed) return "is not a time: " + parsed.error().why;
              given = *parsed;
            } else if (const auto seconds = number_of(value)) {
              if (!(*seconds >= 0 && *seconds <= 1e10)) return "is out of range";
              given = milliseconds(std::llround(*seconds * 1000));
            } else {
              return wrong_kind(value);
            }
            if (given < least || given > most) return "is out of range";
            if (std::chrono::duration_cast<Unit>(given) != given) {
              return "is not a whole number of seconds";
            }
            access(config) = std::chrono::duration_cast<Unit>(given);
            return {};
          },
          [=](const Config& config) { return toml_text(format_duration_exact(access(config))); }};
}

template <class Access>
Field share(Access access) {
  return {"0% to 100%, or a size",
          [=](Config& config, const Value& value) -> Problem {
            if (const auto* bytes = std::get_if<std::int64_t>(&value.data)) {
              if (*bytes < 0) return "is negative";
              access(config) = Share{{}, Bytes(*bytes)};
              return {};
            }
            const auto* text = text_of(value);
            if (text == nullptr) return wrong_kind(value);
            const auto parsed = parse_share(*text);
            if (!parsed) return "is not a share: " + parsed.error().why;
            access(config) = *parsed;
            return {};
          },
          [=](const Config& config) { return toml_text(format_share_exact(access(config))); }};
}

template <class Access>
Field percent(Access access) {
  return {"0% to 100%",
          [=](Config& config, const Value& value) -> Problem {
            const auto* text = text_of(value);
            if (text == nullptr) return wrong_kind(value);
            const auto parsed = parse_percent(*text);
            if (!parsed) return "is not a percentage: " + parsed.error().why;
            access(config) = *parsed;
            return {};
          },
          [=](const Config& config) {
            return toml_text(format_share_exact(Share{access(config), {}}));
          }};
}

template <class Access>
Field bytes(Access access, Bytes least, Bytes most) {
  return {format_bytes_exact(least) + " to " + format_bytes_exact(most),
          [=](Config& config, const Value& value) -> Problem {
            Bytes given;
            if (const auto* count = std::get_if<std::int64_t>(&value.data)) {
              given = Bytes(*count);
            } else if (const auto* text = text_of(value)) {
              const auto parsed = parse_bytes(*text);
              if (!parsed) return "is not a size: " + parsed.error().why;
              given = *parsed;
            } else {
              return wrong_kind(value);
            }
            if (given < least || given > most) return "is out of range";
            access(config) = given;
            return {};
          },
          [=](const Config& config) { return toml_text(format_bytes_exact(access(config))); }};
}

template <class T>
using Words = std::vector<std::pair<std::string, T>>;

// One of a few words, each standing for a value.
template <class Access, class T>
Field choice(Access access, Words<T> words) {
  std::string allowed;
  for (const auto& [word, meaning] : words) allowed += (allowed.empty() ? "" : ", ") + word;
  return {allowed,
          [=](Config& config, const Value& value) -> Problem {
            const auto* text = text_of(value);
            if (text == nullptr) return wrong_kind(value);
            std::vector<std::string_view> names;
            for (const auto& [word, meaning] : words) {
              if (word == *text) {
                access(config) = meaning;
                return {};
              }
              names.push_back(word);
            }
            return "is none of the words" + did_you_mean(*text, names);
          },
          [=](const Config& config) {
            for (const auto& [word, meaning] : words) {
              if (access(config) == meaning) return toml_text(word);
            }
            return toml_text("");
          }};
}

// Text that `check` has nothing to say against.
template <class Access>
Field text(Access access, std::string allowed, Problem (*check)(const std::string&)) {
  return {std::move(allowed),
          [=](Config& config, const Value& value) -> Problem {
            const auto* given = text_of(value);
            if (given == nullptr) return wrong_kind(value);
            for (const char c : *given) {
              if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                return "has a control character in it";
              }
            }
            if (auto problem = check(*given)) return problem;
            access(config) = *given;
            return {};
          },
          [=](const Config& config) { return toml_text(access(config)); }};
}

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
  if (host == "localhost" || host == "[::1]" || is_loopback_v4(host)) return {};
  if (host.find(':') != std::string_view::npos && host.front() != '[') {
    return "has an IPv6 address without brackets around it";
  }
  return "is not a loopback address; other machines are not let in, because there are no tokens "
         "and no TLS to tell them apart yet";
}

template <class Access>
void add_rungs(std::vector<Key>& keys, const std::string& resource, const char* what, double most,
               const std::string& unit, bool has_alias, Access access) {
  const auto add = [&](const char* level, auto line) {
    Field field = rung(line, most, unit);
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

std::string Value::shown() const {
  std::string out;
  if (const auto* given = std::get_if<std::string>(&data)) {
    out = toml_text(given->size() > kShown ? given->substr(0, kShown) + "…" : *given);
  } else if (const auto* whole = std::get_if<std::int64_t>(&data)) {
    out = std::to_string(*whole);
  } else if (const auto* given_number = std::get_if<double>(&data)) {
    out = number_text(*given_number);
  } else if (const auto* flag = std::get_if<bool>(&data)) {
    out = *flag ? "true" : "false";
  } else {
    out = "…";
  }
  return out;
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
  const auto add = [&keys](std::string name, Field field, std::string about,
                           std::vector<std::string> aliases = {}) {
    keys.push_back({std::move(name), std::move(field.allowed), std::move(about), std::move(aliases),
                    std::move(field.set), std::move(field.get)});
  };
  // The member of a Config that a key stands for, for reading and for writing.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a member cannot stand in parentheses
#define HEADROOM_MEMBER(member) [](auto& c) -> auto& { return c.member; }

  Words<std::string> profile_words;
  for (const Profile& profile : make_profiles()) {
    profile_words.emplace_back(profile.name, profile.name);
  }
  add("profile", choice(HEADROOM_MEMBER(profile), profile_words),
      "A named set of numbers that lies over the built-in ones.");
  Words<Strategy> strategies;
  for (const Strategy strategy :
       {Strategy::conservative, Strategy::balanced, Strategy::aggressive, Strategy::adaptive,
        Strategy::dynamic, Strategy::predictive, Strategy::cooperative}) {
    strategies.emplace_back(to_string(strategy), strategy);
  }
  add("strategy", choice(HEADROOM_MEMBER(strategy), strategies),
      "How much of the capacity is held back, and how allocations move.");

  add("node.name", text(HEADROOM_MEMBER(node.name), "letters, digits, - _ and .", check_node_name),
      "What this machine is called; empty means its host name.");
  add("node.margin.memory", share(HEADROOM_MEMBER(node.margin_memory)),
      "Memory that is never booked, for the error of measurement.");
  add("node.margin.gpu_memory", share(HEADROOM_MEMBER(node.margin_gpu_memory)),
      "Memory of each GPU that is never booked.");
  add("node.margin.disk", share(HEADROOM_MEMBER(node.margin_disk)),
      "Space of each filesystem that is never booked.");

  add("http.socket", text(HEADROOM_MEMBER(http.socket), "an absolute path", check_socket),
      "The Unix socket of the daemon.");
  add("http.listen",
      text(HEADROOM_MEMBER(http.listen), "a loopback address and a port, like 127.0.0.1:8000",
           check_listen),
      "The TCP address of the daemon; empty means the socket alone.");
  add("http.readonly", boolean(HEADROOM_MEMBER(http.readonly)),
      "Whether every request that would change something is refused.");
  add("http.connections", whole_number(HEADROOM_MEMBER(http.connections), 1, 100'000),
      "Connections open at once; more are turned away.");

  add("sample.interval", duration(HEADROOM_MEMBER(sample.interval), 50ms, 1h),
      "The time between two looks at the machine.",
      {"MUSICGEN_MONITORING_INTERVAL", "ml_pipeline.resource_monitoring_interval"});
  add("sample.history", whole_number(HEADROOM_MEMBER(sample.history), 1, 86'400),
      "Samples kept at full rate, at least.", {"MUSICGEN_HISTORY_SIZE"});
  add("sample.gpu",
      choice(HEADROOM_MEMBER(sample.gpu), Words<GpuSource>{{"auto", GpuSource::automatic},
                                                           {"nvml", GpuSource::nvml},
                                                           {"sim", GpuSource::sim},
                                                           {"none", GpuSource::none}}),
      "Where GPU readings come from.");
  add("sample.gpu_sim",
      text(HEADROOM_MEMBER(sample.gpu_sim), "GPUs, like \"24GiB,cc=8.6,used=4.2GiB; 24GiB\"",
           check_gpu_sim),
      "The GPUs that are made up when sample.gpu is sim.");

  add("pressure.dwell", duration(HEADROOM_MEMBER(pressure.dwell), 0ms, 1h),
      "How long a level lasts before it becomes an alert; an emergency does at once.");
  add("pressure.clear_below", number(HEADROOM_MEMBER(pressure.clear_below), 0, 50, " points"),
      "How far below its line a value falls before the level is left.");
  add("pressure.cooldown", duration(HEADROOM_MEMBER(pressure.cooldown), 1s, 168h),
      "The time between two reminders of one alert.", {"ml_pipeline.resource_alert_cooldown"});
  add("pressure.notify",
      choice(HEADROOM_MEMBER(pressure.notify), Words<Level>{{"warning", Level::warning},
                                                            {"critical", Level::critical},
                                                            {"emergency", Level::emergency}}),
      "The lowest level somebody is told about.");
  const std::string percent_unit = " (percent)";
  add_rungs(keys, "cpu", "CPU use", 100, percent_unit, true, HEADROOM_MEMBER(pressure.cpu));
  add_rungs(keys, "memory", "Memory use", 100, percent_unit, true,
            HEADROOM_MEMBER(pressure.memory));
  add_rungs(keys, "disk", "Use of a filesystem", 100, percent_unit, true,
            HEADROOM_MEMBER(pressure.disk));
  add_rungs(keys, "gpu_memory", "GPU memory use", 100, percent_unit, false,
            HEADROOM_MEMBER(pressure.gpu_memory));
  add("pressure.gpu_memory.basis",
      choice(HEADROOM_MEMBER(pressure.gpu_memory_basis),
             Words<Basis>{{"unbooked", Basis::unbooked}, {"total", Basis::total}}),
      "Whether GPU memory that is booked counts as pressure (total) or not (unbooked).");
  add_rungs(keys, "gpu_temperature", "GPU temperature", 150, " (degrees Celsius)", false,
            HEADROOM_MEMBER(pressure.gpu_temperature));

  add("leases.wait", duration(HEADROOM_MEMBER(leases.wait), 0ms, 8760h),
      "How long a request waits for room when it does not say.");
  add("leases.ttl", duration(HEADROOM_MEMBER(leases.ttl), 0ms, 87600h),
      "How long a lease lasts when it does not say; 0s means as long as its holder lives.");
  add("leases.queue", whole_number(HEADROOM_MEMBER(leases.queue), 1, 100'000),
      "Requests that wait at once; more are refused.");
  add("leases.place",
      choice(HEADROOM_MEMBER(leases.place),
             Words<Place>{{"pack", Place::pack}, {"spread", Place::spread}}),
      "Which GPU is taken when several fit: the fullest (pack) or the emptiest (spread).");
  add("leases.ageing", duration(HEADROOM_MEMBER(leases.ageing), 1s, 8760h),
      "The waiting time that is worth one priority class.");
  add("leases.user_memory", share(HEADROOM_MEMBER(leases.user_memory)),
      "Memory one user books at most; root is not capped.");
  add("leases.user_gpu_memory", share(HEADROOM_MEMBER(leases.user_gpu_memory)),
      "GPU memory one user books at most, of each GPU.");
  add("leases.user_cpu", percent(HEADROOM_MEMBER(leases.user_cpu)), "CPU one user books at most.");
  add("leases.user_leases", whole_number(HEADROOM_MEMBER(leases.user_leases), 1, 1'000'000),
      "Leases one user holds or waits for at once, at most.");

  add("state.dir", text(HEADROOM_MEMBER(state.dir), "an absolute path", check_path),
      "Where the daemon keeps what survives a restart.");
  add("state.journal", bytes(HEADROOM_MEMBER(state.journal), Bytes(1LL << 20), Bytes(1LL << 30)),
      "The size of the journal file.");

  Words<std::string> log_levels;
  for (const char* level : {"trace", "debug", "info", "warn", "error"}) {
    log_levels.emplace_back(level, level);
  }
  add("log.level", choice(HEADROOM_MEMBER(log.level), log_levels),
      "The least important message that is logged.");
  add("log.format",
      choice(HEADROOM_MEMBER(log.format), Words<LogFormat>{{"auto", LogFormat::automatic},
                                                           {"journal", LogFormat::journal},
                                                           {"text", LogFormat::text},
                                                           {"json", LogFormat::json}}),
      "How messages are written; auto means journal fields under systemd and text elsewhere.");
#undef HEADROOM_MEMBER
  return keys;
}

std::vector<Profile> make_profiles() {
  const auto off = [](std::vector<std::pair<std::string, std::string>>& values,
                      std::initializer_list<const char*> lines) {
    for (const char* line : lines) values.emplace_back(std::string("pressure.") + line, kOff);
  };
  std::vector<Profile> profiles;
  profiles.push_back({"default", {}});

  Profile enterprise{"enterprise",
                     {{"pressure.memory.warning", "80"},
                      {"pressure.memory.critical", "90"},
                      {"pressure.gpu_memory.basis", "total"}}};
  off(enterprise.values,
      {"cpu.warning", "cpu.critical", "cpu.emergency", "memory.emergency", "disk.warning",
       "disk.critical", "disk.emergency", "gpu_memory.emergency"});
  profiles.push_back(std::move(enterprise));

  Profile general{"general",
                  {{"sample.interval", "10s"},
                   {"pressure.cpu.warning", "90"},
                   {"pressure.memory.warning", "85"},
                   {"pressure.disk.warning", "80"}}};
  off(general.values,
      {"cpu.critical", "cpu.emergency", "memory.critical", "memory.emergency", "disk.critical",
       "disk.emergency", "gpu_memory.critical", "gpu_memory.emergency", "gpu_temperature.warning"});
  profiles.push_back(std::move(general));

  // Programs of these two set limits for themselves; the node has no lines.
  const std::initializer_list<const char*> kNoLines = {
      "cpu.warning",     "cpu.critical",        "cpu.emergency",       "memory.warning",
      "memory.critical", "memory.emergency",    "disk.warning",        "disk.critical",
      "disk.emergency",  "gpu_memory.critical", "gpu_memory.emergency"};
  Profile edge{"edge", {{"pressure.gpu_temperature.warning", "80"}}};
  off(edge.values, kNoLines);
  profiles.push_back(std::move(edge));

  Profile pipeline{"pipeline", {{"sample.interval", "10s"}}};
  off(pipeline.values, {"gpu_temperature.warning"});
  profiles.push_back(std::move(pipeline));

  Profile app{"app", {}};
  off(app.values, kNoLines);
  off(app.values, {"gpu_temperature.warning"});
  profiles.push_back(std::move(app));
  return profiles;
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
  return conflicts;
}

}  // namespace headroom::settings
