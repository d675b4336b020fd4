#include "runtime/session_worker.hpp"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/process.hpp"

namespace headroom::runtime {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::SizeIs;

/// The loop: work is done when the test says so.
class SessionWorkerTest : public testing::Test {
 protected:
  SessionWorkerTest() {
    std::string name = (fs::temp_directory_path() / "headroom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    root_ = fs::canonical(name);
    for (const char* one : {"session_a", "session_b", "notes"}) {
      fs::create_directories(root_ + "/" + one + "/deep");
      std::ofstream(root_ + "/" + one + "/deep/file") << "x";
    }
  }
  ~SessionWorkerTest() override { fs::remove_all(root_); }

  SessionWorker make(bool captured = false) {
    return SessionWorker(
        captured,
        [this](std::function<void()> work) {
          const std::lock_guard lock(lock_);
          work_.push_back(std::move(work));
          changed_.notify_all();
        },
        [this](Event event) { events_.push_back(std::move(event)); });
  }
  /// Does one piece of work that was posted, and gives what came of it.
  template <class T>
  T turn() {
    std::unique_lock lock(lock_);
    changed_.wait(lock, [this] { return !work_.empty(); });
    const auto work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    const T* found = std::get_if<T>(&events_.back());
    return found == nullptr ? T() : *found;
  }
  LookAtSessions look(std::vector<Session> told = {}) const {
    return {1, {root_}, "session_*", std::move(told)};
  }

  std::string root_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::vector<Event> events_;
};

TEST_F(SessionWorkerTest, LooksRemovesAndMakes) {
  SessionWorker worker = make();
  worker.ask(look());
  const auto seen = turn<SessionsSeen>();
  ASSERT_THAT(seen.roots, SizeIs(1));
  EXPECT_EQ(seen.roots[0].problem, "");
  EXPECT_GT(seen.roots[0].total.count(), 0);
  ASSERT_THAT(seen.roots[0].folders, SizeIs(2));
  CleanSessions clean;
  clean.run = 2;
  clean.roots = {root_};
  clean.folders = {seen.roots[0].folders[0]};
  worker.ask(clean);
  const auto cleaned = turn<SessionsCleaned>();
  ASSERT_THAT(cleaned.removals, SizeIs(1));
  EXPECT_TRUE(cleaned.removals[0].gone) << testing::PrintToString(cleaned.removals[0].why);
  EXPECT_FALSE(fs::exists(root_ + "/" + seen.roots[0].folders[0].name));
  EXPECT_TRUE(fs::exists(root_ + "/notes/deep/file"));
  worker.ask(MakeSession{3, root_, "session_new", ::geteuid()});
  EXPECT_TRUE(turn<SessionMade>().folder);
  EXPECT_TRUE(fs::is_directory(root_ + "/session_new"));
}

TEST_F(SessionWorkerTest, AProcessThatLivesKeepsItsSession) {
  Session told;
  told.root = root_;
  told.name = "session_a";
  told.holder = *act::identify(::getpid());
  Session dead = told;
  dead.name = "session_b";
  dead.holder.start_time += 1;  // the pid is another's by now
  SessionWorker worker = make();
  worker.ask(look({told, dead}));
  const SessionsSeen seen = turn<SessionsSeen>();
  for (const SessionFolder& folder : seen.roots.at(0).folders) {
    EXPECT_EQ(folder.held,
              folder.name == "session_a" ? "process " + std::to_string(::getpid()) : "");
  }
}

TEST_F(SessionWorkerTest, ARootThatIsNotSafeIsAProblem) {
  ::chmod(root_.c_str(), 0777);
  SessionWorker worker = make();
  worker.ask(look());
  EXPECT_THAT(turn<SessionsSeen>().roots.at(0).problem, HasSubstr("others may rename"));
  CleanSessions clean;
  clean.roots = {root_};
  clean.folders.resize(1);
  clean.folders[0].root = root_;
  clean.folders[0].name = "session_a";
  worker.ask(clean);
  const auto cleaned = turn<SessionsCleaned>();
  EXPECT_FALSE(cleaned.removals.at(0).taken);
  EXPECT_THAT(cleaned.removals.at(0).why.at(0), HasSubstr("others may rename"));
  EXPECT_TRUE(fs::exists(root_ + "/session_a/deep/file"));
}

TEST_F(SessionWorkerTest, WithACapturedTreeNothingIsTouched) {
  SessionWorker worker = make(true);
  worker.ask(look());
  EXPECT_THAT(turn<SessionsSeen>().roots.at(0).problem, HasSubstr("captured"));
  worker.ask(MakeSession{3, root_, "session_new", ::geteuid()});
  EXPECT_FALSE(turn<SessionMade>().folder);
  EXPECT_FALSE(fs::exists(root_ + "/session_new"));
}

TEST_F(SessionWorkerTest, EndsWithWorkUnderWay) {
  {
    SessionWorker worker = make();
    for (int i = 0; i < 4; ++i) worker.ask(look());
  }
  for (const auto& work : work_) work();  // posted before, and done after the end
  EXPECT_TRUE(events_.empty());
}

}  // namespace
}  // namespace headroom::runtime
