// headroom-live-worker: a component that really works, and keeps to what its setters are called
// with.
//
//   headroom-live-worker KIND --name NAME --report FILE [--url URL] [--priority high] [--cpu 40]
//                        [--memory 300] [--most 900] [--grow-for 330] [--idle 60] [--busy 40]
//
//   cpu      wants every processor, all the time, and little memory
//   memory   touches what it holds, and holds more and more: in steps up to --most after --grow-for
//            seconds, but never more than it was given
//   bursty   lies idle for --idle seconds, then works for --busy seconds with every processor and
//            --most MB, and again
//
// --cpu (percent of the processors) and --memory (MB) are what it registers with.
// The whole process takes at most the share of the processors that it was given, by its own clock
// of processor time; what it holds is given back before its setter says that it did.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/component.hpp"

namespace headroom::live {
namespace {

constexpr std::size_t kMib = 1 << 20;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kChunk = 4 * kMib;
constexpr double kPeriod = 0.1;      // seconds in which it keeps to its share
constexpr long kTickNs = 200000000;  // between two looks at what it wants
constexpr int kTicksOfAStep = 20;    // memory grows in steps of 4 s
constexpr double kBeside = 2;        // MB for what is not held on purpose, and comes and goes

double clock_s(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

enum class Kind { cpu, memory, bursty };

struct Plan {
  Kind kind = Kind::cpu;
  std::string url;
  std::string name;
  std::string report;
  std::string priority = "normal";
  double cpu = 0;
  double memory = 0;
  double most = 200;
  double grow_for = 330;
  double idle = 60;
  double busy = 40;
};

/// What it would use now, if it were given that.
struct Wish {
  double cpu_percent = 0;
  double memory_mb = 0;
  bool works = false;
};

Wish wish_at(const Plan& plan, double elapsed) {
  constexpr double kIdleMemory = 20;
  if (plan.kind == Kind::cpu) return {100, 40, true};
  if (plan.kind == Kind::memory) {
    const double step = kTicksOfAStep * static_cast<double>(kTickNs) * 1e-9;
    const double grown = std::min(1.0, step * std::floor(elapsed / step) / plan.grow_for);
    return {8, 40 + (plan.most - 40) * grown, true};
  }
  const bool works = std::fmod(elapsed, plan.idle + plan.busy) >= plan.idle;
  return works ? Wish{100, plan.most, true} : Wish{0, kIdleMemory, false};
}

/// MB of this process that are in memory.
double resident_mb() {
  std::array<char, 128> text{};
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t got = read(file, text.data(), text.size() - 1);
  close(file);
  unsigned long all = 0;
  unsigned long resident = 0;
  if (got <= 0 || std::sscanf(text.data(), "%lu %lu", &all, &resident) != 2) return 0;
  return static_cast<double>(resident) * kPage / static_cast<double>(kMib);
}

/// Memory in chunks, every page of it touched.
class Held {
 public:
  /// Takes or gives back whole chunks, until the process is at `total_mb` or just below; at most
  /// `most_chunks` are taken. How many were.
  int bring_to(double total_mb, int most_chunks) {
    const std::lock_guard lock(mutex_);
    constexpr double kChunkMb = static_cast<double>(kChunk) / kMib;
    double now = resident_mb() + kBeside;
    while (!chunks_.empty() && now > total_mb) {
      munmap(chunks_.back(), kChunk);
      chunks_.pop_back();
      now -= kChunkMb;
    }
    int taken = 0;
    for (; taken < most_chunks && now + kChunkMb <= total_mb; ++taken, now += kChunkMb) {
      void* const chunk =
          mmap(nullptr, kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (chunk == MAP_FAILED) break;
      std::memset(chunk, 1, kChunk);
      chunks_.push_back(static_cast<unsigned char*>(chunk));
    }
    return taken;
  }
  /// Writes to every page of one chunk, each time of the next one.
  void touch_next() {
    const std::lock_guard lock(mutex_);
    if (chunks_.empty()) return;
    unsigned char* const chunk = chunks_[next_++ % chunks_.size()];
    for (std::size_t at = 0; at < kChunk; at += kPage) chunk[at] += 1;
  }

 private:
  std::mutex mutex_;
  std::vector<unsigned char*> chunks_;
  std::size_t next_ = 0;
};

/// What it was given, what it wants, and what it has done; shared by all threads.
struct Desk {
  std::atomic<double> given_cpu{0};
  std::atomic<double> given_memory{0};
  std::atomic<double> wanted_cpu{0};
  std::atomic<std::uint64_t> done{0};
  std::atomic<bool> ends{false};
  bool touches = false;
  Held held;
};

void work_once(Desk& desk) {
  volatile std::uint32_t value = 1;
  for (int i = 0; i < 20000; ++i) value = value * 1664525U + 1013904223U;
  if (desk.touches) desk.held.touch_next();
  ++desk.done;
}

/// Keeps the process, with all that it does, to its share of the processors: what it may take flows
/// in evenly, what it takes flows out, and what it could not take is kept for a tenth of a second.
class Budget {
 public:
  /// Seconds until it may work on; 0: now.
  double wait(double share_of_all, unsigned cores) {
    const std::lock_guard lock(mutex_);
    const double now = clock_s(CLOCK_MONOTONIC);
    const double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    const double rate = share_of_all * cores;
    // Where a machine stands still, emulated ones do, it is counted as this process's work: more
    // than a second of that is forgiven.
    left_ = std::clamp(left_ + rate * (now - then_) - (cpu - then_cpu_), -rate, rate * kPeriod);
    then_ = now;
    then_cpu_ = cpu;
    if (left_ > 0) return 0;
    return rate > 0 ? std::clamp(-left_ / rate, kPeriod / 20, kPeriod) : kPeriod;
  }

 private:
  std::mutex mutex_;
  double left_ = 0;
  double then_ = clock_s(CLOCK_MONOTONIC);
  double then_cpu_ = clock_s(CLOCK_PROCESS_CPUTIME_ID);
};

/// One thread for each processor.
void work(Desk& desk, Budget& budget, unsigned cores) {
  while (!desk.ends) {
    const double share = std::min(desk.given_cpu.load(), desk.wanted_cpu.load()) / 100;
    const double wait = budget.wait(share, cores);
    if (wait == 0) {
      work_once(desk);
      continue;
    }
    const timespec pause{0, static_cast<long>(wait * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
  }
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) return {};
  return value;
}

/// The plan of a command line, or empty with what is wrong in `wrong`.
std::optional<Plan> parse(const std::vector<std::string_view>& words, std::string& wrong) {
  Plan plan;
  if (words.empty()) return wrong = "cpu, memory or bursty is wanted", std::nullopt;
  if (words[0] == "memory") {
    plan.kind = Kind::memory;
  } else if (words[0] == "bursty") {
    plan.kind = Kind::bursty;
  } else if (words[0] != "cpu") {
    return wrong = std::string(words[0]) + " is none of cpu, memory and bursty", std::nullopt;
  }
  for (std::size_t i = 1; i < words.size(); i += 2) {
    const std::string_view flag = words[i];
    if (i + 1 == words.size()) return wrong = std::string(flag) + " wants a value", std::nullopt;
    const std::string_view value = words[i + 1];
    std::string* text = flag == "--url"        ? &plan.url
                        : flag == "--name"     ? &plan.name
                        : flag == "--report"   ? &plan.report
                        : flag == "--priority" ? &plan.priority
                                               : nullptr;
    double* amount = flag == "--cpu"        ? &plan.cpu
                     : flag == "--memory"   ? &plan.memory
                     : flag == "--most"     ? &plan.most
                     : flag == "--grow-for" ? &plan.grow_for
                     : flag == "--idle"     ? &plan.idle
                     : flag == "--busy"     ? &plan.busy
                                            : nullptr;
    if (text != nullptr) {
      *text = value;
    } else if (amount == nullptr) {
      return wrong = std::string(flag) + " is not known", std::nullopt;
    } else if (const auto found = number(value)) {
      *amount = *found;
    } else {
      return wrong = std::string(flag) + " wants a number, not " + std::string(value), std::nullopt;
    }
  }
  if (plan.name.empty() || plan.report.empty()) wrong = "--name and --report are wanted";
  if (plan.grow_for <= 0 || plan.idle + plan.busy <= 0) wrong = "a time of 0 s is none";
  return wrong.empty() ? std::optional(plan) : std::nullopt;
}

/// One line, written over the last one: seconds since it began, whether it wants to work, units of
/// work done, MB in memory, and what its setters were last called with.
void tell(int file, double elapsed, const Wish& wish, const Desk& desk) {
  std::array<char, 128> line{};
  const int size =
      std::snprintf(line.data(), line.size(), "%12.2f %d %14llu %9.1f %7.1f %9.1f\n", elapsed,
                    wish.works ? 1 : 0, static_cast<unsigned long long>(desk.done.load()),
                    resident_mb(), desk.given_cpu.load(), desk.given_memory.load());
  if (pwrite(file, line.data(), static_cast<std::size_t>(size), 0) != size) {
    std::perror("headroom-live-worker: its report");
  }
}

int run(const Plan& plan) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);  // of every thread: they are waited for below
  const int report = open(plan.report.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (report < 0) {
    std::cerr << "headroom-live-worker: cannot write " << plan.report << ": "
              << std::strerror(errno) << "\n";
    return 1;
  }
  Desk desk;
  desk.touches = plan.kind == Kind::memory;
  client::ComponentOptions options;
  options.priority = plan.priority;
  options.cpu_percent = plan.cpu;
  options.memory_mb = plan.memory;
  options.on_problem = [](const Error& error) {
    std::cerr << "headroom-live-worker: " << error.what << ": " << error.why << "\n";
  };
  auto component = client::register_component(
      plan.url, plan.name,
      {{"cpu_percent", [&](double percent) { desk.given_cpu = percent; }},
       {"memory_mb",
        [&](double mb) {
          desk.given_memory = mb;
          desk.held.bring_to(mb, 0);
        }}},
      options);
  if (!component) {
    std::cerr << "headroom-live-worker: " << component.error().what << ": " << component.error().why
              << "\n";
    return 1;
  }
  std::vector<std::thread> threads;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  Budget budget;
  for (unsigned i = 0; i < cores; ++i) threads.emplace_back([&] { work(desk, budget, cores); });
  const double begin = clock_s(CLOCK_MONOTONIC);
  const timespec tick{0, kTickNs};
  // A burst takes its memory at up to 100 MB a second, growth as the plan has it.
  constexpr int kChunksOfATick = 5;
  do {
    const double elapsed = clock_s(CLOCK_MONOTONIC) - begin;
    const Wish wish = wish_at(plan, elapsed);
    desk.wanted_cpu = wish.cpu_percent;
    // Taking memory is work too: its pages are touched for the first time.
    const double hold = std::min(wish.memory_mb, desk.given_memory.load());
    desk.done += static_cast<std::uint64_t>(desk.held.bring_to(hold, kChunksOfATick));
    tell(report, elapsed, wish, desk);
  } while (sigtimedwait(&ending, nullptr, &tick) < 0 && (errno == EAGAIN || errno == EINTR));
  desk.ends = true;
  for (std::thread& thread : threads) thread.join();
  close(report);
  return 0;
}

}  // namespace
}  // namespace headroom::live

int main(int argc, char** argv) {
  std::string wrong;
  const auto plan = headroom::live::parse({argv + 1, argv + argc}, wrong);
  if (!plan) {
    std::cerr << "headroom-live-worker: " << wrong << "\n";
    return 2;
  }
  return headroom::live::run(*plan);
}
