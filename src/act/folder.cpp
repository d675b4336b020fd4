#include "act/folder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "act/refusal.hpp"

namespace headroom::act {
namespace {

constexpr std::string_view kTrash = ".headroom-trash-";
constexpr std::size_t kMostFolders = 10'000;
constexpr std::size_t kMostTrash = 1'000;  // of crashed runs, in one root
constexpr int kNames = 8;                  // random ones that are tried

std::string errno_text(int error) {
  const char* text = strerrordesc_np(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

/// A name or a path as people may see it: control characters would write on their terminals.
std::string shown(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      text += c;
    } else {
      char code[5];
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
      text += code;
    }
  }
  return text;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
         !name.starts_with(kTrash);
}

WallTime changed_at(const struct stat& facts) {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1'000'000'000 - 1;
  const std::int64_t whole = std::clamp<std::int64_t>(facts.st_mtim.tv_sec, -kMost, kMost);
  return WallTime(nanoseconds(seconds(whole)) + nanoseconds(facts.st_mtim.tv_nsec));
}

/// How what is in the trash is called there: by what it is, so that nothing else is removed for it.
std::string item_name(std::uint64_t device, std::uint64_t inode) {
  char text[48];
  std::snprintf(text, sizeof text, "%llx-%llx", static_cast<unsigned long long>(device),
                static_cast<unsigned long long>(inode));
  return text;
}

bool renames_new(int from, const char* name, int to, const char* new_name) {
  return ::renameat2(from, name, to, new_name, RENAME_NOREPLACE) == 0;
}

/// The entries of a folder, not further than `most`.
std::vector<std::pair<std::string, unsigned char>> entries_of(int folder, std::size_t most,
                                                              int& error) {
  std::vector<std::pair<std::string, unsigned char>> found;
  const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* list = fd < 0 ? nullptr : ::fdopendir(fd);
  error = list == nullptr ? errno : 0;
  if (list == nullptr) {
    if (fd >= 0) ::close(fd);
    return found;
  }
  while (found.size() < most) {
    errno = 0;
    const dirent* entry = ::readdir(list);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") found.emplace_back(name, entry->d_type);
  }
  ::closedir(list);
  return found;
}

/// Adds up what is in a folder, and finds the newest change.
class Looker : public TreeVisitor {
 public:
  explicit Looker(std::uint64_t most) : most_(most) {}
  /// Ends the walk as soon as something is newer.
  void end_when_newer_than(WallTime line) { line_ = line; }

  Next enter(const TreeWalk&, int, const char*, const struct stat& facts) override {
    return add(facts);
  }
  Next entry(const TreeWalk& walk, int folder, const char* name) override {
    struct stat facts{};
    if (::fstatat(folder, name, &facts, AT_SYMLINK_NOFOLLOW) == 0) return add(facts);
    // Gone, or of another name that comes yet: what was added up already would count twice.
    if (errno == ENOENT) return Next::go_on;
    return spare("cannot look at " + shown(walk.path(name)) + ": " + errno_text(errno));
  }
  Next leave(const TreeWalk&, int, const char*, bool) override { return Next::go_on; }
  Next closed(const TreeWalk& walk, int, const char* name, int error) override {
    return spare(error == EXDEV
                     ? "something is mounted at " + shown(walk.path(name))
                     : "cannot look into " + shown(walk.path(name)) + ": " + errno_text(error));
  }

  Next add(const struct stat& facts) {
    if (facts.st_nlink == 1 || S_ISDIR(facts.st_mode)) {
      bytes += Bytes(static_cast<std::int64_t>(facts.st_blocks) * 512);
    }
    newest = std::max(newest, changed_at(facts));
    if (line_ && newest > *line_) return Next::stop;
    if (++entries <= most_) return Next::go_on;
    return spare("it holds more than " + std::to_string(most_) +
                 " entries, and not all of them were looked at");
  }

  WallTime newest = WallTime::min();
  Bytes bytes;
  std::uint64_t entries = 0;
  std::string spared;

 private:
  Next spare(std::string why) {
    spared = std::move(why);
    return Next::stop;
  }

  std::uint64_t most_;
  std::optional<WallTime> line_;
};

/// Removes what is in a folder.
class Remover : public TreeVisitor {
 public:
  Remover(const FolderRemoval& how, SessionRemoval& removal) : how_(how), removal_(removal) {}

