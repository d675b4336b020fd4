// A load: which models there are, how much place, and who is asked for when.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headroom::eviction {

/// splitmix64, so that a seed means the same load with every compiler and library.
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
  int below(int n) { return static_cast<int>(next() % static_cast<std::uint64_t>(n)); }
  int between(int least, int most) { return least + below(most - least + 1); }
  bool percent(int chance) { return below(100) < chance; }

 private:
  std::uint64_t state_;
};

struct Model {
  std::int64_t bytes = 0;
  std::int64_t reload = 0;  ///< ms
};

struct Use {
  std::int64_t at = 0;  ///< ms
  int model = 0;
};

struct Trace {
  std::string name;  ///< family, models, size, seed
  std::vector<Model> models;
  std::int64_t capacity = 0;
  std::vector<Use> uses;
};

/// What the models of a load are like.
enum class Kind {
  equal,  ///< one size, one reload time
  sized,  ///< 0.4 to 24 GB, read at one speed
  mixed,  ///< 0.4 to 24 GB, each its own speed and start-up time
};
const char* to_string(Kind kind);

struct Family {
  const char* name;
  bool developed;  ///< the policy was developed while looking at loads of this family
  const char* what;
};
/// Every synthetic family.
const std::vector<Family>& families();

/// The load of a family. REQUIRES: models ≥ 4.
Trace make(const Family& family, Kind kind, int models, int uses, std::uint64_t seed);

/// Models and place for `count` models, as make() has them.
void furnish(Trace& trace, Kind kind, int count, Random& random);

}  // namespace headroom::eviction
