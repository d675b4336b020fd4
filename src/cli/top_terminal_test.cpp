// `headroom top` on a terminal: keys, sizes, and a terminal that is as it was, however it ends.
#include <gmock/gmock.h>

#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

#include "cli/command_for_test.hpp"

namespace headroom::cli {
namespace {

using test::Folder;
using ::testing::EndsWith;
using ::testing::HasSubstr;

/// A daemon that answers documents and keeps its stream open.
class Streaming {
 public:
  explicit Streaming(std::string path) : path_(std::move(path)) { listen_again(); }
  ~Streaming() { stop(); }
  Streaming(const Streaming&) = delete;
  Streaming& operator=(const Streaming&) = delete;

  std::string url() const { return "unix://" + path_; }
  void listen_again() {
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(fd_, 16) != 0) {
      std::abort();
    }
  }
  void serve() {
    stopping_ = false;
    acceptor_ = std::thread([this] {
      while (!stopping_) {
        pollfd waiting{fd_, POLLIN, 0};
        if (poll(&waiting, 1, 10) <= 0) continue;
        const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection >= 0) talkers_.emplace_back([this, connection] { talk(connection); });
      }
    });
  }
  void stop() {
    stopping_ = true;
    if (acceptor_.joinable()) acceptor_.join();
    for (auto& one : talkers_) one.join();
    talkers_.clear();
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    unlink(path_.c_str());
  }
  std::atomic<int> deleted{0};

