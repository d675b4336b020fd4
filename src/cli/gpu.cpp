#include "cli/gpu.hpp"

#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/ps.hpp"
#include "cli/source.hpp"
#include "cli/table.hpp"
#include "cli/units.hpp"
#include "http/query.hpp"

namespace headroom::cli {

using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom gpu                  the devices\n"
    "  headroom gpu -o wide          with clocks, limits, errors and the bus\n"
    "  headroom gpu 0                one device, its slices and its processes\n"
    "  headroom gpu -w               again every two seconds\n";

std::string state_of(const value& gpu) {
  const auto state = client::text(gpu, "state");
  return state.empty() ? "ok" : state;
}

/// A state in the colour of how bad it is.
std::string paint_state(const Style& style, const std::string& state) {
  const char* level = state == "ok"       ? "ok"
                      : state == "asleep" ? "absent"
                      : state == "stale"  ? "warning"
                                          : "critical";
  return paint(style, level, text_cell(state));
}

/// What stands in STATE: the word, and what a person must know of it at once.
std::string state_cell(const value& gpu, const Style& style) {
  const auto state = state_of(gpu);
  std::string cell = paint_state(style, state);
  if (style.output == Output::csv) return cell;
  if (state == "stale") {
    if (const auto age = client::number(gpu, "age_seconds")) cell += " " + show_span(*age);
  }
  for (const auto& why : client::list(gpu, "slowed")) {
    cell += " " + paint(style, "warning", "slowed: " + printable(client::text(why, "")));
  }
  if (client::is_true(gpu, "simulated")) cell += " " + dim(style, "simulated");
  return cell;
}

std::string index_cell(const value& gpu) {
  const auto index = client::whole(gpu, "index");
  return index ? std::to_string(*index) : kNone;
}

std::string percent_cell(const value& gpu, const char* name, const Style& style) {
  const auto ratio = client::number(gpu, name);
  if (!ratio) return kNone;
  return style.bytes ? show_number(*ratio, 3) : show_number(*ratio * 100) + " %";
}

std::string unit_cell(const value& gpu, const char* name, const char* unit, const Style& style) {
  const auto amount = client::number(gpu, name);
  if (!amount) return kNone;
  return style.bytes ? show_number(*amount, 1) : show_number(*amount) + " " + unit;
}

/// "412 of 700 W".
std::string limited_cell(const value& gpu, const char* name, const char* limit, const char* unit,
                         const Style& style) {
  const auto amount = client::number(gpu, name);
  const auto most = client::number(gpu, limit);
  if (!most || style.bytes) return unit_cell(gpu, name, unit, style);
  return (amount ? show_number(*amount) : kNone) + (" of " + show_number(*most)) + " " + unit;
}

std::string used_cell(const value& gpu, const Style& style) {
  const auto used = client::whole(gpu, "memory_used_bytes");
  const auto total = client::whole(gpu, "memory_total_bytes");
  if (style.bytes) return used ? std::to_string(*used) : kNone;
  if (total && *total == 0) return kNone;  // a device that was never awake has told nothing
  if (!total) return kNone;
  return used ? show_bytes_of(*used, *total) : "? of " + show_bytes(*total);
}

std::string processes_cell(const value& gpu) {
  if (!client::is_true(gpu, "processes_known")) return kNone;
  return std::to_string(client::list(gpu, "processes").size());
}

std::string bus_cell(const value& gpu, const Style& style) {
  const auto in = client::number(gpu, "received_bytes_per_second");
  const auto out = client::number(gpu, "sent_bytes_per_second");
  if (!in && !out) return kNone;
  const auto show = [&](std::optional<double> rate) {
    if (!rate) return std::string(kNone);
    const auto bytes = static_cast<std::int64_t>(*rate < 9e18 ? *rate : 9e18);
    return style.bytes ? std::to_string(bytes) : show_bytes(bytes) + "/s";
  };
  return show(in) + " in, " + show(out) + " out";
}

std::string errors_cell(const value& gpu) {
  const auto corrected = client::whole(gpu, "ecc_corrected_total");
  const auto uncorrected = client::whole(gpu, "ecc_uncorrected_total");
  if (!corrected && !uncorrected) return kNone;
  return (corrected ? std::to_string(*corrected) : kNone) + std::string(" / ") +
         (uncorrected ? std::to_string(*uncorrected) : kNone);
}

std::string xid_cell(const value& gpu) {
  const auto last = client::whole(gpu, "last_xid");
  return last ? std::to_string(*last) : kNone;
}

/// The room of a device in the snapshot; nullptr where none is counted.
const value* room_of(const value& snapshot, const std::string& id) {
  for (const auto& item : client::list(snapshot, "room.items")) {
    if (client::text(item, "resource") == "gpu_memory" && client::text(item, "device") == id)
      return &item;
  }
  return nullptr;
}

/// Why there is no device, and what helps.
std::string no_gpus(const value& snapshot, const value& node) {
  for (const auto* list : {&client::list(snapshot, "absent"), &client::list(node, "cannot")}) {
    for (const auto& one : *list) {
      auto what = client::text(one, "sensor");
      if (what.empty()) what = client::text(one, "what");
      if (what != "gpu") continue;
      auto why = client::text(one, "reason");
      if (why.empty()) why = client::text(one, "why");
      std::string text = "no GPU: " + text_cell(why) + "\n";
      if (const auto fix = client::text(one, "fix"); !fix.empty()) {
        text += "  try: " + printable(fix) + "\n";
      }
      return text;
    }
  }
  return "no GPU is known here\n  try: headroom doctor\n";
}

}  // namespace

