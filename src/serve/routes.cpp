#include "serve/routes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "http/access.hpp"
#include "http/query.hpp"
#include "http/sse.hpp"
#include "serve/assets.hpp"
#include "serve/body.hpp"
#include "serve/documents.hpp"
#include "serve/json.hpp"
#include "serve/problem.hpp"
#include "serve/prometheus.hpp"
#include "serve/specs.hpp"

namespace headroom::serve {
namespace {

using http::Method;
using http::Query;
using http::Request;
using http::Response;

constexpr std::string_view kJson = "application/json";
constexpr std::size_t kStreams = 64;
constexpr unsigned kSnapshots = 1, kEvents = 2, kAlerts = 4, kLeases = 8;

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = kJson;
  response.body = std::move(body);
  return response;
}

Response text_response(std::string_view type, std::string body) {
  Response response;
  response.content_type = type;
  response.body = std::move(body);
  return response;
}

template <class Write>
Response document(Write write) {
  std::string body;
  body.reserve(4096);
  Json json(body);
  write(json);
  return json_response(200, std::move(body));
}

Response refuse(ErrorKind kind, std::string what, std::string why = {}, std::string help = {}) {
  return problem({kind, std::move(what), std::move(why), std::move(help)});
}

// A number in a query, within bounds; empty when absent.
Result<std::optional<std::int64_t>> number_in(const Query& query, std::string_view name,
                                              std::int64_t least, std::int64_t most) {
  const auto text = query.get(name);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < least || value > most) {
    return fail(ErrorKind::invalid_request, "query " + std::string(name) + " is not right",
                "\"" + std::string(text->substr(0, 64)) + "\" is no number from " +
                    std::to_string(least) + " to " + std::to_string(most));
  }
  return std::optional(value);
}

// "30s" or "1h" back from now, or a time such as 2026-01-12T14:10:03Z.
std::optional<WallTime> since_in(std::string_view text, WallTime now) {
  if (const auto back = http::parse_wait(text)) return now - *back;
  const auto digits = [&](std::size_t at, std::size_t count, int& out) {
    if (at + count > text.size()) return false;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + count, out);
    return error == std::errc() && end == text.data() + at + count;
  };
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (!digits(0, 4, y) || !digits(5, 2, mo) || !digits(8, 2, d) || !digits(11, 2, h) ||
      !digits(14, 2, mi) || !digits(17, 2, s) || !text.ends_with('Z')) {
    return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)),
                            day(static_cast<unsigned>(d))};
  if (!date.ok() || h > 23 || mi > 59 || s > 60) return std::nullopt;
  return WallTime(sys_days(date)) + hours(h) + minutes(mi) + seconds(s);
}

// The parts of a request that a GET needs.
struct Get {
  Backend& backend;
  std::string_view path;
  std::string_view rest;  ///< what stands for * in the route, decoded
  const Query& query;
};

Response get_lease(const Get& get) {
  const LeaseId id = parse_lease_id(get.rest);
  const auto view = get.backend.view();
  const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                  [&](const LeaseView& l) { return l.lease.id == id; });
  if (id == 0 || found == view->leases.end()) {
    return refuse(ErrorKind::not_found, "there is no lease " + std::string(get.rest.substr(0, 64)),
                  "it never was, or it ended more than a day ago", "GET /api/v1/leases lists them");
  }
  return document([&](Json& json) { write_lease(json, *found); });
}

Response get_leases(const Get& get) {
  const auto state = get.query.get("state");
  const auto name = get.query.get("name");
  if (state) {
    bool known = false;
    for (int s = 0; s <= static_cast<int>(LeaseState::ended); ++s) {
      known = known || *state == to_string(static_cast<LeaseState>(s));
    }
    if (!known) {
      return refuse(ErrorKind::invalid_request, "there is no lease state " + std::string(*state),
                    "waiting, reserved, loading, active, releasing, quarantined and ended are");
    }
  }
  const auto view = get.backend.view();
  return document([&](Json& json) {
    json.open().list("items");
    for (const LeaseView& lease : view->leases) {
      if (state ? *state != to_string(lease.lease.state) : lease.lease.state == LeaseState::ended) {
        continue;
      }
      if (name && lease.lease.name != *name) continue;
      write_lease(json, lease);
    }
    json.end_list().null("next").close();
  });
}

