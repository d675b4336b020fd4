#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/model.hpp"
#include "cli/needs.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom free --gpu-mem 10G --dry-run    who would go so that 10 GiB of a device come free\n"
    "  headroom free --gpu-mem 10G              asks them to, and tells what came back\n"
    "  headroom free --gpu 1                    all idle models of this device\n"
    "  headroom free                            all idle models\n"
    "\n"
    "Models in use and pinned ones stay. Idle is what nobody has used for a minute; --force asks\n"
    "the others too. 0 so much has come free, 3 it has not.\n";

constexpr int kNotEnough = 3;

std::string device_of(const value& step) {
  if (const auto index = client::whole(step, "device_index")) {
    return "GPU " + std::to_string(*index);
  }
  const auto device = client::text(step, "device");
  return device.empty() ? "memory" : printable(device);
}

}  // namespace

std::string render_freed(const value& freed, const Style& style) {
  const bool dry = client::is_true(freed, "dry_run");
  const auto* sum = client::find(freed, "freed");
  const auto bytes = [&](const char* key) {
    return sum == nullptr ? 0 : client::whole(*sum, key).value_or(0);
  };
  const std::int64_t gpu = bytes("gpu_memory_bytes"), memory = bytes("memory_bytes");
  Table table({{"#", Align::right},
               {"MODEL", Align::left, false, true, 0, 16},
               {"DEVICE"},
               {"SIZE", Align::right},
               {"IDLE", Align::right},
               {"PRIORITY"},
               {"ASKS", Align::left, false, true},
               {"OUTCOME"},
               {"WHY", Align::left, false, true}});
  int number = 0;
  std::string devices;
  for (const auto& step : client::list(freed, "steps")) {
    const auto outcome = client::text(step, "outcome");
    const bool stays = outcome == "skipped";
    const auto size = client::whole(step, "gpu_memory_bytes") ? "gpu_memory_bytes" : "memory_bytes";
    const auto idle = client::number(step, "idle_seconds");
    if (!stays && devices.find(device_of(step)) == std::string::npos) {
      devices += (devices.empty() ? "" : ", ") + device_of(step);
    }
    std::string cell = text_cell(outcome);
    if (outcome == "kept" || outcome == "refused" || outcome == "unreachable") {
      cell = paint(style, "warning", cell);
    }
    table.row({stays ? kNone : std::to_string(++number), text_cell(client::text(step, "model")),
               device_of(step), bytes_cell(style, client::whole(step, size)),
               idle ? show_span(*idle) : kNone, text_cell(client::text(step, "priority")),
               text_cell(client::text(step, "hook")), cell, printable(client::text(step, "why"))});
  }
  if (style.output == Output::csv) return table.render(style);
  std::string amount;
  if (gpu > 0) amount = show_bytes(gpu) + (devices.empty() ? "" : " on " + devices);
  if (memory > 0) amount += (amount.empty() ? "" : " and ") + show_bytes(memory) + " of memory";
  std::string text;
  if (amount.empty()) {
    text = dry ? "nothing would be freed\n" : "nothing was freed\n";
  } else {
    text = (dry ? "would free " : "freed ") + amount + "\n";
  }
  text += table.empty() ? "" : table.render(style);
  if (const auto why = printable(client::text(freed, "why")); !why.empty()) {
    text += folded(why, static_cast<std::size_t>(style.width), 2) + "\n";
  }
  if (dry) text += "nothing was changed\n";
  return text;
}

int free_command(Words words) {
  Options options("free [NEEDS]", kHelp);
  Common common;
  NeedsOptions needs;
  std::string priority, wait;
  bool dry_run = false, force = false;
  options.value("--mem,--memory", needs.memory, "so much memory is to come free");
  options.value("--gpu-mem,--gpu-memory", needs.gpu_memory,
                "so much of one device is to come free");
  options.value("--gpu", needs.gpu, "this device only: index or UUID");
  options.value("--priority", priority,
                "low, normal, high or critical (nobody of a higher one goes)");
  options.value("--wait", wait, "how long to wait for what was asked; 30s unless said");
  options.flag("--dry-run", dry_run, "only tell who would go");
  options.flag("--force", force, "models used in the last minute too");
  if (const auto over = options.parse(std::move(words), common)) return *over;
  std::chrono::milliseconds patience{30000};
  if (!wait.empty()) {
    const auto time = settings::parse_duration(wait);
    if (!time) return report(time.error());
    patience = std::chrono::duration_cast<std::chrono::milliseconds>(*time);
  }
  client::Daemon daemon(common.url, common.answer_within() + patience);
  value room;
  if (has_percent(needs)) {
    auto document = daemon.document("/api/v1/room");
    if (!document) return report(document.error());
    room = std::move(*document);
  }
  NeedsOptions amounts_only = needs;
  amounts_only.gpu.clear();
  const auto amounts = needs_of(amounts_only, room);
  if (!amounts) return report(amounts.error());
  object body{{"dry_run", dry_run}, {"force", force}};
  if (!amounts->empty()) body["needs"] = *amounts;
  if (!needs.gpu.empty()) body["device"] = needs.gpu;
  if (!priority.empty()) body["priority"] = priority;
  body["wait_seconds"] = static_cast<double>(patience.count()) / 1000.0;
  const auto freed = daemon.send("POST", "/api/v1/cleanup", body);
  if (!freed) return report(freed.error());
  if (!print_document(common, client::write_json(*freed))) {
    write_out(stdout, render_freed(*freed, style_for(common, stdout)));
  }
  return client::text(*freed, "why").empty() ? 0 : kNotEnough;
}

}  // namespace headroom::cli
