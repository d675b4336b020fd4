#include "sense/account.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kIdLength = 64;  ///< of the ids that container engines give
constexpr std::size_t kIdShown = 12;
constexpr std::size_t kLongest = 256;  ///< of a name that is taken over

/// Takes what stands before `mark` off the front of `text`; all of it where there is no mark.
std::string_view cut(std::string_view& text, char mark) {
  const std::size_t end = text.find(mark);
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return front;
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_id(std::string_view text, std::size_t least) {
  return text.size() >= least && text.size() <= kIdLength && std::ranges::all_of(text, is_hex);
}

/// A unit's name with systemd's escapes undone: "a\x2db" is "a-b".
std::string unescape(std::string_view text) {
  std::string plain;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i < text.size() && plain.size() < kLongest; ++i) {
    if (text.substr(i, 2) == "\\x" && i + 3 < text.size() && is_hex(text[i + 2]) &&
        is_hex(text[i + 3])) {
      plain += static_cast<char>(digit(text[i + 2]) * 16 + digit(text[i + 3]));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool is_unit(std::string_view name) {
  constexpr std::array<std::string_view, 5> kEnds{".service", ".scope", ".socket", ".mount",
                                                  ".swap"};
  return std::ranges::any_of(
      kEnds, [&](std::string_view end) { return name.size() > end.size() && name.ends_with(end); });
}

/// The groups that engines make: what stands before the id, in a scope's name or between colons.
struct Engine {
  std::string_view prefix;
  const char* name;
};
constexpr std::array<Engine, 6> kEngines{{{"docker-", "docker"},
                                          {"libpod-", "podman"},
                                          {"cri-containerd-", "containerd"},
                                          {"nerdctl-", "containerd"},
                                          {"crio-", "cri-o"},
                                          {"containerd-", "containerd"}}};

/// "docker-<id>.scope" and "libpod-<id>". False where the name is none of an engine's.
bool take_container(std::string_view name, Account& account) {
  if (name.ends_with(".scope")) name.remove_suffix(6);
  for (const Engine& engine : kEngines) {
    if (!name.starts_with(engine.prefix)) continue;
    const std::string_view id = name.substr(engine.prefix.size());
    if (!is_id(id, kIdShown)) continue;
    account.container = id.substr(0, kIdShown);
    account.engine = engine.name;
    return true;
  }
  return false;
}

/// "kubepods-burstable-pod8f4e_11.slice:cri-containerd:<id>": the slice, the engine, the id, as
/// engines that are told to use systemd but do not name their groups.
bool take_colons(std::string_view name, Account& account) {
  const std::size_t last = name.rfind(':');
  if (last == 0 || last == std::string_view::npos) return false;
  const std::size_t before = name.rfind(':', last - 1);
  if (before == std::string_view::npos || !is_id(name.substr(last + 1), kIdShown)) return false;
  const std::string_view engine = name.substr(before + 1, last - before - 1);
  account.container = name.substr(last + 1, kIdShown);
  account.engine = engine == "cri-containerd" ? "containerd" : engine == "crio" ? "cri-o" : "";
  return true;
}

/// A pod's UID, from "pod8f4e-…" or "kubepods-burstable-pod8f4e_….slice"; empty where it is none.
std::string pod_of(std::string_view name) {
  name = name.substr(0, name.find(':'));
  if (name.ends_with(".slice")) name.remove_suffix(6);
  if (name.starts_with("kubepods")) {
    const std::size_t at = name.find("-pod");
    if (at == std::string_view::npos) return {};
    name.remove_prefix(at + 1);
  }
  if (!name.starts_with("pod")) return {};
  name.remove_prefix(3);
  std::string uid(name.substr(0, kLongest));
  std::ranges::replace(uid, '_', '-');
  const bool right = std::ranges::all_of(uid, [](char c) { return is_hex(c) || c == '-'; });
  return right ? uid : std::string();
}

/// "lease-7" and "lease-7.2", as headroom names the groups of its jobs.
bool is_lease(std::string_view name) {
  if (!name.starts_with("lease-")) return false;
  Scan scan(name.substr(6));
  if (scan.peek() < '0' || scan.peek() > '9' || !scan.number()) return false;
  return scan.done() || (scan.take(".") && scan.number() && scan.done());
}

/// What one path tells; what an earlier path told stays.
Account account_of(std::string_view path) {
  Account account;
  bool kubernetes = false;
  std::string_view parent;
  while (!path.empty()) {
    const std::string_view name = cut(path, '/');
    if (name.empty()) continue;
    if (name.starts_with("kubepods")) kubernetes = true;
    if (kubernetes && account.pod.empty()) account.pod = pod_of(name);
    if (take_container(name, account) || take_colons(name, account)) {
      account.unit.clear();  // the scope is the container itself
    } else if (is_id(name, kIdLength) && name.size() == kIdLength) {
      account.container = name.substr(0, kIdShown);
      account.engine = parent == "docker" || parent == "ecs" ? "docker"
                       : parent == "libpod_parent"           ? "podman"
                       : kubernetes                          ? "kubernetes"
                                                             : "";
      account.unit.clear();
    } else if (name.starts_with("lxc.payload.") || parent == "lxc.payload" || parent == "lxc") {
      const std::string_view container = name.starts_with("lxc.payload.") ? name.substr(12) : name;
      account.container = container.substr(0, kLongest);
      account.engine = "lxc";
      account.unit.clear();
    } else if (is_unit(name)) {
      account.unit = unescape(name);  // the innermost: a user's own units lie in user@1000.service
    }
    parent = name;
  }
  return account;
}

/// The path to and with the group of a lease; empty where there is none.
std::string_view job_of(std::string_view path) {
  std::string_view rest = path;
  std::string_view parent;
  while (!rest.empty()) {
    const std::string_view name = cut(rest, '/');
    if (name.empty()) continue;
    // Its parent is named after the program, and after the state directory where there are several.
    if (is_lease(name) && parent.starts_with("headroom")) {
      return path.substr(0, static_cast<std::size_t>(name.data() - path.data()) + name.size());
    }
    parent = name;
  }
  return {};
}

}  // namespace

Account parse_group(std::string_view path) { return account_of(path); }

Membership parse_membership(std::string_view text) {
  // The hierarchies in the order of what they are likely to know. Version 2 stands last on mixed
  // machines, where everything in it may lie at "/".
  std::array<std::optional<std::string_view>, 4> paths;  // systemd, unified, memory, another
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    const std::string_view number = cut(line, ':');
    const std::string_view controllers = cut(line, ':');
    constexpr std::string_view kDeleted = " (deleted)";
    if (line.ends_with(kDeleted)) line.remove_suffix(kDeleted.size());
    if (!line.starts_with('/')) continue;
    std::size_t place = 3;
    if (controllers == "name=systemd") place = 0;
    if (number == "0" && controllers.empty()) place = 1;
    std::string_view words = controllers;
    while (!words.empty()) {
      if (cut(words, ',') == "memory") place = 2;
    }
    if (!paths[place] || paths[place]->size() < 2) paths[place] = line;
  }
  Membership membership;
  for (const auto& path : paths) {
    if (!path) continue;
    Account found = account_of(*path);
    Account& account = membership.account;
    if (account.container.empty() && !found.container.empty()) {
      account.container = std::move(found.container);
      account.engine = std::move(found.engine);
      account.unit = std::move(found.unit);
    }
    if (account.pod.empty()) account.pod = std::move(found.pod);
    if (account.unit.empty() && account.container.empty()) account.unit = std::move(found.unit);
  }
  for (const std::size_t place : {std::size_t{2}, std::size_t{1}, std::size_t{0}}) {
    if (membership.job.empty() && paths[place]) membership.job = job_of(*paths[place]);
  }
  return membership;
}

}  // namespace headroom::sense
