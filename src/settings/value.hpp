// A value as somebody wrote it, before it is known what it is for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace headroom::settings {

/// With its type in a file; as plain text in a variable or a flag.
struct Value {
  /// A date and whatever else no key takes.
  struct Other {
    std::string kind;  ///< "a list of lists"
  };
  /// A list holds texts; numbers in one are kept as they were written.
  std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>, Other> data;
  bool plain = false;  ///< from a variable or flag: text may also mean a number or yes or no

  /// For messages: as in TOML, cut and made printable.
  std::string shown() const;
  /// As in TOML, whole.
  std::string toml() const;
};

/// As short as it can be and still be read back as the same number.
std::string number_text(double number);
/// A text, or a list of texts, as TOML writes them.
std::string toml_text(std::string_view text);
std::string toml_list(const std::vector<std::string>& texts);

/// "a list", "true or false": what kind of value it is, for people.
std::string kind_of(const Value& value);
/// The end of a sentence that says it is of the wrong kind.
std::string wrong_kind(const Value& value);
/// All of `text` as a number.
std::optional<double> plain_number(const std::string& text);
/// The text it is; null when it is something else.
const std::string* text_of(const Value& value);
/// The number it is, or means as plain text.
std::optional<double> number_of(const Value& value);
/// "a, b" as two texts, blanks aside; nothing for "".
std::vector<std::string> split_list(std::string_view text);
/// The two entries of a list of two; or of the plain text "5-80" or "5, 80".
std::optional<std::pair<std::string, std::string>> range_of(const Value& value);

}  // namespace headroom::settings
