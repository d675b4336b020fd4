#include "sense/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <dirent.h>
#include <sys/stat.h>

#include "sense/json.hpp"
#include "sense/model_file.hpp"

namespace headroom::sense {
namespace {

constexpr std::uint64_t kMostFileHeader = 100'000'000;  // bytes; the format's own limit
constexpr std::size_t kMostTensorName = 1024;           // bytes
constexpr std::size_t kMostDimensions = 64;
constexpr std::size_t kMostFolderEntries = 100'000;
constexpr const char* kFetch = "fetch the file again";
constexpr const char* kIndexTail = ".safetensors.index.json";

tl::unexpected<Error> refuse(std::string why, std::string help = kFetch,
                             std::string what = "reading a safetensors header") {
  return fail(ErrorKind::invalid_request, std::move(what), std::move(why), std::move(help));
}

/// Bits of one element; 0 for a type that is not known.
std::uint64_t bits_of(std::string_view type) {
  struct Row {
    std::string_view name;
    std::uint64_t bits;
  };
  constexpr std::array<Row, 21> kRows = {{
      {"F4", 4},      {"F6_E2M3", 6},     {"F6_E3M2", 6},     {"F8_E8M0", 8}, {"F8_E4M3", 8},
      {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"BOOL", 8},    {"U8", 8},
      {"I8", 8},      {"U16", 16},        {"I16", 16},        {"F16", 16},    {"BF16", 16},
      {"U32", 32},    {"I32", 32},        {"F32", 32},        {"U64", 64},    {"I64", 64},
      {"F64", 64},
  }};
  for (const Row& row : kRows) {
    if (row.name == type) return row.bits;
  }
  return type == "C64" ? 64 : 0;
}

/// "model.layers.17.mlp.up_proj.weight": 17; empty where no layer is named.
std::optional<std::uint64_t> layer_of(std::string_view name) {
  constexpr std::array<std::string_view, 5> kFolders = {"layers", "h", "blocks", "layer", "block"};
  std::string_view before;
  while (!name.empty()) {
    const auto dot = name.find('.');
    const std::string_view word = name.substr(0, dot);
    name.remove_prefix(dot == std::string_view::npos ? name.size() : dot + 1);
    const bool number =
        !word.empty() && word.size() <= 9 &&
        std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && std::find(kFolders.begin(), kFolders.end(), before) != kFolders.end()) {
      std::uint64_t value = 0;
      for (const char c : word) value = value * 10 + static_cast<std::uint64_t>(c - '0');
      return value;
    }
    before = word;
  }
  return std::nullopt;
}

bool is_vision(std::string_view name) {
  constexpr std::array<std::string_view, 6> kWords = {"vision_tower.", "vision_model.",
                                                      "visual.",       "multi_modal_projector.",
                                                      "mm_projector.", "image_newline"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
    return name.find(word) != std::string_view::npos;
  });
}

/// Reads one header: its length, then an object with one member for each tensor.
class Parse {
 public:
  explicit Parse(HeaderBytes bytes) : bytes_(std::move(bytes)), json_(bytes_) {}

  Result<SafetensorsPart> part() {
    const auto length = bytes_.number<std::uint64_t>();
    if (bytes_.failed()) return refuse("it is shorter than a header", "name a safetensors file");
    if (length > kMostFileHeader) {
      return refuse("it claims a header of " + std::to_string(length) + " bytes",
                    "name a safetensors file");
    }
    if (length > bytes_.left()) return refuse("it ends inside of its header");
    data_ = bytes_.at() + length;
    bytes_.end_at(data_);
    if (bytes_.peek() != '{')
      return refuse("its header is no JSON object", "name a safetensors file");
    if (auto done = members(); !done) return tl::unexpected(done.error());
    return settle();
  }

 private:
  using Done = Result<bool>;

  tl::unexpected<Error> garbled() {
    return refuse("its header is no valid JSON near byte " + std::to_string(bytes_.at()));
  }

