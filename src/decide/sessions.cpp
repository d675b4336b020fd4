#include "decide/sessions.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace headroom::decide {
namespace {

/// Why a folder stays that may not go at all, or is too young; empty: it may go.
std::string stays(const SessionFolder& folder, std::chrono::seconds least_age, WallTime now) {
  if (!folder.held.empty()) return "in use by " + folder.held;
  if (!folder.spared.empty()) return folder.spared;
  if (folder.changed > now) return "changed at a time that is still to come";
  // Compared without a difference: a time stamp may lie at the end of the range.
  if (folder.changed > now - least_age) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - folder.changed);
    return "changed " + span_text(age) + " ago, and stays until that is " + span_text(least_age);
  }
  return {};
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

Bytes to_free_of(Bytes total, Bytes available, double line, double clear) {
  const std::int64_t all = total.count();
  if (all <= 0 || available.count() < 0 || available > total) return Bytes(0);
  const auto share = [&](double percent) {
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(all) * std::clamp(percent, 0.0, 100.0) / 100.0));
  };
  const std::int64_t used = all - available.count();
  if (used < share(line)) return Bytes(0);
  return Bytes(std::max<std::int64_t>(used - share(std::min(clear, line)), 0));
}

std::vector<SessionFate> plan_sessions(std::vector<SessionFolder> seen, const SessionRules& rules,
                                       WallTime now) {
  std::sort(seen.begin(), seen.end(), [](const SessionFolder& a, const SessionFolder& b) {
    return std::tie(a.changed, a.name) < std::tie(b.changed, b.name);
  });
  std::vector<SessionFate> go, stay;
  Bytes freed;
  std::uint64_t entries = 0;
  for (SessionFolder& folder : seen) {
    const bool aged = rules.max_age.count() > 0 && stays(folder, rules.max_age, now).empty();
    const bool wanted = rules.to_free > freed;
    std::string why;
    if (aged) {
      why = "unchanged for " + age_text(folder, now) + ", longer than " + span_text(rules.max_age);
    } else if (wanted && folder.bytes.count() > 0 && stays(folder, rules.rest, now).empty()) {
      why = "the disk is too full, and of what is idle this is the oldest: unchanged for " +
            age_text(folder, now);
    }
    std::string keeps;
    if (why.empty()) {
      // The later of the two moments at which it may go says most only where both hold.
      keeps = stays(folder, rules.max_age.count() > 0 ? rules.max_age : rules.rest, now);
      if (keeps.empty()) keeps = "idle, but nobody needs its room";
    } else if (!go.empty() && (entries + folder.entries + 1 > rules.entries ||
                               freed + folder.bytes > rules.bytes)) {
      keeps = "this run removes enough already; the next one goes on";
    }
    if (!keeps.empty()) {
      stay.push_back({std::move(folder), false, std::move(keeps)});
      continue;
    }
    freed += folder.bytes;
    entries += folder.entries + 1;
    go.push_back({std::move(folder), true, std::move(why)});
  }
  go.insert(go.end(), std::make_move_iterator(stay.begin()), std::make_move_iterator(stay.end()));
  return go;
}

}  // namespace headroom::decide
