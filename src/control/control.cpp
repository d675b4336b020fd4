#include "control/control.hpp"

#include <algorithm>
#include <utility>

namespace headroom::control {
namespace {

// Effects are large: most events have no more of them than this, and they are moved by nobody.
constexpr std::size_t kUsualEffects = 8;

std::pair<uid_t, std::string> key_of(const Lease& lease) {
  return {lease.owner, lease.idempotency_key};
}

}  // namespace

Control::Control(Config config) {
  state_.config = std::make_shared<const Config>(std::move(config));
}

Effects Control::apply(const Event& event, Instant at) {
  at_ = at;
  effects_.clear();
  effects_.reserve(kUsualEffects);
  std::visit([this](const auto& e) { on(e); }, event);
  if (std::exchange(bookings_moved_, false)) run_queue();
  const auto* asked = std::get_if<Asked>(&event);
  // A question changes nothing.
  const auto is_question = [](const Ask& ask) {
    const auto* free = std::get_if<AskFree>(&ask);
    return std::holds_alternative<AskFit>(ask) || (free != nullptr && free->dry_run) ||
           std::holds_alternative<AskSessions>(ask);
  };
  if (asked == nullptr || !is_question(asked->ask)) ++state_.revision;
  return std::exchange(effects_, {});
}

decide::Books Control::books() const {
  return {state_.promises, state_.ledger,  state_.queue, *state_.config, at_,
          state_.revision, &state_.starts, &state_.zone, spent()};
}

void Control::say(std::string type, LeaseId lease, std::string text) {
  EventLine line;
  line.at = at_.wall;
  line.type = std::move(type);
  line.lease = lease;
  line.text = std::move(text);
  effects_.emplace_back(std::in_place_type<Say>, std::move(line));
}

void Control::show(LeaseId id) {
  Changed changed;
  changed.what = id;
  effects_.emplace_back(std::in_place_type<Changed>, std::move(changed));
}

void Control::keep(Record record) {
  if (auto* lease = std::get_if<PutLease>(&record); lease != nullptr && is_priced()) {
    charge(lease->lease);
  }
  const auto* put = std::get_if<PutLease>(&record);
  const auto* drop = std::get_if<DropLease>(&record);
  const LeaseId id = put != nullptr ? put->lease.id : drop != nullptr ? drop->id : 0;
  if (const auto before = state_.promises.leases.find(id); before != state_.promises.leases.end()) {
    unindex(before->second);
  }
  state_.promises.keep(record);
  if (put != nullptr) index(put->lease);
  if (const auto* drain = std::get_if<PutDrain>(&record)) {
    state_.ledger.drain(drain->drain.device, drain->drained);
  }
  effects_.emplace_back(std::in_place_type<Journal>, std::move(record));
  if (const auto parts = state_.parts.find(id); parts != state_.parts.end()) {
    const auto lead = state_.promises.leases.find(id);
    if (lead != state_.promises.leases.end()) follow(lead->second);
  }
}

void Control::index(const Lease& lease) {
  const bool living = lease.state != LeaseState::ended;
  if (!lease.idempotency_key.empty()) state_.keys[key_of(lease)] = lease.id;
  if (!living) {
    state_.ended.emplace(++state_.last_ended, lease.id);
    state_.ended_place[lease.id] = state_.last_ended;
    return;
  }
  if (lease.part_of != 0) {
    state_.parts[lease.part_of].insert(lease.id);
  } else if (lease.expires && !decide::waits_for_start(lease)) {
    state_.expires.emplace(*lease.expires, lease.id);
  }
  if (lease.holder.somebody() && lease.part_of == 0) {
    std::set<LeaseId>& sharers = state_.holders[lease.holder];
    sharers.insert(lease.id);
    if (sharers.size() == 2)
      look_again(*sharers.begin() == lease.id ? *sharers.rbegin() : *sharers.begin());
  }
  // Of one that waits for its time these are the devices that are kept for it.
  if (!lease.gpu.empty() && !decide::waits_for_start(lease)) {
    state_.on_gpu[lease.gpu].insert(lease.id);
  }
  if (lease.frozen) state_.frozen.insert(lease.id);
  if (lease.parent != 0) state_.nested[lease.parent].insert(lease.id);
  if (!lease.model.empty()) state_.model_leases[lease.model].insert(lease.id);
  if (lease.state == LeaseState::waiting && lease.use) {
    if (lease.give_up) state_.give_up.emplace(*lease.give_up, lease.id);
    return;  // it waits for a model, not for room
  }
  if (decide::waits_for_start(lease)) {
    state_.starts.emplace(*lease.starts, lease.id);
    if (lease.late && lease.give_up) state_.give_up.emplace(*lease.give_up, lease.id);
    return;
  }
  if (lease.state == LeaseState::waiting) {
    state_.queue.insert(decide::Queue::key(lease, state_.config->leases.ageing));
    if (lease.give_up) state_.give_up.emplace(*lease.give_up, lease.id);
    return;
  }
  look_again(lease.id);
  if (lease.parent != 0 || lease.use) return;  // its parent's booking counts for it
  decide::Entry entry;
  entry.owner = lease.owner;
  entry.booked = lease.booked;
  entry.gpu = lease.gpu.empty() ? -1 : state_.ledger.device(Resource::gpu_memory, lease.gpu);
  entry.disk = lease.mount.empty() ? -1 : state_.ledger.device(Resource::disk, lease.mount);
  entry.exclusive = lease.needs.gpus >= 1;
  entry.part_of = lease.part_of;
  if (lease.expected) entry.ends = lease.granted.boot + *lease.expected;
  if (lease.expires) entry.ends = std::min(entry.ends.value_or(*lease.expires), *lease.expires);
  if (const auto use = state_.uses.find(lease.id); use != state_.uses.end()) {
    entry.measured = use->second.measured.value_or(Amounts());
  }
  state_.ledger.book(lease.id, entry);
}

void Control::unindex(const Lease& lease) {
  if (lease.state == LeaseState::ended) {
    if (const auto place = state_.ended_place.find(lease.id); place != state_.ended_place.end()) {
      state_.ended.erase(place->second);
      state_.ended_place.erase(place);
    }
    if (const auto key = state_.keys.find(key_of(lease));
        key != state_.keys.end() && key->second == lease.id) {
      state_.keys.erase(key);
    }
    return;
  }
  if (const auto parts = state_.parts.find(lease.part_of); parts != state_.parts.end()) {
    parts->second.erase(lease.id);
    if (parts->second.empty()) state_.parts.erase(parts);
  }
  if (const auto holder = state_.holders.find(lease.holder); holder != state_.holders.end()) {
    holder->second.erase(lease.id);
    if (holder->second.size() == 1) look_again(*holder->second.begin());
    if (holder->second.empty()) state_.holders.erase(holder);
  }
  state_.frozen.erase(lease.id);
  if (const auto parent = state_.nested.find(lease.parent); parent != state_.nested.end()) {
    parent->second.erase(lease.id);
    if (parent->second.empty()) state_.nested.erase(parent);
  }
  if (const auto gpu = state_.on_gpu.find(lease.gpu); gpu != state_.on_gpu.end()) {
    gpu->second.erase(lease.id);
    if (gpu->second.empty()) state_.on_gpu.erase(gpu);
  }
  if (const auto model = state_.model_leases.find(lease.model);
      model != state_.model_leases.end()) {
    model->second.erase(lease.id);
    if (model->second.empty()) state_.model_leases.erase(model);
  }
  if (lease.expires) state_.expires.erase({*lease.expires, lease.id});
  if (lease.starts) state_.starts.erase({*lease.starts, lease.id});
  if (lease.state == LeaseState::waiting) {
    state_.queue.erase(decide::Queue::key(lease, state_.config->leases.ageing));
    if (lease.give_up) state_.give_up.erase({*lease.give_up, lease.id});
    return;
  }
  state_.ledger.unbook(lease.id);
}

std::optional<BootTime> Control::next_deadline() const {
  std::optional<BootTime> next;
  const auto sooner = [&next](BootTime at) { next = next ? std::min(*next, at) : at; };
  if (!state_.give_up.empty()) sooner(state_.give_up.begin()->first);
  if (!state_.expires.empty()) sooner(state_.expires.begin()->first);
  for (const auto& [id, look] : state_.looks) sooner(look.next);
  for (const auto& [request, poll] : state_.polls) {
    if (poll.until) sooner(*poll.until);
  }
  for (const auto& [request, freeing] : state_.freeing) sooner(freeing.until);
  for (const auto& [ask, one] : state_.unloading) {
    if (one.patience) sooner(*one.patience);
  }
  if (!state_.calls_due.empty()) sooner(state_.calls_due.begin()->first);
  if (const auto late = sessions_late_at()) sooner(*late);
  // On the wall's clock, and so right until that is set: then the next event says so.
  const auto wall = [&](WallTime at) {
    if (at > at_.wall) sooner(at_.boot + (at - at_.wall));
  };
  for (const auto& [starts, id] : state_.starts) {
    if (state_.promises.leases.at(id).late) continue;
    wall(starts - decide::kRoomBefore);
    wall(starts);
    wall(starts + decide::kStartGrace);
  }
  if (state_.cycle_wanted && state_.sample && !state_.component_runs.empty()) {
    if (const auto at = next_wanted_cycle()) sooner(*at);
  }
  return next;
}

void Control::on(const Ticked&) {
  const auto due = [this](const std::set<std::pair<BootTime, LeaseId>>& set) {
    return !set.empty() && set.begin()->first <= at_.boot;
  };
  while (due(state_.give_up))
    end(state_.give_up.begin()->second, "it waited as long as it was told to");
  while (due(state_.expires)) end(state_.expires.begin()->second, "its time ran out");
  for (auto& [id, look] : state_.looks) {
    if (look.next > at_.boot) continue;
    look.delay = std::min(look.delay * 2, std::chrono::milliseconds(2000));
    look.next = at_.boot + look.delay;
    effects_.emplace_back(Release{id, look.group});
  }
  for (auto it = state_.polls.begin(); it != state_.polls.end();) {
    const auto [request, poll] = *it;
    if (!poll.until || *poll.until > at_.boot) {
      ++it;
      continue;
    }
    it = state_.polls.erase(it);
    respond(request, state_.promises.leases.at(poll.lease));
  }
  forget_old();
  check_unloading();
  give_up_on_sessions();
  expire_calls();
  cycle_components_when_due();
  run_queue();
}

void Control::on(const Configured& event) {
  // The order of waiters depends on a setting: take them out under the old one.
  for (const auto& [id, lease] : state_.promises.leases) {
    if (lease.state == LeaseState::waiting && !lease.use && !lease.starts) {
      state_.queue.erase(decide::Queue::key(lease, state_.config->leases.ageing));
    }
  }
  const bool shadow = state_.config->control.shadow;
  // What was until now costs what it cost until now.
  if (state_.config->cost != event.config.cost) charge_all();
  state_.config = std::make_shared<const Config>(event.config);
  if (shadow != event.config.control.shadow) {
    // What was only said was not done.
    for (auto& [name, run] : state_.component_runs) {
      adopt(state_.promises.components.at(name), run);
    }
  }
  state_.cycle_wanted = true;
  state_.rebook_components = state_.rebook_components || shadow != event.config.control.shadow;
  for (const auto& [id, use] : state_.uses) look_again(id);
  for (const auto& [id, lease] : state_.promises.leases) {
    if (lease.state == LeaseState::waiting && !lease.use && !lease.starts) {
      state_.queue.insert(decide::Queue::key(lease, state_.config->leases.ageing));
    }
  }
  std::erase_if(state_.engines, [&](const auto& engine) { return !has_hook(engine.first); });
  for (auto& [key, gauge] : state_.gauges) {
    gauge.configure(judge::gauge_settings(*state_.config, key.first));
  }
  if (state_.sample) {
    const auto cores = static_cast<std::int64_t>(state_.cpu_unbooked.value_or(0) * 1000);
    state_.ledger.refresh(*state_.sample, *state_.config, Cores(cores));
  }
  run_queue();
}

void Control::on(const ZoneRead& event) { state_.zone = event.rules; }

void Control::on(const Restored& event) {
  for (const Record& record : event.records) {
    if (const auto* put = std::get_if<PutLease>(&record)) {
      if (const auto before = state_.promises.leases.find(put->lease.id);
          before != state_.promises.leases.end()) {
        unindex(before->second);
      }
      state_.promises.keep(record);
      index(put->lease);
    } else if (const auto* drop = std::get_if<DropLease>(&record)) {
      if (const auto before = state_.promises.leases.find(drop->id);
          before != state_.promises.leases.end()) {
        unindex(before->second);
      }
      state_.promises.keep(record);
    } else {
      state_.promises.keep(record);
      if (const auto* drain = std::get_if<PutDrain>(&record)) {
        state_.ledger.drain(drain->drain.device, drain->drained);
      }
    }
  }
  if (!event.same_boot) charge_anew();
  drop_incomplete();
  restore_sessions(event.same_boot);
  restore_components(event.same_boot);
  restore_foresight(event.foresight);
  note_all_beyond();
  const std::set<Holder> alive(event.alive.begin(), event.alive.end());
  std::vector<LeaseId> living;
  for (const auto& [id, lease] : state_.promises.leases) {
    if (lease.state != LeaseState::ended && lease.part_of == 0) living.push_back(id);
  }
  // A group that was not gone yet when the daemon died is looked at again.
  for (const auto& [id, lease] : state_.promises.leases) {
    if (event.same_boot && lease.state == LeaseState::ended && lease.group != Group()) {
      release(id, lease.group);
    }
  }
  int kept = 0;
  for (const LeaseId id : living) {
    const auto found = state_.promises.leases.find(id);
    if (found == state_.promises.leases.end() || found->second.state == LeaseState::ended) continue;
    if (const LeaseId outer = found->second.parent; outer != 0) {
      const auto parent = state_.promises.leases.find(outer);
      if (parent == state_.promises.leases.end() || parent->second.state == LeaseState::ended) {
        // The record of the booking that it draws from was damaged: it books for itself.
        Lease alone = found->second;
        alone.parent = 0;
        keep(PutLease{std::move(alone)});
      }
    }
    if (event.same_boot && found->second.state == LeaseState::draining) {
      // Nobody waits for the answer any more; whoever still needs its place asks it again.
      Lease back = found->second;
      back.state = LeaseState::active;
      back.reason.clear();
      keep(PutLease{std::move(back)});
    }
    // Nobody stands still because of what was so before.
    if (event.same_boot) thaw(id, "headroomd was started again");
    const Lease& lease = found->second;
    if (!event.same_boot) {
      Lease over = lease;  // its groups did not outlive the kernel
      over.group = Group();
      over.fence_at = Bytes();
      over.fence_set = false;
      over.frozen.reset();
      keep(PutLease{std::move(over)});
      end(id, "the machine was restarted");
    } else if (lease.holder.somebody() && !alive.contains(lease.holder)) {
      holder_gone(id);
    } else {
      ++kept;
      state_.uses[id].rose = at_.boot;
      state_.uses[id].loaded = lease.state == LeaseState::active;
      if (lease.holder.somebody()) effects_.emplace_back(Watch{lease.holder});
      // The daemon may have died between the promise of a group and its making.
      if (decide::holds(lease.state) && lease.grouped && lease.group == Group() &&
          lease.reason.empty()) {
        state_.placing.insert(id);
        effects_.emplace_back(PlaceHolder{id, lease.holder, lease.owner, lease.fence_at,
                                          lease.enforce ? lease.needs.memory : std::nullopt,
                                          lease.enforce ? lease.needs.cpu : std::nullopt});
      } else if (decide::holds(lease.state) && lease.fence_at.count() > 0) {
        if (lease.fence_at > lease.booked.memory) state_.lent.insert(id);
        // It was taken away when the daemon before this one died.
        effects_.emplace_back(Fence{id, lease.group, lease.fence_at, "adopted after a restart"});
      }
    }
  }
  // A daemon that dies again and again ends nobody at each start.
  if (!living.empty()) state_.killed = at_.boot;
  // Before the first answer of an engine nobody knows what it holds: who waits for a model goes on
  // only where a lease has it.
  std::set<std::string> models;
  for (const auto& [model, leases] : state_.model_leases) models.insert(model);
  for (const std::string& model : models) run_uses(model);
  if (!living.empty()) {
    say("daemon.restored", 0,
        std::to_string(kept) + " of " + std::to_string(living.size()) + " leases still held");
  }
  forget_old();
}

}  // namespace headroom::control
