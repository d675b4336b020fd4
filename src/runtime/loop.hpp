// The loop: one thread on which everything happens.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/result.hpp>

#include "words/config.hpp"

namespace headroom::runtime {

struct LoopOptions {
  Config config;
  std::vector<Setting> settings;
  std::string root = "/";  ///< a captured tree stands in for the machine
  std::string version;
};

/// What happened outside, told to whoever runs the loop.
struct LoopHooks {
  /// Serving, on these addresses. `problem` says what does not work, or is empty.
  std::function<void(const std::string& socket, const std::string& tcp, const std::string& problem)>
      ready;
  /// The configuration is to be read again; fails with the reason why it stays.
  std::function<Result<std::pair<Config, std::vector<Setting>>>()> reload;
  /// Settings are to be changed and kept (see settings::change()).
  std::function<Result<std::pair<Config, std::vector<Setting>>>(
      const std::vector<std::pair<std::string, std::string>>& changes)>
      change;
  /// What a configuration's text would make; fails with what is wrong in it.
  std::function<Result<std::vector<Setting>>(std::string_view toml)> check;
};

/// What a configuration says that only the rooms below can judge: simulated GPUs, a certificate, a
/// token.
Result<void> check_config(const Config& config);

/// Runs the daemon until SIGTERM or SIGINT. Fails when it cannot start.
Result<void> run_loop(LoopOptions options, const LoopHooks& hooks);

/// What `headroomd --recover` does: all that a daemon with this state.dir has fenced or frozen goes
/// on and is free; hard limits stay. Returns what was let go, one line each; conflict where a
/// daemon lives, which would hold it again.
Result<std::vector<std::string>> recover(const Config& config);

}  // namespace headroom::runtime
