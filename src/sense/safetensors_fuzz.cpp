#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sense/model_file.hpp"
#include "sense/safetensors.hpp"

using namespace headroom;
using namespace headroom::sense;

namespace {

void check(const ModelShape& shape) {
  if (shape.layers.size() > kMostLayers) std::abort();
  for (const LayerShape& layer : shape.layers) {
    if (layer.kv_heads > kMostWidth || layer.window == 0U) std::abort();
    if (layer.kv_heads > 0 && layer.key_length == 0) std::abort();
  }
  if (shape.embedding == 0U || shape.vocabulary == 0U || shape.heads == 0U) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const std::uint64_t more : {std::uint64_t{0}, std::uint64_t{13122}}) {
    const auto part = parse_safetensors(bytes, size + more);
    if (!part) {
      if (part.error().why.empty() || part.error().help.empty()) std::abort();
      continue;
    }
    if (part->weights_bytes > size + more) std::abort();
    const auto shape = weights_of({*part});
    if (shape && shape->weights_bytes != part->weights_bytes) std::abort();
  }
  const auto index = parse_safetensors_index(bytes);
  if (index) {
    for (const std::string& file : index->files) {
      if (file.find('/') != std::string::npos || file.front() == '.') std::abort();
    }
  }
  const auto shape = parse_model_config(bytes, ModelShape{});
  if (shape) check(*shape);
  return 0;
}
