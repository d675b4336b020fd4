// The chunked transfer coding (RFC 9112, 7.1), decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headroom::http {

/// Decodes one chunked body, fed in pieces of any size. Extensions and trailers are skipped, and
/// bounded. Strict: lines end in CRLF.
class ChunkDecoder {
 public:
  enum class State { more, done, bad, too_large };
  struct Step {
    State state = State::more;
    std::size_t used = 0;  ///< bytes of the input that belong to this body
  };

  /// `limit`: decoded bytes over the whole body; a chunk that would pass it is `too_large` as soon
  /// as its size is read.
  explicit ChunkDecoder(std::size_t limit) : left_(limit) {}

  /// Appends what it decodes to `out`. After `done`, `bad` or `too_large` feed nothing more.
  Step feed(std::string_view in, std::string& out);

 private:
  enum class At {
    size,
    extension,
    size_end,
    data,
    data_cr,
    data_lf,
    trailer_first,
    trailer,
    trailer_end,
    last_lf
  };
  State take(char c);

  std::size_t left_;
  std::uint64_t size_ = 0;
  int digits_ = 0;           ///< of the size being read
  std::size_t skipped_ = 0;  ///< bytes of extensions and trailers so far
  At at_ = At::size;
};

}  // namespace headroom::http
