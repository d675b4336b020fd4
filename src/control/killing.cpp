// Ending who takes far more than it booked, when nothing else helps and a person said so.
#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "decide/verdict.hpp"
#include "decide/who_ends.hpp"

namespace headroom::control {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenEnds = 15s;  // what the end of one brings is seen first
constexpr auto kMostPatience = 60s;
constexpr int kWildHalves = 5;  // of its booking: two and a half times
constexpr int kLeastPart = 50;  // of the machine: less is not worth an end

}  // namespace

/// Somebody has to end, and nobody does: who could, and how much is wanted.
struct Control::Hopeless {
  std::vector<decide::Overrunner> who;
  std::int64_t deficit = 0;  // bytes
  std::string why;
};

bool Control::is_alone_and_waited_for() const {
  return state_.ledger.pool(decide::Ledger::kMemory).leases == 1 &&
         !state_.queue.in_order().empty();
}

bool Control::is_hopeless(LeaseId id) const {
  const auto use = state_.uses.find(id);
  return is_alone_and_waited_for() && state_.at_fence.contains(id) && use != state_.uses.end() &&
         is_held_in_vain(use->second);
}

std::optional<Control::Hopeless> Control::find_hopeless(const Sample& sample) const {
  const decide::Pool& pool = state_.ledger.pool(decide::Ledger::kMemory);
  Hopeless found;
  const auto add = [&](LeaseId id) {
    const Lease& lease = state_.promises.leases.at(id);
    const auto use = state_.uses.find(id);
    const bool agreed = lease.fence && lease.part_of == 0 && lease.group != Group();
    if (!agreed || !decide::holds_for_somebody(lease.state)) return;
    if (use == state_.uses.end() || !use->second.measured) return;
    found.who.push_back({id, use->second.measured->memory.count(), lease.booked.memory.count(),
                         lease.priority, lease.granted.boot, is_hopeless(id)});
  };
  // The step stands for seconds after its cause is gone, as when the first one has ended.
  const bool full = state_.ladder.step() == Step::kill && !state_.ladder.calm_since();
  if (full && sample.memory.available) {
    for (const auto& [id, entry] : state_.ledger.entries()) add(id);
    found.deficit = pool.capacity / kLeastPart;
    found.why = "memory is full: " + cause_text();
    return found;
  }
  if (state_.at_fence.empty()) return {};
  // While others run, what they leave when they end may be enough.
  const auto& entries = state_.ledger.entries();
  const bool others_run = std::any_of(entries.begin(), entries.end(), [&](const auto& one) {
    return one.second.booked.memory.count() > 0 && !state_.at_fence.contains(one.first) &&
           decide::holds_for_somebody(state_.promises.leases.at(one.first).state);
  });
  // Those who stand at their fence and have had their turn. Whoever waits for them is counted, or
  // nobody has anything of their end.
  for (const auto& [id, claim] : state_.at_fence) {
    const Use& use = state_.uses.at(id);
    // Nobody misjudges his own by so much that what others leave could be meant for him.
    const Bytes booked = state_.promises.leases.at(id).booked.memory;
    const bool wild =
        use.measured && 2 * use.measured->memory.count() > kWildHalves * booked.count();
    const auto stood = at_.boot - use.held_since.value_or(at_.boot);
    if (others_run && !wild && stood < kMostPatience) continue;
    // Where nobody else runs its place before the queue brings it nothing.
    const bool first = others_run && goes_before_the_queue(state_.promises.leases.at(id), use);
    if (is_held_in_vain(use) && !first) add(id);
  }
  if (found.who.empty()) return {};
  const auto& queue = state_.queue.in_order();
  const auto lacks = [&](const decide::Queue::Key& key) {
    const Lease& one = state_.promises.leases.at(key.second);
    return memory_wanted_by(one).value_or(0) - pool.terms();
  };
  const auto waits = [&](const auto& key) { return lacks(key) > 0; };
  std::int64_t all = 0;
  for (const auto& one : found.who) all += decide::overran(one) ? one.measured : 0;
  // Whoever wants more than that would wait on; those behind him may not.
  const auto helped = std::find_if(
      queue.begin(), queue.end(), [&](const auto& key) { return waits(key) && lacks(key) <= all; });
  if (helped != queue.end()) {
    found.deficit = lacks(*helped);
    found.why = state_.promises.leases.at(helped->second).name + " waits for memory";
  } else if (std::any_of(queue.begin(), queue.end(), waits)) {
    return {};
  } else if (const auto held = state_.at_fence.size(); held > 1) {
    found.deficit = pool.capacity / kLeastPart;
    found.why = std::to_string(held) + " stand at their fence, and none can go on";
  } else {
    return {};
  }
  return found;
}

