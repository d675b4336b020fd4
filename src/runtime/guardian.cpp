#include "runtime/guardian.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/groups.hpp"
#include "runtime/helper_process.hpp"

namespace headroom::runtime {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostHeld = 16384;  // more than leases are allowed
constexpr std::size_t kMessage = 16384;   // three paths
constexpr int kMostWait = 100;            // ms that the loop waits for the guardian to read
constexpr auto kLastGuardian = 2s;

std::string lock_file(const std::string& state_dir) { return state_dir + "/guardian.lock"; }

}  // namespace

// "+" or "-", the lease, and for "+" what its group is, with a zero byte after each.
std::string encode(const GuardianMessage& message) {
  std::string text(1, message.hold ? '+' : '-');
  const auto add = [&](const std::string& field) {
    text += field;
    text += '\0';
  };
  add(std::to_string(message.lease));
  if (!message.hold) return text;
  add(message.group.memory);
  add(message.group.cpu);
  add(message.group.unified);
  add(message.group.v2 ? "2" : "1");
  return text;
}

std::optional<GuardianMessage> decode_guardian(std::string_view bytes) {
  if (bytes.empty() || (bytes[0] != '+' && bytes[0] != '-')) return {};
  GuardianMessage message;
  message.hold = bytes[0] == '+';
  bytes.remove_prefix(1);
  std::array<std::string_view, 5> fields;
  const std::size_t wanted = message.hold ? fields.size() : 1;
  for (std::size_t i = 0; i < wanted; ++i) {
    const std::size_t end = bytes.find('\0');
    if (end == std::string_view::npos) return {};
    fields[i] = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
  }
  const auto [rest, problem] =
      std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), message.lease);
  if (problem != std::errc() || rest != fields[0].data() + fields[0].size()) return {};
  if (!bytes.empty()) return {};
  if (!message.hold) return message;
  if (fields[4] != "1" && fields[4] != "2") return {};
  message.group.memory = fields[1];
  message.group.cpu = fields[2];
  message.group.unified = fields[3];
  message.group.v2 = fields[4] == "2";
  return message;
}

Guardian::Guardian(Options options) : options_(std::move(options)) {}

Guardian::~Guardian() {
  if (socket_ >= 0) ::close(socket_);
  // It ends by itself now; whoever starts after us waits for that.
  if (pid_ > 0) ::waitpid(pid_, nullptr, WNOHANG);
}

bool Guardian::wait_for_last(const std::string& state_dir) {
  const int lock = ::open(lock_file(state_dir).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (lock < 0) return true;  // there never was one
  const auto until = std::chrono::steady_clock::now() + kLastGuardian;
  bool free = false;
  while (!(free = ::flock(lock, LOCK_EX | LOCK_NB) == 0) &&
         std::chrono::steady_clock::now() < until) {
    ::poll(nullptr, 0, 2);
  }
  ::close(lock);
  return free;
}

Result<void> Guardian::start() {
  const std::string what = "there is no guardian process";
  const std::string why_it_matters =
      "without one nothing is fenced or frozen: it would stay so if headroomd died";
  const int lock = ::open(lock_file(options_.state_dir).c_str(),
                          O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) {
    return fail(ErrorKind::unavailable, what,
                "cannot open " + lock_file(options_.state_dir) + ": " + ::strerrordesc_np(errno),
                why_it_matters);
  }
  int ends[2] = {-1, -1};
  const bool locked = ::flock(lock, LOCK_EX | LOCK_NB) == 0;
  int problem = locked ? 0 : errno;
  if (locked && ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) problem = errno;
  pid_t pid = 0;
  if (problem == 0) {
    pid = start_helper(options_.program, options_.arguments, {ends[1], lock});
    if (pid < 0) problem = -pid;
  }
  ::close(lock);  // the guardian has it, or nobody
  if (ends[1] >= 0) ::close(ends[1]);
  if (problem != 0) {
    if (ends[0] >= 0) ::close(ends[0]);
    return fail(ErrorKind::unavailable, what,
                locked ? std::string("it could not be started: ") + ::strerrordesc_np(problem)
                       : "that of an earlier daemon still lives",
                why_it_matters);
  }
  socket_ = ends[0];
  pid_ = pid;
  for (const auto& [lease, group] : held_) {
    if (!send({true, lease, group})) break;
  }
  if (socket_ < 0) return fail(ErrorKind::unavailable, what, "it died at once", why_it_matters);
  return {};
}

bool Guardian::send(const GuardianMessage& message) {
  const std::string text = encode(message);
  if (socket_ < 0) return false;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno != EAGAIN) break;
    pollfd one{socket_, POLLOUT, 0};
    ::poll(&one, 1, kMostWait);
  }
  bury();
  return false;
}

void Guardian::bury() {
  // Ended before the socket is closed: one that is merely slow would let all go that we go on to
  // hold. A new one is told of all of it again.
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_ = 0;
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

Result<void> Guardian::hold(LeaseId lease, const Group& group) {
  const auto known = held_.find(lease);
  const bool was_held = known != held_.end();
  const bool told = was_held && known->second == group;
  if (held_.size() >= kMostHeld && known == held_.end()) {
    return fail(ErrorKind::unavailable, "no more leases can be fenced",
                std::to_string(kMostHeld) + " are");
  }
  held_[lease] = group;
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) {
    pid_ = 0;
    bury();
  }
  if (pid_ > 0 && told) return {};
  if (pid_ > 0 && send({true, lease, group})) return {};
  auto started = start();
  if (!started && !was_held) held_.erase(lease);
  return started;
}

void Guardian::look() {
  if (pid_ > 0) {
    if (::waitpid(pid_, nullptr, WNOHANG) != pid_) return;
    pid_ = 0;
    bury();
  }
  if (!held_.empty()) (void)start();
}

void Guardian::forget(LeaseId lease) {
  if (held_.erase(lease) == 0) return;
  (void)send({false, lease, {}});
}

int run_guardian() {
  // Only the end of the daemon ends it: not a terminal, nor a service manager that ends all
  // processes of the daemon at once.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, "headroom-guard");
  std::map<LeaseId, Group> held;
  std::array<char, kMessage> buffer;
  for (;;) {
    const ssize_t got = ::recv(kHelperDescriptor, buffer.data(), buffer.size(), 0);
    if (got > 0) {
      const auto message = decode_guardian({buffer.data(), static_cast<std::size_t>(got)});
      if (!message) continue;
      if (!message->hold) {
        held.erase(message->lease);
      } else if (held.size() < kMostHeld || held.contains(message->lease)) {
        held[message->lease] = message->group;
      }
    } else if (got == 0 || errno != EINTR) {
      break;
    }
  }
  for (const auto& [lease, group] : held) (void)act::Groups::let_go(group);
  return 0;
}

}  // namespace headroom::runtime