// The alerts a query asks for, newest last.
Result<std::vector<Alert>> pick_alerts(const Get& get, bool with_ended,
                                       std::int64_t default_limit) {
  const auto severity = get.query.get("severity");
  if (severity && *severity != "warning" && *severity != "critical" && *severity != "emergency") {
    return fail(ErrorKind::invalid_request,
                "there is no severity " + std::string(severity->substr(0, 64)),
                "warning, critical and emergency are");
  }
  const auto limit = number_in(get.query, "limit", 1, 1000);
  if (!limit) return tl::unexpected(limit.error());
  std::vector<Alert> out;
  const auto view = get.backend.view();
  for (const Alert& alert : view->alerts) {
    if (alert.ended && !with_ended) continue;
    if (severity && *severity != to_string(alert.level)) continue;
    out.push_back(alert);
  }
  const auto most = static_cast<std::size_t>(limit->value_or(default_limit));
  if (out.size() > most) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(most));
  return out;
}

Response get_alerts(const Get& get) {
  const auto alerts = pick_alerts(get, get.query.has("all"), 1000);
  if (!alerts) return problem(alerts.error());
  return document([&](Json& json) {
    json.open().list("items");
    for (const Alert& alert : *alerts) write_alert(json, alert);
    json.end_list().null("next").close();
  });
}

Response get_alert(const Get& get) {
  const std::uint64_t id = parse_alert_id(get.rest);
  const auto view = get.backend.view();
  for (const Alert& alert : view->alerts) {
    if (alert.id == id && id != 0) {
      return document([&](Json& json) { write_alert(json, alert); });
    }
  }
  return refuse(ErrorKind::not_found, "there is no alert " + std::string(get.rest.substr(0, 64)),
                "", "GET /api/v1/alerts?all=1 lists them");
}

Response get_monitoring_alerts(const Get& get) {
  const auto alerts = pick_alerts(get, true, 20);
  if (!alerts) return problem(alerts.error());
  return document([&](Json& json) {
    json.list();
    for (const Alert& alert : *alerts) write_monitoring_alert(json, alert);
    json.end_list();
  });
}

Response get_events(const Get& get) {
  EventQuery query;
  const auto limit = number_in(get.query, "limit", 1, 10000);
  if (!limit) return problem(limit.error());
  query.limit = static_cast<std::size_t>(limit->value_or(100));
  query.type = std::string(get.query.get("type").value_or(""));
  if (const auto since = get.query.get("since")) {
    query.since = since_in(*since, get.backend.now().wall);
    if (!query.since) {
      return refuse(ErrorKind::invalid_request, "query since is not right",
                    "a duration such as 1h, or a time such as 2026-01-12T14:10:03Z, is wanted");
    }
  }
  const auto events = get.backend.events(query);
  return document([&](Json& json) {
    json.open().list("items");
    for (const EventLine& line : events) write_event(json, line);
    json.end_list().null("next").close();
  });
}

Response get_history(const Get& get) {
  const std::string resource(get.query.get("resource").value_or(""));
  std::string device(get.query.get("device").value_or(""));
  const auto window = number_in(get.query, "window", 1, 86400 * 30);
  const auto step = number_in(get.query, "step", 0, 86400);
  if (!window) return problem(window.error());
  if (!step) return problem(step.error());
  static constexpr std::string_view kKnown[] = {"cpu",      "memory",         "swap",
                                                "load",     "stall_cpu",      "stall_memory",
                                                "stall_io", "gpu_memory",     "gpu_utilization",
                                                "disk",     "gpu_temperature"};
  if (std::find(std::begin(kKnown), std::end(kKnown), resource) == std::end(kKnown)) {
    std::string all;
    for (const std::string_view one : kKnown) all.append(all.empty() ? "" : ", ").append(one);
    return refuse(ErrorKind::invalid_request,
                  resource.empty() ? "query resource is missing"
                                   : "there is no history of " + resource.substr(0, 64),
                  "there is one of " + all);
  }
  const auto view = get.backend.view();
  const bool per_gpu = resource.starts_with("gpu_");
  if (per_gpu && view->sample) {
    // A device by its number, or the first.
    for (const GpuReading& gpu : view->sample->gpus) {
      if (device.empty() || device == std::to_string(gpu.index)) {
        device = gpu.id;
        break;
      }
    }
  }
  if (resource == "disk" && device.empty()) device = "/";
  HistoryQuery query;
  query.series = device.empty() ? resource : resource + ":" + device;
  query.window = std::chrono::seconds(window->value_or(300));
  query.step = std::chrono::seconds(step->value_or(0));
  const auto answer = get.backend.history(query);
  if (!answer) return problem(answer.error());
  return document([&](Json& json) { write_history(json, query, resource, device, *answer); });
}

