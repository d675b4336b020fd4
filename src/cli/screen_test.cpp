#include <gmock/gmock.h>

#include "cli/screen.hpp"

namespace headroom::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A terminal as simple as the painter needs: it knows cursor moves, pens, clearing, and letters.
class Emulator {
 public:
  Emulator(int width, int height) : canvas_(width, height) {}
  void take(std::string_view bytes) {
    while (!bytes.empty()) {
      if (bytes[0] == '\x1b') {
        ASSERT_EQ(bytes.substr(0, 2), "\x1b[");
        const auto end = bytes.find_first_of("HJmhl");
        ASSERT_NE(end, std::string_view::npos);
        const auto parameters = std::string(bytes.substr(2, end - 2));
        if (bytes[end] == 'H') {
          x_ = y_ = 0;
          if (std::sscanf(parameters.c_str(), "%d;%d", &y_, &x_) == 2) --x_, --y_;
        }
        if (bytes[end] == 'J') canvas_ = Canvas(canvas_.width(), canvas_.height());
        bytes.remove_prefix(end + 1);
        continue;
      }
      std::size_t length = 1;
      while (length < bytes.size() &&
             (static_cast<unsigned char>(bytes[length]) & 0xC0U) == 0x80U) {
        ++length;
      }
      // Combining marks go with the character before them.
      while (length < bytes.size()) {
        std::size_t next = length + 1;
        while (next < bytes.size() && (static_cast<unsigned char>(bytes[next]) & 0xC0U) == 0x80U) {
          ++next;
        }
        const auto more = bytes.substr(length, next - length);
        if (more[0] == '\x1b' || columns_of(more) != 0) break;
        length = next;
      }
      x_ += canvas_.put(x_, y_, bytes.substr(0, length));
      bytes.remove_prefix(length);
    }
  }
  std::string text() const { return canvas_.text({}); }

 private:
  Canvas canvas_;
  int x_ = 0;
  int y_ = 0;
};

TEST(Canvas, PutsTextAndCutsWhatDoesNotFit) {
  Canvas canvas(8, 2);
  EXPECT_EQ(canvas.put(0, 0, "abc"), 3);
  EXPECT_EQ(canvas.put(5, 0, "defgh"), 3);
  EXPECT_EQ(canvas.put(0, 1, "abcdef", {}, 4), 4);
  EXPECT_EQ(canvas.text({}), "abc  de…\nabc…\n");
  EXPECT_EQ(canvas.put(0, 5, "below"), 0);
  EXPECT_EQ(canvas.put(9, 0, "beyond"), 0);
}

TEST(Canvas, StartsOutsideAndStaysInside) {
  Canvas canvas(4, 1);
  canvas.put(-2, 0, "abcdefgh");
  EXPECT_EQ(canvas.text({}), "cde…\n");
}

TEST(Canvas, GivesWideCharactersTwoColumns) {
  Canvas canvas(7, 1);
  EXPECT_EQ(canvas.put(0, 0, "漢字x"), 5);
  EXPECT_EQ(canvas.text({}), "漢字x\n");
  EXPECT_EQ(columns_of("漢字x😀"), 7);
  // A half that is overwritten takes its other half along.
  canvas.put(1, 0, "a");
  EXPECT_EQ(canvas.text({}), " a字x\n");
  canvas.put(2, 0, "b");
  EXPECT_EQ(canvas.text({}), " ab x\n");
}

TEST(Canvas, NeverLeavesHalfAWideCharacterAtAnEdge) {
  Canvas canvas(3, 1);
  EXPECT_EQ(canvas.put(0, 0, "漢字"), 3);
  EXPECT_EQ(canvas.text({}), "漢…\n");
}

TEST(Canvas, KeepsCombiningMarksWithTheirLetterAndBoundsThem) {
  Canvas canvas(5, 1);
  EXPECT_EQ(canvas.put(0, 0, "e\xcc\x81x"), 2);
  EXPECT_EQ(canvas.text({}), "e\xcc\x81x\n");
  std::string pile = "a";
  for (int i = 0; i < 500; ++i) pile += "\xcc\x81";
  EXPECT_EQ(canvas.put(0, 0, pile), 1);
  EXPECT_LE(canvas.at(0, 0).length, 14);
  EXPECT_EQ(canvas.put(0, 0, "\xcc\x81z"), 1);  // a mark with nothing to stand on
}

