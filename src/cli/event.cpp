#include "cli/event.hpp"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

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
    "  headroom event -n 20          the last twenty\n"
    "  headroom event -f             and those to come\n"
    "  headroom event --since 1h --type lease.granted\n"
    "  headroom event --type alert   every type that begins so\n";

std::string time_of(const value& event, const Style& style) {
  const auto text = client::text(event, "at");
  const auto at = parse_time(text);
  if (!at || style.bytes) return text_cell(text);
  return show_time(*at, style.now, style.output == Output::wide);
}

/// "High GPU temperature on GPU 1": the device by its name, where it has one now.
std::string text_of(const value& event, const value& room) {
  auto text = client::text(event, "text");
  const auto device = client::text(event, "device");
  const auto at = device.empty() ? std::string::npos : text.find(device);
  for (const auto& item : client::list(room)) {
    if (at == std::string::npos || client::text(item, "device") != device) continue;
    text.replace(at, device.size(), client::text(item, "name"));
    break;
  }
  return text_cell(text);
}

// Types that have not happened yet are no mistake; those that have are right whatever stands here.
constexpr std::array<std::string_view, 67> kTypes{{"alert.acknowledged",
                                                   "alert.ended",
                                                   "alert.escalated",
                                                   "alert.lowered",
                                                   "alert.muted",
                                                   "alert.opened",
                                                   "alert.reminded",
                                                   "alert.unmuted",
                                                   "allocation",
                                                   "allocation.lent",
                                                   "allocation.returned",
                                                   "anomaly",
                                                   "cleanup.finished",
                                                   "component.answers",
                                                   "component.gone",
                                                   "component.limit",
                                                   "component.registered",
                                                   "component.unresponsive",
                                                   "daemon.configured",
                                                   "daemon.guardian",
                                                   "daemon.history",
                                                   "daemon.journal",
                                                   "daemon.listening",
                                                   "daemon.notify",
                                                   "daemon.otlp",
                                                   "daemon.reload",
                                                   "daemon.restored",
                                                   "daemon.started",
                                                   "daemon.token",
                                                   "decision.refused",
                                                   "device.drained",
                                                   "device.opened",
                                                   "hook.answers",
                                                   "hook.silent",
                                                   "ladder.step",
                                                   "lease.allocation_failed",
                                                   "lease.ended",
                                                   "lease.frozen",
                                                   "lease.granted",
                                                   "lease.handed_over",
                                                   "lease.held",
                                                   "lease.hopeless",
                                                   "lease.idle",
                                                   "lease.killed",
                                                   "lease.late",
                                                   "lease.limit",
                                                   "lease.moved",
                                                   "lease.orphans",
                                                   "lease.over",
                                                   "lease.overrun",
                                                   "lease.quarantined",
                                                   "lease.returned",
                                                   "lease.slowed",
                                                   "lease.thawed",
                                                   "lease.waiting",
                                                   "lease.within",
                                                   "model.asked",
                                                   "model.forgotten",
                                                   "model.kept",
                                                   "model.loaded",
                                                   "model.pinned",
                                                   "model.unloaded",
                                                   "model.unpinned",
                                                   "quota.changed",
                                                   "quota.window",
                                                   "sensor.",
                                                   "session."}};

/// "alert, allocation, …": what all types begin with.
std::string families() {
  std::string text;
  std::string_view last;
  for (const auto type : kTypes) {  // in the order of the alphabet
    const auto family = type.substr(0, type.find('.'));
    if (family == last) continue;
    if (!last.empty()) text += ", ";
    text += family;
    last = family;
  }
  return text;
}

}  // namespace

std::string render_events(const value& events, const value& room, const Style& style) {
  Table table({{"ID", Align::right, true},
               {"AT"},
               {"TYPE"},
               {"LEASE", Align::left, false, false, 1},
               {"RESOURCE", Align::left, true},
               {"TEXT", Align::left, false, true, 0, 40}});
  const auto& items = client::list(events);
  for (auto it = items.rbegin(); it != items.rend(); ++it) {
    const auto id = client::whole(*it, "id");
    table.row({id ? std::to_string(*id) : kNone, time_of(*it, style),
               text_cell(client::text(*it, "type")), text_cell(client::text(*it, "lease")),
               text_cell(client::text(*it, "resource")), text_of(*it, room)});
  }
  return table.render(style);
}

std::string render_event(const value& event, const value& room, const Style& style) {
  constexpr std::size_t kTypeWidth = 18;
  auto type = text_cell(client::text(event, "type"));
  type.resize(std::max(type.size(), kTypeWidth), ' ');
  auto line = time_of(event, style) + "  " + type + "  ";
  if (const auto lease = client::text(event, "lease"); !lease.empty()) {
    line += printable(lease) + "  ";
  }
  line += text_of(event, room);
  return cut(line, static_cast<std::size_t>(style.width)) + "\n";
}

std::optional<Error> wrong_type(const std::string& type, const value& seen) {
  std::vector<std::string> known(kTypes.begin(), kTypes.end());
  for (const auto& event : client::list(seen)) known.push_back(client::text(event, "type"));
  std::vector<std::string_view> words;
  for (const auto& one : known) {
    if (one.starts_with(type) || (one.ends_with('.') && type.starts_with(one))) return std::nullopt;
    words.push_back(one);
    words.push_back(std::string_view(one).substr(0, one.find('.')));
  }
  const auto near = settings::nearest(type, words);
  return Error{ErrorKind::invalid_request, "there is no type of event '" + printable(type) + "'",
               near ? "did you mean " + *near + "?" : "",
               "--type " + families() + ", or one of them as a whole, such as lease.granted"};
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
  value room;
  const auto show = [&] {
    const auto body = source.kept(target, "events");
    if (!body) return report(body.error());
    const auto document = client::parse_json(*body);
    if (!document) return report(document.error());
    if (!type.empty() && client::list(*document).empty()) {
      const auto seen = source.daemon().document("/api/v1/events?limit=10000");
      if (const auto mistake = wrong_type(type, seen ? *seen : value())) return report(*mistake);
    }
    if (print_document(common, *body)) return 0;
    // Without the names the answer is as true, only less readable.
    if (auto names = source.daemon().document("/api/v1/room")) room = std::move(*names);
    write_out(stdout, render_events(*document, room, style_for(common, stdout)));
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
                              : render_event(*document, room, style_for(common, stdout)));
        return std::ferror(stdout) == 0;
      });
  return followed ? 0 : report(followed.error());
}

}  // namespace headroom::cli
