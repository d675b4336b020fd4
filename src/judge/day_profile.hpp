// The course of the last days of a series, in a third of a kilobyte.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace headroom::judge {

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"  // a part of Anomaly's state
/// The means of each half hour of the last week of days, in bytes: as steps of a sixteenth of the
/// spread of the series around its median, both of which may move.
class DayProfile {
 public:
  static constexpr int kSlots = 48;
  static constexpr int kDays = 7;

  DayProfile();
  /// The mean of the same half hour of an earlier day that is nearest to `value`; empty before two
  /// days. What lay further than eight spreads from the median is taken to have lain there.
  std::optional<double> nearest(int slot, double value) const;
  /// Takes a value of `slot` (0 to kSlots - 1) of a series with this median and spread (1e-30 to
  /// 1e31).
  void add(int slot, double value, double median, double spread);
  bool valid() const;

 private:
  void close_slot(double median, double spread);
  void move_grid(double median, double spread);

  double centre_ = 0;
  double mean_ = 0;          // of the slot under way
  float grid_ = 0;           // 0: nothing was kept yet
  std::uint16_t count_ = 0;  // in mean_; 65 535 at most
  std::int8_t slot_ = -1;
  std::uint8_t unused_ = 0;
  std::array<std::array<std::int8_t, kDays>, kSlots> past_;  // newest first
};
#pragma GCC diagnostic pop

}  // namespace headroom::judge
