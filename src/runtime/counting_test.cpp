#include "runtime/counting.hpp"

#include <gtest/gtest.h>

namespace headroom::runtime {
namespace {

using namespace literals;

Say say(const char* type, LeaseId lease = 0) {
  Say said;
  said.line.type = type;
  said.line.lease = lease;
  return said;
}

TEST(Counting, ModelsThatComeAndGoAreCounted) {
  control::State state;
  Lease lease;
  lease.id = 3;
  lease.model = "sdxl";
  state.promises.leases[3] = lease;
  Counting counting;
  counting.effect(say("model.loaded", 3), state);
  EXPECT_EQ(counting.counts().loads.count(), 0U) << "how long it took is not known";
  state.promises.models["sdxl"].load = std::chrono::milliseconds(12500);
  counting.effect(say("model.loaded", 3), state);
  counting.effect(say("model.loaded", 4), state);
  EXPECT_EQ(counting.counts().loads.count(), 1U);
  EXPECT_DOUBLE_EQ(counting.counts().loads.sum(), 12.5);
  counting.effect(say("model.unloaded", 3), state);
  counting.effect(say("model.kept"), state);
  counting.effect(say("model.kept"), state);
  EXPECT_EQ(counting.counts().unloaded, 1U);
  EXPECT_EQ(counting.counts().kept, 2U);
}

// The counts had a row for each resource that can be pressed, and an alert of a component or of the
// budget was counted beyond them: the daemon died.
TEST(Counting, AlertsOfEveryResourceAreCountedInARowOfTheirOwn) {
  control::State state;
  Counting counting;
  counting.levels(state);
  for (std::size_t i = 0; i < kResources; ++i) {
    const auto resource = static_cast<Resource>(i);
    judge::GaugeSettings settings;
    settings.rungs.warning = 1;
    judge::Gauge gauge(resource, "", settings);
    gauge.update(5, Instant{});
    state.gauges.emplace(std::pair(resource, std::string()), gauge);
  }
  counting.levels(state);
  serve::Costs costs;
  counting.fill(costs, Instant{});
  for (std::size_t i = 0; i < kResources; ++i) {
    std::uint64_t sum = 0;
    for (const std::uint64_t one : costs.pressure_events.at(i)) sum += one;
    EXPECT_EQ(sum, 1U) << to_string(static_cast<Resource>(i));
  }
}

TEST(Counting, CleanupsAreCountedByWhatCameBack) {
  const control::State state;
  Counting counting;
  Freed freed;
  freed.gpu_memory = 9_GiB;
  freed.memory = 1_GiB;
  freed.dry_run = true;
  counting.effect(Respond{1, freed}, state);
  EXPECT_EQ(counting.counts().cleanups, 0U) << "a dry run is none";
  freed.dry_run = false;
  counting.effect(Respond{2, freed}, state);
  freed.why = "2.0 GiB less than was asked for";
  counting.effect(Respond{3, freed}, state);
  EXPECT_EQ(counting.counts().cleanups, 1U);
  EXPECT_EQ(counting.counts().short_cleanups, 1U);
  EXPECT_EQ(counting.counts().freed_gpu_memory, 18ULL << 30);
  EXPECT_EQ(counting.counts().freed_memory, 2ULL << 30);
}

}  // namespace
}  // namespace headroom::runtime
