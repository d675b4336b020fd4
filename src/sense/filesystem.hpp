// Filesystems that have storage: /proc/self/mountinfo, and statfs of those on this machine's disks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"

struct statfs;

namespace headroom::sense {

/// One line of /proc/self/mountinfo, with the kernel's escapes undone.
struct Mount {
  std::string device;  ///< "254:0"; the same for every mount of one filesystem
  std::string root;    ///< the folder of the filesystem that is mounted
  std::string mount;   ///< where
  std::string type;
  std::string source;
  std::string options;  ///< of the filesystem: for cgroup v1 the controllers are among them
};

/// Text of /proc/self/mountinfo; lines that are not understood are left out.
std::vector<Mount> parse_mountinfo(std::string_view text);

/// Filesystems that are watched of each kind; a host of many containers may mount thousands.
constexpr std::size_t kMostFilesystems = 64;

/// The mounts that have storage, one per filesystem, in the order of the text. A bind mount, a
/// subvolume or a layer of a container is a filesystem that is there already.
struct StorageMounts {
  /// On a disk of this machine, and what is mounted at "/" (in a container an overlay): asking
  /// for its space takes no time.
  std::vector<Mount> local;
  /// Served over a network or by a process, or reached through such a mount: asking could block
  /// for ever.
  std::vector<Mount> served;
  std::size_t left_out = 0;  ///< more than kMostFilesystems
};

/// Memory, read-only images and mounts that only come into being when touched (autofs) have no
/// space to give and are left out.
StorageMounts storage_mounts(const std::vector<Mount>& mounts);

/// Is served over a network, by the name of its type.
bool is_network_type(std::string_view type);

/// What statfs said, in `out`.
void fill_space(const struct ::statfs& space, FilesystemReading& out);

/// The mount table, read again when the kernel says that it changed.
class MountTable {
 public:
  /// `root` stands in for "/".
  MountTable(const std::string& root, Keep keep);
  /// True if mounts() may be another list now. The kernel is asked every 5 s, and once a minute
  /// while the table is long, since it then takes milliseconds to write.
  bool refresh(BootTime now, ReadBuffer& buffer);
  const StorageMounts& mounts() const { return mounts_; }
  int problem() const { return file_.problem(); }
  std::string reason() const { return file_.reason(); }

 private:
  bool is_due(BootTime now);

  KernelFile file_;
  StorageMounts mounts_;
  bool long_ = false;
  BootTime asked_at_{};  ///< when the kernel was last asked for changes
};

/// Keeps the list of local filesystems up to date and reads how full they are.
class Filesystems {
 public:
  /// `root` stands in for "/".
  Filesystems(const std::string& root, Keep keep);
  void read(BootTime now, ReadBuffer& buffer, std::vector<FilesystemReading>& out);
  /// True once after the list of absences became another one.
  bool absences_changed() { return std::exchange(changed_, false); }
  void absences(std::vector<Absence>& out) const;

 private:
  struct Entry {
    std::string path;  ///< as seen from here
    FilesystemReading reading;
    int problem = 0;
  };
  void take_mounts();

  std::string root_;
  MountTable table_;
  std::vector<Entry> entries_;
  std::size_t left_out_ = 0;
  int table_problem_ = 0;
  bool changed_ = false;
};

}  // namespace headroom::sense
