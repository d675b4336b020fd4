#include "overload/profile.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace headroom::arena {
namespace {

constexpr int kMostMib = 1 << 20;
constexpr double kMostSeconds = 100000;

/// A whole number from 0 to `most`, and nothing behind it.
bool whole(std::string_view text, int most, int& value) {
  int read = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
  if (error != std::errc() || end != text.data() + text.size() || read < 0 || read > most) {
    return false;
  }
  value = read;
  return true;
}

bool seconds(std::string_view text, double most, double& value) {
  double read = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
  // The negated form refuses what is no number, too.
  if (error != std::errc() || end != text.data() + text.size() || !(read >= 0 && read <= most)) {
    return false;
  }
  value = read;
  return true;
}

bool work(std::string_view text, int& ms) {
  double value = 0;
  if (!seconds(text, kMostSeconds, value)) return false;
  ms = static_cast<int>(std::lround(value * 1000));
  return true;
}

bool points(std::string_view text, std::vector<Point>& memory) {
  memory.clear();
  while (!text.empty() && memory.size() < 10000) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const auto colon = one.find(':');
    Point point;
    if (colon == std::string_view::npos || !work(one.substr(0, colon), point.work_ms) ||
        !whole(one.substr(colon + 1), kMostMib, point.held_mib) ||
        (!memory.empty() && memory.back().work_ms > point.work_ms)) {
      return false;
    }
    memory.push_back(point);
  }
  return text.empty() && !memory.empty();
}

bool take(std::string_view flag, std::string_view value, Profile& profile) {
  if (flag == "--report") return !(profile.report = value).empty();
  if (flag == "--work") return work(value, profile.work_ms);
  if (flag == "--memory") return points(value, profile.memory);
  if (flag == "--touch") return whole(value, kMostMib, profile.touch_mib_s);
  if (flag == "--cpu") return whole(value, 100, profile.cpu_percent);
  if (flag == "--checkpoint") return work(value, profile.checkpoint_ms);
  if (flag == "--read-file") return !(profile.read_file = value).empty();
  if (flag == "--read") return whole(value, kMostMib, profile.read_mib_s);
  if (flag == "--children") return whole(value, 64, profile.children);
  if (flag == "--serve") return whole(value, 10000, profile.serve_per_s);
  if (flag == "--until") return seconds(value, 1e12, profile.until_s);
  if (flag == "--exit") return whole(value, 255, profile.exit_code);
  return false;
}

}  // namespace

Result<Profile> parse_profile(const std::vector<std::string_view>& words) {
  constexpr const char* kHelp =
      "--report FILE --work S --memory S:MIB,… [--touch MIB/S] [--cpu PERCENT] [--checkpoint S] "
      "[--read-file FILE --read MIB/S] [--children N] [--serve N/S --until S] [--exit CODE]";
  Profile profile;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size() || !take(words[i], words[i + 1], profile)) {
      return fail(ErrorKind::invalid_request, "cannot read the profile of the job",
                  std::string(words[i]) +
                      (i + 1 == words.size() ? " has no value" : " " + std::string(words[i + 1])),
                  kHelp);
    }
  }
  if (profile.report.empty() || profile.memory.empty() ||
      (profile.work_ms == 0) == (profile.serve_per_s == 0)) {
    return fail(ErrorKind::invalid_request, "cannot read the profile of the job",
                "it lacks --report, --memory, or one of --work and --serve", kHelp);
  }
  return profile;
}

int held_at(const Profile& profile, int work_ms) {
  const auto& memory = profile.memory;
  const auto after = std::ranges::upper_bound(memory, work_ms, {}, &Point::work_ms);
  if (after == memory.begin()) return memory.front().held_mib;
  const Point& before = *(after - 1);
  if (after == memory.end()) return before.held_mib;
  const double share = static_cast<double>(work_ms - before.work_ms) /
                       static_cast<double>(after->work_ms - before.work_ms);
  return before.held_mib + static_cast<int>((after->held_mib - before.held_mib) * share);
}

std::string format_report(const Report& report) {
  std::array<char, 96> text{};
  const int length = std::snprintf(text.data(), text.size(), "%4d %9d %9d %7d %7d %9d %d\n",
                                   report.attempt, report.done_ms, report.saved_ms, report.held_mib,
                                   report.peak_mib, report.served, report.ended ? 1 : 0);
  return {text.data(), static_cast<std::size_t>(length)};
}

bool parse_report(std::string_view text, Report& report) {
  std::array<int, 7> values{};
  for (int& value : values) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    if (!whole(word, 1 << 30, value)) return false;
    text.remove_prefix(word.size());
  }
  if (text != "\n" || values[6] > 1) return false;
  report = {values[0], values[1], values[2], values[3], values[4], values[5], values[6] == 1};
  return true;
}

}  // namespace headroom::arena
