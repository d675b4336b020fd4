#include "cli/screen.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace headroom::cli {
namespace {

constexpr int kMost = 1000;

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode 15: what terminals draw in two columns (East Asian Wide and Fullwidth, emoji).
constexpr std::array<Range, 31> kWide{
    {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
     {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},
     {0x2705, 0x2705},   {0x270A, 0x270B},   {0x274C, 0x274C},   {0x2753, 0x2755},
     {0x2795, 0x2797},   {0x2B1B, 0x2B1C},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
     {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97C},
     {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},
     {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18D08}, {0x1B000, 0x1B2FB},
     {0x1F004, 0x1F004}, {0x1F18E, 0x1F64F}, {0x1F680, 0x1FAFF}}};
constexpr std::array<Range, 2> kWideBeyond{{{0x20000, 0x2FFFD}, {0x30000, 0x3FFFD}}};

// Marks that take no column of their own.
constexpr std::array<Range, 32> kCombining{
    {{0x0300, 0x036F}, {0x0483, 0x0489},  {0x0591, 0x05BD}, {0x05BF, 0x05C7}, {0x0610, 0x061A},
     {0x064B, 0x065F}, {0x0670, 0x0670},  {0x06D6, 0x06DC}, {0x06DF, 0x06ED}, {0x0711, 0x0711},
     {0x0730, 0x074A}, {0x07A6, 0x07B0},  {0x0816, 0x082D}, {0x08D3, 0x0902}, {0x093A, 0x093A},
     {0x093C, 0x093C}, {0x0941, 0x0948},  {0x094D, 0x094D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A},
     {0x0E47, 0x0E4E}, {0x0EB1, 0x0EBC},  {0x1160, 0x11FF}, {0x135D, 0x135F}, {0x1AB0, 0x1ACE},
     {0x1DC0, 0x1DFF}, {0x20D0, 0x20F0},  {0x302A, 0x302D}, {0x3099, 0x309A}, {0xFE00, 0xFE0F},
     {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}}};

// Characters that only steer: zero-width joiners, marks of direction, tags. They are left out.
constexpr std::array<Range, 7> kSteering{{{0x00AD, 0x00AD},
                                          {0x061C, 0x061C},
                                          {0x180B, 0x180F},
                                          {0x200B, 0x200F},
                                          {0x2028, 0x202E},
                                          {0x2060, 0x206F},
                                          {0xE0000, 0xE007F}}};

template <std::size_t N>
bool among(const std::array<Range, N>& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

/// The next character of `text` and how many bytes it took; empty for what is no UTF-8.
struct Decoded {
  std::optional<char32_t> character;
  std::size_t bytes;
};

Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return {std::nullopt, 1};
  if (text.size() < length) return {std::nullopt, 1};
  char32_t c = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {std::nullopt, 1};
    c = (c << 6) | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  if (overlong || (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) return {std::nullopt, 1};
  return {c, length};
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

/// What stands for a character where only ASCII can be shown.
char in_ascii(char32_t c) {
  struct Pair {
    char32_t from;
    char to;
  };
  constexpr std::array<Pair, 33> kPairs{
      {{U'–', '-'}, {U'─', '-'}, {U'│', '|'}, {U'╭', '+'}, {U'╮', '+'}, {U'╰', '+'}, {U'╯', '+'},
       {U'├', '+'}, {U'┤', '+'}, {U'…', '~'}, {U'·', '.'}, {U'↓', 'v'}, {U'↑', '^'}, {U'█', '#'},
       {U'▓', '%'}, {U'▒', '='}, {U'░', '.'}, {U'╱', '/'}, {U'▁', '_'}, {U'▂', '.'}, {U'▃', '-'},
       {U'▄', '='}, {U'▅', '+'}, {U'▆', '*'}, {U'▇', '%'}, {U'▸', '>'}, {U'▪', '*'}, {U'×', 'x'},
       {U'╎', '|'}, {U'▏', '|'}, {U'▌', '#'}, {U'■', '#'}, {U'°', '\''}}};
  for (const auto& pair : kPairs) {
    if (pair.from == c) return pair.to;
  }
  return '?';
}

std::string environment_word(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    auto value = environment_word(name);
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return has(value, "utf-8") || has(value, "utf8");
  }
  return false;
}

struct Colour {
  std::uint8_t red, green, blue;
};

/// One ink in each depth. The sixteen are the terminal's own, so that its theme is kept.
struct Palette {
  const char* sixteen;  ///< SGR parameters
  Colour bright;        ///< of the last shade; {0,0,0} = the terminal's own foreground
  Colour dark;          ///< of shade 0
};

constexpr std::array<Palette, static_cast<std::size_t>(Ink::count)> kPalette{{
    {"39", {0, 0, 0}, {0, 0, 0}},              // plain
    {"90", {128, 134, 148}, {128, 134, 148}},  // faint
    {"90", {74, 80, 94}, {74, 80, 94}},        // frame
    {"36", {94, 196, 255}, {94, 196, 255}},    // focus
    {"39", {0, 0, 0}, {0, 0, 0}},              // title
    {"32", {126, 211, 128}, {126, 211, 128}},  // ok
    {"33", {240, 198, 86}, {240, 198, 86}},    // warning
    {"31", {255, 107, 97}, {255, 107, 97}},    // critical
    {"1;31", {255, 71, 120}, {255, 71, 120}},  // emergency
    {"34", {122, 178, 255}, {44, 86, 160}},    // cpu
    {"32", {134, 226, 160}, {36, 110, 74}},    // gpu
    {"35", {204, 160, 255}, {100, 66, 160}},   // memory
    {"36", {98, 214, 214}, {28, 104, 112}},    // receive
    {"33", {244, 176, 110}, {140, 84, 34}},    // send
    {"33", {232, 210, 122}, {126, 106, 40}},   // disk
    {"36", {96, 158, 190}, {96, 158, 190}},    // booked
    {"90", {110, 114, 126}, {110, 114, 126}},  // reserve
}};

Colour mix(const Palette& palette, int shade) {
  const auto part = [shade](int dark, int bright) {
    return static_cast<std::uint8_t>(dark + (bright - dark) * shade / (kShades - 1));
  };
  return {part(palette.dark.red, palette.bright.red),
          part(palette.dark.green, palette.bright.green),
          part(palette.dark.blue, palette.bright.blue)};
}

/// The nearest colour of the 6 by 6 by 6 cube or of the 24 greys.
int in_palette(Colour colour) {
  const auto level = [](int part) { return part < 48 ? 0 : part < 115 ? 1 : (part - 35) / 40; };
  const auto value = [](int index) { return index == 0 ? 0 : 55 + index * 40; };
  const int red = level(colour.red);
  const int green = level(colour.green);
  const int blue = level(colour.blue);
  const int mean = (colour.red + colour.green + colour.blue) / 3;
  const int grey = std::clamp((mean - 3) / 10, 0, 23);
  const auto distance = [&](int r, int g, int b) {
    const int dr = r - colour.red;
    const int dg = g - colour.green;
    const int db = b - colour.blue;
    return dr * dr + dg * dg + db * db;
  };
  const int tone = 8 + grey * 10;
  return distance(tone, tone, tone) < distance(value(red), value(green), value(blue))
             ? 232 + grey
             : 16 + 36 * red + 6 * green + blue;
}

}  // namespace

Look look_for(const std::string& color, bool terminal) {
  Look look;
  const auto term = environment_word("TERM");
  const auto colorterm = environment_word("COLORTERM");
  look.utf8 = speaks_utf8() && term != "linux" && term != "dumb";
  look.frames = term != "linux" && term != "dumb";
  const bool wanted =
      color == "always" || (color != "never" && terminal && environment_word("NO_COLOR").empty() &&
                            term != "dumb" && !term.empty());
  if (!wanted) {
    look.depth = Depth::none;
  } else if (colorterm == "truecolor" || colorterm == "24bit" || has(term, "direct")) {
    look.depth = Depth::full;
  } else if (has(term, "256color") || has(term, "kitty") || has(term, "alacritty")) {
    look.depth = Depth::palette;
  } else {
    look.depth = Depth::sixteen;
  }
  return look;
}

int columns_of(char32_t character) {
  if (character < 0x300) return 1;
  if (among(kCombining, character) || among(kSteering, character)) return 0;
  return among(kWide, character) || among(kWideBeyond, character) ? 2 : 1;
}

int columns_of(std::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    const auto next = decode(text);
    text.remove_prefix(next.bytes);
    if (next.character && among(kSteering, *next.character)) continue;
    columns += next.character ? columns_of(*next.character) : 1;
  }
  return columns;
}

