// One file of the kernel that is read again and again.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <headroom/instant.hpp>

namespace headroom::sense {

/// The memory that files are read into, one after the other: what one read returned is valid
/// until the next.
class ReadBuffer {
 public:
  ReadBuffer();
  char* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  /// Doubles the size. False at the bound: a larger file is cut there.
  bool grow();

 private:
  std::vector<char> bytes_;
};

/// How a file is kept between reads.
enum class Keep {
  open,    ///< the descriptor is held: for files of the kernel's own filesystems
  closed,  ///< opened for each read: for captured trees, whose files are replaced under us
};

/// Holds a file open and reads it from its start each time. A file that is not there, or that
/// ends, costs nothing until the next try, `retry` later. Not thread-safe.
class KernelFile {
 public:
  KernelFile() = default;  ///< no file: every read is empty
  KernelFile(std::string path, Keep keep, std::chrono::seconds retry = std::chrono::seconds(60));
  ~KernelFile();
  KernelFile(KernelFile&& other) noexcept;
  KernelFile& operator=(KernelFile&& other) noexcept;

  /// The whole text, in `buffer`; empty when it cannot be read, with the reason in problem().
  std::optional<std::string_view> read(BootTime now, ReadBuffer& buffer);

  /// 0, or the error number of the last try; kGarbled after garbled().
  int problem() const { return problem_; }
  /// Says that the text just read was not understood.
  void garbled() { problem_ = kGarbled; }
  static constexpr int kGarbled = -1;

  /// Why it gives nothing, as a sentence for people; empty if nothing is wrong.
  std::string reason() const;
  const std::string& path() const { return path_; }
  bool named() const { return !path_.empty(); }
  /// The held descriptor, for poll(); -1 when it is not open.
  int descriptor() const { return descriptor_; }

 private:
  bool open_now();
  void close_now();
  std::optional<std::string_view> read_open(ReadBuffer& buffer);

  std::string path_;
  Keep keep_ = Keep::open;
  int descriptor_ = -1;
  int problem_ = 0;
  std::chrono::seconds retry_{60};
  std::optional<BootTime> retry_at_;
};

/// The text of a small file, opened and closed at once; empty if it cannot be read.
/// errno then says why.
std::optional<std::string_view> read_once(const char* path, ReadBuffer& buffer);

/// The names in a folder, sorted so that "hwmon10" follows "hwmon9", at most `most` of them; none
/// where there is no such folder. Names that begin with a dot are left out.
std::vector<std::string> names_in(const std::string& folder, std::size_t most = 4096);

/// An error number of the system in words.
std::string words_of(int problem);
/// Why the file at `path` gives nothing, as a sentence: an error number, or KernelFile::kGarbled.
std::string reason_of(const std::string& path, int problem);

}  // namespace headroom::sense
