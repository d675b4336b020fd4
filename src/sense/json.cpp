#include "sense/json.hpp"

#include <charconv>
#include <utility>

namespace headroom::sense {
namespace {

constexpr std::size_t kMostNumberText = 64;  // characters

bool is_digit(int c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

int JsonReader::raw() {
  if (stopped_) return -1;
  const int c = bytes_.peek();
  if (c >= 0) bytes_.pass();
  return c;
}

int JsonReader::next() {
  if (stopped_) return -1;
  int c = bytes_.peek();
  while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
    bytes_.pass();
    c = bytes_.peek();
  }
  return c;
}

bool JsonReader::take(char mark) {
  if (next() != mark) return false;
  bytes_.pass();
  return true;
}

bool JsonReader::at_end() { return !stopped_ && next() < 0 && !bytes_.failed(); }

std::optional<std::uint32_t> JsonReader::hex() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int c = raw();
    std::uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

bool JsonReader::escape(std::string* out) {
  const int c = raw();
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  if (c != 'u') {
    const auto at = c < 0 ? std::string_view::npos : kNames.find(static_cast<char>(c));
    if (at == std::string_view::npos) return stop();
    if (out != nullptr) *out += kMeant[at];
    return true;
  }
  auto code = hex();
  if (!code) return stop();
  if (*code >= 0xd800 && *code < 0xdc00) {  // the first half of a pair
    if (raw() != '\\' || raw() != 'u') return stop();
    const auto second = hex();
    if (!second || *second < 0xdc00 || *second > 0xdfff) return stop();
    code = 0x10000 + ((*code - 0xd800) << 10) + (*second - 0xdc00);
  } else if (*code >= 0xdc00 && *code <= 0xdfff) {
    return stop();
  }
  if (out != nullptr) append_utf8(*out, *code);
  return true;
}

bool JsonReader::text_into(std::string* out, std::size_t most) {
  if (!take('"')) return stop();
  for (;;) {
    const int c = raw();
    if (c == '"') return true;
    if (c < ' ') return stop();
    if (c == '\\') {
      if (!escape(out)) return false;
    } else if (out != nullptr) {
      *out += static_cast<char>(c);
    }
    if (out != nullptr && out->size() > most) return stop();
  }
}

std::optional<std::string> JsonReader::text(std::size_t most) {
  std::string out;
  if (!text_into(&out, most)) return std::nullopt;
  return out;
}

/// The characters of a number, checked to be one.
std::optional<std::string> JsonReader::number() {
  std::string out;
  next();
  const auto digits = [&] {
    const std::size_t before = out.size();
    while (is_digit(bytes_.peek()) && out.size() < kMostNumberText) {
      out += static_cast<char>(raw());
    }
    return out.size() > before && !is_digit(bytes_.peek());
  };
  if (bytes_.peek() == '-') out += static_cast<char>(raw());
  const bool zero = bytes_.peek() == '0';
  const std::size_t start = out.size();
  bool good = digits() && (!zero || out.size() == start + 1);
  if (good && bytes_.peek() == '.') {
    out += static_cast<char>(raw());
    good = digits();
  }
  if (good && (bytes_.peek() == 'e' || bytes_.peek() == 'E')) {
    out += static_cast<char>(raw());
    if (bytes_.peek() == '+' || bytes_.peek() == '-') out += static_cast<char>(raw());
    good = digits();
  }
  if (!good || stopped_) {
    stop();
    return std::nullopt;
  }
  return out;
}

std::optional<std::uint64_t> JsonReader::whole() {
  const auto text = number();
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) {
    stop();
    return std::nullopt;
  }
  return value;
}

bool JsonReader::word(std::string_view rest) {
  for (const char c : rest) {
    if (raw() != c) return stop();
  }
  return true;
}

bool JsonReader::skip() { return skip_at(0); }

bool JsonReader::skip_at(int depth) {
  const int c = next();
  if (depth > kMostJsonDepth) return stop();
  switch (c) {
    case '"':
      return text_into(nullptr, 0);
    case 't':
      return word("true");
    case 'f':
      return word("false");
    case 'n':
      return word("null");
    case '{':
    case '[': {
      const char close = c == '{' ? '}' : ']';
      take(static_cast<char>(c));
      if (take(close)) return true;
      for (;;) {
        if (c == '{' && (!text_into(nullptr, 0) || !take(':'))) return stop();
        if (!skip_at(depth + 1)) return false;
        if (take(close)) return true;
        if (!take(',')) return stop();
      }
    }
    default:
      return number().has_value();
  }
}

std::optional<JsonValue> JsonReader::value() {
  JsonValue out;
  if (!value_at(out, 0)) return std::nullopt;
  return out;
}

bool JsonReader::value_at(JsonValue& out, int depth) {
  const int c = next();
  if (depth > kMostJsonDepth || ++values_ > kMostJsonValues) return stop();
  switch (c) {
    case '"': {
      out.kind = JsonValue::Kind::text;
      return text_into(&out.text, kMostConfigBytes);
    }
    case 't':
      out.kind = JsonValue::Kind::boolean;
      out.truth = true;
      return word("true");
    case 'f':
      out.kind = JsonValue::Kind::boolean;
      return word("false");
    case 'n':
      return word("null");
    case '{':
    case '[': {
      const bool object = c == '{';
      out.kind = object ? JsonValue::Kind::object : JsonValue::Kind::list;
      const char close = object ? '}' : ']';
      take(static_cast<char>(c));
      if (take(close)) return true;
      std::vector<std::uint64_t> hashes;
      for (;;) {
        if (object) {
          auto key = text();
          if (!key || !take(':')) return stop();
          hashes.push_back(hash_of(*key));
          out.keys.push_back(std::move(*key));
        }
        if (!value_at(out.items.emplace_back(), depth + 1)) return false;
        if (take(close)) break;
        if (!take(',')) return stop();
      }
      return !repeats(hashes) || stop();
    }
    default: {
      const auto text = number();
      if (!text) return false;
      out.kind = JsonValue::Kind::number;
      std::int64_t whole = 0;
      const char* const end = text->data() + text->size();
      const auto read = std::from_chars(text->data(), end, whole);
      if (read.ec == std::errc() && read.ptr == end) out.whole = whole;
      return true;
    }
  }
}

}  // namespace headroom::sense
