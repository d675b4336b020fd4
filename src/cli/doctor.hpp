// `headroom doctor`: every check, with a fix for each that fails.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// One check: ok, warn (works, but not as meant), absent (this machine cannot) or failed.
struct Check {
  enum class Outcome { ok, warn, absent, failed };
  Outcome outcome = Outcome::ok;
  std::string name;
  std::string text;
  std::string fix;  ///< a command or a step; "" where nothing is to be done
  bool operator==(const Check&) const = default;
};

const char* to_string(Check::Outcome outcome);

/// The checks that the /node document answers: sensors, what the machine cannot, limits. Pure.
std::vector<Check> checks_of_node(const client::json::value& node);

/// Who of the targets in the /config document can be told of alerts, and who not: as the /node
/// document has it since the daemon's start, with `failures` times that somebody was not. Pure.
std::vector<Check> checks_of_telling(const client::json::value& config,
                                     const client::json::value& node,
                                     std::optional<double> failures);

/// The checks that the /snapshot document answers: GPUs, mounts that do not answer, memory nodes.
/// Pure.
std::vector<Check> checks_of_snapshot(const client::json::value& snapshot);

/// One line per check and its fix below it; then how many of each. Pure.
std::string render_checks(const std::vector<Check>& checks, const Style& style);

/// The same as a document: {"items":[{"outcome","name","text","fix"}],"next":null}.
client::json::value checks_document(const std::vector<Check>& checks);

}  // namespace headroom::cli
