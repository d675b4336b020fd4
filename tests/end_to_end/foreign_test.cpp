// Leases for what headroom did not start: groups that others make, which it measures and never
// touches.
#include "harness.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

namespace headroom::end_to_end {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr const char* kNoGroups = "no control group can be made here";

/// Where groups with memory are: the hierarchy of version 1, or the only one of version 2.
std::string hierarchy() {
  const std::string top = "/sys/fs/cgroup";
  return fs::exists(top + "/memory") ? top + "/memory" : top;
}
bool is_v2() { return fs::exists(hierarchy() + "/cgroup.controllers"); }

/// A group that is not headroom's, at the root of the hierarchy or in another of these.
class OtherGroup {
 public:
  explicit OtherGroup(const std::string& path) : path_(path) { make(); }
  ~OtherGroup() { remove(); }
  OtherGroup(const OtherGroup&) = delete;
  OtherGroup& operator=(const OtherGroup&) = delete;

  static std::string name(const std::string& what) {
    static int count = 0;
    return "/foreign-e2e-" + std::to_string(getpid()) + "-" + std::to_string(++count) + what;
  }

  bool is_there() const { return made_; }
  const std::string& path() const { return path_; }
  std::string folder() const { return hierarchy() + path_; }
  bool make() {
    if (is_v2()) write_text(hierarchy() + "/cgroup.subtree_control", "+memory");
    made_ = mkdir(folder().c_str(), 0755) == 0;
    return made_;
  }
  /// Waits for its processes to be gone.
  bool remove() {
    if (!made_) return true;
    made_ = !eventually([this] { return rmdir(folder().c_str()) == 0 || errno == ENOENT; }, 10s);
    return !made_;
  }
  /// What whoever made the group has set, and who is in it. Without what only counts.
  std::string settings() const {
    std::string all;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder())) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      struct stat about{};
      if (stat(file.c_str(), &about) != 0) continue;
      const std::string name = file.filename();
      bool counts = false;
      for (const char* word :
           {"usage", "stat", "failcnt", "current", "peak", "events", "pressure"}) {
        counts = counts || name.find(word) != std::string::npos;
      }
      all += name + " " + std::to_string(about.st_mode) + " " + std::to_string(about.st_uid);
      if (!counts) all += " " + read_text(file);
      all += "\n";
    }
    return all;
  }

 private:
  std::string path_;
  bool made_ = false;
};

std::unique_ptr<Program> job_in(const OtherGroup& group, const Words& words, uid_t uid = 0) {
  StartOptions options;
  options.memory_group = group.folder();
  options.uid = uid;
  return std::make_unique<Program>(job(words), options);
}

TEST(ForeignGroup, IsMeasuredAndItsLeaseEndsWithIt) {
  OtherGroup group(OtherGroup::name(""));
  if (!group.is_there()) GTEST_SKIP() << kNoGroups;
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto server = job_in(group, {"touch", "120", "say", "up", "until", daemon.file("over")});
  ASSERT_TRUE(server->says("up"));
  const auto added =
      daemon.run({"lease", "add", "server", "--mem", "300M", "--cgroup", group.path()});
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_THAT(added.out, HasSubstr("cgroup " + group.path()));
  const auto measured = [&] {
    return whole(daemon.lease("server"), "measured.memory_bytes").value_or(0);
  };
  EXPECT_TRUE(eventually([&] { return measured() >= 120 * kMiB; })) << measured();
  EXPECT_LT(measured(), 200 * kMiB);
  EXPECT_EQ(text(daemon.lease("server"), "holder.cgroup"), group.path());
  EXPECT_EQ(client::find(daemon.lease("server"), "group"), nullptr) << "it is none of headroom's";
  const auto id = text(daemon.lease("server"), "id");
  const auto seen = [&] {
    const auto processes = daemon.get("/api/v1/processes");
    for (const auto& process : list(processes)) {
      if (whole(process, "pid") == server->pid()) return text(process, "lease") == id;
    }
    return false;
  };
  EXPECT_TRUE(eventually(seen)) << "its processes are its lease's";

  // What runs in it may end and come back: the group is what holds the lease.
  server->kill_and_reap();
  EXPECT_TRUE(eventually([&] { return measured() < 20 * kMiB; })) << measured();
  EXPECT_NE(text(daemon.lease("server"), "state"), "ended");
  const auto again = job_in(group, {"touch", "60", "say", "up", "until", daemon.file("over")});
  ASSERT_TRUE(again->says("up"));
  EXPECT_TRUE(eventually([&] { return measured() >= 60 * kMiB; })) << measured();

  again->kill_and_reap();
  ASSERT_TRUE(group.remove());
  ASSERT_TRUE(daemon.lease_ends("server"));
  EXPECT_THAT(daemon.run({"lease", "show", id}).out, HasSubstr("its cgroup is gone"));
}

