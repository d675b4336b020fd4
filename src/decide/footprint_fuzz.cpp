#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "decide/footprint.hpp"

using namespace headroom;
using namespace headroom::decide;

namespace {

/// Takes values from the input until it ends; then zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  template <class T>
  T next() {
    T value = 0;
    const std::size_t count = left_ < sizeof(T) ? left_ : sizeof(T);
    std::memcpy(&value, data_, count);
    data_ += count;
    left_ -= count;
    return value;
  }
  std::optional<std::uint32_t> maybe() {
    const auto value = next<std::uint32_t>();
    return value == 0 ? std::nullopt : std::optional(value);
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

void check(const Interval& term) {
  if (term.p50.count() < 0 || term.p95 < term.p50) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  ModelShape shape;
  const auto flags = in.next<std::uint16_t>();
  shape.format = (flags & 1) != 0 ? ModelFormat::gguf : ModelFormat::safetensors;
  shape.embedding_only = (flags & 2) != 0;
  if ((flags & 4) != 0) shape.cache_unknown = "not said";
  ModelRun run;
  run.flash_attention = (flags & 8) != 0;
  run.one_pool = (flags & 16) != 0;
  run.keys = static_cast<CacheType>(in.next<std::uint8_t>() % 10);
  run.values = static_cast<CacheType>(in.next<std::uint8_t>() % 10);
  run.context = in.next<std::uint32_t>() & 0x1ffffff;
  run.slots = in.next<std::uint16_t>() & 0x1fff;
  run.batch = in.next<std::uint32_t>() & 0x1fffff;
  if ((flags & 32) != 0) run.cache_step = in.next<std::uint16_t>();
  if ((flags & 64) != 0) run.device_layers = in.next<std::uint8_t>();
  shape.weights_bytes = in.next<std::uint64_t>();
  shape.host_weights_bytes = in.next<std::uint64_t>();
  shape.embedding = in.maybe();
  shape.heads = in.maybe();
  shape.feed_forward = in.maybe();
  shape.vocabulary = in.maybe();
  shape.experts = in.maybe();
  shape.experts_used = in.maybe();
  shape.trained_context = in.maybe();
  const std::size_t layers = in.next<std::uint8_t>() % 16;
  for (std::size_t i = 0; i < layers; ++i) {
    LayerShape layer;
    layer.kv_heads = in.next<std::uint32_t>();
    layer.key_length = in.next<std::uint32_t>();
    layer.value_length = in.next<std::uint32_t>();
    layer.window = in.maybe();
    layer.state_elements = in.next<std::uint64_t>();
    layer.weights_bytes = in.next<std::uint64_t>();
    shape.layers.push_back(layer);
  }

  const auto footprint = estimate(shape, run);
  if (!footprint) {
    if (footprint.error().what.empty() || footprint.error().why.empty()) std::abort();
    return 0;
  }
  check(footprint->weights);
  check(footprint->driver);
  if (footprint->host_weights.count() < 0) std::abort();
  for (const auto& term :
       {footprint->cache, footprint->state, footprint->compute, footprint->total}) {
    if (term) check(*term);
  }
  if (footprint->total.has_value() != footprint->unknown.empty()) std::abort();
  if (!footprint->total) return 0;
  for (const Knob knob : {Knob::context, Knob::slots, Knob::batch, Knob::device_layers}) {
    // With the room that this run takes, at least this run fits.
    const auto largest = largest_that_fits(shape, run, knob, footprint->total->p95);
    const std::uint32_t asked = knob == Knob::context ? run.context
                                : knob == Knob::slots ? run.slots
                                : knob == Knob::batch ? run.batch
                                                      : run.device_layers.value_or(0);
    if (!largest || !*largest) std::abort();
    const bool bounded = knob == Knob::context && shape.trained_context < asked;
    if (**largest < asked && !bounded && knob != Knob::device_layers) std::abort();
  }
  return 0;
}
