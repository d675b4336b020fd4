#include "decide/sessions.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <tuple>
#include <utility>

namespace headroom::decide {
namespace {

struct Stays {
  SessionState state = SessionState::idle;
  std::string why;  ///< empty: it may go
};

/// Whether a folder stays that may not go at all, or is too young. Within `rest` after a change it
/// is live: a job may write seldom.
Stays stays(const SessionFolder& folder, std::chrono::seconds least_age, std::chrono::seconds rest,
            WallTime now) {
  if (!folder.held.empty()) return {SessionState::live, "in use by " + folder.held};
  if (!folder.spared.empty()) return {SessionState::spared, folder.spared};
  if (folder.changed > now) {
    return {SessionState::spared, "changed at a time that is still to come"};
  }
  // Compared without a difference: a time stamp may lie at the end of the range.
  if (folder.changed <= now - least_age) return {};
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - folder.changed);
  return {folder.changed > now - rest ? SessionState::live : SessionState::idle,
          "changed " + span_text(age) + " ago, and stays until that is " + span_text(least_age)};
}

std::string age_text(const SessionFolder& folder, WallTime now) {
  constexpr std::chrono::hours kCentury{24 * 36500};
  if (folder.changed < now - kCentury) return "a century";
  return span_text(std::chrono::duration_cast<std::chrono::seconds>(now - folder.changed));
}

}  // namespace

std::string span_text(std::chrono::seconds span) {
  const std::int64_t all = std::max<std::int64_t>(span.count(), 0);
  const auto two = [](std::int64_t first, const char* unit, std::int64_t rest, const char* small) {
    std::string text = std::to_string(first) + " " + unit;
    if (rest > 0) text += " " + std::to_string(rest) + " " + small;
    return text;
  };
  if (all >= 86'400) return two(all / 86'400, "d", all % 86'400 / 3600, "h");
  if (all >= 3600) return two(all / 3600, "h", all % 3600 / 60, "min");
  if (all >= 60) return two(all / 60, "min", all % 60, "s");
  return std::to_string(all) + " s";
}

Bytes to_free_of(Bytes total, Bytes free, double line, double clear) {
  const std::int64_t all = total.count();
  if (all <= 0 || free.count() < 0 || free > total) return Bytes(0);
  const auto share = [&](double percent) {
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(all) * std::clamp(percent, 0.0, 100.0) / 100.0));
  };
  const std::int64_t used = all - free.count();
  if (used < share(line)) return Bytes(0);
  return Bytes(std::max<std::int64_t>(used - share(std::min(clear, line)), 0));
}

std::vector<SessionView> plan_sessions(std::vector<SessionFolder> seen, const SessionRules& rules,
                                       WallTime now) {
  std::sort(seen.begin(), seen.end(), [](const SessionFolder& a, const SessionFolder& b) {
    return std::tie(a.changed, a.name) < std::tie(b.changed, b.name);
  });
  std::vector<SessionView> go, stay;
  Bytes freed;
  std::uint64_t entries = 0;
  const bool by_age = rules.max_age.count() > 0;
  for (SessionFolder& folder : seen) {
    std::string why;
    if (by_age && stays(folder, rules.max_age, rules.rest, now).why.empty()) {
      why = "unchanged for " + age_text(folder, now) + ", longer than " + span_text(rules.max_age);
    } else if (rules.to_free > freed && folder.bytes.count() > 0 &&
               stays(folder, rules.rest, rules.rest, now).why.empty()) {
      why = "the disk is too full, and of what is idle this is the oldest: unchanged for " +
            age_text(folder, now);
    }
    Stays keeps;
    if (why.empty()) {
      keeps = stays(folder, by_age ? rules.max_age : rules.rest, rules.rest, now);
      if (keeps.why.empty()) keeps.why = "nobody needs its room";
    } else if (!go.empty() &&
               (go.size() >= rules.folders || entries + folder.entries + 1 > rules.entries ||
                freed + folder.bytes > rules.bytes)) {
      keeps.why = "this run removes enough already; the next one goes on";
    }
    if (!keeps.why.empty()) {
      stay.push_back({std::move(folder), keeps.state, std::move(keeps.why)});
      continue;
    }
    freed += folder.bytes;
    entries += folder.entries + 1;
    go.push_back({std::move(folder), SessionState::going, std::move(why)});
  }
  go.insert(go.end(), std::make_move_iterator(stay.begin()), std::make_move_iterator(stay.end()));
  return go;
}

}  // namespace headroom::decide
