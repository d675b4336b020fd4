// Filesystems with storage of their own on this machine: /proc/self/mountinfo and statfs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <headroom/instant.hpp>
#include <headroom/sample.hpp>

#include "sense/kernel_file.hpp"

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

/// The mounts whose space can be booked, one per filesystem, in the order of the text: types that
/// live on a local disk, and what is mounted at "/" (in a container an overlay) unless it comes
/// over the network or from another process. Asking such a server for its space could block for
/// ever; memory and read-only images have no space to give.
std::vector<Mount> local_filesystems(const std::vector<Mount>& mounts);

/// Keeps the list of local filesystems up to date and reads how full they are.
class Filesystems {
 public:
  /// `root` stands in for "/".
  Filesystems(const std::string& root, Keep keep);
  /// Reads all into `out`. The mount table is read again when the kernel says that it changed;
  /// it is asked every 5 s.
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
  bool mounts_are_due(BootTime now);
  void read_mounts(BootTime now, ReadBuffer& buffer);

  std::string root_;
  KernelFile mountinfo_;
  std::vector<Entry> entries_;
  BootTime asked_at_{};  ///< when the kernel was last asked for changes
  bool changed_ = false;
};

}  // namespace headroom::sense
