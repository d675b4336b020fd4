// Components: who they are, how they come and go, and what is told of them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/allotted.hpp"
#include "control/control.hpp"

namespace headroom::control {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 60s;     // who has no process and is not heard of for so long is gone
constexpr auto kToldIsTrue = 60s;  // what it said that it uses
constexpr std::size_t kMostOfOneUser = 1000;   // components; root is not capped
constexpr std::chrono::hours kKnown{1};        // of a series, from then on it may be doubted
constexpr std::chrono::hours kStillCounts{1};  // what was asked last
constexpr std::uint64_t kEnough = 20;          // asks, to say that too many fail

// A program says the same at each of its starts: what was set since then, or by a person before
// the first, stays, and what it says lies within that.
QuotaChange left_open(const Component& known, QuotaChange said) {
  const Quota& quota = known.quota;
  const auto fill = [](std::optional<std::int64_t>& value, std::int64_t kept) {
    if (kept != 0) value.reset();
  };
  for (std::size_t i = 0; i < kAllotted; ++i) {
    const QuotaPart& part = quota.parts[i];
    QuotaChange::Part& told = said.parts[i];
    fill(told.amount, part.amount);
    fill(told.least, part.least);
    fill(told.most, part.most);
    for (auto* value : {&told.amount, &told.least, &told.most}) {
      if (!*value || **value == 0) continue;
      if (part.most != 0) **value = std::min(**value, part.most);
      if (part.least != 0) **value = std::max(**value, part.least);
    }
  }
  if (quota.buffer) said.buffer.reset();
  // These two always say something; before it was ever there, what is usual was said by nobody.
  const bool first = known.since == WallTime{};
  if (!first || quota.priority != Priority::normal) said.priority.reset();
  if (!first || quota.enforce) said.enforce.reset();
  return said;
}

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits) &&
         name != "-" && name != "." && name != "..";
}

}  // namespace

// ---------------------------------------------------------------------------------------- requests

bool Control::may_change(const Asked& asked, const std::string& name) {
  if (!is_name(name)) {
    refuse(asked.request, {ErrorKind::invalid_request, "that is no name of a component",
                           "it has 1 to 64 letters, digits, _, - and .", "feature_pipeline"});
    return false;
  }
  if (!asked.caller.known) {
    refuse(asked.request, {ErrorKind::not_allowed, "it is not known who asks",
                           "the request did not come over the Unix socket", "use the socket"});
    return false;
  }
  const auto found = state_.promises.components.find(name);
  if (found != state_.promises.components.end() && !asked.caller.trusted &&
      found->second.owner != asked.caller.uid) {
    refuse(asked.request, {ErrorKind::not_allowed, name + " is another user's component",
                           "it belongs to uid " + std::to_string(found->second.owner),
                           "ask that user, or become a member of the group headroom"});
    return false;
  }
  if (found == state_.promises.components.end()) {
    const auto& known = state_.promises.components;
    const auto mine = std::count_if(known.begin(), known.end(), [&](const auto& one) {
      return one.second.owner == asked.caller.uid;
    });
    if (known.size() >= kMostComponents ||
        (!asked.caller.trusted && static_cast<std::size_t>(mine) >= kMostOfOneUser)) {
      refuse(asked.request, {ErrorKind::too_many_requests, "there are too many components",
                             std::to_string(known.size()) + " are known, and " +
                                 std::to_string(mine) + " of them are yours",
                             "headroom component rm NAME"});
      return false;
    }
  }
  return true;
}

