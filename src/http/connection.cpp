#include "http/connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>
#include <boost/asio/post.hpp>

namespace headroom::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::size_t kScratchKept = 256 << 10;
/// Bodies up to here are copied behind their head and sent as one piece; larger ones are gathered.
constexpr std::size_t kCopiedBody = 16 << 10;
constexpr int kRequestsPerTurn = 32;  ///< pipelined ones; then others get their turn
constexpr int kReadsPerTurn = 16;     ///< of one connection; then others get their turn
constexpr int kIdleTicks = 4;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

void release(std::string& text) { std::string().swap(text); }

}  // namespace

bool Connection::start(int fd) {
  error_code error;
  descriptor_.assign(fd, error);
  if (error) {
    ::close(fd);
    ++core_->counters.accept_errors;
    return false;
  }
  if (tls_) set_deadline(core_->limits.header_time);  // of the handshake
  arm_read();
  return true;
}

void Connection::refuse_full() {
  keep_alive_ = false;
  const std::string body = problem_body(503, "the server has as many connections as it accepts");
  begin_head(503, "application/problem+json");
  core_->scratch += "Content-Length: ";
  append_number(core_->scratch, body.size());
  core_->scratch += "\r\n\r\n";
  if (write_out(body)) finished();
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  clear_deadline();
  on_gone_ = nullptr;
  release(out_);
  release(rest_);
  error_code ignored;
  descriptor_.close(ignored);
  if (refused_) --core_->refused_lingering;
  core_->connections.erase(id_);  // may leave only the caller's reference
}

void Connection::client_gone() {
  if (phase_ == Phase::closed) return;
  std::function<void()> gone = std::move(on_gone_);
  close();
  if (!gone) return;
  // Later, so that nobody's own code runs inside its call of send() or write().
  asio::post(core_->io, [core = core_->weak_from_this(), gone = std::move(gone)] {
    const auto self = core.lock();
    if (self && !self->closed) gone();
  });
}

void Connection::idle_tick() {
  if (phase_ != Phase::open || !between_requests()) {
    idle_ticks_ = 0;
    return;
  }
  // A tick may come right after the last request: that one does not count.
  if (idle_ticks_++ >= kIdleTicks) close();
}

void Connection::set_deadline(milliseconds from_now) {
  deadline_ = Clock::now() + from_now;
  core_->timed.insert(this);
  core_->arm_sweep();
}

void Connection::clear_deadline() {
  if (!deadline_) return;
  deadline_.reset();
  core_->timed.erase(this);
}

void Connection::deadline_passed(Clock::time_point now) {
  if (!deadline_ || now < *deadline_) return;
  clear_deadline();
  if (phase_ == Phase::draining) return close();
  ++core_->counters.timeouts;
  if (!out_.empty()) return client_gone();
  refuse(408, parser_ && parser_->head_done() ? "the body did not arrive in time"
                                              : "the headers did not arrive in time");
}

const Peer& Connection::peer() {
  if (!peer_) peer_ = std::make_unique<Peer>(read_peer(descriptor_.native_handle()));
  return *peer_;
}

// Waiting for readiness instead of reading asynchronously: the bytes can then go into the buffer
// that all connections share.
void Connection::arm_read() {
  if (read_armed_ || phase_ == Phase::closed || close_when_written_) return;
  read_armed_ = true;
  descriptor_.async_wait(WaitType::wait_read, [self = shared_from_this()](error_code error) {
    self->read_armed_ = false;
    if (!error && self->phase_ != Phase::closed) self->on_readable();
  });
}

void Connection::arm_write() {
  if (write_armed_) return;
  write_armed_ = true;
  descriptor_.async_wait(WaitType::wait_write, [self = shared_from_this()](error_code error) {
    self->write_armed_ = false;
    if (!error && self->phase_ != Phase::closed) self->on_writable();
  });
}

// Reading has stopped because the client has sent enough ahead. Its end is still noticed on a Unix
// socket; over TCP the end lies behind the bytes not read.
void Connection::wait_for_hangup() {
  if (hangup_armed_) return;
  hangup_armed_ = true;
  descriptor_.async_wait(WaitType::wait_error, [self = shared_from_this()](error_code error) {
    self->hangup_armed_ = false;
    if (error || self->phase_ == Phase::closed) return;
    if (self->read_far_ahead()) self->client_gone();
  });
}

