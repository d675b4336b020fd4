#include "cli/model.hpp"

#include <chrono>
#include <thread>

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/needs.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom model                            models in memory and known ones\n"
    "  headroom model show sdxl                  one of them\n"
    "  headroom model set sdxl --gpu-mem 9G --hook comfy --priority low\n"
    "  headroom model track sdxl --gpu-mem 9G --pid 5102    a process that runs holds it\n"
    "  headroom model touch sdxl                 it was used just now\n"
    "  headroom model pin sdxl                   it is never unloaded to make room; unpin\n"
    "  headroom model unload sdxl                ask its hook to unload it\n"
    "  headroom model rm sdxl                    forget what was told and learned of it\n"
    "\n"
    "A hook says who is asked: a name of [hooks] in the configuration, or \"holder\".\n";

// How long an unloading is watched.
constexpr std::chrono::seconds kWatched{45};

std::string target_of(const std::string& name) {
  // A name may hold "/": its parts are encoded, its slashes stay.
  std::string target = "/api/v1/models";
  std::size_t at = 0;
  while (at <= name.size()) {
    const auto slash = std::min(name.find('/', at), name.size());
    target += "/" + http::encode_segment(name.substr(at, slash - at));
    at = slash + 1;
  }
  return target;
}

std::string size_of(const value& model, const char* key, const Style& style) {
  const auto* amounts = client::find(model, key);
  if (amounts == nullptr) return {};
  const auto gpu = client::whole(*amounts, "gpu_memory_bytes");
  const auto memory = client::whole(*amounts, "memory_bytes");
  if (gpu && *gpu > 0) return bytes_cell(style, gpu);
  return memory && *memory > 0 ? bytes_cell(style, memory) : std::string();
}

std::string where_of(const value& model) {
  if (const auto index = client::whole(model, "device_index")) {
    return "GPU " + std::to_string(*index);
  }
  if (const auto device = client::text(model, "device"); !device.empty()) return printable(device);
  const auto state = client::text(model, "state");
  return state == "known" || state == "waiting" || state.empty() ? kNone : "memory";
}

std::string idle_of(const value& model, const Style& style) {
  const auto state = client::text(model, "state");
  if (state == "known" || state == "waiting") return kNone;
  if (const auto uses = client::whole(model, "uses"); uses && *uses > 0) return "in use";
  return since_cell(style, client::text(model, "last_used"));
}

int show_model(const Common& common, const Result<value>& model) {
  if (!model) return report(model.error());
  if (print_document(common, client::write_json(*model))) return 0;
  const auto style = style_for(common, stdout);
  const value only = object{{"items", client::json::array{*model}}};
  write_out(stdout, common.output == Output::csv ? render_models(only, style)
                                                 : render_model(*model, style));
  return 0;
}

struct SetOptions {
  NeedsOptions needs;
  std::string size, hook, priority, pid, ttl;
};

/// "--size 9G": of the device where there is one, else of memory.
Result<object> sizes_of(client::Daemon& daemon, const SetOptions& set) {
  value room;
  if (has_percent(set.needs) || !set.size.empty()) {
    auto document = daemon.document("/api/v1/room");
    if (!document) return tl::unexpected<Error>(document.error());
    room = std::move(*document);
  }
  NeedsOptions needs = set.needs;
  if (!set.size.empty()) {
    bool gpu = false;
    for (const auto& item : client::list(room)) {
      gpu = gpu || client::text(item, "resource") == "gpu_memory";
    }
    (gpu ? needs.gpu_memory : needs.memory) = set.size;
  }
  return needs_of(needs, room);
}

int set_model(const Common& common, client::Daemon& daemon, const std::string& name,
              const SetOptions& set) {
  auto sizes = sizes_of(daemon, set);
  if (!sizes) return report(sizes.error());
  object body;
  for (const char* key : {"memory_bytes", "gpu_memory_bytes", "compute"}) {
    if (const auto* const found = sizes->if_contains(key)) body[key] = *found;
  }
  if (!set.hook.empty()) body["hook"] = set.hook == "none" ? "" : set.hook;
  if (!set.priority.empty()) body["priority"] = set.priority;
  return show_model(common, daemon.send("PUT", target_of(name), body));
}