void Control::ask(const Asked& asked, const AskComponent& ask) {
  using What = AskComponent::What;
  if (!may_change(asked, ask.name)) return;
  const auto found = state_.promises.components.find(ask.name);
  const bool known = found != state_.promises.components.end();
  if (ask.what == What::put) return put_component(asked, ask);
  if (ask.what == What::quota) {
    Component component;
    component.owner = asked.caller.uid;
    component.name = ask.name;
    if (known) {
      component = found->second;
    } else if (const auto set = preset(ask.name)) {
      component.quota = set->quota;
    }
    const Quota before = component.quota;
    if (const auto wrong = change_quota(component.quota, ask.quota)) {
      return refuse(asked.request, *wrong);
    }
    if (component.quota != before || !known) {
      keep(PutComponent{component, true});
      follow_enforcement(component);
      say("quota.changed", 0, ask.name + ": its quota was changed");
      state_.cycle_wanted = true;
    }
    effects_.emplace_back(Respond{asked.request, component_view(component)});
    cycle_components_when_due();
    return;
  }
  if (!known) {
    return refuse(asked.request, {ErrorKind::not_found, "there is no component " + ask.name, "",
                                  "headroom component lists them"});
  }
  if (ask.what == What::remove) {
    ComponentView last = component_view(found->second);
    if (found->second.registered) unregister(ask.name, "it was told to");
    keep(PutComponent{state_.promises.components.at(ask.name), false});
    effects_.emplace_back(Respond{asked.request, std::move(last)});
    run_queue();
    return;
  }
  if (!found->second.registered) {
    return refuse(asked.request, {ErrorKind::conflict, ask.name + " is not registered", "",
                                  "register it: PUT /api/v1/components/" + ask.name});
  }
  ComponentRun& run = state_.component_runs.at(ask.name);
  if (ask.what == What::heard) {
    run.heard = at_;
    for (std::size_t i = 0; i < kAllotted; ++i) {
      if (!ask.used[i]) continue;
      Demand& demand = run.demands[i];
      demand.used = ask.used[i];
      demand.peak = std::max(demand.peak.value_or(0), *ask.used[i]);
      demand.told = at_.boot;
    }
  } else if (!answered({ask.name, ask.ask, ask.done, ask.values, ask.said})) {
    return refuse(asked.request, {ErrorKind::not_found, "it is not asked that (any more)",
                                  "it was answered, its time is over, or it was replaced", ""});
  }
  effects_.emplace_back(Respond{asked.request, component_view(found->second)});
}

void Control::put_component(const Asked& asked, const AskComponent& ask) {
  const auto found = state_.promises.components.find(ask.name);
  Component component;
  component.name = ask.name;
  if (found != state_.promises.components.end()) {
    component = found->second;
  } else if (const auto set = preset(ask.name)) {
    component.quota = set->quota;
  }
  const bool again = component.registered;
  if (component.owner == 0 || !again) component.owner = asked.caller.uid;
  const bool known = found != state_.promises.components.end();
  const QuotaChange said = known ? left_open(component, ask.quota) : ask.quota;
  if (const auto wrong = change_quota(component.quota, said)) return refuse(asked.request, *wrong);
  if (const auto wrong = put_setters(component, ask.setters)) return refuse(asked.request, *wrong);
  if (const auto others = state_.holders.find(ask.holder); others != state_.holders.end()) {
    for (const LeaseId id : others->second) {
      const Lease& one = state_.promises.leases.at(id);
      if (one.state != LeaseState::waiting || one.use) continue;
      return refuse(asked.request,
                    {ErrorKind::conflict, "its process waits for lease l-" + std::to_string(id),
                     "what it may have is not known until that is granted", "register then"});
    }
  }
  // The same program again goes on with what it has; another one begins anew.
  const bool same = again && component.holder == ask.holder;
  if (again && !same) {
    unregister(ask.name, "another one took its place");
    const Component& left = state_.promises.components.at(ask.name);
    component.has = left.has;
    component.lease = left.lease;
    component.books = left.books;
  }
  component.registered = true;
  component.holder = ask.holder;
  if (!same) component.since = at_.wall;
  if (!same) book_component(component, ask.beside);
  keep(PutComponent{component, true});
  ComponentRun& run = state_.component_runs[ask.name];
  claim(component, run, ask.values);
  keep(PutComponent{component, true});
  drop_call(ask.name, run);
  if (component.lease != 0) state_.component_leases[component.lease].insert(ask.name);
  run.heard = at_;
  run.values.clear();
  for (const auto& [setter, value] : ask.values) {
    if (setter_of(component, setter) != nullptr && std::isfinite(value)) run.values[setter] = value;
  }
  adopt(component, run);
  if (component.holder.somebody()) {
    state_.component_holders[component.holder].insert(ask.name);
    if (!same && !component.books) effects_.emplace_back(Watch{component.holder});
  }
  if (!same) {
    say("component.registered", 0,
        ask.name + " is registered" +
            (component.holder.pid != 0 ? ", pid " + std::to_string(component.holder.pid)
                                       : std::string()));
  }
  book_allocation(component);
  follow_enforcement(component);
  state_.cycle_wanted = true;
  effects_.emplace_back(Respond{asked.request, component_view(component)});
  cycle_components_when_due();
}

