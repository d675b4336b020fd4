#include "cli/quota.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/component.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::array;
using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom quota                              the bounds and priority of every component\n"
    "  headroom quota show prediction_service      of one\n"
    "  headroom quota set prediction_service --cpu 30 --memory 600M --priority critical\n"
    "  headroom quota set prediction_service --min-cpu 5 --max-cpu 50 --enforce\n"
    "  headroom quota set prediction_service --cpu 40 --during \"Mon-Fri 08:00-18:00\"\n"
    "  headroom quota set prediction_service --memory none      takes it back\n"
    "\n"
    "--cpu is a percent of the node's processors; --memory a size as 600M or 2G, a bare number is\n"
    "bytes. What is not said stays as it is. --during alone forgets what was said for these "
    "times.\n"
    "A name that is not registered yet keeps its quota until it is.\n";

constexpr double kMega = 1048576.0;
constexpr auto kOutcomeWithin = std::chrono::seconds(1);
constexpr auto kOutcomeEvery = std::chrono::milliseconds(25);

/// A resource in the words of the interface: "cpu", "cpu_percent", and its unit.
struct Named {
  const char* resource;
  const char* key;
  const char* unit;
};
constexpr std::array<Named, 4> kResources{{{"cpu", "cpu_percent", "%"},
                                           {"memory", "memory_mb", "MB"},
                                           {"disk_iops", "disk_iops", "1/s"},
                                           {"network", "network_mb", "MB/s"}}};

// A number of JSON: whole where it is.
value number_of(double amount) {
  const double whole = std::round(amount);
  if (std::abs(whole) < 1e15 && whole == amount) return static_cast<std::int64_t>(whole);
  return amount;
}

tl::unexpected<Error> at_flag(const char* flag, Error error) {
  error.what = std::string(flag) + ": " + error.what;
  return tl::unexpected<Error>(std::move(error));
}

tl::unexpected<Error> not_above_0(const char* flag, const std::string& text) {
  return fail(ErrorKind::invalid_request, std::string(flag) + " cannot be '" + text + "'",
              "an amount that is said is above 0", std::string(flag) + " none takes it back");
}

Result<value> percent_of(const char* flag, const std::string& text) {
  const auto ratio = settings::parse_percent(text);
  if (!ratio) return at_flag(flag, ratio.error());
  // Through thousandths: 29 % is 0.29 and has to be 29 again.
  const double percent = std::round(ratio->value() * 100000) / 1000;
  if (percent <= 0) return not_above_0(flag, text);
  return number_of(percent);
}

// An amount of memory that is taken: the number itself in MB, where those are enough.
std::string enough_for(const std::string& text, bool is_bare, BareMemory bare) {
  if (is_bare && bare == BareMemory::megabytes) return "600";
  const auto bytes = settings::parse_bytes(text + "M");
  const bool enough = is_bare && bytes && static_cast<double>(bytes->count()) >= kMega;
  return enough ? text + "M" : "600M";
}

Result<value> megabytes_of(const char* flag, const std::string& text, BareMemory bare) {
  const bool is_bare = text.find_first_not_of("0123456789. ") == std::string::npos;
  const auto bytes =
      settings::parse_bytes(is_bare && bare == BareMemory::megabytes ? text + "M" : text);
  if (!bytes) return at_flag(flag, bytes.error());
  if (bytes->count() <= 0) return not_above_0(flag, text);
  if (static_cast<double>(bytes->count()) < kMega) {
    return fail(ErrorKind::invalid_request, std::string(flag) + " " + text + " is less than 1 MB",
                !is_bare                    ? "nothing runs within so little"
                : bare == BareMemory::bytes ? "a number without a unit is bytes"
                                            : "a number without a unit is MB here",
                std::string(flag) + " " + enough_for(text, is_bare, bare));
  }
  return number_of(static_cast<double>(bytes->count()) / kMega);
}

Result<value> rate_of(const char* flag, const std::string& text) {
  double rate = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, rate);
  if (error != std::errc() || stop != end || !std::isfinite(rate)) {
    return fail(ErrorKind::invalid_request,
                std::string(flag) + " cannot be '" + printable(text) + "'",
                "it is a number of operations per second", std::string(flag) + " 500");
  }
  if (!(rate > 0)) return not_above_0(flag, text);
  return number_of(rate);
}