int track_model(const Common& common, client::Daemon& daemon, const std::string& name,
                const SetOptions& set) {
  auto sizes = sizes_of(daemon, set);
  if (!sizes) return report(sizes.error());
  object told;
  if (!set.hook.empty()) told["hook"] = set.hook == "none" ? "" : set.hook;
  if (!set.priority.empty()) told["priority"] = set.priority;
  if (!told.empty()) {
    if (auto put = daemon.send("PUT", target_of(name), told); !put) return report(put.error());
  }
  object body{{"name", name}, {"model", name}};
  if (!sizes->empty()) body["needs"] = *sizes;
  if (!set.priority.empty()) body["priority"] = set.priority;
  if (set.pid.empty()) {
    body["holder"] = object{{"pid", nullptr}};
  } else {
    std::int64_t pid = 0;
    for (const char c : set.pid) {
      if (c < '0' || c > '9' || pid > 4194304) {
        return report(
            Error{ErrorKind::invalid_request, "'" + set.pid + "' is no pid", "", "--pid 4121"});
      }
      pid = 10 * pid + (c - '0');
    }
    body["holder"] = object{{"pid", pid}};
  }
  if (!set.ttl.empty() || set.pid.empty()) {
    const auto ttl = settings::parse_duration(set.ttl.empty() ? "24h" : set.ttl);
    if (!ttl) return report(ttl.error());
    body["ttl_seconds"] = std::chrono::ceil<std::chrono::seconds>(*ttl).count();
  }
  if (auto booked = daemon.book(body, ""); !booked) return report(booked.error());
  return show_model(common, daemon.document(target_of(name)));
}

int unload_model(const Common& common, client::Daemon& daemon, const std::string& name) {
  auto model = daemon.send("PATCH", target_of(name), object{{"resident", false}});
  const auto end = std::chrono::steady_clock::now() + kWatched;
  while (model && client::text(*model, "state") == "draining" &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    model = daemon.document(target_of(name));
  }
  const int code = show_model(common, model);
  if (code != 0) return code;
  const auto state = client::text(*model, "state");
  if (state == "known") return 0;
  if (!common.quiet) {
    write_out(stderr, "headroom: " + printable(name) +
                          " is still in memory; headroom event tells " + "what its hook said\n");
  }
  return 1;
}

}  // namespace

std::string step_amount(const value& step) {
  std::string text;
  for (const char* key : {"gpu_memory_bytes", "memory_bytes"}) {
    if (const auto bytes = client::whole(step, key); bytes && *bytes > 0) {
      text += (text.empty() ? "" : " + ") + show_bytes(*bytes);
    }
  }
  return text.empty() ? show_bytes(0) : text;
}

std::string render_models(const value& models, const Style& style) {
  if (client::list(models).empty() && style.output != Output::csv) return "no models\n";
  Table table({{"NAME", Align::left, false, true, 0, 16},
               {"WHERE"},
               {"SIZE", Align::right},
               {"IDLE", Align::right},
               {"STATE"},
               {"PRIORITY", Align::left, false, false, 1},
               {"UNTIL"},
               {"NEEDS", Align::right, true},
               {"FROM", Align::left, true},
               {"BATCH", Align::right, true},
               {"LOAD", Align::right, true},
               {"HOOK", Align::left, true},
               {"LEASE", Align::left, true},
               {"NOTES", Align::left, true, true}});
  for (const auto& model : client::list(models)) {
    const auto state = client::text(model, "state");
    const auto order = client::whole(model, "unload_order");
    std::string until = printable(client::text(model, "until"));
    if (order && *order > 0) until += ", " + std::to_string(*order) + ".";
    auto size = size_of(model, "size", style);
    if (size.empty()) size = size_of(model, "needs", style);
    const auto load = client::number(model, "load_seconds");
    const auto batch = client::whole(model, "batch");
    const auto needs = size_of(model, "needs", style);
    std::string cell = text_cell(state);
    if (state == "draining" || state == "waiting") cell = paint(style, "warning", cell);
    table.row({text_cell(client::text(model, "name")), where_of(model), size.empty() ? kNone : size,
               idle_of(model, style), cell, text_cell(client::text(model, "priority")),
               until.empty() ? kNone : until, needs.empty() ? kNone : needs,
               text_cell(client::text(model, "needs_from")), batch ? std::to_string(*batch) : kNone,
               load ? show_span(*load) : kNone, text_cell(client::text(model, "hook")),
               text_cell(client::text(model, "lease")), printable(client::text(model, "notes"))});
  }
  return table.render(style);
}

