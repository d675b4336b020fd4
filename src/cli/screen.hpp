// A picture of character cells: what a full-screen command draws upon, and how it reaches a
// terminal with as few bytes as it can.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headroom::cli {

/// What a cell's colour means. A palette turns it into a colour as the terminal can.
enum class Ink : std::uint8_t {
  plain,
  faint,  ///< said beside the thing itself
  frame,
  focus,  ///< the frame that has the keys
  title,
  ok,
  warning,
  critical,
  emergency,
  cpu,
  gpu,
  memory,
  receive,
  send,
  disk,
  booked,
  reserve,
  count  ///< none: how many there are
};

/// How bright an ink of a graph is, from 0 (its darkest) to kShades - 1.
inline constexpr int kShades = 6;

struct Pen {
  Ink ink = Ink::plain;
  std::uint8_t shade = kShades - 1;
  bool bold = false;
  bool reverse = false;
  bool operator==(const Pen&) const = default;
};

/// Colours that the terminal can show.
enum class Depth : std::uint8_t { none, sixteen, palette, full };

/// What the terminal can do; decided once.
struct Look {
  Depth depth = Depth::none;
  bool utf8 = true;    ///< false: everything beyond ASCII is drawn by something like it
  bool frames = true;  ///< the terminal may be told where a frame begins and ends
  const char* degrees() const { return utf8 ? " °C" : " C"; }
};

/// From the environment: TERM, COLORTERM, NO_COLOR, LC_ALL, LC_CTYPE, LANG. `color` is auto,
/// always or never.
Look look_for(const std::string& color, bool terminal);

/// Columns that one character takes: 0 (combining), 1 or 2.
int columns_of(char32_t character);
/// Columns that a text takes when it is put on a canvas.
int columns_of(std::string_view text);

/// One character cell. The right half of a wide character is a cell of width 0.
struct Cell {
  std::array<char, 14> bytes{' '};  ///< UTF-8: one character and its combining marks
  std::uint8_t length = 1;
  std::uint8_t width = 1;
  Pen pen;
  std::string_view text() const { return {bytes.data(), length}; }
  bool operator==(const Cell& other) const {
    return pen == other.pen && width == other.width && text() == other.text();
  }
};

struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
  bool operator==(const Rect&) const = default;
};

/// A grid of cells. Whatever is put outside of it is left out. Text of others is harmless on it:
/// controls, escape sequences, invalid UTF-8 and marks that turn the direction of a line become
/// "?" or nothing.
class Canvas {
 public:
  /// At most 1000 by 1000 cells; a larger size is cut.
  Canvas(int width, int height, bool utf8 = true);

  int width() const { return width_; }
  int height() const { return height_; }
  const Cell& at(int x, int y) const { return cells_[index(x, y)]; }
  bool utf8() const { return utf8_; }

  /// Writes `text` from (x, y) to the right, at most `most` columns; what does not fit is cut and
  /// ends in "…". Returns the columns written.
  int put(int x, int y, std::string_view text, Pen pen = {}, int most = 1000);
  /// The same, with its last column at `right`.
  int put_right(int right, int y, std::string_view text, Pen pen = {}, int most = 1000);
  /// `count` times the same character.
  void repeat(int x, int y, int count, std::string_view character, Pen pen = {});
  /// Blanks.
  void clear(const Rect& rect);
  /// Changes the pens of a row's part and leaves its text.
  void mark(int x, int y, int width, bool reverse, bool bold);
  /// Everything in the faint ink: a picture that is no longer true.
  void fade();

  /// The lines without trailing blanks, each ended by a newline; with the colours of `look`.
  std::string text(const Look& look) const;

 private:
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
           static_cast<std::size_t>(x);
  }
  void set(int x, int y, std::string_view bytes, int width, Pen pen);
  void append(int x, int y, std::string_view mark);

  int width_;
  int height_;
  bool utf8_;
  std::vector<Cell> cells_;
};

/// The escape sequence that selects a pen, from whatever was selected before.
std::string select(Pen pen, Depth depth);

/// Brings pictures to a terminal: writes what differs from the picture before.
class Painter {
 public:
  explicit Painter(Look look) : look_(look), shown_(0, 0) {}
  /// The bytes that turn what is shown into `next`; "" when nothing differs. After forget(), or
  /// when the size has changed, everything is written.
  std::string paint(const Canvas& next);
  void forget() { known_ = false; }

 private:
  Look look_;
  Canvas shown_;
  bool known_ = false;
};

}  // namespace headroom::cli
