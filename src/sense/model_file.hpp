// The files of a model: their headers are read, never their tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/footprint.hpp>
#include <headroom/result.hpp>

namespace headroom::sense {

inline constexpr std::uint64_t kMostHeaderBytes = 128ULL << 20;  ///< of one file
inline constexpr std::uint32_t kMostModelFiles = 4096;           ///< parts of one model
inline constexpr std::uint64_t kMostTensors = 1ULL << 20;        ///< of one model
inline constexpr std::uint32_t kMostLayers = 1024;
inline constexpr std::uint32_t kMostWidth = 1U << 24;  ///< heads, widths, vocabulary

/// Reads the shape of the model at `path`: a GGUF file (any of its parts), a safetensors file, its
/// index, or the folder that holds them. Errors: not_found, not_allowed, invalid_request for a
/// file that is no model, not whole, or larger than the limits above. Blocks on the disk; any
/// thread.
Result<ModelShape> read_model(const std::string& path);

/// An open regular file.
class ModelFile {
 public:
  static Result<ModelFile> open(const std::string& path);
  ModelFile(ModelFile&& other) noexcept;
  ModelFile& operator=(ModelFile&&) = delete;
  ~ModelFile();

  int descriptor() const { return fd_; }
  std::uint64_t size() const { return size_; }

 private:
  ModelFile(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  int fd_;
  std::uint64_t size_;
};

/// A cursor over a header, in memory or in a file through a window of fixed size. It never reads
/// past `end`; what it cannot give it says, and then goes on saying it.
class HeaderBytes {
 public:
  /// `bytes` is the start of a file of `file_size` bytes.
  HeaderBytes(std::string_view bytes, std::uint64_t file_size);
  explicit HeaderBytes(const ModelFile& file);
  HeaderBytes(HeaderBytes&&) = default;
  HeaderBytes(const HeaderBytes&) = delete;

  bool take(void* out, std::size_t count);
  bool skip(std::uint64_t count);
  /// The next byte without taking it; -1 at the end.
  int peek() {
    return used_ < bytes_.size() ? static_cast<unsigned char>(bytes_[used_]) : peek_further();
  }
  /// Passes over the byte that peek() gave.
  void pass() { ++used_; }
  /// Nothing beyond offset `end` is read from now on.
  void end_at(std::uint64_t end);

  std::uint64_t at() const { return start_ + used_; }
  std::uint64_t left() const { return end_ - at(); }
  std::uint64_t file_size() const { return file_size_; }
  /// True once the file ended, or could not be read, inside of what was asked for.
  bool failed() const { return failed_; }

  /// An integer as the file stores it, little-endian; 0 when the bytes are not there.
  template <class T>
  T number() {
    unsigned char raw[sizeof(T)] = {};
    if (!take(raw, sizeof(T))) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) value = value << 8 | raw[i];
    return static_cast<T>(value);
  }

 private:
  bool refill();
  bool fail();
  int peek_further();

  int fd_ = -1;
  std::vector<char> window_;
  std::string_view bytes_;  ///< what is in reach, from offset `start_` on
  std::uint64_t start_ = 0;
  std::size_t used_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t file_size_ = 0;
  bool failed_ = false;
};

/// Where a tensor lies. `end` is behind its last byte.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Sorts `extents`; true where two of them share a byte.
bool overlap(std::vector<Extent>& extents);

/// Sorts `hashes`; true where two are equal. Names are compared by a 64-bit hash, so that a million
/// of them cost eight megabytes.
bool repeats(std::vector<std::uint64_t>& hashes);
std::uint64_t hash_of(std::string_view name);

/// `text` with what a terminal would act upon made harmless, and cut: names from a file go into
/// messages.
std::string shown(std::string_view text);

/// The folder of `path` with its slash, or empty.
std::string folder_of(const std::string& path);

}  // namespace headroom::sense
