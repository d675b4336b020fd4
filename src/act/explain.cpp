#include "act/explain.hpp"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/wait.h>

namespace headroom::act {
namespace {

struct Unit {
  const char* name;
  int shift;
  int decimals;
};

Unit unit_for(Bytes amount) {
  static constexpr Unit kUnits[] = {
      {"PiB", 50, 2}, {"TiB", 40, 2}, {"GiB", 30, 1}, {"MiB", 20, 1}, {"KiB", 10, 1}};
  for (const auto& unit : kUnits) {
    if (std::llabs(amount.count()) >= 1LL << unit.shift) return unit;
  }
  return {"B", 0, 0};
}

std::string in_unit(Bytes amount, const Unit& unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", unit.decimals,
                static_cast<double>(amount.count()) / static_cast<double>(1LL << unit.shift));
  return text;
}

/// A booking with a quarter of air above `used`, as --mem takes it: "5G", "640M".
std::string larger(Bytes used) {
  const auto want = (used + Bytes(used.count() / 4)).count();
  const bool gib = want >= 1LL << 30;
  const int shift = gib ? 30 : 20;
  const auto whole = (want >> shift) + ((want & ((1LL << shift) - 1)) != 0 ? 1 : 0);
  return std::to_string(std::max<std::int64_t>(whole, 1)) + (gib ? "G" : "M");
}

std::string oom_kills(const Left& left) {
  return std::to_string(left.oom_kills) + (left.oom_kills == 1 ? " oom kill" : " oom kills");
}

std::optional<Bytes> peak_of(const Ending& ending) {
  return ending.left ? ending.left->memory_peak : std::nullopt;
}

/// "peak 22.9 of 24.0 GiB", or "" when no peak is known.
std::string peak_words(const Ending& ending) {
  const auto peak = peak_of(ending);
  if (!peak) return {};
  return "peak " + (ending.booked ? words_for(*peak, *ending.booked) : words_for(*peak));
}

/// True when the group stood at its own limit. The peak stays a little below it, since the kernel
/// charges in batches; where no peak is known a limit and an OOM kill are taken for the cause.
bool at_limit(const Ending& ending) {
  if (!ending.limit) return false;
  const auto peak = peak_of(ending);
  const auto slack = std::max<std::int64_t>(ending.limit->count() / 50, 1 << 20);
  return !peak || peak->count() >= ending.limit->count() - slack;
}

/// Who ended a process for want of memory, and what to try.
struct Cause {
  std::string where;
  std::string help;
};

Cause cause_of(const Ending& ending) {
  const Left& left = *ending.left;
  const auto peak = peak_of(ending);
  if (at_limit(ending)) {
    return {"at its limit of " + words_for(*ending.limit) + " (" +
                (peak ? "peak " + words_for(*peak) + ", " : std::string()) + oom_kills(left) + ")",
            "try --mem " + larger(std::max(*ending.limit, peak.value_or(Bytes()))) +
                ", or leave out --enforce"};
  }
  const std::string shown = peak_words(ending);
  const std::string numbers = " (" + (shown.empty() ? "" : shown + ", ") + oom_kills(left) + ")";
  if (peak && ending.booked && *peak > *ending.booked) {
    return {"when the machine ran out of memory, and it used more than it had booked" + numbers,
            "try --mem " + larger(*peak)};
  }
  return {std::string(ending.booked ? "though inside its booking: " : "because ") +
              "the machine itself ran out of memory" + numbers,
          "headroom ps shows who uses it"};
}

std::string signal_words(int signal) {
  const char* name = sigabbrev_np(signal);
  return "signal " + std::to_string(signal) +
         (name != nullptr ? " (SIG" + std::string(name) + ")" : "");
}

}  // namespace

std::string words_for(std::chrono::seconds duration) {
  const long long all = std::max<long long>(duration.count(), 0);
  char text[48];
  if (all < 60) {
    std::snprintf(text, sizeof text, "%llds", all);
  } else if (all < 3600) {
    std::snprintf(text, sizeof text, "%lldm %02llds", all / 60, all % 60);
  } else if (all < 86400) {
    std::snprintf(text, sizeof text, "%lldh %02lldm", all / 3600, all / 60 % 60);
  } else {
    std::snprintf(text, sizeof text, "%lldd %02lldh", all / 86400, all / 3600 % 24);
  }
  return text;
}

std::string words_for(Bytes amount) {
  const Unit unit = unit_for(amount);
  return in_unit(amount, unit) + " " + unit.name;
}

std::string words_for(Bytes part, Bytes whole) {
  const Unit unit = unit_for(std::max(part, whole));
  return in_unit(part, unit) + " of " + in_unit(whole, unit) + " " + unit.name;
}

std::string explain(const Ending& ending) {
  const bool by_signal = WIFSIGNALED(ending.status);
  const bool oom = ending.left && ending.left->oom_kills > 0;
  if (by_signal && WTERMSIG(ending.status) == SIGKILL && oom) {
    const Cause cause = cause_of(ending);
    return ending.name + " was ended by the kernel " + cause.where + "; " + cause.help;
  }

  std::string line = ending.name;
  if (by_signal) {
    line += " was ended by " + signal_words(WTERMSIG(ending.status));
  } else {
    line += " ended " + std::to_string(WEXITSTATUS(ending.status));
  }
  line += " after " + words_for(ending.lasted);
  if (oom) {  // a child of it, or a shell's 128 + 9: the command itself lived on to say so
    const Cause cause = cause_of(ending);
    return line + "; the kernel ended " + std::to_string(ending.left->oom_kills) +
           " of its processes " + cause.where + "; " + cause.help;
  }
  const std::string peak = peak_words(ending);
  return peak.empty() ? line : line + ", " + peak;
}

}  // namespace headroom::act
