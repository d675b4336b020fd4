// `headroom ps`: who uses what.
#pragma once

#include <map>
#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// What narrows and orders the list.
struct PsOptions {
  std::string sort = "mem";  ///< gpu mem cpu
  std::string gpu;           ///< index or UUID; "" = all
  std::string user;          ///< "" = all
  bool unbooked = false;     ///< only what nobody booked
};

/// Holders of leases, then what nobody booked. `command_lines` by pid, where they could be read.
/// Pure.
std::string render_ps(const client::json::value& leases, const client::json::value& room,
                      const std::map<std::int64_t, std::string>& command_lines,
                      const PsOptions& options, const Style& style);

}  // namespace headroom::cli
