#include "decide/ledger.hpp"

#include <algorithm>
#include <charconv>

namespace headroom::decide {
namespace {

constexpr const char* kGone = "the device does not answer";

// Short bursts of other programs on a few percent of the cores are always there; a request for all
// cores of an idle machine must still fit. CPU is compressible: being wrong by this slows, never
// kills.
constexpr double kCpuNoise = 0.05;

// A measured amount counts up to what was booked; what is above it is somebody's overrun, and shows
// in `free`.
Amounts within(const Amounts& measured, const Amounts& booked) {
  const auto cut = [](auto value, auto most) { return std::clamp(value, decltype(value)(), most); };
  return {cut(measured.memory, booked.memory), cut(measured.gpu_memory, booked.gpu_memory),
          cut(measured.cpu, booked.cpu), cut(measured.disk, booked.disk)};
}

}  // namespace

Slots slots(const Amounts& amounts, int gpu, int disk) {
  Slots out;
  const auto add = [&](int pool, std::int64_t amount) {
    if (pool >= 0 && amount > 0) out.at[out.count++] = {pool, amount};
  };
  add(Ledger::kMemory, amounts.memory.count());
  add(Ledger::kCpu, amounts.cpu.milli());
  add(gpu, amounts.gpu_memory.count());
  add(disk, amounts.disk.count());
  return out;
}

Amounts unmaterialised(const Entry& entry) {
  const Amounts used = within(entry.measured, entry.booked);
  return {entry.booked.memory - used.memory, entry.booked.gpu_memory - used.gpu_memory,
          Cores(entry.booked.cpu.milli() - used.cpu.milli()), entry.booked.disk - used.disk};
}

bool is_over(const Amounts& measured, const Amounts& booked) {
  const auto beyond = [](Bytes used, Bytes most) {
    return most.count() > 0 &&
           used - most > Bytes(std::max<std::int64_t>(most.count() / 50, 16LL << 20));
  };
  return beyond(measured.memory, booked.memory) || beyond(measured.gpu_memory, booked.gpu_memory);
}

Ratio reserve_share(const Strategy& strategy) {
  return Ratio(parameters_of(strategy, Level::ok).reserve);
}

Ledger::Ledger() : pools_(2) {
  pools_[kMemory].resource = Resource::memory;
  pools_[kMemory].name = "memory";
  pools_[kMemory].unknown = "memory was not read yet";
  pools_[kCpu].resource = Resource::cpu;
  pools_[kCpu].name = "CPU";
  pools_[kCpu].unknown = "the CPU was not read yet";
}

int Ledger::device(Resource resource, const std::string& device) {
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    if (pools_[i].resource == resource && pools_[i].device == device) return static_cast<int>(i);
  }
  Pool& pool = pools_.emplace_back();
  pool.resource = resource;
  pool.device = device;
  pool.name = device;
  pool.unknown = "it was not read yet";
  pool.drained = is_drained(pool);
  return static_cast<int>(pools_.size()) - 1;
}

bool Ledger::is_drained(const Pool& pool) const {
  return drained_.contains("") || (!pool.device.empty() && drained_.contains(pool.device)) ||
         (!pool.parent.empty() && drained_.contains(pool.parent));
}

void Ledger::drain(const std::string& device, bool drained) {
  if (drained) {
    drained_.insert(device);
  } else {
    drained_.erase(device);
  }
  for (Pool& pool : pools_) pool.drained = is_drained(pool);
}

Bytes usable_memory(const MemoryReading& memory) {
  const Bytes arc = memory.arc.value_or(Bytes()) - memory.arc_least.value_or(Bytes());
  const Bytes all = memory.available.value_or(Bytes()) + std::max(Bytes(), arc);
  return memory.total ? std::min(all, *memory.total) : all;
}

