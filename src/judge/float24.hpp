// A float in three bytes, for states of which there are many.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace headroom::judge {

/// A float without the last byte of its mantissa: as far reaching, and exact to one part in 65 536.
/// Trivially copyable, aligned to a byte.
class Float24 {
 public:
  Float24() = default;
  /// The nearest one; of magnitudes up to 3.4e38.
  Float24(float x) : Float24(std::bit_cast<std::uint32_t>(x) + 0x80U) {}
  /// The smallest one that is at least `x`, which is not negative.
  static Float24 at_least(float x) { return Float24(std::bit_cast<std::uint32_t>(x) + 0xFFU); }
  operator float() const {
    const std::uint32_t bits = static_cast<std::uint32_t>(bytes_[0]) << 8U |
                               static_cast<std::uint32_t>(bytes_[1]) << 16U |
                               static_cast<std::uint32_t>(bytes_[2]) << 24U;
    return std::bit_cast<float>(bits);
  }

 private:
  explicit Float24(std::uint32_t bits)
      : bytes_{static_cast<std::uint8_t>(bits >> 8U), static_cast<std::uint8_t>(bits >> 16U),
               static_cast<std::uint8_t>(bits >> 24U)} {}
  std::array<std::uint8_t, 3> bytes_{};
};

}  // namespace headroom::judge
