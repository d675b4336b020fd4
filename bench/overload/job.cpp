// headroom-arena-job: does what its profile says, the same each time, and tells how far it is.
//
//   headroom-arena-job PROFILE                 see profile.hpp
//   headroom-arena-job enter GROUP… -- COMMAND     becomes COMMAND, inside these control groups
//
// Work is counted in steps of a tenth of a second. A step that takes longer, because the kernel
// holds the job up, is still one step: what is counted as done was done.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "overload/profile.hpp"

namespace headroom::arena {
namespace {

constexpr int kStepMs = 100;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMib = 1 << 20;
constexpr std::size_t kHuge = 2 * kMib;

double clock_s(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double now_s() { return clock_s(CLOCK_MONOTONIC); }

void sleep_until_s(double at) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(at);
  time.tv_nsec = static_cast<long>((at - static_cast<double>(time.tv_sec)) * 1e9);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

/// Takes so much time of a processor, whatever the clock on the wall says meanwhile.
void burn_s(double seconds) {
  const double end = clock_s(CLOCK_THREAD_CPUTIME_ID) + seconds;
  volatile unsigned value = 1;
  while (clock_s(CLOCK_THREAD_CPUTIME_ID) < end) {
    for (int i = 0; i < 1000; ++i) value = value * 1664525U + 1013904223U;
  }
}

/// Memory that is really there, taken and given back by huge pages where there are any: so large
/// programs have theirs, and an emulated processor needs twenty times as long for small ones.
class Held {
 public:
  explicit Held(int most_mib)
      : size_(round_up(static_cast<std::size_t>(std::max(most_mib, 1)) * kMib)),
        mapped_(static_cast<char*>(mmap(nullptr, size_ + kHuge, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (!there()) return;
    data_ = mapped_ + (kHuge - reinterpret_cast<std::uintptr_t>(mapped_) % kHuge) % kHuge;
    madvise(data_, size_, MADV_HUGEPAGE);
  }
  ~Held() {
    if (there()) munmap(mapped_, size_ + kHuge);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  bool there() const { return mapped_ != MAP_FAILED; }
  int mib() const { return static_cast<int>(held_ / kMib); }

  /// One huge page towards `mib`, rounded up to whole ones; false when it is there.
  bool step_to(int mib) {
    const std::size_t wanted = std::min(round_up(static_cast<std::size_t>(mib) * kMib), size_);
    if (held_ == wanted) return false;
    if (held_ > wanted) {
      madvise(data_ + wanted, held_ - wanted, MADV_DONTNEED);
      held_ = wanted;
      return false;
    }
    // Every small page, for the kernel may have had no huge one.
    for (const std::size_t end = held_ + kHuge; held_ < end; held_ += kPage) data_[held_] = 1;
    return held_ < wanted;
  }

  void touch(std::size_t bytes) {
    for (std::size_t i = 0; i < std::min(bytes, held_); i += kPage) {
      next_ = next_ + kPage < held_ ? next_ + kPage : 0;
      ++data_[next_];
    }
  }

 private:
  static constexpr std::size_t round_up(std::size_t bytes) {
    return (bytes + kHuge - 1) / kHuge * kHuge;
  }

  std::size_t size_;
  std::size_t held_ = 0;
  std::size_t next_ = 0;
  char* mapped_;
  char* data_ = nullptr;
};

/// Reads a file from its start to its end, and again.
class Reader {
 public:
  explicit Reader(const std::string& path)
      : file_(path.empty() ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Reader() {
    if (file_ >= 0) close(file_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool there() const { return file_ >= 0; }
  void read(std::size_t bytes) {
    static char buffer[64 * 1024];
    while (bytes > 0) {
      const ssize_t got = ::read(file_, buffer, std::min(bytes, sizeof buffer));
      if (got < 0 || (got == 0 && lseek(file_, 0, SEEK_SET) != 0)) return;
      bytes -= std::min(bytes, got == 0 ? kPage : static_cast<std::size_t>(got));
    }
  }

 private:
  int file_;
};

/// What parent and children see of each other.
struct Shared {
  std::atomic<int> done_ms{0};
  std::atomic<int> held_mib[64] = {};
};

/// Processes that hold a job's memory for it.
class Children {
 public:
  Children(const Profile& profile, int most_mib) : count_(profile.children) {
    if (count_ == 0) return;
    void* page =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    shared_ = new (page) Shared;
    for (int i = 0; i < count_; ++i) {
      const pid_t pid = fork();
      if (pid == 0) hold(profile, most_mib / count_ + 1, i);
      pids_.push_back(pid);
    }
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children() {
    for (const pid_t pid : pids_) {
      if (pid > 0) kill(pid, SIGKILL);
    }
    for (const pid_t pid : pids_) {
      if (pid > 0) waitpid(pid, nullptr, 0);
    }
    if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
  }

  bool there() const {
    return count_ == 0 || (shared_ != nullptr && std::ranges::find(pids_, -1) == pids_.end());
  }
  int mib() const {
    int sum = 0;
    for (int i = 0; i < count_; ++i) sum += shared_->held_mib[i];
    return sum;
  }
  void tell(int done_ms) {
    if (count_ > 0) shared_->done_ms = done_ms;
  }
  /// The signal that ended one of them; 0 as long as all live.
  int lost() {
    for (pid_t& pid : pids_) {
      int status = 0;
      if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
        pid = 0;
        return WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;
      }
    }
    return 0;
  }

 private:
  [[noreturn]] void hold(const Profile& profile, int most_mib, int number) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Held held(most_mib);
    while (held.there()) {
      const int wanted = held_at(profile, shared_->done_ms) / count_;
      while (held.step_to(wanted)) shared_->held_mib[number] = held.mib();
      shared_->held_mib[number] = held.mib();
      held.touch(static_cast<std::size_t>(profile.touch_mib_s) * kMib / 10 /
                 static_cast<std::size_t>(count_));
      sleep_until_s(now_s() + kStepMs / 1000.0);
    }
    _exit(1);
  }

  int count_;
  Shared* shared_ = nullptr;
  std::vector<pid_t> pids_;
};

/// The file the job tells of itself in.
class Teller {
 public:
  explicit Teller(const std::string& path)
      : file_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {}
  ~Teller() {
    if (file_ >= 0) close(file_);
  }
  Teller(const Teller&) = delete;
  Teller& operator=(const Teller&) = delete;

  bool there() const { return file_ >= 0; }
  /// What an earlier attempt left.
  Report former() const {
    char text[128];
    const ssize_t length = pread(file_, text, sizeof text, 0);
    Report report;
    if (length > 0) parse_report({text, static_cast<std::size_t>(length)}, report);
    return report;
  }
  bool tell(const Report& report) const {
    const std::string text = format_report(report);
    return pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  }

 private:
  int file_;
};

int complain(const std::string& what) {
  std::fprintf(stderr, "headroom-arena-job: %s: %s\n", what.c_str(), std::strerror(errno));
  return 1;
}

int run(const Profile& profile) {
  const Teller teller(profile.report);
  if (!teller.there()) return complain(profile.report);
  int most_mib = 0;
  for (const Point& point : profile.memory) most_mib = std::max(most_mib, point.held_mib);
  Held held(profile.children > 0 ? 1 : most_mib);
  Children children(profile, most_mib);
  Reader reader(profile.read_file);
  if (!held.there() || !children.there()) return complain("no memory");
  if (!profile.read_file.empty() && !reader.there()) return complain(profile.read_file);

  const Report former = teller.former();
  Report report;
  report.attempt = former.attempt + 1;
  report.done_ms = report.saved_ms = former.saved_ms;
  report.served = former.served;
  const auto tell = [&] {
    report.held_mib = held.mib() + children.mib();
    report.peak_mib = std::max(report.peak_mib, report.held_mib);
    return teller.tell(report);
  };
  if (!tell()) return complain(profile.report);

  const bool service = profile.serve_per_s > 0;
  const double step_s = kStepMs / 1000.0;
  const int step_requests = profile.serve_per_s * kStepMs / 1000;
  for (double due = now_s() + step_s;
       service ? now_s() < profile.until_s : report.done_ms < profile.work_ms;) {
    children.tell(report.done_ms);
    if (profile.children == 0) {
      while (held.step_to(held_at(profile, report.done_ms))) {
        if (!tell()) return complain(profile.report);
      }
    }
    held.touch(static_cast<std::size_t>(profile.touch_mib_s) * kMib / 10);
    if (reader.there()) reader.read(static_cast<std::size_t>(profile.read_mib_s) * kMib / 10);
    // A request goes through a part of the memory and computes a little.
    for (int i = 0; i < step_requests; ++i) {
      held.touch(64 * kPage);
      burn_s(0.0002);
    }
    report.served += step_requests;
    burn_s(step_s * profile.cpu_percent / 100);
    report.done_ms += kStepMs;
    if (profile.checkpoint_ms > 0 && report.done_ms - report.saved_ms >= profile.checkpoint_ms) {
      report.saved_ms = report.done_ms;
    }
    if (const int signal = children.lost(); signal != 0) {
      raise(signal);
      return 128 + signal;
    }
    // Children take memory meanwhile.
    while (profile.children > 0 && now_s() + 0.02 < due) {
      if (!tell()) return complain(profile.report);
      sleep_until_s(now_s() + 0.01);
    }
    if (!tell()) return complain(profile.report);
    // Nothing is made up for: a step that came late is followed by one of full length.
    sleep_until_s(due);
    due = std::max(due + step_s, now_s());
  }
  report.saved_ms = report.done_ms;
  report.ended = true;
  if (!tell()) return complain(profile.report);
  return profile.exit_code;
}

bool enter(const std::string& group) {
  const int file = open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool entered = write(file, "0", 1) == 1;
  const int error = errno;
  close(file);
  errno = error;
  return entered;
}

/// For a child of the arena: in its groups, no better protected than others, and gone with it.
int enter_and_become(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); file >= 0) {
    [[maybe_unused]] const ssize_t written = write(file, "0", 1);
    close(file);
  }
  int i = 2;
  for (; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (!enter(argv[i])) return complain(argv[i]) + 124;
  }
  if (i + 1 >= argc) {
    std::fputs("headroom-arena-job: enter GROUP… -- COMMAND\n", stderr);
    return 125;
  }
  execv(argv[i + 1], argv + i + 1);
  return complain(argv[i + 1]) + 126;
}

}  // namespace
}  // namespace headroom::arena

int main(int argc, char** argv) {
  using namespace headroom::arena;
  if (argc > 1 && std::string_view(argv[1]) == "enter") return enter_and_become(argc, argv);
  const auto profile = parse_profile({argv + 1, argv + argc});
  if (!profile) {
    std::fprintf(stderr, "headroom-arena-job: %s: %s\n  %s\n", profile.error().what.c_str(),
                 profile.error().why.c_str(), profile.error().help.c_str());
    return 2;
  }
  return run(*profile);
}