TEST(Canvas, MakesHostileTextHarmless) {
  Canvas canvas(60, 1);
  canvas.put(0, 0,
             "a\x1b[2J\x1b]0;t\x07\x9b"
             "31m\xc2\x9b"
             "1m\r\n\t\x7f\xff");
  EXPECT_EQ(canvas.text({}), "a?[2J?]0;t??31m?1m?????\n");
  // Marks that turn the direction of what follows, zero-width joiners and tags leave nothing.
  canvas.clear({0, 0, 60, 1});
  EXPECT_EQ(canvas.put(0, 0, "a\u202e\u2066\u200d\u200bb"), 2);
  EXPECT_EQ(canvas.text({}), "ab\n");
  // Overlong and half sequences are no characters.
  canvas.clear({0, 0, 60, 1});
  canvas.put(0, 0, "\xc0\xaf|\xe0\x80\xaf|\xf4\x90\x80\x80|\xed\xa0\x80|\xe6\xbc");
  EXPECT_EQ(canvas.text({}), "??|???|????|???|??\n");
}

TEST(Canvas, DrawsWithASCIIWhereNothingElseIsUnderstood) {
  Canvas canvas(20, 1, false);
  canvas.put(0, 0, "╭─╮ █▒╱· – 漢é↓");
  EXPECT_EQ(canvas.text({}), "+-+ #=/. - ???v\n");
}

TEST(Painter, WritesEverythingOnceAndThenOnlyWhatChanged) {
  Painter painter(Look{Depth::none, true, true});
  Canvas canvas(40, 3);
  canvas.put(0, 0, "hello");
  canvas.put(0, 2, "world");
  EXPECT_THAT(painter.paint(canvas), HasSubstr("hello"));
  EXPECT_EQ(painter.paint(canvas), "");
  canvas.put(4, 2, "x");
  const auto bytes = painter.paint(canvas);
  EXPECT_EQ(bytes, "\x1b[?2026h\x1b[3;5H\x1b[0mx\x1b[0m\x1b[?2026l");
  painter.forget();
  EXPECT_THAT(painter.paint(canvas), HasSubstr("hello"));
}

TEST(Painter, DoesNotFrameForATerminalThatWouldShowIt) {
  Painter painter(Look{Depth::none, true, false});
  Canvas canvas(4, 1);
  canvas.put(0, 0, "a");
  EXPECT_THAT(painter.paint(canvas), Not(HasSubstr("2026")));
}

TEST(Painter, BringsTheTerminalToThePictureWhateverCameBefore) {
  // Random pictures one after the other, wide characters and marks among them.
  Painter painter(Look{Depth::full, true, true});
  Emulator emulator(23, 7);
  const std::array<const char*, 8> pieces{"a", "bc", "漢", "é", "e\xcc\x81", "  ", "█▒", "字x"};
  unsigned seed = 7;
  const auto next = [&seed](unsigned below) {
    seed = seed * 1103515245U + 12345U;
    return (seed >> 16) % below;
  };
  Canvas canvas(23, 7);
  for (int i = 0; i < 400; ++i) {
    for (int j = 0; j < 5; ++j) {
      canvas.put(static_cast<int>(next(23)), static_cast<int>(next(7)), pieces[next(8)],
                 Pen{static_cast<Ink>(next(static_cast<unsigned>(Ink::count)))});
    }
    emulator.take(painter.paint(canvas));
    ASSERT_EQ(emulator.text(), canvas.text({})) << "picture " << i;
  }
}

TEST(Look, FollowsTheEnvironment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "NO_COLOR", "COLORTERM"}) unsetenv(name);
  setenv("LANG", "C.UTF-8", 1);
  setenv("TERM", "xterm", 1);
  EXPECT_EQ(look_for("auto", true).depth, Depth::sixteen);
  EXPECT_TRUE(look_for("auto", true).utf8);
  EXPECT_EQ(look_for("auto", false).depth, Depth::none);
  setenv("TERM", "xterm-256color", 1);
  EXPECT_EQ(look_for("auto", true).depth, Depth::palette);
  setenv("COLORTERM", "truecolor", 1);
  EXPECT_EQ(look_for("auto", true).depth, Depth::full);
  setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(look_for("auto", true).depth, Depth::none);
  EXPECT_EQ(look_for("always", false).depth, Depth::full);
  setenv("LC_ALL", "C", 1);
  EXPECT_FALSE(look_for("auto", true).utf8);
  unsetenv("LC_ALL");
  setenv("TERM", "linux", 1);
  EXPECT_FALSE(look_for("auto", true).utf8);
  unsetenv("NO_COLOR");
  unsetenv("COLORTERM");
}

}  // namespace
}  // namespace headroom::cli
