#include "http/client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

namespace headroom::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 32 << 10;
constexpr std::size_t kBodyLimit = 64 << 20;
constexpr milliseconds kFullBacklogPause{2};

std::string reason(int error) { return std::generic_category().message(error); }

milliseconds left_until(Clock::time_point end) {
  return std::chrono::ceil<milliseconds>(end - Clock::now());
}

/// Connects within the time; 0 or the errno.
int connect_within(int fd, const sockaddr* address, socklen_t size, Clock::time_point end) {
  for (;;) {
    if (::connect(fd, address, size) == 0) return 0;
    if (errno == EAGAIN) {  // a Unix socket whose backlog is full: nothing to poll for
      if (left_until(end) <= milliseconds(0)) return ETIMEDOUT;
      std::this_thread::sleep_for(kFullBacklogPause);
      continue;
    }
    if (errno != EINPROGRESS && errno != EINTR && errno != EALREADY) return errno;
    break;
  }
  for (;;) {
    const milliseconds left = left_until(end);
    if (left <= milliseconds(0)) return ETIMEDOUT;
    pollfd waiting{fd, POLLOUT, 0};
    const int n =
        ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60000)));
    if (n < 0 && errno != EINTR) return errno;
    if (n <= 0) continue;
    int error = 0;
    socklen_t error_size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
    return error;
  }
}

bool may_repeat(std::string_view method) { return method != "POST" && method != "PATCH"; }

bool has_header(std::span<const Header> headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const Header& header) { return same_word(header.name, name); });
}

}  // namespace

Client::Client(Url url, milliseconds timeout)
    : url_(std::move(url)),
      connect_timeout_(timeout),
      buffer_(std::make_unique<char[]>(kReadBytes)) {
  append_header(host_line_, "Host", url_.unix_socket ? "localhost" : url_.text().substr(7));
}

Result<Client> Client::connect(const Url& url, milliseconds timeout) {
  Client client(url, timeout);
  if (auto opened = client.open(); !opened) return tl::unexpected(opened.error());
  return client;
}

Error Client::broken(int error) const {
  const bool nobody = error == ECONNREFUSED || error == ENOENT;
  const std::string what = "cannot reach the daemon at " + url_.text();
  if (error == EACCES || error == EPERM) {
    return {ErrorKind::not_allowed, what, reason(error), "ask for the right to use its socket"};
  }
  if (error == ETIMEDOUT) return {ErrorKind::timed_out, what, "it did not answer in time", {}};
  return {ErrorKind::unavailable, what,
          nobody && error == ENOENT ? "there is no such socket"
          : nobody                  ? "nobody listens there"
          : error == 0              ? "it closed the connection"
                                    : reason(error),
          nobody ? "start the daemon, or say where it is" : ""};
}

Error Client::late() const {
  return {ErrorKind::timed_out, "the daemon at " + url_.text() + " did not answer in time", {}, {}};
}

Result<void> Client::open() {
  fd_.reset();
  used_ = false;
  waiting_limit_ = milliseconds(0);
  const auto end = Clock::now() + connect_timeout_;
  int error = 0;
  if (url_.unix_socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (url_.path.size() >= sizeof address.sun_path) {
      return fail(ErrorKind::invalid_request, "cannot reach the daemon at " + url_.text(),
                  "the path of the socket is too long");
    }
    std::memcpy(address.sun_path, url_.path.data(), url_.path.size());
    fd_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = !fd_ ? errno
                 : connect_within(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                                  sizeof address, end);
  } else {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(url_.port);
    // A numeric address first: the resolver reads half a dozen files.
    hints.ai_flags |= AI_NUMERICHOST;
    int failed = ::getaddrinfo(url_.host.c_str(), port.c_str(), &hints, &found);
    if (failed != 0) {
      hints.ai_flags &= ~AI_NUMERICHOST;
      failed = ::getaddrinfo(url_.host.c_str(), port.c_str(), &hints, &found);
    }
    if (failed != 0) {
      return fail(ErrorKind::unavailable, "cannot reach the daemon at " + url_.text(),
                  std::string("its name cannot be found: ") + ::gai_strerror(failed));
    }
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      fd_ = Fd(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      error = !fd_ ? errno : connect_within(fd_.get(), at->ai_addr, at->ai_addrlen, end);
      if (error == 0) break;
    }
    ::freeaddrinfo(found);
    const int on = 1;
    if (fd_) ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (error != 0) {
    fd_.reset();
    return tl::unexpected(broken(error));
  }
  // Blocking from here on: one system call to send, one to receive, and the time limit is the
  // socket's own.
  const int flags = ::fcntl(fd_.get(), F_GETFL);
  ::fcntl(fd_.get(), F_SETFL, flags & ~O_NONBLOCK);
  return {};
}

void Client::limit_waiting(std::optional<milliseconds> longest) {
  const milliseconds wanted = longest ? std::max(*longest, milliseconds(1)) : milliseconds(0);
  if (wanted == waiting_limit_) return;
  timeval time{};
  time.tv_sec = wanted.count() / 1000;
  time.tv_usec = wanted.count() % 1000 * 1000;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  waiting_limit_ = wanted;
}

Result<void> Client::send(std::string_view method, std::string_view target, std::string_view body,
                          std::span<const Header> headers) {
  out_.assign(method);
  out_ += ' ';
  out_ += target;
  out_ += " HTTP/1.1\r\n";
  out_ += host_line_;
  for (const Header& header : headers) append_header(out_, header.name, header.value);
  if (!body.empty() && !has_header(headers, "Content-Type")) {
    out_ += "Content-Type: application/json\r\n";
  }
  if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    out_ += "Content-Length: ";
    append_number(out_, body.size());
    out_ += "\r\n";
  }
  out_ += "\r\n";
  out_ += body;
  std::string_view rest = out_;
  while (!rest.empty()) {
    const ssize_t n = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return tl::unexpected(late());
    if (n < 0) return tl::unexpected(broken(errno));
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<ClientResponse> Client::receive(bool head_request, Deadline deadline, TimePoint end,
                                       bool& nothing_came) {
  ResponseParser parser(head_request, body_limit_);
  const auto garbage = [&] {
    return fail(ErrorKind::internal, "the answer of " + url_.text() + " cannot be read",
                std::string(parser.why()), "see whether the address is right");
  };
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), buffer_.get(), kReadBytes, 0);
    if (n < 0 && errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
      return tl::unexpected(broken(errno));
    }
    if (n == 0) {
      if (nothing_came) return tl::unexpected(broken(0));
      if (parser.finish() != ResponseParser::State::complete) return garbage();
      fd_.reset();
      return std::move(parser.response());
    }
    if (n > 0) {
      nothing_came = false;
      const auto step = parser.feed({buffer_.get(), static_cast<std::size_t>(n)});
      if (step.state == ResponseParser::State::bad) return garbage();
      if (step.state == ResponseParser::State::complete) {
        // Bytes behind an answer that nobody asked for: the two sides are out of step.
        if (!parser.keep_alive() || step.used != static_cast<std::size_t>(n)) fd_.reset();
        return std::move(parser.response());
      }
    }
    if (deadline) {
      const milliseconds left = left_until(end);
      if (left <= milliseconds(0)) return tl::unexpected(late());
      limit_waiting(left);
    }
  }
}

