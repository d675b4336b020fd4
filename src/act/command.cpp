#include "act/command.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/fd.hpp"

namespace headroom::act {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using http::Fd;

namespace {

constexpr milliseconds kAfterKill{1000};

// Holds back the signal of a pipe that nobody reads any more, for this thread and this long.
class PipeSignalHeld {
 public:
  PipeSignalHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalHeld() {
    const timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalHeld(const PipeSignalHeld&) = delete;
  PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

struct Pipe {
  Fd reader;
  Fd writer;
};

bool open_pipe(Pipe& made) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  made.reader = Fd(ends[0]);
  made.writer = Fd(ends[1]);
  return true;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& one : words) out.push_back(one.data());
  out.push_back(nullptr);
  return out;
}

/// Starts it with its ends of the pipes; 0 or the errno.
int start(const Command& command, const Pipe& input, const Pipe& output, pid_t& pid) {
  std::vector<std::string> words = command.words;
  std::vector<std::string> environment = command.environment;
  const std::vector<char*> arguments = pointers(words);
  const std::vector<char*> variables = pointers(environment);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input.reader.get(), STDIN_FILENO);
  if (command.output_bytes > 0) {
    posix_spawn_file_actions_adddup2(&files, output.writer.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output.writer.get(), STDERR_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
#endif
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int failed = posix_spawnp(&pid, arguments.front(), &files, &attributes, arguments.data(),
                                  variables.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

/// Ends the group that `pid` leads. It is not waited for yet, so that the number is still its own,
/// whether or not the kernel can do it by the pidfd (since Linux 6.9).
void end_group(const Fd& watched, pid_t pid) {
  constexpr unsigned kProcessGroup = 1U << 2U;  // PIDFD_SIGNAL_PROCESS_GROUP
  if (watched &&
      syscall(SYS_pidfd_send_signal, watched.get(), SIGKILL, nullptr, kProcessGroup) == 0) {
    return;
  }
  kill(-pid, SIGKILL);
}

/// Reads what is there, keeps what there is room for; false at its end.
bool drain(int fd, std::size_t most, std::string& kept) {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    const std::size_t room = most - std::min(most, kept.size());
    kept.append(buffer.data(), std::min(room, static_cast<std::size_t>(n)));
    // One that writes for ever is looked at again after the deadline has been.
    if (static_cast<std::size_t>(n) < buffer.size()) return true;
    if (kept.size() >= most) return true;
  }
}

/// Writes what the pipe takes now; false when there is nothing more to write, or nobody to read it.
bool feed(int fd, std::string_view& rest) {
  const PipeSignalHeld held;
  while (!rest.empty()) {
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return false;
}

}  // namespace

CommandEnd run_command(const Command& command, Clock::time_point deadline) {
  CommandEnd end;
  Pipe input;
  Pipe output;
  if (command.words.empty() || !open_pipe(input) || !open_pipe(output)) {
    end.why = command.words.empty() ? "there is no command" : std::strerror(errno);
    return end;
  }
  fcntl(input.writer.get(), F_SETFL, O_NONBLOCK);
  fcntl(output.reader.get(), F_SETFL, O_NONBLOCK);
  pid_t pid = 0;
  if (const int failed = start(command, input, output, pid); failed != 0) {
    end.why = command.words.front() + " cannot be run: " + std::strerror(failed);
    return end;
  }
  input.reader.reset();
  output.writer.reset();
  const Fd watched(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  std::string_view rest = command.input;
  if (rest.empty()) input.writer.reset();
  bool ended = false;
  while (watched && !ended) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) break;
    std::array<pollfd, 3> ready{{{watched.get(), POLLIN, 0},
                                 {output.reader.get(), POLLIN, 0},
                                 {input.writer.get(), POLLOUT, 0}}};
    const int n =
        poll(ready.data(), ready.size(), static_cast<int>(std::min<std::int64_t>(left, INT_MAX)));
    if (n < 0 && errno != EINTR) break;
    if (n <= 0) continue;
    if (ready[1].revents != 0 && !drain(output.reader.get(), command.output_bytes, end.output)) {
      output.reader.reset();
    }
    if (ready[2].revents != 0 && !feed(input.writer.get(), rest)) input.writer.reset();
    ended = ready[0].revents != 0;
  }
  if (!ended) {
    end.how = CommandEnd::How::late;
    end_group(watched, pid);
    // One that the kernel does not let go of is left to it.
    pollfd gone{watched.get(), POLLIN, 0};
    if (watched && poll(&gone, 1, static_cast<int>(kAfterKill.count())) == 0) return end;
  }
  if (output.reader) (void)drain(output.reader.get(), command.output_bytes, end.output);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return end;
  end.how = WIFSIGNALED(status) ? CommandEnd::How::killed : CommandEnd::How::exited;
  end.number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  return end;
}

}  // namespace headroom::act
