// Who is unloaded so that another model fits, or why nobody is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/units.hpp>

#include "decide/uses.hpp"

namespace headroom::decide {

/// A model in the memory of one device.
struct Resident {
  std::string name;
  Bytes bytes;  ///< what comes free when it is unloaded; measured, never hoped for
  Priority priority = Priority::normal;
  bool pinned = false;
  bool loading = false;  ///< or on its way out already: its bytes are counted elsewhere
  int busy = 0;          ///< uses under way
  bool askable = true;   ///< somebody can be asked to unload it
  BootTime since;        ///< resident since
  BootTime last_used;
  std::chrono::milliseconds reload{};  ///< measured, or expected of its size
};

/// What is asked for.
struct Shortage {
  Bytes deficit;  ///< what must come free on this device
  Priority priority = Priority::normal;
  std::string model;  ///< the asker, never a victim of its own; empty: pressure, not a model
  BootTime now;
};

/// Limits against thrashing. They hold off an asker of the victim's own priority; a higher one
/// does not wait for them.
struct VictimRules {
  std::chrono::seconds min_residency{5};  ///< a model stays at least as long; 0: no limit
  int churn_loads = 4;                    ///< 1 to 4; a model loaded as often within the window…
  std::chrono::seconds churn_window{
      60};  ///< …stays until the first of these loads leaves it; 0: no limit
};

/// Why a resident model is not a victim.
enum class Spared : std::uint8_t {
  asker,  ///< the model that asks
  empty,  ///< nothing would come free
  loading,
  busy,
  pinned,
  unaskable,  ///< nobody can be asked to unload it
  outranks,   ///< its priority is higher than the asker's
  resting,    ///< not resident for the least time yet
  churning,   ///< reloaded too often of late
  dearer,     ///< might have gone, but others cost less
};
inline constexpr std::size_t kSpared = 10;

constexpr const char* to_string(Spared why) {
  switch (why) {
    case Spared::asker:
      return "asker";
    case Spared::empty:
      return "empty";
    case Spared::loading:
      return "loading";
    case Spared::busy:
      return "busy";
    case Spared::pinned:
      return "pinned";
    case Spared::unaskable:
      return "unaskable";
    case Spared::outranks:
      return "outranks";
    case Spared::resting:
      return "resting";
    case Spared::churning:
      return "churning";
    case Spared::dearer:
      return "dearer";
  }
  return "dearer";
}

/// What came of it. From `later` on nobody is a victim, and the first that holds is named: what
/// would have to change so that the deficit is covered.
enum class Eviction : std::uint8_t {
  needless,  ///< nothing is missing
  chosen,
  later,      ///< models that rest would cover it: again at `retry`
  busy,       ///< and those busy or loading: again when they are done
  pinned,     ///< and those pinned
  outranked,  ///< and those of higher priority
  futile,     ///< all that can be asked together do not: something else holds the memory
};

constexpr const char* to_string(Eviction eviction) {
  switch (eviction) {
    case Eviction::needless:
      return "needless";
    case Eviction::chosen:
      return "chosen";
    case Eviction::later:
      return "later";
    case Eviction::busy:
      return "busy";
    case Eviction::pinned:
      return "pinned";
    case Eviction::outranked:
      return "outranked";
    case Eviction::futile:
      return "futile";
  }
  return "futile";
}

struct Victim {
  std::size_t resident = 0;      ///< index into what was given
  std::uint32_t likelihood = 0;  ///< to be the next model used, in 65536ths
  std::int64_t regret = 0;       ///< reload milliseconds × likelihood × priority weight
};

struct Kept {
  std::size_t resident = 0;
  Spared why = Spared::dearer;
  std::int64_t regret = 0;  ///< for `dearer`
  BootTime until;           ///< for `resting` and `churning`
};

struct Victims {
  Eviction outcome = Eviction::needless;
  std::vector<Victim> unload;  ///< in this order: least regret first, so that the dearest stays if
                               ///< the need goes away meanwhile
  std::vector<Kept> kept;      ///< everybody else, in the order given
  Bytes freed;                 ///< by all of `unload`
  Bytes allowed;               ///< what all that may go hold
  std::optional<BootTime> retry;  ///< with `later`: when enough of them may go
  Guess guess = Guess::age;       ///< what the likelihoods come from
  bool exact = true;              ///< no other allowed set has less regret
  std::string why;                ///< one sentence, for people
};

/// Chooses victims among the residents of one device.
///
/// Never the busy, pinned or loading, and nobody of a higher priority than the asker's; of the sets
/// left that cover the deficit, the one of least total regret, then the ones used longest ago. If
/// there is no such set nothing is unloaded. Pure, in integers.
///
/// The set is exact with a hundred residents (every drawn case was); where the bound of work ends
/// the search, as with a thousand of which many must go, it may cost up to twice the least
/// (`cheapest_cover`). O(n log n). While `oldest` leads, the oldest of the lowest priority go
/// instead, less those whom a later one makes needless. `uses` is told of the asker first
/// (`Uses::used`). Of more than 4096 that may go, those used longest ago are considered.
Victims choose_victims(std::span<const Resident> residents, const Uses& uses,
                       const Shortage& shortage, const VictimRules& rules);

}  // namespace headroom::decide
