#include "http/peer.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <unistd.h>

#include "http/fd.hpp"

namespace headroom::http {
namespace {

constexpr int kEstablished = 1;
constexpr int kListening = 10;

/// The next word of `line`, cut off its front.
std::string_view take_word(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(" \t\n");
  if (start == std::string_view::npos) return line = {};
  line.remove_prefix(start);
  const std::size_t end = std::min(line.find_first_of(" \t\n"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

template <class T>
bool parse_whole(std::string_view text, T& value, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// Calls `visit` with each line of a file until it returns false; the file is never held whole,
/// since the table of a busy machine has megabytes.
template <class Visit>
void read_lines(const char* path, Visit visit) {
  const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return;
  std::array<char, 16384> buffer;
  std::size_t have = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data() + have, buffer.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    have += static_cast<std::size_t>(n);
    std::string_view rest(buffer.data(), have);
    for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;) {
      if (!visit(rest.substr(0, end))) return;
      rest.remove_prefix(end + 1);
    }
    if (rest.size() == buffer.size()) return;  // no line of these tables is that long
    std::memmove(buffer.data(), rest.data(), rest.size());
    have = rest.size();
  }
}

/// The owner, when this row is the one looked for.
std::optional<uid_t> owner_by_row(std::string_view line, std::string_view local,
                                  std::string_view remote) {
  const auto row = parse_socket_row(line);
  if (!row || row->local != local || row->remote != remote) return std::nullopt;
  if (row->state != kEstablished || row->inode == 0) return std::nullopt;
  return row->uid;
}

}  // namespace

std::optional<SocketRow> parse_socket_row(std::string_view line) {
  // sl local remote st tx:rx tr:when retransmits uid timeout inode …
  SocketRow row;
  if (!take_word(line).ends_with(':')) return std::nullopt;
  row.local = take_word(line);
  row.remote = take_word(line);
  if (!parse_whole(take_word(line), row.state, 16)) return std::nullopt;
  for (int i = 0; i < 3; ++i) take_word(line);
  if (!parse_whole(take_word(line), row.uid, 10)) return std::nullopt;
  take_word(line);
  if (!parse_whole(take_word(line), row.inode, 10)) return std::nullopt;
  return row;
}

std::optional<uid_t> find_owner(std::string_view table, std::string_view local,
                                std::string_view remote) {
  while (!table.empty()) {
    const std::size_t end = std::min(table.find('\n'), table.size());
    if (auto owner = owner_by_row(table.substr(0, end), local, remote)) return owner;
    table.remove_prefix(std::min(end + 1, table.size()));
  }
  return std::nullopt;
}

std::string socket_table_address(const sockaddr_storage& address, bool in6) {
  // The kernel prints the address as words in its own byte order, the port as a number.
  std::array<std::uint32_t, 4> words{};
  std::size_t count = 1;
  std::uint16_t port = 0;
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof in);
    port = ntohs(in.sin_port);
    words[0] = in.sin_addr.s_addr;
    if (in6) {
      words = {0, 0, htonl(0xffff), in.sin_addr.s_addr};
      count = 4;
    }
  } else if (address.ss_family == AF_INET6 && in6) {
    sockaddr_in6 in;
    std::memcpy(&in, &address, sizeof in);
    port = ntohs(in.sin6_port);
    std::memcpy(words.data(), &in.sin6_addr, sizeof in.sin6_addr);
    count = 4;
  } else {
    return {};
  }
  std::string out;
  std::array<char, 16> text;
  for (std::size_t i = 0; i < count; ++i) {
    std::snprintf(text.data(), text.size(), "%08X", words[i]);
    out += text.data();
  }
  std::snprintf(text.data(), text.size(), ":%04X", static_cast<unsigned>(port));
  return out + text.data();
}

OwnerAnswer ask_owner(const sockaddr_storage& own, const sockaddr_storage& far) {
  const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!fd) return {};
  struct Question {
    nlmsghdr header;
    inet_diag_req_v2 body;
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.body.sdiag_family = static_cast<std::uint8_t>(own.ss_family);
  question.body.sdiag_protocol = IPPROTO_TCP;
  question.body.idiag_states = 1U << kEstablished;
  inet_diag_sockid& id = question.body.id;
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  const auto fill = [](const sockaddr_storage& from, std::uint16_t& port, std::uint32_t* address) {
    if (from.ss_family == AF_INET) {
      sockaddr_in in;
      std::memcpy(&in, &from, sizeof in);
      port = in.sin_port;
      address[0] = in.sin_addr.s_addr;
    } else {
      sockaddr_in6 in6;
      std::memcpy(&in6, &from, sizeof in6);
      port = in6.sin6_port;
      std::memcpy(address, &in6.sin6_addr, sizeof in6.sin6_addr);
    }
  };
  fill(own, id.idiag_sport, id.idiag_src);
  fill(far, id.idiag_dport, id.idiag_dst);
  if (::send(fd.get(), &question, sizeof question, 0) < 0) return {};
  alignas(nlmsghdr) std::array<char, 4096> reply;
  const ssize_t n = ::recv(fd.get(), reply.data(), reply.size(), 0);
  nlmsghdr header;
  inet_diag_msg body;
  nlmsgerr error;
  if (n < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof error)) return {};
  std::memcpy(&header, reply.data(), sizeof header);
  if (header.nlmsg_type == NLMSG_ERROR) {
    std::memcpy(&error, reply.data() + NLMSG_HDRLEN, sizeof error);
    const bool no_such_socket = error.error == -ENOENT;
    return {no_such_socket, std::nullopt};
  }
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
      n < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof body)) {
    return {};
  }
  std::memcpy(&body, reply.data() + NLMSG_HDRLEN, sizeof body);
  if (body.id.idiag_sport != id.idiag_sport || body.id.idiag_dport != id.idiag_dport) return {};
  if (body.idiag_state != kEstablished || body.idiag_inode == 0) return {true, std::nullopt};
  return {true, body.idiag_uid};
}

