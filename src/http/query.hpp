// The parts of a target, decoded. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/result.hpp>

namespace headroom::http {

/// The parameters of a query, decoded: "%41" and '+' are undone. At most 64 of them.
class Query {
 public:
  /// `invalid_request` for a bad escape, a NUL, or too many parameters. "" has none.
  static Result<Query> parse(std::string_view text);

  /// The value of the first parameter of this name; empty when it is not there, "" when it has
  /// no value.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }

  /// All, in their order; names may repeat.
  const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

/// Decodes one segment of a path ('+' stands for itself). `invalid_request` for a bad escape or a
/// NUL. An escaped '/' becomes one: split the path first.
Result<std::string> decode_segment(std::string_view text);

/// The reverse: everything but letters, digits and "-._~" is escaped.
std::string encode_segment(std::string_view text);

/// Parses how long to wait: "30s", "500ms", "2m", "1h", or a bare number of seconds; fractions are
/// fine ("1.5s"). `invalid_request` for anything else, and over one day.
Result<std::chrono::milliseconds> parse_wait(std::string_view text);

}  // namespace headroom::http
