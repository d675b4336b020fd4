#include "sense/group_tree.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/account.hpp"
#include "sense/cgroup.hpp"
#include "sense/kernel_file.hpp"
#include "words/group_path.hpp"

namespace headroom::sense {
namespace {

constexpr std::size_t kLongestPath = 1024;
constexpr std::size_t kMostLookedAt = 8192;  ///< groups, when one is looked for
constexpr std::size_t kMostBelow = 512;      ///< groups, when processes are counted
constexpr std::size_t kMostProcesses = 4096;
constexpr std::size_t kNamed = 5;  ///< of several that may be meant
constexpr std::size_t kShown = 128;

bool has_option(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// The names of the folders in a folder. Links are not followed: the kernel makes none here.
template <class Take>
void for_each_folder(const std::string& folder, const Take& take) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd), ::closedir);
  if (!listing) {
    ::close(fd);
    return;
  }
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") take(name);
  }
}

/// Whether a walk looks at what is below a group that it has come to.
enum class Next { below, beside };

/// Goes from a folder to those below, the near ones first; `visit` gets each one's path from there.
/// False: there are more of them than `most`, or deeper ones than a path may say, and they were not
/// all seen.
template <class Visit>
bool walk(const std::string& folder, std::size_t most, const Visit& visit) {
  std::deque<std::string> open{""};
  std::size_t seen = 0;
  bool all = true;
  while (!open.empty() && (seen < most || all)) {
    const std::string path = std::move(open.front());
    open.pop_front();
    for_each_folder(folder + path, [&](std::string_view name) {
      if (seen >= most || path.size() + name.size() >= kLongestPath) {
        all = false;
        return;
      }
      ++seen;
      std::string below = path + "/" + std::string(name);
      if (visit(below) == Next::below) open.push_back(std::move(below));
    });
  }
  return all;
}

/// What is a unit's name although no kind of unit is in it: "ollama" is "ollama.service".
std::string unit_name(std::string_view text) {
  constexpr std::array<std::string_view, 6> kKinds{".service", ".scope", ".slice",
                                                   ".socket",  ".mount", ".swap"};
  std::string name(text);
  if (std::ranges::none_of(kKinds, [&](std::string_view kind) { return name.ends_with(kind); })) {
    name += ".service";
  }
  return name;
}

/// systemd puts a line before names that the kernel has taken, and escapes others.
bool is_unit(std::string_view folder, const std::string& unit) {
  if (folder == unit || (folder.starts_with('_') && folder.substr(1) == unit)) return true;
  return parse_group("/" + std::string(folder)).unit == unit;
}

/// Slices, and the managers of users: only in these are units to be found.
bool holds_units(std::string_view folder) {
  return folder.ends_with(".slice") ||
         (folder.starts_with("user@") && folder.ends_with(".service"));
}

/// The whole id at the end of the name of a container's group.
std::string_view whole_id(std::string_view name) {
  if (name.ends_with(".scope")) name.remove_suffix(6);
  return name.substr(name.find_last_of("-:") + 1);
}

Error no_groups() {
  return {ErrorKind::unavailable, "there are no control groups here",
          "neither version of them is mounted", "mount -t cgroup2 none /sys/fs/cgroup"};
}

Error too_many(const std::string& what) {
  return {ErrorKind::unavailable, what + " was not found",
          "there are more than " + std::to_string(kMostLookedAt) +
              " control groups, and no further ones were looked at",
          "its path, which is in /proc/PID/cgroup of one of its processes"};
}

std::string list_of(const std::vector<std::string>& all) {
  std::string text;
  for (std::size_t i = 0; i < std::min(all.size(), kNamed); ++i) {
    text += (i == 0 ? "" : ", ") + all[i];
  }
  if (all.size() > kNamed) text += " and " + std::to_string(all.size() - kNamed) + " more";
  return text;
}

}  // namespace

