#include "act/folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "act/child_for_test.hpp"

namespace headroom::act {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Everything there is about a tree: names, kinds, modes, contents.
std::string picture(const fs::path& root) {
  std::vector<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat facts{};
    ::lstat(entry.path().c_str(), &facts);
    std::string line = entry.path().lexically_relative(root).string() + " " +
                       std::to_string(facts.st_mode) + " " + std::to_string(facts.st_ino);
    if (S_ISREG(facts.st_mode)) {
      std::ifstream in(entry.path());
      line += " " + std::string(std::istreambuf_iterator<char>(in), {});
    }
    lines.push_back(std::move(line));
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

int open_files() {
  int count = 0;
  DIR* list = ::opendir("/proc/self/fd");
  while (::readdir(list) != nullptr) ++count;
  ::closedir(list);
  return count;
}

class FolderTest : public testing::TestWithParam<FolderOpener::Way> {
 protected:
  void SetUp() override {
    // In memory where there is such a place: a disk that others use makes the rounds long.
    const fs::path shared = "/dev/shm";
    const fs::path place = ::access(shared.c_str(), W_OK) == 0 ? shared : fs::temp_directory_path();
    std::string path = (place / "headroom-folder-XXXXXX").string();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    base_ = fs::canonical(path);
    root_ = base_ / "root";
    outside_ = base_ / "outside";
    fs::create_directories(root_);
    fs::permissions(root_, fs::perms(0755));  // whatever the umask is
    fs::create_directories(outside_ / "deep/er");
    write(outside_ / "precious", "do not touch");
    write(outside_ / "deep/er/also", "nor this");
    before_ = picture(outside_);
  }
  void TearDown() override {
    EXPECT_EQ(picture(outside_), before_);
    std::error_code error;
    fs::remove_all(base_, error);
  }

  static void write(const fs::path& path, const std::string& text = "x") {
    std::ofstream(path) << text;
  }
  /// A folder of the root whose content is two days old.
  fs::path session(const std::string& name) {
    fs::create_directories(root_ / name / "a/b");
    write(root_ / name / "file");
    write(root_ / name / "a/file");
    write(root_ / name / "a/b/file");
    age(root_ / name);
    return root_ / name;
  }
  static void age(const fs::path& top) {
    const timespec old{::time(nullptr) - 48 * 3600, 0};
    const timespec times[2] = {old, old};
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      ::utimensat(AT_FDCWD, entry.path().c_str(), times, AT_SYMLINK_NOFOLLOW);
    }
    ::utimensat(AT_FDCWD, top.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }
  FolderRoot open() {
    auto root = FolderRoot::open(root_, GetParam());
    if (!root) ADD_FAILURE() << root.error().what << ": " << root.error().why;
    return std::move(*root);
  }
  SessionRemoval remove(const std::string& name, const FolderRemoval& how = {}) {
    FolderRoot root = open();
    const auto folder = root.look(name, {});
    if (!folder) {
      SessionRemoval none;
      none.why.push_back(folder.error().what);
      return none;
    }
    return root.remove(*folder, how);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(root_)) {
      found.push_back(entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  fs::path base_, root_, outside_;
  std::string before_;
};

INSTANTIATE_TEST_SUITE_P(Ways, FolderTest,
                         testing::Values(FolderOpener::Way::best, FolderOpener::Way::plain),
                         [](const auto& way) {
                           return way.param == FolderOpener::Way::best ? "best" : "plain";
                         });

TEST_P(FolderTest, SeesWhatMatchesOldestFirstAndSaysWhyTheRestCannotGo) {
  session("session_old");
  session("session_new");
  write(root_ / "session_new/file", "new");
  session("notes");
  fs::create_symlink(outside_, root_ / "session_link");
  write(root_ / "session_file");
  ASSERT_EQ(::mkfifo((root_ / "session_fifo").c_str(), 0600), 0);

  const auto folders = open().scan({});
  ASSERT_TRUE(folders);
  ASSERT_THAT(*folders, SizeIs(5));
  EXPECT_EQ(folders->at(0).name, "session_old");
  EXPECT_EQ(folders->at(0).spared, "");
  EXPECT_EQ(folders->at(0).entries, 5u);
  EXPECT_GT(folders->at(0).bytes.count(), 0);
  for (const SessionFolder& folder : *folders) {
    if (folder.name == "session_link") {
      EXPECT_EQ(folder.spared, "it is a symbolic link");
    } else if (folder.name == "session_file" || folder.name == "session_fifo") {
      EXPECT_EQ(folder.spared, "it is no folder");
    } else if (folder.name == "session_new") {
      // What changed deep inside counts, not only the folder itself.
      EXPECT_GT(folder.changed, folders->at(0).changed + 24h);
      EXPECT_EQ(folder.spared, "");
    }
  }
}

TEST_P(FolderTest, APatternIsOfTheWholeName) {
  for (const char* name : {"run-1", "run-22", "xrun-1", ".run-1", "[run]"}) session(name);
  const auto matching = [&](const std::string& pattern) {
    std::vector<std::string> found;
    FolderRule rule;
    rule.pattern = pattern;
    const auto folders = open().scan(rule);
    for (const auto& folder : *folders) found.push_back(folder.name);
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_THAT(matching("run-?"), ElementsAre("run-1"));
  EXPECT_THAT(matching("run-*"), ElementsAre("run-1", "run-22"));
  EXPECT_THAT(matching("*-*2"), ElementsAre("run-22"));
  EXPECT_THAT(matching("[run]"), ElementsAre("[run]"));
  EXPECT_THAT(matching("*"), ElementsAre("[run]", "run-1", "run-22", "xrun-1"));
  EXPECT_THAT(matching("run"), IsEmpty());
}

TEST_P(FolderTest, RemovesAWholeTreeAndNothingElse) {
  session("session_old");
  session("notes");
  const int fds = open_files();
  const SessionRemoval removal = remove("session_old");
  EXPECT_TRUE(removal.taken);
  EXPECT_TRUE(removal.gone) << testing::PrintToString(removal.why);
  EXPECT_EQ(removal.entries, 6u);
  EXPECT_EQ(removal.left, 0u);
  EXPECT_THAT(names(), ElementsAre("notes"));  // the trash is gone too
  EXPECT_EQ(open_files(), fds);
}

TEST_P(FolderTest, TakesLinksPipesSocketsAndOddNamesForWhatTheyAre) {
  const fs::path top = session("session_odd");
  fs::create_symlink(outside_, top / "link");
  fs::create_symlink("../../outside", top / "a/link");
  fs::create_symlink("/", top / "slash");
  fs::create_hard_link(outside_ / "precious", top / "hard");
  ASSERT_EQ(::mkfifo((top / "fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", (top / "s").c_str());
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(socket);
  for (const char* name : {"new\nline", "\xff\xfe", " ", "-rf", "*", "\x1b[2J"}) {
    write(top / name);
    fs::create_directories(top / (std::string("d") + name));
  }
  fs::create_directories(top / std::string(255, 'n'));
  age(top);
  const SessionRemoval removal = remove("session_odd");
  EXPECT_TRUE(removal.gone) << testing::PrintToString(removal.why);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_P(FolderTest, RemovesWhatSomebodyHasOpen) {
  const fs::path top = session("session_open");
  const int file = ::open((top / "a/file").c_str(), O_RDWR);
  const int folder = ::open((top / "a").c_str(), O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(remove("session_open").gone);
  EXPECT_EQ(::write(file, "y", 1), 1);  // the file lives as long as it is open
  ::close(file);
  ::close(folder);
}

TEST_P(FolderTest, ALockKeepsAFolderWhoeverAsks) {
  const fs::path top = session("session_live");
  for (const int kind : {LOCK_SH, LOCK_EX}) {
    const int holder = ::open(top.c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(::flock(holder, kind), 0);
    FolderRoot root = open();
    const auto folder = root.look("session_live", {});
    EXPECT_EQ(folder->held, "a process that locked it");
    FolderRemoval how;
    how.even_if_changed = true;
    const SessionRemoval removal = root.remove(*folder, how);
    EXPECT_FALSE(removal.taken);
    EXPECT_THAT(removal.why, ElementsAre(HasSubstr("locked it")));
    ::close(holder);
    EXPECT_EQ(root.look("session_live", {})->held, "");
  }
  EXPECT_TRUE(remove("session_live").gone);
}

TEST_P(FolderTest, WhatChangedSinceItWasJudgedStays) {
  const fs::path top = session("session_back");
  FolderRoot root = open();
  const auto judged = root.look("session_back", {});
  write(top / "a/b/file", "at work again");
  const SessionRemoval removal = root.remove(*judged);
  EXPECT_FALSE(removal.taken);
  EXPECT_THAT(removal.why, ElementsAre("it has changed since it was looked at"));
  EXPECT_THAT(names(), ElementsAre("session_back"));
  FolderRemoval how;
  how.even_if_changed = true;
  EXPECT_TRUE(root.remove(*judged, how).gone);
}

TEST_P(FolderTest, AnotherFolderOfTheSameNameStays) {
  session("session_x");
  FolderRoot root = open();
  const auto judged = root.look("session_x", {});
  fs::rename(root_ / "session_x", root_ / "session_y");
  session("session_x");
  EXPECT_THAT(root.remove(*judged).why, ElementsAre("another folder has its name now"));
  fs::remove_all(root_ / "session_x");
  fs::create_symlink(outside_, root_ / "session_x");
  EXPECT_THAT(root.remove(*judged).why, ElementsAre("it is no folder"));
  fs::remove(root_ / "session_x");
  EXPECT_THAT(root.remove(*judged).why, ElementsAre("it is not there any more"));
}

TEST_P(FolderTest, NamesThatLeadElsewhereAreRefused) {
  FolderRoot root = open();
  for (const char* name :
       {"", ".", "..", "../outside", "session_x/..", "/etc", ".headroom-trash-0000000000000000"}) {
    SessionFolder folder;
    folder.name = name;
    EXPECT_THAT(root.remove(folder).why, ElementsAre("it has no name of a session folder")) << name;
    FolderRule all;
    all.pattern = "*";
    EXPECT_EQ(root.look(name, all).error().kind, ErrorKind::not_found) << name;
    EXPECT_EQ(root.make(name, ::geteuid()).error().kind, ErrorKind::invalid_request) << name;
  }
}

TEST_P(FolderTest, TenThousandLevelsCostNeitherStackNorDescriptors) {
  fs::create_directories(root_ / "session_deep");
  int fd = ::open((root_ / "session_deep").c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(::mkdirat(fd, "d", 0700), 0);
    const int below = ::openat(fd, "d", O_RDONLY | O_DIRECTORY);
    ::close(fd);
    fd = below;
  }
  ::close(fd);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = static_cast<rlim_t>(open_files()) + 80;
  ::setrlimit(RLIMIT_NOFILE, &few);
  SessionRemoval removal;
  // A stack of a tenth of the usual one.
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, 1 << 20);
  pthread_t thread;
  std::function<void()> work = [&] { removal = remove("session_deep"); };
  ASSERT_EQ(::pthread_create(
                &thread, &attributes,
                [](void* what) -> void* {
                  (*static_cast<std::function<void()>*>(what))();
                  return nullptr;
                },
                &work),
            0);
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(removal.gone) << testing::PrintToString(removal.why);
  EXPECT_EQ(removal.entries, 10'001u);
}

TEST_P(FolderTest, WhatACrashHasLeftIsFinishedByTheNextRun) {
  session("session_old");
  FolderRemoval few;
  few.entries = 2;
  const SessionRemoval removal = remove("session_old", few);
  EXPECT_TRUE(removal.taken);
  EXPECT_FALSE(removal.gone);
  EXPECT_THAT(removal.why, ElementsAre(HasSubstr("at most 2 entries")));
  ASSERT_THAT(names(), ElementsAre(HasSubstr(".headroom-trash-")));
  {
    struct stat facts{};
    ::stat((root_ / names().front()).c_str(), &facts);
    EXPECT_EQ(facts.st_mode & 0777, 0700u);
  }
  EXPECT_THAT(*open().scan({}), IsEmpty());
  const auto finished = open().finish();
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_TRUE(finished[0].gone);
  EXPECT_EQ(finished[0].entries, 4u);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_P(FolderTest, FinishLeavesWhatIsNotItsOwn) {
  // A name of ours that somebody else made: open to others, or with something in it whose inode is
  // not the one that its name tells.
  session(".headroom-trash-1");
  fs::permissions(root_ / ".headroom-trash-1", fs::perms(0755));
  session(".headroom-trash-2");
  fs::permissions(root_ / ".headroom-trash-2", fs::perms(0700));
  fs::create_symlink(outside_, root_ / ".headroom-trash-3");
  const std::string before = picture(root_);
  for (const SessionRemoval& removal : open().finish()) {
    EXPECT_FALSE(removal.gone);
    EXPECT_EQ(removal.entries, 0u);
    EXPECT_THAT(removal.why, SizeIs(1));
  }
  EXPECT_EQ(picture(root_), before);
}

TEST_P(FolderTest, AnotherRunsTrashIsLeftToIt) {
  session("session_old");
  FolderRoot first = open();
  FolderRemoval few;
  few.entries = 1;
  (void)first.remove(*first.look("session_old", {}), few);
  EXPECT_THAT(open().finish(), IsEmpty());
  ASSERT_THAT(first.finish(), SizeIs(1));
}

TEST_P(FolderTest, RootsThatOthersCanExchangeAreRefused) {
  const auto refused = [&](const fs::path& path) {
    const auto root = FolderRoot::open(path, GetParam());
    if (!root) return root.error();
    ADD_FAILURE() << path;
    return Error{};
  };
  EXPECT_EQ(refused("/").kind, ErrorKind::invalid_request);
  EXPECT_EQ(refused("//").kind, ErrorKind::invalid_request);
  EXPECT_EQ(refused("root").kind, ErrorKind::invalid_request);
  EXPECT_EQ(refused("").kind, ErrorKind::invalid_request);
  EXPECT_EQ(refused(base_ / "nobody").kind, ErrorKind::not_found);
  EXPECT_EQ(refused(outside_ / "precious").kind, ErrorKind::invalid_request);
  fs::create_symlink(root_, base_ / "link");
  EXPECT_THAT(refused(base_ / "link").why, HasSubstr("symbolic link"));
  fs::create_symlink(base_, base_ / "up");
  EXPECT_THAT(refused(base_ / "up/root").why, HasSubstr("symbolic link"));
  fs::permissions(root_, fs::perms(0777));
  EXPECT_EQ(refused(root_).kind, ErrorKind::not_allowed);
  EXPECT_THAT(refused(root_).help, HasSubstr("chmod"));
  fs::permissions(root_, fs::perms(0770));
  EXPECT_EQ(refused(root_).kind, ErrorKind::not_allowed);
  ::chmod(root_.c_str(), 01777);
  EXPECT_TRUE(FolderRoot::open(root_, GetParam()));
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(root_.c_str(), 4711, 4711), 0);
    EXPECT_THAT(refused(root_).why, HasSubstr("user 4711"));
  }
}

TEST_P(FolderTest, MakesAFolderForAUser) {
  FolderRoot root = open();
  const auto made = root.make("session_mine", ::geteuid());
  ASSERT_TRUE(made);
  EXPECT_EQ(root.look("session_mine", {})->inode, made->inode);
  EXPECT_EQ(root.make("session_mine", ::geteuid()).error().kind, ErrorKind::conflict);
  struct stat facts{};
  ::stat((root_ / "session_mine").c_str(), &facts);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
  if (::geteuid() == 0) {
    ASSERT_TRUE(root.make("session_theirs", 4711));
    ::stat((root_ / "session_theirs").c_str(), &facts);
    EXPECT_EQ(facts.st_uid, 4711u);
  }
}

TEST_P(FolderTest, AnotherUsersFoldersStay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make files of another user";
  session("session_theirs");
  ASSERT_EQ(::chown((root_ / "session_theirs").c_str(), 4711, 4711), 0);
  session("session_mixed");
  ASSERT_EQ(::chown((root_ / "session_mixed").c_str(), 4712, 4712), 0);
  ASSERT_EQ(::chown((root_ / "session_mixed/file").c_str(), 4711, 4711), 0);
  ASSERT_EQ(::chown((root_ / "session_mixed/a").c_str(), 4711, 4711), 0);
  FolderRoot root = open();
  FolderRule rule;
  rule.owner = 4712;
  FolderRemoval how;
  how.owner = 4712;
  const auto theirs = root.look("session_theirs", rule);
  EXPECT_EQ(theirs->spared, "it belongs to user 4711");
  EXPECT_THAT(root.remove(*theirs, how).why, ElementsAre("it belongs to user 4711"));
  // In a folder of one's own a file of somebody else may go, as the kernel has it; what lies in a
  // folder of somebody else may not.
  const SessionRemoval removal = root.remove(*root.look("session_mixed", rule), how);
  EXPECT_TRUE(removal.taken);
  EXPECT_FALSE(removal.gone);
  EXPECT_EQ(removal.left, 1u);
  EXPECT_THAT(removal.why, ElementsAre("cannot remove a: it belongs to user 4711"));
  EXPECT_EQ(removal.entries, 1u);
  // Nor does the next run take it, for whom it may be.
  const auto finished = root.finish();
  ASSERT_THAT(finished, SizeIs(1));
  EXPECT_FALSE(finished[0].gone);
  EXPECT_THAT(finished[0].why, ElementsAre("cannot remove a: it belongs to user 4711"));
}

TEST_P(FolderTest, AnOrdinaryUserRemovesOnlyWhatIsTheirs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root becomes another user";
  ::chmod(base_.c_str(), 0755);
  ::chmod(root_.c_str(), 01777);  // like /tmp
  session("session_roots");
  session("session_mine");
  for (const auto& entry : fs::recursive_directory_iterator(root_ / "session_mine")) {
    ASSERT_EQ(::lchown(entry.path().c_str(), 4711, 4711), 0);
  }
  ASSERT_EQ(::chown((root_ / "session_mine").c_str(), 4711, 4711), 0);
  session("session_sealed");
  ASSERT_EQ(::chown((root_ / "session_sealed").c_str(), 4711, 4711), 0);
  ASSERT_EQ(::chmod((root_ / "session_sealed/a").c_str(), 0700), 0);  // root's, inside theirs
  const auto way = GetParam();
  Child child([&] {
    if (::setgid(4711) != 0 || ::setuid(4711) != 0) return 1;
    auto root = FolderRoot::open(root_, way);
    if (!root) return 2;
    const auto sealed = root->look("session_sealed", {});
    if (sealed->spared.find("Permission denied") == std::string::npos) return 3;
    const auto roots = root->look("session_roots", {});
    if (!roots || root->remove(*roots).taken) return 4;
    const auto mine = root->look("session_mine", {});
    return mine && root->remove(*mine).gone ? 0 : 5;
  });
  child.go();
  EXPECT_EQ(child.wait(), 0);
  EXPECT_THAT(names(), ElementsAre("session_roots", "session_sealed"));
}

/// Runs `work` where what it mounts is gone with it.
int in_own_mounts(const std::function<int()>& work) {
  Child child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return 77;
    }
    return work();
  });
  child.go();
  const int status = child.wait();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST_P(FolderTest, NeverEntersWhatIsMounted) {
  session("session_bind");
  session("session_other");
  session("session_late");
  fs::create_directories(root_ / "session_mounted");
  const auto way = GetParam();
  const int result = in_own_mounts([&] {
    const auto bind = [&](const fs::path& at) {
      return ::mount(outside_.c_str(), at.c_str(), nullptr, MS_BIND, nullptr);
    };
    // The same filesystem at another place, another filesystem, and the folder itself.
    if (bind(root_ / "session_bind/a/b") != 0 || bind(root_ / "session_mounted") != 0 ||
        ::mount("none", (root_ / "session_other/a/b").c_str(), "tmpfs", 0, "size=64k") != 0) {
      return 77;
    }
    auto root = FolderRoot::open(root_, way);
    if (!root) return 1;
    FolderRemoval how;
    how.even_if_changed = true;
    for (const char* name : {"session_bind", "session_other"}) {
      auto folder = root->look(name, {});
      if (!folder || folder->spared != "something is mounted at a/b") return 2;
    }
    if (root->look("session_mounted", {})->spared != "something is mounted there") return 3;
    // Whoever asks for it all the same: the rest goes, and what is mounted stays.
    const SessionRemoval removal = root->remove(*root->look("session_bind", {}), how);
    if (removal.gone || removal.why.size() != 1 ||
        removal.why[0] != "cannot remove a/b: something is mounted there") {
      return 4;
    }
    // Mounted between the look and the removal.
    const auto late = root->look("session_late", {});
    if (bind(root_ / "session_late/a") != 0) return 77;
    if (root->remove(*late).taken) return 5;
    return 0;
  });
  if (result == 77) GTEST_SKIP() << "may not mount here";
  EXPECT_EQ(result, 0);
}

TEST_P(FolderTest, AFullDiskTakesNoTrashAndIsEmptiedAllTheSame) {
  const auto way = GetParam();
  const int result = in_own_mounts([&] {
    if (::mount("none", root_.c_str(), "tmpfs", 0, "nr_inodes=8,mode=0755") != 0) return 77;
    session("session_old");  // six inodes and the root's own
    write(root_ / "last");
    if (::mkdir((root_ / "none").c_str(), 0700) == 0 || errno != ENOSPC) return 1;
    auto root = FolderRoot::open(root_, way);
    if (!root) return 2;
    const SessionRemoval removal = root->remove(*root->look("session_old", {}));
    return removal.gone && removal.entries == 6 && names().size() == 1 ? 0 : 3;
  });
  if (result == 77) GTEST_SKIP() << "may not mount here";
  EXPECT_EQ(result, 0);
}

/// Swaps two names of a folder for as long as it lives.
class Swapper {
 public:
  Swapper(int folder, std::string one, std::string other)
      : thread_([this, folder, one = std::move(one), other = std::move(other)] {
          while (!stop_.load(std::memory_order_relaxed)) {
            if (::renameat2(folder, one.c_str(), folder, other.c_str(), RENAME_EXCHANGE) == 0) {
              ++swaps_;
            }
          }
        }) {}
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }
  int swaps() const { return swaps_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> swaps_{0};
  std::thread thread_;
};

TEST_P(FolderTest, AThousandRoundsOfSwappingAFolderForALinkTouchNothingOutside) {
  const int rounds = GetParam() == FolderOpener::Way::best ? 1000 : 250;
  int swaps = 0, taken = 0;
  for (int round = 0; round < rounds; ++round) {
    const fs::path top = root_ / "session_x";
    fs::create_directories(top / "a/b/c");
    fs::create_directories(top / "link_to");
    write(top / "a/precious");  // as it is called outside
    fs::create_directories(top / "a/deep/er");
    write(top / "a/deep/er/also");
    // Links of both kinds; the relative ones lead outside from within the trash.
    const bool far = round % 2 == 0;
    fs::create_symlink(far ? outside_ : fs::path("../../../outside"), top / "b");
    fs::create_symlink(far ? outside_ : fs::path("../outside"), root_ / "link");
    // Of the three places that are swapped one a round; the one who swaps holds the folder open, so
    // that the trash does not shut them out.
    const int folder = ::open(round % 3 == 0 ? root_.c_str() : top.c_str(), O_RDONLY | O_DIRECTORY);
    const int deep = ::open((top / "a").c_str(), O_RDONLY | O_DIRECTORY);
    fs::create_symlink(far ? outside_ / "deep" : fs::path("../../../../outside/deep"),
                       top / "a/link");
    {
      const auto swapper = round % 3 == 0   ? std::make_unique<Swapper>(folder, "session_x", "link")
                           : round % 3 == 1 ? std::make_unique<Swapper>(folder, "a", "b")
                                            : std::make_unique<Swapper>(deep, "deep", "link");
      while (swapper->swaps() < 1) std::this_thread::yield();
      FolderRoot root = open();
      FolderRemoval how;
      how.even_if_changed = true;
      const auto folder_seen = root.look("session_x", {});
      if (folder_seen && root.remove(*folder_seen, how).taken) ++taken;
      swaps += swapper->swaps();
    }
    ::close(folder);
    ::close(deep);
    (void)open().finish();
    ASSERT_EQ(picture(outside_), before_) << "round " << round;
    // Which of the two names stands for the folder now is chance.
    for (const char* name : {"link", "session_x"}) fs::remove_all(root_ / name);
    ASSERT_THAT(names(), IsEmpty()) << "round " << round;
  }
  EXPECT_GE(swaps, rounds);
  EXPECT_GE(taken, rounds / 2);  // all but those whose name was a link just then
}

/// Does something at a moment that is given by an entry, and removes as a thief would like it.
class Meddler : public TreeVisitor {
 public:
  explicit Meddler(std::function<void(const std::string&)> at) : at_(std::move(at)) {}
  Next enter(const TreeWalk& walk, int, const char* name, const struct stat&) override {
    at_("enter " + walk.path(name));
    return Next::go_on;
  }
  Next entry(const TreeWalk& walk, int folder, const char* name) override {
    at_("entry " + walk.path(name));
    ::unlinkat(folder, name, 0);
    return Next::go_on;
  }
  Next leave(const TreeWalk&, int folder, const char* name, bool) override {
    if (::unlinkat(folder, name, AT_REMOVEDIR) == 0) return Next::go_on;
    return errno == ENOENT ? Next::go_on : Next::again;
  }
  Next closed(const TreeWalk&, int, const char*, int) override { return Next::left; }

 private:
  std::function<void(const std::string&)> at_;
};

TEST_P(FolderTest, AFolderThatBecomesALinkAfterItWasListedIsUnlinked) {
  const fs::path top = session("session_x");
  const http::Fd fd(::open(top.c_str(), O_RDONLY | O_DIRECTORY));
  const FolderOpener opener(fd.get(), GetParam());
  bool swapped = false;
  // Its files are visited before its folders are opened.
  Meddler meddler([&](const std::string& what) {
    if (what != "entry file" || swapped) return;
    swapped = true;
    fs::rename(top / "a", base_ / "kept");
    fs::create_symlink(outside_, top / "a");
  });
  EXPECT_TRUE(TreeWalk(opener).run(fd.get(), meddler));
  EXPECT_TRUE(swapped);
  EXPECT_TRUE(fs::is_empty(top));
  EXPECT_TRUE(fs::exists(base_ / "kept/b/file"));
}

TEST_P(FolderTest, AFolderThatIsMovedAwayDuringTheWalkEndsIt) {
  fs::path deep = root_ / "session_x";
  for (int i = 0; i < 100; ++i) deep /= "d";
  fs::create_directories(deep);
  write(deep / "file");
  const http::Fd fd(::open((root_ / "session_x").c_str(), O_RDONLY | O_DIRECTORY));
  const FolderOpener opener(fd.get(), GetParam());
  fs::create_directories(base_ / "elsewhere");
  write(base_ / "elsewhere/bystander");
  bool moved = false;
  Meddler meddler([&](const std::string& what) {
    if (!what.starts_with("entry") || moved) return;
    moved = true;
    // Far above: its descriptor is closed by now, and ".." leads to another place.
    fs::rename(root_ / "session_x/d/d", base_ / "elsewhere/d");
  });
  EXPECT_FALSE(TreeWalk(opener).run(fd.get(), meddler));
  EXPECT_TRUE(moved);
  EXPECT_TRUE(fs::exists(base_ / "elsewhere/bystander"));
  EXPECT_TRUE(fs::exists(base_ / "elsewhere/d"));
}

TEST_P(FolderTest, WhoeverAddsFilesAllTheTimeDoesNotKeepUsForEver) {
  const fs::path top = session("session_x");
  const http::Fd fd(::open(top.c_str(), O_RDONLY | O_DIRECTORY));
  const FolderOpener opener(fd.get(), GetParam());
  const int a = ::open((top / "a").c_str(), O_RDONLY | O_DIRECTORY);
  class Adder : public Meddler {
   public:
    explicit Adder(int folder) : Meddler([](const std::string&) {}), folder_(folder) {}
    Next leave(const TreeWalk& walk, int folder, const char* name, bool whole) override {
      const int file = ::openat(folder_, "again", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
      if (file >= 0) ::close(file);
      return Meddler::leave(walk, folder, name, whole);
    }

   private:
    int folder_;
  } adder(a);
  EXPECT_FALSE(TreeWalk(opener).run(fd.get(), adder));
  ::close(a);
}

TEST_P(FolderTest, WhatCannotBeRemovedIsNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "the owner may always";
  const fs::path top = session("session_x");
  for (int i = 0; i < 40; ++i) {
    fs::create_directories(top / "locked" / ("d" + std::to_string(i)));
  }
  write(top / "locked/new\nline");
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    ASSERT_EQ(::lchown(entry.path().c_str(), 4711, 4711), 0);
  }
  age(top);
  ::chmod((top / "locked").c_str(), 0500);  // nothing in it may be removed by its owner
  ::chmod(base_.c_str(), 0755);
  ::chmod(root_.c_str(), 01777);
  const auto way = GetParam();
  Child child([&] {
    if (::setgid(4711) != 0 || ::setuid(4711) != 0) return 1;
    auto root = FolderRoot::open(root_, way);
    if (!root) return 2;
    const SessionRemoval removal = root->remove(*root->look("session_x", {}));
    if (removal.gone || !removal.taken) return 3;
    if (removal.left != 41 || removal.why.size() != kNamedLeft) return 4;
    return std::find(removal.why.begin(), removal.why.end(),
                     "cannot remove locked/new\\x0aline: Permission denied") != removal.why.end()
               ? 0
               : 5;
  });
  child.go();
  const int status = child.wait();
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace headroom::act
