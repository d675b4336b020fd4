#include "demo/view.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace headroom::demo {
namespace {

constexpr const char* kBold = "1";
constexpr const char* kDim = "2";
constexpr const char* kRed = "31";
constexpr const char* kGreen = "32";
constexpr const char* kCyan = "36";

std::string paint(std::string_view text, const char* code, Colour colour) {
  if (colour == Colour::off || text.empty()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string decimal(double value, int places) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", places, value);
  return text;
}

/// How many cells a text takes: every character used here is one cell wide.
std::size_t cells(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string left(const std::string& text, std::size_t width) {
  const std::size_t taken = cells(text);
  return taken < width ? text + std::string(width - taken, ' ') : text;
}

std::string right(const std::string& text, std::size_t width) {
  const std::size_t taken = cells(text);
  return taken < width ? std::string(width - taken, ' ') + text : text;
}

std::string repeat(const char* piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

std::string gib(int mib) { return decimal(mib / 1024.0, 2) + " GiB"; }

std::string percent(std::optional<double> ratio) {
  return ratio ? decimal(*ratio * 100, 0) + " %" : "–";
}

/// A bar of `width` cells, filled to `share` in eighths of a cell.
std::string bar(double share, int width) {
  static constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width * 8));
  return left(repeat("█", eighths / 8) + kEighths[static_cast<std::size_t>(eighths % 8)],
              static_cast<std::size_t>(width));
}

struct Look {
  const char* sign;
  const char* code;
};

Look look_of(JobState state) {
  switch (state) {
    case JobState::waiting:
      return {"·", kDim};
    case JobState::running:
      return {"▓", kCyan};
    case JobState::pausing:
      return {"✗", kRed};
    case JobState::done:
      return {"✓", kGreen};
    case JobState::failed:
      return {"✗", kRed};
  }
  return {" ", kDim};
}

/// One job in 38 cells: sign, name, size, work done, and how long it takes or how often it died.
std::string job_cell(const Job& job, const JobProgress& progress, Colour colour) {
  const Look look = look_of(progress.state);
  const bool calm = progress.state == JobState::waiting || progress.state == JobState::done;
  const std::string name = left(job.name, 13);
  const std::string size = right(std::to_string(job.memory_mib), 4) + " MiB";
  const std::string tail = progress.kills > 0 ? right("✗" + std::to_string(progress.kills), 4)
                                              : right(std::to_string(job.seconds) + " s", 4);
  return paint(look.sign, look.code, colour) + " " +
         (progress.state == JobState::waiting  ? paint(name, kDim, colour)
          : progress.state == JobState::failed ? paint(name, kRed, colour)
                                               : name) +
         " " + paint(size, kDim, colour) + " " +
         paint(bar(progress.done_s / job.seconds, 8), calm ? kDim : look.code, colour) + " " +
         paint(tail, progress.kills > 0 ? kRed : kDim, colour);
}

constexpr int kChartRows = 4;
constexpr int kChartColumns = 64;

/// How many samples go into one column, so that `samples` fit; at least half a second's.
std::size_t samples_per_column(std::size_t samples) {
  return std::max<std::size_t>(500 / kSampleMs, (samples + kChartColumns - 1) / kChartColumns);
}

/// Memory over time as block columns, the limit as a line above them. Each column is the highest
/// of its samples.
std::string chart(const std::vector<int>& used_mib, int limit_mib, std::size_t per_column,
                  Colour colour) {
  static constexpr std::array<const char*, 9> kHeights = {" ", "▁", "▂", "▃", "▄",
                                                          "▅", "▆", "▇", "█"};
  const std::size_t samples = used_mib.size();
  std::vector<int> columns;
  for (std::size_t i = 0; i < samples; i += per_column) {
    const auto end =
        used_mib.begin() + static_cast<std::ptrdiff_t>(std::min(samples, i + per_column));
    columns.push_back(*std::max_element(used_mib.begin() + static_cast<std::ptrdiff_t>(i), end));
  }
  const std::string label = right(gib(limit_mib), 9);
  std::string text =
      paint(label + " " + repeat("┄", kChartColumns) + " limit", kDim, colour) + "\n";
  for (int row = kChartRows - 1; row >= 0; --row) {
    text += row == 0 ? paint(right("0", 9), kDim, colour) + " " : std::string(10, ' ');
    for (const int used : columns) {
      const double eighths = static_cast<double>(used) / limit_mib * kChartRows * 8 - row * 8;
      const auto height = static_cast<std::size_t>(std::clamp(std::lround(eighths), 0L, 8L));
      // Red is for what touches the limit: there the kernel kills.
      text += paint(kHeights[height], used >= limit_mib * 98 / 100 ? kRed : kCyan, colour);
    }
    text += "\n";
  }
  return text;
}

std::string times(int count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

/// What one phase came to, as a sentence.
std::string sentence(const Outcome& outcome) {
  const std::string of_all = " of " + std::to_string(outcome.jobs);
  std::string text = outcome.phase + ": ";
  if (outcome.completed == outcome.jobs) {
    text += std::to_string(outcome.completed) + of_all + " completed";
  } else {
    text += std::to_string(outcome.jobs - outcome.completed) + of_all + " never finished";
  }
  std::string names;
  for (const std::string& name : outcome.gave_up) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) text += " (" + names + ")";
  text += outcome.kills == 0 ? ", nothing killed" : ", killed " + times(outcome.kills);
  if (outcome.lost_s > 0) text += ", " + percent(outcome.lost_ratio()) + " of work lost";
  if (const auto ratio = outcome.against_optimum()) {
    text += ", " + decimal(*ratio, 2) + " × the certified optimum of " +
            std::to_string(outcome.optimum_s) + "\u00a0s";  // stays with its number
  }
  return text + ".";
}

/// Breaks a text at spaces so that no line is longer than the screen.
std::string wrapped(const std::string& text) {
  std::string out, line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && cells(line) + 1 + cells(word) > kScreenColumns) {
      out += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return out + line + "\n";
}

}  // namespace

std::optional<double> Outcome::against_optimum() const {
  if (completed != jobs || optimum_s <= 0) return std::nullopt;
  return time_s / optimum_s;
}

std::optional<double> Outcome::lost_ratio() const {
  if (useful_s <= 0) return std::nullopt;
  return lost_s / useful_s;
}

std::string plain_line(const Happening& happening) {
  std::string what;
  switch (happening.kind) {
    case Happening::Kind::started:
      what = "started";
      break;
    case Happening::Kind::resumed:
      what = "started again, resumes at " + decimal(happening.seconds, 1) + " s";
      break;
    case Happening::Kind::killed:
      what = "KILLED, " + decimal(happening.seconds, 1) + " s of work lost";
      break;
    case Happening::Kind::failed:
      what = "FAILED: " + happening.text;
      break;
    case Happening::Kind::done:
      what = "done";
      break;
    case Happening::Kind::note:
      what = happening.text;
      break;
  }
  const std::string subject = happening.job.empty() ? "" : left(happening.job, 14) + " ";
  return right(decimal(happening.at_s, 1), 6) + " s  " + subject + what + "\n";
}

std::string screen(const Instance& instance, const Frame& frame, Colour colour) {
  int wanted_mib = 0;
  int done = 0, running = 0, waiting = 0, failed = 0, kills = 0;
  for (std::size_t i = 0; i < instance.jobs.size(); ++i) {
    wanted_mib += instance.jobs[i].memory_mib;
    kills += frame.jobs[i].kills;
    switch (frame.jobs[i].state) {
      case JobState::waiting:
      case JobState::pausing:
        ++waiting;
        break;
      case JobState::running:
        ++running;
        break;
      case JobState::done:
        ++done;
        break;
      case JobState::failed:
        ++failed;
        break;
    }
  }

  std::string text = paint("headroom demo", kBold, colour) +
                     paint("   " + std::to_string(instance.jobs.size()) + " jobs that want " +
                               gib(wanted_mib) + ", and " + gib(instance.limit_mib) + " there",
                           kDim, colour) +
                     "\n\n";
  text += paint(left(frame.title, 66), kBold, colour) +
          right(decimal(frame.elapsed_s, 1) + " s", 14) + "\n";
  text += "done " + std::to_string(done) + "   running " + std::to_string(running) + "   waiting " +
          std::to_string(waiting) + "   " +
          paint("killed " + times(kills), kills > 0 ? kRed : kDim, colour) +
          (failed > 0 ? "   " + paint("gave up " + std::to_string(failed), kRed, colour) : "") +
          "\n\n";
  // Two columns, read downwards.
  constexpr std::size_t kRows = 12;
  for (std::size_t row = 0; row < kRows; ++row) {
    std::string line;
    for (std::size_t i = row; i < std::min(instance.jobs.size(), 2 * kRows); i += kRows) {
      if (i != row) line += "    ";
      line += job_cell(instance.jobs[i], frame.jobs[i], colour);
    }
    text += line + "\n";
  }
  text += "\n" + chart(frame.used_mib, instance.limit_mib,
                       samples_per_column(frame.used_mib.size()), colour);
  const int used = frame.used_mib.empty() ? 0 : frame.used_mib.back();
  const double share = static_cast<double>(used) / instance.limit_mib;
  text += paint(right("now", 9), kDim, colour) + " " +
          paint(bar(share, 52), share >= 0.98 ? kRed : kCyan, colour) + paint("▏", kDim, colour) +
          " " + right(gib(used), 9);
  return text;
}

std::string report(const std::vector<Outcome>& outcomes, Colour colour) {
  std::string text = "\n";
  std::size_t longest = 0;  // one scale for all, so that the charts can be compared
  for (const Outcome& each : outcomes) longest = std::max(longest, each.used_mib.size());
  for (const Outcome& each : outcomes) {
    text +=
        paint(each.phase, kBold, colour) +
        paint("   memory of all jobs together, " + decimal(each.time_s, 1) + " s", kDim, colour) +
        "\n" + chart(each.used_mib, each.limit_mib, samples_per_column(longest), colour) + "\n";
  }

  const auto row = [&](const std::string& name, const auto& value) {
    text += left(name, 24);
    for (const Outcome& each : outcomes) text += right(value(each), 14);
    text += "\n";
  };
  // Painted after aligning: what colours add is not seen.
  text += std::string(24, ' ');
  for (const Outcome& each : outcomes) text += paint(right(each.phase, 14), kBold, colour);
  text += "\n";
  const auto good = [&](const std::string& value, bool is_good) {
    return paint(right(value, 14), is_good ? kGreen : kRed, colour);
  };
  row("completed", [&](const Outcome& each) {
    return good(std::to_string(each.completed) + " of " + std::to_string(each.jobs),
                each.completed == each.jobs);
  });
  row("killed", [&](const Outcome& each) {
    return good(each.kills == 0 ? "none"
                                : std::to_string(each.kills) + " × in " +
                                      std::to_string(each.killed_jobs) + " jobs",
                each.kills == 0);
  });
  row("work lost",
      [&](const Outcome& each) { return good(percent(each.lost_ratio()), each.lost_s == 0); });
  row("time", [](const Outcome& each) { return decimal(each.time_s, 1) + " s"; });
  row("certified optimum",
      [](const Outcome& each) { return std::to_string(each.optimum_s) + ".0 s"; });
  row("time / optimum", [](const Outcome& each) {
    const auto ratio = each.against_optimum();
    return ratio ? decimal(*ratio, 2) : std::string("not all done");
  });
  row("highest memory", [](const Outcome& each) { return gib(each.peak_mib); });
  text += "\n";
  for (const Outcome& each : outcomes) text += wrapped(sentence(each));

  constexpr std::size_t kTold = 5;
  for (const Outcome& each : outcomes) {
    for (std::size_t i = 0; i < std::min(each.trouble.size(), kTold); ++i) {
      text += paint(each.phase + ": " + each.trouble[i], kDim, colour) + "\n";
    }
    if (each.trouble.size() > kTold) {
      text += paint(each.phase + ": and " + std::to_string(each.trouble.size() - kTold) +
                        " more of that kind",
                    kDim, colour) +
              "\n";
    }
  }
  return text;
}

std::string to_json(const Outcome& outcome) {
  const auto or_null = [](std::optional<double> value) {
    return value ? decimal(*value, 4) : std::string("null");
  };
  return "{\"phase\":\"" + outcome.phase + "\",\"jobs\":" + std::to_string(outcome.jobs) +
         ",\"completed\":" + std::to_string(outcome.completed) +
         ",\"killed_jobs\":" + std::to_string(outcome.killed_jobs) +
         ",\"kills\":" + std::to_string(outcome.kills) +
         ",\"kernel_kills\":" + std::to_string(outcome.kernel_kills) +
         ",\"lost_seconds\":" + decimal(outcome.lost_s, 3) +
         ",\"useful_seconds\":" + decimal(outcome.useful_s, 3) +
         ",\"lost_ratio\":" + or_null(outcome.lost_ratio()) +
         ",\"time_seconds\":" + decimal(outcome.time_s, 3) +
         ",\"optimum_seconds\":" + std::to_string(outcome.optimum_s) +
         ",\"time_over_optimum\":" + or_null(outcome.against_optimum()) +
         ",\"peak_mib\":" + std::to_string(outcome.peak_mib) +
         ",\"limit_mib\":" + std::to_string(outcome.limit_mib) + "}\n";
}

}  // namespace headroom::demo
