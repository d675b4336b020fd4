// Which session folders of a root go, and why each of the others stays.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/units.hpp>

#include "words/session.hpp"

namespace headroom::decide {

struct SessionRules {
  std::chrono::seconds max_age{0};  ///< unchanged for so long, a folder goes; 0: age is no reason
  Bytes to_free;                    ///< the disk is too full by so much; 0: it is not
  /// However full the disk is, what has changed within this time stays.
  std::chrono::seconds rest{3600};
  std::size_t folders = 256;           ///< removed in one run at most
  std::uint64_t entries = 10'000'000;  ///< likewise
  Bytes bytes{std::int64_t{1} << 44};  ///< likewise
};

/// Decides about the folders of one root: those that go first, oldest change first, then those that
/// stay. Those that go are `going`. One that is held or spared never goes, whatever its age and
/// however full the disk is. Pure.
std::vector<SessionView> plan_sessions(std::vector<SessionFolder> seen, const SessionRules& rules,
                                       WallTime now);

/// How much must come free of a filesystem so that its use is back under `clear` percent once it
/// has reached `line` percent; 0 below the line, and where nothing is known of it.
Bytes to_free_of(Bytes total, Bytes free, double line, double clear);

/// "3 d 4 h", "2 h 5 min", "41 s": a length of time as sentences of plans tell it.
std::string span_text(std::chrono::seconds span);

}  // namespace headroom::decide
