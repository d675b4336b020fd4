#include "serve/export.hpp"

#include <functional>

#include "serve/documents.hpp"
#include "serve/schema.hpp"

namespace headroom::serve {
namespace {

constexpr std::size_t kEvents = 1000;
constexpr std::string_view kRemoved = "(removed)";

struct Part {
  std::string_view name;
  std::string_view schema;
  std::function<void(Json&)> write;
};

std::vector<Part> parts(Backend* backend, UserNames* names) {
  const auto view = backend != nullptr ? backend->view() : nullptr;
  return {
      {"node", "Node", [=](Json& j) { write_node(j, *view, backend->node(), backend->now()); }},
      {"snapshot", "Snapshot", [=](Json& j) { write_snapshot(j, *view, backend->now()); }},
      {"room", "Rooms", [=](Json& j) { write_rooms(j, *view); }},
      {"pressure", "Pressures", [=](Json& j) { write_pressures(j, *view); }},
      {"alerts", "Alerts", [=](Json& j) { write_alerts(j, view->alerts, *view); }},
      {"leases", "Leases",
       [=](Json& j) { write_leases(j, *view, *names, [](const Lease&) { return true; }); }},
      {"models", "Models",
       [=](Json& j) { write_models(j, *view, [](const ModelView&) { return true; }); }},
      {"config", "Settings",
       [=](Json& j) { write_settings(j, without_secrets(backend->settings())); }},
      {"events", "Events",
       [=](Json& j) {
         EventQuery query;
         query.limit = kEvents;
         write_events(j, backend->events(query));
       }},
  };
}

// The list of words in TOML with its first word alone: ["curl", "(removed)"].
std::string program_of(const std::string& words) {
  if (words.empty() || words == "[]") return words;
  std::string removed = "\"" + std::string(kRemoved) + "\"";
  const auto begin = words.find('"');
  std::size_t end = begin == std::string::npos ? words.size() : begin + 1;
  while (end < words.size() && words[end] != '"') end += words[end] == '\\' ? 2 : 1;
  if (end >= words.size()) return removed;
  if (words.find('"', end + 1) == std::string::npos) return words;
  return "[" + words.substr(begin, end + 1 - begin) + ", " + removed + "]";
}

}  // namespace

std::vector<Setting> without_secrets(std::vector<Setting> settings) {
  for (Setting& setting : settings) {
    std::string& value = setting.value;
    // Words of a command may be secrets: its program alone is shown.
    const bool command = setting.key.starts_with("hooks.") || setting.key.starts_with("notify.");
    if (command && setting.key.ends_with(".run")) {
      value = program_of(value);
      continue;
    }
    // A webhook's whole address may be the secret.
    if (setting.key.starts_with("notify") && value.find("://") != std::string::npos) {
      value = "\"" + std::string(kRemoved) + "\"";
      continue;
    }
    for (std::size_t at = value.find("://"); at != std::string::npos;
         at = value.find("://", at + 3)) {
      const std::size_t from = at + 3;
      const std::size_t end = std::min(value.find_first_of("/\"' ,?#", from), value.size());
      const std::size_t user = value.substr(from, end - from).rfind('@');
      if (user != std::string::npos) value.replace(from, user, kRemoved);
    }
  }
  return settings;
}

void write_export(Json& json, Backend& backend, UserNames& names) {
  json.open().time("at", backend.now().wall);
  for (const Part& part : parts(&backend, &names)) {
    json.key(part.name);
    part.write(json);
  }
  json.close();
}

void describe_export(Schemas& all) {
  std::string properties = R"("at":{"type":"string","format":"date-time"})";
  std::string required = "\"at\"";
  for (const Part& part : parts(nullptr, nullptr)) {
    Schema schema;
    schema.ref = part.schema;
    properties.append(",\"").append(part.name).append("\":").append(schema.text());
    required.append(",\"").append(part.name).append("\"");
  }
  all.set("Export", R"({"type":"object","properties":{)" + properties + R"(},"required":[)" +
                        required + R"(],"additionalProperties":false})");
}

}  // namespace headroom::serve
