// Filesystems that a server or a process answers for: asked in threads of their own, since the one
// who should answer may be dead.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <headroom/sample.hpp>

#include "sense/filesystem.hpp"

struct statfs;

namespace headroom::sense {

/// Asks served mounts how full they are. Each question has a thread that lives for it alone. One
/// that gets no answer is left behind with its thread, which ends when the kernel lets go of it:
/// nobody waits for it, nothing more is asked of that mount until it has answered, and no more than
/// `kMostAsking` are under way. One thread calls; interrupt() may be called from any.
class ServedMounts {
 public:
  /// statfs(2): 0 or an error number. May block for ever; called from other threads.
  using Ask = std::function<int(const std::string& path, struct ::statfs& out)>;
  static constexpr std::size_t kMostAsking = 8;

  /// `root` stands in for "/". Reads wait `patience` at most, for all mounts together.
  explicit ServedMounts(std::string root,
                        std::chrono::milliseconds patience = std::chrono::milliseconds(1000));
  ServedMounts(std::string root, std::chrono::milliseconds patience, Ask ask);
  ~ServedMounts();
  ServedMounts(const ServedMounts&) = delete;
  ServedMounts& operator=(const ServedMounts&) = delete;

  /// The mounts to ask from now on; those that were there before keep their last numbers.
  void set(const std::vector<Mount>& mounts);
  /// Asks all of them. One that does not answer in time keeps its last numbers and is `stale`; one
  /// that never answered is not in `out`. Both have their reason in `absent`, to which is added.
  void read(std::vector<FilesystemReading>& out, std::vector<Absence>& absent);
  /// From now on no read waits; one that waits returns.
  void interrupt();
  /// Threads whose question is not answered.
  std::size_t asking() const;

 private:
  struct Question;
  struct Board;
  struct Entry;
  void start(Entry& entry);

  std::string root_;
  std::chrono::milliseconds patience_;
  std::shared_ptr<Board> board_;  ///< outlives this object while a thread is left behind
  std::vector<Entry> entries_;
};

}  // namespace headroom::sense
