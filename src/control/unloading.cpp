// Unloading: who is asked to go so that another fits, and what came back of it.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "control/model_rules.hpp"
#include "decide/verdict.hpp"

namespace headroom::control {
namespace {

using std::chrono::seconds;

// How many waiters are looked at for whom room could be made.
constexpr std::size_t kMostAskers = 16;
// After an answer, a driver that frees late does so within seconds.
constexpr seconds kPatience{10};
// Longer than any hook may take (its own deadline ends it): then the answer was lost.
constexpr seconds kLongestAsk{700};
// Who was asked in vain rests so long, twice as long each time.
constexpr seconds kQuiet{60};
constexpr int kMostDoublings = 4;

std::string size_text(Bytes bytes) { return decide::amount_text(Resource::memory, bytes.count()); }

}  // namespace

bool Control::is_unloading(LeaseId lease, const std::string& engine,
                           const std::string& model) const {
  return std::any_of(state_.unloading.begin(), state_.unloading.end(), [&](const auto& entry) {
    const Unloading& one = entry.second;
    return lease != 0 ? one.step.lease == lease
                      : one.step.lease == 0 && one.engine == engine && one.step.model == model;
  });
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

}  // namespace headroom::control
