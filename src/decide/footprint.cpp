#include "decide/footprint.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headroom::decide {
namespace {

using namespace literals;

constexpr std::uint32_t kGgufStep = 256;    // tokens; llama.cpp grows its cache by so many
constexpr std::uint32_t kPagedStep = 16;    // tokens; a page of vLLM's cache
constexpr std::uint64_t kStateBytes = 4;    // of one element of recurrent state
constexpr std::uint64_t kScoreBytes = 4;    // of one attention score or logit
constexpr std::uint64_t kMaskBytes = 6;     // of one cell of the mask: in 32 bits, and a copy in 16
constexpr std::uint64_t kHiddenCopies = 4;  // query, key or value, output and residual at once
constexpr std::uint32_t kUnsaidWidening = 4;

// Priors, until a load was measured. A context without kernels took 107 MiB on a small card and 555
// MiB on the largest in published readings of llama.cpp; PyTorch's processes take 300 MiB and more.
constexpr Interval kGgufDriver{400_MiB, 750_MiB};
constexpr Interval kTorchDriver{700_MiB, 1400_MiB};
constexpr std::uint64_t kGgufWorkspace = 64ULL << 20;    // bytes; matrix libraries, p95
constexpr std::uint64_t kTorchWorkspace = 512ULL << 20;  // and the allocator's slack

/// How elements of a cache are stored: so many together in so many bytes.
struct Layout {
  std::uint32_t block = 1;
  std::uint32_t block_bytes = 2;
};

constexpr Layout layout_of(CacheType type) {
  switch (type) {
    case CacheType::f32:
      return {1, 4};
    case CacheType::f16:
    case CacheType::bf16:
      return {1, 2};
    case CacheType::fp8:
      return {1, 1};
    case CacheType::q8_0:
      return {32, 34};
    case CacheType::q5_1:
      return {32, 24};
    case CacheType::q5_0:
      return {32, 22};
    case CacheType::q4_1:
      return {32, 20};
    case CacheType::q4_0:
    case CacheType::iq4_nl:
      return {32, 18};
  }
  return {1, 2};
}

constexpr bool is_quantised(CacheType type) { return layout_of(type).block > 1; }

/// A number of bytes that remembers whether it ever went beyond its range.
class Amount {
 public:
  Amount(std::uint64_t value = 0) : value_(value) {}  // NOLINT(google-explicit-constructor)

  bool over() const { return over_ || value_ > kMost; }
  Bytes bytes() const { return Bytes(static_cast<std::int64_t>(std::min(value_, kMost))); }
  std::uint64_t value() const { return value_; }

  Amount& operator+=(Amount other) {
    const bool wrapped = __builtin_add_overflow(value_, other.value_, &value_);
    over_ = over_ || other.over_ || wrapped;
    return *this;
  }
  Amount& operator*=(Amount other) {
    const bool wrapped = __builtin_mul_overflow(value_, other.value_, &value_);
    over_ = over_ || other.over_ || wrapped;
    return *this;
  }
  friend Amount operator+(Amount a, Amount b) { return a += b; }
  friend Amount operator*(Amount a, Amount b) { return a *= b; }
  friend Amount larger(Amount a, Amount b) {
    Amount out = a.value_ < b.value_ ? b : a;
    out.over_ = a.over_ || b.over_;
    return out;
  }

 private:
  static constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::uint64_t value_;
  bool over_ = false;
};

tl::unexpected<Error> refuse(std::string why, std::string help) {
  return fail(ErrorKind::invalid_request, "estimating what the model takes", std::move(why),
              std::move(help));
}

std::uint64_t padded(std::uint64_t tokens, std::uint64_t step) {
  return (tokens + step - 1) / step * step;  // both are far from the end of the range
}

Interval interval(Amount p50, Amount p95) { return {p50.bytes(), p95.bytes()}; }

/// Works out one footprint.
class Estimate {
 public:
  Estimate(const ModelShape& shape, const ModelRun& run) : shape_(shape), run_(run) {}

