// What was learned about what is coming, kept over a restart.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace headroom::runtime {

/// One file, `foresight` in the state directory: pieces of bytes between a heading and a checksum.
///
/// What is in it can be learned anew, so that nothing of this is ever an error: what cannot be read
/// is not there, what cannot be written is tried again the next time. At most 64 MiB. Not
/// thread-safe; the writing itself is on a thread of its own, which a disk that hangs holds up
/// alone.
class ForesightFile {
 public:
  /// `dir`: the state directory; empty: nothing is kept.
  explicit ForesightFile(std::string dir);
  /// wait(), for five seconds at most: then a disk that hangs is left to itself.
  ~ForesightFile();
  ForesightFile(const ForesightFile&) = delete;
  ForesightFile& operator=(const ForesightFile&) = delete;

  /// What was written last; empty where there is nothing that can be read.
  std::string read() const;
  /// Replaces it, in the background: a new file takes the old one's place, or the old one stays.
  /// What still waits to be written is left out. Does not block.
  void write(std::string bytes);
  /// Waits until it is written; false: not within that time.
  bool wait(std::chrono::milliseconds patience);

 private:
  struct Shared;
  std::string path_;
  std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this object
};

}  // namespace headroom::runtime
