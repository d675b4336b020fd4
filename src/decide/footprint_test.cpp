#include "decide/footprint.hpp"

#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom::decide {
namespace {

using namespace literals;
using testing::Contains;
using testing::HasSubstr;

/// 32 layers of 8 heads of 128, as Llama 3 8B has them.
ModelShape llama3() {
  ModelShape shape;
  shape.architecture = "llama";
  shape.tensors = 291;
  shape.weights_bytes = 4'913'000'000;
  shape.host_weights_bytes = 295'501'824;
  shape.output_weights_bytes = 430'940'160;
  shape.embedding = 4096;
  shape.heads = 32;
  shape.feed_forward = 14336;
  shape.vocabulary = 128256;
  shape.trained_context = 8192;
  LayerShape layer;
  layer.kv_heads = 8;
  layer.key_length = 128;
  layer.value_length = 128;
  layer.weights_bytes = 120'000'000;
  shape.layers.assign(32, layer);
  return shape;
}

std::int64_t cache_of(const ModelShape& shape, const ModelRun& run) {
  const auto footprint = estimate(shape, run);
  if (!footprint || !footprint->cache) return -1;
  return footprint->cache->p50.count();
}

TEST(Footprint, AddsUpItsTerms) {
  const auto footprint = estimate(llama3(), {.context = 8192});
  ASSERT_TRUE(footprint);
  EXPECT_EQ(footprint->weights.p50.count(), 4'913'000'000 - 295'501'824);
  EXPECT_EQ(footprint->weights.p95, footprint->weights.p50);
  EXPECT_EQ(footprint->host_weights.count(), 295'501'824);
  EXPECT_EQ(footprint->cache->p50, 1_GiB);
  EXPECT_EQ(footprint->cache->p95, 1_GiB);
  EXPECT_EQ(footprint->state->p95, 0_B);
  ASSERT_TRUE(footprint->total);
  EXPECT_EQ(footprint->total->p50, footprint->weights.p50 + footprint->cache->p50 +
                                       footprint->compute->p50 + footprint->driver.p50);
  EXPECT_EQ(footprint->total->p95, footprint->weights.p95 + footprint->cache->p95 +
                                       footprint->compute->p95 + footprint->driver.p95);
  EXPECT_LT(footprint->total->p50, footprint->total->p95);
}

TEST(Footprint, EachCacheTypeTakesItsBlocks) {
  // One token: 32 layers, 8 heads, 128 elements, for keys and again for values.
  constexpr std::int64_t kElements = 2LL * 32 * 8 * 128;
  struct Row {
    CacheType type;
    double bytes;
  };
  for (const Row& row : std::vector<Row>{{CacheType::f32, 4},
                                         {CacheType::f16, 2},
                                         {CacheType::bf16, 2},
                                         {CacheType::fp8, 1},
                                         {CacheType::q8_0, 34 / 32.0},
                                         {CacheType::q5_1, 24 / 32.0},
                                         {CacheType::q5_0, 22 / 32.0},
                                         {CacheType::q4_1, 20 / 32.0},
                                         {CacheType::q4_0, 18 / 32.0},
                                         {CacheType::iq4_nl, 18 / 32.0}}) {
    ModelRun run{.context = 1024};
    run.keys = row.type;
    run.values = row.type;
    EXPECT_EQ(cache_type_named(to_string(row.type)), row.type);
    EXPECT_EQ(static_cast<double>(cache_of(llama3(), run)), kElements * 1024 * row.bytes)
        << to_string(row.type);
  }
  EXPECT_EQ(cache_type_named("q3_0"), std::nullopt);
  EXPECT_EQ(cache_type_named(""), std::nullopt);
  ModelRun mixed{.context = 1024};
  mixed.keys = CacheType::q8_0;
  EXPECT_EQ(cache_of(llama3(), mixed), kElements / 2 * 1024 / 32 * 34 + kElements / 2 * 1024 * 2);
}

TEST(Footprint, TheCacheGrowsInSteps) {
  constexpr std::int64_t kToken = 2LL * 32 * 8 * 128 * 2;
  EXPECT_EQ(cache_of(llama3(), {.context = 1}), 256 * kToken);
  EXPECT_EQ(cache_of(llama3(), {.context = 256}), 256 * kToken);
  EXPECT_EQ(cache_of(llama3(), {.context = 257}), 512 * kToken);
  EXPECT_EQ(cache_of(llama3(), {.context = 1000, .slots = 3}), 3 * 1024 * kToken);
  EXPECT_EQ(cache_of(llama3(), {.context = 1000, .slots = 3, .one_pool = true}), 3072 * kToken);
  EXPECT_EQ(cache_of(llama3(), {.context = 100, .slots = 3, .one_pool = true}), 512 * kToken);
  ModelShape paged = llama3();
  paged.format = ModelFormat::safetensors;
  EXPECT_EQ(cache_of(paged, {.context = 1000}), 1008 * kToken);
  EXPECT_EQ(cache_of(paged, {.context = 1000, .cache_step = 1}), 1000 * kToken);
}

TEST(Footprint, AWindowIsNeverLargerThanTheContext) {
  ModelShape shape = llama3();
  for (LayerShape& layer : shape.layers) layer.window = 4096;
  constexpr std::int64_t kToken = 2LL * 32 * 8 * 128 * 2;
  EXPECT_EQ(cache_of(shape, {.context = 2048}), 2048 * kToken);
  EXPECT_EQ(cache_of(shape, {.context = 1 << 20}), (4096 + 512) * kToken);
  EXPECT_EQ(cache_of(shape, {.context = 1 << 20, .slots = 2}), 2 * (4096 + 512) * kToken);
  EXPECT_EQ(cache_of(shape, {.context = 1 << 20, .slots = 2, .one_pool = true}),
            (2 * 4096 + 512) * kToken);
  EXPECT_EQ(cache_of(shape, {.context = 1 << 20, .batch = 100}), 4352 * kToken);
  // Newer engines do not quantise what has a window.
  ModelRun quantised{.context = 1 << 20};
  quantised.keys = quantised.values = CacheType::q8_0;
  const auto footprint = estimate(shape, quantised);
  EXPECT_EQ(footprint->cache->p50.count(), (4096 + 512) * kToken / 2 / 32 * 34);
  EXPECT_EQ(footprint->cache->p95.count(), (4096 + 512) * kToken);
}

TEST(Footprint, WithoutFlashAttentionValuesAreAsWideAsTheWidest) {
  ModelShape shape = llama3();
  shape.layers[3].kv_heads = 16;
  constexpr std::int64_t kKeys = (31LL * 8 + 16) * 128 * 2;
  EXPECT_EQ(cache_of(shape, {.context = 256}), 2 * 256 * kKeys);
  EXPECT_EQ(cache_of(shape, {.context = 256, .flash_attention = false}),
            256 * (kKeys + 32LL * 16 * 128 * 2));
}

TEST(Footprint, WhatCannotBeIsRefused) {
  const auto refused = [](const ModelRun& run, const char* why) {
    const auto footprint = estimate(llama3(), run);
    ASSERT_FALSE(footprint);
    EXPECT_EQ(footprint.error().kind, ErrorKind::invalid_request);
    EXPECT_THAT(footprint.error().why, HasSubstr(why));
  };
  refused({.context = 0}, "context is 0");
  refused({.context = kMostContext + 1}, "context");
  refused({.slots = 0}, "slots");
  refused({.slots = kMostSlots + 1}, "slots");
  refused({.batch = 0}, "batch");
  refused({.cache_step = 0}, "step");
  ModelRun no_flash{.flash_attention = false};
  no_flash.values = CacheType::q4_0;
  refused(no_flash, "only with flash attention");
  ModelRun driver;
  driver.driver = Interval{2_GiB, 1_GiB};
  refused(driver, "no interval");
  ModelShape odd = llama3();
  odd.layers[0].key_length = 80;  // no whole number of blocks
  ModelRun quantised;
  quantised.keys = CacheType::q8_0;
  EXPECT_THAT(estimate(odd, quantised).error().why, HasSubstr("cannot cut"));
}

TEST(Footprint, HostileSizesOverflowIntoAnError) {
  ModelShape shape = llama3();
  LayerShape huge;
  huge.kv_heads = huge.key_length = huge.value_length = 1U << 24;
  shape.layers.assign(1024, huge);
  EXPECT_THAT(estimate(shape, {.context = kMostContext, .slots = kMostSlots}).error().why,
              HasSubstr("2^63"));
  ModelShape wide = llama3();
  wide.embedding = wide.vocabulary = wide.heads = 1U << 24;
  EXPECT_FALSE(estimate(wide, {.context = kMostContext,
                               .slots = kMostSlots,
                               .batch = kMostBatch,
                               .flash_attention = false}));
  ModelShape heavy = llama3();
  heavy.weights_bytes = std::numeric_limits<std::uint64_t>::max();
  EXPECT_FALSE(estimate(heavy, {}));
}

TEST(Footprint, UnknownTermsAreEmptyAndMakeTheTotalEmpty) {
  ModelShape shape = llama3();
  shape.cache_unknown = "nobody knows";
  const auto footprint = estimate(shape, {});
  ASSERT_TRUE(footprint);
  EXPECT_FALSE(footprint->cache);
  EXPECT_FALSE(footprint->state);
  EXPECT_FALSE(footprint->total);
  EXPECT_TRUE(footprint->compute);
  EXPECT_THAT(footprint->unknown, Contains("cache: nobody knows"));
  EXPECT_THAT(largest_that_fits(shape, {}, Knob::context, 80_GiB).error().why,
              HasSubstr("nobody knows"));
  for (const auto forget : {+[](ModelShape& s) { s.embedding.reset(); },
                            +[](ModelShape& s) { s.vocabulary.reset(); }}) {
    ModelShape less = llama3();
    forget(less);
    const auto partial = estimate(less, {});
    EXPECT_FALSE(partial->compute);
    EXPECT_FALSE(partial->total);
    EXPECT_TRUE(partial->cache);
  }
}

TEST(Footprint, AnEncoderKeepsNothing) {
  ModelShape shape = llama3();
  shape.embedding_only = true;
  for (LayerShape& layer : shape.layers) layer.kv_heads = 0;
  shape.vocabulary.reset();
  const auto footprint = estimate(shape, {.context = 8192, .slots = 8});
  ASSERT_TRUE(footprint);
  EXPECT_EQ(footprint->cache, (Interval{0_B, 0_B}));
  EXPECT_TRUE(footprint->total);
}

TEST(Footprint, LayersLieOnTheDeviceFromTheLastOn) {
  ModelShape shape = llama3();
  shape.layers[31].weights_bytes = 7;
  shape.layers[31].kv_heads = 1;
  ModelRun run{.context = 256};
  run.device_layers = 0;
  EXPECT_EQ(estimate(shape, run)->weights.p50, 0_B);
  EXPECT_EQ(cache_of(shape, run), 0);
  run.device_layers = 1;
  EXPECT_EQ(estimate(shape, run)->weights.p50, 7_B);
  EXPECT_EQ(cache_of(shape, run), 256 * 2 * 128 * 2);
  run.device_layers = 32;
  EXPECT_EQ(estimate(shape, run)->weights.p50.count(), 31 * 120'000'000LL + 7);
  run.device_layers = 33;
  EXPECT_EQ(estimate(shape, run)->weights.p50.count(), 4'913'000'000 - 295'501'824);
  EXPECT_EQ(estimate(shape, run)->host_weights.count(), 295'501'824);
}

TEST(Footprint, AMeasuredDriverReplacesThePrior) {
  ModelRun run;
  run.driver = Interval{512_MiB, 520_MiB};
  EXPECT_EQ(estimate(llama3(), run)->driver, *run.driver);
}

TEST(Footprint, SaysWhenTheContextIsLongerThanTrained) {
  EXPECT_TRUE(estimate(llama3(), {.context = 8192})->notes.empty());
  EXPECT_THAT(estimate(llama3(), {.context = 8193})->notes, Contains(HasSubstr("8192 tokens")));
}

TEST(LargestThatFits, IsTheLastThatDoes) {
  const ModelShape shape = llama3();
  for (const Knob knob : {Knob::context, Knob::slots, Knob::batch, Knob::device_layers}) {
    for (const Bytes room : {6_GiB, 7_GiB, 9_GiB, 24_GiB}) {
      SCOPED_TRACE(to_string(knob));
      const auto largest = largest_that_fits(shape, {.context = 2048}, knob, room);
      ASSERT_TRUE(largest);
      if (!*largest) continue;
      const auto p95 = [&](std::uint32_t value) {
        ModelRun run{.context = 2048};
        if (knob == Knob::context) run.context = value;
        if (knob == Knob::slots) run.slots = value;
        if (knob == Knob::batch) run.batch = value;
        if (knob == Knob::device_layers) run.device_layers = value;
        return estimate(shape, run)->total->p95;
      };
      EXPECT_LE(p95(**largest), room);
      const std::uint32_t most = knob == Knob::context ? 8192U
                                 : knob == Knob::slots ? kMostSlots
                                 : knob == Knob::batch ? kMostBatch
                                                       : 33U;
      if (**largest < most) {
        EXPECT_GT(p95(**largest + 1), room);
      }
    }
  }
  EXPECT_EQ(*largest_that_fits(shape, {}, Knob::context, 1_GiB), std::nullopt);
  EXPECT_EQ(*largest_that_fits(shape, {}, Knob::context, Bytes(-1)), std::nullopt);
  EXPECT_EQ(*largest_that_fits(shape, {}, Knob::context, 80_GiB), 8192U);
  EXPECT_EQ(*largest_that_fits(shape, {}, Knob::device_layers, 80_GiB), 33U);
}

TEST(LargestThatFits, TurningAKnobUpNeverTakesLess) {
  std::mt19937_64 random(7);
  const auto upto = [&](std::uint64_t most) { return static_cast<std::uint32_t>(random() % most); };
  for (int round = 0; round < 2000; ++round) {
    ModelShape shape = llama3();
    if (upto(2) == 0) shape.format = ModelFormat::safetensors;
    for (LayerShape& layer : shape.layers) {
      layer.kv_heads = upto(9);
      if (upto(3) == 0) layer.window = 1 + upto(8192);
      if (upto(3) == 0) layer.state_elements = upto(1 << 20);
    }
    if (upto(2) == 0) shape.experts = 8;
    if (shape.experts) shape.experts_used = 2;
    ModelRun less{.context = 1 + upto(100'000), .slots = 1 + upto(20), .batch = 1 + upto(4096)};
    less.flash_attention = upto(2) == 0;
    less.one_pool = upto(2) == 0;
    less.device_layers = upto(40);
    if (less.flash_attention && upto(2) == 0) less.keys = less.values = CacheType::q8_0;
    ModelRun more = less;
    switch (upto(4)) {
      case 0:
        more.context += 1 + upto(50'000);
        break;
      case 1:
        more.slots += 1 + upto(5);
        break;
      case 2:
        more.batch += 1 + upto(4096);
        break;
      default:
        more.device_layers = *more.device_layers + 1;
    }
    const auto a = estimate(shape, less);
    const auto b = estimate(shape, more);
    ASSERT_TRUE(a && b);
    ASSERT_LE(a->total->p50, b->total->p50);
    ASSERT_LE(a->total->p95, b->total->p95);
    ASSERT_LE(a->total->p50, a->total->p95);
  }
}

}  // namespace
}  // namespace headroom::decide
