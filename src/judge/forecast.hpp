// What a series will be in a while: one small state per series, fed sample by sample.
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

#include "judge/band.hpp"
#include "judge/float24.hpp"
#include "judge/regression.hpp"

namespace headroom::judge {

/// The methods that a forecast is mixed from, by their names in the literature.
enum class ForecastMethod : std::uint8_t {
  last_value,
  moving_median,      ///< over one and over four horizons
  quantile_tracking,  ///< of the median, over two and over twelve horizons
  linear_regression,  ///< a least-squares line over the last four horizons
  seasonal_profile,   ///< the usual course of the day
  autoregression,     ///< a regression on these, on older values and on the course of the hour
};
std::string_view name_of(ForecastMethod method);

/// What keeps a forecast from being better.
enum class LimitingFactor : std::uint8_t {
  nothing,
  short_history,  ///< less than a day was seen
  volatility,     ///< the series moves more than it can be told
  horizon,        ///< asked for more than twice as far ahead as the state is built for
};
std::string_view name_of(LimitingFactor limit);

/// A value to come.
struct Forecast {
  double value = 0;
  double lo = 0;  ///< lo to hi holds the value with 90 % probability; lo <= value <= hi
  double hi = 0;
  /// The probability that what comes will lie within 10 % of `value`, told from the interval and
  /// from how often that was true.
  double confidence = 0;
  ForecastMethod method = ForecastMethod::last_value;  ///< the one with the largest weight
  LimitingFactor limited_by = LimitingFactor::short_history;
};

/// When a series is going to reach a value.
struct Crossing {
  std::chrono::nanoseconds in{};  ///< from the newest sample on; 0: it is there
  double confidence = 0;          ///< the probability to be there, or beyond, at twice that time
};

/// How well the forecasts for the state's own horizon have done; older ones count less (a half
/// after about 200 thirds of the horizon).
struct ForecastAccuracy {
  double relative_error = 1;  ///< mean absolute error over that of the last value; 1: no better
  double coverage = 0;        ///< share of values that lay in their interval
  std::uint32_t forecasts = 0;
};

// States are saved as they lie in memory: every byte is one of a member.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
/// Forecasts one series online.
///
/// Some cheap methods (ForecastMethod) run side by side; each is judged by the discounted absolute
/// error of what it said a horizon ago, and they are mixed by exponential weights (Littlestone and
/// Warmuth 1994). All spans are multiples of the horizon or lie on the clock (hour, day), so that a
/// series sampled every second and one sampled every five minutes are treated alike: with every
/// sample only levels move; all else is done once per cell, a third of the horizon.
///
/// A state is built for one main horizon: shorter ones are told from it, with an interval that is
/// held against what came at a third of it; longer ones with an interval that is only a guess.
/// Gaps, clock steps and restarts are survived: order is by boot time alone, and wall time (UTC)
/// only places a sample in its hour and day. Bounded, trivially copyable, deterministic; not
/// thread-safe.
class Forecaster {
 public:
  /// `horizon`: 1 minute to 1 day; what is outside is brought inside.
  explicit Forecaster(std::chrono::nanoseconds horizon = std::chrono::minutes(15));

  /// Takes the value seen at `at`. Left out are what is not finite, and times not after the last.
  void update(Instant at, double value);

  /// The value `ahead` of the newest sample, 0 to 7 days (brought inside); without it, one horizon
  /// ahead. Empty before the first sample.
  std::optional<Forecast> predict() const { return predict(horizon()); }
  std::optional<Forecast> predict(std::chrono::nanoseconds ahead) const;

  /// When the forecast reaches `limit`, from whichever side. Empty when it does not within 7 days
  /// or within ten times the time that was seen, and before the first sample.
  std::optional<Crossing> time_to(double limit) const;

  ForecastAccuracy accuracy() const;
  std::chrono::nanoseconds horizon() const;
  /// How long the series has been seen, gaps included.
  std::chrono::nanoseconds seen() const;

  /// The state as bytes, for the same build on the same kind of machine.
  std::string save() const;
  /// Takes a state up again; the next update() tells the time between by the wall clock.
  /// Errors: invalid_request when `bytes` are no such state, or a damaged one.
  static Result<Forecaster> restore(std::string_view bytes);

