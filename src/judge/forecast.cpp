#include "judge/forecast.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

using std::chrono::nanoseconds;

/// What is said of the value to come. Numbers in names are horizons, of lags minutes. Those up to
/// the regression are mixed; the others only feed the regression (kRegressors).
enum Expert : std::size_t {
  last_value,
  median_1,
  median_4,
  tracker_2,
  tracker_12,
  line_4,
  day_move,   // as far from here as on other days
  day_level,  // as on other days, and as far above as lately
  regression,
  smooth_4,
  smooth_48,
  median_2,
  hour_level,
  back_1,  // cells
  back_2,
  lag_45,  // the value so long before the one to come: what runs by the clock
  lag_60,
  lag_180,
  expert_count,
};

constexpr std::array kMethods = {
    ForecastMethod::last_value,        ForecastMethod::moving_median,
    ForecastMethod::moving_median,     ForecastMethod::quantile_tracking,
    ForecastMethod::quantile_tracking, ForecastMethod::linear_regression,
    ForecastMethod::seasonal_profile,  ForecastMethod::seasonal_profile,
    ForecastMethod::autoregression,
};
constexpr std::array kRegressors = {back_1,     back_2,     smooth_4, smooth_48,
                                    median_2,   tracker_12, day_move, day_level,
                                    hour_level, lag_45,     lag_60,   lag_180};

constexpr std::array kLevelSpans = {1.0, 4.0, 48.0};  // horizons
constexpr std::array kTrackerSpans = {2.0, 12.0};
constexpr std::size_t kLineCells = 12;
constexpr double kCellsPerHorizon = 3;
constexpr double kHourSeconds = 3600;
constexpr double kDaySeconds = 86400;
constexpr double kWeekSeconds = 7 * kDaySeconds;
constexpr double kHourGain = 0.1;  // share of the newest hour in its usual course
constexpr double kDayGain = 0.15;
constexpr double kDiscount = 1 - 1.0 / 300;  // of errors, per cell: about a day
constexpr double kEagerness = 40;            // of the weights
constexpr double kWorst = 0.3;               // an expert so much worse than the best has no weight
constexpr double kMostScales = 10;           // of a feature, and of what the regression may say
constexpr double kKink = 1.5;                // scales
constexpr double kDoubt = 200;               // a slope below 14 of its standard errors is none
constexpr double kNearStep = 0.02;
constexpr double kWider = 0.4;    // power of time by which the interval grows beyond the horizon
constexpr double kNearest = 0.1;  // horizons: nearer by, the interval is as there
constexpr std::uint32_t kMostCounted = 500;

constexpr double kLargest = 1e30;
constexpr double kSecond = 1e9;
constexpr std::int16_t kUnknown = INT16_MIN;
constexpr std::string_view kStateName = "forecast 2";
constexpr double kMostCode = 32000;
constexpr double kFirstCode = 4096;
constexpr double kMostSquare = 127;

double seconds_between(std::int64_t from, std::int64_t to) {
  return (static_cast<double>(to) - static_cast<double>(from)) / kSecond;
}
/// What a wall clock says has passed, in nanoseconds: at least a millisecond, ten years at most.
std::int64_t passed_between(std::int64_t from, std::int64_t to) {
  constexpr std::int64_t kMost = 10 * 366 * 86'400'000'000'000;
  const double seconds = seconds_between(from, to);  // cannot overflow
  if (seconds < 1e-3) return 1'000'000;
  return seconds > static_cast<double>(kMost) / kSecond ? kMost : to - from;
}
/// Counts up to what 16 bits hold: a mean over so many follows from there on.
std::uint16_t one_more(std::uint16_t count) {
  return static_cast<std::uint16_t>(count + (count < UINT16_MAX ? 1 : 0));
}
double remainder(double x, double length) { return x - std::floor(x / length) * length; }

/// The slot of a period that a second of wall time is in.
std::size_t slot_of(double wall, double period, std::size_t slots) {
  const double slot = remainder(wall, period) / period * static_cast<double>(slots);
  return std::min(static_cast<std::size_t>(slot), slots - 1);
}

double share_of(double seconds, double span) { return -std::expm1(-seconds / span); }