void Ledger::refresh(const Sample& sample, const Config& config, Cores cpu_unbooked) {
  Pool& memory = pools_[kMemory];
  const MemoryReading& m = sample.memory;
  if (m.total && m.available) {
    memory.unknown.clear();
    const bool limited = m.limit && *m.limit < *m.total;
    memory.capacity = (limited ? *m.limit : *m.total).count();
    const auto share = static_cast<std::int64_t>(static_cast<double>(memory.capacity) *
                                                 reserve_share(config.strategy).value());
    // What the kernel keeps is the machine's, not a group's.
    memory.reserve = std::max(share, limited ? 0 : m.kernel_reserve.value_or(Bytes()).count());
    // Huge pages are set aside for those who ask for them by name.
    if (!limited) memory.reserve += m.huge_total.value_or(Bytes()).count();
    memory.margin = config.node.margin_memory.of(Bytes(memory.capacity)).count();
    memory.free = (usable_memory(m) + m.per_cpu_free.value_or(Bytes())).count();
    if (limited && m.limit_used) {
      memory.free = std::min(memory.free, (*m.limit - *m.limit_used).count());
    }
  } else {
    memory.unknown = "the machine does not say how much memory is available";
  }

  Pool& cpu = pools_[kCpu];
  if (sample.cpu.cores > 0) {
    cpu.unknown.clear();
    cpu.capacity = std::int64_t{sample.cpu.cores} * 1000;
    const auto noise = static_cast<std::int64_t>(static_cast<double>(cpu.capacity) * kCpuNoise);
    const std::int64_t unbooked = std::max<std::int64_t>(0, cpu_unbooked.milli() - noise);
    cpu.free = cpu.capacity - unbooked - cpu.measured;
  } else {
    cpu.unknown = "the number of cores is not known";
  }

  for (Pool& pool : pools_) {
    // A GPU's numbers may be older than the sample that they are in.
    if (pool.resource != Resource::gpu_memory) read(pool, sample.at.boot);
    if (pool.resource == Resource::gpu_memory) {
      pool.unknown = kGone;
      pool.gone = true;
    }
    if (pool.resource == Resource::disk) pool.unknown = "it is not mounted";
  }
  for (const GpuReading& reading : sample.gpus) {
    Pool& pool = pools_[static_cast<std::size_t>(device(Resource::gpu_memory, reading.id))];
    pool.gone = false;
    pool.name = "GPU " + std::to_string(reading.index);
    pool.gpu_index = reading.index;
    pool.compute = reading.compute;
    if (pool.parent != reading.parent) {
      pool.parent = reading.parent;
      pool.drained = is_drained(pool);
    }
    pool.capacity = reading.memory_total.count();
    pool.reserve = reading.memory_reserved.count();
    pool.margin = config.node.margin_gpu_memory.of(reading.memory_total).count();
    if (reading.state == GpuState::stale || reading.state == GpuState::lost) {
      pool.unknown = "the device " +
                     std::string(reading.state == GpuState::lost ? "is lost" : "does not answer") +
                     (reading.state_reason.empty() ? "" : ": " + reading.state_reason);
      continue;
    }
    const bool is_cut =
        std::any_of(sample.gpus.begin(), sample.gpus.end(),
                    [&](const GpuReading& other) { return other.parent == reading.id; });
    if (is_cut) {
      pool.unknown = "the device is cut into slices: they are booked, not the whole";
      continue;
    }
    if (!reading.memory_used) {
      pool.unknown = "the device does not say how much of its memory is used";
      continue;
    }
    pool.unified = reading.unified;
    if (pool.unified) {
      const Pool& machine = pools_[kMemory];
      pool.unknown = machine.unknown;
      pool.capacity = machine.capacity;
      pool.reserve = machine.reserve;
      pool.margin = machine.margin;
      read(pool, sample.at.boot);
      pool.free = machine.free;
      continue;
    }
    pool.unknown.clear();
    // Nobody uses one that is asleep.
    const bool asleep = reading.state == GpuState::asleep;
    read(pool, asleep ? sample.at.boot : sample.at.boot - reading.age);
    pool.free = pool.capacity - pool.reserve - reading.memory_used->count();
    const std::int64_t back = std::min(pool.capacity / 100, pool.used_at_refusal / 10);
    if (pool.refused > 0 && reading.memory_used->count() < pool.used_at_refusal - back) {
      pool.refused = 0;
    }
    if (pool.leases == 0) pool.used_idle = reading.memory_used->count();
  }
  for (const FilesystemReading& reading : sample.filesystems) {
    Pool& pool = pools_[static_cast<std::size_t>(device(Resource::disk, reading.mount))];
    if (reading.stale) {
      pool.unknown = "it does not answer";
      continue;
    }
    pool.unknown.clear();
    pool.capacity = reading.total.count();
    pool.reserve = (reading.free - reading.available).count();  // kept for root
    pool.margin = config.node.margin_disk.of(reading.total).count();
    pool.free = reading.available.count();
  }
}

