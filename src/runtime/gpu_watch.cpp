#include "runtime/gpu_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <list>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "runtime/clock.hpp"
#include "runtime/helper_process.hpp"
#include "sense/gpu.hpp"
#include "sense/gpu_helper.hpp"
#include "sense/gpu_once.hpp"

namespace headroom::runtime {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

/// Processes that sleep in a driver cannot be killed. So many may be left behind; then no more
/// helpers are started until one of them has ended.
constexpr std::size_t kMostUnreaped = 4;
constexpr std::chrono::seconds kLookEvery{60};
constexpr milliseconds kEventsOff{60000};
constexpr std::size_t kMostBytesATurn = 64 * 1024;
constexpr std::size_t kPage = 4096;
int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int fd_;
};

/// The page that the helper writes and we read. It cannot be made shorter under our feet.
struct ProgressPage {
  Descriptor fd;
  const sense::GpuProgress* progress = nullptr;

  ProgressPage() = default;
  ProgressPage(ProgressPage&& other) noexcept
      : fd(std::move(other.fd)), progress(std::exchange(other.progress, nullptr)) {}
  ProgressPage& operator=(ProgressPage&&) = delete;
  ~ProgressPage() {
    if (progress != nullptr) ::munmap(const_cast<sense::GpuProgress*>(progress), kPage);
  }
  bool make() {
    fd = Descriptor(::memfd_create("headroom-gpu", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd || ::ftruncate(fd.get(), kPage) != 0 ||
        ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
      return false;
    }
    void* const memory = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (memory == MAP_FAILED) return false;
    progress = static_cast<const sense::GpuProgress*>(memory);
    return true;
  }
};

/// Driver calls that take seconds when all is well.
bool starts_something(sense::NvmlCall call) {
  using enum sense::NvmlCall;
  return call == load_library || call == nvmlInit_v2 || call == nvmlInit ||
         call == nvmlDeviceGetHandleByPciBusId_v2 || call == nvmlDeviceGetHandleByIndex_v2 ||
         call == nvmlDeviceGetHandleByIndex || call == nvmlShutdown;
}

bool is_about_events(sense::NvmlCall call) {
  using enum sense::NvmlCall;
  return call == nvmlEventSetCreate || call == nvmlDeviceRegisterEvents ||
         call == nvmlEventSetWait_v2 || call == nvmlEventSetWait || call == nvmlEventSetFree;
}

}  // namespace

class GpuWatch::Impl : public std::enable_shared_from_this<GpuWatch::Impl> {
 public:
  Impl(asio::io_context& io, GpuWatchOptions options);
  void poll();
  void readings(Instant at, Sample& out);
  void end();

  std::function<void()> on_answer;
  std::uint64_t replaced = 0;
  pid_t helper_pid() const { return helper_ ? helper_->pid : 0; }

 private:
  struct Helper {
    Helper(asio::io_context& io, pid_t pid_, int pidfd, int socket_, ProgressPage&& page_)
        : pid(pid_), process(io, pidfd), socket(io, socket_), page(std::move(page_)) {}
    pid_t pid;
    asio::posix::stream_descriptor process;  ///< a pidfd: readable when it has ended
    asio::posix::stream_descriptor socket;
    ProgressPage page;
    sense::GpuFrames frames;
  };
  using Unreaped = std::list<asio::posix::stream_descriptor>;

  milliseconds deadline() const;
  const Absence& absent(BootTime now);
  bool start_helper();
  void send(const std::string& bytes);
  void ask();
  void arm();
  void watch();
  void take_answers();
  void too_late();
  void replace(const std::string& why, const sense::GpuProgress::Step& step);
  void end_helper();
  void reap(Unreaped::iterator at);

