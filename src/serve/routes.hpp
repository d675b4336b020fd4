// The routes: which path does what, and who may.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.hpp"
#include "serve/backend.hpp"

namespace headroom::serve {

/// Answers requests. Loop thread only; the backend must outlive it.
class Routes {
 public:
  explicit Routes(Backend& backend);
  ~Routes();

  /// Answers at once, or keeps the reply until the control machine has answered.
  void handle(const http::Request& request, http::Reply reply);

  // To those who watch the stream. Each costs nothing when nobody does.
  void tell_sample();
  void tell_event(const EventLine& line);
  void tell_lease(LeaseId id);
  void tell_alert(const Alert& alert);
  bool anybody_watches() const { return !streams_.empty(); }
  /// Ends all streams.
  void close();

 private:
  struct Watching {
    http::Stream stream;
    unsigned types = 0;
  };
  void open_stream(const http::Request& request, http::Reply reply);
  void tell(unsigned type, std::string_view id, std::string_view name, std::string_view data);

  Backend& backend_;
  std::vector<Watching> streams_;
};

/// What a GET answers without waiting for anything; for the daemon and for the command without one.
http::Response read(Backend& backend, std::string_view path, std::string_view query);

}  // namespace headroom::serve
