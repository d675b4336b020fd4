#include "settings/parse.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

namespace headroom::settings {

namespace {

constexpr std::size_t kShown = 60;  // of a hostile text, in a message

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  out += text.size() > kShown ? "…\"" : "\"";
  return out;
}

// A decimal number at the front of a text: digits, and a fraction if there is one.
struct Number {
  std::uint64_t whole = 0;
  double fraction = 0;
  bool overflow = false;
  double value() const { return static_cast<double>(whole) + fraction; }
};

// Takes the number off `given`, or takes nothing and is empty. No sign, no exponent, no "nan".
std::optional<Number> take_number(std::string_view& given) {
  std::string_view text = given;
  Number number;
  std::size_t digits = 0;
  while (!text.empty() && is_digit(text.front())) {
    const auto digit = static_cast<std::uint64_t>(text.front() - '0');
    if (__builtin_mul_overflow(number.whole, std::uint64_t{10}, &number.whole) ||
        __builtin_add_overflow(number.whole, digit, &number.whole)) {
      number.overflow = true;
    }
    ++digits;
    text.remove_prefix(1);
  }
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    double weight = 0.1;
    while (!text.empty() && is_digit(text.front())) {
      number.fraction += weight * (text.front() - '0');
      weight /= 10;
      ++digits;
      text.remove_prefix(1);
    }
  }
  if (digits == 0) return std::nullopt;
  given = text;
  return number;
}

// What to say of a text that take_number took nothing from.
std::string why_not_a_number(std::string_view text) {
  if (text.empty()) return "it is empty";
  if (text.front() == '-') return "it must not be negative";
  return "it does not start with a number";
}

// whole and fraction of `unit`, rounded; empty on overflow of int64.
std::optional<std::int64_t> times(const Number& number, std::int64_t unit) {
  std::uint64_t whole = 0;
  if (number.overflow ||
      __builtin_mul_overflow(number.whole, static_cast<std::uint64_t>(unit), &whole)) {
    return std::nullopt;
  }
  const auto rest =
      static_cast<std::uint64_t>(std::llround(number.fraction * static_cast<double>(unit)));
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(whole, rest, &sum) ||
      sum > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(sum);
}

tl::unexpected<Error> not_a(const char* kind, std::string_view text, std::string why,
                            const char* forms) {
  return fail(ErrorKind::invalid_request, quoted(text) + " is not " + kind, std::move(why),
              std::string("write ") + forms);
}

constexpr const char* kSizeForms =
    "a number with K, M, G or T (powers of 1024), like 12G, 512MiB or 1.5GiB; a bare number is "
    "bytes";
constexpr const char* kCoreForms = "a number of cores like 4 or 0.5, or thousandths like 1500m";
constexpr const char* kPercentForms = "a percentage from 0% to 100%";
constexpr const char* kShareForms =
    "a percentage of the capacity from 0% to 100%, or a size like 512MiB";
constexpr const char* kDurationForms =
    "a time like 500ms, 3s, 10m, 2h30m or 7d; a bare number is seconds";

struct Unit {
  std::string_view name;
  std::int64_t of_the_smallest;
};

constexpr std::array<Unit, 4> kSizeUnits{
    {{"T", 1LL << 40}, {"G", 1LL << 30}, {"M", 1LL << 20}, {"K", 1LL << 10}}};
constexpr std::array<Unit, 5> kTimeUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::int64_t kLongest = 36'525 * kTimeUnits[0].of_the_smallest;  // 100 years

// What one unit of a size is worth; empty when it is not one.
std::optional<std::int64_t> size_unit(std::string_view name) {
  const std::string word = lower(name);
  if (word.empty() || word == "b") return 1;
  for (const Unit& unit : kSizeUnits) {
    const std::string letter = lower(unit.name);
    if (word == letter || word == letter + "b" || word == letter + "ib") {
      return unit.of_the_smallest;
    }
  }
  return std::nullopt;
}

template <class T>
using Word = std::pair<std::string_view, T>;