void Ledger::refuse(int index, Bytes bytes) {
  Pool& pool = pools_[static_cast<std::size_t>(index)];
  if (pool.free < bytes.count()) return;  // it said itself that it has less
  pool.refused = std::max(pool.refused, pool.free - std::max<std::int64_t>(0, bytes.count() - 1));
  pool.used_at_refusal = pool.capacity - pool.reserve - pool.free;
}

void Ledger::count_amounts(const Entry& entry, int sign) {
  const Amounts used = within(entry.measured, entry.booked);
  const auto of = [&](const Amounts& amounts, int pool) -> std::int64_t {
    if (pool == kMemory) return amounts.memory.count();
    if (pool == kCpu) return amounts.cpu.milli();
    if (pool == entry.gpu) return amounts.gpu_memory.count();
    return amounts.disk.count();
  };
  for (const Slot& slot : slots(entry.booked, entry.gpu, entry.disk)) {
    Pool& pool = pools_[static_cast<std::size_t>(slot.pool)];
    const std::int64_t measured = of(used, slot.pool);
    pool.booked += sign * slot.amount;
    pool.measured += sign * measured;
    pool.beyond += sign * std::max<std::int64_t>(0, of(entry.measured, slot.pool) - measured);
    pool.unmaterialised += sign * (slot.amount - measured);
    if (slot.pool == kCpu) pool.free -= sign * measured;
  }
}

void Ledger::count_lease(LeaseId id, const Entry& entry, int sign) {
  for (const Slot& slot : slots(entry.booked, entry.gpu, entry.disk)) {
    Pool& pool = pools_[static_cast<std::size_t>(slot.pool)];
    pool.leases += sign;
    if (entry.ends) pool.ending += sign * slot.amount;
    if (entry.exclusive && slot.pool == entry.gpu) pool.exclusive += sign;
    if (sign > 0) {
      pool.by_size.emplace(slot.amount, id);
    } else {
      pool.by_size.erase({slot.amount, id});
    }
  }
}

void Ledger::book(LeaseId id, const Entry& entry) {
  const auto [at, fresh] = entries_.emplace(id, entry);
  if (!fresh) return;
  count_amounts(entry, +1);
  count_lease(id, entry, +1);
  if (entry.ends) by_end_.emplace(*entry.ends, id);
  UserSum& user = users_[entry.owner];
  user.booked.memory += entry.booked.memory;
  user.booked.gpu_memory += entry.booked.gpu_memory;
  user.booked.cpu = Cores(user.booked.cpu.milli() + entry.booked.cpu.milli());
  user.booked.disk += entry.booked.disk;
  ++(entry.part_of == 0 ? user.leases : user.parts);
}

void Ledger::unbook(LeaseId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  count_amounts(entry, -1);
  count_lease(id, entry, -1);
  if (entry.ends) by_end_.erase({*entry.ends, id});
  const auto user = users_.find(entry.owner);
  user->second.booked.memory -= entry.booked.memory;
  user->second.booked.gpu_memory -= entry.booked.gpu_memory;
  user->second.booked.cpu = Cores(user->second.booked.cpu.milli() - entry.booked.cpu.milli());
  user->second.booked.disk -= entry.booked.disk;
  --(entry.part_of == 0 ? user->second.leases : user->second.parts);
  if (user->second.leases == 0 && user->second.parts == 0) users_.erase(user);
  entries_.erase(found);
}

