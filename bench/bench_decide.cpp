#include "bench/bench_decide.hpp"

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/options.hpp"
#include "bench/timing.hpp"
#include "control/control.hpp"
#include "decide/verdict.hpp"

namespace headroom::bench {
namespace {

using namespace literals;
using std::chrono::seconds;

constexpr Bytes kEach = 1_MiB;

Instant at(int second) {
  return {BootTime(seconds(second)), WallTime(seconds(1'700'000'000 + second))};
}

// A machine of eight devices that holds `leases` leases of many users, all of them in use.
std::unique_ptr<control::Control> machine_with(int leases) {
  auto control = std::make_unique<control::Control>(Config());
  auto sample = std::make_shared<Sample>();
  sample->at = at(1);
  sample->cpu.cores = 4096;
  sample->cpu.busy = Ratio(0);
  const Bytes total(kEach.count() * leases * 4);
  sample->memory.total = total;
  sample->memory.available = total;
  for (int i = 0; i < 8; ++i) {
    GpuReading gpu;
    gpu.id = "GPU-" + std::to_string(i) + "00f";
    gpu.index = i;
    gpu.memory_total = total;
    gpu.memory_used = Bytes();
    sample->gpus.push_back(gpu);
  }
  sample->filesystems.push_back({"/", "disk", "ext4", total, total, total, false, false, {}, {}});
  control->apply(Sampled{sample}, at(1));
  for (int i = 0; i < leases; ++i) {
    AskLease ask;
    ask.name = "job";
    ask.needs.memory = kEach;
    if (i % 4 == 0) ask.needs.gpu_memory = kEach;
    if (i % 3 == 0) ask.expected = seconds(600 + i % 3600);
    ask.holder = {100 + i, 1};
    control->apply(
        Asked{static_cast<RequestId>(i + 1), {static_cast<uid_t>(1 + i % 500), true, false}, ask},
        at(2));
  }
  return control;
}

struct Result {
  std::int64_t decide = 0;
  std::int64_t asked = 0;
};

Result measure(int leases, int rounds) {
  const auto control = machine_with(leases);
  const control::State& state = control->state();
  Needs fits;
  fits.memory = kEach;
  fits.gpu_memory = kEach;
  Needs too_much;
  too_much.memory = Bytes(state.ledger.pool(decide::Ledger::kMemory).room() + kEach.count());
  // Three that fit, one that does not now and is told what is in the way.
  const auto needs_of = [&](int round) -> const Needs& { return round % 4 == 3 ? too_much : fits; };
  Result result;
  std::int64_t answers = 0;
  const auto direct = Times::of(rounds, [&](int round) {
    const decide::Books books{state.promises, state.ledger, state.queue,
                              *state.config,  at(3),        state.revision};
    auto wanted = decide::want(state.ledger, needs_of(round));
    wanted->owner = 1000;
    answers += static_cast<int>(decide::decide(books, *wanted).answer);
  });
  result.decide = direct.median();
  const auto through = Times::of(rounds, [&](int round) {
    AskFit ask;
    ask.needs = needs_of(round);
    answers +=
        static_cast<std::int64_t>(control->apply(Asked{1, {1000, true, false}, ask}, at(3)).size());
  });
  result.asked = through.median();
  std::printf("%6d leases: decide median %" PRId64 " ns, p99 %" PRId64
              " ns; asked through the control machine median %" PRId64 " ns, p99 %" PRId64
              " ns%s\n",
              static_cast<int>(state.ledger.entries().size()), direct.median(), direct.p99(),
              through.median(), through.p99(), answers == 0 ? " (nothing answered)" : "");
  return result;
}

}  // namespace

int bench_decide(std::span<char*> arguments) {
  const auto options = parse_options(arguments);
  if (!options) return 2;
  const int rounds = options->rounds > 0 ? options->rounds : 2000;
  const Result many = measure(10'000, rounds);
  const Result more = measure(100'000, rounds);
  std::printf("ten times the leases: %.2f times the time\n",
              static_cast<double>(more.asked) / static_cast<double>(many.asked));
  if (options->ns) std::printf("%" PRId64 "\n", many.asked);
  return 0;
}

}  // namespace headroom::bench
