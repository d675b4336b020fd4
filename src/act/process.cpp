#include "act/process.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <utility>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/refusal.hpp"

namespace headroom::act {
namespace {

constexpr int kGenerations = 1024;

// <sys/pidfd.h> of glibc 2.36 declares these without extern "C", so C++ cannot link them.
int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }
int pidfd_send_signal(int fd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0));
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// Takes the next word, separated by blanks, off the front of `text`.
std::string_view next_word(std::string_view& text) {
  constexpr std::string_view kBlanks = " \t\n";
  const auto start = std::min(text.find_first_not_of(kBlanks), text.size());
  const auto end = std::min(text.find_first_of(kBlanks, start), text.size());
  const auto word = text.substr(start, end - start);
  text.remove_prefix(end);
  return word;
}

std::string proc_file(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::string process_words(pid_t pid) { return "process " + std::to_string(pid); }

Result<ProcessStat> read_process_stat(pid_t pid) {
  const auto text = read_small(proc_file(pid, "stat"), 4096);
  if (!text) return tl::unexpected(text.error());
  const auto stat = parse_process_stat(*text);
  if (!stat || stat->pid != pid) {
    return fail(ErrorKind::internal, "cannot read the state of " + process_words(pid),
                "/proc does not have the form that was expected");
  }
  return *stat;
}

/// Opens the pidfd first and reads afterwards; if the process still lives then, its pid cannot have
/// been given to another in between, so what was read is its own.
Result<ProcessWatch> open_process(pid_t pid) {
  if (pid <= 0) {
    return fail(ErrorKind::invalid_request, "cannot look at " + process_words(pid),
                "a process id is 1 or more");
  }
  const int fd = pidfd_open(pid);
  if (fd < 0) {
    const int error = errno;
    if (error == EINVAL || error == ENOENT) {  // which of the two depends on the kernel's version
      return fail(ErrorKind::not_found, "there is no process " + std::to_string(pid),
                  "the number belongs to a thread", "name the process that the thread is of");
    }
    return tl::unexpected(refusal("cannot watch " + process_words(pid), error,
                                  error == ENOSYS ? "use Linux 5.3 or newer" : ""));
  }
  const auto stat = read_process_stat(pid);
  ProcessWatch process(fd, Holder{pid, stat ? stat->start_time : 0});
  if (!process.alive()) {
    return fail(ErrorKind::not_found, "there is no process " + std::to_string(pid), "it has ended");
  }
  if (!stat) return tl::unexpected(stat.error());
  return process;
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  const auto open = text.find(" (");
  const auto close = text.rfind(')');  // the last one: the name itself may hold more of them
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  const auto pid = number<pid_t>(text.substr(0, open));
  std::string_view rest = text.substr(close + 1);
  const auto state = next_word(rest);
  const auto parent = number<pid_t>(next_word(rest));
  if (!pid || *pid <= 0 || state.size() != 1 || !parent || *parent < 0) return {};
  constexpr int kBetween = 17;  // fields 5 to 21 lie between the parent and the start time
  for (int field = 0; field < kBetween; ++field) next_word(rest);
  const auto start = number<std::uint64_t>(next_word(rest));
  if (!start) return {};
  return ProcessStat{*pid, state.front(), *parent, *start};
}

std::optional<uid_t> parse_real_uid(std::string_view status) {
  constexpr std::string_view kKey = "\nUid:";  // "Name:", where a user's text stands, comes before
  const auto at = status.find(kKey);
  if (at == std::string_view::npos) return {};
  std::string_view rest = status.substr(at + kKey.size());
  return number<uid_t>(next_word(rest));
}

ProcessWatch& ProcessWatch::operator=(ProcessWatch&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(holder_, other.holder_);
  return *this;
}

ProcessWatch::~ProcessWatch() {
  if (fd_ >= 0) ::close(fd_);
}

bool ProcessWatch::alive() const {
  pollfd ready{fd_, POLLIN, 0};
  return fd_ >= 0 && ::poll(&ready, 1, 0) == 0;
}

Result<Holder> identify(pid_t pid) {
  const auto process = open_process(pid);
  if (!process) return tl::unexpected(process.error());
  return process->holder();
}

Result<ProcessWatch> watch(const Holder& holder) {
  auto process = open_process(holder.pid);
  if (process && process->holder() != holder) {
    return fail(ErrorKind::not_found,
                "there is no process " + std::to_string(holder.pid) + " any more",
                "it has ended and its number was given to another");
  }
  return process;
}

Result<uid_t> owner_of(pid_t pid) {
  const auto text = read_small(proc_file(pid, "status"), 8192);
  if (!text) return tl::unexpected(text.error());
  const auto uid = parse_real_uid(*text);
  if (!uid) {
    return fail(ErrorKind::internal, "cannot read the owner of " + process_words(pid),
                "/proc does not have the form that was expected");
  }
  return *uid;
}

bool is_descendant_or_same(pid_t child, pid_t ancestor) {
  if (child <= 0 || ancestor <= 0) return false;
  for (int step = 0; step < kGenerations && child > 0; ++step) {
    if (child == ancestor) return true;
    const auto stat = read_process_stat(child);
    if (!stat) return false;
    child = stat->parent;
  }
  return false;
}

Result<std::string> boot_id(const std::string& root) {
  const std::string path = (root == "/" ? std::string() : root) + "/proc/sys/kernel/random/boot_id";
  auto text = read_small(path, 128);
  if (!text) return text;
  while (!text->empty() && text->back() == '\n') text->pop_back();
  constexpr std::size_t kLength = 36;
  if (text->size() != kLength ||
      text->find_first_not_of("0123456789abcdef-") != std::string::npos) {
    return fail(ErrorKind::internal, "cannot tell this boot from another",
                path + " does not hold a UUID");
  }
  return text;
}

bool may_control(uid_t peer, const Holder& holder) {
  const auto process = watch(holder);
  if (!process) return false;
  if (peer == 0) return true;
  const auto owner = owner_of(holder.pid);
  return owner && *owner == peer && process->alive();
}

Result<void> end(const ProcessWatch& process, int signal) {
  const pid_t pid = process.holder().pid;
  const std::string what =
      "cannot send signal " + std::to_string(signal) + " to " + process_words(pid);
  if (signal < 1 || signal > SIGRTMAX) {
    return fail(ErrorKind::invalid_request, what, "there is no such signal");
  }
  if (pid <= 1 || is_descendant_or_same(::getpid(), pid)) {
    return fail(ErrorKind::not_allowed, what, "headroom itself runs below it");
  }
  if (pidfd_send_signal(process.fd(), signal) != 0) {
    const int error = errno;
    return tl::unexpected(refusal(what, error, error == EPERM ? "ask its owner, or root" : ""));
  }
  return {};
}

}  // namespace headroom::act