void Control::end_overrunners(const Sample& sample) {
  for (auto it = state_.killing.begin(); it != state_.killing.end();) {
    const auto lease = state_.promises.leases.find(it->first);
    if (lease == state_.promises.leases.end() || lease->second.state == LeaseState::ended) {
      it = state_.killing.erase(it);
      continue;
    }
    Killing& killing = it->second;
    if (killing.hard) {
      ++it;
      continue;
    }
    const bool over = at_.boot - killing.since >= state_.config->pressure.grace;
    const auto use = state_.uses.find(it->first);
    const bool within = use != state_.uses.end() && use->second.measured &&
                        decide::holds_for_somebody(lease->second.state) &&
                        !decide::overran({it->first, use->second.measured->memory.count(),
                                          lease->second.booked.memory.count(),
                                          lease->second.priority, lease->second.granted.boot,
                                          killing.hopeless && is_alone_and_waited_for()});
    // It has made room after all, its booking was raised, or a person took it back. Who has made
    // room may be about to end: before its time is over nobody can tell.
    if ((over && within) || state_.config->pressure.most < Step::kill) {
      it = state_.killing.erase(it);
      continue;
    }
    if (over) {
      killing.hard = true;
      killing.since = at_.boot;
      terminate(it->first, true, killing.reason);
    }
    ++it;
  }
  if (state_.killed && at_.boot - *state_.killed < kBetweenEnds) return;
  const bool going =
      std::any_of(state_.killing.begin(), state_.killing.end(), [&](const auto& one) {
        return !one.second.hard || at_.boot - one.second.since < kBetweenEnds;
      });
  if (going) return;
  auto hopeless = find_hopeless(sample);
  if (!hopeless) return;
  std::erase_if(hopeless->who, [&](const auto& one) { return state_.killing.contains(one.lease); });
  const auto chosen = decide::who_ends(hopeless->who, hopeless->deficit);
  if (!chosen) return;
  Use& use = state_.uses.at(*chosen);
  const Lease& lease = state_.promises.leases.at(*chosen);
  const auto amount = [](std::int64_t bytes) {
    return decide::amount_text(Resource::memory, bytes);
  };
  std::string reason = "it uses " + amount(use.measured->memory.count()) + " and booked " +
                       amount(lease.booked.memory.count()) + ", and " + hopeless->why;
  if (state_.config->pressure.most < Step::kill) {
    // What would be done, for a person to say whether it should.
    if (use.hopeless) return;
    use.hopeless = true;
    say("lease.hopeless", *chosen,
        lease.name + ": " + reason + "; headroom ends nobody unless pressure.ladder is \"kill\"");
    return;
  }
  state_.killed = at_.boot;
  state_.killing[*chosen] = {at_.boot, false, is_hopeless(*chosen), reason};
  // The signal first: let go before that, it may be at the limit behind its fence before it is
  // told, and who is stopped there hears nothing.
  terminate(*chosen, false, std::move(reason));
  let_end(*chosen);
  thaw(*chosen, "it is asked to end");
}

void Control::let_end(LeaseId id) {
  const Lease& lease = state_.promises.leases.at(id);
  if (!lease.fence_set) return;
  const Bytes taken = state_.uses.at(id).measured.value_or(Amounts()).memory;
  state_.lent.insert(id);
  set_fence(id, std::max(lease.fence_at, taken) + first_step(), "it is asked to end");
}

void Control::terminate(LeaseId id, bool hard, std::string reason) {
  const Lease& lease = state_.promises.leases.at(id);
  say("lease.killed", id,
      lease.name + (hard ? " is ended (SIGKILL): it did not end by itself in time"
                         : " is asked to end (SIGTERM): " + reason));
  effects_.emplace_back(Terminate{id, lease.group, hard, std::move(reason)});
}

void Control::on(const Terminated& event) {
  const auto found = state_.promises.leases.find(event.lease);
  if (found == state_.promises.leases.end() || event.problem.empty()) return;
  say("lease.killed", event.lease, found->second.name + " could not be ended: " + event.problem);
}

}  // namespace headroom::control
