// What is done about memory that runs short, and undone when there is enough of it again.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>

#include "control/control.hpp"
#include "decide/verdict.hpp"

namespace headroom::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

constexpr seconds kWitness{10};        // a second sign counts for so long
constexpr milliseconds kLeastGap{20};  // between two looks, for a speed to say anything
constexpr seconds kRest{5};            // after the longest freeze, before the next one
constexpr seconds kBetweenThaws{5};    // so that what one takes shows before the next goes on
constexpr int kWholeShare = 100;       // percent of what a group has of the processors by itself
constexpr std::size_t kMostWeighings = 32;      // at one look: each is a write
constexpr std::size_t kLooksForWeighing = 256;  // leases
constexpr seconds kUsedLately{60};              // a model used since then is not asked to go

std::int64_t used_bytes(const MemoryReading& m, std::int64_t& capacity) {
  const std::int64_t used = (*m.total - decide::usable_memory(m)).count();
  capacity = m.total->count();
  if (!m.limit || !m.limit_used || *m.limit >= *m.total) return used;
  // Whichever of the two is nearer to its end.
  const auto left = capacity - used;
  const auto left_of_limit = (*m.limit - *m.limit_used).count();
  if (left_of_limit >= left) return used;
  capacity = m.limit->count();
  return m.limit_used->count();
}

/// A speed averaged over about `window` seconds.
double mixed(double before, double now, double dt, double window) {
  return before + (1.0 - std::exp(-dt / window)) * (now - before);
}

/// What those get of the processors who have less on this step, in percent. By the step alone,
/// which does not flap: less at once, and more again one step after the other.
int share_on(Step step) {
  constexpr int kLeast = 50;
  constexpr int kLess = 10;  // from step to step
  const int beyond = static_cast<int>(step) - static_cast<int>(Step::throttle);
  return beyond < 0 ? kWholeShare : std::max(kLeast, 80 - kLess * beyond);
}

std::string duration_text(BootTime from, BootTime to) {
  return std::to_string(std::chrono::duration_cast<seconds>(to - from).count()) + " s";
}

}  // namespace

decide::Strain Control::strain_of(const Sample& sample) {
  decide::Strain strain;
  const MemoryReading& m = sample.memory;
  if (!m.total || !m.available) return strain;
  std::int64_t capacity = 0;
  const std::int64_t used = used_bytes(m, capacity);
  strain.used =
      100.0 * static_cast<double>(used) / static_cast<double>(std::max<std::int64_t>(1, capacity));
  if (sample.stall.memory_some) strain.some = sample.stall.memory_some->avg10.percent();
  if (sample.stall.memory_full) strain.full = sample.stall.memory_full->avg10.percent();

  // What is left, not what is used: where the jobs' limit becomes nearer than the machine's end, or
  // the other way round, that goes on and this jumps.
  const std::int64_t left = capacity - used;
  Filling& filling = state_.filling;
  const auto gap = at_.boot - filling.at;
  if (!filling.left || gap > decide::Ladder::kGap) {
    filling = {left, at_.boot, 0, 0, {}, {}};
  } else if (gap >= kLeastGap) {
    const double dt = std::chrono::duration<double>(gap).count();
    const double speed = static_cast<double>(*filling.left - left) / dt;
    filling.fast = mixed(filling.fast, speed, dt, 1.0);
    filling.slow = mixed(filling.slow, speed, dt, 10.0);
    filling.left = left;
    filling.at = at_.boot;
  }
  if (m.swap_free) {
    if (filling.swap_free && m.swap_free->count() < *filling.swap_free) filling.swapped = at_.boot;
    filling.swap_free = m.swap_free->count();
  }
  const double speed = std::max(filling.fast, filling.slow);
  if (speed > 0) {
    const double in = static_cast<double>(std::max<std::int64_t>(0, left)) / speed;
    if (in < 3600) strain.full_in = std::chrono::nanoseconds(static_cast<std::int64_t>(in * 1e9));
  }
  const auto lately = [&](const std::optional<BootTime>& then) {
    return then && at_.boot - *then <= kWitness;
  };
  // Who is held at its fence waits for memory because headroom holds it: that says nothing of the
  // machine.
  strain.witness = lately(filling.swapped) || (lately(state_.touched) && !lately(state_.held_at));
  return strain;
}

