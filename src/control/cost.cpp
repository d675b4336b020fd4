// What the machine and its leases cost.
#include <algorithm>

#include "control/control.hpp"
#include "decide/calendar.hpp"
#include "decide/cost.hpp"
#include "judge/power.hpp"

namespace headroom::control {
namespace {

// A longer time between two samples is not counted: nobody knows what was then.
constexpr std::chrono::minutes kLongestGap{2};
constexpr std::chrono::minutes kSaveEvery{1};
constexpr std::chrono::hours kChargeEvery{1};
constexpr std::size_t kChargedAtOnce = 100;
constexpr double kLongMonth = 32 * 24;  // hours

}  // namespace

Money Control::per_hour(const Lease& lease) const {
  if (!decide::holds(lease.state) || lease.parent != 0 || lease.use) return Money();
  return decide::booking_per_hour(state_.config->cost, state_.ledger, lease.booked,
                                  lease.gpu.empty() ? -1 : state_.ledger.gpu(lease.gpu),
                                  lease.needs.gpus >= 1);
}

Money Control::cost_of(const Lease& lease) const {
  Money sum = lease.cost;
  if (lease.charged != BootTime()) {
    sum += decide::over(per_hour(lease), at_.boot - lease.charged);
  }
  return sum;
}

// `lease` as it will be; what it had booked until now is what it pays for.
void Control::charge(Lease& lease) const {
  const auto before = state_.promises.leases.find(lease.id);
  // While its device is not known, nor is what share of it that was: it is charged later.
  const bool known = lease.gpu.empty() || lease.state == LeaseState::ended ||
                     (state_.ledger.gpu(lease.gpu) >= 0 &&
                      state_.ledger.pool(state_.ledger.gpu(lease.gpu)).capacity > 0);
  if (!known && lease.charged != BootTime()) return;
  if (before != state_.promises.leases.end() && lease.charged != BootTime()) {
    lease.cost += decide::over(per_hour(before->second), at_.boot - lease.charged);
  }
  lease.charged = at_.boot;
}

void Control::charge_all() {
  std::vector<Lease> all;
  for (const auto& [id, lease] : state_.promises.leases) {
    if (decide::holds(lease.state)) all.push_back(lease);
  }
  for (Lease& lease : all) {
    charge(lease);
    keep(PutLease{std::move(lease)});
  }
}

// So that a crash or a reboot costs nobody's account more than about an hour.
void Control::charge_some() {
  std::vector<Lease> some;
  for (const auto& [id, lease] : state_.promises.leases) {
    if (some.size() >= kChargedAtOnce) break;
    if (decide::holds(lease.state) && lease.parent == 0 && !lease.use &&
        lease.charged != BootTime() && at_.boot - lease.charged >= kChargeEvery) {
      some.push_back(lease);
    }
  }
  for (Lease& lease : some) keep(PutLease{std::move(lease)});
}

// What was charged up to a time of another boot: the time since then is nobody's.
void Control::charge_anew() {
  std::vector<Lease> all;
  for (const auto& [id, lease] : state_.promises.leases) {
    if (lease.charged != BootTime() && decide::holds(lease.state)) all.push_back(lease);
  }
  for (Lease& lease : all) {
    lease.charged = BootTime();
    keep(PutLease{std::move(lease)});
  }
}

void Control::spend(const Sample& sample) {
  const Config::Cost& cost = state_.config->cost;
  if (!cost.priced()) {
    state_.spent_at.reset();
    state_.rate = Money();
    return;
  }
  const auto gpus = std::count_if(sample.gpus.begin(), sample.gpus.end(),
                                  [](const GpuReading& gpu) { return gpu.parent.empty(); });
  state_.rate = decide::node_per_hour(cost, static_cast<int>(gpus), judge::node_watts(sample));
  const auto passed = state_.spent_at ? at_.boot - *state_.spent_at : BootTime::duration(0);
  state_.spent_at = at_.boot;
  const auto most = std::max<BootTime::duration>(kLongestGap, 3 * state_.config->sample.interval);
  if (passed <= most) state_.unsaved += decide::over(state_.rate, passed);
  // What a second over the end of a month costs is the new one's.
  const auto month = decide::month_of(at_.wall, state_.zone);
  const bool begins = !state_.promises.spent.contains(month);
  if (!begins && state_.saved_at && at_.boot - *state_.saved_at < kSaveEvery) return;
  // The first sample comes before the journal was read: then nothing is known of the month.
  if (state_.unsaved == Money()) return;
  state_.saved_at = at_.boot;
  charge_some();
  const Money so_far = begins ? Money() : state_.promises.spent.at(month);
  keep(PutSpent{month, so_far + state_.unsaved});
  state_.unsaved = Money();
}

double Control::budget_percent() const {
  const auto month = state_.promises.spent.find(decide::month_of(at_.wall, state_.zone));
  if (month == state_.promises.spent.end()) return 0;
  const Money sum = month->second + state_.unsaved;
  return 100 * sum.value() / state_.config->cost.budget;
}

std::optional<decide::Spent> Control::spent() const {
  const Config::Cost& cost = state_.config->cost;
  if (cost.over_budget == LeastPriority::low || cost.budget <= 0 || budget_percent() < 100) {
    return std::nullopt;
  }
  return decide::Spent{cost.over_budget,
                       decide::end_of(decide::month_of(at_.wall, state_.zone), state_.zone)};
}

std::optional<CostView> Control::cost_view() const {
  const Config::Cost& cost = state_.config->cost;
  if (!cost.priced()) return std::nullopt;
  CostView view;
  view.per_hour = state_.rate;
  for (const auto& [id, lease] : state_.promises.leases) view.leases_per_hour += per_hour(lease);
  view.month = decide::month_of(at_.wall, state_.zone);
  view.until = decide::end_of(view.month, state_.zone);
  const auto& spent = state_.promises.spent;
  if (const auto now = spent.find(view.month); now != spent.end()) view.spent = now->second;
  view.spent += state_.unsaved;
  if (const auto last = spent.find(view.month - std::chrono::months(1)); last != spent.end()) {
    view.spent_before = last->second;
  }
  view.budget = decide::money(cost.budget);
  if (cost.budget <= 0) return view;
  const double left = cost.budget - view.spent.value();
  if (left <= 0) {
    view.spent_at = at_.wall;
  } else if (const double hours = left / view.per_hour.value();
             view.per_hour > Money() && at_.wall + std::chrono::duration<double, std::ratio<3600>>(
                                                       std::min(hours, kLongMonth)) <
                                            view.until) {
    view.spent_at = at_.wall + std::chrono::duration_cast<WallTime::duration>(
                                   std::chrono::duration<double, std::ratio<3600>>(hours));
  }
  return view;
}

}  // namespace headroom::control
