// Which leases were changed since somebody looked last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <headroom/lease.hpp>

namespace headroom {

/// Takes an id in a few nanoseconds, however often the same one comes; its memory stays in
/// proportion to the number of different ones.
class ChangedLeases {
 public:
  void add(LeaseId id) {
    if (!ids_.empty() && ids_.back() == id) return;
    if (ids_.size() >= tidy_at_) {
      tidy();
      tidy_at_ = std::max(kFirst, 2 * ids_.size());
    }
    ids_.push_back(id);
  }
  /// All since the last call, ascending, each once.
  std::vector<LeaseId> take() {
    tidy();
    return std::exchange(ids_, {});
  }
  /// How many are kept; more than there are different ones, maybe.
  std::size_t size() const { return ids_.size(); }

 private:
  static constexpr std::size_t kFirst = 1024;

  void tidy() {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  }

  std::vector<LeaseId> ids_;
  std::size_t tidy_at_ = kFirst;
};

}  // namespace headroom
