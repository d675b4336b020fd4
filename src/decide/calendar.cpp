#include "decide/calendar.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace headroom::decide {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr std::size_t kMost = 32;  // pieces of one text
constexpr int kDaysOfWeek = 7;
constexpr std::uint8_t kDaily = 0x7f;
constexpr std::array<std::string_view, kDaysOfWeek> kNames{"Mon", "Tue", "Wed", "Thu",
                                                           "Fri", "Sat", "Sun"};
constexpr int kAhead = 8;  // days: a week, and one for clocks that are changed

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

tl::unexpected<Error> wrong(std::string_view piece, const std::string& why) {
  return fail(ErrorKind::invalid_request, "no time of the week: \"" + std::string(piece) + "\"",
              why, "\"Mon-Fri 08:00-18:00\", \"Sat,Sun 00:00-24:00\" or \"daily 22:00-06:00\"");
}

std::optional<int> day_of(std::string_view name) {
  for (int day = 0; day < kDaysOfWeek; ++day) {
    const std::string_view wanted = kNames[static_cast<std::size_t>(day)];
    const auto same = [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) ==
             std::tolower(static_cast<unsigned char>(b));
    };
    if (std::equal(name.begin(), name.end(), wanted.begin(), wanted.end(), same)) return day;
  }
  return {};
}

std::optional<std::uint8_t> parse_days(std::string_view text) {
  if (text.empty() || text == "daily") return kDaily;
  std::uint8_t set = 0;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view piece = text.substr(0, comma);
    const auto dash = piece.find('-');
    const auto first = day_of(piece.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(piece.substr(dash + 1));
    if (!first || !last) return {};
    for (int day = *first;; day = (day + 1) % kDaysOfWeek) {
      set = static_cast<std::uint8_t>(set | (1U << static_cast<unsigned>(day)));
      if (day == *last) break;
    }
    if (comma == std::string_view::npos) return set;
    text.remove_prefix(comma + 1);
  }
  return {};  // it ended with a comma
}

/// "08:00"; empty for anything else. `most`: the latest that is one.
std::optional<minutes> parse_clock(std::string_view text, minutes most) {
  constexpr std::size_t kLength = 5;
  if (text.size() != kLength || text[2] != ':') return {};
  int values[2] = {0, 0};
  for (std::size_t i = 0; i < 2; ++i) {
    const char* begin = text.data() + 3 * i;
    const auto [end, problem] = std::from_chars(begin, begin + 2, values[i]);
    if (problem != std::errc() || end != begin + 2 || values[i] < 0) return {};
  }
  const minutes time = hours(values[0]) + minutes(values[1]);
  if (values[1] >= 60 || time > most) return {};
  return time;
}

/// Why "8-18" or "08:00-9:00" is no span of times: names the one that is not a time.
std::string no_times(std::string_view times, bool from, bool to) {
  const auto dash = times.find('-');
  if (dash == std::string_view::npos || times.find_first_of("0123456789") != 0) {
    return "it does not end with two times, as in 08:00-18:00";
  }
  std::string text;
  if (!from) text = "\"" + std::string(times.substr(0, dash)) + "\"";
  if (!to) text += (from ? "\"" : " and \"") + std::string(times.substr(dash + 1)) + "\"";
  return text + (from || to ? " is no time: " : " are no times: ") +
         "hours and minutes have two figures each, from 00:00 to " + (from ? "24:00" : "23:59");
}

Result<During> parse_one(std::string_view text) {
  const auto blank = text.rfind(' ');
  const std::string_view times = blank == std::string_view::npos ? text : text.substr(blank + 1);
  const auto set = parse_days(blank == std::string_view::npos ? std::string_view()
                                                              : trimmed(text.substr(0, blank)));
  if (!set) return wrong(text, "these are no days");
  const auto dash = times.find('-');
  const auto from = parse_clock(times.substr(0, dash), hours(24) - minutes(1));
  const auto to = dash == std::string_view::npos ? std::nullopt
                                                 : parse_clock(times.substr(dash + 1), hours(24));
  if (!from || !to) return wrong(text, no_times(times, from.has_value(), to.has_value()));
  if (*to == minutes(0)) return wrong(text, "midnight at the end of a day is 24:00");
  if (*from == *to) return wrong(text, "it begins when it ends; a whole day is 00:00-24:00");
  return During{*set, *from, *to};
}

/// The earliest moment at which the clocks show `local`, or later than that.
sys_seconds moment_of(local_seconds local, const ZoneRules& zone) {
  const auto utc = [&](seconds offset) { return sys_seconds(local.time_since_epoch() - offset); };
  seconds offset = zone.before;
  sys_seconds from = sys_seconds::min();
  for (const ZoneRules::Change& change : zone.changes) {
    const sys_seconds here = std::max(from, utc(offset));
    if (here < change.from) return here;
    offset = change.offset;
    from = change.from;
  }
  return std::max(from, utc(offset));
}

