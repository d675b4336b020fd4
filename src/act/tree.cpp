#include "act/tree.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/refusal.hpp"

namespace headroom::act {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::size_t kOpenFolders = 64;
constexpr std::size_t kBuffer = 512 * 1024;   // of directory entries: some 15 000 at once
constexpr std::size_t kLongestPath = 300;     // shown to people
constexpr std::size_t kMostNames = 32 << 20;  // bytes; with more folders it is read in several goes
constexpr int kRetries = 1000;                // folders read once more in one walk
constexpr int kOpenRetries = 16;              // while something is renamed or mounted elsewhere

int open_resolved(int folder, const char* path, std::uint64_t resolve) {
  open_how how{};
  how.flags = kFolderFlags;
  how.resolve = resolve;
  for (int attempt = 0;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || attempt == kOpenRetries) {
      return static_cast<int>(fd);
    }
  }
}

std::uint64_t mount_of(int fd) {
  struct statx facts{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &facts) == 0 &&
      (facts.stx_mask & STATX_MNT_ID) != 0) {
    return facts.stx_mnt_id;
  }
  // Kernels before 5.8 say it here.
  const auto text = read_small("/proc/self/fdinfo/" + std::to_string(fd));
  const auto at = text ? text->find("mnt_id:") : std::string::npos;
  return at == std::string::npos ? 0 : std::strtoull(text->c_str() + at + 7, nullptr, 10);
}

bool is_dots(const char* name) {
  return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

}  // namespace

FolderOpener::FolderOpener(int root, Way way) : mount_(mount_of(root)) {
  struct stat facts{};
  if (::fstat(root, &facts) == 0) device_ = facts.st_dev;
  if (way == Way::best) {
    const http::Fd probe(open_resolved(root, ".", RESOLVE_BENEATH | RESOLVE_NO_XDEV));
    openat2_ = static_cast<bool>(probe);
  }
}

int FolderOpener::open(int folder, const char* name) const {
  if (openat2_) {
    return open_resolved(
        folder, name,
        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
  }
  if (is_dots(name) || std::strchr(name, '/') != nullptr) {
    errno = EXDEV;
    return -1;
  }
  http::Fd fd(::openat(folder, name, kFolderFlags));
  if (!fd) return -1;
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0 || facts.st_dev != device_ ||
      (mount_ != 0 && mount_of(fd.get()) != mount_)) {
    errno = EXDEV;
    return -1;
  }
  return fd.release();
}

