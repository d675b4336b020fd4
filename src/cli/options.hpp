// The options of one command. Only the command in use builds its parser; CLI11 stays in
// options.cpp.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>

#include "cli/style.hpp"

namespace headroom::cli {

using Words = std::vector<std::string>;

/// The flags that every command takes.
struct Common {
  Output output = Output::table;
  std::optional<std::chrono::milliseconds> watch;  ///< empty: once
  bool quiet = false;
  bool verbose = false;
  std::string color = "auto";  ///< auto always never
  bool bytes = false;
  bool no_header = false;
  std::optional<std::chrono::milliseconds> timeout;  ///< empty: 5 s for one answer
  bool local = false;                                ///< do not ask the daemon
  std::string url;                                   ///< of the daemon

  std::chrono::milliseconds answer_within() const {
    return timeout.value_or(std::chrono::milliseconds(5000));
  }
};

/// One option of a command, as it is declared.
struct Described {
  std::string names;  ///< "-q,--quiet"
  std::string about;
  bool takes_value = false;
};

/// What a command takes: from it come --help, --help-json and the completions of shells.
struct Description {
  std::string usage;  ///< "alert [ls|show ID|ack ID]"
  std::vector<Described> options;
  std::size_t own = 0;        ///< so many of `options` are the command's; the others are everywhere
  bool runs_command = false;  ///< the words after its options are another command
};

/// What `command` says of itself: of it only the declarations of its options are run. Empty for one
/// that takes no options.
Description describe(int (*command)(Words words));

/// How output looks now: asks the terminal of `stream`, NO_COLOR and the wall clock.
Style style_for(const Common& common, std::FILE* stream);

class Options {
 public:
  /// `help` is what --help prints before the list of options; it starts with examples.
  Options(std::string command, std::string help);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  /// Names as in "-q,--quiet".
  void flag(const std::string& names, bool& to, const std::string& about);
  void value(const std::string& names, std::string& to, const std::string& about);
  /// The words that are no options, at most `most`; what they are called in messages.
  void words(const std::string& name, Words& to, int most);
  /// What -o may be given beside table and wide, such as "json|jsonl": anything else is refused
  /// when it is given, and passed over when HEADROOM_OUTPUT says it. Without this: every output.
  void outputs(std::string_view words);
  /// Everything from the first word that is no option, or after "--", belongs to a command.
  void command(Words& to);

  /// Parses. Empty: go on. Else the command is over with this exit code, and what was to be said
  /// (help, or the mistake with the nearest right word) has been said.
  std::optional<int> parse(Words args, Common& common);

 private:
  struct Parser;
  std::optional<int> wrong(const std::string& what, const std::string& why) const;
  std::string unknown_option(const std::string& option) const;
  bool has_output(const std::string& output) const;

  std::string command_;
  std::string help_;
  std::unique_ptr<Parser> parser_;
  std::optional<std::string> outputs_;
  Words* command_words_ = nullptr;
  Words* words_ = nullptr;
  std::size_t most_words_ = 0;
};

/// The exit code of a failure, as the table in `headroom help` has it.
int exit_code(ErrorKind kind);

/// Says a failure on stderr in its three parts and returns its exit code.
int report(const Error& error);

/// What report() writes: "headroom: what", then the why and "try: " lines, indented.
std::string render_error(const Error& error);

/// Runs `once` and, with --watch, again and again until it returns something but 0. On a terminal
/// each picture replaces the last one.
int repeat(const Common& common, const std::function<int()>& once);

}  // namespace headroom::cli
