// In which hours of the day a series is usually high, and in which low.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

namespace headroom::judge {

/// The mean of each hour of the day over about the last week. 24 numbers and their ages; nothing is
/// allocated. Trivially copyable, so that it can be saved. Not thread-safe.
class HoursOfDay {
 public:
  static constexpr int kHours = 24;

  /// Three hours on end.
  struct Stretch {
    int from = 0;  ///< 0 to 23
    int to = 0;    ///< 0 to 23; not above `from`: on the next day
    double mean = 0;
  };
  struct Told {
    Stretch peak, quiet;
    int days = 0;  ///< of the hour that was seen least often
  };

  /// Feeds a value of the hour that the clocks show. Not finite: ignored. REQUIRES: 0 <= hour < 24.
  void push(int hour, double value);

  /// The three hours with the highest mean and those with the lowest. Empty until every hour was
  /// seen on three days, and where the day has no shape: the peak less than half as high again as
  /// the quiet hours, or less than ten above them.
  std::optional<Told> told() const;

  std::string save() const;
  /// Errors: invalid_request when `bytes` are no such state.
  static Result<HoursOfDay> restore(std::string_view bytes);

 private:
  std::array<float, kHours> means_{};
  std::array<std::uint8_t, kHours> days_{};  // up to kWeek
  double sum_ = 0;                           // of the hour in hand
  std::uint32_t count_ = 0;
  std::int32_t hour_ = -1;
};

}  // namespace headroom::judge
