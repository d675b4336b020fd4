// Reads the processes of the machine on a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <headroom/process.hpp>
#include <headroom/sample.hpp>

#include "sense/process_owner.hpp"

namespace headroom::runtime {

/// The processes, read when somebody asks. All functions belong to the loop thread; the reading is
/// done beside it, one at a time, because a file of a process can be locked for long.
class ProcessReader {
 public:
  using List = std::shared_ptr<const ProcessList>;

  /// What the list is completed with; taken when the reading starts.
  struct Beside {
    std::vector<sense::LeaseMark> leases;
    std::shared_ptr<const Sample> sample;  ///< whose GPUs name processes; may be null
  };

  struct Hooks {
    /// Has work done on the loop thread. Called on the reader's thread, never after the end of
    /// the reader's destructor.
    std::function<void(std::function<void()>)> post;
    /// Called on both threads; the reader's may call it after the end: it refers to nobody.
    std::function<Instant()> now;
    std::function<Beside()> beside;     ///< called on the loop thread
    std::function<void(List)> on_list;  ///< called on the loop thread with every new list; or empty
  };

  /// `root` stands in for "/" ("" is the machine itself). The thread starts with the first reading.
  ProcessReader(std::string root, Hooks hooks);
  /// Waits for a reading under way for at most a second; one that hangs in the kernel is left to
  /// itself, and touches nothing of this object any more.
  ~ProcessReader();
  ProcessReader(const ProcessReader&) = delete;
  ProcessReader& operator=(const ProcessReader&) = delete;

  /// The list as last read; null before the first.
  const List& latest() const { return latest_; }

  /// `done` gets a list that is not older than 0.2 s, at once or when it was read. At most 1000
  /// wait; one more gets the latest there is at once, which may be null.
  void read(std::function<void(List)> done);

  /// Somebody looks: for a minute tick() has the list read anew every ten seconds.
  void want();
  /// Starts a reading if one is due. To be called about once a second.
  void tick();

 private:
  struct Shared;

  void start();
  void finish(List list);

  std::string root_;
  Hooks hooks_;
  List latest_;
  bool reading_ = false;
  std::vector<std::function<void(List)>> waiting_;
  BootTime wanted_until_{};
  std::shared_ptr<Shared> shared_;  ///< with the thread, which may outlive this object
};

}  // namespace headroom::runtime
