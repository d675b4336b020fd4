#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "sense/gguf.hpp"
#include "sense/model_file.hpp"

using namespace headroom;
using namespace headroom::sense;

namespace {

/// What is true of every header that is not refused.
void check(const Result<ModelShape>& shape, std::uint64_t file_size) {
  if (!shape) {
    if (shape.error().what.empty() || shape.error().why.empty()) std::abort();
    return;
  }
  if (shape->weights_bytes == 0 || shape->weights_bytes > file_size) std::abort();
  if (shape->layers.size() > kMostLayers) std::abort();
  std::uint64_t layers = 0;
  for (const LayerShape& layer : shape->layers) {
    layers += layer.weights_bytes;
    if (layer.kv_heads > kMostWidth || layer.window == 0U) std::abort();
    if (layer.kv_heads > 0 && (layer.key_length == 0 || !shape->cache_unknown.empty()))
      std::abort();
  }
  if (layers > shape->weights_bytes || shape->host_weights_bytes > shape->weights_bytes)
    std::abort();
  if (shape->embedding == 0U || shape->vocabulary == 0U || shape->heads == 0U) std::abort();
}

void run(std::string_view bytes, std::uint64_t file_size) {
  auto part = parse_gguf(bytes, file_size);
  if (!part) {
    if (part.error().why.empty() || part.error().help.empty()) std::abort();
    return;
  }
  if (part->weights_bytes > file_size || part->part >= part->parts) std::abort();
  std::vector<GgufPart> parts;
  parts.push_back(std::move(*part));
  check(shape_of(parts), file_size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  run(bytes, size);                             // the whole file
  run(bytes, size + (std::uint64_t{1} << 40));  // the start of a larger one
  return 0;
}
