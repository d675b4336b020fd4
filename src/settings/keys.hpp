// The one table of keys. What reads, prints, documents and suggests keys derives from it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "words/config.hpp"

namespace headroom::settings {

/// A value as it was written: with its type in a file, as plain text in a variable or a flag.
struct Value {
  /// A list, a date and whatever else no key takes.
  struct Other {
    std::string kind;  ///< "a list"
  };
  std::variant<std::string, std::int64_t, double, bool, Other> data;
  bool plain = false;  ///< from a variable or flag: text may also mean a number or yes or no

  /// For messages: as in TOML, cut and made printable.
  std::string shown() const;
};

/// One key of the configuration.
struct Key {
  std::string name;
  std::string allowed;  ///< for people
  std::string about;
  std::vector<std::string> aliases;  ///< with a dot: in files; without: environment variables
  /// Sets it in a configuration; or says what is wrong with the value and changes nothing.
  std::function<std::optional<std::string>(Config&, const Value&)> set;
  /// As it would be written in TOML.
  std::function<std::string(const Config&)> get;
};

/// All keys, in the order of the documentation.
std::vector<Key> make_keys();

/// "HEADROOM_PRESSURE__MEMORY__WARNING" for "pressure.memory.warning".
std::string variable_of(std::string_view key);

/// A profile: values that lie over the built-in ones.
struct Profile {
  std::string name;
  std::vector<std::pair<std::string, std::string>> values;  ///< key, plain text
};

/// All profiles; the first is "default", which changes nothing.
std::vector<Profile> make_profiles();

/// What is wrong with the values taken together: the keys involved, and the sentence.
struct Conflict {
  std::vector<std::string> keys;
  std::string problem;
};
std::vector<Conflict> find_conflicts(const Config& config);

}  // namespace headroom::settings