  Result<Footprint> footprint() {
    if (auto done = check(); !done) return tl::unexpected(done.error());
    measure_cells();
    weights();
    cache();
    compute();
    out_.driver = run_.driver.value_or(driver_prior(shape_.format));
    sum();
    if (over_) return refuse("the sizes in the header and of the run go beyond 2^63 bytes", "");
    return std::move(out_);
  }

 private:
  bool is_gguf() const { return shape_.format == ModelFormat::gguf; }

  Result<bool> check() const {
    const auto within = [](std::uint32_t value, std::uint32_t most) {
      return value >= 1 && value <= most;
    };
    const auto outside = [](std::string_view name, std::uint32_t value, std::uint32_t most) {
      return refuse(std::string(name) + " is " + std::to_string(value),
                    "choose 1 to " + std::to_string(most));
    };
    if (!within(run_.context, kMostContext))
      return outside("the context", run_.context, kMostContext);
    if (!within(run_.slots, kMostSlots))
      return outside("the number of slots", run_.slots, kMostSlots);
    if (!within(run_.batch, kMostBatch)) return outside("the batch", run_.batch, kMostBatch);
    if (run_.cache_step && !within(*run_.cache_step, kMostCacheStep)) {
      return outside("the step of the cache", *run_.cache_step, kMostCacheStep);
    }
    if (run_.driver && (run_.driver->p50.count() < 0 || run_.driver->p95 < run_.driver->p50)) {
      return refuse("the driver's part is no interval", "");
    }
    if (is_gguf() && is_quantised(run_.values) && !run_.flash_attention) {
      return refuse("values can be kept as " + std::string(to_string(run_.values)) +
                        " only with flash attention",
                    "turn flash attention on, or keep values as f16");
    }
    for (const LayerShape& layer : shape_.layers) {
      if (layer.kv_heads == 0) continue;
      if (layer.key_length % layout_of(run_.keys).block != 0 ||
          layer.value_length % layout_of(run_.values).block != 0) {
        return refuse("its heads are " + std::to_string(layer.key_length) + " and " +
                          std::to_string(layer.value_length) + " wide, which " +
                          to_string(run_.keys) + " and " + to_string(run_.values) + " cannot cut",
                      "keep keys and values as f16");
      }
    }
    return true;
  }

  /// How many tokens the caches hold.
  void measure_cells() {
    const std::uint64_t step = run_.cache_step.value_or(is_gguf() ? kGgufStep : kPagedStep);
    const std::uint64_t shared = run_.one_pool ? run_.slots : 1;
    streams_ = run_.one_pool ? 1 : run_.slots;
    stream_cells_ = padded(std::uint64_t{run_.context} * shared, step);
    step_ = step;
    shared_ = shared;
    tokens_ = std::min<std::uint64_t>(run_.batch, std::uint64_t{run_.context} * run_.slots);
  }

  /// Tokens that one stream of a layer's cache holds.
  std::uint64_t cells_of(const LayerShape& layer) const {
    if (!layer.window) return stream_cells_;
    // The window of each sequence, and room for what is computed at once.
    const std::uint64_t wanted = std::uint64_t{*layer.window} * shared_ + run_.batch;
    return std::min(stream_cells_, padded(wanted, step_));
  }

  /// The first layer on the device.
  std::size_t first_layer() const {
    if (!run_.device_layers || *run_.device_layers >= shape_.layers.size()) return 0;
    return shape_.layers.size() - *run_.device_layers;
  }

  void weights() {
    // Everything on the device: all but what engines of this format leave in host memory.
    Amount on_device =
        shape_.weights_bytes - std::min(shape_.weights_bytes, shape_.host_weights_bytes);
    if (run_.device_layers && *run_.device_layers <= shape_.layers.size()) {
      on_device = 0;
      for (std::size_t i = first_layer(); i < shape_.layers.size(); ++i) {
        on_device += shape_.layers[i].weights_bytes;
      }
    }
    keep(on_device);
    out_.weights = interval(on_device, on_device);
    out_.host_weights = Bytes(static_cast<std::int64_t>(
        std::min<std::uint64_t>(shape_.weights_bytes, std::numeric_limits<std::int64_t>::max())));
    out_.host_weights -= out_.weights.p50;
    if (out_.host_weights.count() < 0) over_ = true;  // layers cannot weigh more than all
    if (!is_gguf()) {
      out_.notes.emplace_back("an engine that takes a share of the device (vLLM) takes that share");
    }
    if (shape_.vision) {
      out_.notes.emplace_back("what pictures take while they are read is not counted");
    }
    for (const std::string& note : shape_.notes) out_.notes.push_back(note);
    if (shape_.trained_context && run_.context > *shape_.trained_context) {
      out_.notes.push_back("the model was trained with " + std::to_string(*shape_.trained_context) +
                           " tokens of context");
    }
  }

