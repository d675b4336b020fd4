#include "client/json.hpp"

#include <cmath>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace headroom::client {

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 32;
  json::error_code ec;
  json::value document = json::parse({text.data(), text.size()}, ec, {}, options);
  if (ec) return fail(ErrorKind::internal, "the answer is not JSON", ec.message());
  return document;
}

std::string write_json(const json::value& document) { return json::serialize(document); }

const json::value* find(const json::value& document, std::string_view path) {
  const json::value* at = &document;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto name = path.substr(0, dot);
    const auto* object = at->if_object();
    if (object == nullptr) return nullptr;
    at = object->if_contains({name.data(), name.size()});
    if (at == nullptr) return nullptr;
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return at->is_null() ? nullptr : at;
}

std::string text(const json::value& document, std::string_view path) {
  const auto* member = find(document, path);
  const auto* string = member != nullptr ? member->if_string() : nullptr;
  return string != nullptr ? std::string(string->data(), string->size()) : std::string();
}

std::optional<double> number(const json::value& document, std::string_view path) {
  const auto* member = find(document, path);
  if (member == nullptr) return std::nullopt;
  if (const auto* value = member->if_double()) return *value;
  if (const auto* value = member->if_int64()) return static_cast<double>(*value);
  if (const auto* value = member->if_uint64()) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<std::int64_t> whole(const json::value& document, std::string_view path) {
  const auto* member = find(document, path);
  if (member == nullptr) return std::nullopt;
  if (const auto* value = member->if_int64()) return *value;
  const auto value = number(document, path);
  // 2^63 as a double: what does not lie below it has no whole number of ours.
  if (!value || !(std::abs(*value) < 9223372036854775808.0)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

bool is_true(const json::value& document, std::string_view path) {
  const auto* member = find(document, path);
  const auto* value = member != nullptr ? member->if_bool() : nullptr;
  return value != nullptr && *value;
}

const json::array& list(const json::value& document, std::string_view path) {
  static const json::array kEmpty;
  const auto* member = find(document, path);
  const auto* array = member != nullptr ? member->if_array() : nullptr;
  return array != nullptr ? *array : kEmpty;
}

}  // namespace headroom::client
