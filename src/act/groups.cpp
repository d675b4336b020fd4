#include "act/groups.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <set>
#include <utility>

#include <dirent.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "act/process.hpp"
#include "act/refusal.hpp"

namespace headroom::act {

using namespace literals;

namespace {

constexpr std::size_t kProcesses = 4096;
constexpr std::size_t kFolders = 1024;  // groups that a job may have made below its own
constexpr int kDepth = 16;
constexpr std::size_t kAncestors = 64;  // of ours, that are known
constexpr Bytes kClear(4 << 20);        // of what is charged: a job grows while that is read
constexpr int kNames = 8;               // suffixes tried when a name is taken
constexpr std::chrono::milliseconds kBusDeadline{2000};
constexpr const char* kTrusted = "trusted.headroom";  // only root can set and see this one
constexpr const char* kUser = "user.headroom";

std::string file_in(const std::string& folder, const char* name) { return folder + "/" + name; }

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool has_attribute(const std::string& folder, const char* name) {
  char value[8];
  return ::lgetxattr(folder.c_str(), name, value, sizeof value) >= 0 || errno == ERANGE;
}

/// True when the folder carries our mark. A user's own mark counts only on a folder of our own;
/// where the kernel keeps no marks on groups, a folder of our own with our name counts.
bool is_marked(const std::string& folder) {
  if (has_attribute(folder, kTrusted)) return true;
  const bool kept = has_attribute(folder, kUser) || errno != ENOTSUP;
  struct stat facts{};
  if (::lstat(folder.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) ||
      facts.st_uid != ::geteuid()) {
    return false;
  }
  return !kept || has_attribute(folder, kUser);
}

void mark(const std::string& folder) {
  if (::lsetxattr(folder.c_str(), kTrusted, "1", 1, 0) != 0) {
    ::lsetxattr(folder.c_str(), kUser, "1", 1, 0);
  }
}

/// The group below `own` that holds all jobs: made and marked, or found with our mark. A foreign
/// group of that name is left alone and the next name is tried.
Result<std::string> make_parent(const std::string& own, const std::string& name) {
  for (int attempt = 1; attempt <= kNames; ++attempt) {
    std::string path =
        own + "/" + name + (attempt > 1 ? "-" + std::to_string(attempt) : std::string());
    if (::mkdir(path.c_str(), 0755) == 0) {
      mark(path);
      if (is_marked(path)) return path;
      ::rmdir(path.c_str());
      return fail(ErrorKind::not_allowed, "cannot mark " + path + " as ours",
                  "the kernel refuses extended attributes there", "run headroomd as root");
    }
    if (errno != EEXIST) return tl::unexpected(refusal("cannot make " + path, errno));
    if (is_marked(path)) return path;
  }
  return fail(ErrorKind::conflict, "cannot make " + own + "/" + name,
              "groups of that name exist and are not ours", "remove them, or choose another name");
}

/// Gives a controller of `folder` to its children.
Result<void> enable(const std::string& folder, const char* controller) {
  const std::string path = file_in(folder, "cgroup.subtree_control");
  const auto enabled = read_small(path);
  if (!enabled) return tl::unexpected(enabled.error());
  if (has_word(*enabled, controller)) return {};
  return write_small(path, std::string("+") + controller);
}

bool only_we_are_in(const std::string& folder) {
  const auto text = read_small(file_in(folder, "cgroup.procs"));
  if (!text) return false;
  const auto pids = parse_pids(*text, 2);
  return pids.size() == 1 && pids.front() == ::getpid();
}

/// Enables a controller below our own group. When the kernel says busy because we are in it, and
/// we are alone there, moves us into a leaf beside the jobs and tries again.
Result<void> enable_below(const std::string& own, const char* controller, const std::string& leaf) {
  auto enabled = enable(own, controller);
  if (enabled || enabled.error().kind != ErrorKind::conflict) return enabled;
  if (!only_we_are_in(own)) {
    return fail(ErrorKind::conflict, enabled.error().what,
                "the group holds other processes beside headroomd",
                "start headroomd in a group of its own: a systemd service with Delegate=yes");
  }
  if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
    return tl::unexpected(refusal("cannot make " + leaf, errno));
  }
  auto moved = write_small(file_in(leaf, "cgroup.procs"), std::to_string(::getpid()));
  if (!moved) {
    ::rmdir(leaf.c_str());
    return moved;
  }
  return enable(own, controller);
}

/// Moves what is in a scope itself (its keeper) into a leaf, so that the scope can give controllers
/// to the jobs.
Result<void> clear_scope(const std::string& folder) {
  const std::string keeper = folder + "/keeper";
  if (::mkdir(keeper.c_str(), 0755) != 0 && errno != EEXIST) {
    return tl::unexpected(refusal("cannot make " + keeper, errno));
  }
  const auto text = read_small(file_in(folder, "cgroup.procs"));
  if (!text) return tl::unexpected(text.error());
  for (const pid_t pid : parse_pids(*text, 16)) {
    auto moved = write_small(file_in(keeper, "cgroup.procs"), std::to_string(pid));
    if (!moved) return moved;
  }
  return {};
}

/// Calls `visit(folder)` for `folder` and what lies below it, children first, within bounds.
template <class Visit>
void for_each_folder(const std::string& folder, int depth, std::size_t& left, const Visit& visit) {
  if (depth > 0) {
    if (DIR* listing = ::opendir(folder.c_str())) {
      std::vector<std::string> children;
      while (const dirent* entry = ::readdir(listing)) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && left > 0) {
          --left;
          children.emplace_back(folder + "/" + entry->d_name);
        }
      }
      ::closedir(listing);
      for (const auto& child : children) for_each_folder(child, depth - 1, left, visit);
    }
  }
  visit(folder);
}