std::string Control::cause_text() const {
  const decide::StepCause& cause = state_.ladder.cause();
  const std::string_view sign = cause.sign;
  char text[96];
  if (sign == "used") {
    std::snprintf(text, sizeof text, "%.1f %% is in use, the line is %.0f %%", cause.value,
                  cause.line);
  } else if (sign == "full_in") {
    std::snprintf(text, sizeof text, "it would be full in %.1f s, the line is %.0f s", cause.value,
                  cause.line);
  } else {
    std::snprintf(text, sizeof text, "%s waited for it %.1f %% of the time, the line is %.0f %%",
                  sign == "some" ? "somebody" : "everybody", cause.value, cause.line);
  }
  return text;
}

void Control::climb(const Sample& sample) {
  state_.ladder.limit(state_.config->pressure.most);
  const Step before = state_.ladder.step();
  const decide::Strain strain = strain_of(sample);
  const Step step = state_.ladder.update(strain, at_.boot);
  if (step != before) {
    EventLine line;
    line.at = at_.wall;
    line.type = "ladder.step";
    line.resource = Resource::memory;
    line.text = std::string("memory: step ") + to_string(step) +
                (step < before ? std::string(": it is calm again") : ": " + cause_text());
    effects_.emplace_back(Say{std::move(line)});
  }
  // Use alone is no reason to take nobody: the room knows what was promised and what is there. But
  // that everybody waits for memory is in no room.
  // The step and the average of the stalls may outlive their cause by a minute: there is memory
  // again, so somebody new may come.
  const double stalled = decide::Ladder::lines(Step::shut).full.value_or(100);
  const bool calm = strain.used && *strain.used < decide::Ladder::lines(Step::shut).leave;
  const bool runs = strain.full && *strain.full < stalled / 2;
  if (step < Step::shut || calm || runs) {
    state_.ledger.set_tight(false);
  } else if (strain.witness && strain.full && *strain.full >= stalled) {
    state_.ledger.set_tight(true);
  }
  throttle();
  if (step >= Step::hold && before < Step::hold) pull_fences();
  shrink();
  contain(sample);
}

void Control::throttle() {
  const int wanted = share_on(state_.ladder.step());
  if (wanted == kWholeShare && state_.slowed.empty()) return;
  std::vector<std::pair<LeaseId, int>> moves;
  for (const auto& [id, now] : state_.slowed) {
    if (moves.size() == kMostWeighings) break;
    const int next = deserves_less(id) ? wanted : kWholeShare;
    if (next != now) moves.emplace_back(id, next);
  }
  // A part of all leases at each look: who is new among them is found within seconds.
  if (wanted < kWholeShare) {
    const auto& entries = state_.ledger.entries();
    auto one = entries.upper_bound(state_.weighed);
    for (std::size_t i = 0; i < kLooksForWeighing && moves.size() < kMostWeighings; ++i, ++one) {
      if (one == entries.end()) {
        state_.weighed = 0;
        break;
      }
      state_.weighed = one->first;
      if (state_.slowed.contains(one->first) || !deserves_less(one->first)) continue;
      moves.emplace_back(one->first, wanted);
    }
  }
  for (const auto& [id, percent] : moves) weigh(id, percent);
}