  Done members() {
    json_.take('{');
    bool described = false;
    if (!json_.take('}')) {
      for (;;) {
        auto name = json_.text(kMostTensorName);
        if (!name || !json_.take(':')) return garbled();
        if (*name == "__metadata__") {
          if (described) return refuse("its description appears twice");
          described = true;
          if (!json_.skip()) return garbled();
        } else if (auto done = tensor(*name); !done) {
          return done;
        }
        if (json_.take('}')) break;
        if (!json_.take(',')) return garbled();
      }
    }
    if (!json_.at_end()) return refuse("something follows the object in its header");
    return true;
  }

  Done tensor(const std::string& name) {
    if (name.empty()) return refuse("a tensor has no name");
    if (part_.tensors >= kMostTensors) return refuse("it holds more than a million tensors");
    std::optional<std::string> type;
    std::optional<std::uint64_t> elements;
    std::optional<Extent> extent;
    bool over = false;
    if (!json_.take('{')) return garbled();
    do {
      const auto key = json_.text();
      if (!key || !json_.take(':')) return garbled();
      if (*key == "dtype" && !type) {
        type = json_.text();
        if (!type) return garbled();
      } else if (*key == "shape" && !elements) {
        elements = 1;
        if (!shape(*elements, over)) return garbled();
      } else if (*key == "data_offsets" && !extent) {
        if (!json_.take('[')) return garbled();
        const auto begin = json_.whole();
        if (!begin || !json_.take(',')) return garbled();
        const auto end = json_.whole();
        if (!end || !json_.take(']')) return garbled();
        extent = Extent{*begin, *end};
      } else if (*key == "dtype" || *key == "shape" || *key == "data_offsets") {
        return refuse("the tensor " + shown(name) + " says its " + *key + " twice");
      } else if (!json_.skip()) {
        return garbled();
      }
    } while (json_.take(','));
    if (!json_.take('}')) return garbled();
    if (!type || !elements || !extent) {
      return refuse("the tensor " + shown(name) + " does not say its type, shape and place");
    }
    return add(name, *type, *elements, over, *extent);
  }

  bool shape(std::uint64_t& elements, bool& over) {
    if (!json_.take('[')) return false;
    if (json_.take(']')) return true;  // a scalar
    for (std::size_t i = 0; i < kMostDimensions; ++i) {
      const auto length = json_.whole();
      if (!length) return false;
      over = __builtin_mul_overflow(elements, *length, &elements) || over;
      if (json_.take(']')) return true;
      if (!json_.take(',')) return false;
    }
    return false;
  }

  Done add(const std::string& name, const std::string& type, std::uint64_t elements, bool over,
           Extent extent) {
    const std::uint64_t space = bytes_.file_size() - data_;
    if (extent.begin > extent.end || extent.end > space) {
      return refuse("the tensor " + shown(name) + " ends at " + std::to_string(extent.end) +
                        " of " + std::to_string(space) + " bytes",
                    "it may not be whole: fetch the file again");
    }
    const std::uint64_t size = extent.end - extent.begin;
    if (const std::uint64_t bits = bits_of(type); bits > 0) {
      std::uint64_t all = 0;
      over = over || __builtin_mul_overflow(elements, bits, &all);
      if (over || all % 8 != 0 || all / 8 != size) {
        return refuse("the tensor " + shown(name) + " has another size than its shape says");
      }
    }
    part_.names.push_back(hash_of(name));
    if (size > 0) extents_.push_back(extent);
    ++part_.tensors;
    part_.weights_bytes += size;  // apart inside of the file, which settle() sees to
    if (name.find(".experts.") != std::string::npos) part_.expert_bytes += size;
    if (name.find("lm_head.") != std::string::npos) part_.output_bytes += size;
    if (is_vision(name)) {
      part_.vision = true;
      return true;
    }
    const auto layer = layer_of(name);
    if (!layer) return true;
    if (*layer >= kMostLayers) {
      return refuse("the tensor " + shown(name) + " names more layers than 1024");
    }
    const auto at = static_cast<std::size_t>(*layer);
    if (part_.layer_bytes.size() <= at) part_.layer_bytes.resize(at + 1);
    part_.layer_bytes[at] += size;
    return true;
  }