template <class T, std::size_t N>
Result<T> one_of(const std::array<Word<T>, N>& words, std::string_view text, const char* kind) {
  const std::string word = lower(trim(text));
  std::vector<std::string_view> names;
  std::string all;
  for (const auto& [name, value] : words) {
    if (name == word) return value;
    names.push_back(name);
    all += (all.empty() ? "" : " ") + std::string(name);
  }
  return fail(ErrorKind::invalid_request,
              quoted(text) + " is not " + kind + did_you_mean(word, names),
              "it is none of the known words", "one of: " + all);
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number) return not_a("a size", text, why_not_a_number(rest), kSizeForms);
  const auto unit = size_unit(trim(rest));
  if (!unit) {
    return not_a("a size", text,
                 trim(rest) == "%" ? "a percentage means nothing without a capacity here"
                                   : quoted(trim(rest)) + " is not a unit of size",
                 kSizeForms);
  }
  const auto count = times(*number, *unit);
  if (!count) return not_a("a size", text, "it is larger than 8 EiB", kSizeForms);
  return Bytes(*count);
}

Result<Cores> parse_cores(std::string_view text) {
  constexpr std::int64_t kMost = 1'000'000'000;  // a million cores
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number) return not_a("a number of cores", text, why_not_a_number(rest), kCoreForms);
  const bool milli = rest == "m" || rest == "M";
  if (!rest.empty() && !milli) {
    return not_a("a number of cores", text, quoted(rest) + " is not a unit of cores", kCoreForms);
  }
  const auto count = times(*number, milli ? 1 : 1000);
  if (!count || *count > kMost) {
    return not_a("a number of cores", text, "no machine has that many", kCoreForms);
  }
  if (*count == 0 && number->value() > 0) {
    return not_a("a number of cores", text, "the least is one thousandth", kCoreForms);
  }
  return Cores(*count);
}

Result<Ratio> parse_percent(std::string_view text) {
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  if (!number) return not_a("a percentage", text, why_not_a_number(rest), kPercentForms);
  rest = trim(rest);
  if (!rest.empty() && rest != "%") {
    return not_a("a percentage", text, quoted(rest) + " does not belong there", kPercentForms);
  }
  if (number->overflow || number->value() > 100) {
    return not_a("a percentage", text, "it is above 100 %", kPercentForms);
  }
  return Ratio(number->value() / 100.0);
}

Result<Share> parse_share(std::string_view text) {
  const std::string_view rest = trim(text);
  if (!rest.empty() && rest.back() == '%') {
    const auto ratio = parse_percent(rest);
    if (!ratio) return not_a("a share", text, ratio.error().why, kShareForms);
    return Share{*ratio, {}};
  }
  const auto bytes = parse_bytes(rest);
  if (!bytes) return not_a("a share", text, bytes.error().why, kShareForms);
  return Share{{}, *bytes};
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::string_view rest = trim(text);
  if (std::string_view first = rest; !take_number(first)) {
    return not_a("a time", text, why_not_a_number(rest), kDurationForms);
  }
  std::int64_t total = 0;
  std::size_t first_allowed = 0;  // of kTimeUnits: each once, from large to small
  bool bare = true;
  while (!rest.empty()) {
    const auto number = take_number(rest);
    if (!number) return not_a("a time", text, "a unit is followed by no number", kDurationForms);
    const std::string_view behind = trim(rest);
    std::size_t letters = 0;
    while (letters < behind.size() && !is_digit(behind[letters]) && behind[letters] != '.' &&
           behind[letters] != ' ' && behind[letters] != '\t') {
      ++letters;
    }
    const std::string name = lower(behind.substr(0, letters));
    rest = trim(behind.substr(letters));
    std::size_t unit = 0;
    if (name.empty()) {
      if (!bare || !rest.empty()) {
        return not_a("a time", text, "a number has no unit", kDurationForms);
      }
      unit = 3;  // seconds
    } else {
      while (unit < kTimeUnits.size() && kTimeUnits[unit].name != name) ++unit;
      if (unit == kTimeUnits.size()) {
        return not_a("a time", text, quoted(name) + " is not a unit of time", kDurationForms);
      }
      if (unit < first_allowed) {
        return not_a("a time", text, "its units do not go from large to small", kDurationForms);
      }
    }
    const auto part = times(*number, kTimeUnits[unit].of_the_smallest);
    if (!part || *part > kLongest || total + *part > kLongest) {
      return not_a("a time", text, "it is longer than 100 years", kDurationForms);
    }
    total += *part;
    first_allowed = unit + 1;
    bare = false;
  }
  return std::chrono::milliseconds(total);
}

