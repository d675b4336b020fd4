// headroom-demo-job: takes a rectangle of memory and time, for real. Every page is touched and
// parts are rewritten all the time; the computing itself is waiting, so that two cores carry many
// such jobs. It saves its work, and resumes from what an earlier attempt saved.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "demo/job.hpp"

namespace headroom::demo {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Options {
  int memory_mib = 0;
  int total_ms = 0;
  int checkpoint_ms = 0;
  std::string dir;
  std::string name;
};

constexpr const char* kUsage =
    "headroom-demo-job --mem MIB --seconds S --checkpoint S --dir DIR --name NAME\n"
    "Takes MIB for S seconds, saves its work every so often, resumes from what was saved.\n";

bool parse_options(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    const char* value = argv[i + 1];
    if (flag == "--mem")
      options.memory_mib = std::atoi(value);
    else if (flag == "--seconds")
      options.total_ms = static_cast<int>(std::atof(value) * 1000);
    else if (flag == "--checkpoint")
      options.checkpoint_ms = static_cast<int>(std::atof(value) * 1000);
    else if (flag == "--dir")
      options.dir = value;
    else if (flag == "--name")
      options.name = value;
    else
      return false;
  }
  return argc % 2 == 1 && options.memory_mib > 0 && options.total_ms > 0 &&
         options.checkpoint_ms > 0 && !options.dir.empty() && !options.name.empty();
}

/// Memory that is really there: grows by touching, and is rewritten piece after piece.
class Held {
 public:
  explicit Held(std::size_t bytes)
      : size_(bytes),
        data_(static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~Held() { release(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  bool there() const { return data_ != MAP_FAILED; }
  std::size_t touched() const { return touched_; }

  void grow_to(std::size_t bytes) {
    for (; touched_ < std::min(bytes, size_); touched_ += kPage) data_[touched_] = kMark;
  }
  void rewrite_next(std::size_t bytes) {
    for (std::size_t i = 0; i < bytes && touched_ > 0; i += kPage) {
      next_ = next_ + kPage < touched_ ? next_ + kPage : 0;
      ++data_[next_];
    }
  }
  void release() {
    if (there() && size_ > 0) munmap(data_, size_);
    size_ = touched_ = 0;
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr char kMark = 1;  // not zero, so that no page can stay the shared zero page
  std::size_t size_;
  std::size_t touched_ = 0;
  std::size_t next_ = 0;
  char* data_;
};

constexpr milliseconds kTick(50);
/// What one round of the loop counts at most as work: a job that hangs in the kernel for want of
/// memory does nothing meanwhile.
constexpr milliseconds kLongestStep(200);

bool write_all(int file, const std::string& text) {
  return pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

/// Replaces the checkpoint as a whole: a kill in the middle leaves the older one.
bool save(const Options& options, const Progress& progress) {
  const std::string path = checkpoint_path(options.dir, options.name);
  const std::string fresh = path + ".new";
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return false;
  const bool written = write_all(file, format_progress(progress));
  close(file);
  return written && std::rename(fresh.c_str(), path.c_str()) == 0;
}

int run(const Options& options, Clock::time_point begin) {
  int resumed_ms = 0;
  if (const auto saved = read_progress(checkpoint_path(options.dir, options.name))) {
    resumed_ms = std::min(saved->done_ms, options.total_ms);
    std::printf("%s resumes at %d ms\n", options.name.c_str(), resumed_ms);
  }
  const int file =
      open(progress_path(options.dir, options.name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) {
    std::fprintf(stderr, "%s: cannot write in %s: %s\n", options.name.c_str(), options.dir.c_str(),
                 std::strerror(errno));
    return 1;
  }
  Held held(static_cast<std::size_t>(touched_mib(options.memory_mib)) << 20);
  if (!held.there()) {
    std::fprintf(stderr, "%s: no memory: %s\n", options.name.c_str(), std::strerror(errno));
    return 1;
  }

  // Memory is claimed over the first part, as a program does that loads while it works; the last
  // part is for giving it back, so that the whole process stays inside its rectangle.
  const int left_ms = options.total_ms - resumed_ms;
  const int grow_ms = std::max(1, options.total_ms * 15 / 100);
  const int release_ms = std::min(left_ms / 4, 20 + options.memory_mib / 8);
  const std::size_t want = static_cast<std::size_t>(touched_mib(options.memory_mib)) << 20;
  Clock::duration worked{};  // by this attempt
  int saved_ms = resumed_ms;
  for (auto last = begin; worked < milliseconds(left_ms - release_ms);) {
    const auto worked_ms =
        static_cast<int>(std::chrono::duration_cast<milliseconds>(worked).count());
    held.grow_to(worked_ms >= grow_ms ? want
                                      : want / static_cast<std::size_t>(grow_ms) *
                                            static_cast<std::size_t>(worked_ms));
    held.rewrite_next(held.touched() / 64);
    const int done_ms = resumed_ms + worked_ms;
    if (!write_all(file, format_progress({done_ms, static_cast<int>(held.touched() >> 20)}))) {
      return 1;
    }
    if (done_ms - saved_ms >= options.checkpoint_ms) {
      // Saved is what the last full interval reached, not a moment more.
      saved_ms += (done_ms - saved_ms) / options.checkpoint_ms * options.checkpoint_ms;
      if (!save(options, {saved_ms, 0})) return 1;
    }
    std::this_thread::sleep_for(
        std::min<Clock::duration>(kTick, milliseconds(left_ms - release_ms) - worked));
    const auto now = Clock::now();
    worked += std::min<Clock::duration>(now - last, kLongestStep);
    last = now;
  }
  const auto released = Clock::now();
  held.release();
  if (!write_all(file, format_progress({options.total_ms, 0})) ||
      !save(options, {options.total_ms, 0})) {
    return 1;
  }
  std::this_thread::sleep_until(released + milliseconds(release_ms));
  return 0;
}

}  // namespace
}  // namespace headroom::demo

int main(int argc, char** argv) {
  const auto begin = headroom::demo::Clock::now();
  // A job of the demo does not outlive who started it.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  headroom::demo::Options options;
  if (!headroom::demo::parse_options(argc, argv, options)) {
    std::fputs(headroom::demo::kUsage, stderr);
    return 2;
  }
  return headroom::demo::run(options, begin);
}
