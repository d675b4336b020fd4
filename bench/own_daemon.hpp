// A daemon of the benchmark's own, with its own socket and state.
#pragma once

#include <string>

#include <sys/types.h>

namespace headroom::bench {

/// A program that lies in the same folder as this one.
std::string beside_this_program(const std::string& name);

/// A blocking connection to a Unix socket; -1 with errno when there is none.
int connect_to(const std::string& path);

/// Starts `headroomd` in a temporary folder, ends it and removes the folder when this goes.
class OwnDaemon {
 public:
  explicit OwnDaemon(const std::string& program);
  ~OwnDaemon();
  OwnDaemon(const OwnDaemon&) = delete;
  OwnDaemon& operator=(const OwnDaemon&) = delete;

  /// Waits until it answers; false, with a message, if it does not within ten seconds.
  bool serves();
  std::string socket() const { return folder_ + "/socket"; }

 private:
  std::string program_;
  std::string folder_;
  pid_t pid_ = 0;
};

}  // namespace headroom::bench
