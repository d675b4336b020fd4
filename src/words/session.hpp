// Session folders: folders of temporary files below a root, as they were seen and removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include <headroom/instant.hpp>
#include <headroom/lease.hpp>
#include <headroom/units.hpp>

namespace headroom {

/// A folder of a root whose name matches the pattern, as it was seen.
struct SessionFolder {
  std::string root;
  std::string name;                     ///< any bytes but '/' and 0
  std::uint64_t device = 0, inode = 0;  ///< which folder was judged: only that one may go
  uid_t owner = 0;
  WallTime changed{};         ///< the newest modification of it and of anything in it
  Bytes bytes;                ///< on disk; not files that have further names
  std::uint64_t entries = 0;  ///< in it, at any depth
  std::string held;           ///< by whom it is in use; empty: nobody is known
  std::string spared;         ///< why it cannot go whatever its age; empty: nothing is known
  bool operator==(const SessionFolder&) const = default;
};

/// What came of removing one.
struct SessionRemoval {
  std::string root;
  std::string name;
  bool taken = false;            ///< it is no longer in its place
  bool gone = false;             ///< and nothing is left of it
  Bytes bytes;                   ///< what it had on disk when it was looked at
  std::uint64_t entries = 0;     ///< removed; the folder itself is one
  std::uint64_t left = 0;        ///< that could not be removed
  std::vector<std::string> why;  ///< why not all is gone: kNamedLeft sentences or a few more
  bool operator==(const SessionRemoval&) const = default;
};
inline constexpr std::size_t kNamedLeft = 16;

/// What a look at one root has shown.
struct SessionRoot {
  std::string root;
  Bytes total;  ///< of its filesystem; 0: not known
  Bytes free;   ///< of that
  std::vector<SessionFolder> folders;
  std::string problem;  ///< why it could not be looked at; or empty
};

enum class SessionState {
  idle,    ///< may go, and nobody needs its room
  live,    ///< in use, or changed lately
  spared,  ///< may not go for another reason
  going,   ///< goes, or would
  gone,
  left,  ///< was to go, and did not, or not all of it
};
constexpr const char* to_string(SessionState state) {
  switch (state) {
    case SessionState::idle:
      return "idle";
    case SessionState::live:
      return "live";
    case SessionState::spared:
      return "spared";
    case SessionState::going:
      return "going";
    case SessionState::gone:
      return "gone";
    case SessionState::left:
      return "left";
  }
  return "idle";
}

/// One session folder and what becomes of it.
struct SessionView {
  SessionFolder folder;
  SessionState state = SessionState::idle;
  std::string why;  ///< one clause, for people
  bool operator==(const SessionView&) const = default;
};

/// Session folders, as somebody asked for them.
struct Sessions {
  bool dry_run = false;               ///< nothing was changed
  Bytes freed;                        ///< what those that are gone had on disk, or would free
  std::vector<SessionView> items;     ///< those that go first
  std::vector<std::string> problems;  ///< roots that cannot be looked at, and what was left behind
};

/// What is known of a root since the daemon started.
struct SessionRootView {
  std::string root;
  std::optional<Bytes> bytes;  ///< of all its session folders when they were last looked at
  std::size_t sessions = 0;    ///< likewise
  std::uint64_t removed = 0;
  Bytes removed_bytes;
};

/// A folder that somebody told of, or that is being removed: a promise.
struct Session {
  std::string root;
  std::string name;
  uid_t owner = 0;
  Holder holder;       ///< it is in use as long as this process lives; nobody: by its age alone
  WallTime since{};    ///< when it was told of; the epoch: nobody did
  bool going = false;  ///< its removal has begun
  bool operator==(const Session&) const = default;
};

/// Whether a whole name matches: `*` stands for any characters and `?` for one; a point at the
/// beginning has to be said. Works on bytes.
bool session_name_matches(std::string_view pattern, std::string_view name);

/// Takes what came of removing it into what is told of it.
void take_removal(SessionView& session, const SessionRemoval& removal);

}  // namespace headroom
