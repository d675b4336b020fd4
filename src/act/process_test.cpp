#include "act/process.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/child_for_test.hpp"

namespace headroom::act {
namespace {

using testing::HasSubstr;
using testing::Optional;

TEST(Process, ReadsAStatLineWhateverTheNameHolds) {
  const std::string tail = " S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3\n";
  for (const char* name : {"sh", "a b", "a) S 1 (b", ")", "x\ny", ""}) {
    EXPECT_THAT(parse_process_stat("42 (" + std::string(name) + ")" + tail),
                Optional(ProcessStat{42, 'S', 7, 987654}))
        << name;
  }
}

TEST(Process, RefusesBrokenStatLines) {
  for (const char* broken : {"", "42", "42 (sh", "42 sh) S 7", "42 (sh)", "42 (sh) S",
                             "x (sh) S 7 1", "-1 (sh) S 7 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 1",
                             "42 (sh) S 7 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0",
                             "42 (sh) S 7 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 -9 1", ") 42 ("}) {
    EXPECT_FALSE(parse_process_stat(broken)) << broken;
  }
}

TEST(Process, ReadsTheRealUid) {
  EXPECT_THAT(parse_real_uid("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Optional(1000u));
  EXPECT_FALSE(parse_real_uid("Uid:"));
  EXPECT_FALSE(parse_real_uid("Name:\tx\nUid:\n"));
  EXPECT_FALSE(parse_real_uid(""));
}

TEST(Process, IdentifiesALivingProcess) {
  Child child;
  const auto holder = identify(child.pid());
  ASSERT_TRUE(holder) << holder.error().why;
  EXPECT_EQ(holder->pid, child.pid());
  EXPECT_GT(holder->start_time, 0u);
  EXPECT_EQ(identify(child.pid()), holder);
}

TEST(Process, DoesNotIdentifyOneThatHasEnded) {
  Child child;
  const pid_t pid = child.pid();
  child.kill_only();  // a zombie now: it still has its number, but it has ended
  EXPECT_EQ(identify(pid).error().kind, ErrorKind::not_found);
  child.wait();
  EXPECT_EQ(identify(pid).error().kind, ErrorKind::not_found);
}

TEST(Process, DoesNotIdentifyThreadsOrNonsense) {
  EXPECT_EQ(identify(0).error().kind, ErrorKind::invalid_request);
  EXPECT_EQ(identify(-1).error().kind, ErrorKind::invalid_request);
  Result<Holder> of_thread;
  std::thread([&] { of_thread = identify(::gettid()); }).join();
  EXPECT_EQ(of_thread.error().kind, ErrorKind::not_found);
}

TEST(ProcessWatch, BecomesReadableWhenTheProcessEnds) {
  Child child;
  const auto process = watch(*identify(child.pid()));
  ASSERT_TRUE(process);
  EXPECT_TRUE(process->alive());
  ASSERT_TRUE(end(*process, SIGKILL));
  pollfd ready{process->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 10'000), 1);
  EXPECT_FALSE(process->alive());
  EXPECT_EQ(WTERMSIG(child.wait()), SIGKILL);
  EXPECT_EQ(end(*process, SIGKILL).error().kind, ErrorKind::not_found);
}

TEST(ProcessWatch, RefusesAReusedPid) {
  Child child;
  auto holder = *identify(child.pid());
  holder.start_time += 1;  // as if another process had had this number before
  const auto process = watch(holder);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().kind, ErrorKind::not_found);
  EXPECT_THAT(process.error().why, HasSubstr("another"));
}

TEST(ProcessWatch, ClosesItsDescriptorOnceHoweverItIsMoved) {
  Child child;
  const auto holder = *identify(child.pid());
  auto first = watch(holder);
  ASSERT_TRUE(first);
  const int fd = first->fd();
  {
    ProcessWatch second = std::move(*first);
    EXPECT_EQ(second.fd(), fd);
    EXPECT_FALSE(first->alive());
    EXPECT_TRUE(second.alive());
  }
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

TEST(Process, NeverSignalsItselfItsAncestorsOrInit) {
  for (const pid_t pid : {::getpid(), ::getppid()}) {
    const auto holder = identify(pid);
    if (!holder) continue;  // the parent may live in another pid namespace
    const auto process = watch(*holder);
    ASSERT_TRUE(process);
    EXPECT_EQ(end(*process, SIGTERM).error().kind, ErrorKind::not_allowed) << pid;
  }
  const auto init = identify(1);
  if (init) {
    EXPECT_EQ(end(*watch(*init), SIGTERM).error().kind, ErrorKind::not_allowed);
  }
  Child child;
  const auto process = watch(*identify(child.pid()));
  for (const int signal : {-1, 0, 65, 1000}) {
    EXPECT_EQ(end(*process, signal).error().kind, ErrorKind::invalid_request) << signal;
  }
  EXPECT_TRUE(process->alive());
}

TEST(Process, KnowsDescent) {
  Child child;
  EXPECT_TRUE(is_descendant_or_same(child.pid(), child.pid()));
  EXPECT_TRUE(is_descendant_or_same(child.pid(), ::getpid()));
  EXPECT_FALSE(is_descendant_or_same(::getpid(), child.pid()));
  EXPECT_FALSE(is_descendant_or_same(child.pid(), 0));
  EXPECT_FALSE(is_descendant_or_same(0, 0));
}

TEST(Process, LetsRootAndTheOwnerControlAndNobodyElse) {
  Child child;
  const auto holder = *identify(child.pid());
  EXPECT_EQ(owner_of(child.pid()), ::getuid());
  EXPECT_TRUE(may_control(0, holder));
  EXPECT_TRUE(may_control(::getuid(), holder));
  EXPECT_FALSE(may_control(::getuid() + 12345, holder));
  EXPECT_FALSE(may_control(0, Holder{holder.pid, holder.start_time + 1}));
  child.wait_killed();
  EXPECT_FALSE(may_control(0, holder));
  EXPECT_EQ(owner_of(holder.pid).error().kind, ErrorKind::not_found);
}

TEST(Process, AnotherUsersProcessBelongsToThatUser) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become another user";
  constexpr uid_t kNobody = 65534;
  Child child([] {
    if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return 1;
    ::raise(SIGSTOP);  // tells the parent that it is somebody else now
    return 0;
  });
  child.go();
  ASSERT_TRUE(child.wait_stopped());
  const auto holder = *identify(child.pid());
  EXPECT_TRUE(may_control(kNobody, holder));
  EXPECT_FALSE(may_control(1000, holder));
}

TEST(Process, ReadsTheBootId) {
  const auto id = boot_id();
  ASSERT_TRUE(id) << id.error().why;
  EXPECT_EQ(id->size(), 36u);
  EXPECT_EQ(boot_id(), id);
}

TEST(Process, RefusesABootIdThatIsNone) {
  namespace fs = std::filesystem;
  std::string folder = fs::temp_directory_path() / "headroom-boot-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  EXPECT_EQ(boot_id(folder).error().kind, ErrorKind::not_found);
  fs::create_directories(folder + "/proc/sys/kernel/random");
  std::ofstream(folder + "/proc/sys/kernel/random/boot_id") << "zzz\n";
  EXPECT_EQ(boot_id(folder).error().kind, ErrorKind::internal);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace headroom::act
