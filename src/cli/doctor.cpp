#include "cli/doctor.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

#include <unistd.h>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "settings/settings.hpp"

namespace headroom::cli {

using client::json::array;
using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom doctor               every check; 0 when nothing failed, else 1\n"
    "  headroom doctor --json        the same as a document\n";

constexpr std::chrono::milliseconds kPortWithin{500};

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
  for (const auto& setting : client::list(config)) {
    if (client::text(setting, "key") != "http.listen") continue;
    auto address = client::text(setting, "value");
    address.erase(std::remove(address.begin(), address.end(), '"'), address.end());
    if (address.empty())
      return Check{Check::Outcome::ok, "http", "no TCP port; the socket alone", ""};
    client::Daemon door("http://" + address, kPortWithin);
    const auto node = door.document("/api/v1/node");
    if (node && client::text(*node, "name") == node_name) {
      return Check{Check::Outcome::ok, "http", "answers on " + printable(address), ""};
    }
    return Check{
        Check::Outcome::warn, "http",
        printable(address) + " does not lead to this daemon; the socket works",
        "another port: http.listen in /etc/headroom/headroom.toml, then restart headroomd"};
  }
  return std::nullopt;
}

Check check_settings() {
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
  return {Check::Outcome::ok, "config",
          files == 0
              ? "no file, built-in values"
              : std::to_string(files) + (files == 1 ? " file, no mistakes" : " files, no mistakes"),
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
    checks.push_back({tier == "none" ? Check::Outcome::absent : Check::Outcome::ok, "cgroup",
                      printable(tier), ""});
  }
  for (const auto& cannot : client::list(node, "cannot")) {
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

std::string render_checks(const std::vector<Check>& checks, const Style& style) {
  std::size_t name_width = 4;
  for (const auto& check : checks) name_width = std::max(name_width, width_of(check.name));
  std::string text;
  std::array<int, 4> counts{};
  const auto padded = [](const std::string& word, std::size_t width) {
    const auto own = width_of(word);
    return word + std::string(width > own ? width - own : 0, ' ');
  };
  for (const auto& check : checks) {
    const std::string word = to_string(check.outcome);
    ++counts[static_cast<std::size_t>(check.outcome)];
    text += padded(paint(style, word, word), 8) + padded(check.name, name_width + 2) +
            one_line(check.text) + "\n";
    if (!check.fix.empty()) {
      text += std::string(8, ' ') + padded("fix", name_width + 2) + one_line(check.fix) + "\n";
    }
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
  const auto node = source.document("/api/v1/node");
  if (alive) {
    checks.push_back(check_ready(daemon));
    const auto version = node ? client::text(*node, "version") : "";
    if (!version.empty() && version != HEADROOM_VERSION) {
      checks.push_back({Check::Outcome::warn, "version",
                        "the daemon is " + printable(version) + ", this command " HEADROOM_VERSION,
                        "restart headroomd"});
    }
    if (const auto config = daemon.document("/api/v1/config"); config && node) {
      if (auto port = check_port(*config, client::text(*node, "name"))) {
        checks.push_back(std::move(*port));
      }
    }
  }
  if (node) {
    for (auto& check : checks_of_node(*node)) checks.push_back(std::move(check));
  } else {
    checks.push_back({Check::Outcome::failed, "sensors",
                      node.error().what + (node.error().why.empty() ? "" : ": " + node.error().why),
                      node.error().help});
  }
  checks.push_back(check_settings());
  if (!print_document(common, client::write_json(checks_document(checks)))) {
    write_out(stdout, render_checks(checks, style_for(common, stdout)));
  }
  const bool failed = std::any_of(checks.begin(), checks.end(), [](const Check& check) {
    return check.outcome == Check::Outcome::failed;
  });
  return failed ? 1 : 0;
}

}  // namespace headroom::cli
