#include "sense/meminfo.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

constexpr std::string_view kText =
    "MemTotal:       131072000 kB\nMemFree:        20000000 kB\nMemAvailable:   60000000 kB\n"
    "Buffers:          100000 kB\nCached:         39000000 kB\nSwapCached:            0 kB\n"
    "SwapTotal:       8388604 kB\nSwapFree:        8000000 kB\nSReclaimable:    1400000 kB\n";

TEST(Meminfo, ReadsEveryFieldInBytes) {
  MeminfoLayout layout;
  MemoryReading memory;
  ASSERT_TRUE(parse_meminfo(kText, layout, memory));
  EXPECT_EQ(memory.total, Bytes(131072000LL * 1024));
  EXPECT_EQ(memory.free, Bytes(20000000LL * 1024));
  EXPECT_EQ(memory.available, Bytes(60000000LL * 1024));
  EXPECT_EQ(memory.cached, Bytes(40500000LL * 1024));
  EXPECT_EQ(memory.swap_total, Bytes(8388604LL * 1024));
  EXPECT_EQ(memory.swap_free, Bytes(8000000LL * 1024));
}

TEST(Meminfo, TheLayoutOfAnotherTextDoesNotMislead) {
  MeminfoLayout layout;
  MemoryReading first;
  ASSERT_TRUE(parse_meminfo(kText, layout, first));
  const std::string wider =
      "MemTotal:   7 kB\nMemFree:    3 kB\nShmem:      9 kB\nMemAvailable:   5 kB\n"
      "Buffers:    1 kB\nCached:     2 kB\nSwapCached: 8 kB\nSReclaimable: 4 kB\n";
  for (int i = 0; i < 2; ++i) {
    MemoryReading memory;
    ASSERT_TRUE(parse_meminfo(wider, layout, memory));
    EXPECT_EQ(memory.total, Bytes(7 * 1024));
    EXPECT_EQ(memory.available, Bytes(5 * 1024));
    EXPECT_EQ(memory.cached, Bytes(7 * 1024));
    EXPECT_FALSE(memory.swap_total);
  }
  MemoryReading again;
  ASSERT_TRUE(parse_meminfo(kText, layout, again));
  EXPECT_EQ(again.cached, first.cached);
  EXPECT_EQ(again.swap_free, first.swap_free);
}

TEST(Meminfo, WhatIsMissingIsEmptyEvenIfItWasThereBefore) {
  MeminfoLayout layout;
  MemoryReading memory;
  ASSERT_TRUE(parse_meminfo(kText, layout, memory));
  EXPECT_FALSE(parse_meminfo("MemTotal:  131072000 kB\nMemFr", layout, memory));
  EXPECT_EQ(memory.total, Bytes(131072000LL * 1024));
  EXPECT_FALSE(memory.free);
  EXPECT_FALSE(memory.available);
  EXPECT_FALSE(memory.cached);
  EXPECT_FALSE(parse_meminfo("", layout, memory));
  EXPECT_FALSE(memory.total);
}

TEST(Meminfo, ReadsSharedDirtyCompressedAndHugePages) {
  MeminfoLayout layout;
  MemoryReading memory;
  const std::string text(kText.substr(0, kText.find("SReclaimable")));
  const std::string more = text +
                           "Zswap: 10 kB\nZswapped: 40 kB\nDirty: 20 kB\nShmem: 30 kB\n"
                           "SReclaimable: 1 kB\nAnonHugePages: 5 kB\nHugePages_Total: 4\n"
                           "HugePages_Free: 3\nHugepagesize: 2048 kB\n";
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(parse_meminfo(more + "Hugetlb: 8192 kB\n", layout, memory));
    EXPECT_EQ(memory.zswap, Bytes(10 * 1024));
    EXPECT_EQ(memory.dirty, Bytes(20 * 1024));
    EXPECT_EQ(memory.shared, Bytes(30 * 1024));
    EXPECT_EQ(memory.huge_total, Bytes(8 << 20));
    EXPECT_EQ(memory.huge_free, Bytes(6 << 20));
  }
  // Another size is set aside too: what is free of it stands elsewhere.
  ASSERT_TRUE(parse_meminfo(more + "Hugetlb: 2105344 kB\n", layout, memory));
  EXPECT_EQ(memory.huge_total, Bytes(2105344LL * 1024));
  EXPECT_FALSE(memory.huge_free);
  ASSERT_TRUE(parse_meminfo(more, layout, memory));  // an old kernel
  EXPECT_EQ(memory.huge_total, Bytes(8 << 20));
  EXPECT_EQ(memory.huge_free, Bytes(6 << 20));
  ASSERT_TRUE(parse_meminfo(kText, layout, memory));
  EXPECT_FALSE(memory.huge_total || memory.huge_free || memory.zswap || memory.dirty);
}

TEST(Meminfo, TheSizeOfHugePagesIsInTheNameOfTheirFolder) {
  EXPECT_EQ(parse_huge_page_size("hugepages-1048576kB"), Bytes(1LL << 30));
  for (const std::string_view text : {"", "hugepages-", "hugepages-kB", "hugepages-2048", "x"}) {
    EXPECT_FALSE(parse_huge_page_size(text)) << text;
  }
}

TEST(Meminfo, ANumberWithoutEndSaturates) {
  MeminfoLayout layout;
  MemoryReading memory;
  ASSERT_TRUE(parse_meminfo(
      "MemTotal: 99999999999999999999 kB\nMemAvailable: 18014398509481984 kB\n", layout, memory));
  EXPECT_EQ(memory.total, Bytes(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(memory.available, Bytes(std::numeric_limits<std::int64_t>::max()));
}

}  // namespace
}  // namespace headroom::sense
