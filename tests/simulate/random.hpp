// A small generator of its own, so that a seed means the same run with every compiler and library.
#pragma once

#include <cstdint>

namespace headroom::simulate {

/// splitmix64. Not for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// From 0 to `n` − 1; `n` > 0.
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  /// From `least` to `most`, both included.
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
  }
  bool percent(int chance) { return below(100) < static_cast<std::uint64_t>(chance); }
  bool per_mille(int chance) { return below(1000) < static_cast<std::uint64_t>(chance); }

 private:
  std::uint64_t state_;
};

}  // namespace headroom::simulate