/// The share of values that lie further out than `x` on one side of the forecast, where 5 % lie
/// further out than `line`: under a Laplace distribution.
double tail(double x, double line) {
  if (line <= 0) return x > 0 ? 0 : 0.5;
  return 0.5 * std::exp(-x / line * std::log(10));
}

}  // namespace

std::string_view name_of(ForecastMethod method) {
  switch (method) {
    case ForecastMethod::last_value:
      return "last_value";
    case ForecastMethod::moving_median:
      return "moving_median";
    case ForecastMethod::quantile_tracking:
      return "quantile_tracking";
    case ForecastMethod::linear_regression:
      return "linear_regression";
    case ForecastMethod::seasonal_profile:
      return "seasonal_profile";
    case ForecastMethod::autoregression:
      return "autoregression";
  }
  return "last_value";
}

std::string_view name_of(LimitingFactor limit) {
  switch (limit) {
    case LimitingFactor::nothing:
      return "nothing";
    case LimitingFactor::short_history:
      return "short_history";
    case LimitingFactor::volatility:
      return "volatility";
    case LimitingFactor::horizon:
      return "horizon";
  }
  return "nothing";
}

Forecaster::Forecaster(nanoseconds horizon) {
  static_assert(expert_count == kExperts && kMethods.size() == kMixed);
  static_assert(kRegressors.size() + 2 == kFeatures);
  static_assert(std::is_trivially_copyable_v<Forecaster>);
  const double seconds = static_cast<double>(horizon.count()) / kSecond;
  horizon_ = static_cast<float>(std::clamp(seconds, 60.0, kDaySeconds));
  day_.fill(kUnknown);
}

nanoseconds Forecaster::horizon() const {
  return nanoseconds(std::llround(static_cast<double>(horizon_) * kSecond));
}

nanoseconds Forecaster::seen() const {
  return nanoseconds(std::llround(std::min(seen_, 9e9) * kSecond));
}

void Forecaster::update(Instant at, double value) {
  if (!std::isfinite(value)) return;
  if (started_ == 0) return start(at, value);
  if (resumed_ != 0) resume(at);
  const std::int64_t boot = at.boot.time_since_epoch().count();
  if (boot <= boot_) return;
  const double seconds = seconds_between(boot_, boot);
  boot_ = boot;
  wall_ = at.wall.time_since_epoch().count();
  seen_ += seconds;
  step_ = static_cast<float>(last_step_ > 0 ? std::min<double>(seconds, last_step_) : seconds);
  last_step_ = static_cast<float>(seconds);
  value_ = std::clamp(value - origin_, -kLargest, kLargest);
  follow(value_, seconds);
  const double elapsed = seconds_between(cell_opened_, boot_);
  const double cell = horizon_ / kCellsPerHorizon;
  const double early = std::min(0.5 * step_, 0.1 * cell);  // a sample may come a little early
  if (elapsed >= cell - early) close_cell(elapsed);
}

void Forecaster::start(Instant at, double value) {
  started_ = 1;
  origin_ = std::clamp(value, -kLargest, kLargest);
  boot_ = cell_opened_ = at.boot.time_since_epoch().count();
  wall_ = at.wall.time_since_epoch().count();
  hour_slot_ = static_cast<std::uint8_t>(slot_of(seconds_between(0, wall_), kHourSeconds, kHour));
  day_slot_ = static_cast<std::uint8_t>(slot_of(seconds_between(0, wall_), kDaySeconds, kDay));
  hour_count_ = day_count_ = 1;
  push(0);
  wait(0);
}

/// Sets all boot times so that the time since the last sample is what the wall clock tells.
void Forecaster::resume(Instant at) {
  resumed_ = 0;
  const std::int64_t wall = at.wall.time_since_epoch().count();
  const std::uint64_t shift = static_cast<std::uint64_t>(at.boot.time_since_epoch().count()) -
                              static_cast<std::uint64_t>(passed_between(wall_, wall)) -
                              static_cast<std::uint64_t>(boot_);
  for (std::int64_t* each : {&boot_, &cell_opened_})
    *each = static_cast<std::int64_t>(static_cast<std::uint64_t>(*each) + shift);
}