Result<ClientResponse> Client::request(std::string_view method, std::string_view target,
                                       std::string_view body, std::span<const Header> headers,
                                       Deadline deadline) {
  const TimePoint end = deadline ? Clock::now() + *deadline : TimePoint::max();
  for (bool again = false;; again = true) {
    if (!fd_) {
      if (auto opened = open(); !opened) return tl::unexpected(opened.error());
    }
    const bool reused = std::exchange(used_, true);
    limit_waiting(deadline ? std::optional(again ? left_until(end) : *deadline) : std::nullopt);
    bool nothing_came = true;
    auto sent = send(method, target, body, headers);
    // A server that refuses a request early has answered although sending broke off.
    auto answer = sent || sent.error().kind == ErrorKind::unavailable
                      ? receive(method == "HEAD", deadline, end, nothing_came)
                      : Result<ClientResponse>(tl::unexpected(sent.error()));
    if (answer) {
      if (!sent) fd_.reset();
      return answer;
    }
    fd_.reset();
    // The server may have closed an idle connection just as it was used again.
    const bool repeat = reused && nothing_came && answer.error().kind == ErrorKind::unavailable &&
                        (!sent || may_repeat(method));
    if (!repeat) return answer;
  }
}

Result<ClientResponse> Client::stream(std::string_view target,
                                      const std::function<bool(std::string_view)>& on_piece,
                                      std::span<const Header> headers, int wake) {
  if (!fd_ || used_) {  // one used before may just have been closed by the server
    if (auto opened = open(); !opened) return tl::unexpected(opened.error());
  }
  limit_waiting(std::nullopt);
  if (auto sent = send("GET", target, {}, headers); !sent) {
    fd_.reset();
    return tl::unexpected(sent.error());
  }
  // Pieces are handed on and forgotten, so the whole may be endless.
  ResponseParser parser(false, std::numeric_limits<std::size_t>::max());
  const Fd fd = std::move(fd_);  // nothing else may be asked on it afterwards
  for (;;) {
    if (wake >= 0) {
      std::array<pollfd, 2> waiting{{{fd.get(), POLLIN, 0}, {wake, POLLIN, 0}}};
      const int ready = ::poll(waiting.data(), waiting.size(), -1);
      if (ready < 0 && errno != EINTR) return tl::unexpected(broken(errno));
      if ((ready < 0 || waiting[1].revents != 0) && !on_piece({})) {
        return std::move(parser.response());
      }
      if (ready < 0 || waiting[0].revents == 0) continue;
    }
    const ssize_t n = ::recv(fd.get(), buffer_.get(), kReadBytes, 0);
    if (n < 0 && errno == EINTR) {
      if (!on_piece({})) return std::move(parser.response());
      continue;
    }
    if (n < 0) return tl::unexpected(broken(errno));
    using State = ResponseParser::State;
    const State state = n == 0 ? (parser.empty() ? State::bad : parser.finish())
                               : parser.feed({buffer_.get(), static_cast<std::size_t>(n)}).state;
    ClientResponse& response = parser.response();
    const bool refused = parser.head_done() && response.status / 100 != 2;
    if (refused && response.body.size() > kBodyLimit) {
      return fail(ErrorKind::internal, "the answer of " + url_.text() + " cannot be read",
                  "its body is too large");
    }
    if (!refused && !response.body.empty()) {
      const bool go_on = on_piece(response.body);
      response.body.clear();
      if (!go_on) return std::move(response);
    }
    if (state == State::complete) return std::move(response);
    if (n == 0) return tl::unexpected(broken(0));
    if (state == State::bad) {
      return fail(ErrorKind::internal, "the answer of " + url_.text() + " cannot be read",
                  std::string(parser.why()));
    }
  }
}

}  // namespace headroom::http