bool Control::deserves_less(LeaseId id) const {
  const auto found = state_.promises.leases.find(id);
  const auto use = state_.uses.find(id);
  if (found == state_.promises.leases.end() || use == state_.uses.end()) return false;
  const Lease& lease = found->second;
  // Who was asked to end should be able to.
  const bool may = lease.fence && !lease.group.cpu.empty() && lease.part_of == 0 &&
                   decide::holds_for_somebody(lease.state) && !use->second.no_weight &&
                   !state_.killing.contains(id);
  return may && (use->second.over || lease.priority == Priority::low);
}

void Control::weigh(LeaseId id, int percent) {
  const auto found = state_.promises.leases.find(id);
  if (percent == kWholeShare) state_.slowed.erase(id);
  if (found == state_.promises.leases.end() || found->second.group.cpu.empty()) return;
  const Lease& lease = found->second;
  std::string reason;
  if (percent == kWholeShare) {
    reason = "it has all of its share of the processors again";
    say("lease.slowed", id, lease.name + ": " + reason);
  } else {
    reason = (lease.priority == Priority::low ? "its class is low" : "it uses more than it booked");
    reason += ", and memory runs short: " + cause_text();
    const bool first = state_.slowed.insert_or_assign(id, percent).second;
    if (first) {
      say("lease.slowed", id,
          lease.name + " gets less of the processors where others want them (" +
              std::to_string(percent) + " % of its share): " + reason);
    }
  }
  effects_.emplace_back(Weigh{id, lease.group, percent, std::move(reason)});
}

void Control::on(const Weighed& event) {
  const auto found = state_.promises.leases.find(event.lease);
  if (found == state_.promises.leases.end() || event.problem.empty()) return;
  if (found->second.state == LeaseState::ended) return;
  state_.slowed.erase(event.lease);
  if (const auto use = state_.uses.find(event.lease); use != state_.uses.end()) {
    use->second.no_weight = true;
  }
  say("lease.slowed", event.lease,
      found->second.name + ": its share of the processors could not be changed: " + event.problem);
}

void Control::shrink() {
  const Config::PressureSettings& lines = state_.config->pressure;
  for (const int pool : memory_pools()) {
    const decide::Pool& device = state_.ledger.pool(pool);
    const bool gpu = device.resource == Resource::gpu_memory;
    const auto& begin = gpu ? lines.gpu_memory_cleanup_at : lines.memory_cleanup_at;
    const auto& end = gpu ? lines.gpu_memory_cleanup_to : lines.memory_cleanup_to;
    const auto gauge = state_.gauges.find({device.resource, device.device});
    if (!begin || !end || gauge == state_.gauges.end() || !gauge->second.pressure().value) continue;
    const double value = gauge->second.pressure().value.value_or(0);
    const auto key = std::pair(device.resource, device.device);
    const bool forced = !gpu && state_.ladder.step() >= Step::shrink;
    if (value >= *begin) state_.shrinking.insert(key);
    if (value < *end) state_.shrinking.erase(key);
    if (value < *end || (!forced && !state_.shrinking.contains(key))) continue;
    const bool asked = std::any_of(state_.unloading.begin(), state_.unloading.end(),
                                   [&](const auto& one) { return one.second.pool == pool; });
    if (asked) continue;  // what comes of that is seen first
    std::vector<Held> held = held_on(pool);
    for (Held& one : held) {
      if (at_.boot - one.as.last_used < kUsedLately) one.as.askable = false;
    }
    const Asker asker{Priority::critical, ""};
    const auto all = victims_on(pool, held, std::numeric_limits<std::int64_t>::max() / 4, asker);
    const auto wanted =
        static_cast<std::int64_t>((value - *end) / 100.0 * static_cast<double>(device.capacity));
    const std::int64_t deficit = std::min(wanted, all.allowed.count());
    if (deficit <= 0) continue;
    char why[80];
    std::snprintf(why, sizeof why, "%.1f %% of %s is in use, and %.0f %% is meant to be", value,
                  gpu ? "the device" : "memory", *end);
    for (const decide::Victim& victim : victims_on(pool, held, deficit, asker).unload) {
      unload(held[victim.resident], pool, why);
    }
  }
}

