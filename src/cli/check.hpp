// `headroom check`: one line and an exit code for monitoring systems.
#pragma once

#include <string>

#include "client/json.hpp"

namespace headroom::cli {

/// What monitoring systems know; the number is the exit code.
enum class Outcome { ok = 0, warning = 1, critical = 2, unknown = 3 };

struct CheckOptions {
  std::string resources;  ///< "memory,cpu"; "" = all
  std::string gpu;        ///< index or UUID; "" = all
  double max_age = 10;    ///< seconds; an older sample tells nothing
};

struct CheckDocuments {
  client::json::value snapshot;
  client::json::value pressure;
  client::json::value config;  ///< for the lines in the figures; may be null
};

struct CheckLine {
  Outcome outcome = Outcome::unknown;
  std::string text;  ///< "WARNING - … | memory=71.2%;70;80;0;100", without a line end
};

/// The worst of what was asked for: critical before warning before unknown. Pure.
CheckLine judge_check(const CheckDocuments& documents, const CheckOptions& options);

}  // namespace headroom::cli
