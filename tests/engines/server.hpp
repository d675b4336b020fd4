// A small HTTP server for tests that speaks well, or lies in whatever way it is told to.
#pragma once

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace headroom::engines {

struct Request {
  std::string method;
  std::string path;   // without the query
  std::string query;  // without the "?"
  std::string head;   // all of its lines
  std::string body;
};

struct Reply {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  std::string location;  // of a redirect
};

// What a server does instead of giving its reply.
enum class Lie {
  none,
  silent,          // takes the question and says nothing
  late,            // does as asked, and says so after `kLate`
  dies,            // closes without a word
  dies_in_middle,  // half of the answer
  half_closed,     // ends its sending side at once, and stays
  web_page,        // 200 and HTML
  redirects,       // 302 to itself
  endless_body,    // chunks for ever
  endless_head,    // header lines for ever
  drips,           // a byte now and then
  huge_length,     // says that it will send a tebibyte
  not_http,        // answers as something else would
  wrong_types,     // JSON of the right names and wrong types
  too_deep,        // a thousand arrays in each other
  error_in_200,    // {"error": "…"} with a status of 200
  empty,           // 200 and nothing
  internal_error,  // 500
  wants_word,      // 401
  long_winded,     // JSON, and two mebibytes of blanks
  binary,          // 200, JSON type, and bytes that are no text
};
inline constexpr std::chrono::milliseconds kLate{300};

class Server {
 public:
  using Handler = std::function<Reply(const Request&)>;

  // Port 0: any.
  explicit Server(Handler handler, std::uint16_t port = 0) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { stop(); }

  // Ends it, as if it had died: nobody listens there any more.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      stopped_ = true;
      ::shutdown(listener_, SHUT_RDWR);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    changed_.notify_all();
    acceptor_.join();
    for (std::thread& one : talkers_) one.join();
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // From now on; to questions whose path begins so.
  void lie(Lie lie, std::string path = "/") {
    const std::lock_guard lock(mutex_);
    lies_[std::move(path)] = lie;
  }

  // "POST /sleep?level=1", in the order they came.
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  bool was_asked(const std::string& what) const {
    const auto all = asked();
    return std::find(all.begin(), all.end(), what) != all.end();
  }
  std::string last_head() const {
    const std::lock_guard lock(mutex_);
    return last_head_;
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const std::lock_guard lock(mutex_);
      if (stopped_) {
        if (fd >= 0) ::close(fd);
        return;
      }
      if (fd < 0) continue;
      open_.push_back(fd);
      talkers_.emplace_back([this, fd] { talk(fd); });
    }
  }

  void talk(int fd) {
    Request request;
    if (read(fd, request)) answer(fd, request);
    const std::lock_guard lock(mutex_);
    open_.remove(fd);
    ::close(fd);
  }

  static bool read(int fd, Request& request) {
    std::string text;
    std::size_t head_end = std::string::npos;
    std::size_t length = 0;
    char buffer[4096];
    for (;;) {
      if (head_end == std::string::npos) {
        head_end = text.find("\r\n\r\n");
        if (head_end != std::string::npos) {
          request.head = text.substr(0, head_end);
          const auto at = request.head.find("Content-Length: ");
          if (at != std::string::npos) length = std::stoul(request.head.substr(at + 16));
        }
      }
      if (head_end != std::string::npos && text.size() >= head_end + 4 + length) break;
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) return false;
      text.append(buffer, static_cast<std::size_t>(n));
    }
    request.body = text.substr(head_end + 4, length);
    const auto first = text.find(' ');
    const auto second = text.find(' ', first + 1);
    request.method = text.substr(0, first);
    request.path = text.substr(first + 1, second - first - 1);
    const auto mark = request.path.find('?');
    if (mark != std::string::npos) {
      request.query = request.path.substr(mark + 1);
      request.path.resize(mark);
    }
    return true;
  }

  static bool say(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  // Waits so long, or until the server ends.
  bool pause(std::chrono::milliseconds how_long) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, how_long, [this] { return stopped_; });
  }
  void until_hung_up(int fd) {
    char byte;
    while (::recv(fd, &byte, 1, 0) > 0) {
    }
  }

  static std::string text_of(const Reply& reply) {
    return "HTTP/1.1 " + std::to_string(reply.status) + " X\r\nContent-Type: " + reply.type +
           (reply.location.empty() ? "" : "\r\nLocation: " + reply.location) +
           "\r\nContent-Length: " + std::to_string(reply.body.size()) +
           "\r\nConnection: close\r\n\r\n" + reply.body;
  }

  void answer(int fd, const Request& request) {
    Lie lie = Lie::none;
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(request.method + " " + request.path +
                       (request.query.empty() ? "" : "?" + request.query));
      last_head_ = request.head;
      std::size_t longest = 0;
      for (const auto& [path, what] : lies_) {
        if (request.path.rfind(path, 0) == 0 && path.size() >= longest) {
          longest = path.size();
          lie = what;
        }
      }
    }
    Reply reply;
    switch (lie) {
      case Lie::none:
        say(fd, text_of(handler_(request)));
        return;
      case Lie::late:
        reply = handler_(request);
        if (pause(kLate)) say(fd, text_of(reply));
        return;
      case Lie::silent:
        until_hung_up(fd);
        return;
      case Lie::dies:
        return;
      case Lie::dies_in_middle: {
        const std::string whole = text_of(handler_(request));
        say(fd, std::string_view(whole).substr(0, whole.size() - whole.size() / 8 - 1));
        return;
      }
      case Lie::half_closed:
        ::shutdown(fd, SHUT_WR);
        until_hung_up(fd);
        return;
      case Lie::web_page:
        say(fd,
            text_of({200, "<!doctype html><html><body>Sign in</body></html>", "text/html", ""}));
        return;
      case Lie::redirects:
        say(fd, text_of({302, "", "text/plain", url() + request.path + "elsewhere"}));
        return;
      case Lie::endless_body:
        say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (say(fd, "1000\r\n" + std::string(4096, ' ') + "\r\n")) {
        }
        return;
      case Lie::endless_head:
        say(fd, "HTTP/1.1 200 OK\r\n");
        while (say(fd, "X-More: yes\r\n")) {
        }
        return;
      case Lie::drips:
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while (pause(std::chrono::milliseconds(5)) && say(fd, " ")) {
        }
        return;
      case Lie::huge_length:
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n{}");
        until_hung_up(fd);
        return;
      case Lie::not_http:
        say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
        until_hung_up(fd);
        return;
      case Lie::wrong_types:
        reply.body =
            R"({"models":{"name":1},"data":"no","running":7,"is_sleeping":"yes","devices":true,)"
            R"("system":1,"queue_running":"x","success":"true","done":"true","error":null})";
        say(fd, text_of(reply));
        return;
      case Lie::too_deep:
        reply.body = std::string(1000, '[') + std::string(1000, ']');
        say(fd, text_of(reply));
        return;
      case Lie::error_in_200:
        reply.body = R"({"error":"something went wrong inside"})";
        say(fd, text_of(reply));
        return;
      case Lie::empty:
        say(fd, text_of(reply));
        return;
      case Lie::internal_error:
        say(fd, text_of({500, R"({"error":{"message":"CUDA error: out of memory"}})",
                         "application/json", ""}));
        return;
      case Lie::wants_word:
        say(fd, text_of({401, R"({"error":"Unauthorized"})", "application/json", ""}));
        return;
      case Lie::long_winded:
        reply = handler_(request);
        reply.body += std::string(2 << 20, ' ');
        say(fd, text_of(reply));
        return;
      case Lie::binary:
        reply.body = std::string("\x00\xff\xfe{\"models\"\x1b[31m", 17);
        say(fd, text_of(reply));
        return;
    }
  }

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::list<int> open_;
  std::map<std::string, Lie> lies_;
  std::vector<std::string> asked_;
  std::string last_head_;
  std::list<std::thread> talkers_;
  std::thread acceptor_;
};

}  // namespace headroom::engines