  Next enter(const TreeWalk& walk, int folder, const char* name,
             const struct stat& facts) override {
    if (!how_.owner || facts.st_uid == *how_.owner) return Next::go_on;
    if (::unlinkat(folder, name, AT_REMOVEDIR) == 0) {
      return counted() == Next::stop ? Next::stop : Next::skip;
    }
    return left(walk, name, "it belongs to user " + std::to_string(facts.st_uid));
  }
  Next entry(const TreeWalk& walk, int folder, const char* name) override {
    if (::unlinkat(folder, name, 0) == 0) return counted();
    if (errno == ENOENT) return Next::go_on;
    if (errno == EISDIR) return Next::again;
    return left(walk, name, errno_text(errno));
  }
  Next leave(const TreeWalk& walk, int folder, const char* name, bool whole) override {
    if (!whole) return Next::left;
    if (::unlinkat(folder, name, AT_REMOVEDIR) == 0) return counted();
    if (errno == ENOENT) return Next::go_on;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) return Next::again;
    return left(walk, name, errno_text(errno));
  }
  Next closed(const TreeWalk& walk, int folder, const char* name, int error) override {
    if (error == EXDEV) return left(walk, name, "something is mounted there");
    if (::unlinkat(folder, name, AT_REMOVEDIR) == 0) return counted();
    return left(walk, name, errno_text(error));
  }

  bool stopped() const { return stopped_; }

 private:
  Next counted() {
    if (++removal_.entries < how_.entries) return Next::go_on;
    stopped_ = true;
    return Next::stop;
  }
  Next left(const TreeWalk& walk, const char* name, const std::string& why) {
    ++removal_.left;
    if (removal_.why.size() < kNamedLeft) {
      removal_.why.push_back("cannot remove " + shown(walk.path(name)) + ": " + why);
    }
    return Next::left;
  }

  const FolderRemoval& how_;
  SessionRemoval& removal_;
  bool stopped_ = false;
};

/// Empties an open folder; true: nothing is in it any more.
bool empty_folder(const FolderOpener& opener, int folder, const FolderRemoval& how,
                  SessionRemoval& removal) {
  Remover remover(how, removal);
  TreeWalk walk(opener);
  if (walk.run(folder, remover)) return true;
  if (remover.stopped()) {
    removal.why.push_back("a run removes at most " + std::to_string(how.entries) +
                          " entries; the next one goes on");
  } else if (removal.left == 0) {
    removal.why.push_back("it was changed, or a part of it was moved away, while it was removed");
  }
  return false;
}

std::string not_opened(int error) {
  switch (error) {
    case ENOENT:
      return "it is not there any more";
    case ELOOP:
    case ENOTDIR:
      return "it is no folder";
    case EXDEV:
      return "something is mounted there";
    default:
      return "cannot open it: " + errno_text(error);
  }
}

}  // namespace

Result<FolderRoot> FolderRoot::open(const std::string& path, FolderOpener::Way way) {
  const std::string what = "cannot use " + shown(path) + " as a root of sessions";
  if (path.empty() || path.front() != '/' || path.find_first_not_of('/') == std::string::npos) {
    return fail(ErrorKind::invalid_request, what,
                path.starts_with("/") ? "it is the whole filesystem" : "the path is not absolute",
                "name a folder that holds session folders, such as /srv/sessions");
  }
  http::Fd fd(FolderOpener::open_path(path, way));
  if (!fd) {
    if (errno == ELOOP || errno == ENOTDIR) {
      return fail(ErrorKind::invalid_request, what,
                  "it is no folder, or a part of the path is a symbolic link",
                  "give the path that realpath prints");
    }
    return tl::unexpected(refusal(what, errno, "check the path, and who may read it"));
  }
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return tl::unexpected(refusal(what, errno, "check the disk"));
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
    return fail(ErrorKind::not_allowed, what,
                "it belongs to user " + std::to_string(facts.st_uid) + ", who could replace it",
                "use a folder of root's or of user " + std::to_string(::geteuid()));
  }
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (facts.st_mode & S_ISVTX) == 0) {
    return fail(ErrorKind::not_allowed, what, "others may rename what is in it",
                "chmod go-w, or chmod +t so that everybody renames only what is theirs");
  }
  const FolderOpener opener(fd.get(), way);
  return FolderRoot(path, std::move(fd), opener);
}

