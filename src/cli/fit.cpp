#include "cli/fit.hpp"

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/local.hpp"
#include "cli/model_file.hpp"
#include "cli/needs.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom fit --gpu-mem 12G                 does it fit now? exit code 0 or 3\n"
    "  headroom fit --mem 6G --cpu 4 --json       the whole answer\n"
    "  headroom fit train-b                       what that name has been learned to need\n"
    "  headroom fit facebook/musicgen-large       a model by its name\n"
    "  headroom fit --model-file llama.gguf --context 16384    what its header says\n"
    "\n"
    "Changes nothing. 0 it fits now, 3 it does not.\n";

constexpr int kDoesNotFit = 3;

// The same answer without a daemon.
Result<value> fit_here(const object& request) {
  const auto text = fit_locally(client::write_json(request));
  if (!text) return tl::unexpected<Error>(text.error());
  return client::parse_json(*text);
}

/// "booked on GPU 0" and the like: where it would go.
std::string place_of(const value& verdict, const value& room) {
  std::string place;
  for (const auto& device : client::list(verdict, "devices")) {
    place += (place.empty() ? " on " : ", ") +
             device_name(room, device.is_string() ? std::string(device.as_string()) : "");
  }
  if (const auto device = client::text(verdict, "device"); place.empty() && !device.empty()) {
    place = " on " + device_name(room, device);
  }
  if (const auto mount = client::text(verdict, "mount"); !mount.empty()) {
    place += (place.empty() ? " on " : " and ") + printable(mount);
  }
  return place;
}

/// "GPU 0 with 15.4 GiB room": the device that comes nearest.
std::string best_of(const value& verdict, const value& room) {
  const auto device = client::text(verdict, "best_device");
  if (device.empty()) return {};
  std::string line = device_name(room, device);
  for (const auto& item : client::list(room)) {
    const auto bytes = client::whole(item, "room_bytes");
    if (client::text(item, "device") == device && bytes) {
      line += " with " + show_bytes(*bytes) + " room";
    }
  }
  return line;
}

bool has_device(const value& room) {
  const auto& items = client::list(room);
  return std::any_of(items.begin(), items.end(), [](const value& item) {
    return client::text(item, "resource") == "gpu_memory";
  });
}

}  // namespace

std::string render_fit(const value& verdict, const value& request, const value& room,
                       const Style& style) {
  const auto answer = client::text(verdict, "verdict");
  auto name = printable(client::text(request, "name"));
  if (name.empty()) name = printable(client::text(request, "model"));
  const std::string subject = name.empty() ? "it" : name;
  std::string text;
  const auto width = static_cast<std::size_t>(style.width);
  const auto line = [&](const char* head, const std::string& rest) {
    if (rest.empty()) return;
    std::string padded = head;
    padded.resize(std::max<std::size_t>(padded.size(), 8), ' ');
    text += folded("  " + padded + rest, width, 2 + padded.size()) + "\n";
  };
  const auto* booked = client::find(verdict, "booked");
  const auto* needs = client::find(request, "needs");
  auto wanted = needs != nullptr ? show_amounts(*needs) : std::string();
  if (wanted.empty() && booked != nullptr) wanted = show_amounts(*booked);

  const auto* found = client::find(verdict, "size");
  const auto size = found != nullptr ? show_size(*found) : std::string();

  if (answer == "now") {
    text +=
        paint(style, "ok", "yes") + ": " + subject + " fits now" + place_of(verdict, room) + "\n";
    line("needs", wanted);
    line("size", size);
    return text;
  }
  text += paint(style, answer == "never" ? "critical" : "warning", "no") + ": " + subject +
          (answer == "never" ? " can never fit on this node\n" : " does not fit now\n");
  line("needs", wanted);
  line("size", size);
  const auto* missing = client::find(verdict, "short");
  const auto lacking = missing != nullptr ? show_amounts(*missing) : std::string();
  auto best = best_of(verdict, room);
  if (!best.empty() && !lacking.empty()) best += "; " + lacking + " short";
  line("best", best);
  if (best.empty()) line("short", lacking);
  line("why", printable(client::text(verdict, "why")));
  if (const auto place = client::whole(verdict, "queue.place"); place && *place > 0) {
    const auto earliest = parse_time(client::text(verdict, "queue.earliest"));
    line("queue", "place " + std::to_string(*place) + ", earliest " +
                      (earliest ? show_time(*earliest, style.now) : "unknown"));
  }
  bool headed = false;
  for (const auto& help : client::list(verdict, "help")) {
    const auto sentence =
        printable(help.is_string() ? client::text(help, "") : client::text(help, "text"));
    if (sentence.empty()) continue;
    if (!headed) text += "  what helps\n";
    headed = true;
    text += folded("    " + sentence, width, 6) + "\n";
  }
  return text;
}

