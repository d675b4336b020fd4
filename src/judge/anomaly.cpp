#include "judge/anomaly.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

constexpr double kLargest = 1e30;          // values beyond are taken for this one: no sum overflows
constexpr double kLargestKept = 1e36;      // of a state: sums of the former
constexpr double kSmallest = 1e-30;        // differences below are none: no quotient overflows
constexpr std::uint32_t kMost = 1U << 31;  // of what is counted in 32 bits
constexpr double kMinuteS = 60;
constexpr double kGapRows = 10;
constexpr double kDayS = 86400;
constexpr double kClockStepS = 1800;
constexpr double kLongestGapS = 10 * 366 * kDayS;

constexpr std::uint32_t kLearningRows = 50;
constexpr double kScorePerSurprise = 5;  // score = 1 - exp(-surprise / this)
constexpr double kLargestSurprise = 6;
constexpr std::uint32_t kStillRows = 30;  // before these the usual movement is not known
constexpr double kBarStep = 0.5;
constexpr double kUnusual = 2.5;    // a surprise of which the reason is told though it is muted
constexpr double kOutside = 0.005;  // the share of rows beyond the range

// What a surprise of each kind weighs.
constexpr double kFar = 1, kStill = 0.9, kOtherDay = 1.1;
constexpr double kNewValue = 0.9, kNewStep = 1, kNewFar = 1;
// Rows over which levels and movement are followed.
constexpr double kFastRows = 4, kLevelRows = 12, kSlowRows = 288;
constexpr double kMovesRows = 12, kUsualMovesRows = 1000, kSpreadRows = 1000;

std::int64_t nanoseconds(auto time) { return time.time_since_epoch().count(); }

// In doubles: a state from elsewhere may hold any time, and this difference cannot overflow.
double seconds_between(std::int64_t from_ns, std::int64_t to_ns) {
  return (static_cast<double>(to_ns) - static_cast<double>(from_ns)) * 1e-9;
}

std::int64_t difference(std::int64_t a, std::int64_t b) {  // of any two: it may wrap
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

std::int64_t offset_of(Instant at) {
  return difference(nanoseconds(at.wall), nanoseconds(at.boot));
}

double follow_mean(double mean, double value, double rows, double seen) {
  return mean + (value - mean) * std::max(1 / rows, 1 / (seen + 1));
}

/// Counts up to what the type holds.
template <class Count>
void count_one(Count& count) {
  if (count < std::numeric_limits<Count>::max()) ++count;
}

}  // namespace

std::string_view name_of(AnomalyReason reason) {
  switch (reason) {
    case AnomalyReason::none:
      return "none";
    case AnomalyReason::spike:
      return "spike";
    case AnomalyReason::dip:
      return "dip";
    case AnomalyReason::level_shift:
      return "level_shift";
    case AnomalyReason::volatility:
      return "volatility";
    case AnomalyReason::flat_line:
      return "flat_line";
    case AnomalyReason::unusual_pattern:
      return "unusual_pattern";
  }
  return "none";
}

// A value, and how it stands to what was seen before.
struct Anomaly::Row {
  double value = 0;
  bool follows = false;             // on the row before, without a gap
  int slot = 0;                     // of the day
  double least = 0;                 // differences below this are none
  double far = 0;                   // from the level of the last hours
  double step = 0;                  // from the row before
  double stillness = 0;             // log of usual over present movement
  std::optional<double> other_day;  // from the nearest of the same hour of earlier days
  double new_value = 0, new_step = 0, new_far = 0;  // places
};

void Anomaly::learn_period(double seconds) {
  if (seconds <= 0) return;
  if (period_s_ == 0) period_s_ = static_cast<float>(seconds);
  // Towards the median of the periods: by a twentieth a sample, more while few were seen.
  const double most = 1 + std::max(0.05, 1.0 / (samples_ + 1));
  period_s_ = static_cast<float>(std::clamp(seconds, period_s_ / most, period_s_ * most));
}

bool Anomaly::minute_is_full() const {
  if (period_s_ == 0) return true;  // the first
  return minute_age_s_ + 1.5 * period_s_ >= kMinuteS;
}

/// Sets the time of the last sample so that what has passed since is what the wall clock tells.
void Anomaly::resume(Instant at) {
  resumed_ = 0;
  const std::int64_t now = nanoseconds(at.boot);
  const std::int64_t last_wall = difference(sample_ns_, difference(0, wall_less_boot_ns_));
  const double passed_s = seconds_between(last_wall, nanoseconds(at.wall));
  const bool told = passed_s >= 0 && passed_s <= kLongestGapS;
  const std::int64_t passed = told ? difference(nanoseconds(at.wall), last_wall) : 0;
  const std::int64_t before = difference(now, passed);
  wall_less_boot_ns_ = difference(wall_less_boot_ns_, difference(before, sample_ns_));
  sample_ns_ = before;
}

