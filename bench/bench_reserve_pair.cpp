#include "bench/bench_reserve_pair.hpp"

#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/own_daemon.hpp"
#include "bench/pin.hpp"
#include "bench/timing.hpp"

namespace headroom::bench {
namespace {

constexpr std::string_view kBody = R"({"name":"bench","needs":{"memory_bytes":1048576}})";

// One connection; as little work as a client can do that still reads the whole answer.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a request and receives its answer, head and body; empty when the connection broke.
  std::string_view exchange(std::string_view request) {
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return {};
    }
    std::size_t have = 0;
    std::size_t whole = 0;
    while (whole == 0 || have < whole) {
      // Not blocked in recv(): there the kernel wakes a client already when its request is taken
      // in, and two needless switches follow.
      pollfd ready{socket_, POLLIN, 0};
      ::poll(&ready, 1, -1);
      const ssize_t got = ::recv(socket_, answer_ + have, sizeof answer_ - have, 0);
      if (got <= 0) return {};
      have += static_cast<std::size_t>(got);
      const std::string_view text(answer_, have);
      const std::size_t end = text.find("\r\n\r\n");
      if (whole > 0 || end == std::string_view::npos) continue;
      const std::size_t length = text.find("Content-Length: ");
      if (length > end) return {};
      whole = end + 4 + std::strtoul(answer_ + length + 16, nullptr, 10);
    }
    return {answer_, have};
  }

 private:
  int socket_;
  char answer_[16384];
};

// Reserves and releases. False, with a message, when the daemon did not do it.
bool pair(Connection& connection, const std::string& reserve, std::string& release) {
  std::string_view answer = connection.exchange(reserve);
  const std::size_t id = answer.find("\"id\":\"");
  if (!answer.starts_with("HTTP/1.1 201") || id == std::string_view::npos) {
    std::fprintf(stderr, "headroom-bench: it was not reserved: %.*s\n",
                 static_cast<int>(answer.size()), answer.data());
    return false;
  }
  answer.remove_prefix(id + 6);
  release.assign("DELETE /api/v1/leases/").append(answer.substr(0, answer.find('"')));
  release.append(" HTTP/1.1\r\nHost: localhost\r\n\r\n");
  answer = connection.exchange(release);
  if (!answer.starts_with("HTTP/1.1 200")) {
    std::fprintf(stderr, "headroom-bench: it was not released: %.*s\n",
                 static_cast<int>(answer.size()), answer.data());
    return false;
  }
  return true;
}

int usage(const char* word) {
  std::fprintf(
      stderr,
      "headroom-bench: \"%s\" is not understood\n"
      "usage: headroom-bench reserve-pair [--ns] [-n COUNT] [--socket PATH | --daemon PROGRAM]\n",
      word);
  return 2;
}

}  // namespace

int bench_reserve_pair(std::span<char*> arguments) {
  bool ns = false;
  int rounds = 20'000;
  std::string socket;
  std::string program = beside_this_program("headroomd");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    const char* value = i + 1 < arguments.size() ? arguments[i + 1] : nullptr;
    if (word == "--ns") {
      ns = true;
    } else if (word == "--socket" && value != nullptr) {
      socket = arguments[++i];
    } else if (word == "--daemon" && value != nullptr) {
      program = arguments[++i];
    } else if (word == "-n" && value != nullptr && std::atoi(value) > 0) {
      rounds = std::atoi(arguments[++i]);
    } else {
      return usage(arguments[i]);
    }
  }
  const int cpu = pin_to_one_cpu();
  std::optional<OwnDaemon> daemon;
  if (socket.empty()) {
    daemon.emplace(program);
    if (!daemon->serves()) return 1;
    socket = daemon->socket();
  }
  const int descriptor = connect_to(socket);
  if (descriptor < 0) {
    std::fprintf(stderr, "headroom-bench: nobody answers on %s: %s\n", socket.c_str(),
                 std::strerror(errno));
    return 1;
  }
  Connection connection(descriptor);
  const std::string reserve =
      "POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
      std::to_string(kBody.size()) + "\r\n\r\n" + std::string(kBody);
  std::string release;
  bool done = true;
  const auto times =
      Times::of(rounds, [&](int) { done = done && pair(connection, reserve, release); });
  if (!done) return 1;
  std::printf("reserve and release on CPU %d: min %" PRId64 " ns, median %" PRId64
              " ns, p99 %" PRId64 " ns\n",
              cpu, times.least(), times.median(), times.p99());
  if (ns) std::printf("%" PRId64 "\n", times.median());
  return 0;
}

}  // namespace headroom::bench