TEST(ForeignGroup, AnotherOneOfTheSameNameIsAnotherOne) {
  OtherGroup group(OtherGroup::name(""));
  if (!group.is_there()) GTEST_SKIP() << kNoGroups;
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const Words add{"lease", "add", "server", "--mem", "100M", "--cgroup", group.folder()};
  ASSERT_EQ(daemon.run(add).code, 0) << "its folder names it as well";
  // The same one goes on over a restart.
  daemon.kill_and_reap();
  ASSERT_TRUE(daemon.start());
  EXPECT_NE(text(daemon.lease("server"), "id"), "");
  const auto server = job_in(group, {"touch", "50", "say", "up", "until", daemon.file("over")});
  ASSERT_TRUE(server->says("up"));
  EXPECT_TRUE(eventually([&] {
    return whole(daemon.lease("server"), "measured.memory_bytes").value_or(0) >= 50 * kMiB;
  })) << "it is measured after a restart";
  server->kill_and_reap();
  // Made anew while the daemon runs.
  ASSERT_TRUE(group.remove() && group.make());
  const auto stranger = job_in(group, {"touch", "80", "say", "up", "until", daemon.file("over")});
  ASSERT_TRUE(stranger->says("up"));
  ASSERT_TRUE(daemon.lease_ends("server"));
  // And while it does not.
  ASSERT_EQ(daemon.run(add).code, 0);
  daemon.kill_and_reap();
  stranger->kill_and_reap();
  ASSERT_TRUE(group.remove() && group.make());
  ASSERT_TRUE(daemon.start());
  EXPECT_TRUE(daemon.lease_ends("server")) << "another group was taken for the one of before";
}

TEST(ForeignGroup, IsNotTouched) {
  OtherGroup group(OtherGroup::name(""));
  if (!group.is_there()) GTEST_SKIP() << kNoGroups;
  write_text(group.folder() + (is_v2() ? "/memory.high" : "/memory.soft_limit_in_bytes"),
             std::to_string(700 * kMiB));
  write_text(group.folder() + (is_v2() ? "/memory.max" : "/memory.limit_in_bytes"),
             std::to_string(900 * kMiB));
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto server = job_in(group, {"touch", "150", "say", "up", "until", daemon.file("over")});
  ASSERT_TRUE(server->says("up"));
  const auto before = group.settings();
  ASSERT_THAT(before, HasSubstr(std::to_string(server->pid())));
  const auto groups_of = [&] {
    return read_text("/proc/" + std::to_string(server->pid()) + "/cgroup");
  };
  const auto place = groups_of();
  // It uses more than it booked: nothing of that is held back.
  ASSERT_EQ(daemon.run({"lease", "add", "server", "--mem", "50M", "--cgroup", group.path()}).code,
            0);
  EXPECT_TRUE(eventually([&] { return client::is_true(daemon.lease("server"), "over"); }));
  for (const Words& more : {Words{"--enforce"}, Words{"--pid", std::to_string(server->pid())}}) {
    const auto refused =
        daemon.run(Words{"lease", "add", "b", "--mem", "50M", "--cgroup", group.path()} + more);
    EXPECT_EQ(refused.code, 2) << refused.err;
  }
  const auto id = text(daemon.lease("server"), "id");
  const auto given = daemon.run({"lease", "give", id, "--pid", std::to_string(server->pid())});
  EXPECT_EQ(given.code, 7) << given.err;
  EXPECT_THAT(given.err, HasSubstr("not handed over"));
  EXPECT_EQ(daemon.run({"lease", "renew", id, "--mem", "60M"}).code, 0);
  const auto removed = daemon.run({"lease", "rm", id});
  EXPECT_EQ(removed.code, 0);
  EXPECT_THAT(removed.err, HasSubstr("was not touched"));
  daemon.stop();
  ASSERT_TRUE(daemon.start());
  EXPECT_TRUE(server->running());
  EXPECT_EQ(group.settings(), before);
  EXPECT_EQ(groups_of(), place);
}

