#include "sense/gguf.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "sense/model_file.hpp"

namespace headroom::sense {
namespace {

constexpr std::uint64_t kMostKeys = 4096;
constexpr std::uint64_t kMostNameBytes = 65535;  // of a key; the format's own limit
constexpr std::uint64_t kMostTensorName = 255;   // bytes; engines take 63
constexpr std::uint64_t kMostWordBytes = 256;    // of a text that is kept
constexpr std::uint64_t kMostAlignment = 1U << 20;
constexpr std::uint32_t kDefaultAlignment = 32;
constexpr std::uint32_t kMostDimensions = 4;
constexpr std::uint64_t kSmallestTensorInfo = 8 + 1 + 4 + 8 + 4 + 8;  // bytes
constexpr std::uint64_t kSmallestKey = 8 + 4 + 1;                     // bytes

constexpr const char* kConvert = "convert it again with a current llama.cpp";
constexpr const char* kFetch = "fetch the file again";

/// The types of values, by the format's numbers.
enum ValueType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
  kValueTypes,
};

tl::unexpected<Error> refuse(std::string why, std::string help = kFetch) {
  return fail(ErrorKind::invalid_request, "reading a GGUF header", std::move(why), std::move(help));
}

std::size_t width_of(std::uint32_t type) {
  switch (type) {
    case kU8:
    case kI8:
    case kBool:
      return 1;
    case kU16:
    case kI16:
      return 2;
    case kU32:
    case kI32:
    case kF32:
      return 4;
    case kU64:
    case kI64:
    case kF64:
      return 8;
    default:
      return 0;
  }
}

bool is_integer(std::uint32_t type) { return width_of(type) != 0 && type != kF32 && type != kF64; }

std::int64_t integer(HeaderBytes& bytes, std::uint32_t type) {
  switch (type) {
    case kI8:
      return static_cast<std::int8_t>(bytes.number<std::uint8_t>());
    case kI16:
      return static_cast<std::int16_t>(bytes.number<std::uint16_t>());
    case kI32:
      return static_cast<std::int32_t>(bytes.number<std::uint32_t>());
    case kI64:
      return static_cast<std::int64_t>(bytes.number<std::uint64_t>());
    case kU16:
      return bytes.number<std::uint16_t>();
    case kU32:
      return bytes.number<std::uint32_t>();
    case kU64: {
      const auto value = bytes.number<std::uint64_t>();
      constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
      return static_cast<std::int64_t>(std::min(value, kMost));
    }
    default:
      return bytes.number<std::uint8_t>();
  }
}

/// Reads one header from its start to the end of its table of tensors.
class Parse {
 public:
  explicit Parse(HeaderBytes bytes) : bytes_(std::move(bytes)) {}

  Result<GgufPart> part() {
    if (auto done = start(); !done) return tl::unexpected(done.error());
    for (std::uint64_t i = 0; i < keys_; ++i) {
      if (auto done = key(); !done) return tl::unexpected(done.error());
    }
    if (repeats(key_hashes_)) return refuse("a key appears twice");
    if (auto done = settle_keys(); !done) return tl::unexpected(done.error());
    for (std::uint64_t i = 0; i < part_.tensors; ++i) {
      if (auto done = tensor(); !done) return tl::unexpected(done.error());
    }
    if (auto done = settle_tensors(); !done) return tl::unexpected(done.error());
    return std::move(part_);
  }

 private:
  using Done = Result<bool>;

  /// Why bytes that were asked for are not there.
  tl::unexpected<Error> ended(const char* in) {
    if (bytes_.file_size() > kMostHeaderBytes) {
      return refuse(std::string("its header goes beyond 128 MiB (in ") + in + ")");
    }
    return refuse(std::string("it ends inside of its header (in ") + in + ")");
  }

