// What those who come to their fence are lent, and who goes before whom for it.
#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "decide/verdict.hpp"

namespace headroom::control {
namespace {

using namespace literals;
using namespace std::chrono_literals;

constexpr double kAtFence = 0.97;  // from here on the kernel slows a job down
// The first step, on a machine that has 64 of them; a small one is lent out in smaller steps.
constexpr Bytes kMostFirst = 64_MiB;
constexpr Bytes kLeastFirst = 4_MiB;
// Up to so many times its booking somebody was merely measured badly: it was here first, and goes
// before those who wait. Beyond, it is they who keep to what they say.
constexpr int kMisjudged = 2;
// They take turns of this length, so that neither side starves where the other never gets enough.
constexpr auto kTurn = 60s;
// While less than this part of the machine stays free, who is far beyond its booking takes the
// rest in small steps: somebody may come who booked.
constexpr int kAmplePart = 4;
constexpr auto kBetweenSteps = 5s;
constexpr auto kAsks = 5s;     // after the kernel told of it
constexpr auto kInVain = 10s;  // at its fence: nothing comes free for it by itself

}  // namespace

std::int64_t Control::lent_and_not_taken() {
  std::int64_t lent = 0;
  for (auto it = state_.lent.begin(); it != state_.lent.end();) {
    const auto found = state_.promises.leases.find(*it);
    const auto use = state_.uses.find(*it);
    const std::int64_t open =
        found == state_.promises.leases.end() || use == state_.uses.end() ||
                !use->second.measured || !decide::holds(found->second.state)
            ? 0
            : found->second.fence_at.count() -
                  std::max(found->second.booked.memory, use->second.measured->memory).count();
    if (open > 0) lent += open;
    it = open > 0 ? std::next(it) : state_.lent.erase(it);
  }
  return lent;
}

std::vector<LeaseId> Control::at_their_fence(const std::vector<Read>& reads) {
  std::vector<LeaseId> there;
  for (const Read& read : reads) {
    const LeaseId id = read.lease;
    const auto measured = state_.uses.find(id);
    const auto found = state_.promises.leases.find(id);
    if (found == state_.promises.leases.end() || measured == state_.uses.end()) continue;
    Use& use = measured->second;
    const Lease& lease = found->second;
    const bool fenced = lease.fence_set && lease.fence_at.count() > 0 && decide::holds(lease.state);
    // Of one that is not read just now nothing new is known.
    if (!fenced || !use.measured) continue;
    const auto line =
        static_cast<std::int64_t>(kAtFence * static_cast<double>(lease.fence_at.count()));
    if (use.measured->memory.count() >= line) {
      look_again(id);
      there.push_back(id);
      continue;
    }
    if (use.held && lease.frozen) thaw(id, "it is below its fence");
    use.held = false;
    use.held_since.reset();
    leave_fence(id);
  }
  // Who was merely measured badly first, then the higher class, then who came first: what there is
  // goes to one until it has enough. Given out in small parts it might let nobody end.
  const auto rank = [&](LeaseId id) {
    const Lease& lease = state_.promises.leases.at(id);
    return std::tuple(is_far_beyond(lease), -static_cast<int>(lease.priority), lease.granted.boot,
                      id);
  };
  std::sort(there.begin(), there.end(), [&](LeaseId a, LeaseId b) { return rank(a) < rank(b); });
  return there;
}

bool Control::is_far_beyond(const Lease& lease) {
  return lease.fence_at.count() >= kMisjudged * lease.booked.memory.count();
}

void Control::leave_fence(LeaseId id) {
  if (state_.at_fence.erase(id) > 0) count_fences();
}

void Control::count_fences() {
  std::int64_t claimed = lent_and_not_taken();
  std::int64_t stuck = 0;
  for (const auto& [id, claim] : state_.at_fence) {
    claimed += claim;
    const Lease& lease = state_.promises.leases.at(id);
    const Use& use = state_.uses.at(id);
    if (!is_held_in_vain(use) || !is_far_beyond(lease)) continue;
    stuck += std::max(use.measured.value_or(Amounts()).memory, lease.booked.memory).count();
  }
  state_.ledger.set_claimed(claimed);
  state_.ledger.set_stuck(stuck);
}

bool Control::wants_more(const Lease& lease, const Use& use) const {
  const bool lately = use.touched && at_.boot - *use.touched < kAsks;
  return lately || use.measured.value_or(Amounts()).memory >= lease.fence_at;
}

// v1 would stop it inside a system call, which may then fail; up to the fence itself it is what it
// was promised. v2 slows it, but to half a MiB in a second, and without an end.
bool Control::must_stand(const Lease& lease, const Use& use) const {
  if (!use.held || !use.measured || use.measured->memory < lease.fence_at) return false;
  return !lease.group.v2 || (is_far_beyond(lease) && is_held_in_vain(use));
}

bool Control::is_held_in_vain(const Use& use) const {
  return use.held && use.held_since && at_.boot - *use.held_since >= kInVain;
}

bool Control::goes_before_the_queue(const Lease& lease, const Use& use) const {
  if (is_far_beyond(lease)) return false;
  const bool theirs = use.held_since && (at_.boot - *use.held_since) / kTurn % 2 != 0;
  return !theirs;
}

std::int64_t Control::memory_waited_for(std::optional<Priority> above, std::int64_t most) const {
  std::int64_t sum = 0;
  for (const decide::Queue::Key& key : state_.queue.in_order()) {
    if (sum >= most) break;
    const Lease& waiting = state_.promises.leases.at(key.second);
    if (above && waiting.priority <= *above) continue;
    sum += waiting.needs.memory.value_or(Bytes()).count();
  }
  return sum;
}

void Control::credit_fences(const std::vector<Read>& reads) {
  const std::vector<LeaseId> there = at_their_fence(reads);
  give_credit(there);
  count_fences();
}

void Control::give_credit(const std::vector<LeaseId>& there) {
  if (there.empty()) return;
  const decide::Pool& pool = state_.ledger.pool(decide::Ledger::kMemory);
  // What fences were raised by and nobody has taken yet is not there twice.
  std::int64_t room = pool.spare() - lent_and_not_taken();
  const Bytes first = std::clamp(Bytes(pool.capacity / 64), kLeastFirst, kMostFirst);
  // While memory runs short, only as far as it does not bring back what made it so: the step itself
  // may stand for a minute after that is gone.
  const bool short_of_it = state_.ladder.step() >= Step::hold;
  if (short_of_it) room = std::min(room, below_line(Step::hold) - lent_and_not_taken());
  bool somebody_before = false;
  for (const LeaseId id : there) {
    Use& use = state_.uses.at(id);
    const Lease& lease = state_.promises.leases.at(id);
    const bool far = is_far_beyond(lease);
    Bytes step =
        std::max({first, Bytes(lease.booked.memory.count() / 20), use.credit + use.credit});
    std::int64_t most = room;
    if (!far) {
      const Bytes misjudged(kMisjudged * lease.booked.memory.count());
      step = std::min(step, std::max(first, misjudged - lease.fence_at));
    }
    const bool before = goes_before_the_queue(lease, use);
    most -= memory_waited_for(before ? std::optional(lease.priority) : std::nullopt, room);
    if (far) {
      const bool lately = use.credited && at_.boot - *use.credited < kBetweenSteps;
      const bool ample = most - step.count() >= pool.capacity / kAmplePart;
      if (!ample) most = lately ? 0 : most / kAmplePart;
    }
    const Bytes given = somebody_before ? Bytes() : std::min(step, Bytes(most));
    if (given < first) {
      if (!wants_more(lease, use)) continue;
      hold(id);
      if (!far) somebody_before = true;
      continue;
    }
    room -= given.count();
    use.credit = given;
    use.credited = at_.boot;
    use.held = false;
    use.held_since.reset();
    leave_fence(id);
    thaw(id, "its fence is raised");
    raise_fence(id, given);
  }
}

void Control::hold(LeaseId id) {
  Use& use = state_.uses.at(id);
  const Lease& lease = state_.promises.leases.at(id);
  if (!use.held) {
    say("lease.held", id,
        lease.name + " is at its fence of " +
            decide::amount_text(Resource::memory, lease.fence_at.count()) +
            ", and there is no room to raise it");
    use.held = true;
    if (!use.held_since) use.held_since = at_.boot;
  }
  const std::int64_t wanted = kMisjudged * lease.booked.memory.count() - lease.fence_at.count();
  const bool before =
      goes_before_the_queue(lease, use) && memory_waited_for(lease.priority, 1) == 0;
  state_.at_fence[id] = before ? wanted : 0;
  const bool rests = use.rests_until && at_.boot < *use.rests_until;
  if (!rests && must_stand(lease, use)) {
    freeze(id, "it is at its fence, and there is no room to raise it");
  }
}

void Control::raise_fence(LeaseId id, Bytes by) {
  state_.lent.insert(id);
  Lease raised = state_.promises.leases.at(id);
  raised.fence_at += by;
  raised.fence_set = false;
  const Bytes at = raised.fence_at;
  const Group group = raised.group;
  say("lease.overrun", id,
      raised.name + " uses more than it booked (" +
          decide::amount_text(Resource::memory, state_.uses.at(id).measured->memory.count()) +
          " of " + decide::amount_text(Resource::memory, raised.booked.memory.count()) +
          "); its fence goes to " + decide::amount_text(Resource::memory, at.count()));
  keep(PutLease{std::move(raised)});
  effects_.emplace_back(Fence{id, group, at, "it touched its fence, and there is room"});
  effects_.emplace_back(Changed{id});
}

}  // namespace headroom::control
