#include "cli/exec.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace headroom::cli {
namespace {

constexpr int kOwnFailure = 125;
constexpr std::array<int, 12> kHandled{SIGINT,  SIGQUIT, SIGTERM, SIGHUP,  SIGUSR1,  SIGUSR2,
                                       SIGALRM, SIGTSTP, SIGCONT, SIGCHLD, SIGWINCH, SIGPIPE};

void write_all(int fd, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // the reader has gone
    done += static_cast<std::size_t>(n);
  }
}

std::string read_all(int fd) {
  std::string bytes;
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

/// In the child: becomes the command, or returns the errno of why not.
int become(const Start& start, const sigset_t& mask) {
  for (const auto& [name, value] : start.environment) {
    if (setenv(name.c_str(), value.c_str(), 1) != 0) return errno;
  }
  if (!start.output_path.empty()) {
    const int out =
        open(start.output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) return errno;
  }
  std::vector<char*> argv;
  for (const auto& word : start.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(argv[0], argv.data());
  return errno;
}

}  // namespace

std::string pack_start(const Start& start) {
  std::string bytes;
  const auto add = [&](char kind, const std::string& text) {
    bytes += kind;
    bytes += text.c_str();  // up to its first NUL
    bytes += '\0';
  };
  for (const auto& [name, value] : start.environment) add('e', name + "=" + value);
  for (const auto& word : start.argv) add('a', word);
  if (!start.output_path.empty()) add('o', start.output_path);
  add('.', "");
  return bytes;
}

std::optional<Start> unpack_start(const std::string& bytes) {
  Start start;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto end = bytes.find('\0', at + 1);
    if (end == std::string::npos) return std::nullopt;
    const char kind = bytes[at];
    std::string text = bytes.substr(at + 1, end - at - 1);
    at = end + 1;
    if (kind == 'e') {
      const auto equals = text.find('=');
      if (equals == std::string::npos || equals == 0) return std::nullopt;
      start.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    } else if (kind == 'a') {
      start.argv.push_back(std::move(text));
    } else if (kind == 'o') {
      start.output_path = std::move(text);
    } else if (kind == '.' && at == bytes.size() && !start.argv.empty()) {
      return start;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kHandled) {
    struct sigaction now{};
    sigaction(number, nullptr, &now);
    if (number == SIGCHLD) {
      // With SIGCHLD ignored the kernel would reap the child itself, and its status were lost.
      child_was_ignored_ = now.sa_handler == SIG_IGN;
      if (child_was_ignored_) signal(SIGCHLD, SIG_DFL);
    } else if (now.sa_handler == SIG_IGN) {
      continue;  // nohup, or a shell's background job: not ours to hear
    }
    sigaddset(&set, number);
  }
  sigprocmask(SIG_BLOCK, &set, &original_);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  while (take()) {  // what came too late to matter must not end us now
  }
  if (fd_ >= 0) close(fd_);
  if (child_was_ignored_) signal(SIGCHLD, SIG_IGN);
  sigprocmask(SIG_SETMASK, &original_, nullptr);
}

std::optional<Signals::Taken> Signals::take() {
  signalfd_siginfo info{};
  if (read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return Taken{static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL};
}

Result<Child> Child::fork(const Signals& signals) {
  std::array<int, 2> go{-1, -1};
  std::array<int, 2> report{-1, -1};
  if (pipe2(go.data(), O_CLOEXEC) != 0) {
    return fail(ErrorKind::internal, "no pipe for the command", std::strerror(errno));
  }
  if (pipe2(report.data(), O_CLOEXEC) != 0) {
    const int why = errno;
    close(go[0]);
    close(go[1]);
    return fail(ErrorKind::internal, "no pipe for the command", std::strerror(why));
  }
  const pid_t pid = ::fork();
  if (pid < 0) {
    const int why = errno;
    for (const int fd : {go[0], go[1], report[0], report[1]}) close(fd);
    return fail(ErrorKind::internal, "the command cannot be forked", std::strerror(why));
  }
  if (pid == 0) {
    close(go[1]);
    close(report[0]);
    const auto start = unpack_start(read_all(go[0]));
    if (!start) _exit(kOwnFailure);  // nobody is there any more to say go
    const int why = become(*start, signals.original());
    const auto ignored = write(report[1], &why, sizeof why);
    static_cast<void>(ignored);
    _exit(why == ENOENT ? 127 : 126);
  }
  close(go[0]);
  close(report[1]);
  return Child(pid, go[1], report[0]);
}

Child::Child(Child&& other) noexcept
    : pid_(other.pid_),
      go_(other.go_),
      report_(other.report_),
      ended_(other.ended_),
      status_(other.status_),
      exec_error_(other.exec_error_) {
  other.pid_ = -1;
  other.go_ = -1;
  other.report_ = -1;
}

Child::~Child() {
  if (report_ >= 0) close(report_);
  if (go_ < 0) return;
  close(go_);  // never started: it reads the end of the pipe
  if (ended_) return;
  kill(pid_, SIGCONT);  // it may have been stopped together with us
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Child::start(const Start& start) {
  write_all(go_, pack_start(start));
  close(go_);
  go_ = -1;
}

Child::State Child::look() {
  State state;
  while (!ended_) {
    int status = 0;
    const pid_t pid = waitpid(pid_, &status, WNOHANG | WUNTRACED | WCONTINUED);
    if (pid != pid_) break;
    if (WIFSTOPPED(status)) {
      state.stopped_by = WSTOPSIG(status);
    } else if (WIFCONTINUED(status)) {
      state.stopped_by = 0;
    } else {
      ended_ = true;
      status_ = status;
      // Only a failed exec leaves something here; a successful one closed the pipe.
      const auto answer = read_all(report_);
      if (answer.size() == sizeof exec_error_) {
        std::memcpy(&exec_error_, answer.data(), sizeof exec_error_);
      }
    }
  }
  state.ended = ended_;
  state.status = status_;
  state.exec_error = exec_error_;
  return state;
}

void Child::signal(int number) const {
  if (!ended_) kill(pid_, number);
}

int code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace headroom::cli
