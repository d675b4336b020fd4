// The kinds of values that keys take: how each is read, checked and written. Templates over the
// member of a Config (or of a part of it) that a value goes to.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "settings/parse.hpp"
#include "settings/value.hpp"

namespace headroom::settings {

/// What is wrong with a value, as the end of a sentence about it; empty: nothing.
using Problem = std::optional<std::string>;

inline constexpr const char* kOff = "off";  ///< a line that does not exist

/// The two directions of one kind of value. `Access` gives the member of a `Target`, const or not.
template <class Target>
struct Field {
  std::string allowed;
  std::function<Problem(Target&, const Value&)> set;
  std::function<std::string(const Target&)> get;
};

template <class Target, class Access>
Field<Target> whole_number(Access access, int least, int most) {
  return {"a whole number from " + std::to_string(least) + " to " + std::to_string(most),
          [=](Target& target, const Value& value) -> Problem {
            const auto number = number_of(value);
            if (!number) return wrong_kind(value);
            if (!std::isfinite(*number) || *number != std::floor(*number)) {
              return "is not a whole number";
            }
            if (*number < least || *number > most) return "is out of range";
            access(target) = static_cast<int>(*number);
            return {};
          },
          [=](const Target& target) { return std::to_string(access(target)); }};
}

template <class Target, class Access>
Field<Target> number(Access access, double least, double most, const std::string& unit) {
  return {"a number from " + number_text(least) + " to " + number_text(most) + unit,
          [=](Target& target, const Value& value) -> Problem {
            const auto given = number_of(value);
            if (!given) return wrong_kind(value);
            if (!(*given >= least && *given <= most)) return "is out of range";
            access(target) = *given;
            return {};
          },
          [=](const Target& target) { return number_text(access(target)); }};
}

/// A line of a ladder: a number, or "off".
template <class Target, class Access>
Field<Target> rung(Access access, double most, const std::string& unit) {
  return {"a number from 0 to " + number_text(most) + unit + ", or \"off\"",
          [=](Target& target, const Value& value) -> Problem {
            if (const auto* text = text_of(value); text != nullptr && *text == kOff) {
              access(target).reset();
              return {};
            }
            const auto given = number_of(value);
            if (!given) return wrong_kind(value);
            if (!(*given >= 0 && *given <= most)) return "is out of range";
            access(target) = *given;
            return {};
          },
          [=](const Target& target) {
            const auto& line = access(target);
            return line ? number_text(*line) : toml_text(kOff);
          }};
}

template <class Target, class Access>
Field<Target> boolean(Access access) {
  return {"true or false",
          [=](Target& target, const Value& value) -> Problem {
            if (const auto* given = std::get_if<bool>(&value.data)) {
              access(target) = *given;
              return {};
            }
            const auto* text = text_of(value);
            if (text == nullptr || !value.plain) return wrong_kind(value);
            const auto parsed = parse_bool(*text);
            if (!parsed) return "is neither";
            access(target) = *parsed;
            return {};
          },
          [=](const Target& target) { return access(target) ? "true" : "false"; }};
}

/// Durations of the unit Access gives: what it cannot hold exactly is refused, not rounded.
template <class Target, class Access>
Field<Target> duration(Access access, std::chrono::milliseconds least,
                       std::chrono::milliseconds most) {
  return {format_duration_exact(least) + " to " + format_duration_exact(most),
          [=](Target& target, const Value& value) -> Problem {
            using std::chrono::milliseconds;
            using Unit = std::remove_cvref_t<decltype(access(target))>;
            milliseconds given{};
            if (const auto* text = text_of(value)) {
              const auto parsed = parse_duration(*text);
              if (!parsed) return "is not a time: " + parsed.error().why;
              given = *parsed;
            } else if (const auto seconds = number_of(value)) {
              if (!(*seconds >= 0 && *seconds <= 1e10)) return "is out of range";
              given = milliseconds(std::llround(*seconds * 1000));
            } else {
              return wrong_kind(value);
            }
            if (given < least || given > most) return "is out of range";
            if (std::chrono::duration_cast<Unit>(given) != given) {
              return "is not a whole number of seconds";
            }
            access(target) = std::chrono::duration_cast<Unit>(given);
            return {};
          },
          [=](const Target& target) { return toml_text(format_duration_exact(access(target))); }};
}

template <class Target, class Access>
Field<Target> share(Access access) {
  return {"0% to 100%, or a size",
          [=](Target& target, const Value& value) -> Problem {
            if (const auto* bytes = std::get_if<std::int64_t>(&value.data)) {
              if (*bytes < 0) return "is negative";
              access(target) = Share{{}, Bytes(*bytes)};
              return {};
            }
            const auto* text = text_of(value);
            if (text == nullptr) return wrong_kind(value);
            const auto parsed = parse_share(*text);
            if (!parsed) return "is not a share: " + parsed.error().why;
            access(target) = *parsed;
            return {};
          },
          [=](const Target& target) { return toml_text(format_share_exact(access(target))); }};
}

template <class Target, class Access>
Field<Target> percent(Access access) {
  return {"0% to 100%",
          [=](Target& target, const Value& value) -> Problem {
            const auto* text = text_of(value);
            if (text == nullptr) return wrong_kind(value);
            const auto parsed = parse_percent(*text);
            if (!parsed) return "is not a percentage: " + parsed.error().why;
            access(target) = *parsed;
            return {};
          },
          [=](const Target& target) {
            return toml_text(format_share_exact(Share{access(target), {}}));
          }};
}

template <class Target, class Access>
Field<Target> bytes(Access access, Bytes least, Bytes most) {
  return {format_bytes_exact(least) + " to " + format_bytes_exact(most),
          [=](Target& target, const Value& value) -> Problem {
            Bytes given;
            if (const auto* count = std::get_if<std::int64_t>(&value.data)) {
              given = Bytes(*count);
            } else if (const auto* text = text_of(value)) {
              const auto parsed = parse_bytes(*text);
              if (!parsed) return "is not a size: " + parsed.error().why;
              given = *parsed;
            } else {
              return wrong_kind(value);
            }
            if (given < least || given > most) return "is out of range";
            access(target) = given;
            return {};
          },
          [=](const Target& target) { return toml_text(format_bytes_exact(access(target))); }};
}

template <class T>
using Words = std::vector<std::pair<std::string, T>>;

/// One of a few words, each standing for a value.
template <class Target, class Access, class T>
Field<Target> choice(Access access, Words<T> words) {
  std::string allowed;
  for (const auto& [word, meaning] : words) allowed += (allowed.empty() ? "" : ", ") + word;
  return {allowed,
          [=](Target& target, const Value& value) -> Problem {
            const auto* text = text_of(value);
            if (text == nullptr) return wrong_kind(value);
            std::vector<std::string_view> names;
            for (const auto& [word, meaning] : words) {
              if (word == *text) {
                access(target) = meaning;
                return {};
              }
              names.push_back(word);
            }
            return "is none of the words" + did_you_mean(*text, names);
          },
          [=](const Target& target) {
            for (const auto& [word, meaning] : words) {
              if (access(target) == meaning) return toml_text(word);
            }
            return toml_text("");
          }};
}

/// Text that `check` has nothing to say against.
template <class Target, class Access>
Field<Target> text(Access access, std::string allowed, Problem (*check)(const std::string&)) {
  return {std::move(allowed),
          [=](Target& target, const Value& value) -> Problem {
            const auto* given = text_of(value);
            if (given == nullptr) return wrong_kind(value);
            for (const char c : *given) {
              if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                return "has a control character in it";
              }
            }
            if (auto problem = check(*given)) return problem;
            access(target) = *given;
            return {};
          },
          [=](const Target& target) { return toml_text(access(target)); }};
}

