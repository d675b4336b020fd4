// TLS for the server, by OpenSSL, which is loaded only when somebody opens a TlsContext.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

namespace headroom::http {

/// One connection's side of TLS, between bytes: it touches no socket. Loop thread only.
class TlsSession {
 public:
  virtual ~TlsSession() = default;

  /// Takes what the client sent. Appends what it said to `plain` and what must be sent back (the
  /// handshake, alerts) to `output`. False: the connection is over, after `output` is sent; the
  /// client ended it, or broke the protocol.
  virtual bool feed(std::string_view cipher, std::string& plain, std::string& output) = 0;

  /// Appends `plain` to `output` as the client is to get it. False: it could not be done (the
  /// handshake is not over, or the session has ended).
  virtual bool wrap(std::string_view plain, std::string& output) = 0;

  /// The handshake is over.
  virtual bool ready() const = 0;
};

/// A certificate and its key, for any number of sessions, which keep it alive.
class TlsContext {
 public:
  /// Loads libssl.so.3 and the two PEM files; TLS 1.2 and newer. Errors: invalid_request for files
  /// that cannot be read or do not belong together, unavailable when there is no OpenSSL.
  static Result<std::shared_ptr<TlsContext>> open(const std::string& cert, const std::string& key);

  virtual ~TlsContext() = default;
  /// A session for a client that has just connected; null when memory is short.
  virtual std::unique_ptr<TlsSession> accept() = 0;
};

}  // namespace headroom::http