 private:
  static constexpr std::size_t kExperts = 18;
  static constexpr std::size_t kMixed = 9;  // the first ones; the others only feed the regression
  static constexpr std::size_t kFeatures = 14;
  static constexpr std::size_t kLevels = 3;
  static constexpr std::size_t kTrackers = 2;
  static constexpr std::size_t kRing = 36;    // cells: three hours of five minutes
  static constexpr std::size_t kPending = 3;  // a horizon is three cells
  static constexpr std::size_t kHour = 12;    // slots
  static constexpr std::size_t kDay = 96;

  /// What each expert says, less the origin.
  using Outlook = std::array<double, kExperts>;
  /// A forecast that waits for its value.
  struct Pending {
    float last = 0;         // the value then, less the origin; all else is less this
    Float24 lasted = 0.0F;  // seconds until the next was made
    Float24 reach = 0.0F;   // the furthest that an expert said; 0: nothing waits here
    Float24 lo = 0.0F, value = 0.0F, hi = 0.0F;
    // What the experts said but for the first, which says `last`: signed squares in shares of
    // `reach`, so that what is near is exact and what is far off still has its place.
    std::array<std::int8_t, kExperts - 1> codes{};
  };
  struct Mixture {
    double value = 0;
    std::size_t heaviest = 0;
  };

  void start(Instant at, double value);
  void resume(Instant at);
  void follow(double value, double seconds);
  void place_in_hour(double value, double seconds);
  void place_in_day(double value, double seconds);
  void close_cell(double elapsed);
  void judge(const Pending& was);
  void judge_near(const Pending& was, double age);
  void wait(double elapsed);
  void store(std::int16_t& code, double value);
  void push(double value);

  double cell_seconds() const;
  double cell_back(double seconds) const;
  double ring_at(std::size_t back) const;
  double median(std::size_t cells) const;
  double line(double ahead) const;
  double trend() const;
  std::optional<double> day_at(double wall) const;
  std::optional<double> hour_at(std::size_t slot) const;
  Outlook outlook() const;
  Regression<kFeatures>::Features features(const Outlook& said, double last) const;
  Mixture mix(const Outlook& said) const;
  Forecast ahead_of(const Mixture& main, double seconds) const;
  bool sound() const;

  double origin_ = 0;      // the first value; all others are kept less it
  double value_ = 0;       // the newest
  std::int64_t boot_ = 0;  // its times
  std::int64_t wall_ = 0;
  std::int64_t cell_opened_ = 0;
  double seen_ = 0;           // seconds since the first sample
  float horizon_ = 0;         // seconds
  float step_ = 0;            // the shorter of the last two times between samples
  float last_step_ = 0;       // seconds
  std::uint32_t judged_ = 0;  // forecasts whose value has come

  std::array<float, kLevels> levels_{};
  std::array<float, kTrackers> trackers_{};
  std::array<float, kTrackers> spreads_{};
  std::uint16_t cell_count_ = 0, hour_count_ = 0, day_count_ = 0;  // samples, 65 535 at most
  std::uint16_t hour_known_ = 0;                                   // a bit per slot
  float cell_mean_ = 0, hour_mean_ = 0, day_mean_ = 0;
  float hour_level_ = 0, day_level_ = 0;  // how far the series is above its usual course
  float unit_ = 0;                        // of the codes in hour_, ring_ and day_
  std::array<std::int16_t, kHour> hour_{};
  std::array<std::int16_t, kRing> ring_{};
  std::array<std::int16_t, kDay> day_{};

  std::array<Pending, kPending> pending_{};
  float scale_ = 0;  // how far the series moves within a horizon, in the mean
  Band band_;
  float error_ = 0, last_error_ = 0, inside_ = 0;  // discounted sums
  float near_ =
      0.9F;          // width of the interval a third of the horizon ahead, over that at the horizon
  float trust_ = 0;  // by how much values lay within 10 % more often than the band tells
  std::array<Float24, kMixed> loss_{};
  Regression<kFeatures> regression_;
  std::uint8_t started_ = 0;
  std::uint8_t resumed_ = 0;  // restored: boot time may have started anew
  std::uint8_t ring_next_ = 0;
  std::uint8_t ring_size_ = 0;
  std::uint8_t pending_next_ = 0;
  std::uint8_t hour_slot_ = 0;
  std::uint8_t day_slot_ = 0;
  std::array<std::uint8_t, 3> unused_{};
};
#pragma GCC diagnostic pop

}  // namespace headroom::judge
