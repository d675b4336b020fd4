#include "demo/run.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo/job.hpp"

extern char** environ;

namespace headroom::demo {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRetries = 3;
constexpr double kBackOffSeconds = 1;
constexpr double kPhaseLimitSeconds = 180;
constexpr double kDaemonStartSeconds = 10;
/// Between two submissions, so that they reach the daemon in the order of the instance.
constexpr double kSubmitSeconds = 0.015;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

tl::unexpected<Error> interrupted() {
  return fail(ErrorKind::timed_out, "interrupted; everything it had started is ended");
}

/// Where systemd runs, a daemon asks it for a scope and puts its jobs there, which is outside of
/// the limited group, and which a daemon of the user may hold already. The demo's daemon must not
/// find it. In a mount namespace of its own, so nobody else sees a difference; without the right
/// to one, Crew notices jobs that run outside.
void hide_systemd() {
  if (unshare(CLONE_NEWNS) != 0) return;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return;
  mount("none", "/run/systemd", "tmpfs", 0, "mode=755");
}

/// Starts a program inside the limited group. Its output goes to `log`. It dies with the demo, and
/// is no part of the terminal's foreground, so that Ctrl-C reaches the demo alone.
/// `url`: what HEADROOM_URL is; other settings of headroom are not handed on.
Result<pid_t> start(const Stage& stage, LimitedGroup::Corner corner,
                    const std::vector<std::string>& words, const std::string& log,
                    const std::string& url) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> kept;
  for (char** each = environ; *each != nullptr; ++each) {
    if (!std::string_view(*each).starts_with("HEADROOM_")) kept.emplace_back(*each);
  }
  if (!url.empty()) kept.push_back("HEADROOM_URL=" + url);
  std::vector<char*> env;
  for (std::string& each : kept) env.push_back(each.data());
  env.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    return fail(ErrorKind::internal, "cannot start " + words.front(), std::strerror(errno));
  }
  if (pid > 0) return pid;
  // The child: this process has one thread, so ordinary functions are fine until exec.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(125);
  setpgid(0, 0);
  stage.signals.restore();
  const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(125);
  if (corner == LimitedGroup::Corner::daemon) hide_systemd();
  if (!stage.group.enter(corner)) {
    std::fprintf(stderr, "cannot enter the memory group: %s\n", std::strerror(errno));
    _exit(125);
  }
  execve(argv[0], argv.data(), env.data());
  std::fprintf(stderr, "cannot execute %s: %s\n", argv[0], std::strerror(errno));
  _exit(127);
}

/// The first line of a log that says something.
std::string first_line(const std::string& log) {
  std::ifstream file(log);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) return line;
  }
  return {};
}

/// All jobs of one phase: what runs, what came of it, and what is shown of it.
class Crew {
 public:
  Crew(const Stage& stage, std::string phase, std::string title)
      : stage_(stage), begin_(Clock::now()), members_(stage.instance.jobs.size()) {
    frame_.title = std::move(title);
    frame_.jobs.resize(members_.size());
    outcome_.phase = std::move(phase);
    outcome_.jobs = static_cast<int>(members_.size());
    outcome_.optimum_s = stage.optimum.makespan;
    outcome_.limit_mib = stage.instance.limit_mib;
  }

  double now() const { return seconds_since(begin_); }
  const Job& job(std::size_t i) const { return stage_.instance.jobs[i]; }
  JobState state(std::size_t i) const { return frame_.jobs[i].state; }
  int kills(std::size_t i) const { return frame_.jobs[i].kills; }
  double ended_at(std::size_t i) const { return members_[i].ended_at; }
  bool alive(std::size_t i) const { return members_[i].pid > 0; }

  std::vector<std::string> words(std::size_t i) const {
    return {stage_.programs.job,
            "--mem",
            std::to_string(job(i).memory_mib),
            "--seconds",
            std::to_string(job(i).seconds),
            "--checkpoint",
            std::to_string(job(i).checkpoint),
            "--dir",
            stage_.dir,
            "--name",
            job(i).name};
  }

