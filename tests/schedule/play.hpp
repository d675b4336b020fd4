// Plays a set of jobs through the real control machine, on a machine that does what it is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/control.hpp"
#include "instance.hpp"

namespace headroom::schedule {

/// One job as it is submitted and as it turns out.
struct Submission {
  Job job;  ///< what it takes, and how long
  std::string name;
  std::int64_t said_memory = 0;  ///< MiB; 0: it does not say
  std::int64_t said_gpu = 0;
  std::int64_t said_seconds = 0;
  std::int64_t after_ms = 0;  ///< asked this long after the first one
  uid_t owner = 1000;
  Priority priority = Priority::normal;
  bool silent = false;  ///< says no size at all: what the name has learned counts
};

/// Foretold starts beside the real ones, in milliseconds: above 0 is later than it was told.
struct Foretold {
  std::vector<std::int64_t> asked;  ///< as it was told when it asked
  std::vector<std::int64_t> first;  ///< as it stood, every look, for the first in the order
  std::vector<std::int64_t> all;    ///< the same for everybody who waits
  std::size_t unknown = 0;          ///< waiters that were told no time when they asked
};

struct Played {
  std::int64_t makespan_ms = 0;         ///< from the moment the machine was there for them
  std::vector<std::int64_t> starts_ms;  ///< of each submission, from that moment; −1: never
  std::vector<std::int64_t> waits_ms;   ///< from its asking to its start
  Foretold foretold;
  std::size_t refused = 0;
  std::string broken;  ///< what must not be: more running than there is, or jobs that never start
};

/// A control machine with one simulated node. Sets of jobs can follow one another: what their names
/// have learned stays.
class Stage {
 public:
  /// Reads the machine every `every`, and at once when it is asked to.
  explicit Stage(const Box& box, std::chrono::milliseconds every = std::chrono::seconds(2),
                 Config config = plain());
  /// No margins: all that can be booked is the box.
  static Config plain();

  /// Submits all of them and goes on until the last has ended. With `gate`, everything is taken for
  /// ten seconds first, so that all of them wait when the machine becomes free; without it the
  /// first ones start as they ask.
  Played play(const std::vector<Submission>& submissions, bool gate);

  control::Control& control() { return control_; }
  /// Milliseconds since boot.
  std::int64_t now() const { return now_; }

 private:
  struct Run {
    int submission = -1;  // −1: the gate
    std::int64_t ends = 0;
    Job job;
  };
  struct Look {
    int submission;
    std::int64_t told;  // milliseconds since boot
    bool first;
  };

  Instant instant() const;
  void apply(const Event& event);
  void carry_out(const Effects& effects);
  void read();
  void look();
  void submit(const std::vector<Submission>& submissions, int index);

  control::Control control_;
  Box box_;
  Sample sample_;
  std::int64_t now_ = 1000;
  std::optional<std::int64_t> read_at_;
  std::int64_t every_;
  std::int64_t next_read_ = 0;
  RequestId request_ = 0;
  pid_t next_pid_ = 100;

  const std::vector<Submission>* submissions_ = nullptr;
  Played* played_ = nullptr;
  std::map<LeaseId, int> waiting_;  // and which submission each is
  std::map<LeaseId, Run> running_;
  std::map<LeaseId, uid_t> ended_;  // not yet told how
  std::map<LeaseId, pid_t> pids_;
  std::vector<Look> looks_;
  std::vector<std::int64_t> asked_at_;
  std::vector<std::optional<std::int64_t>> told_;
};

}  // namespace headroom::schedule
