#include "sense/group_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom::sense {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using By = GroupName::By;

const std::string kOne = "3f2a90c1d4e5b6a7988776655443322110ffeeddccbbaa998877665544332200";
const std::string kTwo = "3f2a90c1ffffb6a7988776655443322110ffeeddccbbaa998877665544332200";

/// Plain folders where the kernel would show groups.
class GroupTreeTest : public testing::Test {
 protected:
  GroupTreeTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
    std::filesystem::create_directories(root_ + "/proc/self");
  }
  ~GroupTreeTest() override { std::filesystem::remove_all(root_); }

  void v2() {
    put("/proc/self/mountinfo", "30 22 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "0::/system.slice/headroom.service\n");
    make("/cg/system.slice/headroom.service");
  }
  void v1() {
    put("/proc/self/mountinfo",
        "1 2 0:3 / /cg/memory rw - cgroup cgroup rw,memory\n"
        "1 2 0:4 / /cg/acct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "1 2 0:5 / /cg/unified rw - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "4:memory:/own\n1:cpu,cpuacct:/\n0::/\n");
  }
  void put(const std::string& path, const std::string& text) const {
    std::ofstream(root_ + path) << text;
  }
  void make(const std::string& path) const { std::filesystem::create_directories(root_ + path); }
  Result<Holder> find(By by, const std::string& text, const std::string& jobs = "") const {
    return GroupTree(root_).find({by, text}, jobs.empty() ? "" : root_ + jobs);
  }
  std::string path_of(By by, const std::string& text) const {
    const auto found = find(by, text);
    return found ? found->group : found.error().what + ": " + found.error().why;
  }
  ErrorKind problem(By by, const std::string& text, const std::string& jobs = "") const {
    const auto found = find(by, text, jobs);
    return found ? ErrorKind::internal : found.error().kind;
  }

  std::string root_;
};

TEST(GroupPath, IsTakenAsTheKernelWritesItOrAsItsFolder) {
  const auto mounts = parse_mountinfo(
      "1 2 0:3 / /cg rw - cgroup2 c rw\n"
      "1 2 0:4 /docker/ab /cg/memory rw - cgroup c rw,memory\n");
  const auto path = [&](const std::string& text) {
    const auto parsed = parse_group_path(text, mounts);
    return parsed ? *parsed
                  : std::string(parsed.error().kind == ErrorKind::not_allowed ? "!" : "?");
  };
  EXPECT_EQ(path("/system.slice/a.service"), "/system.slice/a.service");
  EXPECT_EQ(path("system.slice//./a.service/"), "/system.slice/a.service");
  EXPECT_EQ(path("/cg/x"), "/x");
  EXPECT_EQ(path("/cg/memory/x"), "/docker/ab/x") << "the innermost mount, which shows a part";
  EXPECT_EQ(path("/cgroup/x"), "/cgroup/x") << "another name that begins so";
  for (const char* root : {"", "/", "//", "/.", "/cg", "/cg/"}) EXPECT_EQ(path(root), "!") << root;
  for (const char* up : {"..", "/..", "/a/..", "/a/../b", "/cg/memory/../../x"}) {
    EXPECT_EQ(path(up), "?") << up;
  }
  EXPECT_EQ(path("/a\nb"), "?");
  EXPECT_EQ(path(std::string(1025, 'a')), "?");
  EXPECT_EQ(path("/a..b/..c"), "/a..b/..c");
}

TEST_F(GroupTreeTest, KnowsAGroupByThePathAndTheFolderThatItIs) {
  v2();
  make("/cg/a/b");
  const GroupTree tree(root_);
  const auto holder = tree.find({By::path, "/a/b"}, "");
  ASSERT_TRUE(holder) << holder.error().what;
  EXPECT_EQ(holder->pid, 0);
  EXPECT_NE(holder->inode, 0U);
  EXPECT_TRUE(tree.is_there(*holder));
  // Made anew, while the old one still has its number.
  std::filesystem::rename(root_ + "/cg/a/b", root_ + "/cg/a/old");
  EXPECT_FALSE(tree.is_there(*holder));
  make("/cg/a/b");
  EXPECT_FALSE(tree.is_there(*holder));
}

