// What asks the control machine, or changes something.
#include <algorithm>

#include "http/query.hpp"
#include "serve/body.hpp"
#include "serve/components.hpp"
#include "serve/documents.hpp"
#include "serve/handlers.hpp"
#include "serve/models.hpp"
#include "serve/problem.hpp"
#include "serve/specs.hpp"
#include "serve/streams.hpp"

namespace headroom::serve {
namespace {

using http::Response;

constexpr std::size_t kShown = 64;
constexpr std::size_t kLongestKey = 128;

// Writes the document of an answer, and gives its status.
using Write = int (*)(Json&, const Answered&, Backend&, UserNames&);

int write_answer(Json& json, const Answered& answered, Backend& backend, UserNames& names) {
  if (const auto* lease = std::get_if<LeaseView>(&answered)) {
    write_lease(json, *lease, names);
  } else if (const auto* verdict = std::get_if<Verdict>(&answered)) {
    const auto view = verdict->in_the_way.empty() ? std::shared_ptr<const View>() : backend.view();
    write_verdict(json, *verdict, view.get());
  } else if (const auto* drains = std::get_if<Drains>(&answered)) {
    write_drains(json, drains->items, names);
  } else if (const auto* alert = std::get_if<Alert>(&answered)) {
    write_alert(json, *alert, *backend.view());
  } else if (const auto* model = std::get_if<ModelView>(&answered)) {
    write_model(json, *model);
  } else if (const auto* freed = std::get_if<Freed>(&answered)) {
    write_freed(json, *freed);
  } else if (const auto* sessions = std::get_if<Sessions>(&answered)) {
    write_sessions(json, *sessions, names);
  } else if (const auto* component = std::get_if<ComponentView>(&answered)) {
    write_component(json, *component);
  }
  return 200;
}

// 201 granted, 202 waiting.
int write_new_lease(Json& json, const Answered& answered, Backend& backend, UserNames& names) {
  write_answer(json, answered, backend, names);
  const auto* lease = std::get_if<LeaseView>(&answered);
  return lease != nullptr && lease->lease.state == LeaseState::waiting ? 202 : 201;
}

int write_new_model(Json& json, const Answered& answered, Backend& backend, UserNames& names) {
  write_answer(json, answered, backend, names);
  return 201;
}

int write_new_session(Json& json, const Answered& answered, Backend& backend, UserNames& names) {
  write_answer(json, answered, backend, names);
  return 201;
}

int write_changed_quota(Json& json, const Answered& answered, Backend&, UserNames&) {
  if (const auto* component = std::get_if<ComponentView>(&answered)) write_quota(json, *component);
  return 200;
}

int write_spec_cleanup(Json& json, const Answered& answered, Backend&, UserNames&) {
  if (const auto* freed = std::get_if<Freed>(&answered)) write_monitoring_cleanup(json, *freed);
  return 200;
}

void send_refusal(Backend& backend, Client& client, const Refusal& refusal) {
  const auto view = refusal.verdict && !refusal.verdict->in_the_way.empty()
                        ? backend.view()
                        : std::shared_ptr<const View>();
  Response response =
      problem(refusal.error, refusal.verdict ? &*refusal.verdict : nullptr, view.get());
  if (refusal.verdict && refusal.verdict->earliest) {
    const auto wait =
        std::chrono::ceil<std::chrono::seconds>(*refusal.verdict->earliest - backend.now().wall);
    response.headers.emplace_back("Retry-After",
                                  std::to_string(std::max<std::int64_t>(1, wait.count())));
  }
  client.send(std::move(response));
}

// Answers with what the control machine said. `backend` and `names` outlive the client.
void ask(Backend& backend, UserNames& names, const Caller& caller, Ask what, Client client,
         Write write) {
  // The control machine mostly answers before ask() returns; only a request that waits has to be
  // taken back when its client goes.
  auto answered = std::make_shared<bool>(false);
  const RequestId request =
      backend.ask(caller, std::move(what),
                  [&backend, &names, client, write, answered](const Answered& answer) mutable {
                    *answered = true;
                    if (const auto* refusal = std::get_if<Refusal>(&answer)) {
                      return send_refusal(backend, client, *refusal);
                    }
                    std::string body;
                    body.reserve(1000);  // most answers; the allocator has such a piece at hand
                    Json json(body);
                    const int status = write(json, answer, backend, names);
                    client.send(status, kJson, body);
                  });
  if (!*answered) {
    client.on_gone([&backend, request] { backend.withdraw(request); });
  }
}

void ask(const Call& call, Ask what, Client client, Write write = write_answer) {
  ask(call.backend, call.names, call.caller(), std::move(what), std::move(client), write);
}

// Asks about the model that a path names, if it can be the name of one.
void ask_model(const Call& call, Result<AskModel> change, Client client) {
  if (!change) return client.send(problem(change.error()));
  if (auto wrong = bad_model_name(call.item)) return client.send(std::move(*wrong));
  const auto view = call.backend.view();
  const bool known = find_model(*view, call.item) != nullptr;
  if (!known && !change->create) return client.send(no_model(*view, call.item));
  change->name = call.item;
  ask(call, std::move(*change), std::move(client), known ? write_answer : write_new_model);
}

// The lease that a path names; 0 when it names none, and the client was answered.
LeaseId lease_of(const Call& call, Client& client) {
  const LeaseId id = parse_lease_id(call.item);
  if (id == 0) {
    client.send(refuse(ErrorKind::not_found, "there is no lease " + call.item.substr(0, kShown)));
  }
  return id;
}

}  // namespace

void get_lease(const Call& call, Client client) {
  const LeaseId id = lease_of(call, client);
  if (id == 0) return;
  if (const auto wait = call.arguments.text("wait")) {
    const auto patience = http::parse_wait(*wait);
    if (!patience) return client.send(problem(patience.error()));
    return ask(call, AskWait{id, *patience}, std::move(client));
  }
  const auto view = call.backend.view();
  for (const LeaseView& lease : view->leases) {
    if (lease.lease.id != id) continue;
    return client.send(document([&](Json& json) { write_lease(json, lease, call.names); }));
  }
  client.send(refuse(ErrorKind::not_found, "there is no lease " + call.item.substr(0, kShown),
                     "it never was, or it ended more than a day ago",
                     "GET /api/v1/leases lists them"));
}

void post_fit(const Call& call, Client client) {
  auto fit = parse_fit(call.body());
  if (!fit) return client.send(problem(fit.error()));
  ask(call, std::move(*fit), std::move(client));
}

void post_lease(const Call& call, Client client) {
  HolderField holder;
  auto lease = parse_lease(call.body(), holder);
  if (!lease) return client.send(problem(lease.error()));
  const std::string_view key = call.header("idempotency-key");
  if (key.size() > kLongestKey) {
    return client.send(
        refuse(ErrorKind::invalid_request, "the Idempotency-Key is too long", "at most 128 bytes"));
  }
  lease->idempotency_key = std::string(key);
  if (holder.group) {
    auto book = [&backend = call.backend, &names = call.names, caller = call.caller(),
                 lease = std::move(*lease), client](const Result<GroupHolder>& found) mutable {
      if (!found) return client.send(problem(found.error()));
      lease.holder = found->holder;
      lease.beside = found->beside;
      ask(backend, names, caller, std::move(lease), std::move(client), write_new_lease);
    };
    return call.backend.holder(call.caller(), *holder.group, std::move(book));
  }
  const pid_t own = call.request != nullptr ? call.request->peer().pid : 0;
  const pid_t pid = holder.given ? holder.pid.value_or(0) : own;
  if (pid != 0) {
    auto found = call.backend.holder(call.caller(), pid);
    if (!found) return client.send(problem(found.error()));
    lease->holder = *found;
  } else if (lease->ttl.count() == 0) {
    return client.send(
        refuse(ErrorKind::invalid_request, "nobody would hold this lease",
               "there is no holder, and no ttl_seconds",
               R"(name the process, {"holder":{"pid":4121}}, or how long it holds)"));
  }
  ask(call, std::move(*lease), std::move(client), write_new_lease);
}

void patch_lease(const Call& call, Client client) {
  const LeaseId id = lease_of(call, client);
  if (id == 0) return;
  HolderField holder;
  auto change = parse_change(call.body(), holder);
  if (!change) return client.send(problem(change.error()));
  if (holder.pid) {
    auto found = call.backend.holder(call.caller(), *holder.pid);
    if (!found) return client.send(problem(found.error()));
    change->holder = *found;
  }
  change->lease = id;
  ask(call, std::move(*change), std::move(client));
}

void delete_lease(const Call& call, Client client) {
  const LeaseId id = lease_of(call, client);
  if (id != 0) ask(call, AskEnd{id}, std::move(client));
}

void put_model(const Call& call, Client client) {
  ask_model(call, parse_model(call.body()), std::move(client));
}

void patch_model(const Call& call, Client client) {
  ask_model(call, parse_model_change(call.body()), std::move(client));
}

void delete_model(const Call& call, Client client) {
  AskModel forget;
  forget.forget = true;
  ask_model(call, std::move(forget), std::move(client));
}

void post_cleanup(const Call& call, Client client) {
  auto free = parse_cleanup(call.body());
  if (!free) return client.send(problem(free.error()));
  ask(call, std::move(*free), std::move(client));
}

void put_component(const Call& call, Client client) {
  std::optional<pid_t> pid;
  auto component = parse_component(call.body(), pid);
  if (!component) return client.send(problem(component.error()));
  component->name = call.item;
  if (pid) {
    auto found = call.backend.holder(call.caller(), *pid);
    if (!found) return client.send(problem(found.error()));
    component->holder = *found;
  }
  ask(call, std::move(*component), std::move(client));
}

void delete_component(const Call& call, Client client) {
  AskComponent remove;
  remove.what = AskComponent::What::remove;
  remove.name = call.item;
  ask(call, std::move(remove), std::move(client));
}

void put_quota(const Call& call, Client client) {
  auto quota = parse_quota_change(call.body());
  if (!quota) return client.send(problem(quota.error()));
  AskComponent change;
  change.what = AskComponent::What::quota;
  change.name = call.item;
  change.quota = std::move(*quota);
  ask(call, std::move(change), std::move(client), write_changed_quota);
}

void post_heartbeat(const Call& call, Client client) {
  auto heard = parse_component_heard(call.body());
  if (!heard) return client.send(problem(heard.error()));
  heard->name = call.item;
  ask(call, std::move(*heard), std::move(client));
}

void post_component_answer(const Call& call, Client client) {
  auto answer = parse_component_answer(call.body());
  if (!answer) return client.send(problem(answer.error()));
  answer->name = call.item;
  // Only its number is said: what it has now is in the next document of the component.
  const std::uint64_t id = answer->ask;
  auto sent = std::make_shared<Client>(std::move(client));
  call.backend.ask(call.caller(), std::move(*answer),
                   [&backend = call.backend, sent, id](const Answered& answered) {
                     if (const auto* refusal = std::get_if<Refusal>(&answered)) {
                       return send_refusal(backend, *sent, *refusal);
                     }
                     std::string body;
                     Json json(body);
                     write_taken_call(json, id);
                     sent->send(200, kJson, body);
                   });
}

void get_calls(const Call& call, Client client) {
  const auto view = call.backend.view();
  const ComponentView* found = find_component(*view, call.item);
  if (found == nullptr || !found->component.registered) {
    return client.send(no_component(call.item));
  }
  const Caller who = call.caller();
  if (!who.trusted && !(who.known && who.uid == found->component.owner)) {
    return client.send(refuse(ErrorKind::not_allowed, call.item + " is another user's component",
                              "it belongs to uid " + std::to_string(found->component.owner),
                              "ask that user, or become a member of the group headroom"));
  }
  call.streams->listen(call.item, std::move(client));
}

void get_sessions(const Call& call, Client client) {
  AskSessions list;
  list.root = call.arguments.text("root").value_or("");
  ask(call, std::move(list), std::move(client));
}

void post_session(const Call& call, Client client) {
  std::optional<pid_t> pid;
  auto add = parse_session(call.body(), pid);
  if (!add) return client.send(problem(add.error()));
  if (pid) {
    auto found = call.backend.holder(call.caller(), *pid);
    if (!found) return client.send(problem(found.error()));
    add->holder = *found;
  }
  ask(call, std::move(*add), std::move(client), write_new_session);
}

void delete_session(const Call& call, Client client) {
  AskSessions remove;
  remove.what = AskSessions::What::remove;
  remove.name = call.item;
  remove.root = call.arguments.text("root").value_or("");
  remove.dry_run = call.arguments.flag("dry_run");
  ask(call, std::move(remove), std::move(client));
}

void post_session_clean(const Call& call, Client client) {
  auto clean = parse_session_clean(call.body());
  if (!clean) return client.send(problem(clean.error()));
  ask(call, std::move(*clean), std::move(client));
}

void post_monitoring_cleanup(const Call& call, Client client) {
  AskFree all;  // of what may go
  all.force = call.arguments.flag("force");
  ask(call, std::move(all), std::move(client), write_spec_cleanup);
}

void put_drain(const Call& call, Client client) {
  ask(call, AskDrain{call.item == "node" ? "" : call.item, true}, std::move(client));
}

void delete_drain(const Call& call, Client client) {
  ask(call, AskDrain{call.item == "node" ? "" : call.item, false}, std::move(client));
}

void patch_alert(const Call& call, Client client) {
  const auto change = parse_alert_change(call.body());
  if (!change) return client.send(problem(change.error()));
  const std::uint64_t id = parse_alert_id(call.item);
  if (change->acknowledged) {
    return ask(call, AskAcknowledge{id, *change->acknowledged}, std::move(client));
  }
  // Now has passed: that takes a mute back.
  ask(call, AskMute{id, call.backend.now().wall + *change->mute}, std::move(client));
}

Response patch_config(const Call& call) {
  const auto changes = parse_config_changes(call.body());
  if (!changes) return problem(changes.error());
  const auto changed = call.backend.configure(*changes);
  if (!changed) return problem(changed.error());
  return document([&](Json& json) { write_settings(json, *changed); });
}

Response put_strategy(const Call& call) {
  const auto name = parse_strategy_change(call.body());
  if (!name) return problem(name.error());
  const auto changed = call.backend.configure({{"strategy", *name}});
  if (!changed) return problem(changed.error());
  return get_strategy(call);
}

Response post_config_check(const Call& call) {
  const auto changes = call.backend.check_config(call.body());
  if (!changes) return problem(changes.error());
  return document([&](Json& json) { write_check(json, *changes); });
}

}  // namespace headroom::serve
