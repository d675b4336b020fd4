// Who listens on a port of this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <sys/types.h>

namespace headroom::sense {

/// A socket that listens, as /proc/net/tcp (or tcp6) has it.
struct Listener {
  std::uint64_t inode = 0;
  std::int64_t uid = -1;
  bool operator==(const Listener&) const = default;
};

/// The first listener on `port` in the text of such a file; empty when there is none.
std::optional<Listener> parse_listener(std::string_view text, int port);

/// The listener on `port` in this network namespace; empty when nobody listens. At most 8 MiB of
/// each table are read.
std::optional<Listener> read_listener(int port);

/// A process that has this socket open; empty where there is none, or its files are closed to us.
/// Looks through the open files of all processes: tens of milliseconds on a busy machine.
std::optional<pid_t> read_holder_of(std::uint64_t socket_inode);

}  // namespace headroom::sense
