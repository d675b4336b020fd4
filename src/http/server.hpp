// The server side of HTTP/1.1 over TCP and Unix sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include <headroom/result.hpp>

#include "http/limits.hpp"
#include "http/message.hpp"

namespace boost::asio {
class io_context;
}

namespace headroom::http {

class TlsContext;

/// An answer that goes on until somebody ends it, for instance Server-Sent Events. A weak handle:
/// copies mean the same stream, and using it after the client has gone is harmless. Loop thread
/// only.
class Stream {
 public:
  Stream() = default;  ///< not open

  /// Sends a piece; an empty one sends nothing. False: the stream has ended or the client has gone.
  /// A client that lets more than Limits::stream_pending bytes pile up is dropped here.
  bool write(std::string_view piece);

  /// Ends the answer properly; the connection serves the next request. False: it had ended before.
  bool close();

  /// True while pieces can be written.
  bool open() const;

  /// `gone` is called once, later from the loop, when the client goes before close(). Replaces what
  /// Reply::on_gone() set. False: ended already, and `gone` is not kept.
  bool on_gone(std::function<void()> gone);

 private:
  friend class Reply;
  Stream(std::weak_ptr<Connection> connection, std::uint64_t number)
      : connection_(std::move(connection)), number_(number) {}
  std::weak_ptr<Connection> connection_;
  std::uint64_t number_ = 0;
};

/// The right to answer one request, now or later. A weak handle: copies mean the same request, and
/// answering twice, or after the client or the server has gone, is harmless and returns false.
/// A request that nobody ever answers leaves its client waiting. Loop thread only.
class Reply {
 public:
  Reply() = default;  ///< answers nothing

  bool send(const Response& response);
  /// The same without a Response: for answers made often.
  bool send(int status, std::string_view content_type, std::string_view body,
            std::span<const Header> headers = {});

  /// Starts an answer without an end: chunked, or until close for HTTP/1.0. After a HEAD request
  /// only the head is sent and the stream is not open.
  Stream open_stream(int status, std::string_view content_type,
                     std::span<const Header> headers = {});

  /// `gone` is called once, later from the loop, when the client goes before its answer is sent;
  /// never when the server itself is closed. Replaces an earlier one. False: answered or gone
  /// already, and `gone` is not kept.
  bool on_gone(std::function<void()> gone);

  /// True while an answer can be sent.
  bool waiting() const;

 private:
  friend class Connection;
  Reply(std::weak_ptr<Connection> connection, std::uint64_t number)
      : connection_(std::move(connection)), number_(number) {}
  std::weak_ptr<Connection> connection_;
  std::uint64_t number_ = 0;
};

/// Called for each request, one at a time per connection. An exception from it is answered with
/// 500.
using Handler = std::function<void(const Request&, Reply)>;

/// Listens, parses, calls the handler, writes. Everything runs on the thread that runs the
/// io_context, and nothing here may be called from another. The io_context must outlive the server;
/// handles may outlive both.
class Server {
 public:
  Server(boost::asio::io_context& io, Limits limits, Handler handler);
  ~Server();  ///< as close()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// See open_unix_listener().
  Result<void> listen_unix(const std::string& path, mode_t mode);
  /// See open_tcp_listener(). May be called again after a `conflict`.
  Result<void> listen_tcp(const std::string& host, std::uint16_t port);
  /// Takes over a socket that listens already (socket activation); it becomes the server's.
  Result<void> listen_fd(int fd);

  /// TCP connections that come from now on speak TLS with this certificate; null: they do not.
  void use_tls(std::shared_ptr<TlsContext> context);

  /// The port of the first TCP listener; 0 when there is none.
  std::uint16_t tcp_port() const;

  /// A header for every answer; "" as value takes it away again.
  void set_header(std::string_view name, std::string_view value);

  Counters counters() const;

  /// Accepts nobody any more and removes its own socket files; open connections stay.
  void stop_listening();
  /// Closes the connections on which no request is being received or answered.
  void drop_idle();
  /// stop_listening(), and closes every connection. on_gone functions are not called.
  void close();

  class Core;

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace headroom::http
