#include "machine.hpp"

#include <algorithm>

namespace headroom::simulate {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr std::int64_t kSecond = 1'000'000'000;

// Of a further device, the lease that it is a part of.
const Lease& lead_of(const Lease& lease, const decide::Promises& promises) {
  return lease.part_of == 0 ? lease : promises.leases.at(lease.part_of);
}

std::pair<std::int64_t, std::int64_t> key_of(const Lease& of, const decide::Promises& promises) {
  const Lease& lease = lead_of(of, promises);
  if (lease.group != Group()) return {-1, static_cast<std::int64_t>(lease.id)};
  return {lease.holder.pid, static_cast<std::int64_t>(lease.holder.start_time)};
}

// Where its processes are looked for.
bool runs_in(const Process& process, const Lease& lease) {
  return lease.group != Group()
             ? process.group == lease.id
             : process.root == lease.holder.pid && process.root_start == lease.holder.start_time;
}

bool covers(const Lease& lease) { return decide::holds(lease.state) && lease.parent == 0; }

}  // namespace

Use on_resources(const Lease& lease, const Amounts& amounts, const Machine& machine) {
  Use use{};
  use[kMemory] = amounts.memory.count();
  use[kCpu] = amounts.cpu.milli();
  for (std::size_t i = 0; i < kDisks; ++i) {
    if (lease.mount == machine.mounts[i]) use[kDisk + i] = amounts.disk.count();
  }
  if (!lease.gpu.empty()) use[machine.gpu(lease.gpu)] = amounts.gpu_memory.count();
  return use;
}

Machine::Machine(Random& random) {
  const std::size_t count = random.below(5);  // none is a machine too
  const std::int64_t sizes[] = {12 * kGiB, 24 * kGiB, 24 * kGiB, 80 * kGiB};
  for (std::size_t i = 0; i < count; ++i) {
    Gpu gpu;
    gpu.id = "GPU-" + std::string(1, static_cast<char>('a' + i)) + "000";
    gpu.total = sizes[random.below(4)];
    gpu.reserved = random.between(0, kGiB);
    gpu.tells = random.percent(75);
    gpu.compute = random.percent(50) ? 8.6 : 7.0;
    gpus.push_back(gpu);
    capacity[kGpu + i] = gpu.total - gpu.reserved;
  }
  capacity[kMemory] = random.between(8, 256) * kGiB;
  capacity[kCpu] = random.between(1, 64) * 1000;
  capacity[kDisk] = random.between(50, 500) * kGiB;
  capacity[kDisk + 1] = random.between(500, 4000) * kGiB;
  kernel_reserve = capacity[kMemory] / 100;
}

std::size_t Machine::gpu(const std::string& id) const {
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    if (gpus[i].id == id) return kGpu + i;
  }
  return kResources - 1;  // no machine here has so many
}

Process& Machine::start(bool foreign) {
  Process process;
  process.holder = {next_pid_++, next_start_++};
  if (next_pid_ > 400) next_pid_ = 100;  // numbers come again, with other start times
  while (processes.contains(next_pid_)) ++next_pid_;
  process.root = process.holder.pid;
  process.root_start = process.holder.start_time;
  process.foreign = foreign;
  return processes[process.holder.pid] = process;
}

void Machine::kill(pid_t pid, std::int64_t now, Random& random) {
  auto node = processes.extract(pid);
  if (node.empty()) return;
  Process& process = node.mapped();
  process.dead = true;
  process.use[kMemory] = process.use[kCpu] = 0;
  const int how = static_cast<int>(random.below(100));
  process.frees = now + (how < 60 ? 0 : how < 97 ? random.between(0, 8) * kSecond : 600 * kSecond);
  if (std::all_of(process.use.begin(), process.use.end(), [](std::int64_t u) { return u == 0; }))
    return;
  node.key() = next_remains_--;
  processes.insert(std::move(node));
}

bool Machine::alive(const Holder& holder) const {
  const auto found = processes.find(holder.pid);
  return found != processes.end() && !found->second.dead && found->second.holder == holder;
}

int Machine::in_group(LeaseId lease) const {
  return static_cast<int>(std::count_if(processes.begin(), processes.end(), [lease](const auto& p) {
    return !p.second.dead && p.second.group == lease;
  }));
}

bool Machine::is_of(const Process& process, const Lease& lease) {
  return process.group == lease.id || process.holder == lease.holder ||
         (process.root == lease.holder.pid && process.root_start == lease.holder.start_time);
}

