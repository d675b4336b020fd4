// The daemon that is loaded: a real one, with folders of its own.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>
#include <headroom/result.hpp>

namespace headroom::load {

/// What the kernel says of a process.
struct Facts {
  int descriptors = 0;
  std::int64_t resident = 0;       ///< bytes now
  std::int64_t most_resident = 0;  ///< bytes at most since its start
  double cpu = 0;                  ///< seconds, of all threads
  double loop_cpu = 0;             ///< of its first thread, which runs the loop
  double loop_waited = 0;          ///< seconds that the loop could run and had no CPU
};

/// Ended, and its folder removed, at the latest with this object.
class Daemon {
 public:
  /// Makes the folder; nothing runs yet.
  Daemon(std::string program, int port);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Starts it and waits until it serves.
  Result<void> start();
  bool running();
  /// SIGTERM; its exit code, or 128 + the signal that ended it; -1 when it does not end.
  int stop();

  std::string socket() const { return folder_ + "/s"; }
  std::string state() const { return folder_ + "/state"; }
  int port() const { return port_; }
  Facts facts() const;
  /// The newest of what it said.
  std::string log() const;

 private:
  std::string program_;
  int port_;
  std::string folder_;
  pid_t pid_ = -1;
  int status_ = 0;
};

}  // namespace headroom::load
