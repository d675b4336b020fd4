#include "cli/component.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom component                     who is registered, and what each has been given\n"
    "  headroom component show NAME           its resources, setters, quota and last decisions\n"
    "  headroom component history NAME -n 50  what was decided for it, and why; all without NAME\n"
    "  headroom component rm NAME             forgets it and its quota\n"
    "\n"
    "A component is a program that headroom gives a share of the machine, by calling its setters.\n"
    "It registers itself; headroom quota sets its bounds and priority.\n";

constexpr std::int64_t kMostDecisions = 10000;
constexpr const char* kShownDecisions = "5";  // by `show`

std::string percent(std::optional<double> share) {
  return share ? show_number(100 * *share) + " %" : kNone;
}

// A number of a resource; an allocation of 0 says that nothing was given yet.
std::optional<double> given(const value& resource, std::string_view field) {
  const auto amount = client::number(resource, field);
  if (field == "allocation" && amount && *amount == 0) return std::nullopt;
  return amount;
}

// Of the resource that has this name; "–" where the component has none such.
std::string amount_of(const value& component, std::string_view name, const char* field,
                      const Style& style) {
  const auto* const resource = resource_of(component, name);
  if (resource == nullptr) return kNone;
  return amount_cell(style, given(*resource, field), client::text(*resource, "unit"));
}

std::string state_cell(const value& component, const Style& style) {
  const auto state = client::text(component, "state");
  return paint(style,
               state == "unresponsive" ? "warning"
               : state == "connected"  ? "ok"
                                       : "",
               text_cell(state));
}

// The state in plain words, where the word alone does not say it.
const char* meaning_of(const std::string& state) {
  if (state == "known") return "has a quota, and is not registered";
  if (state == "registered") return "registered, but nobody listens for what it is asked";
  if (state == "unresponsive") return "does not answer what it is asked";
  return "";
}

std::string resource_table(const value& component, const Style& style) {
  Table table({{"RESOURCE"},
               {"HAS", Align::right},
               {"ASKED", Align::right, true},
               {"DEMAND", Align::right},
               {"USED", Align::right},
               {"QUOTA", Align::right},
               {"LEAST", Align::right, false, false, 1},
               {"MOST", Align::right, false, false, 2},
               {"LENT", Align::right, false, false, 4},
               {"EXPECTED", Align::right, false, false, 3},
               {"RANGE", Align::right, true},
               {"CONFIDENCE", Align::right, true},
               {"ACCURACY", Align::right, true},
               {"METHOD", Align::left, true}});
  for (const auto& resource : client::list(component, "resources")) {
    const auto unit = client::text(resource, "unit");
    const auto cell = [&](const char* field) {
      return amount_cell(style, given(resource, field), unit);
    };
    const auto low = client::number(resource, "forecast.lo");
    const std::string range =
        low ? amount_cell(style, low, "") + " to " + cell("forecast.hi") : std::string(kNone);
    const auto lent = client::number(resource, "lent");
    table.row({text_cell(client::text(resource, "resource")), cell("allocation"), cell("asked"),
               cell("demand"), cell("used"), cell("amount"), cell("least"), cell("most"),
               lent && *lent == 0 && !style.bytes ? std::string(kNone) : cell("lent"),
               cell("forecast.value"), range, percent(client::number(resource, "confidence")),
               percent(client::number(resource, "accuracy")),
               text_cell(client::text(resource, "method"))});
  }
  return table.empty() ? "" : table.render(style);
}

std::string setter_table(const value& component, const Style& style) {
  Table table({{"SETTER", Align::left, false, true},
               {"VALUE", Align::right},
               {"LEAST", Align::right},
               {"MOST", Align::right},
               {"FOLLOWS"}});
  for (const auto& setter : client::list(component, "setters")) {
    const auto unit = client::text(setter, "unit");
    const auto least = client::number(setter, "least").value_or(0);
    const auto most = client::number(setter, "most").value_or(0);
    const bool bounded = most > least;
    table.row({text_cell(client::text(setter, "name")),
               amount_cell(style, client::number(setter, "value"), unit),
               bounded ? amount_cell(style, least, unit) : kNone,
               bounded ? amount_cell(style, most, unit) : kNone,
               bounded ? text_cell(client::text(setter, "follows")) : kNone});
  }
  return table.empty() ? "" : table.render(style);
}

