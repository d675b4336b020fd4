#include "cli/history.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom history memory                  the last five minutes\n"
    "  headroom history cpu --window 1h --step 10s\n"
    "  headroom history gpu_memory --device 0 -o csv\n"
    "\n"
    "Resources: memory cpu disk gpu_memory swap stall_cpu stall_memory stall_io and more.\n";

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

std::string render_history(const value& history, const Style& style) {
  if (style.output == Output::csv) {
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
  std::vector<std::optional<double>> values;
  for (const auto& point : client::list(history, "points")) {
    const auto* pair = point.if_array();
    if (pair == nullptr || pair->size() != 2) continue;
    values.push_back((*pair)[1].is_number() ? std::optional(number_of((*pair)[1])) : std::nullopt);
  }
  const auto unit = client::text(history, "unit");
  const bool percent = unit == "percent";
  const auto low = client::number(history, "statistics.min");
  const auto high = client::number(history, "statistics.max");
  std::string head = text_cell(client::text(history, "resource"));
  if (const auto device = client::text(history, "device"); !device.empty()) {
    head += " of " + printable(device);
  }
  if (const auto window = client::number(history, "window_seconds")) {
    head += ", last " + show_span(*window);
  }
  if (const auto step = client::number(history, "step_seconds"))
    head += ", step " + show_span(*step);
  if (!low || !high) return head + "\nnothing is known of that time\n";
  const auto width =
      style.width > 0 ? static_cast<std::size_t>(style.width) : kWidthWithoutTerminal;
  // A share is drawn against the whole, so that flat stays flat; all else against its own range.
  const auto line = sparkline(values, percent ? 0 : *low, percent ? 100 : *high, width);
  const auto show = [&](const char* name) -> std::string {
    const auto one = client::number(history, std::string("statistics.") + name);
    if (!one) return kNone;
    if (unit == "bytes") return bytes_cell(style, static_cast<std::int64_t>(*one));
    return show_number(*one, 1) + (percent ? " %" : "");
  };
  std::string tail = "min " + show("min") + "   avg " + show("avg") + "   max " + show("max") +
                     "   p95 " + show("p95");
  if (!percent && unit != "bytes" && !unit.empty()) tail += "   (" + printable(unit) + ")";
  return head + "\n" + line + "\n" + tail + "\n";
}

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
  if (names.empty()) {
    return report(Error{ErrorKind::invalid_request, "history needs a resource", "",
                        "headroom history memory"});
  }
  std::string target = "/api/v1/history?resource=" + http::encode_segment(names.front());
  const auto add = [&](const char* name, const std::string& text) -> std::optional<int> {
    if (text.empty()) return std::nullopt;
    const auto time = settings::parse_duration(text);
    if (!time) return report(time.error());
    const double seconds = static_cast<double>(time->count()) / 1000.0;
    target +=
        std::string("&") + name + "=" + show_number(seconds, time->count() % 1000 == 0 ? 0 : 3);
    return std::nullopt;
  };
  if (const auto over = add("window", window)) return *over;
  if (const auto over = add("step", step)) return *over;
  if (!device.empty()) target += "&device=" + http::encode_segment(device);
  Source source(common);
  return repeat(common, [&] {
    const auto body = source.get(target);
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_history(*document, style_for(common, stdout)));
    return 0;
  });
}

}  // namespace headroom::cli
