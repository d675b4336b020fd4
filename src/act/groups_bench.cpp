// What the event loop pays for a lease's groups.
#include <benchmark/benchmark.h>

#include <string>

#include <unistd.h>

#include "act/child_for_test.hpp"
#include "act/groups.hpp"

namespace headroom::act {
namespace {

void make_place_fence_look_remove(benchmark::State& state) {
  Groups groups = Groups::probe({"/", "headroom-bench-" + std::to_string(::getpid()), false});
  if (groups.tier() == Tier::none) {
    state.SkipWithError("no control groups here");
    return;
  }
  const auto home = groups.make(1, 0);  // where the child waits between two rounds
  Child child;
  LeaseId id = 1;
  for (auto _ : state) {
    const auto group = groups.make(++id, 0);
    if (!group || !groups.place(*group, child.pid()) || !groups.fence(*group, Bytes(1 << 30)) ||
        !groups.look(*group) || !groups.place(*home, child.pid()) || !groups.remove(*group)) {
      state.SkipWithError("a step failed");
      break;
    }
  }
  child.wait_killed();
  (void)groups.remove(*home);
}
BENCHMARK(make_place_fence_look_remove)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace headroom::act
