#include "judge/window.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace headroom::judge {

namespace {

constexpr float kGap = std::numeric_limits<float>::quiet_NaN();

float as_kept(const std::optional<double>& value) {
  // Beyond float's range a cast would be undefined; such a reading is nonsense anyway.
  if (!value || !std::isfinite(*value) ||
      std::abs(*value) > static_cast<double>(std::numeric_limits<float>::max())) {
    return kGap;
  }
  return static_cast<float>(*value);
}

WallTime wall_of(BootTime boot, Instant now) { return now.wall - (now.boot - boot); }

// The start of the bucket that holds `boot`; also right before the epoch of the clock.
BootTime bucket_of(BootTime boot, std::chrono::nanoseconds step) {
  auto count = boot.time_since_epoch().count() / step.count();
  if (boot.time_since_epoch().count() % step.count() < 0) --count;
  return BootTime(step * count);
}

}  // namespace

History::History(std::size_t capacity) : capacity_(std::max<std::size_t>(1, capacity)) {}

std::size_t History::slot(std::size_t age_from_oldest) const {
  if (times_.size() < capacity_) return age_from_oldest;
  return (next_ + age_from_oldest) % capacity_;
}

void History::forget_empty() {
  std::erase_if(columns_, [this](const auto& entry) {
    return entry.second.last_pushed + capacity_ <= pushed_;
  });
}

void History::push(Instant at, std::span<const Reading> readings) {
  if (pushed_ > 0 && at.boot <= times_[(next_ + capacity_ - 1) % capacity_]) {
    ++out_of_order_;
    return;
  }
  const std::size_t here = next_;
  if (times_.size() < capacity_) {
    times_.push_back(at.boot);
  } else {
    times_[here] = at.boot;
  }
  next_ = (next_ + 1) % capacity_;
  ++pushed_;
  for (auto& [name, column] : columns_) column.values[here] = kGap;
  forget_empty();

  for (const Reading& reading : readings) {
    const float value = as_kept(reading.value);
    if (std::isnan(value)) continue;
    auto found = columns_.find(reading.series);
    if (found == columns_.end()) {
      if (columns_.size() >= kMaxSeries) {
        ++overflowed_;
        continue;
      }
      found = columns_.emplace(std::string(reading.series), Column{}).first;
      found->second.values.assign(capacity_, kGap);
    }
    found->second.values[here] = value;
    found->second.last_pushed = pushed_;
  }
}

void History::refill(WallTime at, std::chrono::nanoseconds step, std::span<const Past> past,
                     Instant now) {
  std::size_t slots = 0;
  for (const Past& each : past) slots = std::max(slots, each.values.size());
  std::vector<Reading> readings;
  for (std::size_t i = 0; i < slots; ++i) {
    const WallTime wall = at + step * static_cast<std::int64_t>(i);
    const BootTime boot = now.boot - (now.wall - wall);
    if (boot >= now.boot) break;
    readings.clear();
    for (const Past& each : past) {
      if (i < each.values.size() && !std::isnan(each.values[i])) {
        readings.push_back({each.series, static_cast<double>(each.values[i])});
      }
    }
    if (!readings.empty()) push({boot, wall}, readings);
  }
}

Result<Series> History::query(std::string_view name, std::chrono::nanoseconds window,
                              std::chrono::nanoseconds step, Instant now) const {
  if (window.count() < 0 || step.count() < 0) {
    return fail(ErrorKind::invalid_request, "history of " + std::string(name),
                "the window and the step must not be negative");
  }
  const auto found = columns_.find(name);
  if (found == columns_.end()) {
    std::string known;
    for (const auto& [each, column] : columns_) known += (known.empty() ? "" : ", ") + each;
    return fail(ErrorKind::not_found, "no history of " + std::string(name),
                "nothing has been measured under this name lately",
                known.empty() ? "" : "there is: " + known);
  }
  const std::vector<float>& values = found->second.values;

  Series series;
  series.name = found->first;
  series.step = step;

  std::vector<float> present;
  double sum = 0;
  double bucket_sum = 0;
  std::size_t bucket_count = 0;
  std::optional<BootTime> bucket;
  const auto close_bucket = [&] {
    if (!bucket) return;
    std::optional<double> average;
    if (bucket_count > 0) average = bucket_sum / static_cast<double>(bucket_count);
    series.points.push_back({wall_of(*bucket, now), average});
    bucket_sum = 0;
    bucket_count = 0;
  };

  for (std::size_t i = 0; i < times_.size(); ++i) {
    const std::size_t at = slot(i);
    const BootTime time = times_[at];
    const float value = values[at];
    const bool gap = std::isnan(value);
    if (!gap && !series.oldest) series.oldest = wall_of(time, now);
    if (time > now.boot || (window.count() > 0 && now.boot - time >= window)) continue;
    if (!gap) {
      present.push_back(value);
      sum += static_cast<double>(value);
    }
    if (step.count() == 0) {
      series.points.push_back(
          {wall_of(time, now), gap ? std::nullopt : std::optional<double>(value)});
      continue;
    }
    const BootTime start = bucket_of(time, step);
    if (bucket != start) {
      const auto before = bucket;
      close_bucket();
      if (before && start - *before > step) {
        series.points.push_back({wall_of(*before + step, now), std::nullopt});
      }
      bucket = start;
    }
    if (!gap) {
      bucket_sum += static_cast<double>(value);
      ++bucket_count;
    }
  }
  close_bucket();

  series.count = present.size();
  if (!present.empty()) {
    series.last = present.back();
    series.average = sum / static_cast<double>(present.size());
    const auto [least, most] = std::minmax_element(present.begin(), present.end());
    series.min = *least;
    series.max = *most;
    const std::size_t rank = (present.size() * 95 + 99) / 100 - 1;
    std::nth_element(present.begin(), present.begin() + static_cast<std::ptrdiff_t>(rank),
                     present.end());
    series.p95 = present[rank];
  }
  return series;
}

std::vector<std::string> History::names() const {
  std::vector<std::string> all;
  all.reserve(columns_.size());
  for (const auto& [name, column] : columns_) all.push_back(name);
  return all;
}

}  // namespace headroom::judge
