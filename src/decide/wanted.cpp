// What is wanted, against what this machine has and takes now.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "decide/space.hpp"
#include "decide/verdict.hpp"

namespace headroom::decide {

namespace {

// Of one lease, as many as the API takes.
constexpr int kMostDevices = 64;

// "0", "GPU-5d1f…" or several of these with commas between: the pools, each once.
Result<std::vector<int>> named_devices(const Ledger& ledger, std::string_view names) {
  std::vector<int> pools;
  while (true) {
    const std::size_t comma = names.find(',');
    const std::string name(names.substr(0, comma));
    const int pool = ledger.gpu(name);
    if (pool < 0) {
      return fail(ErrorKind::not_found, "there is no GPU " + name, "it is not in this machine",
                  "headroom --json lists the devices");
    }
    if (std::find(pools.begin(), pools.end(), pool) == pools.end()) pools.push_back(pool);
    if (comma == std::string_view::npos) return pools;
    names.remove_prefix(comma + 1);
  }
}

// What is wanted of a device that works in the machine's memory is wanted of that: one pool.
Result<void> share_memory(const Ledger& ledger, const Needs& needs, Wanted& wanted) {
  const auto is_unified = [&](int gpu) { return ledger.pool(gpu).unified; };
  const auto has_its_own = [&](int gpu) { return !is_unified(gpu) && !ledger.pool(gpu).gone; };
  if (std::none_of(wanted.gpus.begin(), wanted.gpus.end(), is_unified)) return {};
  if (std::any_of(wanted.gpus.begin(), wanted.gpus.end(), has_its_own)) {
    // Beside devices with memory of their own, one without is meant only by its name.
    std::erase_if(wanted.gpus, is_unified);
    return {};
  }
  std::erase_if(wanted.gpus, [&](int gpu) { return !is_unified(gpu); });
  if (!needs.gpu_memory) {
    return fail(ErrorKind::invalid_request, "it is not said how much memory it takes",
                ledger.pool(wanted.gpus.front()).name +
                    " works in the machine's memory, which others need too",
                "add --gpu-mem");
  }
  std::int64_t all = 0;
  if (__builtin_mul_overflow(needs.gpu_memory->count(), wanted.count, &all) ||
      __builtin_add_overflow(wanted.amounts.memory.count(), all, &all)) {
    return fail(ErrorKind::can_never_fit, "it is more memory than can be counted",
                "what is wanted of the device and beside it is one pool here", "ask for less");
  }
  wanted.amounts.memory = Bytes(all);
  return {};
}

}  // namespace

Result<Wanted> want(const Ledger& ledger, const Needs& needs) {
  Wanted wanted;
  const auto positive = [](const auto& amount, std::int64_t value) { return !amount || value > 0; };
  if (!positive(needs.memory, needs.memory ? needs.memory->count() : 0) ||
      !positive(needs.gpu_memory, needs.gpu_memory ? needs.gpu_memory->count() : 0) ||
      !positive(needs.cpu, needs.cpu ? needs.cpu->milli() : 0) ||
      !positive(needs.disk, needs.disk ? needs.disk->count() : 0)) {
    return fail(ErrorKind::invalid_request, "an amount is zero or less",
                "a need is more than nothing, or it is left out");
  }
  if (needs.compute && !(*needs.compute >= 0 && *needs.compute < 1000)) {
    return fail(ErrorKind::invalid_request, "the compute capability is no such number",
                "it is one like 8.6");
  }
  if (needs.gpus < 0 || needs.gpus > kMostDevices) {
    return fail(ErrorKind::invalid_request, "the number of whole GPUs is out of range",
                std::to_string(needs.gpus) + " were wanted",
                "between 1 and " + std::to_string(kMostDevices));
  }
  wanted.amounts = {needs.memory.value_or(Bytes()), needs.gpu_memory.value_or(Bytes()),
                    needs.cpu.value_or(Cores()), needs.disk.value_or(Bytes())};
  wanted.exclusive = needs.gpus >= 1;
  wanted.count = std::max(1, needs.gpus);
  if (needs.gpu_memory || wanted.exclusive) {
    if (!ledger.has_gpus()) {
      return fail(ErrorKind::can_never_fit, "GPU memory was wanted, and this machine has no GPU",
                  "none is known to headroom", "headroom doctor says what was looked for");
    }
    if (!needs.gpu.empty()) {
      auto named = named_devices(ledger, needs.gpu);
      if (!named) return tl::unexpected(std::move(named.error()));
      wanted.gpus = std::move(*named);
      if (const std::size_t found = wanted.gpus.size();
          found < static_cast<std::size_t>(wanted.count)) {
        return fail(ErrorKind::invalid_request,
                    std::to_string(wanted.count) + " whole GPUs were wanted, and " +
                        std::to_string(found) + " named",
                    "nobody knows which the others are to be",
                    "name as many at least, for example 0,1, or none");
      }
    } else {
      for (std::size_t i = 0; i < ledger.pools().size(); ++i) {
        if (ledger.pools()[i].resource == Resource::gpu_memory) {
          wanted.gpus.push_back(static_cast<int>(i));
        }
      }
    }
    if (needs.compute) {
      std::erase_if(wanted.gpus, [&](int gpu) {
        const auto& compute = ledger.pool(gpu).compute;
        return !compute || *compute < *needs.compute;
      });
      if (wanted.gpus.empty()) {
        char text[64];
        std::snprintf(text, sizeof text, "no device has compute capability %.1f", *needs.compute);
        return fail(ErrorKind::can_never_fit, text, "the devices of this machine are older");
      }
    }
    if (auto shared = share_memory(ledger, needs, wanted); !shared) {
      return tl::unexpected(std::move(shared.error()));
    }
    if (wanted.gpus.size() < static_cast<std::size_t>(wanted.count)) {
      const std::size_t found = wanted.gpus.size();
      return fail(ErrorKind::can_never_fit,
                  std::to_string(wanted.count) + " whole GPUs were wanted, and there " +
                      (found == 1 ? "is 1" : "are " + std::to_string(found)) +
                      (needs.compute ? " of that compute capability" : ""),
                  "this machine has no more", "ask for fewer");
    }
    if (wanted.exclusive) {
      // A whole device is booked by what it has, so that the sum over devices stays true.
      wanted.whole = !needs.gpu_memory;
      if (wanted.whole) {
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (const int gpu : wanted.gpus) least = std::min(least, least_of_whole(ledger.pool(gpu)));
        wanted.amounts.gpu_memory = Bytes(least);
      }
    }
  } else if (!needs.gpu.empty() || needs.compute) {
    return fail(ErrorKind::invalid_request, "a device was named, and nothing of it wanted", {},
                "add --gpu-mem or --gpus 1");
  }
  if (needs.disk) {
    wanted.disk = ledger.disk(needs.disk_path.empty() ? "/" : needs.disk_path);
    if (wanted.disk < 0) {
      return fail(ErrorKind::not_found,
                  "no local filesystem holds " +
                      (needs.disk_path.empty() ? std::string("/") : needs.disk_path),
                  "headroom watches local disks only");
    }
  }
  if (wanted.amounts == Amounts()) {
    return fail(ErrorKind::invalid_request, "nothing is wanted", "the needs are empty",
                "name at least one of memory, GPU memory, CPU, disk");
  }
  return wanted;
}

Amounts amounts_at(const Ledger& ledger, const Wanted& wanted, int gpu) {
  Amounts amounts = wanted.amounts;
  if (wanted.whole && wanted.parent == 0 && gpu >= 0) {
    amounts.gpu_memory = std::max(amounts.gpu_memory, Bytes(ledger.pool(gpu).room()));
  }
  return amounts;
}

Result<Wanted> wanted_of(const Books& books, const Lease& lease) {
  auto wanted = want(books.ledger, lease.needs);
  if (!wanted) return wanted;
  wanted->priority = lease.priority;
  wanted->start = lease.state == LeaseState::waiting;
  wanted->owner = lease.owner;
  wanted->spread = lease.spread;
  wanted->expected = lease.expected;
  wanted->key = Queue::key(lease, books.config.leases.ageing);
  wanted->parent = lease.parent;
  if (waits_for_start(lease) && !lease.gpu.empty()) {
    if (auto chosen = named_devices(books.ledger, lease.gpu)) wanted->gpus = std::move(*chosen);
  }
  return wanted;
}

bool is_within_cap(const Books& books, const Wanted& wanted, const Amounts& less) {
  const auto& users = books.ledger.users();
  const auto user = users.find(wanted.owner);
  UserSum sum = user == users.end() ? UserSum() : user->second;
  sum.booked.memory -= less.memory;
  sum.booked.gpu_memory -= less.gpu_memory;
  sum.booked.cpu = Cores(sum.booked.cpu.milli() - less.cpu.milli());
  return over_cap(books, wanted.owner, sum, sum_of(wanted), wanted.more ? 0 : 1).empty();
}

bool is_over_budget(const Books& books, const Wanted& wanted) {
  if (!books.spent || !wanted.start || wanted.more || wanted.parent != 0) return false;
  return static_cast<int>(wanted.priority) < static_cast<int>(books.spent->least);
}

bool is_shut_out(const Books& books, const Wanted& wanted) {
  if (is_over_budget(books, wanted)) return true;
  const Ledger& ledger = books.ledger;
  // Whoever waits for memory that does not come back by itself keeps nobody from the rest.
  const Pool& memory = ledger.pool(Ledger::kMemory);
  const std::int64_t need = wanted.amounts.memory.count();
  if (memory.stuck > 0 && need > memory.room() && need > memory.most() - memory.stuck) return true;
  return !wanted.gpus.empty() &&
         std::count_if(wanted.gpus.begin(), wanted.gpus.end(),
                       [&](int gpu) { return !ledger.pool(gpu).drained; }) < wanted.count;
}

}  // namespace headroom::decide
