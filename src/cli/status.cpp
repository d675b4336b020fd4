#include "cli/status.hpp"

#include <algorithm>
#include <cmath>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/needs.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom                      one screen: room, pressure, alerts, leases\n"
    "  headroom -w                   again every two seconds\n"
    "  headroom --json | jq .room    the snapshot as a document\n";

constexpr std::size_t kLeasesNamed = 3;

bool is_cpu(const value& item) { return client::text(item, "resource") == "cpu"; }

/// A term of an item in its own unit: bytes, or thousandths of a core for cpu.
std::optional<double> term(const value& item, const std::string& name) {
  return client::number(item, name + (is_cpu(item) ? "_cores" : "_bytes"));
}

std::string amount(const value& item, std::optional<double> term_value, const Style& style) {
  if (!term_value) return kNone;
  if (is_cpu(item)) {
    return style.bytes ? show_number(*term_value, 3) : show_cores(*term_value);
  }
  if (*term_value == 0 && !style.bytes) {  // nothing, in the unit of what there could be
    const auto scale = static_cast<std::int64_t>(term(item, "capacity").value_or(0));
    return show_bytes_in_unit_of(0, scale) + " " + unit_of(scale);
  }
  return bytes_cell(style, static_cast<std::int64_t>(*term_value));
}

const value* gpu_of(const value& snapshot, const std::string& id) {
  for (const auto& gpu : client::list(snapshot, "gpu")) {
    if (client::text(gpu, "id") == id) return &gpu;
  }
  return nullptr;
}

const value* filesystem_of(const value& snapshot, const std::string& mount) {
  for (const auto& filesystem : client::list(snapshot, "filesystem")) {
    if (client::text(filesystem, "mount") == mount) return &filesystem;
  }
  return nullptr;
}

std::string bytes_used(std::optional<std::int64_t> used, std::optional<std::int64_t> total,
                       const Style& style) {
  if (!used || !total) return kNone;
  if (style.bytes) return std::to_string(*used);
  return show_bytes_of(*used, *total);
}

std::string used_cell(const value& item, const value& snapshot, const Style& style) {
  const auto resource = client::text(item, "resource");
  const auto device = client::text(item, "device");
  if (resource == "cpu") {
    const auto busy = client::number(snapshot, "cpu.busy_ratio");
    if (!busy) return kNone;
    if (style.bytes) return show_number(*busy, 3);
    std::string cell = show_number(*busy * 100) + " %";
    if (const auto cores = client::whole(snapshot, "cpu.cores")) {
      cell += " of " + std::to_string(*cores) + (*cores == 1 ? " core" : " cores");
    }
    return cell;
  }
  if (resource == "gpu_memory") {
    const auto* gpu = gpu_of(snapshot, device);
    if (gpu == nullptr) return kNone;
    return bytes_used(client::whole(*gpu, "memory_used_bytes"),
                      client::whole(*gpu, "memory_total_bytes"), style);
  }
  if (resource == "disk") {
    const auto* filesystem = filesystem_of(snapshot, device);
    if (filesystem == nullptr) return kNone;
    const auto total = client::whole(*filesystem, "total_bytes");
    const auto free = client::whole(*filesystem, "free_bytes");
    if (!total || !free) return kNone;
    return bytes_used(*total - *free, total, style);
  }
  // Under a limit the limit is the machine: what counts is what is used below it.
  const auto capacity = client::whole(item, "capacity_bytes");
  const auto free = client::whole(item, "free_bytes");
  if (capacity && free)
    return bytes_used(std::max<std::int64_t>(*capacity - *free, 0), capacity, style);
  return bytes_used(client::whole(snapshot, "memory.used_bytes"),
                    client::whole(snapshot, "memory.total_bytes"), style);
}

