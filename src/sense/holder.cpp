#include "sense/holder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "sense/group_tree.hpp"

namespace headroom::sense {
namespace {

/// The files of a group that is being made are looked for again soon.
constexpr std::chrono::seconds kGroupRetry{1};
/// Time between two looks at a counter below which its rise says little.
constexpr std::chrono::milliseconds kShortest{50};
/// Files of so many processes are opened for the bytes they wrote; beyond, that is unknown.
constexpr std::size_t kMostWriters = 256;
/// New groups below one that others made are looked for so often, and so many are read.
constexpr std::chrono::seconds kBelowEvery{10};
constexpr std::size_t kMostBelow = 64;

std::optional<std::chrono::nanoseconds> as_time(std::optional<std::uint64_t> value,
                                                std::int64_t unit) {
  if (!value) return std::nullopt;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (*value > static_cast<std::uint64_t>(kMost / unit)) return std::chrono::nanoseconds(kMost);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(*value) * unit);
}

/// The CPU time that a group's file tells: cpu.stat in microseconds, cpuacct.usage in nanoseconds.
/// A v1 cpu.stat knows only of throttling and gives nothing.
std::optional<std::chrono::nanoseconds> parse_group_cpu(std::string_view text) {
  if (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    const auto value = parse_amount(text);
    return value ? std::optional(std::chrono::nanoseconds(value->count())) : std::nullopt;
  }
  return as_time(parse_keyed(text, "usage_usec"), 1000);
}

}  // namespace

TrackedHolder::TrackedHolder(Target target, const std::string& root, Keep keep)
    : target_(std::move(target)), root_(root), keep_(keep) {
  const Group& group = target_.group;
  const auto file = [&](const std::string& folder, const char* name) {
    return folder.empty() ? KernelFile() : KernelFile(folder + name, keep, kGroupRetry);
  };
  const std::string& any = !group.memory.empty()    ? group.memory
                           : !group.unified.empty() ? group.unified
                                                    : group.cpu;
  folder_ = any;
  procs_ = file(any, "/cgroup.procs");
  memory_stat_ = file(group.memory, "/memory.stat");
  memory_usage_ = file(group.memory, group.v2 ? "/memory.current" : "/memory.usage_in_bytes");
  oom_ = file(group.memory, group.v2 ? "/memory.events" : "/memory.oom_control");
  if (group.v2) io_ = file(group.memory, "/io.stat");
}

void TrackedHolder::find_cpu_file(BootTime now, ReadBuffer& buffer) {
  cpu_looked_for_ = true;
  const Group& group = target_.group;
  const std::pair<const std::string*, const char*> candidates[] = {
      {&group.cpu, "/cpu.stat"}, {&group.cpu, "/cpuacct.usage"}, {&group.unified, "/cpu.stat"}};
  for (const auto& [folder, name] : candidates) {
    if (folder->empty()) continue;
    KernelFile candidate(*folder + name, keep_, kGroupRetry);
    const auto text = candidate.read(now, buffer);
    if (text && parse_group_cpu(*text)) {
      cpu_ = std::move(candidate);
      return;
    }
  }
}

/// Adds the processes of the groups below: a group's own file does not tell them.
void TrackedHolder::read_below(BootTime now, ReadBuffer& buffer) {
  if (!below_at_ || now - *below_at_ >= kBelowEvery) {
    below_at_ = now;
    below_.clear();
    for (const std::string& folder : groups_below(folder_, kMostBelow)) {
      below_.emplace_back(folder + "/cgroup.procs", Keep::closed);
    }
  }
  for (KernelFile& file : below_) {
    const auto text = file.read(now, buffer);
    if (!text) continue;
    parse_procs(*text, more_);
    pids_.insert(pids_.end(), more_.begin(), more_.end());
  }
}

/// False if the group is not there.
bool TrackedHolder::read_group(BootTime now, ReadBuffer& buffer, HolderReading& out) {
  const auto procs = procs_.read(now, buffer);
  if (!procs) return false;
  parse_procs(*procs, pids_);
  if (!target_.holder.group.empty()) read_below(now, buffer);
  out.processes = static_cast<int>(pids_.size());
  std::sort(pids_.begin(), pids_.end());
  if (!cpu_looked_for_) find_cpu_file(now, buffer);
  if (const auto text = memory_stat_.read(now, buffer)) {
    const auto memory =
        target_.group.v2 ? parse_memory_stat_v2(*text) : parse_memory_stat_v1(*text);
    if (memory) out.memory = memory->held;
  }
  if (const auto text = memory_usage_.read(now, buffer))
    out.memory_with_cache = parse_amount(*text);
  if (const auto text = oom_.read(now, buffer))
    out.oom_kills = parse_keyed(*text, "oom_kill").value_or(0);
  if (const auto text = cpu_.read(now, buffer)) out.cpu_total = parse_group_cpu(*text);
  if (const auto text = io_.read(now, buffer)) out.written = parse_io_stat(*text);
  return true;
}

/// The members are the processes that the group has now.
void TrackedHolder::members_of_group(const ProcessTable& table) {
  for (const int pid : pids_) {
    if (const Process* process = table.find(pid)) next_.push_back({pid, process->start_time, {}});
  }
}

