// Waiting for a place in the queue to become a lease, while the caller stays free for signals.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <headroom/result.hpp>

#include "client/json.hpp"

namespace headroom::cli {

/// Asks the daemon about one waiting lease, in a thread of its own, until it is no longer waiting.
/// A daemon that goes away is asked again, with pauses that grow to two seconds; one that comes
/// back without the lease gets the same request with the same key. The destructor does not wait
/// for an answer that is still under way.
class LeaseWatch {
 public:
  struct Query {
    std::string url;
    std::chrono::milliseconds timeout;  ///< for one answer, beyond the long poll itself
    std::chrono::seconds poll;          ///< how long one question may rest at the daemon
    client::json::object request;       ///< the body the lease was booked with
    std::string key;                    ///< its Idempotency-Key
  };
  LeaseWatch(Query query, std::string id);
  ~LeaseWatch();
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;

  int fd() const;  ///< readable when there is news

  /// The newest state of the lease since the last call; empty when there is none. `unavailable`
  /// means that the daemon does not answer and is asked again; any other failure is the last word.
  std::optional<Result<client::json::value>> news();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace headroom::cli