int FolderOpener::open_path(const std::string& path, Way way) {
  if (path.empty() || path.front() != '/') {
    errno = EINVAL;
    return -1;
  }
  if (way == Way::best) {
    const int fd =
        open_resolved(AT_FDCWD, path.c_str(), RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    // ENOSYS: an old kernel; EPERM: a sandbox that does not know the call.
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
  }
  http::Fd fd(::open("/", kFolderFlags));
  for (std::size_t begin = 0; fd && begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (!part.empty() && part != ".") {
      fd = http::Fd(::openat(fd.get(), part.c_str(), kFolderFlags));
    }
  }
  return fd.release();
}

const char* TreeWalk::Frame::last() const {
  const std::size_t end = names.size() - 1;
  const std::size_t before = end == 0 ? std::string::npos : names.rfind('\0', end - 1);
  return names.data() + (before == std::string::npos ? 0 : before + 1);
}

void TreeWalk::Frame::drop_last() { names.resize(static_cast<std::size_t>(last() - names.data())); }

int TreeWalk::fd(const Frame& frame) const {
  return &frame == frames_.data() ? root_ : frame.fd.get();
}

/// Notes what a visitor said about something in `frame`; false: the walk ends.
bool TreeWalk::take(Frame& frame, TreeVisitor::Next next) {
  switch (next) {
    case TreeVisitor::Next::go_on:
    case TreeVisitor::Next::skip:
      return true;
    case TreeVisitor::Next::again:
      // Somebody who changes the tree all the time does not keep us here.
      if (++retries_ <= kRetries) {
        frame.again = true;
      } else {
        frame.whole = false;
      }
      return true;
    case TreeVisitor::Next::left:
      frame.whole = false;
      return true;
    case TreeVisitor::Next::stop:
      break;
  }
  return false;
}

/// Visits what is no folder, and keeps the names of the folders.
bool TreeWalk::read(Frame& frame, TreeVisitor& visitor) {
  frame.read = true;
  frame.again = false;
  const int folder = fd(frame);
  if (::lseek(folder, 0, SEEK_SET) < 0) {
    frame.whole = false;
    return true;
  }
  for (;;) {
    const ssize_t got = ::getdents64(folder, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) frame.whole = false;
    if (got <= 0) return true;
    batch_.clear();
    for (ssize_t at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer_.data() + at);
      at += entry->d_reclen;
      if (is_dots(entry->d_name)) continue;
      bool folder_here = entry->d_type == DT_DIR;
      if (entry->d_type == DT_UNKNOWN) {
        struct stat facts{};
        if (::fstatat(folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) continue;
        folder_here = S_ISDIR(facts.st_mode);
      }
      if (folder_here) {
        frame.names.append(entry->d_name, std::strlen(entry->d_name) + 1);
      } else {
        batch_.push_back(reinterpret_cast<const char*>(entry));
      }
    }
    // Inodes lie on the disk in the order of their numbers; the folder has them in that of a hash.
    const auto inode = [](const char* entry) {
      return reinterpret_cast<const dirent64*>(entry)->d_ino;
    };
    std::sort(batch_.begin(), batch_.end(),
              [&](const char* a, const char* b) { return inode(a) < inode(b); });
    for (const char* entry : batch_) {
      const char* name = reinterpret_cast<const dirent64*>(entry)->d_name;
      if (!take(frame, visitor.entry(*this, folder, name))) return false;
    }
    if (frame.names.size() > kMostNames) return take(frame, TreeVisitor::Next::again);
  }
}

bool TreeWalk::go_down(TreeVisitor& visitor) {
  Frame& here = frames_.back();
  const char* name = here.last();
  Frame below;
  below.fd = http::Fd(opener_.open(fd(here), name));
  struct stat facts{};
  int error = 0;
  if (!below.fd || ::fstat(below.fd.get(), &facts) != 0) error = errno;
  if (error == 0 && frames_.size() >= kDeepest) error = ENAMETOOLONG;
  TreeVisitor::Next next = TreeVisitor::Next::again;  // it is no folder now
  if (error == 0) {
    next = visitor.enter(*this, fd(here), name, facts);
  } else if (error == ENOENT) {
    next = TreeVisitor::Next::go_on;
  } else if (error != ELOOP && error != ENOTDIR) {
    next = visitor.closed(*this, fd(here), name, error);
  }
  if (error != 0 || next != TreeVisitor::Next::go_on) {
    here.drop_last();
    return take(here, next);
  }
  below.device = facts.st_dev;
  below.inode = facts.st_ino;
  const std::size_t depth = frames_.size();
  if (depth > kOpenFolders) frames_[depth - kOpenFolders].fd.reset();
  frames_.push_back(std::move(below));
  return true;
}

bool TreeWalk::go_up(TreeVisitor& visitor) {
  Frame& here = frames_.back();
  Frame& above = frames_[frames_.size() - 2];
  if (fd(above) < 0) {
    http::Fd up(::openat(here.fd.get(), "..", kFolderFlags));
    struct stat facts{};
    if (!up || ::fstat(up.get(), &facts) != 0 || facts.st_dev != above.device ||
        facts.st_ino != above.inode) {
      return false;  // somebody has moved this folder to another place, and we do not follow
    }
    above.fd = std::move(up);
  }
  const bool whole = here.whole;
  frames_.pop_back();
  const auto next = visitor.leave(*this, fd(above), above.last(), whole);
  above.drop_last();
  return take(above, next);
}

bool TreeWalk::run(int root, TreeVisitor& visitor) {
  root_ = root;
  retries_ = 0;
  buffer_.resize(kBuffer);
  frames_.clear();
  frames_.emplace_back();
  bool going = true;
  while (going) {
    Frame& here = frames_.back();
    if (!here.read) {
      going = read(here, visitor);
    } else if (!here.names.empty()) {
      going = go_down(visitor);
    } else if (here.again) {
      here.read = false;
    } else if (frames_.size() > 1) {
      going = go_up(visitor);
    } else {
      break;
    }
  }
  const bool whole = going && frames_.front().whole;
  frames_.clear();
  return whole;
}

std::string TreeWalk::path(const char* name) const {
  std::string text;
  // The beginning and the end say most.
  const std::size_t count = frames_.size() - 1;
  for (std::size_t i = 0; i < count; ++i) {
    if (text.size() > kLongestPath / 2 && i + 4 < count) {
      text += ".../";
      i = count - 3;
    }
    text += frames_[i].last();
    text += '/';
  }
  text += name;
  if (text.size() > 4 * kLongestPath) text.resize(4 * kLongestPath);
  return text;
}

}  // namespace headroom::act