void Connection::read_on() {
  if (phase_ == Phase::closed) return;
  if (read_far_ahead()) {
    wait_for_hangup();
  } else {
    arm_read();
  }
}

void Connection::on_readable() {
  // A client that waits on the same CPU has sent its next request by the time its answer was
  // written: one more look is cheaper than a turn of the loop.
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    if (!read_some()) return;
  }
  read_on();
}

/// Reads once. True: a request was answered, and the next one may be there already; false: whoever
/// is to go on with this connection is set.
bool Connection::read_some() {
  const ssize_t n = ::recv(descriptor_.native_handle(), core_->buffer.get(), kReadBytes, 0);
  if (n < 0 && (would_block(errno) || errno == EINTR)) return arm_read(), false;
  if (n < 0) return client_gone(), false;
  if (n == 0) {
    // A client may close its sending side and still read the answer it has coming.
    if (phase_ == Phase::open && !out_.empty()) {
      close_when_written_ = true;
      return false;
    }
    return client_gone(), false;
  }
  idle_ticks_ = 0;
  if (phase_ == Phase::draining) return arm_read(), false;
  const std::string_view bytes(core_->buffer.get(), static_cast<std::size_t>(n));
  return tls_ ? read_secret(bytes) : take(bytes);
}

/// As take(), of what TLS makes of the bytes.
bool Connection::read_secret(std::string_view cipher) {
  std::string plain;
  core_->scratch.clear();
  const bool greeted = tls_->ready();
  const bool going = tls_->feed(cipher, plain, core_->scratch);
  if (!send_out({})) return false;
  if (!greeted && tls_->ready()) clear_deadline();
  const bool again = !plain.empty() && take(plain);
  if (phase_ == Phase::closed) return false;
  if (going) {
    if (!again) read_on();
    return again;
  }
  // It said goodbye, or broke the protocol: what it still has coming is sent.
  if (phase_ == Phase::open && !out_.empty()) {
    close_when_written_ = true;
  } else {
    client_gone();
  }
  return false;
}

bool Connection::take(std::string_view bytes) {
  if (busy() || continuing_) {
    rest_.append(bytes);
    return read_on(), false;
  }
  const std::uint64_t before = number_;
  process(bytes);
  if (number_ != before && between_requests()) return true;
  return read_on(), false;
}

void Connection::process(std::string_view bytes) {
  processing_ = true;
  for (int left = kRequestsPerTurn; !bytes.empty(); --left) {
    if (phase_ == Phase::closed || phase_ == Phase::draining || close_when_written_) break;
    if (busy() || left == 0) {
      rest_.assign(bytes);
      if (!busy()) continue_later();
      break;
    }
    auto parser = parser_ ? std::move(parser_) : core_->take_parser();
    const RequestParser::Step step = parser->feed(bytes);
    bytes.remove_prefix(step.used);
    if (step.state == RequestParser::State::more) {
      if (parser->empty()) {
        core_->give_parser(std::move(parser));
        break;
      }
      const bool in_body = parser->head_done();
      const bool body_began = parser->take_wants_continue();
      parser_ = std::move(parser);
      // The head has one deadline from its first byte, the body one from the head's end.
      if (!deadline_ || (in_body && !in_body_)) {
        set_deadline(in_body ? core_->limits.body_time : core_->limits.header_time);
      }
      in_body_ = in_body;
      if (body_began) {
        core_->scratch = "HTTP/1.1 100 Continue\r\n\r\n";
        if (!write_out({})) break;
      }
      break;
    }
    clear_deadline();
    in_body_ = false;
    if (step.state == RequestParser::State::refused) {
      refuse(parser->refusal().status, parser->refusal().detail);
    } else {
      dispatch(parser->request());
    }
    core_->give_parser(std::move(parser));
  }
  processing_ = false;
}

void Connection::continue_later() {
  if (continuing_ || rest_.empty()) return;
  continuing_ = true;
  asio::post(core_->io, [self = shared_from_this()] {
    self->continuing_ = false;
    if (self->phase_ != Phase::open || !self->out_.empty()) return;
    const std::string bytes = std::exchange(self->rest_, {});
    self->process(bytes);
    self->read_on();
  });
}

