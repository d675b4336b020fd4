#include "judge/hours_of_day.hpp"

#include <algorithm>
#include <cmath>

#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

constexpr std::uint8_t kWeek = 7;
constexpr int kEnoughDays = 3;
constexpr int kStretch = 3;     // hours
constexpr double kRatio = 1.5;  // of peak and quiet
constexpr double kApart = 10;
constexpr std::uint32_t kHalfAnHour = 30;  // values: fewer are no hour
constexpr std::string_view kName = "headroom hours of day 1";

}  // namespace

void HoursOfDay::push(int hour, double value) {
  if (!std::isfinite(value)) return;
  if (hour != hour_) {
    if (hour_ >= 0 && count_ >= kHalfAnHour) {
      const auto at = static_cast<std::size_t>(hour_);
      days_[at] = static_cast<std::uint8_t>(std::min<int>(days_[at] + 1, kWeek));
      const double mean = sum_ / count_;
      means_[at] += static_cast<float>((mean - static_cast<double>(means_[at])) / days_[at]);
    }
    hour_ = hour;
    sum_ = 0;
    count_ = 0;
  }
  sum_ += value;
  ++count_;
}

std::optional<HoursOfDay::Told> HoursOfDay::told() const {
  Told told;
  told.days = *std::min_element(days_.begin(), days_.end());
  if (told.days < kEnoughDays) return std::nullopt;
  const auto stretch = [this](int from) {
    Stretch one{from, (from + kStretch) % kHours, 0};
    for (int i = 0; i < kStretch; ++i) {
      one.mean += static_cast<double>(means_[static_cast<std::size_t>((from + i) % kHours)]);
    }
    one.mean /= kStretch;
    return one;
  };
  told.peak = told.quiet = stretch(0);
  for (int from = 1; from < kHours; ++from) {
    const Stretch one = stretch(from);
    if (one.mean > told.peak.mean) told.peak = one;
    if (one.mean < told.quiet.mean) told.quiet = one;
  }
  const bool flat =
      told.peak.mean < told.quiet.mean * kRatio || told.peak.mean - told.quiet.mean < kApart;
  return flat ? std::nullopt : std::optional(told);
}

std::string HoursOfDay::save() const { return save_state(kName, *this); }

Result<HoursOfDay> HoursOfDay::restore(std::string_view bytes) {
  auto state = restore_state<HoursOfDay>(kName, bytes);
  if (!state) return state;
  const bool sound = std::all_of(state->means_.begin(), state->means_.end(),
                                 [](float mean) { return std::isfinite(mean); }) &&
                     std::all_of(state->days_.begin(), state->days_.end(),
                                 [](std::uint8_t days) { return days <= kWeek; }) &&
                     std::isfinite(state->sum_) && state->hour_ >= -1 && state->hour_ < kHours;
  if (!sound) return damaged_state(kName);
  return state;
}

}  // namespace headroom::judge