  Done start() {
    char magic[4] = {};
    if (!bytes_.take(magic, sizeof magic)) return refuse("it is shorter than a header");
    if (std::memcmp(magic, "GGUF", 4) != 0) {
      for (const char* old : {"lmgg", "fmgg", "tjgg", "algg"}) {
        if (std::memcmp(magic, old, 4) == 0) {
          return refuse("it is in a format older than GGUF", kConvert);
        }
      }
      return refuse("it does not begin with GGUF", "name a GGUF file");
    }
    part_.version = bytes_.number<std::uint32_t>();
    if (part_.version != 0 && (part_.version & 0xffffU) == 0) {
      return refuse("it was written for a big-endian machine", kConvert);
    }
    if (part_.version == 1)
      return refuse("GGUF version 1 is no longer loaded by any engine", kConvert);
    if (part_.version != 2 && part_.version != 3) {
      return refuse("its version is " + std::to_string(part_.version) + ", and 2 and 3 are known");
    }
    part_.tensors = bytes_.number<std::uint64_t>();
    keys_ = bytes_.number<std::uint64_t>();
    if (bytes_.failed()) return ended("its start");
    if (keys_ > kMostKeys || keys_ > bytes_.left() / kSmallestKey) {
      return refuse("it claims " + std::to_string(keys_) + " keys");
    }
    if (part_.tensors > kMostTensors || part_.tensors > bytes_.left() / kSmallestTensorInfo) {
      return refuse("it claims " + std::to_string(part_.tensors) + " tensors");
    }
    return true;
  }

  /// A text of at most `most` bytes.
  std::optional<std::string> text(std::uint64_t most) {
    const auto length = bytes_.number<std::uint64_t>();
    if (bytes_.failed() || length > most || length > bytes_.left()) return std::nullopt;
    std::string out(static_cast<std::size_t>(length), '\0');
    if (!bytes_.take(out.data(), out.size())) return std::nullopt;
    return out;
  }

  bool skip_text() {
    const auto length = bytes_.number<std::uint64_t>();
    return !bytes_.failed() && bytes_.skip(length);
  }

  Done key() {
    auto name = text(kMostNameBytes);
    if (!name) return ended("the name of a key");
    if (name->empty()) return refuse("a key has no name");
    key_hashes_.push_back(hash_of(*name));
    // Only tokenizers have long names and long lists, and of them only one length counts.
    const bool kept = name->size() <= kMostWordBytes && !name->starts_with("tokenizer.");
    const auto type = bytes_.number<std::uint32_t>();
    if (bytes_.failed()) return ended("a key");
    if (type == kArray) return list(*name, kept);
    if (type >= kValueTypes) {
      return refuse("the value of " + shown(*name) + " has the unknown type " +
                    std::to_string(type));
    }
    if (type == kString) return word(std::move(*name), kept);
    if (is_integer(type)) {
      const std::int64_t value = integer(bytes_, type);
      if (bytes_.failed()) return ended("a value");
      if (type == kBool && value > 1) return refuse(shown(*name) + " is neither true nor false");
      if (kept) part_.numbers.emplace(std::move(*name), std::vector<std::int64_t>{value});
      return true;
    }
    if (!bytes_.skip(width_of(type))) return ended("a value");
    return true;
  }

  Done word(std::string name, bool kept) {
    if (!kept) {
      if (!skip_text()) return ended("a text");
      return true;
    }
    const auto length = bytes_.number<std::uint64_t>();
    if (bytes_.failed() || length > bytes_.left()) return ended("a text");
    std::string out(static_cast<std::size_t>(std::min(length, kMostWordBytes)), '\0');
    if (!bytes_.take(out.data(), out.size()) || !bytes_.skip(length - out.size())) {
      return ended("a text");
    }
    part_.words.emplace(std::move(name), std::move(out));
    return true;
  }

