#include "words/strategy.hpp"

#include <algorithm>

namespace headroom {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// The specifications' buffers, and what else follows from how bold one is. Later columns: hold,
// most that goes at once, deadband, strict classes.
constexpr StrategyParameters kConservative{0.25, 0.20, 800, 2.0, hours(1), 0.05, 0.08, true, false};
constexpr StrategyParameters kBalanced{0.35, 0.12, 200, 1.0, minutes(15), 0.10, 0.05, true, false};
constexpr StrategyParameters kAggressive{0.55, 0.05, 50, 0.5, minutes(2), 0.20, 0.03, false, false};
constexpr double kCriticalBuffer = 0.20;

StrategyParameters adapted(Level level) {
  StrategyParameters now = level == Level::ok        ? kAggressive
                           : level == Level::warning ? kBalanced
                                                     : kConservative;
  // What is booked does not shrink when it gets tight: what is kept back does not move.
  now.reserve = kAggressive.reserve;
  if (level == Level::critical || level == Level::emergency) {
    now.buffer = level == Level::critical ? kCriticalBuffer : 0;
    // What is short is not held back for an hour.
    now.cycle = kAggressive.cycle;
    now.hold = minutes(0);
  }
  return now;
}

std::optional<Posture> posture_of(std::string_view word) {
  for (const Posture one : {Posture::conservative, Posture::balanced, Posture::aggressive}) {
    if (word == to_string(one)) return one;
  }
  return {};
}

std::optional<Estimator> estimator_of(std::string_view word) {
  for (const Estimator one : {Estimator::dynamic, Estimator::predictive, Estimator::cooperative}) {
    if (word == to_string(one)) return one;
  }
  return {};
}

}  // namespace

StrategyParameters parameters_of(const Strategy& strategy, Level level) {
  StrategyParameters found;
  switch (strategy.posture) {
    case Posture::conservative:
      found = kConservative;
      break;
    case Posture::balanced:
      found = kBalanced;
      break;
    case Posture::aggressive:
      found = kAggressive;
      break;
    case Posture::adaptive:
      found = adapted(level);
      break;
  }
  found.lends =
      strategy.estimator == Estimator::cooperative || strategy.estimator == Estimator::adaptive;
  return found;
}

std::optional<Strategy> strategy_of(std::string_view text) {
  Strategy strategy;
  if (text == "adaptive") return strategy;
  const auto plus = text.find('+');
  const std::string_view first = text.substr(0, plus);
  const auto take = [&](std::string_view word) {
    if (const auto posture = posture_of(word)) {
      if (strategy.posture != Posture::adaptive) return false;
      strategy.posture = *posture;
      return true;
    }
    const auto estimator = estimator_of(word);
    if (!estimator || strategy.estimator != Estimator::adaptive) return false;
    strategy.estimator = *estimator;
    return true;
  };
  // "adaptive" beside another word is whatever that word leaves open.
  const auto take_or_adaptive = [&](std::string_view word) {
    return word == "adaptive" || take(word);
  };
  if (plus == std::string_view::npos) return take(first) ? std::optional(strategy) : std::nullopt;
  const std::string_view second = text.substr(plus + 1);
  if (first == second || !take_or_adaptive(first) || !take_or_adaptive(second)) return {};
  return strategy;
}

std::string to_text(const Strategy& strategy) {
  if (strategy.posture == Posture::adaptive) return to_string(strategy.estimator);
  std::string posture = to_string(strategy.posture);
  if (strategy.estimator == Estimator::adaptive) return posture;
  return posture + "+" + to_string(strategy.estimator);
}

const char* to_string(Posture posture) {
  switch (posture) {
    case Posture::conservative:
      return "conservative";
    case Posture::balanced:
      return "balanced";
    case Posture::aggressive:
      return "aggressive";
    case Posture::adaptive:
      return "adaptive";
  }
  return "adaptive";
}

const char* to_string(Estimator estimator) {
  switch (estimator) {
    case Estimator::dynamic:
      return "dynamic";
    case Estimator::predictive:
      return "predictive";
    case Estimator::cooperative:
      return "cooperative";
    case Estimator::adaptive:
      return "adaptive";
  }
  return "adaptive";
}

}  // namespace headroom
