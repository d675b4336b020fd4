#include "cli/resource_management.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/component.hpp"
#include "cli/config.hpp"
#include "cli/quota.hpp"
#include "cli/source.hpp"
#include "cli/status.hpp"
#include "cli/strategy.hpp"
#include "cli/table.hpp"
#include "cli/trial.hpp"
#include "cli/units.hpp"
#include "settings/parse.hpp"
#include "words/strategy.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom resource-management start --strategy adaptive --duration 60\n"
    "  headroom resource-management status\n"
    "  headroom resource-management history --component feature_pipeline --limit 20\n"
    "  headroom resource-management set-quota prediction_service --cpu 30 --memory 600 \\\n"
    "                                         --priority critical\n"
    "  headroom resource-management monitor                 until Ctrl-C\n"
    "  headroom resource-management export --output json\n"
    "  headroom resource-management test                    tries the daemon out\n"
    "\n"
    "Each stands for a command of headroom, which -v names. Only here is a --memory without a "
    "unit\n"
    "in MB, and a --duration without one in seconds. start ends with its duration; the daemon "
    "goes\n"
    "on.\n";

constexpr std::chrono::seconds kPulse{1};

Error wrong(std::string what, std::string why, std::string help) {
  return Error{ErrorKind::invalid_request, std::move(what), std::move(why), std::move(help)};
}

// What was typed, whatever the verb.
struct Given {
  std::string verb, name;
  std::string strategy, duration, component, limit;
  std::string cpu, memory, priority;
};

// The flags that each verb takes beside those everywhere.
struct Verb {
  std::string_view name;
  std::array<std::string_view, 3> flags;
};
constexpr std::array<Verb, 7> kVerbs{{{"start", {"--strategy", "--duration"}},
                                      {"status", {}},
                                      {"history", {"--component", "--limit"}},
                                      {"set-quota", {"--cpu", "--memory", "--priority"}},
                                      {"monitor", {}},
                                      {"export", {}},
                                      {"test", {}}}};

std::optional<Error> misplaced(const Given& given) {
  const auto verb = std::ranges::find(kVerbs, given.verb, &Verb::name);
  if (verb == kVerbs.end()) {
    std::vector<std::string_view> names;
    for (const auto& one : kVerbs) names.push_back(one.name);
    const auto near = settings::nearest(given.verb, names);
    return wrong(given.verb.empty()
                     ? std::string("resource-management wants to know what to do")
                     : "resource-management does not know '" + printable(given.verb) + "'",
                 near ? "did you mean " + *near + "?" : "",
                 "headroom resource-management start, status, history, set-quota, monitor, export "
                 "or test");
  }
  const std::array<std::pair<std::string_view, const std::string*>, 7> flags{
      {{"--strategy", &given.strategy},
       {"--duration", &given.duration},
       {"--component", &given.component},
       {"--limit", &given.limit},
       {"--cpu", &given.cpu},
       {"--memory", &given.memory},
       {"--priority", &given.priority}}};
  for (const auto& [flag, text] : flags) {
    if (text->empty() || std::ranges::find(verb->flags, flag) != verb->flags.end()) continue;
    return wrong("resource-management " + given.verb + " takes no " + std::string(flag), "",
                 "headroom resource-management --help");
  }
  const bool takes_name = given.verb == "set-quota";
  if (takes_name == given.name.empty()) {
    return takes_name ? wrong("set-quota wants a component", "headroom component lists them",
                              "headroom resource-management set-quota NAME --cpu 30 --memory 600")
                      : wrong("'" + printable(given.name) + "' is one word too many",
                              "resource-management " + given.verb + " takes no name",
                              given.verb == "history"
                                  ? "headroom resource-management history --component " +
                                        printable(given.name)
                                  : "headroom resource-management " + given.verb);
  }
  return std::nullopt;
}

// What -v says: the same in the words of headroom.
std::string native_form(const Given& given) {
  const auto flag = [](const char* name, const std::string& text) {
    return text.empty() ? std::string() : std::string(" ") + name + " " + text;
  };
  if (given.verb == "start") {
    return given.strategy.empty() ? "headroom status -w"
                                  : "headroom strategy set " + given.strategy;
  }
  if (given.verb == "status") return "headroom status; headroom component";
  if (given.verb == "history") {
    return "headroom component history" +
           (given.component.empty() ? std::string() : " " + given.component) +
           flag("-n", given.limit);
  }
  if (given.verb == "set-quota") {
    const bool bare =
        !given.memory.empty() && given.memory.find_first_not_of("0123456789.") == std::string::npos;
    return "headroom quota set " + given.name + flag("--cpu", given.cpu) +
           flag("--memory", given.memory + (bare ? "M" : "")) + flag("--priority", given.priority);
  }
  if (given.verb == "monitor") return "headroom status -w";
  if (given.verb == "export") {
    return "headroom strategy; headroom component; headroom quota; headroom config";
  }
  return "headroom doctor";
}

