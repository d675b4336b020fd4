#include "cli/graph.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace headroom::cli {
namespace {

constexpr std::array<const char*, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

// The dots of a braille column from the bottom up: left 7 3 2 1, right 8 6 5 4.
constexpr std::array<unsigned, 5> kLeft{0x00, 0x40, 0x44, 0x46, 0x47};
constexpr std::array<unsigned, 5> kRight{0x00, 0x80, 0xA0, 0xB0, 0xB8};

std::string braille(unsigned dots) {
  const char32_t c = 0x2800 + dots;
  return {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3F)),
          static_cast<char>(0x80 | (c & 0x3F))};
}

/// How many of `steps` a value fills; at least one when it is known.
int filled(const std::optional<double>& value, int steps) {
  if (!value || std::isnan(*value)) return 0;
  return std::clamp(static_cast<int>(std::lround(*value * steps)), 1, steps);
}

std::uint8_t shade_of_row(int row, int rows) {
  // The top row is bright; one row alone is neither dark nor glaring.
  if (rows == 1) return kShades - 2;
  return static_cast<std::uint8_t>(1 + (rows - 1 - row) * (kShades - 2) / (rows - 1));
}

}  // namespace

void Series::put(std::int64_t second, double value) {
  if (std::isnan(value)) return;
  if (ring_.empty()) {
    ring_.resize(kSeconds);
    newest_ = second;
  }
  const auto slot = [](std::int64_t at) {
    return static_cast<std::size_t>(((at % kSeconds) + kSeconds) % kSeconds);
  };
  if (second > newest_) {
    if (second - newest_ >= kSeconds) {
      std::fill(ring_.begin(), ring_.end(), std::nullopt);
    } else {
      for (auto at = newest_ + 1; at <= second; ++at) ring_[slot(at)].reset();
    }
    newest_ = second;
  }
  if (newest_ - second >= kSeconds) return;
  auto& known = ring_[slot(second)];
  known = known ? std::max(*known, static_cast<float>(value)) : static_cast<float>(value);
}

std::optional<std::int64_t> Series::newest() const {
  if (ring_.empty()) return std::nullopt;
  return newest_;
}

std::vector<std::optional<double>> Series::window(std::int64_t until, int count, int step) const {
  std::vector<std::optional<double>> values(static_cast<std::size_t>(std::max(count, 0)));
  if (ring_.empty() || step <= 0) return values;
  const std::int64_t last = until - ((until % step) + step) % step;
  for (int i = 0; i < count; ++i) {
    const std::int64_t from = last - static_cast<std::int64_t>(count - 1 - i) * step;
    for (std::int64_t at = from; at < from + step; ++at) {
      if (at > newest_ || newest_ - at >= kSeconds || at > until) continue;
      const auto& known = ring_[static_cast<std::size_t>(((at % kSeconds) + kSeconds) % kSeconds)];
      auto& value = values[static_cast<std::size_t>(i)];
      if (known && (!value || *value < *known)) value = *known;
    }
  }
  return values;
}

double Series::greatest(std::int64_t until, int seconds) const {
  double most = 0;
  for (const auto& value : window(until, seconds, 1)) most = std::max(most, value.value_or(0));
  return most;
}

int graph_values(const Canvas& canvas, int width) { return canvas.utf8() ? width * 2 : width; }

