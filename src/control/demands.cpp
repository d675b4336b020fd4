// Demands: what components would be given if there were enough, and what is learned for that.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "control/allotted.hpp"
#include "control/control.hpp"
#include "judge/saved.hpp"

namespace headroom::control {
namespace {

constexpr double kAtItsLimit = 0.98;
constexpr double kBeyondLimit = 1.2;  // asked for by one that its own limit holds
constexpr std::int64_t kBeyondLimitMiB = 100;
constexpr double kFewSamples = 8;  // halve the confidence
constexpr std::uint64_t kForeseenATurn = 150;
constexpr std::size_t kRemembered = 4000;  // series of an earlier run

}  // namespace

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

}  // namespace headroom::control
