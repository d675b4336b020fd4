// Times of one thing done many times.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace headroom::bench {

/// The times of all rounds, in nanoseconds, ascending.
class Times {
 public:
  /// Does `work` `rounds` times after a tenth of that to warm up. `work` gets the round's number.
  template <class Work>
  static Times of(int rounds, Work work) {
    using Clock = std::chrono::steady_clock;
    int round = 0;
    for (; round < rounds / 10; ++round) work(round);
    Times times;
    times.sorted_.reserve(static_cast<std::size_t>(rounds));
    for (const int end = round + rounds; round < end; ++round) {
      const auto start = Clock::now();
      work(round);
      times.sorted_.push_back(std::chrono::nanoseconds(Clock::now() - start).count());
    }
    std::sort(times.sorted_.begin(), times.sorted_.end());
    return times;
  }
  /// Of what was timed elsewhere; nanoseconds, at least one.
  static Times of(std::vector<std::int64_t> timed) {
    Times times;
    times.sorted_ = std::move(timed);
    std::sort(times.sorted_.begin(), times.sorted_.end());
    return times;
  }
  std::int64_t least() const { return sorted_.front(); }
  std::int64_t median() const { return sorted_[sorted_.size() / 2]; }
  std::int64_t p99() const { return sorted_[sorted_.size() * 99 / 100]; }

 private:
  std::vector<std::int64_t> sorted_;
};

}  // namespace headroom::bench
