// From a model's header to the bytes it takes: the reader and the estimate together. Each cache is
// compared with a sum written out here, from the model's published shape and the engine's rules:
// nothing below uses the code that is tested but to ask it.
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "decide/footprint.hpp"
#include "sense/gguf.hpp"
#include "sense/model_writer_for_test.hpp"
#include "sense/safetensors.hpp"

namespace headroom {
namespace {

using namespace literals;
using decide::estimate;
using sense::GgufWriter;
using testing::Contains;
using testing::HasSubstr;
using i64 = std::int64_t;

constexpr i64 kMiB = 1 << 20;

ModelShape shape_of(GgufWriter& file) {
  file.tensor("blk.0.any", {32}, 0, 128);
  auto part = sense::parse_gguf(file.header(), file.size());
  EXPECT_TRUE(part) << part.error().why;
  std::vector<sense::GgufPart> parts;
  if (part) parts.push_back(std::move(*part));
  auto shape = sense::shape_of(parts);
  EXPECT_TRUE(shape) << shape.error().why;
  return shape ? std::move(*shape) : ModelShape{};
}

ModelShape shape_of(const std::string& config) {
  ModelShape weights;
  weights.format = ModelFormat::safetensors;
  weights.weights_bytes = 1;
  auto shape = sense::parse_model_config(config, weights);
  EXPECT_TRUE(shape) << shape.error().why;
  return shape ? std::move(*shape) : ModelShape{};
}

/// A GGUF of an architecture with what nearly all of them say.
GgufWriter gguf(const std::string& architecture, std::uint32_t layers, std::uint32_t width,
                std::uint32_t heads, std::uint32_t kv_heads) {
  GgufWriter file;
  file.architecture(architecture)
      .own("block_count", layers)
      .own("embedding_length", width)
      .own("attention.head_count", heads)
      .own("attention.head_count_kv", kv_heads);
  return file;
}

i64 cache_of(const ModelShape& shape, const ModelRun& run) {
  EXPECT_EQ(shape.cache_unknown, "");
  const auto footprint = estimate(shape, run);
  EXPECT_TRUE(footprint) << footprint.error().why;
  if (!footprint || !footprint->cache) return -1;
  return footprint->cache->p50.count();
}

/// The smallest multiple of `step` that is not below `tokens`.
i64 up(i64 tokens, i64 step) {
  while (tokens % step != 0) ++tokens;
  return tokens;
}

/// The runs that every architecture is tried with.
const std::vector<ModelRun>& runs() {
  static const std::vector<ModelRun> kRuns = {
      {.context = 1},
      {.context = 4096},
      {.context = 131072},
      {.context = 32768, .slots = 4},
      {.context = 5000, .slots = 3, .batch = 2048},
      {.context = 8192, .slots = 4, .batch = 512, .one_pool = true},
  };
  return kRuns;
}

/// Cells of a layer that sees everything, over all slots.
i64 full(const ModelRun& run, i64 step) {
  const i64 context = run.context;
  const i64 slots = run.slots;
  return run.one_pool ? up(context * slots, step) : slots * up(context, step);
}

/// Cells of a layer with a window.
i64 windowed(const ModelRun& run, i64 step, i64 window) {
  const i64 context = run.context;
  const i64 slots = run.slots;
  const i64 batch = run.batch;
  if (run.one_pool) return std::min(up(context * slots, step), up(window * slots + batch, step));
  return slots * std::min(up(context, step), up(window + batch, step));
}

struct Case {
  const char* name;
  ModelShape shape;
  /// Bytes of the cache in 16 bits.
  std::function<i64(const ModelRun&)> closed_form;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  const auto add = [&](const char* name, ModelShape shape,
                       std::function<i64(const ModelRun&)> form) {
    out.push_back({name, std::move(shape), std::move(form)});
  };

  auto llama2 = gguf("llama", 32, 4096, 32, 32);
  add("llama 2 7B", shape_of(llama2),
      [](const ModelRun& run) { return full(run, 256) * 32 * (32 * 128 + 32 * 128) * 2; });

  auto llama3 = gguf("llama", 80, 8192, 64, 8);
  add("llama 3 70B, grouped heads", shape_of(llama3),
      [](const ModelRun& run) { return full(run, 256) * 80 * (8 * 128 + 8 * 128) * 2; });

