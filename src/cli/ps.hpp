// `headroom ps`: who uses what.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// What narrows and orders the list.
struct PsOptions {
  std::string sort = "gpu";  ///< gpu mem cpu io; equal ones by memory
  bool all = false;          ///< not only those that matter
  std::size_t most = 0;      ///< rows; 0 = no bound but what matters
  std::string gpu = {};      ///< of what no process accounts for: only this device's; "" = all
  bool rest = true;          ///< show what no process accounts for
  bool some = false;         ///< only some were asked for: the others are no "more" of them
};

/// The processes of GET /api/v1/processes that matter: those that hold GPU memory, those that run
/// under a lease, and the twenty largest by memory and by CPU; then the GPU memory that no process
/// accounts for, and how many more there are. Pure.
std::string render_ps(const client::json::value& processes, const PsOptions& options,
                      const Style& style);

}  // namespace headroom::cli
