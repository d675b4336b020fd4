#include "judge/day_profile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headroom::judge {
namespace {

constexpr double kLargest = 1e36;    // of a state that is taken up
constexpr double kSmallest = 1e-36;  // of a grid
constexpr std::int8_t kNone = -128;  // no such day was seen
constexpr int kFarthest = 127;
constexpr double kStepsPerSpread = 16;

std::int8_t on_grid(double steps) {
  return static_cast<std::int8_t>(std::lround(std::clamp<double>(steps, -kFarthest, kFarthest)));
}

}  // namespace

DayProfile::DayProfile() {
  for (auto& days : past_) days.fill(kNone);
}

std::optional<double> DayProfile::nearest(int slot, double value) const {
  const auto& days = past_[slot];
  if (days[1] == kNone) return std::nullopt;
  double best = 0;
  bool any = false;
  for (const std::int8_t day : days) {
    if (day == kNone) break;
    const double mean = centre_ + day * grid_;
    if (!any || std::abs(mean - value) < std::abs(best - value)) best = mean;
    any = true;
  }
  return best;
}

void DayProfile::add(int slot, double value, double median, double spread) {
  if (slot != slot_) {
    close_slot(median, spread);
    slot_ = static_cast<std::int8_t>(slot);
    mean_ = 0;
    count_ = 0;
  }
  if (count_ < std::numeric_limits<std::uint16_t>::max()) ++count_;
  mean_ += (value - mean_) / count_;
}

// The grid follows by powers of two, so that a spread that trembles blurs nothing.
void DayProfile::move_grid(double median, double spread) {
  const double step = spread / kStepsPerSpread;
  if (grid_ == 0) {
    grid_ = static_cast<float>(step);
    centre_ = median;
  }
  const int doublings = std::ilogb(step) - std::ilogb(grid_);
  const double moved = (median - centre_) / grid_;
  if (doublings == 0 && std::abs(moved) < kFarthest / 2.0) return;
  const double scale = std::ldexp(1.0, -doublings);
  for (auto& days : past_) {
    for (std::int8_t& day : days) {
      if (day != kNone) day = on_grid((day - moved) * scale);
    }
  }
  grid_ = std::ldexp(grid_, doublings);
  centre_ = median;
}

void DayProfile::close_slot(double median, double spread) {
  if (slot_ < 0 || count_ == 0) return;
  move_grid(median, spread);
  auto& days = past_[slot_];
  std::copy_backward(days.begin(), days.end() - 1, days.end());
  days[0] = on_grid((mean_ - centre_) / grid_);
}

bool DayProfile::valid() const {
  return std::abs(centre_) <= kLargest && (grid_ == 0 || grid_ >= kSmallest) && grid_ <= kLargest &&
         std::abs(mean_) <= kLargest && slot_ >= -1 && slot_ < kSlots;
}

}  // namespace headroom::judge
