#include "act/layout.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace headroom::act {
namespace {

using testing::ElementsAre;
using testing::Optional;

constexpr const char* kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST(Layout, FindsTheHierarchiesOfAHybridMachine) {
  EXPECT_THAT(parse_mounts(kHybrid),
              ElementsAre(Mount{"/", "/sys/fs/cgroup/cpu,cpuacct", false, {"cpu", "cpuacct"}},
                          Mount{"/", "/sys/fs/cgroup/memory", false, {"memory"}},
                          Mount{"/", "/sys/fs/cgroup/unified", true, {}}));
}

TEST(Layout, ReadsOptionalFieldsAndEscapedNames) {
  const auto mounts = parse_mounts(
      "9 8 0:1 /a\\040b /mnt/c\\134d rw shared:1 master:2 - cgroup2 none rw,nsdelegate\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].root, "/a b");
  EXPECT_EQ(mounts[0].point, "/mnt/c\\d");
}

TEST(Layout, SkipsLinesThatMakeNoSense) {
  EXPECT_THAT(parse_mounts(""), ElementsAre());
  EXPECT_THAT(
      parse_mounts("\n\n - \n - cgroup2\n1 2 3 - cgroup2 c rw\n1 2 0:1 x y rw - cgroup c memory"),
      ElementsAre());
}

TEST(Layout, StopsAtABoundedNumberOfMounts) {
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += "1 2 0:3 / /m" + std::to_string(i) + " rw - cgroup2 c rw\n";
  EXPECT_EQ(parse_mounts(many).size(), 64u);
}

TEST(Layout, ReadsTheGroupsOfAProcess) {
  const auto groups =
      parse_memberships("9:name=systemd:/\n4:memory:/a/b:c\n1:cpu,cpuacct:/\n0::/x\nrubbish\n7:\n");
  EXPECT_THAT(groups,
              ElementsAre(Membership{{"name=systemd"}, "/"}, Membership{{"memory"}, "/a/b:c"},
                          Membership{{"cpu", "cpuacct"}, "/"}, Membership{{}, "/x"}));
  EXPECT_THAT(path_in({"/", "/m", false, {"memory"}}, groups), Optional(std::string("/a/b:c")));
  EXPECT_THAT(path_in({"/", "/m", true, {}}, groups), Optional(std::string("/x")));
  EXPECT_FALSE(path_in({"/", "/m", false, {"pids"}}, groups));
}

TEST(Layout, FindsTheDirectoryOfAGroupWhateverPartIsMounted) {
  const Mount whole{"/", "/sys/fs/cgroup/memory", false, {"memory"}};
  EXPECT_THAT(directory_of(whole, "/"), Optional(std::string("/sys/fs/cgroup/memory")));
  EXPECT_THAT(directory_of(whole, "/a/b"), Optional(std::string("/sys/fs/cgroup/memory/a/b")));
  const Mount part{"/docker/abc", "/sys/fs/cgroup/memory", false, {"memory"}};
  EXPECT_THAT(directory_of(part, "/docker/abc"), Optional(std::string("/sys/fs/cgroup/memory")));
  EXPECT_THAT(directory_of(part, "/docker/abc/x"),
              Optional(std::string("/sys/fs/cgroup/memory/x")));
  EXPECT_FALSE(directory_of(part, "/docker/abcd"));
  EXPECT_FALSE(directory_of(part, "/docker"));
  EXPECT_FALSE(directory_of(whole, "/../other"));
  EXPECT_FALSE(directory_of(whole, "/.."));
  EXPECT_FALSE(directory_of(whole, ""));
}

TEST(Layout, KnowsTheNamesOfItsOwnGroupsOnly) {
  EXPECT_THAT(parse_lease_name("lease-73"), Optional(LeaseId{73}));
  EXPECT_THAT(parse_lease_name("lease-73.2"), Optional(LeaseId{73}));
  EXPECT_THAT(parse_lease_name(lease_name(std::numeric_limits<LeaseId>::max(), 1)),
              Optional(std::numeric_limits<LeaseId>::max()));
  for (const char* foreign : {"", "lease-", "lease-x", "lease-7x", "lease-07", "lease--7",
                              "lease-7.", "lease-7.1", "lease-7.x", "lease-7/..", "..",
                              "user.slice", "lease-7 ", "lease-99999999999999999999999"}) {
    EXPECT_FALSE(parse_lease_name(foreign)) << foreign;
  }
}

TEST(Layout, ReadsCountersWithTheirEdges) {
  constexpr const char* kEvents = "low 0\nhigh 12\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n";
  EXPECT_THAT(parse_keyed(kEvents, "high"), Optional(12u));
  EXPECT_THAT(parse_keyed(kEvents, "oom_kill"), Optional(2u));
  EXPECT_FALSE(parse_keyed(kEvents, "kill"));
  EXPECT_FALSE(parse_keyed("high", "high"));
  EXPECT_FALSE(parse_keyed("high -1\n", "high"));
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(parse_amount("4096\n"), Optional(Bytes(4096)));
  EXPECT_THAT(parse_amount("max\n"), Optional(Bytes(kMost)));
  EXPECT_THAT(parse_amount("18446744073709551615\n"), Optional(Bytes(kMost)));
  EXPECT_FALSE(parse_amount("99999999999999999999999\n"));
  EXPECT_FALSE(parse_amount(""));
  EXPECT_FALSE(parse_amount("-1"));
  EXPECT_THAT(parse_pids("1\n0\nx\n-4\n27", 10), ElementsAre(1, 0, 27));
  EXPECT_THAT(parse_pids("1\n2\n3\n", 2), ElementsAre(1, 2));
  EXPECT_TRUE(has_word("cpuset cpu memory\n", "memory"));
  EXPECT_FALSE(has_word("cpuset memory_x\n", "memory"));
  EXPECT_FALSE(has_word("cpuset\n", "cpu"));
}

}  // namespace
}  // namespace headroom::act
