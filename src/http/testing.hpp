// For this room's tests: a server on a loop thread, raw sockets, and waiting with a deadline.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "http/fd.hpp"
#include "http/response_parser.hpp"
#include "http/server.hpp"

namespace headroom::http::testing {

constexpr std::chrono::seconds kPatience{60};  ///< nothing here takes that long unless it is broken

/// A folder that is removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "http_test.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// A server whose loop runs on a thread of its own.
class Served {
 public:
  explicit Served(Handler handler, Limits limits = {})
      : work_(boost::asio::make_work_guard(io_)),
        server_(std::make_unique<Server>(io_, limits, std::move(handler))) {
    EXPECT_TRUE(server_->listen_unix(path(), 0600));
    EXPECT_TRUE(server_->listen_tcp("127.0.0.1", 0));
    port_ = server_->tcp_port();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Served() {
    on_loop([this] { server_.reset(); });
    work_.reset();
    io_.stop();
    thread_.join();
  }

  /// Runs on the loop thread and waits for it.
  void on_loop(std::function<void()> task) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  Counters counters() {
    Counters counters;
    on_loop([&] { counters = server_->counters(); });
    return counters;
  }
  Server& server() { return *server_; }
  std::string path() const { return dir_ / "s"; }
  std::uint16_t port() const { return port_; }

 private:
  TempDir dir_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// A blocking socket that says exactly what it is told to.
class Raw {
 public:
  static Raw unix_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return Raw(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  static Raw tcp(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return Raw(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }

  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // refused while still being sent to; the answer tells
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  /// Reads one answer; status 0 when the connection ends or nothing comes in time.
  ClientResponse hear(bool head_request = false) {
    ResponseParser parser(head_request, 64 << 20);
    for (;;) {
      const auto step = parser.feed(ahead_);
      ahead_.erase(0, step.used);
      if (step.state == ResponseParser::State::complete) return std::move(parser.response());
      if (step.state == ResponseParser::State::bad) return {};
      if (!read_more()) {
        if (parser.finish() == ResponseParser::State::complete) return std::move(parser.response());
        return {};
      }
    }
  }
  ClientResponse ask(std::string_view bytes) {
    say(bytes);
    return hear();
  }
  /// Everything up to the end of the connection.
  std::string hear_all() {
    while (read_more()) {
    }
    return std::exchange(ahead_, {});
  }
  /// Reads until `text` is among what came; false when the connection ends before.
  bool hear_until(std::string_view text) {
    while (ahead_.find(text) == std::string::npos) {
      if (!read_more()) return false;
    }
    return true;
  }
  /// The server has closed, and there was nothing more to read.
  bool ended() { return !read_more() && !timed_out_ && ahead_.empty(); }
  void hang_up() { fd_.reset(); }
  int fd() const { return fd_.get(); }
  const std::string& heard() const { return ahead_; }

 private:
  Raw(int family, const sockaddr* address, socklen_t size)
      : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(::connect(fd_.get(), address, size), 0);
  }
  bool read_more() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(kPatience / std::chrono::milliseconds(1))) <= 0) {
      timed_out_ = true;
      return false;
    }
    std::array<char, 65536> buffer;
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n <= 0) return false;
    ahead_.append(buffer.data(), static_cast<std::size_t>(n));
    return true;
  }
  Fd fd_;
  std::string ahead_;
  bool timed_out_ = false;
};

}  // namespace headroom::http::testing
