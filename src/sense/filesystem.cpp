#include "sense/filesystem.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include <poll.h>
#include <sys/vfs.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::chrono::seconds kAskEvery{5};

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// Undoes "\040" for a space and its like.
std::string unescaped(std::string_view word) {
  std::string out;
  out.reserve(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '\\' && i + 3 < word.size() && word[i + 1] <= '3' && is_octal(word[i + 1]) &&
        is_octal(word[i + 2]) && is_octal(word[i + 3])) {
      out += static_cast<char>((word[i + 1] - '0') * 64 + (word[i + 2] - '0') * 8 +
                               (word[i + 3] - '0'));
      i += 3;
    } else {
      out += word[i];
    }
  }
  return out;
}

bool lives_on_a_disk(std::string_view type) {
  constexpr std::array<std::string_view, 16> kTypes = {
      "ext4", "xfs",   "btrfs", "ext3",  "ext2", "zfs",    "f2fs",  "bcachefs",
      "vfat", "msdos", "exfat", "ntfs3", "jfs",  "nilfs2", "ocfs2", "gfs2"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

/// Served over a network or by a process: statfs waits for whoever that is.
bool has_a_server(std::string_view type) {
  constexpr std::array<std::string_view, 14> kTypes = {
      "nfs",  "nfs4",   "cifs",   "smb3", "smbfs", "9p",       "afs",
      "ceph", "lustre", "beegfs", "gpfs", "ncpfs", "virtiofs", "pvfs2"};
  return type.substr(0, 4) == "fuse" ||
         std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

Bytes size_of(std::uint64_t blocks, std::uint64_t block_size) {
  std::uint64_t bytes = 0;
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (__builtin_mul_overflow(blocks, block_size, &bytes) || bytes > kMost) bytes = kMost;
  return Bytes(static_cast<std::int64_t>(bytes));
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  Scan scan(text);
  while (!scan.done()) {
    Scan line(scan.line());
    line.skip_words(2);  // ids
    Mount mount;
    mount.device = line.word();
    mount.root = unescaped(line.word());
    mount.mount = unescaped(line.word());
    std::string_view word = line.word();                      // options of the mount
    while (!word.empty() && word != "-") word = line.word();  // tags, any number of them
    mount.type = line.word();
    mount.source = unescaped(line.word());
    mount.options = line.word();
    if (!mount.type.empty() && !mount.mount.empty() && mount.mount.front() == '/') {
      mounts.push_back(std::move(mount));
    }
  }
  return mounts;
}

std::vector<Mount> local_filesystems(const std::vector<Mount>& mounts) {
  std::vector<Mount> local;
  for (const Mount& mount : mounts) {
    // A mount hides what was mounted at the same place before.
    std::erase_if(local, [&](const Mount& other) { return other.mount == mount.mount; });
    const bool wanted =
        lives_on_a_disk(mount.type) || (mount.mount == "/" && !has_a_server(mount.type));
    if (!wanted) continue;
    const auto same = std::find_if(local.begin(), local.end(), [&](const Mount& other) {
      return other.device == mount.device;
    });
    if (same == local.end()) {
      local.push_back(mount);
    } else if (mount.root == "/" &&
               (same->root != "/" || mount.mount.size() < same->mount.size())) {
      *same = mount;  // the whole filesystem names it better than a folder of it
    }
  }
  return local;
}

Filesystems::Filesystems(const std::string& root, Keep keep)
    : root_(root), mountinfo_(root + "/proc/self/mountinfo", keep) {}

/// The kernel marks an open mount table as soon as it is another one. A captured table is read
/// each time.
bool Filesystems::mounts_are_due(BootTime now) {
  if (mountinfo_.descriptor() < 0) return true;
  if (now - asked_at_ < kAskEvery) return false;
  asked_at_ = now;
  pollfd changed{mountinfo_.descriptor(), POLLPRI, 0};
  return ::poll(&changed, 1, 0) > 0;
}

void Filesystems::read_mounts(BootTime now, ReadBuffer& buffer) {
  const int problem = mountinfo_.problem();
  const auto text = mountinfo_.read(now, buffer);
  std::vector<Mount> mounts;
  if (text) mounts = parse_mountinfo(*text);
  if (text && mounts.empty()) mountinfo_.garbled();
  std::vector<Entry> entries;
  for (Mount& mount : local_filesystems(mounts)) {
    Entry entry;
    entry.path = root_ + mount.mount;
    entry.reading.mount = std::move(mount.mount);
    entry.reading.source = std::move(mount.source);
    entry.reading.type = std::move(mount.type);
    const auto old = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& other) { return other.path == entry.path; });
    if (old != entries_.end()) entry.problem = old->problem;
    entries.push_back(std::move(entry));
  }
  changed_ = changed_ || problem != mountinfo_.problem() || entries.size() != entries_.size();
  entries_ = std::move(entries);
}

void Filesystems::read(BootTime now, ReadBuffer& buffer, std::vector<FilesystemReading>& out) {
  if (mounts_are_due(now)) read_mounts(now, buffer);
  std::size_t count = 0;
  for (Entry& entry : entries_) {
    struct statfs space{};
    const int problem = ::statfs(entry.path.c_str(), &space) == 0 ? 0 : errno;
    changed_ = changed_ || problem != entry.problem;
    entry.problem = problem;
    if (problem != 0) continue;
    const auto block = static_cast<std::uint64_t>(space.f_frsize);
    entry.reading.total = size_of(space.f_blocks, block);
    entry.reading.free = size_of(space.f_bfree, block);
    entry.reading.available = size_of(space.f_bavail, block);
    if (count < out.size()) {
      out[count] = entry.reading;
    } else {
      out.push_back(entry.reading);
    }
    ++count;
  }
  out.resize(count);
}

void Filesystems::absences(std::vector<Absence>& out) const {
  if (mountinfo_.problem() != 0) {
    out.push_back({"filesystem", mountinfo_.reason(), "mount /proc"});
  } else if (entries_.empty()) {
    out.push_back({"filesystem", "no local filesystem with storage of its own is mounted",
                   "network filesystems are not asked, since a dead server would block"});
  }
  for (const Entry& entry : entries_) {
    if (entry.problem == 0) continue;
    const char* const words = ::strerrordesc_np(entry.problem);
    out.push_back({"disk " + entry.reading.mount,
                   entry.path + ": " + (words != nullptr ? words : "unknown error"), ""});
  }
}

}  // namespace headroom::sense
