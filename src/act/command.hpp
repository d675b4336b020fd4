// A program run for its effect: without a shell, within a time, and gone with all that it started
// in its process group when that is over.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace headroom::act {

struct Command {
  std::vector<std::string> words;        ///< the program (looked for in PATH) and its arguments
  std::vector<std::string> environment;  ///< all of it, as NAME=value
  std::string_view input;                ///< what it may read; one that reads less is no failure
  /// Of what it writes to its output and its errors, so many bytes from the beginning are kept, and
  /// the rest is read and dropped; 0: the output goes nowhere, and its errors where ours go.
  std::size_t output_bytes = 0;
};

/// How it ended.
struct CommandEnd {
  enum class How {
    exited,   ///< with `number`
    killed,   ///< by the signal `number`, which was not ours
    late,     ///< its time was over, and its process group was ended
    not_run,  ///< `why`
  };
  How how = How::not_run;
  int number = 0;
  std::string why;
  std::string output;
};

/// Runs it. Blocks until it ends, and until `deadline` at most, and a second more where the kernel
/// does not let go of it. Any thread. No open file of ours is handed to it.
CommandEnd run_command(const Command& command, std::chrono::steady_clock::time_point deadline);

}  // namespace headroom::act