  Result<SafetensorsPart> settle() {
    std::vector<std::uint64_t> names = part_.names;
    if (repeats(names)) return refuse("two of its tensors have the same name");
    if (overlap(extents_)) return refuse("two of its tensors share bytes");
    if (part_.weights_bytes != bytes_.file_size() - data_) {
      return refuse("its tensors take " + std::to_string(part_.weights_bytes) + " bytes of " +
                        std::to_string(bytes_.file_size() - data_),
                    "it may not be whole: fetch the file again");
    }
    return std::move(part_);
  }

  HeaderBytes bytes_;
  JsonReader json_;
  SafetensorsPart part_;
  std::uint64_t data_ = 0;
  std::vector<Extent> extents_;
};

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

Result<SafetensorsIndex> parse_index(HeaderBytes& bytes) {
  const std::string what = "reading a safetensors index";
  JsonReader json(bytes);
  SafetensorsIndex index;
  std::vector<std::uint64_t> names;
  std::set<std::string> seen;
  const auto garbled = [&] {
    return refuse("it is no valid JSON near byte " + std::to_string(bytes.at()), kFetch, what);
  };
  if (!json.take('{')) return garbled();
  bool found = false;
  do {
    const auto key = json.text();
    if (!key || !json.take(':')) return garbled();
    if (*key != "weight_map" || found) {
      if (found && *key == "weight_map") return refuse("it holds two maps", kFetch, what);
      if (!json.skip()) return garbled();
      continue;
    }
    found = true;
    if (!json.take('{')) return garbled();
    if (json.take('}')) continue;
    do {
      const auto tensor = json.text(kMostTensorName);
      if (!tensor || !json.take(':')) return garbled();
      auto file = json.text(kMostTensorName);
      if (!file) return garbled();
      if (!is_plain_name(*file) || !file->ends_with(".safetensors")) {
        return refuse("it names the file " + shown(*file) + ", which is no name of a part", kFetch,
                      what);
      }
      names.push_back(hash_of(*tensor));
      if (names.size() > kMostTensors)
        return refuse("it names more than a million tensors", kFetch, what);
      if (!seen.insert(*file).second) continue;
      if (index.files.size() == kMostModelFiles) {
        return refuse("it names more than 4096 files", kFetch, what);
      }
      index.files.push_back(std::move(*file));
    } while (json.take(','));
    if (!json.take('}')) return garbled();
  } while (json.take(','));
  if (!json.take('}') || !json.at_end()) return garbled();
  index.tensors = names.size();
  if (repeats(names)) return refuse("it names a tensor twice", kFetch, what);
  if (index.files.empty()) return refuse("it names no files", kFetch, what);
  return index;
}

// Models that keep nothing between tokens.
constexpr std::array<std::string_view, 17> kEncoders = {
    "bert",  "roberta",  "xlm-roberta", "distilbert", "nomic_bert", "modernbert",
    "mpnet", "electra",  "deberta-v2",  "deberta",    "camembert",  "albert",
    "new",   "eurobert", "clip",        "siglip",     "neobert"};

// Without a list of layers: every `period`-th layer sees everything; 0: none does.
struct WindowRule {
  std::string_view type;
  std::uint32_t period;
};
constexpr std::array<WindowRule, 14> kWindowRules = {{
    {"mistral", 0},
    {"mixtral", 0},
    {"ministral", 0},
    {"phi3", 0},
    {"phimoe", 0},
    {"starcoder2", 0},
    {"gemma2", 2},
    {"gemma3", 6},
    {"gemma3_text", 6},
    {"gemma3n_text", 5},
    {"cohere2", 4},
    {"gpt_oss", 2},
    {"exaone4", 4},
    {"llama4_text", 4},
}};

/// Works out from a config.json what each layer keeps.
class Configuration {
 public:
  Configuration(const JsonValue& root, ModelShape& shape) : root_(root), shape_(shape) {}