  asio::io_context& io_;
  GpuWatchOptions options_;
  std::optional<sense::GpuSetup> setup_;
  sense::GpuCards cards_;
  std::unique_ptr<Helper> helper_;
  Unreaped unreaped_;
  asio::steady_timer timer_;
  bool hardware_ = false;
  std::optional<BootTime> looked_at_;
  bool asking_ = false;
  bool progressed_ = false;  ///< since the deadline was set
  BootTime asked_at_{};
  BootTime told_at_{};  ///< something was told last, or a start was seen to have ended
  /// The start that went on when the deadline passed last.
  std::optional<sense::GpuProgress::Step> starting_;
  BootTime start_at_{};
  int failures_ = 0;  ///< of helpers in a row, for which no device is to blame
  BootTime events_off_until_{};
  std::string trouble_;            ///< why there is no helper, or it does not answer
  std::optional<Absence> absent_;  ///< why there is no device, as of absent_at_
  BootTime absent_at_{};
};

GpuWatch::Impl::Impl(asio::io_context& io, GpuWatchOptions options)
    : io_(io),
      options_(std::move(options)),
      setup_(sense::gpu_setup(options_.source, options_.root, options_.wake)),
      cards_(options_.backoff),
      timer_(io) {
  if (!setup_) return;
  setup_->library = options_.library;
  if (options_.pids_complete) setup_->pids_complete = *options_.pids_complete;
}

milliseconds GpuWatch::Impl::deadline() const {
  if (options_.deadline) return *options_.deadline;
  return std::clamp(options_.interval / 2, milliseconds(250), milliseconds(2000));
}

void GpuWatch::Impl::poll() {
  if (!setup_ || asking_) return;
  const BootTime at = now().boot;
  if (!helper_) {
    if (!looked_at_ || at - *looked_at_ >= kLookEvery) {
      looked_at_ = at;
      hardware_ = setup_->force_nvml || sense::gpu_hardware(options_.root);
    }
    if (!hardware_ || at < start_at_ || !start_helper()) return;
  }
  ask();
}

bool GpuWatch::Impl::start_helper() {
  const auto give_up = [this](std::string why) {
    trouble_ = std::move(why);
    cards_.helpless(trouble_);
    start_at_ = now().boot + options_.backoff.after(++failures_);
    return false;
  };
  if (unreaped_.size() >= kMostUnreaped) {
    return give_up("the driver holds " + std::to_string(unreaped_.size()) +
                   " helper processes that cannot be ended");
  }
  ProgressPage page;
  int ends[2] = {-1, -1};
  if (!page.make() ||
      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return give_up(std::string("no GPU helper could be made: ") + ::strerrordesc_np(errno));
  }
  Descriptor ours(ends[0]);
  const Descriptor theirs(ends[1]);
  // The helper waits; only our end must not.
  ::fcntl(theirs.get(), F_SETFL, ::fcntl(theirs.get(), F_GETFL) & ~O_NONBLOCK);
  static_assert(sense::kGpuHelperSocket == kHelperDescriptor &&
                sense::kGpuHelperPage == kHelperDescriptor + 1);
  const pid_t pid = runtime::start_helper(options_.helper, options_.helper_arguments,
                                          {theirs.get(), page.fd.get()});
  if (pid < 0) {
    return give_up("the GPU helper " + options_.helper +
                   " could not be started: " + ::strerrordesc_np(-pid));
  }
  const int pidfd = pidfd_open(pid);
  if (pidfd < 0) {  // it is our child and not waited for: the number is still its own
    const int problem = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, WNOHANG);
    return give_up(std::string("no pidfd of the GPU helper: ") + ::strerrordesc_np(problem));
  }
  page.fd = Descriptor();  // the mapping stays
  helper_ = std::make_unique<Helper>(io_, pid, pidfd, ours.release(), std::move(page));
  watch();
  send(sense::encode_gpu_frame(*setup_));
  return helper_ != nullptr;
}

void GpuWatch::Impl::send(const std::string& bytes) {
  if (!helper_) return;
  // Requests are small and the helper reads each before the next is sent: it fits, or it is dead.
  const ssize_t sent = ::send(helper_->socket.native_handle(), bytes.data(), bytes.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != static_cast<ssize_t>(bytes.size())) {
    replace("the GPU helper ended", helper_->page.progress->now());
  }
}

