#include "sense/kernel_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace headroom::sense {
namespace {

constexpr std::size_t kFirstSize = 16 * 1024;
constexpr std::size_t kLargest = 4 * 1024 * 1024;

// A file made of records (disks, interfaces) gives at most a page at a time, ending before the
// record that no longer fits. No such record is a kilobyte long, so less than this is all of it
// and the read that would only say "end of file" can be saved.
constexpr std::size_t kSurelyWhole = 3 * 1024;

/// Reads from the start until the end or the bound. -1 with errno on failure.
ssize_t read_whole(int descriptor, ReadBuffer& buffer) {
  std::size_t have = 0;
  for (;;) {
    const ssize_t got =
        ::pread(descriptor, buffer.data() + have, buffer.size() - have, static_cast<off_t>(have));
    if (got < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    have += static_cast<std::size_t>(got);
    if (got == 0 || have < kSurelyWhole) return static_cast<ssize_t>(have);
    if (have == buffer.size() && !buffer.grow()) return static_cast<ssize_t>(have);
  }
}

}  // namespace

ReadBuffer::ReadBuffer() : bytes_(kFirstSize) {}

bool ReadBuffer::grow() {
  if (bytes_.size() >= kLargest) return false;
  bytes_.resize(bytes_.size() * 2);
  return true;
}

KernelFile::KernelFile(std::string path, Keep keep, std::chrono::seconds retry)
    : path_(std::move(path)), keep_(keep), retry_(retry) {}

KernelFile::~KernelFile() { close_now(); }

KernelFile::KernelFile(KernelFile&& other) noexcept
    : path_(std::move(other.path_)),
      keep_(other.keep_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      problem_(other.problem_),
      retry_(other.retry_),
      retry_at_(other.retry_at_) {}

KernelFile& KernelFile::operator=(KernelFile&& other) noexcept {
  if (this != &other) {
    close_now();
    path_ = std::move(other.path_);
    keep_ = other.keep_;
    descriptor_ = std::exchange(other.descriptor_, -1);
    problem_ = other.problem_;
    retry_ = other.retry_;
    retry_at_ = other.retry_at_;
  }
  return *this;
}

bool KernelFile::open_now() {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor_ < 0) problem_ = errno;
  return descriptor_ >= 0;
}

void KernelFile::close_now() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

std::optional<std::string_view> KernelFile::read_open(ReadBuffer& buffer) {
  const ssize_t got = read_whole(descriptor_, buffer);
  if (got < 0) {
    problem_ = errno;
    close_now();
    return std::nullopt;
  }
  problem_ = 0;
  return std::string_view(buffer.data(), static_cast<std::size_t>(got));
}

std::optional<std::string_view> KernelFile::read(BootTime now, ReadBuffer& buffer) {
  if (descriptor_ >= 0) {
    if (auto text = read_open(buffer)) return text;
    // The object behind the descriptor is gone; another may stand under the same name by now.
  } else if (path_.empty() || (retry_at_ && now < *retry_at_)) {
    return std::nullopt;
  }
  std::optional<std::string_view> text;
  if (open_now()) {
    text = read_open(buffer);
    if (keep_ == Keep::closed) close_now();
  }
  retry_at_.reset();
  if (!text && keep_ == Keep::open) retry_at_ = now + retry_;
  return text;
}

std::string KernelFile::reason() const {
  return problem_ == 0 ? std::string() : reason_of(path_, problem_);
}

std::optional<std::string_view> read_once(const char* path, ReadBuffer& buffer) {
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0) return std::nullopt;
  const ssize_t got = read_whole(descriptor, buffer);
  const int problem = errno;
  ::close(descriptor);
  errno = problem;
  if (got < 0) return std::nullopt;
  return std::string_view(buffer.data(), static_cast<std::size_t>(got));
}

std::vector<std::string> names_in(const std::string& folder, std::size_t most) {
  std::vector<std::string> names;
  DIR* const open = ::opendir(folder.c_str());
  if (open == nullptr) return names;
  while (names.size() < most) {
    const dirent* const entry = ::readdir(open);
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(open);
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    return ::strverscmp(a.c_str(), b.c_str()) < 0;
  });
  return names;
}

std::string words_of(int problem) {
  const char* const words = ::strerrordesc_np(problem);
  return words != nullptr ? words : "unknown error";
}

std::string reason_of(const std::string& path, int problem) {
  if (problem == KernelFile::kGarbled) return path + " says nothing that headroom understands";
  return path + ": " + words_of(problem);
}

}  // namespace headroom::sense