Result<value> amount_of(std::size_t resource, const char* flag, const std::string& text,
                        BareMemory bare) {
  if (text == "none") return value(nullptr);
  if (resource == 0) return percent_of(flag, text);
  if (resource == 2) return rate_of(flag, text);
  // Per second there is no bare number but bytes: only memory is said in MB in older scripts.
  return megabytes_of(flag, text, resource == 1 ? bare : BareMemory::bytes);
}

Error wrong(std::string what, std::string why, std::string help) {
  return Error{ErrorKind::invalid_request, std::move(what), std::move(why), std::move(help)};
}

// Of some times there are bounds and a priority. Else the daemon would take the quota of all times
// to be meant, and the one of these times to be forgotten.
std::optional<Error> not_of_times(const QuotaOptions& options) {
  if (options.during.empty()) return std::nullopt;
  std::string flag, typed;
  if (!options.buffer.empty()) {
    flag = "--buffer";
    typed = "--buffer " + printable(options.buffer);
  } else if (options.enforce || options.no_enforce) {
    flag = typed = options.enforce ? "--enforce" : "--no-enforce";
  } else {
    return std::nullopt;
  }
  return wrong(flag + " cannot be set for some times only",
               "--during takes bounds and --priority; " + flag + " holds at all times",
               "headroom quota set NAME " + typed + ", and the rest with --during by itself");
}

const value* window_of(const value& quota, const std::string& during) {
  for (const auto& window : client::list(quota, "windows")) {
    if (client::text(window, "during") == during) return &window;
  }
  return nullptr;
}

std::int64_t newest_of(const value& decisions) {
  std::int64_t newest = 0;
  for (const auto& one : client::list(decisions)) {
    newest = std::max(newest, client::whole(one, "id").value_or(0));
  }
  return newest;
}

// Nobody sees what becomes of a quota that nobody listens for.
std::string waiting_for(const value& component) {
  const auto state = client::text(component, "state");
  if (state == "known") return "it is kept until the component registers";
  if (state == "registered") return "nobody listens for it now; it is told when it connects again";
  return {};
}

int print_quotas(const Common& common, const value& quotas) {
  if (!print_document(common, client::write_json(quotas))) {
    write_out(stdout, render_quotas(quotas, style_for(common, stdout)));
  }
  return 0;
}

int show_quotas(const Common& common, const std::string& name) {
  Source source(common);
  return repeat(common, [&] {
    const auto body = source.kept(
        name.empty() ? "/api/v1/components" : component_target(name) + "/quota", "quotas");
    if (!body) return report(body.error());
    if (!name.empty() && print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    array items;
    if (!name.empty()) items.push_back(*document);
    for (const auto& component : client::list(*document)) {
      if (const auto* const quota = client::find(component, "quota")) items.push_back(*quota);
    }
    return print_quotas(common, object{{"items", std::move(items)}, {"next", nullptr}});
  });
}

}  // namespace

void QuotaOptions::add_to(Options& options) {
  options.value("--cpu", cpu, "percent of the node's processors, such as 30");
  options.value("--memory,--mem", memory, "memory, such as 600M or 2G");
  options.value("--disk-iops", disk_iops, "disk operations per second, such as 500");
  options.value("--net,--network", network, "bytes per second over the network, such as 10M");
  options.value("--min-cpu", min_cpu, "the least that it is given while there is as much");
  options.value("--max-cpu", max_cpu, "it is never given more");
  options.value("--min-memory", min_memory, "likewise");
  options.value("--max-memory", max_memory, "likewise");
  options.value("--min-disk-iops", min_disk_iops, "likewise");
  options.value("--max-disk-iops", max_disk_iops, "likewise");
  options.value("--min-net", min_network, "likewise");
  options.value("--max-net", max_network, "likewise");
  options.value("--priority", priority, "critical, high, normal or low");
  options.value("--buffer", buffer, "percent that is added over its demand, such as 40");
  options.flag("--enforce", enforce, "the kernel holds its processes to what it is given");
  options.flag("--no-enforce", no_enforce, "it is asked, and not held");
  options.value("--during", during, "only at these times, such as \"Mon-Fri 08:00-18:00\"");
}

