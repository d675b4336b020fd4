// safetensors files, and the config.json and index that lie beside them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/footprint.hpp>
#include <headroom/result.hpp>

namespace headroom::sense {

/// What the header of one file says.
struct SafetensorsPart {
  std::uint64_t tensors = 0;
  std::uint64_t weights_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t expert_bytes = 0;
  bool vision = false;
  std::vector<std::uint64_t> layer_bytes;
  std::vector<std::uint64_t> names;  ///< of the tensors, hashed: no two parts hold the same
};

/// The files that an index names, each once, in order.
struct SafetensorsIndex {
  std::vector<std::string> files;
  std::uint64_t tensors = 0;
};

/// Parses the start of a file of `file_size` bytes. Errors: invalid_request, with what is wrong.
Result<SafetensorsPart> parse_safetensors(std::string_view header, std::uint64_t file_size);

/// Parses a model.safetensors.index.json. The names it gives are plain: no folder, no "..".
Result<SafetensorsIndex> parse_safetensors_index(std::string_view text);

/// Adds to `shape` what a config.json says; `shape` keeps its weights. What is not said there is
/// left empty, and `cache_unknown` says why where the cache depends on it.
Result<ModelShape> parse_model_config(std::string_view text, ModelShape shape);

/// The weights of the parts of one model. Errors: invalid_request when they do not go together.
Result<ModelShape> weights_of(const std::vector<SafetensorsPart>& parts);

/// Reads the headers of the model at `path`: one of its files, its index, or its folder. Touches
/// the disk.
Result<ModelShape> read_safetensors(const std::string& path);

}  // namespace headroom::sense
