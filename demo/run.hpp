// Runs the jobs for real: bare, and under headroom. Reads the machine and the clock.
#pragma once

#include <csignal>
#include <string>

#include <headroom/result.hpp>

#include "demo/group.hpp"
#include "demo/optimum.hpp"
#include "demo/view.hpp"

namespace headroom::demo {

/// The programs the demo starts.
struct Programs {
  std::string job;
  std::string daemon;
  std::string command;
};

/// Where progress is shown. One thread.
class Display {
 public:
  /// `live`: redraws a screen; else one line for each happening.
  Display(bool live, Colour colour) : live_(live), colour_(colour) {}
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;
  ~Display() { clear(); }

  void draw(const Instance& instance, const Frame& frame);
  void tell(const Happening& happening);
  /// Takes the screen away and shows the cursor again; nothing when there is no screen.
  void clear();

 private:
  bool live_;
  Colour colour_;
  bool drawn_ = false;
};

/// SIGINT, SIGTERM, SIGHUP and SIGCHLD as something to wait for. Blocks them for the process as
/// long as it lives.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Waits until a signal comes or the time is over. Afterwards `interrupted` may be true.
  void wait_ms(int milliseconds);
  /// A person or the system asked the demo to end.
  bool interrupted() const { return interrupted_; }
  /// Puts the former mask back; for a child between fork and exec.
  void restore() const;

 private:
  sigset_t former_{};
  int file_ = -1;
  bool interrupted_ = false;
};

/// What both phases need.
struct Stage {
  const Instance& instance;
  const Schedule& optimum;
  const Programs& programs;
  const LimitedGroup& group;
  std::string dir;  ///< of this phase, writable and empty
  Signals& signals;
  Display& display;
};

/// All jobs at once. A killed job is started again up to three times, a second later each, and
/// resumes from its checkpoint. Fails when a process cannot be started, or when interrupted.
Result<Outcome> run_bare(const Stage& stage);

/// A daemon of its own in the group, and `headroom run` for each job in the order of the
/// instance; nothing is started twice. Fails when the daemon does not come up, or when
/// interrupted.
Result<Outcome> run_headroom(const Stage& stage);

}  // namespace headroom::demo
