#include "act/refusal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace headroom::act {
namespace {

ErrorKind kind_of(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
    case EROFS:
      return ErrorKind::not_allowed;
    case ENOENT:
    case ENODEV:
    case ESRCH:
      return ErrorKind::not_found;
    case EBUSY:
    case EEXIST:
    case ENOTEMPTY:
      return ErrorKind::conflict;
    case EINVAL:
    case ERANGE:
      return ErrorKind::invalid_request;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAGAIN:
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
      return ErrorKind::unavailable;
    default:
      return ErrorKind::internal;
  }
}

const char* help_for(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return "run headroomd as root, or under a systemd unit with Delegate=yes";
    case EROFS:
      return "make /sys/fs/cgroup writable (ProtectControlGroups=no, or a read-write mount)";
    default:
      return "";
  }
}

}  // namespace

Error refusal(std::string what, int error, std::string help) {
  const char* why = strerrordesc_np(error);
  if (help.empty()) help = help_for(error);
  return Error{kind_of(error), std::move(what),
               why != nullptr ? why : "error " + std::to_string(error), std::move(help)};
}

std::string sentence(const Error& error) {
  std::string line = error.what;
  if (!error.why.empty()) line += ": " + error.why;
  if (!error.help.empty()) line += "; fix: " + error.help;
  return line;
}

Result<std::string> read_small(const std::string& path, std::size_t limit) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(refusal("cannot open " + path, errno));
  std::string text;
  char chunk[4096];
  while (text.size() < limit) {
    const ssize_t got = ::read(fd, chunk, std::min(sizeof chunk, limit - text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      ::close(fd);
      return tl::unexpected(refusal("cannot read " + path, error));
    }
    if (got == 0) break;
    text.append(chunk, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return text;
}

Result<void> write_small(const std::string& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return tl::unexpected(refusal("cannot open " + path, errno));
  ssize_t put;
  do {
    put = ::write(fd, text.data(), text.size());
  } while (put < 0 && errno == EINTR);
  const int error = errno;
  ::close(fd);
  if (put != static_cast<ssize_t>(text.size())) {
    return tl::unexpected(
        refusal("cannot write \"" + std::string(text) + "\" to " + path, put < 0 ? error : EIO));
  }
  return {};
}

}  // namespace headroom::act