// What it says that it has, as far as that is its own already, or nobody else's.
void Control::claim(Component& component, const ComponentRun& run,
                    const std::map<std::string, double>& values) {
  const InForce quota = in_force(component.quota);
  for (const auto& [setter, value] : values) {
    const auto what = allotted_by(setter);
    if (!what) continue;
    const auto& allocation = pool_of_component(component)[index_of(*what)];
    const std::int64_t own = std::max(component.has[index_of(*what)], allocation.held(run.number));
    const auto capacity =
        capacity_for(component.books ? 0 : component.lease, *what, strategy_now());
    const std::int64_t left = std::max<std::int64_t>(0, capacity.value_or(0) - allocation.out());
    const std::int64_t most = std::min(quota.parts[index_of(*what)].most, own + left);
    component.has[index_of(*what)] = std::min(units_of(*what, value), std::max(own, most));
  }
}

// Who is in a lease already has what that one has booked; others get a lease of their own, so that
// what they were given is room for nobody else.
void Control::book_component(Component& component, LeaseId beside) {
  component.lease = 0;
  component.books = false;
  const auto others = state_.holders.find(component.holder);
  const bool shared = component.holder.somebody() && others != state_.holders.end();
  if (beside == 0 && shared) {
    for (const LeaseId id : others->second) {
      const Lease& one = state_.promises.leases.at(id);
      if (one.use || one.parent != 0 || !decide::holds_for_somebody(one.state)) continue;
      beside = id;
    }
  }
  if (beside != 0) {
    const auto lease = state_.promises.leases.find(beside);
    if (lease != state_.promises.leases.end() && decide::holds(lease->second.state)) {
      component.lease = beside;
      // Another component of the same process may have booked it: then it is booked for both.
      if (const auto there = state_.component_leases.find(beside);
          there != state_.component_leases.end()) {
        for (const std::string& name : there->second) {
          if (state_.promises.components.at(name).books) component.books = true;
        }
      }
      return;
    }
  }
  Lease lease;
  lease.id = state_.promises.next_lease;
  lease.name = component.name;
  lease.owner = component.owner;
  lease.priority = component.quota.priority;
  lease.holder = component.holder;
  lease.asked = lease.granted = at_;
  lease.state = LeaseState::reserved;
  // What another lease of the process measures by the process is not moved into a group.
  lease.grouped = component.quota.enforce && component.holder.pid != 0 && !shared;
  lease.fence = lease.grouped;
  component.lease = lease.id;
  component.books = true;
  // It books nothing yet: with everything that it is given it books that.
  state_.uses[lease.id].rose = at_.boot;
  if (lease.holder.somebody()) effects_.emplace_back(Watch{lease.holder});
  if (lease.grouped) {
    state_.placing.insert(lease.id);
    effects_.emplace_back(PlaceHolder{lease.id, lease.holder, lease.owner, Bytes(), {}, {}});
  }
  show(lease.id);
  keep(PutLease{std::move(lease)});
}

