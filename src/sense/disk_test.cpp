#include "sense/disk.hpp"

#include <string>

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

std::vector<std::string> names(std::string_view text) {
  std::vector<DiskCounters> disks;
  parse_diskstats(text, disks);
  std::vector<std::string> names;
  for (const DiskCounters& disk : disks) names.emplace_back(disk.name);
  return names;
}

TEST(Disk, ReadsTheCountersOfAWholeDisk) {
  std::vector<DiskCounters> disks;
  parse_diskstats(" 259       0 nvme0n1 1000 1 20000 500 3000 2 40000 900 3 700 1400 0 0 0 0\n",
                  disks);
  ASSERT_EQ(disks.size(), 1u);
  EXPECT_EQ(disks[0].name, "nvme0n1");
  EXPECT_EQ(disks[0].sectors_read, 20000u);
  EXPECT_EQ(disks[0].sectors_written, 40000u);
  EXPECT_EQ(disks[0].operations, 4000u);
  EXPECT_EQ(disks[0].busy_ms, 700u);
}

TEST(Disk, LeavesOutPartitionsAndWhatHasNoDiskOfItsOwn) {
  const std::string rest = " 1 0 2 0 1 0 2 0 0 9 9\n";
  std::string text;
  for (const char* name :
       {"259 0 nvme0n1", "259 1 nvme0n1p1", "259 2 nvme0n1p15",   "259 5 nvme0n10", "8 0 sda",
        "8 1 sda1",      "8 16 sdaa",       "8 17 sdaa3",         "7 0 loop0",      "1 0 ram0",
        "252 0 zram0",   "253 0 dm-0",      "9 127 md127",        "11 0 sr0",       "43 0 nbd0",
        "179 0 mmcblk0", "179 1 mmcblk0p1", "179 8 mmcblk0boot0", "202 1 xvdb1",    "250 0 bcache0",
        "230 0 zd16"}) {
    text += std::string(" ") + name + rest;
  }
  EXPECT_EQ(names(text),
            (std::vector<std::string>{"nvme0n1", "nvme0n10", "sda", "sdaa", "mmcblk0", "xvdb1"}));
}

TEST(Disk, LinesThatAreCutShortAreLeftOut) {
  EXPECT_TRUE(names("259 0 nvme0n1 1000 0 200\nwhat is this\n8 0\n8\n\n").empty());
  EXPECT_EQ(names("8 0 sda 1 0 2 0 1 0 2 0 0 9"), (std::vector<std::string>{"sda"}));
}

TEST(Disk, MoreDisksThanTheBoundAreCounted) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text +=
        " 259 " + std::to_string(i) + " nvme" + std::to_string(i) + "n1 1 0 2 0 1 0 2 0 0 9 9\n";
  }
  std::vector<DiskCounters> disks;
  EXPECT_EQ(parse_diskstats(text, disks), 300u - kMostDisks);
  EXPECT_EQ(disks.size(), kMostDisks);
}

TEST(Disk, TheFileOfOneDiskHasTheSameCounters) {
  const auto disk = parse_block_stat(
      "    1000     1  20000   500  3000   2  40000   900   3   700  1400  0 0 0 0 0 0\n");
  ASSERT_TRUE(disk);
  EXPECT_EQ(disk->sectors_read, 20000u);
  EXPECT_EQ(disk->sectors_written, 40000u);
  EXPECT_EQ(disk->operations, 4000u);
  EXPECT_EQ(disk->busy_ms, 700u);
  EXPECT_FALSE(parse_block_stat("1 2 3 4 5 6 7 8 9"));
  EXPECT_FALSE(parse_block_stat(""));
}

}  // namespace
}  // namespace headroom::sense
