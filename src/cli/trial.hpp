// `headroom resource-management test`: a daemon, tried out from end to end.
#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/style.hpp"

namespace headroom::cli {

/// One thing that was tried.
struct Tried {
  bool passed = false;
  std::string name;
  std::string text;  ///< what was seen, or what went wrong and what would help
  bool operator==(const Tried&) const = default;
};

/// "PASS  daemon  answers in 0.3 ms", a line for each, and how many of each. Pure.
std::string render_tried(const std::vector<Tried>& all, const Style& style);

/// Tries a daemon: whether it answers and samples, registers a component of its own, sets its
/// quota, forgets it again, reads the strategy, a forecast, what a cleanup would do, and the
/// metrics. Nothing stays behind. The exit code: 0, 1 where something failed, 6 without a daemon.
int self_test(const Common& common);

}  // namespace headroom::cli
