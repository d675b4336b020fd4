// The floor of one sample: the ten sources that a sample needs, read with held descriptors into
// one buffer and not looked at. No sampler that reads the same files can be faster.
// With --echo the floor of a request to a daemon: one bare round trip over a Unix socket.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "echo.hpp"
#include "timing.hpp"

namespace {

constexpr const char* kFiles[] = {
    "/proc/stat",      "/proc/meminfo",      "/proc/loadavg",         "/proc/net/dev",
    "/proc/diskstats", "/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io",
    "/proc/self/statm"};
constexpr std::size_t kCount = std::size(kFiles);

struct Floor {
  int descriptors[kCount];
  char buffer[256 * 1024];
  std::size_t bytes = 0;

  Floor() {
    for (std::size_t i = 0; i < kCount; ++i) {
      descriptors[i] = ::open(kFiles[i], O_RDONLY | O_CLOEXEC);
      if (descriptors[i] < 0)
        std::fprintf(stderr, "floor: %s cannot be opened and is left out\n", kFiles[i]);
    }
  }

  void read_all() {
    bytes = 0;
    for (const int descriptor : descriptors) {
      if (descriptor < 0) continue;
      // A file of many records is handed out a page at a time; one that is well below a page is
      // whole after the first read.
      std::size_t have = 0;
      ssize_t got = 0;
      do {
        got = ::pread(descriptor, buffer + have, sizeof buffer - have, static_cast<off_t>(have));
        if (got > 0) have += static_cast<std::size_t>(got);
      } while (got > 0 && have >= 3072 && have < sizeof buffer);
      bytes += have;
    }
    struct statvfs space{};
    ::statvfs("/", &space);
  }
};

double cpu_now() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double wall_now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

int usage(const char* word) {
  std::fprintf(stderr,
               "floor: \"%s\" is not understood\n"
               "usage: floor [--ns | --json] [-n COUNT] [--period-ms MS]\n"
               "       floor --echo [--ns] [-n COUNT]\n"
               "  --ns             the last line is the median time of one sample in ns\n"
               "  --json           one line of JSON\n"
               "  -n COUNT         samples (20000, or 60 when paced)\n"
               "  --period-ms MS   paced: one sample each MS, as a daemon meets them\n"
               "  --echo           round trips of 64 bytes over a Unix socket, on one CPU\n",
               word);
  return 2;
}

int paced(Floor& floor, long period_ms, long count, bool json) {
  timespec next{};
  ::clock_gettime(CLOCK_MONOTONIC, &next);
  const double cpu_start = cpu_now();
  const double wall_start = wall_now();
  for (long i = 0; i < count; ++i) {
    next.tv_nsec += period_ms % 1000 * 1'000'000;
    next.tv_sec += period_ms / 1000 + next.tv_nsec / 1'000'000'000;
    next.tv_nsec %= 1'000'000'000;
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr) == EINTR) {
    }
    floor.read_all();
  }
  const double cpu = cpu_now() - cpu_start;
  const double percent = 100.0 * cpu / (wall_now() - wall_start);
  const double each = 1e9 * cpu / static_cast<double>(count);
  if (json) {
    std::printf(
        "{\"period_ms\": %ld, \"samples\": %ld, \"cpu_ns_per_sample\": %.0f, \"cpu_percent\": "
        "%.5f}\n",
        period_ms, count, each, percent);
  } else {
    std::printf("%ld samples, one each %ld ms: %.0f ns of CPU a sample, %.4f %% of a core\n", count,
                period_ms, each, percent);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bool ns = false;
  bool json = false;
  bool trips = false;
  std::optional<long> count;
  long period_ms = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto value = [&](long most) -> long {
      if (i + 1 >= argc) return 0;
      char* end = nullptr;
      const long read = std::strtol(argv[++i], &end, 10);
      return *end == '\0' && read <= most ? read : 0;
    };
    if (word == "--ns") {
      ns = true;
    } else if (word == "--json") {
      json = true;
    } else if (word == "--echo") {
      trips = true;
    } else if (word == "-n") {
      count = value(100'000'000);
      if (*count <= 0) return usage("-n");
    } else if (word == "--period-ms") {
      period_ms = value(3'600'000);
      if (period_ms <= 0) return usage("--period-ms");
    } else {
      return usage(argv[i]);
    }
  }
  if (trips) return headroom::bench::echo(static_cast<int>(count.value_or(20'000)), ns);
  static Floor floor;
  if (period_ms > 0) return paced(floor, period_ms, count.value_or(60), json);
  const auto times = headroom::bench::Times::of(static_cast<int>(count.value_or(20'000)),
                                                [&](int) { floor.read_all(); });
  if (json) {
    std::printf(
        "{\"samples\": %ld, \"bytes\": %zu, \"min_ns\": %ld, \"median_ns\": %ld, \"p99_ns\": "
        "%ld}\n",
        count.value_or(20'000), floor.bytes, times.least(), times.median(), times.p99());
  } else {
    std::printf("one sample of ten sources, %zu bytes: min %ld ns, median %ld ns, p99 %ld ns\n",
                floor.bytes, times.least(), times.median(), times.p99());
    if (ns) std::printf("%ld\n", times.median());
  }
  return 0;
}