// "cpu 40 %, cpu at least 5 %": what the resources of a quota or of a window say.
std::string bounds_text(const value& bounds, const Style& style) {
  std::string text;
  for (const auto& resource : client::list(bounds, "resources")) {
    for (const auto& [field, word] : {std::pair("amount", ""), std::pair("least", " at least"),
                                      std::pair("most", " at most")}) {
      const auto amount = client::number(resource, field);
      if (!amount) continue;
      text += (text.empty() ? "" : ", ") + printable(client::text(resource, "resource")) + word +
              " " + amount_cell(style, amount, client::text(resource, "unit"));
    }
  }
  return text;
}

std::string asks_text(const value& component) {
  const auto* const asks = client::find(component, "asks");
  if (asks == nullptr) return {};
  const auto count = [&](const char* field) { return client::whole(*asks, field).value_or(0); };
  if (count("asked") == 0) return "it was never asked";
  std::string text = std::to_string(count("asked")) + ", " + std::to_string(count("applied")) +
                     " applied, " + std::to_string(count("failed")) + " failed, " +
                     std::to_string(count("timed_out")) + " without an answer";
  if (const auto took = client::number(*asks, "answers_in_seconds")) {
    text += "; the last answer took " + show_latency(*took);
  }
  return text;
}

int list_components(const Common& common) {
  Source source(common);
  return repeat(common, [&] {
    const auto body = source.kept("/api/v1/components", "components");
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_components(*document, style_for(common, stdout)));
    return 0;
  });
}

int show_component(const Common& common, const std::string& name) {
  Source source(common);
  return repeat(common, [&] {
    const auto target = component_target(name);
    const auto body = source.kept(target, "components");
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto component = client::parse_json(*body);
    if (!component) return report(component.error());
    const auto style = style_for(common, stdout);
    if (common.output == Output::csv) {
      const value only = client::json::object{{"items", client::json::array{*component}}};
      write_out(stdout, render_components(only, style));
      return 0;
    }
    // Without its decisions what stands here is as true.
    const auto decisions =
        source.daemon().document(target + "/allocations?limit=" + kShownDecisions);
    write_out(stdout, render_component(*component, decisions ? *decisions : value(), style));
    return 0;
  });
}

int remove_component(const Common& common, const std::string& name, bool dry_run) {
  client::Daemon daemon(common.url, common.answer_within());
  const auto target = component_target(name);
  const auto component = dry_run ? daemon.document(target) : daemon.send("DELETE", target, {});
  if (!component) return report(component.error());
  if (print_document(common, client::write_json(*component)) || common.quiet) return 0;
  const auto pid = client::whole(*component, "pid");
  std::string text =
      printable(name) + (dry_run ? " would be" : " is") + " forgotten, and its quota";
  if (pid) text += "; pid " + std::to_string(*pid) + " runs on, and may register again";
  write_out(stdout, text + (dry_run ? "\nnothing was changed\n" : "\n"));
  return 0;
}

}  // namespace

std::string component_target(std::string_view name) {
  return "/api/v1/components/" + http::encode_segment(name);
}

const value* resource_of(const value& document, std::string_view name) {
  for (const auto& resource : client::list(document, "resources")) {
    if (client::text(resource, "resource") == name) return &resource;
  }
  return nullptr;
}

Result<std::int64_t> count_of(const std::string& flag, const std::string& text) {
  std::int64_t count = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || stop != end || count < 1 || count > kMostDecisions) {
    return fail(ErrorKind::invalid_request, flag + " cannot be '" + printable(text) + "'",
                "it is a number from 1 to " + std::to_string(kMostDecisions), flag + " 20");
  }
  return count;
}