  Done list(const std::string& name, bool kept) {
    const auto type = bytes_.number<std::uint32_t>();
    const auto count = bytes_.number<std::uint64_t>();
    if (bytes_.failed()) return ended("a list");
    if (type == kArray) return refuse(shown(name) + " is a list of lists");
    if (type >= kValueTypes) {
      return refuse("the list " + shown(name) + " has the unknown type " + std::to_string(type));
    }
    const std::size_t width = type == kString ? 8 : width_of(type);
    if (count > bytes_.left() / width) {
      return refuse("the list " + shown(name) + " claims " + std::to_string(count) +
                    " values, more than the file has room for");
    }
    if (name == "tokenizer.ggml.tokens") part_.tokens = count;
    if (type == kString) {
      for (std::uint64_t i = 0; i < count; ++i) {
        if (!skip_text()) return ended("a list of texts");
      }
      return true;
    }
    if (!kept || !is_integer(type) || count > kMostLayers) {
      if (!bytes_.skip(count * width)) return ended("a list");
      return true;
    }
    std::vector<std::int64_t> values;
    values.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(integer(bytes_, type));
    if (bytes_.failed()) return ended("a list");
    part_.numbers.emplace(name, std::move(values));
    return true;
  }

  std::optional<std::int64_t> one(std::string_view name) const {
    const auto found = part_.numbers.find(name);
    if (found == part_.numbers.end() || found->second.size() != 1) return std::nullopt;
    return found->second.front();
  }

  Done settle_keys() {
    if (const auto value = one("general.alignment")) {
      if (*value < 1 || *value > static_cast<std::int64_t>(kMostAlignment) ||
          (*value & (*value - 1)) != 0) {
        return refuse("its alignment is " + std::to_string(*value) +
                      ", no power of two up to 1 MiB");
      }
      alignment_ = static_cast<std::uint64_t>(*value);
    }
    const std::int64_t parts = one("split.count").value_or(1);
    const std::int64_t part = one("split.no").value_or(0);
    // A model that was never cut may say 0 parts.
    if (parts < 0 || parts > kMostModelFiles || part < 0 ||
        part >= std::max<std::int64_t>(1, parts)) {
      return refuse("it says that it is part " + std::to_string(part) + " of " +
                    std::to_string(parts));
    }
    part_.parts = static_cast<std::uint32_t>(std::max<std::int64_t>(1, parts));
    part_.part = static_cast<std::uint32_t>(part);
    extents_.reserve(static_cast<std::size_t>(part_.tensors));
    part_.names.reserve(static_cast<std::size_t>(part_.tensors));
    return true;
  }

  Done tensor() {
    const auto name = text(kMostTensorName);
    if (!name) {
      if (bytes_.failed() || bytes_.left() < kMostTensorName) return ended("the table of tensors");
      return refuse("the name of a tensor is longer than 255 bytes");
    }
    if (name->empty()) return refuse("a tensor has no name");
    part_.names.push_back(hash_of(*name));
    const auto dimensions = bytes_.number<std::uint32_t>();
    if (bytes_.failed()) return ended("the table of tensors");
    if (dimensions == 0 || dimensions > kMostDimensions) {
      return refuse("the tensor " + shown(*name) + " has " + std::to_string(dimensions) +
                    " dimensions, and 1 to 4 are possible");
    }
    std::uint64_t elements = 1;
    std::uint64_t row = 0;
    bool over = false;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      const auto length = bytes_.number<std::uint64_t>();
      if (i == 0) row = length;
      over = __builtin_mul_overflow(elements, length, &elements) || over;
    }
    const auto type = bytes_.number<std::uint32_t>();
    const auto offset = bytes_.number<std::uint64_t>();
    if (bytes_.failed()) return ended("the table of tensors");
    const TensorType layout = ggml_type(type);
    if (layout.block == 0) {
      return refuse("the tensor " + shown(*name) + " has the type " + std::to_string(type) +
                        ", which this version does not know",
                    "say what it takes with --gpu-mem, or use a file of another quantisation");
    }
    std::uint64_t size = 0;
    over = over || __builtin_mul_overflow(elements / layout.block, layout.block_bytes, &size);
    if (over || elements == 0 || row % layout.block != 0) {
      return refuse("the tensor " + shown(*name) + " has an impossible size");
    }
    std::uint64_t end = 0;
    if (offset % alignment_ != 0 || __builtin_add_overflow(offset, size, &end)) {
      return refuse("the tensor " + shown(*name) + " lies at an impossible offset");
    }
    if (end > last_end_) {
      last_end_ = end;
      last_name_ = *name;
    }
    extents_.push_back({offset, end});
    return count(*name, size);
  }

