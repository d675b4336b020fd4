#include "decide/cover.hpp"

#include <algorithm>
#include <numeric>

namespace headroom::decide {
namespace {

// Cost and tie as one number, so that one bound prunes both: the ties of kMostItems items sum to
// at most 2^24. A cost by a size takes 40 + 24 + 49 bits.
__extension__ using Wide = __int128;
constexpr int kTieBits = 24;
Wide price(const CoverItem& item) {
  return (static_cast<Wide>(item.cost) << kTieBits) + static_cast<Wide>(item.tie);
}

class Search {
 public:
  Search(std::span<const CoverItem> items, std::int64_t need, std::uint32_t most_steps)
      : items_(items), need_(need), most_steps_(most_steps) {
    order_.resize(items.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::vector<Wide> prices(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) prices[i] = price(items[i]);
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      const Wide left = prices[a] * items[b].bytes;
      const Wide right = prices[b] * items[a].bytes;
      return left != right ? left < right : a < b;
    });
    bytes_.assign(order_.size() + 1, 0);
    price_.assign(order_.size() + 1, 0);
    for (std::size_t i = 0; i < order_.size(); ++i) {
      bytes_[i + 1] = bytes_[i] + size(i);
      price_[i + 1] = price_[i] + prices[order_[i]];
    }
  }

  Cover run() {
    Cover cover;
    if (need_ <= 0 || bytes_.back() < need_) return cover;
    greedy();
    descend();
    trim();  // a search cut short may have left what is not needed
    for (const std::size_t place : best_) {
      const std::size_t item = order_[place];
      cover.chosen.push_back(item);
      cover.bytes += items_[item].bytes;
      cover.cost += items_[item].cost;
    }
    std::sort(cover.chosen.begin(), cover.chosen.end());
    cover.exact = steps_ < most_steps_;
    cover.steps = steps_;
    return cover;
  }

 private:
  std::int64_t size(std::size_t place) const { return items_[order_[place]].bytes; }
  Wide price_at(std::size_t place) const { return price_[place + 1] - price_[place]; }

  // Takes the cheapest per byte as long as they do not cover; each item that would complete the
  // cover makes a candidate and is passed over. One of the candidates costs at most twice the
  // least (Csirik et al. 1991). What the best of them does not need is left out, dearest first.
  void greedy() {
    std::vector<std::size_t> taken;
    std::int64_t bytes = 0;
    Wide cost = 0;
    std::size_t best_prefix = 0;
    std::size_t best_last = 0;
    bool found = false;
    for (std::size_t place = 0; place < order_.size(); ++place) {
      if (bytes + size(place) < need_) {
        taken.push_back(place);
        bytes += size(place);
        cost += price_at(place);
      } else if (!found || cost + price_at(place) < best_price_) {
        found = true;
        best_price_ = cost + price_at(place);
        best_prefix = taken.size();
        best_last = place;
      }
    }
    best_.assign(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(best_prefix));
    best_.push_back(best_last);
    trim();
  }

  void trim() {
    std::sort(best_.begin(), best_.end(), [&](std::size_t a, std::size_t b) {
      return price_at(a) != price_at(b) ? price_at(a) > price_at(b) : a > b;
    });
    std::int64_t bytes = 0;
    for (const std::size_t place : best_) bytes += size(place);
    std::erase_if(best_, [&](std::size_t place) {
      if (bytes - size(place) < need_) return false;
      bytes -= size(place);
      best_price_ -= price_at(place);
      return true;
    });
  }

  // Whether covering `missing` from `place` on could come to less than `limit`: the items cheapest
  // per byte, the last of them in part, are the least it can cost.
  bool promising(std::size_t place, std::int64_t missing, Wide limit) const {
    const std::int64_t until = bytes_[place] + missing;
    if (bytes_.back() < until) return false;
    const auto found = std::lower_bound(bytes_.begin() + static_cast<std::ptrdiff_t>(place) + 1,
                                        bytes_.end(), until);
    const auto last = static_cast<std::size_t>(found - bytes_.begin()) - 1;
    const Wide left = limit - 1 - (price_[last] - price_[place]);
    return left >= 0 && price_at(last) * (until - bytes_[last]) <= left * size(last);
  }

  // Depth first, with the item and then without it.
  void descend() {
    std::vector<std::size_t> taken;
    std::int64_t bytes = 0;
    Wide cost = 0;
    std::size_t place = 0;
    while (++steps_ < most_steps_) {
      if (bytes >= need_) {
        if (cost < best_price_) {
          best_price_ = cost;
          best_ = taken;
        }
      } else if (promising(place, need_ - bytes, best_price_ - cost)) {
        taken.push_back(place);
        bytes += size(place);
        cost += price_at(place);
        ++place;
        continue;
      }
      if (taken.empty()) return;
      place = taken.back();
      taken.pop_back();
      bytes -= size(place);
      cost -= price_at(place);
      ++place;
    }
  }

  std::span<const CoverItem> items_;
  std::int64_t need_;
  std::uint32_t most_steps_;
  std::uint32_t steps_ = 0;
  std::vector<std::size_t> order_;   // by price per byte; a place is an index of it
  std::vector<std::int64_t> bytes_;  // of the places before
  std::vector<Wide> price_;          // of the places before
  std::vector<std::size_t> best_;    // places
  Wide best_price_ = 0;
};

}  // namespace

Cover cheapest_cover(std::span<const CoverItem> items, std::int64_t need,
                     std::uint32_t most_steps) {
  return Search(items, need, most_steps).run();
}

}  // namespace headroom::decide
