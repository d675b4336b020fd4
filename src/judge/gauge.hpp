// One resource of one device: readings become a level and the steps of an alert, without flapping.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <headroom/instant.hpp>
#include <headroom/pressure.hpp>

#include "words/config.hpp"

namespace headroom::judge {

/// Where the lines are and how long things take.
struct GaugeSettings {
  Rungs rungs;
  double clear_below = 5;  ///< points under a line before its level is left
  std::chrono::milliseconds dwell{3000};
  std::chrono::seconds cooldown{300};  ///< between two reminders; 0 = none
  /// Longer than this without a reading: what was seen before says nothing about the time
  /// between, so a dwell starts anew, and the gauge is stale.
  std::chrono::milliseconds gap{10000};
  bool operator==(const GaugeSettings&) const = default;
};

// Lines that nobody sets: the specifications have them.
inline constexpr double kBudgetNearlySpent = 80, kBudgetSpent = 100;  ///< percent
inline constexpr double kTooManyFailures = 5;                         ///< percent of asks
inline constexpr int kUnresponsive = 3;                               ///< asks in a row
inline constexpr double kLowConfidence = 0.3;
inline constexpr std::chrono::minutes kLowConfidenceFor{10};

/// The settings of `resource` in `config`. The gap is at least three intervals, or a slow sampler
/// could never raise an alert. Power and network have no lines.
GaugeSettings gauge_settings(const Config& config, Resource resource);

/// What an update did to the gauge's alert.
enum class AlertStep {
  none,
  opened,
  escalated,  ///< open, to a higher level
  lowered,    ///< open, to a lower level that is not ok
  reminded,   ///< open and unchanged for another cooldown
  ended,
};

/// What one update changed.
struct GaugeChange {
  Level before = Level::ok;
  Level now = Level::ok;  ///< the level in force; equals `before` when it did not change
  AlertStep alert = AlertStep::none;
  double value = 0;                   ///< the reading that caused the step
  double threshold = 0;               ///< the line of `now`; 0 when that is ok
  std::chrono::nanoseconds lasted{};  ///< set with `ended`: how long the alert was open
};

/// Turns the readings of one resource of one device into a level that does not flap.
///
/// The level follows each reading up at once; it goes down when the reading is below the line in
/// force less `clear_below`, to the highest level whose own clear line still holds. The alert
/// opens when the level has not been ok for `dwell` (with emergency at once), follows the level
/// while it is open, and ends when the level is ok. A missing reading changes neither.
/// Time is passed in, and only boot time is counted with. Not thread-safe; control thread only.
class Gauge {
 public:
  Gauge(Resource resource, std::string device, GaugeSettings settings);

  /// Takes the reading at `at` (percent, or degrees Celsius); nullopt or not finite: unknown.
  /// `at.boot` must not go backwards; if it does, the time is taken to stand still.
  GaugeChange update(std::optional<double> value, Instant at);

  /// The device is gone: the level is ok and an open alert ends, as far as anybody knows.
  GaugeChange close(Instant at);

  /// New lines and times, in force from the next update on.
  void configure(GaugeSettings settings) { settings_ = settings; }

  Resource resource() const { return resource_; }
  const std::string& device() const { return device_; }
  Level level() const { return level_; }
  /// No reading for longer than the gap: the level is the last one known.
  bool stale() const { return stale_; }
  bool alert_open() const { return opened_.has_value(); }
  /// The level as it is shown; `value` is empty while the reading is missing.
  Pressure pressure() const;

 private:
  std::optional<double> line(Level level) const;
  Level judge(double value) const;
  GaugeChange step(Level level, double value, Instant at, bool may_open);

  Resource resource_;
  std::string device_;
  GaugeSettings settings_;
  Level level_ = Level::ok;
  WallTime since_{};             // of the level in force
  std::optional<double> value_;  // the last reading, empty while it is missing
  bool stale_ = false;
  std::optional<BootTime> last_;  // the last update
  std::optional<BootTime> seen_;  // the last reading, or the first update before any
  std::optional<BootTime> high_;  // since when the level has not been ok without a gap
  std::optional<BootTime> opened_;
  BootTime told_{};  // when the alert was last opened, escalated or reminded
  Level alert_level_ = Level::ok;
};

}  // namespace headroom::judge
