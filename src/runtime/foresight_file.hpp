// What was learned about what is coming, kept over a restart.
#pragma once

#include <string>
#include <thread>

namespace headroom::runtime {

/// One file, `foresight` in the state directory: pieces of bytes between a heading and a checksum.
///
/// What is in it can be learned anew, so that nothing of this is ever an error: what cannot be read
/// is not there, what cannot be written is tried again the next time. At most 64 MiB. Not
/// thread-safe; the writing itself is on a thread of its own.
class ForesightFile {
 public:
  /// `dir`: the state directory; empty: nothing is kept.
  explicit ForesightFile(std::string dir);
  /// Waits for what is being written.
  ~ForesightFile();
  ForesightFile(const ForesightFile&) = delete;
  ForesightFile& operator=(const ForesightFile&) = delete;

  /// What was written last; empty where there is nothing that can be read.
  std::string read() const;
  /// Replaces it, in the background: a new file takes the old one's place, or the old one stays.
  void write(std::string bytes);
  /// Waits until it is written.
  void wait();

 private:
  std::string path_;
  std::thread writer_;
};

}  // namespace headroom::runtime
