// How unlike its own past a series is, told sample by sample from a bounded memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "judge/day_profile.hpp"
#include "judge/rarity.hpp"

namespace headroom::judge {

/// What is unlike the past.
enum class AnomalyReason : std::uint8_t {
  none,
  spike,            ///< far above the level of the last hours, and that level has not followed
  dip,              ///< far below it
  level_shift,      ///< the level itself has moved
  volatility,       ///< steps between samples are larger, or rarer in kind, than they were
  flat_line,        ///< the series moves less than it ever did
  unusual_pattern,  ///< a value that is not far off, but not seen before, or not at this time of
                    ///< day
};
/// The reason as it is shown: "level_shift".
std::string_view name_of(AnomalyReason reason);

/// How loud a series may be. Scores are compared with `threshold`; the other two bound the alerts.
struct AnomalySettings {
  double threshold = 0.5;  ///< in (0, 1): the least score that may alert
  /// The alert rate that is aimed at when a series would alert more often: see Anomaly.
  double alerts_per_day = 0.5;
};

/// What one sample says.
struct AnomalyVerdict {
  /// [0, 1), higher is rarer; 0 while the series is being learnt and while a higher score was told
  /// shortly before. At 0.5 one of the ways of looking saw what it sees once in 3000 rows of five
  /// minutes.
  double score = 0;
  AnomalyReason reason = AnomalyReason::none;  ///< also told while a score is muted
  bool alert = false;                          ///< somebody should be told now
  /// Where all but about one sample in 200 lay, around the level of the last hours. Empty while
  /// learning.
  std::optional<double> lo, hi;
};

// States are saved as they lie in memory: every byte is one of a member.
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
/// The anomaly score of one series.
///
/// Samples of any period from a second to a day go in; what comes faster than about once a minute
/// is judged as means of a minute (the score then holds until the next). Each row is looked at in
/// several ways: its distance from the level of the last hours, how still the series has become,
/// the same half hour of the last seven days, and how seldom such a value, step or distance was
/// seen. Each way tells the probability of what it sees from the series' own past, so that no scale
/// is needed and a way that cries often counts little; the rarest decides. After a score, only a
/// higher one is told for 4 % of the rows seen (10 to 250 rows).
///
/// Quiet by default: an alert needs the threshold and a bar that is learnt: every alert raises it,
/// and it sinks so slowly that in the long run no series alerts more often than
/// `alerts_per_day`, whatever it does.
///
/// Time is passed in. Boot time counts; wall time only tells the hour of the day. A gap (ten
/// periods) or a boot time that goes backwards forgets the last row but not what was learnt; a step
/// of the wall clock by half an hour forgets the days. A value that is not finite is a gap. Less
/// than a kilobyte, and half a microsecond a row; allocates nothing. Trivially copyable. Not
/// thread-safe.
class Anomaly {
 public:
  Anomaly() = default;

  /// Feeds the value seen at `at` and tells how unusual it is.
  AnomalyVerdict update(Instant at, double value, const AnomalySettings& settings = {});

  /// The rows that were judged since the series began, at most 2^31.
  std::uint32_t rows() const { return rows_; }

  /// The state as bytes, for the same build on the same kind of machine.
  std::string save() const;
  /// Takes a state up again; the next update() tells the time between by the wall clock.
  /// Errors: invalid_request when `bytes` are no such state, or a damaged one.
  static Result<Anomaly> restore(std::string_view bytes);

 private:
  struct Row;
  void resume(Instant at);
  void learn_period(double seconds);
  bool minute_is_full() const;
  AnomalyVerdict judge(Instant at, double value, const AnomalySettings& settings);
  Row look(Instant at, double value);
  double surprise_of(const Row& row, bool& still);
  double weigh_age(double surprise) const;
  double tell(double surprise);
  AnomalyReason reason_of(const Row& row, bool still) const;
  void follow(double value);
  bool alerts(double surprise, double days, const AnomalySettings& settings);
  void give_range(AnomalyVerdict& verdict) const;
  bool valid() const;

  MagnitudeHistogram far_, still_, other_day_;
  NoveltyHistogram new_value_, new_step_, new_far_;
  DayProfile days_;

  double last_ = 0;  // the row before
  double fast_ = 0;  // levels, over 4, 12 and 288 rows
  double level_ = 0;
  double slow_ = 0;
  double median_ = 0;                   // of all rows, slowly following
  double minute_mean_ = 0;              // of the samples that wait for their minute to be full
  std::int64_t sample_ns_ = 0;          // boot time of the last sample
  std::int64_t wall_less_boot_ns_ = 0;  // then
  float spread_ = 0;                    // mean distance from median_
  float moves_ = 0;                     // mean step, over 12 rows
  float usual_moves_ = 0;               // and over 1000
  float period_s_ = 0;                  // of the samples; 0: one or none was seen
  float minute_age_s_ = 0;              // of minute_mean_, at the last sample
  float row_age_s_ = 0;                 // of the last row, at the last sample; < 0: of another boot
  float told_ = 0;  // the last surprise that was told, in force while muted; 0: none
  float bar_ = 0;   // learnt: what an alert needs above the threshold
  float held_score_ = 0;
  std::uint32_t rows_ = 0;
  std::uint16_t told_rows_ = 0;     // since told_ was, these three at most what they hold
  std::uint16_t minute_count_ = 0;  // samples in minute_mean_
  std::uint8_t samples_ = 0;
  AnomalyReason held_reason_ = AnomalyReason::none;
  std::uint8_t resumed_ = 0;  // restored: boot time may have started anew
  std::uint8_t unused_ = 0;
};
#pragma GCC diagnostic pop

}  // namespace headroom::judge