template <class Visit>
void for_each_folder(const std::string& folder, const Visit& visit) {
  std::size_t left = kFolders;
  for_each_folder(folder, kDepth, left, visit);
}

/// The processes in a folder and below. Those in a pid namespace that we cannot see are 0.
std::vector<pid_t> pids_in(const std::string& folder) {
  std::vector<pid_t> pids;
  for_each_folder(folder, [&](const std::string& below) {
    if (pids.size() >= kProcesses) return;
    const auto text = read_small(file_in(below, "cgroup.procs"), kProcesses * 8);
    if (!text) return;
    const auto more = parse_pids(*text, kProcesses - pids.size());
    pids.insert(pids.end(), more.begin(), more.end());
  });
  return pids;
}

/// This process, the one that started it, and so on.
std::vector<pid_t> ancestry() {
  std::vector<pid_t> pids;
  for (pid_t pid = ::getpid(); pid > 0 && pids.size() < kAncestors;) {
    pids.push_back(pid);
    const auto text = read_small("/proc/" + std::to_string(pid) + "/stat");
    const auto stat = text ? parse_process_stat(*text) : std::nullopt;
    pid = stat ? stat->parent : 0;
  }
  return pids;
}

/// The folders of a group, each once: on v2 all three are the same.
std::vector<std::string> folders_of(const Group& group) {
  std::vector<std::string> folders;
  for (const auto* folder : {&group.memory, &group.cpu, &group.unified}) {
    if (!folder->empty() && std::ranges::find(folders, *folder) == folders.end()) {
      folders.push_back(*folder);
    }
  }
  return folders;
}

/// rmdir; a folder that is not there is fine. A process that has just ended may hold its group for
/// a moment, above all on v1: then it is tried again, for 2 ms in all.
int remove_folder(const std::string& folder) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) return 0;
    if (errno != EBUSY || attempt == kAttempts) return errno;
    const timespec pause{0, 500'000};
    ::nanosleep(&pause, nullptr);
  }
}

bool is_v2(const Mount& mount) { return mount.v2; }

/// True when the v2 hierarchy has the memory controller; beside v1 it has not.
bool has_memory(const std::string& mount_point) {
  const auto text = read_small(file_in(mount_point, "cgroup.controllers"));
  return text && has_word(*text, "memory");
}

/// A mount of a hierarchy and our own group's folder in it; "" where it does not show that group.
struct OwnPlace {
  Mount mount;
  std::string own;
};

/// Where a hierarchy shows our own group: of several mounts of it (containers have them) a writable
/// one if there is one, else one that shows the group, else any. Empty: it is not mounted.
template <class Matches>
std::optional<OwnPlace> own_place(const std::vector<Mount>& mounts,
                                  const std::vector<Membership>& memberships,
                                  const Matches& matches) {
  std::optional<OwnPlace> best;
  for (const auto& mount : mounts) {
    if (!matches(mount)) continue;
    const auto path = path_in(mount, memberships);
    const auto own = path ? directory_of(mount, *path) : std::nullopt;
    if (own && ::access(own->c_str(), W_OK) == 0) return OwnPlace{mount, *own};
    if (!best || (best->own.empty() && own)) best = OwnPlace{mount, own.value_or("")};
  }
  return best;
}

std::string outside(const Mount& mount, const std::string& prefix) {
  return "our own group is outside of what " + mount.point.substr(prefix.size()) + " shows";
}

std::optional<Bytes> amount_in(const std::string& folder, const char* name) {
  const auto text = read_small(file_in(folder, name));
  return text ? parse_amount(*text) : std::nullopt;
}

std::optional<Bytes> amount_in(HeldFiles& files, const std::string& folder, const char* name) {
  const auto text = files.read(folder, name);
  return text ? parse_amount(*text) : std::nullopt;
}

/// Whether the kernel ends nobody of a v1 group for its limit.
bool waits_at_limit(const Result<std::string>& oom_control) {
  return oom_control && parse_keyed(*oom_control, "oom_kill_disable").value_or(0) == 1;
}

/// What is charged to a group that has a memory controller.
Bytes charged(HeldFiles& files, const Group& group) {
  return amount_in(files, group.memory, group.v2 ? "memory.current" : "memory.usage_in_bytes")
      .value_or(Bytes());
}

/// What happens in a v1 group at its limit, and where that is.
enum class AtLimit {
  nothing,  ///< there is none
  stopped,  ///< our fence: it waits
  ended,    ///< a hard limit
};

struct Limit {
  AtLimit then = AtLimit::nothing;
  Bytes at;  ///< 0: there is none
};