Canvas::Canvas(int width, int height, bool utf8)
    : width_(std::clamp(width, 0, kMost)),
      height_(std::clamp(height, 0, kMost)),
      utf8_(utf8),
      cells_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_)) {}

void Canvas::set(int x, int y, std::string_view bytes, int width, Pen pen) {
  Cell& cell = cells_[index(x, y)];
  // Half of a wide character is none: what is left of one that is overwritten becomes a blank.
  if (cell.width == 0 && x > 0) {
    Cell& left = cells_[index(x - 1, y)];
    if (left.width == 2) {
      left.bytes[0] = ' ';
      left.length = 1;
      left.width = 1;
    }
  }
  const int end = x + width;
  if (end < width_ && cells_[index(end, y)].width == 0) {
    Cell& right = cells_[index(end, y)];
    right.bytes[0] = ' ';
    right.length = 1;
    right.width = 1;
  }
  cell.length = static_cast<std::uint8_t>(bytes.size());
  std::memcpy(cell.bytes.data(), bytes.data(), bytes.size());
  cell.width = static_cast<std::uint8_t>(width);
  cell.pen = pen;
  if (width == 2) {
    Cell& half = cells_[index(x + 1, y)];
    half.length = 0;
    half.width = 0;
    half.pen = pen;
  }
}

