#include "sense/cgroup.hpp"

#include <algorithm>
#include <limits>

#include <unistd.h>

#include "sense/scan.hpp"

namespace headroom::sense {
namespace {

constexpr std::chrono::seconds kLimitsEvery{10};
constexpr std::int64_t kNoLimit = std::int64_t{1} << 60;

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// Where the group `path` of a hierarchy is found, whose `mount.root` may be a part of it only.
std::string folder_of(const Mount& mount, std::string path) {
  if (mount.root != "/" && path.compare(0, mount.root.size(), mount.root) == 0) {
    path.erase(0, mount.root.size());
  }
  if (path == "/" || path.find("/..") == 0) path.clear();  // outside of our cgroup namespace
  return mount.mount + path;
}

std::string without_service(std::string path) {
  constexpr std::string_view kService = ".service";
  const bool service = path.size() > kService.size() &&
                       path.compare(path.size() - kService.size(), kService.size(), kService) == 0;
  if (service) path.erase(path.rfind('/'));
  return path;
}

}  // namespace

std::optional<Bytes> parse_amount(std::string_view text) {
  Scan scan(text);
  return scan.bytes();
}

std::optional<Bytes> parse_limit(std::string_view text) {
  const auto value = parse_amount(text);
  if (!value || value->count() >= kNoLimit) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> parse_keyed(std::string_view text, std::string_view key) {
  Scan scan(text);
  while (!scan.done()) {
    if (scan.take(key) && (scan.peek() == ' ' || scan.peek() == '\t')) return scan.number();
    scan.line();
  }
  return std::nullopt;
}

std::optional<Bytes> parse_io_stat(std::string_view text) {
  std::optional<Bytes> written;
  Scan scan(text);
  while (!scan.done()) {
    Scan line(scan.line());
    for (std::string_view word = line.word(); !word.empty(); word = line.word()) {
      Scan pair(word);
      if (!pair.take("wbytes=")) continue;
      if (const auto bytes = pair.bytes()) written = written.value_or(Bytes()) + *bytes;
    }
  }
  return written;
}

int parse_procs(std::string_view text, std::vector<int>& pids) {
  pids.clear();
  Scan scan(text);
  while (!scan.done()) {
    const auto pid = scan.number();
    if (pid && *pid > 0 && *pid <= std::numeric_limits<int>::max()) {
      pids.push_back(static_cast<int>(*pid));
    }
    scan.line();
  }
  return static_cast<int>(pids.size());
}

std::optional<GroupMemory> parse_memory_stat_v1(std::string_view text) {
  std::optional<Bytes> rss;
  GroupMemory memory;
  Scan scan(text);
  while (!scan.done()) {
    if (scan.take("total_")) {  // with the groups below
      if (scan.take("rss ")) {
        rss = scan.bytes();
      } else if (scan.take("shmem ")) {
        memory.held += scan.bytes().value_or(Bytes());
      } else if (scan.take("inactive_file ") || scan.take("active_file ")) {
        memory.cache += scan.bytes().value_or(Bytes());
      }
    }
    scan.line();
  }
  if (!rss) return std::nullopt;
  memory.held += *rss;
  return memory;
}

std::optional<GroupMemory> parse_memory_stat_v2(std::string_view text) {
  std::optional<Bytes> anonymous, kernel;
  Bytes shared, kernel_parts, socket, slab, files;
  Scan scan(text);
  while (!scan.done()) {
    const std::string_view key = scan.word();
    const auto value = scan.bytes();
    if (value) {
      if (key == "anon")
        anonymous = value;
      else if (key == "shmem")
        shared = *value;
      else if (key == "kernel")
        kernel = value;
      else if (key == "sock")
        socket = *value;
      else if (key == "slab_reclaimable")
        slab = *value;
      else if (key == "inactive_file" || key == "active_file")
        files += *value;
      else if (key == "kernel_stack" || key == "pagetables" || key == "percpu" ||
               key == "slab_unreclaimable") {
        kernel_parts += *value;
      }
    }
    scan.line();
  }
  if (!anonymous) return std::nullopt;
  // "kernel" came with Linux 5.18 and holds both kinds of slab.
  const Bytes kept = kernel ? std::max(*kernel - slab, Bytes()) : kernel_parts;
  return GroupMemory{*anonymous + shared + kept + socket, files + slab};
}

GroupPaths parse_cgroup(std::string_view text) {
  GroupPaths paths;
  Scan scan(text);
  while (!scan.done()) {
    const std::string_view line = scan.line();
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos || line.substr(second + 1, 1) != "/") continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (controllers.empty() && line.substr(0, first) == "0") {
      paths.unified = path;
    } else if (has_word(controllers, "memory")) {
      paths.memory = path;
    }
  }
  return paths;
}

std::string jobs_group_of(const GroupPaths& own, const std::vector<Mount>& mounts) {
  const Mount* v1 = nullptr;
  const Mount* v2 = nullptr;
  for (const Mount& mount : mounts) {
    if (v1 == nullptr && mount.type == "cgroup" && has_word(mount.options, "memory")) v1 = &mount;
    if (v2 == nullptr && mount.type == "cgroup2") v2 = &mount;
  }
  // A controller is in one hierarchy only: where v1 has memory, v2 cannot limit it.
  if (own.memory && v1 != nullptr) return folder_of(*v1, without_service(*own.memory));
  if (own.unified && v2 != nullptr) return folder_of(*v2, without_service(*own.unified));
  return {};
}

MemoryLimit::MemoryLimit(const std::string& root, const std::string& group, Keep keep) {
  std::string folder = group;
  while (folder.size() > root.size()) {
    const bool v1 = ::access((folder + "/memory.limit_in_bytes").c_str(), F_OK) == 0;
    const bool v2 = !v1 && ::access((folder + "/memory.max").c_str(), F_OK) == 0;
    if (v1 || v2) {
      Step step;
      step.path = folder.substr(root.size());
      step.v2 = v2;
      step.limit = KernelFile(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), keep);
      step.usage = KernelFile(folder + (v2 ? "/memory.current" : "/memory.usage_in_bytes"), keep);
      step.stat = KernelFile(folder + "/memory.stat", keep);
      steps_.push_back(std::move(step));
    }
    const std::size_t slash = folder.rfind('/');
    if (slash == std::string::npos) break;
    folder.erase(slash);
  }
}

