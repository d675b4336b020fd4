#include "judge/alerts.hpp"

#include <algorithm>
#include <chrono>

namespace headroom::judge {

const char* alert_text(Resource resource) {
  switch (resource) {
    case Resource::memory:
      return "High CPU memory usage";
    case Resource::gpu_memory:
      return "High GPU memory usage";
    case Resource::cpu:
      return "High CPU usage";
    case Resource::disk:
      return "High disk usage";
    case Resource::gpu_temperature:
      return "High GPU temperature";
    case Resource::power:
      return "High power draw";
    case Resource::network:
      return "High network usage";
    case Resource::budget:
      return "Much of the month's budget is spent";
    case Resource::allocation_failures:
      return "Allocations fail";
    case Resource::component_unresponsive:
      return "A component does not answer";
    case Resource::forecast_low_confidence:
      return "Forecasts are not sure";
  }
  return "High usage";
}

std::optional<Alert> Alerts::apply(Resource resource, const std::string& device,
                                   const GaugeChange& change, std::uint64_t& last_id, Instant at) {
  if (change.alert == AlertStep::none) return std::nullopt;
  const auto key = std::make_pair(resource, device);
  const auto found = open_.find(key);
  if (found == open_.end()) {
    if (change.alert != AlertStep::opened) return std::nullopt;
    Alert alert;
    alert.id = ++last_id;
    alert.resource = resource;
    alert.device = device;
    alert.level = change.now;
    alert.value = change.value;
    alert.threshold = change.threshold;
    alert.since = at.wall;
    alert.text = alert_text(resource);
    return open_.emplace(key, std::move(alert)).first->second;
  }

  Alert& alert = found->second;
  switch (change.alert) {
    case AlertStep::opened:  // by a gauge made anew: the open alert goes on
    case AlertStep::escalated:
      alert.value = change.value;
      alert.acknowledged = false;
      [[fallthrough]];
    case AlertStep::lowered:
      alert.level = change.now;
      alert.value = change.value;
      alert.threshold = change.threshold;
      return alert;
    case AlertStep::reminded:
      if (alert.acknowledged) return std::nullopt;
      return alert;
    case AlertStep::ended: {
      alert.ended = at.wall;
      alert.lasted = std::chrono::duration_cast<std::chrono::seconds>(change.lasted);
      Alert over = std::move(alert);
      open_.erase(found);
      ended_.push_front(over);
      if (ended_.size() > keep_ended_) ended_.pop_back();
      return over;
    }
    case AlertStep::none:
      break;
  }
  return std::nullopt;
}

Result<Alert> Alerts::acknowledge(std::uint64_t id) {
  const auto alert = find_open(id);
  if (!alert) return tl::unexpected(alert.error());
  (*alert)->acknowledged = true;
  return **alert;
}

Result<Alert> Alerts::mute(std::uint64_t id, std::optional<WallTime> until) {
  const auto alert = find_open(id);
  if (!alert) return tl::unexpected(alert.error());
  (*alert)->muted_until = until;
  return **alert;
}

Result<Alert*> Alerts::find_open(std::uint64_t id) {
  for (auto& [key, alert] : open_) {
    if (alert.id == id) return &alert;
  }
  const bool over = std::any_of(ended_.begin(), ended_.end(),
                                [id](const Alert& alert) { return alert.id == id; });
  return fail(ErrorKind::not_found, "alert " + std::to_string(id) + " is not open",
              over ? "it has ended by itself" : "there is no alert of this number",
              "see the open ones: headroom alert");
}

std::vector<Alert> Alerts::open() const {
  std::vector<Alert> all;
  all.reserve(open_.size());
  for (const auto& [key, alert] : open_) all.push_back(alert);
  return all;
}

std::optional<Alert> Alerts::find(std::uint64_t id) const {
  for (const auto& [key, alert] : open_) {
    if (alert.id == id) return alert;
  }
  for (const Alert& alert : ended_) {
    if (alert.id == id) return alert;
  }
  return std::nullopt;
}

}  // namespace headroom::judge
