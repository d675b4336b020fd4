// The paths and shapes that the specification documents promise, kept exactly.
#pragma once

#include <string>

#include <headroom/process.hpp>

#include "serve/backend.hpp"
#include "serve/json.hpp"

namespace headroom::serve {

class Schemas;

/// `process`: whose memory "process" means; null: that of all leases.
void write_monitoring_status(Json& json, const View& view, const ProcessReading* process);
void write_monitoring_report(Json& json, Backend& backend);
void write_monitoring_history(Json& json, Backend& backend, std::chrono::seconds window);
void write_monitoring_alerts(Json& json, const std::vector<Alert>& alerts);
void write_monitoring_cleanup(Json& json, const Freed& freed);
void write_suggestions(Json& json, const View& view);

enum class ResourcePath { cpu, memory, gpu, network, all };
void write_resources(Json& json, const View& view, ResourcePath path, WallTime now);

/// Adds "MonitoringStatus", "MonitoringReport", "Resources" and so on.
void describe_specs(Schemas& all);

}  // namespace headroom::serve