const value* find_gpu(const value& snapshot, const std::string& id) {
  const auto number = id.rfind("gpu", 0) == 0 ? id.substr(3) : id;
  for (const auto& gpu : client::list(snapshot, "gpu")) {
    if (client::text(gpu, "id") == id || index_cell(gpu) == number) return &gpu;
  }
  return nullptr;
}

std::string render_gpus(const value& snapshot, const value& node, const Style& style) {
  const auto& gpus = client::list(snapshot, "gpu");
  const bool csv = style.output == Output::csv;
  if (gpus.empty() && !csv) return no_gpus(snapshot, node);
  Table table({{"GPU"},
               {"NAME", Align::left, false, true, 0, 10},
               {csv ? "USED" : "USED/TOTAL", Align::right},
               {"BOOKED", Align::right, true},
               {"ROOM", Align::right},
               {"PRESSURE"},
               {"BUSY", Align::right},
               {"MEM BUSY", Align::right, true},
               {"TEMP", Align::right},
               {"POWER", Align::right, false, false, 1},
               {"CLOCK", Align::right, true},
               {"MEM CLOCK", Align::right, true},
               {"FAN", Align::right, true},
               {"PCIE", Align::left, true},
               {"ECC", Align::left, true},
               {"XID", Align::right, true},
               {"PCI", Align::left, true},
               {"DRIVER", Align::left, true},
               {"UUID", Align::left, true},
               {csv ? "PROCESSES" : "PROCS", Align::right, false, false, 2},
               {"STATE", Align::left, false, true, 0, 10},
               {csv ? "TOTAL" : "", Align::right}});
  const bool wide = style.output == Output::wide;
  for (const auto& gpu : gpus) {
    const bool slice = !client::text(gpu, "parent").empty();
    const auto total = client::whole(gpu, "memory_total_bytes");
    const auto model = client::text(gpu, "name");
    const auto name = text_cell(wide || csv ? model : short_model(model));
    static const value kNothing;
    const auto* found = room_of(snapshot, client::text(gpu, "id"));
    const auto& room = found != nullptr ? *found : kNothing;
    const auto pressure = client::text(room, "pressure");
    table.row(
        {index_cell(gpu),
         slice && !csv ? "└ " + name : name,
         used_cell(gpu, style),
         bytes_cell(style, client::whole(room, "booked_bytes")),
         bytes_cell(style, client::whole(room, "room_bytes")),
         paint(style, pressure, text_cell(pressure)),
         percent_cell(gpu, "busy_ratio", style),
         percent_cell(gpu, "memory_busy_ratio", style),
         wide ? limited_cell(gpu, "temperature_celsius", "temperature_limit_celsius", "°C", style)
              : unit_cell(gpu, "temperature_celsius", "°C", style),
         wide ? limited_cell(gpu, "power_watts", "power_limit_watts", "W", style)
              : unit_cell(gpu, "power_watts", "W", style),
         unit_cell(gpu, "clock_mhz", "MHz", style),
         unit_cell(gpu, "memory_clock_mhz", "MHz", style),
         percent_cell(gpu, "fan_ratio", style),
         bus_cell(gpu, style),
         errors_cell(gpu),
         xid_cell(gpu),
         text_cell(client::text(gpu, "pci")),
         text_cell(client::text(snapshot, "gpu_driver")),
         text_cell(client::text(gpu, "id")),
         processes_cell(gpu),
         state_cell(gpu, style),
         csv && total ? std::to_string(*total) : ""});
  }
  return table.render(style);
}

