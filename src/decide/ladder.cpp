#include "decide/ladder.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace headroom::decide {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr int kSteps = static_cast<int>(Step::kill) + 1;

// The gap between two lines is larger than what one action gives back; a step is left below where
// the one under it begins, so that undoing one thing does not bring back what made it needed.
const std::array<Ladder::Lines, kSteps> kLines = {{
    {},
    {75, 70, 10s, 0ms, 10.0, {}},  // warn
    {80, 75, 10s, 60s, {}, {}},    // throttle
    {85, 75, 20s, 30s, {}, {}},    // shrink
    {88, 80, 30s, 20s, {}, 5.0},   // shut
    {90, 83, 60s, 15s, {}, {}},    // hold
    {93, 86, 5s, 2s, {}, 20.0},    // freeze
    {96, 90, 15s, 0ms, {}, 40.0},  // kill
}};

double seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

Step below(Step step) { return static_cast<Step>(static_cast<int>(step) - 1); }

}  // namespace

const Ladder::Lines& Ladder::lines(Step step) { return kLines[static_cast<std::size_t>(step)]; }

void Ladder::limit(Step most) {
  most_ = most;
  step_ = std::min(step_, most_);
}

std::optional<StepCause> Ladder::crossed(Step step, const Strain& strain) const {
  const Lines& line = lines(step);
  if (strain.used && *strain.used >= line.enter) {
    return StepCause{"used", *strain.used, line.enter};
  }
  if (line.full_in > 0ms && strain.used && *strain.used >= line.leave && strain.full_in &&
      *strain.full_in <= line.full_in) {
    return StepCause{"full_in", seconds_of(*strain.full_in), seconds_of(line.full_in)};
  }
  // Whoever is slowed at his fence waits for memory too, with much of it free.
  if (!strain.witness || !strain.used || *strain.used < line.leave) return {};
  if (line.some && strain.some && *strain.some >= *line.some) {
    return StepCause{"some", *strain.some, *line.some};
  }
  if (line.full && strain.full && *strain.full >= *line.full) {
    return StepCause{"full", *strain.full, *line.full};
  }
  return {};
}

Step Ladder::update(const Strain& strain, BootTime at) {
  if (last_ && at - *last_ > kGap) calm_since_.reset();
  last_ = at;
  for (Step step = most_; step > step_; step = below(step)) {
    if (const auto cause = crossed(step, strain)) {
      step_ = step;
      cause_ = *cause;
      calm_since_.reset();
      return step_;
    }
  }
  if (step_ == Step::watch) return step_;
  const bool calm = strain.used && *strain.used < lines(step_).leave && !crossed(step_, strain);
  if (!calm) {
    calm_since_.reset();
    return step_;
  }
  if (!calm_since_) calm_since_ = at;
  if (at - *calm_since_ < lines(step_).calm) return step_;
  step_ = below(step_);
  calm_since_.reset();
  if (step_ != Step::watch) calm_since_ = at;
  return step_;
}

std::vector<Runner> in_order(std::vector<Runner> runners) {
  const auto order = [](const Runner& r) {
    return std::tuple(r.over, -static_cast<int>(r.priority), r.granted, r.lease);
  };
  std::sort(runners.begin(), runners.end(),
            [&](const Runner& a, const Runner& b) { return order(a) < order(b); });
  return runners;
}

std::vector<LeaseId> who_stops(std::vector<Runner> runners, std::int64_t available) {
  runners = in_order(std::move(runners));
  std::vector<LeaseId> stop;
  bool first = true;
  bool within_stops = false;  // then nobody beyond his booking runs on
  for (const Runner& runner : runners) {
    const std::int64_t need = std::max<std::int64_t>(0, runner.most - runner.measured);
    const bool after_one_within = runner.over && within_stops;
    if (first || (!runner.held && !after_one_within && need <= available)) {
      available -= std::min(available, need);
      first = false;
    } else {
      within_stops = within_stops || !runner.over;
      stop.push_back(runner.lease);
    }
  }
  std::reverse(stop.begin(), stop.end());
  return stop;
}

}  // namespace headroom::decide
