#include "sense/cgroup.hpp"

#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

const std::string kMachines = HEADROOM_SOURCE_DIR "/tests/machines/";

TEST(Limit, MaxAndTheHugeNumberOfV1MeanNone) {
  EXPECT_EQ(parse_limit("1073741824\n"), Bytes(1073741824));
  EXPECT_EQ(parse_limit("0\n"), Bytes(0));
  for (const std::string_view text : {"max\n", "9223372036854771712\n", "1152921504606846976", "",
                                      "-1\n", "99999999999999999999999999"}) {
    EXPECT_FALSE(parse_limit(text)) << text;
  }
}

TEST(Cgroup, ReadsKeyedFiles) {
  EXPECT_EQ(parse_keyed("oom 2\noom_kill 7\n", "oom_kill"), 7u);
  EXPECT_EQ(parse_keyed("oom_kill_disable 1\nunder_oom 0\noom_kill 3", "oom_kill"), 3u);
  EXPECT_FALSE(parse_keyed("oom_kill_disable 1\n", "oom_kill"));
  EXPECT_FALSE(parse_keyed("oom_kill x\n", "oom_kill"));
  EXPECT_EQ(parse_io_stat("259:0 rbytes=1 wbytes=4096\n8:0 rbytes=1 wbytes=1000 rios=1\n"),
            Bytes(5096));
  EXPECT_FALSE(parse_io_stat("259:0\n"));
  std::vector<int> pids;
  EXPECT_EQ(parse_procs("12\n0\n99999999999999\nx\n7", pids), 2);
  EXPECT_EQ(pids, (std::vector<int>{12, 7}));
}

TEST(Cgroup, HeldMemoryIsWhatCannotBeReclaimed) {
  const auto v1 = parse_memory_stat_v1(
      "rss 5\ntotal_cache 900\ntotal_rss 100\ntotal_rss_huge 64\ntotal_shmem 30\n"
      "total_inactive_file 500\ntotal_active_file 370\n");
  ASSERT_TRUE(v1);
  EXPECT_EQ(v1->held, Bytes(130));
  EXPECT_EQ(v1->cache, Bytes(870));
  const auto v2 = parse_memory_stat_v2(
      "anon 1000\nfile 700\nkernel 300\nkernel_stack 50\nsock 7\nshmem 90\n"
      "inactive_file 400\nactive_file 210\nslab_reclaimable 100\n");
  ASSERT_TRUE(v2);
  EXPECT_EQ(v2->held, Bytes(1000 + 90 + 200 + 7));
  EXPECT_EQ(v2->cache, Bytes(710));
  const auto old =
      parse_memory_stat_v2("anon 1000\nkernel_stack 50\npagetables 60\nslab_unreclaimable 5\n");
  EXPECT_EQ(old->held, Bytes(1115));
  EXPECT_FALSE(parse_memory_stat_v1("anon 1\n"));
  EXPECT_FALSE(parse_memory_stat_v2("total_rss 1\n"));
}

TEST(Cgroup, FindsTheJobsGroupInEveryLayout) {
  const auto v1 = parse_mountinfo(
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  const auto docker =
      parse_mountinfo("35 31 0:32 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  const auto v2 = parse_mountinfo("30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  EXPECT_EQ(jobs_group_of(parse_cgroup("4:cpu,memory:/a/b\n0::/c\n"), v1),
            "/sys/fs/cgroup/memory/a/b");
  EXPECT_EQ(jobs_group_of(parse_cgroup("4:memory:/docker/ab/x\n"), docker),
            "/sys/fs/cgroup/memory/x");
  EXPECT_EQ(jobs_group_of(parse_cgroup("0::/user.slice/s.scope\n"), v2),
            "/sys/fs/cgroup/user.slice/s.scope");
  EXPECT_EQ(jobs_group_of(parse_cgroup("0::/system.slice/headroom.service\n"), v2),
            "/sys/fs/cgroup/system.slice");
  EXPECT_EQ(jobs_group_of(parse_cgroup("0::/\n"), v2), "/sys/fs/cgroup");
  EXPECT_EQ(jobs_group_of(parse_cgroup("0::/../x\n"), v2), "/sys/fs/cgroup");
  EXPECT_EQ(jobs_group_of(parse_cgroup("4:memory:/a\n"), v2), "");
  EXPECT_EQ(jobs_group_of(parse_cgroup("garbage\n:::\n4:memory:relative\n"), v1), "");
}

TEST(MemoryLimit, TheSmallestLimitOnThePathHoldsAndItsUseLeavesOutCache) {
  const std::string root = kMachines + "v2_limits";
  ReadBuffer buffer;
  MemoryReading memory;
  memory.total = Bytes(131072000LL * 1024);
  MemoryLimit slice(root, root + "/sys/fs/cgroup/system.slice", Keep::closed);
  slice.read(BootTime{}, buffer, memory);
  EXPECT_EQ(memory.limit, Bytes(64424509440));
  EXPECT_EQ(memory.limit_path, "/sys/fs/cgroup/system.slice");
  EXPECT_EQ(memory.limit_used, Bytes(5000000000 - 500000000 - 300000000 - 100));

  MemoryLimit scope(root, root + "/sys/fs/cgroup/jobs.slice/job-1.scope", Keep::closed);
  scope.read(BootTime{}, buffer, memory);
  EXPECT_EQ(memory.limit, Bytes(2147483648));

  MemoryLimit open(root, root + "/sys/fs/cgroup/jobs.slice", Keep::closed);
  open.read(BootTime{}, buffer, memory);
  EXPECT_FALSE(memory.limit);
  EXPECT_FALSE(memory.limit_used);
  EXPECT_EQ(memory.limit_path, "");
}

TEST(MemoryLimit, ALimitAboveTheMachineIsNone) {
  const std::string root = kMachines + "v2_limits";
  ReadBuffer buffer;
  MemoryReading memory;
  memory.total = Bytes(1073741824);
  MemoryLimit slice(root, root + "/sys/fs/cgroup/system.slice", Keep::closed);
  slice.read(BootTime{}, buffer, memory);
  EXPECT_FALSE(memory.limit);
}

}  // namespace
}  // namespace headroom::sense
