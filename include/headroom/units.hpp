// Units as types: a size is not a duration, a percent is not a ratio.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace headroom {

/// An amount of memory or storage in bytes. Signed, so that a deficit has a value.
/// Sums saturate at the ends of the range instead of wrapping round: a hostile size can
/// make a request impossible, never possible.
class Bytes {
 public:
  constexpr Bytes() = default;
  constexpr explicit Bytes(std::int64_t count) : count_(count) {}

  constexpr std::int64_t count() const { return count_; }
  constexpr auto operator<=>(const Bytes&) const = default;

  constexpr Bytes operator-() const {
    return Bytes(count_ == std::numeric_limits<std::int64_t>::min()
                     ? std::numeric_limits<std::int64_t>::max()
                     : -count_);
  }
  constexpr Bytes& operator+=(Bytes other) {
    if (__builtin_add_overflow(count_, other.count_, &count_)) {
      count_ = other.count_ > 0 ? std::numeric_limits<std::int64_t>::max()
                                : std::numeric_limits<std::int64_t>::min();
    }
    return *this;
  }
  constexpr Bytes& operator-=(Bytes other) { return *this += -other; }
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return a += b; }
  friend constexpr Bytes operator-(Bytes a, Bytes b) { return a -= b; }

 private:
  std::int64_t count_ = 0;
};

/// A share: 1.0 is all of it. Finite.
class Ratio {
 public:
  constexpr Ratio() = default;
  constexpr explicit Ratio(double value) : value_(value) {}
  constexpr double value() const { return value_; }
  constexpr double percent() const { return value_ * 100.0; }
  constexpr auto operator<=>(const Ratio&) const = default;

 private:
  double value_ = 0.0;
};

/// CPU capacity in thousandths of one core, so that the ledger adds integers.
class Cores {
 public:
  constexpr Cores() = default;
  constexpr explicit Cores(std::int64_t milli) : milli_(milli) {}
  constexpr std::int64_t milli() const { return milli_; }
  constexpr double value() const { return static_cast<double>(milli_) / 1000.0; }
  constexpr auto operator<=>(const Cores&) const = default;

 private:
  std::int64_t milli_ = 0;
};

/// An amount of money in billionths of the unit that cost.currency names, so that what seconds cost
/// can be added up. Sums saturate.
class Money {
 public:
  constexpr Money() = default;
  constexpr explicit Money(std::int64_t nano) : nano_(nano) {}
  constexpr std::int64_t nano() const { return nano_; }
  constexpr double value() const { return static_cast<double>(nano_) / 1e9; }
  constexpr auto operator<=>(const Money&) const = default;
  constexpr Money& operator+=(Money other) {
    if (__builtin_add_overflow(nano_, other.nano_, &nano_)) {
      nano_ = other.nano_ > 0 ? std::numeric_limits<std::int64_t>::max()
                              : std::numeric_limits<std::int64_t>::min();
    }
    return *this;
  }
  friend constexpr Money operator+(Money a, Money b) { return a += b; }

 private:
  std::int64_t nano_ = 0;
};

namespace literals {
constexpr Bytes operator""_B(unsigned long long n) { return Bytes(static_cast<std::int64_t>(n)); }
constexpr Bytes operator""_KiB(unsigned long long n) {
  return Bytes(static_cast<std::int64_t>(n) << 10);
}
constexpr Bytes operator""_MiB(unsigned long long n) {
  return Bytes(static_cast<std::int64_t>(n) << 20);
}
constexpr Bytes operator""_GiB(unsigned long long n) {
  return Bytes(static_cast<std::int64_t>(n) << 30);
}
constexpr Ratio operator""_percent(unsigned long long n) {
  return Ratio(static_cast<double>(n) / 100.0);
}
constexpr Ratio operator""_percent(long double n) { return Ratio(static_cast<double>(n) / 100.0); }
constexpr Cores operator""_cores(unsigned long long n) {
  return Cores(static_cast<std::int64_t>(n) * 1000);
}
}  // namespace literals

}  // namespace headroom
