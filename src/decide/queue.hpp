// The queue: who waits, in which order.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <utility>

#include <headroom/lease.hpp>

namespace headroom::decide {

/// The order of waiting leases: priority, then age, with a bound on starvation.
///
/// A waiter's key is the moment it asked, moved back by `ageing` for each class above low. Within
/// one `ageing` of each other, a higher class goes first and equals go by age; and nobody is
/// overtaken by anyone who asked more than 3 × `ageing` after him, whatever their class. The order
/// never changes while nobody comes or goes.
class Queue {
 public:
  using Key = std::pair<std::int64_t, LeaseId>;

  static Key key(const Lease& lease, std::chrono::seconds ageing) {
    const auto asked = lease.asked.boot.time_since_epoch();
    const auto credit = ageing * static_cast<int>(lease.priority);
    return {std::chrono::nanoseconds(asked - credit).count(), lease.id};
  }

  void insert(const Key& key) { keys_.insert(key); }
  void erase(const Key& key) { keys_.erase(key); }
  const std::set<Key>& in_order() const { return keys_; }
  bool empty() const { return keys_.empty(); }
  std::size_t size() const { return keys_.size(); }

 private:
  std::set<Key> keys_;
};

}  // namespace headroom::decide
