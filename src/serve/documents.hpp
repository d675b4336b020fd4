// The documents of the API, written from the view. Pure; docs/api.md describes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/backend.hpp"
#include "serve/json.hpp"
#include "words/health.hpp"
#include "words/view.hpp"

namespace headroom::serve {

void write_lease(Json& json, const LeaseView& lease);
void write_alert(Json& json, const Alert& alert);
void write_event(Json& json, const EventLine& line);
void write_rooms(Json& json, const View& view);
void write_snapshot(Json& json, const View& view, Instant now);
void write_node(Json& json, const View& view, const NodeFacts& node, Instant now);
void write_pressures(Json& json, const View& view);
void write_health(Json& json, const View& view, Instant now);
void write_settings(Json& json, const std::vector<Setting>& settings);
void write_verdict(Json& json, const Verdict& verdict, const View* view);
void write_history(Json& json, const HistoryQuery& query, std::string_view resource,
                   std::string_view device, const HistoryAnswer& answer);

/// Reads "l-73" and "73"; 0 when it is no lease id.
LeaseId parse_lease_id(std::string_view text);
/// Reads "a12" and "12"; 0 when it is no alert id.
std::uint64_t parse_alert_id(std::string_view text);

/// How a resource's device is shown: "GPU 0" for its UUID; empty where there is none.
std::string device_name(const View& view, Resource resource, const std::string& device);

/// What helps against this alert, in words.
std::vector<std::string> recommendations(const Alert& alert);

}  // namespace headroom::serve
