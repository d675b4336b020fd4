// What `headroom top` knows: documents as they come, and the last minutes of them.
#include <algorithm>
#include <cmath>

#include "cli/top.hpp"
#include "cli/units.hpp"

namespace headroom::cli {

using client::json::array;
using client::json::value;

namespace {

constexpr std::size_t kMostSeries = 2000;

/// Replaces the item of the same id, or appends; removes it when it is over.
void replace(array& items, value item, bool over) {
  const auto id = client::text(item, "id");
  const auto known = std::find_if(items.begin(), items.end(),
                                  [&](const value& one) { return client::text(one, "id") == id; });
  if (over) {
    if (known != items.end()) items.erase(known);
  } else if (known != items.end()) {
    *known = std::move(item);
  } else {
    items.push_back(std::move(item));
  }
}

}  // namespace

std::int64_t TopModel::until() const {
  const auto at = parse_time(client::text(snapshot, "at"));
  return static_cast<std::int64_t>(std::floor(at ? *at : now));
}

void TopModel::take_node(value document) {
  const auto spent = [](const value& one) { return client::number(one, "own.cpu_seconds"); };
  const auto up = [](const value& one) { return client::number(one, "uptime_seconds"); };
  if (spent(node) && spent(document) && up(node) && up(document) && *up(document) > *up(node)) {
    own_cores = std::max(0.0, (*spent(document) - *spent(node)) / (*up(document) - *up(node)));
  }
  node = std::move(document);
}

void TopModel::take_snapshot(value document) {
  snapshot = std::move(document);
  const auto second = until();
  const auto put = [&](const std::string& name, std::optional<double> number) {
    if (!number || (series.size() >= kMostSeries && series.count(name) == 0)) return;
    series[name].put(second, *number);
  };
  put("cpu", client::number(snapshot, "cpu.busy_ratio"));
  put("stall_memory", client::number(snapshot, "stall.memory.some.avg10_ratio"));
  const auto share = [&](const char* used, const char* total) -> std::optional<double> {
    const auto part = client::number(snapshot, used);
    const auto whole = client::number(snapshot, total);
    if (!part || !whole || *whole <= 0) return std::nullopt;
    return *part / *whole;
  };
  put("memory", share("memory.used_bytes", "memory.total_bytes"));
  if (const auto free = share("memory.swap_free_bytes", "memory.swap_total_bytes")) {
    put("swap", 1 - *free);
  }
  for (const auto& gpu : client::list(snapshot, "gpu")) {
    const auto state = client::text(gpu, "state");
    if (!state.empty() && state != "ok") continue;  // old numbers make no new points
    const auto id = client::text(gpu, "id");
    put("gpu:" + id, client::number(gpu, "busy_ratio"));
    const auto used = client::number(gpu, "memory_used_bytes");
    const auto total = client::number(gpu, "memory_total_bytes");
    if (used && total && *total > 0) put("gpu_memory:" + id, *used / *total);
  }
  for (const auto& interface : client::list(snapshot, "network")) {
    const auto name = client::text(interface, "name");
    put("receive:" + name, client::number(interface, "received_bytes_per_second"));
    put("send:" + name, client::number(interface, "sent_bytes_per_second"));
  }
  for (const auto& disk : client::list(snapshot, "disk")) {
    const auto name = client::text(disk, "name");
    put("read:" + name, client::number(disk, "read_bytes_per_second"));
    put("write:" + name, client::number(disk, "written_bytes_per_second"));
  }
}

void TopModel::take_history(const std::string& name, const value& document) {
  const auto unit = client::text(document, "unit");
  const double scale = unit == "percent" ? 0.01 : 1.0;
  for (const auto& point : client::list(document, "points")) {
    if (!point.is_array() || point.as_array().size() < 2) continue;
    const auto& pair = point.as_array();
    if (!pair[0].is_string() || !pair[1].is_number()) continue;
    const auto at = parse_time({pair[0].as_string().data(), pair[0].as_string().size()});
    if (at) series[name].put(static_cast<std::int64_t>(*at), pair[1].to_number<double>() * scale);
  }
}

void TopModel::take_lease(value lease) {
  const bool over = client::text(lease, "state") == "ended";
  replace(leases, std::move(lease), over);
}

void TopModel::take_alert(value alert) {
  const bool over = !client::text(alert, "ended").empty();
  replace(alerts, std::move(alert), over);
}

void TopModel::take_config(const value& document) {
  constexpr std::array<const char*, 3> kLevels{"warning", "critical", "emergency"};
  for (const auto& setting : client::list(document)) {
    const auto key = client::text(setting, "key");
    if (key.rfind("pressure.", 0) != 0) continue;
    for (std::size_t i = 0; i < kLevels.size(); ++i) {
      const std::string end = std::string(".") + kLevels[i];
      if (key.size() <= 9 + end.size() ||
          key.compare(key.size() - end.size(), end.size(), end) != 0) {
        continue;
      }
      const auto* given = client::find(setting, "value");
      std::optional<double> number = client::number(setting, "value");
      if (given != nullptr && given->is_string()) {
        // As it stands in TOML: 85 or "85%".
        auto text = client::text(setting, "value");
        text.erase(std::remove(text.begin(), text.end(), '"'), text.end());
        char* rest = nullptr;
        const double parsed = std::strtod(text.c_str(), &rest);
        if (rest != text.c_str()) number = parsed;
      }
      thresholds[key.substr(9, key.size() - 9 - end.size())][i] = number;
    }
  }
}

}  // namespace headroom::cli
