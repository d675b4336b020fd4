// The only place that knows toml++.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "settings/keys.hpp"

namespace headroom::settings {

/// One key that some source gives a value to.
struct Assignment {
  std::string key;  ///< dotted, as written; not looked up yet
  Value value;
  std::string origin;  ///< "/etc/headroom/headroom.toml:12", "HEADROOM_…", "--listen"
};

/// Takes the assignments of a text in TOML, in the order of its lines; `name` is the file's.
/// Tables are laid flat, so that nested, inline and dotted forms mean the same. What is wrong with
/// the text is one line in `problems`, with file, line and column. Pure.
std::vector<Assignment> parse_toml(std::string_view text, const std::string& name,
                                   std::vector<std::string>& problems);

}  // namespace headroom::settings