void GpuWatch::Impl::ask() {
  const BootTime at = now().boot;
  sense::GpuAsk request;
  cards_.begin(at, request);
  request.events = at >= events_off_until_;
  asking_ = true;
  asked_at_ = at;
  told_at_ = at;
  starting_.reset();
  arm();
  send(sense::encode_gpu_frame(request));
}

void GpuWatch::Impl::arm() {
  progressed_ = false;
  timer_.expires_after(deadline());
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->too_late();
  });
}

void GpuWatch::Impl::watch() {
  helper_->socket.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [weak = weak_from_this(), which = helper_.get()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self || self->helper_.get() != which) return;
        self->take_answers();
        if (self->helper_.get() == which) self->watch();
      });
}

void GpuWatch::Impl::take_answers() {
  std::array<char, 16384> bytes;
  for (std::size_t taken = 0; taken < kMostBytesATurn;) {
    const ssize_t got =
        ::recv(helper_->socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      const auto step = helper_->page.progress->now();
      const std::string_view call = sense::to_string(step.call);
      replace("the GPU helper ended" + (call.empty() ? "" : " in " + std::string(call)), step);
      return;
    }
    taken += static_cast<std::size_t>(got);
    helper_->frames.add({bytes.data(), static_cast<std::size_t>(got)});
  }
  const BootTime at = now().boot;
  bool whole = false;
  while (const auto frame = helper_->frames.next()) {
    if (const auto* answer = std::get_if<sense::GpuAnswer>(&*frame)) {
      progressed_ = true;
      told_at_ = at;
      cards_.told(*answer, at);
    } else if (const auto* done = std::get_if<sense::GpuDone>(&*frame)) {
      cards_.done(*done, at);
      asking_ = false;
      timer_.cancel();
      failures_ = 0;
      trouble_.clear();
      whole = true;
    } else {
      replace("the GPU helper said what only the daemon says", {});
      return;
    }
  }
  if (helper_->frames.broken()) {
    replace("the GPU helper said what headroom does not understand", {});
    return;
  }
  if (whole && on_answer) on_answer();
}

/// The deadline passed. It holds for each step: one slow device after the other is no hang.
void GpuWatch::Impl::too_late() {
  if (!helper_ || !asking_) return;
  // The loop itself may have been late: what was told meanwhile counts.
  const Helper* const which = helper_.get();
  take_answers();
  if (!asking_ || helper_.get() != which) return;
  if (progressed_) {
    arm();
    return;
  }
  const BootTime at = now().boot;
  const sense::GpuProgress::Step step = helper_->page.progress->now();
  if (starting_ && step != *starting_) {
    // The start took long and is over: what comes after it has the whole deadline again.
    starting_.reset();
    told_at_ = at;
    arm();
    return;
  }
  const auto silent = std::chrono::duration_cast<milliseconds>(at - told_at_);
  const std::string why = sense::gpu_late_words(step, deadline());
  cards_.late(step, why, at);
  trouble_ = why;
  // A start takes long; a helper that is in no call at all has perhaps not got the processor yet.
  const bool first = !step.device || !cards_.ever_read(*step.device);
  const bool starting = starts_something(step.call) && first;
  const milliseconds patience = starting                             ? options_.start_deadline
                                : step.call == sense::NvmlCall::none ? 4 * deadline()
                                                                     : deadline();
  if (starting) starting_ = step;
  if (silent + milliseconds(1) < patience) {
    arm();
    return;
  }
  replace(why, step);
}