bool Machine::gpu_remains(const Lease& lease) const {
  return std::any_of(processes.begin(), processes.end(), [&](const auto& one) {
    const Process& process = one.second;
    return process.dead && is_of(process, lease) &&
           std::any_of(process.use.begin() + kGpu, process.use.end(),
                       [](std::int64_t use) { return use > 0; });
  });
}

bool Machine::promised_to_somebody(const Lease& lease, const decide::Promises& promises) const {
  if (lease.holder.pid == 0 || alive(lease.holder) || in_group(lease.id) > 0) return true;
  return std::any_of(promises.leases.begin(), promises.leases.end(), [&](const auto& one) {
    return one.second.parent == lease.id && one.second.state != LeaseState::ended;
  });
}

std::int64_t Machine::held(const Lease& lease, std::size_t resource) const {
  std::int64_t sum = 0;
  for (const auto& [pid, process] : processes) {
    if (is_of(process, lease)) sum += process.use[resource] - process.surprise_delivered[resource];
  }
  return sum;
}

std::int64_t Machine::used(std::size_t resource) const {
  std::int64_t sum = 0;
  for (const auto& [pid, process] : processes) sum += process.use[resource];
  return sum;
}

std::pair<std::int64_t, std::int64_t> Machine::key(const Process& process,
                                                   const decide::Promises& promises) const {
  if (process.group != 0) {
    // A group that was made and not reported, because the daemon died, is nobody's.
    // In that of a lease that has ended it is measured with its tree again.
    const auto lease = promises.leases.find(process.group);
    const bool over = lease != promises.leases.end() && lease->second.state == LeaseState::ended;
    if (lease == promises.leases.end() || (lease->second.group != Group() && !over)) {
      return {-1, static_cast<std::int64_t>(process.group)};
    }
  }
  return {process.root, static_cast<std::int64_t>(process.root_start)};
}

void Machine::change(Process& process, std::size_t resource, std::int64_t wanted,
                     const decide::Promises& promises) {
  if (process.group != 0 && frozen.contains(process.group)) return;  // it stands still
  std::int64_t& use = process.use[resource];
  const std::int64_t most = use + std::max<std::int64_t>(0, capacity[resource] - used(resource));
  wanted = std::clamp<std::int64_t>(wanted, 0, most);
  if (wanted <= use) {
    use = wanted;
    process.surprise_taken[resource] = std::min(process.surprise_taken[resource], use);
    process.surprise_delivered[resource] = std::min(process.surprise_delivered[resource], use);
    return;
  }
  // All that share its cover, before and after.
  std::int64_t before = 0;
  for (const auto& [pid, other] : processes) {
    if (key(other, promises) == key(process, promises)) before += other.use[resource];
  }
  std::int64_t budget = 0;
  for (const auto& [id, lease] : promises.leases) {
    if (covers(lease) && key_of(lease, promises) == key(process, promises) &&
        promised_to_somebody(lead_of(lease, promises), promises)) {
      budget += on_resources(lease, lease.booked, *this)[resource];
    }
  }
  const std::int64_t after = before + wanted - use;
  const std::int64_t surprise = std::max<std::int64_t>(0, after - std::max(budget, before));
  process.surprise_taken[resource] += surprise;
  process.surprise_delivered[resource] += surprise;
  use = wanted;
}

void Machine::settle(std::int64_t now, Random& random) {
  for (auto it = processes.begin(); it != processes.end();) {
    Process& process = it->second;
    if (!process.dead) {
      ++it;
      continue;
    }
    if (process.frees && *process.frees <= now) {
      for (std::size_t i = kGpu; i < kResources; ++i) process.use[i] = 0;
    }
    // Files stay until somebody removes them.
    if (random.per_mille(20)) process.use[kDisk] = process.use[kDisk + 1] = 0;
    const bool empty =
        std::all_of(process.use.begin(), process.use.end(), [](std::int64_t u) { return u == 0; });
    it = empty ? processes.erase(it) : std::next(it);
  }
}

