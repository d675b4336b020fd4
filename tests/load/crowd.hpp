// Many connections to one daemon, driven by one thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/result.hpp>

#include "http/fd.hpp"
#include "http/response_parser.hpp"

namespace headroom::load {

struct CrowdOptions {
  std::string socket;  ///< the daemon's Unix socket
  int port = 0;        ///< and its TCP port
  int idle = 2000;     ///< connections that ask once at the beginning and once at the end
  int busy = 50;       ///< connections that ask again and again
  int readers = 20;    ///< streams of which nothing is read; one that is dropped comes again
  double rate = 0;     ///< questions a second of all the busy together; 0 = as fast as answered
};

/// What busy connections ask for, in turn.
struct Question {
  std::string_view name;
  std::string_view target;
  std::string_view must_have;   ///< in a right answer's body
  std::size_t least_bytes = 0;  ///< of a right answer's body
  bool may_be_refused = false;  ///< 429 is a right answer too: there is a bound on those waiting
};
inline constexpr std::array<Question, 3> kQuestions = {{
    {"room", "/api/v1/room", "\"room_bytes\"", 100, false},
    {"metrics", "/metrics", "\nheadroom_loop_overruns_total ", 1000, false},
    {"history of 24 h", "/api/v1/history?resource=memory&window=24h", "\"statistics\"", 100'000,
     true},
}};

struct Asked {
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;  ///< with 429
  std::vector<double> times;  ///< milliseconds, of those answered
};

struct Told {
  std::array<Asked, kQuestions.size()> questions;
  std::uint64_t leases = 0;  ///< booked and released, by one more connection that pauses in between
  std::uint64_t idle_answered = 0;
  std::uint64_t wrong = 0;  ///< answers that were not right, and connections that broke
  std::string first_wrong;
  std::uint64_t readers_gone = 0;  ///< streams that the daemon ended
};

/// Half of the busy come over TCP, as all of the idle do; the others over the Unix socket.
class Crowd {
 public:
  explicit Crowd(CrowdOptions options);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// Opens the idle connections; each has asked once and was answered.
  Result<void> gather();
  /// Loads the daemon for so long, then waits until all that was asked is answered.
  Result<void> load(std::chrono::milliseconds length);
  /// Has each idle connection ask once more.
  Result<void> ask_idle();
  /// Closes all connections.
  void leave();

  const Told& told() const { return told_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Role { idle, busy, booker };
  struct Client {
    http::Fd fd;
    Role role = Role::idle;
    std::size_t question = 0;
    bool waiting = false;
    bool gone = false;
    Clock::time_point asked;
    std::string lease;  // the booker's, to be released
    std::optional<http::ResponseParser> parser;
  };

  Result<http::Fd> connect(bool tcp) const;
  Result<Client*> add(Role role, bool tcp);
  void ask(Client& client, std::string_view method, std::string_view target,
           std::string_view body = {});
  void ask_next(Client& client);
  void on_readable(Client& client);
  void take(Client& client, const http::ClientResponse& answer);
  void wrong(Client& client, const std::string& why);
  void done(Client& client);
  void pump(std::chrono::milliseconds at_most);
  Result<void> until_answered();
  Result<void> look_after_readers();
  Result<http::Fd> open_stream() const;

  CrowdOptions options_;
  Told told_;
  http::Fd poll_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<http::Fd> readers_;
  std::multimap<Clock::time_point, Client*> due_;  // those that pause
  std::vector<char> buffer_;
  std::size_t waiting_ = 0;
  bool loading_ = false;
};

}  // namespace headroom::load
