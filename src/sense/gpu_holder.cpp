#include "sense/gpu_holder.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sense/account.hpp"
#include "sense/cgroup.hpp"
#include "sense/process.hpp"
#include "words/group_path.hpp"

namespace headroom::sense {

namespace {

constexpr int kMostAncestors = 64;  // garbled files could make a ring of them

std::string read_small(const std::string& path) {
  std::array<char, 8192> buffer;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  close(fd);
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

bool in_group(const Group& group, std::string_view job) {
  return std::string_view(group.memory).ends_with(job) ||
         std::string_view(group.unified).ends_with(job) ||
         std::string_view(group.cpu).ends_with(job);
}

/// Whether a process in these groups is in the one that somebody else made and the target means.
bool in_foreign_group(const Target& target, const GroupPaths& paths) {
  if (target.holder.group.empty()) return false;
  const bool v1 = !target.group.memory.empty() && !target.group.v2;
  const auto& path = v1 ? paths.memory : paths.unified;
  return path && lies_in(*path, target.holder.group);
}

}  // namespace

void GpuHolders::track(Target target) {
  const auto old = targets_.find(target.lease);
  if (old != targets_.end() && old->second == target) return;
  const LeaseId lease = target.lease;
  targets_.insert_or_assign(lease, std::move(target));
  known_.clear();
}

void GpuHolders::untrack(LeaseId lease) {
  targets_.erase(lease);
  std::erase_if(known_, [lease](const auto& one) { return one.second.lease == lease; });
}

GpuHolders::Known GpuHolders::find(pid_t pid) const {
  Known known;
  const std::string process = root_ + "/proc/" + std::to_string(pid);
  const std::string groups = read_small(process + "/cgroup");
  const Membership membership = parse_membership(groups);
  known.container = membership.account.container;
  struct stat folder{};
  if (stat(process.c_str(), &folder) == 0) known.uid = folder.st_uid;
  std::string text = read_small(process + "/stat");
  if (const auto stat = parse_process_stat(text)) known.name = std::string(stat->name);
  if (!membership.job.empty()) {
    for (const auto& [lease, target] : targets_) {
      if (target.part_of != 0 || !in_group(target.group, membership.job)) continue;
      known.lease = lease;
      return known;
    }
  }
  const GroupPaths paths = parse_cgroup(groups);
  for (const auto& [lease, target] : targets_) {
    if (target.part_of != 0 || !in_foreign_group(target, paths)) continue;
    known.lease = lease;
    return known;
  }
  for (int i = 0; pid > 1 && i < kMostAncestors; ++i) {
    if (i > 0) text = read_small(root_ + "/proc/" + std::to_string(pid) + "/stat");
    const auto stat = parse_process_stat(text);
    if (!stat) break;
    for (const auto& [lease, target] : targets_) {
      if (target.part_of == 0 && target.holder.pid == pid &&
          target.holder.start_time == stat->start_time) {
        known.lease = lease;
        return known;
      }
    }
    pid = stat->parent;
  }
  return known;
}

void GpuHolders::read(std::vector<GpuReading>& gpus, std::vector<HolderReading>& holders) {
  std::set<pid_t> named;
  std::map<std::pair<LeaseId, std::string>, Bytes> held;
  std::set<std::string> told;  // devices whose driver says it all
  for (GpuReading& gpu : gpus) {
    const bool complete = gpu.processes_known && gpu.state == GpuState::ok &&
                          std::all_of(gpu.processes.begin(), gpu.processes.end(),
                                      [](const GpuProcess& one) { return one.memory.has_value(); });
    if (complete) told.insert(gpu.id);
    // A process that computes and draws is named twice, with the same memory.
    std::map<pid_t, Bytes> by_process;
    for (GpuProcess& process : gpu.processes) {
      named.insert(process.pid);
      const auto [at, fresh] = known_.try_emplace(process.pid);
      if (fresh) at->second = find(process.pid);
      process.lease = at->second.lease;
      process.uid = at->second.uid;
      process.name = at->second.name;
      process.container = at->second.container;
      Bytes& memory = by_process[process.pid];
      memory = std::max(memory, process.memory.value_or(Bytes()));
    }
    for (const auto& [pid, memory] : by_process) {
      const LeaseId lease = known_.at(pid).lease;
      if (lease != 0) held[{lease, gpu.id}] += memory;
    }
  }
  std::erase_if(known_, [&](const auto& one) { return !named.contains(one.first); });
  std::vector<HolderReading> parts;
  auto holder = holders.begin();  // by lease, as the targets are
  for (const auto& [lease, target] : targets_) {
    if (target.gpu.empty()) continue;
    if (target.part_of != 0) {
      const auto lead =
          std::lower_bound(holders.begin(), holders.end(), target.part_of,
                           [](const HolderReading& one, LeaseId id) { return one.lease < id; });
      if (lead == holders.end() || lead->lease != target.part_of) continue;
      HolderReading& part = parts.emplace_back();
      part.lease = lease;
      if (!told.contains(target.gpu)) continue;
      const auto found = held.find({target.part_of, target.gpu});
      part.gpu = target.gpu;
      part.gpu_memory = found == held.end() ? Bytes() : found->second;
      continue;
    }
    if (!told.contains(target.gpu)) continue;
    while (holder != holders.end() && holder->lease < lease) ++holder;
    if (holder == holders.end() || holder->lease != lease) continue;
    const auto found = held.find({lease, target.gpu});
    holder->gpu = target.gpu;
    holder->gpu_memory = found == held.end() ? Bytes() : found->second;
  }
  if (parts.empty()) return;
  // Not std::inplace_merge: AddressSanitizer of clang 19 refuses how libstdc++ 12 frees its buffer.
  std::vector<HolderReading> all;
  all.reserve(holders.size() + parts.size());
  std::merge(std::make_move_iterator(holders.begin()), std::make_move_iterator(holders.end()),
             std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()),
             std::back_inserter(all),
             [](const HolderReading& a, const HolderReading& b) { return a.lease < b.lease; });
  holders = std::move(all);
}

}  // namespace headroom::sense