int fit_command(Words words) {
  Options options("fit [NEEDS] [NAME]", kHelp);
  Common common;
  NeedsOptions needs;
  Words names;
  std::string priority;
  needs.add_to(options);
  std::string model;
  ModelFileOptions from_file;
  options.value("--model", model, "what this model is known to need");
  std::string config;
  options.value("--config", config, "which runs of the name are meant; else the last ones");
  from_file.add_to(options);
  options.value("--priority", priority, "low, normal, high or critical");
  options.words("name", names, 1);
  options.outputs("json|jsonl");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  if (!needs.any() && names.empty() && model.empty() && !from_file.any()) {
    return report(Error{ErrorKind::invalid_request, "fit needs something to fit", "",
                        "headroom fit --gpu-mem 12G"});
  }
  if (from_file.any() && (!needs.gpu_memory.empty() || !needs.memory.empty())) {
    return report(Error{ErrorKind::invalid_request, "--model-file says how much is needed",
                        "--mem and --gpu-mem say it too", "one of them"});
  }
  std::optional<FileEstimate> estimate;
  if (from_file.any()) {
    auto read = estimate_file(from_file);
    if (!read) return report(read.error());
    estimate = std::move(*read);
  }
  // A name may be one of a job that was learned, or of a model.
  if (model.empty() && !names.empty() && !needs.any()) model = names.front();
  Source source(common);
  return repeat(common, [&] {
    // Names and capacities; without them the answer is as true, only less readable.
    const auto room = source.document("/api/v1/room");
    if (!room && room.error().kind == ErrorKind::unavailable) return report(room.error());
    auto amounts = needs_of(needs, room ? *room : value());
    if (!amounts) return report(amounts.error());
    std::int64_t most = -1;  // the largest room of a device, or of memory where there is none
    if (estimate) {
      const bool gpu = room && has_device(*room);
      for (const auto& item : client::list(room ? *room : value())) {
        if (client::text(item, "resource") != (gpu ? "gpu_memory" : "memory")) continue;
        most = std::max(most, client::whole(item, "room_bytes").value_or(-1));
      }
      for (const auto& [key, amount] : needs_of(*estimate, gpu)) (*amounts)[key] = amount;
    }
    object request;
    if (needs.any() || estimate) request["needs"] = *amounts;
    if (!model.empty()) request["model"] = model;
    if (!names.empty()) request["name"] = names.front();
    if (!config.empty()) request["config"] = config;
    if (!priority.empty()) request["priority"] = priority;
    const auto verdict = source.local() ? fit_here(request) : source.daemon().fit(request);
    if (!verdict) return report(verdict.error());
    value answer = *verdict;
    if (estimate) answer.as_object()["footprint"] = document_of(*estimate, most);
    if (!print_document(common, client::write_json(answer))) {
      const auto style = style_for(common, stdout);
      write_out(stdout, render_fit(*verdict, request, room ? *room : value(), style) +
                            (estimate ? render_estimate(*estimate, most, style) : ""));
    }
    const bool fits = client::text(*verdict, "verdict") == "now";
    return fits || common.watch ? 0 : kDoesNotFit;
  });
}

}  // namespace headroom::cli