Limit limit_of(std::optional<Bytes> limit, const Result<std::string>& oom_control) {
  constexpr std::int64_t kNoLimit = 1LL << 60;  // v1 says "none" by a number about 2^63
  if (!limit || limit->count() >= kNoLimit) return {};
  return {waits_at_limit(oom_control) ? AtLimit::stopped : AtLimit::ended, *limit};
}

/// The limit of a v1 group. A job that stands at its fence waits for this: where the limit is the
/// one that we have set there for a fence, what else we set then is not read again.
Limit limit_of(HeldFiles& files, const std::string& folder) {
  const auto limit = amount_in(files, folder, "memory.limit_in_bytes");
  const auto pages = [page = ::sysconf(_SC_PAGESIZE)](const std::optional<Bytes>& amount) {
    return amount ? amount->count() / page : -1;  // the kernel rounds down to whole ones
  };
  if (limit && files.last_written(folder, "memory.oom_control") == "1" &&
      pages(parse_amount(files.last_written(folder, "memory.limit_in_bytes"))) == pages(limit)) {
    return {AtLimit::stopped, *limit};
  }
  return limit_of(limit, files.read(folder, "memory.oom_control"));
}

bool has_hard_limit(const std::string& folder) {
  return limit_of(amount_in(folder, "memory.limit_in_bytes"),
                  read_small(file_in(folder, "memory.oom_control")))
             .then == AtLimit::ended;
}

/// A file of v1's freezer, by which a group is told from one of cgroup2.
std::string freezer_file(const std::string& folder) { return file_in(folder, "freezer.state"); }
bool is_v1_freezer(const std::string& folder) {
  return !folder.empty() && ::access(freezer_file(folder).c_str(), F_OK) == 0;
}

Result<void> set_frozen(const std::string& folder, bool frozen) {
  if (is_v1_freezer(folder)) return write_small(freezer_file(folder), frozen ? "FROZEN" : "THAWED");
  return write_small(file_in(folder, "cgroup.freeze"), frozen ? "1" : "0");
}

/// The file of a group's weight, and what stands there for so much of a new group's.
std::pair<const char*, std::string> weight(const Group& group, int percent) {
  constexpr int kWhole = 100;  // what a new group has: cpu.weight 100, cpu.shares 1024
  constexpr int kWholeShares = 1024;
  if (group.v2) return {"cpu.weight", std::to_string(percent)};
  return {"cpu.shares", std::to_string(kWholeShares * percent / kWhole)};
}

std::string count_or(std::optional<Bytes> amount, const char* none) {
  return amount ? std::to_string(amount->count()) : none;
}

}  // namespace

Groups::Groups(Groups&& other) noexcept
    : tier_(std::exchange(other.tier_, Tier::none)),
      reasons_(std::move(other.reasons_)),
      proc_(std::move(other.proc_)),
      started_us_(std::move(other.started_us_)),
      machine_(other.machine_),
      files_(std::move(other.files_)),
      memory_(std::exchange(other.memory_, {})),
      cpu_(std::exchange(other.cpu_, {})),
      unified_(std::exchange(other.unified_, {})),
      scope_(std::exchange(other.scope_, std::nullopt)),
      made_(std::move(other.made_)) {}

Groups::~Groups() {
  bool empty = true;
  for (const auto* hierarchy : hierarchies()) {
    if (::rmdir(hierarchy->parent.c_str()) != 0 && errno != ENOENT) empty = false;
  }
  if (scope_ && empty) {
    // By its group, which cannot be mistaken for another; systemd cleans up behind it.
    (void)write_small(parent_of(unified_.parent) + "/keeper/cgroup.kill", "1");
    release_keeper(*scope_);
  }
}

Groups Groups::probe(const GroupsConfig& config) {
  Groups groups;
  const std::string prefix = config.root == "/" ? std::string() : config.root;
  groups.proc_ = prefix + "/proc";
  groups.started_us_ = ancestry();
  groups.machine_ = Bytes(::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE));
  constexpr std::size_t kMountinfo = 4 << 20;  // container hosts have thousands of mounts
  const auto mountinfo = read_small(groups.proc_ + "/self/mountinfo", kMountinfo);
  const auto membership = read_small(groups.proc_ + "/self/cgroup");
  if (!mountinfo || !membership) {
    groups.reasons_.push_back(sentence(!mountinfo ? mountinfo.error() : membership.error()));
    return groups;
  }
  auto mounts = parse_mounts(*mountinfo);
  for (auto& mount : mounts) mount.point = prefix + mount.point;
  const auto memberships = parse_memberships(*membership);

  const auto unified = own_place(mounts, memberships, is_v2);
  if (unified && has_memory(unified->mount.point)) {
    if (unified->own.empty()) {
      groups.reasons_.push_back("memory groups: " + outside(unified->mount, prefix));
    } else {
      groups.probe_v2(config, unified->mount, unified->own);
    }
  }
  if (groups.tier_ == Tier::none) groups.probe_v1(mounts, memberships, prefix, config.name);
  if (groups.tier_ == Tier::none && groups.reasons_.empty()) {
    groups.reasons_.push_back(
        "memory groups: no memory or cpu controller is mounted; fix: mount cgroup2 at "
        "/sys/fs/cgroup");
  }
  return groups;
}

