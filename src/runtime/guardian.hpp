// The guardian: a small process that lets everything go when the daemon dies.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/lease.hpp>
#include <headroom/result.hpp>

namespace headroom::runtime {

/// What the daemon tells its guardian.
struct GuardianMessage {
  bool hold = false;  ///< else: forget
  LeaseId lease = 0;
  Group group;  ///< its folders and version; of one that is held
  bool operator==(const GuardianMessage&) const = default;
};
std::string encode(const GuardianMessage& message);
/// Empty where it is none, or cut.
std::optional<GuardianMessage> decode_guardian(std::string_view bytes);

/// The daemon's side. What is fenced or frozen stands so only while somebody is there to raise and
/// to thaw it: the guardian is told of it before it is done, and undoes it when its socket says
/// that the daemon is no more, whatever ended that. Loop thread only.
class Guardian {
 public:
  struct Options {
    std::string program = "/proc/self/exe";  ///< a program that calls run_guardian()
    std::vector<std::string> arguments = {"--guardian"};
    /// Where the file lies that is locked while a guardian lives.
    std::string state_dir;
  };
  explicit Guardian(Options options);
  /// Lets everything go, as the daemon's death would.
  ~Guardian();
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  /// Waits until the guardian of a daemon that died here has done its work, at most 2 s; false: it
  /// still lives.
  static bool wait_for_last(const std::string& state_dir);

  /// From now on this lease is let go when the daemon dies. Starts the guardian, or a new one where
  /// it has died; unavailable with a reason where there is none: then nothing may be held.
  Result<void> hold(LeaseId lease, const Group& group);
  /// Its fence is gone and it runs; unknown ones are ignored.
  void forget(LeaseId lease);
  /// Starts a new one where it has died while something is held.
  void look();
  /// Of the process; 0: none was started yet, or it has died.
  pid_t pid() const { return pid_; }

 private:
  Result<void> start();
  bool send(const GuardianMessage& message);
  void bury();

  Options options_;
  int socket_ = -1;
  pid_t pid_ = 0;
  std::map<LeaseId, Group> held_;
};

/// What a program does that was started with --guardian: returns its exit code.
int run_guardian();

}  // namespace headroom::runtime
