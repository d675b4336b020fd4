// Settings of things that users name themselves: a model of the catalogue, a component, somebody to
// be asked for memory or to be told. Their keys are PREFIX.NAME.FIELD; a name with a dot stands in
// quotes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings/keys.hpp"

namespace headroom::settings {

inline constexpr std::size_t kMostNamed = 1000;  ///< of one kind

/// One field of all things of one kind.
struct NamedKey {
  std::string prefix;  ///< "models.catalogue"
  std::string field;   ///< "gpu_memory"
  std::string allowed;
  std::string about;
  /// Sets it for `name`, which is made if it is not there yet; or says what is wrong.
  std::function<std::optional<std::string>(Config&, const std::string& name, const Value&)> set;
  /// As it would be written in TOML; nothing when there is no such name.
  std::function<std::optional<std::string>(const Config&, const std::string& name)> get;
  /// The names that are there.
  std::function<std::vector<std::string>(const Config&)> names;
};

std::vector<NamedKey> make_named_keys();

/// The parts of "notify.team.url" or "models.catalogue.\"a.b\".memory".
struct NamedParts {
  std::string prefix;
  std::string name;
  std::string field;
};
/// Empty when `key` begins with none of the kinds' prefixes, or has no name or field.
std::optional<NamedParts> split_named(std::string_view key);

/// PREFIX.NAME.FIELD, with the name in quotes where it needs them.
std::string join_named(const NamedParts& parts);

/// `name` as a part of a dotted key: in quotes unless it is letters, digits, - and _.
std::string quote_part(std::string_view name);

/// True when "http://…" leads to this machine by its own name: localhost, 127.x.x.x or [::1].
bool is_loopback_url(std::string_view url);

void find_named_conflicts(const Config& config, std::vector<Conflict>& conflicts);

}  // namespace headroom::settings