  Result<void> launch(std::size_t i, const std::vector<std::string>& command,
                      const std::string& url) {
    Member& member = members_[i];
    // What an earlier attempt said of itself is no news of this one.
    unlink(progress_path(stage_.dir, job(i).name).c_str());
    member.log =
        stage_.dir + "/" + job(i).name + "." + std::to_string(frame_.jobs[i].kills) + ".log";
    const auto pid = start(stage_, LimitedGroup::Corner::jobs, command, member.log, url);
    if (!pid) return tl::unexpected(pid.error());
    member.pid = *pid;
    return {};
  }

  /// Waits a moment, learns what has ended and how far the others are, and shows it.
  void step(int wait_ms) {
    stage_.signals.wait_ms(wait_ms);
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!alive(i)) continue;
      look(i);
      int status = 0;
      if (waitpid(members_[i].pid, &status, WNOHANG) == members_[i].pid) {
        members_[i].pid = -1;
        ended(i, status);
      }
    }
    int held_mib = 0;
    for (const Member& member : members_) held_mib += member.pid > 0 ? member.held_mib : 0;
    while (now() * 1000 >= static_cast<double>(frame_.used_mib.size() * kSampleMs)) {
      frame_.used_mib.push_back(stage_.group.used_mib());
      outcome_.peak_mib = std::max(outcome_.peak_mib, frame_.used_mib.back());
      // What jobs say is a tick old, so a moment's difference says nothing.
      outside_samples_ = held_mib > frame_.used_mib.back() + stage_.instance.limit_mib / 4
                             ? outside_samples_ + 1
                             : 0;
      outside_ = outside_ || outside_samples_ * kSampleMs >= 1000;
    }
    frame_.elapsed_s = now();
    stage_.display.draw(stage_.instance, frame_);
  }

  /// A job that was killed and will not be tried again.
  void give_up(std::size_t i) {
    frame_.jobs[i].state = JobState::failed;
    outcome_.gave_up.push_back(job(i).name);
    tell(i, Happening::Kind::failed, 0,
         "given up after being killed " + std::to_string(kills(i)) + " times");
  }

  /// True until every job has ended for good.
  bool busy() const {
    return std::any_of(frame_.jobs.begin(), frame_.jobs.end(), [](const JobProgress& each) {
      return each.state != JobState::done && each.state != JobState::failed;
    });
  }

  /// What came of it. Fails when the jobs were not held in the limited group: then nothing that
  /// was seen says anything.
  Result<Outcome> outcome() {
    if (outside_) {
      return fail(ErrorKind::internal, "the comparison is void",
                  "jobs hold more memory than their limited group: they ran outside of it",
                  "run it as root, so that the demo's daemon does not use systemd's scope");
    }
    outcome_.used_mib = frame_.used_mib;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (state(i) == JobState::done) {
        ++outcome_.completed;
        outcome_.useful_s += job(i).seconds;
      }
      if (kills(i) > 0) ++outcome_.killed_jobs;
    }
    outcome_.kernel_kills = stage_.group.kernel_kills();
    return outcome_;
  }

 private:
  struct Member {
    pid_t pid = -1;
    double ended_at = 0;
    int held_mib = 0;
    std::string log;
  };

  double saved_s(std::size_t i) const {
    const auto saved = read_progress(checkpoint_path(stage_.dir, job(i).name));
    return saved ? saved->done_ms / 1000.0 : 0;
  }

  void tell(std::size_t i, Happening::Kind kind, double seconds, const std::string& text = {}) {
    stage_.display.tell({now(), kind, job(i).name, seconds, text});
  }

  void look(std::size_t i) {
    const auto seen = read_progress(progress_path(stage_.dir, job(i).name));
    if (!seen) return;
    JobProgress& progress = frame_.jobs[i];
    if (progress.state != JobState::running) {
      progress.state = JobState::running;
      const bool again = progress.kills > 0;
      tell(i, again ? Happening::Kind::resumed : Happening::Kind::started, again ? saved_s(i) : 0);
    }
    progress.done_s = seen->done_ms / 1000.0;
    members_[i].held_mib = seen->held_mib;
  }

  void ended(std::size_t i, int status) {
    look(i);
    JobProgress& progress = frame_.jobs[i];
    members_[i].ended_at = now();
    outcome_.time_s = now();
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code == 0) {
      progress.state = JobState::done;
      progress.done_s = job(i).seconds;
      tell(i, Happening::Kind::done, 0);
    } else if (code == 128 + SIGKILL) {
      // Nobody but the kernel, for lack of memory, kills here. What was done and not saved is
      // lost.
      const double saved = saved_s(i);
      const double lost = std::max(0.0, progress.done_s - saved);
      progress.state = JobState::pausing;
      progress.done_s = saved;
      ++progress.kills;
      ++outcome_.kills;
      outcome_.lost_s += lost;
      tell(i, Happening::Kind::killed, lost);
    } else {
      const std::string line = first_line(members_[i].log);
      const std::string why =
          "ended with " + std::to_string(code) + (line.empty() ? "" : ": " + line);
      progress.state = JobState::failed;
      outcome_.trouble.push_back(job(i).name + " " + why);
      tell(i, Happening::Kind::failed, 0, why);
    }
  }

  const Stage& stage_;
  Clock::time_point begin_;
  std::vector<Member> members_;
  Frame frame_;
  Outcome outcome_;
  int outside_samples_ = 0;  // in a row
  bool outside_ = false;
};

