// Components: who they are, what they may have, and what they are asked to set.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "control/control.hpp"
#include "decide/calendar.hpp"
#include "judge/saved.hpp"

namespace headroom::control {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kUnbounded = std::int64_t{1} << 40;  // where nobody knows what there is
constexpr std::int64_t kWhole = 1000;                       // tenths of a percent
constexpr std::int64_t kMiB = 1 << 20;
constexpr auto kBetweenCycles = 1s;  // at least, however much somebody lacks
constexpr auto kSilence = 60s;       // who has no process and is not heard of for so long is gone
constexpr auto kToldIsTrue = 60s;    // what it said that it uses
constexpr auto kOwnBound = 10min;    // that a component has shown by what it set
constexpr double kNearly = 0.95;     // of what it has: it may lack more at once
constexpr double kRises = 1.05;
constexpr double kAtItsLimit = 0.98;
constexpr double kBeyondLimit = 1.2;  // asked for by one that its own limit holds
constexpr std::int64_t kBeyondLimitMiB = 100;
constexpr double kTrust = 0.3;                // below, its quota counts more than what was learned
constexpr double kFewSamples = 8;             // halve the confidence
constexpr std::size_t kMostOfOneUser = 1000;  // components; root is not capped
constexpr std::uint64_t kForeseenATurn = 150;
constexpr std::chrono::nanoseconds kLeastBetween{1'000'000};
constexpr std::chrono::nanoseconds kBetweenOfEach{20'000};
constexpr int kFreeCycles = 20;
constexpr int kUnresponsive = judge::kUnresponsive;  // asks in a row
constexpr std::chrono::hours kKnown{1};              // of a series, from then on it may be doubted
constexpr double kRecent = 1.0 / 50;                 // weight of the newest ask among all of them
constexpr std::chrono::hours kStillCounts{1};        // what was asked last
constexpr std::size_t kRemembered = 4000;            // series of an earlier run
constexpr std::uint64_t kEnough = 20;                // asks, to say that too many fail
constexpr std::string_view kMeantToHave = "what it is meant to have";  // told from that

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits) &&
         name != "-" && name != "." && name != "..";
}

bool is_setter_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
}

std::optional<Allotted> allotted_by(std::string_view setter) {
  for (const Allotted what : kAllAllotted) {
    if (facts_of(what).setter == setter) return what;
  }
  return {};
}

const Setter* setter_of(const Component& component, std::string_view name) {
  const auto found = std::find_if(component.setters.begin(), component.setters.end(),
                                  [&](const Setter& one) { return one.name == name; });
  return found == component.setters.end() ? nullptr : &*found;
}

bool sets(const Component& component, Allotted what) {
  return setter_of(component, facts_of(what).setter) != nullptr;
}

/// "24.5", "600": in the unit of its setter.
std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string out = text;
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}
double shown(Allotted what, std::int64_t units) {
  return static_cast<double>(units) / facts_of(what).scale;
}
std::string amount_text(Allotted what, std::int64_t units) {
  return number_text(shown(what, units)) + " " + std::string(facts_of(what).unit);
}

std::int64_t units_of(Allotted what, double value) {
  const double units = std::round(value * facts_of(what).scale);
  return static_cast<std::int64_t>(std::clamp(units, 0.0, static_cast<double>(kUnbounded)));
}

std::int64_t up(double value) {
  return static_cast<std::int64_t>(
      std::ceil(std::clamp(value, 0.0, static_cast<double>(kUnbounded)) - 1e-9));
}

/// What a demand was told from, for people; empty where that needs more words than these.
std::string_view words_of(std::string_view method) {
  if (method == "window_maximum") return "its highest use lately";
  if (method == "peak_quantile") return "its usual peaks";
  if (method == "forecast_quantile" || method == "forecast") return "its forecast";
  if (method == "current_use") return "its use now";
  return "";
}

/// What one needs now, and what it has.
struct Need {
  std::int64_t now = 0;
  std::int64_t has = 0;
};

/// Where too little is there for all, what is only foreseen yields to what is needed now: the
/// demands of `wishes` are lowered to what they get so. What is left beside the needs is kept by
/// who has it, and moves nothing. `needs` are in the order of the wishes.
void yield_to_needs(std::vector<decide::Wish>& wishes, const std::vector<Need>& needs,
                    std::int64_t capacity, decide::Classes classes) {
  std::vector<decide::Claim> claims;
  std::int64_t all = 0;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    const decide::Wish& wish = wishes[i];
    const std::int64_t need = std::clamp(needs[i].now, wish.floor, wish.ceiling);
    claims.push_back({wish.id, wish.floor, wish.ceiling, need, wish.weight, wish.priority});
    all += std::clamp(wish.demand.value_or(need), wish.floor, wish.ceiling);
  }
  if (all <= capacity) return;
  const decide::Shares needed = decide::allocate(claims, capacity, classes);
  if (needed.floors_unmet > 0) return;
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    claims[i].floor = needed.given[i];
    const std::int64_t kept = std::min(wishes[i].demand.value_or(0), needs[i].has);
    claims[i].demand = std::max(needed.given[i], kept);
  }
  const decide::Shares shares = decide::allocate(claims, capacity, classes);
  for (std::size_t i = 0; i < wishes.size(); ++i) {
    if (wishes[i].demand) wishes[i].demand = shares.given[i];
  }
}

/// How short the node is of this resource; empty where nobody looks at that.
template <class Gauges>
std::optional<Level> level_of(Allotted what, const Gauges& gauges) {
  if (what != Allotted::cpu && what != Allotted::memory) return {};
  const auto found =
      gauges.find({what == Allotted::cpu ? Resource::cpu : Resource::memory, std::string()});
  return found == gauges.end() ? Level::ok : found->second.level();
}

/// Where the other knobs stand when the allocation that they follow is `has`.
double knob_value(const Setter& setter, const QuotaPart& part, std::int64_t has) {
  const std::int64_t span = part.most - part.least;
  const double place =
      span <= 0
          ? 1.0
          : std::clamp(static_cast<double>(has - part.least) / static_cast<double>(span), 0.0, 1.0);
  const double value = setter.least + (setter.most - setter.least) * place;
  return setter.whole ? std::floor(value + 1e-9) : value;
}

}  // namespace

