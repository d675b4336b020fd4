// The configuration from all its sources, with the origin of every value.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/result.hpp>

#include "words/config.hpp"

namespace headroom::settings {

/// A value given on the command line.
struct Flag {
  std::string name;   ///< "--listen": shown as the origin
  std::string key;    ///< "http.listen"
  std::string value;  ///< as typed
};

/// Where to look. The environment is handed in; nothing here asks for it.
struct Input {
  std::optional<std::string>
      config_file;                     ///< --config: read instead of /etc/headroom/headroom.toml
  std::optional<std::string> profile;  ///< --profile
  std::vector<Flag> flags;
  std::map<std::string, std::string> environment;
  bool for_command = false;             ///< also reads $XDG_CONFIG_HOME/headroom/headroom.toml
  std::string root;                     ///< put before the default paths (not before `config_file`)
  std::optional<std::string> set_text;  ///< stands for the content of the set file: for trying it
};

struct Loaded {
  Config config;
  std::vector<Setting> settings;      ///< every key, in the order of keys()
  std::vector<std::string> warnings;  ///< nothing is wrong, but somebody may want to know
  std::vector<std::string> files;     ///< those read, in order
  std::string set_file;               ///< where change() keeps what it sets
};

/// Reads and merges, the last wins: built-in, profile, /etc/headroom/headroom.toml,
/// /etc/headroom/conf.d/*.toml by name, $XDG_CONFIG_HOME/headroom/headroom.toml (command only),
/// what was set through the daemon, environment, flags. Each key is merged by itself.
/// Errors: invalid_request; `why` has one line for each problem found (twenty at most), in all
/// sources. A file that is absent is a problem only if it was asked for.
Result<Loaded> load(const Input& input);

/// The configuration that one text in TOML and the built-in values would make; `name` stands for
/// the file in messages and origins. Touches nothing.
Result<Loaded> load_text(std::string_view toml, const std::string& name);

/// Sets keys (or takes back what was set, with an empty value; "" in quotes is the empty text) in
/// `file`, the set file of load(): after the configuration's own files, before the environment. The
/// values are plain text. The file is replaced as a whole, so that a crash leaves the old one or
/// the new one. Errors: invalid_request for a key that does not exist, a value that it does not
/// take, or one that contradicts the rest of `input`; nothing is written then. unavailable: it
/// cannot be written.
Result<Loaded> change(const Input& input,
                      const std::vector<std::pair<std::string, std::string>>& changes);

/// The TOML of the settings of `loaded` that differ from the built-in ones, under their own names.
std::string canonical(const Loaded& loaded);

/// A whole configuration with every key at its built-in value, each with a comment.
std::string defaults_text();

/// One key as the documentation, completion and `config show` need it.
struct KeyInfo {
  std::string key;       ///< "pressure.memory.warning"
  std::string allowed;   ///< what it takes: "50ms to 1h"
  std::string built_in;  ///< as it would be written in TOML
  std::string variable;  ///< "HEADROOM_PRESSURE__MEMORY__WARNING"
  std::string alias;     ///< the specs' name for it, or empty
  std::string about;     ///< one sentence
};

/// Every key there is, in the order of the documentation.
std::vector<KeyInfo> keys();

/// The names of the profiles.
std::vector<std::string> profiles();

}  // namespace headroom::settings