  std::optional<Error> run() {
    text_ = &root_;
    for (const char* name : {"text_config", "llm_config", "language_config"}) {
      const JsonValue* inner = root_.find(name);
      if (inner != nullptr && inner->kind == JsonValue::Kind::object) text_ = inner;
    }
    shape_.architecture = word("model_type");
    if (shape_.architecture.empty()) {
      const JsonValue* type = root_.find("model_type");
      if (type != nullptr) shape_.architecture = type->text.substr(0, 256);
    }
    shape_.vision = shape_.vision || root_.find("vision_config") != nullptr;
    sizes();
    if (!error_) caches();
    return error_;
  }

 private:
  void wrong(std::string_view key, const std::string& why) {
    if (error_) return;
    error_ = Error{ErrorKind::invalid_request, "reading a config.json",
                   shown(std::string(key) + " " + why), kFetch};
  }

  const JsonValue* find(std::string_view key) const {
    const JsonValue* value = text_->find(key);
    return value != nullptr && value->kind != JsonValue::Kind::null ? value : nullptr;
  }

  std::string word(std::string_view key) const {
    const JsonValue* value = find(key);
    return value == nullptr ? std::string() : value->text.substr(0, 256);
  }

  bool truth(std::string_view key, bool otherwise) const {
    const JsonValue* value = find(key);
    return value != nullptr && value->kind == JsonValue::Kind::boolean ? value->truth : otherwise;
  }

  std::uint32_t checked(std::string_view key, const JsonValue& value) {
    if (value.kind != JsonValue::Kind::number) return 0;
    if (!value.whole || *value.whole < 0 || *value.whole > kMostWidth) {
      wrong(key, "is a number that no model has");
      return 0;
    }
    return static_cast<std::uint32_t>(*value.whole);
  }

