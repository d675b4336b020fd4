// The terminal itself, taken over for a full-screen command and given back on every way out.
#pragma once

#include <string_view>
#include <utility>

#include <headroom/result.hpp>

namespace headroom::cli {

/// The terminal on stdin and stdout in raw mode on its alternate screen. One at a time. It is given
/// back by the destructor, by exit(), and by the signals that end or stop a process: SIGINT,
/// SIGTERM, SIGHUP, SIGQUIT, SIGTSTP and the signals of a crash. Belongs to the main thread.
class ScreenTerminal {
 public:
  /// Fails with `invalid_request` when stdin or stdout is no terminal.
  static Result<void> check();

  /// REQUIRES: check() succeeded. `mouse`: the wheel is reported.
  explicit ScreenTerminal(bool mouse);
  ~ScreenTerminal();
  ScreenTerminal(const ScreenTerminal&) = delete;
  ScreenTerminal& operator=(const ScreenTerminal&) = delete;

  /// Columns and rows; 80 by 24 when the terminal does not say.
  static std::pair<int, int> size();

  /// Writes all of it; false when the terminal has gone.
  static bool write(std::string_view bytes);

  /// Readable when a signal came.
  int fd() const;

  /// What the signals since the last call ask for. Stopping (SIGTSTP) happens inside: it returns
  /// after SIGCONT, with `redraw`.
  struct Asked {
    int end = 0;          ///< the signal to end by, or 0
    bool redraw = false;  ///< the size may have changed, or the screen was somebody else's
  };
  Asked signals();

  /// Gives the terminal back and ends this process by `signal`, as if it had not been caught.
  [[noreturn]] static void end_by(int signal);
};

}  // namespace headroom::cli