void Canvas::append(int x, int y, std::string_view mark) {
  Cell& cell = cells_[index(x, y)];
  if (cell.length + mark.size() > cell.bytes.size()) return;  // a pile of marks: enough is enough
  std::memcpy(cell.bytes.data() + cell.length, mark.data(), mark.size());
  cell.length = static_cast<std::uint8_t>(cell.length + mark.size());
}

int Canvas::put(int x, int y, std::string_view text, Pen pen, int most) {
  if (y < 0 || y >= height_ || x >= width_ || most <= 0) return 0;
  // Names are at most a line long; a megabyte of one costs no more than that.
  const int limit = std::min(most, width_ - std::max(x, 0));
  const int start = x;
  const int end = x + std::min(most, width_ - x);
  int last = -1;
  bool cut = false;
  while (!text.empty()) {
    const auto next = decode(text);
    const auto bytes = text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
    const bool bad = !next.character || is_control(*next.character);
    if (!bad && among(kSteering, *next.character)) continue;
    int columns = bad ? 1 : columns_of(*next.character);
    if (columns == 0) {
      if (last >= 0 && utf8_) append(last, y, bytes);
      continue;
    }
    if (x + columns > end) {
      cut = true;
      break;
    }
    if (x >= 0) {
      char ascii = bad ? '?' : bytes.front();
      const bool plain = bad || (!utf8_ && bytes.size() > 1);
      if (plain && !bad) ascii = in_ascii(*next.character);
      if (plain && columns == 2) {
        set(x, y, {&ascii, 1}, 1, pen);
        set(x + 1, y, {&ascii, 1}, 1, pen);
      } else {
        set(x, y, plain ? std::string_view(&ascii, 1) : bytes, columns, pen);
      }
      last = x;
    }
    x += columns;
  }
  if (cut && limit > 0 && last >= 0) {
    const char* dots = utf8_ ? "…" : "~";
    // The last column that was used, or the one a wide character left free.
    const int at = x < end ? x : end - 1;
    set(at, y, dots, 1, pen);
    x = at + 1;
  }
  return x - start;
}

int Canvas::put_right(int right, int y, std::string_view text, Pen pen, int most) {
  const int columns = std::min(columns_of(text), most);
  return put(right - columns + 1, y, text, pen, columns);
}

void Canvas::repeat(int x, int y, int count, std::string_view character, Pen pen) {
  for (int i = 0; i < count; ++i) put(x + i, y, character, pen, 1);
}

void Canvas::clear(const Rect& rect) {
  for (int y = std::max(rect.y, 0); y < std::min(rect.y + rect.height, height_); ++y) {
    for (int x = std::max(rect.x, 0); x < std::min(rect.x + rect.width, width_); ++x) {
      set(x, y, " ", 1, {});
    }
  }
}