FolderRoot::~FolderRoot() {
  // Where something is left in it, it stays for finish().
  if (trash_) ::unlinkat(fd_.get(), trash_name_.c_str(), AT_REMOVEDIR);
}

FolderRoot::Space FolderRoot::space() const {
  struct statvfs facts{};
  if (::fstatvfs(fd_.get(), &facts) != 0) return {};
  const auto bytes = [&](fsblkcnt_t blocks) {
    std::int64_t all = 0;
    const bool too_many = __builtin_mul_overflow(blocks, facts.f_frsize, &all);
    return Bytes(too_many ? std::numeric_limits<std::int64_t>::max() : all);
  };
  return {bytes(facts.f_blocks), bytes(facts.f_bfree)};
}

Result<SessionFolder> FolderRoot::look_at(const std::string& name, const FolderRule& rule) const {
  SessionFolder folder;
  folder.root = path_;
  folder.name = name;
  const http::Fd fd(opener_.open(fd_.get(), name.c_str()));
  struct stat facts{};
  if (!fd) {
    const int error = errno;
    if (error == ENOENT || ::fstatat(fd_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0) {
      return fail(ErrorKind::not_found, "there is no folder " + shown(name) + " in " + path_);
    }
    folder.spared = S_ISLNK(facts.st_mode) ? "it is a symbolic link" : not_opened(error);
  } else if (::fstat(fd.get(), &facts) != 0) {
    return tl::unexpected(refusal("cannot look at " + shown(name), errno, "check the disk"));
  }
  folder.device = facts.st_dev;
  folder.inode = facts.st_ino;
  folder.owner = facts.st_uid;
  folder.changed = changed_at(facts);
  if (!folder.spared.empty()) return folder;
  if (rule.owner && facts.st_uid != *rule.owner) {
    folder.spared = "it belongs to user " + std::to_string(facts.st_uid);
    return folder;
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
    ::flock(fd.get(), LOCK_UN);
  } else {
    folder.held = errno == EWOULDBLOCK ? "a process that locked it"
                                       : "nobody can say whom: " + errno_text(errno);
  }
  Looker looker(rule.entries);
  looker.add(facts);
  looker.entries = 0;
  TreeWalk walk(opener_);
  const bool whole = walk.run(fd.get(), looker);
  folder.changed = looker.newest;
  folder.bytes = looker.bytes;
  folder.entries = looker.entries;
  folder.spared = looker.spared;
  if (!whole && folder.spared.empty()) folder.spared = "it changed while it was looked at";
  return folder;
}

Result<SessionFolder> FolderRoot::look(const std::string& name, const FolderRule& rule) const {
  if (!is_name(name) || !session_name_matches(rule.pattern, name)) {
    return fail(ErrorKind::not_found, "there is no session " + shown(name) + " in " + path_,
                "session folders match " + shown(rule.pattern));
  }
  return look_at(name, rule);
}

Result<std::vector<SessionFolder>> FolderRoot::scan(const FolderRule& rule) const {
  std::vector<SessionFolder> folders;
  int error = 0;
  for (const auto& [name, type] :
       entries_of(fd_.get(), std::numeric_limits<std::size_t>::max(), error)) {
    if (folders.size() == kMostFolders) break;
    if (!is_name(name) || !session_name_matches(rule.pattern, name)) continue;
    auto folder = look_at(name, rule);
    if (folder) folders.push_back(std::move(*folder));
  }
  if (error != 0) {
    return tl::unexpected(refusal("cannot read " + path_, error, "check who may read it"));
  }
  std::sort(folders.begin(), folders.end(), [](const SessionFolder& a, const SessionFolder& b) {
    return std::tie(a.changed, a.name) < std::tie(b.changed, b.name);
  });
  return folders;
}

Result<void> FolderRoot::open_trash(const std::optional<uid_t>& owner) {
  if (trash_ && trash_owner_ == owner) return {};
  if (trash_) ::unlinkat(fd_.get(), trash_name_.c_str(), AT_REMOVEDIR);
  trash_.reset();
  const std::string what = "cannot make a folder in " + path_;
  for (int attempt = 0; attempt < kNames; ++attempt) {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) continue;
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(random));
    const std::string name =
        std::string(kTrash) + (owner ? "u" + std::to_string(*owner) + "-" : "") + digits;
    if (::mkdirat(fd_.get(), name.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      return tl::unexpected(refusal(what, errno, "check who may write there"));
    }
    http::Fd made(opener_.open(fd_.get(), name.c_str()));
    struct stat facts{};
    if (!made || ::fstat(made.get(), &facts) != 0 || facts.st_uid != ::geteuid() ||
        (facts.st_mode & 077) != 0 || ::flock(made.get(), LOCK_EX | LOCK_NB) != 0) {
      return fail(ErrorKind::conflict, what, "what was made there is not ours any more",
                  "see who else works in this folder");
    }
    trash_name_ = name;
    trash_owner_ = owner;
    trash_ = std::move(made);
    return {};
  }
  return fail(ErrorKind::internal, what, "no name was free");
}

