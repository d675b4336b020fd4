// Models: what somebody told of them, where they are, and how they were used.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "control/model_rules.hpp"
#include "decide/catalogue.hpp"

namespace headroom::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Models that somebody told of; further ones are refused until some are forgotten.
constexpr std::size_t kMostModels = 2000;
// Uses are written into the journal no more often than this.
constexpr std::chrono::minutes kWrittenEvery{1};

}  // namespace

const Lease* Control::resident_lease(const std::string& model) const {
  const auto found = state_.model_leases.find(model);
  if (found == state_.model_leases.end()) return nullptr;
  const Lease* best = nullptr;
  for (const LeaseId id : found->second) {
    const Lease& lease = state_.promises.leases.at(id);
    if (lease.use || !is_resident(lease.state)) continue;
    // One that is loaded serves sooner than one that loads; one that goes serves nobody.
    const auto rank = [](const Lease& one) {
      return one.state == LeaseState::active ? 2 : one.state == LeaseState::draining ? 0 : 1;
    };
    if (best == nullptr || rank(lease) > rank(*best)) best = &lease;
  }
  return best;
}

bool Control::has_hook(const std::string& name) const {
  const auto& hooks = state_.config->hooks;
  return std::any_of(hooks.begin(), hooks.end(),
                     [&](const HookSetting& one) { return one.name == name; });
}

// Where models can be: memory, and that of each device.
std::vector<int> Control::memory_pools() const {
  std::vector<int> pools;
  for (std::size_t i = 0; i < state_.ledger.pools().size(); ++i) {
    const Resource resource = state_.ledger.pools()[i].resource;
    if (resource == Resource::gpu_memory || resource == Resource::memory) {
      pools.push_back(static_cast<int>(i));
    }
  }
  return pools;
}

// Who is asked to unload what this model's leases hold; empty: nobody can be.
std::string Control::hook_of(const std::string& model) const {
  const auto told = state_.promises.models.find(model);
  std::string hook = told == state_.promises.models.end() ? "" : told->second.hook;
  if (hook == kHolderHook) return hook;
  if (hook.empty()) hook = model;  // a hook of the model's own name is meant for it
  return has_hook(hook) ? hook : "";
}

void Control::touch(const std::string& model, bool request) {
  const Lease* lease = resident_lease(model);
  const bool resident =
      (lease != nullptr && lease->state != LeaseState::draining) || engine_holds(model);
  if (state_.model_uses.size() < kMostModels || state_.model_uses.contains(model)) {
    ModelUse& use = state_.model_uses[model];
    use.used = at_.boot;
    if (request) {
      ++use.requests;
      use.hits += resident ? 1 : 0;
    }
  }
  const auto told = state_.promises.models.find(model);
  if (told != state_.promises.models.end() && at_.wall - told->second.used >= kWrittenEvery) {
    Model used = told->second;
    used.used = at_.wall;
    keep(PutModel{std::move(used), true});
  }
  // On the device it is on, or on each that it may be loaded on.
  const Needs needs = needs_of_model(model).needs;
  for (const decide::Pool& pool : state_.ledger.pools()) {
    const bool gpu = pool.resource == Resource::gpu_memory;
    if (!gpu && (pool.resource != Resource::memory || needs.gpu_memory)) continue;
    Bytes bytes = (gpu ? needs.gpu_memory : needs.memory).value_or(Bytes());
    if (lease != nullptr) {
      if (gpu && lease->gpu != pool.device) continue;
      bytes = gpu ? lease->booked.gpu_memory : lease->booked.memory;
    }
    if (bytes.count() <= 0 || pool.most() <= 0) continue;
    const Model* record =
        told == state_.promises.models.end() ? nullptr : &state_.promises.models.at(model);
    state_.model_history[pool.device].used(model, bytes, reload_of(record, bytes),
                                           Bytes(pool.most()));
  }
}

// It is loaded: how long that took, and that it was.
void Control::note_loaded(const Lease& lease) {
  const auto use = state_.uses.find(lease.id);
  const auto loaded = use == state_.uses.end() ? lease.granted.boot : use->second.rose;
  const auto took = std::chrono::duration_cast<milliseconds>(loaded - lease.granted.boot);
  const auto told = state_.promises.models.find(lease.model);
  const std::string name = lease.model;
  const std::string device = lease.gpu;
  if (told != state_.promises.models.end() || state_.promises.models.size() < kMostModels) {
    Model model = told == state_.promises.models.end() ? Model() : told->second;
    if (told == state_.promises.models.end()) {
      model.name = name;
      model.owner = lease.owner;
      model.priority = lease.priority;
    }
    if (took.count() > 0) model.load = took;
    model.used = at_.wall;
    keep(PutModel{std::move(model), true});
  }
  state_.model_history[device].loaded(name, at_.boot);
  say("model.loaded", lease.id, name + " is loaded");
  run_uses(name);
}

