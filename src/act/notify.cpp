#include "act/notify.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/json.hpp>

#include "http/client.hpp"
#include "http/url.hpp"

#if __has_include(<systemd/sd-journal.h>)
#include <systemd/sd-journal.h>
#define HEADROOM_HAS_JOURNAL 1
#endif

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace headroom::act {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::string number_text(double number) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

std::string time_text(WallTime time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
  const std::time_t whole = seconds.count();
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  char text[48];
  std::snprintf(
      text, sizeof text, "%s.%03dZ", date,
      static_cast<int>(std::chrono::duration_cast<milliseconds>(since - seconds).count()));
  return text;
}

tl::unexpected<Error> not_told(const NotifyTarget& target, std::string why, std::string help = {}) {
  return fail(ErrorKind::unavailable, "notify." + target.name + " could not be told",
              std::move(why), std::move(help));
}

Result<void> post(const NotifyTarget& target, const std::string& body, milliseconds within) {
  std::string address = target.url;
  if (!target.url_file.empty()) {
    std::ifstream file(target.url_file);
    std::getline(file, address);
    if (address.empty()) {
      return not_told(target, target.url_file + " holds no address", "write http://… into it");
    }
  }
  // From here on the address stays out of what is said: it may be a secret.
  constexpr std::string_view kScheme = "http://";
  const std::size_t slash = address.find('/', kScheme.size());
  const auto url = http::Url::parse(address.substr(0, slash));
  if (!address.starts_with(kScheme) || !url) {
    return not_told(target, "its address is not right", "it looks like http://host:port/path");
  }
  auto client = http::Client::connect(*url, within);
  if (!client) return not_told(target, client.error().why);
  const std::string path = slash == std::string::npos ? "/" : address.substr(slash);
  const auto answer = client->request("POST", path, body, {}, within);
  if (!answer) return not_told(target, answer.error().why);
  if (answer->status < 200 || answer->status > 299) {
    return not_told(target, "it answered with status " + std::to_string(answer->status));
  }
  return {};
}

// The environment of the command: ours, and what the alert is about.
std::vector<std::string> command_environment(const Notify& news, const std::string& node) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with("NOTIFY_SOCKET=")) continue;  // is ours alone
    all.emplace_back(*entry);
  }
  all.push_back("HEADROOM_NODE=" + node);
  all.push_back(std::string("HEADROOM_WHAT=") + to_string(news.what));
  all.push_back(std::string("HEADROOM_LEVEL=") + to_string(news.alert.level));
  all.push_back(std::string("HEADROOM_RESOURCE=") + to_string(news.alert.resource));
  return all;
}

// Holds back the signal of a pipe that nobody reads any more, for this thread and this long.
class PipeSignalHeld {
 public:
  PipeSignalHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalHeld() {
    const timespec now{};
    if (sigismember(&before_, SIGPIPE) == 0) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalHeld(const PipeSignalHeld&) = delete;
  PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
};

// Writes what a pipe takes before `end`; a reader that goes away early is its own business.
void feed(int fd, std::string_view text, Clock::time_point end) {
  const PipeSignalHeld held;
  while (!text.empty()) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now()).count();
    pollfd ready{fd, POLLOUT, 0};
    if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) <= 0) return;
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