/// Moves all that follows the series with every sample.
void Forecaster::follow(double value, double seconds) {
  const double first = seconds / seen_;  // a plain mean until a span has passed
  for (std::size_t i = 0; i < kLevels; ++i) {
    const double share = std::max(share_of(seconds, kLevelSpans[i] * horizon_), first);
    levels_[i] += static_cast<float>(share * (value - levels_[i]));
  }
  for (std::size_t i = 0; i < kTrackers; ++i) {
    const double share = share_of(seconds, kTrackerSpans[i] * horizon_);
    const double error = value - trackers_[i];
    spreads_[i] += static_cast<float>(std::max(share, first) * (std::abs(error) - spreads_[i]));
    const double side = error > 0 ? 1 : error < 0 ? -1 : 0;
    trackers_[i] += static_cast<float>(2 * share * spreads_[i] * side);
  }
  place_in_hour(value, seconds);
  place_in_day(value, seconds);
  cell_count_ = one_more(cell_count_);
  cell_mean_ += static_cast<float>((value - cell_mean_) / cell_count_);
}

/// The usual course of the hour, less the level of the last four horizons; a slot that ends is
/// learned.
void Forecaster::place_in_hour(double value, double seconds) {
  const std::size_t slot = slot_of(seconds_between(0, wall_), kHourSeconds, kHour);
  if (slot != hour_slot_) {
    const std::size_t ended = hour_slot_;
    const double old = hour_[ended] * static_cast<double>(unit_);
    const bool known = (hour_known_ >> ended & 1U) != 0;
    store(hour_[ended], old + (known ? kHourGain : 1) * (hour_mean_ - old));
    hour_known_ = static_cast<std::uint16_t>(hour_known_ | 1U << ended);
    hour_slot_ = static_cast<std::uint8_t>(slot);
    hour_count_ = 0;
    hour_mean_ = 0;
  }
  hour_count_ = one_more(hour_count_);
  hour_mean_ += static_cast<float>((value - levels_[1] - hour_mean_) / hour_count_);
  const double usual = hour_at(slot).value_or(0);
  const double share = std::max(share_of(seconds, horizon_), seconds / seen_);
  hour_level_ += static_cast<float>(share * (value - usual - hour_level_));
}

/// The usual course of the day; likewise. Of samples rarer than slots each stands for all slots
/// until the next.
void Forecaster::place_in_day(double value, double seconds) {
  const double wall = seconds_between(0, wall_);
  const std::size_t slot = slot_of(wall, kDaySeconds, kDay);
  if (slot != day_slot_) {
    std::size_t ended = day_slot_;
    const double slots = step_ / (kDaySeconds / kDay);
    for (double i = 0; i < std::clamp(slots, 1.0, 12.0) && ended != slot; ++i) {
      std::int16_t& usual = day_[ended];
      const double old = usual * static_cast<double>(unit_);
      const double learned = usual == kUnknown ? day_mean_ : old + kDayGain * (day_mean_ - old);
      if (usual == kUnknown) usual = 0;
      store(usual, learned);
      ended = (ended + 1) % kDay;
    }
    day_slot_ = static_cast<std::uint8_t>(slot);
    day_count_ = 0;
    day_mean_ = 0;
  }
  day_count_ = one_more(day_count_);
  day_mean_ += static_cast<float>((value - day_mean_) / day_count_);
  if (const auto usual = day_at(wall))
    day_level_ += static_cast<float>(share_of(seconds, horizon_) * (value - *usual - day_level_));
}

/// The usual value at that second of wall time, between the middles of two slots.
std::optional<double> Forecaster::day_at(double wall) const {
  const double length = kDaySeconds / kDay;
  const std::size_t first = slot_of(wall - length / 2, kDaySeconds, kDay);
  const std::size_t second = (first + 1) % kDay;
  if (day_[first] == kUnknown || day_[second] == kUnknown) return std::nullopt;
  const double share = remainder(wall - length / 2, length) / length;
  return unit_ * (day_[first] * (1 - share) + day_[second] * share);
}

/// The usual distance from the level in that slot of the hour.
std::optional<double> Forecaster::hour_at(std::size_t slot) const {
  if ((hour_known_ >> slot & 1U) == 0) return std::nullopt;
  return hour_[slot] * static_cast<double>(unit_);
}

