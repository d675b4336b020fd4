#include "bench/bench_setter.hpp"

#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/options.hpp"
#include "bench/own_daemon.hpp"
#include "bench/timing.hpp"
#include "client/component.hpp"
#include "client/daemon.hpp"
#include "control/control.hpp"
#include "runtime/in_process.hpp"

namespace headroom::bench {
namespace {

using namespace std::chrono_literals;

void print(const char* what, const Times& times) {
  std::printf("%-52s min %9" PRId64 " ns, median %9" PRId64 " ns, p99 %9" PRId64 " ns\n", what,
              times.least(), times.median(), times.p99());
}

/// Calls of one setter, counted.
class Calls {
 public:
  void note() {
    const auto at = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    ++count_;
    last_ = at;
    changed_.notify_all();
  }
  bool wait_for(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return count_ >= count; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  std::chrono::steady_clock::time_point last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  std::chrono::steady_clock::time_point last_;
};

bool over_the_socket(int rounds) {
  OwnDaemon daemon(beside_this_program("headroomd"));
  if (!daemon.serves()) return false;
  Calls calls;
  const std::string url = "unix://" + daemon.socket();
  auto component = client::register_component(
      url, "bench", {{"cpu_percent", [&](double) { calls.note(); }}}, {.cpu_percent = 20});
  if (!component || !calls.wait_for(1)) {
    std::fprintf(stderr, "headroom-bench: the component was not asked\n");
    return false;
  }
  client::Daemon asker(url, 10s);
  bool done = true;
  const auto bare = Times::of(
      rounds, [&](int) { done = done && asker.get("/api/v1/components/bench/quota").has_value(); });
  // A setter that has answered is asked the next thing; so each round waits for the one before.
  int wanted = calls.count();
  const auto set = Times::of(rounds, [&](int round) {
    client::json::object body;
    body["cpu_percent"] = round % 2 == 0 ? 30 : 20;
    body["min_cpu_percent"] = body["cpu_percent"];
    body["max_cpu_percent"] = body["cpu_percent"];
    done = done && asker.send("PUT", "/api/v1/components/bench/quota", body).has_value();
    done = done && calls.wait_for(++wanted);
  });
  if (!done) {
    std::fprintf(stderr, "headroom-bench: a setter was not called within ten seconds\n");
    return false;
  }
  print("a question to the daemon", bare);
  print("a quota, until its setter is called", set);
  std::printf("ratio of the medians %.2f\n",
              static_cast<double>(set.median()) / static_cast<double>(bare.median()));
  return true;
}

// More quotas in a row than twenty are paced, a millisecond apart: these come one by one. Of disk
// operations there is always enough, however busy the machine is.
bool in_process(int rounds) {
  Calls calls;
  runtime::InProcess alone;
  auto component = alone.register_component("bench", {{"disk_iops", [&](double) { calls.note(); }}},
                                            {.disk_iops = 200});
  if (!component || !calls.wait_for(1)) {
    std::fprintf(stderr, "headroom-bench: the component of this process was not asked\n");
    return false;
  }
  std::vector<std::int64_t> times;
  int wanted = calls.count();
  for (int round = 0; round < rounds; ++round) {
    std::this_thread::sleep_for(2ms);
    const double amount = round % 2 == 0 ? 300 : 200;
    const auto start = std::chrono::steady_clock::now();
    const auto set = alone.set_quota(
        "bench", {.disk_iops = amount, .min_disk_iops = amount, .max_disk_iops = amount});
    if (!set || !calls.wait_for(++wanted)) {
      std::fprintf(stderr, "headroom-bench: a setter of this process was not called\n");
      return false;
    }
    times.push_back(std::chrono::nanoseconds(calls.last() - start).count());
  }
  print("a quota in this process, until its setter is called", Times::of(std::move(times)));
  return true;
}

// A control machine with so many components that all listen and do what they are asked.
class Crowd {
 public:
  explicit Crowd(int components) : control_(config()) {
    sample_.cpu.cores = 64;
    sample_.cpu.busy = Ratio(0);
    sample_.memory.total = Bytes(1LL << 40);
    sample_.memory.available = Bytes(1LL << 40);
    read();
    for (int i = 0; i < components; ++i) {
      names_.push_back("component" + std::to_string(i));
      AskComponent put;
      put.what = AskComponent::What::put;
      put.name = names_.back();
      for (const char* setter : {"cpu_percent", "memory_mb", "disk_iops", "network_mb"}) {
        put.setters.emplace_back();
        put.setters.back().name = setter;
      }
      apply(Asked{static_cast<RequestId>(i + 1), {0, true, true}, put});
      apply(ComponentHeard{names_.back(), true});
    }
  }
  /// What all of them use changes, and a cycle follows. Returns how many were asked.
  std::int64_t cycle(int round) {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      AskComponent heard;
      heard.what = AskComponent::What::heard;
      heard.name = names_[i];
      const auto more = static_cast<std::int64_t>((i + static_cast<std::size_t>(round)) % 7);
      heard.used = {1 + more % 3, 100 + 40 * more, 10 * more, 10 * more};
      apply(Asked{1'000'000, {0, true, true}, heard});
    }
    boot_ += 11s;
    const auto start = std::chrono::steady_clock::now();
    read();
    return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  }

 private:
  static Config config() {
    Config config;
    config.strategy = *strategy_of("balanced+dynamic");
    config.control.cpu_least = 0;
    return config;
  }
  Instant now() const { return {boot_, WallTime(boot_.time_since_epoch())}; }
  void read() {
    sample_.at = now();
    ++sample_.number;
    apply(Sampled{std::make_shared<Sample>(sample_)});
  }
  void apply(const Event& event) {
    const Effects effects = control_.apply(event, now());
    std::vector<SetterAnswered> answers;
    for (const Effect& effect : effects) {
      if (const auto* call = std::get_if<CallSetter>(&effect)) {
        answers.push_back({call->component, call->ask, true, {}, ""});
      }
    }
    if (std::holds_alternative<Sampled>(event)) {
      pending_ = std::move(answers);  // told of after the cycle that is timed
      return;
    }
    for (const SetterAnswered& one : answers) apply(one);
  }

 public:
  void obey() {
    for (const SetterAnswered& one : std::exchange(pending_, {})) apply(one);
  }

 private:
  control::Control control_;
  Sample sample_;
  BootTime boot_{1000s};
  std::vector<std::string> names_;
  std::vector<SetterAnswered> pending_;
};

void cycles(int components, int rounds) {
  Crowd crowd(components);
  std::vector<std::int64_t> times;
  for (int round = 0; round < rounds; ++round) {
    times.push_back(crowd.cycle(round));
    crowd.obey();
  }
  std::sort(times.begin(), times.end());
  std::printf("a sample with a cycle of %4d components, 4 resources  min %9" PRId64
              " ns, median %9" PRId64 " ns, p99 %9" PRId64 " ns\n",
              components, times.front(), times[times.size() / 2], times[times.size() * 99 / 100]);
}

}  // namespace

int bench_setter(std::span<char*> arguments) {
  const auto options = parse_options(arguments);
  if (!options) return 2;
  const int rounds = options->rounds == 0 ? 500 : options->rounds;
  if (!over_the_socket(rounds)) return 1;
  if (!in_process(rounds)) return 1;
  cycles(10, rounds / 5 + 1);
  cycles(1000, rounds / 5 + 1);
  return 0;
}

}  // namespace headroom::bench
