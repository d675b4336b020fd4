// Models: what they need, where they are, and who is asked to go so that another fits.
#include <algorithm>
#include <limits>
#include <utility>

#include "control/control.hpp"
#include "decide/catalogue.hpp"
#include "decide/verdict.hpp"

namespace headroom::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Models that somebody told of; further ones are refused until some are forgotten.
constexpr std::size_t kMostModels = 2000;
// How many waiters are looked at for whom room could be made.
constexpr std::size_t kMostAskers = 16;
// After an answer, a driver that frees late does so within seconds.
constexpr seconds kPatience{10};
// Longer than any hook may take (its own deadline ends it): then the answer was lost.
constexpr seconds kLongestAsk{700};
// Who was asked in vain rests so long, twice as long each time.
constexpr seconds kQuiet{60};
constexpr int kMostDoublings = 4;
// A model used within this is not idle for those who do not insist.
constexpr seconds kIdle{60};
// Uses are written into the journal no more often than this.
constexpr std::chrono::minutes kWrittenEvery{1};
// What loading is taken to be where nobody has measured it: a disk that reads a gibibyte a second.
constexpr std::int64_t kBytesPerMillisecond = (1LL << 30) / 1000;
constexpr std::size_t kMostTold = 256;    // of one engine
constexpr std::size_t kMostUses = 10000;  // of one model at once
constexpr const char* kInVain = "asked in vain";

bool is_loading(LeaseState state) {
  return state == LeaseState::waiting || state == LeaseState::reserved ||
         state == LeaseState::loading;
}
bool is_resident(LeaseState state) {
  return state == LeaseState::reserved || state == LeaseState::loading ||
         state == LeaseState::active || state == LeaseState::draining;
}

milliseconds reload_of(const Model* model, Bytes bytes) {
  if (model != nullptr && model->load.count() > 0) return model->load;
  return milliseconds(1 + bytes.count() / kBytesPerMillisecond);
}

std::string size_text(Bytes bytes) { return decide::amount_text(Resource::memory, bytes.count()); }

