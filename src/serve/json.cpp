#include "serve/json.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace headroom::serve {
namespace {

void two(char* at, unsigned value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

// Seven significant digits of a number from 1e-4 to below 1e6 that is not whole, without the zeros
// at the end. As to_chars() has them, in a fifth of its time: most of what a history costs is this.
char* seven_digits(char* at, double value) {
  constexpr double kScales[] = {1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10};
  double size = value;
  if (value < 0) {
    *at++ = '-';
    size = -value;
  }
  std::size_t decimals = 0;  // less one: the fewest there can be are one
  while (decimals + 1 < std::size(kScales) && size * kScales[decimals] < 1e6) ++decimals;
  auto rest = static_cast<std::uint32_t>(std::llrint(size * kScales[decimals]));
  char text[10];
  char* first = text + sizeof text;
  for (; rest > 0; rest /= 10) *--first = static_cast<char>('0' + rest % 10);
  const auto count = static_cast<std::size_t>(text + sizeof text - first);
  const std::size_t after = decimals + 1;
  if (count > after) {
    at = std::copy(first, first + (count - after), at);
    first += count - after;
    *at++ = '.';
  } else {
    at = std::fill_n(std::copy_n("0.", 2, at), after - count, '0');
  }
  at = std::copy(first, text + sizeof text, at);
  while (at[-1] == '0') --at;
  return at[-1] == '.' ? at - 1 : at;
}

constexpr std::size_t kTime = 24;
constexpr std::size_t kReal = 40;

void write_time_of_minute(char* at, unsigned ms) {
  two(at + 17, ms / 1000);
  at[19] = '.';
  at[20] = static_cast<char>('0' + ms % 1000 / 100);
  two(at + 21, ms % 100);
  at[23] = 'Z';
}

// Writes kTime bytes.
void write_time(char* at, WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const auto ms = static_cast<unsigned>(floor<milliseconds>(time - day).count());
  const int year = std::clamp(static_cast<int>(date.year()), 0, 9999);
  two(at, static_cast<unsigned>(year) / 100);
  two(at + 2, static_cast<unsigned>(year) % 100);
  at[4] = '-';
  two(at + 5, static_cast<unsigned>(date.month()));
  at[7] = '-';
  two(at + 8, static_cast<unsigned>(date.day()));
  at[10] = 'T';
  two(at + 11, ms / 3600000);
  at[13] = ':';
  two(at + 14, ms / 60000 % 60);
  at[16] = ':';
  write_time_of_minute(at, ms % 60000);
}

// Writes at most kReal bytes, and returns their end.
char* write_real(char* at, double value) {
  const double size = std::abs(value);
  if (size < 1e15 && value == std::floor(value)) {
    if (std::signbit(value)) *at++ = '-';
    at = std::to_chars(at, at + kReal - 3, static_cast<std::int64_t>(size)).ptr;
    return std::copy_n(".0", 2, at);
  }
  if (size >= 1e-4 && size < 1e6) return seven_digits(at, value);
  return std::to_chars(at, at + kReal, value, std::chars_format::general, 7).ptr;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what is beyond Unicode.
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

void append_rfc3339(std::string& out, WallTime time) {
  char text[kTime];
  write_time(text, time);
  out.append(text, sizeof text);
}

std::string rfc3339(WallTime time) {
  std::string out;
  append_rfc3339(out, time);
  return out;
}

void append_real(std::string& out, double value) {
  char digits[kReal];
  out.append(digits, write_real(digits, value));
}

Json& Json::text(std::string_view value) {
  comma();
  out_ += '"';
  std::size_t plain = 0;
  std::size_t i = 0;
  const auto flush = [&](std::size_t to) { out_.append(value.data() + plain, to - plain); };
  while (i < value.size()) {
    const auto c = static_cast<unsigned char>(value[i]);
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    if (c >= 0x80) {
      if (const std::size_t length = utf8_sequence(value.substr(i)); length > 0) {
        i += length;
        continue;
      }
    }
    flush(i);
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += static_cast<char>(c);
    } else if (c == '\n') {
      out_ += "\\n";
    } else if (c < 0x20 || c == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out_ += escape;
    } else {
      out_ += "\xEF\xBF\xBD";
    }
    plain = ++i;
  }
  flush(value.size());
  out_ += '"';
  return *this;
}

Json& Json::any_key(std::string_view key) {
  text(key);
  out_ += ':';
  more_ = false;
  return *this;
}

Json& Json::real(double value) {
  comma();
  if (!std::isfinite(value)) {
    out_ += "null";
  } else {
    append_real(out_, value);
  }
  return *this;
}

Json& Json::points(const TimedValues& values) {
  using namespace std::chrono;
  list();
  // Most points are in the same minute as the one before: a date is worked out once for them.
  char text[2 + kTime + 2 + kReal + 2] = {'[', '"'};
  char* const at = text + 2;
  char* const after = at + kTime + 2;
  std::copy_n("\",", 2, at + kTime);
  std::optional<WallTime> minute;
  for (const auto& [time, value] : values) {
    if (minute && time >= *minute && time < *minute + minutes(1)) {
      write_time_of_minute(at, static_cast<unsigned>(floor<milliseconds>(time - *minute).count()));
    } else {
      write_time(at, time);
      minute = floor<minutes>(time);
    }
    char* end = after;
    if (value && std::isfinite(*value)) {
      end = write_real(after, *value);
    } else {
      end = std::copy_n("null", 4, after);
    }
    *end++ = ']';
    *end++ = ',';
    out_.append(text, end);
  }
  if (!values.empty()) out_.pop_back();
  return end_list();
}

Json& Json::time(std::string_view key, WallTime value) { return name(key), time(value); }

Json& Json::time(WallTime value) {
  comma();
  out_ += '"';
  append_rfc3339(out_, value);
  out_ += '"';
  return *this;
}

}  // namespace headroom::serve