/// Writes a value as a code in hour_, ring_ or day_; one too large for their unit doubles it.
void Forecaster::store(std::int16_t& code, double value) {
  if (unit_ == 0) unit_ = static_cast<float>(std::abs(value) / kFirstCode);
  while (std::abs(value) > kMostCode * unit_) {
    unit_ *= 2;
    for (std::int16_t& each : hour_) each = static_cast<std::int16_t>(each / 2);
    for (std::int16_t& each : ring_) each = static_cast<std::int16_t>(each / 2);
    for (std::int16_t& each : day_) {
      if (each != kUnknown) each = static_cast<std::int16_t>(each / 2);
    }
    if (unit_ == 0) unit_ = 1e-37F;  // it was too small to be doubled
  }
  code = static_cast<std::int16_t>(unit_ > 0 ? std::lround(value / unit_) : 0);
}

void Forecaster::push(double value) {
  store(ring_[ring_next_], value);
  ring_next_ = static_cast<std::uint8_t>((ring_next_ + 1U) % kRing);
  ring_size_ = static_cast<std::uint8_t>(std::min<std::size_t>(ring_size_ + 1U, kRing));
}

double Forecaster::cell_seconds() const {
  return std::max<double>(horizon_ / kCellsPerHorizon, step_);
}

void Forecaster::close_cell(double elapsed) {
  const double cell = cell_seconds();
  double age = elapsed;  // of the newest, and then of those before
  for (std::size_t i = 1; i <= kPending; ++i) {
    Pending& was = pending_[(pending_next_ + kPending - i) % kPending];
    if (i > 1) age += was.lasted;
    if (was.reach == 0) continue;
    if (age >= horizon_ - 0.4 * cell) {
      if (age <= horizon_ + cell) judge(was);  // else its value fell into a gap
      was.reach = 0.0F;
    }
    if (i == 1) judge_near(was, elapsed);
  }
  const double before = ring_at(0);
  const double missing = std::min<double>(std::round(elapsed / cell) - 1, kRing);
  for (double i = 0; i < missing; ++i) push(before);
  push(cell_mean_);
  cell_mean_ = 0;
  cell_count_ = 0;
  cell_opened_ = boot_;
  wait(elapsed);
}

/// Learns from a forecast whose value has come.
void Forecaster::judge(const Pending& was) {
  Outlook said{};
  said[last_value] = was.last;
  const double unit = was.reach / (kMostSquare * kMostSquare);
  for (std::size_t i = 1; i < kExperts; ++i) {
    const double root = was.codes[i - 1];
    said[i] = was.last + root * std::abs(root) * unit;
  }
  for (std::size_t i = 0; i < kMixed; ++i)
    loss_[i] = static_cast<float>(kDiscount * loss_[i] + std::abs(value_ - said[i]));
  const double move = value_ - was.last;
  judged_ += judged_ < UINT32_MAX ? 1 : 0;
  scale_ += static_cast<float>((std::abs(move) - scale_) / std::min(judged_, kMostCounted));
  if (scale_ > 0) regression_.learn(features(said, was.last), move / scale_);
  const double error = move - was.value;
  band_.learn(error, was.value - was.lo, was.hi - was.value);
  const double within = 0.1 * std::abs(origin_ + was.last + was.value);
  const double hit = std::abs(error) <= within ? 1 : 0;
  const double told = 1 - tail(within, was.hi - was.value) - tail(within, was.value - was.lo);
  trust_ += static_cast<float>((hit - told - trust_) / std::min(judged_, kMostCounted));
  const bool inside = move >= was.lo && move <= was.hi;
  error_ = static_cast<float>(kDiscount * error_ + std::abs(error));
  last_error_ = static_cast<float>(kDiscount * last_error_ + std::abs(move));
  inside_ = static_cast<float>(kDiscount * inside_ + (inside ? 1 : 0));
}

/// Adapts the width for shorter times to what came of what was said one cell ago.
void Forecaster::judge_near(const Pending& was, double age) {
  const double horizons = age / horizon_;
  if (was.reach == 0 || horizons > 0.5) return;
  const double move = value_ - was.last;
  const double value = was.value * std::sqrt(horizons);
  const bool missed =
      move < value - near_ * (was.value - was.lo) || move > value + near_ * (was.hi - was.value);
  const double step = 1 + kNearStep * ((missed ? 1 : 0) - 0.1);
  near_ = static_cast<float>(std::clamp(near_ * step, 0.1, 3.0));
}

