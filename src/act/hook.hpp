// Asking somebody else's program to free memory, or to load again. It is asked, not made to, and it
// is not believed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <headroom/instant.hpp>
#include <headroom/result.hpp>
#include <headroom/units.hpp>

#include "act/process.hpp"
#include "words/config.hpp"

namespace headroom::act {

/// What somebody said to an ask. None of it is a measurement: an engine may answer that a model is
/// gone and keep its memory (vLLM#47654), or answer nothing and free it. Whoever asks measures
/// before and after, and gives nothing away that was not seen to be free.
enum class HookOutcome {
  answered,      ///< resident(): it told what it has
  freed,         ///< free(): and, asked again, it has it no more
  loaded,        ///< load(): and, asked again, it has it
  acknowledged,  ///< it took the ask; whether it did it, it does not say
  refused,       ///< it will not, cannot, or is busy; `said` has the reason
  not_found,  ///< it has no such model loaded (free), or knows none (load); nothing was asked of it
  unreachable,  ///< nobody there, or the connection ended before the answer did
  timed_out,    ///< no answer by the deadline
  nonsense,     ///< an answer that is none: a web page, a redirect, wrong types, too large
};
const char* to_string(HookOutcome outcome);
const char* to_string(HookKind kind);

/// How finely somebody can free.
enum class HookGrain {
  model,       ///< one model by name
  everything,  ///< all it has, or nothing
};

enum class ResidentState { loading, ready, stopping, asleep };
const char* to_string(ResidentState state);

/// One thing that somebody says it holds. What is not told is empty, never zero.
struct Resident {
  std::string name;  ///< 1 to 200 bytes, printable
  ResidentState state = ResidentState::ready;
  std::optional<Bytes> memory;      ///< of the host; what it says, or what it knows to need
  std::optional<Bytes> gpu_memory;  ///< likewise, of its GPUs
  std::string device;               ///< where that is, in its own words; "" = it does not say
  std::optional<WallTime> expires;  ///< when it means to let go by itself
  std::optional<WallTime> last_used;
  std::optional<pid_t> pid;  ///< as it says: to be identified before it is used
  std::optional<bool> busy;  ///< somebody is being served right now
  bool operator==(const Resident&) const = default;
};

inline constexpr std::size_t kMostResidents = 256;  ///< one answer's; with more it is nonsense
inline constexpr std::size_t kMostSaid = 200;       ///< bytes of `said`

struct HookAnswer {
  std::chrono::steady_clock::time_point asked_at;
  std::chrono::milliseconds took{0};
  HookOutcome outcome = HookOutcome::unreachable;
  /// The ask may have arrived, so that something may happen whatever the outcome says.
  bool reached = false;
  std::string said;  ///< in its own words or ours; printable UTF-8, kMostSaid at most
  std::vector<Resident> residents;  ///< resident() only
};

/// What is to be freed or loaded.
struct HookAsk {
  std::string model;      ///< "" = all it has (free only)
  Bytes bytes;            ///< how much is needed; 0 = not said. Told to http and command hooks.
  bool busy_too = false;  ///< free even what is serving somebody, whose request then fails
  /// Signal hooks: the processes of the lease, each held by its pidfd. Not owned; they have to hold
  /// one of our leases, which the caller knows.
  std::vector<const ProcessWatch*> processes;
};

/// One who can be asked. Every call blocks until its deadline or the configured timeout, whichever
/// is earlier, and opens connections or runs a program of its own: for worker threads. Holds no
/// state, so that calls from several threads at once are fine.
class Hook {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~Hook() = default;
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  const std::string& name() const { return setting_.name; }
  HookKind kind() const { return *setting_.kind; }
  virtual HookGrain grain() const { return HookGrain::model; }

  /// What it holds. `outcome` is `answered`, or says why not: then `residents` is empty and means
  /// nothing.
  HookAnswer resident(Deadline deadline) const;

  /// Please free `ask.model`, or everything. A model that it does not hold is not asked for, since
  /// some load it in order to unload it. Where the grain is `everything`, all goes, whatever is
  /// asked. Errors: invalid_request for a name that no model has (empty parts, control characters,
  /// more than 200 bytes); everything that the world does is an outcome.
  Result<HookAnswer> free(const HookAsk& ask, Deadline deadline) const;

  /// Please load `ask.model`, or wake up. Errors as of free(), and invalid_request for no name
  /// where one is needed.
  Result<HookAnswer> load(const HookAsk& ask, Deadline deadline) const;

 protected:
  explicit Hook(HookSetting setting) : setting_(std::move(setting)) {}
  const HookSetting& setting() const { return setting_; }

 private:
  virtual HookAnswer do_resident(Deadline deadline) const = 0;
  virtual HookAnswer do_free(const HookAsk& ask, Deadline deadline) const = 0;
  virtual HookAnswer do_load(const HookAsk& ask, Deadline deadline) const = 0;
  virtual bool load_needs_name() const { return true; }

  template <class Call>
  HookAnswer timed(Deadline deadline, const Call& call) const;

  HookSetting setting_;
};

/// The hook that a setting describes. Touches nothing. invalid_request for a setting that
/// src/settings would have refused.
Result<std::unique_ptr<Hook>> make_hook(const HookSetting& setting);

/// Where an engine listens when nobody said otherwise: "http://127.0.0.1:11434"; "" for kinds that
/// are no engines.
std::string usual_url(HookKind kind);

/// A place where an engine may be.
struct EnginePlace {
  HookKind kind;
  std::uint16_t port;
};
/// The usual ports of the known engines.
std::span<const EnginePlace> usual_places();

/// An engine that was found.
struct FoundEngine {
  HookKind kind;
  std::string url;
  std::string line;  ///< for [hooks]: ollama = { kind = "ollama", url = "http://127.0.0.1:11434" }
  std::string note;  ///< what stands in the way of using it; "" = nothing
};

/// Looks for engines on 127.0.0.1, and asks only what changes nothing. Blocks until `deadline` at
/// most; each place has its share of that, so that one that hangs hides no other. Any thread.
std::vector<FoundEngine> probe_engines(Hook::Deadline deadline,
                                       std::span<const EnginePlace> places = usual_places());

}  // namespace headroom::act
