// Processes by identity: pid, start time and a pidfd, never a bare pid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>

namespace headroom::act {

/// What /proc/PID/stat says, as far as identity needs it.
struct ProcessStat {
  pid_t pid = 0;
  char state = '?';
  pid_t parent = 0;
  std::uint64_t start_time = 0;  ///< clock ticks since boot
  bool operator==(const ProcessStat&) const = default;
};

/// Parses a /proc/PID/stat text; the name in it may hold any character, ")" and newlines too.
std::optional<ProcessStat> parse_process_stat(std::string_view text);

/// The real uid in a /proc/PID/status text.
std::optional<uid_t> parse_real_uid(std::string_view status);

/// A pidfd: readable (POLLIN) once the process has ended. Move-only; closes it. Any thread.
class ProcessWatch {
 public:
  ProcessWatch(int pidfd, Holder holder) : fd_(pidfd), holder_(holder) {}
  ProcessWatch(ProcessWatch&& other) noexcept : fd_(other.fd_), holder_(std::move(other.holder_)) {
    other.fd_ = -1;
  }
  ProcessWatch& operator=(ProcessWatch&& other) noexcept;
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;
  ~ProcessWatch();

  /// To be polled; owned by the watch. -1 after a move.
  int fd() const { return fd_; }
  const Holder& holder() const { return holder_; }
  /// False once the process has ended, whether or not somebody has waited for it.
  bool alive() const;

 private:
  int fd_;
  Holder holder_;
};

/// The identity of a living process; not_found when there is none (or `pid` is a thread).
/// Free of races: what is read belongs to the process that the pidfd holds.
Result<Holder> identify(pid_t pid);

/// Watches exactly this process; not_found when it has ended or its pid is another's by now.
Result<ProcessWatch> watch(const Holder& holder);

/// The real uid of a process.
Result<uid_t> owner_of(pid_t pid);

/// True when `child` is `ancestor` or descends from it now, by at most 1024 steps. A process whose
/// parent has died belongs to its reaper: then false.
bool is_descendant_or_same(pid_t child, pid_t ancestor);

/// The kernel's random name of this boot; start times mean something only within one.
/// `root` is a prefix for tests.
Result<std::string> boot_id(const std::string& root = "/");

/// True when `peer` is root or owns the (living, same) process.
bool may_control(uid_t peer, const Holder& holder);

/// Sends a signal through the pidfd. Refuses pid 1 and below, ourselves and our ancestors
/// (not_allowed) and numbers that are no signal (invalid_request); not_found when it has ended.
Result<void> end(const ProcessWatch& process, int signal);

}  // namespace headroom::act
