#include "http/server.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "http/connection.hpp"
#include "http/fd.hpp"

namespace headroom::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Descriptor = asio::posix::stream_descriptor;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kSpareParsers = 16;
constexpr std::size_t kRefusedLingering = 64;
constexpr milliseconds kAcceptPause{100};
constexpr int kIdleTicks = 4;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Result<void> Server::Core::add_listener(Listening opened, bool tcp) {
  const int fd = opened.fd.release();
  auto listener = std::make_shared<Listener>(io, std::move(opened));
  listener->tcp = tcp;
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
      admit(fd, listener->tcp);
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

void Server::Core::admit(int fd, bool tcp) {
  const bool full = connections.size() - refused_lingering >= limits.connections;
  if (full) {
    ++counters.refused_full;
    // Before the handshake nothing can be said.
    if (refused_lingering >= kRefusedLingering || (tcp && tls)) {
      ::close(fd);
      return;
    }
  } else {
    ++counters.accepted;
  }
  const std::uint64_t id = ++last_id_;
  std::unique_ptr<TlsSession> session;
  if (tcp && tls) session = tls->accept();
  if (tcp && tls && !session) {
    ::close(fd);
    ++counters.accept_errors;
    return;
  }
  const auto connection = std::make_shared<Connection>(*this, id, full, std::move(session));
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

// ---- Server ---------------------------------------------------------------------------------

Server::Server(asio::io_context& io, Limits limits, Handler handler)
    : core_(std::make_shared<Core>(io, limits, std::move(handler))) {}

Server::~Server() { core_->close(); }

Result<void> Server::listen_unix(const std::string& path, mode_t mode) {
  auto opened = open_unix_listener(path, mode);
  if (!opened) return tl::unexpected(opened.error());
  return core_->add_listener(std::move(*opened), false);
}

Result<void> Server::listen_tcp(const std::string& host, std::uint16_t port) {
  auto opened = open_tcp_listener(host, port);
  if (!opened) return tl::unexpected(opened.error());
  return core_->add_listener(std::move(*opened), true);
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
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  const bool tcp = ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
                   address.ss_family != AF_UNIX;
  return core_->add_listener(std::move(taken), tcp);
}

void Server::use_tls(std::shared_ptr<TlsContext> context) { core_->tls = std::move(context); }

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
