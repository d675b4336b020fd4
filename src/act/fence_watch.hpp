// Tells when a job comes to its fence, at once: a job can take gigabytes between two samples.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

namespace headroom::act {

/// Waits at the fences of any number of leases, with one descriptor to poll. v2: the kernel says
/// that memory.events has changed. v1: a usage threshold just above the fence, far below the place
/// where the job is stopped. Nothing is polled, and a job that keeps inside its fence costs
/// nothing. Not thread-safe.
class FenceWatch {
 public:
  static constexpr std::size_t kMost = 4096;  ///< leases; further ones are seen with a sample

  FenceWatch();
  ~FenceWatch();
  FenceWatch(const FenceWatch&) = delete;
  FenceWatch& operator=(const FenceWatch&) = delete;

  /// Readable when somebody has come to a fence; -1: the kernel gives none.
  int fd() const { return poll_; }
  /// Tells from now on when this lease comes to `at`, and no more of where it stood before. Errors:
  /// unavailable (no such file here, too many), not_found (the group is gone); nothing is watched
  /// then.
  Result<void> watch(LeaseId lease, const Group& group, Bytes at);
  void forget(LeaseId lease);
  /// Who has come to their fence since the last call. May name one that has gone back since.
  std::vector<LeaseId> touched();

 private:
  struct Watched {
    int event = -1;    ///< v1: an eventfd
    int inotify = -1;  ///< v2: of `inotify_`
  };

  int poll_ = -1;
  int inotify_ = -1;
  std::map<LeaseId, Watched> leases_;
  std::map<int, LeaseId> by_inotify_;
};

}  // namespace headroom::act
