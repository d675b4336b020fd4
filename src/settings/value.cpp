#include "settings/value.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace headroom::settings {

namespace {

constexpr std::size_t kShown = 60;

}  // namespace

// As short as it can be and still be read back as the same number.
std::string number_text(double number) {
  std::array<char, 40> text{};
  // A million is 1000000 for people, and not 1e+06.
  const bool plain = std::abs(number) < 1e15 && number == std::floor(number);
  const auto [end, error] = plain ? std::to_chars(text.data(), text.data() + text.size(), number,
                                                  std::chars_format::fixed)
                                  : std::to_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::string(text.data(), end) : std::string();
}

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04X", static_cast<unsigned>(c));
      out += code.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string kind_of(const Value& value) {
  struct Namer {
    std::string operator()(const std::string&) const { return "text"; }
    std::string operator()(std::int64_t) const { return "a number"; }
    std::string operator()(double) const { return "a number"; }
    std::string operator()(bool) const { return "true or false"; }
    std::string operator()(const std::vector<std::string>&) const { return "a list"; }
    std::string operator()(const Value::Other& other) const { return other.kind; }
  };
  return std::visit(Namer{}, value.data);
}

std::string wrong_kind(const Value& value) {
  return value.plain ? "cannot be read" : "is " + kind_of(value);
}

std::optional<double> plain_number(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

const std::string* text_of(const Value& value) { return std::get_if<std::string>(&value.data); }

std::optional<double> number_of(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
    return static_cast<double>(*whole);
  }
  if (const auto* number = std::get_if<double>(&value.data)) return *number;
  if (const auto* text = text_of(value); text != nullptr && value.plain) return plain_number(*text);
  return std::nullopt;
}

std::string toml_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + toml_text(text);
  return out + "]";
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(one.size() == text.size() ? one.size() : one.size() + 1);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty()) out.emplace_back(one);
  }
  return out;
}

std::optional<std::pair<std::string, std::string>> range_of(const Value& value) {
  std::vector<std::string> parts;
  if (const auto* list = std::get_if<std::vector<std::string>>(&value.data)) {
    parts = *list;
  } else if (const auto* text = text_of(value); text != nullptr && value.plain) {
    const std::size_t dash = text->find('-');
    parts = dash == std::string::npos ? split_list(*text)
                                      : std::vector{text->substr(0, dash), text->substr(dash + 1)};
  }
  if (parts.size() != 2) return std::nullopt;
  return std::pair(parts[0], parts[1]);
}

std::string Value::toml() const {
  if (const auto* text = std::get_if<std::string>(&data)) return toml_text(*text);
  if (const auto* list = std::get_if<std::vector<std::string>>(&data)) return toml_list(*list);
  return shown();
}

std::string Value::shown() const {
  std::string out;
  if (const auto* given = std::get_if<std::string>(&data)) {
    out = toml_text(given->size() > kShown ? given->substr(0, kShown) + "…" : *given);
  } else if (const auto* whole = std::get_if<std::int64_t>(&data)) {
    out = std::to_string(*whole);
  } else if (const auto* given_number = std::get_if<double>(&data)) {
    out = number_text(*given_number);
  } else if (const auto* flag = std::get_if<bool>(&data)) {
    out = *flag ? "true" : "false";
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&data)) {
    out = toml_list(*list);
    if (out.size() > kShown) out = out.substr(0, kShown) + "…]";
  } else {
    out = "…";
  }
  return out;
}

}  // namespace headroom::settings