  /// The first of `keys` that is there and not 0; of a list its largest value.
  std::optional<std::uint32_t> most(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      const JsonValue* value = find(key);
      if (value == nullptr) continue;
      std::uint32_t out = 0;
      if (value->kind == JsonValue::Kind::list) {
        for (const JsonValue& item : value->items) out = std::max(out, checked(key, item));
      } else {
        out = checked(key, *value);
      }
      if (out != 0) return out;
    }
    return std::nullopt;
  }

  /// One value for each layer from a list of them, or empty.
  std::vector<std::uint32_t> each(std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      const JsonValue* value = find(key);
      if (value == nullptr || value->kind != JsonValue::Kind::list) continue;
      if (value->items.size() < layers_) {
        wrong(key, "has fewer values than there are layers");
        return {};
      }
      std::vector<std::uint32_t> out;
      for (std::size_t i = 0; i < layers_; ++i) out.push_back(checked(key, value->items[i]));
      return out;
    }
    return {};
  }

  void sizes() {
    shape_.embedding = most({"hidden_size", "n_embd", "d_model", "model_dim", "dim"});
    shape_.heads =
        most({"num_attention_heads", "n_head", "n_heads", "num_heads", "num_query_heads"});
    shape_.vocabulary = most({"vocab_size"});
    shape_.trained_context = most({"max_position_embeddings", "n_positions", "max_sequence_length",
                                   "seq_length", "max_context_length", "max_seq_len", "n_ctx"});
    shape_.experts = most({"num_local_experts", "n_routed_experts", "num_experts"});
    shape_.experts_used = most({"num_experts_per_tok", "num_experts_per_token", "top_k_experts"});
    shape_.feed_forward = most({"intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim"});
    if (const auto width = most({"moe_intermediate_size"}); width && shape_.experts) {
      shape_.feed_forward = width;
    }
    const auto layers =
        most({"num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers"});
    if (layers && *layers > kMostLayers) wrong("num_hidden_layers", "is more than 1024");
    layers_ = error_ ? 0 : layers.value_or(0);
    if (shape_.layers.size() < layers_) shape_.layers.resize(layers_);
  }

  void caches() {
    const std::string& type = shape_.architecture;
    if (std::find(kEncoders.begin(), kEncoders.end(), type) != kEncoders.end()) {
      shape_.embedding_only = true;
      return;
    }
    if (truth("is_encoder_decoder", false)) {
      shape_.cache_unknown = "an encoder and a decoder keep caches by rules not known here";
      return;
    }
    if (layers_ == 0) {
      shape_.cache_unknown = "config.json does not say how many layers there are";
      return;
    }
    if (type == "mamba" || type == "mamba2" || type == "falcon_mamba" || type.starts_with("rwkv")) {
      for (std::size_t i = 0; i < layers_; ++i) recurrent_.push_back(true);
    } else {
      kinds();
      attention();
    }
    if (!error_ && shape_.cache_unknown.empty()) recurrence();
  }

  /// Which layers have no attention but a state.
  void kinds() {
    recurrent_.assign(layers_, false);
    windowed_.assign(layers_, false);
    const auto window = most({"sliding_window", "attention_chunk_size"});
    const JsonValue* types = find("layer_types");
    if (types != nullptr && types->kind == JsonValue::Kind::list) {
      if (types->items.size() < layers_) {
        wrong("layer_types", "has fewer values than there are layers");
        return;
      }
      for (std::size_t i = 0; i < layers_; ++i) {
        const std::string& kind = types->items[i].text;
        windowed_[i] = kind == "sliding_attention" || kind == "chunked_attention";
        recurrent_[i] =
            kind == "linear_attention" || kind == "mamba" || kind == "conv" || kind == "recurrent";
        if (windowed_[i] && !window) {
          shape_.cache_unknown =
              "config.json names layers with a window and does not say how long it is";
        }
      }
      window_ = window;
      return;
    }
    if (const auto period = most({"attn_layer_period"})) {
      const std::uint32_t offset = most({"attn_layer_offset"}).value_or(0);
      for (std::size_t i = 0; i < layers_; ++i) recurrent_[i] = i % *period != offset % *period;
    } else if (const auto interval = most({"full_attention_interval"})) {
      for (std::size_t i = 0; i < layers_; ++i) recurrent_[i] = (i + 1) % *interval != 0;
    }
    if (!window || !truth("use_sliding_window", true)) return;
    windows(*window);
  }

  void windows(std::uint32_t window) {
    const auto* rule =
        std::find_if(kWindowRules.begin(), kWindowRules.end(),
                     [&](const WindowRule& other) { return other.type == shape_.architecture; });
    std::optional<std::uint32_t> period =
        most({"sliding_window_pattern", "_sliding_window_pattern"});
    if (!period && rule != kWindowRules.end()) period = rule->period;
    std::uint32_t first = 0;
    if (!period && find("use_sliding_window") != nullptr) {  // qwen2: from a layer on
      period = 0;
      first = most({"max_window_layers"}).value_or(0);
    }
    if (!period) {
      shape_.notes.emplace_back(
          "config.json names a window and no layers for it: all are counted as seeing everything");
      return;
    }
    for (std::size_t i = first; i < layers_; ++i) {
      windowed_[i] = *period == 0 || i % *period < *period - 1;
    }
    window_ = window;
  }

  void attention() {
    if (error_ || !shape_.cache_unknown.empty()) return;
    const auto rank = most({"kv_lora_rank"});
    const auto rope = most({"qk_rope_head_dim"});
    if (rank && rope) {
      shape_.notes.emplace_back("values are read out of the latent keys (MLA)");
      const std::uint32_t indexer = most({"index_head_dim"}).value_or(0);
      for (std::size_t i = 0; i < layers_; ++i) {
        if (!recurrent_[i]) set(i, 1, *rank + *rope + indexer, 0);
      }
      return;
    }
    if (!shape_.heads) {
      shape_.cache_unknown = "config.json does not say how many attention heads there are";
      return;
    }
    auto width = most({"head_dim", "kv_channels", "attention_head_dim"});
    if (!width && shape_.embedding) width = *shape_.embedding / *shape_.heads;
    if (!width) {
      shape_.cache_unknown = "config.json does not say how wide an attention head is";
      return;
    }
    if (*width == 0) return wrong("num_attention_heads", "is larger than the model is wide");
    const std::uint32_t value = most({"v_head_dim"}).value_or(*width);
    const auto wide = most({"global_head_dim"});
    const auto few = most({"num_global_key_value_heads"});
    const auto list = each({"num_key_value_heads", "num_kv_heads"});
    const std::uint32_t heads = kv_heads();
    const std::uint32_t shared = most({"num_kv_shared_layers"}).value_or(0);
    const std::size_t own = shared < layers_ ? layers_ - shared : 0;
    for (std::size_t i = 0; i < own; ++i) {
      if (recurrent_[i]) continue;
      const bool global = !windowed_[i];
      set(i,
          !list.empty()   ? list[i]
          : global && few ? *few
                          : heads,
          global && wide ? *wide : *width, global && wide ? *wide : value);
    }
  }

  void set(std::size_t i, std::uint32_t heads, std::uint32_t key, std::uint32_t value) {
    LayerShape& layer = shape_.layers[i];
    layer.kv_heads = heads;
    layer.key_length = key;
    layer.value_length = value;
    if (windowed_[i]) layer.window = window_;
  }

  std::uint32_t kv_heads() {
    const std::string& type = shape_.architecture;
    const bool falcon = type == "falcon" || type == "RefinedWebModel" || type == "RefinedWeb";
    // Multi-query models write the number of their query heads where others write that of the keys.
    const bool by_default = falcon || type == "gpt_bigcode";
    if (!(falcon && truth("new_decoder_architecture", false)) && truth("multi_query", by_default)) {
      return 1;
    }
    if (truth("multi_query_attention", false)) {
      if (const auto groups = most({"multi_query_group_num"})) return *groups;
    }
    if (const JsonValue* inner = find("attn_config")) {
      const JsonValue* heads = inner->find("kv_n_heads");
      const std::uint32_t count = heads == nullptr ? 0 : checked("kv_n_heads", *heads);
      if (count > 0) return count;
    }
    return most({"num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads"})
        .value_or(*shape_.heads);
  }

  /// The elements of recurrent state that one sequence keeps in one layer; empty: not said.
  std::optional<std::uint64_t> state() {
    if (const auto keys = most({"linear_num_key_heads"})) {
      const std::uint64_t key = most({"linear_key_head_dim"}).value_or(0);
      const std::uint64_t values = most({"linear_num_value_heads"}).value_or(0);
      const std::uint64_t value = most({"linear_value_head_dim"}).value_or(0);
      const std::uint64_t kernel = most({"linear_conv_kernel_dim"}).value_or(0);
      if (key == 0 || values == 0 || value == 0 || kernel == 0) return std::nullopt;
      return (kernel - 1) * (2 * *keys * key + values * value) + values * key * value;
    }
    const auto kept = most({"mamba_d_state", "state_size", "ssm_state_size"});
    const auto kernel = most({"mamba_d_conv", "conv_kernel", "d_conv"});
    if (!kept || !kernel || shape_.architecture == "mamba2") return std::nullopt;
    const auto factor = most({"mamba_expand", "expand"});
    std::uint64_t inner = 0;
    if (factor && shape_.embedding) inner = std::uint64_t{*factor} * *shape_.embedding;
    if (inner == 0 && shape_.architecture.ends_with("mamba"))
      inner = shape_.feed_forward.value_or(0);
    if (inner == 0) return std::nullopt;
    return (*kernel - 1) * inner + *kept * inner;
  }

  void recurrence() {
    if (std::find(recurrent_.begin(), recurrent_.end(), true) == recurrent_.end()) return;
    const auto elements = state();
    if (!elements) {
      shape_.cache_unknown = "config.json does not say how large the recurrent state is";
      return;
    }
    for (std::size_t i = 0; i < layers_; ++i) {
      if (recurrent_[i]) shape_.layers[i].state_elements = *elements;
    }
  }

  const JsonValue& root_;
  const JsonValue* text_ = nullptr;
  ModelShape& shape_;
  std::size_t layers_ = 0;
  std::optional<std::uint32_t> window_;
  std::vector<bool> windowed_;
  std::vector<bool> recurrent_;
  std::optional<Error> error_;
};