void Groups::probe_v2(const GroupsConfig& config, const Mount& mount,
                      const std::string& own_group) {
  std::string own = own_group;
  // After an earlier probe() of this process we are in the leaf; the jobs lie beside it.
  const std::string leaf_name = config.name + "-daemon";
  if (name_of(own) == leaf_name) own = parent_of(own);

  std::optional<Scope> scope;
  if (config.systemd_allowed && config.root == "/" && ::access("/run/systemd/system", F_OK) == 0) {
    auto held = hold_scope(config.name, kBusDeadline);
    auto folder = held ? directory_of(mount, held->path) : std::nullopt;
    if (held && folder) {
      const auto moved = clear_scope(*folder);
      if (moved) {
        own = *folder;
        scope = *held;
      } else {
        reasons_.push_back("systemd scope: " + sentence(moved.error()));
        release_keeper(*held);
      }
    } else if (held) {
      reasons_.push_back("systemd scope: " + held->unit + " is outside of " + mount.point);
      release_keeper(*held);
    } else {
      reasons_.push_back("systemd scope: " + sentence(held.error()));
    }
  }

  const std::string leaf = own + "/" + leaf_name;
  auto memory = enable_below(own, "memory", leaf);
  auto parent =
      memory ? make_parent(own, config.name) : Result<std::string>(tl::unexpected(memory.error()));
  if (parent) {
    memory = enable(*parent, "memory");
    if (!memory) {
      ::rmdir(parent->c_str());
      parent = tl::unexpected(memory.error());
    }
  }
  if (!parent) {
    reasons_.push_back("memory groups: " + sentence(parent.error()));
    if (scope) release_keeper(*scope);
    return;
  }
  tier_ = Tier::v2;
  scope_ = std::move(scope);
  memory_ = unified_ = {mount, *parent};
  auto cpu = enable_below(own, "cpu", leaf);
  if (cpu) cpu = enable(*parent, "cpu");
  if (cpu) {
    cpu_ = memory_;
  } else {
    reasons_.push_back("cpu limits: " + sentence(cpu.error()));
  }
}

void Groups::probe_v1(const std::vector<Mount>& mounts, const std::vector<Membership>& memberships,
                      const std::string& prefix, const std::string& name) {
  const auto take = [&](const char* what, const auto& matches) {
    const auto place = own_place(mounts, memberships, matches);
    if (!place) return Hierarchy{};
    auto parent = place->own.empty() ? fail(ErrorKind::not_found, outside(place->mount, prefix))
                                     : make_parent(place->own, name);
    if (parent) return Hierarchy{place->mount, *parent};
    reasons_.push_back(std::string(what) + ": " + sentence(parent.error()));
    return Hierarchy{};
  };
  const auto with = [](const char* controller) {
    return [controller](const Mount& mount) {
      return std::ranges::find(mount.controllers, controller) != mount.controllers.end();
    };
  };
  memory_ = take("memory groups", with("memory"));
  if (const auto stat = read_small(file_in(memory_.parent, "memory.stat")); stat) {
    const auto limit = parse_keyed(*stat, "hierarchical_memory_limit");
    const auto all = static_cast<std::uint64_t>(machine_.count());
    if (limit) machine_ = Bytes(static_cast<std::int64_t>(std::min(*limit, all)));
  }
  cpu_ = take("cpu limits", with("cpu"));
  if (memory_.parent.empty() && cpu_.parent.empty()) return;
  unified_ = take("pressure, freeze and kill", is_v2);
  tier_ = unified_.parent.empty() ? Tier::v1 : Tier::hybrid;
  if (tier_ == Tier::v1) unified_ = take("freeze", with("freezer"));
}

std::vector<const Groups::Hierarchy*> Groups::hierarchies() const {
  std::vector<const Hierarchy*> distinct;
  for (const auto* hierarchy : {&memory_, &cpu_, &unified_}) {
    const bool seen = std::ranges::any_of(
        distinct, [&](const auto* other) { return other->parent == hierarchy->parent; });
    if (!hierarchy->parent.empty() && !seen) distinct.push_back(hierarchy);
  }
  return distinct;
}

Result<void> Groups::is_ours(const std::string& folder) {
  // Neither ".." nor a foreign folder passes: the name must be a lease's, and the mark ours.
  const bool named = parse_lease_name(name_of(folder)).has_value();
  if (named && is_marked(folder)) return {};
  const std::string parent = parent_of(folder);
  const bool there = ::access(folder.c_str(), F_OK) == 0;
  if (named && there && is_marked(parent)) {
    return fail(ErrorKind::not_found, "cannot use " + folder,
                "it was removed, and somebody else has made another one of that name");
  }
  if (named && !there && (is_marked(parent) || ::access(parent.c_str(), F_OK) != 0)) {
    return tl::unexpected(refusal("cannot use " + folder, ENOENT));
  }
  return fail(ErrorKind::not_allowed, "cannot use " + folder, "it is not a group of headroom's");
}