struct Stretch {
  sys_seconds begin, end;
};

/// Those that begin within `ahead` days after the day before `at`.
std::vector<Stretch> stretches(const std::vector<During>& during, sys_seconds at, int ahead,
                               const ZoneRules& zone) {
  std::vector<Stretch> all;
  const local_days today = floor<days>(local_of(at, zone));
  for (int i = -1; i < ahead; ++i) {
    const local_days day = today + days(i);
    const unsigned index = std::chrono::weekday(day).iso_encoding() - 1;
    for (const During& one : during) {
      if ((one.days >> index & 1U) == 0) continue;
      const local_days last = one.to > one.from ? day : day + days(1);
      const Stretch stretch{moment_of(day + one.from, zone), moment_of(last + one.to, zone)};
      if (stretch.begin < stretch.end) all.push_back(stretch);
    }
  }
  return all;
}

bool is_inside(const std::vector<Stretch>& all, sys_seconds at) {
  return std::any_of(all.begin(), all.end(),
                     [&](const Stretch& one) { return one.begin <= at && at < one.end; });
}

std::string days_text(std::uint8_t set) {
  if (set == kDaily) return "daily";
  std::string text;
  const auto has = [&](int day) { return (set >> static_cast<unsigned>(day) & 1U) != 0; };
  for (int day = 0; day < kDaysOfWeek; ++day) {
    if (!has(day)) continue;
    int last = day;
    while (last + 1 < kDaysOfWeek && has(last + 1)) ++last;
    if (!text.empty()) text += ',';
    text += kNames[static_cast<std::size_t>(day)];
    if (last > day) {
      text += last > day + 1 ? '-' : ',';
      text += kNames[static_cast<std::size_t>(last)];
    }
    day = last;
  }
  return text;
}

std::string clock_text(minutes time) {
  const auto two = [](long number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return two(time / hours(1)) + ":" + two((time % hours(1)).count());
}

}  // namespace

local_seconds local_of(sys_seconds at, const ZoneRules& zone) {
  seconds offset = zone.before;
  for (const ZoneRules::Change& change : zone.changes) {
    if (at < change.from) break;
    offset = change.offset;
  }
  return local_seconds(at.time_since_epoch() + offset);
}

Result<std::vector<During>> parse_during(std::string_view text) {
  std::vector<During> all;
  for (std::string_view rest = text;;) {
    const auto end = rest.find(';');
    const auto one = parse_one(trimmed(rest.substr(0, end)));
    if (!one) return tl::unexpected(one.error());
    if (all.size() == kMost) return wrong(text, "there are more than 32 of them");
    all.push_back(*one);
    if (end == std::string_view::npos) return all;
    rest.remove_prefix(end + 1);
  }
}

std::string to_text(const std::vector<During>& during) {
  std::string text;
  for (const During& one : during) {
    if (!text.empty()) text += "; ";
    text += days_text(one.days) + " " + clock_text(one.from) + "-" + clock_text(one.to);
  }
  return text;
}

bool is_during(const std::vector<During>& during, WallTime at, const ZoneRules& zone) {
  const auto second = floor<seconds>(at);
  return is_inside(stretches(during, second, 1, zone), second);
}

std::optional<WallTime> next_change(const std::vector<During>& during, WallTime at,
                                    const ZoneRules& zone) {
  const auto second = floor<seconds>(at);
  const auto all = stretches(during, second, kAhead + 2, zone);
  const bool now = is_inside(all, second);
  std::vector<sys_seconds> edges;
  for (const Stretch& one : all) {
    for (const sys_seconds edge : {one.begin, one.end}) {
      if (edge > second) edges.push_back(edge);
    }
  }
  std::sort(edges.begin(), edges.end());
  // Where one begins as another one ends nothing changes.
  const auto found = std::find_if(edges.begin(), edges.end(),
                                  [&](sys_seconds edge) { return is_inside(all, edge) != now; });
  if (found == edges.end() || *found > second + days(kAhead)) return {};
  return WallTime(*found);
}

int hour_of(WallTime at, const ZoneRules& zone) {
  const local_seconds local = local_of(floor<seconds>(at), zone);
  return static_cast<int>(floor<hours>(local - floor<days>(local)).count());
}

std::chrono::year_month month_of(WallTime at, const ZoneRules& zone) {
  const std::chrono::year_month_day day(floor<days>(local_of(floor<seconds>(at), zone)));
  return {day.year(), day.month()};
}

WallTime end_of(std::chrono::year_month month, const ZoneRules& zone) {
  const local_days first((month + std::chrono::months(1)) / std::chrono::day(1));
  return moment_of(local_seconds(first), zone);
}

}  // namespace headroom::decide
