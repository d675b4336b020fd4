// `headroom`: one screen.
#pragma once

#include <string>

#include "cli/source.hpp"
#include "cli/style.hpp"
#include "client/json.hpp"

namespace headroom::cli {

/// What the daemon answers for one screen. `alerts` and `leases` are empty values where only a
/// daemon would know them.
struct StatusDocuments {
  client::json::value node;
  client::json::value snapshot;
  client::json::value alerts;
  client::json::value leases;
};

/// The screen. Pure.
std::string render_status(const StatusDocuments& documents, const Style& style);

/// "room = 80.0 − 0.6 reserve − 63.1 booked − 0.4 unbooked − 0.5 margin": how the room of one item
/// came about; where room is none, the two-sided form that names what is short. Pure.
std::string render_sum(const client::json::value& item, const Style& style);

/// Asks for what one screen shows and prints it; the exit code.
int show_status(const Common& common, Source& source);

}  // namespace headroom::cli
