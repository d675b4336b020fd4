// Asks others to free or to load models, and engines what they hold, beside the loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <headroom/instant.hpp>

#include "act/hook.hpp"
#include "act/process.hpp"
#include "runtime/engine_process.hpp"
#include "words/config.hpp"
#include "words/effect.hpp"
#include "words/event.hpp"

namespace headroom::runtime {

/// Carries asks out through the hooks of the configuration. All functions belong to the loop
/// thread; each call of a hook has a thread of its own, because it blocks until its deadline: at
/// most four at once and one of each hook. Asks go before looks, and looks leave two of the four
/// alone, so that engines that hang hold up nobody's memory.
///
/// Every ask is answered once: by who was asked, within the time that its hook may take, or
/// `unreachable`: at once when 256 wait already or there is no such hook, or when its turn has not
/// come within that time or 30 s.
///
/// Engines (ollama, llama-server, llama-swap, vllm-sleep, comfyui) are looked at every
/// models.engines_every and after each ask; one that does not answer is looked at less often, down
/// to once a minute.
class HookWorker {
 public:
  using MakeHook = std::function<Result<std::unique_ptr<act::Hook>>(const HookSetting&)>;

  struct Hooks {
    /// Has work done on the loop thread. Called on any thread, never after the end of the worker's
    /// destructor.
    std::function<void(std::function<void()>)> post;
    std::function<BootTime()> now;
    std::function<void(HookAnswered)> answered;  ///< called on the loop thread
    std::function<void(EngineRead)> read;        ///< called on the loop thread
  };

  explicit HookWorker(Hooks hooks, MakeHook make = act::make_hook);
  /// Drops what waits. Calls under way are waited for for a second at most; what takes longer is
  /// left to its deadline, and touches nothing of this object any more.
  ~HookWorker();
  HookWorker(const HookWorker&) = delete;
  HookWorker& operator=(const HookWorker&) = delete;

  /// From now on these are there to be asked. One whose setting is the same goes on as it is; asks
  /// that wait for one that is gone are answered `unreachable`.
  void configure(const Config& config);

  /// Asks; `answered` is called later, never from within. `process` is the holder of the lease,
  /// held, for hooks that signal; empty where it has ended.
  void ask(const AskHook& ask, std::optional<act::ProcessWatch> process);

  /// Does what has become due: looks, and asks that have waited for too long.
  void tick();
  /// When tick() has something to do; empty: not before something else happens. May be different
  /// after every call of this object, of `answered` and of `read`.
  std::optional<BootTime> next() const;

 private:
  struct Waiting {
    AskHook ask;
    std::shared_ptr<const act::ProcessWatch> process;
    BootTime until;  ///< its turn has come by then, or never
  };
  /// One hook and what is under way there.
  struct Door {
    HookSetting setting;
    std::shared_ptr<const act::Hook> hook;  ///< null: it cannot be made, and `trouble` says why
    std::string trouble;
    std::shared_ptr<EngineServer> server;  ///< of the call under way
    bool engine = false;                   ///< can tell what it holds
    bool busy = false;
    std::uint64_t generation = 0;  ///< another one: of another setting
    std::optional<BootTime> look;  ///< due; empty: never, or one is under way
    std::chrono::nanoseconds pause{};
  };
  struct Shared;

  Door* door(const std::string& name);
  void start_more();
  void start_ask(Door& door, Waiting waiting);
  void start_look(Door& door);
  /// Has `call` made on a thread of its own, and `done` called with its answer on the loop thread.
  void start(std::function<act::HookAnswer()> call, std::function<void(act::HookAnswer)> done);
  void post(std::function<void()> work);
  void finish_ask(const std::string& name, std::uint64_t generation, std::uint64_t ask,
                  const act::HookAnswer& answer);
  void finish_look(const std::string& name, std::uint64_t generation, act::HookAnswer answer);
  void answer_later(std::uint64_t ask, HookResult result, std::string said);

  Hooks hooks_;
  MakeHook make_;
  std::map<std::string, Door> doors_;
  std::deque<Waiting> waiting_;
  std::size_t calls_ = 0;
  std::size_t looks_ = 0;  ///< of the calls
  std::uint64_t generation_ = 0;
  std::chrono::nanoseconds every_{};
  std::shared_ptr<Shared> shared_;  ///< with the threads, which may outlive this object
};

}  // namespace headroom::runtime
