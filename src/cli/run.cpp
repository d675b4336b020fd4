#include "cli/run.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/at.hpp"
#include "cli/cells.hpp"
#include "cli/commands.hpp"
#include "cli/exec.hpp"
#include "cli/lease_watch.hpp"
#include "cli/units.hpp"
#include "client/daemon.hpp"
#include "settings/parse.hpp"

namespace headroom::cli {

using client::json::object;
using client::json::value;

namespace {

constexpr const char* kHelp =
    "  headroom run --mem 6G -- python train.py\n"
    "  headroom run --gpu-mem 24G --wait 30m -- vllm serve qwen"
    " --gpu-memory-utilization {gpu_fraction}\n"
    "  headroom run --gpus 1 --detach --name night -- ./train.sh\n"
    "\n"
    "Books what is asked for, or what runs of that name were measured to need, waits in the queue "
    "where it does not fit yet, runs the command on "
    "the\n"
    "device it was given, and gives everything back at its end. The exit code is the command's "
    "own;\n"
    "3 does not fit, 6 no daemon, 124 waited as long as asked, 125 headroom's own failure,\n"
    "126 not executable, 127 not found, 128+n ended by signal n.\n"
    "{gpu_fraction} {gpu_id} {gpu_mem_mb} {mem_mb} {lease} in the command are filled in.\n";

constexpr int kOwnFailure = 125;
constexpr int kNotExecutable = 126;
constexpr int kNotFound = 127;
/// How long a daemon that restarts is waited for where nothing can go on without it.
constexpr double kRestartSeconds = 3;
/// And one that runs and does not answer.
constexpr double kBusySeconds = 60;
constexpr double kEndSeconds = 2;
/// What a waiter grants the daemon beyond its own deadline before it gives up by itself.
constexpr double kGraceSeconds = 5;
constexpr std::chrono::seconds kPollOnTerminal{5};
constexpr std::chrono::seconds kPoll{30};

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void pause_for(double seconds) {
  const timespec time{static_cast<std::time_t>(seconds),
                      static_cast<long>((seconds - std::floor(seconds)) * 1e9)};
  nanosleep(&time, nullptr);
}

std::string random_key() {
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    // Early in a boot without entropy: the clock and the pid tell two runs apart as well.
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const auto pid = getpid();
    std::memcpy(bytes.data(), &now.tv_nsec, 8);
    std::memcpy(bytes.data() + 8, &pid, sizeof pid);
  }
  std::string key;
  for (const auto byte : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    key += kDigits[byte >> 4U];
    key += kDigits[byte & 15U];
  }
  return key;
}

/// Tells the process in front what became of a detached run, once.
class Front {
 public:
  Front() = default;
  explicit Front(int fd) : fd_(fd) {}
  ~Front() {
    if (fd_ >= 0) close(fd_);
  }
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  bool detached() const { return fd_ >= 0; }
  void tell(const std::string& text) {
    const auto ignored = write(fd_, text.data(), text.size());
    static_cast<void>(ignored);
    close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

/// $XDG_STATE_HOME/headroom, made where it is missing; "" when nobody says where.
std::string state_folder() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::string path;
  if (state != nullptr && *state == '/') {
    path = std::string(state) + "/headroom";
  } else if (home != nullptr && *home == '/') {
    path = std::string(home) + "/.local/state/headroom";
  } else {
    return {};
  }
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    mkdir(path.substr(0, at).c_str(), 0700);
  }
  return path;
}

/// Says that a command could not be run; the exit code that a shell would give.
int cannot_run(const std::string& command, int error) {
  const bool missing = error == ENOENT;
  report(Error{ErrorKind::internal, "cannot run '" + printable(command) + "'",
               missing ? "there is no such command" : std::strerror(error),
               missing ? "its full path, or see that its folder is in PATH" : ""});
  return missing ? kNotFound : kNotExecutable;
}

/// One run, from the fork to the last line.
class Run {
 public:
  Run(Common common, RunRequest request, NeedsOptions needs)
      : common_(std::move(common)),
        request_(std::move(request)),
        needs_(std::move(needs)),
        daemon_(common_.url, common_.answer_within()) {}

