#include "cli/forecast.hpp"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/history.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom forecast              what each reading is going to be in 15 minutes\n"
    "  headroom forecast memory       of one\n"
    "  headroom forecast l-73         of what a lease, a component or a device uses\n"
    "  headroom forecast --horizon 1h further ahead\n"
    "  headroom forecast -o wide      how good the forecasts were, and what limits them\n"
    "\n"
    "RANGE holds what comes in nine of ten cases. CONFIDENCE is the probability that it lies\n"
    "within 10 % of what is expected.\n";

constexpr double kWorthSaying = 0.5;  // a time when it is full, less sure than that, is none

std::string percent(std::optional<double> share) {
  return share ? show_number(100 * *share) + " %" : kNone;
}

// Only where it is more likely than not.
std::string full_cell(const value& forecast) {
  const auto in = client::number(forecast, "full_in_seconds");
  const auto sure = client::number(forecast, "full_confidence");
  return in && sure.value_or(0) >= kWorthSaying ? show_span(*in) : kNone;
}

// Why there is none of `name`: asks which there are.
Error no_forecast_of(Source& source, const std::string& name) {
  std::vector<std::string> names;
  const auto all = source.document("/api/v1/forecasts");
  const value document = all ? *all : value();
  for (const auto& one : client::list(document)) {
    for (const char* field : {"resource", "device"}) {
      if (auto known = client::text(one, field); !known.empty()) names.push_back(std::move(known));
    }
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = settings::nearest(name, views);
  std::string why = near ? "did you mean " + *near + "?" : "";
  if (all && names.empty()) why = "nothing is forecast yet";
  return Error{ErrorKind::not_found, "there is no forecast of '" + printable(name) + "'",
               std::move(why), "headroom forecast lists them"};
}

}  // namespace

std::string render_forecasts(const value& forecasts, const std::string& wanted,
                             const Style& style) {
  Table table({{"RESOURCE"},
               {"DEVICE", Align::left, false, true},
               {"NOW", Align::right},
               {"EXPECTED", Align::right},
               {"RANGE", Align::right},
               {"CONFIDENCE", Align::right},
               {"FULL IN", Align::right},
               {"METHOD"},
               {"ERROR", Align::right, true},
               {"COVERED", Align::right, true},
               {"SAMPLES", Align::right, true},
               {"LIMITED BY", Align::left, true}});
  for (const auto& one : client::list(forecasts)) {
    const auto name = client::text(one, "resource");
    if (!wanted.empty() && name != wanted && client::text(one, "device") != wanted) continue;
    const auto unit = client::text(one, "unit");
    const auto show = [&](const char* field) {
      return show_reading(style, unit, client::number(one, field), 1);
    };
    const auto device = client::text(one, "device");
    const auto limited = client::text(one, "limited_by");
    const auto low = client::number(one, "low");
    const std::string from = low && unit == "percent" ? show_number(*low, 1) : show("low");
    const std::string range = low ? from + " to " + show("high") : std::string(kNone);
    table.row({text_cell(name), device.empty() ? kNone : text_cell(device), show("now"),
               show("value"), range, percent(client::number(one, "confidence")), full_cell(one),
               text_cell(client::text(one, "method")),
               percent(client::number(one, "relative_error")),
               percent(client::number(one, "coverage")),
               show_number(client::number(one, "samples").value_or(0)),
               limited.empty() ? kNone : text_cell(limited)});
  }
  return table.empty() ? "nothing is forecast yet\n" : table.render(style);
}

int forecast_command(Words words) {
  Options options("forecast [RESOURCE|NAME]", kHelp);
  Common common;
  Words given;
  std::string horizon;
  options.value("--horizon", horizon, "how far ahead, such as 1h");
  options.words("resource", given, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string name = given.empty() ? "" : given.front();
  if (!given.empty() && name.empty()) {
    return report(Error{ErrorKind::invalid_request, "forecast was given an empty name",
                        "without a name it tells of all", "headroom forecast lists them"});
  }
  std::string target = "/api/v1/forecasts";
  if (!name.empty()) target += "/" + http::encode_segment(name);
  if (!horizon.empty()) {
    const auto time = settings::parse_duration(horizon);
    if (!time) return report(time.error());
    target += "?horizon=" +
              std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*time).count());
  }
  Source source(common);
  const auto body = source.get(target);
  if (!body && !name.empty() && body.error().kind == ErrorKind::not_found) {
    return report(no_forecast_of(source, name));
  }
  if (!body) return report(body.error());
  if (print_document(common, *body)) return 0;
  const auto document = client::parse_json(*body);
  if (!document) return report(document.error());
  write_out(stdout, render_forecasts(*document, name, style_for(common, stdout)));
  return 0;
}

}  // namespace headroom::cli
