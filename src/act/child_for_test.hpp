// A forked child for tests: waits until it is told to go, and never outlives its object.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace headroom::act {

class Child {
 public:
  /// Waits for go(), then runs `work`, whose result is its exit status.
  explicit Child(const std::function<int()>& work = [] { return 0; }) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(ends[1]);
      char byte;
      const bool told = ::read(ends[0], &byte, 1) == 1;
      ::_exit(told ? work() : 99);
    }
    ::close(ends[0]);
    go_ = ends[1];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    wait_killed();
    ::close(go_);
  }

  pid_t pid() const { return pid_; }
  void go() {
    if (::write(go_, "g", 1) != 1) std::abort();
  }
  /// Ends it, but leaves it as a zombie; returns when it is one.
  void kill_only() {
    ::kill(pid_, SIGKILL);
    siginfo_t facts;
    ::waitid(P_PID, static_cast<id_t>(pid_), &facts, WEXITED | WNOWAIT);
  }
  /// The wait status; waits for the end.
  int wait() {
    if (!waited_) {
      while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
      }
      waited_ = true;
    }
    return status_;
  }
  bool wait_stopped() {
    int status = 0;
    return ::waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
  }
  int wait_killed() {
    if (!waited_) ::kill(pid_, SIGKILL);
    return wait();
  }

 private:
  pid_t pid_ = -1;
  int go_ = -1;
  int status_ = 0;
  bool waited_ = false;
};

}  // namespace headroom::act
