#include "judge/gauge.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace headroom::judge {

namespace {

double lowest(const Rungs& rungs) {
  return rungs.warning.value_or(rungs.critical.value_or(rungs.emergency.value_or(0)));
}

}  // namespace

GaugeSettings gauge_settings(const Config& config, Resource resource) {
  const Config::PressureSettings& from = config.pressure;
  GaugeSettings settings;
  settings.clear_below = from.clear_below;
  settings.dwell = from.dwell;
  settings.cooldown = from.cooldown;
  settings.gap = std::max(settings.gap, config.sample.interval * 3);
  switch (resource) {
    case Resource::memory:
      settings.rungs = from.memory;
      break;
    case Resource::gpu_memory:
      settings.rungs = from.gpu_memory;
      break;
    case Resource::cpu:
      settings.rungs = from.cpu;
      break;
    case Resource::disk:
      settings.rungs = from.disk;
      break;
    case Resource::gpu_temperature:
      settings.rungs = from.gpu_temperature;
      break;
    // Their lines are no percentages: the points to fall are a share of the lowest line.
    case Resource::power:
      settings.rungs = from.power;
      settings.clear_below = lowest(from.power) * from.clear_below / 100;
      break;
    case Resource::network:
      settings.rungs = from.network;
      settings.clear_below = lowest(from.network) * from.clear_below / 100;
      break;
    case Resource::budget:
      settings.rungs = {kBudgetNearlySpent, kBudgetSpent, {}};
      settings.clear_below = 0;
      settings.dwell = {};
      break;
    case Resource::allocation_failures:
      settings.rungs.warning = kTooManyFailures;
      settings.clear_below = kTooManyFailures / 2;
      settings.dwell = {};
      break;
    case Resource::component_unresponsive:
      settings.rungs.warning = kUnresponsive;
      settings.clear_below = kUnresponsive - 1;  // until it answers
      settings.dwell = {};
      break;
    case Resource::forecast_low_confidence:
      settings.rungs.warning = 100 * (1 - kLowConfidence);
      settings.dwell = kLowConfidenceFor;
      settings.gap = kLowConfidenceFor;
      break;
  }
  return settings;
}

Gauge::Gauge(Resource resource, std::string device, GaugeSettings settings)
    : resource_(resource), device_(std::move(device)), settings_(settings) {}

std::optional<double> Gauge::line(Level level) const {
  switch (level) {
    case Level::ok:
      return std::nullopt;
    case Level::warning:
      return settings_.rungs.warning;
    case Level::critical:
      return settings_.rungs.critical;
    case Level::emergency:
      return settings_.rungs.emergency;
  }
  return std::nullopt;
}

Level Gauge::judge(double value) const {
  for (const Level level : {Level::emergency, Level::critical, Level::warning}) {
    const auto enter = line(level);
    if (!enter) continue;
    if (value >= *enter) return level;
    if (level <= level_ && value >= *enter - settings_.clear_below) return level;
  }
  return Level::ok;
}

GaugeChange Gauge::step(Level level, double value, Instant at, bool may_open) {
  GaugeChange change;
  change.before = level_;
  change.now = level;
  change.value = value;
  change.threshold = line(level).value_or(0);
  if (level != level_) since_ = at.wall;
  level_ = level;

  if (level == Level::ok) {
    high_.reset();
    if (opened_) {
      change.alert = AlertStep::ended;
      change.lasted = at.boot - *opened_;
      opened_.reset();
    }
    return change;
  }
  if (!high_) high_ = at.boot;
  if (!opened_) {
    if (may_open && (level == Level::emergency || at.boot - *high_ >= settings_.dwell)) {
      change.alert = AlertStep::opened;
      opened_ = told_ = at.boot;
    }
  } else if (level > alert_level_) {
    change.alert = AlertStep::escalated;
    told_ = at.boot;
  } else if (level < alert_level_) {
    change.alert = AlertStep::lowered;
  } else if (settings_.cooldown.count() > 0 && at.boot - told_ >= settings_.cooldown) {
    change.alert = AlertStep::reminded;
    told_ = at.boot;
  }
  alert_level_ = level;
  return change;
}

GaugeChange Gauge::update(std::optional<double> value, Instant at) {
  if (last_ && at.boot < *last_) at.boot = *last_;
  last_ = at.boot;
  if (!seen_) seen_ = at.boot;
  const bool gap = at.boot - *seen_ > settings_.gap;
  if (!value || !std::isfinite(*value)) {
    value_.reset();
    stale_ = gap;
    GaugeChange nothing;
    nothing.before = nothing.now = level_;
    nothing.threshold = line(level_).value_or(0);
    return nothing;
  }
  if (gap) high_.reset();
  seen_ = at.boot;
  stale_ = false;
  value_ = value;
  return step(judge(*value), *value, at, true);
}

GaugeChange Gauge::close(Instant at) {
  if (last_ && at.boot < *last_) at.boot = *last_;
  last_ = at.boot;
  value_.reset();
  stale_ = true;
  return step(Level::ok, 0, at, false);
}

Pressure Gauge::pressure() const {
  Pressure shown;
  shown.resource = resource_;
  shown.device = device_;
  shown.level = level_;
  shown.value = value_;
  shown.threshold = line(level_);
  if (shown.threshold) shown.clears_below = *shown.threshold - settings_.clear_below;
  shown.since = since_;
  return shown;
}

}  // namespace headroom::judge
