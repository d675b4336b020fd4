#include "cli/history.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
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
    "  headroom history                         every resource, one line each\n"
    "  headroom history memory                  the last five minutes, drawn\n"
    "  headroom history cpu --window 24h --step 5m\n"
    "  headroom history gpu_memory --device 0 --window 30d --csv > gpu.csv\n"
    "\n"
    "Resources: cpu memory swap load stall_cpu stall_memory stall_io network disk_io disk\n"
    "temperature power gpu_memory gpu_utilization gpu_temperature gpu_power.\n";

constexpr std::array kResources{"cpu",        "memory",          "swap",
                                "load",       "stall_cpu",       "stall_memory",
                                "stall_io",   "network",         "disk_io",
                                "disk",       "temperature",     "power",
                                "gpu_memory", "gpu_utilization", "gpu_temperature",
                                "gpu_power"};

// What the daemon answers for at most: longer is not kept.
constexpr std::chrono::milliseconds kLongest = std::chrono::hours(30 * 24);
constexpr std::chrono::milliseconds kShortest = std::chrono::seconds(1);

constexpr std::size_t kRows = 8;
constexpr std::array<const char*, 9> kEighths{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::size_t kWidthWithoutTerminal = 60;

double number_of(const value& number) { return client::number(number, "").value_or(0); }

}  // namespace