Response get_monitoring_history(const Get& get) {
  const auto window = number_in(get.query, "window_seconds", 1, 86400);
  if (!window) return problem(window.error());
  return document([&](Json& json) {
    write_monitoring_history(json, get.backend, std::chrono::seconds(window->value_or(300)));
  });
}

Response get_ready(const Get& get) {
  const auto view = get.backend.view();
  if (view->readiness.empty()) return text_response("text/plain", "ready\n");
  return refuse(ErrorKind::unavailable, "not ready", view->readiness);
}

Response get_resources(const Get& get) {
  const auto path = get.rest == "cpu"       ? ResourcePath::cpu
                    : get.rest == "memory"  ? ResourcePath::memory
                    : get.rest == "gpu"     ? ResourcePath::gpu
                    : get.rest == "network" ? ResourcePath::network
                                            : ResourcePath::all;
  if (path == ResourcePath::all && get.rest != "all") {
    return refuse(ErrorKind::not_found,
                  "there is no /resources/" + std::string(get.rest.substr(0, 64)),
                  "cpu, memory, gpu, network and all are there");
  }
  return document([&](Json& json) {
    write_resources(json, *get.backend.view(), path, get.backend.now().wall);
  });
}

Response get_problem(const Get& get) {
  std::string text = problem_page(get.rest);
  if (text.empty()) return refuse(ErrorKind::not_found, "there is no such kind of problem");
  return text_response("text/plain; charset=utf-8", std::move(text));
}

struct GetRoute {
  std::string_view path;  ///< ends in "*" where a last segment is variable
  Response (*answer)(const Get&);
};

constexpr GetRoute kGets[] = {
    {"/api/v1/node",
     [](const Get& g) {
       return document(
           [&](Json& j) { write_node(j, *g.backend.view(), g.backend.node(), g.backend.now()); });
     }},
    {"/api/v1/snapshot",
     [](const Get& g) {
       return document([&](Json& j) { write_snapshot(j, *g.backend.view(), g.backend.now()); });
     }},
    {"/api/v1/room",
     [](const Get& g) { return document([&](Json& j) { write_rooms(j, *g.backend.view()); }); }},
    {"/api/v1/pressure",
     [](const Get& g) {
       return document([&](Json& j) { write_pressures(j, *g.backend.view()); });
     }},
    {"/api/v1/alerts", get_alerts},
    {"/api/v1/alerts/*", get_alert},
    {"/api/v1/events", get_events},
    {"/api/v1/history", get_history},
    {"/api/v1/leases", get_leases},
    {"/api/v1/leases/*", get_lease},
    {"/api/v1/config",
     [](const Get& g) {
       return document([&](Json& j) { write_settings(j, g.backend.settings()); });
     }},
    {"/api/v1/health",
     [](const Get& g) {
       return document([&](Json& j) { write_health(j, *g.backend.view(), g.backend.now()); });
     }},
    {"/api/v1/monitoring/status",
     [](const Get& g) {
       return document([&](Json& j) { write_monitoring_status(j, *g.backend.view(), true); });
     }},
    {"/api/v1/monitoring/report",
     [](const Get& g) {
       return document([&](Json& j) { write_monitoring_report(j, g.backend); });
     }},
    {"/api/v1/monitoring/alerts", get_monitoring_alerts},
    {"/api/v1/monitoring/history", get_monitoring_history},
    {"/resources/*", get_resources},
    {"/problems/*", get_problem},
    {"/healthz", [](const Get&) { return text_response("text/plain", "ok\n"); }},
    {"/readyz", get_ready},
    {"/metrics",
     [](const Get& g) {
       return text_response(content_type(MetricsFormat::text), metrics_text(g.backend));
     }},
};

// Which other methods a path has, for Allow and 405.
bool has_path(std::string_view path) {
  if (path == "/api/v1/fit" || path == "/api/v1/stream") return true;
  return std::any_of(std::begin(kGets), std::end(kGets), [&](const GetRoute& route) {
    if (!route.path.ends_with('*')) return route.path == path;
    const auto stem = route.path.substr(0, route.path.size() - 1);
    return path.starts_with(stem) && path.find('/', stem.size()) == std::string_view::npos &&
           path.size() > stem.size();
  });
}