  auto mixtral = gguf("llama", 32, 4096, 32, 8);
  mixtral.own("expert_count", 8).own("expert_used_count", 2);
  add("mixtral 8x7B", shape_of(mixtral),
      [](const ModelRun& run) { return full(run, 256) * 32 * 2 * 8 * 128 * 2; });

  auto mistral = gguf("llama", 32, 4096, 32, 8);
  mistral.own("attention.sliding_window", 4096);
  add("mistral 7B in GGUF, whose window engines do not use", shape_of(mistral),
      [](const ModelRun& run) { return full(run, 256) * 32 * 2 * 8 * 128 * 2; });

  add("mistral 7B with its window",
      shape_of(R"({"model_type":"mistral","num_hidden_layers":32,"hidden_size":4096,
                   "num_attention_heads":32,"num_key_value_heads":8,"sliding_window":4096})"),
      [](const ModelRun& run) { return windowed(run, 16, 4096) * 32 * 2 * 8 * 128 * 2; });

  // Even layers have a window; heads are 256 wide, not 3584 / 16.
  auto gemma2 = gguf("gemma2", 42, 3584, 16, 8);
  gemma2.own("attention.key_length", 256).own("attention.value_length", 256);
  gemma2.own("attention.sliding_window", 4096);
  add("gemma 2 9B", shape_of(gemma2), [](const ModelRun& run) {
    return (21 * windowed(run, 256, 4096) + 21 * full(run, 256)) * 2 * 8 * 256 * 2;
  });

  // Every sixth layer sees everything: 8 of 48.
  auto gemma3 = gguf("gemma3", 48, 3840, 16, 8);
  gemma3.own("attention.key_length", 256).own("attention.value_length", 256);
  gemma3.own("attention.sliding_window", 1024);
  add("gemma 3 12B", shape_of(gemma3), [](const ModelRun& run) {
    return (40 * windowed(run, 256, 1024) + 8 * full(run, 256)) * 2 * 8 * 256 * 2;
  });

  // 20 layers of 30 have a cache of their own, every fifth of them sees everything.
  auto gemma3n = gguf("gemma3n", 30, 2048, 8, 2);
  gemma3n.own("attention.key_length", 256).own("attention.value_length", 256);
  gemma3n.own("attention.sliding_window", 512).own("attention.shared_kv_layers", 10);
  add("gemma 3n E2B", shape_of(gemma3n), [](const ModelRun& run) {
    return (16 * windowed(run, 256, 512) + 4 * full(run, 256)) * 2 * 2 * 256 * 2;
  });

  auto qwen2 = gguf("qwen2", 28, 3584, 28, 4);
  add("qwen 2.5 7B", shape_of(qwen2),
      [](const ModelRun& run) { return full(run, 256) * 28 * 2 * 4 * 128 * 2; });

  // Heads are 128 wide, not 2048 / 32 = 64.
  auto qwen3 = gguf("qwen3moe", 48, 2048, 32, 4);
  qwen3.own("attention.key_length", 128).own("attention.value_length", 128);
  add("qwen 3 30B-A3B", shape_of(qwen3),
      [](const ModelRun& run) { return full(run, 256) * 48 * 2 * 4 * 128 * 2; });

  add("qwen 3 0.6B from its config.json",
      shape_of(R"({"model_type":"qwen3","num_hidden_layers":28,"hidden_size":1024,"head_dim":128,
                   "num_attention_heads":16,"num_key_value_heads":8,"sliding_window":null,
                   "use_sliding_window":false,"max_window_layers":28})"),
      [](const ModelRun& run) { return full(run, 16) * 28 * 2 * 8 * 128 * 2; });

  auto phi3 = gguf("phi3", 32, 3072, 32, 32);
  phi3.own("attention.sliding_window", 2047);  // written, and not used by llama.cpp
  add("phi 3 mini", shape_of(phi3),
      [](const ModelRun& run) { return full(run, 256) * 32 * 2 * 32 * 96 * 2; });

