// Writes JSON into a string, without a tree in between: an answer is written once and never looked
// at.
#pragma once

#include <cassert>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/units.hpp>

namespace headroom::serve {

using TimedValues = std::vector<std::pair<WallTime, std::optional<double>>>;

/// "2026-01-12T14:10:03.120Z"
std::string rfc3339(WallTime time);
void append_rfc3339(std::string& out, WallTime time);
/// A finite number as JSON has it.
void append_real(std::string& out, double value);

/// Length of the well-formed UTF-8 sequence of more than one byte at the start of `text`, which is
/// not empty; 0 when there is none.
std::size_t utf8_sequence(std::string_view text);

/// Appends JSON to a string. Commas come by themselves; braces are the caller's to close. Numbers
/// that are not finite become null. Text that is not UTF-8 has its bad bytes replaced.
class Json {
 public:
  explicit Json(std::string& out) : out_(out) {}

  Json& open() { return begin('{'); }
  Json& open(std::string_view key) { return name(key), begin('{'); }
  Json& close() { return end('}'); }
  Json& list() { return begin('['); }
  Json& list(std::string_view key) { return name(key), begin('['); }
  Json& end_list() { return end(']'); }

  Json& text(std::string_view value);
  Json& text(std::string_view key, std::string_view value) { return name(key), text(value); }
  /// An empty text is null.
  Json& maybe_text(std::string_view key, std::string_view value) {
    return value.empty() ? null(key) : text(key, value);
  }
  Json& number(std::int64_t value) { return raw_number(value); }
  Json& number(std::uint64_t value) { return raw_number(value); }
  Json& number(int value) { return raw_number(value); }
  Json& number(std::string_view key, std::int64_t value) { return name(key), raw_number(value); }
  Json& number(std::string_view key, std::uint64_t value) { return name(key), raw_number(value); }
  Json& number(std::string_view key, int value) { return number(key, std::int64_t{value}); }
  /// Six significant digits are more than any sensor here has.
  Json& real(std::string_view key, double value) { return name(key), real(value); }
  Json& real(double value);
  Json& boolean(bool value) { return literal(value ? "true" : "false"); }
  Json& boolean(std::string_view key, bool value) { return name(key), boolean(value); }
  Json& null(std::string_view key) { return name(key), literal("null"); }
  Json& null() { return literal("null"); }
  Json& time(std::string_view key, WallTime value);
  Json& time(WallTime value);
  Json& bytes(std::string_view key, Bytes value) { return number(key, value.count()); }
  Json& bytes(std::string_view key, const std::optional<Bytes>& value) {
    return value ? number(key, value->count()) : null(key);
  }
  Json& ratio(std::string_view key, const std::optional<Ratio>& value) {
    return value ? real(key, value->value()) : null(key);
  }
  Json& real(std::string_view key, const std::optional<double>& value) {
    return value ? real(key, *value) : null(key);
  }
  /// A list of pairs of a time and a value: what a history is, as fast as it can be written.
  Json& points(const TimedValues& values);
  /// A key; its value comes next. Ours: short, and without need for escapes.
  Json& key(std::string_view text) { return name(text); }
  /// A key that is data: of any length, escaped.
  Json& any_key(std::string_view text);
  /// A whole document, written elsewhere.
  Json& raw(std::string_view key, std::string_view json) { return name(key), literal(json); }
  Json& raw(std::string_view json) { return literal(json); }

 private:
  void comma() {
    if (more_) out_ += ',';
    more_ = true;
  }
  Json& begin(char brace) {
    comma();
    out_ += brace;
    more_ = false;
    return *this;
  }
  Json& end(char brace) {
    out_ += brace;
    more_ = true;
    return *this;
  }
  Json& name(std::string_view key) {  // keys are ours: short, and without need for escapes
    char text[64] = {',', '"'};
    constexpr std::size_t kAround = 4;
    assert(key.size() <= sizeof text - kAround);
    const std::size_t length = key.copy(text + 2, sizeof text - kAround);
    text[length + 2] = '"';
    text[length + 3] = ':';
    const std::size_t skip = more_ ? 0 : 1;
    out_.append(text + skip, length + kAround - skip);
    more_ = false;
    return *this;
  }
  Json& literal(std::string_view text) {
    comma();
    out_ += text;
    return *this;
  }
  template <class T>
  Json& raw_number(T value) {
    comma();
    char digits[24];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
    (void)error;  // 24 are enough for 64 bits
    out_.append(digits, end);
    return *this;
  }

  std::string& out_;
  bool more_ = false;
};

}  // namespace headroom::serve
