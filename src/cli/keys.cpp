#include "cli/keys.hpp"

#include <algorithm>
#include <optional>

namespace headroom::cli {
namespace {

constexpr std::size_t kLongest = 64;

using Name = Key::Name;

std::optional<Key> key_of_final(char final_byte, std::string_view parameters) {
  switch (final_byte) {
    case 'A':
      return Key{Name::up, {}};
    case 'B':
      return Key{Name::down, {}};
    case 'C':
      return Key{Name::right, {}};
    case 'D':
      return Key{Name::left, {}};
    case 'H':
      return Key{Name::home, {}};
    case 'F':
      return Key{Name::end, {}};
    case 'Z':
      return Key{Name::back_tab, {}};
    case 'M':  // SGR mouse: "<64;x;y" wheel up, "<65;x;y" wheel down
      if (parameters.substr(0, 4) == "<64;") return Key{Name::wheel_up, {}};
      if (parameters.substr(0, 4) == "<65;") return Key{Name::wheel_down, {}};
      return std::nullopt;
    case '~':
      if (parameters == "1" || parameters == "7") return Key{Name::home, {}};
      if (parameters == "4" || parameters == "8") return Key{Name::end, {}};
      if (parameters == "5") return Key{Name::page_up, {}};
      if (parameters == "6") return Key{Name::page_down, {}};
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

struct Cut {
  std::size_t bytes = 0;  ///< 0: not finished
  std::optional<Key> key;
};

/// The sequence that begins with ESC.
Cut cut_escape(std::string_view text) {
  if (text.size() < 2) return {};
  if (text[1] == 'O') {
    if (text.size() < 3) return {};
    return {3, key_of_final(text[2], {})};
  }
  // ESC and a key pressed at once: the ESC was a key of its own.
  if (text[1] != '[') return {1, Key{Name::escape, {}}};
  for (std::size_t i = 2; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x40 && c <= 0x7E) return {i + 1, key_of_final(text[i], text.substr(2, i - 2))};
    if (c < 0x20 || c > 0x7E) return {i, std::nullopt};  // broken off
  }
  return {};
}

Cut cut_one(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first == 0x1B) return cut_escape(text);
  if (first == '\r' || first == '\n') return {1, Key{Name::enter, {}}};
  if (first == '\t') return {1, Key{Name::tab, {}}};
  if (first == 0x7F || first == 0x08) return {1, Key{Name::backspace, {}}};
  if (first == 0x03) return {1, Key{Name::interrupt, {}}};
  if (first < 0x20) return {1, std::nullopt};
  if (first < 0x80) return {1, Key{Name::text, std::string(1, text.front())}};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return {1, std::nullopt};
  for (std::size_t i = 1; i < std::min(length, text.size()); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) return {i, std::nullopt};
  }
  if (text.size() < length) return {};
  if (first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) return {2, std::nullopt};  // C1
  return {length, Key{Name::text, std::string(text.substr(0, length))}};
}

}  // namespace

std::vector<Key> KeyCutter::take(std::string_view bytes) {
  std::vector<Key> keys;
  rest_ += bytes;
  std::string_view text = rest_;
  while (!text.empty()) {
    const Cut cut = cut_one(text);
    if (cut.bytes == 0) {
      if (text.size() < kLongest) break;
      text = {};  // no terminal sends that
      break;
    }
    if (cut.key) keys.push_back(*cut.key);
    text.remove_prefix(cut.bytes);
  }
  rest_ = std::string(text);
  return keys;
}

std::vector<Key> KeyCutter::settle() {
  const bool lone = rest_ == "\x1b";
  rest_.clear();
  if (lone) return {Key{Name::escape, {}}};
  return {};
}

}  // namespace headroom::cli
