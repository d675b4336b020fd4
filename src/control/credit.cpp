// What those who come to their fence are lent, and who goes before whom for it.
#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "control/control.hpp"
#include "decide/verdict.hpp"
#include "decide/who_ends.hpp"

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
// One far beyond its booking holds memory and does nothing with it: as soon as the others were
// granted as much as it holds, it is served with this part of that before them.
constexpr int kTurnPart = 4;
constexpr int kTurnsUntil = 3;  // times its booking: who takes more than that is not near its end
constexpr auto kBetweenSteps = 5s;
constexpr auto kAsks = 5s;     // after the kernel told of it
constexpr auto kInVain = 10s;  // at its fence: nothing comes free for it by itself
// What was lent and not taken for so long goes back; who comes and goes within it keeps it.
constexpr auto kUnused = 60s;

}  // namespace

Bytes Control::first_step() const {
  const decide::Pool& pool = state_.ledger.pool(decide::Ledger::kMemory);
  return std::clamp(Bytes(pool.capacity / 64), kLeastFirst, kMostFirst);
}

std::int64_t Control::lent_and_not_taken() {
  std::int64_t lent = 0;
  for (auto it = state_.lent.begin(); it != state_.lent.end();) {
    const auto found = state_.promises.leases.find(*it);
    const bool raised = found != state_.promises.leases.end() &&
                        decide::holds(found->second.state) &&
                        found->second.fence_at > found->second.booked.memory;
    if (!raised) {
      it = state_.lent.erase(it);
      continue;
    }
    const auto use = state_.uses.find(*it);
    const Bytes taken =
        use == state_.uses.end() ? Bytes() : use->second.measured.value_or(Amounts()).memory;
    lent += std::max(Bytes(), found->second.fence_at - std::max(found->second.booked.memory, taken))
                .count();
    ++it;
  }
  return lent;
}

void Control::take_back() {
  // Whose booking has been lowered below what was charged to it stands beyond it too, and was lent
  // nothing.
  for (auto& [id, use] : state_.uses) {
    const auto found = state_.promises.leases.find(id);
    if (found == state_.promises.leases.end()) continue;
    const Lease& lease = found->second;
    if (lease.fence_at <= lease.booked.memory || !decide::holds(lease.state)) continue;
    if (!use.measured || !lease.fence_set || lease.frozen || state_.killing.contains(id)) {
      use.lent_since.reset();
      continue;
    }
    const bool begins = !use.lent_since;
    if (begins) use.lent_since = at_.boot;
    use.most_taken = begins ? use.measured->memory : std::max(use.most_taken, use.measured->memory);
    if (at_.boot - *use.lent_since < kUnused) continue;
    use.lent_since.reset();
    // Not so far that it would be at its fence again.
    const Bytes clear(
        static_cast<std::int64_t>(static_cast<double>(use.most_taken.count()) / kAtFence));
    const Bytes at = std::max(lease.booked.memory, clear + first_step());
    // A write to a fence is not free: not for less than what it would be raised by.
    if (lease.fence_at - at < first_step()) continue;
    set_fence(id, at, "what it was lent and did not use goes back");
  }
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
    if (!fenced) state_.at_fence.erase(id);
    // Of one that is not read just now nothing new is known.
    if (!fenced || !use.measured) continue;
    const auto line =
        static_cast<std::int64_t>(kAtFence * static_cast<double>(lease.fence_at.count()));
    if (use.measured->memory.count() >= line) {
      look_again(id);
      there.push_back(id);
      continue;
    }
    be_content(id);
  }
  return there;
}

void Control::put_in_order(std::vector<LeaseId>& there) const {
  // Who was merely measured badly first, then whose turn it is, then the higher class, then who
  // came first: what there is goes to one until it has enough. Given out in small parts it might
  // let nobody end.
  const auto rank = [&](LeaseId id) {
    const Lease& lease = state_.promises.leases.at(id);
    return std::tuple(is_far_beyond(lease), !goes_before_the_queue(lease, state_.uses.at(id)),
                      -static_cast<int>(lease.priority), lease.granted.boot, id);
  };
  std::sort(there.begin(), there.end(), [&](LeaseId a, LeaseId b) { return rank(a) < rank(b); });
}

bool Control::is_far_beyond(const Lease& lease) {
  return lease.fence_at.count() >= kMisjudged * lease.booked.memory.count();
}

