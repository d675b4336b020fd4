// Writes protobuf messages into a string, without a tree in between and without a compiler of
// schemas.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headroom::serve {

/// Appends the fields of a message. Numbers of fields are the schema's, from 1. A text is the
/// caller's to keep UTF-8.
class Protobuf {
 public:
  explicit Protobuf(std::string& out) : out_(out) {}

  /// Begins a message inside this one; close() ends the innermost.
  void open(int field) {
    key(field, kLength);
    open_.push_back(out_.size());
  }
  void close() {
    assert(!open_.empty());
    const std::size_t begin = open_.back();
    open_.pop_back();
    // The length stands before the bytes and is known only now.
    char length[kLongestVarint];
    out_.insert(begin, length, encode(out_.size() - begin, length));
  }

  void text(int field, std::string_view value) {
    key(field, kLength);
    varint(value.size());
    out_ += value;
  }
  /// uint64, bool and enumerations.
  void number(int field, std::uint64_t value) {
    key(field, kVarint);
    varint(value);
  }
  /// fixed64, and sfixed64 by its bits.
  void fixed(int field, std::uint64_t value) {
    key(field, kFixed64);
    eight(value);
  }
  void real(int field, double value) { fixed(field, std::bit_cast<std::uint64_t>(value)); }
  /// repeated, packed.
  void fixed(int field, std::span<const std::uint64_t> values) {
    key(field, kLength);
    varint(values.size() * sizeof(std::uint64_t));
    for (const std::uint64_t value : values) eight(value);
  }
  void real(int field, std::span<const double> values) {
    key(field, kLength);
    varint(values.size() * sizeof(double));
    for (const double value : values) eight(std::bit_cast<std::uint64_t>(value));
  }

 private:
  static constexpr unsigned kVarint = 0, kFixed64 = 1, kLength = 2;  // wire types
  static constexpr std::size_t kLongestVarint = 10;

  static std::size_t encode(std::uint64_t value, char (&out)[kLongestVarint]) {
    std::size_t length = 0;
    for (; value >= 0x80; value >>= 7) out[length++] = static_cast<char>(value | 0x80);
    out[length++] = static_cast<char>(value);
    return length;
  }
  void varint(std::uint64_t value) {
    char bytes[kLongestVarint];
    out_.append(bytes, encode(value, bytes));
  }
  void key(int field, unsigned wire_type) {
    assert(field > 0);
    varint(static_cast<std::uint64_t>(field) << 3 | wire_type);
  }
  void eight(std::uint64_t value) {
    char bytes[8];
    for (char& byte : bytes) {
      byte = static_cast<char>(value);
      value >>= 8;
    }
    out_.append(bytes, sizeof bytes);
  }

  std::string& out_;
  std::vector<std::size_t> open_;  // where the messages that are open begin
};

}  // namespace headroom::serve
