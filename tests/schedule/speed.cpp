#include "speed.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "control/control.hpp"
#include "decide/plan.hpp"
#include "play.hpp"

namespace headroom::schedule {
namespace {

using namespace literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kLeases = 10'000;
constexpr int kWaiting = 1'000;
constexpr int kModels = 4;
constexpr Bytes kModelSize = 20_GiB;

void print(const char* what, std::vector<double> micros) {
  std::sort(micros.begin(), micros.end());
  std::printf("  %-58s median %8.2f us   p99 %8.2f us   most %8.2f us\n", what,
              micros[micros.size() / 2], micros[micros.size() * 99 / 100], micros.back());
}

double micros_of(const std::function<void()>& what) {
  const auto before = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before)
      .count();
}

class Crowd {
 public:
  /// `ends`: every one of so many leases says how long it takes; 0: none.
  explicit Crowd(int ends) : control_(with_hook()) {
    sample_.memory.total = Bytes((std::int64_t{kLeases} * 100 / 95 + 1) << 20);
    sample_.memory.available = sample_.memory.total;
    sample_.cpu.cores = 64;
    sample_.cpu.busy = Ratio(0);
    GpuReading gpu;
    gpu.id = "GPU-A";
    gpu.memory_total = 80_GiB;
    gpu.memory_used = Bytes();
    gpu.processes_known = true;
    sample_.gpus.push_back(gpu);
    read();
    for (int i = 0; i < kLeases + kWaiting; ++i) {
      const bool waits = i >= kLeases;
      std::optional<seconds> expected;
      if (ends > 0 && (waits || i % ends == 0)) expected = seconds(600 + i % 3600);
      ask(memory(waits ? 2_MiB : 1_MiB), expected);
    }
    for (const auto& [id, lease] : control_.state().promises.leases) {
      if (lease.state == LeaseState::waiting) continue;
      HolderReading holder;
      holder.lease = id;
      holder.memory = lease.booked.memory;
      sample_.holders.push_back(holder);
    }
    read();
    // Five seconds without a rise, and a lease is loaded.
    now_ += 6000;
    read();
    for (int i = 0; i < kModels; ++i) load("model-" + std::to_string(i));
    std::printf("  %zu models in memory\n", models_);
    std::printf("  %zu leases, %zu waiting, %zu of the leases say when they end\n",
                control_.state().ledger.entries().size(), control_.state().queue.size(),
                control_.state().ledger.by_end().size());
  }

  void measure(int rounds) {
    std::vector<double> fits, waits, joins, exits, reads, quiet, plans, next;
    for (int i = 0; i < rounds; ++i) {
      ++now_;
      fits.push_back(micros_of([&] { fit(cores()); }));
      waits.push_back(micros_of([&] { fit(memory(3_MiB)); }));
    }
    for (int i = 0; i < rounds / 20; ++i) {
      joins.push_back(micros_of([&] { ask(memory(3_MiB), seconds(60)); }));
      leave(control_.state().promises.next_lease - 1);
    }
    for (int i = 0; i < rounds / 20; ++i) {
      now_ += 2;
      const Lease& lease = control_.state().promises.leases.at(sample_.holders.back().lease);
      const Holder holder = lease.holder;
      sample_.holders.pop_back();
      exits.push_back(micros_of([&] { apply(Exited{holder}); }));
      now_ += 1;
      reads.push_back(read());
      now_ += 1;
      quiet.push_back(read());
    }
    std::vector<double> evicts, answers, admits;
    for (int i = 0; i < rounds / 20; ++i) {
      now_ += 10'000;
      read();
      // The device is full of models: the new one needs the place of two.
      const std::string name = "model-" + std::to_string(kModels + i);
      evicts.push_back(micros_of([&] { want_model(name); }));
      const std::vector<AskHook> asked = std::exchange(asked_, {});
      for (const AskHook& ask : asked) {
        now_ += 1;
        answers.push_back(
            micros_of([&] { apply(HookAnswered{ask.ask, HookResult::freed, "unloaded"}); }));
        std::erase_if(sample_.holders, [&](const auto& one) { return one.lease == ask.lease; });
      }
      now_ += 1;
      admits.push_back(read());
      loaded(name, kModelSize);
    }
    for (int i = 0; i < rounds / 20; ++i) {
      const control::State& state = control_.state();
      const decide::Books books{state.promises, state.ledger, state.queue,
                                *state.config,  at(),         state.revision};
      plans.push_back(micros_of([&] { effects_ += decide::plan(books).size(); }));
      next.push_back(micros_of([&] { effects_ += decide::next_start(books) ? 1U : 0U; }));
    }
    print("a question about what fits", fits);
    print("a question about what has to wait", waits);
    print("a request that joins the queue", joins);
    print("in which order the first of them had best go", plans);
    print("who of them starts next, if anybody", next);
    print("an exit", exits);
    print("the sample after it, with the admission", reads);
    print("a sample that admits nobody", quiet);
    print("a request for which a model has to go", evicts);
    print("the answer of who was asked to unload it", answers);
    print("the sample that shows it gone, with the admission", admits);
  }

