#include "judge/foresight.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "judge/limit.hpp"

namespace headroom::judge {
namespace {

// What a series may cost that is forecast, limited and watched: the promise of docs/foresight.md.
static_assert(sizeof(Forecaster) + sizeof(LimitEstimator) + sizeof(Anomaly) <= 2048);

constexpr std::chrono::minutes kFresh{1};
constexpr std::chrono::hours kForget{24};
constexpr std::chrono::hours kToldOnce{6};  // what has moved is new for a while, and known
constexpr double kFull = 100;               // percent

std::chrono::seconds whole_seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time);
}

}  // namespace

bool fills_up(std::string_view series) {
  const std::string_view resource = series.substr(0, series.find(':'));
  return resource == "memory" || resource == "swap" || resource == "disk" ||
         resource == "gpu_memory";
}

std::string sentence(const Unusual& unusual) {
  const auto number = [](double value) {
    char text[48];
    std::snprintf(text, sizeof text, "%.4g", value);
    return std::string(text);
  };
  std::string text(unusual.series);
  text += " is unlike its past (" + std::string(name_of(unusual.verdict.reason)) +
          "): " + number(unusual.value);
  const AnomalyReason reason = unusual.verdict.reason;
  const bool apart = reason == AnomalyReason::spike || reason == AnomalyReason::dip ||
                     reason == AnomalyReason::level_shift;
  if (apart && unusual.verdict.lo && unusual.verdict.hi) {
    text += ", and " + number(*unusual.verdict.lo) + " to " + number(*unusual.verdict.hi) +
            " was expected";
  }
  return text;
}

Foresight::Foresight(std::chrono::nanoseconds horizon) : horizon_(horizon) {}

std::vector<Unusual> Foresight::push(Instant at, std::span<const Reading> readings) {
  std::vector<Unusual> unusual;
  if (last_ && at.boot - *last_ < kEvery) return unusual;
  last_ = at.boot;
  std::erase_if(all_, [&](const auto& one) { return at.boot - one.second.at.boot >= kForget; });
  for (const Reading& reading : readings) {
    if (!reading.value || !std::isfinite(*reading.value)) continue;
    auto found = all_.find(reading.series);
    if (found == all_.end()) {
      if (all_.size() >= kMaxSeries) {
        ++overflowed_;
        continue;
      }
      found = all_.emplace(std::string(reading.series), One{Forecaster(horizon_), {}, at, 0, 0, {}})
                  .first;
    }
    One& one = found->second;
    one.at = at;
    one.value = *reading.value;
    ++one.samples;
    one.forecaster.update(at, one.value);
    const AnomalyVerdict verdict = one.anomaly.update(at, one.value);
    if (!verdict.alert || (one.told && at.boot - *one.told < kToldOnce)) continue;
    one.told = at.boot;
    unusual.push_back({found->first, one.value, verdict});
  }
  return unusual;
}

void Foresight::refill(WallTime at, std::chrono::nanoseconds step,
                       std::span<const History::Past> past, Instant now) {
  if (step.count() <= 0) return;
  std::size_t longest = 0;
  for (const History::Past& one : past) longest = std::max(longest, one.values.size());
  std::vector<Reading> readings;
  for (std::size_t i = 0; i < longest; ++i, at += step) {
    if (at >= now.wall) break;
    readings.clear();
    for (const History::Past& one : past) {
      if (i < one.values.size()) readings.push_back({one.series, one.values[i]});
    }
    (void)push({now.boot - (now.wall - at), at}, readings);
  }
}

std::vector<ForecastView> Foresight::forecasts(
    std::optional<std::chrono::nanoseconds> ahead) const {
  std::vector<ForecastView> all;
  for (const auto& [series, one] : all_) {
    // What has no value now, such as a device that sleeps, is not told of as if it went on.
    if (last_ && *last_ - one.at.boot > kFresh) continue;
    const auto forecast = one.forecaster.predict(ahead.value_or(one.forecaster.horizon()));
    if (!forecast) continue;
    const ForecastAccuracy accuracy = one.forecaster.accuracy();
    ForecastView view;
    view.series = series;
    view.updated = one.at.wall;
    view.now = one.value;
    view.horizon = whole_seconds(ahead.value_or(one.forecaster.horizon()));
    view.value = forecast->value;
    view.lo = forecast->lo;
    view.hi = forecast->hi;
    view.confidence = forecast->confidence;
    view.method = name_of(forecast->method);
    view.limited_by = name_of(forecast->limited_by);
    view.relative_error = accuracy.relative_error;
    view.coverage = accuracy.coverage;
    view.samples = one.samples;
    view.judged = accuracy.forecasts;
    view.seen = whole_seconds(one.forecaster.seen());
    if (fills_up(series)) {
      // A share has an end, and what is forecast does not go beyond it.
      for (double* share : {&view.value, &view.lo, &view.hi})
        *share = std::clamp(*share, 0.0, kFull);
      if (const auto crossing = one.forecaster.time_to(kFull)) {
        view.full_in = whole_seconds(crossing->in);
        view.full_confidence = crossing->confidence;
      }
    }
    all.push_back(std::move(view));
  }
  return all;
}

}  // namespace headroom::judge