/// Ends this helper. The next one starts at once where a device is to blame (it is then left
/// alone), else after a while.
void GpuWatch::Impl::replace(const std::string& why, const sense::GpuProgress::Step& step) {
  const BootTime at = now().boot;
  const bool was_asked = asking_;
  ++replaced;
  spdlog::warn("gpu.helper replaced: {}{}", why,
               step.device ? ", device " + sense::pci_text(*step.device) : "");
  end_helper();
  trouble_ = why;
  cards_.late(step, why, at);
  bool known_cause = false;
  if (is_about_events(step.call)) {
    events_off_until_ = at + kEventsOff;
    known_cause = true;
  } else if (step.device) {
    cards_.hung(*step.device, at);
    known_cause = true;
  }
  if (!known_cause || !was_asked) {
    start_at_ = at + options_.backoff.after(++failures_);
    return;
  }
  // The others have waited long enough. Not from here: a helper that cannot be started ends here
  // again.
  start_at_ = at;
  asio::post(io_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->poll();
  });
}

void GpuWatch::Impl::end_helper() {
  asking_ = false;
  timer_.cancel();
  if (!helper_) return;
  boost::system::error_code ignored;
  helper_->socket.close(ignored);
  ::syscall(SYS_pidfd_send_signal, helper_->process.native_handle(), SIGKILL, nullptr, 0);
  unreaped_.push_back(std::move(helper_->process));
  helper_.reset();
  reap(std::prev(unreaped_.end()));
}

/// Waits on the loop until it has ended, and takes its exit status.
void GpuWatch::Impl::reap(Unreaped::iterator at) {
  at->async_wait(asio::posix::stream_descriptor::wait_read,
                 [weak = weak_from_this(), at](const boost::system::error_code& error) {
                   const auto self = weak.lock();
                   if (error || !self) return;
                   siginfo_t status{};
                   ::waitid(P_PIDFD, static_cast<id_t>(at->native_handle()), &status,
                            WEXITED | WNOHANG);
                   self->unreaped_.erase(at);
                 });
}

void GpuWatch::Impl::end() {
  setup_.reset();
  end_helper();
  for (auto& process : unreaped_) {
    // It was killed and ends at once, unless a driver holds it: then init will wait for it.
    pollfd ended{process.native_handle(), POLLIN, 0};
    if (::poll(&ended, 1, 100) != 1) continue;
    siginfo_t status{};
    ::waitid(P_PIDFD, static_cast<id_t>(process.native_handle()), &status, WEXITED | WNOHANG);
  }
  unreaped_.clear();
}

void GpuWatch::Impl::readings(Instant at, Sample& out) {
  if (!setup_) return;
  cards_.readings(at.boot, out);
  const auto of_gpu = [](const Absence& absence) { return absence.sensor == "gpu"; };
  if (!trouble_.empty()) {
    out.absent.push_back({"gpu", trouble_, "see whether nvidia-smi answers; dmesg tells of XIDs"});
  } else if (cards_.empty() && std::none_of(out.absent.begin(), out.absent.end(), of_gpu)) {
    if (helper_ && cards_.silent()) {
      out.absent.push_back({"gpu", "the driver is being asked for the first time", ""});
    } else {
      out.absent.push_back(absent(at.boot));
    }
  }
}

// Looked for as often as the hardware is: nine files that are not there cost as much as a sample.
const Absence& GpuWatch::Impl::absent(BootTime now) {
  if (!absent_ || now - absent_at_ >= kLookEvery) {
    absent_ = sense::absent_gpu(options_.root == "/" ? "" : options_.root,
                                options_.source == GpuSource::nvml);
    absent_at_ = now;
  }
  return *absent_;
}

GpuWatch::GpuWatch(asio::io_context& io, GpuWatchOptions options)
    : impl_(std::make_shared<Impl>(io, std::move(options))) {}
GpuWatch::~GpuWatch() { impl_->end(); }
void GpuWatch::poll() { impl_->poll(); }
void GpuWatch::readings(Instant at, Sample& out) { impl_->readings(at, out); }
void GpuWatch::on_answer(std::function<void()> handler) { impl_->on_answer = std::move(handler); }
std::uint64_t GpuWatch::replaced() const { return impl_->replaced; }
pid_t GpuWatch::helper_pid() const { return impl_->helper_pid(); }

int run_gpu_helper() { return sense::gpu_helper_main(); }

}  // namespace headroom::runtime
