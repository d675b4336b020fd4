// The one table of keys. What reads, prints, documents and suggests keys derives from it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings/value.hpp"
#include "words/config.hpp"

namespace headroom::settings {

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
  bool alias_is_fraction = false;  ///< the variable among the aliases says 0.85 for 85
  bool at_start = false;           ///< a change takes effect when the daemon starts again
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

/// "127.0.0.1" and its like.
bool is_loopback_v4(std::string_view host);

/// What is wrong with the values taken together: the keys involved, and the sentence.
struct Conflict {
  std::vector<std::string> keys;
  std::string problem;
};
std::vector<Conflict> find_conflicts(const Config& config);

}  // namespace headroom::settings