TEST(ForeignGroup, IsRefusedWhereItWouldBeCountedTwiceOrIsSomebodyElses) {
  OtherGroup group(OtherGroup::name(""));
  if (!group.is_there()) GTEST_SKIP() << kNoGroups;
  OtherGroup inner(group.path() + "/inner");
  ASSERT_TRUE(inner.is_there());
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const auto add = [&](const std::string& name, const Words& holder, uid_t uid = 0) {
    StartOptions options;
    options.uid = uid;
    return daemon.run(Words{"lease", "add", name, "--mem", "20M"} + holder, options);
  };
  const auto in_inner = job_in(inner, {"say", "up", "until", daemon.file("over")});
  ASSERT_TRUE(in_inner->says("up"));
  const std::string pid = std::to_string(in_inner->pid());

  // A process that holds a lease, and then the group that it is in.
  ASSERT_EQ(add("by-pid", {"--pid", pid}).code, 0);
  auto refused = add("outer", {"--cgroup", group.path()});
  EXPECT_EQ(refused.code, 7) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("already"));
  EXPECT_THAT(refused.err, HasSubstr(text(daemon.lease("by-pid"), "id")));
  EXPECT_EQ(daemon.run({"lease", "rm", "by-pid"}).code, 0);

  // The group, then what is inside it, around it, and it again.
  ASSERT_EQ(add("outer", {"--cgroup", group.path()}).code, 0);
  for (const Words& holder : {Words{"--cgroup", inner.path()},
                              Words{"--cgroup", group.path() + "/"}, Words{"--pid", pid}}) {
    refused = add("twice", holder);
    EXPECT_EQ(refused.code, 7) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(text(daemon.lease("outer"), "id")));
  }
  // Nor is one handed over to what is inside.
  const auto outside = std::make_unique<Program>(job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(outside->says("up"));
  ASSERT_EQ(add("to-give", {"--pid", std::to_string(outside->pid())}).code, 0);
  EXPECT_EQ(daemon.run({"lease", "give", "to-give", "--pid", pid}).code, 7);
  EXPECT_EQ(daemon.run({"lease", "rm", "outer"}).code, 0);
  ASSERT_EQ(add("inner", {"--cgroup", inner.path()}).code, 0);
  EXPECT_EQ(add("outer", {"--cgroup", group.path()}).code, 7);
  EXPECT_EQ(daemon.run({"lease", "rm", "inner"}).code, 0);

  // A process inside the group that headroom made for a run.
  const auto run = daemon.command(Words{"run", "--mem", "50M", "--name", "run", "--"} +
                                  job({"say", "up", "until", daemon.file("over")}));
  ASSERT_TRUE(run->says("up"));
  if (const auto own = text(daemon.lease("run"), "group.path"); !own.empty()) {
    const auto holder = std::to_string(*whole(daemon.lease("run"), "holder.pid"));
    refused = add("twice", {"--pid", holder});
    EXPECT_EQ(refused.code, 7) << refused.err;
    refused = add("twice", {"--cgroup", own});
    EXPECT_EQ(refused.code, 5) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("headroom's own"));
    refused = add("twice", {"--cgroup", own.substr(0, own.rfind('/'))});
    EXPECT_EQ(refused.code, 5) << refused.err;
  }

  // Whose it is.
  constexpr uid_t kOther = 65534;
  EXPECT_EQ(add("theirs", {"--cgroup", group.path()}, kOther).code, 5);
  in_inner->kill_and_reap();
  EXPECT_EQ(add("theirs", {"--cgroup", group.path()}, kOther).code, 5) << "root's, and empty";
  const auto own = job_in(group, {"say", "up", "until", daemon.file("over")}, kOther);
  ASSERT_TRUE(own->says("up"));
  EXPECT_EQ(add("theirs", {"--cgroup", group.path()}, kOther).code, 0);

  // What is no group of anybody's.
  EXPECT_EQ(add("x", {"--cgroup", "/"}).code, 5);
  EXPECT_EQ(add("x", {"--cgroup", hierarchy()}).code, 5);
  EXPECT_EQ(add("x", {"--cgroup", "/a/../.."}).code, 2);
  EXPECT_EQ(add("x", {"--cgroup", "/no-such-group"}).code, 4);
  EXPECT_EQ(add("x", {"--unit", "no-such-thing"}).code, 4);
  EXPECT_THAT(add("x", {"--unit", "no-such-thing"}).err,
              HasSubstr("systemctl start no-such-thing.service"));
  EXPECT_EQ(add("x", {"--container", "no-such-thing"}).code, 4);
  EXPECT_EQ(daemon
                .ask("POST", "/api/v1/leases",
                     R"({"name":"x","needs":{"memory_bytes":1},"holder":{"pid":1,"unit":"a"}})")
                .status,
            400);
}

