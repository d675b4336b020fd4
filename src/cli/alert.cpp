#include "cli/alert.hpp"

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
    "  headroom alert                open alerts\n"
    "  headroom alert --all          and those that have ended\n"
    "  headroom alert show a12       one, with what helps\n"
    "  headroom alert ack a12        seen; it stays open until it ends\n"
    "  headroom alert mute a12 2h    nobody is told of it for that long (1h unless said)\n"
    "  headroom alert unmute a12     they are told again\n";

/// "GPU 1", "/data"; "" for the node's own.
std::string device_of(const value& alert) {
  const auto name = client::text(alert, "name");
  return printable(name.empty() ? client::text(alert, "device") : name);
}

std::string lasted(const value& alert, const Style& style) {
  if (const auto seconds = client::number(alert, "lasted_seconds")) {
    return style.bytes ? show_number(*seconds, 0) : show_span(*seconds);
  }
  return since_cell(style, client::text(alert, "since"));
}

}  // namespace

std::string render_alerts(const value& alerts, const Style& style) {
  if (client::list(alerts).empty() && style.output != Output::csv) return "no alerts\n";
  Table table({{"ID"},
               {"SEVERITY"},
               {"RESOURCE"},
               {"DEVICE", Align::left, false, true, 0, 16},
               {"VALUE", Align::right},
               {"LINE", Align::right, false, false, 2},
               {"FOR", Align::right},
               {"STATE", Align::left, false, false, 1},
               {"TEXT", Align::left, false, true, 0, 22}});
  for (const auto& alert : client::list(alerts)) {
    const auto severity = client::text(alert, "severity");
    const char* state = !client::text(alert, "ended").empty()         ? "ended"
                        : client::is_true(alert, "acknowledged")      ? "acknowledged"
                        : !client::text(alert, "muted_until").empty() ? "muted"
                                                                      : "open";
    table.row({text_cell(client::text(alert, "id")), paint(style, severity, text_cell(severity)),
               text_cell(client::text(alert, "resource")), text_cell(device_of(alert)),
               number_cell(style, client::number(alert, "value"), 1),
               number_cell(style, client::number(alert, "threshold"), 0), lasted(alert, style),
               state, text_cell(client::text(alert, "text"))});
  }
  return table.render(style);
}

std::string render_alert(const value& alert, const Style& style) {
  const auto severity = client::text(alert, "severity");
  const auto of = device_of(alert);
  std::string text = text_cell(client::text(alert, "id")) + "  " +
                     paint(style, severity, text_cell(severity)) + "  " +
                     (of.empty() ? "" : of + ": ") + text_cell(client::text(alert, "text")) + "\n";
  const auto line = [&](const char* name, const std::string& cell) {
    std::string head = name;
    head.resize(11, ' ');
    text += folded("  " + head + cell, static_cast<std::size_t>(style.width), 13) + "\n";
  };
  const auto device = client::text(alert, "device");
  line("resource", text_cell(client::text(alert, "resource")) + (of.empty() ? "" : " of " + of) +
                       (device.empty() || of == device ? "" : " (" + printable(device) + ")"));
  line("value", number_cell(style, client::number(alert, "value"), 1) + ", line " +
                    number_cell(style, client::number(alert, "threshold"), 0));
  line("since", text_cell(client::text(alert, "since")) + " (" + lasted(alert, style) + ")");
  if (const auto ended = client::text(alert, "ended"); !ended.empty())
    line("ended", printable(ended));
  if (client::is_true(alert, "acknowledged")) line("seen", "acknowledged");
  if (const auto muted = client::text(alert, "muted_until"); !muted.empty())
    line("muted", "until " + printable(muted));
  for (const auto& help : client::list(alert, "recommendations")) {
    line("try", text_cell(client::text(help, "")));
  }
  return text;
}

int alert_command(Words words) {
  Options options("alert [ls|show ID|ack ID|mute ID [TIME]|unmute ID]", kHelp);
  Common common;
  Words given;
  std::string severity;
  bool all = false;
  options.value("--severity", severity, "this level only");
  options.flag("--all", all, "those that have ended too");
  options.words("words", given, 3);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "ls" : given.front();
  Source source(common);
  if (verb == "show" || verb == "ack" || verb == "mute" || verb == "unmute") {
    if (given.size() < 2) {
      return report(Error{ErrorKind::invalid_request, "alert " + verb + " needs an id",
                          "headroom alert lists them", "headroom alert " + verb + " a12"});
    }
    const auto target = "/api/v1/alerts/" + http::encode_segment(given[1]);
    client::json::object change;
    if (verb == "ack") change["acknowledged"] = true;
    if (verb == "unmute") change["mute_seconds"] = 0;
    if (verb == "mute") {
      const auto time = settings::parse_duration(given.size() > 2 ? given[2] : "1h");
      if (!time) return report(time.error());
      change["mute_seconds"] = std::chrono::ceil<std::chrono::seconds>(*time).count();
    }
    Result<value> alert =
        change.empty() ? source.document(target) : source.daemon().send("PATCH", target, change);
    if (!alert) return report(alert.error());
    if (print_document(common, client::write_json(*alert))) return 0;
    const auto style = style_for(common, stdout);
    const value only = client::json::object{{"items", client::json::array{*alert}}};
    write_out(stdout, common.output == Output::csv ? render_alerts(only, style)
                                                   : render_alert(*alert, style));
    return 0;
  }
  if (verb != "ls") {
    return report(Error{ErrorKind::invalid_request, "alert cannot '" + verb + "'", "",
                        "headroom alert ls, show, ack, mute or unmute"});
  }
  std::string target = std::string("/api/v1/alerts") + (all ? "?all=1" : "");
  if (!severity.empty())
    target += (all ? "&" : "?") + ("severity=" + http::encode_segment(severity));
  return repeat(common, [&] {
    const auto body = source.get(target);
    if (!body) return report(body.error());
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_alerts(*document, style_for(common, stdout)));
    return 0;
  });
}

}  // namespace headroom::cli
