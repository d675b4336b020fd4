// The door to a daemon: typed calls over its HTTP interface (docs/api.md).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <headroom/result.hpp>

#include "client/json.hpp"
#include "http/client.hpp"

namespace headroom::client {

/// The address when nobody names another.
inline constexpr const char* kDefaultUrl = "unix:///run/headroom/headroom.sock";

/// One Server-Sent Event.
struct StreamEvent {
  std::string type;  ///< "snapshot", "event", …; "message" when the stream names none
  std::string id;
  std::string data;
};

/// Cuts a text/event-stream into its events. An event larger than 16 MiB is dropped.
class EventCutter {
 public:
  /// Takes the next piece of the stream and calls `on_event` for each event it completes;
  /// stops and returns false when `on_event` does.
  bool take(std::string_view piece, const std::function<bool(const StreamEvent&)>& on_event);

 private:
  std::string line_;
  StreamEvent event_;
  bool has_data_ = false;
  bool too_long_ = false;
};

/// What is done between the events of a stream.
struct BetweenEvents {
  int wake = -1;  ///< a descriptor: `then` is called while it is readable
  /// False: enough. Also called, with true, after each piece that came.
  std::function<bool(bool came)> then;
};

/// One connection to a daemon, made when first needed and made again after it broke. Every call
/// ends within the time given to the constructor, or the longer wait it names. A problem document
/// becomes its Error; a daemon that cannot be reached or does not answer is `unavailable`.
/// Not thread-safe: one Daemon per thread.
class Daemon {
 public:
  Daemon(std::string url, std::chrono::milliseconds timeout)
      : url_(std::move(url)), timeout_(timeout) {}

  const std::string& url() const { return url_; }

  /// Connects unless connected already. Over TCP the first word of the file that
  /// HEADROOM_TOKEN_FILE names goes with every request. Fails with `invalid_request` for an address
  /// that is none or a file that holds no token,
  /// with `unavailable` when nobody listens there.
  Result<void> connect();
  /// Whether the last call was given no answer in time by a daemon that was reached.
  bool was_late() const { return late_; }

  /// The body of GET `target`.
  Result<std::string> get(std::string_view target);
  /// The same, parsed.
  Result<json::value> document(std::string_view target);

  /// Would these needs fit? `request` is the body of POST /fit; changes nothing.
  Result<json::value> fit(const json::object& request);
  /// Books, or takes a place in the queue: the lease; its state says which. The same key gives the
  /// same lease, so a call whose answer was lost may be repeated.
  Result<json::value> book(const json::object& request, std::string_view idempotency_key);
  /// One lease. With `wait`, answers when it is no longer waiting, or after that time.
  Result<json::value> lease(std::string_view id, std::chrono::seconds wait = {});
  /// Changes one lease: the body of its PATCH.
  Result<json::value> change(std::string_view id, const json::object& what);
  /// Ends one lease; a waiting one leaves the queue.
  Result<json::value> end(std::string_view id);
  /// Any other call with a body.
  Result<json::value> send(std::string_view method, std::string_view target,
                           const json::object& body);

  /// Follows a stream of events until `on_event` returns false or the connection ends. An end
  /// that the daemon made is `unavailable`.
  Result<void> follow(std::string_view target,
                      const std::function<bool(const StreamEvent&)>& on_event,
                      const BetweenEvents& between = {});

 private:
  Result<std::string> exchange(std::string_view method, std::string_view target,
                               std::string_view body, std::string_view idempotency_key,
                               std::chrono::milliseconds within);
  Result<json::value> exchange_json(std::string_view method, std::string_view target,
                                    std::string_view body, std::string_view idempotency_key,
                                    std::chrono::milliseconds within);

  std::string url_;
  std::chrono::milliseconds timeout_;
  bool late_ = false;
  std::string authorization_;  ///< "Bearer …"; "" = none
  std::optional<http::Client> connection_;
};

/// The failure of a daemon that does not answer, with the way to start one.
Error no_daemon(std::string_view url, std::string_view why);

}  // namespace headroom::client
