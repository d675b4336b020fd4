// A stand-in for the daemon: answers HTTP on a Unix socket with what a test says, and sends what is
// to be streamed to whoever asks for a target that ends in "/stream".
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace headroom::client::test {

struct Asked {
  std::string method;
  std::string target;
  std::string body;
};

struct Told {
  int status = 200;
  std::string body = "{}";
};

class StandIn {
 public:
  using Handler = std::function<Told(const Asked&)>;

  StandIn() {
    std::string name = "/tmp/headroom_client_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/socket";
  }
  ~StandIn() {
    stop();
    std::filesystem::remove_all(folder_);
  }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  std::string url() const { return "unix://" + path_; }

  void start(Handler handler = [](const Asked&) { return Told{}; }) {
    handler_ = std::move(handler);
    stopping_ = false;
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(fd_, 16) != 0) {
      std::abort();
    }
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

  /// Sends one event on the component's stream, or on its next one where there is none.
  void ask(const std::string& data, const std::string& component = "feature_pipeline") {
    const std::lock_guard lock(mutex_);
    events_["/api/v1/components/" + component + "/stream"].push_back(
        "event: allocation\ndata: " + data + "\n\n");
  }

  /// Waits until so many requests with this method and end of target came; they. Fewer after a
  /// minute.
  std::vector<Asked> wait_for(const std::string& method, const std::string& end,
                              std::size_t times = 1) {
    std::vector<Asked> found;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] {
      found.clear();
      for (const auto& one : asked_) {
        if (one.method == method && one.target.ends_with(end)) found.push_back(one);
      }
      return found.size() >= times;
    });
    return found;
  }

  std::size_t count(const std::string& method) {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& one : asked_) count += one.method == method ? 1 : 0;
    return count;
  }

 private:
  void accept_all() {
    while (!stopping_) {
      pollfd waiting{fd_, POLLIN, 0};
      if (poll(&waiting, 1, 5) <= 0) continue;
      const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection >= 0) connections_.emplace_back([this, connection] { talk(connection); });
    }
  }

  static bool write_all(int fd, const std::string& text) {
    return send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }

  // Streams what is asked until the other side closes, or the daemon "dies".
  void stream(int fd, const std::string& target) {
    // What was to be asked before it came is in the first piece that it gets.
    std::string text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1\n\n";
    while (!stopping_) {
      {
        const std::lock_guard lock(mutex_);
        for (const auto& one : std::exchange(events_[target], {})) text += one;
      }
      if (!text.empty() && !write_all(fd, text)) return;
      text.clear();
      pollfd waiting{fd, POLLIN, 0};
      if (poll(&waiting, 1, 2) > 0) return;
    }
  }

  void talk(int fd) {
    std::string bytes;
    std::array<char, 4096> buffer{};
    while (!stopping_) {
      pollfd waiting{fd, POLLIN, 0};
      if (poll(&waiting, 1, 5) <= 0) continue;
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
      asked.method = bytes.substr(0, bytes.find(' '));
      const auto from = asked.method.size() + 1;
      asked.target = bytes.substr(from, bytes.find(' ', from) - from);
      asked.body = bytes.substr(end + 4, length);
      bytes.erase(0, end + 4 + length);
      const Told told = handler_(asked);
      const bool streams = asked.target.ends_with("/stream") && told.status == 200;
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(asked);
      }
      changed_.notify_all();
      if (streams) {
        stream(fd, asked.target);
        break;
      }
      if (!write_all(fd, "HTTP/1.1 " + std::to_string(told.status) + " Told\r\nContent-Length: " +
                             std::to_string(told.body.size()) + "\r\n\r\n" + told.body)) {
        break;
      }
    }
    close(fd);
  }

  std::string folder_;
  std::string path_;
  int fd_ = -1;
  Handler handler_;
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;
  std::list<std::thread> connections_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Asked> asked_;
  std::map<std::string, std::vector<std::string>> events_;  ///< by target
};

}  // namespace headroom::client::test
