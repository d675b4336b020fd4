#include "judge/limit.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "judge/saved.hpp"

namespace headroom::judge {
namespace {

enum Base : std::size_t {
  peak_1,
  peak_4,
  peak_96,
  peak_quantile,
  forecast_half,
  forecast_line,
  base_count,
};
constexpr std::array kRules = {
    LimitRule::window_maximum, LimitRule::window_maximum,    LimitRule::window_maximum,
    LimitRule::peak_quantile,  LimitRule::forecast_quantile, LimitRule::forecast_quantile,
};
constexpr std::array kMarginOf = {1.0, 1.02, 1.05, 1.1, 1.2, 1.4};

constexpr std::size_t kCellsPerHold = 3;
constexpr std::size_t kCellsPerBlock = 24;
constexpr double kDiscount = 1 - 1.0 / 1000;
constexpr double kEagerness = 15;
constexpr double kWorst = 0.8;     // one so much dearer than the best has no weight
constexpr double kQuantile = 0.9;  // of the peaks
constexpr double kQuantileSpan = 288;
constexpr double kQuantileStep = 6;
constexpr std::uint32_t kNew = 12;  // cells: so long at least kNewMargin above all peaks
constexpr double kNewMargin = 1.2;
constexpr double kNear = 0.9;
constexpr double kLargest = 1e27;  // so that costs stay finite in single precision
constexpr double kSecond = 1e9;
constexpr std::string_view kStateName = "limit 2";
constexpr double kRounding = 1 + 1e-6;  // of what is kept in single precision

/// What can be kept of a use; of what is not a number nothing.
float kept(double x) { return x > 0 ? static_cast<float>(std::min(x, kLargest)) : 0; }

/// The same in three bytes; never less, so that a limit that was just enough still is.
Float24 no_less(double x) { return Float24::at_least(kept(x)); }

}  // namespace

std::string_view name_of(LimitRule rule) {
  switch (rule) {
    case LimitRule::window_maximum:
      return "window_maximum";
    case LimitRule::peak_quantile:
      return "peak_quantile";
    case LimitRule::forecast_quantile:
      return "forecast_quantile";
    case LimitRule::current_use:
      return "current_use";
  }
  return "current_use";
}

LimitEstimator::LimitEstimator(const LimitPolicy& policy) {
  static_assert(base_count == kBases && kRules.size() == kBases && kMarginOf.size() == kMargins);
  static_assert(kPending == kCellsPerHold && kCells == 4 * kCellsPerHold);
  static_assert(std::is_trivially_copyable_v<LimitEstimator>);
  const double hold = static_cast<double>(policy.hold.count()) / kSecond;
  kappa_ = static_cast<float>(policy.kappa >= 1 ? std::min(policy.kappa, 1e6) : 1);
  cell_ = static_cast<float>(std::clamp(hold, 60.0, 86400.0) / kCellsPerHold);
  least_ = static_cast<float>(policy.least >= 0 ? std::min(policy.least, 100.0) : 0);
}

void LimitEstimator::update(BootTime at, double used, const std::optional<Forecast>& forecast) {
  if (!std::isfinite(used)) return;
  const std::int64_t boot = at.time_since_epoch().count();
  if (started_ == 0 || (resumed_ != 0 && boot <= boot_)) {
    boot_ = cell_opened_ = boot;
    left_.fill(0);
  } else if (boot <= boot_) {
    return;
  }
  const bool first = started_ == 0;
  started_ = 1;
  resumed_ = 0;
  const double passed = (static_cast<double>(boot) - static_cast<double>(boot_)) / kSecond;
  boot_ = boot;
  used_ = kept(used);
  forecast_ = forecast ? kept(forecast->value) : used_;
  above_ = forecast ? kept(forecast->hi) : used_;
  ++cell_count_;
  cell_mean_ += (used_ - cell_mean_) / static_cast<float>(cell_count_);
  cell_peak_ = std::max(cell_peak_, used_);
  const double elapsed = (static_cast<double>(boot_) - static_cast<double>(cell_opened_)) / kSecond;
  const double early = std::min(0.5 * passed, 0.1 * cell_);  // a sample may come a little early
  if (first || elapsed >= cell_ - early) close_cell(elapsed);
}

void LimitEstimator::close_cell(double elapsed) {
  // A sample stands for the time since the last, were it longer than a cell.
  const double cells = std::clamp(std::round(elapsed / cell_), 1.0, 1e6);
  judge(cell_mean_, cell_peak_, cells);
  push(cell_peak_, cells);
  track(newest_peak(kCellsPerHold));
  cell_peak_ = cell_mean_ = 0;
  cell_count_ = 0;
  cell_opened_ = boot_;
  cells_seen_ += cells_seen_ < UINT32_MAX ? 1 : 0;
  Pending& now = pending_[pending_next_];
  left_[pending_next_] = kCellsPerHold;
  passed_[pending_next_] = 0;
  pending_next_ = static_cast<std::uint8_t>((pending_next_ + 1U) % kPending);
  const Bases said = bases();
  for (std::size_t i = 0; i < kBases; ++i) now.bases[i] = no_less(said[i]);
  now.limit = no_less(choose(said).value);
}

/// Charges all limits that are held over the cell that ends.
void LimitEstimator::judge(double mean, double peak, double cells) {
  for (auto& costs : cost_) {
    for (Float24& cost : costs) cost = cost * static_cast<float>(kDiscount);
  }
  for (std::size_t p = 0; p < kPending; ++p) {
    if (left_[p] == 0) continue;
    const Pending& was = pending_[p];
    for (std::size_t i = 0; i < kBases; ++i) {
      for (std::size_t j = 0; j < kMargins; ++j) {
        const double limit = was.bases[i] * kMarginOf[j];
        const double cost = peak > limit * kRounding ? kappa_ * (peak - limit) : limit - mean;
        cost_[i][j] = cost_[i][j] + static_cast<float>(std::max(0.0, cost));
      }
    }
    if (peak > was.limit * kRounding) passed_[p] = 1;
    left_[p] = static_cast<std::uint8_t>(std::max(0.0, left_[p] - cells));
    if (left_[p] > 0) continue;
    held_ = static_cast<float>(kDiscount * held_ + 1);
    kept_ = static_cast<float>(kDiscount * kept_ + (passed_[p] != 0 ? 0 : 1));
  }
}

void LimitEstimator::push(double peak, double cells) {
  cells_[cell_next_] = no_less(peak);
  cell_next_ = static_cast<std::uint8_t>((cell_next_ + 1U) % kCells);
  const auto filled = static_cast<std::size_t>(block_cells_ + cells);
  const std::size_t ended = (filled - 1) / kCellsPerBlock;
  for (std::size_t i = 0; i < std::min(ended, kBlocks); ++i) {
    block_next_ = static_cast<std::uint8_t>((block_next_ + 1U) % kBlocks);
    blocks_[block_next_] = 0.0F;
  }
  block_cells_ = static_cast<std::uint8_t>(filled - ended * kCellsPerBlock);
  blocks_[block_next_] = std::max<float>(blocks_[block_next_], no_less(peak));
}

/// Follows the quantile by steps whose sizes balance where it is (stochastic approximation).
void LimitEstimator::track(double peak) {
  const double share = std::max(1 / kQuantileSpan, 1 / (cells_seen_ + 1.0));
  const double error = peak - quantile_;
  spread_ = kept(spread_ + share * (std::abs(error) - spread_));
  const double side = error > 0 ? kQuantile : kQuantile - 1;
  quantile_ = kept(quantile_ + kQuantileStep * share * spread_ * side);
}

/// The highest use of so many cells, and of the open one.
double LimitEstimator::newest_peak(std::size_t cells) const {
  float peak = cell_peak_;
  for (std::size_t i = 1; i <= cells; ++i)
    peak = std::max<float>(peak, cells_[(cell_next_ + kCells - i) % kCells]);
  return peak;
}

/// The highest use of all blocks: of the last 88 to 96 hold times.
double LimitEstimator::block_peak() const {
  return std::max<float>(cell_peak_, *std::max_element(blocks_.begin(), blocks_.end()));
}

LimitEstimator::Bases LimitEstimator::bases() const {
  Bases said{};
  said[peak_1] = newest_peak(kCellsPerHold);
  said[peak_4] = newest_peak(kCells);
  said[peak_96] = std::max(block_peak(), said[peak_4]);
  said[peak_quantile] = quantile_;
  said[forecast_half] = (static_cast<double>(forecast_) + above_) / 2;
  said[forecast_line] = above_;
  return said;
}

LimitEstimator::Choice LimitEstimator::choose(const Bases& bases) const {
  double best = kLargest * kLargest;
  for (const auto& costs : cost_)
    best = std::min<double>(best, *std::min_element(costs.begin(), costs.end()));
  Choice choice;
  double weights = 0;
  double heaviest = 0;
  for (std::size_t i = 0; i < kBases; ++i) {
    double of_base = 0;
    for (std::size_t j = 0; j < kMargins; ++j) {
      const double worse = best > 0 ? cost_[i][j] / best - 1 : cost_[i][j] > 0 ? 1 : 0;
      if (worse > kWorst) continue;
      const double weight = std::exp(-kEagerness * worse);
      of_base += weight;
      choice.value += weight * kMarginOf[j] * bases[i];
    }
    weights += of_base;
    if (of_base > heaviest) {
      heaviest = of_base;
      choice.base = i;
    }
  }
  choice.value /= weights;
  if (cells_seen_ < kNew) {
    const double careful = kNewMargin * bases[peak_96];
    if (careful > choice.value) choice = {careful, peak_96};
  }
  return choice;
}

std::optional<Limit> LimitEstimator::limit() const {
  if (started_ == 0) return std::nullopt;
  const Choice choice = choose(bases());
  Limit limit;
  limit.value = choice.value;
  limit.rule = kRules[choice.base];
  const double floor = static_cast<double>(least_) * used_;
  if (floor > limit.value) {
    limit.value = floor;
    limit.rule = LimitRule::current_use;
  }
  limit.value *= kRounding;
  limit.confidence = (kept_ + 0.5) / (held_ + 1);  // Jeffreys' estimate
  return limit;
}

std::optional<Limit> LimitEstimator::raise(double in_force) const {
  if (started_ == 0 || !(used_ > kNear * in_force)) return std::nullopt;
  auto wanted = limit();
  const double floor = std::max<double>(1, least_) * used_ * kRounding;
  if (wanted->value < floor) {
    wanted->value = floor;
    wanted->rule = LimitRule::current_use;
  }
  return wanted->value > in_force ? wanted : std::nullopt;
}

std::string LimitEstimator::save() const { return save_state(kStateName, *this); }

Result<LimitEstimator> LimitEstimator::restore(std::string_view bytes) {
  auto state = restore_state<LimitEstimator>(kStateName, bytes);
  if (!state) return state;
  if (!state->sound()) return damaged_state(kStateName);
  state->resumed_ = 1;
  return state;
}

/// Whether all of it could have been left by update().
bool LimitEstimator::sound() const {
  const auto size = [](double x) { return x >= 0 && x <= 1.01 * kLargest; };
  const auto sum = [](double x) { return x >= 0 && x <= 3e38; };
  bool good = kappa_ >= 1 && kappa_ <= 1e6 && least_ >= 0 && least_ <= 100 && cell_ >= 20 &&
              cell_ <= 28800 && size(used_) && size(forecast_) && size(above_) &&
              size(cell_peak_) && size(cell_mean_) && size(quantile_) && size(spread_);
  good = good && cell_next_ < kCells && block_next_ < kBlocks && block_cells_ <= kCellsPerBlock &&
         pending_next_ < kPending && kept_ >= 0 && held_ >= kept_ && held_ <= 1001;
  good = good && std::all_of(cells_.begin(), cells_.end(), size) &&
         std::all_of(blocks_.begin(), blocks_.end(), size);
  for (const Pending& was : pending_) {
    good = good && std::all_of(was.bases.begin(), was.bases.end(), size) && size(was.limit);
  }
  for (const std::uint8_t left : left_) good = good && left <= kCellsPerHold;
  for (const auto& costs : cost_) good = good && std::all_of(costs.begin(), costs.end(), sum);
  return good;
}

}  // namespace headroom::judge