/// A list of texts; as plain text they are divided by commas.
template <class Target, class Access>
Field<Target> texts(Access access, std::string allowed, std::size_t most,
                    Problem (*check)(const std::string&)) {
  return {std::move(allowed),
          [=](Target& target, const Value& value) -> Problem {
            std::vector<std::string> given;
            if (const auto* list = std::get_if<std::vector<std::string>>(&value.data)) {
              given = *list;
            } else if (const auto* text = text_of(value); text != nullptr && value.plain) {
              given = split_list(*text);
            } else {
              return wrong_kind(value);
            }
            if (given.size() > most) return "has more than " + std::to_string(most) + " entries";
            for (const std::string& one : given) {
              if (auto problem = check(one)) return "has \"" + one + "\" in it, which " + *problem;
            }
            access(target) = std::move(given);
            return {};
          },
          [=](const Target& target) { return toml_list(access(target)); }};
}

/// Two numbers, the least and the most: [5, 80], or as plain text 5-80.
template <class Target, class Least, class Most>
Field<Target> range(Least least, Most most, double lowest, double highest,
                    const std::string& unit) {
  return {
      "[least, most], numbers from " + number_text(lowest) + " to " + number_text(highest) + unit,
      [=](Target& target, const Value& value) -> Problem {
        const auto pair = range_of(value);
        if (!pair) return wrong_kind(value);
        const auto first = plain_number(pair->first);
        const auto last = plain_number(pair->second);
        if (!first || !last) return "is not two numbers";
        if (!(*first >= lowest && *last <= highest)) return "is out of range";
        if (*first > *last) return "has its least above its most";
        least(target) = *first;
        most(target) = *last;
        return {};
      },
      [=](const Target& target) {
        return "[" + number_text(least(target)) + ", " + number_text(most(target)) + "]";
      }};
}

/// Two sizes, the least and the most: ["100MiB", "4GiB"], or as plain text 100MiB-4GiB.
template <class Target, class Least, class Most>
Field<Target> byte_range(Least least, Most most) {
  return {"[least, most], two sizes",
          [=](Target& target, const Value& value) -> Problem {
            const auto pair = range_of(value);
            if (!pair) return wrong_kind(value);
            const auto first = parse_bytes(pair->first);
            const auto last = parse_bytes(pair->second);
            if (!first) return "is not two sizes: " + first.error().why;
            if (!last) return "is not two sizes: " + last.error().why;
            if (*first > *last) return "has its least above its most";
            least(target) = *first;
            most(target) = *last;
            return {};
          },
          [=](const Target& target) {
            return toml_list({format_bytes_exact(least(target)), format_bytes_exact(most(target))});
          }};
}

}  // namespace headroom::settings