void Control::ask(const Asked& asked, const AskModel& ask) {
  if (!is_name(ask.name)) return refuse(asked.request, bad_name());
  const auto told = state_.promises.models.find(ask.name);
  const bool known = told != state_.promises.models.end();
  const bool change = ask.create || ask.memory || ask.gpu_memory || ask.compute || ask.priority ||
                      ask.pinned || ask.hook || ask.load || ask.touched || ask.unload || ask.forget;
  ModelView view = model_view(ask.name);
  const bool anywhere = known || view.lease != 0 || !view.engine.empty() || !view.source.empty();
  if (!anywhere && !ask.create) {
    std::string near;
    for (const auto& [name, model] : state_.promises.models) {
      if (name.find(ask.name) != std::string::npos || ask.name.find(name) != std::string::npos) {
        near = name;
      }
    }
    return refuse(asked.request,
                  {ErrorKind::not_found, "there is no model " + ask.name,
                   near.empty() ? "nobody told of it, and no engine holds it" : "nearest: " + near,
                   "headroom model lists them; tell of it: headroom model set NAME --gpu-mem 6G"});
  }
  if (!change) {
    effects_.emplace_back(Respond{asked.request, std::move(view)});
    return;
  }
  if (!asked.caller.known) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the kernel does not tell the user of this connection", "use the Unix socket"});
  }
  const Lease* resident = resident_lease(ask.name);
  const uid_t owner = known                 ? told->second.owner
                      : resident != nullptr ? resident->owner
                                            : asked.caller.uid;
  const bool settles = ask.memory || ask.gpu_memory || ask.compute || ask.priority || ask.pinned ||
                       ask.hook || ask.load || ask.unload || ask.forget;
  if (settles && !asked.caller.trusted && asked.caller.uid != owner) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "model " + ask.name + " belongs to another user",
                   "only who told of it, root and the group headroom may change it", ""});
  }
  if (ask.forget) {
    if (resident != nullptr) {
      return refuse(asked.request, {ErrorKind::conflict, ask.name + " is in memory",
                                    "lease l-" + std::to_string(resident->id) + " holds it",
                                    "unload it first: headroom model unload " + ask.name});
    }
    if (known) keep(PutModel{told->second, false});
    forget_learned(ask.name);
    state_.model_uses.erase(ask.name);
    for (auto& [device, history] : state_.model_history) history.forget(ask.name);
    say("model.forgotten", 0, ask.name + " is forgotten");
    effects_.emplace_back(Respond{asked.request, model_view(ask.name)});
    return;
  }
  if (ask.hook && !ask.hook->empty() && *ask.hook != kHolderHook) {
    if (!has_hook(*ask.hook)) {
      return refuse(asked.request, {ErrorKind::invalid_request, "there is no hook " + *ask.hook,
                                    "the configuration has none of that name",
                                    "name one of [hooks], or \"holder\""});
    }
  }
  if ((ask.memory && *ask.memory < Bytes()) || (ask.gpu_memory && *ask.gpu_memory < Bytes()) ||
      (ask.compute && !(*ask.compute >= 0 && *ask.compute < 1000)) ||
      (ask.load && ask.load->count() < 0)) {
    return refuse(asked.request, {ErrorKind::invalid_request, "an amount is less than nothing",
                                  "sizes, times and capabilities are not negative", ""});
  }
  if (settles || ask.create) {
    if (!known && state_.promises.models.size() >= kMostModels) {
      return refuse(asked.request, {ErrorKind::too_many_requests, "there are too many models",
                                    std::to_string(kMostModels) + " are known already",
                                    "forget some: headroom model rm NAME"});
    }
    Model model = known ? told->second : Model();
    if (!known) {
      model.name = ask.name;
      model.owner = asked.caller.uid;
      if (resident != nullptr) model.priority = resident->priority;
    }
    if (ask.memory) model.memory = *ask.memory;
    if (ask.gpu_memory) model.gpu_memory = *ask.gpu_memory;
    if (ask.compute) model.compute = *ask.compute;
    if (ask.priority) model.priority = *ask.priority;
    if (ask.pinned) model.pinned = *ask.pinned;
    if (ask.hook) model.hook = *ask.hook;
    if (ask.load) model.load = *ask.load;
    if (!known || model != told->second) {
      if (ask.pinned && (!known || told->second.pinned != *ask.pinned)) {
        say(*ask.pinned ? "model.pinned" : "model.unpinned", 0,
            ask.name + (*ask.pinned ? " is pinned" : " is pinned no more") + ", by uid " +
                std::to_string(asked.caller.uid));
      }
      keep(PutModel{std::move(model), true});
    }
    if (ask.priority && resident != nullptr && resident->priority != *ask.priority) {
      Lease lease = *resident;
      lease.priority = *ask.priority;
      keep(PutLease{std::move(lease)});
    }
  }
  if (ask.touched) touch(ask.name, true);
  if (ask.unload) {
    std::optional<std::pair<int, Held>> chosen;
    for (const int pool : memory_pools()) {
      if (chosen) break;
      for (Held& held : held_on(pool)) {
        if (held.as.name == ask.name) chosen.emplace(pool, std::move(held));
      }
    }
    // A model on a device is unloaded for that device's sake.
    if (chosen && chosen->first == decide::Ledger::kMemory && chosen->second.lease != 0) {
      const Lease& lease = state_.promises.leases.at(chosen->second.lease);
      if (const int gpu = state_.ledger.gpu(lease.gpu); gpu >= 0) {
        chosen.emplace(gpu, held_by(lease, gpu));
      }
    }
    if (!chosen) {
      return refuse(asked.request, {ErrorKind::conflict, ask.name + " is not in memory",
                                    "no lease holds it, and no engine says that it does", ""});
    }
    const Held& held = chosen->second;
    if (held.as.busy > 0) {
      return refuse(asked.request, {ErrorKind::conflict, ask.name + " is in use",
                                    std::to_string(held.as.busy) + " uses are under way",
                                    "end them first: headroom lease"});
    }
    if (held.as.pinned) {
      return refuse(asked.request, {ErrorKind::conflict, ask.name + " is pinned", "",
                                    "headroom model unpin " + ask.name});
    }
    if (held.hook.empty()) {
      return refuse(asked.request, {ErrorKind::conflict,
                                    "nobody can be asked to unload " + ask.name, "it has no hook",
                                    "name one: headroom model set " + ask.name + " --hook NAME"});
    }
    if (held.as.loading && !is_unloading(held.lease, held.engine, held.as.name)) {
      return refuse(asked.request, {ErrorKind::conflict, ask.name + " is being loaded", "",
                                    "try again when it is: headroom model show " + ask.name});
    }
    if (!held.spared.empty() && held.spared != kInVain) {
      return refuse(asked.request, {ErrorKind::conflict, ask.name + " cannot be asked to go",
                                    held.spared, "try again in some seconds"});
    }
    if (!is_unloading(held.lease, held.engine, held.as.name)) {
      unload(held, chosen->first, "uid " + std::to_string(asked.caller.uid) + " wanted it");
    }
  }
  effects_.emplace_back(Respond{asked.request, model_view(ask.name)});
}