bool FolderRoot::empty(int trash, const std::string& item, const FolderRemoval& how,
                       SessionRemoval& removal) {
  const http::Fd fd(opener_.open(trash, item.c_str()));
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) {
    removal.why.push_back(not_opened(errno));
    return false;
  }
  if (item_name(facts.st_dev, facts.st_ino) != item) {
    removal.why.push_back("it came there in the place of another one; move it to where it belongs");
    return false;
  }
  if (!empty_folder(opener_, fd.get(), how, removal)) return false;
  if (::unlinkat(trash, item.c_str(), AT_REMOVEDIR) != 0) {
    removal.why.push_back("cannot remove it when it is empty: " + errno_text(errno));
    return false;
  }
  ++removal.entries;
  return true;
}

SessionRemoval FolderRoot::remove(const SessionFolder& judged, const FolderRemoval& how) {
  SessionRemoval removal;
  removal.root = path_;
  removal.name = judged.name;
  removal.bytes = judged.bytes;
  const auto no = [&](std::string why) {
    removal.why.push_back(std::move(why));
    return removal;
  };
  if (!is_name(judged.name)) return no("it has no name of a session folder");
  const char* name = judged.name.c_str();
  const http::Fd fd(opener_.open(fd_.get(), name));
  if (!fd) return no(not_opened(errno));
  struct stat facts{};
  if (::fstat(fd.get(), &facts) != 0) return no("cannot look at it: " + errno_text(errno));
  if (facts.st_dev != judged.device || facts.st_ino != judged.inode) {
    return no("another folder has its name now");
  }
  if (how.owner && facts.st_uid != *how.owner) {
    return no("it belongs to user " + std::to_string(facts.st_uid));
  }
  // Held until it is gone: who honours locks does not begin with it now.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return no(errno == EWOULDBLOCK ? "it is held by a process that locked it"
                                   : "nobody can say who holds it: " + errno_text(errno));
  }
  if (!how.even_if_changed) {
    Looker looker(std::numeric_limits<std::uint64_t>::max());
    looker.end_when_newer_than(judged.changed);
    if (looker.add(facts) == TreeVisitor::Next::stop || !TreeWalk(opener_).run(fd.get(), looker)) {
      return no(looker.spared.empty() ? "it has changed since it was looked at" : looker.spared);
    }
  }
  if (how.entries == 0) return no("this run has removed as many entries as it may");

  const auto trash = open_trash(how.owner);
  if (!trash) {
    // A full disk takes no new folder. The names in this one are the same as those in the trash:
    // what is opened and removed lies in it.
    if (trash.error().kind != ErrorKind::unavailable) return no(sentence(trash.error()));
    if (!empty_folder(opener_, fd.get(), how, removal)) return removal;
    if (::unlinkat(fd_.get(), name, AT_REMOVEDIR) != 0) {
      return no("cannot remove it when it is empty: " + errno_text(errno));
    }
    ++removal.entries;
    removal.taken = removal.gone = true;
    return removal;
  }
  const std::string item = item_name(judged.device, judged.inode);
  if (!renames_new(fd_.get(), name, trash_.get(), item.c_str())) {
    return no("cannot take it out of its place: " + errno_text(errno));
  }
  struct stat arrived{};
  if (::fstatat(trash_.get(), item.c_str(), &arrived, AT_SYMLINK_NOFOLLOW) != 0 ||
      arrived.st_dev != facts.st_dev || arrived.st_ino != facts.st_ino) {
    // Somebody put something else in its place at that moment.
    const bool back = renames_new(trash_.get(), item.c_str(), fd_.get(), name);
    return no(back ? "something else was put in its place; it is there again"
                   : "something else was put in its place; it is kept in " + trash_name_);
  }
  removal.taken = true;
  removal.gone = empty(trash_.get(), item, how, removal);
  return removal;
}

