// A block: a stretch of time of many series, as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/tier.hpp"

namespace headroom::record {

using SeriesId = std::uint32_t;

/// Where a block holds a series: what read_entry() reads.
struct Entry {
  SeriesId id = 0;
  std::size_t at = 0;  ///< from the block's begin
  std::size_t length = 0;
};

/// What a block begins with.
struct BlockHead {
  Millis at = 0;  ///< no value is before it
  Millis step = 1000;
  std::vector<Entry> entries;  ///< ascending ids
  const Entry* find(SeriesId id) const;
};

/// The longest head there can be: more is not looked at.
inline constexpr std::size_t kLongestHead = 64 << 10;

/// How many bytes of a block its head takes; empty: these are no block's first 16 bytes (or all of
/// them, where it is shorter).
std::optional<std::size_t> head_size(std::string_view bytes);

/// Reads the head from the first head_size() bytes of a block of `size` bytes. Empty for anything
/// that make_block() did not write so: every changed or missing byte is noticed.
std::optional<BlockHead> read_head(std::string_view bytes, std::size_t size);

/// Reads a series of a block from the bytes of its entry. Empty as above.
std::optional<Grid> read_entry(const BlockHead& head, const Entry& entry, std::string_view bytes);

/// Makes a block of series, one after the other.
class BlockMaker {
 public:
  /// `at` and `step` of every grid are multiples of `step`, and no grid begins before `at`.
  BlockMaker(Millis at, Millis step) : at_(at), step_(step) {}
  /// REQUIRES: ascending ids. A grid without values is left out.
  void add(SeriesId id, const Grid& grid);
  bool empty() const { return entries_.empty(); }
  std::string make() const;

 private:
  Millis at_;
  Millis step_;
  std::vector<Entry> entries_;
  std::string body_;
};

}  // namespace headroom::record
