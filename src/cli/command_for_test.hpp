// The whole command as a process of its own, for tests.
#pragma once

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/exec.hpp"
#include "cli/standin_for_test.hpp"

namespace headroom::cli::test {

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

/// A forked copy of this test that runs one command line and ends.
class Process {
 public:
  Process(const Folder& folder, Words words,
          const std::vector<std::pair<std::string, std::string>>& environment = {})
      : out_(folder / "out"), err_(folder / "err") {
    std::fflush(nullptr);  // what is buffered belongs to the tests, not to the child
    pid_ = fork();
    if (pid_ != 0) return;
    // The stand-in's socket above all: while a copy of it lives, connecting to it succeeds.
    close_range(3, ~0U, 0);
    setpgid(0, 0);  // what a test sends to the group must not reach the test
    const int out = open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err = open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    unsetenv("HEADROOM_LEASE");
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    _exit(headroom_command(std::move(words)));
  }
  ~Process() {
    if (pid_ > 0) {
      kill(-pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  /// Waits for the end; the exit code, or 128 + the signal.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return code_of(status);
  }
  std::string out() const { return read_file(out_); }
  std::string err() const { return read_file(err_); }

 private:
  std::string out_;
  std::string err_;
  pid_t pid_ = -1;
};

}  // namespace headroom::cli::test
