#include "http/server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http/fd.hpp"
#include "http/listen.hpp"
#include "http/request_parser.hpp"

namespace headroom::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;  // only for the transport's own time limits
using Descriptor = asio::posix::stream_descriptor;
using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kScratchKept = 256 << 10;
/// Bodies up to here are copied behind their head and sent as one piece; larger ones are gathered.
constexpr std::size_t kCopiedBody = 16 << 10;
constexpr int kRequestsPerTurn = 32;  ///< pipelined ones; then others get their turn
constexpr int kReadsPerTurn = 16;     ///< of one connection; then others get their turn
constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kSpareParsers = 16;
constexpr std::size_t kRefusedLingering = 64;
constexpr milliseconds kLingerTime{2000};
constexpr milliseconds kAcceptPause{100};
constexpr int kIdleTicks = 4;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

void release(std::string& text) { std::string().swap(text); }

}  // namespace

/// What all connections share.
class Server::Core : public std::enable_shared_from_this<Server::Core> {
 public:
  Core(asio::io_context& context, Limits limits_given, Handler handler_given)
      : io(context),
        limits(limits_given),
        handler(std::move(handler_given)),
        buffer(std::make_unique<char[]>(kReadBytes)),
        sweep_timer(context),
        idle_timer(context) {
    const milliseconds shortest =
        std::min({limits.header_time, limits.body_time, limits.write_time, kLingerTime});
    sweep_period = std::clamp(shortest / 4, milliseconds(10), milliseconds(1000));
  }

  struct Listener {
    Listener(asio::io_context& context, Listening opened)
        : listening(std::move(opened)), descriptor(context), pause(context) {}
    Listening listening;  ///< its fd lives in `descriptor`
    Descriptor descriptor;
    asio::steady_timer pause;
    bool closed = false;
  };

  Result<void> add_listener(Listening opened);
  void arm_accept(const std::shared_ptr<Listener>& listener);
  void accept_some(const std::shared_ptr<Listener>& listener);
  void admit(int fd);
  void stop_listening();
  void close();

  std::unique_ptr<RequestParser> take_parser();
  void give_parser(std::unique_ptr<RequestParser> parser);
  void arm_sweep();
  void sweep();
  void arm_idle();
  void idle_tick();
  void rebuild_own_headers();

  asio::io_context& io;
  const Limits limits;
  Handler handler;
  Counters counters;
  /// Every connection reads into this one buffer: an idle connection owns none.
  std::unique_ptr<char[]> buffer;
  std::string scratch;  ///< answers are put together here
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections;
  std::unordered_set<Connection*> timed;  ///< those with a deadline
  std::size_t refused_lingering = 0;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string own_headers;  ///< the same, as they are sent
  bool closed = false;

 private:
  std::vector<std::unique_ptr<RequestParser>> spare_parsers_;
  std::uint64_t last_id_ = 0;
  asio::steady_timer sweep_timer;
  asio::steady_timer idle_timer;
  bool sweep_armed_ = false;
  bool idle_armed_ = false;
  milliseconds sweep_period{};
};

