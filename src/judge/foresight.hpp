// What all series of the node are going to be, and which of them are unlike their own past.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "judge/anomaly.hpp"
#include "judge/forecast.hpp"
#include "judge/window.hpp"
#include "words/forecast.hpp"

namespace headroom::judge {

/// A series that has just become unlike its past.
struct Unusual {
  std::string_view series;  ///< valid until the next push()
  double value = 0;
  AnomalyVerdict verdict;
};

/// A forecaster and an anomaly score for each series.
///
/// Fed with every sample, it takes one in each kEvery: forecasts are made of cells of minutes, and
/// the rest costs and says nothing. At most kMaxSeries; a series without a value for a day is
/// forgotten, one of a lease after an hour. About 2 KiB a series. Not thread-safe; time is passed
/// in.
class Foresight {
 public:
  static constexpr std::chrono::seconds kEvery{10};
  static constexpr std::size_t kMaxSeries = 400;
  static constexpr std::size_t kLongestName = 1024;  ///< bytes; a longer one is not saved

  /// `horizon`: that of the forecasts, as Forecaster has it.
  explicit Foresight(std::chrono::nanoseconds horizon = std::chrono::minutes(15));

  /// Takes the readings in; those that should be told of now, one series at most once in six hours.
  /// Gaps are left out.
  std::vector<Unusual> push(Instant at, std::span<const Reading> readings);

  /// Takes in what an earlier run measured, before the first push(): `past` from `at` on, `step`
  /// apart, up to `now`. Nothing of it is told, and what restore() knows already is left out.
  void refill(WallTime at, std::chrono::nanoseconds step, std::span<const History::Past> past,
              Instant now);

  /// The forecasts of all series that had a value in the last minute, for `ahead` (empty: their own
  /// horizon), by name.
  std::vector<ForecastView> forecasts(std::optional<std::chrono::nanoseconds> ahead = {}) const;
  std::size_t series() const { return all_.size(); }

  /// All that was learned, as bytes for the same build on the same kind of machine; less than 2 KiB
  /// a series and its name.
  std::string save() const;
  /// Takes up what save() wrote, before the first push(), in the place of all that is known. The
  /// first push() tells the time between by the wall clock: the machine may have been started
  /// anew. While nobody looked no series grows old, and none is forecast until it has a value. A
  /// series whose state does not hold, or is for another horizon, is left out.
  /// Errors: invalid_request when `bytes` are no such text, or a damaged one; nothing is changed.
  Result<void> restore(std::string_view bytes);

  /// Readings left out because there were kMaxSeries series already.
  std::uint64_t overflowed() const { return overflowed_; }

 private:
  struct One {
    Forecaster forecaster;
    Anomaly anomaly;
    Instant at;
    double value = 0;
    std::uint64_t samples = 0;
    std::optional<BootTime> told;  ///< when it was last said to be unlike its past
  };
  void resume(Instant at);

  std::chrono::nanoseconds horizon_;
  std::map<std::string, One, std::less<>> all_;
  std::optional<Instant> last_;
  std::optional<WallTime> restored_;  ///< of the last push() before; until the first after
  std::uint64_t overflowed_ = 0;
};

/// "memory is unlike its past (level_shift): 92.1, and 41.0 to 55.3 was expected"
std::string sentence(const Unusual& unusual);

/// Whether a series is a share that is full at 100 %: memory, swap, a disk, a device's memory.
bool fills_up(std::string_view series);

}  // namespace headroom::judge
