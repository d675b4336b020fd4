// The recent past at full rate: one ring of times, and a column of values per series.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

namespace headroom::judge {

/// One value of one series at the instant it is pushed for. Absent or not finite is a gap.
struct Reading {
  std::string_view series;  ///< "memory", "cpu", "gpu_memory:GPU-…", "disk:/"
  std::optional<double> value;
};

/// One moment of an answer; a gap has no value.
struct Point {
  WallTime at{};
  std::optional<double> value;
  bool operator==(const Point&) const = default;
};

/// A series over a stretch of time. The statistics are over the values themselves, not over the
/// averaged points, and are empty when the stretch holds no value.
struct Series {
  std::string name;
  std::chrono::nanoseconds step{};  ///< 0: every sample is a point
  std::vector<Point> points;        ///< oldest first
  std::size_t count = 0;            ///< values, gaps not counted
  std::optional<double> average, min, max;
  std::optional<double> p95;  ///< nearest rank: a value that was really there
  std::optional<double> last;
  std::optional<WallTime> oldest;  ///< the oldest value of this series that is still kept
};

/// Keeps the newest samples of every series at full rate.
///
/// Ordered by boot time alone, so that a jump of the wall clock reorders nothing and a night's
/// sleep is a gap. A point's wall time is told from its age: the wall time of the query less the
/// boot time passed since. Values are kept as 4-byte floats (seven digits): 3600 samples of 30
/// series take about 0.5 MiB. Not thread-safe; control thread only.
class History {
 public:
  static constexpr std::size_t kMaxSeries = 200;
  static constexpr std::size_t kHour = 3600;  ///< samples: an hour at one a second

  /// `capacity` samples are kept (at least one); the memory of a series is taken when it appears.
  explicit History(std::size_t capacity);

  /// How many samples to keep where `configured` are wanted: never less than an hour's worth.
  static constexpr std::size_t capacity_for(int configured) {
    return configured > static_cast<int>(kHour) ? static_cast<std::size_t>(configured) : kHour;
  }

  /// Adds one sample. A series not named in it has a gap there; a new name is a new series; one
  /// with no value left in the ring is forgotten. A sample not newer than the last is dropped.
  void push(Instant at, std::span<const Reading> readings);

  /// One series of an earlier run: equally spaced values, where not a number is a gap.
  struct Past {
    std::string_view series;
    std::span<const float> values;
  };
  /// Puts back what an earlier run measured: `past` from `at` on, `step` apart. To be called before
  /// the first push(), else it is dropped as not newer; as is what would not be before `now`.
  void refill(WallTime at, std::chrono::nanoseconds step, std::span<const Past> past, Instant now);

  /// The series over the last `window` before `now` (0: all that is kept), averaged over buckets
  /// of `step` (0: as sampled), which lie at multiples of `step` on the boot clock, so that they
  /// do not wander from query to query. A bucket is dated by its start. A bucket without values
  /// is a gap; a run of buckets without samples is one gap.
  /// Errors: not_found for an unknown name, invalid_request for a negative window or step.
  Result<Series> query(std::string_view name, std::chrono::nanoseconds window,
                       std::chrono::nanoseconds step, Instant now) const;

  std::vector<std::string> names() const;
  std::size_t samples() const { return times_.size(); }
  std::size_t capacity() const { return capacity_; }
  /// Values dropped because there were kMaxSeries series already.
  std::uint64_t overflowed() const { return overflowed_; }
  /// Samples dropped because they were not newer than the last.
  std::uint64_t out_of_order() const { return out_of_order_; }

 private:
  struct Column {
    std::vector<float> values;      // NaN is a gap; as long as the ring
    std::uint64_t last_pushed = 0;  // number of the newest sample with a value
  };
  std::size_t slot(std::size_t age_from_oldest) const;
  void forget_empty();

  std::size_t capacity_;
  std::vector<BootTime> times_;  // grows to capacity_, then a ring
  std::size_t next_ = 0;         // slot of the next sample
  std::uint64_t pushed_ = 0;
  std::map<std::string, Column, std::less<>> columns_;
  std::uint64_t overflowed_ = 0;
  std::uint64_t out_of_order_ = 0;
};

}  // namespace headroom::judge
