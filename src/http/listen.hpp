// Opening sockets to listen on.
#pragma once

#include <cstdint>
#include <string>

#include <sys/stat.h>
#include <sys/types.h>

#include <headroom/result.hpp>

#include "http/fd.hpp"

namespace headroom::http {

/// A socket that listens; for a Unix socket also which file it made, so that only that one is
/// removed.
struct Listening {
  Fd fd;
  std::string path;  ///< "" over TCP
  dev_t device = 0;
  ino_t inode = 0;
};

/// Listens on a Unix socket with exactly this mode. Makes the parent directory (0755) when it is
/// missing. A socket file that nobody answers on is removed first; one with a living listener is a
/// `conflict` that names it, and anything that is not a socket is left alone.
Result<Listening> open_unix_listener(const std::string& path, mode_t mode);

/// Listens on a numeric address or "localhost" (127.0.0.1). Port 0: the kernel chooses. A taken
/// port is a `conflict` that names the holder where it may be seen.
Result<Listening> open_tcp_listener(const std::string& host, std::uint16_t port);

/// Removes the file a Unix listener made, unless the path leads to another file by now.
void remove_socket_file(const Listening& listening);

}  // namespace headroom::http
