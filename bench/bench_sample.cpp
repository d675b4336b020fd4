#include "bench/bench_sample.hpp"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <ctime>
#include <string>

#include "bench/options.hpp"
#include "bench/timing.hpp"
#include "sense/sampler.hpp"

namespace headroom::bench {
namespace {

using sense::Sampler;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::chrono::nanoseconds clock_now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

Instant instant_now() {
  return {BootTime(clock_now(CLOCK_BOOTTIME)), WallTime(clock_now(CLOCK_REALTIME))};
}

void sleep_until(nanoseconds monotonic) {
  timespec until{};
  until.tv_sec = static_cast<time_t>(monotonic.count() / 1'000'000'000);
  until.tv_nsec = static_cast<long>(monotonic.count() % 1'000'000'000);
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

void show(const std::string& key, const std::string& value) {
  std::printf("%-34s %s\n", key.c_str(), value.c_str());
}
void show(const std::string& key, Bytes bytes) { show(key, std::to_string(bytes.count())); }
void show(const std::string& key, std::uint64_t value) { show(key, std::to_string(value)); }
void show(const std::string& key, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", value);
  show(key, std::string(text));
}
void show(const std::string& key, Ratio ratio) { show(key, ratio.value()); }
template <class T>
void show(const std::string& key, const std::optional<T>& value) {
  if (value) {
    show(key, *value);
  } else {
    show(key, std::string("-"));
  }
}

void show_stall(const std::string& key, const std::optional<StallLine>& line) {
  if (!line) return show(key, std::string("-"));
  show(key + ".avg10", line->avg10);
  show(key + ".avg60", line->avg60);
  show(key + ".avg300", line->avg300);
  show(key + ".total_us", static_cast<std::uint64_t>(line->total.count()));
}

int print() {
  Sampler sampler{sense::Sources{}};
  Sample sample;
  sampler.read(instant_now(), {}, sample);
  sleep_until(clock_now(CLOCK_MONOTONIC) + milliseconds(200));
  sampler.read(instant_now(), {.per_cpu_free = true}, sample);
  show("cpu.cores", static_cast<std::uint64_t>(sample.cpu.cores));
  show("cpu.busy", sample.cpu.busy);
  show("cpu.user", sample.cpu.user);
  show("cpu.system", sample.cpu.system);
  show("cpu.iowait", sample.cpu.iowait);
  show("cpu.steal", sample.cpu.steal);
  show("cpu.busy_total_ns", static_cast<std::uint64_t>(sample.cpu.busy_total.count()));
  show("cpu.idle_total_ns", static_cast<std::uint64_t>(sample.cpu.idle_total.count()));
  for (std::size_t i = 0; sample.cpu.load && i < 3; ++i) {
    constexpr const char* kKeys[] = {"cpu.load1", "cpu.load5", "cpu.load15"};
    show(kKeys[i], (*sample.cpu.load)[i]);
  }
  const MemoryReading& memory = sample.memory;
  show("memory.total", memory.total);
  show("memory.available", memory.available);
  show("memory.free", memory.free);
  show("memory.cached", memory.cached);
  show("memory.swap_total", memory.swap_total);
  show("memory.swap_free", memory.swap_free);
  show("memory.limit", memory.limit);
  show("memory.limit_used", memory.limit_used);
  show("memory.limit_path", memory.limit_path.empty() ? std::string("-") : memory.limit_path);
  show("memory.per_cpu_free", memory.per_cpu_free);
  show("memory.kernel_reserve", memory.kernel_reserve);
  show_stall("stall.cpu.some", sample.stall.cpu_some);
  show_stall("stall.cpu.full", sample.stall.cpu_full);
  show_stall("stall.memory.some", sample.stall.memory_some);
  show_stall("stall.memory.full", sample.stall.memory_full);
  show_stall("stall.io.some", sample.stall.io_some);
  show_stall("stall.io.full", sample.stall.io_full);
  for (const NetworkReading& network : sample.networks) {
    const std::string key = "network." + network.name;
    show(key + ".received", network.received_total);
    show(key + ".sent", network.sent_total);
    show(key + ".received_per_second", network.received_per_second);
    show(key + ".sent_per_second", network.sent_per_second);
  }
  for (const DiskReading& disk : sample.disks) {
    const std::string key = "disk." + disk.name;
    show(key + ".read", disk.read_total);
    show(key + ".written", disk.written_total);
    show(key + ".operations", disk.operations_total);
    show(key + ".read_per_second", disk.read_per_second);
    show(key + ".written_per_second", disk.written_per_second);
    show(key + ".operations_per_second", disk.operations_per_second);
    show(key + ".busy", disk.busy);
  }
  for (const FilesystemReading& filesystem : sample.filesystems) {
    const std::string key = "filesystem." + filesystem.mount;
    show(key + ".source", filesystem.source + " (" + filesystem.type + ")");
    show(key + ".total", filesystem.total);
    show(key + ".free", filesystem.free);
    show(key + ".available", filesystem.available);
  }
  for (const GpuReading& gpu : sample.gpus)
    show("gpu." + gpu.id + ".memory_total", gpu.memory_total);
  show("own.resident", sample.own.resident);
  show("own.cpu_total_ns", static_cast<std::uint64_t>(sample.own.cpu_total.count()));
  for (const Absence& absence : sample.absent) {
    show("absent." + absence.sensor,
         absence.reason + (absence.fix.empty() ? "" : "; " + absence.fix));
  }
  return 0;
}

int paced(int period_ms, int count) {
  Sampler sampler{sense::Sources{}};
  Sample sample;
  sampler.read(instant_now(), {}, sample);
  const nanoseconds start = clock_now(CLOCK_MONOTONIC);
  const nanoseconds cpu_start = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 1; i <= count; ++i) {
    sleep_until(start + i * milliseconds(period_ms));
    sampler.read(instant_now(), {}, sample);
  }
  const auto cpu = static_cast<double>((clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu_start).count());
  const auto wall = static_cast<double>((clock_now(CLOCK_MONOTONIC) - start).count());
  std::printf("%d samples, one each %d ms: %.0f ns of CPU a sample, %.4f %% of a core\n", count,
              period_ms, cpu / count, 100.0 * cpu / wall);
  return 0;
}

}  // namespace

int bench_sample(std::span<char*> arguments) {
  const auto options = parse_options(arguments);
  if (!options) return 2;
  if (options->print) return print();
  if (options->period_ms > 0)
    return paced(options->period_ms, options->rounds > 0 ? options->rounds : 60);
  Sampler sampler{sense::Sources{}};
  Sample sample;
  const Instant start = instant_now();
  // The clock that the sampler is told moves by a second from one sample to the next, so that what
  // is done once in some seconds is done as often as in the daemon.
  const auto times = Times::of(options->rounds > 0 ? options->rounds : 20'000, [&](int round) {
    sampler.read({start.boot + std::chrono::seconds(round), start.wall}, {}, sample);
  });
  std::printf("one full sample: min %" PRId64 " ns, median %" PRId64 " ns, p99 %" PRId64 " ns\n",
              times.least(), times.median(), times.p99());
  if (options->ns) std::printf("%" PRId64 "\n", times.median());
  return 0;
}

}  // namespace headroom::bench