 private:
  static void say(int fd, const std::string& text) {
    if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
  }
  void talk(int fd) {
    std::string bytes;
    std::array<char, 4096> buffer{};
    while (!stopping_) {
      pollfd waiting{fd, POLLIN, 0};
      if (poll(&waiting, 1, 10) <= 0) continue;
      const auto n = recv(fd, buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      bytes.append(buffer.data(), static_cast<std::size_t>(n));
      const auto end = bytes.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const auto head = bytes.substr(0, end);
      bytes.erase(0, end + 4);
      const auto golden = [](const std::string& name) {
        auto body = test::read_file(HEADROOM_SOURCE_DIR "/tests/golden/cli/top_" + name + ".json");
        body.erase(std::remove(body.begin(), body.end(), '\n'), body.end());
        return body;
      };
      if (head.find("/api/v1/stream") != std::string::npos) {
        say(fd,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: snapshot\ndata: " +
                golden("snapshot") + "\n\n");
        continue;
      }
      std::string body = "{\"items\":[],\"next\":null}";
      for (const char* name : {"node", "snapshot", "leases", "alerts", "processes"}) {
        if (head.find(std::string("GET /api/v1/") + name) == 0) body = golden(name);
      }
      if (head.rfind("DELETE /api/v1/leases/", 0) == 0) ++deleted;
      say(fd,
          "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    close(fd);
  }

  std::string path_;
  int fd_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::list<std::thread> talkers_;
};

/// A terminal whose session leader does what a shell does with one job in the foreground; what the
/// job asks of the terminal is read by poll(), with a generous bound.
class Screen {
 public:
  Screen(const Words& words, const Folder& folder)
      : stopped_(folder / "stopped"), pid_file_(folder / "pid") {
    winsize size{40, 120, 0, 0};
    std::fflush(nullptr);
    int terminal = -1;
    if (openpty(&master_, &terminal, nullptr, nullptr, &size) != 0) std::abort();
    tcgetattr(terminal, &before_);  // after the fork the job may have changed them already
    leader_ = fork();
    if (leader_ != 0) {
      close(terminal);
      return;
    }
    if (login_tty(terminal) != 0) _exit(99);
    close_range(3, ~0U, 0);
    setenv("TERM", "xterm-256color", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    signal(SIGTTOU, SIG_IGN);
    const pid_t job = fork();
    if (job == 0) {
      setpgid(0, 0);
      tcsetpgrp(STDIN_FILENO, getpgrp());
      signal(SIGTTOU, SIG_DFL);
      _exit(headroom_command(words));
    }
    setpgid(job, job);
    std::ofstream(pid_file_) << job << "\n";
    int status = 0;
    while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
      tcsetpgrp(STDIN_FILENO, getpgrp());
      std::ofstream(stopped_) << WSTOPSIG(status);
      tcsetpgrp(STDIN_FILENO, job);
      kill(-job, SIGCONT);
    }
    // The master reads until the last of us has gone: what it sees last is the job's.
    _exit(code_of(status));
  }
  ~Screen() {
    close(master_);
    if (leader_ > 0) waitpid(leader_, nullptr, 0);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void type(const std::string& keys) const {
    EXPECT_GT(write(master_, keys.data(), keys.size()), 0);
  }
  void resize(unsigned short width, unsigned short height) const {
    winsize size{height, width, 0, 0};
    ioctl(master_, TIOCSWINSZ, &size);
  }
  /// What was written since the last call, until it holds `text`; all until the end for "".
  std::string until(const std::string& text) {
    std::array<char, 4096> buffer{};
    std::size_t at = std::string::npos;
    while (text.empty() || (at = unread_.find(text)) == std::string::npos) {
      pollfd waiting{master_, POLLIN, 0};
      if (poll(&waiting, 1, 60'000) <= 0) break;
      const auto n = read(master_, buffer.data(), buffer.size());
      if (n <= 0) break;
      unread_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    const auto end = at == std::string::npos ? unread_.size() : at + text.size();
    auto seen = unread_.substr(0, end);
    unread_.erase(0, end);
    all_ += seen;
    return seen;
  }
  pid_t job() const {
    pid_t job = 0;
    while (job == 0) std::istringstream(test::read_file(pid_file_)) >> job;
    return job;
  }
  bool was_stopped() const { return std::filesystem::exists(stopped_); }
  /// Its settings are those it had.
  bool as_it_was() const {
    termios now{};
    tcgetattr(master_, &now);
    return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
           now.c_oflag == before_.c_oflag;
  }
  /// Its end: the exit code. Everything on the way out has been written by then.
  int wait() {
    until("");
    int status = 0;
    waitpid(leader_, &status, 0);
    leader_ = -1;
    return code_of(status);
  }
  const std::string& all() const { return all_; }

 private:
  std::string stopped_;
  std::string pid_file_;
  int master_ = -1;
  pid_t leader_ = -1;
  termios before_{};
  std::string unread_;
  std::string all_;
};

constexpr const char* kBack = "\x1b[?25h\x1b[?1049l";

class TopOnATerminal : public ::testing::Test {
 protected:
  Words words() { return {"top", "--url", daemon.url()}; }
  void expect_given_back(Screen& screen) {
    EXPECT_THAT(screen.all(), EndsWith(kBack));
    EXPECT_TRUE(screen.as_it_was());
  }
  Folder folder;
  Streaming daemon{folder / "socket"};
};

TEST_F(TopOnATerminal, ShowsTheMachineAndQuits) {
  Screen screen(words(), folder);
  daemon.serve();
  EXPECT_THAT(screen.until("gpubox"), HasSubstr("\x1b[?1049h"));
  EXPECT_FALSE(screen.as_it_was());
  screen.until("train-b");
  screen.type("?");
  screen.until("hold the picture");
  screen.type("\x1b");  // alone: it closes the help
  screen.type("q");
  EXPECT_EQ(screen.wait(), 0);
  expect_given_back(screen);
}

TEST_F(TopOnATerminal, GivesTheTerminalBackHoweverItIsEnded) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGSEGV, SIGABRT}) {
    std::filesystem::remove(folder / "pid");
    Screen screen(words(), folder);
    daemon.serve();
    screen.until("gpubox");
    if (signal == SIGINT) {
      screen.type("\x03");
    } else {
      kill(screen.job(), signal);
    }
    EXPECT_EQ(screen.wait(), 128 + signal);
    expect_given_back(screen);
    daemon.stop();
    daemon.listen_again();
  }
}

TEST_F(TopOnATerminal, StopsAndGoesOn) {
  Screen screen(words(), folder);
  daemon.serve();
  screen.until("gpubox");
  screen.type("\x1a");
  EXPECT_THAT(screen.until("\x1b[?1049h"), HasSubstr(kBack));
  EXPECT_TRUE(screen.was_stopped());
  screen.until("gpubox");  // the whole picture again
  screen.type("q");
  EXPECT_EQ(screen.wait(), 0);
  expect_given_back(screen);
}

TEST_F(TopOnATerminal, SurvivesItsDaemonAndFindsItAgain) {
  Screen screen(words(), folder);
  daemon.serve();
  screen.until("train-b");
  daemon.stop();
  EXPECT_THAT(screen.until("trying again"), HasSubstr("daemon gone, trying again"));
  daemon.listen_again();
  daemon.serve();
  EXPECT_THAT(screen.until("moderate"), HasSubstr("moderate"));
  screen.type("q");
  EXPECT_EQ(screen.wait(), 0);
  expect_given_back(screen);
}

TEST_F(TopOnATerminal, FollowsItsSize) {
  Screen screen(words(), folder);
  daemon.serve();
  screen.until("gpubox");
  screen.resize(50, 10);
  EXPECT_THAT(screen.until("too small"), HasSubstr("too small"));
  screen.resize(120, 40);
  EXPECT_THAT(screen.until("gpubox"), HasSubstr("gpubox"));
  screen.type("q");
  EXPECT_EQ(screen.wait(), 0);
}

TEST_F(TopOnATerminal, HangsUpWithItsTerminal) {
  pid_t job = 0;
  {
    Screen screen(words(), folder);
    daemon.serve();
    screen.until("gpubox");
    job = screen.job();
  }
  while (kill(job, 0) == 0) std::this_thread::yield();  // the test's own limit ends this
}

TEST_F(TopOnATerminal, NeedsATerminal) {
  test::Process process(folder, {"top"});
  EXPECT_EQ(process.wait(), 2);
  EXPECT_THAT(process.err(), HasSubstr("headroom status -w"));
  test::Process dumb(folder, {"top", "--json"});
  EXPECT_EQ(dumb.wait(), 2);
  EXPECT_THAT(dumb.err(), HasSubstr("headroom status --json"));
}

TEST_F(TopOnATerminal, DrawsOnePictureAsText) {
  test::Process process(folder, {"top", "--once", "--size", "100x30", "--url", daemon.url()},
                        {{"LC_ALL", "C.UTF-8"}});
  daemon.serve();
  EXPECT_EQ(process.wait(), 0);
  EXPECT_THAT(process.out(), HasSubstr("gpubox"));
  const auto out = process.out();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 30);
  test::Process wrong(folder, {"top", "--once", "--size", "12by4"});
  EXPECT_EQ(wrong.wait(), 2);
  EXPECT_THAT(wrong.err(), HasSubstr("'12by4' is no size"));
}

}  // namespace
}  // namespace headroom::cli
