// The routes: who may do what, and who answers.
#pragma once

#include <memory>
#include <string_view>

#include "http/server.hpp"
#include "serve/backend.hpp"
#include "serve/pages.hpp"
#include "serve/streams.hpp"
#include "serve/user_names.hpp"

namespace headroom::serve {

/// Answers requests. Loop thread only; the backend must outlive it.
class Routes {
 public:
  explicit Routes(Backend& backend);
  ~Routes();

  /// `count` is told of every answer from now on.
  void on_answer(CountAnswer count) { count_ = std::move(count); }

  /// Answers at once, or keeps the reply until there is an answer.
  void handle(const http::Request& request, http::Reply reply);
  void handle(const http::Request& request, Client client);

  // To those who watch the stream. Each costs nothing when nobody does.
  void tell_sample() { streams_.tell_sample(); }
  void tell_event(const EventLine& line) { streams_.tell_event(line); }
  void tell_lease(LeaseId id) { streams_.tell_lease(id); }
  void tell_alert(const Alert& alert) { streams_.tell_alert(alert); }
  bool anybody_watches() const { return streams_.anybody_watches(); }
  /// Ends the streams of those who listen for this component.
  void end_listening(const std::string& component) { streams_.end_listening(component); }
  /// Ends all streams.
  void close() { streams_.close(); }

 private:
  Backend& backend_;
  UserNames names_;
  Pages pages_;
  Streams streams_;
  CountAnswer count_;
};

/// What a GET answers at once; for the command in its own process.
http::Response read(Backend& backend, std::string_view path, std::string_view query);

}  // namespace headroom::serve
