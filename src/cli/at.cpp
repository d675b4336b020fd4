#include "cli/at.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>
#include <vector>

#include "settings/parse.hpp"

namespace headroom::cli {
namespace {

constexpr const char* kForms = "--at 08:00, \"2026-11-23 22:00\", 2026-11-23T22:00:00Z or +2h";

tl::unexpected<Error> wrong(const std::string& text, std::string why, std::string help = kForms) {
  return fail(ErrorKind::invalid_request, "--at cannot be '" + text.substr(0, 64) + "'",
              std::move(why), std::move(help));
}

// Reads numbers of so many digits and the signs between them off the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  std::optional<int> digits(std::size_t least, std::size_t most) {
    std::size_t count = 0;
    while (count < most && count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') {
      ++count;
    }
    if (count < least) return {};
    int number = 0;
    std::from_chars(rest_.data(), rest_.data() + count, number);
    rest_.remove_prefix(count);
    return number;
  }
  bool skip(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool done() const { return rest_.empty(); }
  char front() const { return rest_.empty() ? '\0' : rest_.front(); }

 private:
  std::string_view rest_;
};

struct Clock {
  int hour = 0, minute = 0, second = 0;
};
std::optional<Clock> read_clock(Reader& reader) {
  const auto hour = reader.digits(1, 2);
  if (!hour || !reader.skip(":")) return {};
  const auto minute = reader.digits(2, 2);
  if (!minute) return {};
  Clock clock{*hour, *minute, 0};
  if (reader.skip(":")) {
    const auto second = reader.digits(2, 2);
    if (!second) return {};
    clock.second = *second;
  }
  if (clock.hour > 23 || clock.minute > 59 || clock.second > 59) return {};
  return clock;
}

// All moments at which the clocks of this place show a time, the first one first: none where they
// go forward over it, two where they go back.
std::vector<std::int64_t> moments_of(const std::chrono::year_month_day& date, const Clock& clock) {
  std::vector<std::int64_t> all;
  for (const int summer : {1, 0, -1}) {
    std::tm parts{};
    parts.tm_year = static_cast<int>(date.year()) - 1900;
    parts.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
    parts.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
    parts.tm_hour = clock.hour;
    parts.tm_min = clock.minute;
    parts.tm_sec = clock.second;
    parts.tm_isdst = summer;
    const std::time_t at = mktime(&parts);
    std::tm shown{};
    if (at == -1 || localtime_r(&at, &shown) == nullptr) continue;
    if (shown.tm_mday == static_cast<int>(static_cast<unsigned>(date.day())) &&
        shown.tm_hour == clock.hour && shown.tm_min == clock.minute) {
      all.push_back(at);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::optional<std::int64_t> first_after(const std::vector<std::int64_t>& moments,
                                        std::int64_t now) {
  const auto found = std::upper_bound(moments.begin(), moments.end(), now);
  return found == moments.end() ? std::nullopt : std::optional(*found);
}

Result<std::int64_t> next_of_day(const std::string& text, const Clock& clock, std::int64_t now) {
  const auto start = static_cast<std::time_t>(now);
  std::tm today{};
  localtime_r(&start, &today);
  using namespace std::chrono;
  const sys_days day =
      sys_days(year(today.tm_year + 1900) / month(static_cast<unsigned>(today.tm_mon + 1)) /
               std::chrono::day(static_cast<unsigned>(today.tm_mday)));
  // Today, tomorrow, and the day after a day whose clocks leave it out.
  for (int ahead = 0; ahead <= 2; ++ahead) {
    if (const auto at = first_after(moments_of(year_month_day(day + days(ahead)), clock), now)) {
      return *at;
    }
  }
  return wrong(text, "the clocks of this place do not show it in the next days");
}

}  // namespace

Result<std::int64_t> parse_at(const std::string& text, std::int64_t now) {
  using namespace std::chrono;
  const bool counted = text.starts_with("+") || text.starts_with("in ");
  if (counted) {
    const auto time = settings::parse_duration(text.substr(text[0] == '+' ? 1 : 3));
    if (!time) return wrong(text, time.error().what);
    if (time->count() <= 0) return wrong(text, "that is now", "leave --at out");
    return now + ceil<seconds>(*time).count();
  }
  Reader clock_only(text);
  if (const auto clock = read_clock(clock_only); clock && clock_only.done()) {
    return next_of_day(text, *clock, now);
  }

  Reader reader(text);
  const auto y = reader.digits(4, 4);
  const auto m = y && reader.skip("-") ? reader.digits(2, 2) : std::nullopt;
  const auto d = m && reader.skip("-") ? reader.digits(2, 2) : std::nullopt;
  const auto clock = d && reader.skip(" Tt") ? read_clock(reader) : std::nullopt;
  if (!clock) return wrong(text, "it is no time of a day, no date with one, and no duration");
  const year_month_day date{year(*y), month(static_cast<unsigned>(*m)),
                            day(static_cast<unsigned>(*d))};
  if (!date.ok() || *y < 1970 || *y > 2200) return wrong(text, "there is no such day");
  std::optional<std::int64_t> at;
  if (reader.skip(".")) reader.digits(1, 9);  // parts of a second: nobody starts as exactly
  if (reader.done()) {
    const auto moments = moments_of(date, *clock);
    if (moments.empty()) {
      return wrong(text, "the clocks go forward over that time on that day, and do not show it",
                   "a time before or after that, or one with its zone, such as "
                   "2026-11-23T22:00:00+01:00");
    }
    at = first_after(moments, now);
  } else {
    std::int64_t offset = 0;
    const char sign = reader.front();
    if (!reader.skip("Zz")) {
      const bool signed_one = reader.skip("+-");
      const auto hours_of = signed_one ? reader.digits(2, 2) : std::nullopt;
      const auto minutes_of = hours_of && reader.skip(":") ? reader.digits(2, 2) : std::nullopt;
      if (!minutes_of || *hours_of > 23 || *minutes_of > 59) {
        return wrong(text, "what stands after the time is no zone");
      }
      offset = (*hours_of * 3600 + *minutes_of * 60) * (sign == '-' ? -1 : 1);
    }
    if (!reader.done()) return wrong(text, "something stands after its zone");
    const std::int64_t there = (sys_days(date).time_since_epoch() + hours(clock->hour) +
                                minutes(clock->minute) + seconds(clock->second))
                                   .count() -
                               offset;
    if (there > now) at = there;
  }
  if (!at) return wrong(text, "that time has passed", "a later one; now is " + at_text(now));
  return *at;
}

std::string at_text(std::int64_t at) {
  const auto time = static_cast<std::time_t>(at);
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace headroom::cli
