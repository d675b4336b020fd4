#include "client/json.hpp"

#include <array>
#include <charconv>
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

namespace {

// A plain decimal as long as that is not absurd, and the shortest that reads back as the same.
void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-7 && size < 1e17);
  std::array<char, 48> text{};
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  (void)error;  // 48 are enough: 17 digits, and at most 7 zeros before them
  out.append(text.data(), end);
}

void append_json(std::string& out, const json::value& document) {
  if (const auto* object = document.if_object()) {
    out += '{';
    bool more = false;
    for (const auto& member : *object) {
      if (more) out += ',';
      more = true;
      out += json::serialize(member.key());
      out += ':';
      append_json(out, member.value());
    }
    out += '}';
  } else if (const auto* array = document.if_array()) {
    out += '[';
    bool more = false;
    for (const auto& item : *array) {
      if (more) out += ',';
      more = true;
      append_json(out, item);
    }
    out += ']';
  } else if (const auto* number = document.if_double()) {
    append_number(out, *number);
  } else {
    out += json::serialize(document);
  }
}

}  // namespace

std::string write_json(const json::value& document) {
  std::string out;
  append_json(out, document);
  return out;
}

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
