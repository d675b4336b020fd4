#include "http/listen.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/peer.hpp"

namespace headroom::http {
namespace {

constexpr int kBacklog = 4096;  // the kernel lowers it to net.core.somaxconn

std::string reason(int error) { return std::generic_category().message(error); }

ErrorKind kind_of(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorKind::not_allowed;
    case EADDRINUSE:
      return ErrorKind::conflict;
    case EINVAL:
    case EADDRNOTAVAIL:
    case ENOTDIR:
    case ENAMETOOLONG:
      return ErrorKind::invalid_request;
    default:
      return ErrorKind::unavailable;
  }
}

std::string describe(const Process& process) {
  return "pid " + std::to_string(process.pid) +
         (process.command.empty() ? "" : " (" + process.command + ")");
}

/// Takes away what is left of a daemon that died; refuses when one is alive.
Result<void> clear_the_way(const std::string& what, const std::string& path,
                           const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail(kind_of(errno), what, reason(errno));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorKind::conflict, what, "it is there and is not a socket",
                "choose another path, or move it away");
  }
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail(ErrorKind::unavailable, what, reason(errno));
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = connected == 0 ? 0 : errno;
  if (error == 0 || error == EAGAIN) {  // EAGAIN: it lives, and its backlog is full
    std::string who = "another process";
    if (error == 0) {
      const Peer peer = read_peer(probe.get());
      if (peer.known && peer.pid > 0) who = describe({peer.pid, read_command(peer.pid)});
    }
    return fail(ErrorKind::conflict, what, who + " listens on it",
                "stop that one first, or choose another path");
  }
  if (error != ECONNREFUSED && error != ENOENT) return fail(kind_of(error), what, reason(error));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail(kind_of(errno), what, "the socket left behind cannot be removed: " + reason(errno));
  }
  return {};
}

}  // namespace

Result<Listening> open_unix_listener(const std::string& path, mode_t mode) {
  const std::string what = "cannot listen on " + path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) {
    return fail(ErrorKind::invalid_request, "cannot listen on a socket without a path");
  }
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::invalid_request, what,
                "the path has " + std::to_string(path.size()) + " bytes, a socket's may have " +
                    std::to_string(sizeof address.sun_path - 1),
                "choose a shorter path");
  }
  std::memcpy(address.sun_path, path.data(), path.size());

  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty() && !std::filesystem::exists(parent, error)) {
    if (!std::filesystem::create_directories(parent, error) && error) {
      return fail(kind_of(error.value()), what,
                  "its directory cannot be made: " + reason(error.value()));
    }
    ::chmod(parent.c_str(), 0755);  // whatever the umask: others have to reach the socket
  }
  if (auto clear = clear_the_way(what, path, address); !clear) {
    return tl::unexpected(clear.error());
  }

  Listening listening;
  listening.path = path;
  listening.fd = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.fd) return fail(ErrorKind::unavailable, what, reason(errno));
  // The file is born with the socket's own mode less the umask; then it gets the mode wanted, and
  // only then does anybody listen. So at no time may somebody connect who should not.
  ::fchmod(listening.fd.get(), mode);
  if (::bind(listening.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    return fail(kind_of(errno), what, reason(errno));
  }
  struct stat status{};
  if (::chmod(path.c_str(), mode) != 0 || ::lstat(path.c_str(), &status) != 0 ||
      ::listen(listening.fd.get(), kBacklog) != 0) {
    const int saved = errno;
    ::unlink(path.c_str());
    return fail(kind_of(saved), what, reason(saved));
  }
  listening.device = status.st_dev;
  listening.inode = status.st_ino;
  return listening;
}

Result<Listening> open_tcp_listener(const std::string& host, std::uint16_t port) {
  const bool in6 = host.find(':') != std::string::npos;
  const std::string what =
      "cannot listen on " + (in6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  const std::string numeric = host == "localhost" ? "127.0.0.1" : host;
  sockaddr_storage address{};
  socklen_t size = 0;
  if (in6) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, numeric.c_str(), &in.sin6_addr) == 1) size = sizeof in;
    std::memcpy(&address, &in, sizeof in);
  } else {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    if (::inet_pton(AF_INET, numeric.c_str(), &in.sin_addr) == 1) size = sizeof in;
    std::memcpy(&address, &in, sizeof in);
  }
  if (size == 0) {
    return fail(ErrorKind::invalid_request, what, "\"" + host + "\" is not a numeric address",
                "write 127.0.0.1, [::1] or the address of an interface");
  }
  Listening listening;
  listening.fd = Fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.fd) return fail(kind_of(errno), what, reason(errno));
  const int on = 1;
  ::setsockopt(listening.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(listening.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on);  // accepted ones inherit it
  if (in6) ::setsockopt(listening.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(listening.fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(listening.fd.get(), kBacklog) != 0) {
    const int error = errno;
    if (error != EADDRINUSE) return fail(kind_of(error), what, reason(error));
    const auto holder = read_port_holder(port);
    return fail(ErrorKind::conflict, what,
                "the port is held by " + (holder ? describe(*holder) : "another process"),
                "choose another port, or stop that process");
  }
  return listening;
}

void remove_socket_file(const Listening& listening) {
  struct stat status{};
  if (listening.path.empty() || ::lstat(listening.path.c_str(), &status) != 0) return;
  if (status.st_dev == listening.device && status.st_ino == listening.inode) {
    ::unlink(listening.path.c_str());
  }
}

}  // namespace headroom::http
