// Uses: who runs a model that is in memory, or waits for it to be loaded.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "control/model_rules.hpp"

namespace headroom::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMostUses = 10000;  // of one model at once

}  // namespace

void Control::ask_use(const Asked& asked, const AskLease& ask) {
  if (ask.model.empty() || !is_name(ask.model)) return refuse(asked.request, bad_name());
  if (ask.has_needs && ask.needs != Needs()) {
    return refuse(asked.request,
                  {ErrorKind::invalid_request, "a use of a model needs nothing",
                   "its memory is booked by the lease that holds it", "leave the needs out"});
  }
  if (!ask.holder.somebody() && ask.ttl.count() <= 0) {
    return refuse(asked.request, {ErrorKind::invalid_request, "a use of a model needs a holder",
                                  "without a process or a time it would never end",
                                  "a holder's pid, or ttl_seconds"});
  }
  if (const auto uses = state_.model_leases.find(ask.model);
      uses != state_.model_leases.end() && uses->second.size() > kMostUses) {
    return refuse(asked.request, {ErrorKind::too_many_requests, "too many use " + ask.model,
                                  std::to_string(kMostUses) + " uses of it are under way", ""});
  }
  touch(ask.model, true);
  const Lease* resident = resident_lease(ask.model);
  const bool engine = engine_holds(ask.model);
  bool comes = resident != nullptr;
  if (const auto leases = state_.model_leases.find(ask.model);
      leases != state_.model_leases.end()) {
    for (const LeaseId id : leases->second) {
      const Lease& one = state_.promises.leases.at(id);
      comes = comes || (!one.use && is_loading(one.state));
    }
  }
  if (!comes && !engine) {
    return refuse(asked.request, {ErrorKind::not_found, ask.model + " is not in memory",
                                  "no lease holds it, and no engine says that it does",
                                  "load it: headroom run --model " + ask.model + " -- COMMAND"});
  }
  Lease use;
  use.id = state_.promises.next_lease;
  use.name = ask.name.empty() ? ask.model : ask.name;
  use.model = ask.model;
  use.use = true;
  use.owner = asked.caller.uid;
  use.priority = ask.priority;
  use.holder = ask.holder;
  use.asked = at_;
  use.idempotency_key = ask.idempotency_key;
  if (ask.ttl.count() > 0)
    use.expires = at_.boot + std::min<seconds>(ask.ttl, std::chrono::hours(87600));
  const LeaseId id = use.id;
  if (resident != nullptr && resident->state == LeaseState::active) {
    grant_use(std::move(use), resident->id);
    return respond(asked.request, state_.promises.leases.at(id));
  }
  if (engine) {
    grant_use(std::move(use), 0);
    return respond(asked.request, state_.promises.leases.at(id));
  }
  const std::string why = resident != nullptr && resident->state == LeaseState::draining
                              ? " was asked to go"
                              : " is being loaded";
  if (ask.wait && ask.wait->count() == 0) {
    return refuse(asked.request, {ErrorKind::insufficient_resources, ask.model + why,
                                  "it was not to be waited for", "wait for it: --wait 1m"});
  }
  const auto waiting = state_.model_leases.at(ask.model).size();
  if (waiting > static_cast<std::size_t>(state_.config->leases.queue)) {
    return refuse(asked.request, {ErrorKind::too_many_requests, "too many wait for " + ask.model,
                                  std::to_string(waiting) + " uses of it there are",
                                  "try later, or raise leases.queue"});
  }
  use.state = LeaseState::waiting;
  if (ask.wait) {
    use.give_up = at_.boot + std::min<milliseconds>(*ask.wait, std::chrono::hours(87600));
  }
  const Holder holder = use.holder;
  say("lease.waiting", id, use.name + " waits: " + ask.model + why);
  keep(PutLease{std::move(use)});
  if (holder.somebody()) effects_.emplace_back(Watch{holder});
  show(id);
  respond(asked.request, state_.promises.leases.at(id));
}

void Control::grant_use(Lease lease, LeaseId resident) {
  const bool waited = lease.state == LeaseState::waiting && lease.asked.boot != at_.boot;
  lease.state = LeaseState::active;
  lease.granted = at_;
  lease.parent = resident;
  lease.give_up.reset();
  const LeaseId id = lease.id;
  if (lease.holder.somebody() && !waited) effects_.emplace_back(Watch{lease.holder});
  say("lease.granted", id, lease.name + " uses " + lease.model);
  keep(PutLease{std::move(lease)});
  show(id);
  answer_polls(id);
}

void Control::run_uses(const std::string& model) {
  const auto leases = state_.model_leases.find(model);
  if (leases == state_.model_leases.end()) return;
  std::vector<LeaseId> uses;
  const bool engine = engine_holds(model);
  bool comes = engine;
  for (const LeaseId id : leases->second) {
    const Lease& lease = state_.promises.leases.at(id);
    if (lease.use && lease.state == LeaseState::waiting) uses.push_back(id);
    comes = comes || (!lease.use && (is_loading(lease.state) || is_resident(lease.state)));
  }
  const Lease* const best = resident_lease(model);
  const LeaseId resident = best != nullptr && best->state == LeaseState::active ? best->id : 0;
  for (const LeaseId id : uses) {
    if (resident != 0 || engine) {
      grant_use(state_.promises.leases.at(id), resident);
    } else if (!comes) {
      end(id, model + " is not in memory any more");
    }
  }
}

}  // namespace headroom::control