  add("phi 3 mini with its window",
      shape_of(R"({"model_type":"phi3","num_hidden_layers":32,"hidden_size":3072,
                   "num_attention_heads":32,"num_key_value_heads":32,"sliding_window":2047})"),
      [](const ModelRun& run) { return windowed(run, 16, 2047) * 32 * 2 * 32 * 96 * 2; });

  auto falcon = gguf("falcon", 32, 4544, 71, 1);
  add("falcon 7B, one head for all", shape_of(falcon),
      [](const ModelRun& run) { return full(run, 256) * 32 * 2 * 1 * 64 * 2; });

  add("falcon 7B from its config.json, which says 71",
      shape_of(
          R"({"model_type":"falcon","num_hidden_layers":32,"hidden_size":4544,"multi_query":true,
                   "num_attention_heads":71,"num_kv_heads":71,"new_decoder_architecture":false})"),
      [](const ModelRun& run) { return full(run, 16) * 32 * 2 * 1 * 64 * 2; });

  // The latent of 512 and the 64 of the rotary part, once for all heads; values are a part of it.
  auto deepseek = gguf("deepseek2", 61, 7168, 128, 1);
  deepseek.own("attention.key_length", 576).own("attention.value_length", 512);
  deepseek.own("attention.key_length_mla", 192).own("attention.value_length_mla", 128);
  deepseek.own("attention.kv_lora_rank", 512).own("rope.dimension_count", 64);
  add("deepseek 3, latent", shape_of(deepseek),
      [](const ModelRun& run) { return full(run, 256) * 61 * (512 + 64) * 2; });

  // Files from before April 2025 make engines keep every head in full.
  auto deepseek_old = gguf("deepseek2", 61, 7168, 128, 128);
  deepseek_old.own("attention.key_length", 192).own("attention.value_length", 128);
  deepseek_old.own("attention.kv_lora_rank", 512);
  add("deepseek 3 in an old file", shape_of(deepseek_old),
      [](const ModelRun& run) { return full(run, 256) * 61 * 128 * (192 + 128) * 2; });

  add("deepseek 3 from its config.json",
      shape_of(R"({"model_type":"deepseek_v3","num_hidden_layers":61,"hidden_size":7168,
                   "num_attention_heads":128,"num_key_value_heads":128,"kv_lora_rank":512,
                   "qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128})"),
      [](const ModelRun& run) { return full(run, 16) * 61 * (512 + 64) * 2; });

  auto oss = gguf("gpt-oss", 24, 2880, 64, 8);
  oss.own("attention.key_length", 64).own("attention.value_length", 64);
  oss.own("attention.sliding_window", 128);
  add("gpt-oss 20B", shape_of(oss), [](const ModelRun& run) {
    return (12 * windowed(run, 256, 128) + 12 * full(run, 256)) * 2 * 8 * 64 * 2;
  });

  add("gpt-oss 20B from its config.json",
      shape_of(R"({"model_type":"gpt_oss","num_hidden_layers":4,"hidden_size":2880,"head_dim":64,
                   "num_attention_heads":64,"num_key_value_heads":8,"sliding_window":128,
                   "layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"]})"),
      [](const ModelRun& run) {
        return (2 * windowed(run, 16, 128) + 2 * full(run, 16)) * 2 * 8 * 64 * 2;
      });

  auto command = gguf("command-r", 40, 8192, 64, 64);
  add("command-r 35B, no groups", shape_of(command),
      [](const ModelRun& run) { return full(run, 256) * 40 * 2 * 64 * 128 * 2; });

  auto command7 = gguf("cohere2", 32, 4096, 32, 8);
  command7.own("attention.sliding_window", 4096);
  add("command-r7b, three of four layers with a window", shape_of(command7),
      [](const ModelRun& run) {
        return (24 * windowed(run, 256, 4096) + 8 * full(run, 256)) * 2 * 8 * 128 * 2;
      });

  GgufWriter openelm;
  openelm.architecture("openelm").own("block_count", 16).own("embedding_length", 1280);
  openelm.own("attention.head_count",
              {12, 12, 12, 12, 12, 16, 16, 16, 16, 16, 16, 16, 20, 20, 20, 20});
  openelm.own("attention.head_count_kv", {3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5});
  openelm.own("attention.key_length", 64).own("attention.value_length", 64);
  add("openelm 270M, heads of each layer", shape_of(openelm),
      [](const ModelRun& run) { return full(run, 256) * (5 * 3 + 7 * 4 + 4 * 5) * 2 * 64 * 2; });

  // Three chunked layers, then one that sees everything; the window is not in the file.
  auto llama4 = gguf("llama4", 48, 5120, 40, 8);
  llama4.own("attention.key_length", 128).own("attention.value_length", 128);
  add("llama 4 scout", shape_of(llama4), [](const ModelRun& run) {
    return (36 * windowed(run, 256, 8192) + 12 * full(run, 256)) * 2 * 8 * 128 * 2;
  });

  // Windowed layers have other heads than the rest; the list says which they are.
  auto gemma4 = gguf("gemma4", 6, 2560, 8, 2);
  gemma4.own("attention.key_length", 512).own("attention.value_length", 512);
  gemma4.own("attention.key_length_swa", 256).own("attention.value_length_swa", 256);
  gemma4.own("attention.sliding_window", 512);
  gemma4.flags("gemma4.attention.sliding_window_pattern", {true, true, true, true, true, false});
  add("gemma 4, two kinds of heads", shape_of(gemma4), [](const ModelRun& run) {
    return 5 * windowed(run, 256, 512) * 2 * 2 * 256 * 2 + full(run, 256) * 2 * 2 * 512 * 2;
  });

  // One layer in four has attention: 12 of 48.
  auto next = gguf("qwen3next", 48, 2048, 16, 2);
  next.own("attention.key_length", 256).own("attention.value_length", 256);
  next.own("full_attention_interval", 4).own("ssm.conv_kernel", 4).own("ssm.inner_size", 4096);
  next.own("ssm.state_size", 128).own("ssm.group_count", 16);
  add("qwen 3 next 80B", shape_of(next),
      [](const ModelRun& run) { return full(run, 256) * 12 * 2 * 2 * 256 * 2; });

  GgufWriter jamba = gguf("jamba", 8, 4096, 32, 8);
  jamba = GgufWriter();
  jamba.architecture("jamba").own("block_count", 8).own("embedding_length", 4096);
  jamba.own("attention.head_count", 32).own("attention.head_count_kv", {0, 0, 0, 0, 8, 0, 0, 0});
  jamba.own("ssm.conv_kernel", 4).own("ssm.inner_size", 8192).own("ssm.state_size", 16);
  add("jamba, one layer in eight", shape_of(jamba),
      [](const ModelRun& run) { return full(run, 256) * 2 * 8 * 128 * 2; });

  GgufWriter mamba;
  mamba.architecture("mamba").own("block_count", 48).own("embedding_length", 1536);
  mamba.own("ssm.conv_kernel", 4).own("ssm.inner_size", 3072).own("ssm.state_size", 16);
  add("mamba 790M, a state and no cache", shape_of(mamba), [](const ModelRun&) { return i64{0}; });

  auto bert = gguf("bert", 12, 384, 12, 12);
  add("bge small, an encoder", shape_of(bert), [](const ModelRun&) { return i64{0}; });
  add("bert from its config.json",
      shape_of(
          R"({"model_type":"bert","num_hidden_layers":12,"hidden_size":384,"num_attention_heads":12})"),
      [](const ModelRun&) { return i64{0}; });
  return out;
}