  int run(Front& front) {
    Signals signals;
    auto child = Child::fork(signals);
    if (!child) {
      report(child.error());
      return kOwnFailure;
    }
    if (const auto code = book(*child, signals)) return *code;
    if (front.detached()) {
      if (const auto code = move_output(front)) return *code;
    }
    if (client::text(lease_, "state") == "waiting") {
      if (const auto code = wait_in_queue(signals)) return *code;
    }
    if (const auto number = asked_to_end(signals)) return leave(*number);
    return carry_out(*child, signals);
  }

 private:
  /// Talk: on stderr, unless told to be quiet.
  void say(const std::string& line) const {
    if (!common_.quiet) write_out(stderr, line + "\n");
  }

  Result<void> complete_needs() {
    value room;
    if (has_percent(needs_)) {
      auto document = daemon_.document("/api/v1/room");
      if (!document) return tl::unexpected<Error>(document.error());
      room = std::move(*document);
    }
    auto needs = needs_of(needs_, room);
    if (!needs) return tl::unexpected<Error>(needs.error());
    request_.needs = std::move(*needs);
    return {};
  }

  /// Asks for the lease; an exit code when there will be none.
  std::optional<int> book(const Child& child, Signals& signals) {
    if (const auto connected = daemon_.connect(); !connected) return report(connected.error());
    if (const auto complete = complete_needs(); !complete) return report(complete.error());
    if (const auto word = missing_value(request_.command, request_.needs); !word.empty()) {
      return report(Error{ErrorKind::invalid_request, word + " has no value",
                          "nothing that gives it one is asked for",
                          word == "{mem_mb}" ? "--mem 6G" : "--gpu-mem 12G"});
    }
    body_ = booking_of(request_, child.pid());
    key_ = random_key();
    asked_at_ = seconds_now();
    auto lease = daemon_.book(body_, key_);
    // The answer may have been lost with a daemon that restarts: the key finds the same lease.
    double rest = 0.05;
    while (!lease && lease.error().kind == ErrorKind::unavailable &&
           seconds_now() - asked_at_ < patience()) {
      // A lease that was made nevertheless ends with the process that it is for.
      if (const auto number = asked_to_end(signals)) return 128 + *number;
      if (daemon_.was_late() && !std::exchange(said_late_, true)) {
        say("headroom: the daemon has not answered yet; asking again");
      }
      pause_for(rest);
      rest = std::min(2 * rest, 1.0);
      lease = daemon_.book(body_, key_);
    }
    if (!lease) return report(lease.error());
    lease_ = std::move(*lease);
    return std::nullopt;
  }

  /// Seconds. On a machine with more to do than it can the daemon has its turn later as well.
  double patience() const {
    return daemon_.was_late() && !common_.timeout ? kBusySeconds : kRestartSeconds;
  }

  std::string id() const { return client::text(lease_, "id"); }

