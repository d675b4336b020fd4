// The paths and shapes that the specification documents promise, kept exactly.
#pragma once

#include <string>

#include "serve/backend.hpp"
#include "serve/json.hpp"

namespace headroom::serve {

void write_monitoring_status(Json& json, const View& view, bool with_time);
void write_monitoring_report(Json& json, Backend& backend);
void write_monitoring_history(Json& json, Backend& backend, std::chrono::seconds window);
/// One alert in the shape of the specification.
void write_monitoring_alert(Json& json, const Alert& alert);

enum class ResourcePath { cpu, memory, gpu, network, all };
void write_resources(Json& json, const View& view, ResourcePath path, WallTime now);

}  // namespace headroom::serve