std::string render_gpu(const value& snapshot, const value& gpu, const value& processes,
                       const Style& style) {
  std::string text = "GPU " + index_cell(gpu) + "  " + text_cell(client::text(gpu, "name")) + "  " +
                     state_cell(gpu, style) + "\n";
  const auto line = [&](const char* name, const std::string& cell) {
    if (cell == kNone) return;
    std::string head = name;
    head.resize(14, ' ');
    text += folded("  " + head + cell, static_cast<std::size_t>(style.width), 16) + "\n";
  };
  const auto id = client::text(gpu, "id");
  const auto state = state_of(gpu);
  if (state != "ok") {
    auto why = text_cell(client::text(gpu, "state_reason"));
    if (state == "asleep" && why == kNone) why = "suspended by the kernel, and left so";
    if (const auto age = client::number(gpu, "age_seconds"); age && *age > 0) {
      why += "; the numbers are " + show_span(*age) + " old";
    }
    line("why", why);
  }
  line("UUID", text_cell(id));
  line("PCI", text_cell(client::text(gpu, "pci")));
  line("driver", text_cell(client::text(snapshot, "gpu_driver")));
  if (const auto compute = client::number(gpu, "compute"))
    line("compute", show_number(*compute, 1));
  if (const auto parent = client::text(gpu, "parent"); !parent.empty()) {
    const auto* device = find_gpu(snapshot, parent);
    line("slice of", device != nullptr ? "GPU " + index_cell(*device) : printable(parent));
  }
  std::string memory = used_cell(gpu, style);
  if (const auto reserved = client::whole(gpu, "memory_reserved_bytes");
      reserved && *reserved > 0) {
    memory += ", the driver keeps " + bytes_cell(style, reserved);
  }
  line("memory", memory);
  if (const auto* room = room_of(snapshot, id); room != nullptr) {
    line("room", bytes_cell(style, client::whole(*room, "room_bytes")) + ", booked " +
                     bytes_cell(style, client::whole(*room, "booked_bytes")));
    const auto pressure = client::text(*room, "pressure");
    line("pressure", paint(style, pressure, text_cell(pressure)));
  }
  std::string busy = percent_cell(gpu, "busy_ratio", style);
  if (const auto more = percent_cell(gpu, "memory_busy_ratio", style); more != kNone) {
    busy += ", its memory " + more;
  }
  line("busy", busy);
  line("temperature",
       limited_cell(gpu, "temperature_celsius", "temperature_limit_celsius", "°C", style));
  std::string power = limited_cell(gpu, "power_watts", "power_limit_watts", "W", style);
  if (const auto joules = client::number(gpu, "energy_joules_total")) {
    power += ", " + show_number(*joules / 3.6e6, 2) + " kWh since the driver was loaded";
  }
  line("power", power);
  std::string clock = unit_cell(gpu, "clock_mhz", "MHz", style);
  if (const auto more = unit_cell(gpu, "memory_clock_mhz", "MHz", style); more != kNone) {
    clock += ", its memory " + more;
  }
  line("clock", clock);
  line("fan", percent_cell(gpu, "fan_ratio", style));
  line("PCIe", bus_cell(gpu, style));
  const auto ecc = errors_cell(gpu);
  line("ECC", ecc == kNone ? ecc : ecc + " (corrected / uncorrected)");
  if (const auto last = xid_cell(gpu); last != kNone) {
    line("XID", last + " last, " + number_cell(style, client::number(gpu, "xids_total"), 0) +
                    " since the start");
  }
  value slices = client::json::object{{"gpu", client::json::array{}}};
  if (const auto* room = client::find(snapshot, "room"); room != nullptr) {
    slices.as_object()["room"] = *room;
  }
  for (const auto& other : client::list(snapshot, "gpu")) {
    if (!id.empty() && client::text(other, "parent") == id) {
      slices.as_object()["gpu"].as_array().push_back(other);
    }
  }
  if (!client::list(slices, "gpu").empty()) text += "\n" + render_gpus(slices, value(), style);
  if (!client::is_true(gpu, "processes_known")) {
    text += "\n" + dim(style, "the driver does not say which processes use it") + "\n";
    return text;
  }
  if (client::list(gpu, "processes").empty()) {
    text += "\n" + dim(style, "no process uses it") + "\n";
  } else if (!client::list(processes).empty()) {
    PsOptions all;
    all.all = true;
    text += "\n" + render_ps(processes, all, style);
  }
  return text;
}