std::string note_cell(const value& item, const value& snapshot) {
  std::string note;
  const auto add = [&](const std::string& part) { note += (note.empty() ? "" : "  ") + part; };
  if (const auto* gpu = gpu_of(snapshot, client::text(item, "device"));
      gpu != nullptr && client::text(item, "resource") == "gpu_memory") {
    if (const auto busy = client::number(*gpu, "busy_ratio")) {
      add("busy " + show_number(*busy * 100) + " %");
    }
    if (const auto heat = client::number(*gpu, "temperature_celsius")) {
      add(show_number(*heat) + " °C");
    }
    if (const auto power = client::number(*gpu, "power_watts")) add(show_number(*power) + " W");
    if (client::is_true(*gpu, "simulated")) add("simulated");
  }
  if (const auto why = client::text(item, "why"); !why.empty()) add(printable(why));
  return note;
}

std::string item_name(const value& item, const value& snapshot) {
  std::string name = printable(client::text(item, "name"));
  if (name.empty()) name = printable(client::text(item, "resource"));
  if (const auto* gpu = gpu_of(snapshot, client::text(item, "device")); gpu != nullptr) {
    const auto model = printable(client::text(*gpu, "name"));
    if (!model.empty() && model != name) name += "  " + short_model(model);
  }
  return name;
}

/// The item a person looks at first: the tightest GPU, else memory.
const value* item_to_explain(const value& room) {
  const value* best = nullptr;
  double least = 2;
  for (const auto& item : client::list(room)) {
    const auto resource = client::text(item, "resource");
    const auto capacity = term(item, "capacity");
    const auto free = term(item, "room");
    if (!capacity || !free || *capacity <= 0) continue;
    if (resource != "gpu_memory" && resource != "memory") continue;
    // A GPU is what these machines are bought for; memory explains where there is none.
    const double share = *free / *capacity + (resource == "gpu_memory" ? 0.0 : 1.0);
    if (share < least) {
      least = share;
      best = &item;
    }
  }
  return best;
}

std::string first_line(const value& node, const Style& style) {
  std::string line = text_cell(client::text(node, "name"));
  if (const auto up = client::number(node, "uptime_seconds")) line += "   up " + show_span(*up);
  if (const auto strategy = client::text(node, "strategy"); !strategy.empty()) {
    line += "   strategy " + printable(strategy);
  }
  if (const auto health = client::text(node, "health"); !health.empty()) {
    line += "   health " + paint(style, health, printable(health));
  }
  return line;
}