std::vector<std::string> groups_below(const std::string& folder, std::size_t most) {
  std::vector<std::string> all;
  walk(folder, most, [&](const std::string& below) {
    all.push_back(folder + below);
    return Next::below;
  });
  return all;
}

Result<std::string> parse_group_path(std::string_view text, const std::vector<Mount>& mounts) {
  const auto wrong = [&](const char* why) {
    return fail(ErrorKind::invalid_request,
                "'" + std::string(text.substr(0, kShown)) + "' is no path of a control group", why,
                "such as /system.slice/ollama.service, as /proc/PID/cgroup has it");
  };
  if (text.size() > kLongestPath) return wrong("it is longer than 1024 bytes");
  // A folder below a mount point is as good: the innermost one that it lies in is meant.
  const Mount* of = nullptr;
  for (const Mount& mount : mounts) {
    if (lies_in(text, mount.mount) && (of == nullptr || of->mount.size() < mount.mount.size())) {
      of = &mount;
    }
  }
  std::string path;
  const auto add = [&path](std::string_view rest) -> const char* {
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('/'), rest.size());
      const std::string_view name = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (name.empty() || name == ".") continue;
      if (name == "..") return "it goes up";
      const bool control = std::ranges::any_of(
          name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
      if (control) return "control characters are not allowed";
      path.append("/").append(name);
    }
    return nullptr;
  };
  if (of != nullptr) {
    text.remove_prefix(of->mount == "/" ? 0 : of->mount.size());
    if (const char* why = add(of->root)) return wrong(why);
  }
  const std::size_t top = path.size();
  if (const char* why = add(text)) return wrong(why);
  if (path.size() == top) {
    return fail(ErrorKind::not_allowed, "the root of all control groups holds no lease",
                "all that runs is in it: it is the machine itself",
                "the group of what is meant, as /proc/PID/cgroup has it");
  }
  if (path.size() > kLongestPath) return wrong("it is longer than 1024 bytes");
  return path;
}

GroupTree::GroupTree(std::string root) : root_(std::move(root)) {
  ReadBuffer buffer;
  if (const auto text = read_once((root_ + "/proc/self/mountinfo").c_str(), buffer)) {
    mounts_ = parse_mountinfo(*text);
  }
  std::erase_if(mounts_, [](const Mount& mount) {
    return (mount.type != "cgroup" && mount.type != "cgroup2") || mount.root.starts_with("/..");
  });
  for (const Mount& mount : mounts_) {
    const bool v1 = mount.type == "cgroup";
    if (v1 && memory_ == nullptr && has_option(mount.options, "memory")) memory_ = &mount;
    if (v1 && cpu_ == nullptr && has_option(mount.options, "cpuacct")) cpu_ = &mount;
    if (!v1 && unified_ == nullptr) unified_ = &mount;
  }
  for (const Mount* mount : {memory_, unified_, cpu_}) {
    if (mount != nullptr) searched_.push_back(mount);
  }
}

