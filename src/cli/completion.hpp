// `headroom completion`: what a shell needs to complete our words.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/options.hpp"

namespace headroom::cli {

/// Where a shell finds what may stand at a place. Empty and `none`: nothing is known.
struct Candidates {
  enum class Kind { none, leases, models, components, alerts, gpus, settings, users, files };
  Kind kind = Kind::none;
  std::vector<std::string> words;  ///< a closed list
};

/// A command as completion sees it: from the table of commands, and from what the command says of
/// its words and options.
struct Shape {
  struct Verb {
    std::string word;  ///< "show"
    Candidates after;
  };
  struct Option {
    std::vector<std::string> names;  ///< "-n", "--limit"
    std::string about;
    bool takes_value = false;
    Candidates values;
  };
  std::string name;
  std::string plural;  ///< or empty
  std::string about;
  std::vector<Verb> verbs;
  Candidates words;  ///< where there are no verbs
  std::vector<Option> options;
  std::size_t own = 0;  ///< so many of `options` are the command's own
  bool runs_command = false;
};

/// All commands. Asks each for its options.
std::vector<Shape> shapes();

/// The script for a shell: "bash", "zsh" or "fish"; empty for another. Pure.
std::string completion_for(const std::string& shell, const std::vector<Shape>& shapes);

}  // namespace headroom::cli
