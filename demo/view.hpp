// What the demo shows: pure functions from what has happened to text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "demo/instance.hpp"

namespace headroom::demo {

enum class JobState { waiting, running, pausing, done, failed };

/// One job as it stands now.
struct JobProgress {
  JobState state = JobState::waiting;
  double done_s = 0;  ///< work that counts at this moment
  int kills = 0;
};

/// Something that happened to a job, or to the whole run when `job` is empty.
struct Happening {
  enum class Kind { started, resumed, killed, failed, done, note };
  double at_s = 0;
  Kind kind = Kind::note;
  std::string job;
  double seconds = 0;  ///< resumed: work it resumes from; killed: work lost
  std::string text;    ///< failed and note: what to say
};

/// A phase at one moment, as the screen shows it.
struct Frame {
  std::string title;
  double elapsed_s = 0;
  std::vector<JobProgress> jobs;  ///< in the order of the instance
  std::vector<int> used_mib;      ///< memory of the group, every kSampleMs
};
constexpr int kSampleMs = 100;

/// What one phase came to.
struct Outcome {
  std::string phase;  ///< "bare" or "headroom"
  int jobs = 0;
  int completed = 0;
  int killed_jobs = 0;  ///< jobs that were killed at least once
  int kills = 0;        ///< attempts that were killed
  double lost_s = 0;    ///< work of killed attempts since their last checkpoint
  double useful_s = 0;  ///< work of the jobs that completed
  double time_s = 0;    ///< from the first start to the last end
  int optimum_s = 0;    ///< the certified optimum for all jobs
  int peak_mib = 0;     ///< highest memory of the group that was seen
  int limit_mib = 0;
  long kernel_kills = 0;  ///< by the kernel's own count, where it has one for the group
  std::vector<int> used_mib;
  std::vector<std::string> gave_up;  ///< jobs killed too often
  std::vector<std::string> trouble;  ///< jobs that failed otherwise, and why, one line each
  /// Time against the certified optimum; empty when not all jobs completed, for then less was
  /// done and the two times are not comparable.
  std::optional<double> against_optimum() const;
  /// Lost work over useful work; empty when nothing was useful.
  std::optional<double> lost_ratio() const;
};

/// Whether to colour. Everything else is the same with and without.
enum class Colour : bool { off, on };

/// One line (with its newline) for a pipe.
std::string plain_line(const Happening& happening);

/// The whole screen: kScreenRows lines of at most kScreenColumns cells, each ended by a newline
/// but the last.
std::string screen(const Instance& instance, const Frame& frame, Colour colour);
constexpr int kScreenRows = 24;
constexpr int kScreenColumns = 80;

/// The end: memory over time for each phase, a table, and a sentence for each.
std::string report(const std::vector<Outcome>& outcomes, Colour colour);

/// The outcome as one JSON object on one line.
std::string to_json(const Outcome& outcome);

}  // namespace headroom::demo