/// The daemon of the second phase; ends with this object.
class Daemon {
 public:
  static Result<Daemon> launch(const Stage& stage) {
    const std::string socket = stage.dir + "/headroom.sock";
    if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
      return fail(ErrorKind::invalid_request, "cannot make a socket at " + socket,
                  "the path is too long", "set TMPDIR to a shorter folder");
    }
    const std::string log = stage.dir + "/headroomd.log";
    auto pid = start(stage, LimitedGroup::Corner::daemon,
                     {stage.programs.daemon, "--socket", socket, "--listen", "", "--state",
                      stage.dir + "/state", "--foreground"},
                     log, {});
    if (!pid) return tl::unexpected(pid.error());
    Daemon daemon(*pid, stage.signals, socket);
    const auto begin = Clock::now();
    while (!daemon.answers()) {
      stage.signals.wait_ms(20);
      if (stage.signals.interrupted()) return interrupted();
      if (waitpid(daemon.pid_, nullptr, WNOHANG) == daemon.pid_) {
        daemon.pid_ = -1;
        return fail(ErrorKind::unavailable, "headroomd ended at once", first_line(log));
      }
      if (seconds_since(begin) > kDaemonStartSeconds) {
        return fail(ErrorKind::unavailable, "headroomd does not answer on " + socket,
                    first_line(log));
      }
    }
    return daemon;
  }

  Daemon(Daemon&& other) noexcept
      : pid_(other.pid_), signals_(other.signals_), socket_(std::move(other.socket_)) {
    other.pid_ = -1;
  }
  Daemon& operator=(Daemon&&) = delete;
  ~Daemon() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    const auto begin = Clock::now();
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
      if (seconds_since(begin) > 3) kill(pid_, SIGKILL);
      signals_.wait_ms(20);
    }
  }

  std::string url() const { return "unix://" + socket_; }

 private:
  Daemon(pid_t pid, Signals& signals, std::string socket)
      : pid_(pid), signals_(signals), socket_(std::move(socket)) {}

  /// Asks for anything over HTTP; any answer will do.
  bool answers() const {
    const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0) return false;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    const timeval patience{1, 0};
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    static constexpr std::string_view kQuestion =
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char answer[5] = {};
    const bool good =
        connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        send(file, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(kQuestion.size()) &&
        recv(file, answer, 4, MSG_WAITALL) == 4 && std::string_view(answer) == "HTTP";
    close(file);
    return good;
  }

  pid_t pid_;
  Signals& signals_;
  std::string socket_;
};

