// The command inside a lease: forked first, started later, watched to its end.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <sys/types.h>

#include <headroom/result.hpp>

namespace headroom::cli {

/// What the child needs to become the command.
struct Start {
  std::vector<std::string> argv;                                 ///< not empty
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours
  std::string output_path;  ///< stdout and stderr go to the end of this file; "" = they stay
};

/// Start as bytes for the pipe, and back. Every text ends at its first NUL byte.
std::string pack_start(const Start& start);
/// Empty when the bytes are cut off or none of ours.
std::optional<Start> unpack_start(const std::string& bytes);

/// The signals of a run, blocked and read from a descriptor, so that none is lost between two
/// looks. The signals the caller's parent had ignored stay ignored. One at a time per process; the
/// destructor restores the mask.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }  ///< readable when a signal is there
  struct Taken {
    int number = 0;
    bool from_kernel = false;  ///< the terminal's: the whole foreground group got it
  };
  std::optional<Taken> take();
  /// The mask to run commands under: what it was before.
  const sigset_t& original() const { return original_; }

 private:
  sigset_t original_{};
  int fd_ = -1;
  bool child_was_ignored_ = false;
};

/// A forked copy of this process that waits to become the command. Until start() it does nothing
/// and ends by itself (with code 125) when this process does. Must be made before any thread.
class Child {
 public:
  static Result<Child> fork(const Signals& signals);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// A child that was never started is told to end and is waited for.
  ~Child();

  pid_t pid() const { return pid_; }

  /// Lets it become the command; whether it could is known when it has ended. A child that is gone
  /// by now is no failure here: look() says how it ended.
  void start(const Start& start);

  struct State {
    bool ended = false;
    int status = 0;      ///< as wait() gives it, once ended
    int stopped_by = 0;  ///< the signal that stopped it since the last look; 0 = none
    int exec_error = 0;  ///< the errno of a command that could not be run, once ended; 0 = it ran
  };
  /// What has become of it, without waiting.
  State look();
  void signal(int number) const;

 private:
  Child(pid_t pid, int go, int report) : pid_(pid), go_(go), report_(report) {}

  pid_t pid_ = -1;
  int go_ = -1;      ///< write end: the start
  int report_ = -1;  ///< read end: the errno of a failed exec
  bool ended_ = false;
  int status_ = 0;
  int exec_error_ = 0;
};

/// The exit code of the command's end: its own, or 128 + the signal.
int code_of(int wait_status);

}  // namespace headroom::cli
