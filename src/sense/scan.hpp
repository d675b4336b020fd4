// A cursor over the text of a kernel file. It never reads past the end and never throws; what it
// does not find it says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include <headroom/units.hpp>

namespace headroom::sense {

/// Reads numbers and words from left to right, one line or a whole file.
class Scan {
 public:
  explicit Scan(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool done() const { return at_ == end_; }
  /// The character under the cursor; 0 at the end.
  char peek() const { return at_ == end_ ? '\0' : *at_; }

  void skip_spaces() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) ++at_;
  }

  /// Takes `word` if the text goes on with it.
  bool take(std::string_view word) {
    if (static_cast<std::size_t>(end_ - at_) < word.size() ||
        std::memcmp(at_, word.data(), word.size()) != 0) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  /// A decimal number after any spaces. A number too large for 64 bits becomes the largest one.
  /// Empty where no digit stands; the cursor then stays behind the spaces.
  std::optional<std::uint64_t> number() {
    skip_spaces();
    if (at_ == end_ || !is_digit(*at_)) return std::nullopt;
    std::uint64_t value = 0;
    const char* const safe = end_ - at_ > kSafeDigits ? at_ + kSafeDigits : end_;
    do {
      value = value * 10 + static_cast<std::uint64_t>(*at_ - '0');
      ++at_;
    } while (at_ != safe && is_digit(*at_));
    return at_ != end_ && is_digit(*at_) ? long_number(value) : value;
  }

  /// Like number(), but as the signed amount of bytes it is, times `unit`; saturates.
  std::optional<Bytes> bytes(std::int64_t unit = 1) {
    const auto value = number();
    if (!value) return std::nullopt;
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (*value > static_cast<std::uint64_t>(kMost / unit)) return Bytes(kMost);
    return Bytes(static_cast<std::int64_t>(*value) * unit);
  }

  /// A number with two digits after the point ("12.34"), as the kernel writes shares and loads, in
  /// hundredths. Saturates. Empty where no digit stands or the fraction is missing.
  std::optional<std::uint64_t> hundredths() {
    const auto whole = number();
    if (!whole || end_ - at_ < 3 || at_[0] != '.' || !is_digit(at_[1]) || !is_digit(at_[2])) {
      return std::nullopt;
    }
    const std::uint64_t fraction =
        static_cast<std::uint64_t>(at_[1] - '0') * 10 + static_cast<std::uint64_t>(at_[2] - '0');
    at_ += 3;
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
    return *whole > (kMost - fraction) / 100 ? kMost : *whole * 100 + fraction;
  }

  /// The next run of characters that are no white space; empty at the end of the line.
  std::string_view word() {
    skip_spaces();
    const char* const start = at_;
    while (at_ != end_ && *at_ != ' ' && *at_ != '\t' && *at_ != '\n') ++at_;
    return {start, static_cast<std::size_t>(at_ - start)};
  }

  /// What stands before `mark`, looked for among the next `most` characters of this line; the
  /// cursor then stands on it, or where the search ended.
  std::string_view until(char mark, std::ptrdiff_t most) {
    const char* const start = at_;
    const char* const stop = end_ - at_ > most ? at_ + most : end_;
    while (at_ != stop && *at_ != mark && *at_ != '\n') ++at_;
    return {start, static_cast<std::size_t>(at_ - start)};
  }

  /// Skips `count` words of this line.
  void skip_words(int count) {
    const char* at = at_;
    while (count-- > 0) {
      while (at != end_ && (*at == ' ' || *at == '\t')) ++at;
      while (at != end_ && static_cast<unsigned char>(*at) > ' ') ++at;
    }
    at_ = at;
  }

  /// What is left of the line, without its end; the cursor then stands on the next line.
  std::string_view line() {
    if (at_ == end_) return {};
    const char* const start = at_;
    const void* const newline = std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_));
    if (newline == nullptr) {
      at_ = end_;
      return {start, static_cast<std::size_t>(end_ - start)};
    }
    const char* const stop = static_cast<const char*>(newline);
    at_ = stop + 1;
    return {start, static_cast<std::size_t>(stop - start)};
  }

 private:
  static constexpr std::ptrdiff_t kSafeDigits = 18;  ///< so many cannot overflow 64 bits

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  /// Goes on with a number of which `value` was read, minding the overflow.
  std::uint64_t long_number(std::uint64_t value) {
    bool over = false;
    for (; at_ != end_ && is_digit(*at_); ++at_) {
      over = over || __builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
             __builtin_add_overflow(value, static_cast<std::uint64_t>(*at_ - '0'), &value);
    }
    return over ? std::numeric_limits<std::uint64_t>::max() : value;
  }

  const char* at_;
  const char* end_;
};

/// The text of a file that holds one whole number, which may be negative, and nothing else. Empty
/// for anything else, a number too large for 64 bits among it.
inline std::optional<std::int64_t> whole_number(std::string_view text) {
  Scan scan(text);
  scan.skip_spaces();
  const bool negative = scan.take("-");
  if (scan.peek() < '0' || scan.peek() > '9') return std::nullopt;
  const auto value = scan.number();
  if (!value || *value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
      !scan.word().empty()) {
    return std::nullopt;
  }
  scan.line();
  if (!scan.done()) return std::nullopt;
  const auto number = static_cast<std::int64_t>(*value);
  return negative ? -number : number;
}

/// A file's text without the white space at its end: names and labels of sysfs.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

}  // namespace headroom::sense