/// Puts the present forecast where it waits for its value, so long after the one before.
void Forecaster::wait(double elapsed) {
  const Outlook said = outlook();
  double most = 0;
  for (const double each : said) most = std::max(most, std::abs(each - value_));
  pending_[(pending_next_ + kPending - 1) % kPending].lasted = static_cast<float>(elapsed);
  Pending& now = pending_[pending_next_];
  pending_next_ = static_cast<std::uint8_t>((pending_next_ + 1U) % kPending);
  now.last = static_cast<float>(value_);
  now.reach = static_cast<float>(std::max(most, 1e-37));
  for (std::size_t i = 1; i < kExperts; ++i) {
    const double share = std::clamp((said[i] - value_) / now.reach, -1.0, 1.0);
    const double root = std::copysign(std::sqrt(std::abs(share)), share);
    now.codes[i - 1] = static_cast<std::int8_t>(std::lround(kMostSquare * root));
  }
  const double value = mix(said).value - value_;
  now.value = static_cast<float>(value);
  now.lo = static_cast<float>(value - band_.below());
  now.hi = static_cast<float>(value + band_.above());
}

/// The mean of a closed cell; 0 is the newest.
double Forecaster::ring_at(std::size_t back) const {
  return static_cast<double>(ring_[(ring_next_ + kRing - 1 - back) % kRing]) * unit_;
}

/// The mean of the cell that lies so far before the newest sample, or of the nearest.
double Forecaster::cell_back(double seconds) const {
  const double since = seconds_between(cell_opened_, boot_);
  const double cells = std::round((seconds - since) / cell_seconds());
  return ring_at(static_cast<std::size_t>(std::clamp(cells, 0.0, ring_size_ - 1.0)));
}

double Forecaster::median(std::size_t cells) const {
  std::array<std::int16_t, kRing> newest{};
  const std::size_t n = std::min<std::size_t>(ring_size_, cells);
  for (std::size_t i = 0; i < n; ++i) newest[i] = ring_[(ring_next_ + kRing - 1 - i) % kRing];
  std::sort(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(n));
  return 0.5 * (newest[(n - 1) / 2] + newest[n / 2]) * unit_;
}

namespace {

/// A least-squares line through values[0], values[1], …
struct Line {
  double mean = 0;
  double slope = 0;     // per value
  double variance = 0;  // of the slope, were the errors independent
};

template <class Value>
Line fit_line(std::size_t n, Value value) {
  const auto count = static_cast<double>(n);
  const double middle = (count - 1) / 2;
  double sum = 0;
  double squares = 0;
  double moment = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double y = value(i);
    sum += y;
    squares += y * y;
    moment += (static_cast<double>(i) - middle) * y;
  }
  Line line;
  line.mean = sum / count;
  const double spread = count * (count * count - 1) / 12;
  line.slope = moment / spread;
  const double rest = squares - sum * line.mean - line.slope * moment;
  line.variance = std::max(0.0, rest) / (count - 2) / spread;
  return line;
}

}  // namespace

/// The line over the last cells, extended by the horizon.
double Forecaster::line(double ahead) const {
  const std::size_t n = std::min<std::size_t>(kLineCells, ring_size_);
  if (n < 3) return value_;
  const Line fit = fit_line(n, [&](std::size_t i) { return ring_at(n - 1 - i); });
  return fit.mean + fit.slope * ((static_cast<double>(n) - 1) / 2 + ahead);
}

/// The slope of all the ring, per second, shrunk the more the less it stands out of its own error
/// (James and Stein): level noise and daily courses make slopes that do not last.
double Forecaster::trend() const {
  const std::size_t n = ring_size_;
  if (n < 6) return 0;
  const Line fit = fit_line(n, [&](std::size_t i) { return ring_at(n - 1 - i); });
  const double square = fit.slope * fit.slope;
  if (square <= 0) return 0;
  const double kept = std::max(0.0, 1 - kDoubt * fit.variance / square);
  return kept * fit.slope / cell_seconds();
}