constexpr int kWaitMs = kSampleMs / 2;

}  // namespace

void Display::draw(const Instance& instance, const Frame& frame) {
  if (!live_) return;
  std::string text = drawn_ ? "\x1b[" + std::to_string(kScreenRows - 1) + "A\r" : "\x1b[?25l";
  // Every line is overwritten and its rest cleared: nothing flickers.
  for (const char c : screen(instance, frame, colour_)) {
    if (c == '\n') text += "\x1b[K";
    text += c;
  }
  text += "\x1b[K";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  drawn_ = true;
}

void Display::tell(const Happening& happening) {
  if (live_) return;
  std::fputs(plain_line(happening).c_str(), stdout);
  std::fflush(stdout);
}

void Display::clear() {
  if (!drawn_) return;
  std::printf("\x1b[%dA\r\x1b[J\x1b[?25h", kScreenRows - 1);
  std::fflush(stdout);
  drawn_ = false;
}

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, each);
  sigprocmask(SIG_BLOCK, &set, &former_);
  file_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  close(file_);
  restore();
}

void Signals::restore() const { sigprocmask(SIG_SETMASK, &former_, nullptr); }

void Signals::wait_ms(int milliseconds) {
  pollfd one{file_, POLLIN, 0};
  poll(&one, 1, milliseconds);
  signalfd_siginfo info{};
  while (read(file_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != SIGCHLD) interrupted_ = true;
  }
}

Result<Outcome> run_bare(const Stage& stage) {
  Crew crew(stage, "bare", "1  bare: all jobs at once, as people start them");
  const std::size_t count = stage.instance.jobs.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (auto launched = crew.launch(i, crew.words(i), {}); !launched) {
      return tl::unexpected(launched.error());
    }
  }
  while (crew.busy()) {
    crew.step(kWaitMs);
    if (stage.signals.interrupted()) return interrupted();
    for (std::size_t i = 0; i < count; ++i) {
      if (crew.state(i) != JobState::pausing || crew.alive(i)) continue;
      if (crew.kills(i) > kRetries) {
        crew.give_up(i);
      } else if (crew.now() - crew.ended_at(i) >= kBackOffSeconds) {
        if (auto launched = crew.launch(i, crew.words(i), {}); !launched) {
          return tl::unexpected(launched.error());
        }
      }
    }
    if (crew.now() > kPhaseLimitSeconds) break;
  }
  return crew.outcome();
}

Result<Outcome> run_headroom(const Stage& stage) {
  auto daemon = Daemon::launch(stage);
  if (!daemon) return tl::unexpected(daemon.error());
  Crew crew(stage, "headroom", "2  headroom run --mem … --for … -- job");
  const std::size_t count = stage.instance.jobs.size();
  std::size_t submitted = 0;
  while (crew.busy()) {
    while (submitted < count && crew.now() >= kSubmitSeconds * static_cast<double>(submitted)) {
      const Job& job = crew.job(submitted);
      std::vector<std::string> command = {stage.programs.command,
                                          "run",
                                          "--name",
                                          job.name,
                                          "--mem",
                                          std::to_string(job.memory_mib) + "M",
                                          "--for",
                                          std::to_string(job.seconds) + "s",
                                          "--wait",
                                          "10m",
                                          "--"};
      const auto words = crew.words(submitted);
      command.insert(command.end(), words.begin(), words.end());
      if (auto launched = crew.launch(submitted, command, daemon->url()); !launched) {
        return tl::unexpected(launched.error());
      }
      ++submitted;
    }
    crew.step(submitted < count ? static_cast<int>(kSubmitSeconds * 1000) : kWaitMs);
    if (stage.signals.interrupted()) return interrupted();
    for (std::size_t i = 0; i < count; ++i) {
      // Under headroom nothing is tried twice: a kill is a failure of headroom.
      if (crew.state(i) == JobState::pausing) crew.give_up(i);
    }
    if (crew.now() > kPhaseLimitSeconds) break;
  }
  return crew.outcome();
}

}  // namespace headroom::demo