std::string render_components(const value& components, const Style& style) {
  if (client::list(components).empty() && style.output != Output::csv) return "no components\n";
  Table table({{"NAME", Align::left, false, true, 0, 16},
               {"STATE"},
               {"PRIORITY", Align::left, false, false, 3},
               {"CPU", Align::right},
               {"CPU USED", Align::right, false, false, 4},
               {"MEMORY", Align::right},
               {"MEMORY USED", Align::right, false, false, 5},
               {"DISK IOPS", Align::right, true},
               {"NETWORK", Align::right, true},
               {"PID", Align::right, false, false, 2},
               {"HEARD", Align::right, false, false, 1},
               {"LEASE", Align::left, true},
               {"WINDOW", Align::left, true},
               {"PROBLEM", Align::left, false, true, 0, 12}});
  for (const auto& component : client::list(components)) {
    const auto pid = client::whole(component, "pid");
    const auto amount = [&](const char* resource, const char* field) {
      return amount_of(component, resource, field, style);
    };
    table.row(
        {text_cell(client::text(component, "name")), state_cell(component, style),
         text_cell(client::text(component, "priority")), amount("cpu", "allocation"),
         amount("cpu", "used"), amount("memory", "allocation"), amount("memory", "used"),
         amount("disk_iops", "allocation"), amount("network", "allocation"),
         pid ? std::to_string(*pid) : kNone, since_cell(style, client::text(component, "heard")),
         text_cell(client::text(component, "lease")), text_cell(client::text(component, "window")),
         printable(client::text(component, "problem"))});
  }
  return table.render(style);
}

std::string render_decisions(const value& decisions, const Style& style) {
  if (client::list(decisions).empty() && style.output != Output::csv) return "no decisions yet\n";
  Table table({{"ID", Align::right, true},
               {"AT"},
               {"COMPONENT", Align::left, false, true, 3, 12},
               {"RESOURCE"},
               {"FROM", Align::right},
               {"TO", Align::right},
               {"APPLIED", Align::right, false, false, 2},
               {"OUTCOME"},
               {"TOOK", Align::right, true},
               {"CONFIDENCE", Align::right, true},
               {"REASON", Align::left, false, true, 0, 24}});
  const auto& items = client::list(decisions);
  for (auto it = items.rbegin(); it != items.rend(); ++it) {
    const auto unit = client::text(*it, "unit");
    const auto cell = [&](const char* field) {
      return amount_cell(style, client::number(*it, field), unit);
    };
    const auto id = client::whole(*it, "id");
    const auto at_text = client::text(*it, "at");
    const auto at = parse_time(at_text);
    const auto outcome = client::text(*it, "outcome");
    const bool bad = outcome == "failed" || outcome == "timed_out" || outcome == "unreachable";
    const auto took = client::number(*it, "took_seconds");
    table.row({id ? std::to_string(*id) : kNone,
               at && !style.bytes ? show_time(*at, style.now, true) : text_cell(at_text),
               text_cell(client::text(*it, "component")), text_cell(client::text(*it, "resource")),
               cell("old"), cell("new"), cell("applied"),
               bad ? paint(style, "warning", text_cell(outcome)) : text_cell(outcome),
               took ? (style.bytes ? show_plain(*took, 6) : show_latency(*took)) : kNone,
               percent(client::number(*it, "confidence")), text_cell(client::text(*it, "reason"))});
  }
  return table.render(style);
}

std::string quota_lines(const value& quota, const Style& style) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (const auto priority = client::text(quota, "priority"); !priority.empty()) {
    add("priority " + printable(priority));
  }
  if (const auto buffer = client::number(quota, "buffer_percent")) {
    add("buffer " + amount_cell(style, buffer, "%"));
  }
  add(client::is_true(quota, "enforce") ? "held to it by the kernel" : "not enforced");
  for (const auto& window : client::list(quota, "windows")) {
    text += "\n" + printable(client::text(window, "during")) + ": ";
    std::string says = bounds_text(window, style);
    if (const auto priority = client::text(window, "priority"); !priority.empty()) {
      says += (says.empty() ? "" : ", ") + ("priority " + printable(priority));
    }
    text += says;
  }
  return text;
}