// ------------------------------------------------------------------------------------------ quotas

QuotaParts Control::configured_bounds() const {
  const Config::Control& control = state_.config->control;
  QuotaParts all;
  for (QuotaPart& part : all) part = {0, 0, kUnbounded};
  all[index_of(Allotted::cpu)] = {0, units_of(Allotted::cpu, control.cpu_least),
                                  units_of(Allotted::cpu, control.cpu_most)};
  all[index_of(Allotted::memory)] = {0, control.memory_least.count() / kMiB,
                                     control.memory_most.count() / kMiB};
  return all;
}

Control::InForce Control::in_force(const Quota& quota) const {
  InForce now{quota.parts, quota.priority, ""};
  for (const QuotaWindow& window : quota.windows) {
    const auto during = decide::parse_during(window.during);
    if (!during || !decide::is_during(*during, at_.wall, state_.zone)) continue;
    now.during = window.during;
    if (window.priority) now.priority = *window.priority;
    for (std::size_t i = 0; i < kAllotted; ++i) {
      const QuotaPart& other = window.parts[i];
      if (other.amount != 0) now.parts[i].amount = other.amount;
      if (other.least != 0) now.parts[i].least = other.least;
      if (other.most != 0) now.parts[i].most = other.most;
    }
    break;
  }
  const QuotaParts bounds = configured_bounds();
  for (std::size_t i = 0; i < kAllotted; ++i) {
    QuotaPart& part = now.parts[i];
    if (part.least == 0) part.least = bounds[i].least;
    if (part.most == 0) part.most = bounds[i].most;
    part.least = std::clamp(part.least, bounds[i].least, bounds[i].most);
    part.most = std::clamp(part.most, part.least, bounds[i].most);
    if (part.amount != 0) part.amount = std::clamp(part.amount, part.least, part.most);
  }
  return now;
}

std::optional<Component> Control::preset(const std::string& name) const {
  for (const ComponentSetting& setting : state_.config->components) {
    if (setting.name != name) continue;
    Component component;
    component.name = name;
    for (const Priority one :
         {Priority::low, Priority::normal, Priority::high, Priority::critical}) {
      if (setting.priority == to_string(one)) component.quota.priority = one;
    }
    component.quota.parts[index_of(Allotted::cpu)].amount =
        units_of(Allotted::cpu, setting.cpu_percent);
    component.quota.parts[index_of(Allotted::memory)].amount = setting.memory.count() / kMiB;
    return component;
  }
  return {};
}

std::optional<Error> Control::change_quota(Quota& quota, const QuotaChange& change) const {
  const QuotaParts bounds = configured_bounds();
  for (const Allotted what : kAllAllotted) {
    const auto& part = change.parts[index_of(what)];
    const QuotaPart& bound = bounds[index_of(what)];
    for (const auto& value : {part.amount, part.least, part.most}) {
      if (!value || *value == 0 || (*value >= bound.least && *value <= bound.most)) continue;
      const AllottedFacts facts = facts_of(what);
      const std::string name(facts.name);
      return Error{
          ErrorKind::invalid_request,
          name + " " + amount_text(what, *value) + " is outside " +
              number_text(shown(what, bound.least)) + "-" + amount_text(what, bound.most),
          what == Allotted::cpu || what == Allotted::memory
              ? "the range is control." + name + "_range"
              : "nothing is as fast as that",
          "say a value within it, or widen it: headroom config set control." + name + "_range"};
    }
  }
  const auto take = [&](QuotaParts& parts) {
    for (std::size_t i = 0; i < kAllotted; ++i) {
      if (change.parts[i].amount) parts[i].amount = *change.parts[i].amount;
      if (change.parts[i].least) parts[i].least = *change.parts[i].least;
      if (change.parts[i].most) parts[i].most = *change.parts[i].most;
    }
  };
  const auto wrong_order = [&](const QuotaParts& parts) -> std::optional<Error> {
    for (const Allotted what : kAllAllotted) {
      const QuotaPart& part = parts[index_of(what)];
      const std::int64_t most = part.most == 0 ? kUnbounded : part.most;
      if (part.least <= most &&
          (part.amount == 0 || (part.least <= part.amount && part.amount <= most))) {
        continue;
      }
      return Error{ErrorKind::invalid_request,
                   std::string(facts_of(what).name) + ": least, amount and most are not in order",
                   "they would be " + number_text(shown(what, part.least)) + ", " +
                       (part.amount == 0 ? "not said" : number_text(shown(what, part.amount))) +
                       " and " +
                       (part.most == 0 ? "as configured" : number_text(shown(what, part.most))),
                   "the amount lies between the other two"};
    }
    return {};
  };
  if (change.buffer) {
    if (*change.buffer > 10) {
      return Error{ErrorKind::invalid_request, "a buffer is at most 1000 %", "",
                   "headroom quota set NAME --buffer 40"};
    }
    quota.buffer = *change.buffer < 0 ? std::nullopt : change.buffer;
  }
  if (change.enforce) quota.enforce = *change.enforce;
  if (change.during.empty()) {
    if (change.priority) quota.priority = *change.priority;
    take(quota.parts);
    return wrong_order(quota.parts);
  }
  const auto during = decide::parse_during(change.during);
  if (!during) return during.error();
  const std::string text = decide::to_text(*during);
  const auto window = std::find_if(quota.windows.begin(), quota.windows.end(),
                                   [&](const QuotaWindow& one) { return one.during == text; });
  const bool anything =
      change.priority.has_value() || std::any_of(change.parts.begin(), change.parts.end(),
                                                 [](const auto& part) { return part.any(); });
  if (!anything) {
    if (window == quota.windows.end()) {
      return Error{ErrorKind::not_found, "it has no other bounds " + text, "",
                   "headroom quota show NAME lists its times"};
    }
    quota.windows.erase(window);
    return {};
  }
  if (window == quota.windows.end() && quota.windows.size() == kMostQuotaWindows) {
    return Error{ErrorKind::too_many_requests, "a quota has at most 8 times of other bounds", "",
                 "several times can be one: \"Mon-Fri 08:00-12:00; Mon-Fri 13:00-18:00\""};
  }
  QuotaWindow& there = window == quota.windows.end() ? quota.windows.emplace_back() : *window;
  there.during = text;
  if (change.priority) there.priority = change.priority;
  take(there.parts);
  return wrong_order(there.parts);
}

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