bool QuotaOptions::any() const {
  for (const auto* text :
       {&cpu, &memory, &disk_iops, &network, &min_cpu, &min_memory, &min_disk_iops, &min_network,
        &max_cpu, &max_memory, &max_disk_iops, &max_network, &priority, &buffer, &during}) {
    if (!text->empty()) return true;
  }
  return enforce || no_enforce;
}

Result<object> quota_of(const QuotaOptions& options, BareMemory bare) {
  struct Said {
    const char* prefix;
    std::array<const char*, 4> flags;
    std::array<const std::string*, 4> texts;
  };
  const std::array<Said, 3> all{
      {{"",
        {"--cpu", "--memory", "--disk-iops", "--net"},
        {&options.cpu, &options.memory, &options.disk_iops, &options.network}},
       {"min_",
        {"--min-cpu", "--min-memory", "--min-disk-iops", "--min-net"},
        {&options.min_cpu, &options.min_memory, &options.min_disk_iops, &options.min_network}},
       {"max_",
        {"--max-cpu", "--max-memory", "--max-disk-iops", "--max-net"},
        {&options.max_cpu, &options.max_memory, &options.max_disk_iops, &options.max_network}}}};
  object body;
  for (const auto& said : all) {
    for (std::size_t i = 0; i < kResources.size(); ++i) {
      if (said.texts[i]->empty()) continue;
      auto amount = amount_of(i, said.flags[i], *said.texts[i], bare);
      if (!amount) return tl::unexpected<Error>(std::move(amount.error()));
      body[std::string(said.prefix) + kResources[i].key] = std::move(*amount);
    }
  }
  for (std::size_t i = 0; i < kResources.size(); ++i) {
    const auto* const least = body.if_contains(std::string("min_") + kResources[i].key);
    const auto* const most = body.if_contains(std::string("max_") + kResources[i].key);
    if (least == nullptr || most == nullptr || least->is_null() || most->is_null()) continue;
    if (least->to_number<double>() <= most->to_number<double>()) continue;
    const std::string above = std::string(all[1].flags[i]) + " " + *all[1].texts[i];
    return tl::unexpected<Error>(
        wrong(above + " is above " + all[2].flags[i] + " " + *all[2].texts[i],
              "the least that it may be given is at most the most",
              std::string(all[1].flags[i]) + " " + *all[2].texts[i] + " " + all[2].flags[i] + " " +
                  *all[1].texts[i]));
  }
  if (!options.priority.empty()) {
    const auto priority = settings::parse_priority(options.priority);
    if (!priority) return at_flag("--priority", priority.error());
    body["priority"] = to_string(*priority);
  }
  if (options.buffer == "none") {
    body["buffer_percent"] = nullptr;
  } else if (!options.buffer.empty()) {
    const auto ratio = settings::parse_percent(options.buffer);
    if (!ratio) return at_flag("--buffer", ratio.error());
    body["buffer_percent"] = number_of(std::round(ratio->value() * 100000) / 1000);
  }
  if (options.enforce && options.no_enforce) {
    return tl::unexpected<Error>(
        wrong("--enforce and --no-enforce are opposites", "one of them was meant", "one of them"));
  }
  if (options.enforce || options.no_enforce) body["enforce"] = options.enforce;
  if (!options.during.empty()) body["during"] = options.during;
  if (auto mistake = not_of_times(options)) return tl::unexpected<Error>(std::move(*mistake));
  return body;
}

