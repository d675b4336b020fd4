// The documents of the API, written from the view. Pure, but for users' names.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/backend.hpp"
#include "serve/json.hpp"
#include "serve/user_names.hpp"
#include "words/health.hpp"
#include "words/view.hpp"

namespace headroom::serve {

class Schemas;

void write_lease(Json& json, const LeaseView& lease, UserNames& names);
/// Those of the leases that `wanted` picks.
void write_leases(Json& json, const View& view, UserNames& names,
                  const std::function<bool(const Lease&)>& wanted);
/// `view` has the names of devices.
void write_alert(Json& json, const Alert& alert, const View& view);
void write_alerts(Json& json, const std::vector<Alert>& alerts, const View& view);
void write_event(Json& json, const EventLine& line);
void write_events(Json& json, const std::vector<EventLine>& lines);
void write_drains(Json& json, const std::vector<Drain>& drains, UserNames& names);
void write_model(Json& json, const ModelView& model);
/// Those of the models that `wanted` picks.
void write_models(Json& json, const View& view,
                  const std::function<bool(const ModelView&)>& wanted);
/// What was done to make room.
void write_freed(Json& json, const Freed& freed);
void write_sessions(Json& json, const Sessions& sessions, UserNames& names);
void write_advice(Json& json, const View& view);
/// What the holder of a lease is asked; `on_gpu`: the bytes are a device's.
void write_ask(Json& json, const AskHook& ask, bool on_gpu);
/// That an answer to this ask was taken.
void write_taken(Json& json, std::uint64_t ask);
void write_rooms(Json& json, const View& view);
void write_snapshot(Json& json, const View& view, Instant now);
void write_node(Json& json, const View& view, const NodeFacts& node, Instant now);
void write_pressures(Json& json, const View& view);
void write_health(Json& json, const View& view, Instant now);
void write_strategy(Json& json, const View& view);
void write_components(Json& json, const View& view);
void write_component(Json& json, const ComponentView& component);
void write_quota(Json& json, const ComponentView& component);
void write_decisions(Json& json, const std::vector<Decision>& decisions);
void write_call(Json& json, const CallSetter& call);
void write_taken_call(Json& json, std::uint64_t id);
void write_forecasts(Json& json, const std::vector<ForecastView>& forecasts);
void write_settings(Json& json, const std::vector<Setting>& settings);
/// What a configuration's text would change.
void write_check(Json& json, const std::vector<Setting>& settings);
void write_verdict(Json& json, const Verdict& verdict, const View* view);
void write_history(Json& json, const HistoryQuery& query, std::string_view resource,
                   std::string_view device, std::string_view device_name,
                   const HistoryAnswer& answer);
/// A failure; `verdict` and `view` may be null.
struct ProblemDocument {
  std::string type;
  std::string title;
  int status = 0;
  std::string detail;
  std::string what;
  std::string why;
  std::string help;
  const Verdict* verdict = nullptr;
  const View* view = nullptr;
};
void write_problem(Json& json, const ProblemDocument& problem);
/// "time,value" lines.
std::string history_csv(const HistoryAnswer& answer);

/// Adds the schemas of all these: "Lease", "Leases", "Node", …
void describe_documents(Schemas& all);

/// Reads "l-73" and "73"; 0 when it is no lease id.
LeaseId parse_lease_id(std::string_view text);
/// Reads "a12" and "12"; 0 when it is no alert id.
std::uint64_t parse_alert_id(std::string_view text);

/// How a resource's device is shown: "GPU 0" for its UUID; empty where there is none.
std::string device_name(const View& view, Resource resource, const std::string& device);

/// "percent", "celsius", "watts" or "bytes_per_second": of a pressure's numbers.
const char* pressure_unit(Resource resource);

/// What helps against this alert, in words.
std::vector<std::string> recommendations(const Alert& alert);

}  // namespace headroom::serve
