// What a model will take before it is loaded: the shape that its file's header tells, how it is to
// be run, and the bytes that follow, term by term.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/units.hpp>

namespace headroom {

/// An amount that is not known exactly: half of the loads stay below `p50`, 19 of 20 below `p95`.
/// p50 <= p95; where both are equal the amount is exact.
struct Interval {
  Bytes p50;
  Bytes p95;
  bool operator==(const Interval&) const = default;
};

/// The format of a model's files.
enum class ModelFormat { gguf, safetensors };

constexpr const char* to_string(ModelFormat format) {
  return format == ModelFormat::gguf ? "gguf" : "safetensors";
}

/// What one layer keeps per token and per sequence.
struct LayerShape {
  std::uint32_t kv_heads = 0;           ///< 0: no attention, or one whose cache another layer holds
  std::uint32_t key_length = 0;         ///< elements per token and head
  std::uint32_t value_length = 0;       ///< the same; 0 where values are a part of the keys (MLA)
  std::optional<std::uint32_t> window;  ///< tokens that attention looks back; empty: all of them
  std::uint64_t state_elements = 0;     ///< recurrent state per sequence, in 32-bit elements
  std::uint64_t weights_bytes = 0;
  bool operator==(const LayerShape&) const = default;
};

/// What the header of a model's files says. Empty is "it does not say", never zero.
struct ModelShape {
  ModelFormat format = ModelFormat::gguf;
  std::string architecture;  ///< "llama", "gemma3" and the like; empty: not said
  std::string name;
  std::uint32_t files = 1;
  std::uint64_t tensors = 0;
  std::uint64_t weights_bytes = 0;  ///< of all tensors, exactly
  /// The part of it that engines of this format leave in host memory: the table of input
  /// embeddings where the output has a table of its own.
  std::uint64_t host_weights_bytes = 0;
  std::uint64_t output_weights_bytes = 0;  ///< the output's table and norm; 0 where it is shared
  std::uint64_t expert_weights_bytes = 0;  ///< of routed experts; in `weights_bytes` too
  std::optional<std::uint32_t> embedding;
  std::optional<std::uint32_t> heads;         ///< the most of any layer
  std::optional<std::uint32_t> feed_forward;  ///< the widest; of one expert where there are experts
  std::optional<std::uint32_t> vocabulary;
  std::optional<std::uint32_t> trained_context;  ///< tokens
  std::optional<std::uint32_t> experts;
  std::optional<std::uint32_t> experts_used;
  bool embedding_only = false;  ///< keeps nothing between tokens: an encoder
  bool vision = false;          ///< a vision tower or projector is in these files
  std::vector<LayerShape> layers;
  /// Why the cache cannot be told from the header, or empty. `layers` then hold only weights.
  std::string cache_unknown;
  std::vector<std::string> notes;  ///< what was assumed, each a sentence
  bool operator==(const ModelShape&) const = default;
};

/// How keys and values are stored.
enum class CacheType { f32, f16, bf16, fp8, q8_0, q5_1, q5_0, q4_1, q4_0, iq4_nl };

constexpr const char* to_string(CacheType type) {
  switch (type) {
    case CacheType::f32:
      return "f32";
    case CacheType::f16:
      return "f16";
    case CacheType::bf16:
      return "bf16";
    case CacheType::fp8:
      return "fp8";
    case CacheType::q8_0:
      return "q8_0";
    case CacheType::q5_1:
      return "q5_1";
    case CacheType::q5_0:
      return "q5_0";
    case CacheType::q4_1:
      return "q4_1";
    case CacheType::q4_0:
      return "q4_0";
    case CacheType::iq4_nl:
      return "iq4_nl";
  }
  return "f16";
}

/// The type of that name; empty for a name that is none.
constexpr std::optional<CacheType> cache_type_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(CacheType::iq4_nl); ++i) {
    const auto type = static_cast<CacheType>(i);
    if (name == to_string(type)) return type;
  }
  return std::nullopt;
}

/// How a model is to be run.
struct ModelRun {
  std::uint32_t context = 4096;  ///< tokens that each slot can hold
  std::uint32_t slots = 1;       ///< sequences at once
  std::uint32_t batch = 512;     ///< tokens computed at once (llama.cpp's ubatch)
  CacheType keys = CacheType::f16;
  CacheType values = CacheType::f16;
  bool flash_attention = true;
  bool one_pool = false;  ///< slots share one cache (llama.cpp's kv_unified)
  /// The cache grows by so many tokens; empty: 256 for GGUF, 16 for safetensors.
  std::optional<std::uint32_t> cache_step = std::nullopt;
  /// How many layers lie on the device, counted from the last; the output is one more, after all
  /// of them. Empty: everything.
  std::optional<std::uint32_t> device_layers = std::nullopt;
  /// What a process takes of the device beyond its model, where it is known; empty: the prior.
  std::optional<Interval> driver = std::nullopt;
};

/// The bytes that a model takes of its device, by what takes them. Empty is unknown.
struct Footprint {
  Interval weights;
  std::optional<Interval> cache;  ///< keys and values; exact
  std::optional<Interval> state;  ///< recurrent layers; exact
  std::optional<Interval> compute;
  Interval driver;
  Bytes host_weights;                ///< stays in host memory; not a part of `total`
  std::optional<Interval> total;     ///< of all terms; empty where one of them is unknown
  std::vector<std::string> unknown;  ///< why a term is empty, each a sentence
  std::vector<std::string> notes;    ///< what was assumed, each a sentence
  bool operator==(const Footprint&) const = default;
};

}  // namespace headroom