std::string render_component(const value& component, const value& decisions, const Style& style) {
  const auto width = static_cast<std::size_t>(style.width);
  const auto state = client::text(component, "state");
  std::string text = text_cell(client::text(component, "name")) + "  " +
                     state_cell(component, style) + ", priority " +
                     text_cell(client::text(component, "priority"));
  if (const auto window = client::text(component, "window"); !window.empty()) {
    text += " (" + printable(window) + ")";
  }
  text = cut(text, width) + "\n";
  const auto line = [&](const char* name, const std::string& cell) {
    if (cell.empty() || cell == kNone) return;
    std::string head = name;
    head.resize(11, ' ');
    text += folded("  " + head + cell, width, 13) + "\n";
  };
  line("problem", printable(client::text(component, "problem")));
  if (client::text(component, "problem").empty()) line("state", meaning_of(state));
  const auto pid = client::whole(component, "pid");
  const auto uid = client::whole(component, "owner");
  const std::string owner = uid ? "uid " + std::to_string(*uid) : "";
  if (pid) {
    line("process", "pid " + std::to_string(*pid) + (uid ? " of " + owner : ""));
  } else {
    line("owner", owner);
  }
  line("lease", printable(client::text(component, "lease")));
  const auto ago = [&](const char* name, const char* field) {
    const auto time = client::text(component, field);
    if (!time.empty()) line(name, since_cell(style, time) + (style.bytes ? "" : " ago"));
  };
  ago("registered", "since");
  ago("heard", "heard");
  line("asks", state == "known" ? "" : asks_text(component));
  if (const auto* const quota = client::find(component, "quota")) {
    auto lines = quota_lines(*quota, style);
    const char* name = "quota";
    while (!lines.empty()) {
      const auto end = std::min(lines.find('\n'), lines.size());
      line(name, lines.substr(0, end));
      lines.erase(0, end + 1);
      name = "";
    }
  }
  for (const auto& table : {resource_table(component, style), setter_table(component, style)}) {
    if (!table.empty()) text += "\n" + table;
  }
  if (!client::list(decisions).empty()) text += "\n" + render_decisions(decisions, style);
  return text;
}

int show_decisions(const Common& common, const std::string& name, std::int64_t limit) {
  Source source(common);
  const auto target =
      component_target(name.empty() ? "-" : name) + "/allocations?limit=" + std::to_string(limit);
  return repeat(common, [&] {
    const auto body = source.kept(target, "decisions");
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_decisions(*document, style_for(common, stdout)));
    return 0;
  });
}

int component_command(Words words) {
  Options options("component [ls|show NAME|history [NAME]|rm NAME]", kHelp);
  Common common;
  Words given;
  std::string limit;
  bool dry_run = false;
  options.value("-n,--limit", limit, "history: at most so many; 20 unless said");
  options.flag("--dry-run", dry_run, "rm: only tell what would be forgotten");
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "ls" : given.front();
  const std::string name = given.size() > 1 ? given[1] : "";
  static constexpr std::array<std::string_view, 4> kVerbs{"ls", "show", "history", "rm"};
  if (std::ranges::find(kVerbs, verb) == kVerbs.end()) {
    const auto near = settings::nearest(verb, kVerbs);
    return report(Error{ErrorKind::invalid_request,
                        "component does not know '" + printable(verb) + "'",
                        near ? "did you mean " + *near + "?" : "",
                        "headroom component ls, show NAME, history [NAME] or rm NAME"});
  }
  if (verb == "ls" && !name.empty()) {
    return report(Error{ErrorKind::invalid_request, "component ls takes no name",
                        "it lists all of them", "headroom component show " + printable(name)});
  }
  if ((verb == "show" || verb == "rm") && name.empty()) {
    return report(Error{ErrorKind::invalid_request, "component " + verb + " wants a name",
                        "headroom component lists them", "headroom component " + verb + " NAME"});
  }
  if (!limit.empty() && verb != "history") {
    return report(Error{ErrorKind::invalid_request, "--limit goes with history",
                        "component " + verb + " shows all there is",
                        "headroom component history -n " + printable(limit)});
  }
  if (dry_run && verb != "rm") {
    return report(Error{ErrorKind::invalid_request, "--dry-run goes with rm",
                        "component " + verb + " changes nothing", "the same without --dry-run"});
  }
  if (verb == "ls") return list_components(common);
  if (verb == "show") return show_component(common, name);
  if (verb == "rm") return remove_component(common, name, dry_run);
  const auto count = count_of("--limit", limit.empty() ? "20" : limit);
  if (!count) return report(count.error());
  return show_decisions(common, name, *count);
}

}  // namespace headroom::cli