/// One connection. Lives in Core::connections while open; an operation under way holds it longer.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Core = Server::Core;

  Connection(Core& core, std::uint64_t id, bool refused)
      : core_(&core), descriptor_(core.io), id_(id), refused_(refused) {}

  bool start(int fd);
  void refuse_full();
  void close();
  bool between_requests() const {
    return phase_ == Phase::open && out_.empty() && rest_.empty() && !parser_ && !continuing_;
  }
  /// One tick of the idle timer; closes the connection after enough of them.
  void idle_tick();
  void deadline_passed(Clock::time_point now);

  const Peer& peer();
  bool is_waiting(std::uint64_t number) const {
    return phase_ == Phase::waiting && number == number_;
  }
  bool is_streaming(std::uint64_t number) const {
    return phase_ == Phase::streaming && number == number_;
  }
  bool answer(std::uint64_t number, int status, std::string_view type, std::string_view body,
              std::span<const Header> headers,
              const std::vector<std::pair<std::string, std::string>>* more);
  bool open_stream(std::uint64_t number, int status, std::string_view type,
                   std::span<const Header> headers);
  bool write_stream(std::uint64_t number, std::string_view piece);
  bool close_stream(std::uint64_t number);
  void set_on_gone(std::function<void()> gone) { on_gone_ = std::move(gone); }

 private:
  enum class Phase {
    open,       ///< between requests, or receiving one
    waiting,    ///< a request is with the handler's owner
    streaming,  ///< its answer has begun and goes on
    draining,   ///< all is said; what still comes in is thrown away until the client closes
    closed,
  };
  using WaitType = Descriptor::wait_type;

  void arm_read();
  void arm_write();
  void wait_for_hangup();
  void read_on();
  bool read_far_ahead() const { return rest_.size() >= core_->limits.pipelined_bytes; }
  void on_readable();
  bool read_some();
  void on_writable();
  void process(std::string_view bytes);
  void continue_later();
  void dispatch(Request& request);
  void refuse(int status, std::string_view detail);
  void finished();
  bool busy() const { return phase_ != Phase::open || !out_.empty(); }
  void begin_head(int status, std::string_view type);
  /// Writes head (Core::scratch) and body; keeps what the socket does not take.
  bool write_out(std::string_view body);
  void finish_writing();
  void begin_draining();
  void client_gone();
  void set_deadline(milliseconds from_now);
  void clear_deadline();

  Core* core_;
  Descriptor descriptor_;
  std::uint64_t id_;
  std::uint64_t number_ = 0;               ///< of the request being answered, or the last one
  std::unique_ptr<RequestParser> parser_;  ///< only while a request is half here
  std::string rest_;                       ///< read, not parsed: pipelined requests
  std::string out_;  ///< written by us; from out_at_ on not yet taken by the socket
  std::size_t out_at_ = 0;
  std::function<void()> on_gone_;
  std::unique_ptr<Peer> peer_;
  std::optional<Clock::time_point> deadline_;
  Phase phase_ = Phase::open;
  std::uint8_t idle_ticks_ = 0;
  bool refused_;
  bool read_armed_ = false;
  bool hangup_armed_ = false;
  bool write_armed_ = false;
  bool processing_ = false;
  bool continuing_ = false;
  bool keep_alive_ = true;
  bool head_only_ = false;
  bool chunked_ = false;
  bool in_body_ = false;  ///< the deadline is the body's
  bool old_protocol_ = false;
  bool close_when_written_ = false;
};

// ---- Core -----------------------------------------------------------------------------------

Result<void> Server::Core::add_listener(Listening opened) {
  const int fd = opened.fd.release();
  auto listener = std::make_shared<Listener>(io, std::move(opened));
  error_code error;
  listener->descriptor.assign(fd, error);
  if (error) {
    ::close(fd);
    remove_socket_file(listener->listening);
    return fail(ErrorKind::internal, "cannot wait for connections", error.message());
  }
  listeners.push_back(listener);
  arm_accept(listener);
  return {};
}

void Server::Core::arm_accept(const std::shared_ptr<Listener>& listener) {
  listener->descriptor.async_wait(Descriptor::wait_read,
                                  [core = weak_from_this(), listener](error_code error) {
                                    const auto self = core.lock();
                                    if (!error && self && !listener->closed)
                                      self->accept_some(listener);
                                  });
}

