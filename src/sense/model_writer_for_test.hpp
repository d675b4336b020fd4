// Writes small model files for tests: headers as the formats say, with tensors that take space in
// the file's size only.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace headroom::sense {

/// Writes a GGUF header. Keys are written as they come; tensors one behind the other.
class GgufWriter {
 public:
  GgufWriter& architecture(const std::string& name) {
    architecture_ = name;
    return text("general.architecture", name);
  }
  GgufWriter& text(const std::string& key, const std::string& value) {
    begin(key, 8);
    string(keys_, value);
    return *this;
  }
  /// A key of the architecture's own.
  GgufWriter& own(const std::string& key, std::uint32_t value) {
    return number(architecture_ + "." + key, value);
  }
  GgufWriter& own(const std::string& key, const std::vector<std::int32_t>& values) {
    begin(architecture_ + "." + key, 9);
    integer(keys_, std::uint32_t{5});
    integer(keys_, std::uint64_t{values.size()});
    for (const std::int32_t value : values) integer(keys_, static_cast<std::uint32_t>(value));
    return *this;
  }
  GgufWriter& flags(const std::string& key, const std::vector<bool>& values) {
    begin(architecture_ + "." + key, 9);
    integer(keys_, std::uint32_t{7});
    integer(keys_, std::uint64_t{values.size()});
    for (const bool value : values) keys_ += value ? '\1' : '\0';
    return *this;
  }
  GgufWriter& number(const std::string& key, std::uint32_t value) {
    begin(key, 4);
    integer(keys_, value);
    return *this;
  }
  GgufWriter& signed_number(const std::string& key, std::int32_t value) {
    begin(key, 5);
    integer(keys_, static_cast<std::uint32_t>(value));
    return *this;
  }
  GgufWriter& short_number(const std::string& key, std::uint16_t value) {
    begin(key, 2);
    integer(keys_, value);
    return *this;
  }
  /// A vocabulary of `count` tokens.
  GgufWriter& tokens(std::uint32_t count) {
    begin("tokenizer.ggml.tokens", 9);
    integer(keys_, std::uint32_t{8});
    integer(keys_, std::uint64_t{count});
    for (std::uint32_t i = 0; i < count; ++i) string(keys_, "t");
    return *this;
  }
  /// Bytes of your own as one more key with its value.
  GgufWriter& raw_key(const std::string& bytes) {
    ++key_count_;
    keys_ += bytes;
    return *this;
  }
  /// A tensor of `bytes` bytes in the file, behind the last one.
  GgufWriter& tensor(const std::string& name, const std::vector<std::uint64_t>& shape,
                     std::uint32_t type, std::uint64_t bytes) {
    tensor_at(name, shape, type, data_);
    data_ += (bytes + 31) / 32 * 32;
    return *this;
  }
  GgufWriter& tensor_at(const std::string& name, const std::vector<std::uint64_t>& shape,
                        std::uint32_t type, std::uint64_t offset) {
    ++tensor_count_;
    string(tensors_, name);
    integer(tensors_, static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t length : shape) integer(tensors_, length);
    integer(tensors_, type);
    integer(tensors_, offset);
    return *this;
  }
  /// Makes the space behind the header larger without a tensor in it.
  GgufWriter& space(std::uint64_t bytes) {
    data_ += bytes;
    return *this;
  }

  std::uint32_t version = 3;
  std::string magic = "GGUF";

  std::string header() const {
    std::string out = magic;
    integer(out, version);
    integer(out, tensor_count_);
    integer(out, key_count_);
    return out + keys_ + tensors_;
  }
  /// The size of the whole file.
  std::uint64_t size() const { return (header().size() + 31) / 32 * 32 + data_; }

  template <class T>
  static void integer(std::string& out, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
    }
  }
  static void string(std::string& out, const std::string& value) {
    integer(out, std::uint64_t{value.size()});
    out += value;
  }

 private:
  void begin(const std::string& key, std::uint32_t type) {
    ++key_count_;
    string(keys_, key);
    integer(keys_, type);
  }

  std::string architecture_;
  std::string keys_;
  std::string tensors_;
  std::uint64_t key_count_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t data_ = 0;
};

/// A safetensors header of the JSON text `json`: its length before it.
inline std::string safetensors_header(const std::string& json) {
  std::string out;
  GgufWriter::integer(out, std::uint64_t{json.size()});
  return out + json;
}

}  // namespace headroom::sense