  /// Bytes of one token in `elements` elements.
  static Amount row(std::uint64_t elements, CacheType type) {
    const Layout layout = layout_of(type);
    return Amount(elements / layout.block) * layout.block_bytes;
  }

  void cache() {
    if (!shape_.cache_unknown.empty()) {
      out_.unknown.push_back("cache: " + shape_.cache_unknown);
      return;
    }
    // Without flash attention values lie transposed, all layers as wide as the widest.
    std::uint64_t widest_value = 0;
    for (const LayerShape& layer : shape_.layers) {
      widest_value = std::max(widest_value, std::uint64_t{layer.kv_heads} * layer.value_length);
    }
    Amount p50;
    Amount p95;
    Amount state;
    for (std::size_t i = first_layer(); i < shape_.layers.size(); ++i) {
      const LayerShape& layer = shape_.layers[i];
      state += Amount(layer.state_elements) * kStateBytes * run_.slots;
      if (layer.kv_heads == 0) continue;
      const std::uint64_t keys = std::uint64_t{layer.kv_heads} * layer.key_length;
      std::uint64_t values = std::uint64_t{layer.kv_heads} * layer.value_length;
      if (is_gguf() && !run_.flash_attention && values > 0) values = widest_value;
      const Amount cells = Amount(cells_of(layer)) * streams_;
      const Amount asked = row(keys, run_.keys) + row(values, run_.values);
      p50 += cells * asked;
      const auto at_least = [&](CacheType type) {
        return layer.window && is_quantised(type) ? CacheType::f16 : type;
      };
      p95 += cells * (row(keys, at_least(run_.keys)) + row(values, at_least(run_.values)));
      // Quantised keys and values of one layer are unpacked to be read.
      if (is_quantised(run_.keys) || is_quantised(run_.values)) {
        unpacked_ = larger(unpacked_, cells * (keys + values) * 2);
      }
    }
    if (p50.value() != p95.value()) {
      out_.notes.emplace_back(
          "newer engines keep layers with a window in 16 bits: that is the p95");
    }
    keep(p95);
    keep(state);
    out_.cache = interval(p50, p95);
    out_.state = interval(state, state);
  }

  /// The scratch memory of one step: the widest of its three phases (attention, feed-forward,
  /// output), with what flows between them.
  void compute() {
    const std::uint64_t bytes = is_gguf() ? 4 : 2;  // of one activation
    if (!shape_.embedding) {
      out_.unknown.emplace_back("compute: the header does not say how wide the model is");
      return;
    }
    const Amount hidden = Amount(*shape_.embedding) * tokens_ * bytes;
    Amount attention = hidden * kHiddenCopies;
    const bool remembers = !shape_.embedding_only;
    const std::uint64_t seen = remembers ? stream_cells_ : tokens_;
    if (run_.flash_attention) {
      if (is_gguf()) attention += Amount(seen) * tokens_ * kMaskBytes;
    } else if (shape_.heads) {
      attention += Amount(*shape_.heads) * seen * tokens_ * kScoreBytes;
      attention += Amount(seen) * tokens_ * kScoreBytes;
    } else {
      out_.unknown.emplace_back(
          "compute: the header does not say how many attention heads there are");
      return;
    }
    Amount output;
    if (remembers) {
      if (!shape_.vocabulary) {
        out_.unknown.emplace_back("compute: the header does not say how large the vocabulary is");
        return;
      }
      // llama.cpp makes room for the logits of every token, others for the last of each sequence.
      const std::uint64_t rows = is_gguf() ? tokens_ : std::min<std::uint64_t>(tokens_, run_.slots);
      output = Amount(*shape_.vocabulary) * rows * kScoreBytes + hidden;
    }
    Amount wide = Amount(*shape_.embedding) * kUnsaidWidening;
    if (shape_.feed_forward) {
      wide = *shape_.feed_forward;
    } else {
      out_.notes.emplace_back(
          "the width of the feed-forward network is not said: 4 times the model's");
    }
    wide *= 2;  // the gate and what passes it
    if (shape_.experts) {
      wide = (wide + *shape_.embedding) * shape_.experts_used.value_or(*shape_.experts);
    }
    const Amount forward = wide * tokens_ * bytes + hidden * (kHiddenCopies - 1);
    const Amount p50 = larger(attention, larger(forward, output));
    Amount p95 = p50 + unpacked_;
    p95 += p50.value() / (is_gguf() ? 4 : 2);
    p95 += is_gguf() ? kGgufWorkspace : kTorchWorkspace;
    keep(p95);
    out_.compute = interval(p50, p95);
  }

