#include "demo/group.hpp"

#include <gtest/gtest.h>

namespace headroom::demo {
namespace {

TEST(DemoGroup, IsFoundInAMachineWithV1Controllers) {
  const auto group = parse_memory_group(
      "9:name=systemd:/\n4:memory:/jobs/a\n0::/\n",
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(group);
  EXPECT_EQ(*group, (MemoryGroup{"/sys/fs/cgroup/memory/jobs/a", "/sys/fs/cgroup/memory", false}));
}

TEST(DemoGroup, IsFoundInAMachineWithV2Alone) {
  const auto group = parse_memory_group(
      "0::/user.slice/session-1.scope\n",
      "29 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  ASSERT_TRUE(group);
  EXPECT_EQ(*group,
            (MemoryGroup{"/sys/fs/cgroup/user.slice/session-1.scope", "/sys/fs/cgroup", true}));
}

TEST(DemoGroup, IsFoundInAContainerThatSeesOnlyItsPart) {
  const auto group = parse_memory_group(
      "4:cpu,memory:/docker/abc\n",
      "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,cpu,memory\n");
  ASSERT_TRUE(group);
  EXPECT_EQ(group->dir, "/sys/fs/cgroup/memory");
}

TEST(DemoGroup, SaysWhenThereIsNoHierarchy) {
  EXPECT_FALSE(parse_memory_group("", ""));
  EXPECT_FALSE(parse_memory_group("3:cpu:/\n", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n"));
}

}  // namespace
}  // namespace headroom::demo