/// The members are the holder, their children, and who once was one: a process whose parent has
/// ended belongs to init, but still to the job.
void TrackedHolder::members_of_tree(const ProcessTable& table) {
  const Holder& holder = target_.holder;
  const auto is_member = [this](pid_t pid, std::uint64_t no_later_than) {
    return std::any_of(next_.begin(), next_.end(), [&](const Member& member) {
      return member.pid == pid && member.start_time <= no_later_than;
    });
  };
  const auto add = [&](const Process& process) {
    if (process.has_memory) next_.push_back({process.pid, process.start_time, {}});
  };
  const Process* const first = table.find(holder.pid);
  if (first != nullptr && (holder.start_time == 0 || first->start_time == holder.start_time))
    add(*first);
  for (const Member& member : members_) {
    const Process* const process = table.find(member.pid);
    if (process == nullptr || process->start_time != member.start_time) continue;
    if (!is_member(member.pid, member.start_time)) add(*process);
  }
  // Children mostly have the larger pid and are found in one pass; numbers wrap round, though.
  for (std::size_t before = 0; !next_.empty() && next_.size() != before;) {
    before = next_.size();
    for (const Process& process : table.processes()) {
      // The parent is older than the child, or its number was given to somebody else.
      if (is_member(process.parent, process.start_time) &&
          !is_member(process.pid, process.start_time)) {
        add(process);
      }
    }
  }
  std::sort(next_.begin(), next_.end(),
            [](const Member& a, const Member& b) { return a.pid < b.pid; });
  pids_.clear();
  for (const Member& member : next_) pids_.push_back(member.pid);
}

/// Takes next_ as the members. The CPU time of those that ended is kept, so that the sum only
/// rises.
TrackedHolder::Sum TrackedHolder::sum_members(const ProcessTable& table) {
  Sum sum;
  for (Member& member : next_) {
    const Process* const process = table.find(member.pid);
    if (process == nullptr) continue;
    member.cpu = process->cpu;
    sum.anonymous += process->anonymous;
    sum.resident += process->resident;
    ++sum.processes;
  }
  for (const Member& member : members_) {
    const bool still = std::any_of(next_.begin(), next_.end(), [&](const Member& other) {
      return other.pid == member.pid && other.start_time == member.start_time;
    });
    if (!still) gone_cpu_ += member.cpu;
  }
  members_.swap(next_);
  next_.clear();
  return sum;
}

/// Bytes written, from the processes' own counters. A process that ends hands its count to the
/// parent that waits for it; what nobody waited for is lost, so the sum is kept from falling.
void TrackedHolder::read_written(ReadBuffer& buffer, HolderReading& out) {
  if (pids_.size() <= kMostWriters) {
    Bytes sum;
    bool known = false;
    char path[64];
    for (const int pid : pids_) {
      std::snprintf(path, sizeof path, "/proc/%d/io", pid);
      const auto text =
          root_.empty() ? read_once(path, buffer) : read_once((root_ + path).c_str(), buffer);
      const auto bytes = text ? parse_process_io(*text) : std::nullopt;
      if (!bytes) continue;
      sum += *bytes;
      known = true;
    }
    if (known) written_ = std::max(sum, written_.value_or(Bytes()));
  }
  out.written = written_;
}

void TrackedHolder::set_rate(BootTime now, HolderReading& out) {
  if (!out.cpu_total) {
    rate_from_.reset();
    rate_.reset();
    return;
  }
  if (!rate_from_ || now < *rate_from_) {
    rate_from_ = now;
    rate_cpu_ = out.cpu_total;
  } else if (now - *rate_from_ >= kShortest) {
    const std::chrono::duration<double> passed = now - *rate_from_;
    const std::chrono::duration<double> used = std::max(*out.cpu_total - *rate_cpu_, {});
    rate_ = Cores(std::llround(std::min(used / passed, 1e6) * 1000.0));
    rate_from_ = now;
    rate_cpu_ = out.cpu_total;
  }
  out.cpu = rate_;
}

void TrackedHolder::read(BootTime now, ReadBuffer& buffer, const ProcessTable* table,
                         HolderReading& out) {
  std::string gpu = std::move(out.gpu);
  gpu.clear();
  out = HolderReading{};
  out.gpu = std::move(gpu);  // keeps its memory
  out.lease = target_.lease;
  const bool group = read_group(now, buffer, out);
  const bool tree = !group && target_.holder.pid != 0;
  needs_processes_ =
      tree || (group && (target_.moved_in || !memory_stat_.named() || !cpu_.named()));
  if (table != nullptr && (group || tree)) {
    if (group) {
      members_of_group(*table);
    } else {
      members_of_tree(*table);
    }
    const Sum sum = sum_members(*table);
    if (!group) out.processes = sum.processes;
    if (!group || !memory_stat_.named()) {
      out.memory = sum.anonymous;
      out.memory_with_cache = sum.resident;
    } else if (target_.moved_in) {
      out.memory = std::max(out.memory.value_or(Bytes()), sum.anonymous);
      out.memory_with_cache = std::max(out.memory_with_cache.value_or(Bytes()), sum.resident);
    }
    if (!out.cpu_total && (!group || !cpu_.named())) {
      std::chrono::nanoseconds cpu = gone_cpu_;
      for (const Member& member : members_) cpu += member.cpu;
      out.cpu_total = cpu;
    }
  }
  if (out.written) {
    written_ = out.written = std::max(*out.written, written_.value_or(Bytes()));
  } else if (group || table != nullptr) {
    read_written(buffer, out);
  }
  if (!target_.holder.group.empty() && out.written) {
    if (!written_before_) written_before_ = out.written;
    out.written = *out.written - *written_before_;
  }
  if (!group && !tree && seen_) {  // the group was removed, and nobody else is known to hold
    out.memory = out.memory_with_cache = Bytes();
  }
  seen_ = seen_ || group;
  set_rate(now, out);
}

}  // namespace headroom::sense
