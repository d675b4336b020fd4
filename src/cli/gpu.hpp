// `headroom gpu`: the devices.
#pragma once

#include <string>

#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// All devices of a snapshot, one line each; where there are none, why. Pure.
std::string render_gpus(const client::json::value& snapshot, const client::json::value& node,
                        const Style& style);

/// One device with all that is known of it, its slices and its processes (the answer of
/// GET /api/v1/processes; null: not known). Pure.
std::string render_gpu(const client::json::value& snapshot, const client::json::value& gpu,
                       const client::json::value& processes, const Style& style);

/// The device of a snapshot by its index ("0", "gpu0") or UUID; nullptr where there is none.
const client::json::value* find_gpu(const client::json::value& snapshot, const std::string& id);

}  // namespace headroom::cli