ModelView Control::model_view(const std::string& name) const {
  std::vector<ModelView> all = model_views();
  for (ModelView& view : all) {
    if (view.model.name == name) return std::move(view);
  }
  // A name that nobody told of may still be of a known size.
  ModelView view;
  view.model.name = name;
  const KnownNeeds known = needs_of_model(name);
  view.needs_from = to_string(known.size.from);
  view.needs_size = known.size;
  view.needs = {known.needs.memory.value_or(Bytes()), known.needs.gpu_memory.value_or(Bytes()),
                Cores(), Bytes()};
  const decide::CatalogueRow row = decide::catalogue_row(*state_.config, name);
  if (row.row != nullptr) {
    view.source = row.configured ? "configuration" : "built in";
    view.batch = row.row->batch;
    view.notes = row.row->notes;
    view.model.compute = row.row->compute;
  }
  return view;
}

std::vector<ModelView> Control::model_views() const {
  std::map<std::string, std::vector<ModelView>> by_name;
  const auto basis = [&](const std::string& name, std::string source) {
    ModelView view;
    if (const auto told = state_.promises.models.find(name); told != state_.promises.models.end()) {
      view.model = told->second;
    }
    view.model.name = name;
    view.source = std::move(source);
    const auto& pinned = state_.config->models.pinned;
    view.model.pinned =
        view.model.pinned || std::find(pinned.begin(), pinned.end(), name) != pinned.end();
    const KnownNeeds known = needs_of_model(name);
    view.needs_from = to_string(known.size.from);
    view.needs_size = known.size;
    view.needs = {known.needs.memory.value_or(Bytes()), known.needs.gpu_memory.value_or(Bytes()),
                  Cores(), Bytes()};
    if (const auto row = decide::catalogue_row(*state_.config, name); row.row != nullptr) {
      view.batch = row.row->batch;
      view.notes = row.row->notes;
      if (view.model.compute == 0) view.model.compute = row.row->compute;
    }
    if (view.model.used != WallTime()) view.used = view.model.used;
    if (const auto use = state_.model_uses.find(name); use != state_.model_uses.end()) {
      view.requests = use->second.requests;
      view.hits = use->second.hits;
      if (use->second.used) view.used = at_.wall - (at_.boot - *use->second.used);
    }
    view.model.hook = hook_of(name);
    return view;
  };
  const auto source_of = [&](const std::string& name) -> std::string {
    if (state_.promises.models.contains(name)) return "told";
    const auto row = decide::catalogue_row(*state_.config, name);
    if (row.row != nullptr && row.row->name == name) {
      return row.configured ? "configuration" : "built in";
    }
    return has_learned(name) ? "learned" : "told";
  };
  // Those in memory, with their place in the order in which they would go.
  for (const int pool : memory_pools()) {
    const decide::Pool& device = state_.ledger.pool(pool);
    const bool gpu = device.resource == Resource::gpu_memory;
    const std::vector<Held> held = held_on(pool);
    if (held.empty()) continue;
    const Asker anybody{Priority::critical, ""};
    const decide::Victims may =
        victims_on(pool, held, std::numeric_limits<std::int64_t>::max() / 4, anybody);
    const decide::Victims victims = victims_on(pool, held, may.allowed.count(), anybody);
    std::map<std::size_t, int> order;
    for (const decide::Victim& victim : victims.unload) {
      order.emplace(victim.resident, static_cast<int>(order.size()) + 1);
    }
    for (std::size_t k = 0; k < held.size(); ++k) {
      const Held& one = held[k];
      const Lease* lease = one.lease == 0 ? nullptr : &state_.promises.leases.at(one.lease);
      // A model on a device has memory too: it is shown once, on its device.
      if (!gpu && lease != nullptr && !lease->gpu.empty() && lease->booked.gpu_memory.count() > 0) {
        continue;
      }
      ModelView view = basis(one.as.name, one.engine.empty() ? source_of(one.as.name) : one.engine);
      view.state = ModelState::resident;
      view.lease = one.lease;
      view.engine = one.engine;
      view.model.hook = one.hook;
      view.model.priority = one.as.priority;
      view.model.pinned = one.as.pinned;
      if (gpu) {
        view.gpu = device.device;
        view.gpu_index = device.gpu_index;
      }
      (gpu ? view.size.gpu_memory : view.size.memory) = one.as.bytes;
      if (lease != nullptr) {
        if (const auto use = state_.uses.find(one.lease);
            use != state_.uses.end() && use->second.measured) {
          view.size = *use->second.measured;
        } else {
          view.size = lease->booked;
        }
        if (lease->state == LeaseState::draining) view.state = ModelState::draining;
        if (is_loading(lease->state)) view.state = ModelState::loading;
      } else if (is_unloading(0, one.engine, one.as.name)) {
        view.state = ModelState::draining;
      } else if (one.as.loading) {
        view.state = ModelState::loading;
      }
      view.uses = one.as.busy;
      view.since = at_.wall - (at_.boot - one.as.since);
      const WallTime used = at_.wall - (at_.boot - one.as.last_used);
      if (!view.used || used > *view.used) view.used = used;
      const auto place = order.find(k);
      view.order = place == order.end() ? 0 : place->second;
      view.until = view.order > 0                       ? "evictable"
                   : view.state == ModelState::draining ? "asked to go"
                   : view.state == ModelState::loading  ? "loading"
                   : one.as.pinned                      ? "pinned"
                   : one.as.busy > 0                    ? "in use"
                   : !one.spared.empty()                ? one.spared
                                                        : "loaded lately";
      by_name[one.as.name].push_back(std::move(view));
    }
  }
  // Engines' models whose device cannot be told.
  for (const auto& [hook, engine] : state_.engines) {
    for (const EngineModel& told : engine.models) {
      if (pool_of(told)) continue;
      ModelView view = basis(told.name, hook);
      view.state = told.loading ? ModelState::loading : ModelState::resident;
      view.engine = view.model.hook = hook;
      view.size.memory = told.memory.value_or(Bytes());
      view.size.gpu_memory = told.gpu_memory.value_or(Bytes());
      view.until = "its device is not known";
      by_name[told.name].push_back(std::move(view));
    }
  }
  for (const auto& [name, leases] : state_.model_leases) {
    for (const LeaseId id : leases) {
      const Lease& lease = state_.promises.leases.at(id);
      if (lease.use || lease.state != LeaseState::waiting) continue;
      ModelView view = basis(name, source_of(name));
      view.state = ModelState::waiting;
      view.lease = id;
      by_name[name].push_back(std::move(view));
    }
  }
  const auto known = [&](const std::string& name) {
    if (!by_name.contains(name)) by_name[name].push_back(basis(name, source_of(name)));
  };
  for (const auto& [name, model] : state_.promises.models) known(name);
  for (const CatalogueModel& row : state_.config->models.catalogue) known(row.name);
  for (const CatalogueModel& row : decide::built_in_catalogue()) known(row.name);
  std::vector<ModelView> all;
  for (auto& [name, views] : by_name) {
    for (ModelView& view : views) all.push_back(std::move(view));
  }
  return all;
}

}  // namespace headroom::control
