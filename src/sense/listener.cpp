#include "sense/listener.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace headroom::sense {
namespace {

constexpr std::size_t kMostFile = 8U << 20;
// Of a line: the local address, the state, the user and the inode.
constexpr std::size_t kLocal = 1, kState = 3, kUid = 7, kInode = 9, kWords = 10;

std::string read_whole(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  std::array<char, 65536> buffer{};
  while (text.size() < kMostFile && (in.read(buffer.data(), buffer.size()) || in.gcount() > 0)) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  return text;
}

template <typename Number>
std::optional<Number> number_of(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The first words of a line; how many there are.
std::size_t split(std::string_view line, std::array<std::string_view, kWords>& words) {
  std::size_t count = 0;
  while (count < kWords) {
    const auto from = line.find_first_not_of(" \t");
    if (from == std::string_view::npos) break;
    line.remove_prefix(from);
    const auto to = std::min(line.find_first_of(" \t"), line.size());
    words[count++] = line.substr(0, to);
    line.remove_prefix(to);
  }
  return count;
}

}  // namespace

std::optional<Listener> parse_listener(std::string_view text, int port) {
  constexpr std::string_view kListening = "0A";
  bool heading = true;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (std::exchange(heading, false)) continue;
    std::array<std::string_view, kWords> words;
    if (split(line, words) < kWords || words[kState] != kListening) continue;
    const auto colon = words[kLocal].rfind(':');
    if (colon == std::string_view::npos) continue;
    if (number_of<int>(words[kLocal].substr(colon + 1), 16) != port) continue;
    const auto uid = number_of<std::int64_t>(words[kUid]);
    const auto inode = number_of<std::uint64_t>(words[kInode]);
    if (uid && inode) return Listener{*inode, *uid};
  }
  return std::nullopt;
}

std::optional<Listener> read_listener(int port) {
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    if (const auto listener = parse_listener(read_whole(path), port)) return listener;
  }
  return std::nullopt;
}

std::optional<pid_t> read_holder_of(std::uint64_t socket_inode) {
  const auto wanted = "socket:[" + std::to_string(socket_inode) + "]";
  std::error_code error;
  for (std::filesystem::directory_iterator process("/proc", error), end; process != end && !error;
       process.increment(error)) {
    const auto pid = number_of<pid_t>(process->path().filename().string());
    if (!pid) continue;
    std::error_code closed;
    for (std::filesystem::directory_iterator file(process->path() / "fd", closed);
         file != end && !closed; file.increment(closed)) {
      std::error_code gone;
      if (std::filesystem::read_symlink(file->path(), gone).native() == wanted) return pid;
    }
  }
  return std::nullopt;
}

}  // namespace headroom::sense
