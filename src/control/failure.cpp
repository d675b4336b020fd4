// An allocation that failed on a device, although there was room for it.
#include <algorithm>
#include <utility>

#include "control/control.hpp"

namespace headroom::control {

void Control::move_after_failure(const Asked& asked, const Lease& lease, Bytes bytes) {
  const std::string name = "lease l-" + std::to_string(lease.id);
  const auto conflict = [&](std::string why, std::string help) {
    refuse(asked.request, {ErrorKind::conflict, name + " is not moved to another device",
                           std::move(why), std::move(help)});
  };
  if (lease.parent != 0) {
    return conflict("it draws from lease l-" + std::to_string(lease.parent), "tell it of that one");
  }
  if (lease.state != LeaseState::reserved && lease.state != LeaseState::loading &&
      lease.state != LeaseState::active) {
    return conflict(std::string("it is ") + to_string(lease.state),
                    "only what holds its device can be moved");
  }
  if (lease.gpu.empty() || lease.booked.gpu_memory.count() == 0) {
    return conflict("it has booked no memory of a device", "headroom lease show " + name.substr(6));
  }
  const int here = state_.ledger.device(Resource::gpu_memory, lease.gpu);
  const std::string device = state_.ledger.pool(here).name;
  if (state_.ledger.pool(here).unified) {
    return conflict(device + " works in the machine's memory",
                    "headroom free --mem makes room there");
  }
  const std::string failed = decide::amount_text(Resource::gpu_memory, bytes.count());
  state_.ledger.refuse(here, bytes);
  Use& use = state_.uses[lease.id];
  const Bytes held = use.measured ? use.measured->gpu_memory : Bytes();
  const Bytes least = held + std::min(bytes, Bytes(state_.ledger.pool(here).capacity));
  say("lease.allocation_failed", lease.id,
      lease.name + " could not allocate " + failed + " on " + device + " beside " +
          decide::amount_text(Resource::gpu_memory, held.count()) + " of its own");
  show(lease.id);
  if (lease.moved) {
    return conflict("it was moved once before, and " + failed + " failed again on " + device,
                    "end it, and book what it really needs");
  }
  if (lease.needs.gpus > 1) {
    return conflict("it holds several devices", "end it, and book what it really needs");
  }
  if (!lease.needs.gpu.empty()) {
    return conflict("it asked for " + device + " and no other", "book one without --gpu");
  }

  auto wanted = decide::wanted_of(books(), lease);
  if (!wanted) return refuse(asked.request, wanted.error());
  // All else that it has booked stays where it is.
  wanted->amounts = Amounts{Bytes(), std::max(lease.booked.gpu_memory, least), Cores(), Bytes()};
  if (wanted->whole) wanted->amounts.gpu_memory = least;
  wanted->disk = -1;
  std::erase(wanted->gpus, here);
  if (wanted->gpus.empty()) {
    return conflict(
        "the machine has no other device that it could be on",
        "headroom free --gpu-mem " + std::to_string(bytes.count()) + " makes room on this one");
  }
  // It gives back what it has on this device: that is no more of its user's cap.
  if (decide::is_within_cap(books(), *wanted, lease.booked)) wanted->owner = 0;
  Lease order;
  order.id = state_.promises.next_lease;
  order.priority = lease.priority;
  order.asked = at_;
  wanted->key = decide::Queue::key(order, state_.config->leases.ageing);
  Verdict verdict = judge_request(*wanted, {lease.priority, lease.model});
  if (verdict.answer != Answer::now) {
    Error error{ErrorKind::insufficient_resources,
                name + " has failed on " + device + ", and fits on no other device now",
                verdict.why, ""};
    if (!verdict.help.empty()) error.help = verdict.help.front().text;
    return refuse(asked.request, std::move(error), std::move(verdict));
  }

  Lease moved = lease;
  moved.booked.gpu_memory = Bytes();
  let_go(moved);
  const int there = state_.ledger.device(Resource::gpu_memory, verdict.gpu);
  moved.gpu = verdict.gpu;
  moved.booked.gpu_memory = verdict.amounts.gpu_memory;
  if (moved.needs.gpu_memory) {
    moved.needs.gpu_memory = std::max(*moved.needs.gpu_memory, wanted->amounts.gpu_memory);
  }
  moved.moved = true;
  moved.state = LeaseState::loading;
  // What was measured is of the device that it leaves.
  if (use.measured) use.measured->gpu_memory = Bytes();
  use.highest = Bytes();
  use.rose = at_.boot;
  use.quiet_gpu.reset();
  const LeaseId id = moved.id;
  say("lease.moved", id,
      moved.name + " goes from " + device + " to " + state_.ledger.pool(there).name +
          " after a failed allocation");
  keep(PutLease{std::move(moved)});
  effects_.emplace_back(Sense{false});
  respond(asked.request, state_.promises.leases.at(id));
}

}  // namespace headroom::control
