#include "sense/filesystem.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <numeric>

#include <poll.h>
#include <sys/vfs.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::chrono::seconds kAskEvery{5};
constexpr std::chrono::seconds kAskLongEvery{60};
constexpr std::size_t kLongTable = 1000;  // lines

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

/// Served by a process of this machine that has no storage to speak of: gateways to what is
/// elsewhere, and layers over it.
bool is_without_storage(std::string_view type) {
  constexpr std::array<std::string_view, 10> kTypes = {
      "fusectl",           "fuse.lxcfs",      "fuse.portal",         "fuse.gvfsd-fuse",
      "fuse.snapfuse",     "fuse.squashfuse", "fuse.vmware-vmblock", "fuse.fuse-overlayfs",
      "fuse.archivemount", "fuse.cvmfs2"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

/// Files that container engines mount one by one: the disk they lie on is no place for others.
bool is_single_file(std::string_view mount) {
  constexpr std::array<std::string_view, 5> kFiles = {"/etc/hosts", "/etc/hostname",
                                                      "/etc/resolv.conf", "/dev/termination-log",
                                                      "/run/.containerenv"};
  return std::find(kFiles.begin(), kFiles.end(), mount) != kFiles.end();
}

bool is_served_by_a_process(std::string_view type) {
  return type == "fuse" || type == "fuseblk" || type.substr(0, 5) == "fuse.";
}

/// `path` lies in the folder `above`.
bool is_below(std::string_view path, std::string_view above) {
  if (above == "/") return path.size() > 1;
  return path.size() > above.size() && path.substr(0, above.size()) == above &&
         path[above.size()] == '/';
}

/// Adds `mount`, unless its filesystem is there already: then the better name of the two stays.
void add_filesystem(std::vector<Mount>& list, const Mount& mount) {
  const auto same = std::find_if(list.begin(), list.end(),
                                 [&](const Mount& other) { return other.device == mount.device; });
  if (same == list.end()) {
    list.push_back(mount);
  } else if (mount.root == "/" && (same->root != "/" || mount.mount.size() < same->mount.size())) {
    *same = mount;  // the whole filesystem names it better than a folder of it
  }
}

std::size_t cut(std::vector<Mount>& list) {
  if (list.size() <= kMostFilesystems) return 0;
  const std::size_t left_out = list.size() - kMostFilesystems;
  list.resize(kMostFilesystems);
  return left_out;
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

bool is_network_type(std::string_view type) {
  constexpr std::array<std::string_view, 34> kTypes = {"nfs",
                                                       "nfs4",
                                                       "cifs",
                                                       "smb3",
                                                       "smbfs",
                                                       "9p",
                                                       "afs",
                                                       "ceph",
                                                       "lustre",
                                                       "beegfs",
                                                       "gpfs",
                                                       "ncpfs",
                                                       "virtiofs",
                                                       "pvfs2",
                                                       "glusterfs",
                                                       "coda",
                                                       "davfs",
                                                       "fuse.sshfs",
                                                       "fuse.s3fs",
                                                       "fuse.rclone",
                                                       "fuse.ceph",
                                                       "fuse.ceph-fuse",
                                                       "fuse.goofys",
                                                       "fuse.gcsfuse",
                                                       "fuse.juicefs",
                                                       "fuse.davfs2",
                                                       "fuse.davfs",
                                                       "fuse.blobfuse",
                                                       "fuse.blobfuse2",
                                                       "fuse.glusterfs",
                                                       "fuse.mfs",
                                                       "fuse.lizardfs",
                                                       "fuse.weed",
                                                       "fuse.mount-s3"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

StorageMounts storage_mounts(const std::vector<Mount>& mounts) {
  // A mount hides what was mounted at the same place before. The table may be long: the last of
  // each place is found by sorting, not by looking each one up.
  std::vector<std::size_t> order(mounts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const int compared = mounts[a].mount.compare(mounts[b].mount);
    return compared != 0 ? compared < 0 : a < b;
  });
  std::vector<bool> hidden(mounts.size());
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    if (mounts[order[i]].mount == mounts[order[i + 1]].mount) hidden[order[i]] = true;
  }

  StorageMounts storage;
  std::vector<Mount> on_disks;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const Mount& mount = mounts[i];
    if (hidden[i]) continue;
    const bool is_root = mount.mount == "/";
    if (is_without_storage(mount.type) && !is_root) continue;
    if (is_single_file(mount.mount)) continue;
    if (is_network_type(mount.type) || is_served_by_a_process(mount.type)) {
      add_filesystem(storage.served, mount);
    } else if (lives_on_a_disk(mount.type) || is_root) {
      add_filesystem(on_disks, mount);
    }
  }
  // The way to a mount leads through those above it, and the servers of these are asked as well.
  std::vector<Mount> behind;
  for (Mount& mount : on_disks) {
    const bool is_behind =
        std::any_of(storage.served.begin(), storage.served.end(),
                    [&](const Mount& above) { return is_below(mount.mount, above.mount); });
    (is_behind ? behind : storage.local).push_back(std::move(mount));
  }
  storage.served.insert(storage.served.end(), behind.begin(), behind.end());
  storage.left_out = cut(storage.local) + cut(storage.served);
  return storage;
}

void fill_space(const struct ::statfs& space, FilesystemReading& out) {
  const auto block = static_cast<std::uint64_t>(space.f_frsize);
  out.total = size_of(space.f_blocks, block);
  out.free = std::min(size_of(space.f_bfree, block), out.total);
  out.available = std::min(size_of(space.f_bavail, block), out.free);
  out.inodes_total.reset();
  out.inodes_free.reset();
  if (space.f_files == 0 || space.f_ffree > space.f_files) return;  // made when they are needed
  out.inodes_total = space.f_files;
  out.inodes_free = space.f_ffree;
}

MountTable::MountTable(const std::string& root, Keep keep)
    : file_(root + "/proc/self/mountinfo", keep) {}

/// The kernel marks an open mount table as soon as it is another one. A captured table is read
/// each time.
bool MountTable::is_due(BootTime now) {
  if (file_.descriptor() < 0) return true;
  if (now - asked_at_ < (long_ ? kAskLongEvery : kAskEvery)) return false;
  asked_at_ = now;
  pollfd changed{file_.descriptor(), POLLPRI, 0};
  return ::poll(&changed, 1, 0) > 0;
}

bool MountTable::refresh(BootTime now, ReadBuffer& buffer) {
  if (!is_due(now)) return false;
  const auto text = file_.read(now, buffer);
  std::vector<Mount> mounts;
  if (text) mounts = parse_mountinfo(*text);
  if (text && mounts.empty()) file_.garbled();
  long_ = mounts.size() > kLongTable;
  mounts_ = storage_mounts(mounts);
  return true;
}

Filesystems::Filesystems(const std::string& root, Keep keep) : root_(root), table_(root, keep) {}

void Filesystems::take_mounts() {
  const StorageMounts& mounts = table_.mounts();
  std::vector<Entry> entries;
  for (const Mount& mount : mounts.local) {
    Entry entry;
    entry.path = root_ + mount.mount;
    entry.reading.mount = mount.mount;
    entry.reading.source = mount.source;
    entry.reading.type = mount.type;
    const auto old = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& other) { return other.path == entry.path; });
    if (old != entries_.end()) entry.problem = old->problem;
    entries.push_back(std::move(entry));
  }
  changed_ = changed_ || table_problem_ != table_.problem() || left_out_ != mounts.left_out ||
             entries.size() != entries_.size();
  table_problem_ = table_.problem();
  left_out_ = mounts.left_out;
  entries_ = std::move(entries);
}

void Filesystems::read(BootTime now, ReadBuffer& buffer, std::vector<FilesystemReading>& out) {
  if (table_.refresh(now, buffer)) take_mounts();
  std::size_t count = 0;
  for (Entry& entry : entries_) {
    struct statfs space{};
    const int problem = ::statfs(entry.path.c_str(), &space) == 0 ? 0 : errno;
    changed_ = changed_ || problem != entry.problem;
    entry.problem = problem;
    if (problem != 0) continue;
    fill_space(space, entry.reading);
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
  if (table_problem_ != 0) {
    out.push_back({"filesystem", table_.reason(), "mount /proc"});
  } else if (entries_.empty()) {
    out.push_back({"filesystem", "no local filesystem with storage of its own is mounted", ""});
  } else if (left_out_ > 0) {
    out.push_back({"filesystem",
                   std::to_string(left_out_) + " more filesystems are mounted than the " +
                       std::to_string(kMostFilesystems) + " of a kind that are watched",
                   ""});
  }
  for (const Entry& entry : entries_) {
    if (entry.problem == 0) continue;
    out.push_back({"disk " + entry.reading.mount, entry.path + ": " + words_of(entry.problem), ""});
  }
}

}  // namespace headroom::sense
