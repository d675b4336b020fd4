#include <gtest/gtest.h>

#include "cli/keys.hpp"

namespace headroom::cli {
namespace {

using Name = Key::Name;
using Keys = std::vector<Key>;

Key text(const char* character) { return {Name::text, character}; }

TEST(Keys, AreCutFromWhatATerminalSends) {
  KeyCutter cutter;
  EXPECT_EQ(cutter.take("j\x1b[A\x1bOB\t\r\x7f\x1b[Z"), (Keys{text("j"),
                                                              {Name::up, ""},
                                                              {Name::down, ""},
                                                              {Name::tab, ""},
                                                              {Name::enter, ""},
                                                              {Name::backspace, ""},
                                                              {Name::back_tab, ""}}));
  EXPECT_EQ(cutter.take("\x1b[5~\x1b[6~\x1b[H\x1b[4~"),
            (Keys{{Name::page_up, ""}, {Name::page_down, ""}, {Name::home, ""}, {Name::end, ""}}));
  EXPECT_EQ(cutter.take("\x1b[<64;10;5M\x1b[<65;10;5M\x1b[<0;1;1M"),
            (Keys{{Name::wheel_up, ""}, {Name::wheel_down, ""}}));
  EXPECT_EQ(cutter.take("é漢"), (Keys{text("é"), text("漢")}));
}

TEST(Keys, WaitForTheRestOfASequence) {
  KeyCutter cutter;
  EXPECT_EQ(cutter.take("\x1b"), Keys{});
  EXPECT_TRUE(cutter.waits());
  EXPECT_EQ(cutter.take("[1"), Keys{});
  EXPECT_EQ(cutter.take("~\xc3"), (Keys{{Name::home, ""}}));
  EXPECT_EQ(cutter.take("\xa9"), (Keys{text("é")}));
  EXPECT_FALSE(cutter.waits());
}

TEST(Keys, ALoneEscapeIsAKeyAfterAWhile) {
  KeyCutter cutter;
  EXPECT_EQ(cutter.take("\x1b"), Keys{});
  EXPECT_EQ(cutter.settle(), (Keys{{Name::escape, ""}}));
  EXPECT_EQ(cutter.take("\x1bq"), (Keys{{Name::escape, ""}, text("q")}));
}

TEST(Keys, WhatNoTerminalSendsGivesNothing) {
  KeyCutter cutter;
  EXPECT_EQ(cutter.take("\x1b[99;99q\xff\xc2\x9b\x01"), Keys{});
  EXPECT_EQ(cutter.take("\x1b[" + std::string(200, '1')), Keys{});
  EXPECT_FALSE(cutter.waits());
  EXPECT_EQ(cutter.take("a"), (Keys{text("a")}));
}

}  // namespace
}  // namespace headroom::cli