Result<std::vector<std::string>> Groups::ours(const Group& group) {
  auto folders = folders_of(group);
  if (folders.empty()) {
    return fail(ErrorKind::not_found, "there is no control group", "the lease has none",
                "headroom doctor says why");
  }
  for (const auto& folder : folders) {
    if (const auto own = is_ours(folder); !own) return tl::unexpected(own.error());
  }
  return folders;
}

Result<Group> Groups::make(LeaseId id, uid_t) {
  const auto known = made_.find(id);
  if (known != made_.end()) {
    const auto folders = folders_of(known->second);
    const bool there =
        std::ranges::all_of(folders, [](const auto& folder) { return is_marked(folder); });
    if (there) return known->second;
    made_.erase(known);
  }
  if (tier_ == Tier::none) {
    return fail(ErrorKind::not_allowed,
                "cannot make a control group for lease " + std::to_string(id),
                reasons_.empty() ? "" : reasons_.front(), "headroom doctor says what would help");
  }
  const auto used = hierarchies();
  int error = 0;
  std::string tried;
  for (int life = 1; life <= kNames; ++life) {
    const std::string name = lease_name(id, life);
    std::vector<std::string> folders;
    error = 0;
    for (const auto* hierarchy : used) {
      tried = hierarchy->parent + "/" + name;
      // An empty one of another life goes first, so that the counters begin at nothing.
      if (::mkdir(tried.c_str(), 0755) != 0 &&
          (errno != EEXIST || ::rmdir(tried.c_str()) != 0 || ::mkdir(tried.c_str(), 0755) != 0)) {
        error = errno;
        break;
      }
      folders.push_back(tried);
      mark(tried);
      if (!is_marked(tried)) {
        error = EPERM;
        break;
      }
    }
    if (error == 0) {
      const auto in = [&](const Hierarchy& hierarchy) {
        return hierarchy.parent.empty() ? std::string() : hierarchy.parent + "/" + name;
      };
      Group group{in(memory_), in(cpu_), in(unified_), scope_ ? scope_->unit : "",
                  tier_ == Tier::v2};
      made_[id] = group;
      return group;
    }
    for (const auto& folder : folders) ::rmdir(folder.c_str());
    if (error != EBUSY && error != EEXIST && error != ENOTEMPTY) break;
  }
  return tl::unexpected(refusal("cannot make " + tried, error));
}

Result<void> Groups::place(const Group& group, pid_t pid) const {
  const auto folders = ours(group);
  if (!folders) return tl::unexpected(folders.error());
  if (pid > 1 && pid != ::getpid() && is_descendant_or_same(::getpid(), pid)) {
    return fail(ErrorKind::not_allowed, "cannot place process " + std::to_string(pid),
                "it started headroomd, and would be stopped with the job");
  }
  if (pid <= 1 || pid == ::getpid()) {
    return fail(ErrorKind::invalid_request, "cannot place process " + std::to_string(pid),
                "it is not a job");
  }
  const std::string number = std::to_string(pid);
  // Where it is now: should one hierarchy refuse, it goes back where it was in the others.
  const auto before = read_small(proc_ + "/" + number + "/cgroup");
  const auto memberships = before ? parse_memberships(*before) : std::vector<Membership>();
  for (std::size_t i = 0; i < folders->size(); ++i) {
    const auto placed = write_small(file_in((*folders)[i], "cgroup.procs"), number);
    if (placed) continue;
    for (const auto* hierarchy : hierarchies()) {
      const auto done = folders->begin() + static_cast<std::ptrdiff_t>(i);
      const bool moved = std::any_of(folders->begin(), done, [&](const auto& folder) {
        return parent_of(folder) == hierarchy->parent;
      });
      const auto path = path_in(hierarchy->mount, memberships);
      const auto back = path ? directory_of(hierarchy->mount, *path) : std::nullopt;
      if (moved && back) (void)write_small(file_in(*back, "cgroup.procs"), number);
    }
    return placed;
  }
  return {};
}

Bytes Groups::backstop(Bytes at, Bytes machine) {
  const Bytes least = std::clamp(Bytes(machine.count() / 32), 8_MiB, 64_MiB);
  return at + std::max(least, std::min(Bytes(at.count() / 8), Bytes(machine.count() / 16)));
}

Bytes Groups::fence_before(Bytes limit, Bytes machine) {
  const Bytes least = std::clamp(Bytes(machine.count() / 32), 8_MiB, 64_MiB);
  const Bytes part = std::max(Bytes(limit.count() / 9 * 8), limit - Bytes(machine.count() / 16));
  return std::max(Bytes(), std::min(limit - least, part));
}

