// A stand-in for the daemon: answers HTTP on a Unix socket with what a test says.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace headroom::cli::test {

/// A folder of the test's own, removed with all in it.
class Folder {
 public:
  Folder() {
    std::string name = "/tmp/headroom_cli_XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

struct Asked {
  std::string method;
  std::string target;
  std::string head;
  std::string body;
};

struct Told {
  int status = 200;
  std::string body;
  bool hang_up = false;  ///< close the connection without an answer
};

/// Listens at once, answers only after serve(): what is forked in between inherits no thread.
class StandIn {
 public:
  using Handler = std::function<Told(const Asked&)>;

  explicit StandIn(std::string path) : path_(std::move(path)) { listen_again(); }
  ~StandIn() { stop(); }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  void serve(Handler handler) {
    handler_ = std::move(handler);
    stopping_ = false;
    acceptor_ = std::thread([this] { accept_all(); });
  }

  /// Closes the socket and every connection, as a daemon that was killed.
  void stop() {
    stopping_ = true;
    if (acceptor_.joinable()) acceptor_.join();
    for (auto& thread : connections_) thread.join();
    connections_.clear();
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    unlink(path_.c_str());
  }

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

  std::string url() const { return "unix://" + path_; }

  /// Waits until `wanted` has been asked (a method and the beginning of a target); false after a
  /// minute.
  bool was_asked(const std::string& method, const std::string& target, std::size_t times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      std::size_t count = 0;
      for (const auto& one : asked_) {
        if (one.method == method && one.target.rfind(target, 0) == 0) ++count;
      }
      return count >= times;
    });
  }

  std::vector<Asked> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void accept_all() {
    while (!stopping_) {
      pollfd waiting{fd_, POLLIN, 0};
      if (poll(&waiting, 1, 10) <= 0) continue;
      const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection >= 0) connections_.emplace_back([this, connection] { talk(connection); });
    }
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
      std::size_t length = 0;
      if (const auto at = bytes.find("Content-Length: "); at < end) {
        length = std::strtoul(bytes.c_str() + at + 16, nullptr, 10);
      }
      if (bytes.size() < end + 4 + length) continue;
      Asked asked;
      asked.head = bytes.substr(0, end);
      asked.method = bytes.substr(0, bytes.find(' '));
      const auto from = asked.method.size() + 1;
      asked.target = bytes.substr(from, bytes.find(' ', from) - from);
      asked.body = bytes.substr(end + 4, length);
      bytes.erase(0, end + 4 + length);
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(asked);
      }
      changed_.notify_all();
      const Told told = handler_(asked);
      if (told.hang_up) break;
      const std::string answer = "HTTP/1.1 " + std::to_string(told.status) +
                                 " Told\r\nContent-Length: " + std::to_string(told.body.size()) +
                                 "\r\n\r\n" + told.body;
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
    close(fd);
  }

  std::string path_;
  int fd_ = -1;
  Handler handler_;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::list<std::thread> connections_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Asked> asked_;
};

}  // namespace headroom::cli::test