TEST(KvCache, EqualsTheClosedFormOfEveryArchitecture) {
  std::size_t compared = 0;
  for (const Case& model : cases()) {
    for (const ModelRun& run : runs()) {
      SCOPED_TRACE(std::string(model.name) + ", context " + std::to_string(run.context));
      EXPECT_EQ(cache_of(model.shape, run), model.closed_form(run));
      // The same in other types: 32 elements in so many bytes instead of 64.
      for (const auto& [type, bytes] : std::map<CacheType, i64>{
               {CacheType::f32, 128}, {CacheType::q8_0, 34}, {CacheType::q4_0, 18}}) {
        ModelRun other = run;
        other.keys = other.values = type;
        EXPECT_EQ(cache_of(model.shape, other), model.closed_form(run) / 64 * bytes)
            << to_string(type);
      }
      ++compared;
    }
  }
  std::printf("%zu closed forms of %zu models, all equal\n", compared, cases().size());
}

TEST(KvCache, OfFourLayersTheLastHasAttention) {
  auto next = gguf("qwen3next", 4, 2048, 16, 2);
  next.own("full_attention_interval", 4).own("ssm.conv_kernel", 4).own("ssm.inner_size", 4096);
  next.own("ssm.state_size", 128).own("ssm.group_count", 16);
  const ModelShape from_gguf = shape_of(next);
  const ModelShape from_config = shape_of(
      R"({"model_type":"qwen3_next","num_hidden_layers":4,"hidden_size":2048,"full_attention_interval":4,
          "num_attention_heads":16,"num_key_value_heads":2,"linear_num_key_heads":16,
          "linear_key_head_dim":128,"linear_num_value_heads":32,"linear_value_head_dim":128,
          "linear_conv_kernel_dim":4})");
  for (const ModelShape* shape : {&from_gguf, &from_config}) {
    ASSERT_EQ(shape->layers.size(), 4U);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(shape->layers[i].kv_heads, 0U);
      EXPECT_EQ(shape->layers[i].state_elements, 3U * (4096 + 2 * 16 * 128) + 128U * 4096);
    }
    EXPECT_EQ(shape->layers[3].kv_heads, 2U);
    EXPECT_EQ(shape->layers[3].state_elements, 0U);
  }
}