Result<Bytes> Groups::fence(const Group& group, Bytes at) const {
  if (group.memory.empty()) {
    if (const auto folders = ours(group); !folders) return tl::unexpected(folders.error());
    return fail(ErrorKind::unavailable, "cannot set a soft fence", "there is no memory group",
                "headroom doctor says why");
  }
  const std::string& folder = group.memory;
  const Limit limit = group.v2 ? Limit() : limit_of(*files_, folder);
  const AtLimit before = limit.then;
  const bool wanted = at > Bytes(0);
  // A job that stands at its fence waits for this: where the limit behind it only goes up there is
  // nothing to reclaim, whatever is charged.
  const bool goes_up = before == AtLimit::stopped && backstop(at) >= limit.at;
  if (const Bytes now = wanted && !goes_up ? charged(*files_, group) : Bytes(); at < now) {
    // What is charged holds the cache of its files too, and fills a group up to its fence: one that
    // is to come down must not rise for that, or it rises again and again.
    const Bytes stands = group.v2 ? amount_in(*files_, folder, "memory.high").value_or(Bytes())
                         : before == AtLimit::stopped ? fence_before(limit.at)
                                                      : Bytes();
    if (at < stands && stands <= now + kClear) return stands;
    at = now + kClear;
  }
  Result<void> set;
  if (group.v2) {
    set = files_->write(folder, "memory.high", wanted ? std::to_string(at.count()) : "max");
  } else if (before == AtLimit::ended) {
    set = files_->write(folder, "memory.soft_limit_in_bytes",
                        wanted ? std::to_string(at.count()) : "-1");
  } else {
    // The killer goes before the limit comes, and comes back after it has gone.
    if (wanted && before == AtLimit::nothing) {
      set = files_->write(folder, "memory.oom_control", "1");
    }
    if (set) {
      set = files_->write(folder, "memory.limit_in_bytes",
                          wanted ? std::to_string(backstop(at).count()) : "-1");
      if (!set && wanted && before == AtLimit::nothing) {
        (void)files_->write(folder, "memory.oom_control", "0");
      }
    }
    if (set && !wanted) set = files_->write(folder, "memory.oom_control", "0");
  }
  if (!set) return tl::unexpected(set.error());
  return at;
}

Result<void> Groups::freeze(const Group& group, bool frozen) const {
  if (group.unified.empty()) {
    return fail(ErrorKind::unavailable, "cannot freeze",
                "there is neither a cgroup2 hierarchy nor v1's freezer",
                "mount -t cgroup2 none /sys/fs/cgroup/unified");
  }
  const std::string& folder = group.unified;
  if (frozen) {
    // Below it are only groups that the job has made; a walk would take longer than the freeze.
    const auto there = processes_of(folder);
    if (!there) return tl::unexpected(there.error());
    if (const auto spared = spares_us(folder, *there); !spared) return spared;
  }
  auto set = files_->write(folder, "cgroup.freeze", frozen ? "1" : "0");
  if (set || set.error().kind != ErrorKind::not_found || !is_v1_freezer(folder)) return set;
  return files_->write(folder, "freezer.state", frozen ? "FROZEN" : "THAWED");
}

Result<void> Groups::weigh(const Group& group, int percent) const {
  if (group.cpu.empty()) {
    if (const auto folders = ours(group); !folders) return tl::unexpected(folders.error());
    return fail(ErrorKind::unavailable, "cannot slow a job down", "there is no cpu group",
                "headroom doctor says why");
  }
  if (percent < 1 || percent > 100) {
    return fail(ErrorKind::invalid_request, "cannot slow a job down",
                std::to_string(percent) + " % is no share of the processors");
  }
  const auto [file, text] = weight(group, percent);
  return files_->write(group.cpu, file, text);
}

Result<std::vector<pid_t>> Groups::processes_of(const std::string& folder) const {
  constexpr std::size_t kMostOfAPage = 4000;
  // On v1 a file that is held open tells who was there at the last look.
  if (tier_ != Tier::v1) {
    const auto text = files_->read(folder, "cgroup.procs");
    if (text && text->size() <= kMostOfAPage) return parse_pids(*text, kProcesses);
  }
  if (auto own = is_ours(folder); !own) return tl::unexpected(own.error());
  const auto text = read_small(file_in(folder, "cgroup.procs"), kProcesses * 8);
  return parse_pids(text.value_or(std::string()), kProcesses);
}

Result<void> Groups::spares_us(const std::string& folder, const std::vector<pid_t>& there) const {
  for (const pid_t pid : there) {
    if (pid != 1 && std::ranges::find(started_us_, pid) == started_us_.end()) continue;
    if (pid != 1 && !is_descendant_or_same(::getpid(), pid)) continue;  // the number is another's
    return fail(ErrorKind::not_allowed, "cannot stop or end what runs in " + folder,
                "process " + std::to_string(pid) + " in it is headroomd, or started it",
                "move that process into another group");
  }
  return {};
}

Result<bool> Groups::is_frozen(const Group& group) const {
  if (group.unified.empty()) return false;
  const std::string& folder = group.unified;
  const auto text = files_->read(folder, "cgroup.events");
  if (text) return parse_keyed(*text, "frozen").value_or(0) == 1;
  if (text.error().kind != ErrorKind::not_found || !is_v1_freezer(folder)) {
    return tl::unexpected(text.error());
  }
  const auto state = files_->read(folder, "freezer.state");
  if (!state) return tl::unexpected(state.error());
  return has_word(*state, "FROZEN");
}