void Ledger::keep_until_read(LeaseId id, const Amounts& amounts, const Amounts& most, BootTime at) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  for (const Slot& slot : slots(amounts, found->second.gpu, found->second.disk)) {
    pools_[static_cast<std::size_t>(slot.pool)].unseen += slot.amount;
  }
  for (const Slot& slot : slots(most, found->second.gpu, found->second.disk)) {
    Pool& pool = pools_[static_cast<std::size_t>(slot.pool)];
    pool.unseen_most += slot.amount;
    pool.unseen_at = at;
  }
}

// `free` is taken from a reading of that time.
void Ledger::read(Pool& pool, BootTime at) {
  if (at > pool.unseen_at) {
    pool.unseen = pool.unseen_most = 0;
  } else if (at > pool.read_at) {
    pool.unseen = pool.unseen_most;
  }
  pool.read_at = at;
}

void Ledger::measure(LeaseId id, const Amounts& measured) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.measured == measured) return;
  count_amounts(found->second, -1);
  found->second.measured = measured;
  count_amounts(found->second, +1);
}

const Entry* Ledger::entry(LeaseId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

int Ledger::gpu(std::string_view id) const {
  int index = -1;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), index);
  const bool by_index = error == std::errc() && end == id.data() + id.size();
  int best = -1;
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    const Pool& pool = pools_[i];
    if (pool.resource != Resource::gpu_memory) continue;
    if (pool.device == id) return static_cast<int>(i);
    // The index of a device that has gone may have passed to another.
    if (by_index && pool.gpu_index == index && (best < 0 || pool.unknown.empty())) {
      best = static_cast<int>(i);
    }
  }
  return best;
}

int Ledger::disk(std::string_view path) const {
  int best = -1;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    const Pool& pool = pools_[i];
    if (pool.resource != Resource::disk || !path.starts_with(pool.device)) continue;
    const bool whole =
        pool.device == "/" || path.size() == pool.device.size() || path[pool.device.size()] == '/';
    if (whole && (best < 0 || pool.device.size() > longest)) {
      best = static_cast<int>(i);
      longest = pool.device.size();
    }
  }
  return best;
}

bool Ledger::has_gpus() const {
  return std::any_of(pools_.begin(), pools_.end(),
                     [](const Pool& pool) { return pool.resource == Resource::gpu_memory; });
}

std::vector<Room> Ledger::rooms() const {
  std::vector<Room> out;
  out.reserve(pools_.size());
  for (const Pool& pool : pools_) {
    // A device that was taken out concerns nobody once its last lease has ended.
    if (pool.unknown == kGone && pool.leases == 0) continue;
    Room room;
    room.resource = pool.resource;
    room.device = pool.device;
    room.name = pool.name;
    room.why = pool.unknown;
    if (pool.unknown.empty()) {
      const std::int64_t machine = pools_[kMemory].room();
      room.room = pool.unified ? std::min(pool.room(), machine) : pool.room();
      room.deficit = std::max<std::int64_t>(0, -pool.balance());
    }
    if (const std::string closed = pool.closed(); !closed.empty()) room.closed = "it " + closed;
    room.capacity = pool.capacity;
    room.reserve = pool.reserve;
    room.booked = pool.booked;
    room.measured = pool.measured;
    room.free = pool.free;
    room.unmaterialised = pool.unmaterialised;
    room.margin = pool.margin;
    // What is in use beyond the bookings and the reserve, as far as it takes room away, and what
    // will be because those who use it are at their fence: with it, the terms add up to the
    // capacity wherever room is above 0.
    room.unbooked = std::max<std::int64_t>(
                        0, (pool.capacity - pool.reserve - pool.booked) -
                               (pool.free - pool.refused - pool.unmaterialised - pool.unseen)) +
                    pool.claimed;
    out.push_back(std::move(room));
  }
  return out;
}

}  // namespace headroom::decide
