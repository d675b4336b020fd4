#include "cli/doctor.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>

#include <unistd.h>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/doctor_probe.hpp"
#include "cli/environment.hpp"
#include "cli/local.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "settings/named.hpp"
#include "settings/settings.hpp"

namespace headroom::cli {

using client::json::array;
using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom doctor               every check; 0 when nothing failed, else 1\n"
    "  headroom doctor --api         asks every path of the interface, and tries the webhooks' "
    "hosts\n"
    "  headroom doctor --self-test   measures what a reading of this machine costs\n"
    "  headroom doctor --json        the same as a document\n";

constexpr std::chrono::milliseconds kPortWithin{500};
constexpr int kSelfTestReadings = 200;

double milliseconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

Check check_daemon(client::Daemon& daemon) {
  const double began = milliseconds_now();
  const auto answer = daemon.get("/healthz");
  const double took = milliseconds_now() - began;
  if (!answer) {
    return {Check::Outcome::failed, "daemon",
            printable(answer.error().what) +
                (answer.error().why.empty() ? "" : ": " + printable(answer.error().why)),
            answer.error().help};
  }
  return {Check::Outcome::ok, "daemon",
          "answers in " + show_number(took, 1) + " ms on " + printable(daemon.url()), ""};
}

Check check_ready(client::Daemon& daemon) {
  const auto answer = daemon.get("/readyz");
  if (answer) return {Check::Outcome::ok, "sampling", "the readings are fresh", ""};
  const auto& error = answer.error();
  return {Check::Outcome::failed, "sampling", printable(error.why.empty() ? error.what : error.why),
          error.help};
}

/// The daemon's own port, as its configuration names it.
std::optional<Check> check_port(const value& config, const std::string& node_name) {
  const auto settings = client::list(config);
  const bool speaks_tls = std::any_of(settings.begin(), settings.end(), [](const value& setting) {
    return client::text(setting, "key") == "http.cert" && client::text(setting, "value").size() > 2;
  });
  for (const auto& setting : settings) {
    if (client::text(setting, "key") != "http.listen") continue;
    auto address = client::text(setting, "value");
    address.erase(std::remove(address.begin(), address.end(), '"'), address.end());
    if (address.empty())
      return Check{Check::Outcome::ok, "http", "no TCP port; the socket alone", ""};
    const auto colon = address.rfind(':');
    const auto port = colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
    if (speaks_tls) {
      const auto who = who_listens(port);
      if (who.find("headroomd") != std::string::npos) {
        return Check{Check::Outcome::ok, "http", "TLS on " + printable(address), ""};
      }
    }
    client::Daemon door("http://" + address, kPortWithin);
    const auto node = door.document("/api/v1/node");
    if (node && client::text(*node, "name") == node_name) {
      return Check{Check::Outcome::ok, "http", "answers on " + printable(address), ""};
    }
    const auto who = port > 0 ? who_listens(port) : std::string();
    return Check{Check::Outcome::warn, "http",
                 printable(address) + (who.empty() ? " does not answer" : " is held by " + who) +
                     "; the socket works",
                 who.empty() ? "restart headroomd"
                             : "sudo headroom config set http.listen 127.0.0.1:8899, then restart "
                               "headroomd"};
  }
  return std::nullopt;
}

/// "h.toml, conf.d/a.toml": the files among the origins of the daemon's settings.
std::string files_of(const value& config) {
  std::string files;
  for (const auto& setting : client::list(config)) {
    const auto origin = printable(client::text(setting, "origin"));
    const auto colon = origin.rfind(':');
    if (colon == std::string::npos || colon + 1 == origin.size() ||
        origin.find_first_not_of("0123456789", colon + 1) != std::string::npos) {
      continue;
    }
    const auto file = origin.substr(0, colon);
    if ((", " + files + ",").find(", " + file + ",") != std::string::npos) continue;
    files += (files.empty() ? "" : ", ") + file;
  }
  return files;
}

Check check_settings(const value& of_daemon) {
  settings::Input input;
  input.environment = environment();
  input.for_command = true;
  const auto loaded = settings::load(input);
  if (!loaded) {
    return {Check::Outcome::failed, "config", loaded.error().what + ": " + loaded.error().why,
            loaded.error().help.empty() ? "headroom config check" : loaded.error().help};
  }
  if (!loaded->warnings.empty()) {
    return {Check::Outcome::warn, "config", loaded->warnings.front(), "headroom config check"};
  }
  const auto files = loaded->files.size();
  const auto read = files_of(of_daemon);
  return {Check::Outcome::ok, "config",
          (files == 0 ? "no file, built-in values"
                      : std::to_string(files) +
                            (files == 1 ? " file, no mistakes" : " files, no mistakes")) +
              (read.empty() ? "" : "; the daemon has settings from " + read),
          ""};
}

/// A gauge or counter of the daemon without labels, from its Prometheus text.
std::optional<double> metric(std::string_view text, const std::string& name) {
  const auto wanted = "\n" + name + " ";
  const auto at = text.find(wanted);
  if (at == std::string_view::npos) return std::nullopt;
  return std::strtod(std::string(text.substr(at + wanted.size(), 40)).c_str(), nullptr);
}

std::string setting_of(const value& config, const std::string& key) {
  for (const auto& setting : client::list(config)) {
    if (client::text(setting, "key") != key) continue;
    auto text = client::text(setting, "value");
    text.erase(std::remove(text.begin(), text.end(), '"'), text.end());
    return text;
  }
  return {};
}

/// What the daemon keeps: its journal and the history on disk.
std::vector<Check> checks_of_keeping(const std::string& metrics, const value& config,
                                     const value& node) {
  std::vector<Check> checks;
  const auto folder = printable(setting_of(config, "state.dir"));
  if (const auto failures = metric(metrics, "headroom_journal_failures_total")) {
    const auto count = static_cast<std::int64_t>(*failures);
    checks.push_back(
        count == 0 ? Check{Check::Outcome::ok, "journal", "every record was kept in " + folder, ""}
                   : Check{Check::Outcome::failed, "journal",
                           std::to_string(count) + " records could not be kept in " + folder,
                           "make room there, or another place: state.dir"});
  }
  if (const auto size = metric(metrics, "headroom_history_bytes")) {
    const auto budget = printable(setting_of(config, "sample.history_budget"));
    const auto kept = setting_of(config, "sample.keep");
    const auto text = show_bytes(static_cast<std::int64_t>(*size)) + " on disk" +
                      (budget.empty() ? "" : ", at most " + budget);
    if (*size > 0) {
      checks.push_back({Check::Outcome::ok, "history", text, ""});
    } else if (kept == "0s") {
      checks.push_back(
          {Check::Outcome::ok, "history", "kept in memory only, as sample.keep says", ""});
    } else {
      // The first block of a history is written after some minutes.
      const auto started = parse_time(client::text(node, "started_at"));
      const bool young = started && static_cast<double>(std::time(nullptr)) - *started < 1800;
      checks.push_back(
          {young ? Check::Outcome::ok : Check::Outcome::warn, "history", "nothing is on disk yet",
           young ? std::string()
                 : "headroom event --type sensor tells whether " + folder + " cannot be written"});
    }
  }
  return checks;
}

/// The names of the targets among the settings: "pager" of notify.pager.kind.
std::vector<std::string> targets_of(const value& config) {
  constexpr std::string_view kBegin = "notify.";
  constexpr std::string_view kEnd = ".kind";
  std::vector<std::string> names;
  for (const auto& setting : client::list(config)) {
    const auto key = client::text(setting, "key");
    if (!key.starts_with(kBegin) || !key.ends_with(kEnd)) continue;
    if (key.size() <= kBegin.size() + kEnd.size()) continue;
    names.push_back(key.substr(kBegin.size(), key.size() - kBegin.size() - kEnd.size()));
  }
  return names;
}

/// The webhooks among the settings, tried.
std::vector<Check> checks_of_targets(const value& config) {
  std::vector<Check> checks;
  for (const auto& name : targets_of(config)) {
    if (setting_of(config, "notify." + name + ".kind") == "webhook") {
      checks.push_back(check_webhook(name, setting_of(config, "notify." + name + ".url")));
    }
  }
  return checks;
}

bool is_here(const std::string& url) {
  return url.starts_with("unix:") || url.starts_with('/') || settings::is_loopback_url(url);
}

/// Those who are asked to free memory, and those who could be. What is configured is the daemon's,
/// or without one this machine's own.
std::vector<Check> checks_of_hooks(const value& of_daemon) {
  std::vector<Check> checks;
  std::vector<HookSetting> hooks;
  if (!of_daemon.is_null()) {
    std::string why;
    hooks = hooks_of(of_daemon, why);
    if (!why.empty()) {
      checks.push_back({Check::Outcome::warn, "hooks", "cannot be read: " + printable(why),
                        "this command and the daemon may be of different versions"});
    }
  } else {
    settings::Input input;
    input.environment = environment();
    input.for_command = true;
    if (auto loaded = settings::load(input)) hooks = std::move(loaded->config.hooks);
  }
  for (const auto& hook : hooks) checks.push_back(check_hook(hook));
  auto engines = check_engines(hooks);
  std::move(engines.begin(), engines.end(), std::back_inserter(checks));
  return checks;
}

/// Every path that can be read without an argument answers.
std::vector<Check> checks_of_interface(client::Daemon& daemon) {
  std::vector<std::string> paths;
  if (const auto openapi = daemon.document("/openapi.json")) {
    const auto* all = client::find(*openapi, "paths");
    if (all != nullptr && all->is_object()) {
      for (const auto& [path, methods] : all->as_object()) {
        const std::string text(path);
        if (methods.is_object() && methods.as_object().contains("get") &&
            text.find('{') == std::string::npos && text.find("stream") == std::string::npos) {
          paths.push_back(text);
        }
      }
    }
  }
  if (paths.empty()) {
    paths = {"/api/v1/node",   "/api/v1/snapshot", "/api/v1/room",   "/api/v1/pressure",
             "/api/v1/alerts", "/api/v1/events",   "/api/v1/leases", "/api/v1/config",
             "/api/v1/health", "/metrics",         "/healthz",       "/readyz"};
  }
  std::vector<Check> checks;
  std::size_t answered = 0;
  for (const auto& path : paths) {
    const auto answer = daemon.get(path == "/api/v1/history" ? path + "?resource=cpu" : path);
    // A path that wants an argument says so: it is there.
    if (answer || answer.error().kind == ErrorKind::invalid_request) {
      ++answered;
      continue;
    }
    checks.push_back({Check::Outcome::failed, "interface",
                      printable(path) + ": " + printable(answer.error().what), ""});
  }
  checks.push_back(
      {answered == paths.size() ? Check::Outcome::ok : Check::Outcome::warn, "interface",
       std::to_string(answered) + " of " + std::to_string(paths.size()) + " paths answer", ""});
  return checks;
}

/// What one reading of this machine costs, in this process.
Check check_price() {
  timespec before{};
  timespec after{};
  if (const auto first = sample_locally(); !first) {
    return {Check::Outcome::failed, "reading", first.error().what, first.error().help};
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  for (int i = 0; i < kSelfTestReadings; ++i) (void)sample_locally();
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double took = static_cast<double>(after.tv_sec - before.tv_sec) * 1e6 +
                      static_cast<double>(after.tv_nsec - before.tv_nsec) / 1e3;
  return {Check::Outcome::ok, "reading",
          "one of this machine costs " + show_number(took / kSelfTestReadings) +
              " us of CPU (mean of " + std::to_string(kSelfTestReadings) + ")",
          ""};
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

const char* to_string(Check::Outcome outcome) {
  switch (outcome) {
    case Check::Outcome::ok:
      return "ok";
    case Check::Outcome::warn:
      return "warn";
    case Check::Outcome::absent:
      return "absent";
    case Check::Outcome::failed:
      return "failed";
  }
  return "failed";
}

std::vector<Check> checks_of_node(const value& node) {
  std::vector<Check> checks;
  for (const auto& sensor : client::list(node, "sensors")) {
    const auto reason = printable(client::text(sensor, "reason"));
    const auto name = text_cell(client::text(sensor, "name"));
    if (client::is_true(sensor, "up")) {
      checks.push_back({Check::Outcome::ok, name, reason.empty() ? "is read" : reason, ""});
    } else {
      checks.push_back({Check::Outcome::absent, name, reason.empty() ? "cannot be read" : reason,
                        printable(client::text(sensor, "fix"))});
    }
  }
  if (const auto tier = client::text(node, "tier"); !tier.empty()) {
    if (tier != "none") {
      checks.push_back({Check::Outcome::ok, "cgroup", printable(tier), ""});
    } else {
      const auto& cannot = client::list(node, "cannot");
      const bool said = std::any_of(cannot.begin(), cannot.end(), [](const auto& one) {
        return client::text(one, "what") == "groups";
      });
      checks.push_back(
          {Check::Outcome::absent, "cgroup", "none: nothing holds a job to what it booked",
           said ? "see groups" : "headroomd makes them: sudo systemctl start headroomd"});
    }
  }
  for (const auto& cannot : client::list(node, "cannot")) {
    if (client::text(cannot, "what").starts_with("notify.")) continue;  // checks_of_telling()
    checks.push_back({Check::Outcome::absent, text_cell(client::text(cannot, "what")),
                      text_cell(client::text(cannot, "reason")),
                      printable(client::text(cannot, "fix"))});
  }
  const auto& limits = client::list(node, "limits");
  if (limits.empty()) checks.push_back({Check::Outcome::ok, "limits", "none above this node", ""});
  for (const auto& limit : limits) {
    const auto bytes = client::whole(limit, "limit_bytes");
    const auto cores = client::number(limit, "limit_cores");
    checks.push_back({Check::Outcome::ok, "limits",
                      text_cell(client::text(limit, "resource")) + " at most " +
                          (bytes   ? show_bytes(*bytes)
                           : cores ? show_cores(*cores)
                                   : kNone) +
                          " by " + text_cell(client::text(limit, "group")),
                      ""});
  }
  return checks;
}

std::vector<Check> checks_of_telling(const value& config, const value& node,
                                     std::optional<double> failures) {
  std::vector<Check> checks;
  std::size_t silent = 0;
  std::string told;
  for (const auto& name : targets_of(config)) {
    const auto target = "notify." + name;
    const auto& all = client::list(node, "cannot");
    const auto found = std::find_if(all.begin(), all.end(), [&](const value& one) {
      return client::text(one, "what") == target;
    });
    if (found == all.end()) {
      told += (told.empty() ? "" : ", ") + printable(target);
      continue;
    }
    ++silent;
    auto reason = printable(client::text(*found, "reason"));
    if (const auto begin = target + " "; reason.starts_with(begin)) reason.erase(0, begin.size());
    checks.push_back(
        {Check::Outcome::warn, printable(target), reason, printable(client::text(*found, "fix"))});
  }
  if (silent > 0 && !told.empty()) {
    checks.push_back({Check::Outcome::ok, "notify", told + " can be told", ""});
  } else if (silent == 0 && !told.empty()) {
    const auto missed = static_cast<std::int64_t>(failures.value_or(0));
    checks.push_back({Check::Outcome::ok, "notify",
                      told + (missed > 0 ? "; " + std::to_string(missed) +
                                               " times one of them could not be told, now they can"
                                         : ""),
                      ""});
  }
  return checks;
}

std::vector<Check> checks_of_snapshot(const value& snapshot) {
  std::vector<Check> checks;
  const auto& gpus = client::list(snapshot, "gpu");
  for (const auto& gpu : gpus) {
    const auto index = client::whole(gpu, "index");
    const auto name = "GPU " + (index ? std::to_string(*index) : std::string("?"));
    const auto state = client::text(gpu, "state");
    const auto why = printable(client::text(gpu, "state_reason"));
    const auto tail = why.empty() ? std::string() : ": " + why;
    if (state == "lost") {
      checks.push_back({Check::Outcome::failed, name, "is lost" + tail,
                        "nvidia-smi --gpu-reset -i " + (index ? std::to_string(*index) : "ID") +
                            ", or a restart of the machine; dmesg says more"});
    } else if (state == "stale") {
      checks.push_back({Check::Outcome::warn, name, "does not answer in time" + tail,
                        "dmesg | grep -i -e xid -e nvrm"});
    } else if (state == "asleep") {
      checks.push_back({Check::Outcome::ok, name, "is asleep and left so" + tail, ""});
    } else {
      const auto* known = client::find(gpu, "processes_known");
      const bool simulated = client::is_true(gpu, "simulated");
      const bool named = simulated || known == nullptr || !known->is_bool() || known->as_bool();
      auto text = text_cell(client::text(gpu, "name"));
      if (const auto total = client::whole(gpu, "memory_total_bytes"))
        text += ", " + show_bytes(*total);
      if (known != nullptr && !simulated)
        text += named ? ", memory of each process: yes" : ", memory of each process: no";
      if (simulated && client::text(gpu, "name") != "simulated") text += ", simulated";
      checks.push_back({named ? Check::Outcome::ok : Check::Outcome::absent, name, text,
                        named ? ""
                              : "the driver does not say it (WSL, MIG or a virtual GPU); leases "
                                "are counted as booked"});
    }
  }
  for (const auto& filesystem : client::list(snapshot, "filesystem")) {
    if (!client::is_true(filesystem, "stale")) continue;
    const auto mount = printable(client::text(filesystem, "mount"));
    checks.push_back({Check::Outcome::warn, "mount",
                      mount + " does not answer; its last numbers are shown",
                      "umount -l " + mount + ", or look after " +
                          printable(client::text(filesystem, "source"))});
  }
  if (const auto& nodes = client::list(snapshot, "numa"); !nodes.empty()) {
    checks.push_back(
        {Check::Outcome::ok, "NUMA", std::to_string(nodes.size()) + " memory nodes", ""});
  }
  return checks;
}

std::string render_checks(const std::vector<Check>& checks, const Style& style) {
  if (style.output == Output::csv) {
    Table table({{"OUTCOME"}, {"NAME"}, {"TEXT"}, {"FIX"}});
    for (const auto& check : checks) {
      table.row({to_string(check.outcome), check.name, one_line(check.text), one_line(check.fix)});
    }
    return table.render(style);
  }
  const auto width = static_cast<std::size_t>(style.width);
  std::size_t name_width = 4;
  for (const auto& check : checks) name_width = std::max(name_width, width_of(check.name));
  std::string text;
  std::array<int, 4> counts{};
  const auto padded = [](const std::string& word, std::size_t columns) {
    const auto own = width_of(word);
    return word + std::string(columns > own ? columns - own : 0, ' ');
  };
  for (const auto& check : checks) {
    const std::string word = to_string(check.outcome);
    ++counts[static_cast<std::size_t>(check.outcome)];
    const auto line = [&](const std::string& first, const std::string& name,
                          const std::string& rest) {
      const auto head = padded(first, 8) + padded(name, name_width + 2);
      text += head;
      const auto own = width_of(head);
      // Folded beside its name: a fix that is cut helps nobody.
      const auto beside = folded(std::string(own, ' ') + one_line(rest), width, own);
      text += beside.substr(own) + "\n";
    };
    line(paint(style, word, word), check.name, check.text);
    if (!check.fix.empty()) line("", "fix", check.fix);
  }
  return text + std::to_string(counts[0]) + " ok, " + std::to_string(counts[1]) + " warn, " +
         std::to_string(counts[2]) + " absent, " + std::to_string(counts[3]) + " failed\n";
}

value checks_document(const std::vector<Check>& checks) {
  array items;
  for (const auto& check : checks) {
    object item{{"outcome", to_string(check.outcome)}, {"name", check.name}, {"text", check.text}};
    item["fix"] = check.fix.empty() ? value() : value(check.fix);
    items.push_back(std::move(item));
  }
  return object{{"items", std::move(items)}, {"next", nullptr}};
}

int doctor_command(Words words) {
  Options options("doctor", kHelp);
  Common common;
  bool api = false;
  bool self_test = false;
  options.flag("--api", api, "ask every path of the interface, try the webhooks' hosts");
  options.flag("--self-test", self_test, "measure what a reading of this machine costs");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  std::vector<Check> checks;
  client::Daemon daemon(common.url, common.answer_within());
  checks.push_back(check_daemon(daemon));
  const bool alive = checks.front().outcome == Check::Outcome::ok;
  // Without a daemon the machine itself still answers what can be read here and what not. What
  // the first check has said already is not said again on stderr.
  Common source_options = common;
  source_options.quiet = true;
  source_options.local = !alive;
  Source source(source_options);
  const auto add = [&checks](std::vector<Check> more) {
    std::move(more.begin(), more.end(), std::back_inserter(checks));
  };
  const auto node = source.document("/api/v1/node");
  value of_daemon;
  if (alive) {
    checks.push_back(check_ready(daemon));
    const auto version = node ? client::text(*node, "version") : "";
    if (!version.empty() && version != HEADROOM_VERSION) {
      checks.push_back({Check::Outcome::warn, "version",
                        "the daemon is " + printable(version) + ", this command " HEADROOM_VERSION,
                        "restart headroomd"});
    }
    if (const auto config = daemon.document("/api/v1/config"); config && node) {
      of_daemon = *config;
      if (auto port = check_port(*config, client::text(*node, "name"))) {
        checks.push_back(std::move(*port));
      }
      if (const auto metrics = daemon.get("/metrics")) {
        add(checks_of_keeping(*metrics, *config, *node));
        add(checks_of_telling(*config, *node,
                              metric(*metrics, "headroom_notification_failures_total")));
      }
      if (api || self_test) add(checks_of_targets(*config));
    }
    if (api) add(checks_of_interface(daemon));
  } else if (api) {
    checks.push_back({Check::Outcome::failed, "interface", "no daemon answers", ""});
  }
  if (const auto snapshot = source.document("/api/v1/snapshot")) {
    add(checks_of_snapshot(*snapshot));
  }
  if (node) {
    for (auto& check : checks_of_node(*node)) checks.push_back(std::move(check));
  } else {
    checks.push_back({Check::Outcome::failed, "sensors",
                      node.error().what + (node.error().why.empty() ? "" : ": " + node.error().why),
                      node.error().help});
  }
  checks.push_back(check_settings(of_daemon));
  checks.push_back(check_clock());
  // Engines of another machine cannot be looked at from here.
  if (!alive || is_here(daemon.url())) add(checks_of_hooks(of_daemon));
  if (self_test) checks.push_back(check_price());
  if (!print_document(common, client::write_json(checks_document(checks)))) {
    write_out(stdout, render_checks(checks, style_for(common, stdout)));
  }
  const bool failed = std::any_of(checks.begin(), checks.end(), [](const Check& check) {
    return check.outcome == Check::Outcome::failed;
  });
  return failed ? 1 : 0;
}

}  // namespace headroom::cli