std::string render_model(const value& model, const Style& style) {
  std::string text = printable(client::text(model, "name")) + "  " +
                     text_cell(client::text(model, "state")) + "\n";
  const auto line = [&](const char* name, const std::string& cell) {
    if (cell.empty() || cell == kNone) return;
    std::string head = name;
    head.resize(11, ' ');
    text += folded("  " + head + cell, static_cast<std::size_t>(style.width), 13) + "\n";
  };
  const auto amounts = [&](const char* key) {
    const auto* found = client::find(model, key);
    return found != nullptr ? show_amounts(*found) : std::string();
  };
  auto needs = amounts("needs");
  const auto* sized = client::find(model, "needs_size");
  const auto size_text = sized != nullptr ? show_size(*sized) : std::string();
  if (const auto from = client::text(model, "needs_from"); !needs.empty() && !from.empty()) {
    needs += size_text.empty() ? " (" + printable(from) + ")" : "; " + size_text;
  }
  line("needs", needs);
  line("size", amounts("size"));
  line("where", where_of(model));
  line("held by", client::text(model, "engine").empty()
                      ? printable(client::text(model, "lease"))
                      : "the engine behind hook " + printable(client::text(model, "engine")));
  line("priority", printable(client::text(model, "priority")));
  line("pinned", client::is_true(model, "pinned") ? "yes" : "");
  line("hook", printable(client::text(model, "hook")));
  if (const auto uses = client::whole(model, "uses"); uses && *uses > 0) {
    line("uses", std::to_string(*uses) + " under way");
  }
  const auto used = client::text(model, "last_used");
  line("last used", used.empty() ? "" : since_cell(style, used) + " ago");
  if (const auto load = client::number(model, "load_seconds")) line("load", show_span(*load));
  if (const auto batch = client::whole(model, "batch"); batch && *batch > 0) {
    line("batch", std::to_string(*batch));
  }
  const auto requests = client::whole(model, "requests");
  if (requests && *requests > 0) {
    line("requests", std::to_string(*requests) + ", " +
                         std::to_string(client::whole(model, "hits").value_or(0)) +
                         " while it was in memory");
  }
  auto until = printable(client::text(model, "until"));
  if (const auto order = client::whole(model, "unload_order"); order && *order > 0) {
    until += ", " + std::to_string(*order) + ". in the order of unloading";
  }
  line("until", until);
  line("notes", printable(client::text(model, "notes")));
  line("known from", printable(client::text(model, "source")));
  return text;
}

int model_command(Words words) {
  Options options(
      "model [ls|show NAME|set NAME|track NAME|touch NAME|pin NAME|unpin NAME|unload NAME|rm NAME]",
      kHelp);
  Common common;
  Words given;
  SetOptions set;
  std::string state;
  set.needs.add_to(options);
  options.value("--size", set.size, "set, track: what it takes, on a device where there is one");
  options.value("--hook", set.hook, "set, track: who is asked to unload it; none: nobody");
  options.value("--priority", set.priority, "set, track: low, normal, high or critical");
  options.value("--pid", set.pid, "track: the process that holds it");
  options.value("--ttl", set.ttl, "track: for so long at most; 24h without --pid");
  options.value("--state", state, "ls: only these: known, waiting, loading, resident, draining");
  options.words("words", given, 2);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  const std::string verb = given.empty() ? "ls" : given.front();
  if (verb == "ls") {
    Source source(common);
    const auto target =
        "/api/v1/models" + (state.empty() ? "" : "?state=" + http::encode_segment(state));
    return repeat(common, [&] {
      const auto body = source.kept(target, "models");
      if (!body) return report(body.error());
      if (print_document(common, *body)) return 0;
      const auto document = client::parse_json(*body);
      if (!document) return report(document.error());
      write_out(stdout, render_models(*document, style_for(common, stdout)));
      return 0;
    });
  }
  static const char* const kVerbs[] = {"show", "set",   "track",  "touch",
                                       "pin",  "unpin", "unload", "rm"};
  const bool known = std::any_of(std::begin(kVerbs), std::end(kVerbs),
                                 [&](const char* one) { return verb == one; });
  if (!known) {
    return report(Error{ErrorKind::invalid_request, "model cannot '" + verb + "'", "",
                        "headroom model ls, show, set, track, touch, pin, unpin, unload or rm"});
  }
  if (given.size() < 2) {
    return report(Error{ErrorKind::invalid_request, "model " + verb + " needs a name",
                        "headroom model lists them", "headroom model " + verb + " sdxl"});
  }
  const std::string& name = given[1];
  client::Daemon daemon(common.url, common.answer_within());
  if (verb == "show") return show_model(common, daemon.document(target_of(name)));
  if (verb == "set") return set_model(common, daemon, name, set);
  if (verb == "track") return track_model(common, daemon, name, set);
  if (verb == "unload") return unload_model(common, daemon, name);
  if (verb == "rm") return show_model(common, daemon.send("DELETE", target_of(name), {}));
  object change;
  if (verb == "touch") change["touched"] = true;
  if (verb == "pin" || verb == "unpin") change["pinned"] = verb == "pin";
  return show_model(common, daemon.send("PATCH", target_of(name), change));
}

}  // namespace headroom::cli
