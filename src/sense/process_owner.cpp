#include "sense/process_owner.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace headroom::sense {
namespace {

/// The item of a pid; null where it is not listed.
ProcessReading* find(std::vector<ProcessReading>& items, pid_t pid) {
  const auto at = std::ranges::lower_bound(items, pid, {}, &ProcessReading::pid);
  return at != items.end() && at->pid == pid ? &*at : nullptr;
}

const ProcessReading* find(const std::vector<ProcessReading>& items, pid_t pid) {
  const auto at = std::ranges::lower_bound(items, pid, {}, &ProcessReading::pid);
  return at != items.end() && at->pid == pid ? &*at : nullptr;
}

/// Whether a group's folder is where a process says it is: the folder's path begins with the mount
/// point, the process's with the hierarchy's root.
bool is_group(const std::string& folder, const std::string& job) {
  return !job.empty() && folder.size() > job.size() && folder.ends_with(job);
}

}  // namespace

void assign_leases(ProcessList& list, const std::vector<LeaseMark>& leases,
                   const ProcessList* before) {
  std::unordered_map<pid_t, const LeaseMark*> holders;
  std::unordered_map<std::string, std::uint64_t> jobs;  // those met so far
  std::unordered_map<pid_t, std::uint64_t> members;
  for (const LeaseMark& mark : leases) {
    if (mark.pid != 0) holders.emplace(mark.pid, &mark);
    for (const pid_t pid : mark.members) members.emplace(pid, mark.lease);
  }
  const auto lease_of_job = [&](const std::string& job) {
    if (job.empty()) return std::uint64_t{0};
    const auto known = jobs.find(job);
    if (known != jobs.end()) return known->second;
    std::uint64_t lease = 0;
    for (const LeaseMark& mark : leases) {
      const bool in = std::ranges::any_of(
          mark.groups, [&](const std::string& folder) { return is_group(folder, job); });
      if (in) lease = mark.lease;
    }
    return jobs.emplace(job, lease).first->second;
  };
  const auto lives = [&](std::uint64_t lease) {
    return std::ranges::any_of(leases, [lease](const LeaseMark& mark) {
      return mark.lease == lease && mark.foreign.empty();
    });
  };
  constexpr std::uint64_t kOpen = ~std::uint64_t{0};
  for (ProcessReading& process : list.items) process.lease = kOpen;
  std::vector<ProcessReading*> path;
  for (ProcessReading& process : list.items) {
    // Up from the process to the first one whose lease is known, then down again.
    path.clear();
    std::uint64_t lease = 0;
    for (ProcessReading* at = &process; at != nullptr;) {
      if (at->lease != kOpen) {
        lease = at->lease;
        break;
      }
      path.push_back(at);
      at->lease = 0;  // ends a ring of parents, which garbled files could make
      lease = lease_of_job(at->job);
      if (lease != 0) break;
      const auto holder = holders.find(at->pid);
      if (holder != holders.end() &&
          (holder->second->start_time == 0 || holder->second->start_time == at->start_time)) {
        lease = holder->second->lease;
        break;
      }
      ProcessReading* const parent = find(list.items, at->parent);
      // A parent is older than its child, or its number was given to somebody else.
      at = parent != nullptr && parent->start_time <= at->start_time ? parent : nullptr;
    }
    for (ProcessReading* member : path) member->lease = lease;
  }
  // Children of theirs who are in another group do not count for this one.
  if (!members.empty()) {
    for (ProcessReading& process : list.items) {
      const auto member = members.find(process.pid);
      if (member != members.end() && lease_of_job(process.job) == 0) process.lease = member->second;
    }
  }
  if (before == nullptr) return;
  for (ProcessReading& process : list.items) {
    if (process.lease != 0) continue;
    const ProcessReading* const then = find(before->items, process.pid);
    if (then == nullptr || then->start_time != process.start_time || then->lease == 0) continue;
    // In a group it was assigned by the group: when it left that, it left the lease. So did who
    // left a group that is the holder.
    if (then->job.empty() && lives(then->lease)) process.lease = then->lease;
  }
}

std::vector<GpuRemainder> match_gpu_processes(ProcessList& list,
                                              const std::vector<GpuReading>& gpus) {
  for (ProcessReading& process : list.items) process.gpus.clear();
  std::vector<ProcessReading> strangers;
  std::vector<GpuRemainder> remainders;
  for (const GpuReading& gpu : gpus) {
    Bytes named;
    // A process that computes and draws is named twice, with the same memory.
    std::map<pid_t, std::optional<Bytes>> held;
    for (const GpuProcess& process : gpu.processes) {
      if (process.pid <= 0) continue;
      std::optional<Bytes>& memory = held[process.pid];
      if (process.memory && (!memory || *memory < *process.memory)) memory = process.memory;
    }
    for (const auto& [pid, memory] : held) {
      if (memory) named += *memory;
      ProcessReading* process = find(list.items, pid);
      if (process == nullptr) {
        const auto known = std::ranges::find(strangers, pid, &ProcessReading::pid);
        if (known != strangers.end()) {
          process = &*known;
        } else {
          process = &strangers.emplace_back();
          process->pid = pid;
        }
      }
      process->gpus.emplace_back(gpu.id, memory);
    }
    GpuRemainder& remainder = remainders.emplace_back();
    remainder.device = gpu.id;
    remainder.index = gpu.index;
    remainder.reserved = gpu.memory_reserved;
    if (gpu.memory_used) remainder.memory = std::max(*gpu.memory_used - named, Bytes());
  }
  if (!strangers.empty()) {
    std::ranges::move(strangers, std::back_inserter(list.items));
    std::ranges::sort(list.items, {}, &ProcessReading::pid);
  }
  return remainders;
}

}  // namespace headroom::sense
