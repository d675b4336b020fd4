// One connection of the server, and what all of them share. For this room only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http/listen.hpp"
#include "http/request_parser.hpp"
#include "http/server.hpp"
#include "http/tls.hpp"

namespace headroom::http {

inline constexpr std::size_t kReadBytes = 64 << 10;
inline constexpr std::chrono::milliseconds kLingerTime{2000};

/// What all connections share.
class Server::Core : public std::enable_shared_from_this<Server::Core> {
 public:
  Core(boost::asio::io_context& context, Limits limits_given, Handler handler_given)
      : io(context),
        limits(limits_given),
        handler(std::move(handler_given)),
        buffer(std::make_unique<char[]>(kReadBytes)),
        sweep_timer(context),
        idle_timer(context) {
    const std::chrono::milliseconds shortest =
        std::min({limits.header_time, limits.body_time, limits.write_time, kLingerTime});
    sweep_period =
        std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
  }

  struct Listener {
    Listener(boost::asio::io_context& context, Listening opened)
        : listening(std::move(opened)), descriptor(context), pause(context) {}
    Listening listening;  ///< its fd lives in `descriptor`
    boost::asio::posix::stream_descriptor descriptor;
    boost::asio::steady_timer pause;
    bool tcp = false;
    bool closed = false;
  };

  Result<void> add_listener(Listening opened, bool tcp);
  void arm_accept(const std::shared_ptr<Listener>& listener);
  void accept_some(const std::shared_ptr<Listener>& listener);
  void admit(int fd, bool tcp);
  void stop_listening();
  void close();

  std::unique_ptr<RequestParser> take_parser();
  void give_parser(std::unique_ptr<RequestParser> parser);
  void arm_sweep();
  void sweep();
  void arm_idle();
  void idle_tick();
  void rebuild_own_headers();

  boost::asio::io_context& io;
  const Limits limits;
  Handler handler;
  Counters counters;
  /// Every connection reads into this one buffer: an idle connection owns none.
  std::unique_ptr<char[]> buffer;
  std::string scratch;              ///< answers are put together here
  std::shared_ptr<TlsContext> tls;  ///< for TCP connections that come; null: none
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
  boost::asio::steady_timer sweep_timer;
  boost::asio::steady_timer idle_timer;
  bool sweep_armed_ = false;
  bool idle_armed_ = false;
  std::chrono::milliseconds sweep_period{};
};

/// One connection. Lives in Core::connections while open; an operation under way holds it longer.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Core = Server::Core;
  using Clock = std::chrono::steady_clock;  // only for the transport's own time limits

  Connection(Core& core, std::uint64_t id, bool refused, std::unique_ptr<TlsSession> tls)
      : core_(&core), descriptor_(core.io), id_(id), refused_(refused), tls_(std::move(tls)) {}

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
  using Descriptor = boost::asio::posix::stream_descriptor;
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
  /// The same without TLS.
  bool send_out(std::string_view body);
  bool read_secret(std::string_view cipher);
  bool take(std::string_view bytes);
  void finish_writing();
  void begin_draining();
  void client_gone();
  void set_deadline(std::chrono::milliseconds from_now);
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
  std::unique_ptr<TlsSession> tls_;  ///< null: no TLS
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

}  // namespace headroom::http