Result<Priority> parse_priority(std::string_view text) {
  static constexpr std::array<Word<Priority>, 4> kWords{{{"low", Priority::low},
                                                         {"normal", Priority::normal},
                                                         {"high", Priority::high},
                                                         {"critical", Priority::critical}}};
  return one_of(kWords, text, "a priority");
}

Result<Level> parse_level(std::string_view text) {
  static constexpr std::array<Word<Level>, 4> kWords{{{"ok", Level::ok},
                                                      {"warning", Level::warning},
                                                      {"critical", Level::critical},
                                                      {"emergency", Level::emergency}}};
  return one_of(kWords, text, "a level");
}

Result<Resource> parse_resource(std::string_view text) {
  static constexpr std::array<Word<Resource>, 7> kWords{
      {{"memory", Resource::memory},
       {"gpu_memory", Resource::gpu_memory},
       {"cpu", Resource::cpu},
       {"disk", Resource::disk},
       {"gpu_temperature", Resource::gpu_temperature},
       {"power", Resource::power},
       {"network", Resource::network}}};
  std::string word(text.substr(0, kShown));
  std::replace(word.begin(), word.end(), '.', '_');
  std::replace(word.begin(), word.end(), '-', '_');
  return one_of(kWords, word, "a resource");
}

Result<bool> parse_bool(std::string_view text) {
  static constexpr std::array<Word<bool>, 8> kWords{{{"true", true},
                                                     {"false", false},
                                                     {"yes", true},
                                                     {"no", false},
                                                     {"on", true},
                                                     {"off", false},
                                                     {"1", true},
                                                     {"0", false}}};
  return one_of(kWords, text, "a yes or no");
}

namespace {

// Edits between two words: a letter left out, added, changed, or two neighbours swapped.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_before(b.size() + 1), before(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) before[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({change, before[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_before[j - 2] + 1);
      }
    }
    std::swap(two_before, before);
    std::swap(before, row);
  }
  return before[b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view word,
                                   std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongestWord = 64;  // nobody mistypes more, and the work stays bounded
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  const std::string mine = lower(word);
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 4) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    const std::size_t edits = distance(mine, lower(candidate));
    if (edits < best_distance) {
      best_distance = edits;
      best = std::string(candidate);
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto meant = nearest(word, candidates);
  return meant ? ", did you mean " + *meant + "?" : "";
}

std::string format_bytes_exact(Bytes bytes) {
  const std::int64_t count = bytes.count();
  for (const Unit& unit : kSizeUnits) {
    if (count != 0 && count % unit.of_the_smallest == 0) {
      return std::to_string(count / unit.of_the_smallest) + std::string(unit.name) + "iB";
    }
  }
  return std::to_string(count);
}

std::string format_duration_exact(std::chrono::milliseconds duration) {
  const std::int64_t count = duration.count();
  for (const Unit& unit : kTimeUnits) {
    if (count != 0 && count % unit.of_the_smallest == 0) {
      return std::to_string(count / unit.of_the_smallest) + std::string(unit.name);
    }
  }
  return "0s";
}

std::string format_share_exact(const Share& share) {
  if (share.bytes) return format_bytes_exact(*share.bytes);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.10g%%", share.ratio ? share.ratio->percent() : 0.0);
  return text.data();
}

}  // namespace headroom::settings
