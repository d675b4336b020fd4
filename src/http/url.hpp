// Where a daemon is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

namespace headroom::http {

/// "unix:///path" or "http://host:port"; a path behind the port is not accepted, "/" is.
struct Url {
  bool unix_socket = false;
  std::string path;  ///< of the socket
  std::string host;  ///< a name or an address, without brackets
  std::uint16_t port = 80;
  bool operator==(const Url&) const = default;

  /// `invalid_request` with how to write it. A bare path ("/run/x.sock") means a Unix socket.
  static Result<Url> parse(std::string_view text);
  /// As it would be written.
  std::string text() const;
};

}  // namespace headroom::http
