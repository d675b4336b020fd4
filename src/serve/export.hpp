// Everything for a report of a mistake, in one document, without secrets.
#pragma once

#include <vector>

#include "serve/backend.hpp"
#include "serve/json.hpp"
#include "serve/user_names.hpp"

namespace headroom::serve {

class Schemas;

/// The node, its last sample, room, pressure, alerts, leases, settings without secrets and the
/// newest thousand events.
void write_export(Json& json, Backend& backend, UserNames& names);

/// The settings with addresses that may hold a secret removed: where alerts are sent, and what
/// stands before the @ of a URL.
std::vector<Setting> without_secrets(std::vector<Setting> settings);

/// Adds "Export".
void describe_export(Schemas& all);

}  // namespace headroom::serve