  Done count(std::string_view name, std::uint64_t size) {
    // That the tensors lie apart inside of the file is known only in the end.
    if (__builtin_add_overflow(part_.weights_bytes, size, &part_.weights_bytes)) {
      return refuse("its tensors are larger than any file");
    }
    if (name.find("_exps") != std::string_view::npos) part_.expert_bytes += size;
    if (name == "token_embd.weight") part_.input_bytes += size;
    if (name.starts_with("output")) part_.output_bytes += size;
    if (name == "output.weight") part_.has_output_table = true;
    if (name.starts_with("v.") || name.starts_with("mm.")) part_.vision = true;
    if (!name.starts_with("blk.")) return true;
    std::uint32_t layer = 0;
    std::size_t at = 4;
    for (; at < name.size() && name[at] >= '0' && name[at] <= '9'; ++at) {
      layer = layer * 10 + static_cast<std::uint32_t>(name[at] - '0');
      if (layer >= kMostLayers) {
        return refuse("the tensor " + shown(name) + " names more layers than 1024");
      }
    }
    if (at == 4) return true;
    if (part_.layer_bytes.size() <= layer) part_.layer_bytes.resize(layer + 1);
    part_.layer_bytes[layer] += size;
    return true;
  }

  Done settle_tensors() {
    std::vector<std::uint64_t> names = part_.names;
    if (repeats(names)) return refuse("two of its tensors have the same name");
    if (overlap(extents_)) return refuse("two of its tensors share bytes");
    const std::uint64_t start = (bytes_.at() + alignment_ - 1) / alignment_ * alignment_;
    if (last_end_ > 0 && (start > bytes_.file_size() || last_end_ > bytes_.file_size() - start)) {
      return refuse("it has " + std::to_string(bytes_.file_size()) + " bytes, and its tensor " +
                        shown(last_name_) + " ends at " + std::to_string(last_end_) +
                        " after a header of " + std::to_string(start),
                    "it may not be whole: fetch the file again");
    }
    return true;
  }

  HeaderBytes bytes_;
  GgufPart part_;
  std::uint64_t keys_ = 0;
  std::uint64_t alignment_ = kDefaultAlignment;
  std::vector<std::uint64_t> key_hashes_;
  std::vector<Extent> extents_;
  std::uint64_t last_end_ = 0;
  std::string last_name_;
};

/// Which layers look back only a window: every `period`-th sees everything.
struct WindowRule {
  std::string_view architecture;
  std::uint32_t period;
  bool full_first;       ///< the layer that sees everything is the first of a period, not the last
  std::uint32_t window;  ///< where the file names none; 0: then there is no window
  bool fixed;            ///< the file's own number does not count
};

// llama.cpp knows these by the architecture's name; a file says at most the period.
constexpr std::array<WindowRule, 13> kWindowRules = {{
    {"gemma2", 2, false, 4096, false},
    {"gemma3", 6, false, 0, false},
    {"gemma3n", 5, false, 0, false},
    {"gemma4", 6, false, 0, false},
    {"gpt-oss", 2, false, 0, false},
    {"cohere2", 4, false, 0, false},
    {"llama4", 4, false, 8192, true},
    {"exaone4", 4, false, 0, false},
    {"exaone-moe", 4, false, 0, false},
    {"olmo2", 4, false, 0, false},
    {"afmoe", 4, false, 0, false},
    {"plamo3", 8, false, 0, false},
    {"smallthinker", 4, true, 4096, true},
}};

// Encoders, and models that compute everything anew at each step.
constexpr std::array<std::string_view, 16> kWithoutCache = {
    "bert",         "modern-bert", "nomic-bert", "nomic-bert-moe",  "neo-bert", "jina-bert-v2",
    "jina-bert-v3", "eurobert",    "t5encoder",  "gemma-embedding", "dream",    "llada",
    "llada-moe",    "rnd1",        "clip",       "wavtokenizer-dec"};

// Their caches follow rules of their own, which this version does not have.
constexpr std::array<std::string_view, 3> kUnknownCache = {"t5", "deepseek4", "bart"};

