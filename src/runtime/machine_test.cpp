#include "runtime/machine.hpp"

#include <functional>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/child_for_test.hpp"
#include "act/layout.hpp"
#include "act/refusal.hpp"

namespace headroom::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kSkipped = 77;

/// What a daemon cannot do that lives in a process of its own after `lessen`, a line each; empty
/// where `lessen` did not work.
std::string cannot_after(const std::function<bool()>& lessen) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  act::Child child([&] {
    if (!lessen()) return kSkipped;
    const Machine machine(false, "/nowhere/headroom-machine-test");
    std::string said = std::string("tier ") + machine.tier() + "\n";
    for (const Absence& one : machine.cannot()) {
      said += one.sensor + " | " + one.reason + " | " + one.fix + "\n";
    }
    return ::write(ends[1], said.data(), said.size()) > 0 ? 0 : 1;
  });
  child.go();
  child.wait();
  ::close(ends[1]);
  char text[8192];
  const ssize_t got = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
}

TEST(MachineTest, AnUnprivilegedUserIsToldWhatJobsGoWithoutAndWhatHelps) {
  const std::string said =
      cannot_after([] { return ::getuid() == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0; });
  if (said.empty()) GTEST_SKIP() << "only root can become nobody";
  EXPECT_THAT(said, HasSubstr("tier none"));
  EXPECT_THAT(said, HasSubstr("no job is fenced, limited or stopped"));
  EXPECT_THAT(said,
              HasSubstr("Permission denied | run headroomd as root, or under a systemd unit"));
  EXPECT_THAT(said, Not(HasSubstr("; fix: ")));
}

TEST(MachineTest, AReadOnlyTreeOfGroupsIsSaidWithWhatHelps) {
  const std::string said = cannot_after([] {
    if (::unshare(CLONE_NEWNS) != 0) return false;
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    const auto mountinfo = act::read_small("/proc/self/mountinfo", 4 << 20);
    if (!mountinfo) return false;
    for (const act::Mount& one : act::parse_mounts(*mountinfo)) {
      const char* at = one.point.c_str();
      if (::mount(nullptr, at, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
        return false;
      }
    }
    return true;
  });
  if (said.empty()) GTEST_SKIP() << "no mount namespace of our own";
  EXPECT_THAT(said, HasSubstr("tier none"));
  EXPECT_THAT(said, HasSubstr("Read-only file system | make /sys/fs/cgroup writable"));
}

}  // namespace
}  // namespace headroom::runtime