// --- what is shown

// The components, or an empty value where there is no daemon or an older one.
value components_of(Source& source) {
  if (source.local()) return {};
  auto components = source.daemon().document("/api/v1/components");
  return components ? std::move(*components) : value();
}

int status_of(const Common& common, Source& source) {
  if (common.output == Output::json || common.output == Output::jsonl) {
    object all;
    for (const char* name : {"node", "snapshot"}) {
      auto document = source.document(std::string("/api/v1/") + name);
      if (!document) return report(document.error());
      all[name] = std::move(*document);
    }
    // What only a daemon knows is null without one.
    auto strategy = source.document("/api/v1/strategy");
    all["strategy"] = strategy ? std::move(*strategy) : value();
    all["components"] = components_of(source);
    print_document(common, client::write_json(all));
    return 0;
  }
  if (const int code = show_status(common, source); code != 0) return code;
  if (common.output == Output::csv) return 0;
  const auto components = components_of(source);
  if (!client::list(components).empty()) {
    write_out(stdout, "\n" + render_components(components, style_for(common, stdout)));
  }
  return 0;
}

// A SIGINT ends what goes on for ever, and that is how it is meant to end.
void end_well(int) { _exit(0); }

int monitor(Common common) {
  if (!common.watch) common.watch = std::chrono::milliseconds(2000);
  std::signal(SIGINT, end_well);
  Source source(common);
  return repeat(common, [&] {
    source.next_picture();
    return status_of(common, source);
  });
}

// --- start

class Progress {
 public:
  explicit Progress(bool quiet) : shown_(!quiet && isatty(STDERR_FILENO) == 1) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const std::string& line) {
    if (!shown_) return;
    write_out(stderr, "\r\x1b[K" + line);
    dirty_ = true;
  }
  void clear() {
    if (std::exchange(dirty_, false)) write_out(stderr, "\r\x1b[K");
  }

 private:
  bool shown_;
  bool dirty_ = false;
};

Result<value> set_strategy(Source& source, const std::string& name) {
  if (!strategy_of(name)) {
    const auto near = settings::nearest(name, kStrategyWords);
    return tl::unexpected<Error>(wrong(
        "there is no strategy '" + printable(name) + "'", near ? "did you mean " + *near + "?" : "",
        "headroom strategy lists them; two are joined as in aggressive+predictive"));
  }
  return source.daemon().send("PUT", "/api/v1/strategy", object{{"name", name}});
}

int start(const Common& common, const Given& given) {
  std::chrono::milliseconds duration{0};
  if (!given.duration.empty()) {
    const auto time = settings::parse_duration(given.duration);
    if (!time) return report(time.error());
    duration = *time;
  }
  Source source(common);
  if (!given.strategy.empty()) {
    const auto set = set_strategy(source, given.strategy);
    if (!set) return report(set.error());
    if (!common.quiet && common.output != Output::json && common.output != Output::jsonl) {
      write_out(stdout, "strategy " + text_cell(client::text(*set, "name")) + " is set\n");
    }
  }
  std::signal(SIGINT, end_well);
  Progress progress(common.quiet);
  const auto begun = std::chrono::steady_clock::now();
  const auto end = begun + duration;
  std::string line;
  object last;
  for (;;) {
    source.next_picture();
    const auto node = source.document("/api/v1/node");
    const auto snapshot = node ? source.document("/api/v1/snapshot") : node;
    if (!snapshot) {
      progress.clear();
      return report(snapshot.error());
    }
    last["node"] = *node;
    last["snapshot"] = *snapshot;
    last["components"] = components_of(source);
    Style style = style_for(common, stderr);
    line = render_pulse(*node, *snapshot, last["components"], style);
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    const auto ran = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun);
    if (left.count() <= 0) break;
    const auto clock =
        show_clock(ran.count()) + " of " + show_clock(static_cast<double>(duration.count()) / 1000);
    progress.show(cut(clock + "   " + line, static_cast<std::size_t>(style.width)));
    const auto rest = std::min<std::chrono::milliseconds>(left, kPulse);
    const timespec pause{rest.count() / 1000, static_cast<long>(rest.count() % 1000 * 1000000)};
    nanosleep(&pause, nullptr);
  }
  progress.clear();
  if (print_document(common, client::write_json(last)) || common.quiet) return 0;
  write_out(stdout, line + "\n");
  return 0;
}

// --- export

