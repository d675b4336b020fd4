// Session folders: folders of temporary files below a root, as they were seen and removed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/instant.hpp>
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
  std::vector<std::string> why;  ///< why not all is gone: at most kNamedLeft sentences
  bool operator==(const SessionRemoval&) const = default;
};
inline constexpr std::size_t kNamedLeft = 16;

}  // namespace headroom