Result<ModelShape> parse_config(HeaderBytes& bytes, ModelShape shape) {
  JsonReader json(bytes);
  const auto root = json.value();
  if (!root || root->kind != JsonValue::Kind::object || !json.at_end()) {
    return refuse("it is no valid JSON object near byte " + std::to_string(bytes.at()), kFetch,
                  "reading a config.json");
  }
  shape.cache_unknown.clear();
  if (auto error = Configuration(*root, shape).run()) return tl::unexpected(std::move(*error));
  return shape;
}

template <class T>
Result<T> named(Result<T> result, const std::string& path) {
  if (result) return result;
  Error error = result.error();
  error.what = "reading the header of " + shown(path);
  return tl::unexpected(std::move(error));
}

Result<SafetensorsPart> read_part(const std::string& path) {
  const auto file = ModelFile::open(path);
  if (!file) return tl::unexpected(file.error());
  return named(Parse(HeaderBytes(*file)).part(), path);
}

Result<SafetensorsIndex> read_index(const std::string& path) {
  const auto file = ModelFile::open(path);
  if (!file) return tl::unexpected(file.error());
  HeaderBytes bytes(*file);
  return named(parse_index(bytes), path);
}

bool is_there(const std::string& path) {
  struct ::stat status{};
  return ::stat(path.c_str(), &status) == 0;
}

