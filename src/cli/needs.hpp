// What a command line asks for: --mem 6G --gpu-mem 12G --cpu 4 …
#pragma once

#include <string>

#include <headroom/result.hpp>

#include "cli/options.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// The NEEDS of fit, run, wait and lease add, as typed.
struct NeedsOptions {
  std::string memory, gpu_memory, cpu, disk, disk_path, gpus, gpu, compute;
  bool exclusive = false;

  void add_to(Options& options);
  bool any() const;
};

/// The needs as the API takes them. Sizes may be a percent of capacity: `room` is then the
/// /room document they are of (an empty value where none was read). Fails with `invalid_request`
/// and the flag at fault.
Result<client::json::object> needs_of(const NeedsOptions& options,
                                      const client::json::value& room = {});

/// True when an amount is a percent, so that needs_of wants to know capacities.
bool has_percent(const NeedsOptions& options);

/// Needs or amounts for people: "24.0 GiB GPU memory, 12.0 GiB memory, 4.0 cores".
std::string show_amounts(const client::json::value& amounts);

/// Where a size is from: "learned from 4 runs: 9.2 GiB GPU memory (p95 9.8 GiB)"; "" where nobody
/// says.
std::string show_size(const client::json::value& size);

}  // namespace headroom::cli