namespace {

/// The devices that are GPUs, as the daemon's own document of devices has them.
value gpu_items(const value& devices) {
  client::json::array items;
  for (const auto& device : client::list(devices)) {
    if (client::text(device, "kind") == "gpu") items.push_back(device);
  }
  return client::json::object{{"items", items}, {"next", nullptr}};
}

int show_all(Source& source, const Common& common) {
  if (common.output == Output::json || common.output == Output::jsonl) {
    const auto devices = source.document("/api/v1/devices");
    if (!devices) return report(devices.error());
    print_document(common, client::write_json(gpu_items(*devices)));
    return 0;
  }
  const auto snapshot = source.document("/api/v1/snapshot");
  if (!snapshot) return report(snapshot.error());
  value node;
  if (client::list(*snapshot, "gpu").empty()) {
    auto known = source.document("/api/v1/node");
    if (!known) return report(known.error());
    node = std::move(*known);
  }
  write_out(stdout, render_gpus(*snapshot, node, style_for(common, stdout)));
  return 0;
}

int show_one(Source& source, const Common& common, const std::string& id) {
  const auto snapshot = source.document("/api/v1/snapshot");
  if (!snapshot) return report(snapshot.error());
  const auto* gpu = find_gpu(*snapshot, id);
  if (gpu == nullptr) {
    std::string known;
    for (const auto& one : client::list(*snapshot, "gpu")) {
      known += (known.empty() ? "" : ", ") + index_cell(one);
    }
    return report(Error{ErrorKind::not_found, "there is no GPU '" + id + "'",
                        known.empty() ? "this machine shows none" : "there are " + known,
                        known.empty() ? "headroom doctor" : "headroom gpu"});
  }
  const auto uuid = http::encode_segment(client::text(*gpu, "id"));
  if (common.output == Output::json || common.output == Output::jsonl) {
    const auto body = source.get("/api/v1/devices/" + uuid);
    if (!body) return report(body.error());
    print_document(common, *body);
    return 0;
  }
  const auto style = style_for(common, stdout);
  if (common.output == Output::csv) {
    value only = client::json::object{{"gpu", client::json::array{*gpu}}};
    if (const auto* room = client::find(*snapshot, "room"); room != nullptr) {
      only.as_object()["room"] = *room;
    }
    write_out(stdout, render_gpus(only, value(), style));
    return 0;
  }
  value processes;
  if (!client::list(*gpu, "processes").empty()) {
    auto list = source.document("/api/v1/processes?limit=100000&gpu=" + uuid);
    if (!list) return report(list.error());
    processes = std::move(*list);
  }
  write_out(stdout, render_gpu(*snapshot, *gpu, processes, style));
  return 0;
}

}  // namespace

int gpu_command(Words words) {
  Options options("gpu [ID]", kHelp);
  Common common;
  Words ids;
  options.words("id", ids, 1);
  if (const auto over = options.parse(std::move(words), common)) return *over;
  Source source(common);
  return repeat(common, [&] {
    source.next_picture();
    return ids.empty() ? show_all(source, common) : show_one(source, common, ids.front());
  });
}

}  // namespace headroom::cli
