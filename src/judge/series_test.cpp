// What holds of forecasts, limits and anomaly scores for any series at all, with gaps, clocks that
// step and restarts; and what a sample costs. A counterexample is shrunk to few samples.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <optional>
#include <ostream>
#include <vector>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "judge/anomaly.hpp"
#include "judge/forecast.hpp"
#include "judge/foresight.hpp"
#include "judge/limit.hpp"
#include "judge/rarity.hpp"

namespace {
std::atomic<long> allocations{0};
}

// Counts every allocation of this program, so that a test can say that there was none. Not inlined:
// g++ would see malloc and free meet delete and new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace headroom::judge {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// One sample: how it follows the last, and what was seen.
struct Step {
  nanoseconds passed{};
  nanoseconds wall_step{};  // on top of `passed`
  double value = 0;
};
[[maybe_unused]] void showValue(const Step& step, std::ostream& out) {
  out << "{after " << step.passed.count() << " ns, wall steps " << step.wall_step.count()
      << " ns, value " << step.value << "}";
}

/// Seconds to five minutes, odd to the nanosecond; now and then a gap of hours or of weeks.
rc::Gen<nanoseconds> any_passing() {
  const auto between = [](nanoseconds least, nanoseconds most) {
    return rc::gen::map(rc::gen::inRange<std::int64_t>(least.count(), most.count()),
                        [](std::int64_t count) { return nanoseconds(count); });
  };
  return rc::gen::weightedOneOf<nanoseconds>({{30, rc::gen::just(nanoseconds(5min))},
                                              {30, between(1s, 10s)},
                                              {30, between(1s, 10min)},
                                              {2, between(1h, 30h)},
                                              {1, between(240h, 2400h)}});
}
rc::Gen<nanoseconds> any_wall_step() {
  return rc::gen::weightedOneOf<nanoseconds>(
      {{30, rc::gen::just(0ns)},
       {1, rc::gen::map(rc::gen::inRange<std::int64_t>(-200'000, 200'000),
                        [](std::int64_t seconds) { return nanoseconds(seconds * 1s); })}});
}
/// Shares, amounts in bytes, rests, and what is no number.
rc::Gen<double> any_value() {
  const auto share = rc::gen::map(rc::gen::inRange(0, 10'001), [](int x) { return x / 100.0; });
  const auto bytes = rc::gen::map(rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 42),
                                  [](std::int64_t x) { return static_cast<double>(x); });
  return rc::gen::weightedOneOf<double>(
      {{20, share},
       {10, rc::gen::just(40.0)},
       {3, bytes},
       {3, rc::gen::just(0.0)},
       {1, rc::gen::element(1e308, -1e308, 5e-324, 1e-40, std::nan(""), HUGE_VAL, -HUGE_VAL)}});
}
rc::Gen<std::vector<Step>> any_series() {
  return rc::gen::scale(4.0, rc::gen::container<std::vector<Step>>(rc::gen::build<Step>(
                                 rc::gen::set(&Step::passed, any_passing()),
                                 rc::gen::set(&Step::wall_step, any_wall_step()),
                                 rc::gen::set(&Step::value, any_value()))));
}

struct Clock {
  Instant now{BootTime(1000s), WallTime(1'790'000'000s)};
  void pass(const Step& step) {
    now.boot += step.passed;
    now.wall += step.passed + step.wall_step;
  }
};

/// The three of one series.
struct All {
  Forecaster forecaster;
  LimitEstimator limit;
  Anomaly anomaly;

  AnomalyVerdict update(Instant at, double value) {
    forecaster.update(at, value);
    limit.update(at.boot, value, forecaster.predict());
    return anomaly.update(at, value);
  }
  std::string save() const { return forecaster.save() + limit.save() + anomaly.save(); }
};
All restored(const All& all) {
  const auto forecaster = Forecaster::restore(all.forecaster.save());
  const auto limit = LimitEstimator::restore(all.limit.save());
  const auto anomaly = Anomaly::restore(all.anomaly.save());
  RC_ASSERT(forecaster && limit && anomaly);
  return {*forecaster, *limit, *anomaly};
}

void expect_sane(const All& all, const AnomalyVerdict& verdict) {
  const auto share = [](double x) { return x >= 0 && x <= 1; };
  for (const nanoseconds ahead : {nanoseconds(0), nanoseconds(15min), nanoseconds(7 * 24h)}) {
    const auto forecast = all.forecaster.predict(ahead);
    if (!forecast) continue;
    RC_ASSERT(std::isfinite(forecast->lo) && std::isfinite(forecast->hi));
    RC_ASSERT(forecast->lo <= forecast->value && forecast->value <= forecast->hi);
    RC_ASSERT(share(forecast->confidence));
  }
  if (const auto full = all.forecaster.time_to(100)) {
    RC_ASSERT(full->in >= 0ns && share(full->confidence));
  }
  RC_ASSERT(share(all.forecaster.accuracy().coverage));
  RC_ASSERT(all.forecaster.accuracy().relative_error >= 0);
  if (const auto limit = all.limit.limit()) {
    RC_ASSERT(std::isfinite(limit->value) && limit->value >= 0 && share(limit->confidence));
    const auto raised = all.limit.raise(50);
    RC_ASSERT(!raised || (std::isfinite(raised->value) && raised->value > 50));
  }
  RC_ASSERT(verdict.score >= 0 && verdict.score < 1);
  RC_ASSERT(verdict.lo.has_value() == verdict.hi.has_value());
  if (verdict.lo) RC_ASSERT(std::isfinite(*verdict.lo) && *verdict.lo <= *verdict.hi);
}

RC_GTEST_PROP(SeriesProperty, P13WhateverComesAnswersAreNumbersInTheirRange, ()) {
  All all;
  Clock clock;
  for (const Step& step : *any_series()) {
    clock.pass(step);
    expect_sane(all, all.update(clock.now, step.value));
  }
  (void)restored(all);  // what was left is sound
}

RC_GTEST_PROP(SeriesProperty, P13WhateverTheClocksOfABootSayNothingBreaks, ()) {
  All all;
  Clock clock;
  for (const Step& step : *any_series()) {
    clock.pass(step);
    if (*rc::gen::inRange(0, 20) == 0) {
      clock.now.boot = BootTime(std::chrono::seconds(*rc::gen::inRange(0, 100'000)));
      if (*rc::gen::arbitrary<bool>()) all = restored(all);
    }
    expect_sane(all, all.update(clock.now, step.value));
  }
}

RC_GTEST_PROP(SeriesProperty, P13ARestartInTheMiddleChangesNoBit, ()) {
  auto steps = *any_series();
  RC_PRE(steps.size() >= 2U);
  const auto cut = *rc::gen::inRange<std::size_t>(1, steps.size());
  // What passed between the last sample that was taken in and the next is what the wall clock
  // tells.
  const auto taken = [&](std::size_t i) { return std::isfinite(steps[i].value); };
  for (std::size_t i = cut - 1; i > 0 && !taken(i); --i) steps[i].wall_step = 0ns;
  for (std::size_t i = cut; i < steps.size(); ++i) {
    steps[i].wall_step = 0ns;
    if (taken(i)) break;
  }
  All whole;
  All parts;
  Clock clock;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    clock.pass(steps[i]);
    if (i == cut) parts = restored(parts);
    whole.update(clock.now, steps[i].value);
    parts.update(clock.now, steps[i].value);
  }
  const bool any = std::any_of(steps.begin() + static_cast<std::ptrdiff_t>(cut), steps.end(),
                               [](const Step& step) { return std::isfinite(step.value); });
  const bool same = parts.save() == whole.save();
  RC_ASSERT(!any || same);
}

RC_GTEST_PROP(SeriesProperty, P13AShareIsNeverForecastAboveWhatThereIs, ()) {
  Foresight foresight;
  Clock clock;
  for (Step step : *any_series()) {
    step.passed = std::max<nanoseconds>(step.passed, 10s);
    clock.pass(step);
    const std::vector<Reading> readings{{"memory", std::clamp(step.value, 0.0, 100.0)}};
    foresight.push(clock.now, readings);
    for (const ForecastView& view : foresight.forecasts()) {
      RC_ASSERT(0 <= view.lo && view.lo <= view.value && view.value <= view.hi && view.hi <= 100);
    }
  }
}

RC_GTEST_PROP(SeriesProperty, P13NothingIsLostFromAHistogram, ()) {
  MagnitudeHistogram magnitudes;
  NoveltyHistogram places;
  const auto few = *rc::gen::container<std::vector<int>>(30, rc::gen::inRange(-400, 400));
  const int times = *rc::gen::inRange(1, 700);
  double added = 0;
  for (int i = 0; i < times; ++i) {
    for (const int one : few) {
      magnitudes.add(one < -390 ? 0 : std::exp2(one / 4.0));  // over 200 octaves: edges move
      places.add(NoveltyHistogram::place_of(one, 7));
      ++added;
      // Old ones fade when there are 8000: by a half, less at most one count of each bucket.
      if (added == 8000) {
        RC_ASSERT(magnitudes.seen() <= 4000 && magnitudes.seen() > 4000 - 24 / 8.0);
        RC_ASSERT(places.seen() <= 4000 && places.seen() > 4000 - 49 / 8.0);
      }
      if (added < 8000) RC_ASSERT(magnitudes.seen() == added && places.seen() == added);
    }
    // The buckets hold as many as were seen.
    RC_ASSERT(magnitudes.valid() && places.valid());
  }
  RC_ASSERT(magnitudes.seen() < 8000 && places.seen() < 8000);
}

TEST(Series, P14NothingIsAllocatedOnTheWayOfASample) {
  All all;
  Clock clock;
  double sum = 0;
  const long before = allocations.load();
  for (int i = 0; i < 5000; ++i) {
    clock.pass({i % 100 == 99 ? nanoseconds(5h) : nanoseconds(5min), 0ns, 0});
    const AnomalyVerdict verdict = all.update(clock.now, 50 + i % 17 + (i % 500 == 7 ? 900 : 0));
    sum += verdict.score + all.limit.limit()->value + all.forecaster.accuracy().coverage;
    sum += all.limit.raise(60) ? 1 : 0;
    sum += all.forecaster.time_to(100) ? 1 : 0;
  }
  EXPECT_EQ(allocations.load() - before, 0);
  EXPECT_TRUE(std::isfinite(sum));
}

TEST(Series, P14NothingIsAllocatedForAKnownSeries) {
  Foresight foresight;
  Clock clock;
  const std::vector<Reading> readings{{"a series with a long name", 40.0}, {"cpu", 3.0}};
  foresight.push(clock.now, readings);
  const long before = allocations.load();
  for (int i = 0; i < 1000; ++i) {
    clock.pass({10s, 0ns, 0});
    foresight.push(clock.now, readings);
  }
  EXPECT_EQ(allocations.load() - before, 0);
}

/// What follows when use is cut off at a limit, and the limit is told from that use.
double cap_after(const std::vector<double>& wanted, double cap, double* used) {
  All all;
  Clock clock;
  for (const double want : wanted) {
    clock.pass({5min, 0ns, 0});
    *used = std::min(want, cap);
    all.update(clock.now, *used);
    cap = all.limit.limit()->value;
    if (const auto raised = all.limit.raise(cap)) cap = raised->value;
  }
  return cap;
}

RC_GTEST_PROP(SeriesProperty, P15WhatIsCutOffAtItsLimitEarnsNoMoreThanItWants, ()) {
  const double most = 100;
  const double first = *rc::gen::inRange(1, 100);
  const int calm = *rc::gen::inRange(200, 400);
  auto wanted = *rc::gen::container<std::vector<double>>(
      100, rc::gen::map(rc::gen::inRange(1, 101), [](int x) { return static_cast<double>(x); }));
  // However long it is cut off, and whatever it did before: a limit is at most the widest margin
  // above what can be used, and comes near to what is used when that is all that is wanted.
  double used = 0;
  RC_ASSERT(cap_after(wanted, first, &used) <= 2 * most);
  wanted.assign(static_cast<std::size_t>(calm), most);
  const double last = cap_after(wanted, first, &used);
  RC_ASSERT(used == most);
  RC_ASSERT(last >= most && last <= 1.5 * most);
}

RC_GTEST_PROP(SeriesProperty, P15AnOverrunThatIsSeenAgainIsNotCountedAgain, ()) {
  // Use stands at a limit that nobody raises: however often that is seen, what is told to be needed
  // is at most the widest margin above what was used and forecast; the peak quantile may swing
  // over.
  All all;
  Clock clock;
  const double cap = *rc::gen::inRange(10, 1000);
  const int before = *rc::gen::inRange(20, 200);
  const auto see = [&](double used) {
    clock.pass({5min, 0ns, 0});
    all.update(clock.now, used);
  };
  for (int i = 0; i < before; ++i) see(cap * *rc::gen::inRange(1, 101) / 100);
  double most = cap;
  for (int i = 0; i < 1000; ++i) {
    see(cap);
    most = std::max(most, all.forecaster.predict()->hi);
    const auto raised = all.limit.raise(cap);
    RC_ASSERT(raised.has_value());
    RC_ASSERT(raised->value <= 1.6 * most);
  }
  RC_ASSERT(all.limit.raise(cap)->value <= 1.6 * cap);
}

}  // namespace
}  // namespace headroom::judge