std::string render_quotas(const value& quotas, const Style& style) {
  if (client::list(quotas).empty() && style.output != Output::csv) return "no quotas\n";
  Table table({{"COMPONENT", Align::left, false, true, 0, 16},
               {"RESOURCE"},
               {"QUOTA", Align::right},
               {"LEAST", Align::right},
               {"MOST", Align::right},
               {"PRIORITY", Align::left, false, false, 1},
               {"BUFFER", Align::right, false, false, 3},
               {"ENFORCED", Align::left, false, false, 2},
               {"DURING", Align::left, false, true, 0, 12}});
  for (const auto& quota : client::list(quotas)) {
    const auto name = text_cell(client::text(quota, "component"));
    const auto rows = [&](const value& bounds, const std::string& priority,
                          const std::string& buffer, const std::string& enforced,
                          const std::string& during) {
      bool any = false;
      for (const auto& resource : client::list(bounds, "resources")) {
        const auto unit = client::text(resource, "unit");
        const auto cell = [&](const char* field) {
          return amount_cell(style, client::number(resource, field), unit);
        };
        any = true;
        table.row({name, text_cell(client::text(resource, "resource")), cell("amount"),
                   cell("least"), cell("most"), priority, buffer, enforced, during});
      }
      // Times at which only the priority is another.
      if (!any) table.row({name, kNone, kNone, kNone, kNone, priority, buffer, enforced, during});
    };
    rows(quota, text_cell(client::text(quota, "priority")),
         amount_cell(style, client::number(quota, "buffer_percent"), "%"),
         client::is_true(quota, "enforce") ? "yes" : "no", "always");
    for (const auto& window : client::list(quota, "windows")) {
      rows(window, text_cell(client::text(window, "priority")), kNone, kNone,
           text_cell(client::text(window, "during")));
    }
  }
  return table.render(style);
}

std::string render_quota_change(const std::string& name, const value& before, const value& after,
                                const object& said) {
  static const value kNothing;
  const Style style;
  const auto during = client::text(said, "during");
  const std::string start = printable(name) + ": ";
  if (!during.empty() && said.size() == 1) {
    return start + "what was said for " + printable(during) + " is forgotten\n";
  }
  const value* was = &before;
  const value* now = &after;
  if (!during.empty()) {
    was = window_of(before, during);
    now = window_of(after, during);
    if (was == nullptr) was = &kNothing;
    if (now == nullptr) now = &kNothing;
  }
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  struct Field {
    const char* prefix;
    const char* field;
    const char* word;
  };
  static constexpr std::array<Field, 3> kFields{
      {{"", "amount", ""}, {"min_", "least", " at least"}, {"max_", "most", " at most"}}};
  for (const auto& one : kResources) {
    for (const auto& [prefix, field, word] : kFields) {
      const auto* const wanted = said.if_contains(std::string(prefix) + one.key);
      if (wanted == nullptr) continue;
      const auto* const old_resource = resource_of(*was, one.resource);
      const auto* const new_resource = resource_of(*now, one.resource);
      const auto old =
          old_resource != nullptr ? client::number(*old_resource, field) : std::nullopt;
      auto set = new_resource != nullptr ? client::number(*new_resource, field) : std::nullopt;
      if (!set && !wanted->is_null()) set = wanted->to_number<double>();
      std::string part = std::string(one.resource) + word + " ";
      if (wanted->is_null()) {
        // A bound that is taken back is the configured one again, an amount is none.
        const auto bound = amount_cell(style, set, one.unit);
        part += bound != kNone ? bound + " as configured" : "not set";
      } else {
        const bool other = old && set && *old != *set;
        part +=
            (other ? amount_cell(style, old, "") + " → " : "") + amount_cell(style, set, one.unit);
      }
      add(part);
    }
  }
  const auto word = [&](const char* key, const std::string& label) {
    if (said.if_contains(key) == nullptr) return;
    const auto old = client::text(*was, key);
    const auto set = client::text(said, key);
    add(label + (old.empty() || old == set ? "" : printable(old) + " → ") + printable(set));
  };
  word("priority", "priority ");
  if (const auto* const buffer = said.if_contains("buffer_percent")) {
    const auto old = client::number(before, "buffer_percent");
    const auto set = client::number(said, "buffer_percent");
    const bool other = old && set && *old != *set;
    add(buffer->is_null() ? std::string("buffer as the strategy has it")
                          : "buffer " + (other ? amount_cell(style, old, "") + " → " : "") +
                                amount_cell(style, set, "%"));
  }
  if (said.if_contains("enforce") != nullptr) {
    add(client::is_true(said, "enforce") ? "held to it by the kernel" : "not enforced");
  }
  return start + (during.empty() ? "" : printable(during) + ", ") + text + "\n";
}

