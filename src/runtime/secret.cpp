#include "runtime/secret.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headroom::runtime {

namespace {

constexpr std::size_t kShortest = 16;
constexpr std::size_t kLongest = 4096;

tl::unexpected<Error> refuse(const std::string& path, std::string why, std::string help) {
  return fail(ErrorKind::invalid_request, path + " holds no secret", std::move(why),
              std::move(help));
}

}  // namespace

Result<std::string> read_secret(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return refuse(path, std::strerror(errno), "name a file that the daemon may read");
  std::array<char, kLongest + 1> buffer{};
  struct stat about{};
  const bool regular = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
  const ssize_t n = regular ? read(fd, buffer.data(), buffer.size()) : -1;
  close(fd);
  if (!regular) return refuse(path, "it is no regular file", "name a file");
  if ((about.st_mode & S_IROTH) != 0) {
    return refuse(path, "everybody may read it", "chmod 600 " + path);
  }
  if (n < 0) return refuse(path, "it cannot be read", "name a file that the daemon may read");
  if (static_cast<std::size_t>(n) > kLongest) return refuse(path, "it is larger than 4 KiB", "");
  std::string text(buffer.data(), static_cast<std::size_t>(n));
  text = text.substr(0, text.find('\n'));
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.back())) text.pop_back();
  while (!text.empty() && blank(text.front())) text.erase(text.begin());
  if (text.size() < kShortest) {
    return refuse(path, "its first line has fewer than 16 characters",
                  "head -c 24 /dev/urandom | base64 > " + path);
  }
  return text;
}

}  // namespace headroom::runtime
