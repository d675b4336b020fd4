// A root with session folders: looks at them, makes them, and removes them so that nothing outside
// of the root is ever touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <headroom/result.hpp>

#include "act/tree.hpp"
#include "words/session.hpp"

namespace headroom::act {

/// Which folders are meant.
struct FolderRule {
  std::string pattern = "session_*";  ///< of the whole name; * and ? are not themselves
  std::optional<uid_t> owner;         ///< only this user's; empty: anybody's
  std::uint64_t entries = 2'000'000;  ///< looked at of one folder; one with more is spared
};

/// How a folder is removed.
struct FolderRemoval {
  bool even_if_changed = false;        ///< after it was looked at
  std::uint64_t entries = 10'000'000;  ///< removed at most; the next finish() goes on
  std::optional<uid_t>
      owner;  ///< for whom: folders of others inside it stay, unless they are empty
};

/// A root, held open. Everything below it is reached from its descriptor by one name at a time,
/// without following links and without entering what is mounted there; whoever renames and links
/// beside us changes what we find, never where we are.
///
/// A folder is removed in three steps. It is locked (flock) and looked at again; it is renamed into
/// `.headroom-trash-…`, a folder in the root that only we may enter, under a name that tells its
/// inode, and what arrived there is compared with what was judged; and then it is emptied from
/// there. What a crash leaves there is finished by the next finish().
///
/// All functions block on the disk: on a worker. One thread at a time; several processes may work
/// in one root.
class FolderRoot {
 public:
  /// Opens it. not_allowed where it belongs to neither us nor root, or others may rename in it;
  /// invalid_request for "/", a path that is not absolute, and one with a link in it; not_found.
  static Result<FolderRoot> open(const std::string& path,
                                 FolderOpener::Way way = FolderOpener::Way::best);

  FolderRoot(FolderRoot&&) noexcept = default;
  FolderRoot& operator=(FolderRoot&&) = delete;
  ~FolderRoot();

  const std::string& path() const { return path_; }

  /// Of its filesystem. Zeros where the kernel does not say.
  struct Space {
    Bytes total;
    Bytes free;
  };
  Space space() const;

  /// What matches, oldest change first, at most 10 000. What matches and is no folder, belongs to
  /// somebody else or cannot be looked at stands there with `spared`.
  Result<std::vector<SessionFolder>> scan(const FolderRule& rule) const;

  /// The folder of this name, as scan() tells of it; not_found.
  Result<SessionFolder> look(const std::string& name, const FolderRule& rule) const;

  /// Removes the folder that was judged, unless it is locked, or has changed since.
  SessionRemoval remove(const SessionFolder& judged, const FolderRemoval& how = {});

  /// Goes on with what earlier runs have left behind. Empty: nothing was there.
  std::vector<SessionRemoval> finish(const FolderRemoval& how = {});

  /// Makes a folder of mode 0700 for a user. conflict when the name is taken; invalid_request for
  /// one that is no name.
  Result<SessionFolder> make(const std::string& name, uid_t owner);

 private:
  FolderRoot(std::string path, http::Fd fd, const FolderOpener& opener)
      : path_(std::move(path)), fd_(std::move(fd)), opener_(opener) {}

  Result<SessionFolder> look_at(const std::string& name, const FolderRule& rule) const;
  Result<void> open_trash(const std::optional<uid_t>& owner);
  bool empty(int trash, const std::string& item, const FolderRemoval& how, SessionRemoval& removal);
  void empty_trash(const std::string& name, const FolderRemoval& asked,
                   std::vector<SessionRemoval>& removals);

  std::string path_;
  http::Fd fd_;
  FolderOpener opener_;
  std::string trash_name_;            ///< of this object
  std::optional<uid_t> trash_owner_;  ///< for whom; the name tells it to finish()
  http::Fd trash_;
};

}  // namespace headroom::act