std::optional<Error> Control::put_setters(Component& component,
                                          const std::vector<Setter>& setters) const {
  if (setters.size() > kMostSetters) {
    return Error{ErrorKind::invalid_request, "a component has at most 16 setters", "", ""};
  }
  component.setters.clear();
  for (const Setter& setter : setters) {
    if (!is_setter_name(setter.name)) {
      return Error{ErrorKind::invalid_request, "that is no name of a setter",
                   "it has 1 to 64 small letters, digits and _", "batch_size"};
    }
    if (setter_of(component, setter.name) != nullptr) {
      return Error{ErrorKind::invalid_request, setter.name + " is there twice", "", ""};
    }
    const bool allotted = allotted_by(setter.name).has_value();
    if (!allotted && !(setter.least < setter.most)) {
      return Error{ErrorKind::invalid_request, "nobody knows what " + setter.name + " may be",
                   "its least is not below its most",
                   R"({"name":")" + setter.name + R"(","least":1,"most":64})"};
    }
    component.setters.push_back(setter);
  }
  return {};
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
  if (const auto wrong = change_quota(component.quota, ask.quota)) {
    return refuse(asked.request, *wrong);
  }
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
      if (one.use || one.parent != 0 || !decide::holds(one.state)) continue;
      if (one.state != LeaseState::releasing && one.state != LeaseState::quarantined) beside = id;
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
             own != state_.promises.leases.end() && decide::holds(own->second.state) &&
             own->second.state != LeaseState::releasing) {
    if (own->second.group != Group()) {
      effects_.emplace_back(
          LimitCpu{lease, own->second.group, std::nullopt, "its component is gone"});
    }
    end(lease, "its component is gone: " + why);
  }
}

// What was to be asked next, and was not. What is booked for it goes with settle_call().
void Control::refuse_due(const std::string& name, ComponentRun& run) {
  auto& pool = pool_of_component(state_.promises.components.at(name));
  for (const auto& [what, move] : std::exchange(run.due, {})) {
    pool[index_of(what)].refused(run.number, at_.boot);
  }
}

