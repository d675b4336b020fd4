// The small kernel files of the groups of leases, held open between two uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <headroom/result.hpp>

namespace headroom::act {

/// To open a file of a group, and to look whose group that is, takes ten times as long as what is
/// read or written there, above all after a rest; and a job that stands at its fence waits for it.
///
/// A folder is looked at before a file of it is opened, not again while that is held: a descriptor
/// is of that very group, and once the group is removed the kernel says so (ENODEV), whoever has
/// made another one of its name. Then the file is let go of, and the folder looked at again. Any
/// thread; no lock is held while the kernel reads or writes.
class HeldFiles {
 public:
  /// Whether a folder's files may be used.
  using Check = Result<void> (*)(const std::string& folder);

  /// `most` files are open at once: then the one that was not used for longest goes.
  explicit HeldFiles(Check check, std::size_t most = 256) : check_(check), most_(most) {}

  /// The first 4 KiB of a file. Errors are those of the check, and of read_small().
  Result<std::string> read(const std::string& folder, const char* name);
  /// Writes `text` in one call. Errors are those of the check, and of write_small().
  Result<void> write(const std::string& folder, const char* name, std::string_view text);
  /// What this wrote there last, while the file has been held open since; else "". Another may have
  /// written there meanwhile.
  std::string last_written(const std::string& folder, const char* name) const;

  /// Closes what is held of a folder.
  void forget(const std::string& folder);
  std::size_t open_now() const;

 private:
  struct File;
  struct Held {
    std::shared_ptr<const File> file;
    std::uint64_t used = 0;  // a count of uses, not a time
    std::string written;     // the last text that was taken
  };
  using Key = std::pair<std::string, bool>;  // path, and whether it is written

  Result<std::shared_ptr<const File>> file(const std::string& folder, const Key& key);
  void drop(const Key& key, const std::shared_ptr<const File>& file);
  /// What `deed` (errno, or 0) does with the file; once more where the group has been replaced.
  template <class Deed>
  Result<std::shared_ptr<const File>> with(const std::string& folder, const Key& key,
                                           const std::string& what, const Deed& deed);

  const Check check_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::map<Key, Held> held_;
  std::uint64_t uses_ = 0;
};

}  // namespace headroom::act
