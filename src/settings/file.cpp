#include "settings/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headroom::settings {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> cannot_read(const std::string& path, const std::string& why) {
  return fail(ErrorKind::invalid_request, "cannot read " + path, path + ": " + why);
}

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

Result<std::optional<std::string>> read_file(const std::string& path) {
  if (path.find('\0') != std::string::npos) return cannot_read("a file", "a zero in its name");
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    const int error = errno;
    struct stat link{};
    if (error == ENOENT && ::lstat(path.c_str(), &link) == 0) {
      return cannot_read(path, "a link to a file that is not there");
    }
    if (error == ENOENT || error == ENOTDIR) return std::nullopt;
    return cannot_read(path, reason(error));
  }
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return cannot_read(path, reason(errno));
  if (S_ISDIR(info.st_mode)) return cannot_read(path, "a folder, not a file");
  if (!S_ISREG(info.st_mode)) return cannot_read(path, "not a regular file");

  // Read to the end and not to st_size: the file may grow meanwhile.
  std::string content;
  char part[16384];
  while (true) {
    const ssize_t count = ::read(file.get(), part, sizeof part);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(path, reason(errno));
    if (count == 0) return content;
    content.append(part, static_cast<std::size_t>(count));
    if (content.size() > kLargestFile) {
      return cannot_read(path, "larger than 1 MiB; this is no configuration");
    }
  }
}

Result<std::vector<std::string>> read_folder(const std::string& path) {
  struct Close {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };
  const std::unique_ptr<DIR, Close> folder(::opendir(path.c_str()));
  if (!folder) {
    const int error = errno;
    if (error == ENOENT) return std::vector<std::string>{};
    return cannot_read(path, error == ENOTDIR ? "not a folder" : reason(error));
  }
  std::vector<std::string> found;
  constexpr std::string_view kSuffix = ".toml";
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) {
      if (errno != 0) return cannot_read(path, reason(errno));
      break;
    }
    const std::string_view name = entry->d_name;
    if (name.front() == '.' || !name.ends_with(kSuffix)) continue;
    if (found.size() == kMostFiles) {
      return cannot_read(path, "more than " + std::to_string(kMostFiles) + " files");
    }
    found.push_back(path + "/" + std::string(name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace headroom::settings
