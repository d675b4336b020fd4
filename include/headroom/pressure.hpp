// Levels and alerts.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <headroom/instant.hpp>

namespace headroom {

/// How tight a resource is; ordered.
enum class Level { ok, warning, critical, emergency };

constexpr const char* to_string(Level level) {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::warning:
      return "warning";
    case Level::critical:
      return "critical";
    case Level::emergency:
      return "emergency";
  }
  return "ok";
}

/// What is done about memory that runs short; ordered, each with all that come before it.
enum class Step {
  watch,     ///< nothing
  warn,      ///< it is said
  throttle,  ///< low classes, and who is beyond his booking, get less of the processors
  shrink,    ///< models that may go are asked to
  shut,      ///< nobody new
  hold,      ///< no fence is raised any more
  freeze,    ///< who does not fit stops where he is, those beyond their booking first
  kill,      ///< the one beyond his booking is ended; only where a person turned it on
};

constexpr const char* to_string(Step step) {
  switch (step) {
    case Step::watch:
      return "watch";
    case Step::warn:
      return "warn";
    case Step::throttle:
      return "throttle";
    case Step::shrink:
      return "shrink";
    case Step::shut:
      return "shut";
    case Step::hold:
      return "hold";
    case Step::freeze:
      return "freeze";
    case Step::kill:
      return "kill";
  }
  return "watch";
}

/// What can be under pressure. The first four can also be booked; those from budget on are told of
/// by alerts only.
enum class Resource {
  memory,
  gpu_memory,
  cpu,
  disk,
  gpu_temperature,
  power,
  network,
  budget,                   ///< of the month, percent of it that is spent
  allocation_failures,      ///< of a component: percent of what it was asked
  component_unresponsive,   ///< of a component: times in a row that it did not answer
  forecast_low_confidence,  ///< of a component: percent that its forecasts lack to be sure
};
inline constexpr Resource kLastResource = Resource::forecast_low_confidence;
inline constexpr std::size_t kResources = static_cast<std::size_t>(kLastResource) + 1;
/// Whether it is the state of something that a level of pressure is told of.
constexpr bool is_pressed(Resource resource) { return resource < Resource::budget; }

constexpr const char* to_string(Resource resource) {
  switch (resource) {
    case Resource::memory:
      return "memory";
    case Resource::gpu_memory:
      return "gpu_memory";
    case Resource::cpu:
      return "cpu";
    case Resource::disk:
      return "disk";
    case Resource::gpu_temperature:
      return "gpu_temperature";
    case Resource::power:
      return "power";
    case Resource::network:
      return "network";
    case Resource::budget:
      return "budget";
    case Resource::allocation_failures:
      return "allocation_failures";
    case Resource::component_unresponsive:
      return "component_unresponsive";
    case Resource::forecast_low_confidence:
      return "forecast_low_confidence";
  }
  return "memory";
}

/// The level of one resource (of one device, where it has devices) now.
struct Pressure {
  Resource resource = Resource::memory;
  std::string device;  ///< GPU UUID or mount; empty for the node
  Level level = Level::ok;
  std::optional<double> value;      ///< percent, or degrees Celsius for gpu_temperature
  std::optional<double> threshold;  ///< the line of the level in force
  std::optional<double> clears_below;
  WallTime since{};
  std::optional<Step> step;  ///< what is done about it; memory of the node only
  std::string step_why;      ///< what it was taken for, or empty
};

/// An open object that says a level is not ok. At most one per resource and device.
struct Alert {
  std::uint64_t id = 0;
  Resource resource = Resource::memory;
  std::string device;  ///< GPU UUID, mount or component; empty for the node
  Level level = Level::warning;
  double value = 0;      ///< the reading when its level last changed
  double threshold = 0;  ///< the line it crossed
  WallTime since{};
  std::optional<WallTime> ended;
  std::optional<std::chrono::seconds> lasted;  ///< set when it ended
  bool acknowledged = false;
  std::optional<WallTime> muted_until;  ///< nobody is told of it until then
  std::string text;                     ///< "High CPU memory usage" and the like
};

}  // namespace headroom
