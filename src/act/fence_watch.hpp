// Tells when a job comes to its fence, at once: a job can take gigabytes between two samples.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

namespace headroom::act {

/// Waits at the fences of any number of leases, with one descriptor to poll. v2: the kernel says
/// that memory.events has changed. v1: a usage threshold just above the fence, far below the place
/// where the job is stopped. Nothing is polled, and a job that keeps inside its fence costs
/// nothing. All functions belong to one thread.
class FenceWatch {
 public:
  static constexpr std::size_t kMost = 4096;  ///< leases; further ones are seen with a sample

  /// Has something done that takes the kernel 10 ms and more: on v1 each threshold waits until all
  /// processors have passed through the scheduler. May call it at once, or on any thread, also
  /// after the end of the FenceWatch; at most one such call for each lease waits. False: it never
  /// calls it.
  using Later = std::function<bool(std::function<void()>)>;

  explicit FenceWatch(Later later = at_once);
  ~FenceWatch();
  FenceWatch(const FenceWatch&) = delete;
  FenceWatch& operator=(const FenceWatch&) = delete;

  /// Readable when somebody has come to a fence; -1: the kernel gives none.
  int fd() const;
  /// Tells from now on when this lease comes to `at`, and no more of where it stood before. On v1
  /// from when `later` has done its part; who has come there by then is told of at once. Errors:
  /// unavailable (no such file here, too many), not_found (the group is gone); nothing is watched
  /// then.
  Result<void> watch(LeaseId lease, const Group& group, Bytes at);
  void forget(LeaseId lease);
  /// Who has come to their fence since the last call. May name one that has gone back since.
  std::vector<LeaseId> touched();

 private:
  struct Shared;
  static bool at_once(const std::function<void()>& slow);

  Later later_;
  std::shared_ptr<Shared> shared_;  ///< with what is done later
  std::map<LeaseId, int> inotify_;  ///< v2
  std::map<int, LeaseId> by_inotify_;
};

}  // namespace headroom::act