AnomalyVerdict Anomaly::update(Instant at, double value, const AnomalySettings& settings) {
  if (std::isfinite(value)) {
    if (resumed_ != 0) resume(at);
    const std::int64_t now = nanoseconds(at.boot);
    if (samples_ > 0 && now >= sample_ns_) {
      const double passed_s = seconds_between(sample_ns_, now);
      learn_period(passed_s);
      minute_age_s_ += static_cast<float>(passed_s);
      if (row_age_s_ >= 0) row_age_s_ += static_cast<float>(passed_s);
      const double stepped_s = seconds_between(wall_less_boot_ns_, offset_of(at));
      if (std::abs(stepped_s) >= kClockStepS) days_ = {};
    } else {
      minute_count_ = 0;  // a new boot: its clock has nothing to do with the minute under way
      row_age_s_ = -1;
    }
    sample_ns_ = now;
    wall_less_boot_ns_ = offset_of(at);
    count_one(samples_);
    if (minute_count_ == 0) {
      minute_age_s_ = 0;
      minute_mean_ = 0;
    }
    count_one(minute_count_);
    minute_mean_ += (std::clamp(value, -kLargest, kLargest) - minute_mean_) / minute_count_;
    if (minute_is_full()) {
      minute_count_ = 0;
      return judge(at, minute_mean_, settings);
    }
  }
  AnomalyVerdict verdict;
  verdict.score = held_score_;
  verdict.reason = held_reason_;
  give_range(verdict);
  return verdict;
}

AnomalyVerdict Anomaly::judge(Instant at, double value, const AnomalySettings& settings) {
  const double passed_s = std::max(0.0F, row_age_s_);
  const Row row = look(at, value);
  bool still = false;
  const double surprise = weigh_age(surprise_of(row, still));
  const double told = tell(surprise);
  AnomalyVerdict verdict;
  held_score_ = static_cast<float>(1 - std::exp(-told / kScorePerSurprise));
  verdict.score = held_score_;
  if (told > 0 || surprise > kUnusual) verdict.reason = reason_of(row, still);
  verdict.alert = alerts(told, rows_ == 0 ? 0 : passed_s / kDayS, settings);
  follow(value);
  days_.add(row.slot, value, median_, std::max<double>(spread_, row.least));
  row_age_s_ = 0;
  if (rows_ < kMost) ++rows_;
  count_one(told_rows_);
  held_reason_ = verdict.reason;
  give_range(verdict);
  return verdict;
}

void Anomaly::give_range(AnomalyVerdict& verdict) const {
  if (rows_ < kLearningRows) return;
  const double reach = far_.exceeded_by(kOutside);
  verdict.lo = level_ - reach;
  verdict.hi = level_ + reach;
}

Anomaly::Row Anomaly::look(Instant at, double value) {
  constexpr double kLeastShare = 0.02;    // of the spread: smaller differences are none
  constexpr double kLeastOfValue = 1e-9;  // rounding of what was computed is no difference
  Row row;
  row.value = value;
  const std::int64_t day_ns = std::int64_t{86'400'000'000'000};
  const std::int64_t wall = nanoseconds(at.wall);
  row.slot = static_cast<int>(((wall % day_ns) + day_ns) % day_ns / (day_ns / DayProfile::kSlots));
  const double row_s = period_s_ < 2 * kMinuteS / 3 ? kMinuteS : period_s_;
  row.follows = rows_ > 0 && row_age_s_ >= 0 && row_age_s_ <= kGapRows * row_s;
  if (rows_ == 0) fast_ = level_ = slow_ = median_ = value;
  if (!row.follows) last_ = fast_ = level_ = value;

  row.least = std::max({kLeastShare * spread_, kLeastOfValue * std::abs(value), kSmallest});
  row.far = std::abs(value - level_);
  if (row.follows) {
    const double step = std::abs(value - last_);
    moves_ += static_cast<float>((step - moves_) / kMovesRows);
    usual_moves_ = static_cast<float>(follow_mean(usual_moves_, step, kUsualMovesRows, rows_));
  }
  if (rows_ > kStillRows)
    row.stillness = std::log((usual_moves_ + row.least) / (moves_ + row.least));
  const double move_scale = std::max<double>(usual_moves_, row.least);
  const double spread_scale = std::max(0.3 * spread_, row.least);
  row.new_value = NoveltyHistogram::place_of(value - median_, spread_scale);
  row.new_step = NoveltyHistogram::place_of(value - last_, move_scale);
  row.new_far = NoveltyHistogram::place_of(value - level_, move_scale);
  if (const auto other = days_.nearest(row.slot, value)) {
    row.other_day = std::abs(value - *other);
  }
  return row;
}