void FolderRoot::empty_trash(const std::string& name, const FolderRemoval& asked,
                             std::vector<SessionRemoval>& removals) {
  // What was removed for a user is finished for that user.
  FolderRemoval how = asked;
  if (name.size() > kTrash.size() && name[kTrash.size()] == 'u') {
    uid_t owner = 0;
    const char* const begin = name.data() + kTrash.size() + 1;
    const auto parsed = std::from_chars(begin, name.data() + name.size(), owner);
    if (parsed.ec != std::errc() || *parsed.ptr != '-') return;
    how.owner = owner;
  }
  const http::Fd trash(opener_.open(fd_.get(), name.c_str()));
  struct stat facts{};
  if (!trash || ::fstat(trash.get(), &facts) != 0 || facts.st_uid != ::geteuid() ||
      (facts.st_mode & 077) != 0) {
    return;  // not ours
  }
  // Another run is at work in it.
  if (name != trash_name_ && ::flock(trash.get(), LOCK_EX | LOCK_NB) != 0) return;
  int error = 0;
  for (const auto& [item, type] : entries_of(trash.get(), kMostFolders, error)) {
    SessionRemoval removal;
    removal.root = path_;
    removal.name = name + "/" + item;
    removal.taken = true;
    if (how.entries <= 1) {
      removal.why.push_back("this run has removed as many entries as it may");
    } else {
      removal.gone = empty(trash.get(), item, how, removal);
    }
    removals.push_back(std::move(removal));
  }
  if (name != trash_name_) ::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR);
}

std::vector<SessionRemoval> FolderRoot::finish(const FolderRemoval& how) {
  std::vector<SessionRemoval> removals;
  int error = 0;
  std::size_t trashes = 0;
  FolderRemoval rest = how;
  for (const auto& [name, type] :
       entries_of(fd_.get(), std::numeric_limits<std::size_t>::max(), error)) {
    if (!name.starts_with(kTrash) || ++trashes > kMostTrash) continue;
    const std::size_t before = removals.size();
    empty_trash(name, rest, removals);
    for (std::size_t i = before; i < removals.size(); ++i) {
      rest.entries -= std::min(rest.entries, removals[i].entries);
    }
  }
  return removals;
}

Result<SessionFolder> FolderRoot::make(const std::string& name, uid_t owner) {
  const std::string what = "cannot make " + shown(name) + " in " + path_;
  if (!is_name(name)) {
    return fail(ErrorKind::invalid_request, what, "it is no name of a folder",
                "use a name without / and of 255 bytes at most");
  }
  if (::mkdirat(fd_.get(), name.c_str(), 0700) != 0) {
    return tl::unexpected(
        refusal(what, errno,
                errno == EEXIST ? "take another name" : "check the disk, and who may write there"));
  }
  const http::Fd fd(opener_.open(fd_.get(), name.c_str()));
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0 || facts.st_uid != ::geteuid()) {
    return fail(ErrorKind::conflict, what, "what was made there is not ours any more",
                "see who else works in this folder");
  }
  if (owner != facts.st_uid && ::fchown(fd.get(), owner, static_cast<gid_t>(-1)) != 0) {
    const int error = errno;
    ::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR);
    return tl::unexpected(refusal(what, error, "only root makes folders for others"));
  }
  SessionFolder folder;
  folder.root = path_;
  folder.name = name;
  folder.device = facts.st_dev;
  folder.inode = facts.st_ino;
  folder.owner = owner;
  folder.changed = changed_at(facts);
  folder.bytes = Bytes(static_cast<std::int64_t>(facts.st_blocks) * 512);
  return folder;
}

}  // namespace headroom::act
