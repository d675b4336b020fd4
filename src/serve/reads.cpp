// Reads: answered from the last sample and the view, never by waiting for a sensor.
#include <algorithm>
#include <charconv>

#include "serve/compress.hpp"
#include "serve/devices.hpp"
#include "serve/documents.hpp"
#include "serve/export.hpp"
#include "serve/handlers.hpp"
#include "serve/models.hpp"
#include "serve/pages.hpp"
#include "serve/problem.hpp"
#include "serve/processes.hpp"
#include "serve/prometheus.hpp"
#include "serve/specs.hpp"
#include "serve/streams.hpp"

namespace headroom::serve {
namespace {

using http::Response;

constexpr std::size_t kShown = 64;
// Bytes of a history's document: what is around the points, and of a point.
constexpr std::size_t kHistoryHead = 512;
constexpr std::size_t kHistoryPoint = 38;

const LeaseView* find_lease(const View& view, LeaseId id) {
  const auto found = std::find_if(view.leases.begin(), view.leases.end(),
                                  [&](const LeaseView& l) { return l.lease.id == id; });
  return id == 0 || found == view.leases.end() ? nullptr : &*found;
}

Response no_lease(std::string_view id) {
  return refuse(ErrorKind::not_found, "there is no lease " + std::string(id.substr(0, kShown)),
                "it never was, or it ended more than a day ago", "GET /api/v1/leases lists them");
}

Response no_gpu(std::string_view id) {
  return refuse(ErrorKind::not_found, "there is no GPU " + std::string(id.substr(0, kShown)), "",
                "GET /api/v1/devices lists them");
}

// Reads the processes, and answers with what `write` makes of them; false: not found, and `client`
// was answered.
template <class Write>
void with_processes(const Call& call, Client client, Write write) {
  Backend& backend = call.backend;
  UserNames& names = call.names;
  backend.processes(
      [&backend, &names, caller = call.caller(), client = std::move(client),
       write = std::move(write)](const std::shared_ptr<const ProcessList>& list) mutable {
        if (!list) {
          client.send(refuse(ErrorKind::unavailable, "the processes are not known",
                             "they were not read yet, or this process may not read them"));
          return;
        }
        const auto view = backend.view();
        client.send(write(ProcessContext{*list, *view, caller, names, backend.now()}));
      });
}

// The alerts a query asks for, newest last.
std::vector<Alert> pick_alerts(const Call& call, bool with_ended, std::int64_t usual) {
  const auto severity = call.arguments.text("severity");
  std::vector<Alert> out;
  const auto view = call.backend.view();
  for (const Alert& alert : view->alerts) {
    if (alert.ended && !with_ended) continue;
    if (severity && *severity != to_string(alert.level)) continue;
    out.push_back(alert);
  }
  const auto most = static_cast<std::size_t>(call.arguments.whole("limit").value_or(usual));
  if (out.size() > most) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(most));
  return out;
}

std::optional<pid_t> parse_pid(std::string_view text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

Response no_process(std::string_view id) {
  return refuse(ErrorKind::not_found, "there is no process " + std::string(id.substr(0, kShown)),
                "it has ended, or this is no pid");
}

}  // namespace

Response get_node(const Call& call) {
  return document([&](Json& json) {
    write_node(json, *call.backend.view(), call.backend.node(), call.backend.now());
  });
}

void get_snapshot(const Call& call, Client client) {
  const std::string scope = call.arguments.word("scope", "node");
  const std::string id(call.arguments.text("id").value_or(""));
  if (scope == "node") {
    client.send(document(
        [&](Json& json) { write_snapshot(json, *call.backend.view(), call.backend.now()); }));
    return;
  }
  if (scope == "process") {
    const auto pid = parse_pid(id);
    if (!pid) {
      client.send(refuse(ErrorKind::invalid_request, "query id is not right",
                         "a pid is wanted with scope=process"));
      return;
    }
    with_processes(call, std::move(client), [pid = *pid](const ProcessContext& context) {
      bool found = false;
      Response response =
          document([&](Json& json) { found = write_process_snapshot(json, context, pid); });
      return found ? response : no_process(std::to_string(pid));
    });
    return;
  }
  with_processes(call, std::move(client), [id](const ProcessContext& context) {
    const LeaseView* lease = find_lease(context.view, parse_lease_id(id));
    if (lease == nullptr) return no_lease(id);
    return document([&](Json& json) { write_lease_snapshot(json, context, *lease); });
  });
}

Response get_room(const Call& call) {
  return document([&](Json& json) { write_rooms(json, *call.backend.view()); });
}

Response get_pressure(const Call& call) {
  return document([&](Json& json) { write_pressures(json, *call.backend.view()); });
}

Response get_health(const Call& call) {
  return document(
      [&](Json& json) { write_health(json, *call.backend.view(), call.backend.now()); });
}

Response get_forecasts(const Call& call) {
  const auto forecasts = call.backend.forecasts(call.arguments.seconds("horizon"));
  if (!forecasts) return problem(forecasts.error());
  return document([&](Json& json) { write_forecasts(json, *forecasts); });
}

Response get_forecasts_of(const Call& call) {
  auto forecasts = call.backend.forecasts(call.arguments.seconds("horizon"));
  if (!forecasts) return problem(forecasts.error());
  std::erase_if(*forecasts, [&](const ForecastView& view) {
    const std::string_view series = view.series;
    const auto colon = series.find(':');
    const bool device = colon != series.npos && series.substr(colon + 1) == call.item;
    return series.substr(0, colon) != call.item && !device;
  });
  if (forecasts->empty()) {
    return refuse(ErrorKind::not_found, "there is no forecast of " + call.item.substr(0, kShown),
                  "", "GET /api/v1/forecasts lists them; one begins with the first samples");
  }
  return document([&](Json& json) { write_forecasts(json, *forecasts); });
}

Response get_strategy(const Call& call) {
  return document([&](Json& json) { write_strategy(json, *call.backend.view()); });
}

Response get_devices(const Call& call) {
  return document([&](Json& json) { write_devices(json, *call.backend.view()); });
}

Response get_device(const Call& call) {
  bool found = false;
  Response response =
      document([&](Json& json) { found = write_device(json, *call.backend.view(), call.item); });
  if (found) return response;
  return refuse(ErrorKind::not_found, "there is no device " + call.item.substr(0, kShown), "",
                "GET /api/v1/devices lists them");
}

void get_processes(const Call& call, Client client) {
  ProcessQuery query;
  if (const auto gpu = call.arguments.text("gpu")) {
    query.gpu = find_gpu(*call.backend.view(), *gpu);
    if (query.gpu->empty()) return client.send(no_gpu(*gpu));
  }
  if (const auto user = call.arguments.text("user")) query.user = std::string(*user);
  query.unbooked = call.arguments.flag("unbooked");
  const std::string sort = call.arguments.word("sort", "pid");
  using Sort = ProcessQuery::Sort;
  query.sort = sort == "gpu"   ? Sort::gpu
               : sort == "mem" ? Sort::mem
               : sort == "cpu" ? Sort::cpu
                               : Sort::pid;
  query.limit = static_cast<std::size_t>(call.arguments.whole("limit").value_or(1000));
  with_processes(call, std::move(client), [query](const ProcessContext& context) {
    return document([&](Json& json) { write_processes(json, context, query); });
  });
}

void get_history(const Call& call, Client client) {
  const std::string resource = call.arguments.word("resource");
  std::string device(call.arguments.text("device").value_or(""));
  const auto view = call.backend.view();
  if (resource.starts_with("gpu_")) {
    // A device by its number, or the first.
    const std::string wanted = device.empty() ? "0" : device;
    if (const std::string gpu = find_gpu(*view, wanted); !gpu.empty()) device = gpu;
  }
  if (resource == "disk" && device.empty()) device = "/";
  const bool of_gpu = resource.starts_with("gpu_");
  const std::string name =
      device_name(*view, of_gpu ? Resource::gpu_memory : Resource::disk, device);
  HistoryQuery query;
  query.series = device.empty() ? resource : resource + ":" + device;
  query.window = call.arguments.seconds("window").value_or(std::chrono::seconds(300));
  query.step = call.arguments.seconds("step").value_or(std::chrono::seconds(0));
  const std::string_view accept = call.header("accept");
  const bool csv = accept.starts_with("text/csv");
  // May run on another thread, and compresses there: a day of seconds is megabytes.
  auto render = [query, resource, device, name, csv,
                 smaller = call.gzip](const HistoryAnswer& answer) {
    std::string body;
    if (csv) {
      body = history_csv(answer);
    } else {
      body.reserve(kHistoryHead + answer.points.size() * kHistoryPoint);
      Json json(body);
      write_history(json, query, resource, device, name, answer);
    }
    if (smaller && body.size() >= kWorthCompressing) {
      if (std::string gz = gzip(body); !gz.empty()) return gz;
    }
    return body;
  };
  call.backend.history(query, std::move(render),
                       [client = std::move(client), csv](Result<std::string> body) mutable {
                         client.send(body ? text_response(csv ? kCsv : kJson, std::move(*body))
                                          : problem(body.error()));
                       });
}

Response get_events(const Call& call) {
  EventQuery query;
  query.limit = static_cast<std::size_t>(call.arguments.whole("limit").value_or(100));
  query.type = std::string(call.arguments.text("type").value_or(""));
  if (const auto since = call.arguments.text("since")) {
    query.since = parse_since(*since, call.backend.now().wall);
  }
  return document([&](Json& json) { write_events(json, call.backend.events(query)); });
}

Response get_drains(const Call& call) {
  return document([&](Json& json) { write_drains(json, call.backend.view()->drains, call.names); });
}

Response get_alerts(const Call& call) {
  const auto alerts = pick_alerts(call, call.arguments.flag("all"), 1000);
  return document([&](Json& json) { write_alerts(json, alerts, *call.backend.view()); });
}

Response get_alert(const Call& call) {
  const std::uint64_t id = parse_alert_id(call.item);
  const auto view = call.backend.view();
  for (const Alert& alert : view->alerts) {
    if (alert.id == id && id != 0) {
      return document([&](Json& json) { write_alert(json, alert, *view); });
    }
  }
  return refuse(ErrorKind::not_found, "there is no alert " + call.item.substr(0, kShown), "",
                "GET /api/v1/alerts?all=1 lists them");
}

Response get_leases(const Call& call) {
  const auto state = call.arguments.text("state");
  const auto name = call.arguments.text("name");
  const auto view = call.backend.view();
  return document([&](Json& json) {
    write_leases(json, *view, call.names, [&](const Lease& lease) {
      if (state ? *state != to_string(lease.state) : lease.state == LeaseState::ended) return false;
      return !name || lease.name == *name;
    });
  });
}

Response get_models(const Call& call) {
  const auto state = call.arguments.text("state");
  const auto engine = call.arguments.text("engine");
  return document([&](Json& json) {
    write_models(json, *call.backend.view(), [&](const ModelView& model) {
      return (!state || *state == to_string(model.state)) && (!engine || model.engine == *engine);
    });
  });
}

Response get_model(const Call& call) {
  if (auto wrong = bad_model_name(call.item)) return std::move(*wrong);
  const auto view = call.backend.view();
  const ModelView* model = find_model(*view, call.item);
  if (model == nullptr) return no_model(*view, call.item);
  return document([&](Json& json) { write_model(json, *model); });
}

Response get_advice(const Call& call) {
  return document([&](Json& json) { write_advice(json, *call.backend.view()); });
}

Response get_config(const Call& call) {
  return document([&](Json& json) {
    if (call.caller().trusted) {
      write_settings(json, call.backend.settings());
    } else {
      write_settings(json, without_secrets(call.backend.settings()));
    }
  });
}

Response get_export(const Call& call) {
  Response response = document([&](Json& json) { write_export(json, call.backend, call.names); });
  response.headers.emplace_back("Content-Disposition",
                                R"(attachment; filename="headroom-export.json")");
  return response;
}

void get_stream(const Call& call, Client client) {
  if (call.streams == nullptr) {
    return client.send(refuse(ErrorKind::unavailable, "a stream needs the daemon"));
  }
  call.streams->open(call, std::move(client));
}

void get_monitoring_status(const Call& call, Client client) {
  const auto pid = call.arguments.whole("pid");
  if (!pid) {
    return client.send(document(
        [&](Json& json) { write_monitoring_status(json, *call.backend.view(), nullptr); }));
  }
  with_processes(call, std::move(client), [pid = *pid](const ProcessContext& context) {
    for (const ProcessReading& process : context.list.items) {
      if (process.pid != pid) continue;
      return document([&](Json& json) { write_monitoring_status(json, context.view, &process); });
    }
    return no_process(std::to_string(pid));
  });
}

Response get_monitoring_report(const Call& call) {
  return document([&](Json& json) { write_monitoring_report(json, call.backend); });
}

Response get_monitoring_alerts(const Call& call) {
  const auto alerts = pick_alerts(call, true, 20);
  return document([&](Json& json) { write_monitoring_alerts(json, alerts); });
}

Response get_monitoring_history(const Call& call) {
  const auto window = call.arguments.seconds("window_seconds").value_or(std::chrono::seconds(300));
  return document([&](Json& json) { write_monitoring_history(json, call.backend, window); });
}

Response get_suggestions(const Call& call) {
  return document([&](Json& json) { write_suggestions(json, *call.backend.view()); });
}

Response get_resources(const Call& call) {
  const auto path = call.item == "cpu"       ? ResourcePath::cpu
                    : call.item == "memory"  ? ResourcePath::memory
                    : call.item == "gpu"     ? ResourcePath::gpu
                    : call.item == "network" ? ResourcePath::network
                                             : ResourcePath::all;
  if (path == ResourcePath::all && call.item != "all") {
    return refuse(ErrorKind::not_found, "there is no /resources/" + call.item.substr(0, kShown),
                  "cpu, memory, gpu, network and all are there");
  }
  return document([&](Json& json) {
    write_resources(json, *call.backend.view(), path, call.backend.now().wall);
  });
}

Response get_dashboard(const Call& call) {
  const Asset* page = find_asset("/index.html");
  if (page == nullptr) return refuse(ErrorKind::not_found, "there is no dashboard in this program");
  return call.pages.asset(*page, call);
}

Response get_docs(const Call& call) {
  const Asset* page = find_asset("/docs/index.html");
  if (page == nullptr) return refuse(ErrorKind::not_found, "there is no reference in this program");
  return call.pages.asset(*page, call);
}

Response get_openapi(const Call& call) { return call.pages.openapi(call); }

Response get_problem(const Call& call) {
  // Browsers put text/html first; curl and the command do not name it.
  const bool html = call.header("accept").find("text/html") != std::string_view::npos;
  std::string text = html ? problem_html(call.item) : problem_page(call.item);
  if (text.empty()) return refuse(ErrorKind::not_found, "there is no such kind of problem");
  Response response = text_response(html ? kHtml : kPlain, std::move(text));
  add_page_headers(response);
  response.headers.emplace_back("Vary", "Accept");
  return response;
}

Response get_metrics(const Call& call) {
  const MetricsFormat format = negotiate_metrics(call.header("accept"), call.backend.config());
  return text_response(content_type(format), metrics_text(call.backend, format));
}

Response get_alive(const Call&) { return text_response("text/plain", "ok\n"); }

Response get_ready(const Call& call) {
  const auto view = call.backend.view();
  if (view->readiness.empty()) return text_response("text/plain", "ready\n");
  return refuse(ErrorKind::unavailable, "not ready", view->readiness);
}

}  // namespace headroom::serve