// No layer of these has attention.
constexpr std::array<std::string_view, 7> kOnlyRecurrent = {
    "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "rwkv"};

template <class List>
bool is_in(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// Works out from the keys of one model what each layer keeps.
class Describe {
 public:
  Describe(const GgufPart& part, ModelShape& shape) : part_(part), shape_(shape) {}

  /// The first thing that is wrong, if any.
  std::optional<Error> run() {
    const auto architecture = part_.words.find("general.architecture");
    if (architecture != part_.words.end()) shape_.architecture = architecture->second;
    const auto name = part_.words.find("general.name");
    if (name != part_.words.end()) shape_.name = name->second;
    if (shape_.architecture.empty()) {
      shape_.cache_unknown = "the header names no architecture";
      return std::nullopt;
    }
    sizes();
    if (!error_) caches();
    return error_;
  }

 private:
  void wrong(std::string_view key, const std::string& why) {
    if (error_) return;
    error_ = Error{ErrorKind::invalid_request, "reading a GGUF header",
                   shown(shape_.architecture + "." + std::string(key) + " " + why), kFetch};
  }

  const std::vector<std::int64_t>* find(std::string_view key) const {
    const auto found = part_.numbers.find(shape_.architecture + "." + std::string(key));
    return found == part_.numbers.end() || found->second.empty() ? nullptr : &found->second;
  }

  std::uint32_t checked(std::string_view key, std::int64_t value) {
    if (value < 0 || value > kMostWidth) {
      wrong(key, "is " + std::to_string(value) + ", which no model has");
      return 0;
    }
    return static_cast<std::uint32_t>(value);
  }

  /// The largest of a key's values; empty where it is absent or 0, which converters write for it.
  std::optional<std::uint32_t> most(std::string_view key) {
    const auto* values = find(key);
    if (values == nullptr) return std::nullopt;
    std::uint32_t out = 0;
    for (const std::int64_t value : *values) out = std::max(out, checked(key, value));
    return out == 0 ? std::nullopt : std::optional(out);
  }

  /// One value for each layer, or empty.
  std::vector<std::uint32_t> each(std::string_view key) {
    const auto* values = find(key);
    if (values == nullptr) return {};
    if (values->size() == 1) {
      return std::vector<std::uint32_t>(layers_, checked(key, values->front()));
    }
    if (values->size() < layers_) {
      wrong(key, "has " + std::to_string(values->size()) + " values for " +
                     std::to_string(layers_) + " layers");
      return {};
    }
    std::vector<std::uint32_t> out;
    for (std::size_t i = 0; i < layers_; ++i) out.push_back(checked(key, (*values)[i]));
    return out;
  }

  void sizes() {
    shape_.embedding = most("embedding_length");
    shape_.heads = most("attention.head_count");
    shape_.experts = most("expert_count");
    shape_.experts_used = most("expert_used_count");
    shape_.feed_forward = most("feed_forward_length");
    if (const auto width = most("expert_feed_forward_length"); width && shape_.experts) {
      shape_.feed_forward = width;
    }
    shape_.vocabulary = most("vocab_size");
    if (!shape_.vocabulary && part_.tokens > 0 && part_.tokens <= kMostWidth) {
      shape_.vocabulary = static_cast<std::uint32_t>(part_.tokens);
    }
    if (const auto* context = find("context_length"); context != nullptr && context->front() > 0) {
      constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
      shape_.trained_context = static_cast<std::uint32_t>(std::min(context->front(), kMost));
    }
    if (shape_.architecture == "clip") {
      shape_.vision = true;
      shape_.embedding = most("vision.embedding_length");
      shape_.heads = most("vision.attention.head_count");
      shape_.feed_forward = most("vision.feed_forward_length");
    }
    const auto layers = most("block_count");
    if (layers && *layers > kMostLayers) wrong("block_count", "is more than 1024");
    layers_ = error_ ? 0 : layers.value_or(0);
    if (shape_.layers.size() < layers_) shape_.layers.resize(layers_);
  }

  void caches() {
    if (is_in(kWithoutCache, shape_.architecture)) {
      shape_.embedding_only = true;
      return;
    }
    if (is_in(kUnknownCache, shape_.architecture)) {
      shape_.cache_unknown =
          "the cache of " + shape_.architecture + " follows rules not known here";
      return;
    }
    if (layers_ == 0) {
      shape_.cache_unknown = "the header does not say how many layers there are";
      return;
    }
    if (!is_in(kOnlyRecurrent, shape_.architecture)) attention();
    if (!error_ && shape_.cache_unknown.empty()) recurrence();
  }

  void attention() {
    const auto heads = each("attention.head_count");
    auto kv_heads = each("attention.head_count_kv");
    if (kv_heads.empty()) kv_heads = heads;
    if (kv_heads.empty()) {
      shape_.cache_unknown = "the header does not say how many attention heads there are";
      return;
    }
    auto key = most("attention.key_length");
    auto value = most("attention.value_length");
    const bool latent = most("attention.key_length_mla") && most("attention.value_length_mla");
    const auto indexer = most("attention.indexer.key_length");
    if (!key || !value) {
      const std::uint32_t first = heads.empty() ? 0 : *std::max_element(heads.begin(), heads.end());
      if (!shape_.embedding || first == 0) {
        shape_.cache_unknown = "the header does not say how wide an attention head is";
        return;
      }
      if (!key) key = *shape_.embedding / first;
      if (!value) value = *shape_.embedding / first;
    }
    if (*key == 0 || *value == 0) {
      wrong("attention.head_count", "is larger than the model is wide");
      return;
    }
    if (latent) shape_.notes.emplace_back("values are read out of the latent keys (MLA)");
    for (std::size_t i = 0; i < layers_; ++i) {
      LayerShape& layer = shape_.layers[i];
      layer.kv_heads = kv_heads[i];
      layer.key_length = *key;
      // Where keys and values are compressed together only the keys are kept.
      layer.value_length = latent ? 0 : *value;
      // A sparse attention keeps the keys of its indexer beside the others.
      if (latent && indexer) layer.key_length += *indexer;
    }
    windows();
    own_caches();
  }

  void windows() {
    const auto* rule = std::find_if(
        kWindowRules.begin(), kWindowRules.end(),
        [&](const WindowRule& other) { return other.architecture == shape_.architecture; });
    const bool known = rule != kWindowRules.end();
    const auto* said = find("attention.sliding_window");
    auto window = most("attention.sliding_window");
    if (said != nullptr && !window && !error_) return;  // 0: switched off
    if (known && (rule->fixed || !window) && rule->window > 0) window = rule->window;
    if (!window) return;
    const auto* pattern = find("attention.sliding_window_pattern");
    if (pattern == nullptr && !known) {
      // phi3, llama and others: engines let each layer keep everything.
      shape_.notes.emplace_back(
          "the header names a window and no layers for it: all are counted as seeing everything");
      return;
    }
    std::vector<std::uint32_t> windowed;
    if (pattern != nullptr && pattern->size() > 1)
      windowed = each("attention.sliding_window_pattern");
    std::uint32_t period = known ? rule->period : 0;
    if (pattern != nullptr && pattern->size() == 1) {
      period = checked("attention.sliding_window_pattern", pattern->front());
    }
    const bool full_first = known && rule->full_first;
    const auto key = most("attention.key_length_swa");
    const auto value = most("attention.value_length_swa");
    for (std::size_t i = 0; i < layers_; ++i) {
      const bool is_windowed = !windowed.empty() ? windowed[i] != 0
                               : period == 0     ? true
                               : full_first      ? i % period != 0
                                                 : i % period < period - 1;
      if (!is_windowed) continue;
      LayerShape& layer = shape_.layers[i];
      layer.window = *window;
      if (key) layer.key_length = *key;
      if (value) layer.value_length = *value;
    }
  }

  /// Takes the cache from layers that use another's.
  void own_caches() {
    std::size_t own = layers_;
    if (const auto shared = most("attention.shared_kv_layers")) {
      own = *shared < layers_ ? layers_ - *shared : 0;
    } else if (shape_.architecture == "gemma3n") {
      own = 20;  // not in the file
    } else if (const auto extra = most("nextn_predict_layers"); extra && *extra < layers_) {
      own = layers_ - *extra;
      shape_.notes.emplace_back(
          "layers that predict more than one token are counted as not in use");
    }
    for (std::size_t i = own; i < layers_; ++i) {
      shape_.layers[i].kv_heads = 0;
      shape_.layers[i].window.reset();
    }
  }

  /// The elements of recurrent state that one sequence keeps in one layer; empty: none.
  std::optional<std::uint64_t> state() {
    const std::uint64_t width = shape_.embedding.value_or(0);
    if (const auto head = most("wkv.head_size")) {
      return width * most("token_shift_count").value_or(2) + width * *head;
    }
    if (const auto reach = most("shortconv.l_cache")) return width * (*reach - 1);
    const std::uint64_t kernel = most("ssm.conv_kernel").value_or(1);
    if (const auto head = most("kda.head_dim")) {
      const std::uint64_t heads = shape_.heads.value_or(0);
      return 3 * (kernel - 1) * heads * *head + heads * *head * *head;
    }
    const auto inner = most("ssm.inner_size");
    const auto kept = most("ssm.state_size");
    if (!inner || !kept) return std::nullopt;
    const std::uint64_t groups = most("ssm.group_count").value_or(0);
    return (kernel - 1) * (*inner + 2 * groups * *kept) + std::uint64_t{*kept} * *inner;
  }

  void recurrence() {
    const auto elements = state();
    const bool only = is_in(kOnlyRecurrent, shape_.architecture);
    if (!elements) {
      if (only) shape_.cache_unknown = "the header does not say how large the recurrent state is";
      return;
    }
    const auto interval = most("full_attention_interval");
    const auto wide = each("feed_forward_length");
    for (std::size_t i = 0; i < layers_; ++i) {
      LayerShape& layer = shape_.layers[i];
      bool recurrent = only || shape_.architecture == "falcon-h1";
      if (!recurrent && interval) {
        recurrent = (i + 1) % *interval != 0;
        if (recurrent) layer.kv_heads = 0;
      } else if (!recurrent) {
        recurrent = layer.kv_heads == 0;
        // Of nemotron's layers some are neither: only a feed-forward network.
        if (shape_.architecture.starts_with("nemotron_h") && !wide.empty() && wide[i] != 0) {
          recurrent = false;
        }
      }
      if (recurrent) layer.state_elements = *elements;
    }
  }

  const GgufPart& part_;
  ModelShape& shape_;
  std::size_t layers_ = 0;
  std::optional<Error> error_;
};

/// "NAME-00002-of-00005.gguf": the name before the number, or empty.
std::string split_prefix(const std::string& path, std::uint32_t part, std::uint32_t parts) {
  char tail[40] = {};
  std::snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", part + 1, parts);
  const std::string_view end = tail;
  return path.ends_with(end) ? path.substr(0, path.size() - end.size()) : std::string();
}

Result<GgufPart> read_part(const std::string& path) {
  const auto file = ModelFile::open(path);
  if (!file) return tl::unexpected(file.error());
  auto part = Parse(HeaderBytes(*file)).part();
  if (!part) {
    Error error = part.error();
    error.what = "reading the header of " + shown(path);
    return tl::unexpected(std::move(error));
  }
  return part;
}

}  // namespace

TensorType ggml_type(std::uint32_t type) {
  constexpr std::array<TensorType, 43> kTypes = {{
      {1, 4},    {1, 2},    {32, 18},  {32, 20},   {0, 0},     {0, 0},     {32, 22},   {32, 24},
      {32, 34},  {32, 36},  {256, 84}, {256, 110}, {256, 144}, {256, 176}, {256, 210}, {256, 292},
      {256, 66}, {256, 74}, {256, 98}, {256, 50},  {32, 18},   {256, 110}, {256, 82},  {256, 136},
      {1, 1},    {1, 2},    {1, 4},    {1, 8},     {1, 8},     {256, 56},  {1, 2},     {0, 0},
      {0, 0},    {0, 0},    {256, 54}, {256, 66},  {0, 0},     {0, 0},     {0, 0},     {32, 17},
      {64, 36},  {128, 18}, {64, 18},
  }};
  return type < kTypes.size() ? kTypes[type] : TensorType{};
}

Result<GgufPart> parse_gguf(std::string_view header, std::uint64_t file_size) {
  return Parse(HeaderBytes(header, file_size)).part();
}

Result<ModelShape> shape_of(const std::vector<GgufPart>& parts) {
  if (parts.empty()) return refuse("there is no part of it");
  ModelShape shape;
  shape.format = ModelFormat::gguf;
  shape.files = static_cast<std::uint32_t>(parts.size());
  std::uint64_t input = 0;
  bool has_output_table = false;
  std::vector<std::uint64_t> names;
  for (const GgufPart& part : parts) {
    if (__builtin_add_overflow(shape.weights_bytes, part.weights_bytes, &shape.weights_bytes)) {
      return refuse("its tensors are larger than any disk");
    }
    shape.tensors += part.tensors;
    shape.output_weights_bytes += part.output_bytes;
    shape.expert_weights_bytes += part.expert_bytes;
    input += part.input_bytes;
    has_output_table = has_output_table || part.has_output_table;
    shape.vision = shape.vision || part.vision;
    if (shape.layers.size() < part.layer_bytes.size()) shape.layers.resize(part.layer_bytes.size());
    for (std::size_t i = 0; i < part.layer_bytes.size(); ++i) {
      shape.layers[i].weights_bytes += part.layer_bytes[i];
    }
    names.insert(names.end(), part.names.begin(), part.names.end());
  }
  if (shape.tensors > kMostTensors) return refuse("its parts hold too many tensors");
  if (parts.size() > 1 && repeats(names)) return refuse("two of its parts hold the same tensor");
  if (shape.weights_bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return refuse("its tensors are larger than any disk");
  }
  if (shape.tensors == 0) return refuse("it holds no tensors", "name the file with the weights");
  if (auto error = Describe(parts.front(), shape).run()) return tl::unexpected(std::move(*error));
  if (has_output_table || shape.embedding_only) shape.host_weights_bytes = input;
  return shape;
}

Result<ModelShape> read_gguf(const std::string& path) {
  auto named = read_part(path);
  if (!named) return tl::unexpected(named.error());
  const std::string reading = "reading the header of " + shown(path);
  const std::uint32_t count = named->parts;
  const std::uint32_t given = named->part;
  const std::string prefix = count > 1 ? split_prefix(path, given, count) : std::string();
  if (count > 1 && prefix.empty()) {
    return fail(ErrorKind::invalid_request, reading,
                "it is part " + std::to_string(given + 1) + " of " + std::to_string(count) +
                    ", and its name does not tell the names of the others",
                "give the parts the names they had, NAME-00001-of-00005.gguf");
  }
  std::vector<GgufPart> parts;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i == given) {
      parts.push_back(std::move(*named));
      continue;
    }
    char tail[40] = {};
    std::snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", i + 1, count);
    auto part = read_part(prefix + tail);
    if (!part) {
      Error error = part.error();
      if (error.kind == ErrorKind::not_found) error.help = "fetch the missing part";
      return tl::unexpected(std::move(error));
    }
    if (part->part != i || part->parts != count) {
      return fail(ErrorKind::invalid_request, "reading the header of " + shown(prefix + tail),
                  "it is a part of another model", kFetch);
    }
    parts.push_back(std::move(*part));
  }
  const auto said = parts.front().numbers.find("split.tensors.count");
  auto shape = shape_of(parts);
  if (!shape) {
    Error error = shape.error();
    error.what = reading;
    return tl::unexpected(std::move(error));
  }
  if (count > 1 && said != parts.front().numbers.end() && said->second.size() == 1 &&
      said->second.front() != static_cast<std::int64_t>(shape->tensors)) {
    return fail(ErrorKind::invalid_request, reading,
                "its parts hold " + std::to_string(shape->tensors) + " tensors and should hold " +
                    std::to_string(said->second.front()),
                kFetch);
  }
  return shape;
}

}  // namespace headroom::sense
