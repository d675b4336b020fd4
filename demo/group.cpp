#include "demo/group.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headroom::demo {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The kernel takes or refuses a value at the write itself, so no buffered stream.
bool write_text(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(file);
  errno = error;
  return written;
}

bool has_word(const std::string& text, std::string_view wanted) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word == wanted) return true;
  }
  return false;
}

/// The number behind `key` in lines of "key number"; 0 when it is not there.
long number_of(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  std::string name;
  for (long value = 0; lines >> name >> value;) {
    if (name == key) return value;
  }
  return 0;
}

/// The mount point and the part of the hierarchy that is mounted there.
struct Mount {
  std::string point;
  std::string root;
};

tl::unexpected<Error> refuse_group(const std::string& why) {
  return fail(ErrorKind::not_allowed, "cannot make a control group with a memory limit", why,
              "run it as root (sudo), or in a delegated scope: systemd-run --user --scope -p "
              "Delegate=yes headroom-demo");
}

std::string error_text() { return std::strerror(errno); }

struct Parent {
  std::string dir;
  std::string aside;  ///< where this process moved to make room; usually empty
};

/// On v2 the parent of the limited group must hand the memory controller down. That is the
/// nearest group upwards which does so, or our own group once this process has moved out of it.
Result<Parent> find_parent_v2(const MemoryGroup& own) {
  for (std::string dir = own.dir; dir.size() >= own.mount.size();
       dir = fs::path(dir).parent_path().string()) {
    if (has_word(read_text(dir + "/cgroup.subtree_control"), "memory") &&
        access(dir.c_str(), W_OK) == 0) {
      return Parent{dir, {}};
    }
  }
  const std::string aside = own.dir + "/headroom-demo-self";
  if (mkdir(aside.c_str(), 0755) != 0 && errno != EEXIST) {
    return refuse_group(own.dir + ": " + error_text());
  }
  if (!write_text(aside + "/cgroup.procs", "0") ||
      !write_text(own.dir + "/cgroup.subtree_control", "+memory")) {
    const std::string why = own.dir + " does not hand the memory controller down: " + error_text();
    write_text(own.dir + "/cgroup.procs", "0");
    rmdir(aside.c_str());
    return refuse_group(why);
  }
  return Parent{own.dir, aside};
}

std::vector<pid_t> processes_below(const std::string& dir) {
  std::vector<pid_t> found;
  const auto add = [&found](const std::string& group) {
    std::istringstream lines(read_text(group + "/cgroup.procs"));
    for (pid_t pid = 0; lines >> pid;) found.push_back(pid);
  };
  add(dir);
  std::error_code error;
  fs::recursive_directory_iterator each(dir, error), end;
  while (!error && each != end) {
    if (each->is_directory(error)) add(each->path().string());
    each.increment(error);
  }
  return found;
}

void remove_below(const std::string& dir) {
  std::error_code error;
  std::vector<std::string> groups;
  for (const auto& each : fs::directory_iterator(dir, error)) {
    if (each.is_directory(error)) groups.push_back(each.path().string());
  }
  for (const std::string& group : groups) remove_below(group);
  rmdir(dir.c_str());
}

}  // namespace

Result<MemoryGroup> parse_memory_group(std::string_view cgroup, std::string_view mountinfo) {
  Mount v1, v2;
  std::istringstream mounts{std::string(mountinfo)};
  for (std::string line; std::getline(mounts, line);) {
    // id parent major:minor root point options … - type source super-options
    std::istringstream words(line);
    std::string id, parent, device, root, point, word, type, source, options;
    words >> id >> parent >> device >> root >> point;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> options;
    if (type == "cgroup2") v2 = {point, root};
    if (type != "cgroup") continue;
    std::istringstream controllers(options);
    for (std::string each; std::getline(controllers, each, ',');) {
      if (each == "memory") v1 = {point, root};
    }
  }
  const Mount& mount = v1.point.empty() ? v2 : v1;
  if (mount.point.empty()) {
    return fail(ErrorKind::unavailable, "cannot make a control group with a memory limit",
                "no memory or v2 hierarchy of control groups is mounted");
  }
  std::istringstream groups{std::string(cgroup)};
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string wanted = v1.point.empty() ? "" : "memory";
    bool ours = controllers == wanted;
    std::istringstream names(controllers);
    for (std::string each; std::getline(names, each, ',');) ours = ours || each == wanted;
    if (!ours) continue;
    std::string path = line.substr(second + 1);
    // A container often sees only its own part of the hierarchy mounted.
    if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
    if (path == "/") path.clear();
    return MemoryGroup{mount.point + path, mount.point, v1.point.empty()};
  }
  return fail(ErrorKind::unavailable, "cannot make a control group with a memory limit",
              "/proc/self/cgroup does not name this process's memory group");
}