std::string counted(std::size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

/// A line below the table: what, the sentence, and the command that shows more.
struct Summary {
  std::string what;
  std::string sentence;
  std::string command;
};

/// The sentences end where the commands begin, and those where the terminal ends.
std::string render_summaries(const std::vector<Summary>& summaries, const Style& style) {
  constexpr std::size_t kGap = 2;
  constexpr std::size_t kColumns = 78;
  constexpr std::size_t kLeast = 40;
  std::size_t command = 0;
  for (const auto& one : summaries) command = std::max(command, width_of(one.command));
  const auto width = static_cast<std::size_t>(style.width);
  const bool narrow = width > 0 && width < kLeast + kGap + command;
  const std::size_t most = width == 0 ? 0 : narrow ? width : width - kGap - command;
  std::vector<std::string> lines;
  std::size_t column = most == 0 ? kColumns : 0;
  for (const auto& one : summaries) {
    std::string line = one.what;
    line.resize(std::max<std::size_t>(line.size() + kGap, 11), ' ');
    lines.push_back(cut(line + one.sentence, most));
    if (most > 0) column = std::max({column, width_of(lines.back()), std::min(kColumns, most)});
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += lines[i];
    if (!narrow) {
      const auto own = width_of(lines[i]);
      text.append(std::max(own, column) - own + kGap, ' ');
      text += dim(style, summaries[i].command);
    }
    text += "\n";
  }
  return text;
}

std::vector<Summary> summaries(const StatusDocuments& documents, const Style& style) {
  std::vector<Summary> lines;
  std::size_t open = 0;
  const value* worst = nullptr;
  const auto rank = [](const value& alert) {
    const auto severity = client::text(alert, "severity");
    return severity == "emergency" ? 3 : severity == "critical" ? 2 : 1;
  };
  for (const auto& alert : client::list(documents.alerts)) {
    if (!client::text(alert, "ended").empty()) continue;
    ++open;
    if (worst == nullptr || rank(alert) > rank(*worst)) worst = &alert;
  }
  if (worst != nullptr) {
    auto of = printable(client::text(*worst, "name"));
    if (of.empty()) of = printable(client::text(*worst, "device"));
    auto sentence = (of.empty() ? "" : of + ": ") + printable(client::text(*worst, "text"));
    if (const auto since = parse_time(client::text(*worst, "since"))) {
      sentence += ", " + show_span(style.now - *since);
    }
    const auto severity = printable(client::text(*worst, "severity"));
    lines.push_back({counted(open, "alert", "alerts"),
                     paint(style, severity, severity) + "  " + sentence,
                     "headroom alert show " + printable(client::text(*worst, "id"))});
  }
  std::size_t waiting = 0;
  std::size_t living = 0;
  const value* next = nullptr;
  std::string names;
  for (const auto& lease : client::list(documents.leases)) {
    const auto state = client::text(lease, "state");
    if (state == "waiting") {
      ++waiting;
      const auto place = client::whole(lease, "place");
      const auto best = next != nullptr ? client::whole(*next, "place") : std::nullopt;
      if (next == nullptr || (place && best && *place < *best)) next = &lease;
    } else if (state != "ended") {
      ++living;
      if (living <= kLeasesNamed) {
        const value* booked = client::find(lease, "booked");
        const auto amounts = booked != nullptr ? show_amounts(*booked) : std::string();
        names += (names.empty() ? "" : "; ") + printable(client::text(lease, "name")) +
                 (amounts.empty() ? "" : " " + amounts) +
                 (client::is_true(lease, "over") ? " OVER" : "") +
                 (client::is_true(lease, "frozen") ? " FROZEN" : "");
      }
    }
  }
  if (next != nullptr) {
    auto sentence = printable(client::text(*next, "name"));
    if (const auto why = client::text(*next, "why"); !why.empty()) sentence += " " + printable(why);
    if (const auto earliest = parse_time(client::text(*next, "earliest"))) {
      sentence += "; earliest " + show_time(*earliest, style.now);
    }
    lines.push_back({counted(waiting, "waiting", "waiting"), sentence, "headroom lease"});
  }
  if (living > 0) {
    if (living > kLeasesNamed) names += "; …";
    lines.push_back({counted(living, "lease", "leases"), names, "headroom lease"});
  }
  if (const auto* cost = client::find(documents.node, "cost");
      cost != nullptr && !cost->is_null()) {
    const auto number = [&](const char* key) { return client::number(*cost, key); };
    const auto word = printable(client::text(*cost, "currency"));
    const std::string unit = word.empty() ? "" : " " + word;
    auto sentence = money_cell(number("per_hour")) + unit + " an hour, of it " +
                    money_cell(number("leases_per_hour")) + " booked; " +
                    money_cell(number("spent")) + (number("budget") ? " of " : unit) +
                    (number("budget") ? money_cell(number("budget")) + unit : "") + " this month";
    if (const auto at = parse_time(client::text(*cost, "spent_at"))) {
      sentence += *at <= style.now ? ": spent" : ", spent " + show_time(*at, style.now);
    }
    lines.push_back({"cost", sentence, "headroom lease -o wide"});
  }
  if (const auto& cannot = client::list(documents.node, "cannot"); !cannot.empty()) {
    lines.push_back(
        {"cannot",
         printable(client::text(cannot.front(), "what")) +
             (cannot.size() > 1 ? " and " + std::to_string(cannot.size() - 1) + " more" : ""),
         "headroom doctor"});
  }
  return lines;
}

}  // namespace