// What a path takes, for the answer to a method that it does not.
const char* allowed_methods(std::string_view path) {
  if (path == "/api/v1/fit") return "POST";
  if (path == "/api/v1/leases") return "GET, HEAD, POST";
  if (path.starts_with("/api/v1/leases/")) return "GET, HEAD, PATCH, DELETE";
  if (path.starts_with("/api/v1/alerts/")) return "GET, HEAD, PATCH";
  return "GET, HEAD";
}

Response no_such_path(std::string_view path) {
  return refuse(ErrorKind::not_found, "there is nothing at " + std::string(path.substr(0, 128)), "",
                "docs/api.md lists the paths");
}

Response asset_response(const Asset& asset) {
  Response response = text_response(asset.content_type, std::string(asset.bytes));
  response.headers = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
       "connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
       "form-action 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-cache"}};
  return response;
}

// Answers with what the control machine said. `created` is for POST: 201 granted, 202 waiting.
void send_answer(Backend& backend, http::Reply& reply, const Answered& answered, bool created) {
  if (const auto* refusal = std::get_if<Refusal>(&answered)) {
    const auto view = refusal->verdict && !refusal->verdict->in_the_way.empty()
                          ? backend.view()
                          : std::shared_ptr<const View>();
    Response response =
        problem(refusal->error, refusal->verdict ? &*refusal->verdict : nullptr, view.get());
    if (refusal->verdict && refusal->verdict->earliest) {
      const auto wait =
          std::chrono::ceil<std::chrono::seconds>(*refusal->verdict->earliest - backend.now().wall);
      response.headers.emplace_back("Retry-After",
                                    std::to_string(std::max<std::int64_t>(1, wait.count())));
    }
    reply.send(response);
    return;
  }
  std::string body;
  body.reserve(1000);  // most answers; the allocator has such a piece at hand
  Json json(body);
  int status = 200;
  if (const auto* lease = std::get_if<LeaseView>(&answered)) {
    write_lease(json, *lease);
    if (created) status = lease->lease.state == LeaseState::waiting ? 202 : 201;
  } else if (const auto* verdict = std::get_if<Verdict>(&answered)) {
    const auto view = verdict->in_the_way.empty() ? std::shared_ptr<const View>() : backend.view();
    write_verdict(json, *verdict, view.get());
  } else if (const auto* alert = std::get_if<Alert>(&answered)) {
    write_alert(json, *alert);
  }
  reply.send(status, kJson, body);
}

void ask(Backend& backend, const Caller& caller, Ask what, http::Reply reply,
         bool created = false) {
  // The control machine mostly answers before ask() returns; only a request that waits has to be
  // taken back when its client goes.
  auto answered = std::make_shared<bool>(false);
  const RequestId request =
      backend.ask(caller, std::move(what),
                  [&backend, reply, created, answered](const Answered& answer) mutable {
                    *answered = true;
                    send_answer(backend, reply, answer, created);
                  });
  if (!*answered) {
    reply.on_gone([&backend, request] { backend.withdraw(request); });
  }
}

}  // namespace

Response read(Backend& backend, std::string_view path, std::string_view query_text) {
  const auto query = Query::parse(query_text);
  if (!query) return problem(query.error());
  for (const GetRoute& route : kGets) {
    if (!route.path.ends_with('*')) {
      if (route.path == path) return route.answer({backend, path, {}, *query});
      continue;
    }
    const auto stem = route.path.substr(0, route.path.size() - 1);
    if (!path.starts_with(stem) || path.size() == stem.size()) continue;
    const auto rest = http::decode_segment(path.substr(stem.size()));
    if (!rest) return problem(rest.error());
    if (rest->find('/') == std::string::npos) return route.answer({backend, path, *rest, *query});
  }
  return no_such_path(path);
}

Routes::Routes(Backend& backend) : backend_(backend) {}
Routes::~Routes() = default;