Sample Machine::read(const decide::Promises& promises, Instant at, std::uint64_t number, int lose,
                     Random& random) {
  Sample sample;
  sample.at = at;
  sample.number = number;
  sample.cpu.cores = static_cast<int>(capacity[kCpu] / 1000);
  sample.cpu.busy = Ratio(static_cast<double>(used(kCpu)) / static_cast<double>(capacity[kCpu]));
  sample.memory.total = Bytes(capacity[kMemory]);
  sample.memory.available = Bytes(capacity[kMemory] - used(kMemory));
  sample.memory.kernel_reserve = Bytes(kernel_reserve);
  for (std::size_t i = 0; i < kDisks; ++i) {
    const Bytes free(capacity[kDisk + i] - used(kDisk + i));
    sample.filesystems.push_back(
        {mounts[i], "disk", "ext4", Bytes(capacity[kDisk + i]), free, free, false, false, {}, {}});
  }
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    if (!gpus[i].present) continue;
    GpuReading reading;
    reading.id = gpus[i].id;
    reading.index = static_cast<int>(i);
    reading.memory_total = Bytes(gpus[i].total);
    reading.memory_reserved = Bytes(gpus[i].reserved);
    reading.compute = gpus[i].compute;
    reading.celsius = 50;
    if (!random.per_mille(5)) reading.memory_used = Bytes(used(kGpu + i));
    sample.gpus.push_back(std::move(reading));
  }
  for (const auto& [id, lease] : promises.leases) {
    if (lease.part_of != 0 && covers(lease)) {
      // Its processes are the lease's, which was read if they were found.
      const auto lead = std::find_if(sample.holders.begin(), sample.holders.end(),
                                     [&](const auto& one) { return one.lease == lease.part_of; });
      if (lead == sample.holders.end()) continue;
      HolderReading reading;
      reading.lease = id;
      if (gpus[gpu(lease.gpu) - kGpu].tells) {
        Bytes sum;
        for (const auto& [pid, process] : processes) {
          if (!process.dead && runs_in(process, lead_of(lease, promises))) {
            sum += Bytes(process.use[gpu(lease.gpu)]);
          }
        }
        reading.gpu_memory = sum;
        reading.gpu = lease.gpu;
      }
      sample.holders.push_back(std::move(reading));
      continue;
    }
    const bool tracked = covers(lease) && (lease.holder.pid != 0 || lease.group != Group());
    if (!tracked || random.percent(lose)) continue;
    HolderReading reading;
    reading.lease = id;
    Use use{};
    for (const auto& [pid, process] : processes) {
      if (process.dead) continue;
      if (!runs_in(process, lease)) continue;
      ++reading.processes;
      for (std::size_t i = 0; i < kResources; ++i) use[i] += process.use[i];
    }
    if (reading.processes == 0) continue;
    reading.memory = Bytes(use[kMemory]);
    reading.cpu = Cores(use[kCpu]);
    // The kernel counts all disks together; here nobody writes beside his booking.
    reading.written = Bytes(lease.mount == mounts[1] ? use[kDisk + 1] : use[kDisk]);
    if (!lease.gpu.empty() && gpus[gpu(lease.gpu) - kGpu].tells) {
      reading.gpu_memory = Bytes(use[gpu(lease.gpu)]);
      reading.gpu = lease.gpu;
    }
    sample.holders.push_back(std::move(reading));
  }
  for (auto& [pid, process] : processes) process.surprise_taken = {};
  return sample;
}

void Machine::delivered() {
  for (auto& [pid, process] : processes) process.surprise_delivered = process.surprise_taken;
}

std::int64_t Machine::uncovered(std::size_t resource, const decide::Promises& promises) const {
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> units;
  for (const auto& [pid, process] : processes) {
    units[key(process, promises)] += process.use[resource] - process.surprise_delivered[resource];
  }
  for (const auto& [id, lease] : promises.leases) {
    if (!covers(lease)) continue;
    const auto unit = units.find(key_of(lease, promises));
    if (unit != units.end()) unit->second -= on_resources(lease, lease.booked, *this)[resource];
  }
  std::int64_t sum = 0;
  for (const auto& [unit, use] : units) sum += std::max<std::int64_t>(0, use);
  return sum;
}

std::string Machine::explain(std::size_t resource, const decide::Promises& promises) const {
  std::string out;
  for (const auto& [pid, process] : processes) {
    if (process.use[resource] == 0) continue;
    out += "\n  process " + std::to_string(process.holder.pid) + (process.dead ? " (dead)" : "") +
           (process.foreign ? " (foreign)" : "") + " root " + std::to_string(process.root) +
           " group " + std::to_string(process.group) + " uses " +
           std::to_string(process.use[resource]) + ", unknown of it " +
           std::to_string(process.surprise_delivered[resource]);
  }
  for (const auto& [id, lease] : promises.leases) {
    if (!covers(lease)) continue;
    out += "\n  lease " + std::to_string(id) + " " + to_string(lease.state) + " of " +
           std::to_string(lease.holder.pid) + (lease.group != Group() ? " in a group" : "") +
           " booked " + std::to_string(on_resources(lease, lease.booked, *this)[resource]);
  }
  return out;
}

}  // namespace headroom::simulate