Forecaster::Outlook Forecaster::outlook() const {
  Outlook said{};
  said[last_value] = value_;
  said[median_1] = median(3);
  said[median_2] = median(6);
  said[median_4] = median(12);
  said[tracker_2] = trackers_[0];
  said[tracker_12] = trackers_[1];
  said[smooth_4] = levels_[1];
  said[smooth_48] = levels_[2];
  said[line_4] = line(horizon_ / cell_seconds());
  const double wall = seconds_between(0, wall_);
  const auto now = day_at(wall);
  const auto then = day_at(wall + horizon_);
  said[day_move] = now && then ? value_ + *then - *now : levels_[0];
  said[day_level] = now && then ? *then + day_level_ : levels_[0];
  const std::size_t slot = slot_of(wall + horizon_, kHourSeconds, kHour);
  const auto usual = hour_at(slot);
  said[hour_level] = usual ? *usual + hour_level_ : levels_[0];
  said[back_1] = cell_back(cell_seconds());
  said[back_2] = cell_back(2 * cell_seconds());
  said[lag_45] = cell_back(45 * 60 - horizon_);
  said[lag_60] = cell_back(60 * 60 - horizon_);
  said[lag_180] = cell_back(180 * 60 - horizon_);
  said[regression] = value_;
  if (scale_ > 0) {
    const double moved = regression_.predict(features(said, value_));
    said[regression] += scale_ * std::clamp(moved, -kMostScales, kMostScales);
  }
  return said;
}

/// What the experts say less the last value, in the series' own scale. Two kinks let a value that
/// sticks out upwards, or far, be followed otherwise than others.
Regression<Forecaster::kFeatures>::Features Forecaster::features(const Outlook& said,
                                                                 double last) const {
  const auto scaled = [&](double x) {
    return static_cast<float>(std::clamp((x - last) / scale_, -kMostScales, kMostScales));
  };
  Regression<kFeatures>::Features x{};
  for (std::size_t i = 0; i < kRegressors.size(); ++i) x[i] = scaled(said[kRegressors[i]]);
  const double off = scaled(said[median_2]);
  x[kFeatures - 2] = static_cast<float>(std::max(0.0, off));
  x[kFeatures - 1] = static_cast<float>(std::clamp(off, -kKink, kKink));
  return x;
}

Forecaster::Mixture Forecaster::mix(const Outlook& said) const {
  const double best = *std::min_element(loss_.begin(), loss_.end());
  Mixture mixture;
  double weights = 0;
  double heaviest = 0;
  for (std::size_t i = 0; i < kMixed; ++i) {
    const double worse = best > 0 ? loss_[i] / best - 1 : loss_[i] > 0 ? 1 : 0;
    if (worse > kWorst) continue;
    const double weight = std::exp(-kEagerness * worse);
    weights += weight;
    mixture.value += weight * said[i];
    if (weight > heaviest) {
      heaviest = weight;
      mixture.heaviest = i;
    }
  }
  mixture.value /= weights;
  return mixture;
}

/// The forecast for any time ahead, from that for the horizon.
Forecast Forecaster::ahead_of(const Mixture& main, double seconds) const {
  const double horizons = seconds / horizon_;
  double value = main.value;
  if (horizons < 1) {
    value = value_ + (main.value - value_) * std::sqrt(horizons);
  } else if (horizons > 1) {
    value += trend() * (seconds - horizon_);
  }
  const double narrower = -std::log(near_) / std::log(kCellsPerHorizon);
  const double wider = std::pow(std::max(horizons, kNearest), horizons < 1 ? narrower : kWider);
  Forecast forecast;
  const double below = band_.below() * wider;
  const double above = band_.above() * wider;
  forecast.value = std::clamp(origin_ + value, -kLargest, kLargest);
  forecast.lo = forecast.value - below;
  forecast.hi = forecast.value + above;
  const double within = 0.1 * std::abs(forecast.value);
  const double told = 1 - tail(within, above) - tail(within, below) + trust_;
  forecast.confidence = judged_ == 0 ? 0 : std::clamp(told, 0.0, 1.0);
  forecast.method = kMethods[main.heaviest];
  forecast.limited_by = horizons > 2                ? LimitingFactor::horizon
                        : seen_ < kDaySeconds       ? LimitingFactor::short_history
                        : forecast.confidence < 0.5 ? LimitingFactor::volatility
                                                    : LimitingFactor::nothing;
  return forecast;
}

