#include "http/query.hpp"

#include <algorithm>
#include <charconv>

namespace headroom::http {
namespace {

constexpr std::size_t kParameterLimit = 64;
constexpr std::size_t kShownLimit = 80;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string shown(std::string_view text) {
  std::string out = "\"" + std::string(text.substr(0, kShownLimit));
  return out + (text.size() > kShownLimit ? "…\"" : "\"");
}

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorKind::invalid_request, "cannot read " + shown(text), why,
                "escape a byte as % and two hexadecimal digits");
  };
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return refuse("it has a % without two hexadecimal digits");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return refuse("it has a zero byte");
    out += c;
  }
  return out;
}

}  // namespace

Result<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    if (query.all_.size() == kParameterLimit) {
      return fail(ErrorKind::invalid_request, "cannot read the query",
                  "it has more than " + std::to_string(kParameterLimit) + " parameters");
    }
    const std::size_t equals = std::min(part.find('='), part.size());
    auto name = decode(part.substr(0, equals), true);
    if (!name) return tl::unexpected(name.error());
    auto value = decode(part.substr(std::min(equals + 1, part.size())), true);
    if (!value) return tl::unexpected(value.error());
    query.all_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

std::optional<std::string_view> Query::get(std::string_view name) const {
  for (const auto& [key, value] : all_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Result<std::string> decode_segment(std::string_view text) { return decode(text, false); }

std::string encode_segment(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || u == '-' ||
        u == '.' || u == '_' || u == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[u >> 4];
      out += kDigits[u & 15];
    }
  }
  return out;
}

Result<std::chrono::milliseconds> parse_wait(std::string_view text) {
  const auto refuse = [&](const char* why) {
    return fail(ErrorKind::invalid_request, shown(text) + " is not a time to wait", why,
                "write 30s, 500ms, 2m or 1h");
  };
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{}) return refuse("it does not begin with a number");
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  double factor = 0;
  if (unit.empty() || unit == "s") factor = 1e3;
  if (unit == "ms") factor = 1;
  if (unit == "m" || unit == "min") factor = 60e3;
  if (unit == "h") factor = 3600e3;
  if (factor == 0) return refuse("its unit is not ms, s, m or h");
  const double total = number * factor;
  if (!(total >= 0 && total <= 24 * 3600e3)) return refuse("it has to be from 0 to one day");
  return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

}  // namespace headroom::http
