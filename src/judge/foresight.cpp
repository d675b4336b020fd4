#include "judge/foresight.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <type_traits>

#include "judge/limit.hpp"
#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

// What a series may cost that is forecast, limited and watched: the promise of docs/foresight.md.
static_assert(sizeof(Forecaster) + sizeof(LimitEstimator) + sizeof(Anomaly) <= 2048);

using std::chrono::nanoseconds;

constexpr std::chrono::minutes kFresh{1};
constexpr std::chrono::hours kForget{24};
constexpr std::chrono::hours kForgetLease{1};  // its number does not come again
constexpr std::chrono::hours kToldOnce{6};     // what has moved is new for a while, and known
constexpr double kFull = 100;                  // percent
constexpr nanoseconds kDown = std::chrono::hours(24 * 30);  // off for longer is as off for so long

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
  if (last_ && at.boot - last_->boot < kEvery) return unusual;
  if (restored_) resume(at);
  last_ = at;
  std::erase_if(all_, [&](const auto& one) {
    const auto age = at.boot - one.second.at.boot;
    return age >= kForget || (age >= kForgetLease && one.first.starts_with("lease_"));
  });
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
    if (restored_ && at <= *restored_) continue;
    readings.clear();
    for (const History::Past& one : past) {
      if (i < one.values.size()) readings.push_back({one.series, one.values[i]});
    }
    (void)push({now.boot - (now.wall - at), at}, readings);
  }
}

namespace {

constexpr std::string_view kSavedName = "headroom foresight 1\n";
constexpr nanoseconds kNever{-1};

template <class Number>
void put(std::string& bytes, Number number) {
  static_assert(std::is_arithmetic_v<Number>);
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// Takes a text apart from its front; what is not there any more is empty, and noted.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : left_(bytes) {}
  std::string_view text(std::size_t length) {
    good_ = good_ && length <= left_.size();
    if (!good_) return {};
    const std::string_view part = left_.substr(0, length);
    left_.remove_prefix(length);
    return part;
  }
  template <class Number>
  Number number() {
    Number number{};
    const std::string_view part = text(sizeof number);
    if (good_) std::memcpy(&number, part.data(), sizeof number);
    return number;
  }
  bool good() const { return good_; }
  bool over() const { return left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

std::string Foresight::save() const {
  const Instant last = last_.value_or(Instant{BootTime(), restored_.value_or(WallTime())});
  std::string bytes(kSavedName);
  bytes.reserve(all_.size() * (sizeof(One) + 256) + 256);
  put(bytes, last.wall.time_since_epoch().count());
  for (const auto& [series, one] : all_) {
    if (series.size() > kLongestName) continue;
    const std::string forecaster = one.forecaster.save();
    const std::string anomaly = one.anomaly.save();
    const auto before = [&](BootTime time) {
      return std::clamp<nanoseconds>(last.boot - time, nanoseconds(0), kForget).count();
    };
    put(bytes, static_cast<std::uint16_t>(series.size()));
    put(bytes, static_cast<std::uint16_t>(forecaster.size()));
    put(bytes, static_cast<std::uint16_t>(anomaly.size()));
    bytes += series;
    bytes += forecaster;
    bytes += anomaly;
    put(bytes, before(one.at.boot));
    put(bytes, one.at.wall.time_since_epoch().count());
    put(bytes, one.value);
    put(bytes, one.samples);
    put(bytes, one.told ? before(*one.told) : kNever.count());
  }
  put(bytes, checksum(bytes));
  return bytes;
}

Result<void> Foresight::restore(std::string_view bytes) {
  const auto refused = [](std::string_view why) {
    return fail(ErrorKind::invalid_request, "cannot take up what was learned of the series",
                std::string(why), "it is learned anew");
  };
  if (!bytes.starts_with(kSavedName)) return refused("it is none of this version");
  if (bytes.size() < kSavedName.size() + sizeof(std::uint64_t)) return refused("it is cut off");
  const std::size_t end = bytes.size() - sizeof(std::uint64_t);
  if (Parts(bytes.substr(end)).number<std::uint64_t>() != checksum(bytes.substr(0, end)))
    return refused("it is damaged");
  Parts parts(bytes.substr(kSavedName.size(), end - kSavedName.size()));
  const WallTime last(nanoseconds(parts.number<std::int64_t>()));
  std::map<std::string, One, std::less<>> all;
  while (parts.good() && !parts.over()) {
    const auto name_size = parts.number<std::uint16_t>();
    const auto forecaster_size = parts.number<std::uint16_t>();
    const auto anomaly_size = parts.number<std::uint16_t>();
    const std::string_view series = parts.text(name_size);
    const auto forecaster = Forecaster::restore(parts.text(forecaster_size));
    const auto anomaly = Anomaly::restore(parts.text(anomaly_size));
    const nanoseconds age(parts.number<std::int64_t>());
    const WallTime wall(nanoseconds(parts.number<std::int64_t>()));
    const auto value = parts.number<double>();
    const auto samples = parts.number<std::uint64_t>();
    const nanoseconds told(parts.number<std::int64_t>());
    const auto within_a_day = [](nanoseconds time) {
      return time >= nanoseconds(0) && time <= kForget;
    };
    if (!parts.good() || series.size() > kLongestName || !within_a_day(age) ||
        (told != kNever && !within_a_day(told)))
      return refused("it does not hold together");
    const bool holds = forecaster && anomaly && std::isfinite(value) &&
                       forecaster->horizon() == Forecaster(horizon_).horizon();
    if (!holds || all.size() >= kMaxSeries) continue;
    One one{*forecaster, *anomaly, {BootTime(-age), wall}, value, samples, {}};
    if (told != kNever) one.told = BootTime(-told);
    all.insert_or_assign(std::string(series), one);
  }
  if (!parts.good()) return refused("it is cut off");
  all_ = std::move(all);
  last_.reset();
  restored_ = last;
  return {};
}

/// Puts the times before onto this boot's clock. They are less the last push() now.
void Foresight::resume(Instant at) {
  // What nobody looked at did not go: only what was told once grows old meanwhile.
  const double passed = (static_cast<double>(at.wall.time_since_epoch().count()) -
                         static_cast<double>(restored_->time_since_epoch().count()));
  const nanoseconds down(
      static_cast<std::int64_t>(std::clamp(passed, 0.0, static_cast<double>(kDown.count()))));
  restored_.reset();
  for (auto& [series, one] : all_) {
    one.at.boot = at.boot + one.at.boot.time_since_epoch() - 2 * kFresh;
    if (one.told) one.told = at.boot + one.told->time_since_epoch() - down;
  }
}

std::vector<ForecastView> Foresight::forecasts(
    std::optional<std::chrono::nanoseconds> ahead) const {
  std::vector<ForecastView> all;
  for (const auto& [series, one] : all_) {
    // What has no value now, such as a device that sleeps, is not told of as if it went on.
    if (!last_ || last_->boot - one.at.boot > kFresh) continue;
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
