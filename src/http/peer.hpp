// Who is at the other end of a connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/types.h>

namespace headroom::http {

/// The process or user at the other end. `known` false: nothing else here means anything.
struct Peer {
  bool unix_socket = false;
  bool remote = false;  ///< over TCP, from another machine or network namespace
  bool known = false;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);  ///< -1 over TCP
  pid_t pid = 0;                       ///< 0 over TCP, or when it lives in another pid namespace
};

/// One row of /proc/net/tcp or tcp6. Addresses as the kernel prints them: "0100007F:1F40".
struct SocketRow {
  std::string_view local;
  std::string_view remote;
  int state = 0;  ///< 1 established, 10 listening
  uid_t uid = 0;
  std::uint64_t inode = 0;  ///< 0: no process holds it any more
};

/// Parses one line of the table; empty for the heading and for anything malformed.
std::optional<SocketRow> parse_socket_row(std::string_view line);

/// The owner of the socket whose own end is `local` and whose far end is `remote`, by the text of
/// a table. Only an established socket that a process still holds counts: the kernel shows an
/// orphan, and one in TIME_WAIT, as belonging to uid 0.
std::optional<uid_t> find_owner(std::string_view table, std::string_view local,
                                std::string_view remote);

/// An address as /proc/net/tcp prints it (`in6` false) or as /proc/net/tcp6 does; an IPv4 address
/// is printed for tcp6 as the mapped address. Empty for other families.
std::string socket_table_address(const sockaddr_storage& address, bool in6);

/// What the kernel said about a socket.
struct OwnerAnswer {
  bool answered = false;       ///< false: this kernel does not answer such questions
  std::optional<uid_t> owner;  ///< empty: not found, not established, or held by nobody
};

/// Asks the kernel (sock_diag) for the TCP socket between these two addresses. Constant time, where
/// walking the table takes milliseconds on a machine with thousands of connections.
OwnerAnswer ask_owner(const sockaddr_storage& own, const sockaddr_storage& far);

/// Reads the same from the tables under /proc.
std::optional<uid_t> read_owner(const sockaddr_storage& own, const sockaddr_storage& far);

/// Reads who is at the other end of `fd`: SO_PEERCRED on a Unix socket, ask_owner() or read_owner()
/// on TCP (a caller on this machine, in this network namespace). Does not block.
Peer read_peer(int fd);

/// A process, as far as it may be seen.
struct Process {
  pid_t pid = 0;
  std::string command;
};

/// Finds who listens on a TCP port, any address, best effort: other users' processes can only be
/// seen by root. Walks /proc; for error messages, not for the hot path.
std::optional<Process> read_port_holder(std::uint16_t port);

/// Reads the short name of a process; "" when it is gone.
std::string read_command(pid_t pid);

}  // namespace headroom::http
