// One immutable picture of the state, from which every read is answered.
#include <algorithm>
#include <cmath>
#include <map>

#include "control/control.hpp"
#include "decide/verdict.hpp"
#include "judge/health.hpp"

namespace headroom::control {
namespace {

constexpr int kExplained = 20;

}  // namespace

LeaseView Control::lease_view(const Lease& lease, bool with_outlook) const {
  LeaseView view;
  view.lease = lease;
  if (const auto use = state_.uses.find(lease.id); use != state_.uses.end()) {
    view.measured = use->second.measured;
    if (lease.state != LeaseState::ended) view.lease.peak = use->second.peak;
    view.idle = idle_text(lease, use->second);
    if (view.measured) view.over = decide::is_over(*view.measured, lease.booked);
  }
  const auto fraction = [&](int pool, Bytes booked) {
    const decide::Pool& device = state_.ledger.pool(pool);
    if (device.capacity <= 0) return;
    const double of = std::floor(1000.0 * static_cast<double>(booked.count()) /
                                 static_cast<double>(device.capacity)) /
                      1000.0;
    view.gpu_fraction = std::min(of, view.gpu_fraction.value_or(of));
  };
  if (!lease.gpu.empty()) {
    const int pool = state_.ledger.gpu(lease.gpu);
    if (pool >= 0) {
      view.gpu_index = state_.ledger.pool(pool).gpu_index;
      if (!decide::waits_for_start(lease)) fraction(pool, lease.booked.gpu_memory);
    }
  }
  if (lease.needs.gpus > 1 && decide::holds(lease.state)) add_devices(lease, view);
  for (std::size_t i = 1; i < view.devices.size(); ++i) {
    const LeaseDevice& device = view.devices[i];
    if (const int pool = state_.ledger.gpu(device.gpu); pool >= 0) fraction(pool, device.booked);
  }
  if (is_priced() && lease.parent == 0 && !lease.use) {
    view.cost = cost_of(lease);
    view.cost_per_hour = per_hour(lease);
    for (const LeaseId part : parts_of(lease.id)) {
      *view.cost += cost_of(state_.promises.leases.at(part));
      *view.cost_per_hour += per_hour(state_.promises.leases.at(part));
    }
  }
  if (with_outlook && lease.state == LeaseState::waiting) {
    if (lease.use) {
      view.why = "it waits until " + lease.model + " is loaded";
    } else if (lease.starts) {
      if (!lease.late) view.earliest = lease.starts;
      view.why = decide::why_not_yet(books(), lease);
      view.lease.gpu.resize(std::min(view.lease.gpu.size(), view.lease.gpu.find(',')));
    } else if (const auto wanted = decide::wanted_of(books(), lease)) {
      const Verdict verdict = judge_request(*wanted, {lease.priority, lease.model});
      view.place = std::max(1, verdict.place);
      view.earliest = verdict.earliest;
      view.why = verdict.why;
    } else {
      view.why = wanted.error().what;
    }
  }
  return view;
}

// Its devices, and in the amounts all of them.
void Control::add_devices(const Lease& lease, LeaseView& view) const {
  const auto add = [&](const std::string& gpu, Bytes booked, const Use* use) {
    LeaseDevice& device = view.devices.emplace_back();
    device.gpu = gpu;
    if (const int pool = state_.ledger.gpu(gpu); pool >= 0) {
      device.index = state_.ledger.pool(pool).gpu_index;
    }
    device.booked = booked;
    if (use != nullptr && use->measured) device.measured = use->measured->gpu_memory;
  };
  const auto use_of = [&](LeaseId id) {
    const auto use = state_.uses.find(id);
    return use == state_.uses.end() ? nullptr : &use->second;
  };
  if (lease.parent != 0) {
    // What it uses of each is not told apart from what its outer lease does.
    for (const int pool : pools_of(lease)) {
      if (pool < 0) continue;
      if (!view.devices.empty()) view.lease.booked.gpu_memory += lease.booked.gpu_memory;
      add(state_.ledger.pool(pool).device, lease.booked.gpu_memory, nullptr);
    }
    return;
  }
  const Use* own = use_of(lease.id);
  // One that is back already is its no more.
  if (lease.booked.gpu_memory.count() > 0) add(lease.gpu, lease.booked.gpu_memory, own);
  if (own != nullptr) view.lease.peak.gpu_memory += own->others_peak;
  for (const LeaseId id : parts_of(lease.id)) {
    const Lease& part = state_.promises.leases.at(id);
    const Use* use = use_of(id);
    add(part.gpu, part.booked.gpu_memory, use);
    view.lease.booked.gpu_memory += part.booked.gpu_memory;
    if (use == nullptr) continue;
    view.lease.peak.gpu_memory += use->peak.gpu_memory;
    if (!use->measured) continue;
    if (view.measured) view.measured->gpu_memory += use->measured->gpu_memory;
    view.over = view.over || decide::is_over(*use->measured, part.booked);
  }
}

View Control::view(Instant at) const {
  View view;
  view.revision = state_.revision;
  view.at = at;
  view.sample = state_.sample;
  view.config = state_.config;
  view.rooms = state_.ledger.rooms();
  view.drains = drains().items;
  view.session_roots = session_root_views();
  view.cost = cost_view();
  for (const auto& [key, gauge] : state_.gauges) {
    if (!is_pressed(key.first)) continue;
    Pressure& pressure = view.pressures.emplace_back(gauge.pressure());
    if (key.first != Resource::memory) continue;
    pressure.step = state_.ladder.step();
    if (pressure.step != Step::watch) pressure.step_why = cause_text();
  }
  for (Room& room : view.rooms) {
    const auto gauge = state_.gauges.find({room.resource, room.device});
    if (gauge != state_.gauges.end()) room.pressure = gauge->second.level();
  }
  view.alerts = state_.alerts.open();
  const auto& ended = state_.alerts.ended();
  view.alerts.insert(view.alerts.end(), ended.rbegin(), ended.rend());
  std::sort(view.alerts.begin(), view.alerts.end(),
            [](const Alert& a, const Alert& b) { return a.id < b.id; });
  view.leases.reserve(state_.promises.leases.size());
  // Each explanation looks at the whole queue: the first ones are explained, the others have their
  // place and time from one look ahead.
  std::map<LeaseId, decide::Outlook> outlook;
  for (const decide::Outlook& one : decide::outlook(books())) outlook.emplace(one.lease, one);
  for (const auto& [id, lease] : state_.promises.leases) {
    if (lease.part_of != 0) continue;  // among the devices of its lease
    const auto place = outlook.find(id);
    const bool explain = decide::waits_for_start(lease) ||
                         (place != outlook.end() && place->second.place <= kExplained);
    LeaseView one = lease_view(lease, explain);
    if (place != outlook.end() && !explain) {
      one.place = place->second.place;
      one.earliest = place->second.earliest;
    }
    view.leases.push_back(std::move(one));
  }
  view.models = model_views();
  view.components = component_views();
  if (state_.sample) {
    view.health = judge::roll_up(view.pressures, state_.sample->stall);
    const auto age = at.boot - state_.sample->at.boot;
    if (age > 3 * state_.config->sample.interval) {
      view.readiness = "the last sample is older than three intervals";
    }
  } else {
    view.readiness = "the machine was not read yet";
  }
  return view;
}

}  // namespace headroom::control