int export_all(const Common& common) {
  Source source(common);
  if (common.output == Output::json || common.output == Output::jsonl) {
    const auto body = source.kept("/api/v1/export", "settings and components");
    if (!body) return report(body.error());
    auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    // What an older daemon leaves out of it is asked for by itself.
    for (const char* name : {"strategy", "components"}) {
      if (!document->is_object() || document->get_object().contains(name)) continue;
      auto one = source.daemon().document(std::string("/api/v1/") + name);
      document->get_object()[name] = one ? std::move(*one) : value();
    }
    print_document(common, client::write_json(*document));
    return 0;
  }
  const auto body = source.kept("/api/v1/config", "settings and components");
  if (!body) return report(body.error());
  const auto config = client::parse_json(*body);
  if (!config) return report(config.error());
  const auto style = style_for(common, stdout);
  std::string text;
  if (style.output != Output::csv) {
    if (const auto strategy = source.daemon().document("/api/v1/strategy")) {
      text += render_strategy(*strategy, style) + "\n";
    }
    const auto components = components_of(source);
    client::json::array quotas;
    for (const auto& component : client::list(components)) {
      if (const auto* const quota = client::find(component, "quota")) quotas.push_back(*quota);
    }
    text += render_components(components, style) + "\n";
    if (!quotas.empty()) {
      text += render_quotas(object{{"items", std::move(quotas)}}, style) + "\n";
    }
  }
  write_out(stdout, text + render_config(*config, "", style));
  return 0;
}

}  // namespace

std::string render_pulse(const value& node, const value& snapshot, const value& components,
                         const Style& style) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "   ") + part; };
  if (const auto strategy = client::text(node, "strategy"); !strategy.empty()) {
    add("strategy " + printable(strategy));
  }
  if (const auto health = client::text(node, "health"); !health.empty()) {
    add("health " + paint(style, health, printable(health)));
  }
  if (const auto busy = client::number(snapshot, "cpu.busy_ratio")) {
    add("cpu " + show_number(100 * *busy) + " %");
  }
  const auto total = client::number(snapshot, "memory.total_bytes");
  const auto available = client::number(snapshot, "memory.available_bytes");
  if (total && available && *total > 0) {
    add("memory " + show_number(100 * (1 - *available / *total)) + " %");
  }
  if (client::find(components, "items") == nullptr) return text;
  const auto count = client::list(components).size();
  std::int64_t applied = 0, failed = 0;
  for (const auto& component : client::list(components)) {
    applied += client::whole(component, "asks.applied").value_or(0);
    failed += client::whole(component, "asks.failed").value_or(0) +
              client::whole(component, "asks.timed_out").value_or(0);
  }
  add(std::to_string(count) + (count == 1 ? " component" : " components"));
  add(std::to_string(applied) + (applied == 1 ? " allocation" : " allocations") + " applied" +
      (failed > 0 ? ", " + std::to_string(failed) + " not" : std::string()));
  return text;
}

int resource_management_command(Words words) {
  Options options("resource-management [start|status|history|set-quota NAME|monitor|export|test]",
                  kHelp);
  Common common;
  // What is exported is meant for programs unless a table is asked for.
  if (!words.empty() && words.front() == "export") common.output = Output::json;
  Given given;
  Words positions;
  options.value("--strategy", given.strategy, "start: how allocations move from now on");
  options.value("--duration", given.duration, "start: how long to show progress, such as 60 or 5m");
  options.value("--component", given.component, "history: of this one only");
  options.value("-n,--limit", given.limit, "history: at most so many; 20 unless said");
  options.value("--cpu", given.cpu, "set-quota: percent of the node's processors");
  options.value("--memory", given.memory, "set-quota: MB, or a size with its unit");
  options.value("--priority", given.priority, "set-quota: critical, high, normal or low");
  options.words("words", positions, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (!positions.empty()) given.verb = positions[0];
  if (positions.size() > 1) given.name = positions[1];
  if (const auto mistake = misplaced(given)) return report(*mistake);
  if (common.verbose) {
    write_out(stderr, "headroom: in its own words: " + printable(native_form(given)) + "\n");
  }
  if (given.verb == "start") return start(common, given);
  if (given.verb == "status") {
    Source source(common);
    return repeat(common, [&] {
      source.next_picture();
      return status_of(common, source);
    });
  }
  if (given.verb == "history") {
    const auto count = count_of("--limit", given.limit.empty() ? "20" : given.limit);
    if (!count) return report(count.error());
    return show_decisions(common, given.component, *count);
  }
  if (given.verb == "set-quota") {
    QuotaOptions quota;
    quota.cpu = given.cpu;
    quota.memory = given.memory;
    quota.priority = given.priority;
    if (!quota.any()) {
      return report(wrong("it is not said what the quota of " + printable(given.name) + " is to be",
                          "nothing was changed",
                          "headroom resource-management set-quota " + printable(given.name) +
                              " --cpu 30 --memory 600 --priority critical"));
    }
    return set_quota(common, given.name, quota, BareMemory::megabytes);
  }
  if (given.verb == "monitor") return monitor(common);
  if (given.verb == "export") return export_all(common);
  return self_test(common);
}

}  // namespace headroom::cli
