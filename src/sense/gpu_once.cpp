#include "sense/gpu_once.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <new>

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sense/gpu.hpp"
#include "sense/gpu_cards.hpp"
#include "sense/gpu_helper.hpp"

namespace headroom::sense {
namespace {

using Clock = std::chrono::steady_clock;  // a deadline of a call, not a time of a reading

/// Whether this process is in the machine's outermost PID namespace, whose number is fixed in the
/// kernel (PROC_PID_INIT_INO): only there does the driver show every process.
bool sees_every_pid() {
  char text[64] = {};
  const ssize_t size = ::readlink("/proc/self/ns/pid", text, sizeof text - 1);
  return size > 0 && std::strcmp(text, "pid:[4026531836]") == 0;
}

/// Ends the child. One that sleeps in the driver cannot be ended: it is left to init.
void end_child(pid_t child) {
  ::kill(child, SIGKILL);
  for (int i = 0; i < 100; ++i) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) return;
    const timespec moment{0, 1'000'000};
    ::nanosleep(&moment, nullptr);
  }
}

/// Takes what the child tells until it is done (true), silent for too long, or gone.
bool listen(int fd, Clock::time_point until, BootTime at, GpuCards& cards) {
  GpuFrames frames;
  char bytes[16384];
  for (;;) {
    while (const auto frame = frames.next()) {
      if (const auto* answer = std::get_if<GpuAnswer>(&*frame)) {
        cards.told(*answer, at);
      } else if (const auto* done = std::get_if<GpuDone>(&*frame)) {
        cards.done(*done, at);
        return true;
      }
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (frames.broken() || left <= 0) return false;
    pollfd ready{fd, POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(left));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return false;
    frames.add({bytes, static_cast<std::size_t>(got)});
  }
}

}  // namespace

std::optional<GpuSetup> gpu_setup(GpuSource source, const std::string& root, bool wake) {
  if (source == GpuSource::sim || source == GpuSource::none) return std::nullopt;
  GpuSetup setup;
  setup.root = root;
  setup.force_nvml = source == GpuSource::nvml;
  setup.wake = wake;
  setup.pids_complete = sees_every_pid();
  return setup;
}

std::string gpu_late_words(const GpuProgress::Step& step, std::chrono::milliseconds after) {
  const std::string_view call = to_string(step.call);
  return (call.empty() ? "the GPU helper" : std::string(call)) + " did not answer within " +
         std::to_string(after.count()) + " ms";
}

void read_gpus_once(const GpuSetup& setup, std::chrono::milliseconds deadline, BootTime at,
                    Sample& out) {
  GpuCards cards;
  const auto explain = [&](std::string reason) {
    cards.readings(at, out);
    out.absent.push_back({"gpu", std::move(reason), ""});
  };
  if (!setup.force_nvml && setup.library.empty() && !gpu_hardware(setup.root)) {
    cards.readings(at, out);
    out.absent.push_back(absent_gpu(setup.root == "/" ? "" : setup.root, false));
    return;
  }
  void* const page = ::mmap(nullptr, sizeof(GpuProgress), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int ends[2] = {-1, -1};
  if (page == MAP_FAILED || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    if (page != MAP_FAILED) ::munmap(page, sizeof(GpuProgress));
    explain(std::string("no helper process could be made: ") + ::strerrordesc_np(errno));
    return;
  }
  auto* const progress = new (page) GpuProgress;
  GpuAsk ask;
  cards.begin(at, ask);
  ask.events = false;
  const std::string request = encode_gpu_frame(setup) + encode_gpu_frame(ask);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    ::_exit(run_gpu_helper(ends[1], *progress));
  }
  ::close(ends[1]);
  bool whole = false;
  if (child > 0) {
    // The request is smaller than the socket's buffer.
    const ssize_t sent = ::send(ends[0], request.data(), request.size(), MSG_NOSIGNAL);
    whole = sent == static_cast<ssize_t>(request.size()) &&
            listen(ends[0], Clock::now() + deadline, at, cards);
    if (!whole) cards.late(progress->now(), gpu_late_words(progress->now(), deadline), at);
  }
  const GpuProgress::Step step = progress->now();
  ::close(ends[0]);
  if (child > 0) end_child(child);
  ::munmap(page, sizeof(GpuProgress));
  if (whole) {
    cards.readings(at, out);
    if (out.gpus.empty() && out.absent.empty()) {
      out.absent.push_back(absent_gpu(setup.root == "/" ? "" : setup.root, setup.force_nvml));
    }
    return;
  }
  explain(child < 0 ? "no helper process could be made" : gpu_late_words(step, deadline));
}

}  // namespace headroom::sense