TEST(ForeignGroup, UnitsAndContainersAreFoundByWhatTheKernelShows) {
  const std::string one = "3f2a90c1d4e5b6a7988776655443322110ffeeddccbbaa998877665544332200";
  const std::string two = "3f2a90c1ffffb6a7988776655443322110ffeeddccbbaa998877665544332200";
  OtherGroup slice(OtherGroup::name(".slice"));
  if (!slice.is_there()) GTEST_SKIP() << kNoGroups;
  const std::string unit = slice.path().substr(1, slice.path().size() - 7);
  OtherGroup service(slice.path() + "/" + unit + ".service");
  OtherGroup docker(slice.path() + "/docker-" + one + ".scope");
  OtherGroup podman(slice.path() + "/libpod-" + two + ".scope");
  ASSERT_TRUE(service.is_there() && docker.is_there() && podman.is_there());
  Daemon daemon;
  ASSERT_TRUE(daemon.start());
  const Words add{"lease", "add", "x", "--mem", "20M"};
  ASSERT_EQ(daemon.run(add + Words{"--unit", unit}).code, 0);
  EXPECT_EQ(text(daemon.lease("x"), "holder.cgroup"), service.path());
  ASSERT_TRUE(service.remove());
  ASSERT_TRUE(daemon.lease_ends("x")) << "the unit was stopped";

  const auto several = daemon.run(add + Words{"--container", "3f2a90c1"});
  EXPECT_EQ(several.code, 2) << several.err;
  EXPECT_THAT(several.err, HasSubstr(one));
  EXPECT_THAT(several.err, HasSubstr(two));
  const auto by_name = daemon.run(add + Words{"--container", "web"});
  EXPECT_EQ(by_name.code, 4);
  EXPECT_THAT(by_name.err, HasSubstr("3f2a90c1d4e5 (docker)")) << "the ids that there are";
  ASSERT_EQ(daemon.run(add + Words{"--container", "3f2a90c1d4"}).code, 0);
  EXPECT_EQ(text(daemon.lease("x"), "holder.cgroup"), docker.path());
}

}  // namespace
}  // namespace headroom::end_to_end