Error bad_name() {
  return {ErrorKind::invalid_request, "that is no name of a model",
          "it is 1 to 200 bytes without control characters", ""};
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 200 &&
         std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

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

bool Control::engine_holds(const std::string& model) const {
  for (const auto& [hook, engine] : state_.engines) {
    for (const EngineModel& one : engine.models) {
      if (one.name == model && !is_unloading(0, hook, model)) return true;
    }
  }
  return false;
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

bool Control::is_unloading(LeaseId lease, const std::string& engine,
                           const std::string& model) const {
  return std::any_of(state_.unloading.begin(), state_.unloading.end(), [&](const auto& entry) {
    const Unloading& one = entry.second;
    return lease != 0 ? one.step.lease == lease
                      : one.step.lease == 0 && one.engine == engine && one.step.model == model;
  });
}

// The device that an engine's model is on: the one on which its process has memory, or the only one
// it can be on. Empty: it cannot be said.
std::optional<int> Control::pool_of(const EngineModel& model) const {
  if (!model.gpu_memory || model.gpu_memory->count() == 0) {
    if (model.memory && model.memory->count() > 0) return decide::Ledger::kMemory;
    return {};
  }
  if (model.pid && state_.sample) {
    for (const GpuReading& gpu : state_.sample->gpus) {
      for (const GpuProcess& process : gpu.processes) {
        if (process.pid == *model.pid) return state_.ledger.gpu(gpu.id);
      }
    }
  }
  std::optional<int> only;
  int large_enough = 0;
  const auto& pools = state_.ledger.pools();
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const decide::Pool& pool = pools[i];
    if (pool.resource != Resource::gpu_memory || !pool.unknown.empty()) continue;
    const std::int64_t unbooked = pool.capacity - pool.reserve - pool.free - pool.measured;
    if (unbooked < model.gpu_memory->count() / 2) continue;
    ++large_enough;
    only = static_cast<int>(i);
  }
  return large_enough == 1 ? only : std::nullopt;
}

Control::Held Control::held_by(const Lease& lease, int pool) const {
  Held held;
  held.lease = lease.id;
  held.hook = hook_of(lease.model);
  held.as.name = lease.model;
  const bool gpu = state_.ledger.pool(pool).resource == Resource::gpu_memory;
  held.as.bytes = gpu ? lease.booked.gpu_memory : lease.booked.memory;
  held.as.priority = lease.priority;
  const auto told = state_.promises.models.find(lease.model);
  const Model* model = told == state_.promises.models.end() ? nullptr : &told->second;
  if (model != nullptr) held.as.priority = model->priority;  // told of the model, not of one load
  const auto& pinned = state_.config->models.pinned;
  held.as.pinned = (model != nullptr && model->pinned) ||
                   std::find(pinned.begin(), pinned.end(), lease.model) != pinned.end();
  held.as.loading = lease.state != LeaseState::active || is_unloading(lease.id, "", lease.model);
  if (const auto inside = state_.nested.find(lease.id); inside != state_.nested.end()) {
    held.as.busy = static_cast<int>(inside->second.size());
  }
  held.as.since = lease.granted.boot;
  held.as.last_used = lease.granted.boot;
  held.as.reload = reload_of(model, held.as.bytes);
  const auto use = state_.uses.find(lease.id);
  const bool measured = use != state_.uses.end() && use->second.measured;
  if (held.hook.empty()) {
    held.spared = "nobody can be asked";
  } else if (!measured && !held.as.loading) {
    held.spared = "its use is not known";  // nor, then, that it comes back
  }
  if (const auto of = state_.model_uses.find(lease.model); of != state_.model_uses.end()) {
    if (of->second.used) held.as.last_used = std::max(held.as.last_used, *of->second.used);
    // The others are no reasons that insisting would overcome.
    const bool rests = of->second.quiet && *of->second.quiet > at_.boot;
    if (rests && held.spared.empty()) held.spared = kInVain;
  }
  held.as.askable = held.spared.empty();
  return held;
}

std::vector<Control::Held> Control::held_on(int pool) const {
  std::vector<Held> all;
  const decide::Pool& device = state_.ledger.pool(pool);
  const bool gpu = device.resource == Resource::gpu_memory;
  for (const auto& [name, leases] : state_.model_leases) {
    for (const LeaseId id : leases) {
      const Lease& lease = state_.promises.leases.at(id);
      if (lease.use || !is_resident(lease.state)) continue;
      const bool here = gpu ? lease.gpu == device.device && lease.booked.gpu_memory.count() > 0
                            : lease.booked.memory.count() > 0;
      if (here) all.push_back(held_by(lease, pool));
    }
  }
  for (const auto& [hook, engine] : state_.engines) {
    for (const EngineModel& told : engine.models) {
      if (pool_of(told) != pool) continue;
      Held held;
      held.engine = held.hook = hook;
      held.as.name = told.name;
      // It says how much; no more of it counts than the device shows to be booked by nobody.
      const std::int64_t unbooked =
          gpu ? device.capacity - device.reserve - device.free - device.measured
              : std::numeric_limits<std::int64_t>::max();
      held.as.bytes = std::clamp((gpu ? told.gpu_memory : told.memory).value_or(Bytes()), Bytes(),
                                 Bytes(std::max<std::int64_t>(0, unbooked)));
      const auto record = state_.promises.models.find(told.name);
      const Model* model = record == state_.promises.models.end() ? nullptr : &record->second;
      const auto& pinned = state_.config->models.pinned;
      held.as.priority = model != nullptr ? model->priority : Priority::normal;
      held.as.pinned = (model != nullptr && model->pinned) ||
                       std::find(pinned.begin(), pinned.end(), told.name) != pinned.end();
      held.as.loading = told.loading || is_unloading(0, hook, told.name);
      held.as.busy = told.busy.value_or(false) ? 1 : 0;
      if (const auto uses = state_.model_leases.find(told.name);
          uses != state_.model_leases.end()) {
        for (const LeaseId id : uses->second) {
          const Lease& use = state_.promises.leases.at(id);
          held.as.busy += use.use && use.parent == 0 && decide::holds(use.state) ? 1 : 0;
        }
      }
      const auto since = engine.since.find(told.name);
      held.as.since = since == engine.since.end() ? at_.boot : since->second;
      held.as.last_used = held.as.since;
      if (told.used) {
        const auto ago = std::max(WallTime::duration::zero(), at_.wall - *told.used);
        held.as.last_used = std::max(held.as.last_used, at_.boot - ago);
      }
      held.as.reload = reload_of(model, held.as.bytes);
      if (const auto use = state_.model_uses.find(told.name); use != state_.model_uses.end()) {
        if (use->second.used) held.as.last_used = std::max(held.as.last_used, *use->second.used);
        if (use->second.quiet && *use->second.quiet > at_.boot) held.spared = kInVain;
      }
      if (!engine.answers) held.spared = "its engine does not answer";
      held.as.askable = held.spared.empty();
      all.push_back(std::move(held));
    }
  }
  return all;
}

decide::Victims Control::victims_on(int pool, const std::vector<Held>& held, std::int64_t deficit,
                                    const Asker& asker) const {
  static const decide::Uses kNone;
  const auto history = state_.model_history.find(state_.ledger.pool(pool).device);
  std::vector<decide::Resident> residents;
  residents.reserve(held.size());
  for (const Held& one : held) residents.push_back(one.as);
  decide::Shortage shortage;
  shortage.deficit = Bytes(deficit);
  shortage.priority = asker.priority;
  shortage.model = asker.model;
  shortage.now = at_.boot;
  const Config::Models& c = state_.config->models;
  return decide::choose_victims(residents,
                                history == state_.model_history.end() ? kNone : history->second,
                                shortage, {c.min_residency, c.churn_loads, c.churn_window});
}

Control::RoomPlan Control::plan_room(const decide::Wanted& wanted, const Asker& asker) const {
  RoomPlan best;
  if (state_.model_leases.empty() && state_.engines.empty()) return best;
  std::string why;
  for (const std::vector<int>& gpus : decide::placings(books(), wanted)) {
    const std::vector<decide::Lack> lacks = decide::lacks_on(books(), wanted, gpus);
    if (lacks.empty()) continue;
    RoomPlan plan;
    plan.possible = true;
    for (const decide::Lack& lack : lacks) {
      std::vector<Held> held = held_on(lack.pool);
      if (held.empty()) {
        plan.possible = false;
        break;
      }
      // What an engine holds without a lease is among what is used, and not among what is booked.
      if (lack.booked > 0) {
        for (Held& one : held) one.as.askable = one.as.askable && one.lease != 0;
      }
      const std::int64_t deficit = std::max(lack.booked, lack.free);
      const bool gpu_memory = state_.ledger.pool(lack.pool).resource == Resource::gpu_memory;
      (gpu_memory ? plan.short_by.gpu_memory : plan.short_by.memory) += Bytes(deficit);
      const decide::Victims victims = victims_on(lack.pool, held, deficit, asker);
      if (victims.outcome != decide::Eviction::chosen) {
        plan.possible = false;
        if (why.empty()) why = victims.why;
        break;
      }
      for (const decide::Victim& victim : victims.unload) {
        Held& chosen = held[victim.resident];
        const bool twice = std::any_of(plan.unload.begin(), plan.unload.end(),
                                       [&](const auto& other) { return other.second.is(chosen); });
        if (twice) continue;
        plan.regret += victim.regret;
        plan.unload.emplace_back(lack.pool, std::move(chosen));
      }
    }
    Amounts less;
    for (const auto& [pool, one] : plan.unload) {
      if (one.lease == 0) continue;
      const Lease& lease = state_.promises.leases.at(one.lease);
      if (lease.owner != wanted.owner) continue;
      less.memory += lease.booked.memory;
      less.gpu_memory += lease.booked.gpu_memory;
      less.cpu = Cores(less.cpu.milli() + lease.booked.cpu.milli());
    }
    plan.possible = plan.possible && decide::is_within_cap(books(), wanted, less);
    if (plan.possible && (!best.possible || plan.regret < best.regret)) best = std::move(plan);
  }
  if (!best.possible) best.why = std::move(why);
  return best;
}

FreeStep Control::step_of(const Held& held, int pool, Bytes bytes) const {
  FreeStep step;
  step.model = held.as.name;
  step.lease = held.lease;
  step.hook = held.hook;
  const decide::Pool& device = state_.ledger.pool(pool);
  if (device.resource == Resource::gpu_memory) {
    step.gpu = device.device;
    step.gpu_index = device.gpu_index;
  }
  step.bytes = bytes;
  step.priority = held.as.priority;
  step.idle = std::chrono::duration_cast<seconds>(
      std::max(BootTime::duration::zero(), at_.boot - held.as.last_used));
  return step;
}

std::uint64_t Control::unload(const Held& held, int pool, std::string reason) {
  const std::uint64_t ask = ++state_.last_ask;
  Unloading one;
  one.step = step_of(held, pool, held.as.bytes);
  one.step.outcome = FreeStep::Outcome::asked;
  one.pool = pool;
  one.engine = held.engine;
  one.asked = at_.boot;
  one.reason = reason;
  const decide::Pool& device = state_.ledger.pool(pool);
  AskHook effect;
  effect.ask = ask;
  effect.hook = held.hook;
  effect.model = held.as.name;
  effect.bytes = held.as.bytes;
  effect.lease = held.lease;
  effect.reason = reason;
  if (held.lease != 0) {
    // What is in use now, by which it is seen later what came back.
    const bool gpu = device.resource == Resource::gpu_memory;
    const auto use = state_.uses.find(held.lease);
    if (use != state_.uses.end() && use->second.measured) {
      one.before = (gpu ? use->second.measured->gpu_memory : use->second.measured->memory).count();
    }
    Lease lease = state_.promises.leases.at(held.lease);
    effect.holder = lease.holder;
    effect.owner = lease.owner;
    lease.state = LeaseState::draining;
    lease.reason = "it was asked to go: " + reason;
    keep(PutLease{std::move(lease)});
    show(held.lease);
  } else {
    one.before = device.capacity - device.reserve - device.free - device.measured;
  }
  say("model.asked", held.lease,
      held.hook + " was asked to unload " + held.as.name + " (" + size_text(held.as.bytes) +
          (device.name.empty() ? "" : " on " + device.name) + "): " + reason);
  state_.unloading.emplace(ask, std::move(one));
  effects_.emplace_back(std::move(effect));
  return ask;
}

void Control::unloaded(std::uint64_t ask, FreeStep::Outcome outcome, std::string why) {
  const auto found = state_.unloading.find(ask);
  if (found == state_.unloading.end()) return;
  Unloading one = std::move(found->second);
  state_.unloading.erase(found);
  one.step.outcome = outcome;
  one.step.why = why;
  const std::string& model = one.step.model;
  ModelUse& use = state_.model_uses[model];
  if (outcome == FreeStep::Outcome::freed) {
    use.in_vain = 0;
    use.quiet.reset();
    say("model.unloaded", one.step.lease,
        model + " was unloaded, " + size_text(one.step.bytes) + " came back: " + one.reason);
  } else {
    use.quiet = at_.boot + kQuiet * (1 << std::min(use.in_vain, kMostDoublings));
    ++use.in_vain;
    say("model.kept", one.step.lease,
        model + " was not unloaded by " + one.step.hook + ": " + why +
            "; it is not asked again for " +
            std::to_string(std::chrono::duration_cast<seconds>(*use.quiet - at_.boot).count()) +
            " s");
  }
  if (one.step.lease != 0) {
    const auto lease = state_.promises.leases.find(one.step.lease);
    if (lease != state_.promises.leases.end() && lease->second.state == LeaseState::draining) {
      // Commands that have begun inside it meanwhile draw from its booking.
      if (outcome == FreeStep::Outcome::freed && !state_.nested.contains(one.step.lease)) {
        end(one.step.lease, "its model was unloaded: " + one.reason);
      } else {
        Lease back = lease->second;
        back.state = LeaseState::active;
        back.reason.clear();
        keep(PutLease{std::move(back)});
        show(one.step.lease);
        run_uses(model);
      }
    }
  } else if (outcome == FreeStep::Outcome::freed) {
    // It will not be in the next list; until then it is not counted.
    if (const auto engine = state_.engines.find(one.engine); engine != state_.engines.end()) {
      std::erase_if(engine->second.models,
                    [&](const EngineModel& told) { return told.name == model; });
    }
    run_uses(model);
  }
  for (auto it = state_.freeing.begin(); it != state_.freeing.end();) {
    Freeing& freeing = it->second;
    for (std::size_t i = 0; i < freeing.asks.size(); ++i) {
      if (freeing.asks[i] != ask) continue;
      freeing.freed.steps[i] = one.step;
      --freeing.open;
      if (outcome == FreeStep::Outcome::freed) {
        (one.step.gpu.empty() ? freeing.freed.memory : freeing.freed.gpu_memory) += one.step.bytes;
      }
    }
    if (freeing.open > 0) {
      ++it;
      continue;
    }
    const RequestId request = it->first;
    Freed freed = std::move(freeing.freed);
    it = state_.freeing.erase(it);
    say("cleanup.finished", 0,
        size_text(freed.gpu_memory) + " of GPU memory and " + size_text(freed.memory) +
            " of memory came back");
    effects_.emplace_back(Respond{request, std::move(freed)});
  }
}

void Control::on(const HookAnswered& event) {
  const auto found = state_.unloading.find(event.ask);
  if (found == state_.unloading.end()) return;  // it has come back, or gone, already
  Unloading& one = found->second;
  if (one.answered) return;
  const std::string said = event.said.empty() ? "" : ": " + event.said;
  switch (event.result) {
    case HookResult::freed:
    case HookResult::loaded:
    case HookResult::acknowledged:
    case HookResult::not_found:  // then it has let go before
    case HookResult::timed_out:  // the ask may have arrived
    case HookResult::nonsense:
      one.answered = at_.boot;
      one.patience = at_.boot + kPatience;
      one.step.why = event.result == HookResult::timed_out  ? "it did not answer in its time" + said
                     : event.result == HookResult::nonsense ? "its answer was none" + said
                                                            : event.said;
      effects_.emplace_back(Sense{true});
      break;
    case HookResult::refused:
      unloaded(event.ask, FreeStep::Outcome::refused, "it refused" + said);
      run_queue();
      break;
    case HookResult::unreachable:
      unloaded(event.ask, FreeStep::Outcome::unreachable, "it could not be asked" + said);
      run_queue();
      break;
  }
}

void Control::on(const EngineRead& event) {
  if (!has_hook(event.hook)) {
    state_.engines.erase(event.hook);  // it is configured no more
    return;
  }
  const bool first = !state_.engines.contains(event.hook);
  Engine& engine = state_.engines[event.hook];
  if (event.answered != engine.answers || (first && !event.answered)) {
    say(event.answered ? "hook.answers" : "hook.silent", 0,
        event.hook + (event.answered ? " answers" : " does not answer: " + event.said));
  }
  engine.answers = event.answered;
  if (!event.answered) return;  // what it holds is not known to be different
  engine.models = event.models;
  if (engine.models.size() > kMostTold) engine.models.resize(kMostTold);
  std::erase_if(engine.models, [](const EngineModel& one) { return !is_name(one.name); });
  std::map<std::string, BootTime> since;
  for (const EngineModel& model : engine.models) {
    const auto before = engine.since.find(model.name);
    since.emplace(model.name, before == engine.since.end() ? at_.boot : before->second);
    if (before != engine.since.end()) continue;
    if (const auto pool = pool_of(model); pool && !model.loading) {
      state_.model_history[state_.ledger.pool(*pool).device].loaded(model.name, at_.boot);
    }
  }
  const auto gone = std::exchange(engine.since, std::move(since));
  for (const auto& [name, when] : gone) {
    if (!engine.since.contains(name)) run_uses(name);
  }
  limit_models();
  run_queue();
}

// What came back since somebody was asked.
void Control::check_unloading() {
  std::vector<std::pair<std::uint64_t, bool>> over;  // whether its memory is back
  for (const auto& [ask, one] : state_.unloading) {
    if (one.step.lease != 0) {
      const auto lease = state_.promises.leases.find(one.step.lease);
      if (lease == state_.promises.leases.end() || lease->second.state != LeaseState::draining) {
        over.emplace_back(ask, true);  // its holder has ended, or its owner has ended it
        continue;
      }
    }
    if (!one.answered) {
      if (at_.boot - one.asked > kLongestAsk) over.emplace_back(ask, false);
      continue;
    }
    const decide::Pool& pool = state_.ledger.pool(one.pool);
    const bool gpu = pool.resource == Resource::gpu_memory;
    const BootTime read = gpu ? pool.read_at : state_.sample ? state_.sample->at.boot : BootTime();
    bool back = false;
    if (read > *one.answered && pool.unknown.empty()) {
      if (one.step.lease != 0) {
        const auto use = state_.uses.find(one.step.lease);
        if (use != state_.uses.end() && use->second.measured) {
          const std::int64_t now =
              (gpu ? use->second.measured->gpu_memory : use->second.measured->memory).count();
          // A process keeps its context and its libraries; half of what it had is not that.
          back = now <= one.before / 2;
        }
      } else {
        const std::int64_t now = pool.capacity - pool.reserve - pool.free - pool.measured;
        back = one.before - now >= one.step.bytes.count() / 2;
      }
    }
    if (back || (one.patience && *one.patience <= at_.boot)) over.emplace_back(ask, back);
  }
  for (const auto& [ask, back] : over) {
    const auto found = state_.unloading.find(ask);
    if (found == state_.unloading.end()) continue;
    if (back) {
      unloaded(ask, FreeStep::Outcome::freed, "");
    } else {
      const std::string said = found->second.step.why;
      const bool silent = !found->second.answered.has_value();
      unloaded(ask, silent ? FreeStep::Outcome::unreachable : FreeStep::Outcome::kept,
               silent ? "its answer was lost"
                      : "its memory did not come back" +
                            (said.empty() ? "" : "; it had answered: " + said));
    }
  }
  for (auto it = state_.freeing.begin(); it != state_.freeing.end();) {
    if (it->second.until > at_.boot) {
      ++it;
      continue;
    }
    const RequestId request = it->first;
    Freed freed = std::move(it->second.freed);
    freed.why = "not all of it has come back yet";
    it = state_.freeing.erase(it);
    effects_.emplace_back(Respond{request, std::move(freed)});
  }
}

// Room for the first ones in the queue who would fit if somebody went. Each keeps its place, and
// with it what comes back: nobody behind it may take what it waits for. One ask at a time for each
// device, since only a measurement tells what the last one gave.
void Control::make_room() {
  const std::vector<LeaseId> near = near_starts();
  if (state_.queue.empty() && near.empty()) return;
  if (state_.model_leases.empty() && state_.engines.empty()) return;
  std::set<int> taken;
  for (const auto& [ask, one] : state_.unloading) taken.insert(one.pool);
  std::size_t looked = 0;
  // Whose time has come or is near goes before all who have none.
  std::vector<LeaseId> order = near;
  for (const auto& [age, id] : state_.queue.in_order()) {
    if (order.size() >= kMostAskers) break;
    order.push_back(id);
  }
  for (const LeaseId id : order) {
    if (++looked > kMostAskers) return;
    const Lease& waiter = state_.promises.leases.at(id);
    if (waiter.parent != 0) continue;
    const auto wanted = decide::wanted_of(books(), waiter);
    if (!wanted || decide::is_over_budget(books(), *wanted)) continue;
    const RoomPlan plan = plan_room(*wanted, {waiter.priority, waiter.model});
    const bool free = std::none_of(plan.unload.begin(), plan.unload.end(),
                                   [&](const auto& one) { return taken.contains(one.first); });
    if (plan.possible && free) {
      for (const auto& [pool, held] : plan.unload) {
        unload(held, pool, waiter.name + " needs its place");
      }
    }
    // Whoever comes behind does not make others go on a device that this one may be placed on.
    taken.insert(wanted->gpus.begin(), wanted->gpus.end());
    if (waiter.needs.memory) taken.insert(decide::Ledger::kMemory);
  }
}

void Control::unload_idle() {
  const seconds after = state_.config->models.idle_unload;
  if (after.count() <= 0) return;
  for (const int pool : memory_pools()) {
    for (const Held& held : held_on(pool)) {
      if (!held.as.askable || held.as.pinned || held.as.loading || held.as.busy > 0) continue;
      if (at_.boot - held.as.last_used < after || held.as.bytes.count() <= 0) continue;
      if (is_unloading(held.lease, held.engine, held.as.name)) continue;
      unload(held, pool,
             "nobody has used it for " +
                 std::to_string(
                     std::chrono::duration_cast<seconds>(at_.boot - held.as.last_used).count()) +
                 " s");
    }
  }
}

// No more models than models.cache_size: the ones that cost least to load again go.
void Control::limit_models() {
  const int most = state_.config->models.cache_size;
  if (most <= 0) return;
  std::vector<std::pair<int, Held>> all;
  for (const int pool : memory_pools()) {
    for (Held& held : held_on(pool)) {
      const bool known = std::any_of(all.begin(), all.end(),
                                     [&](const auto& other) { return other.second.is(held); });
      if (!known && !is_unloading(held.lease, held.engine, held.as.name)) {
        all.emplace_back(pool, std::move(held));
      }
    }
  }
  auto over = static_cast<std::int64_t>(all.size()) - most;
  if (over <= 0) return;
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second.as.last_used < b.second.as.last_used;
  });
  for (const auto& [pool, held] : all) {
    if (over <= 0) return;
    if (!held.as.askable || held.as.pinned || held.as.loading || held.as.busy > 0) continue;
    unload(held, pool, "models.cache_size is " + std::to_string(most));
    --over;
  }
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

