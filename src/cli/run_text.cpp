#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "act/explain.hpp"
#include "cli/at.hpp"
#include "cli/cells.hpp"
#include "cli/run.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr std::int64_t kMiB = 1048576;
constexpr std::size_t kLongestName = 64;

struct Placeholder {
  const char* word;
  const char* need;  ///< the needs that give it a value: "gpu", "memory" or "" = always there
};

constexpr std::array<Placeholder, 5> kPlaceholders{{{"{gpu_fraction}", "gpu"},
                                                    {"{gpu_id}", "gpu"},
                                                    {"{gpu_mem_mb}", "gpu"},
                                                    {"{mem_mb}", "memory"},
                                                    {"{lease}", ""}}};

std::string megabytes(std::optional<std::int64_t> bytes) {
  return bytes && *bytes > 0 ? std::to_string(*bytes / kMiB) : std::string();
}

/// The UUID of its device; of several all, in their order.
std::string devices_of(const value& lease) {
  std::string all;
  for (const auto& device : client::list(lease, "devices")) {
    all += (all.empty() ? "" : ",") + client::text(device, "device");
  }
  return all.empty() ? client::text(lease, "device") : all;
}

/// What it has of its device's memory; of several devices, of the one where it has least: more
/// than that no program may take of each.
std::optional<std::int64_t> gpu_memory_of(const value& lease) {
  std::optional<std::int64_t> least;
  for (const auto& device : client::list(lease, "devices")) {
    const auto bytes = client::whole(device, "booked_bytes");
    if (bytes) least = std::min(*bytes, least.value_or(*bytes));
  }
  return least ? least : client::whole(lease, "booked.gpu_memory_bytes");
}

/// The value of a placeholder; "" where the lease has none.
std::string value_of(const std::string& word, const value& lease) {
  if (word == "{lease}") return client::text(lease, "id");
  if (word == "{gpu_id}") return devices_of(lease);
  if (word == "{gpu_mem_mb}") return megabytes(gpu_memory_of(lease));
  if (word == "{mem_mb}") return megabytes(client::whole(lease, "booked.memory_bytes"));
  const auto fraction = client::number(lease, "gpu_fraction");
  return fraction ? show_number(*fraction, 4) : std::string();
}

}  // namespace

std::string name_of(const std::string& command) {
  const auto slash = command.rfind('/');
  std::string name = slash == std::string::npos ? command : command.substr(slash + 1);
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (!plain) c = '-';
  }
  if (name.size() > kLongestName) name.resize(kLongestName);
  return name.empty() ? "command" : name;
}

std::string default_name(const Words& command) {
  static constexpr std::string_view kInterpreters[] = {"python", "sh",   "bash", "dash",   "zsh",
                                                       "node",   "perl", "ruby", "Rscript"};
  std::string program = name_of(command.front());
  const bool interprets =
      std::any_of(std::begin(kInterpreters), std::end(kInterpreters), [&](std::string_view one) {
        return program == one || (one == "python" && program.starts_with(one));
      });
  if (!interprets) return program;
  // What they run is what is learned about: its file, or nothing that has a name.
  for (std::size_t i = 1; i < command.size(); ++i) {
    if (!command[i].starts_with('-')) return name_of(command[i]);
    if (command[i] == "-m" && i + 1 < command.size()) return name_of(command[i + 1]);
    if (command[i] == "-c" || command[i] == "-e") break;
  }
  return program;
}

std::string config_of(const Words& command) {
  std::uint64_t digest = 0xcbf29ce484222325;  // FNV-1a
  for (const auto& word : command) {
    for (std::size_t i = 0; i <= word.size(); ++i) {  // with the end of each
      digest ^= static_cast<unsigned char>(i < word.size() ? word[i] : 0);
      digest *= 0x100000001b3;
    }
  }
  std::string text = "args-";
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(digest >> shift) & 15U];
  return text;
}

std::string load_name(const std::string& model, std::int64_t at) {
  std::string slug;
  for (const char c : model) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    slug += word ? c : '_';
  }
  return "model_load_" + slug + "_" + std::to_string(at);
}

object booking_of(const RunRequest& request, int pid) {
  object body;
  body["name"] = !request.name.empty()    ? request.name
                 : !request.model.empty() ? load_name(request.model, request.asked)
                                          : default_name(request.command);
  if (!request.model.empty()) body["model"] = request.model;
  body["config"] = request.config.empty() ? config_of(request.command) : request.config;
  if (!request.needs.empty()) body["needs"] = request.needs;
  body["priority"] = request.priority;
  if (request.wait_seconds) {
    body["wait_seconds"] = *request.wait_seconds;
  } else {
    body["wait_seconds"] = nullptr;
  }
  if (request.starts) body["starts_at"] = at_text(*request.starts);
  if (request.for_seconds) body["for_seconds"] = *request.for_seconds;
  body["holder"] = object{{"pid", pid}};
  if (!request.parent.empty()) body["parent"] = request.parent;
  body["group"] = true;
  body["fence"] = request.fence;
  if (request.spread) body["spread"] = true;
  if (request.return_idle) body["return_idle"] = true;
  body["enforce"] = request.enforce;
  return body;
}

