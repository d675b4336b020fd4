#include "decide/queue.hpp"

#include <algorithm>
#include <iterator>

namespace headroom::decide {

bool Queue::among_planned(const Key& key) const {
  const auto rest = order_.begin() + static_cast<std::ptrdiff_t>(planned_);
  return std::any_of(order_.begin(), rest, [&](const Key& k) { return k > key; });
}

std::vector<Queue::Key>::const_iterator Queue::find(const Key& key) const {
  const auto rest = order_.begin() + static_cast<std::ptrdiff_t>(planned_);
  if (const auto own = std::find(order_.begin(), rest, key); own != rest) return own;
  if (!among_planned(key)) return std::lower_bound(rest, order_.end(), key);
  auto at = rest;
  while (at != order_.begin() && *std::prev(at) > key) --at;
  return at;
}

std::size_t Queue::place_of(const Key& key) const {
  return static_cast<std::size_t>(find(key) - order_.begin());
}

void Queue::insert(const Key& key) {
  const auto at = find(key);
  if (at != order_.end() && *at == key) return;
  // Then it is one of them: all keys behind them stay larger than theirs.
  if (among_planned(key)) ++planned_;
  order_.insert(at, key);
}

void Queue::erase(const Key& key) {
  const auto at = find(key);
  if (at == order_.end() || *at != key) return;
  if (place_of(key) < planned_) --planned_;
  order_.erase(at);
}

void Queue::follow(const std::vector<Key>& plan) {
  const std::size_t front = std::max(plan.size(), planned_);
  if (plan.empty() || front > order_.size()) return;
  const auto end = order_.begin() + static_cast<std::ptrdiff_t>(front);
  std::vector<Key> smallest(order_.begin(), end);
  std::sort(smallest.begin(), smallest.end());
  std::vector<Key> wanted = plan;
  std::sort(wanted.begin(), wanted.end());
  if (!std::equal(wanted.begin(), wanted.end(), smallest.begin())) return;
  std::copy(smallest.begin(), smallest.end(), order_.begin());
  std::copy(plan.begin(), plan.end(), order_.begin());
  planned_ = plan.size();
}

}  // namespace headroom::decide