/// "NAME-00002-of-00005.safetensors": its stem and how many parts there are; 0: it is no part.
std::pair<std::string, std::uint32_t> split_name(std::string_view path) {
  constexpr std::string_view kTail = ".safetensors";
  constexpr std::size_t kNumbers = 15;  // "-00002-of-00005"
  if (!path.ends_with(kTail) || path.size() < kTail.size() + kNumbers) return {};
  path.remove_suffix(kTail.size());
  const std::string_view numbers = path.substr(path.size() - kNumbers);
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < kNumbers; ++i) {
    const bool digit = numbers[i] >= '0' && numbers[i] <= '9';
    if (i == 0 || i >= 6) {
      if (i < 10 && numbers[i] != "-00002-of-"[i]) return {};
      if (i < 10) continue;
    }
    if (!digit) return {};
    if (i >= 10) count = count * 10 + static_cast<std::uint32_t>(numbers[i] - '0');
  }
  return {std::string(path.substr(0, path.size() - kNumbers)), count};
}

/// The only safetensors file of a folder.
Result<std::string> only_file(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  std::string found;
  std::size_t seen = 0;
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    if (++seen > kMostFolderEntries) break;
    const std::string_view name = entry->d_name;
    if (!name.ends_with(".safetensors")) continue;
    if (!found.empty()) {
      return refuse("it holds more than one model", "name one of its files",
                    "opening " + shown(folder));
    }
    found = folder + std::string(name);
  }
  if (found.empty()) {
    return fail(ErrorKind::not_found, "opening " + shown(folder), "it holds no safetensors file",
                "name a GGUF or safetensors file, or the folder of one");
  }
  return found;
}

