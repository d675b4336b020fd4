#include "referee.hpp"

#include <algorithm>

#include "decide/verdict.hpp"

namespace headroom::simulate {
namespace {

std::string lease_name(LeaseId id) { return "lease l-" + std::to_string(id); }

decide::Books books_of(const control::State& state, Instant at) {
  return {state.promises, state.ledger,  state.queue, *state.config, at,
          state.revision, &state.starts, &state.zone};
}

std::size_t resource_of(const decide::Pool& pool, const Machine& machine) {
  if (pool.resource == Resource::memory) return kMemory;
  if (pool.resource == Resource::cpu) return kCpu;
  if (pool.resource == Resource::gpu_memory) return machine.gpu(pool.device);
  return pool.device == machine.mounts[0] ? kDisk : kDisk + 1;
}

}  // namespace

void Referee::told(const Lease& lease) {
  highest_told_ = std::max(highest_told_, lease.id);
  if (lease.state == LeaseState::ended) {
    told_.erase(lease.id);
    return;
  }
  told_[lease.id] = {lease.holder, lease.owner, decide::holds(lease.state)};
}

void Referee::before(const control::Control& control, const Event& event, Instant at) {
  head_.reset();
  const control::State& state = control.state();
  if (const auto* asked = std::get_if<Asked>(&event)) {
    const auto* change = std::get_if<AskChange>(&asked->ask);
    if (change != nullptr && change->holder && may_change(asked->caller, change->lease)) {
      handed_to_[change->lease] = *change->holder;
    }
  }
  if (!std::holds_alternative<Asked>(event) || state.queue.empty()) return;
  for (const decide::Outlook& one : decide::outlook(books_of(state, at))) {
    const Lease& lease = state.promises.leases.at(one.lease);
    if (lease.parent != 0 || !decide::wanted_of(books_of(state, at), lease)) continue;
    head_ = Head{one.lease, one.earliest};
    return;
  }
}

bool Referee::may_change(const Caller& caller, LeaseId id) const {
  const auto lease = shadow_.leases.find(id);
  return lease != shadow_.leases.end() &&
         (caller.trusted || (caller.known && caller.uid == lease->second.owner));
}

bool Referee::has_to_hold(LeaseId id) const {
  const auto found = shadow_.leases.find(id);
  return found != shadow_.leases.end() && !decide::is_ending(found->second.state) &&
         found->second.state != LeaseState::draining && !found->second.use &&
         !may_end_.contains(id) && !everything_may_end_;
}

std::string Referee::endings(const Lease& before, const Lease& now, Instant at) {
  if (before.state == LeaseState::ended && now.state != LeaseState::ended) {
    return lease_name(now.id) + " lives again after its end";
  }
  if (decide::is_ending(before.state) && !decide::is_ending(now.state))
    return lease_name(now.id) + " went back to life";
  if (!decide::is_ending(now.state) || decide::is_ending(before.state)) {
    if (before.state != LeaseState::ended && now.state == LeaseState::ended) {
      // It was on its way out; what ran in its groups must be gone, unless somebody ended it.
      if (before.group != Group() && !may_end_.contains(now.id) && !everything_may_end_ &&
          machine_.in_group(now.id) > 0 && !(now.expires && *now.expires <= at.boot)) {
        return lease_name(now.id) + " ended while its group still runs";
      }
    }
    return {};
  }
  const bool time = (now.expires && *now.expires <= at.boot) ||
                    (before.state == LeaseState::waiting && now.give_up && *now.give_up <= at.boot);
  const bool dead = now.holder.pid != 0 && !machine_.alive(now.holder);
  bool outer = false;
  if (now.parent != 0) {
    const auto parent = shadow_.leases.find(now.parent);
    outer = may_end_.contains(now.parent) || parent == shadow_.leases.end() ||
            parent->second.state == LeaseState::ended ||
            (parent->second.expires && *parent->second.expires <= at.boot) ||
            // Who used a model has nothing to use once its process is dead.
            (now.use && parent->second.holder.pid != 0 && !machine_.alive(parent->second.holder));
  }
  // A use ends with the model that it waited for, a model when it was unloaded.
  const bool unloaded = before.state == LeaseState::draining && !now.model.empty() && !now.use;
  const bool nothing_left = now.use && before.state == LeaseState::waiting;
  if (unloaded || nothing_left) return {};
  if (!time && !dead && !outer && !may_end_.contains(now.id) && !everything_may_end_) {
    return lease_name(now.id) + " of a living holder was ended without cause: " + now.reason;
  }
  return {};
}

// Who is meant to stand still: for no longer than a person said, only who agreed to be held, and
// nobody within his booking while one beyond his runs on unheld.
std::string Referee::stillness(const control::Control& control, const Event& event,
                               Instant at) const {
  const control::State& state = control.state();
  std::set<LeaseId> frozen;
  for (const auto& [id, lease] : state.promises.leases) {
    if (!lease.frozen) continue;
    frozen.insert(id);
    if (!lease.fence || lease.group.unified.empty() || !decide::holds(lease.state)) {
      return lease_name(id) + " stands still, which it never agreed to";
    }
    if (std::holds_alternative<Sampled>(event) &&
        at.boot - *lease.frozen >= state.config->pressure.freeze_most) {
      return lease_name(id) + " stands still for too long";
    }
  }
  if (frozen != state.frozen) return "the index of who stands still is wrong";
  if (!std::holds_alternative<Sampled>(event) || state.ladder.step() < Step::freeze) return {};
  const auto over = [&](const Lease& lease) {
    const auto use = state.uses.find(lease.id);
    return use != state.uses.end() && use->second.measured &&
           decide::is_over(Amounts{use->second.measured->memory, {}, {}, {}},
                           Amounts{lease.booked.memory, {}, {}, {}});
  };
  for (const LeaseId id : frozen) {
    const Lease& lease = state.promises.leases.at(id);
    if (lease.frozen != at.boot || over(lease)) continue;
    for (const auto& [other, loose] : state.promises.leases) {
      const auto use = state.uses.find(other);
      const bool could = loose.fence && !loose.group.unified.empty() && !loose.fence_set &&
                         loose.part_of == 0 && loose.parent == 0 && decide::holds(loose.state) &&
                         !state.killing.contains(other) &&  // it has to run to end
                         use != state.uses.end() && use->second.measured && over(loose);
      const bool rests = could && use->second.rests_until && at.boot < *use->second.rests_until;
      if (could && !rests && !loose.frozen) {
        return lease_name(id) + " is within its booking and was stopped, while " +
               lease_name(other) + " is beyond its own and runs on";
      }
    }
  }
  return {};
}

// Who gets less of the processors: never less than half, and only who agreed to be held.
std::string Referee::weights(const control::Control& control, const Effects& effects) const {
  for (const Effect& effect : effects) {
    const auto* weigh = std::get_if<Weigh>(&effect);
    if (weigh == nullptr || weigh->percent == 100) continue;
    const auto& leases = control.state().promises.leases;
    const auto lease = leases.find(weigh->lease);
    if (lease == leases.end() || !lease->second.fence) {
      return lease_name(weigh->lease) + " is slowed down, and never agreed to it";
    }
    if (weigh->percent < 50 || weigh->percent > 100) return "somebody is slowed down too much";
    if (!control.state().slowed.contains(weigh->lease)) return "who is slowed down is forgotten";
  }
  return {};
}

// Who is ended: only where a person said so, only who agreed to be held, and never who keeps to its
// booking; for a little more than that only who keeps all others waiting by it.
std::string Referee::killings(const control::Control& control, const Effects& effects) const {
  const control::State& state = control.state();
  for (const Effect& effect : effects) {
    const auto* end = std::get_if<Terminate>(&effect);
    if (end == nullptr) continue;
    const auto lease = shadow_.leases.find(end->lease);
    if (lease == shadow_.leases.end()) return "somebody unknown is ended";
    if (!lease->second.fence) return lease_name(end->lease) + " is ended, and never agreed to it";
    if (end->hard) continue;  // it was asked before, and may have shrunk since
    if (state.config->pressure.most < Step::kill) {
      return lease_name(end->lease) + " is ended, and nobody allowed that";
    }
    const auto use = state.uses.find(end->lease);
    const std::int64_t booked = lease->second.booked.memory.count();
    const std::int64_t taken =
        use == state.uses.end() || !use->second.measured ? 0 : use->second.measured->memory.count();
    if (taken <= booked) return lease_name(end->lease) + " is ended while it keeps to its booking";
    if (4 * taken <= 5 * booked && !keeps_all_waiting(state, end->lease)) {
      return lease_name(end->lease) + " is ended for a little more than its booking";
    }
  }
  return {};
}

// Whether nobody beside it has memory, and somebody waits: then there is nothing left to take but
// what it has beyond its booking.
bool Referee::keeps_all_waiting(const control::State& state, LeaseId id) {
  bool somebody_waits = false;
  for (const auto& [other, lease] : state.promises.leases) {
    if (other == id || lease.parent != 0 || lease.part_of != 0) continue;
    somebody_waits = somebody_waits || lease.state == LeaseState::waiting;
    if (decide::holds(lease.state) && lease.booked.memory.count() > 0) return false;
  }
  return somebody_waits;
}

std::string Referee::after(const control::Control& control, const Event& event,
                           const Effects& effects, Instant at, bool forged) {
  ++checked_;
  const control::State& state = control.state();
  if (const auto* asked = std::get_if<Asked>(&event)) {
    if (const auto* end = std::get_if<AskEnd>(&asked->ask)) {
      if (may_change(asked->caller, end->lease)) may_end(end->lease);
    }
  }
  // The lease of a component ends with it.
  for (const Effect& effect : effects) {
    const auto* journal = std::get_if<Journal>(&effect);
    const auto* put = journal == nullptr ? nullptr : std::get_if<PutComponent>(&journal->record);
    if (put == nullptr) continue;
    const auto before = shadow_.components.find(put->component.name);
    if (before == shadow_.components.end() || !before->second.books) continue;
    if (!put->component.registered || put->component.lease != before->second.lease) {
      may_end(before->second.lease);
    }
  }
  std::set<LeaseId> granted;
  std::map<LeaseId, Amounts> grown;
  for (const Effect& effect : effects) {
    const auto* journal = std::get_if<Journal>(&effect);
    if (journal == nullptr) continue;
    if (const auto* put = std::get_if<PutLease>(&journal->record)) {
      const Lease& now = put->lease;
      const auto before = shadow_.leases.find(now.id);
      if (before == shadow_.leases.end()) {
        if (now.id <= highest_told_) return lease_name(now.id) + " was given a number twice";
      } else if (std::string broken = endings(before->second, now, at);
                 !broken.empty() && !forged) {
        return broken;
      } else if (!broken.empty()) {
        return broken + " (after a forged event)";
      }
      const bool held = before != shadow_.leases.end() && decide::holds(before->second.state);
      if (decide::holds(now.state) && now.parent == 0 && now.state == LeaseState::reserved &&
          !held) {
        granted.insert(now.id);
      }
      if (granted.contains(now.id) || held) {
        const Amounts was = held ? before->second.booked : Amounts();
        grown[now.id] = {std::max(Bytes(), now.booked.memory - was.memory),
                         std::max(Bytes(), now.booked.gpu_memory - was.gpu_memory),
                         Cores(std::max<std::int64_t>(0, now.booked.cpu.milli() - was.cpu.milli())),
                         std::max(Bytes(), now.booked.disk - was.disk)};
      }
      if (now.state == LeaseState::ended) {
        living_.erase(now.id);
      } else {
        living_.insert(now.id);
      }
    } else if (const auto* drop = std::get_if<DropLease>(&journal->record)) {
      const auto before = shadow_.leases.find(drop->id);
      const bool part = before != shadow_.leases.end() && before->second.part_of != 0;
      if (!part && (before == shadow_.leases.end() || before->second.state != LeaseState::ended)) {
        return lease_name(drop->id) + " was forgotten before its end";
      }
      living_.erase(drop->id);
    }
    shadow_.keep(journal->record);
  }
  everything_may_end_ = false;

  if (shadow_.next_lease != state.promises.next_lease ||
      shadow_.leases.size() != state.promises.leases.size() ||
      shadow_.learned.size() != state.promises.learned.size() ||
      shadow_.acknowledged != state.promises.acknowledged ||
      shadow_.muted != state.promises.muted || shadow_.drained != state.promises.drained ||
      shadow_.models != state.promises.models || shadow_.components != state.promises.components ||
      shadow_.decisions != state.promises.decisions) {
    return "the journal and the promises differ";
  }
  if (std::string broken = stillness(control, event, at); !broken.empty()) return broken;
  for (const LeaseId id : living_) {
    const auto lease = state.promises.leases.find(id);
    if (lease == state.promises.leases.end() || !(lease->second == shadow_.leases.at(id))) {
      return lease_name(id) + " is not in the state as the journal has it";
    }
  }
  for (auto it = told_.begin(); it != told_.end();) {
    const auto lease = shadow_.leases.find(it->first);
    if (lease == shadow_.leases.end())
      return lease_name(it->first) + ", which a client holds, is not known";
    if (const auto to = handed_to_.find(it->first);
        to != handed_to_.end() && lease->second.holder == to->second) {
      it->second.holder = to->second;  // its owner gave it away
    }
    if (lease->second.holder != it->second.holder || lease->second.owner != it->second.owner) {
      return lease_name(it->first) + " has changed hands";
    }
    if (it->second.granted && lease->second.state == LeaseState::waiting) {
      return lease_name(it->first) + " waits again after it was granted";
    }
    it = lease->second.state == LeaseState::ended ? told_.erase(it) : std::next(it);
  }
  // Kept are the newest 1000 that have ended, and those whose groups still run.
  if (state.ended.size() > 1000 + state.looks.size() + state.placing.size()) {
    return "more ended leases are kept than the bound";
  }
  if (const auto next = control.next_deadline();
      std::holds_alternative<Ticked>(event) && next && *next <= at.boot) {
    return "a deadline that has passed is still due after the tick";
  }
  // What it asks to be read decides who starts.
  const bool reads = std::any_of(effects.begin(), effects.end(), [](const Effect& effect) {
    return std::holds_alternative<Sense>(effect);
  });
  for (const std::string& broken :
       {victims(control, effects), killings(control, effects), weights(control, effects),
        readings(state, event), ledger(state), rooms(state), nested(state), devices(state),
        components(state), grants(control, grown, granted), gauges(control, event),
        queue(control, event, granted, reads, at), starts(control, event, granted, reads, at)}) {
    if (!broken.empty()) return broken;
  }
  return checked_ % 256 == 0 ? everything(control) : std::string();
}

// What components were given, and were asked to have, is booked, inside their quota, and no more
// than there is.
std::string Referee::components(const control::State& state) const {
  std::int64_t cpu = 0;
  std::map<LeaseId, std::int64_t> memory;
  std::size_t registered = 0;
  for (const auto& [name, component] : state.promises.components) {
    if (!component.registered) {
      if (component.has != decltype(component.has){}) return name + " is gone and has something";
      continue;
    }
    ++registered;
    const auto run = state.component_runs.find(name);
    if (run == state.component_runs.end()) return name + " is registered and forgotten";
    const auto pool = state.allocations.find(component.books ? 0 : component.lease);
    if (pool == state.allocations.end()) return name + " is in no pool";
    const auto held = [&](Allotted what) {
      return std::max(component.has[index_of(what)],
                      pool->second[index_of(what)].held(run->second.number));
    };
    if (!component.books) continue;
    cpu += held(Allotted::cpu);
    memory[component.lease] += held(Allotted::memory);
    if (run->second.call && !state.calls_due.contains({run->second.call->until, name})) {
      return name + " was asked, and nobody looks at the clock";
    }
  }
  if (registered != state.component_runs.size()) return "somebody is followed who is not there";
  if (cpu > 1000) return "components have more of the processors than there is";
  for (const auto& [id, mebibytes] : memory) {
    const auto lease = state.promises.leases.find(id);
    if (lease == state.promises.leases.end() || !decide::holds(lease->second.state) ||
        lease->second.state == LeaseState::releasing) {
      continue;  // its next sample says so
    }
    if (lease->second.booked.memory.count() >> 20 < mebibytes) {
      return lease_name(id) + " books " +
             std::to_string(lease->second.booked.memory.count() >> 20) +
             " MiB, and its components were given " + std::to_string(mebibytes);
    }
  }
  if (state.promises.decisions.size() > kMostDecisions) return "too many decisions are kept";
  return {};
}

// Nobody busy, pinned or loading is asked to go, and nobody twice.
std::string Referee::victims(const control::Control& control, const Effects& effects) const {
  const control::State& state = control.state();
  for (const Effect& effect : effects) {
    const auto* ask = std::get_if<AskHook>(&effect);
    if (ask == nullptr) continue;
    const auto found = shadow_.leases.find(ask->lease);
    if (found == shadow_.leases.end()) return "a lease that is none was asked to go";
    const Lease& lease = found->second;
    const std::string name = lease_name(lease.id) + " (" + lease.model + ")";
    if (lease.model != ask->model || lease.use)
      return name + " holds no model, and was asked to go";
    if (lease.state != LeaseState::draining) return name + " was asked to go, and is not draining";
    if (const auto inside = state.nested.find(lease.id); inside != state.nested.end()) {
      return name + " was asked to go while it is in use";
    }
    const auto& pinned = state.config->models.pinned;
    const auto told = shadow_.models.find(lease.model);
    if ((told != shadow_.models.end() && told->second.pinned) ||
        std::find(pinned.begin(), pinned.end(), lease.model) != pinned.end()) {
      return name + " was asked to go, and is pinned";
    }
    int asks = 0;
    for (const auto& [number, one] : state.unloading) asks += one.step.lease == lease.id ? 1 : 0;
    if (asks > 1) return name + " was asked to go twice";
    const auto use = state.uses.find(lease.id);
    if (use == state.uses.end() || !use->second.measured) {
      return name + " was asked to go, and nobody knows what it would give back";
    }
  }
  return {};
}

std::string Referee::grants(const control::Control& control,
                            const std::map<LeaseId, Amounts>& grown,
                            const std::set<LeaseId>& granted) const {
  const control::State& state = control.state();
  std::set<int> pools;
  for (const auto& [id, growth] : grown) {
    const decide::Entry* entry = state.ledger.entry(id);
    if (entry == nullptr) continue;  // it has ended within the same event, or is nested
    for (const decide::Slot& slot : decide::slots(growth, entry->gpu, entry->disk)) {
      pools.insert(slot.pool);
      if (granted.contains(id) && (shadow_.drained.contains("") ||
                                   shadow_.drained.contains(state.ledger.pool(slot.pool).device))) {
        return lease_name(id) + " was granted on " + state.ledger.pool(slot.pool).name +
               ", which is drained";
      }
    }
  }
  for (const int index : pools) {
    const decide::Pool& pool = state.ledger.pool(index);
    if (!pool.unknown.empty()) return pool.name + " is unknown and something was booked on it";
    if (pool.booked > pool.capacity - pool.reserve - pool.margin) {
      return "a grant booked more of " + pool.name + " than capacity less reserve and margin";
    }
    if (pool.exclusive > 0 && pool.leases > 1)
      return pool.name + " was given to one alone, and to others";
    if (pool.resource == Resource::cpu) continue;  // its use is averaged over a minute
    const std::size_t resource = resource_of(pool, machine_);
    // Where the driver does not say who uses what, a foreign rise passes for a lease's.
    if (resource >= kGpu && !machine_.gpus[resource - kGpu].tells) continue;
    const std::int64_t uncovered = machine_.uncovered(resource, state.promises);
    // What the dead have booked beyond what they still hold is promised to nobody: nobody is left
    // to take it. That is known once the device was looked at after the death, and not before.
    std::map<Holder, std::int64_t> dead;  // several leases may have had one holder
    for (const auto& [id, owed] : state.owed) {
      const Lease& lease = state.promises.leases.at(id);
      if (lease.gpu != pool.device || pool.read_at <= owed.since) continue;
      const Lease& lead = lease.part_of == 0 ? lease : state.promises.leases.at(lease.part_of);
      if (machine_.promised_to_somebody(lead, state.promises)) continue;
      const auto [at, first] = dead.try_emplace(lease.holder, 0);
      if (first) at->second = -machine_.held(lead, resource);
      at->second += lease.booked.gpu_memory.count();
    }
    std::int64_t booked = pool.booked;
    for (const auto& [holder, beyond] : dead) booked -= std::max<std::int64_t>(0, beyond);
    if (booked + uncovered + pool.margin > machine_.capacity[resource]) {
      return "a grant promised more of " + pool.name + " than there is: booked " +
             std::to_string(booked) + ", used beyond it " + std::to_string(uncovered) +
             ", margin " + std::to_string(pool.margin) + ", capacity " +
             std::to_string(machine_.capacity[resource]) +
             machine_.explain(resource, state.promises);
    }
  }
  return {};
}

// Control works on what a sample says anew: what it knows is what it would know from all of it.
std::string Referee::readings(const control::State& state, const Event& event) const {
  if (!std::holds_alternative<Sampled>(event)) return {};
  std::map<LeaseId, const HolderReading*> read;
  for (const HolderReading& reading : state.sample->holders) read[reading.lease] = &reading;
  for (const LeaseId id : living_) {
    const Lease& lease = shadow_.leases.at(id);
    const auto use = state.uses.find(id);
    if (!decide::holds(lease.state) || use == state.uses.end() || state.owed.contains(id)) continue;
    const auto& to = use->second.handed_over;
    const auto reading = read.find(id);
    const bool is_read = reading != read.end() && !(to && state.sample->at.boot <= *to);
    if (is_read != use->second.measured.has_value()) {
      return lease_name(id) +
             (is_read ? " was read, and is not measured" : " was not read, and is measured");
    }
    if (!is_read || use->second.measured->memory == reading->second->memory.value_or(Bytes()))
      continue;
    // What one process of several leases uses is told apart by their bookings; those that this very
    // sample ended or let start count too.
    const auto shares = [&](const auto& other) {
      return other.first != id && other.second.holder == lease.holder &&
             (other.second.state != LeaseState::ended ||
              other.second.ended.boot >= state.sample->at.boot);
    };
    if (std::none_of(shadow_.leases.begin(), shadow_.leases.end(), shares)) {
      return lease_name(id) + " is measured otherwise than it was read";
    }
  }
  return {};
}

std::string Referee::ledger(const control::State& state) const {
  struct Sum {
    std::int64_t booked = 0;
    std::int64_t unmaterialised = 0;
    std::int64_t measured = 0;
    int leases = 0;
    int exclusive = 0;
  };
  std::vector<Sum> sums(state.ledger.pools().size());
  std::map<uid_t, int> users;
  std::size_t entries = 0;
  std::size_t ends = 0;
  for (const LeaseId id : living_) {
    const Lease& lease = shadow_.leases.at(id);
    if (!decide::holds(lease.state) || lease.parent != 0 || lease.use) continue;
    const decide::Entry* entry = state.ledger.entry(id);
    if (entry == nullptr) return lease_name(id) + " holds and is not in the ledger";
    ++entries;
    if (lease.part_of == 0) ++users[lease.owner];
    if (!(entry->booked == lease.booked))
      return lease_name(id) + " is booked differently in the ledger";
    if (entry->owner != lease.owner) return lease_name(id) + " is booked for another user";
    if (entry->ends) {
      ++ends;
      if (!state.ledger.by_end().contains({*entry->ends, id}))
        return lease_name(id) + " has no place in by_end";
    }
    const auto use = state.uses.find(id);
    const Amounts measured =
        use == state.uses.end() ? Amounts() : use->second.measured.value_or(Amounts());
    const Use booked = on_resources(lease, lease.booked, machine_);
    const Use used = on_resources(lease, measured, machine_);
    for (std::size_t i = 0; i < state.ledger.pools().size(); ++i) {
      const std::size_t resource = resource_of(state.ledger.pools()[i], machine_);
      if (booked[resource] <= 0) continue;
      const std::int64_t within = std::clamp<std::int64_t>(used[resource], 0, booked[resource]);
      sums[i].booked += booked[resource];
      sums[i].measured += within;
      sums[i].unmaterialised += booked[resource] - within;
      ++sums[i].leases;
      if (resource >= kGpu && lease.needs.gpus >= 1) ++sums[i].exclusive;
    }
  }
  if (entries != state.ledger.entries().size()) return "the ledger has entries of no living lease";
  if (ends != state.ledger.by_end().size()) return "by_end has leases that are not booked";
  if (users.size() != state.ledger.users().size()) return "the ledger has users without leases";
  for (const auto& [uid, count] : users) {
    if (state.ledger.users().at(uid).leases != count) return "a user's leases are counted wrong";
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const decide::Pool& pool = state.ledger.pools()[i];
    if (pool.booked != sums[i].booked) return pool.name + ": booked is not the sum of its leases";
    if (pool.measured != sums[i].measured)
      return pool.name + ": measured is not the sum of its leases";
    if (pool.unmaterialised != sums[i].unmaterialised)
      return pool.name + ": unmaterialised is not the sum";
    if (pool.leases != sums[i].leases ||
        pool.by_size.size() != static_cast<std::size_t>(sums[i].leases)) {
      return pool.name + ": its leases are counted wrong";
    }
    if (pool.exclusive != sums[i].exclusive)
      return pool.name + ": exclusive leases are counted wrong";
  }
  return {};
}

std::string Referee::rooms(const control::State& state) const {
  for (const Room& room : state.ledger.rooms()) {
    if (room.room.has_value() != room.why.empty()) return room.name + ": unknown without a reason";
    if (!room.room) continue;
    if (*room.room < 0) return room.name + ": room below zero";
    if (*room.room > 0 &&
        room.capacity != room.reserve + room.booked + room.unbooked + room.margin + *room.room) {
      return room.name + ": the terms of its room do not add up";
    }
    if (room.measured + room.unmaterialised != room.booked) {
      return room.name + ": measured and unmaterialised are not the booking";
    }
  }
  return {};
}

std::string Referee::nested(const control::State& state) const {
  for (const auto& [parent, inside] : state.nested) {
    const auto outer = shadow_.leases.find(parent);
    if (outer == shadow_.leases.end() || outer->second.state == LeaseState::ended) {
      return lease_name(parent) + " ended while commands inside it hold leases";
    }
    Amounts sum;
    for (const LeaseId id : inside) {
      const Lease& lease = shadow_.leases.at(id);
      sum.memory += lease.booked.memory;
      for (int i = 0; i < std::max(1, lease.needs.gpus); ++i) {
        sum.gpu_memory += lease.booked.gpu_memory;
      }
      sum.disk += lease.booked.disk;
      sum.cpu = Cores(sum.cpu.milli() + lease.booked.cpu.milli());
    }
    Amounts most = outer->second.booked;
    if (const auto parts = state.parts.find(parent); parts != state.parts.end()) {
      for (const LeaseId part : parts->second) {
        most.gpu_memory += shadow_.leases.at(part).booked.gpu_memory;
      }
    }
    if (sum.memory > most.memory || sum.gpu_memory > most.gpu_memory || sum.cpu > most.cpu ||
        sum.disk > most.disk) {
      return lease_name(parent) + ": what is nested in it is more than its booking";
    }
  }
  return {};
}

// Of several devices a lease has all or none, and shares them with nobody.
std::string Referee::devices(const control::State& state) const {
  std::map<LeaseId, std::set<std::string>> others;
  for (const LeaseId id : living_) {
    const Lease& part = shadow_.leases.at(id);
    if (part.part_of == 0) continue;
    const auto lead = shadow_.leases.find(part.part_of);
    if (lead == shadow_.leases.end() || !decide::holds(lead->second.state)) {
      return lease_name(id) + " is a device of a lease that holds nothing";
    }
    if (decide::is_ending(lead->second.state) != decide::is_ending(part.state)) {
      return lease_name(id) + " and its lease are not on their way out together";
    }
    if (part.holder != lead->second.holder || part.owner != lead->second.owner) {
      return lease_name(id) + " is held by another than its lease";
    }
    if (!others[part.part_of].insert(part.gpu).second) return lease_name(id) + " is there twice";
    const decide::Entry* entry = state.ledger.entry(id);
    if (entry == nullptr) return lease_name(id) + " is not in the ledger";
    const decide::Pool& pool = state.ledger.pool(entry->gpu);
    if (pool.leases != 1 || pool.exclusive != 1) return pool.name + " is not one lease's alone";
  }
  for (const LeaseId id : living_) {
    const Lease& lease = shadow_.leases.at(id);
    if (lease.needs.gpus <= 1 || lease.parent != 0 || lease.use) continue;
    const auto its = others.find(id);
    const std::size_t count = its == others.end() ? 0 : its->second.size();
    if (!decide::holds(lease.state)) {
      if (count > 0) return lease_name(id) + " waits, and has devices";
      continue;
    }
    if (decide::is_ending(lease.state)) continue;
    if (count + 1 != static_cast<std::size_t>(lease.needs.gpus)) {
      return lease_name(id) + " has some of its devices";
    }
    if (its->second.contains(lease.gpu)) return lease_name(id) + " has one device twice";
    if (const decide::Pool& pool = state.ledger.pool(state.ledger.gpu(lease.gpu));
        pool.leases != 1) {
      return pool.name + " is not one lease's alone";
    }
  }
  return {};
}

std::string Referee::gauges(const control::Control& control, const Event& event) {
  if (!std::holds_alternative<Sampled>(event)) return {};
  const control::State& state = control.state();
  // A device that comes back is judged anew.
  std::erase_if(levels_, [&](const auto& seen) { return !state.gauges.contains(seen.first); });
  for (const auto& [key, gauge] : state.gauges) {
    const Pressure shown = gauge.pressure();
    const auto before = levels_.find(key);
    if (before != levels_.end() && shown.value && before->second.first == shown.value &&
        before->second.second != shown.level) {
      return std::string(to_string(key.first)) + " " + key.second +
             ": its level changed on the same reading";
    }
    levels_[key] = {shown.value, shown.level};
  }
  std::set<std::pair<Resource, std::string>> open;
  for (const Alert& alert : state.alerts.open()) {
    if (!open.emplace(alert.resource, alert.device).second) return "two alerts for one thing";
    if (alert.level == Level::ok) return "an alert that says all is well";
  }
  for (const auto& key : state.promises.acknowledged) {
    const auto gauge = state.gauges.find(key);
    if (gauge != state.gauges.end() && gauge->second.level() == Level::ok &&
        gauge->second.pressure().value) {
      return "an acknowledgement outlived its alert";
    }
  }
  return {};
}

std::string Referee::queue(const control::Control& control, const Event& event,
                           const std::set<LeaseId>& granted, bool reads, Instant at) const {
  const control::State& state = control.state();
  if (state.queue.size() > static_cast<std::size_t>(state.config->leases.queue))
    return "the queue is over its bound";
  if (state.queue.empty()) return {};
  std::size_t waiting = 0;
  for (const LeaseId id : living_) {
    const Lease& lease = shadow_.leases.at(id);
    waiting += lease.state == LeaseState::waiting && !lease.use && !lease.starts ? 1U : 0U;
  }
  if (waiting != state.queue.size()) return "the queue and the waiting leases differ";
  const bool settled =
      !reads && (std::holds_alternative<Sampled>(event) || std::holds_alternative<Ticked>(event) ||
                 std::holds_alternative<Configured>(event));
  if (settled && decide::next_start(books_of(state, at))) return "somebody waits who could start";
  const auto* asked = std::get_if<Asked>(&event);
  if (asked != nullptr && std::holds_alternative<AskLease>(asked->ask) && head_ &&
      !granted.empty()) {
    const auto head = state.promises.leases.find(head_->lease);
    if (head == state.promises.leases.end() || head->second.state != LeaseState::waiting) return {};
    const decide::Queue::Key key = decide::Queue::key(head->second, state.config->leases.ageing);
    for (const LeaseId id : granted) {
      const auto found = state.promises.leases.find(id);
      if (found == state.promises.leases.end() || found->second.part_of != 0) continue;
      const Lease& lease = found->second;
      if (decide::Queue::key(lease, state.config->leases.ageing) < key)
        return {};  // its turn came before
      if (lease.asked.boot > head->second.asked.boot + 3 * state.config->leases.ageing &&
          decide::Queue::key(lease, state.config->leases.ageing) < key) {
        return lease_name(head->first) + " was overtaken by one that asked after its bound";
      }
    }
    for (const decide::Outlook& one : decide::outlook(books_of(state, at))) {
      if (one.lease != head_->lease) continue;
      if (head_->earliest && (!one.earliest || *one.earliest > *head_->earliest + decide::kGrace)) {
        return lease_name(one.lease) + ", the head of the queue, was delayed by a grant behind it";
      }
    }
  }
  return {};
}

// What is kept for those who start at a time: nobody is granted who makes it too little, and where
// nothing came between it is there in time.
std::string Referee::starts(const control::Control& control, const Event& event,
                            const std::set<LeaseId>& granted, bool reads, Instant at) {
  const control::State& state = control.state();
  decide::Starts waiting;
  for (const LeaseId id : living_) {
    const Lease& lease = shadow_.leases.at(id);
    if (decide::waits_for_start(lease)) waiting.emplace(*lease.starts, id);
  }
  if (waiting != state.starts) return "the index of who waits for its time is wrong";
  if (waiting.size() > decide::kMostStarts) return "too many wait for a time of their own";
  // A clock that is set, a lease that is said to last longer and one that starts late take away
  // what was promised.
  const auto offset = at.wall.time_since_epoch() - at.boot.time_since_epoch();
  bool disturbed = offset_ != offset;
  offset_ = offset;
  if (const auto* asked = std::get_if<Asked>(&event)) {
    const auto* change = std::get_if<AskChange>(&asked->ask);
    disturbed = disturbed || (change != nullptr && (change->expected || change->ttl));
  }
  for (const LeaseId id : granted) {
    const Lease& lease = shadow_.leases.at(id);
    disturbed = disturbed || (lease.starts && at.wall > *lease.starts);
    if (lease.starts) ++started_;
  }
  for (const auto& [when, id] : waiting) {
    if (disturbed) disturbed_.insert(id);
  }
  std::erase_if(disturbed_, [&](LeaseId id) {
    const auto lease = shadow_.leases.find(id);
    return lease == shadow_.leases.end() || !decide::waits_for_start(lease->second);
  });

  const decide::Books books = books_of(state, at);
  struct Kept {
    const Lease* lease;
    decide::Wanted wanted;
    BootTime from;
    std::optional<BootTime> until;
  };
  std::vector<Kept> all;
  for (const auto& [when, id] : waiting) {
    const Lease& lease = state.promises.leases.at(id);
    auto wanted = decide::wanted_of(books, lease);
    if (!wanted) continue;
    // One that was late stays due, also where the clock is set back behind its start.
    const BootTime from = decide::is_due(lease, at.wall) ? at.boot : at.boot + (when - at.wall);
    all.push_back({&lease, *wanted, from,
                   lease.expected ? std::optional(from + *lease.expected) : std::nullopt});
  }
  // Where the devices that were chosen for it are gone it starts on whichever others have room
  // then.
  const auto goes_anywhere = [](const Kept& kept) {
    return kept.wanted.gpus.size() > static_cast<std::size_t>(kept.wanted.count);
  };
  const auto need = [&](const Kept& kept, int pool) -> std::int64_t {
    if (pool == decide::Ledger::kMemory) return kept.wanted.amounts.memory.count();
    if (pool == decide::Ledger::kCpu) return kept.wanted.amounts.cpu.milli();
    if (pool == kept.wanted.disk) return kept.wanted.amounts.disk.count();
    if (goes_anywhere(kept)) return 0;
    const auto& gpus = kept.wanted.gpus;
    const bool on = std::find(gpus.begin(), gpus.end(), pool) != gpus.end();
    return on ? kept.wanted.amounts.gpu_memory.count() : 0;
  };
  for (const LeaseId id : granted) {
    const decide::Entry* entry = state.ledger.entry(id);
    const Lease& lease = shadow_.leases.at(id);
    if (entry == nullptr || lease.starts || lease.part_of != 0) continue;
    // Components are given what is free, and give it back when the time is near.
    if (state.component_leases.contains(id)) continue;
    for (const decide::Slot& slot : decide::slots(entry->booked, entry->gpu, entry->disk)) {
      const decide::Pool& pool = state.ledger.pool(slot.pool);
      for (const Kept& kept : all) {
        const bool over = entry->ends && *entry->ends <= kept.from;
        if (over || need(kept, slot.pool) <= 0) continue;
        // One whose time has come and whose device is closed keeps nobody.
        if (decide::is_due(*kept.lease, at.wall) && decide::is_shut_out(books, kept.wanted)) {
          continue;
        }
        std::int64_t left = pool.balance();
        for (const auto& [other, one] : state.ledger.entries()) {
          if (!one.ends || *one.ends > kept.from || *one.ends <= at.boot) continue;
          for (const decide::Slot& its : decide::slots(one.booked, one.gpu, one.disk)) {
            if (its.pool == slot.pool) left += its.amount;
          }
        }
        for (const Kept& beside : all) {
          const bool there = beside.from <= kept.from &&
                             (!beside.until || *beside.until > kept.from) &&
                             !(decide::is_due(*beside.lease, at.wall) &&
                               decide::is_shut_out(books, beside.wanted));
          if (there) left -= need(beside, slot.pool);
        }
        if (left < 0) {
          return lease_name(id) + " was granted, and leaves " + std::to_string(left) + " of " +
                 pool.name + " for " + lease_name(kept.lease->id) + ", for which it was kept";
        }
      }
    }
  }

  if (!std::holds_alternative<Sampled>(event) || reads) return {};
  if (decide::next_due(books)) return "somebody whose time has come waits, and could start";
  for (const Kept& kept : all) {
    if (*kept.lease->starts > at.wall) continue;
    if (goes_anywhere(kept)) return {};  // next_due() found no device for it
    bool fits = decide::is_within_cap(books, kept.wanted, Amounts());
    for (std::size_t i = 0; i < state.ledger.pools().size(); ++i) {
      const auto index = static_cast<int>(i);
      const decide::Pool& pool = state.ledger.pool(index);
      const std::int64_t amount = need(kept, index);
      if (amount <= 0) continue;
      const bool gpu = pool.resource == Resource::gpu_memory;
      const bool alone =
          !gpu || (pool.exclusive == 0 && !(kept.wanted.exclusive && pool.leases > 0));
      const bool open = pool.unknown.empty() && !pool.drained && !(gpu && pool.hot);
      fits = fits && open && alone && pool.balance() >= amount && !kept.wanted.whole;
    }
    if (fits) return lease_name(kept.lease->id) + " waits after its time, and fits";
    // Whoever comes after one that waits, waits for that.
    if (disturbed_.contains(kept.lease->id)) return {};
    // It waits after its time: somebody must be in its way who had not said that he would be.
    bool excused = !decide::is_within_cap(books, kept.wanted, Amounts());
    const auto look = [&](int index) {
      const decide::Pool& pool = state.ledger.pool(index);
      if (!pool.unknown.empty() || pool.drained || pool.hot || pool.tight || pool.claimed > 0) {
        excused = true;
      }
      // Used by nobody's lease, beyond a lease's booking, or on its way back.
      if (pool.free - pool.refused - pool.unmaterialised - pool.unseen <
          pool.capacity - pool.reserve - pool.booked) {
        excused = true;
      }
      for (const auto& [size, id] : pool.by_size) {
        const decide::Entry* entry = state.ledger.entry(id);
        const Lease& lease = state.promises.leases.at(id);
        excused =
            excused || !entry->ends || *entry->ends <= at.boot || decide::is_ending(lease.state);
      }
    };
    for (std::size_t i = 0; i < state.ledger.pools().size(); ++i) {
      if (need(kept, static_cast<int>(i)) > 0) look(static_cast<int>(i));
    }
    if (!excused) {
      return lease_name(kept.lease->id) +
             " waits after its time, and nobody was there who had not said so";
    }
    return {};
  }
  return {};
}

std::string Referee::replayed(const std::vector<Record>& records) {
  shadow_ = decide::Promises();
  for (const Record& record : records) shadow_.keep(record);
  living_.clear();
  levels_.clear();
  for (const auto& [id, lease] : shadow_.leases) {
    if (lease.state != LeaseState::ended) living_.insert(id);
  }
  for (const auto& [id, told] : told_) {
    const auto lease = shadow_.leases.find(id);
    if (lease == shadow_.leases.end())
      return lease_name(id) + ", which a client holds, was lost in a crash";
    if (told.granted && !decide::holds(lease->second.state) &&
        lease->second.state != LeaseState::ended) {
      return lease_name(id) + " was granted, and only waits after a crash";
    }
  }
  if (shadow_.next_lease <= highest_told_) return "a number would be given twice after a crash";
  return {};
}

std::string Referee::everything(const control::Control& control) const {
  if (!(shadow_ == control.state().promises)) return "the journal and the promises differ";
  return {};
}

}  // namespace headroom::simulate
