// What the holder of a lease is asked, and what it says: the doors for a holder that listens
// itself.
#include <algorithm>
#include <memory>

#include "serve/body.hpp"
#include "serve/documents.hpp"
#include "serve/handlers.hpp"
#include "serve/problem.hpp"
#include "serve/streams.hpp"

namespace headroom::serve {
namespace {

constexpr std::size_t kShown = 64;

// The living lease that a path names, where the caller may speak for its holder; else the answer.
struct OwnLease {
  LeaseId id = 0;
  http::Response refusal;
};

OwnLease own_lease(const Call& call) {
  const LeaseId id = parse_lease_id(call.item);
  const auto view = call.backend.view();
  const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                  [&](const LeaseView& l) { return l.lease.id == id; });
  if (id == 0 || found == view->leases.end()) {
    return {0, refuse(ErrorKind::not_found, "there is no lease " + call.item.substr(0, kShown),
                      "it never was, or it ended more than a day ago",
                      "GET /api/v1/leases lists them")};
  }
  const Caller caller = call.caller();
  if (!caller.known || (!caller.trusted && caller.uid != found->lease.owner)) {
    return {0, refuse(ErrorKind::not_allowed, "that lease belongs to somebody else",
                      "only its owner, root and the group headroom speak for its holder")};
  }
  if (found->lease.state == LeaseState::ended) {
    return {0, refuse(ErrorKind::conflict, "the lease has ended", found->lease.reason)};
  }
  return {id, {}};
}

}  // namespace

void get_asks(const Call& call, Client client) {
  auto lease = own_lease(call);
  if (lease.id == 0) return client.send(std::move(lease.refusal));
  if (call.streams == nullptr) {
    return client.send(refuse(ErrorKind::unavailable, "a stream needs the daemon"));
  }
  call.streams->listen(lease.id, std::move(client));
}

http::Response post_answer(const Call& call) {
  auto lease = own_lease(call);
  if (lease.id == 0) return std::move(lease.refusal);
  auto answer = parse_answer(call.body());
  if (!answer) return problem(answer.error());
  const auto taken = call.backend.answer(lease.id, answer->ask, answer->result, answer->said);
  if (!taken) return problem(taken.error());
  return document([&](Json& json) { write_taken(json, answer->ask); });
}

}  // namespace headroom::serve