void Connection::dispatch(Request& request) {
  ++number_;
  ++core_->counters.requests;
  phase_ = Phase::waiting;
  keep_alive_ = request.keep_alive;
  head_only_ = request.method == Method::head;
  old_protocol_ = request.minor_version == 0;
  request.connection = id_;
  request.via = this;
  const std::uint64_t number = number_;
  try {
    core_->handler(request, Reply(weak_from_this(), number));
  } catch (...) {
    if (is_waiting(number)) {
      answer(number, 500, "application/problem+json",
             problem_body(500, "the request could not be handled"), {}, nullptr);
    }
  }
}

/// Answers in the transport's own name, and ends the connection: where the next request would
/// begin is not known.
void Connection::refuse(int status, std::string_view detail) {
  if (status == 413 || status == 414 || status == 431) {
    ++core_->counters.too_large;
  } else if (status != 408) {
    ++core_->counters.bad_requests;
  }
  if (parser_) core_->give_parser(std::move(parser_));
  ++number_;
  phase_ = Phase::waiting;
  keep_alive_ = false;
  head_only_ = false;
  answer(number_, status, "application/problem+json", problem_body(status, detail), {}, nullptr);
}

void Connection::begin_head(int status, std::string_view type) {
  std::string& out = core_->scratch;
  out.assign("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(std::clamp(status, 200, 999)));
  out += ' ';
  out += status_text(status);
  out += "\r\n";
  out += core_->own_headers;
  if (!type.empty()) append_header(out, "Content-Type", type);
  if (!keep_alive_) {
    out += "Connection: close\r\n";
  } else if (old_protocol_) {
    out += "Connection: keep-alive\r\n";
  }
}

bool Connection::answer(std::uint64_t number, int status, std::string_view type,
                        std::string_view body, std::span<const Header> headers,
                        const std::vector<std::pair<std::string, std::string>>* more) {
  if (!is_waiting(number)) return false;
  on_gone_ = nullptr;
  begin_head(status, type);
  std::string& out = core_->scratch;
  for (const Header& header : headers) append_header(out, header.name, header.value);
  if (more != nullptr) {
    for (const auto& [name, value] : *more) append_header(out, name, value);
  }
  const bool bodiless = status == 204 || status == 304;
  if (!bodiless) {
    out += "Content-Length: ";
    append_number(out, body.size());
    out += "\r\n";
  }
  out += "\r\n";
  if (!write_out(bodiless || head_only_ ? std::string_view{} : body)) return false;
  finished();
  return true;
}

/// The answer to a request is complete: on to the next one, or to the end.
void Connection::finished() {
  phase_ = Phase::open;
  if (!keep_alive_) {
    close_when_written_ = true;
    if (out_.empty()) begin_draining();
    return;
  }
  if (!processing_ && out_.empty()) continue_later();
}

bool Connection::open_stream(std::uint64_t number, int status, std::string_view type,
                             std::span<const Header> headers) {
  if (!is_waiting(number)) return false;
  chunked_ = !old_protocol_;
  if (!chunked_) keep_alive_ = false;
  begin_head(status, type);
  std::string& out = core_->scratch;
  for (const Header& header : headers) append_header(out, header.name, header.value);
  if (chunked_) out += "Transfer-Encoding: chunked\r\n";
  out += "\r\n";
  if (!write_out({})) return false;
  if (head_only_) {
    on_gone_ = nullptr;
    finished();
    return false;
  }
  phase_ = Phase::streaming;
  return true;
}

bool Connection::write_stream(std::uint64_t number, std::string_view piece) {
  if (!is_streaming(number)) return false;
  if (piece.empty()) return true;  // an empty chunk would end the answer
  const std::size_t pending = out_.size() - out_at_;
  if (pending > 0 && pending + piece.size() > core_->limits.stream_pending) {
    ++core_->counters.slow_streams_dropped;
    client_gone();
    return false;
  }
  std::string& out = core_->scratch;
  out.clear();
  if (chunked_) {
    std::array<char, 20> size;
    const int n = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
    out.append(size.data(), static_cast<std::size_t>(n));
  }
  out += piece;
  if (chunked_) out += "\r\n";
  return write_out({});
}

bool Connection::close_stream(std::uint64_t number) {
  if (!is_streaming(number)) return false;
  on_gone_ = nullptr;
  core_->scratch = chunked_ ? "0\r\n\r\n" : "";
  if (!write_out({})) return false;
  finished();
  return true;
}

bool Connection::write_out(std::string_view body) {
  if (!tls_) return send_out(body);
  std::string cipher;
  if (!tls_->wrap(core_->scratch, cipher) || !tls_->wrap(body, cipher)) {
    client_gone();
    return false;
  }
  core_->scratch = std::move(cipher);
  return send_out({});
}

bool Connection::send_out(std::string_view body) {
  std::string& head = core_->scratch;
  if (body.size() <= kCopiedBody) {
    head += body;
    body = {};
  }
  std::size_t sent = 0;
  if (out_.empty() && !head.empty()) {
    std::array<iovec, 2> parts{iovec{head.data(), head.size()},
                               iovec{const_cast<char*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = body.empty() ? 1 : 2;
    const ssize_t n =
        body.empty() ? ::send(descriptor_.native_handle(), head.data(), head.size(), MSG_NOSIGNAL)
                     : ::sendmsg(descriptor_.native_handle(), &message, MSG_NOSIGNAL);
    if (n < 0 && !would_block(errno) && errno != EINTR) {
      client_gone();
      return false;
    }
    sent = n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  if (sent < head.size() + body.size()) {
    const bool first = out_.empty();
    if (out_at_ > out_.size() / 2) out_.erase(0, std::exchange(out_at_, 0));
    if (sent < head.size()) out_.append(head, sent);
    out_.append(body.substr(sent > head.size() ? sent - head.size() : 0));
    if (first) set_deadline(core_->limits.write_time);
    arm_write();
  }
  if (head.capacity() > kScratchKept) release(head);
  return true;
}

void Connection::on_writable() {
  const ssize_t n = ::send(descriptor_.native_handle(), out_.data() + out_at_,
                           out_.size() - out_at_, MSG_NOSIGNAL);
  if (n < 0 && !would_block(errno) && errno != EINTR) return client_gone();
  if (n > 0) out_at_ += static_cast<std::size_t>(n);
  if (out_at_ == out_.size()) return finish_writing();
  if (n > 0) set_deadline(core_->limits.write_time);
  arm_write();
}

void Connection::finish_writing() {
  release(out_);
  out_at_ = 0;
  clear_deadline();
  if (phase_ != Phase::open) return;
  if (parser_) set_deadline(core_->limits.body_time);  // "100 Continue" was what had to wait
  if (close_when_written_) return begin_draining();
  continue_later();
}

/// Closing with unread input would make the kernel reset the connection and may destroy the answer
/// on its way: say that nothing more comes, and wait a little for the client to close.
void Connection::begin_draining() {
  phase_ = Phase::draining;
  close_when_written_ = false;
  release(rest_);
  ::shutdown(descriptor_.native_handle(), SHUT_WR);
  set_deadline(kLingerTime);
  if (!processing_) arm_read();
}

// ---- the handles ----------------------------------------------------------------------------

const Peer& Request::peer() const {
  static constexpr Peer kUnknown{};
  return via != nullptr ? via->peer() : kUnknown;
}

bool Reply::send(const Response& response) {
  const auto connection = connection_.lock();
  return connection && connection->answer(number_, response.status, response.content_type,
                                          response.body, {}, &response.headers);
}

bool Reply::send(int status, std::string_view content_type, std::string_view body,
                 std::span<const Header> headers) {
  const auto connection = connection_.lock();
  return connection && connection->answer(number_, status, content_type, body, headers, nullptr);
}

Stream Reply::open_stream(int status, std::string_view content_type,
                          std::span<const Header> headers) {
  const auto connection = connection_.lock();
  if (!connection || !connection->open_stream(number_, status, content_type, headers)) return {};
  return Stream(connection_, number_);
}

bool Reply::on_gone(std::function<void()> gone) {
  const auto connection = connection_.lock();
  if (!connection || !connection->is_waiting(number_)) return false;
  connection->set_on_gone(std::move(gone));
  return true;
}

bool Reply::waiting() const {
  const auto connection = connection_.lock();
  return connection && connection->is_waiting(number_);
}

bool Stream::write(std::string_view piece) {
  const auto connection = connection_.lock();
  return connection && connection->write_stream(number_, piece);
}

bool Stream::close() {
  const auto connection = connection_.lock();
  return connection && connection->close_stream(number_);
}

bool Stream::open() const {
  const auto connection = connection_.lock();
  return connection && connection->is_streaming(number_);
}

bool Stream::on_gone(std::function<void()> gone) {
  const auto connection = connection_.lock();
  if (!connection || !connection->is_streaming(number_)) return false;
  connection->set_on_gone(std::move(gone));
  return true;
}

}  // namespace headroom::http
