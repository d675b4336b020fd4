// JSON as model files carry it, read from a header without holding all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sense/model_file.hpp"

namespace headroom::sense {

inline constexpr int kMostJsonDepth = 32;
inline constexpr std::uint64_t kMostConfigBytes = 4ULL
                                                  << 20;  ///< of a file that is read into a tree
inline constexpr std::size_t kMostJsonText = 4096;        ///< bytes of one text
inline constexpr std::size_t kMostJsonValues = 65536;     ///< of one tree

/// A value with everything below it.
struct JsonValue {
  enum class Kind { null, boolean, number, text, list, object };

  Kind kind = Kind::null;
  bool truth = false;
  std::optional<std::int64_t> whole;  ///< a number that is whole and fits
  std::string text;
  std::vector<std::string> keys;  ///< of an object, in step with `items`
  std::vector<JsonValue> items;

  /// The value under `key`, or null.
  const JsonValue* find(std::string_view key) const;
};

/// Reads JSON from left to right. After the first thing that is wrong every call says no.
class JsonReader {
 public:
  explicit JsonReader(HeaderBytes& bytes) : bytes_(bytes) {}

  /// Takes `mark` after any spaces, if it is what comes next.
  bool take(char mark);
  /// A text of at most `most` bytes, as UTF-8.
  std::optional<std::string> text(std::size_t most = kMostJsonText);
  /// A whole number that is not negative and fits 64 bits.
  std::optional<std::uint64_t> whole();
  /// Passes over one value of any kind; a text in it may be of any length.
  bool skip();
  /// One value with everything below it, within the limits above. No object may hold a key twice.
  std::optional<JsonValue> value();
  /// True when only spaces are left.
  bool at_end();
  /// Says no from now on.
  bool stop() {
    stopped_ = true;
    return false;
  }

 private:
  int next();  ///< the character after any spaces, not taken; -1 at the end
  int raw();   ///< the next character, taken; -1 at the end
  bool text_into(std::string* out, std::size_t most);
  bool escape(std::string* out);
  std::optional<std::uint32_t> hex();
  std::optional<std::string> number();
  bool word(std::string_view rest);
  bool skip_at(int depth);
  bool value_at(JsonValue& out, int depth);

  HeaderBytes& bytes_;
  std::size_t values_ = 0;
  bool stopped_ = false;
};

}  // namespace headroom::sense