std::string render_outcome(const value& component, const value& decisions, std::int64_t seen) {
  const value* first = nullptr;
  std::int64_t id = 0;
  for (const auto& one : client::list(decisions)) {
    const auto its = client::whole(one, "id").value_or(0);
    if (its > seen && (first == nullptr || its < id)) {
      first = &one;
      id = its;
    }
  }
  if (first == nullptr) return {};
  const auto pid = client::whole(component, "pid");
  const std::string who = pid ? "pid " + std::to_string(*pid) : std::string("the component");
  const auto outcome = client::text(*first, "outcome");
  if (outcome == "applied") {
    const auto took = client::number(*first, "took_seconds");
    return "applied by " + who + (took ? " in " + show_latency(*took) : std::string()) + "\n";
  }
  if (outcome == "failed") return who + " did not apply it\n";
  if (outcome == "timed_out") return who + " did not answer\n";
  if (outcome == "unreachable") return "nobody listens for it now\n";
  if (outcome == "shadow") return "not asked for: control.shadow is on\n";
  return {};
}

int set_quota(const Common& common, const std::string& name, const QuotaOptions& options,
              BareMemory bare) {
  const auto body = quota_of(options, bare);
  if (!body) return report(body.error());
  client::Daemon daemon(common.url, common.answer_within());
  const auto target = component_target(name);
  const auto decisions_target = target + "/allocations?limit=20";
  auto before = daemon.document(target + "/quota");
  // A name that nobody has had is given one now.
  if (!before && before.error().kind != ErrorKind::not_found) return report(before.error());
  std::int64_t seen = 0;
  if (before) {
    if (const auto decisions = daemon.document(decisions_target)) seen = newest_of(*decisions);
  }
  const auto after = daemon.send("PUT", target + "/quota", *body);
  if (!after) return report(after.error());
  if (print_document(common, client::write_json(*after)) || common.quiet) return 0;
  write_out(stdout, render_quota_change(name, before ? *before : value(), *after, *body));
  const auto component = daemon.document(target);
  if (!component) return 0;
  if (const auto why = waiting_for(*component); !why.empty()) {
    write_out(stdout, why + "\n");
    return 0;
  }
  for (const auto end = std::chrono::steady_clock::now() + kOutcomeWithin;;) {
    const auto decisions = daemon.document(decisions_target);
    if (!decisions) return 0;
    if (const auto outcome = render_outcome(*component, *decisions, seen); !outcome.empty()) {
      write_out(stdout, outcome);
      return 0;
    }
    if (std::chrono::steady_clock::now() >= end) return 0;
    std::this_thread::sleep_for(kOutcomeEvery);
  }
}

int quota_command(Words words) {
  Options options("quota [show [NAME]|set NAME]", kHelp);
  Common common;
  Words given;
  QuotaOptions quota;
  quota.add_to(options);
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "show" : given.front();
  const std::string name = given.size() > 1 ? given[1] : "";
  if (verb != "show" && verb != "ls" && verb != "set") {
    static constexpr std::array<std::string_view, 2> kVerbs{"show", "set"};
    const auto near = settings::nearest(verb, kVerbs);
    return report(wrong("quota does not know '" + printable(verb) + "'",
                        near ? "did you mean " + *near + "?" : "",
                        "headroom quota show [NAME], or quota set NAME --cpu 30"));
  }
  if (verb != "set") {
    if (quota.any()) {
      return report(wrong("quota " + verb + " changes nothing", "a bound was given",
                          "headroom quota set NAME --cpu 30"));
    }
    return show_quotas(common, name);
  }
  if (name.empty()) {
    return report(wrong("quota set wants a name", "headroom component lists them",
                        "headroom quota set NAME --cpu 30"));
  }
  if (!quota.any()) {
    return report(wrong(
        "it is not said what the quota of " + printable(name) + " is to be", "nothing was changed",
        "headroom quota set " + printable(name) + " --cpu 30 --memory 600M --priority critical"));
  }
  return set_quota(common, name, quota, BareMemory::bytes);
}

}  // namespace headroom::cli
