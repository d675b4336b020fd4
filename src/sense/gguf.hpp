// GGUF files: the header of llama.cpp's and Ollama's models, in one file or in parts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/footprint.hpp>
#include <headroom/result.hpp>

namespace headroom::sense {

/// How many bytes so many elements of a tensor's type take.
struct TensorType {
  std::uint32_t block = 0;        ///< elements that are stored together; 0: no such type
  std::uint32_t block_bytes = 0;  ///< bytes of one block
};

/// The layout of the ggml type with the number `type`; `block` is 0 for one that is not known or
/// was taken out of the format.
TensorType ggml_type(std::uint32_t type);

/// What the header of one file says.
struct GgufPart {
  std::uint32_t version = 0;
  std::uint32_t part = 0;   ///< counted from 0
  std::uint32_t parts = 1;  ///< of the whole model
  /// Integers and booleans by key, arrays of them too where they are no longer than the layers of
  /// a model can be many.
  std::map<std::string, std::vector<std::int64_t>, std::less<>> numbers;
  std::map<std::string, std::string, std::less<>> words;
  std::uint64_t tokens = 0;  ///< of the vocabulary; 0: it is not here
  std::uint64_t tensors = 0;
  std::uint64_t weights_bytes = 0;
  std::uint64_t input_bytes = 0;   ///< table of the input embeddings
  std::uint64_t output_bytes = 0;  ///< table and norm of the output
  std::uint64_t expert_bytes = 0;
  bool has_output_table = false;
  bool vision = false;
  std::vector<std::uint64_t> layer_bytes;
  std::vector<std::uint64_t> names;  ///< of the tensors, hashed: no two parts hold the same
};

/// Parses the start of a file of `file_size` bytes. Errors: invalid_request, with what is wrong.
Result<GgufPart> parse_gguf(std::string_view header, std::uint64_t file_size);

/// Puts the parts of one model together; the first holds its description.
Result<ModelShape> shape_of(const std::vector<GgufPart>& parts);

/// Reads the headers of the model that the file at `path` is, or is a part of. Touches the disk.
Result<ModelShape> read_gguf(const std::string& path);

}  // namespace headroom::sense