void Server::Core::accept_some(const std::shared_ptr<Listener>& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = ::accept4(listener->descriptor.native_handle(), nullptr, nullptr,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      admit(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (would_block(errno)) break;
    // No descriptors or memory left: the connection stays in the backlog, so trying again at once
    // would spin.
    ++counters.accept_errors;
    listener->pause.expires_after(kAcceptPause);
    listener->pause.async_wait([core = weak_from_this(), listener](error_code error) {
      const auto self = core.lock();
      if (!error && self && !listener->closed) self->accept_some(listener);
    });
    return;
  }
  arm_accept(listener);
}

void Server::Core::admit(int fd) {
  const bool full = connections.size() - refused_lingering >= limits.connections;
  if (full) {
    ++counters.refused_full;
    if (refused_lingering >= kRefusedLingering) {
      ::close(fd);
      return;
    }
  } else {
    ++counters.accepted;
  }
  const std::uint64_t id = ++last_id_;
  const auto connection = std::make_shared<Connection>(*this, id, full);
  if (!connection->start(fd)) return;
  connections.emplace(id, connection);
  if (full) {
    ++refused_lingering;
    connection->refuse_full();
  }
  arm_idle();
}

void Server::Core::stop_listening() {
  for (const auto& listener : listeners) {
    listener->closed = true;
    remove_socket_file(listener->listening);
    error_code ignored;
    listener->descriptor.close(ignored);
    listener->pause.cancel();
  }
  listeners.clear();
}

void Server::Core::close() {
  closed = true;
  stop_listening();
  const auto all = std::exchange(connections, {});
  for (const auto& [id, connection] : all) connection->close();
  sweep_timer.cancel();
  idle_timer.cancel();
}

std::unique_ptr<RequestParser> Server::Core::take_parser() {
  if (spare_parsers_.empty()) return std::make_unique<RequestParser>(limits);
  auto parser = std::move(spare_parsers_.back());
  spare_parsers_.pop_back();
  return parser;
}

void Server::Core::give_parser(std::unique_ptr<RequestParser> parser) {
  if (spare_parsers_.size() >= kSpareParsers) return;
  parser->reset();
  spare_parsers_.push_back(std::move(parser));
}

void Server::Core::arm_sweep() {
  if (sweep_armed_ || timed.empty() || closed) return;
  sweep_armed_ = true;
  sweep_timer.expires_after(sweep_period);
  sweep_timer.async_wait([core = weak_from_this()](error_code error) {
    const auto self = core.lock();
    if (!self) return;
    self->sweep_armed_ = false;
    if (!error) self->sweep();
  });
}

void Server::Core::sweep() {
  const auto now = Clock::now();
  const std::vector<Connection*> all(timed.begin(), timed.end());
  for (Connection* connection : all) {
    // Each only ever takes itself off the list, so those still to come are alive.
    const auto alive = connection->shared_from_this();
    connection->deadline_passed(now);
  }
  arm_sweep();
}

void Server::Core::arm_idle() {
  if (idle_armed_ || connections.empty() || closed) return;
  idle_armed_ = true;
  idle_timer.expires_after(std::max(limits.idle_time / kIdleTicks, milliseconds(1)));
  idle_timer.async_wait([core = weak_from_this()](error_code error) {
    const auto self = core.lock();
    if (!self) return;
    self->idle_armed_ = false;
    if (!error) self->idle_tick();
  });
}

void Server::Core::idle_tick() {
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections.size());
  for (const auto& [id, connection] : connections) all.push_back(connection);
  for (const auto& connection : all) connection->idle_tick();
  arm_idle();
}

void Server::Core::rebuild_own_headers() {
  own_headers.clear();
  for (const auto& [name, value] : headers) append_header(own_headers, name, value);
}

// ---- Connection -----------------------------------------------------------------------------

bool Connection::start(int fd) {
  error_code error;
  descriptor_.assign(fd, error);
  if (error) {
    ::close(fd);
    ++core_->counters.accept_errors;
    return false;
  }
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

// ---- Server ---------------------------------------------------------------------------------

Server::Server(asio::io_context& io, Limits limits, Handler handler)
    : core_(std::make_shared<Core>(io, limits, std::move(handler))) {}

Server::~Server() { core_->close(); }

Result<void> Server::listen_unix(const std::string& path, mode_t mode) {
  auto opened = open_unix_listener(path, mode);
  if (!opened) return tl::unexpected(opened.error());
  return core_->add_listener(std::move(*opened));
}

Result<void> Server::listen_tcp(const std::string& host, std::uint16_t port) {
  auto opened = open_tcp_listener(host, port);
  if (!opened) return tl::unexpected(opened.error());
  return core_->add_listener(std::move(*opened));
}

Result<void> Server::listen_fd(int fd) {
  Listening taken;
  taken.fd = Fd(fd);
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
    return fail(ErrorKind::invalid_request, "cannot take over descriptor " + std::to_string(fd),
                "it is not a socket that listens");
  }
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);  // accept() must not block the loop
  return core_->add_listener(std::move(taken));
}

std::uint16_t Server::tcp_port() const {
  for (const auto& listener : core_->listeners) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = listener->descriptor.native_handle();
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    // The port lies at the same place in both families' addresses.
    if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
      return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    }
  }
  return 0;
}

void Server::set_header(std::string_view name, std::string_view value) {
  std::erase_if(core_->headers, [&](const auto& header) { return same_word(header.first, name); });
  if (!value.empty()) core_->headers.emplace_back(name, value);
  core_->rebuild_own_headers();
}

Counters Server::counters() const {
  Counters counters = core_->counters;
  counters.open_now = core_->connections.size();
  return counters;
}

void Server::stop_listening() { core_->stop_listening(); }

void Server::drop_idle() {
  std::vector<std::shared_ptr<Connection>> idle;
  for (const auto& [id, connection] : core_->connections) {
    if (connection->between_requests()) idle.push_back(connection);
  }
  for (const auto& connection : idle) connection->close();
}

void Server::close() { core_->close(); }

}  // namespace headroom::http