std::string sparkline(const std::vector<std::optional<double>>& values, double low, double high,
                      std::size_t width) {
  constexpr std::array<const char*, 8> kSigns{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  width = std::min(width, values.size());
  std::string line;
  for (std::size_t i = 0; i < width; ++i) {
    std::optional<double> largest;
    for (auto at = i * values.size() / width; at < (i + 1) * values.size() / width; ++at) {
      if (values[at] && (!largest || *values[at] > *largest)) largest = values[at];
    }
    if (!largest) {
      line += ' ';
      continue;
    }
    const double share = high > low ? (*largest - low) / (high - low) : 0;
    const double step = std::clamp(share, 0.0, 1.0) * (kSigns.size() - 1);
    line += kSigns[static_cast<std::size_t>(std::lround(step))];
  }
  return line;
}

std::string show_reading(const Style& style, const std::string& unit, std::optional<double> value,
                         int digits) {
  if (!value) return kNone;
  if (style.bytes) return show_number(*value, 3);
  if (unit == "percent") return show_number(*value, digits) + " %";
  if (unit == "celsius") return show_number(*value, digits) + " °C";
  if (unit == "watts") return show_number(*value, digits) + " W";
  if (unit == "bytes") return show_bytes(std::llround(*value));
  if (unit == "bytes_per_second") return show_bytes(std::llround(*value)) + "/s";
  return show_number(*value, std::max(2, digits));
}

namespace {

// One answer, taken apart.
struct Drawn {
  std::string unit;
  std::vector<std::pair<double, std::optional<double>>> points;  // seconds since 1970
};

Drawn drawn_of(const value& history) {
  Drawn drawn;
  drawn.unit = client::text(history, "unit");
  for (const auto& point : client::list(history, "points")) {
    const auto* pair = point.if_array();
    if (pair == nullptr || pair->size() != 2) continue;
    const auto at = parse_time(client::text((*pair)[0], ""));
    if (!at) continue;
    drawn.points.emplace_back(
        *at, (*pair)[1].is_number() ? std::optional(number_of((*pair)[1])) : std::nullopt);
  }
  return drawn;
}

// The largest value of each of `columns` equal parts of the time. A part between two points that
// lie further apart than parts are long takes the one before; a gap stays one.
std::vector<std::optional<double>> columns_of(const Drawn& drawn, double from, double to,
                                              std::size_t columns) {
  std::vector<std::optional<double>> all(columns);
  if (to <= from || columns == 0) return all;
  const auto place = [&](double at) {
    const double part = (at - from) / (to - from) * static_cast<double>(columns);
    return static_cast<std::size_t>(std::clamp(part, 0.0, static_cast<double>(columns) - 1));
  };
  for (std::size_t i = 0; i < drawn.points.size(); ++i) {
    const auto& [at, one] = drawn.points[i];
    if (!one || at < from || at > to) continue;
    const bool more = i + 1 < drawn.points.size();
    const std::size_t first = place(at);
    const std::size_t next = more ? place(drawn.points[i + 1].first) : first + 1;
    for (std::size_t column = first; column < std::max(first + 1, next); ++column) {
      all[column] = std::max(all[column].value_or(*one), *one);
    }
  }
  return all;
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t wide = width_of(text);
  return (wide < width ? std::string(width - wide, ' ') : std::string()) + text;
}

/// "GPU 1", "/data"; "" for the node's own.
std::string device_of(const value& history) {
  const auto name = client::text(history, "name");
  return printable(name.empty() ? client::text(history, "device") : name);
}

std::string head_of(const value& history) {
  std::string head = text_cell(client::text(history, "resource"));
  if (const auto device = device_of(history); !device.empty()) head += " of " + device;
  if (const auto window = client::number(history, "window_seconds")) {
    head += ", last " + show_span(*window);
  }
  if (const auto step = client::number(history, "step_seconds"); step && *step > 0) {
    head += ", step " + show_span(*step);
  }
  return head;
}

std::string csv_of(const value& history, const Style& style) {
  std::string text = style.header ? "at," + client::text(history, "resource") + "\n" : "";
  for (const auto& point : client::list(history, "points")) {
    const auto* pair = point.if_array();
    if (pair == nullptr || pair->size() != 2) continue;
    const bool known = (*pair)[1].is_number();
    text += printable(client::text((*pair)[0], "")) + "," +
            (known ? show_number(number_of((*pair)[1]), 3) : "") + "\n";
  }
  return text;
}

}  // namespace

std::string render_history(const value& history, const Style& style) {
  if (style.output == Output::csv) return csv_of(history, style);
  const Drawn drawn = drawn_of(history);
  const auto low = client::number(history, "statistics.min");
  const auto high = client::number(history, "statistics.max");
  if (!low || !high || drawn.points.empty()) {
    return head_of(history) + "\nnothing is known of that time\n";
  }
  // A share is drawn against the whole, so that flat stays flat; all else against its own largest,
  // from zero where it is never less.
  const bool share = drawn.unit == "percent";
  const double bottom = share ? 0 : std::min(0.0, *low);
  double top = share ? std::max(100.0, *high) : *high;
  if (top <= bottom) top = bottom + 1;

  const std::string labels[] = {show_reading(style, drawn.unit, top, 0),
                                show_reading(style, drawn.unit, bottom + (top - bottom) / 2, 0),
                                show_reading(style, drawn.unit, bottom, 0)};
  std::size_t label = 0;
  for (const auto& each : labels) label = std::max(label, width_of(each));
  const std::size_t width =
      style.width > 0 ? static_cast<std::size_t>(style.width) : kWidthWithoutTerminal + label + 2;
  const std::size_t columns = width > label + 12 ? width - label - 2 : 10;
  const double to = drawn.points.back().first;
  const double window = client::number(history, "window_seconds").value_or(0);
  // No wider than what is known: a daemon of today has no month to draw.
  const double from = std::max(to - window, drawn.points.front().first);
  const auto values = columns_of(drawn, from, to, columns);

  const auto limit = static_cast<std::size_t>(style.width);
  std::string text = cut(head_of(history), limit) + "\n";
  for (std::size_t row = kRows; row-- > 0;) {
    const std::string& name = row + 1 == kRows       ? labels[0]
                              : row == kRows / 2 - 1 ? labels[1]
                              : row == 0             ? labels[2]
                                                     : std::string();
    std::string line;
    for (const auto& each : values) {
      // Something that is known is seen, even if it is the least.
      const double eighths =
          each ? std::max(1.0, (*each - bottom) / (top - bottom) * kRows * 8) : 0;
      const double here = std::clamp(eighths - static_cast<double>(row) * 8, 0.0, 8.0);
      line += kEighths[static_cast<std::size_t>(std::lround(here))];
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += dim(style, padded(name, label) + " │") + line + "\n";
  }
  const std::string begin = show_time(from, style.now);
  const std::string end = show_time(to, style.now);
  const std::size_t used = width_of(begin) + width_of(end);
  std::string axis(label + 2, ' ');
  axis += columns > used ? begin + std::string(columns - used, ' ') + end : begin;
  text += dim(style, axis) + "\n";

  const auto show = [&](const char* name) {
    return show_reading(style, drawn.unit,
                        client::number(history, std::string("statistics.") + name), 1);
  };
  std::string below = "min " + show("min") + "   avg " + show("avg") + "   max " + show("max") +
                      "   p95 " + show("p95");
  if (drawn.unit == "tasks") below += "   (tasks)";
  if (const auto oldest = parse_time(client::text(history, "oldest"))) {
    below += dim(style, "   since " + show_time(*oldest, style.now));
  }
  return text + cut(below, limit) + "\n";
}

std::string render_histories(const std::vector<value>& histories, const Style& style) {
  const double window =
      histories.empty() ? 0 : client::number(histories[0], "window_seconds").value_or(0);
  const auto length = settings::format_duration_exact(
      std::chrono::milliseconds(std::llround(std::clamp(window, 0.0, 1e9)) * 1000));
  Table table({{"RESOURCE"},
               {"DEVICE", Align::left, false, true},
               {"NOW", Align::right},
               {"AVG", Align::right, false, false, 1},
               {"MAX", Align::right},
               {style.output == Output::csv ? "UNIT" : "LAST " + length}});
  // What a terminal has beside the words and numbers.
  constexpr int kBeside = 55;
  constexpr int kLeastSigns = 10;
  constexpr int kMostSigns = 30;
  const auto signs = static_cast<std::size_t>(
      style.width > 0 ? std::clamp(style.width - kBeside, kLeastSigns, kMostSigns) : kMostSigns);
  for (const value& history : histories) {
    const Drawn drawn = drawn_of(history);
    if (drawn.points.empty()) continue;
    const auto low = client::number(history, "statistics.min").value_or(0);
    const auto high = client::number(history, "statistics.max").value_or(0);
    const bool share = drawn.unit == "percent";
    const auto values =
        columns_of(drawn, drawn.points.front().first, drawn.points.back().first, signs);
    const auto show = [&](std::optional<double> one) {
      return show_reading(style, drawn.unit, one, 1);
    };
    const auto device = device_of(history);
    table.row({text_cell(client::text(history, "resource")), device.empty() ? kNone : device,
               show(drawn.points.back().second), show(client::number(history, "statistics.avg")),
               show(high),
               style.output == Output::csv
                   ? drawn.unit
                   : sparkline(values, share ? 0 : std::min(0.0, low), share ? 100 : high, signs)});
  }
  return table.empty() ? "nothing was measured yet\n" : table.render(style);
}

namespace {

/// A resource, and the device whose it is; "" for the node's own.
using Series = std::pair<std::string, std::string>;

/// Every resource, and of those that devices have, one for each device in the snapshot.
std::vector<Series> series_of(const value& snapshot) {
  std::vector<Series> all;
  for (const std::string resource : kResources) {
    std::vector<std::string> devices;
    if (resource.starts_with("gpu_")) {
      for (const auto& gpu : client::list(snapshot, "gpu"))
        devices.push_back(client::text(gpu, "id"));
    } else if (resource == "disk") {
      for (const auto& one : client::list(snapshot, "filesystem"))
        devices.push_back(client::text(one, "mount"));
    } else {
      devices.emplace_back();
    }
    for (auto& device : devices) all.emplace_back(resource, std::move(device));
  }
  return all;
}

// What there is of every resource, one line each.
int overview(const Common& common, Source& source, const std::string& window) {
  const auto snapshot = source.kept("/api/v1/snapshot", "histories");
  if (!snapshot) return report(snapshot.error());
  const auto devices = client::parse_json(*snapshot);
  if (!devices) return report(devices.error());
  std::vector<value> all;
  for (const auto& [resource, device] : series_of(*devices)) {
    auto target = "/api/v1/history?resource=" + resource + window;
    if (!device.empty()) target += "&device=" + http::encode_segment(device);
    const auto body = source.get(target);
    if (!body) {
      if (body.error().kind == ErrorKind::not_found) continue;  // it was never measured here
      return report(body.error());
    }
    auto document = client::parse_json(*body);
    if (document) all.push_back(std::move(*document));
  }
  if (common.output == Output::json || common.output == Output::jsonl) {
    const bool lines = common.output == Output::jsonl;
    std::string text = lines ? "" : "{\"items\":[";
    for (std::size_t i = 0; i < all.size(); ++i) {
      text += (i > 0 && !lines ? "," : "") + client::write_json(all[i]) + (lines ? "\n" : "");
    }
    write_out(stdout, text + (lines ? "" : "]}\n"));
    return 0;
  }
  write_out(stdout, render_histories(all, style_for(common, stdout)));
  return 0;
}

}  // namespace

int history_command(Words words) {
  Options options("history RESOURCE", kHelp);
  Common common;
  Words names;
  std::string window = "5m";
  std::string step;
  std::string device;
  bool csv = false;
  options.value("--window", window, "how far back, such as 10m");
  options.value("--step", step, "seconds between points, such as 10s");
  options.value("--device", device, "GPU or mount");
  options.flag("--csv", csv, "the points, as -o csv");
  options.words("resource", names, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (csv) common.output = Output::csv;
  std::string target;
  const auto add = [&](const char* name, const std::string& text) -> std::optional<int> {
    if (text.empty()) return std::nullopt;
    const auto time = settings::parse_duration(text);
    if (!time) return report(time.error());
    if (*time > kLongest || *time < kShortest) {
      return report(Error{ErrorKind::invalid_request,
                          std::string("--") + name + " " + printable(text) + " is too " +
                              (*time > kLongest ? "long" : "short"),
                          "it is from 1s to 30d",
                          std::string("--") + name + (*time > kLongest ? " 30d" : " 1s")});
    }
    const double seconds = static_cast<double>(time->count()) / 1000.0;
    target +=
        std::string("&") + name + "=" + show_number(seconds, time->count() % 1000 == 0 ? 0 : 3);
    return std::nullopt;
  };
  if (const auto over = add("window", window)) return *over;
  if (const auto over = add("step", step)) return *over;
  if (names.empty()) {
    if (!device.empty() || !step.empty()) {
      return report(Error{
          ErrorKind::invalid_request,
          std::string(device.empty() ? "--step" : "--device") + " stands without a resource",
          "without one, all of them are shown",
          "headroom history gpu_memory " +
              (device.empty() ? "--step " + printable(step) : "--device " + printable(device))});
    }
    Source source(common);
    return repeat(common, [&] { return overview(common, source, target); });
  }
  target.insert(0, "/api/v1/history?resource=" + http::encode_segment(names.front()));
  if (!device.empty()) target += "&device=" + http::encode_segment(device);
  Source source(common);
  return repeat(common, [&] {
    const auto body = source.kept(target, "histories");
    if (!body) return report(body.error());
    if (common.output == Output::json && print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    if (common.output == Output::jsonl) {
      std::string lines;
      for (const auto& point : client::list(*document, "points")) {
        const auto* pair = point.if_array();
        if (pair == nullptr || pair->size() != 2) continue;
        lines += "{\"at\":" + client::write_json((*pair)[0]) + ",\"value\":" +
                 ((*pair)[1].is_number() ? show_number(number_of((*pair)[1]), 3) : "null") + "}\n";
      }
      write_out(stdout, lines);
      return 0;
    }
    write_out(stdout, render_history(*document, style_for(common, stdout)));
    return 0;
  });
}

}  // namespace headroom::cli