Result<int> Groups::end(const Group& group, bool hard) const {
  const auto folders = ours(group);
  if (!folders) return tl::unexpected(folders.error());
  const std::vector<pid_t> there = members(group);
  if (const auto spared = spares_us(folders->front(), there); !spared) {
    return tl::unexpected(spared.error());
  }
  // Who stands still in v1's freezer does not even die before it is let go.
  const bool freezer = is_v1_freezer(group.unified);
  if (hard && !freezer && !group.unified.empty()) {
    const auto killed = write_small(file_in(group.unified, "cgroup.kill"), "1");
    if (killed) return static_cast<int>(there.size());
    if (killed.error().kind == ErrorKind::not_allowed) return tl::unexpected(killed.error());
  }
  const int signal = hard ? SIGKILL : SIGTERM;
  constexpr int kRounds = 8;  // who forks faster than that is met by the next call
  Result<void> first;
  for (int round = 0; round < (hard ? kRounds : 1); ++round) {
    std::vector<ProcessWatch> held;
    for (const pid_t pid : members(group)) {
      auto process = identify(pid).and_then(watch);
      if (process) held.push_back(std::move(*process));
    }
    if (held.empty()) break;
    // A pid of the first list may have been given to a stranger before it was held.
    const std::vector<pid_t> again = members(group);
    for (const ProcessWatch& process : held) {
      if (!std::ranges::binary_search(again, process.holder().pid)) continue;
      const auto done = act::end(process, signal);
      if (!done && first && done.error().kind != ErrorKind::not_found) first = done;
    }
    if (hard && freezer) (void)set_frozen(group.unified, false);
  }
  if (!first) return tl::unexpected(first.error());
  return static_cast<int>(there.size());
}

Result<void> Groups::let_go(const Group& group) {
  const auto folders = ours(group);
  if (!folders) return tl::unexpected(folders.error());
  // What cannot be done must not keep the rest from being done.
  Result<void> first;
  const auto note = [&](const Result<void>& done) {
    if (!done && first && done.error().kind != ErrorKind::not_found) first = done;
  };
  const auto put = [&](const std::string& folder, const char* name, const char* text) {
    if (!folder.empty()) note(write_small(file_in(folder, name), text));
  };
  if (group.v2) {
    put(group.memory, "memory.high", "max");
  } else if (!group.memory.empty()) {
    if (!has_hard_limit(group.memory)) {
      put(group.memory, "memory.limit_in_bytes", "-1");
      put(group.memory, "memory.oom_control", "0");
    }
    put(group.memory, "memory.soft_limit_in_bytes", "-1");
  }
  if (!group.unified.empty()) note(set_frozen(group.unified, false));
  const auto [file, text] = weight(group, 100);
  put(group.cpu, file, text.c_str());
  return first;
}

namespace {

tl::unexpected<Error> no_controller(const char* what, const char* controller) {
  return fail(ErrorKind::unavailable, std::string("cannot limit ") + what,
              std::string("there is no ") + controller + " group", "headroom doctor says why");
}

tl::unexpected<Error> limit_of_nothing() {
  return fail(ErrorKind::invalid_request, "cannot limit to nothing", "a limit is more than 0");
}

// The group has a cpu controller.
Result<void> set_cpu_limit(HeldFiles& files, const Group& group, std::optional<Cores> cpu) {
  // Long enough that the kernel's least quota of 1 ms is a hundredth of a core.
  constexpr std::int64_t kPeriod = 100'000;  // microseconds
  constexpr std::int64_t kLeast = 1'000;
  constexpr std::int64_t kMostCores = 1'000'000;
  const auto quota =
      cpu ? std::max(kLeast, std::min(cpu->milli(), kMostCores * 1000) * (kPeriod / 1000)) : 0;
  if (group.v2) {
    return files.write(group.cpu, "cpu.max",
                       (cpu ? std::to_string(quota) : "max") + " " + std::to_string(kPeriod));
  }
  // Between none and some the kernel patches its own code on every processor: only where there
  // is no other way to another period.
  const auto period = amount_in(files, group.cpu, "cpu.cfs_period_us");
  if (cpu && period && period->count() == kPeriod) {
    return files.write(group.cpu, "cpu.cfs_quota_us", std::to_string(quota));
  }
  auto set = files.write(group.cpu, "cpu.cfs_quota_us", "-1");
  if (!set || !cpu) return set;
  set = files.write(group.cpu, "cpu.cfs_period_us", std::to_string(kPeriod));
  if (set) set = files.write(group.cpu, "cpu.cfs_quota_us", std::to_string(quota));
  return set;
}

// The group has a memory controller.
Result<void> set_memory_limit(HeldFiles& files, const Group& group, std::optional<Bytes> memory) {
  if (!group.v2) {
    const char* control = "memory.oom_control";
    const bool fenced = waits_at_limit(files.read(group.memory, control));
    if (fenced && !memory) return {};  // what limits it is its fence
    auto set = files.write(group.memory, "memory.limit_in_bytes", count_or(memory, "-1"));
    if (set && fenced) set = files.write(group.memory, control, "0");
    return set;
  }
  auto set = files.write(group.memory, "memory.oom.group", memory ? "1" : "0");
  // Linux before 4.19 has no such file: then the kernel ends one process instead of all.
  if (!set && set.error().kind != ErrorKind::not_found) return set;
  return files.write(group.memory, "memory.max", count_or(memory, "max"));
}

}  // namespace