void Control::unregister(const std::string& name, const std::string& why) {
  const auto found = state_.promises.components.find(name);
  if (found == state_.promises.components.end() || !found->second.registered) return;
  Component component = found->second;
  if (const auto run = state_.component_runs.find(name); run != state_.component_runs.end()) {
    drop_call(name, run->second);
    state_.component_runs.erase(run);
  }
  if (const auto there = state_.component_leases.find(component.lease);
      there != state_.component_leases.end()) {
    there->second.erase(name);
    if (there->second.empty()) state_.component_leases.erase(there);
  }
  effects_.emplace_back(EndListening{name});
  if (const auto here = state_.component_holders.find(component.holder);
      here != state_.component_holders.end()) {
    here->second.erase(name);
    if (here->second.empty()) state_.component_holders.erase(here);
  }
  const LeaseId lease = component.lease;
  const bool books = component.books;
  component.registered = false;
  component.holder = Holder();
  component.lease = 0;
  component.books = false;
  component.has = {};
  keep(PutComponent{component, true});
  say("component.gone", 0, name + " is gone: " + why);
  state_.cycle_wanted = true;
  bookings_moved_ = true;
  if (!books) return;
  const Component* left = nullptr;
  if (const auto there = state_.component_leases.find(lease);
      there != state_.component_leases.end()) {
    left = &state_.promises.components.at(*there->second.begin());
  }
  if (left != nullptr) {
    book_allocation(*left);
  } else if (const auto own = state_.promises.leases.find(lease);
             own != state_.promises.leases.end() && decide::holds_for_somebody(own->second.state)) {
    if (own->second.group != Group()) {
      effects_.emplace_back(
          LimitCpu{lease, own->second.group, std::nullopt, "its component is gone"});
    }
    end(lease, "its component is gone: " + why);
  }
}

std::string Control::component_of(LeaseId id) const {
  const auto there = state_.component_leases.find(id);
  if (there == state_.component_leases.end()) return {};
  const std::string& name = *there->second.begin();
  return state_.promises.components.at(name).books ? name : "";
}

void Control::on(const ComponentHeard& event) {
  const auto run = state_.component_runs.find(event.component);
  if (run == state_.component_runs.end()) return;
  run->second.listens = event.listens;
  run->second.heard = at_;
  if (!event.listens) {
    // Nobody is there to answer; should it have set it all the same, it says so when it comes back.
    if (run->second.call) {
      const Call call = *std::exchange(run->second.call, std::nullopt);
      state_.calls_due.erase({call.until, event.component});
      refuse_due(event.component, run->second);
      settle_call(event.component, run->second, call, Decision::Outcome::unreachable, {},
                  "it stopped listening before it answered");
      run->second.late = call;
    }
    return;
  }
  run->second.problem.clear();
  state_.cycle_wanted = true;
  cycle_components_when_due();
}

void Control::restore_components(bool same_boot) {
  for (const auto& [key, decision] : state_.promises.decisions) {
    state_.last_call = std::max(state_.last_call, key.first);
  }
  std::vector<Decision> open;
  for (const auto& [key, decision] : state_.promises.decisions) {
    if (decision.outcome == Decision::Outcome::asked) open.push_back(decision);
  }
  std::map<std::pair<std::string, Allotted>, std::int64_t> perhaps;
  for (Decision& decision : open) {
    perhaps[{decision.component, decision.what}] = decision.to;
    // Whether it did that it says when it registers again.
    decision.outcome = Decision::Outcome::timed_out;
    keep(PutDecision{std::move(decision)});
  }
  std::vector<std::string> names;
  for (const auto& [name, component] : state_.promises.components) {
    if (component.registered) names.push_back(name);
  }
  for (const std::string& name : names) {
    Component component = state_.promises.components.at(name);
    ComponentRun& run = state_.component_runs[name];
    if (!same_boot) {
      unregister(name, "the machine was restarted");
      continue;
    }
    run.heard = at_;
    if (component.lease != 0) state_.component_leases[component.lease].insert(name);
    adopt(component, run);
    for (const Allotted what : kAllAllotted) {
      const auto asked = perhaps.find({name, what});
      if (asked == perhaps.end() || !takes_part(component, what)) continue;
      pool_of_component(component)[index_of(what)].adopt(run.number, component.has[index_of(what)],
                                                         asked->second);
    }
    if (component.holder.somebody()) {
      state_.component_holders[component.holder].insert(name);
      effects_.emplace_back(Watch{component.holder});
    }
  }
  state_.rebook_components = !names.empty();
}