/// Empty where the mount shows another part of the tree, or the group is not there.
std::optional<std::string> GroupTree::folder(const Mount& mount, const std::string& path) const {
  if (!lies_in(path, mount.root) || path == mount.root) return std::nullopt;
  std::string folder = root_ + mount.mount + path.substr(mount.root == "/" ? 0 : mount.root.size());
  struct stat about{};
  if (::lstat(folder.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return std::nullopt;
  return folder;
}

/// The folder by which a group is known.
std::optional<std::string> GroupTree::main_folder(const std::string& path) const {
  for (const Mount* mount : searched_) {
    if (auto found = folder(*mount, path)) return found;
  }
  return std::nullopt;
}

bool GroupTree::is_there(const Holder& holder) const {
  for (const Mount* mount : searched_) {
    const auto found = folder(*mount, holder.group);
    struct stat about{};
    if (!found || ::lstat(found->c_str(), &about) != 0) continue;
    // One that was made anew in the hierarchy where it is known by is another one.
    return about.st_ino == holder.inode;
  }
  return false;
}

std::optional<uid_t> GroupTree::owner(const std::string& path) const {
  const auto found = main_folder(path);
  struct stat about{};
  if (!found || ::lstat(found->c_str(), &about) != 0) return std::nullopt;
  return about.st_uid;
}

Group GroupTree::folders(const std::string& path) const {
  const auto in = [&](const Mount* mount) {
    return mount == nullptr ? std::nullopt : folder(*mount, path);
  };
  Group group;
  group.memory = in(memory_).value_or("");
  group.cpu = in(cpu_).value_or("");
  group.unified = in(unified_).value_or("");
  if (memory_ != nullptr || group.unified.empty()) return group;
  // Version 2 alone. Its controllers need not be there for this group.
  group.v2 = true;
  if (group.cpu.empty()) group.cpu = group.unified;
  if (::access((group.unified + "/memory.stat").c_str(), F_OK) == 0) group.memory = group.unified;
  return group;
}

GroupProcesses GroupTree::processes(const std::string& path) const {
  GroupProcesses found;
  const auto top = main_folder(path);
  if (!top) return found;
  ReadBuffer buffer;
  std::vector<int> pids;
  const auto take = [&](const std::string& below) {
    const auto text = read_once((*top + below + "/cgroup.procs").c_str(), buffer);
    if (!text) {
      // Groups of threads have no processes of their own to tell.
      found.all = found.all && (errno == EOPNOTSUPP || errno == ENOENT || errno == ENODEV);
      return Next::below;
    }
    parse_procs(*text, pids);
    // A process that lies outside of our own pid namespace is told as 0.
    const auto lines = static_cast<std::size_t>(std::ranges::count(*text, '\n'));
    if (lines != pids.size()) found.all = false;
    for (const int pid : pids) {
      if (found.pids.size() < kMostProcesses) {
        found.pids.push_back(pid);
      } else {
        found.all = false;
      }
    }
    return Next::below;
  };
  take("");
  if (!walk(*top, kMostBelow, take)) found.all = false;
  return found;
}

Result<Holder> GroupTree::identify(const std::string& path, const std::string& jobs) const {
  const auto found = main_folder(path);
  struct stat about{};
  if (!found || ::lstat(found->c_str(), &about) != 0) {
    return fail(ErrorKind::not_found, "there is no control group " + path,
                "no hierarchy that counts memory or processor time has it",
                "its path, as /proc/PID/cgroup of one of its processes has it");
  }
  const bool ours = !parse_membership("0::" + path + "\n").job.empty() ||
                    (!jobs.empty() && lies_in(*found, jobs));
  if (ours) {
    return fail(ErrorKind::not_allowed, path + " is a group of headroom's own",
                "what runs in it has a lease already", "headroom lease");
  }
  ReadBuffer buffer;
  const auto text = read_once((root_ + "/proc/self/cgroup").c_str(), buffer);
  const GroupPaths own = text ? parse_cgroup(*text) : GroupPaths{};
  const auto& self = memory_ != nullptr ? own.memory : own.unified;
  if ((self && lies_in(*self, path)) || (!jobs.empty() && lies_in(jobs, *found))) {
    return fail(ErrorKind::not_allowed, path + " holds headroom itself, or its jobs",
                "what they use would be counted twice",
                "the group of what is meant, further below");
  }
  Holder holder;
  holder.group = path;
  holder.inode = about.st_ino;
  return holder;
}

Result<std::string> GroupTree::find_unit(std::string_view text) const {
  const std::string unit = unit_name(text);
  std::vector<std::string> found;
  for (const Mount* mount : searched_) {
    const std::string base = mount->root == "/" ? "" : mount->root;
    const bool all = walk(root_ + mount->mount, kMostLookedAt, [&](const std::string& below) {
      const std::string_view name = last_name(below);
      if (is_unit(name, unit)) {
        found.push_back(base + below);
        return Next::beside;
      }
      return holds_units(name) ? Next::below : Next::beside;
    });
    if (!found.empty()) break;
    if (!all) return tl::unexpected(too_many("unit " + unit));
  }
  // One of the system goes before those of users, who may call theirs as they like.
  const auto of_user = [](const std::string& path) {
    return path.find("/user@") != std::string::npos;
  };
  if (std::ranges::any_of(found, std::not_fn(of_user))) std::erase_if(found, of_user);
  if (found.empty()) {
    return fail(ErrorKind::not_found, "unit " + unit + " has no control group",
                "it does not run, or nothing of that name is known", "systemctl start " + unit);
  }
  if (found.size() > 1) {
    return fail(ErrorKind::invalid_request, "several units are called " + unit, list_of(found),
                "the path of the one that is meant: --cgroup " + found.front());
  }
  return found.front();
}

Result<std::string> GroupTree::find_container(std::string_view id) const {
  struct Match {
    std::string id;
    std::string path;
  };
  std::vector<Match> matches;
  std::vector<std::string> there;
  for (const Mount* mount : searched_) {
    const std::string base = mount->root == "/" ? "" : mount->root;
    const bool all = walk(root_ + mount->mount, kMostLookedAt, [&](const std::string& below) {
      const Account account = parse_group(below);
      const Account around = parse_group(below.substr(0, below.rfind('/')));
      if (account.container.empty() || account.container == around.container) return Next::below;
      const std::string_view name = last_name(below);
      const bool by_name = account.engine == "lxc";
      const std::string whole(by_name ? std::string_view(account.container) : whole_id(name));
      there.push_back(account.container +
                      (account.engine.empty() ? "" : " (" + account.engine + ")"));
      const bool meant = by_name ? whole == id : std::string_view(whole).starts_with(id);
      const bool known =
          std::ranges::any_of(matches, [&](const Match& one) { return one.id == whole; });
      if (meant && !known) matches.push_back({whole, base + below});
      return Next::below;
    });
    if (!matches.empty()) break;
    if (!all) return tl::unexpected(too_many("container " + std::string(id)));
  }
  if (matches.empty()) {
    std::ranges::sort(there);
    there.erase(std::ranges::unique(there).begin(), there.end());
    return fail(ErrorKind::not_found, "there is no container " + std::string(id),
                there.empty() ? "the kernel shows none"
                              : "the kernel knows them by their ids: " + list_of(there),
                "docker inspect -f '{{.Id}}' NAME, or podman's, tells the id of a name");
  }
  if (matches.size() > 1) {
    std::vector<std::string> ids;
    for (const Match& one : matches) ids.push_back(one.id.substr(0, kShown));
    return fail(ErrorKind::invalid_request, "several containers begin with " + std::string(id),
                list_of(ids), "more of the id of the one that is meant");
  }
  return matches.front().path;
}

Result<Holder> GroupTree::find(const GroupName& name, const std::string& jobs) const {
  if (searched_.empty()) return tl::unexpected(no_groups());
  if (name.by == GroupName::By::path) {
    const auto path = parse_group_path(name.text, mounts_);
    if (!path) return tl::unexpected(path.error());
    return identify(*path, jobs);
  }
  const bool unit = name.by == GroupName::By::unit;
  const bool wrong = name.text.empty() || name.text.size() > 256 || name.text == "." ||
                     name.text == ".." || name.text.find('/') != std::string::npos;
  if (wrong) {
    return fail(
        ErrorKind::invalid_request,
        "'" + name.text.substr(0, kShown) + "' is no name of a " + (unit ? "unit" : "container"),
        "", unit ? "such as ollama.service" : "such as 3f2a90c1d4e5, the beginning of its id");
  }
  const auto path = unit ? find_unit(name.text) : find_container(name.text);
  if (!path) return tl::unexpected(path.error());
  return identify(*path, jobs);
}

}  // namespace headroom::sense