  /// The rest of a detached run writes to a file.
  std::optional<int> move_output(Front& front) {
    const auto folder = state_folder();
    auto file = name_of(client::text(lease_, "name")) + "-" + name_of(id()) + ".log";
    output_path_ = (folder.empty() ? std::string("/tmp") : folder) + "/" + file;
    const int out =
        open(output_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || nothing < 0) {
      const Error error{ErrorKind::internal, "no file for the output: " + output_path_,
                        std::strerror(errno), "XDG_STATE_HOME=/a/folder/of/yours"};
      daemon_.end(id());
      report(error);
      return kOwnFailure;
    }
    dup2(nothing, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(nothing);
    close(out);
    front.tell("0 " + id() + " " + output_path_ + "\n");
    return std::nullopt;
  }

  /// A signal that asks the run to end before the command has begun; stops with the terminal's ^Z.
  static std::optional<int> asked_to_end(Signals& signals) {
    while (const auto taken = signals.take()) {
      switch (taken->number) {
        case SIGINT:
        case SIGQUIT:
        case SIGTERM:
        case SIGHUP:
          return taken->number;
        case SIGTSTP:
          raise(SIGSTOP);
          break;
        default:
          break;
      }
    }
    return std::nullopt;
  }

  /// Gives up the lease or the place in the queue.
  int leave(int number) {
    daemon_.end(id());
    clear_progress();
    say("headroom: " + lease_name(lease_) + " left the queue");
    return 128 + number;
  }

  void show_progress() {
    if (common_.quiet) return;
    const auto style = style_for(common_, stderr);
    auto line = waiting_line(lease_, seconds_now() - asked_at_, style);
    if (style.width > 0) {  // on a terminal: in place, below the reason
      const auto why = printable(client::text(lease_, "why"));
      if (!said_waiting_ && !why.empty()) say("headroom: " + why);
      if (static_cast<int>(width_of(line)) >= style.width) {
        line.resize(std::min<std::size_t>(line.size(), static_cast<std::size_t>(style.width) - 1));
      }
      write_out(stderr, "\r\x1b[K" + line);
      progress_shown_ = true;
    } else if (!said_waiting_) {
      const auto why = printable(client::text(lease_, "why"));
      say(line.substr(0, line.find("      ")) + (why.empty() ? "" : "; " + why));
    }
    said_waiting_ = true;
  }

  void clear_progress() {
    if (progress_shown_) write_out(stderr, "\r\x1b[K");
    progress_shown_ = false;
  }

  /// Waits until the lease is granted; an exit code when it will not be.
  std::optional<int> wait_in_queue(Signals& signals) {
    const bool terminal = isatty(STDERR_FILENO) == 1 && !common_.quiet;
    LeaseWatch watch(
        {common_.url, common_.answer_within(), terminal ? kPollOnTerminal : kPoll, body_, key_},
        id());
    const auto wait = request_.wait_seconds;
    // With a time of its own it counts from there.
    double from = asked_at_;
    if (request_.starts) {
      from += std::max(0.0, static_cast<double>(*request_.starts - std::time(nullptr)));
    }
    bool lost = false;
    show_progress();
    for (;;) {
      double sleep = terminal ? 1.0 : 60.0;
      if (wait) {
        const double left = from + static_cast<double>(*wait) + kGraceSeconds - seconds_now();
        if (left <= 0) {
          daemon_.end(id());
          return gave_up();
        }
        sleep = std::min(sleep, left);
      }
      std::array<pollfd, 2> fds{{{signals.fd(), POLLIN, 0}, {watch.fd(), POLLIN, 0}}};
      poll(fds.data(), fds.size(), static_cast<int>(std::ceil(sleep * 1000)));
      if (const auto number = asked_to_end(signals)) return leave(*number);
      if (auto news = watch.news()) {
        if (!*news && news->error().kind != ErrorKind::unavailable) {
          clear_progress();
          return report(news->error());
        }
        if (!*news && !lost) {
          clear_progress();
          say("headroom: the daemon does not answer; asking again until it does");
        }
        lost = !*news;
        if (*news) lease_ = std::move(**news);
        const auto state = client::text(lease_, "state");
        if (!lost && state == "ended") {
          if (wait && seconds_now() - from + 1 >= static_cast<double>(*wait)) return gave_up();
          clear_progress();
          return report(Error{ErrorKind::internal,
                              lease_name(lease_) + " was ended while it waited",
                              printable(client::text(lease_, "reason")), ""});
        }
        if (!lost && state != "waiting") {
          clear_progress();
          return std::nullopt;
        }
      }
      if (terminal) show_progress();
    }
  }

  int gave_up() {
    clear_progress();
    return report(Error{ErrorKind::timed_out,
                        lease_name(lease_) + " did not fit within " +
                            show_span(static_cast<double>(request_.wait_seconds.value_or(0))),
                        printable(client::text(lease_, "why")),
                        "a longer --wait, or headroom fit with the same needs"});
  }

  int carry_out(Child& child, Signals& signals) {
    auto words = fill_in(request_.command, lease_);
    if (!words) {
      daemon_.end(id());
      report(words.error());
      return kOwnFailure;
    }
    const Start start{std::move(*words), environment_of(lease_), output_path_};
    say(granted_line(lease_));
    if (request_.enforce && !client::is_true(lease_, "group.enforced")) {
      const auto why = printable(client::text(lease_, "reason"));
      say("headroom: nothing holds " + lease_name(lease_) + " to what it booked" +
          (why.empty() ? "" : ": " + why) + "; headroom doctor says what helps");
    }
    const double began = seconds_now();
    child.start(start);
    const auto state = watch_over(child, signals);
    if (state.exec_error != 0) {
      daemon_.end(id());
      return cannot_run(start.argv.front(), state.exec_error);
    }
    const double lasted = seconds_now() - began;
    const bool enforced = client::is_true(lease_, "group.enforced");
    tell_end(state.status);
    say(ended_line(lease_, enforced, state.status, lasted));
    return code_of(state.status);
  }

  static bool asks_to_end(int number) {
    return number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGHUP;
  }

  /// Who stands still hears of no signal: it is let go, and what it holds is given back.
  void let_it_hear() {
    const auto lease = daemon_.lease(id());
    if (!lease || !client::is_true(*lease, "frozen")) return;
    say("headroom: " + lease_name(lease_) +
        " stands still for want of memory; it is let go so that it can end");
    daemon_.end(id());
  }

  /// Passes signals on until the command has ended.
  Child::State watch_over(Child& child, Signals& signals) {
    for (bool heard = false;;) {
      const auto state = child.look();
      if (state.ended) return state;
      if (state.stopped_by == SIGTSTP || state.stopped_by == SIGTTIN ||
          state.stopped_by == SIGTTOU) {
        // The terminal's job control: the shell waits for us, so we stop as the command did. Its
        // "fg" continues the whole group.
        raise(SIGSTOP);
      }
      pollfd fd{signals.fd(), POLLIN, 0};
      poll(&fd, 1, -1);
      while (const auto taken = signals.take()) {
        // What the terminal sends reaches the command by itself: it is in the same group.
        const bool ours = taken->number == SIGCHLD || taken->number == SIGPIPE;
        if (!ours && !taken->from_kernel) child.signal(taken->number);
        if (asks_to_end(taken->number) && !std::exchange(heard, true)) let_it_hear();
      }
    }
  }

  /// Tells the daemon how the command ended and takes the lease as it measured it. A daemon that
  /// is gone is asked again for two seconds; then the lease stays as it was granted.
  void tell_end(int status) {
    const double until = seconds_now() + kEndSeconds;
    double rest = 0.001;
    for (bool told = false;;) {
      auto lease =
          told ? daemon_.lease(id()) : daemon_.change(id(), {{"exit_status", code_of(status)}});
      if (!lease && lease.error().kind != ErrorKind::unavailable) return;
      if (lease) {
        lease_ = std::move(*lease);
        const auto state = client::text(lease_, "state");
        // The numbers are final once the daemon has seen the end itself.
        if (told && state != "active" && state != "loading" && state != "reserved") return;
        if (!std::exchange(told, true)) continue;
      }
      if (seconds_now() + rest > until) return;
      pause_for(rest);
      rest = std::min(rest * 2, 0.2);
    }
  }

  Common common_;
  RunRequest request_;
  NeedsOptions needs_;
  client::Daemon daemon_;
  value lease_;
  object body_;
  std::string key_;
  std::string output_path_;
  double asked_at_ = 0;
  bool said_waiting_ = false;
  bool said_late_ = false;
  bool progress_shown_ = false;
};

/// Runs in the background, in a session of its own; returns when the lease is known.
int run_detached(const std::function<int(Front&)>& run) {
  std::array<int, 2> channel{-1, -1};
  if (pipe2(channel.data(), O_CLOEXEC) != 0) return kOwnFailure;
  const pid_t first = fork();
  if (first < 0) {
    return report(Error{ErrorKind::internal, "cannot fork", std::strerror(errno), ""});
  }
  if (first == 0) {
    close(channel[0]);
    setsid();
    if (fork() != 0) _exit(0);  // a child of init: nobody here waits for it
    int code = kOwnFailure;
    {
      Front front(channel[1]);
      code = run(front);
      if (front.detached()) front.tell(std::to_string(code) + "\n");  // there is no lease
    }
    _exit(code);
  }
  close(channel[1]);
  std::string answer;
  std::array<char, 512> buffer{};
  // One line is the whole answer. The end of the channel may come much later: the command that
  // waits for its turn holds it too until it runs.
  while (answer.find('\n') == std::string::npos) {
    const auto n = read(channel[0], buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(channel[0]);
  waitpid(first, nullptr, 0);
  const auto space = answer.find(' ');
  if (space == std::string::npos) return answer.empty() ? kOwnFailure : std::atoi(answer.c_str());
  write_out(stdout, answer.substr(space + 1));
  return 0;
}

}  // namespace

namespace {

/// Why the command cannot be run, as an errno; 0 where it can, as far as its file tells.
int look_for(const std::string& command) {
  const auto look = [](const std::string& path) {
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) return ENOENT;
    return S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0 ? 0 : EACCES;
  };
  if (command.find('/') != std::string::npos) return look(command);
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  int why = ENOENT;
  for (;;) {
    const auto colon = rest.find(':');
    const std::string folder(rest.substr(0, colon));
    const int here = look((folder.empty() ? std::string(".") : folder) + "/" + command);
    if (here == 0) return 0;
    if (here == EACCES) why = here;
    if (colon == std::string_view::npos) return why;
    rest.remove_prefix(colon + 1);
  }
}

}  // namespace

int run_command(Words words) {
  Options options("run [NEEDS] -- COMMAND", kHelp);
  Common common;
  NeedsOptions needs;
  RunRequest request;
  std::string wait;
  std::string expected;
  std::string at;
  bool no_wait = false;
  bool no_fence = false;
  bool detach = false;
  needs.add_to(options);
  options.value("--name", request.name, "what to call it; else the command's name");
  options.value("--model", request.model,
                "the model that it keeps in memory: without NEEDS, what that is known to need");
  options.value("--config", request.config,
                "what tells its runs apart from others of its name; else a digest of its words");
  options.value("--priority", request.priority, "low, normal, high or critical");
  options.value("--for", expected, "how long it will take, such as 40m: lets others be planned");
  options.value("--at", at, "start then, such as 08:00 or +2h: its room is kept for it until then");
  options.value("--wait", wait, "wait in the queue at most so long; else without limit");
  options.flag("--no-wait", no_wait, "do not wait: end with 3 when it does not fit now");
  options.flag("--enforce", request.enforce, "hard limits at what was booked");
  options.flag("--no-fence", no_fence, "no soft fence at what was booked");
  options.flag("--spread", request.spread, "the emptiest device instead of the fullest that fits");
  options.flag("--return-idle", request.return_idle,
               "lets go of what is booked and not used for long, after a warning");
  options.flag("-d,--detach", detach, "in the background, output to a file");
  options.command(request.command);
  if (const auto over = options.parse(std::move(words), common)) return *over;

  if (request.command.empty()) {
    return report(Error{ErrorKind::invalid_request, "run needs a command", "",
                        "headroom run --mem 6G -- python train.py"});
  }
  if (const auto priority = settings::parse_priority(request.priority); !priority) {
    return report(priority.error());
  }
  if (no_wait && !wait.empty()) {
    return report(Error{ErrorKind::invalid_request, "--wait and --no-wait exclude each other", "",
                        "one of them"});
  }
  if (no_wait && !at.empty()) {
    return report(Error{ErrorKind::invalid_request, "--at and --no-wait exclude each other",
                        "who starts at a time waits for it",
                        "--at by itself, or --no-wait to start now or not at all"});
  }
  const auto whole_seconds = [](const std::string& text) -> Result<std::int64_t> {
    const auto time = settings::parse_duration(text);
    if (!time) return tl::unexpected<Error>(time.error());
    return std::chrono::ceil<std::chrono::seconds>(*time).count();
  };
  if (no_wait) request.wait_seconds = 0;
  if (!wait.empty()) {
    const auto seconds = whole_seconds(wait);
    if (!seconds) return report(seconds.error());
    request.wait_seconds = *seconds;
  }
  if (!expected.empty()) {
    const auto seconds = whole_seconds(expected);
    if (!seconds) return report(seconds.error());
    request.for_seconds = *seconds;
  }
  if (!at.empty()) {
    const auto starts = parse_at(at, std::time(nullptr));
    if (!starts) return report(starts.error());
    request.starts = *starts;
  }
  request.fence = !no_fence;
  request.asked = static_cast<std::int64_t>(seconds_now());
  if (const char* parent = std::getenv("HEADROOM_LEASE"); parent != nullptr) {
    request.parent = parent;
  }
  // Mistakes are told before anything is forked, asked, or waited for.
  if (const int why = look_for(request.command.front()); why != 0) {
    return cannot_run(request.command.front(), why);
  }
  if (!has_percent(needs)) {
    if (const auto checked = needs_of(needs); !checked) return report(checked.error());
  }
  const auto run = [&](Front& front) { return Run(common, request, needs).run(front); };
  if (detach) return run_detached(run);
  Front front;
  return run(front);
}

}  // namespace headroom::cli
