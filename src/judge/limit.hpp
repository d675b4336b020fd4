// What a component or lease will need at most over the coming minutes.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "judge/float24.hpp"
#include "judge/forecast.hpp"

namespace headroom::judge {

/// What a limit is told from.
enum class LimitRule : std::uint8_t {
  window_maximum,     ///< the highest use of the last 1, 4 or 96 hold times
  peak_quantile,      ///< the 90 % quantile of the peaks of hold times, about a day back
  forecast_quantile,  ///< the upper line of the forecast, or half the way to it
  current_use,        ///< what is used now and a little more
};
std::string_view name_of(LimitRule rule);

/// A limit that is to last for the hold time.
struct Limit {
  double value = 0;
  LimitRule rule = LimitRule::current_use;  ///< the one with the largest weight
  /// The probability that use stays within it over the hold time, told from how often it did.
  double confidence = 0;
};

/// How a limit weighs: what a unit of use above it costs, in units set aside and not used.
struct LimitPolicy {
  static constexpr double kConservative = 800;
  static constexpr double kBalanced = 200;
  static constexpr double kAggressive = 50;
  double kappa = kBalanced;                                  ///< 1 to 1e6
  std::chrono::nanoseconds hold = std::chrono::minutes(15);  ///< 1 minute to 1 day
  /// The limit is never below this multiple of the present use. Above 1 for what kills when it is
  /// short, as memory; 0 where passing the limit only slows down.
  double least = 1.02;
};

// States are saved as they lie in memory: every byte is one of a member.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
/// Chooses a limit online.
///
/// Six simple limits (LimitRule), each times six margins, are judged by what they would have
/// cost: what was set aside and not used, and kappa times what was used above, over the hold time
/// after each third of it. They are mixed by exponential weights on that discounted cost, so that
/// each series finds its own rule and margin (the idea of Autopilot: Rzadca et al., EuroSys 2020).
/// Order is by boot time; gaps and rates of sampling are as in Forecaster. Bounded, trivially
/// copyable, deterministic; not thread-safe.
class LimitEstimator {
 public:
  /// What is outside its range in `policy` is brought inside.
  explicit LimitEstimator(const LimitPolicy& policy = LimitPolicy());

  /// Takes the use seen at `at` (0 or more, in any unit) and the forecast for the hold time, where
  /// there is one. Left out are what is not finite, and times not after the last.
  void update(BootTime at, double used, const std::optional<Forecast>& forecast);

  /// The limit for the hold time to come. Empty before the first sample.
  std::optional<Limit> limit() const;

  /// What to put at once in the place of the limit `in_force`: when use has passed 90 % of it and
  /// more is thought to be needed. Never lower than `in_force`; empty when that does.
  std::optional<Limit> raise(double in_force) const;

  /// The state as bytes, for the same build on the same kind of machine.
  std::string save() const;
  /// Takes a state up again. Where boot time has started anew since, what waited for judgement is
  /// dropped with the next update().
  /// Errors: invalid_request when `bytes` are no such state, or a damaged one.
  static Result<LimitEstimator> restore(std::string_view bytes);

 private:
  static constexpr std::size_t kBases = 6;
  static constexpr std::size_t kMargins = 6;
  static constexpr std::size_t kCells = 12;   // thirds of the hold time: four of them
  static constexpr std::size_t kBlocks = 12;  // of 24 cells: 96 hold times, a day
  static constexpr std::size_t kPending = 3;

  using Bases = std::array<double, kBases>;
  /// Limits that are being judged.
  struct Pending {
    std::array<Float24, kBases> bases{};
    Float24 limit = 0.0F;  // what was said
  };
  struct Choice {
    double value = 0;
    std::size_t base = 0;  // the heaviest
  };

  void close_cell(double elapsed);
  void judge(double mean, double peak, double cells);
  void push(double peak, double cells);
  void track(double peak);
  double newest_peak(std::size_t cells) const;
  double block_peak() const;
  Bases bases() const;
  Choice choose(const Bases& bases) const;
  bool sound() const;

  std::int64_t boot_ = 0;
  std::int64_t cell_opened_ = 0;
  float kappa_ = 0;
  float least_ = 0;
  float cell_ = 0;  // seconds
  float used_ = 0;
  float forecast_ = 0, above_ = 0;  // the forecast and its upper line
  float cell_peak_ = 0, cell_mean_ = 0;
  std::uint32_t cell_count_ = 0;
  std::uint32_t cells_seen_ = 0;
  std::uint8_t started_ = 0;
  std::uint8_t resumed_ = 0;
  std::uint8_t cell_next_ = 0;
  std::uint8_t block_next_ = 0;
  std::uint8_t block_cells_ = 0;  // in the open block
  std::uint8_t pending_next_ = 0;
  std::array<std::uint8_t, kPending> left_{};    // cells still to come, of each that is judged
  std::array<std::uint8_t, kPending> passed_{};  // use was above its limit
  float quantile_ = 0, spread_ = 0;
  float kept_ = 0, held_ = 0;  // discounted: limits that lasted, limits judged
  std::array<Float24, kCells> cells_{};
  std::array<Float24, kBlocks> blocks_{};  // the newest is open
  std::array<Pending, kPending> pending_{};
  std::array<std::array<Float24, kMargins>, kBases> cost_{};
  std::uint8_t unused_ = 0;
};
#pragma GCC diagnostic pop

}  // namespace headroom::judge