std::int64_t Control::below_line(Step step) const {
  if (!state_.sample || !state_.sample->memory.total || !state_.sample->memory.available) return 0;
  std::int64_t capacity = 0;
  const std::int64_t used = used_bytes(state_.sample->memory, capacity);
  const double line = decide::Ladder::lines(step).leave / 100;
  return static_cast<std::int64_t>(line * static_cast<double>(capacity)) - used;
}

void Control::pull_fences() {
  for (const auto& [id, use] : state_.uses) {
    const auto found = state_.promises.leases.find(id);
    if (found == state_.promises.leases.end() || !use.measured) continue;
    const Lease& lease = found->second;
    if (!lease.fence_set || !decide::holds(lease.state)) continue;
    if (state_.killing.contains(id)) continue;  // it has to run to its end
    const Bytes at = std::max(lease.booked.memory, use.measured->memory);
    if (lease.fence_at <= at) continue;
    set_fence(id, at, "memory runs short: what it was lent goes back");
  }
}

bool Control::may_freeze(const Lease& lease) const {
  // Who was asked to end has to run for that, and so has what a dead holder left.
  return decide::holds_for_somebody(lease.state) && lease.fence && !lease.group.unified.empty() &&
         lease.part_of == 0 && !state_.killing.contains(lease.id);
}

void Control::freeze(LeaseId id, std::string reason) {
  Lease lease = state_.promises.leases.at(id);
  if (lease.frozen || !may_freeze(lease)) return;
  lease.frozen = at_.boot;
  const Group group = lease.group;
  say("lease.frozen", id, lease.name + " stands still: " + reason);
  keep(PutLease{std::move(lease)});
  effects_.emplace_back(Freeze{id, group, true, std::move(reason)});
  show(id);
}

void Control::thaw(LeaseId id, std::string reason) {
  Lease lease = state_.promises.leases.at(id);
  if (!lease.frozen) return;
  say("lease.thawed", id,
      lease.name + " goes on after " + duration_text(*lease.frozen, at_.boot) + ": " + reason);
  lease.frozen.reset();
  const Group group = lease.group;
  keep(PutLease{std::move(lease)});
  effects_.emplace_back(Freeze{id, group, false, std::move(reason)});
  show(id);
}

