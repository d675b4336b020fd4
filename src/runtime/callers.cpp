#include "runtime/callers.hpp"

#include <algorithm>
#include <iterator>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace headroom::runtime {

namespace {

constexpr std::size_t kMostKnown = 1000;
constexpr gid_t kNone = static_cast<gid_t>(-1);

}  // namespace

Callers::Callers() : group_(kNone) {
  if (const group* found = getgrnam("headroom"); found != nullptr) group_ = found->gr_gid;
}

Caller Callers::of(const http::Peer& peer) {
  Caller caller;
  caller.known = peer.known;
  caller.uid = peer.uid;
  if (!peer.known) return caller;
  caller.trusted = peer.uid == 0 || peer.uid == geteuid();
  // No such group and a TCP peer's unknown group are the same number: the first is asked first.
  if (caller.trusted || group_ == kNone) return caller;
  caller.trusted = peer.gid == group_;
  if (caller.trusted) return caller;
  const auto known = members_.find(peer.uid);
  if (known != members_.end()) {
    caller.trusted = known->second;
    return caller;
  }
  if (members_.size() >= kMostKnown) members_.clear();
  caller.trusted = members_[peer.uid] = is_member(peer.uid);
  return caller;
}

bool Callers::is_member(uid_t uid) const {
  const passwd* user = getpwuid(uid);
  if (user == nullptr) return false;
  gid_t groups[256];
  int count = static_cast<int>(std::size(groups));
  if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0) return false;
  return std::find(groups, groups + count, group_) != groups + count;
}

}  // namespace headroom::runtime