std::optional<uid_t> read_owner(const sockaddr_storage& own, const sockaddr_storage& far) {
  // A caller's IPv6 socket may speak to an IPv4 address: then its row is in the other table.
  for (const bool in6 : {false, true}) {
    const std::string local = socket_table_address(own, in6);
    const std::string remote = socket_table_address(far, in6);
    if (local.empty() || remote.empty()) continue;
    std::optional<uid_t> owner;
    read_lines(in6 ? "/proc/self/net/tcp6" : "/proc/self/net/tcp", [&](std::string_view line) {
      owner = owner_by_row(line, local, remote);
      return !owner;
    });
    if (owner) return owner;
  }
  return std::nullopt;
}

namespace {

bool is_loopback_address(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

}  // namespace

Peer read_peer(int fd) {
  Peer peer;
  sockaddr_storage own{};
  socklen_t own_size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_size) != 0) return peer;
  if (own.ss_family == AF_UNIX) {
    peer.unix_socket = true;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer.known = true;
      peer.uid = credentials.uid;
      peer.gid = credentials.gid;
      peer.pid = credentials.pid;
    }
    return peer;
  }
  sockaddr_storage far{};
  socklen_t far_size = sizeof far;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&far), &far_size) != 0) return peer;
  // The caller's socket is ours seen from its side.
  const OwnerAnswer answer = ask_owner(far, own);
  const std::optional<uid_t> owner = answer.answered ? answer.owner : read_owner(far, own);
  if (owner) {
    peer.known = true;
    peer.uid = *owner;
  }
  peer.remote = !peer.known && !is_loopback_address(far);
  return peer;
}

std::string read_command(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/comm";
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 64> text;
  const ssize_t n = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  if (n <= 0) return {};
  std::string_view name(text.data(), static_cast<std::size_t>(n));
  if (name.ends_with('\n')) name.remove_suffix(1);
  return std::string(name);
}

std::optional<Process> read_port_holder(std::uint16_t port) {
  std::array<char, 8> suffix;
  std::snprintf(suffix.data(), suffix.size(), ":%04X", static_cast<unsigned>(port));
  std::uint64_t inode = 0;
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    read_lines(table, [&](std::string_view line) {
      const auto row = parse_socket_row(line);
      if (row && row->state == kListening && row->local.ends_with(suffix.data()))
        inode = row->inode;
      return inode == 0;
    });
  }
  if (inode == 0) return std::nullopt;
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  DIR* processes = ::opendir("/proc");
  if (processes == nullptr) return std::nullopt;
  std::optional<Process> found;
  while (const dirent* entry = found ? nullptr : ::readdir(processes)) {
    pid_t pid = 0;
    if (!parse_whole(std::string_view(entry->d_name), pid, 10)) continue;
    const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
    DIR* descriptors = ::opendir(folder.c_str());
    if (descriptors == nullptr) continue;
    while (const dirent* link = ::readdir(descriptors)) {
      std::array<char, 64> target;
      const ssize_t n =
          ::readlinkat(::dirfd(descriptors), link->d_name, target.data(), target.size());
      if (n > 0 && std::string_view(target.data(), static_cast<std::size_t>(n)) == wanted) {
        found = Process{pid, read_command(pid)};
        break;
      }
    }
    ::closedir(descriptors);
  }
  ::closedir(processes);
  return found;
}

}  // namespace headroom::http
