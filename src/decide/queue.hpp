// The queue: who waits, in which order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <headroom/lease.hpp>

namespace headroom::decide {

/// The order of waiting leases: priority, then age, with a bound on starvation; among equals that
/// have patience left, the order that a plan gives them.
///
/// A waiter's key is the moment it asked, moved back by `ageing` for each class above low. Within
/// one `ageing` of each other, a higher class goes first and equals go by age; and nobody is
/// overtaken by anyone who asked more than 3 × `ageing` after him, whatever their class. A plan
/// (plan.hpp) may put the first ones in another order; the waiters behind them stay in that of
/// their keys, and all of their keys are larger. The order never changes by itself.
class Queue {
 public:
  using Key = std::pair<std::int64_t, LeaseId>;

  static Key key(const Lease& lease, std::chrono::seconds ageing) {
    const auto asked = lease.asked.boot.time_since_epoch();
    const auto credit = ageing * static_cast<int>(lease.priority);
    return {std::chrono::nanoseconds(asked - credit).count(), lease.id};
  }

  /// Behind the last one whose key is smaller. Inserting a key twice does nothing.
  void insert(const Key& key);
  /// Keys that are not there are ignored.
  void erase(const Key& key);
  /// Puts the first ones in this order. Ignored unless it is an order of the waiters with the
  /// smallest keys.
  void follow(const std::vector<Key>& plan);

  const std::vector<Key>& in_order() const { return order_; }
  /// Those that a plan has put in their order: the first ones of `in_order`.
  std::size_t planned() const { return planned_; }
  /// How many go before this key, which may be that of a waiter or of one that asks.
  std::size_t place_of(const Key& key) const;
  bool empty() const { return order_.empty(); }
  std::size_t size() const { return order_.size(); }

 private:
  // Whether a planned one has a larger key.
  bool among_planned(const Key& key) const;
  // The position of the key itself where it is there, else where it would be.
  std::vector<Key>::const_iterator find(const Key& key) const;

  std::vector<Key> order_;
  std::size_t planned_ = 0;
};

}  // namespace headroom::decide
