// The client side: blocking, one connection, no threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

#include "http/fd.hpp"
#include "http/message.hpp"
#include "http/response_parser.hpp"
#include "http/url.hpp"

namespace headroom::http {

/// A connection to one server, kept open between requests. Blocks; one thread at a time.
/// Failures: `unavailable` when nobody answers or the connection breaks, `timed_out`, `internal`
/// for an answer that is not HTTP or is too large (64 MiB, or limit_body()). An answer of any
/// status is no failure.
class Client {
 public:
  using Deadline = std::optional<std::chrono::milliseconds>;

  /// Connects within `timeout`. A name is looked up, which may take longer.
  static Result<Client> connect(const Url& url, std::chrono::milliseconds timeout);

  /// Sends a request and waits for the whole answer; `deadline` is for both together, empty = for
  /// ever. A body is sent as application/json unless `headers` say otherwise. When the server has
  /// closed the connection since the last request, it connects again; a request that may have
  /// been received is only repeated when repeating it is harmless (all but POST and PATCH).
  Result<ClientResponse> request(std::string_view method, std::string_view target,
                                 std::string_view body = {}, std::span<const Header> headers = {},
                                 Deadline deadline = {});

  /// Sends a GET and calls `on_piece` with each decoded piece of the answer's body as it comes,
  /// until it returns false or the server ends the answer. `on_piece` gets "" when a signal has
  /// interrupted the wait, or while `wake` (a descriptor, or -1) is readable, so that it can stop
  /// or do something else, such as making `wake` unreadable. An answer other than 2xx comes back as
  /// it is, with its body; after one of 2xx the body is empty. Afterwards the connection is closed.
  Result<ClientResponse> stream(std::string_view target,
                                const std::function<bool(std::string_view)>& on_piece,
                                std::span<const Header> headers = {}, int wake = -1);

  /// From now on an answer of request() with more than so many bytes is one that is too large.
  void limit_body(std::size_t bytes) { body_limit_ = bytes; }

  /// The socket, to wait for its end; -1 when it is closed.
  int fd() const { return fd_.get(); }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit Client(Url url, std::chrono::milliseconds timeout);
  Result<void> open();
  Result<void> send(std::string_view method, std::string_view target, std::string_view body,
                    std::span<const Header> headers);
  Result<ClientResponse> receive(bool head_request, Deadline deadline, TimePoint end,
                                 bool& nothing_came);
  void limit_waiting(std::optional<std::chrono::milliseconds> longest);
  Error broken(int error) const;
  Error late() const;

  Url url_;
  std::chrono::milliseconds connect_timeout_;
  Fd fd_;
  std::string host_line_;
  std::string out_;
  std::unique_ptr<char[]> buffer_;
  std::size_t body_limit_ = 64 << 20;
  bool used_ = false;                           ///< something has been asked on this connection
  std::chrono::milliseconds waiting_limit_{0};  ///< as set on the socket; 0 = none
};

}  // namespace headroom::http
