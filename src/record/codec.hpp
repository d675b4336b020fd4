// A column of one series as bytes: quantised, differences, few bits each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headroom::record {

/// A column holds at most so many slots; a longer one is refused when read.
inline constexpr std::size_t kColumnSlots = 1 << 20;

/// Appends the values of equally spaced slots to `out`; not a number, infinite or beyond 1e30 is a
/// gap. Pure.
///
/// What is kept: values that are whole, or have at most three decimals, come back exactly (up to
/// 2^53 steps). If one value of the column is neither, all are rounded to 0.01, or where the
/// largest is above 1000 to a power of ten that is at most its 10 000th part: the error is at most
/// half of that. So a percentage is good to 0.005, and 4 294 967 296.5 bytes to 50 000.
///
/// The column does not tell where it ends and has no sum: who stores it adds both.
/// REQUIRES: at most kColumnSlots values.
void encode_column(std::span<const double> values, std::string& out);

/// Reads one column into `out`, which is replaced; a gap is not a number. False, with `out` empty,
/// for anything that encode_column cannot have written: cut, too long, out of range. Never reads
/// beyond `bytes`, and needs memory in proportion to the slots it was told of. Pure.
bool decode_column(std::string_view bytes, std::vector<double>& out);

}  // namespace headroom::record
