// What a kept-alive round trip costs beside a bare epoll echo of the same number of bytes, both
// over a Unix socket with client and server pinned to one processor: an idle one costs more to
// wake than the whole trip.
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <benchmark/benchmark.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "http/client.hpp"
#include "http/request_parser.hpp"
#include "http/server.hpp"

namespace headroom::http {
namespace {

constexpr std::string_view kAsk =
    R"({"name":"train-b","needs":{"memory_bytes":1073741824,"cpu_cores":2.0},"wait_seconds":600,)"
    R"("priority":"normal","for_seconds":2400,"holder":{"pid":4121}})";
constexpr std::string_view kGranted =
    R"({"id":"l-73","name":"train-b","state":"reserved","device":null,"booked":{"memory_bytes":)"
    R"(1073741824,"cpu_cores":2.0},"measured":{"memory_bytes":0},"revision":8841})";

std::string post_bytes() {
  return "POST /api/v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Content-Length: " +
         std::to_string(kAsk.size()) + "\r\n\r\n" + std::string(kAsk);
}
constexpr std::string_view kDelete =
    "DELETE /api/v1/leases/l-73 HTTP/1.1\r\nHost: localhost\r\n\r\n";

void pin() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

/// Sends and reads once: answers this short come in one piece.
void trip(int fd, std::string_view bytes, std::size_t least) {
  std::array<char, 4096> buffer;
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) std::abort();
  std::size_t have = 0;
  while (have < least) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) std::abort();
    have += static_cast<std::size_t>(n);
  }
}

void bare_echo(benchmark::State& state) {
  pin();
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::abort();
  std::thread server([fd = ends[1]] {
    pin();
    const int poll = ::epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    std::array<char, 4096> buffer;
    for (;;) {
      ::epoll_wait(poll, &event, 1, -1);
      const ssize_t n = ::read(fd, buffer.data(), buffer.size());
      if (n <= 0 || ::write(fd, buffer.data(), static_cast<std::size_t>(n)) < 0) break;
    }
    ::close(poll);
    ::close(fd);
  });
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) trip(ends[0], bytes, bytes.size());
  ::close(ends[0]);
  server.join();
}
BENCHMARK(bare_echo)->Arg(64)->Arg(350)->UseRealTime()->Unit(benchmark::kMicrosecond);

/// A server on a thread of its own, pinned like the client.
struct Served {
  Served() : path("/tmp/http_bench." + std::to_string(::getpid()) + ".sock") {
    server = std::make_unique<Server>(io, Limits{}, [](const Request& request, Reply reply) {
      if (request.method == Method::post) {
        reply.send(201, "application/json", kGranted);
      } else {
        reply.send(204, {}, {});
      }
    });
    server->set_header("X-Node", "bench");
    if (!server->listen_unix(path, 0600)) std::abort();
    thread = std::thread([this] {
      pin();
      io.run();
    });
  }
  ~Served() {
    io.stop();
    thread.join();
  }
  std::string path;
  boost::asio::io_context io{1};
  std::unique_ptr<Server> server;
  std::thread thread;
};

int dial(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  return fd;
}

void post_and_delete(benchmark::State& state) {
  pin();
  const Served served;
  const int fd = dial(served.path);
  const std::string post = post_bytes();
  for (auto _ : state) {
    trip(fd, post, kGranted.size());
    trip(fd, kDelete, 20);
  }
  ::close(fd);
}
BENCHMARK(post_and_delete)->UseRealTime()->Unit(benchmark::kMicrosecond);

void post_and_delete_by_our_client(benchmark::State& state) {
  pin();
  const Served served;
  auto client = Client::connect(*Url::parse(served.path), std::chrono::seconds(1));
  for (auto _ : state) {
    if (!client->request("POST", "/api/v1/leases", kAsk)) std::abort();
    if (!client->request("DELETE", "/api/v1/leases/l-73")) std::abort();
  }
}
BENCHMARK(post_and_delete_by_our_client)->UseRealTime()->Unit(benchmark::kMicrosecond);

void parse_post(benchmark::State& state) {
  const Limits limits;
  RequestParser parser(limits);
  const std::string post = post_bytes();
  for (auto _ : state) {
    benchmark::DoNotOptimize(parser.feed(post));
    parser.reset();
  }
}
BENCHMARK(parse_post);

}  // namespace
}  // namespace headroom::http