// ---------------------------------------------------------------------------------------- readings

void Control::measure_components() {
  if (state_.component_runs.empty()) return;
  if (std::exchange(state_.cycle_at_sample, false)) state_.cycle_wanted = true;
  std::vector<std::string> silent;
  std::vector<std::string> orphans;
  const std::int64_t cores = state_.ledger.pool(decide::Ledger::kCpu).capacity;
  for (auto& [name, run] : state_.component_runs) {
    const Component& component = state_.promises.components.at(name);
    if (!component.holder.somebody() && !run.listens && run.heard &&
        at_.boot - run.heard->boot > kSilence) {
      silent.push_back(name);
      continue;
    }
    if (component.lease != 0) {
      const auto lease = state_.promises.leases.find(component.lease);
      if (lease == state_.promises.leases.end() || !decide::holds(lease->second.state)) {
        orphans.push_back(name);
      }
    }
    const auto use = state_.uses.find(component.lease);
    const auto there = state_.component_leases.find(component.lease);
    const bool alone = there != state_.component_leases.end() && there->second.size() == 1;
    const bool measured = alone && use != state_.uses.end() && use->second.measured;
    for (const Allotted what : kAllAllotted) {
      Demand& demand = run.demands[index_of(what)];
      if (demand.told && at_.boot - *demand.told <= kToldIsTrue) continue;
      demand.told.reset();
      demand.used.reset();
      if (!measured) continue;
      if (what == Allotted::memory) {
        demand.used = (use->second.measured->memory.count() + kMiB - 1) / kMiB;
      } else if (what == Allotted::cpu && cores > 0) {
        demand.used = use->second.measured->cpu.milli() * kWhole / cores;
      }
      if (demand.used) demand.peak = std::max(demand.peak.value_or(0), *demand.used);
    }
  }
  for (const std::string& name : silent) unregister(name, "it was not heard of for a minute");
  for (const std::string& name : orphans) {
    // What it had was that lease's. It registers anew, and is given of what nobody has booked.
    unregister(name, "its lease was ended");
  }
}

void Control::judge_components(
    const std::function<void(Resource, const std::string&, std::optional<double>)>& feed) const {
  // Where all is well there is nothing to look at, and nothing to look up: of a thousand components
  // that is once a second.
  const bool any = state_.gauges.lower_bound({Resource::allocation_failures, std::string()}) !=
                   state_.gauges.end();
  for (const auto& [name, run] : state_.component_runs) {
    const auto tell = [&, &of = name](Resource what, std::optional<double> value) {
      const double line = judge::gauge_settings(*state_.config, what).rungs.warning.value_or(0);
      if (value.value_or(0) >= line || (any && state_.gauges.contains({what, of}))) {
        feed(what, of, value);
      }
    };
    if (run.asked >= kEnough && run.asked_at && at_.boot - *run.asked_at < kStillCounts) {
      tell(Resource::allocation_failures, 100 * run.failures);
    }
    tell(Resource::component_unresponsive, run.in_vain);
    const Estimator by = state_.config->strategy.estimator;
    const bool foreseen = by == Estimator::predictive || by == Estimator::adaptive;
    std::optional<double> unsure;
    for (const Demand& demand : run.demands) {
      // A short history is no news.
      if (!foreseen || !demand.forecaster || demand.forecaster->seen() < kKnown || !demand.wanted)
        continue;
      unsure = std::max(unsure.value_or(0), 100 * (1 - demand.confidence));
    }
    // Where nothing is foreseen nobody doubts it: then an alert that is open ends.
    if (unsure) tell(Resource::forecast_low_confidence, unsure);
  }
}

