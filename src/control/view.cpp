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
  if (!lease.gpu.empty()) {
    const int pool = state_.ledger.gpu(lease.gpu);
    if (pool >= 0) {
      const decide::Pool& device = state_.ledger.pool(pool);
      view.gpu_index = device.gpu_index;
      if (device.capacity > 0) {
        view.gpu_fraction =
            std::floor(1000.0 * static_cast<double>(lease.booked.gpu_memory.count()) /
                       static_cast<double>(device.capacity)) /
            1000.0;
      }
    }
  }
  if (with_outlook && lease.state == LeaseState::waiting) {
    if (lease.use) {
      view.why = "it waits until " + lease.model + " is loaded";
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

View Control::view(Instant at) const {
  View view;
  view.revision = state_.revision;
  view.at = at;
  view.sample = state_.sample;
  view.config = state_.config;
  view.rooms = state_.ledger.rooms();
  view.drains = drains().items;
  for (const auto& [key, gauge] : state_.gauges) view.pressures.push_back(gauge.pressure());
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
    const auto place = outlook.find(id);
    const bool explain = place != outlook.end() && place->second.place <= kExplained;
    LeaseView one = lease_view(lease, explain);
    if (place != outlook.end() && !explain) {
      one.place = place->second.place;
      one.earliest = place->second.earliest;
    }
    view.leases.push_back(std::move(one));
  }
  view.models = model_views();
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
