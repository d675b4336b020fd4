// The ladder: what is done about memory that runs short, step by step, and undone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/pressure.hpp>

namespace headroom::decide {

/// What one look at the machine says about memory. Shares are percent.
struct Strain {
  std::optional<double> used;  ///< of what there is, reclaimable cache counted as free
  std::optional<double> some;  ///< of the last 10 s, some process waited for memory
  std::optional<double> full;  ///< of the last 10 s, all that could run did
  /// Until it is full, at the speed at which it fills; empty: it does not fill, or nobody knows.
  std::optional<std::chrono::nanoseconds> full_in;
  /// A second sign that memory is short: stalls alone may have another cause.
  bool witness = false;
};

/// Why the ladder is where it is: the sign, what it says and the line that it crossed.
struct StepCause {
  const char* sign = "";  ///< "used", "some", "full", "full_in"
  double value = 0;       ///< percent, or seconds
  double line = 0;
};

/// Climbs at once to the highest step whose line is crossed; comes down one step at a time, each
/// after it has been calm for the step's own time. What is not known, or a gap between two looks,
/// takes it no step down. So for any input whatever it comes down at most once in the least of
/// these times, and where the input stays it does too.
/// Time is passed in. Not thread-safe. Lines: `PRESSURE`'s table (docs/pressure.md has them).
class Ladder {
 public:
  /// The lines of one step.
  struct Lines {
    double enter = 0;  ///< used
    double leave = 0;
    std::chrono::milliseconds calm{0};     ///< below `leave` for so long
    std::chrono::milliseconds full_in{0};  ///< counts only from `leave` on; 0: does not count
    std::optional<double> some, full;      ///< with a witness
  };
  static const Lines& lines(Step step);
  /// Longer than this between two looks: it was not calm in between, as far as anybody knows.
  static constexpr std::chrono::seconds kGap{10};

  /// The highest step that may be taken.
  void limit(Step most);
  /// Takes one look in; the step it is on from now.
  Step update(const Strain& strain, BootTime at);
  Step step() const { return step_; }
  /// Of the last step up.
  const StepCause& cause() const { return cause_; }
  /// Since when all says that it may come down; empty: not all does.
  const std::optional<BootTime>& calm_since() const { return calm_since_; }

 private:
  std::optional<StepCause> crossed(Step step, const Strain& strain) const;

  Step most_ = Step::freeze;
  Step step_ = Step::watch;
  StepCause cause_;
  std::optional<BootTime> calm_since_;
  std::optional<BootTime> last_;
};

/// Who runs on when memory runs short.
struct Runner {
  LeaseId lease = 0;
  std::int64_t measured = 0;  ///< bytes
  std::int64_t booked = 0;
  std::int64_t most = 0;  ///< what holds it: its fence, else its booking, or what it has if more
  bool over = false;      ///< it has more than it booked
  bool held = false;      ///< over, and nothing but its end or a freeze keeps it from growing
  Priority priority = Priority::normal;
  BootTime granted{};
};
/// In the order in which they run on: those within their booking before the others, then the higher
/// class, then the older.
std::vector<Runner> in_order(std::vector<Runner> runners);
/// Those who must stop, in the order in which they should: with the others running on, everybody
/// may take all that was promised to him, and it fits. `available`: bytes that may still be taken.
/// The first of the order always runs on, whoever it is: somebody has to end.
std::vector<LeaseId> who_stops(std::vector<Runner> runners, std::int64_t available);

}  // namespace headroom::decide
