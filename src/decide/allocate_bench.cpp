// A thousand components that share four resources, of which there is too little.
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "decide/allocate.hpp"

namespace headroom::decide {
namespace {

std::vector<Claim> many_claims(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most - 1)(random);
  };
  std::vector<Claim> claims(count);
  for (std::size_t i = 0; i < count; ++i) {
    Claim& claim = claims[i];
    claim.id = i + 1;
    claim.floor = below(100);
    claim.demand = below(4096);
    claim.ceiling = claim.floor + below(4096);
    claim.weight = 1 + below(10);
    claim.priority = static_cast<Priority>(below(4));
  }
  return claims;
}

/// Arguments: components, whether the classes are strict.
void allocate_four_resources(benchmark::State& state) {
  std::vector<std::vector<Claim>> resources;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    resources.push_back(many_claims(static_cast<std::size_t>(state.range(0)), seed));
  }
  const auto classes = state.range(1) != 0 ? Classes::strict : Classes::weighted;
  for (auto _ : state) {
    for (const auto& claims : resources) {
      benchmark::DoNotOptimize(allocate(claims, 700 * state.range(0), classes));
    }
  }
}
BENCHMARK(allocate_four_resources)
    ->Args({100, 1})
    ->Args({1000, 1})
    ->Args({1000, 0})
    ->Args({10000, 1});

}  // namespace
}  // namespace headroom::decide