TEST_F(GroupTreeTest, ALinkIsNoGroup) {
  v2();
  make("/cg/a");
  std::filesystem::create_symlink(root_ + "/cg/a", root_ + "/cg/link");
  EXPECT_EQ(problem(By::path, "/link"), ErrorKind::not_found);
  std::filesystem::create_directories(root_ + "/cg/x.slice");
  std::filesystem::create_symlink(root_ + "/cg", root_ + "/cg/x.slice/round.slice");
  EXPECT_EQ(problem(By::unit, "a"), ErrorKind::not_found) << "and no walk follows one";
}

TEST_F(GroupTreeTest, FindsUnitsWhereSystemdPutsThem) {
  v2();
  make("/cg/system.slice/ollama.service/inner");
  make("/cg/system.slice/system-web.slice/web@1.service");
  make("/cg/system.slice/a\\x2db.service");
  make("/cg/system.slice/_cpu.service");
  make("/cg/user.slice/user-7.slice/user@7.service/app.slice/notes.service");
  make("/cg/user.slice/user-7.slice/user@7.service/ollama.service");
  make("/cg/user.slice/user-8.slice/user@8.service/app.slice/twice.service");
  make("/cg/user.slice/user-7.slice/user@7.service/app.slice/twice.service");
  make("/cg/system.slice/docker-" + kOne + ".scope/system.slice/other.service");
  EXPECT_EQ(path_of(By::unit, "ollama"), "/system.slice/ollama.service")
      << "a user's of that name is not meant";
  EXPECT_EQ(path_of(By::unit, "ollama.service"), "/system.slice/ollama.service");
  EXPECT_EQ(path_of(By::unit, "web@1"), "/system.slice/system-web.slice/web@1.service");
  EXPECT_EQ(path_of(By::unit, "a-b"), "/system.slice/a\\x2db.service");
  EXPECT_EQ(path_of(By::unit, "a\\x2db.service"), "/system.slice/a\\x2db.service");
  EXPECT_EQ(path_of(By::unit, "cpu"), "/system.slice/_cpu.service");
  EXPECT_EQ(path_of(By::unit, "user.slice"), "/user.slice");
  EXPECT_EQ(path_of(By::unit, "notes"),
            "/user.slice/user-7.slice/user@7.service/app.slice/notes.service");
  const auto twice = find(By::unit, "twice");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().kind, ErrorKind::invalid_request);
  EXPECT_THAT(twice.error().why, HasSubstr("user@8"));
  EXPECT_EQ(problem(By::unit, "other"), ErrorKind::not_found) << "a container's own";
  const auto gone = find(By::unit, "gone");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
  EXPECT_THAT(gone.error().help, HasSubstr("systemctl start gone.service"));
  for (const char* bad : {"", "..", "a/b"}) {
    EXPECT_EQ(problem(By::unit, bad), ErrorKind::invalid_request) << bad;
  }
}

TEST_F(GroupTreeTest, FindsContainersByTheBeginningOfTheirIds) {
  v2();
  make("/cg/system.slice/docker-" + kOne + ".scope/init");
  make("/cg/kubepods/pod1/" + kTwo);
  make("/cg/lxc.payload.web/.lxc");
  EXPECT_EQ(path_of(By::container, "3f2a90c1d4e5"), "/system.slice/docker-" + kOne + ".scope");
  EXPECT_EQ(path_of(By::container, kOne), "/system.slice/docker-" + kOne + ".scope");
  EXPECT_EQ(path_of(By::container, "3f2a90c1f"), "/kubepods/pod1/" + kTwo);
  EXPECT_EQ(path_of(By::container, "web"), "/lxc.payload.web");
  const auto several = find(By::container, "3f2a");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().kind, ErrorKind::invalid_request);
  EXPECT_THAT(several.error().why, HasSubstr(kOne));
  EXPECT_THAT(several.error().why, HasSubstr(kTwo));
  const auto name = find(By::container, "db");
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().kind, ErrorKind::not_found);
  EXPECT_THAT(name.error().why, HasSubstr("by their ids: 3f2a90c1d4e5 (docker), "));
}

