// The life of a lease, from the queue to its end.
#include <algorithm>
#include <tuple>
#include <utility>

#include "control/control.hpp"
#include "decide/plan.hpp"
#include "decide/verdict.hpp"

namespace headroom::control {
namespace {

constexpr std::size_t kKeptEnded = 1000;
constexpr std::chrono::hours kKeptFor{24};
constexpr std::chrono::milliseconds kFirstLook{50};
// A driver that frees late does so within seconds; after this the bytes are said to be lost.
constexpr std::chrono::seconds kPatience{10};
// What a device's use may differ by and still count as back.
constexpr std::int64_t kSlack = 64LL << 20;

std::string booked_text(const Lease& lease) {
  std::string text;
  const auto add = [&](Resource resource, std::int64_t amount, const char* what) {
    if (amount <= 0) return;
    if (!text.empty()) text += ", ";
    text += decide::amount_text(resource, amount) + what;
  };
  add(Resource::gpu_memory, lease.booked.gpu_memory.count(), " of GPU memory");
  add(Resource::memory, lease.booked.memory.count(), " of memory");
  add(Resource::cpu, lease.booked.cpu.milli(), "");
  add(Resource::disk, lease.booked.disk.count(), " of disk");
  return text;
}

// A further device has what is the lease's as the lease has it.
void as_lead(Lease& part, const Lease& lead) {
  part.name = lead.name;
  part.owner = lead.owner;
  part.priority = lead.priority;
  part.holder = lead.holder;
  part.expected = lead.expected;
  part.expires = lead.expires;
  part.needs.gpu_memory = lead.needs.gpu_memory;
  if (lead.needs.gpu_memory) part.booked.gpu_memory = *lead.needs.gpu_memory;
}

// When a lease was meant to start, by the clocks as they were when it asked.
BootTime from_start(const Lease& lease) {
  return lease.asked.boot + (*lease.starts - lease.asked.wall);
}

// How a lease ended whose holder has gone.
std::string gone_text(const Holder& holder) {
  return holder.group.empty() ? "its process ended" : "its cgroup is gone";
}

}  // namespace

void Control::grant(Lease lease, int gpu, const std::vector<int>& others) {
  const auto wanted = decide::want(state_.ledger, lease.needs);
  const bool waited = lease.state == LeaseState::waiting && lease.asked.boot != at_.boot;
  if (decide::waits_for_start(lease)) {
    // Its time to live counts from here: until now it was counted from the time that it asked for.
    if (lease.expires) {
      lease.expires = at_.boot + (*lease.expires - from_start(lease));
    }
    lease.late = false;
    lease.reason.clear();
    lease.gpu.clear();
  }
  lease.state = LeaseState::reserved;
  lease.granted = at_;
  lease.booked = decide::amounts_at(state_.ledger, *wanted, lease.parent == 0 ? gpu : -1);
  if (gpu >= 0) lease.gpu = state_.ledger.pool(gpu).device;
  if (wanted->disk >= 0) lease.mount = state_.ledger.pool(wanted->disk).device;
  if (lease.fence && lease.grouped) lease.fence_at = lease.booked.memory;
  if (lease.parent == 0) state_.granted += lease.booked.memory;
  const LeaseId id = lease.id;
  const bool grouped = lease.grouped;
  state_.uses[id].rose = at_.boot;
  if (lease.holder.somebody() && !waited) effects_.emplace_back(Watch{lease.holder});
  // The record of the lease is the last: without it those of its further devices are nothing.
  Lease all = lease;
  std::string names = gpu >= 0 ? state_.ledger.pool(gpu).name : "";
  if (lease.parent == 0) {
    for (const int other : others) {
      Lease part;
      part.id = std::max(state_.promises.next_lease, id + 1);
      part.part_of = id;
      part.state = LeaseState::reserved;
      part.asked = lease.asked;
      part.granted = at_;
      part.needs.gpus = 1;
      part.booked.gpu_memory = decide::amounts_at(state_.ledger, *wanted, other).gpu_memory;
      part.gpu = state_.ledger.pool(other).device;
      all.booked.gpu_memory += part.booked.gpu_memory;
      names += ", " + state_.ledger.pool(other).name;
      as_lead(part, lease);
      keep(PutLease{std::move(part)});
    }
  }
  say("lease.granted", id,
      lease.name + " got " + booked_text(all) + (others.empty() ? "" : " on " + names));
  if (grouped) {
    state_.placing.insert(id);
    effects_.emplace_back(PlaceHolder{id, lease.holder, lease.owner, lease.fence_at,
                                      lease.enforce ? lease.needs.memory : std::nullopt,
                                      lease.enforce ? lease.needs.cpu : std::nullopt});
  }
  const std::string model = lease.model;
  keep(PutLease{std::move(lease)});
  show(id);
  if (!grouped) answer_polls(id);
  if (!model.empty()) limit_models();
}

// Nobody is granted who has waited for as long as was agreed, however late the tick. Who holds
// something keeps it until that: it may renew it still.
void Control::end_late_waiters() {
  std::vector<LeaseId> late;
  for (const auto* const until : {&state_.give_up, &state_.expires}) {
    for (auto it = until->begin(); it != until->end() && it->first <= at_.boot; ++it) {
      if (state_.promises.leases.at(it->second).state == LeaseState::waiting) {
        late.push_back(it->second);
      }
    }
  }
  for (const LeaseId id : late) end(id, "it waited as long as it was told to");
}

void Control::run_queue() {
  end_late_waiters();
  // What is on its way back is not seen yet, and whoever starts before it is could delay the head:
  // the sample that was asked for runs the queue.
  const auto reads = [](const Effect& effect) { return std::holds_alternative<Sense>(effect); };
  if (std::any_of(effects_.begin(), effects_.end(), reads)) return;
  run_starts();
  state_.queue.follow(decide::plan(books()));
  // Every turn grants one waiter, so this ends with the queue.
  while (const auto start = decide::next_start(books())) {
    Lease lease = state_.promises.leases.at(start->lease);
    grant(std::move(lease), start->gpu, start->others);
  }
  make_room();
}

void Control::run_starts() {
  if (state_.starts.empty()) return;
  // Every turn grants one of them.
  while (const auto start = decide::next_due(books())) {
    Lease lease = state_.promises.leases.at(start->lease);
    grant(std::move(lease), start->gpu, start->others);
  }
  bool given_up = false;
  const decide::Starts left = state_.starts;
  for (const auto& [at, id] : left) {
    const Lease& waiting = state_.promises.leases.at(id);
    if (waiting.late || at_.wall < at + decide::kStartGrace) continue;
    const auto wait =
        waiting.give_up ? std::optional(*waiting.give_up - from_start(waiting)) : std::nullopt;
    const std::string why = decide::why_not_yet(books(), waiting);
    Lease late = waiting;
    late.late = true;
    late.reason = "late: " + why;
    // What it was told to wait counts from here, not from its time: the clock may have been set
    // over that, or the daemon have been away.
    if (wait)
      late.give_up = at_.boot + std::max(*wait - decide::kStartGrace, BootTime::duration::zero());
    const bool over = late.give_up && *late.give_up <= at_.boot;
    say("lease.late", id, late.name + " cannot start at its time: " + why);
    keep(PutLease{std::move(late)});
    if (over) {
      end(id, "it could not start at its time: " + why);
      given_up = true;
      continue;
    }
    effects_.emplace_back(Changed{id});
  }
  if (given_up) run_starts();  // what was kept for it may be another's now; every turn has one less
}

std::vector<LeaseId> Control::near_starts() const {
  std::vector<LeaseId> near;
  for (const auto& [at, id] : state_.starts) {
    const Lease& lease = state_.promises.leases.at(id);
    if (at > at_.wall + decide::kRoomBefore && !lease.late) continue;
    // Whose device is closed, or for whom there is no money, waits for that.
    const auto wanted = decide::wanted_of(books(), lease);
    const bool shut =
        decide::is_due(lease, at_.wall) && wanted && decide::is_shut_out(books(), *wanted);
    if (!shut) near.push_back(id);
  }
  return near;
}

void Control::answer_polls(LeaseId id) {
  for (auto it = state_.polls.begin(); it != state_.polls.end();) {
    if (it->second.lease != id) {
      ++it;
      continue;
    }
    respond(it->first, state_.promises.leases.at(id));
    it = state_.polls.erase(it);
  }
}

void Control::on(const Placed& event) {
  state_.placing.erase(event.lease);
  const auto found = state_.promises.leases.find(event.lease);
  if (found == state_.promises.leases.end()) return;
  Lease lease = found->second;
  if (event.group) {
    lease.group = *event.group;
    lease.fence_set = event.fenced;
    if (!event.fenced && !event.fence_comes) lease.fence_at = Bytes();
    if (!event.problem.empty()) lease.reason = event.problem;
  } else {
    lease.fence_at = Bytes();
    lease.reason = event.group.error().what +
                   (event.group.error().why.empty() ? "" : ": " + event.group.error().why);
  }
  const bool over = decide::is_ending(lease.state);
  const Group group = lease.group;
  keep(PutLease{std::move(lease)});
  // Its holder may have died while the groups were made.
  if (over && event.group) {
    if (event.fenced) effects_.emplace_back(Fence{event.lease, group, Bytes(), "ended"});
    release(event.lease, group);
  }
  show(event.lease);
  answer_polls(event.lease);
  if (event.group && !over && !component_of(event.lease).empty()) {
    hold_component(event.lease, state_.promises.leases.at(event.lease).booked.memory);
  }
}

void Control::on(const Fenced& event) {
  const auto found = state_.promises.leases.find(event.lease);
  if (found == state_.promises.leases.end() || found->second.state == LeaseState::ended) return;
  if (!event.done) {  // until it stands nothing is kept for it
    state_.lent.erase(event.lease);
    leave_fence(event.lease);
  }
  const bool higher = event.done && event.at > found->second.fence_at;
  if (found->second.fence_set == event.done && !higher) return;
  Lease lease = found->second;
  lease.fence_set = event.done;
  if (higher && lease.fence_at.count() > 0) lease.fence_at = event.at;
  keep(PutLease{std::move(lease)});
}

void Control::on(const Exited& event) {
  if (const auto here = state_.component_holders.find(event.holder);
      here != state_.component_holders.end()) {
    const std::set<std::string> names = here->second;
    for (const std::string& name : names) unregister(name, "its process has ended");
  }
  const auto found = state_.holders.find(event.holder);
  if (found == state_.holders.end()) return;
  const std::vector<LeaseId> ids(found->second.begin(), found->second.end());
  for (const LeaseId id : ids) holder_gone(id);
  run_queue();
}

void Control::holder_gone(LeaseId id) {
  const auto found = state_.promises.leases.find(id);
  if (found == state_.promises.leases.end() || found->second.state == LeaseState::ended) return;
  const Lease& lease = found->second;
  if (lease.state == LeaseState::waiting)
    return end(id, gone_text(lease.holder) + " while it waited");
  if (lease.use) return end(id, gone_text(lease.holder));
  thaw(id, "its holder has ended, and what is left of it may end too");
  leave_fence(id);
  if (!lease.model.empty() && state_.nested.contains(id)) {
    // Who used its model has nothing to use any more.
    const std::set<LeaseId> inside = state_.nested.at(id);
    for (const LeaseId child : inside) {
      if (state_.promises.leases.at(child).use) end(child, "the model's process ended");
    }
  }
  owe(id);
  for (const LeaseId part : parts_of(id)) owe(part);
  if (lease.group != Group()) release(id, lease.group);
  // Where it had no group, its children may live, and nobody has looked yet. A group goes when
  // nobody is in it any more.
  try_end(id, !lease.holder.group.empty());
}

void Control::owe(LeaseId id) {
  const Lease& lease = state_.promises.leases.at(id);
  if (lease.parent == 0 && lease.booked.gpu_memory.count() > 0 && !state_.owed.contains(id)) {
    const decide::Pool& pool =
        state_.ledger.pool(state_.ledger.device(Resource::gpu_memory, lease.gpu));
    // A driver may free late what was never seen: at least one look at the device comes first. A
    // device that does not answer has no room, and a look at it comes before it has.
    // The machine's memory comes back with the process.
    if (pool.unknown.empty() && !pool.unified) {
      const auto use = state_.uses.find(id);
      const std::int64_t held = use != state_.uses.end() && use->second.measured
                                    ? use->second.measured->gpu_memory.count()
                                    : 0;
      const std::int64_t used = pool.capacity - pool.reserve - pool.free;
      // Its own part is still among what is measured; what others owe is not.
      std::int64_t foreign = used - measured_on(lease.gpu);
      for (const auto& [other, owed] : state_.owed) {
        if (state_.promises.leases.at(other).gpu == lease.gpu) foreign -= owed.held;
      }
      // Readings that are not of one moment may count what is gone already.
      foreign = std::max<std::int64_t>(0, foreign);
      state_.owed[id] = {held, foreign, at_.boot, at_.boot + kPatience};
      effects_.emplace_back(Sense{false});
    }
  }
}

void Control::release(LeaseId id, const Group& group) {
  state_.looks[id] = {at_.boot + kFirstLook, kFirstLook, group};
  effects_.emplace_back(Release{id, group});
}

void Control::on(const Released& event) {
  if (!state_.looks.contains(event.lease)) return;  // nobody asked, or it was said before
  if (event.gone) state_.looks.erase(event.lease);
  const auto found = state_.promises.leases.find(event.lease);
  if (found == state_.promises.leases.end()) return;
  if (found->second.state == LeaseState::ended) {
    if (!event.gone) return;
    forget_use(event.lease);
    Lease lease = found->second;
    lease.group = Group();
    keep(PutLease{std::move(lease)});
    return;
  }
  Use& use = state_.uses[event.lease];
  use.peak.memory = std::max(use.peak.memory, event.memory_peak);
  if (event.gone || event.oom_kills > found->second.oom_kills) {
    Lease lease = found->second;
    lease.oom_kills = std::max(lease.oom_kills, event.oom_kills);
    if (event.gone) lease.group = Group();
    keep(PutLease{std::move(lease)});
  }
  try_end(event.lease, event.gone);
  const auto after = state_.promises.leases.find(event.lease);
  if (!event.gone && after != state_.promises.leases.end() &&
      after->second.state == LeaseState::releasing && event.processes > 0) {
    std::string reason =
        std::to_string(event.processes) +
        (event.processes == 1 ? " process of it still runs" : " processes of it still run");
    if (after->second.reason != reason) {
      Lease lease = after->second;
      lease.reason = std::move(reason);
      say("lease.orphans", event.lease, lease.name + ": its process has ended, " + lease.reason);
      keep(PutLease{std::move(lease)});
      show(event.lease);
    }
  }
  run_queue();
}

void Control::try_end(LeaseId id, bool gone) {
  if (const LeaseId lead = state_.promises.leases.at(id).part_of; lead != 0) {
    return try_end(lead, gone);
  }
  const bool somebody = state_.looks.contains(id) || state_.nested.contains(id);
  for (const LeaseId part : parts_of(id)) {
    if (!somebody && !state_.owed.contains(part)) {
      if (drop_part(part, gone)) effects_.emplace_back(Sense{false});
      continue;
    }
    Lease device = state_.promises.leases.at(part);
    if (decide::is_ending(device.state)) continue;
    device.state = LeaseState::releasing;
    keep(PutLease{std::move(device)});
  }
  const Lease& lease = state_.promises.leases.at(id);
  const bool held = somebody || state_.owed.contains(id) || state_.parts.contains(id);
  const auto ours = state_.killing.find(id);
  const std::string by_us =
      ours != state_.killing.end() ? "headroom ended it: " + ours->second.reason : "";
  if (!held) {
    const std::uint64_t killed = lease.oom_kills;
    return end(id,
               !by_us.empty() ? by_us
               : killed == 0
                   ? gone_text(lease.holder)
                   : "the kernel killed " + std::to_string(killed) +
                         (killed == 1 ? " process" : " processes") + " of it for want of memory",
               gone);
  }
  Lease releasing = lease;
  if (!decide::is_ending(lease.state)) {
    releasing.state = LeaseState::releasing;
    if (!by_us.empty()) {
      releasing.reason = by_us;
    } else if (releasing.reason.empty() && state_.nested.contains(id)) {
      releasing.reason = "a command inside it still runs";
    }
  }
  if (!somebody) {
    // Nobody of it is left: all but what its device still holds is back.
    const Bytes owed = state_.owed.contains(id) ? lease.booked.gpu_memory : Bytes();
    releasing.booked = Amounts{Bytes(), owed, Cores(), Bytes()};
    releasing.fence_at = Bytes();
    name_owing(releasing);
    let_go(releasing);
  }
  if (releasing == lease) return;
  keep(PutLease{std::move(releasing)});
  show(id);
}

bool Control::keep_unseen(LeaseId id, bool gone) {
  const decide::Entry* entry = state_.ledger.entry(id);
  if (entry == nullptr) return false;
  // A holder that lives may have taken since the last sample what it had booked. One that has
  // died has left what it wrote, and what a driver has not freed: no part of that is still to
  // come once its device was looked at after the death (claim_no_more()).
  Amounts unseen = decide::unmaterialised(*entry);
  Amounts most = entry->booked;
  if (gone) {
    unseen = Amounts{Bytes(), unseen.gpu_memory, Cores(), unseen.disk};
    most = Amounts{Bytes(), most.gpu_memory, Cores(), most.disk};
  }
  state_.ledger.keep_until_read(id, unseen, most, at_.boot);
  // What is little beside the margin may stay out of the room until the next sample.
  const auto much = [this](int index) {
    if (index < 0) return false;
    const decide::Pool& pool = state_.ledger.pool(index);
    return 2 * pool.unseen >= pool.margin;
  };
  return much(decide::Ledger::kMemory) || much(entry->gpu);
}

void Control::end(LeaseId id, std::string reason, bool gone) {
  if (const auto nested = state_.nested.find(id); nested != state_.nested.end()) {
    const std::vector<LeaseId> inside(nested->second.begin(), nested->second.end());
    for (const LeaseId child : inside) end(child, "its outer lease ended");
  }
  thaw(id, "its lease ended");
  leave_fence(id);
  Lease lease = state_.promises.leases.at(id);
  if (lease.state == LeaseState::ended) return;
  const bool held = decide::holds(lease.state);
  const bool memory = held && lease.booked.memory.count() > 0;
  const bool booked = memory || (held && lease.booked.gpu_memory.count() > 0);
  // Reading the machine costs more than a whole lease does: at once only what somebody may miss.
  bool read = booked &&
              (gone || !state_.queue.empty() || !state_.at_fence.empty() || !near_starts().empty());
  const std::set<LeaseId> parts = parts_of(id);
  if (held) read = keep_unseen(id, gone) || read;
  const LeaseId parent = lease.parent;
  const std::string model = lease.model;
  const bool uses_model = lease.use;
  if (decide::waits_for_start(lease)) lease.gpu.clear();
  lease.state = LeaseState::ended;
  lease.ended = at_;
  lease.reason = std::move(reason);
  if (const auto use = state_.uses.find(id); use != state_.uses.end()) {
    lease.peak = use->second.peak;
    lease.peak.gpu_memory += use->second.others_peak;
  }
  for (const LeaseId part : parts) {
    if (const auto use = state_.uses.find(part); use != state_.uses.end()) {
      lease.peak.gpu_memory += use->second.peak.gpu_memory;
    }
  }
  say("lease.ended", id, lease.name + " ended: " + lease.reason);
  if (held && lease.group != Group()) {
    // Ended by its owner while it, or what is left of it, runs: what fenced it is taken away, its
    // groups go when they are empty.
    if (lease.fence) effects_.emplace_back(Fence{id, lease.group, Bytes(), "ended"});
    lease.fence_at = Bytes();
    lease.fence_set = false;
    if (!state_.looks.contains(id)) {
      state_.looks[id] = {at_.boot + kFirstLook, kFirstLook, lease.group};
    }
  }
  state_.owed.erase(id);
  if (held) learn(lease);
  keep(PutLease{std::move(lease)});
  for (const LeaseId part : parts) {
    if (drop_part(part, gone)) read = true;
  }
  if (!state_.looks.contains(id)) forget_use(id);
  if (read) effects_.emplace_back(Sense{memory});
  show(id);
  if (!state_.placing.contains(id)) answer_polls(id);
  if (!model.empty()) {
    // The end of one use changes nothing for those that wait.
    if (!uses_model) run_uses(model);
    if (uses_model && held) touch(model, false);
  }
  if (parent != 0 && !state_.nested.contains(parent)) {
    const auto outer = state_.promises.leases.find(parent);
    if (outer != state_.promises.leases.end() && outer->second.state == LeaseState::releasing) {
      try_end(parent, gone);
    }
  }
  forget_old();
}

void Control::forget_old() {
  for (auto it = state_.ended.begin(); it != state_.ended.end();) {
    const LeaseId id = it->second;
    ++it;
    const bool old = state_.promises.leases.at(id).ended.wall + kKeptFor < at_.wall;
    if (!old && state_.ended.size() <= kKeptEnded) return;
    // One whose groups are not gone yet stays, and keeps nobody.
    if (state_.looks.contains(id) || state_.placing.contains(id)) continue;
    keep(DropLease{id});
  }
}

// GPU memory that the leases of living holders were measured to use on one device.
std::int64_t Control::measured_on(const std::string& gpu) const {
  std::int64_t sum = 0;
  const auto here = state_.on_gpu.find(gpu);
  if (here == state_.on_gpu.end()) return sum;
  for (const LeaseId id : here->second) {
    const auto use = state_.uses.find(id);
    if (use == state_.uses.end() || !use->second.measured || state_.owed.contains(id)) continue;
    if (decide::holds(state_.promises.leases.at(id).state)) {
      sum += use->second.measured->gpu_memory.count();
    }
  }
  return sum;
}

// The dead claim no more: what their device still holds is among what is used, and no part of
// their booking is still to come. Only a look from after the death shows what they had taken.
void Control::claim_no_more() {
  for (const auto& [id, owed] : state_.owed) {
    const Lease& lease = state_.promises.leases.at(id);
    const LeaseId lead = lease.part_of != 0 ? lease.part_of : id;
    if (state_.looks.contains(lead) || state_.nested.contains(lead)) continue;
    const decide::Pool& pool =
        state_.ledger.pool(state_.ledger.device(Resource::gpu_memory, lease.gpu));
    if (!pool.unknown.empty() || pool.read_at <= owed.since) continue;
    const Amounts all{Bytes(), lease.booked.gpu_memory, Cores(), Bytes()};
    state_.uses[id].measured = all;
    state_.ledger.measure(id, all);
  }
}

void Control::check_owed() {
  std::vector<LeaseId> back;
  std::map<std::string, std::int64_t> held;  // by those that still owe
  std::vector<LeaseId> order;
  for (const auto& [id, owed] : state_.owed) {
    held[state_.promises.leases.at(id).gpu] += owed.held;
    order.push_back(id);
  }
  // A device does not say whose bytes came back. The largest that can be meant are; of equals the
  // newest, so that one whose bytes are lost stays the one that is said to have lost them.
  std::sort(order.begin(), order.end(), [this](LeaseId a, LeaseId b) {
    const Owed& one = state_.owed.at(a);
    const Owed& other = state_.owed.at(b);
    return std::tuple(one.held, one.since, a) > std::tuple(other.held, other.since, b);
  });
  for (const LeaseId id : order) {
    const Owed& owed = state_.owed.at(id);
    const Lease& lease = state_.promises.leases.at(id);
    const decide::Pool& pool =
        state_.ledger.pool(state_.ledger.device(Resource::gpu_memory, lease.gpu));
    if (!pool.unknown.empty() || pool.read_at <= owed.since) continue;
    // What neither a living lease nor another dead one accounts for, is no more than it was before.
    const std::int64_t rest = pool.capacity - pool.reserve - pool.free - measured_on(lease.gpu) -
                              (held[lease.gpu] - owed.held);
    if (owed.held <= kSlack || rest <= owed.foreign + kSlack) {
      held[lease.gpu] -= owed.held;
      back.push_back(id);
    } else if (owed.patience <= at_.boot && lease.state != LeaseState::quarantined) {
      Lease lost = lease;
      lost.state = LeaseState::quarantined;
      if (const LeaseId lead = lost.part_of; lead != 0) {
        keep(PutLease{std::move(lost)});
        lost = state_.promises.leases.at(lead);
        if (lost.state == LeaseState::quarantined) continue;
        lost.state = LeaseState::quarantined;
      }
      lost.reason = gone_text(lost.holder) + ", and the device has not given its memory back";
      name_owing(lost);
      const LeaseId shown = lost.id;
      say("lease.quarantined", shown, lost.name + ": " + lost.reason);
      keep(PutLease{std::move(lost)});
      show(shown);
    }
  }
  std::vector<Read> stay;  // on account of other devices of theirs; what was claimed is no more
  for (const LeaseId id : back) {
    state_.owed.erase(id);
    look_again(id);
    try_end(id, true);
    const auto lease = state_.promises.leases.find(id);
    if (lease == state_.promises.leases.end() || !decide::holds(lease->second.state)) continue;
    const auto& holders = state_.sample->holders;
    const auto reading =
        std::lower_bound(holders.begin(), holders.end(), id,
                         [](const HolderReading& one, LeaseId of) { return one.lease < of; });
    const bool read = reading != holders.end() && reading->lease == id;
    stay.push_back({id, read ? &*reading : nullptr});
  }
  if (!stay.empty()) measure(*state_.sample, stay);
}

// ------------------------------------------------------------------ leases of several devices

std::set<LeaseId> Control::parts_of(LeaseId id) const {
  const auto parts = state_.parts.find(id);
  return parts == state_.parts.end() ? std::set<LeaseId>() : parts->second;
}

std::vector<int> Control::pools_of(const Lease& lease) const {
  std::vector<int> pools;
  if (lease.parent != 0 && lease.needs.gpus > 1) {
    // It has the first ones of the lease that it is in.
    const auto outer = state_.promises.leases.find(lease.parent);
    if (outer != state_.promises.leases.end()) pools = pools_of(outer->second);
    if (pools.size() > static_cast<std::size_t>(lease.needs.gpus)) {
      pools.resize(static_cast<std::size_t>(lease.needs.gpus));
    }
    return pools;
  }
  if (!lease.gpu.empty()) pools.push_back(state_.ledger.gpu(lease.gpu));
  for (const LeaseId part : parts_of(lease.id)) {
    pools.push_back(state_.ledger.gpu(state_.promises.leases.at(part).gpu));
  }
  return pools;
}

Bytes Control::measured_gpu(LeaseId id) const {
  Bytes sum;
  const auto add = [&](LeaseId one) {
    const auto use = state_.uses.find(one);
    if (use != state_.uses.end() && use->second.measured) sum += use->second.measured->gpu_memory;
  };
  add(id);
  for (const LeaseId part : parts_of(id)) add(part);
  return sum;
}

void Control::follow(const Lease& lead) {
  if (!decide::holds_for_somebody(lead.state)) return;
  for (const LeaseId id : parts_of(lead.id)) {
    Lease part = state_.promises.leases.at(id);
    as_lead(part, lead);
    if (part == state_.promises.leases.at(id)) continue;
    let_go(part);
    keep(PutLease{std::move(part)});
  }
}

bool Control::drop_part(LeaseId id, bool gone) {
  const LeaseId lead = state_.promises.leases.at(id).part_of;
  const auto use = state_.uses.find(id);
  if (const auto its = state_.uses.find(lead);
      use != state_.uses.end() && its != state_.uses.end()) {
    its->second.others_peak += use->second.peak.gpu_memory;
  }
  const bool read = keep_unseen(id, gone);
  forget_use(id);
  state_.owed.erase(id);
  const Money cost = is_priced() ? cost_of(state_.promises.leases.at(id)) : Money();
  keep(DropLease{id});
  if (const auto its = state_.promises.leases.find(lead);
      cost != Money() && its != state_.promises.leases.end()) {
    Lease with = its->second;
    with.cost += cost;
    keep(PutLease{std::move(with)});
  }
  return read;
}

void Control::drop_incomplete() {
  std::vector<LeaseId> lost;
  std::vector<LeaseId> short_of_some;
  for (const auto& [id, lease] : state_.promises.leases) {
    if (lease.part_of != 0) {
      const auto lead = state_.promises.leases.find(lease.part_of);
      const bool its = lead != state_.promises.leases.end() && lead->second.part_of == 0 &&
                       lead->second.parent == 0;
      if (!its || !decide::holds(lead->second.state)) {
        lost.push_back(id);
      }
      continue;
    }
    if (!decide::holds_for_somebody(lease.state)) continue;
    if (lease.needs.gpus <= 1 || lease.parent != 0) continue;
    if (parts_of(id).size() + 1 < static_cast<std::size_t>(lease.needs.gpus)) {
      short_of_some.push_back(id);
    }
  }
  for (const LeaseId id : lost) (void)drop_part(id, false);
  for (const LeaseId id : short_of_some) end(id, "the record of one of its devices is lost");
  const std::map<LeaseId, std::set<LeaseId>> all = state_.parts;
  for (const auto& [lead, parts] : all) follow(state_.promises.leases.at(lead));
}

void Control::name_owing(Lease& lead) const {
  if (lead.needs.gpus <= 1 || lead.parent != 0) return;
  std::string names;
  int count = 0;
  const auto add = [&](LeaseId id, const std::string& gpu) {
    if (!state_.owed.contains(id)) return;
    const int pool = state_.ledger.gpu(gpu);
    names += (count++ == 0 ? "" : ", ") + (pool < 0 ? gpu : state_.ledger.pool(pool).name);
  };
  add(lead.id, lead.gpu);
  for (const LeaseId part : parts_of(lead.id)) add(part, state_.promises.leases.at(part).gpu);
  if (count == 0) return;
  lead.reason =
      std::string(lead.state == LeaseState::quarantined ? "its process has ended, and " : "") +
      names + (count == 1 ? " has" : " have") + " not given its memory back";
}

}  // namespace headroom::control
