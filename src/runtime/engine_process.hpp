// Which process an engine is.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <sys/types.h>

#include <headroom/sample.hpp>

#include "words/config.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// The process that listens where a hook asks, when that is on this machine. One thread at a time;
/// reads files of /proc, so not on the loop.
class EngineServer {
 public:
  explicit EngineServer(const HookSetting& setting);

  /// Empty: it is elsewhere, or cannot be found. The open files of all processes are looked through
  /// only when the socket is another one than the last time.
  std::optional<pid_t> find();

 private:
  int port_ = 0;  ///< 0: elsewhere
  std::uint64_t inode_ = 0;
  std::optional<pid_t> pid_;
};

/// Replaces the pid of each model by that of the process below it which has memory on a GPU: an
/// engine's server often leaves that to its children. It stays where the engine itself is there,
/// and where its children are on several devices, so that it cannot be said which has the model.
void name_gpu_processes(EngineRead& read, const Sample& sample,
                        const std::function<bool(pid_t child, pid_t ancestor)>& descends);

}  // namespace headroom::runtime