Result<void> Groups::limit_cpu(const Group& group, std::optional<Cores> cpu) const {
  if (group.cpu.empty()) {
    const auto folders = ours(group);
    return folders ? no_controller("CPU time", "cpu") : tl::unexpected(folders.error());
  }
  if (cpu && *cpu <= Cores(0)) return limit_of_nothing();
  return set_cpu_limit(*files_, group, cpu);
}

Result<void> Groups::limit(const Group& group, std::optional<Bytes> memory,
                           std::optional<Cores> cpu) const {
  if (group.cpu.empty() || group.memory.empty()) {
    if (const auto folders = ours(group); !folders) return tl::unexpected(folders.error());
  }
  if (memory && group.memory.empty()) return no_controller("memory", "memory");
  if (cpu && group.cpu.empty()) return no_controller("CPU time", "cpu");
  if ((memory && *memory <= Bytes(0)) || (cpu && *cpu <= Cores(0))) return limit_of_nothing();
  if (!group.cpu.empty()) {
    if (auto set = set_cpu_limit(*files_, group, cpu); !set) return set;
  }
  return group.memory.empty() ? Result<void>() : set_memory_limit(*files_, group, memory);
}

Result<Bytes> Groups::limit_memory(const Group& group, std::optional<Bytes> memory) const {
  if (group.memory.empty()) {
    const auto folders = ours(group);
    return folders ? no_controller("memory", "memory") : tl::unexpected(folders.error());
  }
  if (memory && *memory <= Bytes(0)) return limit_of_nothing();
  if (memory) memory = std::max(*memory, charged(*files_, group) + kClear);
  if (auto set = set_memory_limit(*files_, group, memory); !set) return tl::unexpected(set.error());
  return memory.value_or(Bytes());
}

Result<Left> Groups::look(const Group& group) const {
  const auto folders = ours(group);
  if (!folders) return tl::unexpected(folders.error());
  if (::access(folders->front().c_str(), F_OK) != 0) {
    return tl::unexpected(refusal("cannot look at " + folders->front(), errno));
  }
  Left left;
  left.processes = static_cast<int>(pids_in(folders->front()).size());
  if (group.memory.empty()) return left;
  const auto amount = [&](const char* name) { return amount_in(group.memory, name); };
  const auto keyed = [&](const char* name, const char* key) {
    const auto text = read_small(file_in(group.memory, name));
    return text ? parse_keyed(*text, key).value_or(0) : 0;
  };
  if (group.v2) {
    left.memory = amount("memory.current");
    left.memory_peak = amount("memory.peak");
    left.oom_kills = keyed("memory.events", "oom_kill");
    left.high_events = keyed("memory.events", "high");
  } else {
    left.memory = amount("memory.usage_in_bytes");
    left.memory_peak = amount("memory.max_usage_in_bytes");
    left.oom_kills = keyed("memory.oom_control", "oom_kill");
  }
  return left;
}

Result<bool> Groups::remove(const Group& group) {
  const auto folders = ours(group);
  if (!folders) {
    if (folders.error().kind == ErrorKind::not_found) return true;
    return tl::unexpected(folders.error());
  }
  for (const auto& folder : *folders) {
    if (!pids_in(folder).empty()) return false;
  }
  int error = 0;
  for (const auto& folder : *folders) {
    files_->forget(folder);
    for_each_folder(folder, [&](const std::string& below) {
      if (error == 0) error = remove_folder(below);
    });
    if (error == EBUSY || error == ENOTEMPTY) return false;
    if (error != 0) return tl::unexpected(refusal("cannot remove " + folder, error));
  }
  std::erase_if(made_, [&](const auto& entry) { return entry.second == group; });
  return true;
}

std::vector<pid_t> Groups::members(const Group& group) const {
  std::set<pid_t> seen;
  if (const auto folders = ours(group)) {
    for (const auto& folder : *folders) {
      for (const pid_t pid : pids_in(folder)) {
        if (pid > 0 && seen.size() < kProcesses) seen.insert(pid);
      }
    }
  }
  return {seen.begin(), seen.end()};
}

std::vector<Group> Groups::leftovers() const {
  constexpr std::size_t kMost = 16384;  // more than leases are allowed
  std::map<std::string, Group> found;
  const auto collect = [&](const Hierarchy& hierarchy, std::string Group::* member) {
    DIR* listing = hierarchy.parent.empty() ? nullptr : ::opendir(hierarchy.parent.c_str());
    if (listing == nullptr) return;
    while (const dirent* entry = ::readdir(listing)) {
      if (entry->d_type != DT_DIR || !parse_lease_name(entry->d_name) || found.size() >= kMost)
        continue;
      Group& group = found[entry->d_name];
      group.*member = hierarchy.parent + "/" + entry->d_name;
      group.v2 = tier_ == Tier::v2;
      if (scope_) group.scope = scope_->unit;
    }
    ::closedir(listing);
  };
  collect(memory_, &Group::memory);
  collect(cpu_, &Group::cpu);
  collect(unified_, &Group::unified);
  std::vector<Group> groups;
  for (auto& [name, group] : found) groups.push_back(std::move(group));
  return groups;
}

std::optional<LeaseId> Groups::lease_of(const Group& group) {
  const auto folders = folders_of(group);
  return folders.empty() ? std::nullopt : parse_lease_name(name_of(folders.front()));
}

}  // namespace headroom::act
