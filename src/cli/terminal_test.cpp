// run on a terminal: job control, ^C, and the progress line.
#include <gmock/gmock.h>

#include <pty.h>

#include "cli/command_for_test.hpp"

namespace headroom::cli {
namespace {

using test::Asked;
using test::Folder;
using test::StandIn;
using test::Told;
using ::testing::HasSubstr;

constexpr const char* kGranted =
    R"({"id":"l-7","name":"job","state":"reserved","booked":{"memory_bytes":1048576}})";
constexpr const char* kEnded = R"({"id":"l-7","name":"job","state":"ended"})";
constexpr const char* kWaiting =
    R"({"id":"l-7","name":"job","state":"waiting","place":2,"needs":{"memory_bytes":1073741824}})";

/// A terminal whose session leader does what a shell does with one job in the foreground: when the
/// job stops it notes so and continues it; it ends with the job's code.
class Terminal {
 public:
  Terminal(const Words& words, const std::string& stopped) {
    pid_ = forkpty(&master_, nullptr, nullptr, nullptr);
    if (pid_ != 0) return;
    close_range(3, ~0U, 0);  // the stand-in's socket
    signal(SIGTTOU, SIG_IGN);
    const pid_t job = fork();
    if (job == 0) {
      setpgid(0, 0);
      tcsetpgrp(STDIN_FILENO, getpgrp());
      signal(SIGTTOU, SIG_DFL);
      unsetenv("HEADROOM_LEASE");
      _exit(headroom_command(words));
    }
    setpgid(job, job);
    int status = 0;
    while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
      tcsetpgrp(STDIN_FILENO, getpgrp());
      std::ofstream(stopped) << WSTOPSIG(status);
      tcsetpgrp(STDIN_FILENO, job);
      kill(-job, SIGCONT);
    }
    _exit(code_of(status));
  }
  ~Terminal() {
    close(master_);  // hangs up: whatever still runs there ends
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const {
    EXPECT_GT(write(master_, keys.data(), keys.size()), 0);
  }
  /// Reads the screen until its end or until it holds `text`.
  std::string screen(const std::string& text = "\n\n\n") {
    std::array<char, 1024> buffer{};
    while (screen_.find(text) == std::string::npos) {
      const auto n = read(master_, buffer.data(), buffer.size());
      if (n <= 0) break;
      screen_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return screen_;
  }
  int wait() {
    screen();
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return code_of(status);
  }

 private:
  int master_ = -1;
  pid_t pid_ = -1;
  std::string screen_;
};

class OnATerminal : public ::testing::Test {
 protected:
  Words words(const std::string& script) {
    return {"run", "--url", daemon.url(), "--mem", "1M", "--name", "job", "--", "sh", "-c", script};
  }
  Folder folder;
  StandIn daemon{folder / "socket"};
};

TEST_F(OnATerminal, StopsWithControlZAndGoesOnInTheForeground) {
  // It forks nothing: dash uses vfork, and a child that stops before its exec keeps dash itself
  // from stopping, with headroom or without.
  Terminal terminal(words("echo ready; read line; echo back; exit 5"), folder / "stopped");
  daemon.serve([](const Asked& asked) {
    return asked.method == "POST" ? Told{201, kGranted} : Told{200, kEnded};
  });
  terminal.screen("ready");
  terminal.type("\x1a");
  while (!std::filesystem::exists(folder / "stopped")) std::this_thread::yield();
  terminal.type("\n");
  EXPECT_EQ(terminal.wait(), 5);
  EXPECT_THAT(terminal.screen(), HasSubstr("back"));
  EXPECT_EQ(test::read_file(folder / "stopped"), std::to_string(SIGSTOP));
}

TEST_F(OnATerminal, LeavesControlCToTheCommand) {
  Terminal terminal(words("trap 'echo int; exit 9' INT; echo ready; while :; do sleep 0.01; done"),
                    folder / "stopped");
  daemon.serve([](const Asked& asked) {
    return asked.method == "POST" ? Told{201, kGranted} : Told{200, kEnded};
  });
  terminal.screen("ready");
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), 9);
}

TEST_F(OnATerminal, ShowsItsPlaceAndLeavesTheQueueWithControlC) {
  Terminal terminal(words("touch " + (folder / "touched")), folder / "stopped");
  std::atomic<bool> ended{false};
  daemon.serve([&](const Asked& asked) {
    if (asked.method == "DELETE") ended = true;
    return asked.method == "POST" ? Told{202, kWaiting} : Told{200, kWaiting};
  });
  terminal.screen("place 2");
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(), 130);
  EXPECT_TRUE(ended);
  EXPECT_THAT(terminal.screen(), HasSubstr("job (l-7) left the queue"));
  EXPECT_FALSE(std::filesystem::exists(folder / "touched"));
}

}  // namespace
}  // namespace headroom::cli