std::vector<std::pair<std::string, std::string>> environment_of(const value& lease) {
  std::vector<std::pair<std::string, std::string>> environment;
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) environment.emplace_back(name, text);
  };
  const auto amount = [&](const char* name, const char* key) {
    const auto bytes = client::whole(lease, key);
    if (bytes && *bytes > 0) environment.emplace_back(name, std::to_string(*bytes));
  };
  if (const auto devices = devices_of(lease); !devices.empty()) {
    add("CUDA_VISIBLE_DEVICES", devices);
    add("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
  }
  add("HEADROOM_LEASE", client::text(lease, "id"));
  if (const auto bytes = gpu_memory_of(lease); bytes && *bytes > 0) {
    add("HEADROOM_GPU_MEMORY_BYTES", std::to_string(*bytes));
  }
  add("HEADROOM_GPU_FRACTION", value_of("{gpu_fraction}", lease));
  amount("HEADROOM_MEMORY_BYTES", "booked.memory_bytes");
  return environment;
}

Result<Words> fill_in(const Words& words, const value& lease) {
  Words filled;
  for (const auto& word : words) {
    std::string result;
    for (std::size_t at = 0; at < word.size();) {
      const auto* const hit =
          std::find_if(kPlaceholders.begin(), kPlaceholders.end(), [&](const Placeholder& one) {
            return word.compare(at, std::string_view(one.word).size(), one.word) == 0;
          });
      if (hit == kPlaceholders.end()) {
        result += word[at++];
        continue;
      }
      const auto text = value_of(hit->word, lease);
      if (text.empty()) {
        return fail(ErrorKind::invalid_request, std::string(hit->word) + " has no value",
                    "this lease has " +
                        std::string(std::string_view(hit->need) == "gpu" ? "no GPU" : "no memory") +
                        " booked");
      }
      result += text;
      at += std::string_view(hit->word).size();
    }
    filled.push_back(std::move(result));
  }
  return filled;
}

std::string missing_value(const Words& words, const object& needs) {
  if (needs.empty()) return {};  // the daemon books what it has learned
  const bool gpu = needs.contains("gpu_memory_bytes") || needs.contains("gpus");
  const bool memory = needs.contains("memory_bytes");
  for (const auto& one : kPlaceholders) {
    const std::string_view need = one.need;
    if (need.empty() || (need == "gpu" ? gpu : memory)) continue;
    for (const auto& word : words) {
      if (word.find(one.word) != std::string::npos) return one.word;
    }
  }
  return {};
}

std::string waiting_line(const value& lease, double waited_seconds, const Style& style) {
  const auto* needs = client::find(lease, "needs");
  std::string line = "headroom: waiting for ";
  const auto wanted = needs != nullptr ? show_amounts(*needs) : std::string();
  line += wanted.empty() ? "room" : wanted;
  if (const auto place = client::whole(lease, "place"); place && *place > 0) {
    line += ", place " + std::to_string(*place);
  }
  const auto earliest = parse_time(client::text(lease, "earliest"));
  const bool timed = earliest && !client::text(lease, "starts_at").empty();
  line += (timed ? ", starts " : ", earliest ") +
          (earliest ? show_time(*earliest, style.now) : "unknown");
  return line + "      " + show_clock(waited_seconds);
}

std::string granted_line(const value& lease) {
  std::string line = "headroom: lease " + lease_name(lease);
  if (const auto& devices = client::list(lease, "devices"); !devices.empty()) {
    line += " on GPU " + gpu_indices(lease);
  } else if (const auto device = client::text(lease, "device"); !device.empty()) {
    const auto index = client::whole(lease, "gpu_index");
    const auto id = printable(device.size() > 8 ? device.substr(0, 8) + "…" : device);
    line += index ? " on GPU " + std::to_string(*index) + " (" + id + ")" : " on " + id;
  }
  const auto* booked = client::find(lease, "booked");
  const auto amounts = booked != nullptr ? show_amounts(*booked) : std::string();
  if (!amounts.empty()) line += ", " + amounts;
  const auto* found = client::find(lease, "size");
  const auto size = found != nullptr ? show_size(*found) : std::string();
  return size.empty() ? line : line + "; " + size;
}

std::string ended_line(const value& lease, bool enforced, int wait_status, double seconds) {
  act::Ending ending;
  ending.name = printable(client::text(lease, "name"));
  ending.status = wait_status;
  ending.lasted = std::chrono::seconds(std::llround(seconds));
  // A lease that has ended books nothing any more; its needs say what it had.
  const auto had = [&](const std::string& amount) {
    const auto booked = client::whole(lease, "booked." + amount).value_or(0);
    return booked > 0 ? booked : client::whole(lease, "needs." + amount).value_or(0);
  };
  if (const auto booked = had("memory_bytes"); booked > 0) {
    ending.booked = Bytes(booked);
    if (enforced) ending.limit = Bytes(booked);
  }
  const auto peak = client::whole(lease, "peak.memory_bytes");
  const auto kills = client::whole(lease, "oom_kills").value_or(0);
  if ((peak && *peak > 0) || kills > 0) {
    act::Left left;
    if (peak && *peak > 0) left.memory_peak = Bytes(*peak);
    left.oom_kills = static_cast<std::uint64_t>(std::max<std::int64_t>(kills, 0));
    ending.left = left;
  }
  std::string line = "headroom: " + act::explain(ending);
  const auto gpu_booked = had("gpu_memory_bytes");
  const auto gpu_peak = client::whole(lease, "peak.gpu_memory_bytes").value_or(0);
  if (gpu_peak > 0) {
    line += (ending.left ? ", GPU " : ", peak ") +
            (gpu_booked > 0 ? show_bytes_of(gpu_peak, gpu_booked) : show_bytes(gpu_peak));
  }
  // Who was ended by us is told by whom and why.
  const std::string reason = printable(client::text(lease, "reason"));
  if (reason.starts_with("headroom ended it")) line += "; " + reason;
  return line;
}

}  // namespace headroom::cli
