// The history of this machine: every series in three tiers, in memory and on disk.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>

#include "record/block.hpp"
#include "record/database.hpp"
#include "record/tier.hpp"

namespace headroom::record {

/// A value of a series; one that is not finite is a gap.
using Named = std::pair<std::string, double>;

/// A series over a stretch of time. The statistics are over what the tier holds: least and largest
/// are those of single samples, average and p95 those of its slots. Empty where nothing is known.
struct Series {
  std::chrono::milliseconds step{};  ///< between points
  /// Oldest first; dated by the begin of their slot. A run of gaps is one point without a value.
  std::vector<std::pair<WallTime, std::optional<double>>> points;
  std::optional<double> average, least, largest;
  std::optional<double> p95;  ///< nearest rank
  std::optional<double> last;
  std::optional<WallTime> oldest;  ///< how far back this series reaches at all
};

/// The newest stretch of all series at full rate.
struct Recent {
  WallTime at{};
  std::chrono::milliseconds step{1000};
  struct Past {
    std::string name;
    std::vector<float> values;  ///< not a number is a gap; all are as long
  };
  std::vector<Past> series;
};

struct HistoryOptions {
  std::chrono::milliseconds step{1000};  ///< of the first tier: sample.interval
  std::chrono::hours keep{720};          ///< of the last tier; 0 = no history
  std::chrono::hours keep_fine{1};
  std::chrono::hours keep_middle{24};
};

/// Keeps what was measured: `step` for an hour, 10 s for a day, 5 min for `keep`; the coarser
/// tiers with average, least and largest of each slot.
///
/// **Time** is a grid of slots on the wall clock, one value each, and what is written later wins:
/// after a jump back of the clock the stretch that is lived twice is kept once, as it was the
/// second time; a jump forward is a gap. Samples come in the order of boot time; one that does not
/// is dropped. A slot that a sample missed by running late (less than one and a half step after the
/// one before) takes that sample's value, so that a timer's drift leaves no gaps.
///
/// **What is on disk.** Samples are sealed into a block once a minute, in one transaction; once an
/// hour these blocks go into the tiers. A daemon that is killed loses the minute in hand, one that
/// is stopped loses nothing. While the database cannot be used, or is full, the newest three hours
/// stay in memory and are written as soon as it can.
///
/// **Bounds.** 500 series: when they are all in use a new one is refused and counted, else the one
/// that was quiet longest gives way. Whatever does not fit the database's budget goes by age,
/// finest tier first. What ages out goes no faster than time passes (two spans of a tier in each
/// span), so that a clock that is wrong for a while does not empty a tier.
///
/// Not thread-safe; `database` must outlive it.
class History {
 public:
  static constexpr std::size_t kSeries = 500;
  static constexpr std::size_t kPoints = 11000;  ///< of one answer at most

  History(Database& database, const HistoryOptions& options);

  /// Takes the samples of one instant.
  void append(Instant at, std::span<const Named> values);
  /// Writes what is sealed and not on disk yet, and what is due once an hour. True when all is.
  bool store();
  /// Seals the minute in hand too, and stores: for a clean stop.
  bool finish();

  /// The series between two times, from the finest tier that reaches back to `from`; `step` 0 is
  /// as that tier has it. The step is made larger where it is finer than the tier or would give
  /// more than kPoints. Errors: not_found for an unknown name; invalid_request where `to` is not
  /// after `from`, or a step is negative or above a week.
  Result<Series> query(std::string_view name, WallTime from, WallTime to,
                       std::chrono::milliseconds step);
  /// The last `window` before `to` at full rate, of every series that has a value in it.
  Recent recent(WallTime to, std::chrono::milliseconds window);
  std::vector<std::string> names() const;
  /// The oldest value of a series.
  std::optional<WallTime> oldest(std::string_view name);

  /// Values dropped because there were kSeries series, and samples because they were not newer.
  std::uint64_t overflowed() const { return overflowed_; }
  std::uint64_t out_of_order() const { return out_of_order_; }
  /// Stretches that were lost because neither disk nor memory had room.
  std::uint64_t dropped() const { return dropped_; }
  /// Blocks or parts of them that could not be read, since the start.
  std::uint64_t damaged() const { return damaged_; }

 private:
  struct Known {
    SeriesId id = 0;
    bool stored = false;
    std::uint64_t seen = 0;  // number of the last sample with a value
    std::optional<Millis> oldest;
  };
  // A block as it came, kept until it goes into the tiers.
  struct Fresh {
    std::int64_t row = 0;  // 0: not on disk
    Millis at = 0;
    Millis until = 0;
    std::string data;
    BlockHead head;  // of data
  };
  // The minute in hand.
  struct Open {
    Millis at = 0;
    std::size_t slots = 0;  // used of each column
    std::map<SeriesId, std::vector<double>> columns;
  };

  void load();
  bool ready();
  Known* known(std::string_view name);
  void seal();
  static Fresh made(const BlockMaker& maker, Millis at, Millis until);
  bool store_fresh();
  bool into_tiers();
  bool rewrite(std::size_t tier, Millis span_at, std::span<const Fresh> taken);
  void age_out();
  void forget_series();
  bool make_room(std::int64_t bytes);
  const Tier& tier(std::size_t number) const { return tiers_[number - 1]; }
  Millis open_most() const;

  std::optional<BlockHead> head_of(Database::Parts& parts);
  void read_into(std::size_t tier_number, SeriesId id, Grid& grid);
  std::optional<Grid> fresh_part(const Fresh& fresh, SeriesId id);
  std::vector<Grid> pieces(SeriesId id, std::span<const Fresh> some, const Grid& within);
  void fill(std::size_t tier_number, SeriesId id, Grid& grid);
  const Tier& fitting(Millis from, Millis to, Millis step, std::size_t& number) const;

  Database& database_;
  HistoryOptions options_;
  std::array<Tier, 3> tiers_;
  int opened_ = 0;  // of the database, when it was last read
  std::map<std::string, Known, std::less<>> series_;
  SeriesId next_id_ = 1;
  std::vector<Fresh> fresh_;  // in the order they were written
  std::optional<Open> open_;
  std::optional<Instant> last_;
  std::array<BootTime, 3> aged_{};  // when each tier last let go of what is too old
  std::uint64_t samples_ = 0;
  std::uint64_t overflowed_ = 0;
  std::uint64_t out_of_order_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t damaged_ = 0;
};

}  // namespace headroom::record
