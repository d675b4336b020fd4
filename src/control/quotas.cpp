// Quotas: what components may have, and when that is something else.
#include <algorithm>
#include <optional>
#include <string>

#include "control/allotted.hpp"
#include "control/control.hpp"
#include "decide/calendar.hpp"

namespace headroom::control {

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

QuotaParts Control::bounds_in(const Quota& quota, const QuotaWindow* window) const {
  QuotaParts parts = quota.parts;
  const QuotaParts bounds = configured_bounds();
  for (std::size_t i = 0; i < kAllotted; ++i) {
    QuotaPart& part = parts[i];
    if (window != nullptr) {
      const QuotaPart& other = window->parts[i];
      if (other.amount != 0) part.amount = other.amount;
      if (other.least != 0) part.least = other.least;
      if (other.most != 0) part.most = other.most;
    }
    if (part.least == 0) part.least = bounds[i].least;
    if (part.most == 0) part.most = bounds[i].most;
    part.least = std::clamp(part.least, bounds[i].least, bounds[i].most);
    part.most = std::clamp(part.most, part.least, bounds[i].most);
    if (part.amount != 0) part.amount = std::clamp(part.amount, part.least, part.most);
  }
  return parts;
}

Control::InForce Control::in_force(const Quota& quota) const {
  InForce now{{}, quota.priority, ""};
  const QuotaWindow* in = nullptr;
  for (const QuotaWindow& window : quota.windows) {
    const auto during = decide::parse_during(window.during);
    if (!during || !decide::is_during(*during, at_.wall, state_.zone)) continue;
    in = &window;
    now.during = window.during;
    if (window.priority) now.priority = *window.priority;
    break;
  }
  now.parts = bounds_in(quota, in);
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
      return Error{ErrorKind::invalid_request,
                   name + " " + amount_text(what, *value) + " is outside " +
                       number_text(shown(what, bound.least)) + "-" + amount_text(what, bound.most),
                   what == Allotted::cpu || what == Allotted::memory
                       ? "the range is control." + name + "_range"
                       : "nothing is as fast as that",
                   "say a value within it" +
                       std::string(what == Allotted::cpu || what == Allotted::memory
                                       ? ", or widen it: headroom config set control." + name +
                                             "_range LEAST,MOST"
                                       : "")};
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

}  // namespace headroom::control