void Canvas::mark(int x, int y, int width, bool reverse, bool bold) {
  if (y < 0 || y >= height_) return;
  for (int i = std::max(x, 0); i < std::min(x + width, width_); ++i) {
    auto& pen = cells_[index(i, y)].pen;
    pen.reverse = reverse;
    pen.bold = bold;
  }
}

void Canvas::fade() {
  for (auto& cell : cells_) cell.pen = Pen{Ink::frame};
}

std::string Canvas::text(const Look& look) const {
  std::string out;
  for (int y = 0; y < height_; ++y) {
    int end = width_;
    while (end > 0 && at(end - 1, y).text() == " " && !at(end - 1, y).pen.reverse) --end;
    Pen pen;
    for (int x = 0; x < end; ++x) {
      const Cell& cell = at(x, y);
      if (cell.width == 0) continue;
      if (look.depth != Depth::none && cell.pen != pen) {
        pen = cell.pen;
        out += select(pen, look.depth);
      }
      out += cell.text();
    }
    if (look.depth != Depth::none && pen != Pen()) out += "\x1b[0m";
    out += '\n';
  }
  return out;
}

std::string select(Pen pen, Depth depth) {
  std::string out = "\x1b[0";
  const Palette& palette = kPalette[static_cast<std::size_t>(pen.ink)];
  const bool bold = pen.bold || pen.ink == Ink::title;
  if (bold) out += ";1";
  if (pen.reverse) out += ";7";
  if (depth == Depth::none) {
    if (pen.ink == Ink::faint || pen.ink == Ink::frame) out += ";2";
    return out + "m";
  }
  if (depth == Depth::sixteen) return out + ";" + palette.sixteen + "m";
  const bool own = palette.bright.red == 0 && palette.bright.green == 0 && palette.bright.blue == 0;
  if (own) return out + "m";
  const Colour colour = mix(palette, pen.shade);
  if (depth == Depth::palette) return out + ";38;5;" + std::to_string(in_palette(colour)) + "m";
  return out + ";38;2;" + std::to_string(colour.red) + ";" + std::to_string(colour.green) + ";" +
         std::to_string(colour.blue) + "m";
}

std::string Painter::paint(const Canvas& next) {
  const bool whole = !known_ || next.width() != shown_.width() || next.height() != shown_.height();
  std::string out;
  bool any_pen = false;
  Pen pen;
  int at_x = -1;
  int at_y = -1;
  for (int y = 0; y < next.height(); ++y) {
    for (int x = 0; x < next.width(); ++x) {
      const Cell& cell = next.at(x, y);
      if (cell.width == 0) continue;
      const bool same = !whole && cell == shown_.at(x, y) &&
                        (cell.width == 1 || next.at(x + 1, y) == shown_.at(x + 1, y));
      if (same) continue;
      if (y != at_y || x != at_x) {
        // A few cells that have not changed are written again where that is shorter than a jump.
        const int gap = x - at_x;
        bool bridge = y == at_y && gap > 0 && gap <= 4;
        for (int i = at_x; bridge && i < x; ++i) {
          bridge = next.at(i, y).pen == pen && next.at(i, y).length == 1;
        }
        if (bridge) {
          for (int i = at_x; i < x; ++i) out += next.at(i, y).text();
        } else {
          out += "\x1b[" + std::to_string(y + 1) + ";" + std::to_string(x + 1) + "H";
        }
      }
      if (!any_pen || pen != cell.pen) {
        pen = cell.pen;
        any_pen = true;
        out += select(pen, look_.depth);
      }
      out += cell.text();
      at_x = x + cell.width;
      at_y = y;
    }
  }
  shown_ = next;
  const bool first = !known_;
  known_ = true;
  if (out.empty()) return out;
  out = (whole && !first ? "\x1b[0m\x1b[2J"
         : whole         ? "\x1b[0m\x1b[2J\x1b[H"
                         : "") +
        out + "\x1b[0m";
  if (look_.frames) out = "\x1b[?2026h" + out + "\x1b[?2026l";
  return out;
}

}  // namespace headroom::cli
