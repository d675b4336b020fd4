// Setters: what components are asked to set, and what becomes of that.
#include <algorithm>
#include <chrono>
#include <cmath>
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

constexpr double kRecent = 1.0 / 50;  // weight of the newest ask among all of them

bool is_setter_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
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
    if (const auto least = quota.parts[index_of(what)].least; move.to < least) {
      decision.reason += "; the node has no more for it, although " + amount_text(what, least) +
                         " is the least that it should have";
    }
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
      // Whoever counts in whole numbers has done it. But what it keeps of more than one is nobody
      // else's yet.
      const std::int64_t most_above = std::min(least_change(what), units_of(what, 1));
      if (value - move.to <= most_above && move.to - value <= least_change(what)) value = move.to;
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

}  // namespace headroom::control
