// A tree of folders, walked by descriptors: no path is ever given to the kernel twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <sys/types.h>

#include "http/fd.hpp"

namespace headroom::act {

/// Opens folders that lie in other ones, by one name, on one mount only: no link is followed and
/// nothing that is mounted there, the same filesystem at another place included, is entered.
class FolderOpener {
 public:
  /// Which of the kernel's ways. `plain` is for kernels and sandboxes without openat2 (before Linux
  /// 5.6), and asks for the mount afterwards.
  enum class Way { best, plain };

  FolderOpener() = default;
  /// `root` is a folder of the mount that is meant.
  explicit FolderOpener(int root, Way way = Way::best);

  /// -1 with errno: ELOOP or ENOTDIR where `name` is no folder (any more), EXDEV where something is
  /// mounted on it. Blocks on no FIFO and touches no device.
  int open(int folder, const char* name) const;

  /// Opens the folder at an absolute path of which no part is a link; -1 with errno.
  static int open_path(const std::string& path, Way way = Way::best);

 private:
  bool openat2_ = false;
  dev_t device_ = 0;
  std::uint64_t mount_ = 0;  ///< 0: this kernel does not tell
};

class TreeWalk;

/// What is done on a walk. `name` lies in `folder`.
class TreeVisitor {
 public:
  enum class Next {
    go_on,
    skip,   ///< it is done with: do not go into it
    again,  ///< what is there has changed: read this folder once more
    left,   ///< not done, and it stays so: the folders around it are not left empty
    stop,   ///< end the walk
  };
  virtual ~TreeVisitor() = default;
  /// A folder was opened; its entries come next. Not called of the one the walk begins with.
  virtual Next enter(const TreeWalk& walk, int folder, const char* name,
                     const struct stat& facts) = 0;
  /// Something that is no folder.
  virtual Next entry(const TreeWalk& walk, int folder, const char* name) = 0;
  /// Everything in it was visited. `whole`: nothing in it was `left`.
  virtual Next leave(const TreeWalk& walk, int folder, const char* name, bool whole) = 0;
  /// A folder that could not be opened. `error` is an errno.
  virtual Next closed(const TreeWalk& walk, int folder, const char* name, int error) = 0;
};

/// Walks a tree below an open folder, children before their folder. The depth costs memory (some 64
/// bytes a level), neither stack nor descriptors: at most 64 folders are open at once, and a way
/// back up is taken only where ".." is the folder that was come from. At most kDeepest levels.
class TreeWalk {
 public:
  static constexpr std::size_t kDeepest = 200'000;

  explicit TreeWalk(const FolderOpener& opener) : opener_(opener) {}

  /// Visits everything below `root`, which stays open. True: all of it was visited and nothing
  /// `left`.
  bool run(int root, TreeVisitor& visitor);

  /// The path of something in the folder that is visited, from the root of the walk; cut in the
  /// middle where it is long. For people.
  std::string path(const char* name) const;

 private:
  struct Frame {
    http::Fd fd;  ///< closed while the walk is far below; never of the root
    dev_t device = 0;
    ino_t inode = 0;
    std::string names;  ///< folders in it that are still to be visited, each ended by 0
    bool read = false;
    bool again = false;
    bool whole = true;

    const char* last() const;
    void drop_last();
  };

  int fd(const Frame& frame) const;
  bool read(Frame& frame, TreeVisitor& visitor);
  bool go_down(TreeVisitor& visitor);
  bool go_up(TreeVisitor& visitor);
  bool take(Frame& frame, TreeVisitor::Next next);

  const FolderOpener& opener_;
  int root_ = -1;
  std::vector<Frame> frames_;
  std::vector<char> buffer_;
  std::vector<const char*> batch_;
  int retries_ = 0;
};

}  // namespace headroom::act