void Control::ask(const Asked& asked, const AskFree& ask) {
  if (!asked.caller.known && !ask.dry_run) {
    return refuse(asked.request,
                  {ErrorKind::not_allowed, "it is not known who asks",
                   "the kernel does not tell the user of this connection", "use the Unix socket"});
  }
  int only = -1;
  if (!ask.gpu.empty()) {
    only = state_.ledger.gpu(ask.gpu);
    if (only < 0) {
      return refuse(asked.request, {ErrorKind::not_found, "there is no GPU " + ask.gpu,
                                    "it is not in this machine", "headroom gpu lists the devices"});
    }
  }
  const Asker asker{ask.priority, ""};
  struct Choice {
    int pool = -1;
    std::vector<Held> held;
    std::vector<std::size_t> go;
    std::vector<std::pair<std::size_t, std::string>> stay;
    Bytes freed;
    std::int64_t regret = 0;
    bool enough = true;
    std::string why;
  };
  const auto reason_of = [&](const Held& held, decide::Spared why) -> std::string {
    if (!held.spared.empty()) return held.spared;
    switch (why) {
      case decide::Spared::busy:
        return "in use";
      case decide::Spared::pinned:
        return "pinned";
      case decide::Spared::loading:
        return held.as.loading && is_unloading(held.lease, held.engine, held.as.name)
                   ? "asked already"
                   : "loading";
      case decide::Spared::outranks:
        return "of higher priority";
      case decide::Spared::empty:
        return "it holds nothing here";
      case decide::Spared::resting:
      case decide::Spared::churning:
        return "loaded lately";
      case decide::Spared::dearer:
        return "others suffice";
      default:
        return "not needed";
    }
  };
  // `most`: all that may go; else just enough for `want`.
  const auto choose = [&](int pool, std::optional<Bytes> want) {
    Choice choice;
    choice.pool = pool;
    choice.held = held_on(pool);
    for (Held& held : choice.held) {
      if (ask.force) {
        if (held.spared == kInVain) held.spared.clear();
        held.as.askable = held.spared.empty();
      } else if (held.as.askable && at_.boot - held.as.last_used < kIdle) {
        held.spared = "used in the last minute";
        held.as.askable = false;
      }
    }
    std::int64_t deficit = 0;
    if (want) {
      deficit = want->count();
    } else {
      decide::Victims all =
          victims_on(pool, choice.held, std::numeric_limits<std::int64_t>::max() / 4, asker);
      deficit = all.allowed.count();
    }
    const decide::Victims victims = victims_on(pool, choice.held, deficit, asker);
    choice.enough = !want || victims.outcome == decide::Eviction::chosen;
    if (!choice.enough) choice.why = victims.why;
    for (const decide::Victim& victim : victims.unload) {
      choice.go.push_back(victim.resident);
      choice.freed += choice.held[victim.resident].as.bytes;
      choice.regret += victim.regret;
    }
    for (const decide::Kept& kept : victims.kept) {
      choice.stay.emplace_back(kept.resident, reason_of(choice.held[kept.resident], kept.why));
    }
    return choice;
  };
  std::vector<Choice> choices;
  const bool everything = !ask.memory && !ask.gpu_memory;
  std::vector<int> gpus;
  for (std::size_t i = 0; i < state_.ledger.pools().size(); ++i) {
    const int pool = static_cast<int>(i);
    if (state_.ledger.pool(pool).resource != Resource::gpu_memory) continue;
    if (only < 0 || only == pool) gpus.push_back(pool);
  }
  if (ask.gpu_memory && gpus.empty()) {
    return refuse(asked.request,
                  {ErrorKind::can_never_fit, "GPU memory was wanted, and this machine has no GPU",
                   "none is known to headroom", "headroom doctor says what was looked for"});
  }
  if (everything) {
    for (const int gpu : gpus) choices.push_back(choose(gpu, {}));
    if (only < 0) choices.push_back(choose(decide::Ledger::kMemory, {}));
  }
  if (ask.gpu_memory) {
    std::optional<Choice> best;
    for (const int gpu : gpus) {
      Choice choice = choose(gpu, ask.gpu_memory);
      const auto better = [](const Choice& a, const Choice& b) {
        return std::tuple(!a.enough, a.regret, a.freed) < std::tuple(!b.enough, b.regret, b.freed);
      };
      if (!best || better(choice, *best)) best = std::move(choice);
    }
    choices.push_back(std::move(*best));
  }
  for (const auto& amount : {ask.memory, ask.gpu_memory}) {
    if (amount && *amount <= Bytes()) {
      return refuse(asked.request, {ErrorKind::invalid_request, "an amount is zero or less",
                                    "what is to come free is more than nothing", ""});
    }
  }
  if (ask.memory) choices.push_back(choose(decide::Ledger::kMemory, ask.memory));

  Freeing freeing;
  freeing.freed.dry_run = ask.dry_run;
  std::vector<std::pair<int, Held>> go;
  const auto listed = [&](const Held& held) {
    return std::any_of(go.begin(), go.end(),
                       [&](const auto& other) { return other.second.is(held); });
  };
  for (const Choice& choice : choices) {
    if (!choice.enough && freeing.freed.why.empty()) freeing.freed.why = choice.why;
    for (const std::size_t i : choice.go) {
      if (!listed(choice.held[i])) go.emplace_back(choice.pool, choice.held[i]);
    }
  }
  for (const auto& [pool, held] : go) {
    freeing.freed.steps.push_back(step_of(held, pool, held.as.bytes));
  }
  for (const Choice& choice : choices) {
    for (const auto& [i, why] : choice.stay) {
      if (listed(choice.held[i])) continue;
      FreeStep step = step_of(choice.held[i], choice.pool, choice.held[i].as.bytes);
      step.outcome = FreeStep::Outcome::skipped;
      step.why = why;
      freeing.freed.steps.push_back(std::move(step));
    }
  }
  if (ask.dry_run || go.empty()) {
    for (const auto& [pool, held] : go) {
      const bool gpu = state_.ledger.pool(pool).resource == Resource::gpu_memory;
      (gpu ? freeing.freed.gpu_memory : freeing.freed.memory) += held.as.bytes;
    }
    effects_.emplace_back(Respond{asked.request, std::move(freeing.freed)});
    return;
  }
  for (std::size_t i = 0; i < go.size(); ++i) {
    freeing.asks.push_back(unload(go[i].second, go[i].first,
                                  "room was wanted by uid " + std::to_string(asked.caller.uid)));
    freeing.freed.steps[i].outcome = FreeStep::Outcome::asked;
  }
  freeing.open = freeing.asks.size();
  freeing.until =
      at_.boot + std::clamp<milliseconds>(ask.patience, milliseconds(0), std::chrono::hours(1));
  state_.freeing.emplace(asked.request, std::move(freeing));
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