std::string render_sum(const value& item, const Style& style) {
  const auto room = term(item, "room");
  const auto capacity = term(item, "capacity");
  if (!room || !capacity) {
    const auto why = printable(client::text(item, "why"));
    return "room is unknown" + (why.empty() ? std::string() : ": " + why);
  }
  const auto scale = static_cast<std::int64_t>(*capacity);
  const auto show = [&](const char* name) {
    const double one = term(item, name).value_or(0);
    if (is_cpu(item)) return show_number(one, 1);
    if (style.bytes) return std::to_string(static_cast<std::int64_t>(one));
    return show_bytes_in_unit_of(static_cast<std::int64_t>(one), scale);
  };
  const std::string unit = is_cpu(item)  ? " cores"
                           : style.bytes ? ""
                                         : std::string(" ") + unit_of(scale);
  if (*room > 0) {
    return "room " + show("room") + " = " + show("capacity") + " − " + show("reserve") +
           " reserve − " + show("booked") + " booked − " + show("unbooked") + " unbooked − " +
           show("margin") + " margin" + unit;
  }
  return "room " + show("room") + " = min(" + show("capacity") + " − " + show("reserve") +
         " reserve − " + show("booked") + " booked, " + show("free") + " free − " +
         show("unmaterialised") + " not used yet) − " + show("margin") + " margin, not below 0" +
         unit;
}

std::string render_status(const StatusDocuments& documents, const Style& style) {
  const auto& snapshot = documents.snapshot;
  static const value kNothing;
  const auto* found = client::find(snapshot, "room");
  const auto& room = found != nullptr ? *found : kNothing;
  const bool csv = style.output == Output::csv;
  Table table({{csv ? "name" : "", Align::left, false, true, 0, 12},
               {"used"},
               {"capacity", Align::right, true},
               {"reserve", Align::right, true},
               {"booked", Align::right, false, false, 1},
               {"unbooked", Align::right, true},
               {"margin", Align::right, true},
               {"room", Align::right},
               {"pressure"},
               {csv ? "note" : "", Align::left, false, true, 0, 4}});
  for (const auto& item : client::list(room)) {
    const auto pressure = client::text(item, "pressure");
    const auto booked = term(item, "booked");
    table.row({item_name(item, snapshot), used_cell(item, snapshot, style),
               amount(item, term(item, "capacity"), style),
               amount(item, term(item, "reserve"), style),
               booked && *booked == 0 && !style.bytes ? kNone : amount(item, booked, style),
               amount(item, term(item, "unbooked"), style),
               amount(item, term(item, "margin"), style), amount(item, term(item, "room"), style),
               paint(style, pressure, text_cell(pressure)), note_cell(item, snapshot)});
  }
  if (csv) return table.render(style);
  std::string text = cut(first_line(documents.node, style), static_cast<std::size_t>(style.width)) +
                     "\n\n" + table.render(style);
  if (const auto* item = item_to_explain(room); item != nullptr) {
    const auto name = item_name(*item, kNothing) + ": ";
    text += "\n" +
            folded(name + render_sum(*item, style), static_cast<std::size_t>(style.width),
                   width_of(name)) +
            "\n";
  }
  const auto below = summaries(documents, style);
  if (!below.empty()) text += "\n" + render_summaries(below, style);
  return text;
}

int show_status(const Common& common, Source& source) {
  auto snapshot = source.get("/api/v1/snapshot");
  if (!snapshot) return report(snapshot.error());
  if (print_document(common, *snapshot)) return 0;
  StatusDocuments documents;
  auto parsed = client::parse_json(*snapshot);
  if (!parsed) return report(parsed.error());
  documents.snapshot = std::move(*parsed);
  auto node = source.document("/api/v1/node");
  if (!node) return report(node.error());
  documents.node = std::move(*node);
  // Without a daemon nobody keeps alerts or leases: the screen shows the machine alone.
  if (!source.local()) {
    auto alerts = source.document("/api/v1/alerts");
    if (!alerts) return report(alerts.error());
    documents.alerts = std::move(*alerts);
    auto leases = source.document("/api/v1/leases");
    if (!leases) return report(leases.error());
    documents.leases = std::move(*leases);
  }
  write_out(stdout, render_status(documents, style_for(common, stdout)));
  return 0;
}

int status_command(Words words) {
  Options options("status", kHelp);
  Common common;
  if (const auto over = options.parse(std::move(words), common)) return *over;
  Source source(common);
  return repeat(common, [&] { return show_status(common, source); });
}

}  // namespace headroom::cli
