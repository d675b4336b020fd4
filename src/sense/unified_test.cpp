#include "sense/unified.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using namespace literals;

Sample with_both() {
  Sample sample;
  sample.memory.total = 128_GiB;
  sample.memory.available = 100_GiB;
  sample.gpus.resize(2);
  sample.gpus[0].unified = true;
  sample.gpus[0].memory_reserved = 1_GiB;
  sample.gpus[1].memory_total = 24_GiB;
  sample.gpus[1].memory_used = 3_GiB;
  return sample;
}

TEST(Unified, ADeviceWithoutMemoryHasTheMachines) {
  Sample sample = with_both();
  fill_unified(sample);
  EXPECT_EQ(sample.gpus[0].memory_total, 128_GiB);
  EXPECT_EQ(sample.gpus[0].memory_used, 28_GiB);
  EXPECT_EQ(sample.gpus[0].memory_reserved, Bytes());
  EXPECT_EQ(sample.gpus[1].memory_total, 24_GiB) << "one with its own keeps it";
  EXPECT_EQ(sample.gpus[1].memory_used, 3_GiB);
}

TEST(Unified, WhatTheMachineDoesNotSayIsUnknownAndNotZero) {
  Sample sample = with_both();
  sample.memory.available.reset();
  fill_unified(sample);
  EXPECT_FALSE(sample.gpus[0].memory_used);
}

}  // namespace
}  // namespace headroom::sense