/// The files of the model at `path`, which is one of them, their index or their folder.
Result<std::vector<std::string>> files_of(std::string path) {
  struct ::stat status{};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (!path.ends_with('/')) path += '/';
    const std::string index = path + "model" + kIndexTail;
    if (is_there(index)) {
      path = index;
    } else if (is_there(path + "model.safetensors")) {
      path += "model.safetensors";
    } else {
      auto only = only_file(path);
      if (!only) return tl::unexpected(only.error());
      path = std::move(*only);
    }
  }
  const auto [stem, count] = split_name(path);
  if (count > kMostModelFiles) {
    return refuse("it is one of " + std::to_string(count) + " parts", kFetch,
                  "opening " + shown(path));
  }
  if (count > 0 && is_there(stem + kIndexTail)) path = stem + kIndexTail;
  std::vector<std::string> files;
  if (path.ends_with(".json")) {
    const auto index = read_index(path);
    if (!index) return tl::unexpected(index.error());
    for (const std::string& name : index->files) files.push_back(folder_of(path) + name);
  } else if (count > 0) {
    for (std::uint32_t i = 1; i <= count; ++i) {
      char tail[48] = {};
      std::snprintf(tail, sizeof tail, "-%05u-of-%05u.safetensors", i, count);
      files.push_back(stem + tail);
    }
  } else {
    files.push_back(path);
  }
  return files;
}

}  // namespace

Result<SafetensorsPart> parse_safetensors(std::string_view header, std::uint64_t file_size) {
  return Parse(HeaderBytes(header, file_size)).part();
}

Result<SafetensorsIndex> parse_safetensors_index(std::string_view text) {
  HeaderBytes bytes(text, text.size());
  return parse_index(bytes);
}

Result<ModelShape> parse_model_config(std::string_view text, ModelShape shape) {
  if (text.size() > kMostConfigBytes) {
    return refuse("it is longer than 4 MiB", kFetch, "reading a config.json");
  }
  HeaderBytes bytes(text, text.size());
  return parse_config(bytes, std::move(shape));
}

Result<ModelShape> weights_of(const std::vector<SafetensorsPart>& parts) {
  ModelShape shape;
  shape.format = ModelFormat::safetensors;
  shape.files = static_cast<std::uint32_t>(parts.size());
  std::vector<std::uint64_t> names;
  for (const SafetensorsPart& part : parts) {
    if (__builtin_add_overflow(shape.weights_bytes, part.weights_bytes, &shape.weights_bytes) ||
        shape.weights_bytes >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return refuse("its tensors are larger than any disk");
    }
    shape.tensors += part.tensors;
    shape.output_weights_bytes += part.output_bytes;
    shape.expert_weights_bytes += part.expert_bytes;
    shape.vision = shape.vision || part.vision;
    if (shape.layers.size() < part.layer_bytes.size()) shape.layers.resize(part.layer_bytes.size());
    for (std::size_t i = 0; i < part.layer_bytes.size(); ++i) {
      shape.layers[i].weights_bytes += part.layer_bytes[i];
    }
    names.insert(names.end(), part.names.begin(), part.names.end());
    if (names.size() > kMostTensors) return refuse("its parts hold too many tensors");
  }
  if (shape.weights_bytes == 0)
    return refuse("it holds no tensors", "name the file with the weights");
  if (parts.size() > 1 && repeats(names)) return refuse("two of its parts hold the same tensor");
  shape.cache_unknown = "there is no config.json beside it";
  return shape;
}

Result<ModelShape> read_safetensors(const std::string& path) {
  const auto files = files_of(path);
  if (!files) return tl::unexpected(files.error());
  std::vector<SafetensorsPart> parts;
  for (const std::string& file : *files) {
    auto part = read_part(file);
    if (!part) {
      Error error = part.error();
      if (error.kind == ErrorKind::not_found && files->size() > 1)
        error.help = "fetch the missing part";
      return tl::unexpected(std::move(error));
    }
    parts.push_back(std::move(*part));
  }
  auto shape = named(weights_of(parts), path);
  if (!shape) return shape;
  const std::string beside = folder_of(files->front()) + "config.json";
  if (!is_there(beside)) return shape;
  const auto config = ModelFile::open(beside);
  if (!config) return tl::unexpected(config.error());
  if (config->size() > kMostConfigBytes) {
    return refuse("it is longer than 4 MiB", kFetch, "reading " + shown(beside));
  }
  HeaderBytes bytes(*config);
  return named(parse_config(bytes, std::move(*shape)), beside);
}

}  // namespace headroom::sense