void Routes::handle(const Request& request, http::Reply reply) {
  const http::Peer& peer = request.peer();
  if (!peer.unix_socket) {
    // A web page can make a browser send requests here; it cannot make it lie about where from.
    const std::string_view host = request.header("host");
    if (!http::host_is_loopback(host)) {
      reply.send(refuse(ErrorKind::not_allowed, "this address is not for that host name",
                        "Host is \"" + std::string(host.substr(0, 128)) + "\"",
                        "use 127.0.0.1 or localhost"));
      return;
    }
    if (!http::origin_is_own(request.header("origin"), host)) {
      reply.send(
          refuse(ErrorKind::not_allowed, "requests of other web pages are refused",
                 "Origin is \"" + std::string(request.header("origin").substr(0, 128)) + "\""));
      return;
    }
  }
  const std::string_view path = request.path;
  const bool get = request.method == Method::get || request.method == Method::head;
  const bool readonly = backend_.config().http.readonly;
  if (!get && readonly) {
    reply.send(
        refuse(ErrorKind::not_allowed, "this daemon answers reads only", "http.readonly is true"));
    return;
  }

  // The paths that change something, most used first.
  constexpr std::string_view kLeasesPath = "/api/v1/leases";
  if (request.method == Method::post && path == kLeasesPath) {
    HolderField holder;
    auto lease = parse_lease(request.body, holder);
    if (!lease) return void(reply.send(problem(lease.error())));
    const Caller caller = backend_.caller(peer);
    const pid_t pid = holder.given ? holder.pid.value_or(0) : peer.pid;
    if (pid != 0) {
      auto found = backend_.holder(caller, pid);
      if (!found) return void(reply.send(problem(found.error())));
      lease->holder = *found;
    } else if (lease->ttl.count() == 0) {
      return void(
          reply.send(refuse(ErrorKind::invalid_request, "nobody would hold this lease",
                            "there is no holder, and no ttl_seconds",
                            R"(name the process, {"holder":{"pid":4121}}, or how long it holds)")));
    }
    const std::string_view key = request.header("idempotency-key");
    if (key.size() > 128) {
      return void(reply.send(refuse(ErrorKind::invalid_request, "the Idempotency-Key is too long",
                                    "at most 128 bytes")));
    }
    lease->idempotency_key = std::string(key);
    return ask(backend_, caller, std::move(*lease), std::move(reply), true);
  }
  const bool one_lease = path.starts_with(kLeasesPath) && path.size() > kLeasesPath.size() + 1 &&
                         path[kLeasesPath.size()] == '/';
  if (one_lease) {
    const std::string_view text = path.substr(kLeasesPath.size() + 1);
    const LeaseId id = parse_lease_id(text);
    if (id == 0) {
      return void(reply.send(
          refuse(ErrorKind::not_found, "there is no lease " + std::string(text.substr(0, 64)))));
    }
    if (request.method == Method::del) {
      return ask(backend_, backend_.caller(peer), AskEnd{id}, std::move(reply));
    }
    if (request.method == Method::patch) {
      auto change = parse_change(request.body);
      if (!change) return void(reply.send(problem(change.error())));
      change->lease = id;
      return ask(backend_, backend_.caller(peer), std::move(*change), std::move(reply));
    }
    if (get && !request.query.empty()) {
      const auto query = Query::parse(request.query);
      if (!query) return void(reply.send(problem(query.error())));
      if (const auto wait = query->get("wait")) {
        const auto patience = http::parse_wait(*wait);
        if (!patience) return void(reply.send(problem(patience.error())));
        return ask(backend_, backend_.caller(peer), AskWait{id, *patience}, std::move(reply));
      }
    }
  }
  if (request.method == Method::post && path == "/api/v1/fit") {
    auto fit = parse_fit(request.body);
    if (!fit) return void(reply.send(problem(fit.error())));
    return ask(backend_, backend_.caller(peer), std::move(*fit), std::move(reply));
  }
  constexpr std::string_view kAlertsPath = "/api/v1/alerts/";
  if (request.method == Method::patch && path.starts_with(kAlertsPath)) {
    const auto acknowledged = parse_acknowledge(request.body);
    if (!acknowledged) return void(reply.send(problem(acknowledged.error())));
    return ask(backend_, backend_.caller(peer),
               AskAcknowledge{parse_alert_id(path.substr(kAlertsPath.size())), *acknowledged},
               std::move(reply));
  }

  if (get && path == "/api/v1/stream") return open_stream(request, std::move(reply));
  if (get && path == "/metrics") {
    const auto format = negotiate_metrics(request.header("accept"), backend_.config());
    return void(reply.send(200, content_type(format), metrics_text(backend_, format)));
  }
  if (get) {
    if (has_path(path)) return void(reply.send(read(backend_, path, request.query)));
    if (const Asset* asset = find_asset(path == "/" ? "/index.html" : path)) {
      return void(reply.send(asset_response(*asset)));
    }
    return void(reply.send(no_such_path(path)));
  }
  if (has_path(path)) {
    Response response = problem({ErrorKind::invalid_request,
                                 std::string(request.method_text.substr(0, 16)) + " is not for " +
                                     std::string(path.substr(0, 128)),
                                 "", ""},
                                nullptr, nullptr, 405);
    response.headers.emplace_back("Allow", allowed_methods(path));
    reply.send(response);
    return;
  }
  reply.send(no_such_path(path));
}