// Nobody waits for an answer to it any more.
void Control::drop_call(const std::string& name, ComponentRun& run) {
  run.late.reset();
  run.due.clear();
  if (!run.call) return;
  const Call call = *std::exchange(run.call, std::nullopt);
  state_.calls_due.erase({call.until, name});
  for (const auto& [what, move] : call.moves) {
    const auto kept = state_.promises.decisions.find({call.ask, what});
    if (kept == state_.promises.decisions.end()) continue;
    Decision decision = kept->second;
    decision.outcome = Decision::Outcome::unreachable;
    keep(PutDecision{std::move(decision)});
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

void Control::on(const ZoneRead& event) { state_.zone = event.rules; }

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

void Control::adopt(const Component& component, ComponentRun& run) {
  if (run.number == 0) run.number = ++state_.last_component;
  auto& pool = pool_of_component(component);
  for (const Allotted what : kAllAllotted) {
    if (takes_part(component, what)) {
      pool[index_of(what)].adopt(run.number, component.has[index_of(what)]);
    }
  }
}

bool Control::takes_part(const Component& component, Allotted what) const {
  if (what == Allotted::cpu || what == Allotted::memory || sets(component, what)) return true;
  const auto said = [&](const QuotaParts& parts) {
    const QuotaPart& part = parts[index_of(what)];
    return part.amount != 0 || part.least != 0 || part.most != 0;
  };
  return said(component.quota.parts) ||
         std::any_of(component.quota.windows.begin(), component.quota.windows.end(),
                     [&](const QuotaWindow& window) { return said(window.parts); });
}

std::array<decide::Allocation, kAllotted>& Control::pool_of_component(const Component& component) {
  return state_.allocations[component.books ? 0 : component.lease];
}
const std::array<decide::Allocation, kAllotted>* Control::pool_of_component(
    const Component& component) const {
  const auto found = state_.allocations.find(component.books ? 0 : component.lease);
  return found == state_.allocations.end() ? nullptr : &found->second;
}

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

// ------------------------------------------------------------------------------------------- cycle

Level Control::tightness() const {
  Level level = Level::ok;
  for (const auto& [key, gauge] : state_.gauges) {
    if (key.first == Resource::memory || key.first == Resource::cpu) {
      level = std::max(level, gauge.level());
    }
  }
  return level;
}

StrategyParameters Control::strategy_now() const {
  return parameters_of(state_.config->strategy, tightness());
}

std::int64_t Control::least_change(Allotted what) const {
  const Config::Control& settings = state_.config->control;
  if (what == Allotted::cpu) return units_of(what, std::max(1.0, settings.cpu_change));
  if (what == Allotted::memory) return settings.memory_change.count() / kMiB;
  return units_of(what, 1);
}

std::optional<std::int64_t> Control::capacity_for(LeaseId pool, Allotted what,
                                                  const StrategyParameters& now) const {
  if (what != Allotted::cpu && what != Allotted::memory) return kUnbounded;
  const decide::Pool& cpu = state_.ledger.pool(decide::Ledger::kCpu);
  if (pool != 0) {
    const auto lease = state_.promises.leases.find(pool);
    if (lease == state_.promises.leases.end()) return {};
    const Amounts& booked = lease->second.booked;
    if (what == Allotted::memory) {
      return booked.memory.count() > 0 ? booked.memory.count() / kMiB : kUnbounded;
    }
    return booked.cpu.milli() > 0 && cpu.capacity > 0 ? booked.cpu.milli() * kWhole / cpu.capacity
                                                      : kWhole;
  }
  const decide::Pool& device =
      what == Allotted::memory ? state_.ledger.pool(decide::Ledger::kMemory) : cpu;
  // What was just given back may have been taken since: the next sample says.
  if (!device.unknown.empty() || device.capacity <= 0 || device.unseen > 0) return {};
  // What is only booked, and nobody's any more, is given to nobody before it is free.
  std::int64_t own = 0;
  const auto shared = state_.allocations.find(0);
  for (const auto& [id, names] : state_.component_leases) {
    const decide::Entry* entry = state_.ledger.entry(id);
    if (entry == nullptr || shared == state_.allocations.end()) continue;
    std::int64_t held = 0;
    for (const std::string& name : names) {
      if (!state_.promises.components.at(name).books) continue;
      held += shared->second[index_of(what)].held(state_.component_runs.at(name).number);
    }
    own += what == Allotted::memory
               ? std::min(entry->booked.memory.count(), held * kMiB)
               : std::min(entry->booked.cpu.milli(), held * device.capacity / kWhole);
  }
  // A lease whose time has come or is near goes before: what it needs is given back until then.
  std::int64_t promised = 0;
  for (const LeaseId id : near_starts()) {
    const Needs& needs = state_.promises.leases.at(id).needs;
    promised += what == Allotted::memory ? needs.memory.value_or(Bytes()).count()
                                         : needs.cpu.value_or(Cores()).milli();
  }
  // A node that takes nobody new gives nobody more.
  const std::int64_t balance = device.balance() - promised;
  const std::int64_t more = device.drained ? std::min<std::int64_t>(0, balance) : balance;
  std::int64_t all = std::max<std::int64_t>(0, own + more);
  if (what == Allotted::cpu) {
    // Processors are shared whoever uses them: what nobody booked keeps components from growing,
    // and does not make what they have waver.
    const std::int64_t there =
        own + device.capacity - device.reserve - device.margin - device.booked - promised;
    all = std::max(all, std::min(own, there));
  }
  if (what == Allotted::memory) return all / kMiB;
  const auto kept = static_cast<std::int64_t>(std::ceil(kWhole * now.reserve));
  return std::min(all * kWhole / device.capacity, kWhole - kept);
}

std::string Control::save_foresight() const {
  std::string saved;
  // Those that have not come back yet may still do so.
  for (const auto& [of, states] : state_.remembered) {
    judge::append_piece(saved, of.first);
    saved += static_cast<char>(index_of(of.second));
    judge::append_piece(saved, states.first);
    judge::append_piece(saved, states.second);
  }
  for (const auto& [name, run] : state_.component_runs) {
    for (const Allotted what : kAllAllotted) {
      const Demand& demand = run.demands[index_of(what)];
      if (!demand.forecaster || !demand.limit) continue;
      judge::append_piece(saved, name);
      saved += static_cast<char>(index_of(what));
      judge::append_piece(saved, demand.forecaster->save());
      judge::append_piece(saved, demand.limit->save());
    }
  }
  return saved;
}

// What is no such text says nothing: then it is learned anew.
void Control::restore_foresight(std::string_view saved) {
  while (state_.remembered.size() < kRemembered) {
    const auto name = judge::next_piece(saved);
    if (!name || saved.empty()) return;
    const auto what = static_cast<std::size_t>(static_cast<unsigned char>(saved.front()));
    saved.remove_prefix(1);
    const auto forecaster = judge::next_piece(saved);
    const auto limit = judge::next_piece(saved);
    if (what >= kAllotted || !forecaster || !limit) return;
    state_.remembered.insert_or_assign({std::string(*name), kAllAllotted[what]},
                                       std::pair(std::string(*forecaster), std::string(*limit)));
  }
}

void Control::remember(const std::string& name, Allotted what, Demand& demand) {
  const auto before = state_.remembered.find({name, what});
  if (before == state_.remembered.end()) return;
  auto forecaster = judge::Forecaster::restore(before->second.first);
  auto limit = judge::LimitEstimator::restore(before->second.second);
  if (forecaster && limit) {
    demand.samples = forecaster->accuracy().forecasts;
    demand.forecaster = *forecaster;
    demand.limit = *limit;
  }
  state_.remembered.erase(before);
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

// What it would be given if there were enough: what it uses and a buffer, or what has proven to be
// needed.
void Control::judge_demand(const Component& component, ComponentRun& run, Allotted what,
                           const QuotaPart& part, const StrategyParameters& now, bool turn) {
  Demand& demand = run.demands[index_of(what)];
  const std::int64_t has = component.has[index_of(what)];
  const std::optional<std::int64_t> peak = demand.peak;
  // Foresight is the dear part: of a thousand components a part is looked at in each turn.
  const std::uint64_t parts = 1 + state_.component_runs.size() / kForeseenATurn;
  const bool feeds = turn && (run.number + state_.turns) % parts == 0;
  if (feeds) demand.peak.reset();
  if (!demand.used && !peak) {
    demand.wanted.reset();
    demand.method = "quota";
    demand.confidence = 0;
    if (part.amount != 0) demand.wanted = part.amount;
    return;
  }
  const auto used = static_cast<double>(std::max(demand.used.value_or(0), peak.value_or(0)));
  const bool comes_back = demand.method == kMeantToHave && (!turn || demand.used == demand.judged);
  demand.judged = demand.used;
  const bool series = what == Allotted::cpu || what == Allotted::memory;
  const auto interval = state_.config->control.interval;
  if (feeds && series && (!demand.fed || at_.boot - *demand.fed >= interval / 2)) {
    if (!demand.forecaster) remember(component.name, what, demand);
    if (!demand.forecaster) demand.forecaster.emplace();
    if (!demand.limit) {
      judge::LimitPolicy policy;
      policy.kappa = now.shortfall;
      if (what == Allotted::cpu) policy.least = 0;
      demand.limit.emplace(policy);
    }
    demand.forecaster->update(at_, used);
    demand.limit->update(at_.boot, used, demand.forecaster->predict());
    demand.fed = at_.boot;
    ++demand.samples;
  }
  const double buffer = 1 + component.quota.buffer.value_or(now.buffer);
  const Estimator estimator = state_.config->strategy.estimator;
  double wanted = used * buffer;
  demand.method = "use";
  double confidence = 1;
  if (demand.limit) {
    const auto limit = demand.limit->limit();
    if (limit && estimator == Estimator::adaptive) confidence = limit->confidence;
    // In an emergency everybody goes with what he uses.
    if (estimator == Estimator::adaptive && limit && limit->value > wanted && now.buffer > 0) {
      wanted = limit->value;
      demand.method = std::string(judge::name_of(limit->rule));
    }
  }
  if (estimator == Estimator::predictive && demand.forecaster) {
    const auto forecast = demand.forecaster->predict();
    if (forecast) confidence = forecast->confidence;
    if (forecast && forecast->value > used) {
      wanted = forecast->value * buffer;
      demand.method = "forecast";
    }
  }
  const auto samples = static_cast<double>(demand.samples);
  demand.confidence =
      series ? std::clamp(confidence * samples / (samples + kFewSamples), 0.0, 1.0) : 0.5;
  std::int64_t units = up(wanted);
  if (demand.confidence < kTrust) {
    const std::int64_t least = part.amount != 0 ? part.amount : has;
    if (least > units) {
      units = least;
      demand.method = part.amount != 0 ? "quota" : "what it has";
    }
  }
  // What its own limit holds shows no more than the limit. What it gets then it has to use before
  // it gets more: nothing is learned twice from one and the same cut.
  if (component.quota.enforce && has > 0 && used >= kAtItsLimit * static_cast<double>(has)) {
    units = std::max({units, up(static_cast<double>(has) * kBeyondLimit),
                      what == Allotted::memory ? has + kBeyondLimitMiB : std::int64_t{0}});
    demand.method = "limit reached";
  }
  // What it has lent comes back as soon as it uses what it has kept, all of it, and is its own
  // until a turn finds, from what was seen since, that it does not use it.
  const bool uses_all =
      has > 0 && static_cast<double>(demand.used.value_or(0)) >= kNearly * static_cast<double>(has);
  if (now.lends && ((uses_all && has < part.amount) || comes_back)) {
    units = std::max(units, part.amount);
    demand.method = kMeantToHave;
  }
  demand.wanted = std::clamp(units, part.least, part.most);
}

// An answer of one is what another waits for; but a thousand answers are not as many cycles. So
// many at once are free, and then each takes its time (the generic cell rate algorithm, ITU-T
// I.371).
std::chrono::nanoseconds Control::between_cycles() const {
  return kLeastBetween + kBetweenOfEach * state_.component_runs.size();
}

std::optional<BootTime> Control::next_wanted_cycle() const {
  if (!state_.cycles_paid) return {};
  return *state_.cycles_paid - kFreeCycles * between_cycles();
}

void Control::cycle_components_when_due() {
  if (!state_.sample || (state_.component_runs.empty() && state_.allocations.empty())) return;
  const StrategyParameters now = strategy_now();
  const auto interval = std::chrono::duration_cast<std::chrono::nanoseconds>(
      state_.config->control.interval * std::max(0.1, now.cycle));
  if (!state_.turned || at_.boot - *state_.turned >= interval) {
    state_.turned = at_.boot;
    ++state_.turns;
    return cycle_components(true);
  }
  if (state_.cycle_wanted) {
    const auto next = next_wanted_cycle();
    if (next && *next > at_.boot) return;
    const BootTime from = std::max(state_.cycles_paid.value_or(at_.boot), at_.boot);
    state_.cycles_paid = from + between_cycles();
    return cycle_components(false);
  }
  if (state_.cycled && at_.boot - *state_.cycled < kBetweenCycles) return;
  // Who comes to the end of what he has is not left to wait for the next turn.
  for (const auto& [name, run] : state_.component_runs) {
    const Component& component = state_.promises.components.at(name);
    for (const Allotted what : {Allotted::cpu, Allotted::memory}) {
      const Demand& demand = run.demands[index_of(what)];
      const auto has = static_cast<double>(component.has[index_of(what)]);
      const auto used = static_cast<double>(demand.used.value_or(0));
      const auto then = static_cast<double>(demand.judged.value_or(0));
      if (has > 0 && used >= kNearly * has && used > kRises * then) {
        return cycle_components(false);
      }
    }
  }
}

// `turn`: one of the regular ones, in which allocations may shrink because of less demand.
void Control::cycle_components(bool turn) {
  state_.cycled = at_.boot;
  state_.cycle_wanted = false;
  const StrategyParameters now = strategy_now();
  const Config::Control& settings = state_.config->control;
  decide::Pace pace;
  pace.shrink_most = turn ? now.shrink_most : 0;
  pace.hold = now.hold;
  pace.deadband = now.deadband;
  const decide::Classes classes =
      now.strict_classes ? decide::Classes::strict : decide::Classes::weighted;

  // What was asked of them before a restart, and never answered, is booked no more.
  if (state_.rebook_components && state_.ledger.pool(decide::Ledger::kCpu).capacity > 0) {
    state_.rebook_components = false;
    for (const auto& [name, run] : state_.component_runs) {
      book_allocation(state_.promises.components.at(name));
    }
  }
  std::map<std::uint64_t, std::string> names;
  std::map<LeaseId, std::array<std::vector<decide::Wish>, kAllotted>> wishes;
  std::map<LeaseId, std::array<std::vector<Need>, kAllotted>> needs;  // beside their wishes
  for (auto& [pool, all] : state_.allocations) wishes[pool];
  for (auto& [name, run] : state_.component_runs) {
    const Component& component = state_.promises.components.at(name);
    names.emplace(run.number, name);
    const InForce quota = in_force(component.quota);
    if (quota.during != run.window) {
      run.window = quota.during;
      say("quota.window", 0,
          name + (quota.during.empty() ? ": its usual bounds are in force again"
                                       : ": the bounds of " + quota.during + " are in force"));
    }
    const bool reachable = component.setters.empty() || run.listens || settings.shadow;
    for (const Allotted what : kAllAllotted) {
      if (!takes_part(component, what)) continue;
      const QuotaPart& part = quota.parts[index_of(what)];
      Demand& demand = run.demands[index_of(what)];
      const std::int64_t used = std::max(demand.used.value_or(0), demand.peak.value_or(0));
      const StrategyParameters meant = parameters_of(
          state_.config->strategy, level_of(what, state_.gauges).value_or(tightness()));
      judge_demand(component, run, what, part, meant, turn);
      decide::Wish wish;
      wish.id = run.number;
      // What is not lent is kept for its owner, whether or not he uses it.
      wish.floor = now.lends ? part.least : std::max(part.least, part.amount);
      wish.ceiling = part.most;
      wish.weight = std::max<std::int64_t>(1, part.amount != 0 ? part.amount : part.least);
      wish.priority = quota.priority;
      const std::int64_t has = component.has[index_of(what)];
      auto& own = demand.own_most;
      if (own && at_.boot - own->second > kOwnBound) own.reset();
      if (own) wish.ceiling = std::max(wish.floor, std::min(wish.ceiling, own->first));
      if (reachable) {
        wish.demand = demand.wanted;
        if (!wish.demand && has == 0) wish.demand = wish.floor;
      } else {
        // Nobody can tell it: what it has, it keeps.
        wish.floor = std::min(wish.floor, has);
        wish.ceiling = std::max(wish.ceiling, has);
        wish.demand = has;
      }
      const LeaseId pool = component.books ? 0 : component.lease;
      wishes[pool][index_of(what)].push_back(wish);
      // Processors are back within a second or two. Memory that somebody has filled is not: what
      // one has of that is kept for what is foreseen, but nothing is taken from others for it.
      std::int64_t need = wish.demand.value_or(has);
      if (now.lends && reachable) {
        const bool keeps = demand.method == kMeantToHave || demand.confidence < kTrust;
        std::int64_t kept = !keeps ? 0 : part.amount != 0 ? part.amount : has;
        if (what != Allotted::cpu) kept = std::max(part.amount, has);
        const double buffer = 1 + component.quota.buffer.value_or(meant.buffer);
        need = std::min(need, std::max(kept, up(static_cast<double>(used) * buffer)));
      }
      needs[pool][index_of(what)].push_back({need, has});
    }
  }
  std::vector<std::string> to_call;
  bool again = false;
  for (auto& [pool, of_pool] : wishes) {
    for (const Allotted what : kAllAllotted) {
      const auto capacity = capacity_for(pool, what, now);
      if (!capacity) {
        again = true;
        continue;
      }
      pace.least = 1;
      if (what == Allotted::cpu) pace.least = units_of(what, settings.cpu_change);
      if (what == Allotted::memory) pace.least = settings.memory_change.count() / kMiB;
      yield_to_needs(of_pool[index_of(what)], needs[pool][index_of(what)], *capacity, classes);
      auto& allocation = state_.allocations[pool][index_of(what)];
      for (const decide::Move& move :
           allocation.cycle(of_pool[index_of(what)], *capacity, classes, pace, at_.boot)) {
        const std::string& name = names.at(move.id);
        state_.component_runs.at(name).due[what] = move;
        if (to_call.empty() || to_call.back() != name) to_call.push_back(name);
      }
    }
  }
  state_.cycle_at_sample = again;
  std::sort(to_call.begin(), to_call.end());
  to_call.erase(std::unique(to_call.begin(), to_call.end()), to_call.end());
  // What is promised is booked before anybody is told.
  for (const std::string& name : to_call) book_allocation(state_.promises.components.at(name));
  for (const std::string& name : to_call) call_setters(name);
  std::erase_if(state_.allocations, [&](const auto& one) {
    const auto& of_pool = wishes.at(one.first);
    return std::all_of(of_pool.begin(), of_pool.end(), [](const auto& all) { return all.empty(); });
  });
}

std::string Control::move_reason(const ComponentRun& run, Allotted what,
                                 const decide::Move& move) const {
  using Why = decide::Move::Why;
  const Demand& demand = run.demands[index_of(what)];
  const std::string more = move.to > move.from ? "more" : "less";
  switch (move.why) {
    case Why::others:
      return demand.used ? "others need it, and it uses " + amount_text(what, *demand.used)
                         : "others need it, and nobody knows what it uses";
    case Why::capacity:
      return "more is given out than there is";
    case Why::quota:
      return "its quota says so";
    case Why::demand:
      break;
  }
  if (!demand.used) return "its quota says so, and nobody knows what it uses";
  std::string text = "it uses " + amount_text(what, *demand.used);
  if (demand.method == "use") {
    text += "; with a buffer it needs " + more;
  } else if (demand.method == "quota") {
    text += "; too little is known of it to go by that";
  } else if (demand.method == "limit reached") {
    text += ", which is all that it was given";
  } else if (demand.method == kMeantToHave) {
    return "it has used nearly all that it kept: at least what it is meant to have is its own "
           "again";
  } else if (const std::string_view from = words_of(demand.method); !from.empty()) {
    text += "; going by " + std::string(from) + " it needs " + amount_text(what, *demand.wanted);
  } else {
    text += "; it keeps " + demand.method;
  }
  const Level level = level_of(what, state_.gauges).value_or(tightness());
  if (state_.config->strategy.posture == Posture::adaptive && level != Level::ok) {
    text += ", and the node's " + std::string(facts_of(what).name) + " is at " +
            std::string(to_string(level));
  }
  return text;
}

// ------------------------------------------------------------------------------------------- calls

void Control::call_setters(const std::string& name) {
  ComponentRun& run = state_.component_runs.at(name);
  if (run.call || run.due.empty()) return;
  const Component component = state_.promises.components.at(name);
  const InForce quota = in_force(component.quota);
  Call call;
  call.ask = ++state_.last_call;
  run.late.reset();
  call.since = at_.boot;
  for (const auto& [what, move] : std::exchange(run.due, {})) call.moves.emplace_back(what, move);
  for (const auto& [what, move] : call.moves) {
    if (sets(component, what)) {
      call.values.push_back(
          {std::string(facts_of(what).setter), shown(what, move.from), shown(what, move.to)});
    }
    for (const Setter& setter : component.setters) {
      if (setter.follows != what || allotted_by(setter.name)) continue;
      const double to = knob_value(setter, quota.parts[index_of(what)], move.to);
      const auto now = run.values.find(setter.name);
      if (now != run.values.end() && now->second == to) continue;
      call.values.push_back(
          {setter.name, now == run.values.end() ? setter.least : now->second, to});
    }
  }
  const bool shadow = state_.config->control.shadow;
  std::string reasons;
  for (const auto& [what, move] : call.moves) {
    Decision decision;
    decision.id = call.ask;
    decision.component = name;
    decision.at = at_.wall;
    decision.what = what;
    decision.from = move.from;
    decision.to = move.to;
    decision.reason = move_reason(run, what, move);
    decision.confidence = run.demands[index_of(what)].confidence;
    if (!reasons.empty()) reasons += "; ";
    reasons += std::string(facts_of(what).name) + " " + number_text(shown(what, move.from)) +
               " → " + amount_text(what, move.to) + ": " + decision.reason;
    if (shadow) decision.outcome = Decision::Outcome::shadow;
    keep(PutDecision{std::move(decision)});
  }
  if (shadow) {
    // As if it had been done, so that what would come next is told too.
    for (const auto& [what, move] : call.moves) {
      pool_of_component(component)[index_of(what)].applied(run.number, move.to);
    }
    say("allocation", 0, name + " would be given " + reasons);
    return;
  }
  ++run.asked;
  if (call.values.empty()) {  // nobody has to be told
    return settle_call(name, run, call, Decision::Outcome::applied, {}, "");
  }
  run.call_sent = run.listens;
  if (!run.listens) {
    return settle_call(name, run, call, Decision::Outcome::unreachable, {},
                       "nobody listens for what it is asked");
  }
  const auto within = state_.config->control.setter_timeout;
  effects_.emplace_back(CallSetter{call.ask, name, call.values, within, std::move(reasons)});
  call.until = call.since + within;
  state_.calls_due.emplace(call.until, name);
  run.call = std::move(call);
}

void Control::settle_call(const std::string& name, ComponentRun& run, const Call& call,
                          Decision::Outcome outcome, const std::map<std::string, double>& values,
                          const std::string& said) {
  Component component = state_.promises.components.at(name);
  const bool applied = outcome == Decision::Outcome::applied;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(at_.boot - call.since);
  auto& pool = pool_of_component(component);
  std::string text;
  for (const auto& [what, move] : call.moves) {
    Demand& demand = run.demands[index_of(what)];
    auto& allocation = pool[index_of(what)];
    const auto set = values.find(std::string(facts_of(what).setter));
    // Of several things some may have been set. More than it was asked to is not its own.
    const bool did = applied || set != values.end();
    std::int64_t value = move.to;
    if (set != values.end()) {
      value = std::min(units_of(what, set->second), std::max(move.from, move.to));
      // Whoever counts in whole numbers has done it.
      if (std::abs(value - move.to) <= least_change(what)) value = move.to;
    }
    ++(did ? demand.changes : demand.failures);
    if (did) {
      component.has[index_of(what)] = value;
      if (value == move.to) {
        allocation.applied(run.number, value);
      } else {
        allocation.fell_short(run.number, value, at_.boot);
      }
      // A bound of its own: there is no use in asking for more until it may have changed.
      if (value < move.to) demand.own_most = {value, at_.boot};
    } else if (outcome == Decision::Outcome::failed || !run.call_sent) {
      allocation.refused(run.number, at_.boot);
    } else {
      allocation.unanswered(run.number, at_.boot);
    }
    const auto kept = state_.promises.decisions.find({call.ask, what});
    if (kept != state_.promises.decisions.end()) {
      Decision decision = kept->second;
      decision.outcome = outcome;
      decision.took = took;
      if (did) decision.applied = value;
      if (set != values.end()) decision.applied = units_of(what, set->second);
      if (!text.empty()) text += "; ";
      text += std::string(facts_of(what).name) + " " + number_text(shown(what, move.from)) + " → " +
              amount_text(what, move.to);
      if (did && *decision.applied != move.to) {
        text += " (it set " + amount_text(what, *decision.applied) + ")";
      }
      text += ": " + decision.reason;
      keep(PutDecision{std::move(decision)});
    }
  }
  run.failures += ((applied ? 0 : 1) - run.failures) * kRecent;
  run.asked_at = at_.boot;
  if (applied) {
    ++run.applied;
    run.in_vain = 0;
    if (!call.values.empty()) run.answers_in = took;
    for (const CallSetter::Value& value : call.values) {
      const auto set = values.find(value.setter);
      run.values[value.setter] = set == values.end() ? value.to : set->second;
    }
    if (!run.problem.empty() && !call.values.empty()) {
      say("component.answers", 0, name + " does what it is asked again");
      run.problem.clear();
    }
    say("allocation", 0, name + ": " + text);
  } else {
    ++(outcome == Decision::Outcome::timed_out ? run.timed_out : run.failed);
    if (outcome == Decision::Outcome::failed) run.in_vain = 0;  // it answered
    for (const auto& [setter, value] : values) {
      if (setter_of(component, setter) != nullptr) run.values[setter] = value;
    }
    run.problem = said;
    say("allocation", 0, name + " keeps what it has: " + said + " (" + text + ")");
  }
  keep(PutComponent{component, true});
  book_allocation(component);
  for (const auto& [what, move] : call.moves) {
    // Who is given more, and not yet all of its own, has lent nothing by that.
    if (move.to < move.from || run.demands[index_of(what)].lent) {
      note_lending(component, run, what);
    }
  }
}

void Control::note_lending(const Component& component, ComponentRun& run, Allotted what) {
  Demand& demand = run.demands[index_of(what)];
  const std::int64_t amount = in_force(component.quota).parts[index_of(what)].amount;
  const std::int64_t has = component.has[index_of(what)];
  // Who uses all that it has, or is not known to use less, lends nothing: it has too little.
  const bool idle = demand.confidence >= kTrust && demand.used &&
                    static_cast<double>(*demand.used) < kNearly * static_cast<double>(has);
  const bool lends = has < amount && (idle || demand.wanted.value_or(amount) < amount);
  if (lends && !demand.lent) {
    say("allocation.lent", 0,
        component.name + " has " + amount_text(what, has) + " of the " + amount_text(what, amount) +
            " that it is meant to have: the rest may be " +
            "used by others until it is wanted back");
  } else if (has >= amount && demand.lent) {
    say("allocation.returned", 0,
        component.name + " has the " + amount_text(what, amount) +
            " again that it is meant to have");
  }
  demand.lent = has < amount && (lends || demand.lent);
}

bool Control::answered(const SetterAnswered& event) {
  const auto found = state_.component_runs.find(event.component);
  if (found == state_.component_runs.end()) return false;
  ComponentRun& run = found->second;
  run.heard = at_;
  const bool now = run.call && run.call->ask == event.ask;
  const bool late = !run.call && run.late && run.late->ask == event.ask;
  if (!now && !late) return false;
  std::map<std::string, double> values;
  for (const auto& [setter, value] : event.values) {
    if (std::isfinite(value)) values.emplace(setter, value);
  }
  const Call call = now ? *run.call : *run.late;
  if (now) {
    state_.calls_due.erase({call.until, event.component});
  }
  run.call.reset();
  run.late.reset();
  if (late && !event.done) return true;
  settle_call(event.component, run, call,
              event.done ? Decision::Outcome::applied : Decision::Outcome::failed, values,
              event.said.empty() ? "it could not set it" : event.said);
  call_setters(event.component);
  // What it gave back may be what somebody waits for.
  state_.cycle_wanted = true;
  cycle_components_when_due();
  return true;
}

void Control::on(const SetterAnswered& event) { (void)answered(event); }

void Control::expire_calls() {
  while (!state_.calls_due.empty() && state_.calls_due.begin()->first <= at_.boot) {
    const std::string name = state_.calls_due.begin()->second;
    state_.calls_due.erase(state_.calls_due.begin());
    const auto found = state_.component_runs.find(name);
    if (found == state_.component_runs.end() || !found->second.call) continue;
    ComponentRun& run = found->second;
    const Call call = *std::exchange(run.call, std::nullopt);
    ++run.in_vain;
    const double timeout =
        std::chrono::duration<double>(state_.config->control.setter_timeout).count();
    std::string said = "it did not answer in " + number_text(timeout) + " s";
    if (run.in_vain > 1) said += ", " + std::to_string(run.in_vain) + " times in a row";
    refuse_due(name, run);
    settle_call(name, run, call, Decision::Outcome::timed_out, {}, said);
    run.late = call;
    if (run.in_vain == kUnresponsive) {
      say("component.unresponsive", 0, name + " does not respond: " + said);
    }
  }
}

// Its lease books what it has, and what it was asked to have where that is more.
void Control::book_allocation(const Component& component) {
  if (!component.books || state_.config->control.shadow) return;
  const auto found = state_.promises.leases.find(component.lease);
  if (found == state_.promises.leases.end() || !decide::holds(found->second.state) ||
      found->second.state == LeaseState::releasing) {
    return;
  }
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  const auto there = state_.component_leases.find(component.lease);
  if (there == state_.component_leases.end()) return;
  for (const std::string& name : there->second) {
    const Component& one = state_.promises.components.at(name);
    const ComponentRun& run = state_.component_runs.at(name);
    const auto* pool = std::as_const(*this).pool_of_component(one);
    const auto held = [&](Allotted what) {
      const std::int64_t out = pool == nullptr ? 0 : (*pool)[index_of(what)].held(run.number);
      return std::max(one.has[index_of(what)], out);
    };
    cpu += held(Allotted::cpu);
    memory += held(Allotted::memory);
  }
  Lease lease = found->second;
  const std::int64_t cores = state_.ledger.pool(decide::Ledger::kCpu).capacity;
  if (cores <= 0) return;  // the machine was not read yet
  const Amounts booked{Bytes(memory * kMiB), lease.booked.gpu_memory, Cores(cpu * cores / kWhole),
                       lease.booked.disk};
  if (lease.booked == booked) return;
  lease.booked = booked;
  lease.needs.memory = memory > 0 ? std::optional(booked.memory) : std::nullopt;
  lease.needs.cpu = cpu > 0 ? std::optional(booked.cpu) : std::nullopt;
  let_go(lease);
  bookings_moved_ = true;
  const LeaseId id = lease.id;
  keep(PutLease{std::move(lease)});
  hold_component(id);
  show(id);
}

// What it has been given is where its fence stands, and its limit of the processors.
void Control::hold_component(LeaseId id) {
  const auto found = state_.promises.leases.find(id);
  if (found == state_.promises.leases.end() || !found->second.fence ||
      found->second.group == Group() || !decide::holds(found->second.state)) {
    return;
  }
  Lease lease = found->second;
  const Group group = lease.group;
  const Bytes at = lease.booked.memory;
  const auto cores = lease.booked.cpu.milli() > 0 ? std::optional(lease.booked.cpu) : std::nullopt;
  if (lease.fence_at != at) {
    lease.fence_at = at;
    lease.fence_set = false;
    keep(PutLease{std::move(lease)});
    effects_.emplace_back(Fence{id, group, at, "its allocation has changed"});
  }
  effects_.emplace_back(LimitCpu{id, group, cores, "its allocation has changed"});
}

// After its quota says otherwise whether the kernel holds it.
void Control::follow_enforcement(const Component& component) {
  const auto found = state_.promises.leases.find(component.lease);
  if (!component.books || found == state_.promises.leases.end() ||
      !decide::holds(found->second.state) || found->second.fence == component.quota.enforce) {
    return;
  }
  Lease lease = found->second;
  const LeaseId id = lease.id;
  const Group group = lease.group;
  if (!component.quota.enforce) {
    thaw(id, "its quota is enforced no more");
    leave_fence(id);
    lease = state_.promises.leases.at(id);
    lease.fence = false;
    lease.fence_at = Bytes();
    lease.fence_set = false;
    keep(PutLease{std::move(lease)});
    effects_.emplace_back(Fence{id, group, Bytes(), "its quota is enforced no more"});
    effects_.emplace_back(LimitCpu{id, group, std::nullopt, "its quota is enforced no more"});
    return;
  }
  const auto sharers = state_.holders.find(lease.holder);
  const bool alone = sharers != state_.holders.end() && sharers->second.size() == 1;
  if (lease.holder.pid == 0 || !alone) return;
  lease.fence = true;
  const bool placed = lease.grouped;
  lease.grouped = true;
  const Holder holder = lease.holder;
  const uid_t owner = lease.owner;
  keep(PutLease{std::move(lease)});
  if (placed) return hold_component(id);
  state_.placing.insert(id);
  effects_.emplace_back(PlaceHolder{id, holder, owner, Bytes(), {}, {}});
}

// -------------------------------------------------------------------------------------------- view

ComponentView Control::component_view(const Component& component) const {
  ComponentView view;
  view.component = component;
  const InForce quota = in_force(component.quota);
  view.priority = quota.priority;
  view.window = quota.during;
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
    one.most = part.most;
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
