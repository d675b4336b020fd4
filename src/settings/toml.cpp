#include "settings/toml.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

namespace headroom::settings {

namespace {

// A dotted key makes as many tables as it has dots, and they are destroyed by recursion: a hostile
// file could exhaust the stack. No real line comes near this.
constexpr std::ptrdiff_t kMostDots = 256;

struct Placed {
  Assignment assignment;
  toml::source_position at;
};

Value value_of(const toml::node& node) {
  Value value;
  if (const auto* text = node.as_string()) {
    value.data = text->get();
  } else if (const auto* whole = node.as_integer()) {
    value.data = whole->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.data = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    value.data = flag->get();
  } else {
    value.data = Value::Other{node.is_array() ? "a list" : "a date or time of day"};
  }
  return value;
}

void flatten(const toml::table& table, const std::string& prefix, const std::string& name,
             std::vector<Placed>& out) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      flatten(*inner, path + ".", name, out);
      continue;
    }
    // The line of the key: a list may begin further down.
    const toml::source_position at = key.source().begin;
    out.push_back({{path, value_of(node), name + ":" + std::to_string(at.line)}, at});
  }
}

}  // namespace

std::vector<Assignment> parse_toml(std::string_view text, const std::string& name,
                                   std::vector<std::string>& problems) {
  std::size_t number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    ++number;
    if (std::count(text.begin() + static_cast<std::ptrdiff_t>(start),
                   text.begin() + static_cast<std::ptrdiff_t>(end), '.') > kMostDots) {
      problems.push_back(name + ":" + std::to_string(number) + ": more than " +
                         std::to_string(kMostDots) + " dots in one line");
      return {};
    }
    start = end + 1;
  }

  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    problems.push_back(name + ":" + std::to_string(error.source().begin.line) + ":" +
                       std::to_string(error.source().begin.column) +
                       ": not TOML: " + std::string(error.description()));
    return {};
  }
  std::vector<Placed> placed;
  flatten(parsed.table(), "", name, placed);
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  std::vector<Assignment> assignments;
  assignments.reserve(placed.size());
  for (Placed& each : placed) assignments.push_back(std::move(each.assignment));
  return assignments;
}

}  // namespace headroom::settings
