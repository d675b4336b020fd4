// What choosing victims costs: among 10, 100 and 1000 residents, and telling of one use.
#include <random>

#include <benchmark/benchmark.h>

#include "decide/victims.hpp"

namespace headroom::decide {
namespace {

constexpr std::int64_t kMb = 1'000'000;

struct Device {
  std::vector<Resident> residents;
  Uses uses;
  Bytes capacity;
  std::mt19937_64 random{1};

  explicit Device(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Resident one;
      one.name = "model-" + std::to_string(i);
      one.bytes = Bytes(static_cast<std::int64_t>(400 + random() % 24'000) * kMb);
      one.reload = std::chrono::milliseconds(1'000 + random() % 30'000);
      capacity += one.bytes;
      residents.push_back(one);
    }
    for (std::size_t i = 0; i < 20 * count; ++i) use();
  }
  // Half of the models are used nine times in ten.
  void use() {
    const std::size_t half = residents.size() / 2;
    const std::size_t i = random() % 10 == 0 ? half + random() % half : random() % half;
    uses.used(residents[i].name, residents[i].bytes, residents[i].reload,
              Bytes(capacity.count() / 4 * 3));
  }
};

void choose(benchmark::State& run) {
  Device device(static_cast<std::size_t>(run.range(0)));
  std::int64_t need = 0;
  for (auto _ : run) {
    need = (need + 7'919) % 40'000;
    benchmark::DoNotOptimize(choose_victims(
        device.residents, device.uses,
        {Bytes((need + 1) * kMb), Priority::normal, "asker", BootTime(std::chrono::hours(1))}, {}));
  }
}
BENCHMARK(choose)->Arg(10)->Arg(100)->Arg(1000);

void tell_of_a_use(benchmark::State& run) {
  Device device(static_cast<std::size_t>(run.range(0)));
  for (auto _ : run) device.use();
}
BENCHMARK(tell_of_a_use)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace headroom::decide