TEST(KvCache, RecurrentStateIsCountedForEachSlot) {
  // Mamba: 3 columns of 3072 for the convolution, 16 x 3072 of state, 48 layers.
  GgufWriter mamba;
  mamba.architecture("mamba").own("block_count", 48).own("embedding_length", 1536);
  mamba.own("ssm.conv_kernel", 4).own("ssm.inner_size", 3072).own("ssm.state_size", 16);
  EXPECT_EQ(estimate(shape_of(mamba), {.slots = 5})->state->p50.count(),
            5LL * 48 * (3 * 3072 + 16 * 3072) * 4);
  GgufWriter rwkv;
  rwkv.architecture("rwkv7").own("block_count", 24).own("embedding_length", 2048);
  rwkv.own("wkv.head_size", 64).own("token_shift_count", 2);
  EXPECT_EQ(estimate(shape_of(rwkv), {.slots = 2})->state->p50.count(),
            2LL * 24 * (2 * 2048 + 64 * 2048) * 4);
  GgufWriter lfm;
  lfm.architecture("lfm2")
      .own("block_count", 3)
      .own("embedding_length", 1024)
      .own("shortconv.l_cache", 3);
  lfm.own("attention.head_count", 16).own("attention.head_count_kv", {0, 8, 0});
  EXPECT_EQ(estimate(shape_of(lfm), {})->state->p50.count(), 2LL * 1024 * 2 * 4);
}

TEST(KvCache, ATypeThatCannotCutTheHeadsIsRefused) {
  auto phi = gguf("phi2", 32, 2560, 32, 32);  // heads of 80
  ModelRun run;
  run.keys = CacheType::q8_0;
  EXPECT_THAT(estimate(shape_of(phi), run).error().why, HasSubstr("80"));
}

TEST(KvCache, AWindowWithoutItsLayersIsAnUpperBoundAndSaysSo) {
  auto later = gguf("from-tomorrow", 4, 1024, 8, 8);
  later.own("attention.sliding_window", 512);
  const auto footprint = estimate(shape_of(later), {.context = 8192});
  EXPECT_EQ(footprint->cache->p50.count(), 8192LL * 4 * 2 * 1024 * 2);
  EXPECT_THAT(footprint->notes, Contains(HasSubstr("names a window and no layers")));
}

/// What llama.cpp said of a load in a log that its user published.
struct Load {
  const char* name;
  ModelShape shape;
  ModelRun run;
  double cache_mib;
  double state_mib;
  double compute_mib;
};

std::vector<Load> published_loads() {
  const auto llm = [](GgufWriter file, std::uint32_t feed_forward, std::uint32_t vocabulary) {
    file.own("feed_forward_length", feed_forward).own("vocab_size", vocabulary);
    return shape_of(file);
  };
  const auto llama3 = llm(gguf("llama", 32, 4096, 32, 8), 14336, 128256);
  const auto qwen25 = llm(gguf("qwen2", 28, 3584, 28, 4), 18944, 152064);
  auto qwen35 = gguf("qwen35", 32, 4096, 16, 4);
  qwen35.own("attention.key_length", 256).own("attention.value_length", 256);
  qwen35.own("full_attention_interval", 4).own("ssm.conv_kernel", 4).own("ssm.inner_size", 4096);
  qwen35.own("ssm.state_size", 128).own("ssm.group_count", 16);
  ModelRun quantised{.context = 131072, .slots = 2, .one_pool = true};
  quantised.keys = quantised.values = CacheType::q8_0;
  return {
      {"Llama 3 8B, 512", llama3, {.context = 512, .flash_attention = false}, 64, 0, 258.5},
      {"Llama 3 8B, 2048", llama3, {.context = 2048, .flash_attention = false}, 256, 0, 258.5},
      {"Llama 3 8B, 8192", llama3, {.context = 8192, .flash_attention = false}, 1024, 0, 560},
      {"Qwen 2.5 7B, 2048", qwen25, {.context = 2048}, 112, 0, 304},
      {"Qwen 2.5 Coder 7B, 16384", qwen25, {.context = 16384}, 896, 0, 304},
      {"Qwen 3.5 9B, 262144 in one pool", llm(qwen35, 12288, 248320), quantised, 4352, 100.5,
       808.02},
      {"bge small, 512",
       llm(gguf("bert", 12, 384, 12, 12), 1536, 30522),
       {.context = 512, .batch = 2048, .flash_attention = false},
       0,
       0,
       16.75},
  };
}