Result<void> run(const NotifyTarget& target, const Notify& news, const std::string& node,
                 const std::string& body, milliseconds within) {
  const Clock::time_point end = Clock::now() + within;
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return not_told(target, std::strerror(errno));
  fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);

  std::vector<std::string> environment = command_environment(news, node);
  std::vector<char*> variables;
  for (std::string& one : environment) variables.push_back(one.data());
  variables.push_back(nullptr);
  std::vector<std::string> words = target.run;
  std::vector<char*> arguments;
  for (std::string& one : words) arguments.push_back(one.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, pipe_ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, arguments.front(), &files, &attributes, arguments.data(),
                                  variables.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  close(pipe_ends[0]);
  if (failed != 0) {
    close(pipe_ends[1]);
    return not_told(target, target.run.front() + " cannot be run: " + std::strerror(failed),
                    "look at notify." + target.name + ".run");
  }
  const int watched = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  feed(pipe_ends[1], body, end);
  close(pipe_ends[1]);
  pollfd ended{watched, POLLIN, 0};
  int left = 0;
  int ready = 0;
  do {
    left = static_cast<int>(std::max<std::int64_t>(
        0, std::chrono::duration_cast<milliseconds>(end - Clock::now()).count()));
    ready = poll(&ended, 1, left);
  } while (ready < 0 && errno == EINTR);
  const bool late = ready <= 0;
  // It leads a group of its own and is not waited for yet, so the number is still its.
  if (late) kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (watched >= 0) close(watched);
  if (late) {
    return not_told(target, target.run.front() + " took longer than " +
                                std::to_string(within.count()) + " ms and was ended");
  }
  if (WIFSIGNALED(status)) {
    return not_told(target,
                    target.run.front() + " died of signal " + std::to_string(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return not_told(target,
                    target.run.front() + " ended with " + std::to_string(WEXITSTATUS(status)));
  }
  return {};
}

Result<void> write_journal(const NotifyTarget& target, const Notify& news,
                           const std::string& text) {
#ifdef HEADROOM_HAS_JOURNAL
  const Alert& alert = news.alert;
  const int priority = alert.ended                       ? 5
                       : alert.level == Level::emergency ? 1
                       : alert.level == Level::critical  ? 2
                                                         : 4;
  std::vector<std::string> fields = {
      "MESSAGE=" + text,
      "PRIORITY=" + std::to_string(priority),
      "SYSLOG_IDENTIFIER=headroomd",
      std::string("HEADROOM_WHAT=") + to_string(news.what),
      "HEADROOM_ALERT=a" + std::to_string(alert.id),
      std::string("HEADROOM_LEVEL=") + to_string(alert.level),
      std::string("HEADROOM_RESOURCE=") + to_string(alert.resource),
      "HEADROOM_DEVICE=" + alert.device,
      "HEADROOM_VALUE=" + number_text(alert.value),
      "HEADROOM_THRESHOLD=" + number_text(alert.threshold),
  };
  std::vector<iovec> parts;
  for (std::string& field : fields) parts.push_back({field.data(), field.size()});
  const int done = sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  if (done < 0) return not_told(target, std::string("the journal: ") + std::strerror(-done));
  return {};
#else
  (void)news;
  (void)text;
  return not_told(target, "this build knows no systemd journal");
#endif
}

}  // namespace

std::string notify_text(const Notify& news, const std::string& node) {
  const Alert& alert = news.alert;
  std::string text = node + ": " + alert.text;
  if (!alert.device.empty()) text += " on " + alert.device;
  if (alert.ended) {
    return text + " ended after " +
           std::to_string(alert.lasted.value_or(std::chrono::seconds(0)).count()) + " s";
  }
  return text + ": " + to_string(alert.level) + ", " + number_text(alert.value) + ", line " +
         number_text(alert.threshold) + " (" + to_string(news.what) + ")";
}

std::string notify_json(const Notify& news, const std::string& node) {
  const Alert& alert = news.alert;
  boost::json::object about{{"id", "a" + std::to_string(alert.id)},
                            {"severity", to_string(alert.level)},
                            {"resource", to_string(alert.resource)},
                            {"device", nullptr},
                            {"text", alert.text},
                            {"value", alert.value},
                            {"threshold", alert.threshold},
                            {"since", time_text(alert.since)},
                            {"ended", nullptr}};
  if (!alert.device.empty()) about["device"] = alert.device;
  if (alert.ended) about["ended"] = time_text(*alert.ended);
  return boost::json::serialize(boost::json::object{{"text", notify_text(news, node)},
                                                    {"node", node},
                                                    {"what", to_string(news.what)},
                                                    {"alert", std::move(about)}});
}

Result<void> notify(const NotifyTarget& target, const Notify& news, const std::string& node,
                    milliseconds within) {
  switch (target.kind) {
    case NotifyKind::webhook:
      return post(target, notify_json(news, node), within);
    case NotifyKind::command:
      return run(target, news, node, notify_json(news, node), within);
    case NotifyKind::journal:
      break;
  }
  return write_journal(target, news, notify_text(news, node));
}

}  // namespace headroom::act