  void sum() {
    if (!out_.unknown.empty()) return;
    Amount p50;
    Amount p95;
    for (const Interval& term :
         {out_.weights, *out_.cache, *out_.state, *out_.compute, out_.driver}) {
      p50 += static_cast<std::uint64_t>(term.p50.count());
      p95 += static_cast<std::uint64_t>(term.p95.count());
    }
    keep(p95);
    out_.total = interval(p50, p95);
  }

  void keep(Amount amount) { over_ = over_ || amount.over(); }

  const ModelShape& shape_;
  const ModelRun& run_;
  Footprint out_;
  bool over_ = false;
  std::uint64_t step_ = 1;
  std::uint64_t streams_ = 1;       ///< caches of their own
  std::uint64_t shared_ = 1;        ///< sequences in one cache
  std::uint64_t stream_cells_ = 0;  ///< tokens that one cache holds
  std::uint64_t tokens_ = 0;        ///< computed at once
  Amount unpacked_;
};

void turn(ModelRun& run, Knob knob, std::uint32_t value) {
  switch (knob) {
    case Knob::context:
      run.context = value;
      return;
    case Knob::slots:
      run.slots = value;
      return;
    case Knob::batch:
      run.batch = value;
      return;
    case Knob::device_layers:
      run.device_layers = value;
      return;
  }
}

std::uint32_t most_of(const ModelShape& shape, Knob knob) {
  switch (knob) {
    case Knob::context:
      return std::clamp(shape.trained_context.value_or(kMostContext), 1U, kMostContext);
    case Knob::slots:
      return kMostSlots;
    case Knob::batch:
      return kMostBatch;
    case Knob::device_layers:
      return static_cast<std::uint32_t>(
                 std::min<std::size_t>(shape.layers.size(), kMostDeviceLayers - 1)) +
             1;
  }
  return 1;
}

}  // namespace

Interval driver_prior(ModelFormat format) {
  return format == ModelFormat::gguf ? kGgufDriver : kTorchDriver;
}

Result<Footprint> estimate(const ModelShape& shape, const ModelRun& run) {
  return Estimate(shape, run).footprint();
}

Result<std::optional<std::uint32_t>> largest_that_fits(const ModelShape& shape, ModelRun run,
                                                       Knob knob, Bytes room) {
  // What is too large for 2^63 bytes does not fit; everything else that is wrong is said.
  std::uint32_t low = knob == Knob::device_layers ? 0 : 1;
  turn(run, knob, low);
  const auto smallest = estimate(shape, run);
  if (!smallest) return tl::unexpected(smallest.error());
  if (!smallest->total) {
    return fail(ErrorKind::invalid_request, "finding the largest " + std::string(to_string(knob)),
                smallest->unknown.front(), "load it once: what was measured is used from then on");
  }
  if (smallest->total->p95 > room) return std::nullopt;
  // `low` fits and `high` does not, or is beyond the most.
  std::uint32_t high = most_of(shape, knob) + 1;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    turn(run, knob, middle);
    const auto footprint = estimate(shape, run);
    const bool fits = footprint && footprint->total && footprint->total->p95 <= room;
    (fits ? low : high) = middle;
  }
  return low;
}

}  // namespace headroom::decide
