#include "act/explain.hpp"

#include <gtest/gtest.h>

namespace headroom::act {
namespace {

using namespace headroom::literals;
using std::chrono::seconds;

constexpr int exited(int code) { return code << 8; }
constexpr int by_signal(int number) { return number; }

Left left(std::optional<Bytes> peak, std::uint64_t oom_kills = 0) {
  Left counted;
  counted.memory_peak = peak;
  counted.oom_kills = oom_kills;
  return counted;
}

constexpr Bytes tenths_gib(std::int64_t tenths) { return Bytes((tenths << 30) / 10); }

struct Row {
  const char* about;
  Ending ending;
  const char* line;
};

TEST(Explain, SaysHowACommandEnded) {
  const Row rows[] = {
      {"a plain end",
       {"train-b", exited(0), seconds(7380), 24_GiB, {}, left(tenths_gib(229))},
       "train-b ended 0 after 2h 03m, peak 22.9 of 24.0 GiB"},
      {"no group", {"x", exited(3), seconds(41), 24_GiB, {}, {}}, "x ended 3 after 41s"},
      {"a kernel without a peak",
       {"x", exited(0), seconds(0), 1_GiB, {}, left({})},
       "x ended 0 after 0s"},
      {"nothing booked",
       {"x", exited(0), seconds(725), {}, {}, left(300_MiB)},
       "x ended 0 after 12m 05s, peak 300.0 MiB"},
      {"a signal",
       {"x", by_signal(15), seconds(3), 1_GiB, {}, left(512_MiB)},
       "x was ended by signal 15 (SIGTERM) after 3s, peak 0.5 of 1.0 GiB"},
      {"a kill by somebody",
       {"x", by_signal(9), seconds(3), 1_GiB, 1_GiB, left(512_MiB)},
       "x was ended by signal 9 (SIGKILL) after 3s, peak 0.5 of 1.0 GiB"},
      {"a signal with a core dump",
       {"x", by_signal(11) | 0x80, seconds(3), {}, {}, {}},
       "x was ended by signal 11 (SIGSEGV) after 3s"},
      {"a signal without a name",
       {"x", by_signal(40), seconds(3), {}, {}, {}},
       "x was ended by signal 40 after 3s"},
      {"its limit",
       {"train-b", by_signal(9), seconds(60), 4_GiB, 4_GiB, left(4_GiB, 1)},
       "train-b was ended by the kernel at its limit of 4.0 GiB (peak 4.0 GiB, 1 oom kill); "
       "try --mem 5G, or leave out --enforce"},
      {"its limit, charged in batches",
       {"t", by_signal(9), seconds(60), 64_MiB, 64_MiB, left(63_MiB + 512_KiB, 3)},
       "t was ended by the kernel at its limit of 64.0 MiB (peak 63.5 MiB, 3 oom kills); "
       "try --mem 80M, or leave out --enforce"},
      {"its limit, no peak",
       {"t", by_signal(9), seconds(60), 4_GiB, 4_GiB, left({}, 1)},
       "t was ended by the kernel at its limit of 4.0 GiB (1 oom kill); try --mem 5G, or leave out "
       "--enforce"},
      {"the machine, inside its booking",
       {"t", by_signal(9), seconds(60), 4_GiB, {}, left(3_GiB, 1)},
       "t was ended by the kernel though inside its booking: the machine itself ran out of memory "
       "(peak 3.0 of 4.0 GiB, 1 oom kill); headroom ps shows who uses it"},
      {"the machine, below its limit",
       {"t", by_signal(9), seconds(60), 4_GiB, 4_GiB, left(3_GiB, 1)},
       "t was ended by the kernel though inside its booking: the machine itself ran out of memory "
       "(peak 3.0 of 4.0 GiB, 1 oom kill); headroom ps shows who uses it"},
      {"the machine, over its booking",
       {"t", by_signal(9), seconds(60), 4_GiB, {}, left(6_GiB, 1)},
       "t was ended by the kernel when the machine ran out of memory, and it used more than it had "
       "booked (peak 6.0 of 4.0 GiB, 1 oom kill); try --mem 8G"},
      {"nothing booked, the machine",
       {"t", by_signal(9), seconds(60), {}, {}, left({}, 2)},
       "t was ended by the kernel because the machine itself ran out of memory (2 oom kills); "
       "headroom ps shows who uses it"},
      {"a child died at the limit",
       {"t", exited(1), seconds(60), 4_GiB, 4_GiB, left(4_GiB, 1)},
       "t ended 1 after 1m 00s; the kernel ended 1 of its processes at its limit of 4.0 GiB "
       "(peak 4.0 GiB, 1 oom kill); try --mem 5G, or leave out --enforce"},
  };
  for (const auto& row : rows) EXPECT_EQ(explain(row.ending), row.line) << row.about;
}

TEST(Explain, WritesAmountsInTheUnitOfTheLargerOne) {
  EXPECT_EQ(words_for(Bytes(0)), "0 B");
  EXPECT_EQ(words_for(1023_B), "1023 B");
  EXPECT_EQ(words_for(4_KiB), "4.0 KiB");
  EXPECT_EQ(words_for(tenths_gib(16100), 2048_GiB), "1.57 of 2.00 TiB");
  EXPECT_EQ(words_for(0_B, 24_GiB), "0.0 of 24.0 GiB");
  EXPECT_EQ(words_for(Bytes(std::numeric_limits<std::int64_t>::max())), "8192.00 PiB");
  EXPECT_EQ(words_for(-(2_GiB)), "-2.0 GiB");
}

TEST(Explain, WritesDurationsWithTwoParts) {
  EXPECT_EQ(words_for(seconds(-5)), "0s");
  EXPECT_EQ(words_for(seconds(59)), "59s");
  EXPECT_EQ(words_for(seconds(60)), "1m 00s");
  EXPECT_EQ(words_for(seconds(3599)), "59m 59s");
  EXPECT_EQ(words_for(seconds(86399)), "23h 59m");
  EXPECT_EQ(words_for(seconds(86400 * 3 + 4 * 3600)), "3d 04h");
}

TEST(Explain, TakesTheLargestSizesWithoutOverflow) {
  const Bytes most(std::numeric_limits<std::int64_t>::max());
  const std::string line = explain({"t", by_signal(9), seconds(1), most, most, left(most, 1)});
  EXPECT_EQ(line.find("--mem -"), std::string::npos) << line;
}

}  // namespace
}  // namespace headroom::act
