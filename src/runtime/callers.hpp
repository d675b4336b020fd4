// Who asks, and whether they may change everything.
#pragma once

#include <cstddef>
#include <map>

#include <sys/types.h>

#include "http/peer.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// Root, the daemon's own user and the members of the group "headroom" are trusted. Loop thread
/// only.
class Callers {
 public:
  Callers();
  Caller of(const http::Peer& peer);

 private:
  bool is_member(uid_t uid) const;

  gid_t group_;                    ///< -1: there is no such group
  std::map<uid_t, bool> members_;  ///< looked up once; bounded
};

}  // namespace headroom::runtime
