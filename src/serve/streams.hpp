// Those who watch: Server-Sent Events of samples, leases, alerts and events.
#pragma once

#include <string_view>
#include <vector>

#include "serve/operation.hpp"

namespace headroom::serve {

/// The open streams, at most 64. Loop thread only; the backend and the names must outlive it.
class Streams {
 public:
  Streams(Backend& backend, UserNames& names) : backend_(backend), names_(names) {}

  void open(const Call& call, Client client);

  // To those who watch. Each costs nothing when nobody does.
  void tell_sample();
  void tell_event(const EventLine& line);
  void tell_lease(LeaseId id);
  void tell_alert(const Alert& alert);
  bool anybody_watches() const { return !watching_.empty(); }
  /// Ends all of them.
  void close();

 private:
  struct Watching {
    http::Stream stream;
    unsigned types = 0;
  };
  void tell(unsigned type, std::string_view id, std::string_view name, std::string_view data);

  Backend& backend_;
  UserNames& names_;
  std::vector<Watching> watching_;
};

}  // namespace headroom::serve