TEST(FirstSight, AgreesWithWhatEnginesPublished) {
  double worst = 0;
  for (const Load& load : published_loads()) {
    SCOPED_TRACE(load.name);
    const auto footprint = estimate(load.shape, load.run);
    ASSERT_TRUE(footprint) << footprint.error().why;
    EXPECT_EQ(footprint->cache->p50.count(), static_cast<i64>(load.cache_mib * kMiB));
    EXPECT_EQ(footprint->state->p50.count(), static_cast<i64>(load.state_mib * kMiB));
    ASSERT_TRUE(footprint->compute);
    const double measured = load.compute_mib * kMiB;
    const double error = static_cast<double>(footprint->compute->p50.count()) / measured - 1;
    std::printf("%-34s compute %7.2f MiB estimated, %7.2f said: %+.1f %%\n", load.name,
                static_cast<double>(footprint->compute->p50.count()) / kMiB, load.compute_mib,
                error * 100);
    EXPECT_LT(std::abs(error), 0.10);
    EXPECT_GE(static_cast<double>(footprint->compute->p95.count()), measured);
    worst = std::max(worst, std::abs(error));
  }
  std::printf("worst error of the compute term: %.1f %%\n", worst * 100);
}

// No GPU: the loads are simulated. Assumed: weights, cache and state are as computed, to which the
// allocator adds up to 2 MiB for each of 4 buffers; the compute buffer is between 0.9 and 1.3 of
// the estimate; the driver's part is one number per card, spread evenly from 107 MiB to 700 MiB,
// and with it up to 32 MiB of a matrix library. The first sight does not know the card.
TEST(FirstSight, TheP95CoversASimulatedTraceOfLoads) {
  std::mt19937_64 random(20261121);
  const auto between = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random() >> 11) / 9007199254740992.0;
  };
  const std::vector<Case> models = cases();
  int loads = 0;
  int covered = 0;
  int below_median = 0;
  int within_bar = 0;
  for (int i = 0; i < 20000; ++i) {
    ModelShape shape = models[static_cast<std::size_t>(random() % models.size())].shape;
    shape.weights_bytes = static_cast<std::uint64_t>(between(1e9, 4e10));
    shape.vocabulary = static_cast<std::uint32_t>(between(32000, 262144));
    shape.feed_forward = shape.embedding.value_or(4096) * 3;
    shape.format = ModelFormat::gguf;
    ModelRun run{.context = static_cast<std::uint32_t>(between(512, 65536)),
                 .slots = static_cast<std::uint32_t>(1 + random() % 4)};
    const auto footprint = estimate(shape, run);
    ASSERT_TRUE(footprint && footprint->total);
    const double exact = static_cast<double>(
        (footprint->weights.p50 + footprint->cache->p50 + footprint->state->p50).count());
    const double measured =
        exact + between(0, 8) * kMiB +
        between(0.9, 1.3) * static_cast<double>(footprint->compute->p50.count()) +
        between(107, 700) * kMiB + between(0, 32) * kMiB;
    const double p50 = static_cast<double>(footprint->total->p50.count());
    ++loads;
    covered += measured <= static_cast<double>(footprint->total->p95.count());
    below_median += measured <= p50;
    within_bar += std::abs(measured - p50) <= std::max(0.10 * measured, 512.0 * kMiB);
  }
  std::printf(
      "simulated: %d loads, p95 covers %.2f %%, p50 covers %.2f %%, within 10 %% or 512 MiB %.2f "
      "%%\n",
      loads, 100.0 * covered / loads, 100.0 * below_median / loads, 100.0 * within_bar / loads);
  EXPECT_GE(covered, loads * 95 / 100);
  EXPECT_GE(within_bar, loads * 95 / 100);
}

}  // namespace
}  // namespace headroom
