// Models: named things that take memory, wherever they are held.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/size.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// What is kept of a model. Whether it is resident is not: that is its lease, or what an engine
/// tells of it.
struct Model {
  std::string name;    ///< 1 to 200 bytes, printable
  uid_t owner = 0;     ///< who told of it
  Bytes memory;        ///< declared; 0: not said
  Bytes gpu_memory;    ///< declared; 0: not said
  double compute = 0;  ///< least CUDA compute capability; 0: any
  Priority priority = Priority::normal;
  bool pinned = false;  ///< never unloaded to make room
  std::string hook;     ///< who is asked to unload it: a name of [hooks], or "holder"; "": nobody
  std::chrono::milliseconds load{0};  ///< how long it took to load, last; 0: not measured
  WallTime used{};                    ///< last; the epoch: never
  bool operator==(const Model&) const = default;
};

/// The hook of a model whose holder listens for the ask itself.
inline constexpr const char* kHolderHook = "holder";

enum class ModelState {
  known,     ///< not in memory
  waiting,   ///< its lease is in the queue
  loading,   ///< its lease is granted, its use still rises
  resident,  ///< in memory
  draining,  ///< it was asked to go
};

constexpr const char* to_string(ModelState state) {
  switch (state) {
    case ModelState::known:
      return "known";
    case ModelState::waiting:
      return "waiting";
    case ModelState::loading:
      return "loading";
    case ModelState::resident:
      return "resident";
    case ModelState::draining:
      return "draining";
  }
  return "known";
}

/// A model as it is shown: what is kept of it, what the configuration and the built-in catalogue
/// say, what was learned, and where it is now. A model that is in memory twice is shown twice.
struct ModelView {
  Model model;
  std::string source;  ///< who knows of it: "told", "configuration", "built in", "learned", or the
                       ///< name of the hook whose engine holds it
  ModelState state = ModelState::known;
  LeaseId lease = 0;   ///< that holds it; 0: none
  std::string engine;  ///< the hook whose engine holds it without a lease; or empty
  std::string gpu;     ///< UUID of the device it is on; or empty
  std::optional<int> gpu_index;
  Amounts needs;                  ///< what the next load of it would book
  Amounts size;                   ///< what it takes now, measured or, by an engine, told
  std::string needs_from;         ///< what `needs_size.from` says, as a word; or empty
  Size needs_size;                ///< the interval whose upper end `needs` are
  int batch = 0;                  ///< recommended; 0: nobody says
  std::string notes;              ///< of its row in the catalogue
  int uses = 0;                   ///< under way
  std::optional<WallTime> used;   ///< last; empty: never, or an engine does not say
  std::optional<WallTime> since;  ///< resident
  int order = 0;  ///< its place in the order of unloading on its device, 1 = first; 0: it stays
  std::string
      until;  ///< "evictable", or why it stays: "pinned", "in use", "nobody can be asked", …
  std::uint64_t requests = 0;  ///< of it, since the daemon started
  std::uint64_t hits = 0;      ///< of these, while it was resident
};

/// One thing that frees memory, or would.
struct FreeStep {
  enum class Outcome {
    planned,      ///< a dry run, or not its turn yet
    asked,        ///< no answer yet, or none of its memory seen to come back
    freed,        ///< its memory was seen to come back
    kept,         ///< it answered, and its memory did not come back
    refused,      ///< it said no
    unreachable,  ///< nobody there, or no answer in time
    skipped,      ///< it stays, and `why` says for what reason
  };
  std::string model;
  LeaseId lease = 0;  ///< 0: an engine holds it without one
  std::string hook;   ///< who is asked
  std::string gpu;    ///< UUID; empty: memory of the machine
  std::optional<int> gpu_index;
  Bytes bytes;  ///< of its device that come back; of a skipped one: that it holds
  Priority priority = Priority::normal;
  std::chrono::seconds idle{0};
  Outcome outcome = Outcome::planned;
  std::string why;
};

constexpr const char* to_string(FreeStep::Outcome outcome) {
  switch (outcome) {
    case FreeStep::Outcome::planned:
      return "planned";
    case FreeStep::Outcome::asked:
      return "asked";
    case FreeStep::Outcome::freed:
      return "freed";
    case FreeStep::Outcome::kept:
      return "kept";
    case FreeStep::Outcome::refused:
      return "refused";
    case FreeStep::Outcome::unreachable:
      return "unreachable";
    case FreeStep::Outcome::skipped:
      return "skipped";
  }
  return "planned";
}

}  // namespace headroom
