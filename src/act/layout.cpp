#include "act/layout.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace headroom::act {
namespace {

constexpr std::size_t kHierarchies = 64;  // the kernel has about a dozen controllers

/// Cuts the part before `separator` off the front of `text`; all of it when there is none.
std::string_view cut(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  const auto part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty() && parts.size() < kHierarchies) {
    const auto part = cut(text, separator);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

/// mountinfo writes blanks, tabs, newlines and backslashes as \ooo.
std::string unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      plain += static_cast<char>(
          ((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0')) & 0xff);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

template <class T>
std::optional<T> number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

bool known_v1_word(const std::string& word) {
  static constexpr std::string_view kControllers[] = {
      "cpu",   "cpuacct", "cpuset",  "memory",   "devices", "freezer",    "net_cls",
      "blkio", "pids",    "hugetlb", "net_prio", "rdma",    "perf_event", "misc"};
  return std::ranges::find(kControllers, word) != std::end(kControllers);
}

}  // namespace

std::vector<Mount> parse_mounts(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  while (!mountinfo.empty() && mounts.size() < kHierarchies) {
    // 35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
    std::string_view line = cut(mountinfo, '\n');
    const auto dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view tail = line.substr(dash + 3);
    line = line.substr(0, dash);
    const auto type = cut(tail, ' ');
    if (type != "cgroup" && type != "cgroup2") continue;
    cut(line, ' ');  // mount id
    cut(line, ' ');  // parent id
    cut(line, ' ');  // device
    Mount mount;
    mount.root = unescape(cut(line, ' '));
    mount.point = unescape(cut(line, ' '));
    mount.v2 = type == "cgroup2";
    if (mount.root.empty() || mount.root.front() != '/' || mount.point.empty() ||
        mount.point.front() != '/') {
      continue;
    }
    cut(tail, ' ');  // source
    if (!mount.v2) {
      for (auto& option : split(cut(tail, ' '), ',')) {
        if (known_v1_word(option)) mount.controllers.push_back(std::move(option));
      }
      if (mount.controllers.empty()) continue;  // name=systemd and the like carry no controller
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::vector<Membership> parse_memberships(std::string_view text) {
  std::vector<Membership> memberships;
  while (!text.empty() && memberships.size() < kHierarchies) {
    std::string_view line = cut(text, '\n');
    const auto id = cut(line, ':');
    const auto first = line.find(':');
    if (first == std::string_view::npos) continue;
    const auto controllers = cut(line, ':');
    if (line.empty() || line.front() != '/') continue;
    if (controllers.empty() && id != "0") continue;
    memberships.push_back({split(controllers, ','), std::string(line)});
  }
  return memberships;
}

std::optional<std::string> path_in(const Mount& mount, const std::vector<Membership>& memberships) {
  for (const auto& membership : memberships) {
    if (mount.v2 ? membership.controllers.empty()
                 : std::ranges::find(membership.controllers, mount.controllers.front()) !=
                       membership.controllers.end()) {
      return membership.path;
    }
  }
  return {};
}

std::optional<std::string> directory_of(const Mount& mount, std::string_view path) {
  if (path.empty() || path.front() != '/') return {};
  // "/../x" is how the kernel names a group outside of our cgroup namespace.
  if (path == "/.." || path.starts_with("/../")) return {};
  std::string_view rest = path;
  if (mount.root != "/") {
    if (!path.starts_with(mount.root)) return {};
    rest.remove_prefix(mount.root.size());
    if (!rest.empty() && rest.front() != '/') return {};
  }
  if (rest == "/") rest = {};
  return mount.point + std::string(rest);
}

std::optional<LeaseId> parse_lease_name(std::string_view name) {
  constexpr std::string_view kPrefix = "lease-";
  if (!name.starts_with(kPrefix)) return {};
  name.remove_prefix(kPrefix.size());
  const auto dot = name.find('.');
  if (dot != std::string_view::npos) {
    const auto life = number<int>(name.substr(dot + 1));
    if (!life || *life < 2) return {};
    name = name.substr(0, dot);
  }
  const auto id = number<LeaseId>(name);
  if (!id || std::to_string(*id) != name) return {};  // "007" is not a name that we give
  return id;
}

std::string lease_name(LeaseId id, int life) {
  std::string name = "lease-" + std::to_string(id);
  if (life > 1) name += "." + std::to_string(life);
  return name;
}

bool has_word(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    while (!line.empty()) {
      if (cut(line, ' ') == word) return true;
    }
  }
  return false;
}

std::optional<std::uint64_t> parse_keyed(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    if (cut(line, ' ') == key) return number<std::uint64_t>(line);
  }
  return {};
}

std::optional<Bytes> parse_amount(std::string_view text) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  if (text.starts_with("max")) return Bytes(kMost);
  const auto value = number<std::uint64_t>(text);
  if (!value) return {};
  return Bytes(static_cast<std::int64_t>(std::min<std::uint64_t>(*value, kMost)));
}

std::vector<pid_t> parse_pids(std::string_view text, std::size_t limit) {
  std::vector<pid_t> pids;
  while (!text.empty() && pids.size() < limit) {
    const auto pid = number<pid_t>(cut(text, '\n'));
    if (pid && *pid >= 0) pids.push_back(*pid);
  }
  return pids;
}

}  // namespace headroom::act