// -------------------------------------------------------------------------------------------- view

namespace {

QuotaParts shown_bounds(QuotaParts parts) {
  for (QuotaPart& part : parts) {
    if (part.most == kUnbounded) part.most = 0;
  }
  return parts;
}

}  // namespace

ComponentView Control::component_view(const Component& component) const {
  ComponentView view;
  view.component = component;
  const InForce quota = in_force(component.quota);
  view.priority = quota.priority;
  view.window = quota.during;
  view.bounds = shown_bounds(bounds_in(component.quota, nullptr));
  for (const QuotaWindow& window : component.quota.windows) {
    view.window_bounds.push_back(shown_bounds(bounds_in(component.quota, &window)));
  }
  const auto found = state_.component_runs.find(component.name);
  const ComponentRun* run = found == state_.component_runs.end() ? nullptr : &found->second;
  if (run != nullptr) {
    view.state = run->in_vain >= kUnresponsive ? ComponentState::unresponsive
                 : run->listens                ? ComponentState::connected
                                               : ComponentState::registered;
    view.values = run->values;
    view.asked = run->asked;
    view.applied = run->applied;
    view.failed = run->failed;
    view.timed_out = run->timed_out;
    view.answers_in = run->answers_in;
    view.problem = run->problem;
    if (run->heard) view.heard = run->heard->wall;
    if (const auto lease = state_.promises.leases.find(component.lease);
        is_priced() && component.books && lease != state_.promises.leases.end()) {
      view.cost = cost_of(lease->second);
      view.cost_per_hour = per_hour(lease->second);
    }
    if (view.problem.empty() && !run->listens && !component.setters.empty()) {
      view.problem = "nobody listens for what it is asked: GET /api/v1/components/" +
                     component.name + "/stream";
    }
  }
  const auto* pool = pool_of_component(component);
  for (const Allotted what : kAllAllotted) {
    if (!takes_part(component, what)) continue;
    const QuotaPart& part = quota.parts[index_of(what)];
    AllottedView& one = view.allotted.emplace_back();
    one.what = what;
    one.amount = part.amount;
    one.least = part.least;
    if (part.most != kUnbounded) one.most = part.most;
    one.has = component.has[index_of(what)];
    if (run == nullptr) continue;
    if (pool != nullptr) one.asked = (*pool)[index_of(what)].asked(run->number);
    const Demand& demand = run->demands[index_of(what)];
    one.demand = demand.wanted;
    one.used = demand.used;
    if (demand.lent) one.lent = std::max<std::int64_t>(0, part.amount - one.has);
    one.method = demand.method;
    one.confidence = demand.confidence;
    one.changes = demand.changes;
    one.failures = demand.failures;
    if (!demand.forecaster) continue;
    if (const auto forecast = demand.forecaster->predict()) {
      one.forecast = up(forecast->value);
      one.forecast_lo = up(forecast->lo);
      one.forecast_hi = up(forecast->hi);
      one.sure = forecast->confidence;
    }
    const auto accuracy = demand.forecaster->accuracy();
    if (accuracy.forecasts == 0) {
      one.sure.reset();
      continue;
    }
    one.accuracy = accuracy.coverage;
    one.error = accuracy.relative_error;
  }
  return view;
}

std::vector<ComponentView> Control::component_views() const {
  std::vector<ComponentView> views;
  const auto& known = state_.promises.components;
  views.reserve(known.size());
  for (const auto& [name, component] : known) views.push_back(component_view(component));
  for (const ComponentSetting& setting : state_.config->components) {
    if (known.contains(setting.name)) continue;
    views.push_back(component_view(*preset(setting.name)));
  }
  std::sort(views.begin(), views.end(),
            [](const auto& a, const auto& b) { return a.component.name < b.component.name; });
  return views;
}

}  // namespace headroom::control