double Anomaly::surprise_of(const Row& row, bool& still) {
  double rarest = 0;
  const auto weigh = [&](double surprise) {
    const bool rarer = surprise > rarest;
    if (rarer) rarest = surprise;
    return rarer;
  };
  const auto magnitude = [&](MagnitudeHistogram& histogram, double weight, double seen) {
    const bool rarest_yet = weigh(weight * histogram.surprise(seen));
    histogram.add(seen);
    return rarest_yet;
  };
  const auto novelty = [&](NoveltyHistogram& histogram, double weight, double place) {
    weigh(weight * histogram.surprise(place));
    histogram.add(place);
  };
  const auto real = [&](double distance) { return distance < row.least ? 0 : distance; };
  novelty(new_value_, kNewValue, row.new_value);
  if (row.other_day) magnitude(other_day_, kOtherDay, real(*row.other_day));
  if (row.follows) {
    magnitude(far_, kFar, real(row.far));
    novelty(new_step_, kNewStep, row.new_step);
    novelty(new_far_, kNewFar, row.new_far);
    if (rows_ > kStillRows) still = magnitude(still_, kStill, std::max(0.0, row.stillness));
  }
  return std::min(rarest, kLargestSurprise);
}

AnomalyReason Anomaly::reason_of(const Row& row, bool still) const {
  if (still) return AnomalyReason::flat_line;
  const double reach = far_.exceeded_by(kOutside);
  const double moved = fast_ - slow_;
  const double away = row.value - slow_;
  // The mean of a few rows has come most of the way: more than one row is there.
  if (std::abs(away) > reach && moved * away > 0 && std::abs(moved) > 0.5 * std::abs(away))
    return AnomalyReason::level_shift;
  if (row.far > reach) return row.value > level_ ? AnomalyReason::spike : AnomalyReason::dip;
  if (moves_ > 2 * usual_moves_) return AnomalyReason::volatility;
  return AnomalyReason::unusual_pattern;
}

double Anomaly::weigh_age(double surprise) const {
  constexpr double kYoung = 0.5, kFullGrown = 4000;
  constexpr double kPerPeriod = 0.4, kUsualPeriodS = 300;
  if (rows_ < kLearningRows) return 0;
  // A young series has not had the time to show that something is rare, and a row of an hour is
  // more of an event than a row of a minute.
  const double age = std::min<double>(rows_, 8000) + 10;
  const double row_s = std::max<double>(period_s_, kMinuteS);
  return surprise + kYoung * std::log10(kFullGrown / age) +
         kPerPeriod * std::log10(row_s / kUsualPeriodS);
}

double Anomaly::tell(double surprise) {
  constexpr double kLeastMuting = 1.5;
  constexpr double kMutedShare = 0.04, kMutedLeast = 10, kMutedMost = 250, kHigher = 1.05;
  const double muted = std::clamp(kMutedShare * rows_, kMutedLeast, kMutedMost);
  if (told_ > 0 && told_rows_ < muted && surprise <= told_ * kHigher) return 0;
  if (surprise > kLeastMuting) {
    told_ = static_cast<float>(surprise);
    told_rows_ = 0;
  }
  return std::max(0.0, surprise);
}

bool Anomaly::alerts(double surprise, double days, const AnomalySettings& settings) {
  const double forgiven = kBarStep * std::max(0.0, settings.alerts_per_day) * days;
  bar_ = static_cast<float>(std::max(0.0, bar_ - forgiven));
  const double line = -kScorePerSurprise * std::log1p(-std::clamp(settings.threshold, 0.0, 0.99));
  if (!(surprise > 0) || surprise < line + bar_) return false;
  bar_ += static_cast<float>(kBarStep);
  return true;
}

void Anomaly::follow(double value) {
  fast_ = follow_mean(fast_, value, kFastRows, rows_);
  level_ = follow_mean(level_, value, kLevelRows, rows_);
  slow_ = follow_mean(slow_, value, kSlowRows, rows_);
  const double seen = 1.0 / (rows_ + 1.0);
  spread_ = static_cast<float>(follow_mean(spread_, std::abs(value - median_), kSpreadRows, rows_));
  const double stride = spread_ * std::max(0.01, seen);
  if (value > median_) median_ += stride;
  if (value < median_) median_ -= stride;
  last_ = value;
}

bool Anomaly::valid() const {
  for (const double number : {last_, fast_, level_, slow_, median_, minute_mean_})
    if (!(std::abs(number) <= kLargestKept)) return false;
  for (const float number :
       {spread_, moves_, usual_moves_, period_s_, minute_age_s_, told_, bar_, held_score_})
    if (!(number >= 0 && number <= kLargestKept)) return false;
  for (const auto* histogram : {&far_, &still_, &other_day_})
    if (!histogram->valid()) return false;
  for (const auto* histogram : {&new_value_, &new_step_, &new_far_})
    if (!histogram->valid()) return false;
  return days_.valid() && held_score_ <= 1 && held_reason_ <= AnomalyReason::unusual_pattern &&
         row_age_s_ >= -1 && row_age_s_ <= kLargestKept && rows_ <= kMost;
}

namespace {
constexpr std::string_view kStateName = "headroom anomaly 2\n";
}  // namespace

std::string Anomaly::save() const { return save_state(kStateName, *this); }

Result<Anomaly> Anomaly::restore(std::string_view bytes) {
  Result<Anomaly> anomaly = restore_state<Anomaly>(kStateName, bytes);
  if (!anomaly) return anomaly;
  if (!anomaly->valid()) return damaged_state(kStateName);
  anomaly->resumed_ = 1;
  return anomaly;
}

}  // namespace headroom::judge
