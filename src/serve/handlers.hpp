// What answers each operation.
#pragma once

#include "serve/operation.hpp"

namespace headroom::serve {

// Reads of the machine and of what is known of it.
http::Response get_node(const Call& call);
void get_snapshot(const Call& call, Client client);
http::Response get_room(const Call& call);
http::Response get_drains(const Call& call);
http::Response get_pressure(const Call& call);
http::Response get_health(const Call& call);
http::Response get_devices(const Call& call);
http::Response get_device(const Call& call);
void get_processes(const Call& call, Client client);
void get_history(const Call& call, Client client);
http::Response get_events(const Call& call);
http::Response get_alerts(const Call& call);
http::Response get_alert(const Call& call);
http::Response get_leases(const Call& call);
void get_lease(const Call& call, Client client);
http::Response get_models(const Call& call);
http::Response get_model(const Call& call);
http::Response get_components(const Call& call);
http::Response get_component(const Call& call);
http::Response get_quota(const Call& call);
http::Response get_allocations(const Call& call);
void put_component(const Call& call, Client client);
void delete_component(const Call& call, Client client);
void put_quota(const Call& call, Client client);
void post_heartbeat(const Call& call, Client client);
void post_component_answer(const Call& call, Client client);
void get_calls(const Call& call, Client client);
http::Response get_advice(const Call& call);
http::Response get_config(const Call& call);
http::Response get_export(const Call& call);
void get_stream(const Call& call, Client client);

// What the specification documents promise.
void get_monitoring_status(const Call& call, Client client);
http::Response get_monitoring_report(const Call& call);
http::Response get_monitoring_alerts(const Call& call);
http::Response get_monitoring_history(const Call& call);
http::Response get_suggestions(const Call& call);
http::Response get_resources(const Call& call);

// What asks the control machine, or changes something.
void post_fit(const Call& call, Client client);
void post_lease(const Call& call, Client client);
void patch_lease(const Call& call, Client client);
void delete_lease(const Call& call, Client client);
void put_model(const Call& call, Client client);
void patch_model(const Call& call, Client client);
void delete_model(const Call& call, Client client);
void post_cleanup(const Call& call, Client client);
void get_sessions(const Call& call, Client client);
void post_session(const Call& call, Client client);
void delete_session(const Call& call, Client client);
void post_session_clean(const Call& call, Client client);
void post_monitoring_cleanup(const Call& call, Client client);
void patch_alert(const Call& call, Client client);
void get_asks(const Call& call, Client client);
http::Response post_answer(const Call& call);
void put_drain(const Call& call, Client client);
void delete_drain(const Call& call, Client client);
http::Response patch_config(const Call& call);
http::Response get_strategy(const Call& call);
http::Response get_forecasts(const Call& call);
http::Response get_forecasts_of(const Call& call);
http::Response put_strategy(const Call& call);
http::Response post_config_check(const Call& call);

// Pages, and what other programs ask.
http::Response get_dashboard(const Call& call);
http::Response get_docs(const Call& call);
http::Response get_openapi(const Call& call);
http::Response get_problem(const Call& call);
http::Response get_metrics(const Call& call);
http::Response get_alive(const Call& call);
http::Response get_ready(const Call& call);

}  // namespace headroom::serve