Result<LimitedGroup> LimitedGroup::create(int limit_mib) {
  const auto own =
      parse_memory_group(read_text("/proc/self/cgroup"), read_text("/proc/self/mountinfo"));
  if (!own) return tl::unexpected(own.error());
  Parent parent{own->dir, {}};
  if (own->v2) {
    auto found = find_parent_v2(*own);
    if (!found) return tl::unexpected(found.error());
    parent = *found;
  }
  LimitedGroup group(parent.dir + "/headroom-demo-" + std::to_string(getpid()), parent.aside,
                     own->v2);
  if (mkdir(group.dir_.c_str(), 0755) != 0) {
    const std::string why = group.dir_ + ": " + error_text();
    group.dir_.clear();
    return refuse_group(why);
  }
  const std::string bytes = std::to_string(static_cast<long long>(limit_mib) << 20);
  // Without swap the limit is the limit; where swap is not accounted there is nothing to set.
  if (own->v2) {
    if (!write_text(group.dir_ + "/memory.max", bytes)) return refuse_group(error_text());
    write_text(group.dir_ + "/memory.swap.max", "0");
    if (!write_text(group.dir_ + "/cgroup.subtree_control", "+memory") ||
        mkdir(group.home(Corner::jobs).c_str(), 0755) != 0 ||
        mkdir(group.home(Corner::daemon).c_str(), 0755) != 0) {
      return refuse_group(error_text());
    }
  } else {
    if (!write_text(group.dir_ + "/memory.limit_in_bytes", bytes))
      return refuse_group(error_text());
    write_text(group.dir_ + "/memory.memsw.limit_in_bytes", bytes);
    write_text(group.dir_ + "/memory.swappiness", "0");
  }
  return group;
}

LimitedGroup::LimitedGroup(LimitedGroup&& other) noexcept
    : dir_(std::move(other.dir_)), aside_(std::move(other.aside_)), v2_(other.v2_) {
  other.dir_.clear();
  other.aside_.clear();
}

LimitedGroup::~LimitedGroup() {
  if (!dir_.empty()) {
    end_all();
    remove_below(dir_);
  }
  if (!aside_.empty()) {
    const std::string own = fs::path(aside_).parent_path().string();
    write_text(own + "/cgroup.subtree_control", "-memory");
    write_text(own + "/cgroup.procs", "0");
    rmdir(aside_.c_str());
  }
}

std::string LimitedGroup::home(Corner corner) const {
  if (!v2_) return dir_;
  return dir_ + (corner == Corner::daemon ? "/daemon" : "/jobs");
}

bool LimitedGroup::enter(Corner corner) const {
  return write_text(home(corner) + "/cgroup.procs", "0");
}

int LimitedGroup::used_mib() const {
  const long usage = std::strtol(
      read_text(dir_ + (v2_ ? "/memory.current" : "/memory.usage_in_bytes")).c_str(), nullptr, 10);
  const long idle =
      number_of(read_text(dir_ + "/memory.stat"), v2_ ? "inactive_file" : "total_inactive_file");
  return static_cast<int>((usage > idle ? usage - idle : 0) >> 20);
}

long LimitedGroup::kernel_kills() const {
  return number_of(read_text(dir_ + (v2_ ? "/memory.events" : "/memory.oom_control")), "oom_kill");
}

void LimitedGroup::end_all() const {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::seconds(2);
  while (Clock::now() < deadline) {
    const auto left = processes_below(dir_);
    if (left.empty()) return;
    for (const pid_t pid : left) kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace headroom::demo