void Control::be_content(LeaseId id) {
  Use& use = state_.uses.at(id);
  if (use.held && state_.promises.leases.at(id).frozen) thaw(id, "it is below its fence");
  use.held = false;
  use.held_since.reset();
  state_.at_fence.erase(id);
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
// was promised. v2 slows it, but to about a MiB in a second, and without an end: what it creeps by
// was promised to others.
bool Control::must_stand(const Lease& lease, const Use& use) const {
  if (!use.held || !use.measured || use.measured->memory < lease.fence_at) return false;
  const bool crept = use.measured->memory >= lease.fence_at + first_step();
  return !lease.group.v2 || ((is_far_beyond(lease) || crept) && is_held_in_vain(use));
}

bool Control::is_held_in_vain(const Use& use) const {
  return use.held && use.held_since && at_.boot - *use.held_since >= kInVain;
}

bool Control::goes_before_the_queue(const Lease& lease, const Use& use) const {
  const bool theirs = use.held_since && (at_.boot - *use.held_since) / kTurn % 2 != 0;
  return !theirs && (!is_far_beyond(lease) || use.turn.count() > 0);
}

void Control::begin_turn(const Lease& lease, Use& use, const Waited& waited) const {
  if (!is_far_beyond(lease) || !use.held || !use.measured || use.turn.count() > 0) return;
  if (lease.fence_at.count() >= kTurnsUntil * lease.booked.memory.count()) return;
  if (state_.granted - use.granted_before < use.measured->memory) return;
  // It may never end, and then whoever needs what it took never starts.
  const Bytes turn(lease.fence_at.count() / kTurnPart);
  if (waited.largest > waited.beside - turn.count()) return;
  use.granted_before = state_.granted;
  use.turn = turn;
}

std::optional<std::int64_t> Control::memory_wanted_by(const Lease& waiting) const {
  if (waiting.parent != 0) return {};  // takes it from its outer lease
  const decide::Books now = books();
  const auto wanted = decide::wanted_of(now, waiting);
  if (!wanted || !wanted->gpus.empty() || decide::is_over_budget(now, *wanted)) return {};
  const std::int64_t bytes = wanted->amounts.memory.count();
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}

Control::Waited Control::memory_waited_for(std::int64_t beside) const {
  Waited sums;
  sums.beside = beside;
  std::vector<LeaseId> ids = near_starts();
  for (const decide::Queue::Key& key : state_.queue.in_order()) ids.push_back(key.second);
  for (const LeaseId id : ids) {
    const Lease& waiting = state_.promises.leases.at(id);
    const std::int64_t bytes = memory_wanted_by(waiting).value_or(0);
    if (bytes <= beside) sums.largest = std::max(sums.largest, bytes);
    for (int below = 0; below <= static_cast<int>(waiting.priority); ++below) {
      sums.all.at(static_cast<std::size_t>(below)) += bytes;
      if (bytes <= beside) sums.helped.at(static_cast<std::size_t>(below)) += bytes;
    }
  }
  return sums;
}

std::int64_t Control::beside_who_is_held(const std::vector<LeaseId>& there) const {
  const decide::Pool& pool = state_.ledger.pool(decide::Ledger::kMemory);
  std::int64_t left = pool.free - pool.refused - pool.margin;
  for (const auto& [id, use] : state_.uses) {
    if (use.measured && state_.ledger.entry(id) != nullptr) left += use.measured->memory.count();
  }
  for (const LeaseId id : there) {
    const Bytes measured = state_.uses.at(id).measured->memory;
    left -= std::max(state_.promises.leases.at(id).fence_at, measured).count();
  }
  return left;
}

void Control::credit_fences(const std::vector<Read>& reads) {
  take_back();
  std::vector<LeaseId> there = at_their_fence(reads);
  if (!there.empty()) {
    const Waited waited = memory_waited_for(beside_who_is_held(there));
    for (const LeaseId id : there) {
      begin_turn(state_.promises.leases.at(id), state_.uses.at(id), waited);
    }
    put_in_order(there);
    give_credit(there, waited);
  }
  count_fences();
}

void Control::give_credit(const std::vector<LeaseId>& there, const Waited& by) {
  // Who waits for more than there is beside those who are held cannot start before they have ended:
  // he would wait for them, and they for him.
  const WaitedFor& waited = by.all;
  const WaitedFor& helped = by.helped;
  const decide::Pool& pool = state_.ledger.pool(decide::Ledger::kMemory);
  // What fences were raised by and nobody has taken yet is not there twice.
  std::int64_t room = pool.spare() - lent_and_not_taken();
  const Bytes first = first_step();
  // While memory runs short, only as far as it does not bring back what made it so: the step itself
  // may stand for a minute after that is gone. Where all who are there stand at their fence nothing
  // comes free but by the end of one of them; unless one may be ended, it has to be given what it
  // takes to get there.
  const bool all_stand = pool.leases == static_cast<int>(there.size());
  const bool may_end =
      state_.config->pressure.most >= Step::kill &&
      std::any_of(there.begin(), there.end(), [&](LeaseId id) {
        const Lease& lease = state_.promises.leases.at(id);
        return decide::overran({id, state_.uses.at(id).measured->memory.count(),
                                lease.booked.memory.count(), lease.priority, lease.granted.boot});
      });
  const WaitedFor& before_far = all_stand && !may_end ? helped : waited;
  const bool alone = all_stand && before_far.front() == 0;
  // Nor does the step ever go where nobody runs: they would all stand until their time is over.
  const bool nobody_runs = all_stand && std::all_of(there.begin(), there.end(), [&](LeaseId id) {
                             return state_.uses.at(id).held;
                           });
  const bool short_of_it = state_.ladder.step() >= Step::hold && !alone && !nobody_runs;
  if (short_of_it) room = std::min(room, below_line(Step::hold) - lent_and_not_taken());
  bool somebody_before = false;
  for (const LeaseId id : there) {
    Use& use = state_.uses.at(id);
    const Lease& lease = state_.promises.leases.at(id);
    const bool far = is_far_beyond(lease);
    const bool before = goes_before_the_queue(lease, use);
    Bytes step =
        std::max({first, Bytes(lease.booked.memory.count() / 20), use.credit + use.credit});
    Bytes lacks(kMisjudged * lease.booked.memory.count() - lease.fence_at.count());
    if (far) lacks = use.turn;
    if (!far || before) step = std::min(step, std::max(first, lacks));
    const std::size_t first_class = before ? static_cast<std::size_t>(lease.priority) + 1 : 0;
    bool slowly = false;
    std::int64_t most = room - (before ? helped : before_far).at(first_class);
    if (far && !before) {
      const bool lately = use.credited && at_.boot - *use.credited < kBetweenSteps;
      const bool ample = most - step.count() >= pool.capacity / kAmplePart;
      if (!ample) most = lately ? 0 : std::max(most / kAmplePart, std::min(most, first.count()));
      slowly = !ample;
    }
    const Bytes given = somebody_before ? Bytes() : std::min(step, Bytes(most));
    if (given < first) {
      if (!wants_more(lease, use)) {
        be_content(id);
        continue;
      }
      hold(id, helped, lacks);
      if (!far || before || alone) somebody_before = true;
      continue;
    }
    room -= given.count();
    use.turn -= std::min(use.turn, given);
    if (use.turn < first) use.turn = Bytes();
    use.credit = given;
    use.credited = at_.boot;
    // Where nobody runs on it stands still between its steps: whoever fits beside it comes first.
    if (!all_stand || before || may_end) {
      use.held = false;
      use.held_since.reset();
    }
    // What it lacks still is kept for it until it is seen to be content: the queue is run at every
    // end, and this only when it comes to its new fence.
    state_.at_fence.erase(id);
    if (before && lacks - given >= first) state_.at_fence[id] = (lacks - given).count();
    look_again(id);
    thaw(id, "its fence is raised");
    raise_fence(id, given);
    if (slowly) somebody_before = true;
  }
}

void Control::hold(LeaseId id, const WaitedFor& helped, Bytes lacks) {
  Use& use = state_.uses.at(id);
  const Lease& lease = state_.promises.leases.at(id);
  if (!use.held) {
    say("lease.held", id,
        lease.name + " is at its fence of " +
            decide::amount_text(Resource::memory, lease.fence_at.count()) +
            ", and there is no room to raise it");
    use.held = true;
    if (!use.held_since) use.held_since = at_.boot;
    if (use.turn.count() == 0) use.granted_before = state_.granted;
  }
  if (!lease.frozen) state_.held_at = at_.boot;
  const bool before = goes_before_the_queue(lease, use) &&
                      helped.at(static_cast<std::size_t>(lease.priority) + 1) == 0;
  state_.at_fence[id] = before ? std::max(Bytes(), lacks).count() : 0;
  const bool rests = use.rests_until && at_.boot < *use.rests_until;
  if (!rests && must_stand(lease, use)) {
    freeze(id, "it is at its fence, and there is no room to raise it");
  }
}

void Control::raise_fence(LeaseId id, Bytes by) {
  state_.lent.insert(id);
  const Lease& lease = state_.promises.leases.at(id);
  const Bytes at = lease.fence_at + by;
  say("lease.overrun", id,
      lease.name + " uses more than it booked (" +
          decide::amount_text(Resource::memory, state_.uses.at(id).measured->memory.count()) +
          " of " + decide::amount_text(Resource::memory, lease.booked.memory.count()) +
          "); its fence goes to " + decide::amount_text(Resource::memory, at.count()));
  state_.uses.at(id).lent_since.reset();  // what it takes of that is watched anew
  set_fence(id, at, "it touched its fence, and there is room");
}

void Control::set_fence(LeaseId id, Bytes at, std::string reason) {
  Lease lease = state_.promises.leases.at(id);
  lease.fence_at = at;
  lease.fence_set = false;
  const Group group = lease.group;
  keep(PutLease{std::move(lease)});
  effects_.emplace_back(Fence{id, group, at, std::move(reason)});
  show(id);
}

}  // namespace headroom::control