void Routes::open_stream(const Request& request, http::Reply reply) {
  const auto query = Query::parse(request.query);
  if (!query) return void(reply.send(problem(query.error())));
  unsigned types = 0;
  std::string_view rest = query->get("types").value_or("snapshot,event,alert,lease");
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    if (word == "snapshot")
      types |= kSnapshots;
    else if (word == "event")
      types |= kEvents;
    else if (word == "alert")
      types |= kAlerts;
    else if (word == "lease")
      types |= kLeases;
    else {
      return void(reply.send(refuse(ErrorKind::invalid_request,
                                    "there is no stream of " + std::string(word.substr(0, 64)),
                                    "snapshot, event, alert and lease are there")));
    }
  }
  std::erase_if(streams_, [](const Watching& w) { return !w.stream.open(); });
  if (streams_.size() >= kStreams) {
    return void(reply.send(refuse(ErrorKind::too_many_requests, "too many watch already",
                                  std::to_string(kStreams) + " streams are open", "poll instead")));
  }
  const std::array<http::Header, 2> headers = {http::Header{"Cache-Control", "no-store"},
                                               http::Header{"X-Accel-Buffering", "no"}};
  http::Stream stream = reply.open_stream(200, "text/event-stream", headers);
  stream.write("retry: 1000\n\n");
  // What was missed since the last one seen.
  if ((types & kEvents) != 0) {
    EventQuery missed;
    const std::string_view last = request.header("last-event-id");
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), missed.after);
    if (!last.empty() && error == std::errc() && end == last.data() + last.size()) {
      missed.limit = 1000;
      auto lines = backend_.events(missed);
      for (auto it = lines.rbegin(); it != lines.rend(); ++it) {
        std::string data;
        Json json(data);
        write_event(json, *it);
        stream.write(http::sse_event(std::to_string(it->id), "event", data));
      }
    }
  }
  if ((types & kSnapshots) != 0) {
    std::string data;
    Json json(data);
    write_snapshot(json, *backend_.view(), backend_.now());
    stream.write(http::sse_event("", "snapshot", data));
  }
  streams_.push_back({stream, types});
}

void Routes::tell(unsigned type, std::string_view id, std::string_view name,
                  std::string_view data) {
  const std::string event = http::sse_event(id, name, data);
  std::erase_if(streams_, [&](Watching& watching) {
    if ((watching.types & type) != 0) watching.stream.write(event);
    return !watching.stream.open();
  });
}

void Routes::tell_sample() {
  const bool wanted = std::any_of(streams_.begin(), streams_.end(),
                                  [](const Watching& w) { return (w.types & kSnapshots) != 0; });
  if (!wanted) return;
  std::string data;
  data.reserve(8192);
  Json json(data);
  write_snapshot(json, *backend_.view(), backend_.now());
  tell(kSnapshots, "", "snapshot", data);
}

void Routes::tell_event(const EventLine& line) {
  if (streams_.empty()) return;
  std::string data;
  Json json(data);
  write_event(json, line);
  tell(kEvents, std::to_string(line.id), "event", data);
}

void Routes::tell_lease(LeaseId id) {
  if (streams_.empty()) return;
  const auto view = backend_.view();
  const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                  [&](const LeaseView& l) { return l.lease.id == id; });
  if (found == view->leases.end()) return;
  std::string data;
  Json json(data);
  write_lease(json, *found);
  tell(kLeases, "", "lease", data);
}

void Routes::tell_alert(const Alert& alert) {
  if (streams_.empty()) return;
  std::string data;
  Json json(data);
  write_alert(json, alert);
  tell(kAlerts, "", "alert", data);
}

void Routes::close() {
  for (Watching& watching : streams_) watching.stream.close();
  streams_.clear();
}

}  // namespace headroom::serve
