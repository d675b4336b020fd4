// Server-Sent Events: samples, leases, alerts and events to those who watch, asks to holders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/operation.hpp"

namespace headroom::serve {

/// The open streams, at most 64. Loop thread only; the backend and the names must outlive it.
class Streams {
 public:
  Streams(Backend& backend, UserNames& names) : backend_(backend), names_(names) {}

  void open(const Call& call, Client client);
  /// Whoever holds this lease hears what it is asked, until it goes or the lease ends.
  void listen(LeaseId lease, Client client);

  /// Whoever listens for this component hears what it is asked to set, until it goes.
  void listen(const std::string& component, Client client);

  void end_listening(const std::string& component);

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
  struct Listening {
    http::Stream stream;
    LeaseId lease = 0;
    std::uint64_t listener = 0;
  };
  struct ComponentListening {
    http::Stream stream;
    std::string component;
    std::uint64_t listener = 0;
  };
  void end_listening(LeaseId lease);
  void tell(unsigned type, std::string_view id, std::string_view name, std::string_view data);

  Backend& backend_;
  UserNames& names_;
  std::vector<Watching> watching_;
  std::vector<Listening> listening_;
  std::vector<ComponentListening> component_listening_;
};

}  // namespace headroom::serve