 private:
  static Needs memory(Bytes bytes) {
    Needs needs;
    needs.memory = bytes;
    return needs;
  }
  static Needs cores() {
    Needs needs;
    needs.cpu = Cores(1000);
    return needs;
  }
  Instant at() const {
    return {BootTime(milliseconds(now_)), WallTime(milliseconds(1'700'000'000'000 + now_))};
  }
  static Config with_hook() {
    Config config = Stage::plain();
    HookSetting hook;
    hook.name = "mine";
    hook.kind = HookKind::command;
    hook.run = {"/bin/true"};
    config.hooks = {hook};
    config.models.min_residency = seconds(0);
    config.models.churn_loads = 0;
    config.leases.queue = 2 * kWaiting;
    return config;
  }
  void apply(const Event& event) {
    for (const Effect& effect : control_.apply(event, at())) {
      ++effects_;
      if (const auto* ask = std::get_if<AskHook>(&effect)) asked_.push_back(*ask);
    }
  }
  void want_model(const std::string& name) {
    AskModel tell;
    tell.name = name;
    tell.create = true;
    tell.hook = "mine";
    apply(Asked{++request_, {0, true, true}, tell});
    AskLease what;
    what.name = what.model = name;
    what.needs.gpu_memory = kModelSize;
    what.priority = Priority::high;
    what.holder = {++pid_, 7};
    apply(Asked{++request_, {0, true, true}, what});
  }
  void loaded(const std::string& name, Bytes bytes) {
    for (const LeaseId id : control_.state().model_leases.at(name)) {
      const Lease& lease = control_.state().promises.leases.at(id);
      if (lease.state == LeaseState::waiting) continue;
      HolderReading holder;
      holder.lease = id;
      holder.gpu = lease.gpu;
      holder.gpu_memory = bytes;
      sample_.holders.push_back(holder);
      ++models_;
    }
    read();
    now_ += 6000;
    read();
  }
  void load(const std::string& name) {
    want_model(name);
    loaded(name, kModelSize);
  }
  void fit(const Needs& needs) {
    AskFit what;
    what.needs = needs;
    apply(Asked{++request_, {1, true, false}, what});
  }
  void ask(const Needs& needs, std::optional<seconds> expected) {
    AskLease what;
    what.name = "job";
    what.needs = needs;
    what.expected = expected;
    what.holder = {++pid_, 7};
    apply(Asked{++request_, {static_cast<uid_t>(1000 + pid_ % 500), true, false}, what});
  }
  void leave(LeaseId id) { apply(Asked{++request_, {0, true, true}, AskEnd{id}}); }
  double read() {
    sample_.at = at();
    *sample_.memory.available = *sample_.memory.total;
    Bytes used;
    for (const HolderReading& holder : sample_.holders) {
      *sample_.memory.available -= holder.memory.value_or(Bytes());
      used += holder.gpu_memory.value_or(Bytes());
    }
    sample_.gpus[0].memory_used = used;
    const Sampled event{std::make_shared<Sample>(sample_)};
    return micros_of([&] { apply(event); });
  }

  control::Control control_;
  Sample sample_;
  std::int64_t now_ = 1000;
  pid_t pid_ = 100;
  RequestId request_ = 0;
  std::size_t effects_ = 0;
  std::size_t models_ = 0;
  std::vector<AskHook> asked_;
};

}  // namespace

void print_speed() {
  for (const int ends : {1, 3, 100, 0}) Crowd(ends).measure(4000);
}

}  // namespace headroom::schedule