void MemoryLimit::read(BootTime now, ReadBuffer& buffer, MemoryReading& out) {
  if (!read_at_ || now - *read_at_ >= kLimitsEvery || now < *read_at_) {
    read_at_ = now;
    for (Step& step : steps_) {
      const auto text = step.limit.read(now, buffer);
      step.bytes = text ? parse_limit(*text) : std::nullopt;
    }
  }
  Step* smallest = nullptr;
  for (Step& step : steps_) {
    if (!step.bytes || (out.total && *step.bytes >= *out.total)) continue;
    if (smallest == nullptr || *step.bytes < *smallest->bytes) smallest = &step;
  }
  out.limit.reset();
  out.limit_used.reset();
  if (smallest == nullptr) {
    out.limit_path.clear();
    return;
  }
  out.limit = smallest->bytes;
  out.limit_path = smallest->path;
  std::optional<Bytes> usage;
  if (const auto text = smallest->usage.read(now, buffer)) usage = parse_amount(*text);
  std::optional<GroupMemory> memory;
  if (const auto text = smallest->stat.read(now, buffer)) {
    memory = smallest->v2 ? parse_memory_stat_v2(*text) : parse_memory_stat_v1(*text);
  }
  if (usage && memory) {
    out.limit_used = std::max(*usage - memory->cache, Bytes());
  } else if (usage) {
    out.limit_used = usage;  // too much rather than too little
  }
}

}  // namespace headroom::sense