std::optional<Forecast> Forecaster::predict(nanoseconds ahead) const {
  if (started_ == 0) return std::nullopt;
  const double seconds = static_cast<double>(ahead.count()) / kSecond;
  return ahead_of(mix(outlook()), std::clamp(seconds, 0.0, kWeekSeconds));
}

std::optional<Crossing> Forecaster::time_to(double limit) const {
  if (started_ == 0 || !std::isfinite(limit)) return std::nullopt;
  const double away = limit - origin_ - value_;
  const Mixture main = mix(outlook());
  const auto there = [&](double seconds) {
    const double value = ahead_of(main, seconds).value;
    return away >= 0 ? value >= limit : value <= limit;
  };
  double before = 0;
  double after = 0;
  const double furthest = std::min(kWeekSeconds, 10 * seen_);
  for (double at = horizon_ / kCellsPerHorizon; away != 0 && after == 0 && at <= furthest;
       at *= 1.05) {
    if (there(at)) {
      after = at;
    } else {
      before = at;
    }
  }
  if (away != 0 && after == 0) return std::nullopt;
  for (int i = 0; i < 20 && after > 0; ++i) {
    const double middle = (before + after) / 2;
    (there(middle) ? after : before) = middle;
  }
  const Forecast then = ahead_of(main, 2 * after);
  const double beyond = away >= 0 ? then.value - limit : limit - then.value;
  const double line = (away >= 0) == (beyond >= 0) ? then.value - then.lo : then.hi - then.value;
  Crossing crossing;
  crossing.in = nanoseconds(std::llround(after * kSecond));
  crossing.confidence = away == 0 ? 1 : beyond >= 0 ? 1 - tail(beyond, line) : tail(-beyond, line);
  return crossing;
}

ForecastAccuracy Forecaster::accuracy() const {
  ForecastAccuracy accuracy;
  accuracy.forecasts = judged_;
  if (judged_ == 0) return accuracy;
  if (last_error_ > 0) accuracy.relative_error = error_ / last_error_;
  const double weight = (1 - std::pow(kDiscount, judged_)) / (1 - kDiscount);
  accuracy.coverage = std::min(1.0, inside_ / weight);
  return accuracy;
}

std::string Forecaster::save() const { return save_state(kStateName, *this); }

Result<Forecaster> Forecaster::restore(std::string_view bytes) {
  auto state = restore_state<Forecaster>(kStateName, bytes);
  if (!state) return state;
  if (!state->sound()) return damaged_state(kStateName);
  state->resumed_ = state->started_;
  return state;
}

/// Whether all of it could have been left by update().
bool Forecaster::sound() const {
  // Values are at most 1e30, multiples of them a little more.
  const auto number = [](double x) { return std::abs(x) <= 1e36; };
  const auto numbers = [&](const auto& all) { return std::all_of(all.begin(), all.end(), number); };
  const auto sum = [](double x) { return x >= 0 && x <= 1e36; };
  bool good = number(origin_) && number(value_) && seen_ >= 0 && seen_ <= 1e11;
  good = good && horizon_ >= 60 && horizon_ <= kDaySeconds && step_ >= 0 && step_ <= 1e11 &&
         last_step_ >= step_ && last_step_ <= 1e11;
  good = good && ring_next_ < kRing && ring_size_ <= kRing && pending_next_ < kPending &&
         hour_slot_ < kHour && day_slot_ < kDay && hour_known_ < 1U << kHour;
  good = good && (started_ == 0 || ring_size_ > 0);
  good = good && numbers(levels_) && numbers(trackers_) && numbers(spreads_);
  good = good && number(cell_mean_) && number(hour_mean_) && number(day_mean_) &&
         number(hour_level_) && number(day_level_) && std::abs(trust_) <= 1 && near_ >= 0.09 &&
         near_ <= 3.1 && sum(unit_) && sum(scale_);
  good = good && std::all_of(loss_.begin(), loss_.end(), sum) && sum(error_) && sum(last_error_) &&
         sum(inside_);
  for (const Pending& was : pending_) {
    good = good && sum(was.reach) && sum(was.lasted) && number(was.last) && number(was.lo) &&
           number(was.value) && number(was.hi);
  }
  return good && regression_.sound() && band_.sound();
}

}  // namespace headroom::judge