void Control::contain(const Sample& sample) {
  // Whatever the reason, nobody stands still for ever.
  const auto most = state_.config->pressure.freeze_most;
  for (const LeaseId id : std::set(state_.frozen)) {
    if (at_.boot - *state_.promises.leases.at(id).frozen < most) continue;
    state_.uses[id].rests_until = at_.boot + kRest;
    thaw(id, "nobody stands still for longer");
  }
  const bool freezing = state_.ladder.step() >= Step::freeze;
  if ((!freezing && state_.frozen.empty()) || !sample.memory.total || !sample.memory.available) {
    return;
  }
  std::int64_t capacity = 0;
  const std::int64_t used = used_bytes(sample.memory, capacity);
  // Less is kept back than at a grant: what was granted and is as it was then stops nobody.
  std::int64_t available = capacity - used - state_.ledger.pool(decide::Ledger::kMemory).margin / 2;
  if (state_.frozen.empty()) {
    // With ten thousand leases that is what a sample costs on a full machine where all goes well:
    // everybody may take all that he was promised, or lent.
    std::int64_t promised = state_.ledger.pool(decide::Ledger::kMemory).unmaterialised;
    for (const LeaseId id : state_.lent) {
      const auto lent = state_.promises.leases.find(id);
      if (lent == state_.promises.leases.end()) continue;
      promised += std::max(Bytes(), lent->second.fence_at - lent->second.booked.memory).count();
    }
    if (promised <= available) return;
  }
  std::vector<decide::Runner> runners;
  for (const auto& [id, entry] : state_.ledger.entries()) {
    const Lease& lease = state_.promises.leases.at(id);
    const auto use = state_.uses.find(id);
    if (lease.part_of != 0 || use == state_.uses.end() || !use->second.measured) continue;
    decide::Runner runner;
    runner.lease = id;
    runner.measured = use->second.measured->memory.count();
    runner.booked = entry.booked.memory.count();
    runner.over = decide::is_over(Amounts{use->second.measured->memory, {}, {}, {}},
                                  Amounts{entry.booked.memory, {}, {}, {}});
    // Until a higher fence stands, the one that there is holds it.
    const bool fenced = lease.fence_set || state_.lent.contains(id);
    runner.most = std::max({runner.booked, fenced ? lease.fence_at.count() : 0});
    runner.held = runner.over && !fenced;
    runner.priority = lease.priority;
    runner.granted = lease.granted.boot;
    const bool rests = use->second.rests_until && at_.boot < *use->second.rests_until;
    // Who stands at its fence cannot run on, whoever else stops.
    if (may_freeze(lease) && !rests && !must_stand(lease, use->second)) {
      runners.push_back(runner);
    } else {
      available -= std::max<std::int64_t>(0, runner.most - runner.measured);
    }
  }
  runners = decide::in_order(std::move(runners));
  const std::vector<LeaseId> stop = decide::who_stops(runners, available);
  if (freezing) {
    for (const LeaseId id : stop) {
      freeze(id, "memory runs short, and what it may still take does not fit beside the others'");
    }
    // Whoever ran on may have ended since.
    const auto runs_on = [&](const decide::Runner& one) {
      return std::find(stop.begin(), stop.end(), one.lease) == stop.end();
    };
    const bool somebody = std::any_of(runners.begin(), runners.end(), [&](const auto& one) {
      return runs_on(one) && !state_.frozen.contains(one.lease);
    });
    const auto next = std::find_if(runners.begin(), runners.end(), runs_on);
    if (!somebody && next != runners.end()) {
      thaw(next->lease, "somebody has to run on, and it comes first");
      return;
    }
    // The step stands for seconds after its cause is gone.
    if (below_line(Step::freeze) <= 0) return;
  }
  if (state_.thawed && at_.boot - *state_.thawed < kBetweenThaws) return;
  bool thawed = false;
  for (const decide::Runner& runner : runners) {
    const Lease& lease = state_.promises.leases.at(runner.lease);
    if (!lease.frozen || must_stand(lease, state_.uses[runner.lease])) continue;
    if (std::find(stop.begin(), stop.end(), runner.lease) != stop.end()) continue;
    // Those within their booking go on together: what they may take is known.
    if (thawed && runner.over) return;
    thawed = true;
    state_.thawed = at_.boot;
    thaw(runner.lease, "there is memory for all that it may still take");
  }
}

void Control::on(const Frozen& event) {
  const auto found = state_.promises.leases.find(event.lease);
  if (found == state_.promises.leases.end() || event.problem.empty()) return;
  Lease lease = found->second;
  say("lease.frozen", event.lease,
      lease.name + (event.frozen ? " could not be stopped: " : " could not be let go: ") +
          event.problem);
  if (!event.frozen || !lease.frozen) return;
  lease.frozen.reset();
  state_.uses[event.lease].rests_until = at_.boot + kRest;
  keep(PutLease{std::move(lease)});
  show(event.lease);
}

void Control::on(const Touched& event) {
  state_.touched = at_.boot;
  for (const LeaseId id : event.leases) {
    look_again(id);
    if (const auto use = state_.uses.find(id); use != state_.uses.end()) {
      use->second.touched = at_.boot;
    }
  }
  // What it really has, and what there is for it, as of now: the sample decides. However fresh the
  // last one is, they may have come to their fences after it, and the next one is 80 ms away: at
  // 1 GiB/s further than to the limit behind the fence.
  effects_.emplace_back(Sense{});
}

}  // namespace headroom::control
