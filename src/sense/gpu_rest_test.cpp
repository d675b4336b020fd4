#include "sense/gpu_rest.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

constexpr bool kManaged = true;
constexpr bool kSuspended = true;

TEST(GpuRest, ADeviceThatCannotSleepIsAlwaysHeld) {
  GpuRest rest;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(rest.step(!kManaged, !kSuspended), RestStep::hold);
    rest.seen(false);
  }
}

TEST(GpuRest, AnUnusedDeviceIsLetGoOfAndTakenUpAfterASleep) {
  GpuRest rest;
  for (int i = 0; i < GpuRest::kIdleReads; ++i) {
    ASSERT_EQ(rest.step(kManaged, !kSuspended), RestStep::hold);
    rest.seen(false);
  }
  EXPECT_EQ(rest.step(kManaged, !kSuspended), RestStep::rest);
  EXPECT_EQ(rest.step(kManaged, kSuspended), RestStep::asleep);
  // A moment awake is not enough.
  EXPECT_EQ(rest.step(kManaged, !kSuspended), RestStep::rest);
  EXPECT_EQ(rest.step(kManaged, kSuspended), RestStep::asleep);
  EXPECT_EQ(rest.step(kManaged, !kSuspended), RestStep::rest);
  EXPECT_EQ(rest.step(kManaged, !kSuspended), RestStep::hold);
}

TEST(GpuRest, UseStartsTheCountAnew) {
  GpuRest rest;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(rest.step(kManaged, !kSuspended), RestStep::hold);
    rest.seen(i % GpuRest::kIdleReads == 0);
  }
}

TEST(GpuRest, ADeviceThatDoesNotFallAsleepIsTriedThreeTimesAndThenHeld) {
  GpuRest rest;
  int let_go = 0;
  RestStep before = RestStep::hold;
  for (int i = 0; i < 100000; ++i) {
    const RestStep step = rest.step(kManaged, !kSuspended);
    if (step == RestStep::rest && before == RestStep::hold) ++let_go;
    before = step;
    rest.seen(false);
  }
  EXPECT_EQ(let_go, GpuRest::kMostTries);
  EXPECT_EQ(before, RestStep::hold);
  // Seen asleep after all, it is tried again.
  EXPECT_EQ(rest.step(kManaged, kSuspended), RestStep::asleep);
}

}  // namespace
}  // namespace headroom::sense
