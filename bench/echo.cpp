#include "echo.hpp"

#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pin.hpp"
#include "timing.hpp"

namespace headroom::bench {
namespace {

constexpr std::size_t kMessage = 64;

// The bare loop of a daemon: wait, read, write. Ends with the client.
int serve(int socket) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = socket;
  if (poll < 0 || ::epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event) != 0) return 1;
  char buffer[kMessage];
  for (;;) {
    epoll_event ready[16];
    const int count = ::epoll_wait(poll, ready, 16, -1);
    for (int i = 0; i < count; ++i) {
      const ssize_t got = ::recv(ready[i].data.fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0) return 0;
      if (got > 0 &&
          ::send(ready[i].data.fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
        return 1;
    }
  }
}

}  // namespace

int echo(int rounds, bool ns) {
  const int cpu = pin_to_one_cpu();
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    std::fprintf(stderr, "floor: no pair of sockets: %s\n", std::strerror(errno));
    return 1;
  }
  const pid_t server = ::fork();
  if (server < 0) {
    std::fprintf(stderr, "floor: no second process: %s\n", std::strerror(errno));
    return 1;
  }
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(pair[0]);
    ::_exit(serve(pair[1]));
  }
  ::close(pair[1]);
  char message[kMessage] = {};
  bool failed = false;
  const auto times = Times::of(rounds, [&](int) {
    std::size_t have = 0;
    if (::send(pair[0], message, sizeof message, MSG_NOSIGNAL) != sizeof message) failed = true;
    while (have < sizeof message && !failed) {
      const ssize_t got = ::recv(pair[0], message, sizeof message - have, 0);
      if (got > 0) have += static_cast<std::size_t>(got);
      failed = got <= 0;
    }
  });
  ::close(pair[0]);
  ::waitpid(server, nullptr, 0);
  if (failed) {
    std::fprintf(stderr, "floor: the echo was cut\n");
    return 1;
  }
  std::printf("one echo of %zu bytes on CPU %d: min %" PRId64 " ns, median %" PRId64
              " ns, p99 %" PRId64 " ns\n",
              kMessage, cpu, times.least(), times.median(), times.p99());
  if (ns) std::printf("%" PRId64 "\n", times.median());
  return 0;
}

}  // namespace headroom::bench
