#include "cli/units.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace headroom::cli {
namespace {

struct Unit {
  const char* name;
  double size;
  int digits;
};

constexpr std::array<Unit, 6> kUnits{{{"B", 1.0, 0},
                                      {"KiB", 1024.0, 0},
                                      {"MiB", 1048576.0, 0},
                                      {"GiB", 1073741824.0, 1},
                                      {"TiB", 1099511627776.0, 2},
                                      {"PiB", 1125899906842624.0, 2}}};

const Unit& choose(std::int64_t bytes) {
  const double size = std::abs(static_cast<double>(bytes));
  std::size_t i = 0;
  // Half a rounding step under the next unit is already that unit: never "1024 MiB".
  while (i + 1 < kUnits.size() && size >= kUnits[i + 1].size * 0.9995) ++i;
  return kUnits[i];
}

}  // namespace

std::string show_number(double value, int digits) {
  std::array<char, 64> buffer{};
  if (!(std::abs(value) < 1e18)) return kNone;
  std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  std::string text = buffer.data();
  if (text.find_first_not_of("-0.") == std::string::npos && text.front() == '-') text.erase(0, 1);
  return text;
}

std::string show_plain(double value, int digits) {
  auto text = show_number(value, digits);
  if (text.find('.') == std::string::npos) return text;
  text.resize(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string show_latency(double seconds) {
  if (seconds >= 0.9995) return show_span(seconds);
  return show_number(std::max(0.0, seconds) * 1000, seconds < 0.00095 ? 1 : 0) + " ms";
}

std::string show_bytes_in_unit_of(std::int64_t bytes, std::int64_t scale) {
  const auto& unit = choose(scale);
  return show_number(static_cast<double>(bytes) / unit.size, unit.digits);
}

const char* unit_of(std::int64_t scale) { return choose(scale).name; }

std::string show_bytes(std::int64_t bytes) {
  return show_bytes_in_unit_of(bytes, bytes) + " " + unit_of(bytes);
}

std::string show_bytes_of(std::int64_t used, std::int64_t total) {
  return show_bytes_in_unit_of(used, total) + " of " + show_bytes(total);
}

std::string show_cores(double cores) {
  if (cores == 1.0) return "1 core";
  return show_number(cores, cores < 100 ? 1 : 0) + " cores";
}

std::string show_span(double seconds) {
  std::array<char, 64> buffer{};
  if (seconds < 0) seconds = 0;
  if (seconds < 9.95) return show_number(seconds, 1) + "s";
  if (!(seconds < 1e11)) return kNone;
  const auto whole = std::llround(seconds);
  if (whole < 60) return std::to_string(whole) + "s";
  if (whole < 3600) {
    std::snprintf(buffer.data(), buffer.size(), "%lldm %02llds", whole / 60, whole % 60);
  } else if (whole < 86400) {
    std::snprintf(buffer.data(), buffer.size(), "%lldh %02lldm", whole / 3600, whole / 60 % 60);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%lldd %lldh", whole / 86400, whole / 3600 % 24);
  }
  return buffer.data();
}

std::string show_clock(double seconds) {
  std::array<char, 64> buffer{};
  const auto whole = seconds > 0 && seconds < 1e11 ? static_cast<long long>(seconds) : 0LL;
  if (whole < 3600) {
    std::snprintf(buffer.data(), buffer.size(), "%02lld:%02lld", whole / 60, whole % 60);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  }
  return buffer.data();
}

std::optional<double> parse_time(std::string_view text) {
  if (text.size() > 40) return std::nullopt;
  const std::string copy(text);
  std::tm parts{};
  double seconds = 0;
  char zone = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%9lf%c", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &seconds, &zone) != 7 ||
      zone != 'Z' || parts.tm_mon < 1 || parts.tm_mon > 12 || seconds < 0 || seconds >= 61) {
    return std::nullopt;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return static_cast<double>(timegm(&parts)) + seconds;
}

std::string show_time(double at, double now, bool seconds) {
  std::array<char, 64> buffer{};
  if (!(std::abs(at) < 1e11) || !(std::abs(now) < 1e11)) return kNone;
  const auto local = [](double time) {
    const auto whole = static_cast<std::time_t>(time);
    std::tm parts{};
    localtime_r(&whole, &parts);
    return parts;
  };
  const std::tm then = local(at);
  const std::tm today = local(now);
  std::string format = seconds ? "%H:%M:%S" : "%H:%M";
  if (then.tm_year != today.tm_year) {
    format.insert(0, "%b %d %Y ");
  } else if (then.tm_yday != today.tm_yday) {
    format.insert(0, "%b %d ");
  }
  std::strftime(buffer.data(), buffer.size(), format.c_str(), &then);
  return buffer.data();
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {  // a colour code of ours: ESC [ … m
      while (i < text.size() && text[i] != 'm') ++i;
      continue;
    }
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) ++width;
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string clean(text);
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const auto c = static_cast<unsigned char>(clean[i]);
    // C1 controls (U+0080 to U+009F) are C2 80 to C2 9F in UTF-8; terminals obey them too.
    const bool c1 = c == 0xC2U && i + 1 < clean.size() &&
                    static_cast<unsigned char>(clean[i + 1]) >= 0x80U &&
                    static_cast<unsigned char>(clean[i + 1]) <= 0x9FU;
    if (c < 0x20U || c == 0x7FU) clean[i] = '?';
    if (c1) clean.replace(i, 2, "?");
  }
  return clean;
}

}  // namespace headroom::cli
