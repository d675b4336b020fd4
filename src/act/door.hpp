// One question over HTTP to a program that is not ours, within a time and a size.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

#include "http/url.hpp"

namespace headroom::act {

/// Where such a program listens: "http://host:port/base".
struct Address {
  http::Url url;
  std::string base;  ///< "" or "/base"; a slash at its end counts only when nothing follows it
  bool operator==(const Address&) const = default;

  /// invalid_request for anything else; the text is not in the error, for it may be a secret.
  static Result<Address> parse(std::string_view text);
};

/// What came of asking.
struct Heard {
  enum class How {
    answered,     ///< with a status, whatever it is
    unreachable,  ///< nobody there; nothing was sent
    broke_off,    ///< the connection ended before the answer did
    timed_out,
    nonsense,  ///< not HTTP, or too large
  };
  How how = How::unreachable;
  bool sent = false;  ///< the question may have arrived
  int status = 0;
  std::string type;  ///< Content-Type
  std::string body;
  std::string why;  ///< one sentence, when it was not answered

  bool answered() const { return how == How::answered; }
  bool ok() const { return answered() && status >= 200 && status <= 299; }
};

/// The bounds of one question.
struct AskLimits {
  std::chrono::steady_clock::time_point deadline;
  std::size_t body_bytes = 1 << 20;  ///< of the answer
};

/// Asks once for `base` and `path` behind it, on a connection of its own, and follows no redirect.
/// Blocks until `limits.deadline` at most; only looking up a name, which an address in numbers does
/// without, may take longer. Nothing but Host, Content-Type, Content-Length and, when `token` is
/// not empty, Authorization is sent. Any thread.
Heard ask(const Address& address, std::string_view method, std::string_view path,
          std::string_view body, const std::string& token, const AskLimits& limits);

/// A name as one part of a path or a query: what is not a letter, digit or one of -._~ as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace headroom::act