TEST_F(GroupTreeTest, RefusesTheRootAndWhatHeadroomRunsIn) {
  v2();
  make("/cg/headroom/lease-7/inner");
  make("/cg/jobs/of-mine");
  make("/cg/a");
  EXPECT_EQ(problem(By::path, "/"), ErrorKind::not_allowed);
  EXPECT_EQ(problem(By::path, "/headroom/lease-7"), ErrorKind::not_allowed);
  EXPECT_EQ(problem(By::path, "/headroom/lease-7/inner"), ErrorKind::not_allowed);
  EXPECT_EQ(problem(By::path, "/jobs", "/cg/jobs"), ErrorKind::not_allowed);
  EXPECT_EQ(problem(By::path, "/jobs/of-mine", "/cg/jobs"), ErrorKind::not_allowed);
  EXPECT_EQ(problem(By::path, "/a", "/cg/a/jobs"), ErrorKind::not_allowed);
  EXPECT_EQ(problem(By::path, "/system.slice"), ErrorKind::not_allowed) << "the daemon is in it";
  EXPECT_EQ(problem(By::unit, "headroom"), ErrorKind::not_allowed);
  EXPECT_EQ(path_of(By::path, "/a"), "/a");
}

TEST_F(GroupTreeTest, TheFilesOfEachVersionAreWhereTheyAre) {
  v1();
  make("/cg/memory/a");
  make("/cg/acct/a");
  Group group = GroupTree(root_).folders("/a");
  EXPECT_EQ(group.memory, root_ + "/cg/memory/a");
  EXPECT_EQ(group.cpu, root_ + "/cg/acct/a");
  EXPECT_EQ(group.unified, "");
  EXPECT_FALSE(group.v2);
  make("/cg/unified/b");
  group = GroupTree(root_).folders("/b");
  EXPECT_EQ(group.memory, "") << "its processes are summed";
  EXPECT_EQ(group.unified, root_ + "/cg/unified/b");
  v2();
  make("/cg/c");
  group = GroupTree(root_).folders("/c");
  EXPECT_EQ(group.memory, "") << "the controller is not there for it";
  EXPECT_EQ(group.cpu, root_ + "/cg/c");
  put("/cg/c/memory.stat", "anon 1\n");
  group = GroupTree(root_).folders("/c");
  EXPECT_EQ(group.memory, root_ + "/cg/c");
  EXPECT_TRUE(group.v2);
  EXPECT_EQ(GroupTree(root_).folders("/gone"), Group());
}

TEST_F(GroupTreeTest, ProcessesOfTheGroupsBelowAreItsOwn) {
  v2();
  make("/cg/a/b/c");
  put("/cg/a/cgroup.procs", "10\n11\n");
  put("/cg/a/b/cgroup.procs", "");
  put("/cg/a/b/c/cgroup.procs", "12\n");
  const GroupTree tree(root_);
  EXPECT_THAT(tree.processes("/a").pids, UnorderedElementsAre(10, 11, 12));
  EXPECT_TRUE(tree.processes("/a").all);
  put("/cg/a/b/cgroup.procs", "0\n");  // of a pid namespace that cannot be seen
  EXPECT_FALSE(tree.processes("/a").all);
  std::string many;
  for (int pid = 1; pid <= 5000; ++pid) many += std::to_string(pid) + "\n";
  put("/cg/a/b/cgroup.procs", many);
  EXPECT_EQ(tree.processes("/a").pids.size(), 4096U);
  EXPECT_FALSE(tree.processes("/a").all);
}

TEST_F(GroupTreeTest, AWalkHasABound) {
  v2();
  for (int i = 0; i < 9000; ++i) make("/cg/x.slice/" + std::to_string(i) + ".service");
  const auto found = find(By::unit, "zz");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::unavailable);
  EXPECT_THAT(found.error().why, HasSubstr("8192"));
  EXPECT_EQ(groups_below(root_ + "/cg", 64).size(), 64U);
}

TEST_F(GroupTreeTest, WithoutControlGroupsItSaysSo) {
  put("/proc/self/mountinfo", "1 2 8:1 / / rw - ext4 /dev/sda1 rw\n");
  EXPECT_EQ(problem(By::path, "/a"), ErrorKind::unavailable);
  EXPECT_EQ(problem(By::container, "3f"), ErrorKind::unavailable);
}

}  // namespace
}  // namespace headroom::sense
