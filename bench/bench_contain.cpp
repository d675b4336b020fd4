#include "bench/bench_contain.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "act/child_for_test.hpp"
#include "act/fence_watch.hpp"
#include "act/groups.hpp"
#include "act/refusal.hpp"
#include "bench/options.hpp"

namespace headroom::bench {
namespace {

using namespace headroom::literals;
using namespace std::chrono_literals;
using act::Child;
using act::Groups;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 9;
constexpr auto kPatience = 30s;  // for what the kernel does soon; a row fails after that
constexpr std::size_t kPage = 4096;

double microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all.empty() ? 0 : all[all.size() / 2];
}

/// Spins: a wait that sleeps would measure its own wake.
bool soon(const std::function<bool()>& condition) {
  const auto until = Clock::now() + kPatience;
  while (!condition()) {
    if (Clock::now() > until) return false;
  }
  return true;
}

/// A file that is held open: nothing between the program and the kernel but one system call.
class Bare {
 public:
  explicit Bare(const std::string& path, int how) : fd_(::open(path.c_str(), how | O_CLOEXEC)) {}
  ~Bare() {
    if (fd_ >= 0) ::close(fd_);
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;
  bool write(std::string_view text) const {
    return ::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  }
  bool says(const char* what) const {
    char text[4096];
    const ssize_t got = ::pread(fd_, text, sizeof text - 1, 0);
    if (got <= 0) return false;
    text[got] = '\0';
    return std::strstr(text, what) != nullptr;
  }

 private:
  int fd_;
};

/// A process that takes memory as fast as it can, and tells how much through a page that both see.
class Grower {
 public:
  explicit Grower(std::size_t most)
      : pages_(static_cast<std::atomic<std::size_t>*>(
            ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
        child_([this, most] {
          auto* memory =
              static_cast<char*>(::mmap(nullptr, most, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
          if (memory == MAP_FAILED) return 1;
          for (std::size_t page = 0; page < most / kPage; ++page) {
            memory[page * kPage] = 1;
            pages_->store(page + 1, std::memory_order_relaxed);
          }
          for (;;) ::pause();
        }) {}
  ~Grower() {
    child_.wait_killed();
    ::munmap(pages_, kPage);
  }
  Grower(const Grower&) = delete;
  Grower& operator=(const Grower&) = delete;
  std::size_t pages() const { return pages_->load(std::memory_order_relaxed); }
  double mib() const { return static_cast<double>(pages() * kPage) / (1 << 20); }
  Child& child() { return child_; }

 private:
  std::atomic<std::size_t>* pages_;
  Child child_;
};

/// Times both ways of the same deed in turn. Each gives how long it took in µs; empty: it failed.
using Way = std::function<std::optional<double>()>;

bool show(const char* what, int times, const Way& ours, const Way& bare, int rounds = kRounds) {
  std::vector<double> ratios;
  std::vector<double> all_ours;
  std::vector<double> all_bare;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> a;
    std::vector<double> b;
    for (int i = 0; i < times; ++i) {
      const bool first = (i + round) % 2 == 0;
      for (const bool is_ours : {first, !first}) {
        const auto took = is_ours ? ours() : bare();
        if (!took) {
          std::printf("%-28s failed\n", what);
          return false;
        }
        (is_ours ? a : b).push_back(*took);
      }
    }
    ratios.push_back(median(a) / median(b));
    all_ours.insert(all_ours.end(), a.begin(), a.end());
    all_bare.insert(all_bare.end(), b.begin(), b.end());
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("%-28s ours %10.1f us  bare %10.1f us  ratio %.3f (%.3f-%.3f), %d rounds of %d\n",
              what, median(all_ours), median(all_bare), ratios[ratios.size() / 2], ratios.front(),
              ratios.back(), rounds, times);
  std::fflush(stdout);
  return true;
}

/// Median, least and most of what was done without anything beside it.
void line(const char* what, std::vector<double> all, const char* unit) {
  std::sort(all.begin(), all.end());
  std::printf("%-28s %.1f (%.1f-%.1f) %s, %zu times\n", what, median(all), all.front(), all.back(),
              unit, all.size());
}

template <class Deed>
std::optional<double> timed(const Deed& deed) {
  const auto start = Clock::now();
  if (!deed()) return std::nullopt;
  return microseconds(Clock::now() - start);
}

/// A process that computes, and shows through a page that both see that it does.
class Worker {
 public:
  Worker()
      : steps_(static_cast<std::atomic<std::uint64_t>*>(
            ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
        child_([this] {
          for (;;) steps_->fetch_add(1, std::memory_order_relaxed);
          return 0;
        }) {}
  ~Worker() {
    child_.wait_killed();
    ::munmap(steps_, kPage);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits until it has gone on.
  bool goes_on() const {
    const auto before = steps_->load();
    return soon([&] { return steps_->load() != before; });
  }
  Child& child() { return child_; }

 private:
  std::atomic<std::uint64_t>* steps_;
  Child child_;
};

/// All rows, in groups of their own.
class Contain {
 public:
  explicit Contain(int times)
      : times_(times),
        name_("headroom-contain-" + std::to_string(::getpid())),
        groups_(Groups::probe({"/", name_, false})) {}

  /// `only`: the names of the rows that are wanted; empty: all.
  int run(const std::vector<std::string_view>& only) {
    if (groups_.tier() == act::Tier::none) {
      std::fprintf(stderr, "headroom-bench: no control groups here: %s\n",
                   groups_.reasons().empty() ? "" : groups_.reasons().front().c_str());
      return 1;
    }
    std::printf("tier %s\n", act::to_string(groups_.tier()));
    bool done = true;
    for (const Row& row : kRows) {
      if (!only.empty() && std::find(only.begin(), only.end(), row.name) == only.end()) continue;
      done = (this->*row.run)() && done;
      for (const auto& group : groups_.leftovers()) {
        if (!soon([&] { return groups_.remove(group) == true; })) done = false;
      }
    }
    return done ? 0 : 1;
  }

  static bool has(std::string_view name) {
    return std::any_of(std::begin(kRows), std::end(kRows),
                       [&](const Row& row) { return row.name == name; });
  }

 private:
  /// From a write to an eventfd in another process until the poll of this one has returned.
  bool wake() {
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    auto* written = static_cast<std::atomic<Clock::rep>*>(
        ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::vector<double> took;
    {
      Child other([&] {
        for (;;) {
          ::usleep(1000);
          written->store(Clock::now().time_since_epoch().count());
          (void)::eventfd_write(event, 1);
        }
        return 0;
      });
      other.go();
      for (int i = 0; i < times_ * 10; ++i) {
        pollfd one{event, POLLIN, 0};
        if (::poll(&one, 1, 30'000) != 1) return false;
        took.push_back(microseconds(Clock::now().time_since_epoch() - Clock::duration(*written)));
        eventfd_t count = 0;
        (void)::eventfd_read(event, &count);
      }
    }
    ::munmap(written, kPage);
    ::close(event);
    line("one wake", took, "us");
    return true;
  }

  bool v2() const { return groups_.tier() == act::Tier::v2; }
  /// The file that stops a job which grows, and what is written there for a fence.
  std::string fence_file(const Group& group) const {
    return group.memory + (v2() ? "/memory.high" : "/memory.limit_in_bytes");
  }
  std::optional<Group> group() {
    const auto made = groups_.make(++lease_, 0);
    return made ? std::optional(*made) : std::nullopt;
  }

  /// A job that computes, until all of it stands.
  bool freeze() {
    const auto group = this->group();
    if (!group || group->unified.empty()) return false;
    Worker job;
    if (!groups_.place(*group, job.child().pid())) return false;
    job.child().go();
    const Bare file(group->unified + "/cgroup.freeze", O_WRONLY);
    const Bare events(group->unified + "/cgroup.events", O_RDONLY);
    const auto let_on = [&] {
      return file.write("0") && soon([&] { return events.says("frozen 0"); }) && job.goes_on();
    };
    const Way ours = [&] {
      const auto took = timed([&] {
        return groups_.freeze(*group, true).has_value() &&
               soon([&] { return groups_.is_frozen(*group) == true; });
      });
      return let_on() ? took : std::nullopt;
    };
    const Way bare = [&] {
      const auto took =
          timed([&] { return file.write("1") && soon([&] { return events.says("frozen 1"); }); });
      return let_on() ? took : std::nullopt;
    };
    return show("freeze until it stands", times_, ours, bare);
  }

  std::string quota_file(const Group& group) const {
    return group.cpu + (v2() ? "/cpu.max" : "/cpu.cfs_quota_us");
  }

  /// The call alone.
  bool quota() {
    const auto group = this->group();
    if (!group || group->cpu.empty()) return false;
    const Bare file(quota_file(*group), O_WRONLY);
    std::int64_t milli = 500;
    const auto next = [&] { milli = milli == 500 ? 600 : 500; };
    const Way ours = [&] {
      next();
      return timed([&] { return groups_.limit(*group, {}, Cores(milli)).has_value(); });
    };
    const Way bare = [&] {
      next();
      const std::string text = std::to_string(milli * 100) + (v2() ? " 100000" : "");
      return timed([&] { return file.write(text); });
    };
    return show("quota, the call", times_ * 10, ours, bare);
  }

  /// A job that computes, until the kernel has stopped it for its quota.
  bool quota_felt() {
    const auto group = this->group();
    if (!group || group->cpu.empty()) return false;
    Worker job;
    if (!groups_.place(*group, job.child().pid())) return false;
    job.child().go();
    const Bare file(quota_file(*group), O_WRONLY);
    const Bare stat(group->cpu + "/cpu.stat", O_RDONLY);
    const std::string stat_path = group->cpu + "/cpu.stat";
    const auto throttled = [&] {
      const auto text = act::read_small(stat_path);
      return text ? act::parse_keyed(*text, "nr_throttled").value_or(0) : 0;
    };
    const auto in = [&](const auto& set) -> std::optional<double> {
      if (!file.write(v2() ? "max" : "-1")) return std::nullopt;
      if (!job.goes_on()) return std::nullopt;
      const auto before = throttled();
      return timed([&] { return set() && soon([&] { return throttled() > before; }); });
    };
    const Way ours = [&] {
      return in([&] { return groups_.limit(*group, {}, Cores(100)).has_value(); });
    };
    const Way bare = [&] {
      return in([&] { return file.write(v2() ? "10000 100000" : "10000"); });
    };
    return show("quota until it is felt", std::max(1, times_ / 4), ours, bare);
  }

  /// A job that stands at its fence, until it has grown again.
  bool raise() {
    // v1 lets it go at once. v2 lets it grow a little all the time: more than that is meant.
    const std::size_t more = v2() ? (4 << 20) / kPage : 1;
    const auto in = [&](const auto& set) -> std::optional<double> {
      std::optional<Group> group;
      std::optional<double> took;
      {
        // Before its fence is set: who has just forked copies every page it writes to, and
        // headroomd starts no jobs.
        Grower job(std::size_t{512} << 20);
        group = this->group();
        if (!group || !groups_.fence(*group, 16_MiB) || !groups_.place(*group, job.child().pid())) {
          return std::nullopt;
        }
        job.child().go();
        if (!stands(*group, job)) return std::nullopt;
        const std::function<bool()> deed = set(*group);
        const std::size_t before = job.pages();
        took = timed([&] { return deed() && soon([&] { return job.pages() >= before + more; }); });
      }
      return groups_.fence(*group, Bytes()) && soon([&] { return groups_.remove(*group) == true; })
                 ? took
                 : std::nullopt;
    };
    const Bytes higher = 160_MiB;
    const Way ours = [&] {
      return in([&](const Group& group) {
        return [&] { return groups_.fence(group, higher).has_value(); };
      });
    };
    const Way bare = [&] {
      return in([&](const Group& group) {
        const auto file = std::make_shared<Bare>(fence_file(group), O_WRONLY);
        const Bytes limit = v2() ? higher : groups_.backstop(higher);
        return [file, text = std::to_string(limit.count())] { return file->write(text); };
      });
    };
    return show("raise until it grows", std::max(1, times_ / (v2() ? 20 : 2)), ours, bare);
  }

  /// Whether the job has come to its fence and grows no more.
  bool stands(const Group& group, const Grower& job) const {
    if (!v2()) {
      const Bare control(group.memory + "/memory.oom_control", O_RDONLY);
      return soon([&] { return control.says("under_oom 1"); });
    }
    std::size_t before = 0;
    return soon([&] {
      const std::size_t now = job.pages();
      if (now > 0 && now == before && groups_.look(group)->high_events > 0) return true;
      before = now;
      ::usleep(20'000);
      return false;
    });
  }

  /// 1 GiB in one process, from the signal until the group's memory is back.
  bool kill() {
    const auto in = [&](const auto& end) -> std::optional<double> {
      const auto group = this->group();
      if (!group || group->unified.empty()) return std::nullopt;
      std::optional<double> took;
      {
        Grower job(kKilled);
        if (!groups_.place(*group, job.child().pid())) return std::nullopt;
        job.child().go();
        if (!soon([&] { return job.pages() == kKilled / kPage; })) return std::nullopt;
        const std::string used =
            group->memory + (v2() ? "/memory.current" : "/memory.usage_in_bytes");
        const std::function<bool()> deed = end(*group);
        took = timed([&] {
          return deed() && soon([&] {
                   const auto text = act::read_small(used);
                   const auto now = text ? act::parse_amount(*text) : std::nullopt;
                   return now && *now < 16_MiB;  // what lies about in lists of the processors
                 });
        });
      }
      return soon([&] { return groups_.remove(*group) == true; }) ? took : std::nullopt;
    };
    const Way bare = [&] {
      return in([&](const Group& group) {
        const auto file = std::make_shared<Bare>(group.unified + "/cgroup.kill", O_WRONLY);
        return [file] { return file->write("1"); };
      });
    };
    const Way ours = [&] {
      return in(
          [&](const Group& group) { return [&] { return groups_.end(group, true).has_value(); }; });
    };
    return show("kill of 1 GiB until it is back", 1, ours, bare, kRounds);
  }

  /// How far beyond its fence a job gets before all of it stands, where we are told and freeze it
  /// as the daemon does; and how far with the fence alone.
  bool fast_grower() {
    constexpr Bytes fence = 256_MiB;
    constexpr std::size_t kMost = std::size_t{1} << 30;
    std::vector<double> beyond;
    std::vector<double> wake_to_stop;
    std::vector<double> alone;
    std::vector<double> speed;
    for (int i = 0; i < kRounds * std::max(1, times_ / 8); ++i) {
      for (const bool watched : {true, false}) {
        const auto group = this->group();
        if (!group || !groups_.fence(*group, fence)) return false;
        act::FenceWatch watch;
        if (watched && !watch.watch(1, *group, fence)) return false;
        (void)watch.touched();
        {
          Grower job(kMost);
          if (!groups_.place(*group, job.child().pid())) return false;
          const auto start = Clock::now();
          job.child().go();
          if (watched) {
            pollfd one{watch.fd(), POLLIN, 0};
            if (::poll(&one, 1, 30'000) != 1) return false;
            const auto woken = Clock::now();
            speed.push_back(job.mib() / std::chrono::duration<double>(woken - start).count());
            (void)watch.touched();
            if (!groups_.freeze(*group, true) ||
                !soon([&] { return groups_.is_frozen(*group) == true; })) {
              return false;
            }
            wake_to_stop.push_back(microseconds(Clock::now() - woken));
          } else if (!stands(*group, job)) {
            return false;
          }
          const auto left = groups_.look(*group);
          if (!left || !left->memory || left->oom_kills != 0) return false;
          (watched ? beyond : alone)
              .push_back(static_cast<double>((*left->memory - fence).count()) / (1 << 20));
          if (watched && !groups_.freeze(*group, false)) return false;
        }
        if (!groups_.fence(*group, Bytes()) ||
            !soon([&] { return groups_.remove(*group) == true; })) {
          return false;
        }
      }
    }
    line("a grower's speed", speed, "MiB/s");
    line("woken until it stands", wake_to_stop, "us");
    line("beyond its fence, frozen", beyond, "MiB");
    line("beyond its fence, alone", alone, "MiB");
    if (!v2()) {
      std::printf("%-28s %.1f MiB\n", "the limit behind the fence",
                  static_cast<double>((groups_.backstop(fence) - fence).count()) / (1 << 20));
    }
    return true;
  }

  static constexpr std::size_t kKilled = std::size_t{1} << 30;
  struct Row {
    std::string_view name;
    bool (Contain::*run)();
  };
  static constexpr Row kRows[] = {{"wake", &Contain::wake},         {"freeze", &Contain::freeze},
                                  {"quota", &Contain::quota},       {"felt", &Contain::quota_felt},
                                  {"raise", &Contain::raise},       {"kill", &Contain::kill},
                                  {"grower", &Contain::fast_grower}};

  int times_;
  std::string name_;
  Groups groups_;
  LeaseId lease_ = 0;
};

}  // namespace

int bench_contain(std::span<char*> arguments) {
  std::vector<std::string_view> only;
  while (!arguments.empty() && Contain::has(arguments.front())) {
    only.emplace_back(arguments.front());
    arguments = arguments.subspan(1);
  }
  const auto options = parse_options(arguments);
  if (!options) return 2;
  return Contain(options->rounds > 0 ? options->rounds : 40).run(only);
}

}  // namespace headroom::bench
