#include "cli/event.hpp"

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom event -n 20          the last twenty\n"
    "  headroom event -f             and those to come\n"
    "  headroom event --since 1h --type lease.granted\n"
    "  headroom event --type alert   every type that begins so\n";

std::string time_of(const value& event, const Style& style) {
  const auto text = client::text(event, "at");
  const auto at = parse_time(text);
  return at && !style.bytes ? show_time(*at, style.now) : text_cell(text);
}

}  // namespace

std::string render_events(const value& events, const Style& style) {
  Table table({{"ID", Align::right, true},
               {"AT"},
               {"TYPE"},
               {"LEASE"},
               {"RESOURCE", Align::left, true},
               {"TEXT", Align::left, false, true}});
  const auto& items = client::list(events);
  for (auto it = items.rbegin(); it != items.rend(); ++it) {
    const auto id = client::whole(*it, "id");
    table.row({id ? std::to_string(*id) : kNone, time_of(*it, style),
               text_cell(client::text(*it, "type")), text_cell(client::text(*it, "lease")),
               text_cell(client::text(*it, "resource")), text_cell(client::text(*it, "text"))});
  }
  return table.render(style);
}

std::string render_event(const value& event, const Style& style) {
  constexpr std::size_t kTypeWidth = 18;
  auto type = text_cell(client::text(event, "type"));
  type.resize(std::max(type.size(), kTypeWidth), ' ');
  auto line = time_of(event, style) + "  " + type + "  ";
  if (const auto lease = client::text(event, "lease"); !lease.empty()) {
    line += printable(lease) + "  ";
  }
  return line + printable(client::text(event, "text")) + "\n";
}

int event_command(Words words) {
  Options options("event", kHelp);
  Common common;
  std::string since;
  std::string type;
  std::string limit = "20";
  bool follow = false;
  options.flag("-f,--follow", follow, "and those to come");
  options.value("--since", since, "not older, such as 1h, or a time");
  options.value("--type", type, "only these: lease.granted, or all that begin with lease");
  options.value("-n,--limit", limit, "at most so many");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  std::string target = "/api/v1/events?limit=" + http::encode_segment(limit);
  if (!type.empty()) target += "&type=" + http::encode_segment(type);
  if (!since.empty()) target += "&since=" + http::encode_segment(since);
  Source source(common);
  const auto show = [&] {
    const auto body = source.get(target);
    if (!body) return report(body.error());
    if (source.local()) return report(source.only_daemon("what happened"));
    if (print_document(common, *body)) return 0;
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    write_out(stdout, render_events(*document, style_for(common, stdout)));
    return 0;
  };
  if (!follow) return repeat(common, show);
  if (const int code = show(); code != 0) return code;
  const auto followed =
      source.daemon().follow("/api/v1/stream?types=event", [&](const client::StreamEvent& event) {
        const auto document = client::parse_json(event.data);
        if (!document) return true;
        if (client::text(*document, "type").rfind(type, 0) != 0) return true;
        const bool raw = common.output == Output::json || common.output == Output::jsonl;
        write_out(stdout, raw ? client::write_json(*document) + "\n"
                              : render_event(*document, style_for(common, stdout)));
        return std::ferror(stdout) == 0;
      });
  return followed ? 0 : report(followed.error());
}

}  // namespace headroom::cli
