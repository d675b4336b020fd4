#include "runtime/foresight_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "judge/saved.hpp"

namespace headroom::runtime {
namespace {

constexpr std::string_view kHeading = "headroom foresight 1\n";
constexpr std::size_t kMost = 64UL << 20;

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

void replace(const std::string& path, const std::string& bytes) {
  const std::string next = path + ".new";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  const std::uint64_t sum = judge::checksum(bytes);
  std::string foot(sizeof sum, '\0');
  std::memcpy(foot.data(), &sum, sizeof sum);
  const bool written = write_all(fd, kHeading) && write_all(fd, bytes) && write_all(fd, foot);
  const bool closed = ::close(fd) == 0;
  if (!written || !closed || ::rename(next.c_str(), path.c_str()) != 0) ::unlink(next.c_str());
}

}  // namespace

struct ForesightFile::Shared {
  std::mutex mutex;
  std::condition_variable written;
  std::optional<std::string> next;
  bool busy = false;  // a thread writes, or is about to
};

ForesightFile::ForesightFile(std::string dir)
    : path_(dir.empty() ? "" : dir + "/foresight"), shared_(std::make_shared<Shared>()) {}

ForesightFile::~ForesightFile() { (void)wait(std::chrono::seconds(5)); }

std::string ForesightFile::read() const {
  if (path_.empty()) return {};
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {};
  std::string bytes;
  struct stat is{};
  if (::fstat(fd, &is) == 0 && S_ISREG(is.st_mode) &&
      static_cast<std::size_t>(is.st_size) <= kMost) {
    bytes.resize(static_cast<std::size_t>(is.st_size));
    std::size_t have = 0;
    while (have < bytes.size()) {
      const ssize_t got = ::read(fd, bytes.data() + have, bytes.size() - have);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
  }
  ::close(fd);
  std::uint64_t sum = 0;
  if (!bytes.starts_with(kHeading) || bytes.size() < kHeading.size() + sizeof sum) return {};
  std::memcpy(&sum, bytes.data() + bytes.size() - sizeof sum, sizeof sum);
  bytes.resize(bytes.size() - sizeof sum);
  bytes.erase(0, kHeading.size());
  return sum == judge::checksum(bytes) ? bytes : std::string();
}

void ForesightFile::write(std::string bytes) {
  if (path_.empty() || bytes.size() > kMost) return;
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->next = std::move(bytes);
    if (std::exchange(shared_->busy, true)) return;  // its thread takes this too
  }
  const auto work = [shared = shared_, path = path_] {
    std::unique_lock lock(shared->mutex);
    while (shared->next) {
      const std::string one = std::move(*std::exchange(shared->next, std::nullopt));
      lock.unlock();
      replace(path, one);
      lock.lock();
    }
    shared->busy = false;
    shared->written.notify_all();
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error&) {  // no thread to be had: the next time, then
    const std::scoped_lock lock(shared_->mutex);
    shared_->busy = false;
  }
}

bool ForesightFile::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(shared_->mutex);
  return shared_->written.wait_for(lock, patience, [this] { return !shared_->busy; });
}

}  // namespace headroom::runtime