void draw_graph(Canvas& canvas, const Rect& rect, const std::vector<std::optional<double>>& values,
                Ink ink) {
  if (rect.width <= 0 || rect.height <= 0) return;
  const int steps_in_row = canvas.utf8() ? 4 : 8;
  const int steps = rect.height * steps_in_row;
  const int per_column = canvas.utf8() ? 2 : 1;
  const int count = rect.width * per_column;
  const int offset = static_cast<int>(values.size()) - count;
  const auto level = [&](int i) {
    const int at = i + offset;
    if (at < 0 || at >= static_cast<int>(values.size())) return 0;
    return filled(values[static_cast<std::size_t>(at)], steps);
  };
  for (int x = 0; x < rect.width; ++x) {
    const int left = level(x * per_column);
    const int right = per_column == 2 ? level(x * 2 + 1) : left;
    for (int row = 0; row < rect.height; ++row) {
      const int below = (rect.height - 1 - row) * steps_in_row;
      const int l = std::clamp(left - below, 0, steps_in_row);
      const int r = std::clamp(right - below, 0, steps_in_row);
      if (l == 0 && r == 0) continue;
      const Pen pen{ink, shade_of_row(row, rect.height)};
      if (canvas.utf8()) {
        canvas.put(
            rect.x + x, rect.y + row,
            braille(kLeft[static_cast<std::size_t>(l)] | kRight[static_cast<std::size_t>(r)]), pen,
            1);
      } else {
        canvas.put(rect.x + x, rect.y + row, kBlocks[static_cast<std::size_t>(l - 1)], pen, 1);
      }
    }
  }
}

void draw_bar(Canvas& canvas, int x, int y, int width, const std::vector<Segment>& segments,
              const std::vector<std::pair<double, Pen>>& ticks) {
  double sum = 0;
  int at = 0;
  for (const auto& segment : segments) {
    if (!(segment.share > 0)) continue;
    sum += segment.share;
    int end = std::clamp(static_cast<int>(std::lround(sum * width)), 0, width);
    // What is there is seen, however little, as long as there is a column for it.
    if (end == at && at < width && segment.share * width > 0.1) end = at + 1;
    for (; at < end; ++at) canvas.put(x + at, y, segment.fill, segment.pen, 1);
  }
  for (int rest = at; rest < width; ++rest) canvas.put(x + rest, y, "·", Pen{Ink::frame}, 1);
  for (const auto& [share, pen] : ticks) {
    const int tick = static_cast<int>(std::lround(share * width));
    if (tick >= at && tick < width) canvas.put(x + tick, y, "╎", pen, 1);
  }
}

const char* block_of(std::optional<double> share) {
  if (!share || std::isnan(*share)) return "·";
  return kBlocks[static_cast<std::size_t>(std::clamp(static_cast<int>(*share * 8), 0, 7))];
}

void draw_frame(Canvas& canvas, const Rect& rect, const std::string& number,
                const std::string& title, const std::string& right, const std::string& word,
                Pen word_pen, bool focus) {
  if (rect.width < 2 || rect.height < 2) return;
  const Pen pen{focus ? Ink::focus : Ink::frame};
  const int last_x = rect.x + rect.width - 1;
  const int last_y = rect.y + rect.height - 1;
  canvas.clear(rect);
  for (const int y : {rect.y, last_y}) canvas.repeat(rect.x + 1, y, rect.width - 2, "─", pen);
  for (int y = rect.y + 1; y < last_y; ++y) {
    canvas.put(rect.x, y, "│", pen, 1);
    canvas.put(last_x, y, "│", pen, 1);
  }
  canvas.put(rect.x, rect.y, "╭", pen, 1);
  canvas.put(last_x, rect.y, "╮", pen, 1);
  canvas.put(rect.x, last_y, "╰", pen, 1);
  canvas.put(last_x, last_y, "╯", pen, 1);
  int x = rect.x + 2;
  const int room = rect.width - 4;
  if (!number.empty()) {
    x += canvas.put(x, rect.y, " " + number, Pen{focus ? Ink::focus : Ink::faint}, room);
  }
  x += canvas.put(x, rect.y, " " + title + " ", Pen{Ink::title}, rect.x + rect.width - 2 - x);
  // From the corner to the left: a line, a blank, the words, a blank.
  int end = last_x - 2;
  const auto put = [&](const std::string& text, Pen words_pen) {
    const int columns = columns_of(text) + 2;
    if (text.empty() || end - columns < x) return;
    canvas.put(end - columns + 1, rect.y, " " + text + " ", words_pen, columns);
    end -= columns - 1;
  };
  put(word, word_pen);
  put(right, Pen{});
}

}  // namespace headroom::cli
