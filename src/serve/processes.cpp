#include "serve/processes.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <unistd.h>

#include "serve/lease_document.hpp"
#include "serve/lists.hpp"
#include "serve/readings.hpp"

namespace headroom::serve {
namespace {

struct GpuShare {
  std::string_view device;
  std::optional<int> index;
  std::optional<Bytes> memory;
};
struct ProcessDocument {
  const ProcessReading& process;
  const ProcessContext& context;
};
struct Unattributed {
  const GpuReading& gpu;
  std::optional<Bytes> memory;
};
struct ProcessesDocument {
  const ProcessContext& context;
  std::vector<ProcessDocument> items;
};
struct Tree {
  std::int64_t processes = 0;
  Bytes memory;
  Bytes resident;
  std::optional<Cores> cpu;
  Bytes gpu_memory;
};
struct ProcessSnapshot {
  ProcessDocument process;
  Tree tree;
};
struct LeaseSnapshot {
  const ProcessContext& context;
  const LeaseView& lease;
  std::vector<ProcessDocument> processes;
};

const LeaseView* find_lease(const View& view, LeaseId id) {
  if (id == 0) return nullptr;
  for (const LeaseView& lease : view.leases) {
    if (lease.lease.id == id) return &lease;
  }
  return nullptr;
}

std::optional<int> gpu_index(const View& view, std::string_view device) {
  if (!view.sample) return std::nullopt;
  for (const GpuReading& gpu : view.sample->gpus) {
    if (gpu.id == device) return gpu.index;
  }
  return std::nullopt;
}

// Empty: it holds nothing on any GPU, or the driver does not say how much.
std::optional<Bytes> gpu_memory(const ProcessReading& process) {
  std::optional<Bytes> sum;
  for (const auto& [device, memory] : process.gpus) {
    if (memory) sum = sum.value_or(Bytes()) + *memory;
  }
  return sum;
}

std::optional<WallTime> started(const ProcessReading& process, Instant read) {
  static const long ticks = sysconf(_SC_CLK_TCK);
  if (process.start_time == 0 || ticks <= 0) return std::nullopt;
  const auto since_boot = std::chrono::nanoseconds(static_cast<std::int64_t>(
      process.start_time / static_cast<std::uint64_t>(ticks) * 1'000'000'000ULL +
      process.start_time % static_cast<std::uint64_t>(ticks) * 1'000'000'000ULL /
          static_cast<std::uint64_t>(ticks)));
  return read.wall - (read.boot.time_since_epoch() - since_boot);
}

std::vector<Unattributed> unattributed(const ProcessContext& context) {
  std::vector<Unattributed> out;
  if (!context.view.sample) return out;
  for (const GpuReading& gpu : context.view.sample->gpus) {
    std::optional<Bytes> rest = gpu.processes_known ? gpu.memory_used : std::nullopt;
    for (const ProcessReading& process : context.list.items) {
      for (const auto& [device, memory] : process.gpus) {
        if (device != gpu.id || !rest) continue;
        rest = memory ? std::optional(std::max(Bytes(), *rest - *memory)) : std::nullopt;
      }
    }
    out.push_back({gpu, rest});
  }
  return out;
}

}  // namespace

template <>
struct Described<GpuShare> {
  static constexpr std::string_view name = "GpuShare";
  static constexpr auto fields = std::tuple{
      Field{"device", "UUID.", &GpuShare::device},
      Field{"index", "", &GpuShare::index},
      Field{"memory_bytes", "null: the driver does not say.", &GpuShare::memory},
  };
};

template <>
struct Described<ProcessDocument> {
  using D = ProcessDocument;
  static constexpr std::string_view name = "Process";
  static constexpr auto fields = std::tuple{
      Field{"pid", "", [](const D& d) { return d.process.pid; }},
      Field{"parent", "", [](const D& d) { return d.process.parent; }},
      Field{"user", "",
            [](const D& d) {
              return d.process.uid ? std::optional(d.context.names.name(*d.process.uid))
                                   : std::nullopt;
            }},
      Field{"uid", "", [](const D& d) { return d.process.uid; }},
      Field{"name", "What the kernel calls it.",
            [](const D& d) -> const auto& { return d.process.name; }},
      Field{"command", "Its words; null where the caller may not see them.",
            [](const D& d) {
              return MaybeText{may_see_command(d.context.caller, d.process, d.context.view)
                                   ? std::string_view(d.process.command)
                                   : std::string_view()};
            }},
      Field{"unit", "Of systemd.", [](const D& d) { return MaybeText{d.process.account.unit}; }},
      Field{"container", "", [](const D& d) { return MaybeText{d.process.account.container}; }},
      Field{"engine", "docker, podman, containerd, cri-o, lxc or kubernetes.",
            [](const D& d) { return MaybeText{d.process.account.engine}; }},
      Field{"pod", "", [](const D& d) { return MaybeText{d.process.account.pod}; }},
      Field{"memory_bytes", "Its own: without file pages and shared memory.",
            [](const D& d) { return d.process.memory; }},
      Field{"resident_bytes", "With them.", [](const D& d) { return d.process.resident; }},
      Field{"cpu_cores", "Since the read before; null for one that is new.",
            [](const D& d) { return d.process.cpu; }},
      Field{"cpu_seconds_total", "A counter.", [](const D& d) { return d.process.cpu_total; }},
      Field{"io_bytes_per_second",
            "Read from and written to disks, since the read before; null where it may not be seen.",
            [](const D& d) { return d.process.io_per_second; }},
      Field{"gpu_memory_bytes", "Of all devices.",
            [](const D& d) { return gpu_memory(d.process); }},
      Field{"gpus", "",
            [](const D& d) {
              std::vector<GpuShare> out;
              for (const auto& [device, memory] : d.process.gpus) {
                out.push_back({device, gpu_index(d.context.view, device), memory});
              }
              return out;
            }},
      Field{"lease", "It runs under this one; null: nobody booked for it.",
            [](const D& d) { return LeaseRef{d.process.lease}; }},
      Field{"lease_name", "",
            [](const D& d) {
              const LeaseView* lease = find_lease(d.context.view, d.process.lease);
              return MaybeText{lease != nullptr ? std::string_view(lease->lease.name)
                                                : std::string_view()};
            }},
      Field{"started_at", "", [](const D& d) { return started(d.process, d.context.list.at); }},
  };
};

template <>
struct Described<Unattributed> {
  static constexpr std::string_view name = "Unattributed";
  static constexpr auto fields = std::tuple{
      Field{"device", "", [](const Unattributed& u) -> const auto& { return u.gpu.id; }},
      Field{"index", "", [](const Unattributed& u) { return u.gpu.index; }},
      Field{"memory_bytes", "Used, and by none of the processes; null: the driver does not say.",
            &Unattributed::memory},
      Field{"reserved_bytes", "By the driver.",
            [](const Unattributed& u) { return u.gpu.memory_reserved; }},
  };
};

template <>
struct Described<ProcessesDocument> {
  using D = ProcessesDocument;
  static constexpr std::string_view name = "Processes";
  static constexpr auto fields = std::tuple{
      Field{"at", "", [](const D& d) { return d.context.list.at.wall; }},
      Field{"age_seconds", "",
            [](const D& d) -> std::chrono::nanoseconds {
              return d.context.now.boot - d.context.list.at.boot;
            }},
      Field{"took_seconds", "To read all of them.", [](const D& d) { return d.context.list.took; }},
      Field{"kernel_threads", "Not listed.",
            [](const D& d) { return d.context.list.kernel_threads; }},
      Field{"total", "Processes there are, listed here or not.",
            [](const D& d) { return std::uint64_t{d.context.list.items.size()}; }},
      Field{"unlisted", "Processes that are there and not listed.",
            [](const D& d) { return d.context.list.unlisted; }},
      Field{"unlisted_reason", "Why some are not, or null.",
            [](const D& d) { return MaybeText{d.context.list.reason}; }},
      Field{"items", "", [](const D& d) -> const auto& { return d.items; }},
      Field{"unattributed", "GPU memory that no process accounts for.",
            [](const D& d) { return unattributed(d.context); }},
      Field{"next", "Always null.", [](const D&) { return std::optional<std::string>(); }},
  };
};

template <>
struct Described<Tree> {
  static constexpr std::string_view name = "ProcessTree";
  static constexpr auto fields = std::tuple{
      Field{"processes", "It and all below it.", &Tree::processes},
      Field{"memory_bytes", "", &Tree::memory},
      Field{"resident_bytes", "Pages that several share count in each.", &Tree::resident},
      Field{"cpu_cores", "", &Tree::cpu},
      Field{"gpu_memory_bytes", "", &Tree::gpu_memory},
  };
};

template <>
struct Described<ProcessSnapshot> {
  using D = ProcessSnapshot;
  static constexpr std::string_view name = "ProcessSnapshot";
  static constexpr auto fields = std::tuple{
      Field{"scope", "process.", [](const D&) -> std::string_view { return "process"; }},
      Field{"at", "", [](const D& d) { return d.process.context.list.at.wall; }},
      Field{"age_seconds", "",
            [](const D& d) -> std::chrono::nanoseconds {
              return d.process.context.now.boot - d.process.context.list.at.boot;
            }},
      Field{"process", "", [](const D& d) -> const auto& { return d.process; }},
      Field{"tree", "", [](const D& d) -> const auto& { return d.tree; }},
  };
};

template <>
struct Described<LeaseSnapshot> {
  using D = LeaseSnapshot;
  static constexpr std::string_view name = "LeaseSnapshot";
  static constexpr auto fields = std::tuple{
      Field{"scope", "lease.", [](const D&) -> std::string_view { return "lease"; }},
      Field{"at", "", [](const D& d) { return d.context.list.at.wall; }},
      Field{"age_seconds", "",
            [](const D& d) -> std::chrono::nanoseconds {
              return d.context.now.boot - d.context.list.at.boot;
            }},
      Field{"lease", "", [](const D& d) { return LeaseDocument{d.lease, d.context.names}; }},
      Field{"processes", "", [](const D& d) -> const auto& { return d.processes; }},
  };
};

bool may_see_command(const Caller& caller, const ProcessReading& process, const View& view) {
  if (caller.trusted) return true;
  if (!caller.known) return false;
  if (process.uid && *process.uid == caller.uid) return true;
  const LeaseView* lease = find_lease(view, process.lease);
  return lease != nullptr && lease->lease.owner == caller.uid;
}

void write_processes(Json& json, const ProcessContext& context, const ProcessQuery& query) {
  ProcessesDocument document{context, {}};
  for (const ProcessReading& process : context.list.items) {
    if (query.unbooked && process.lease != 0) continue;
    if (query.gpu && std::none_of(process.gpus.begin(), process.gpus.end(),
                                  [&](const auto& gpu) { return gpu.first == *query.gpu; })) {
      continue;
    }
    if (query.user && (!process.uid || (*query.user != std::to_string(*process.uid) &&
                                        *query.user != context.names.name(*process.uid)))) {
      continue;
    }
    document.items.push_back({process, context});
  }
  // Sorted by pointer: a document refers to what it shows, and is not assigned to.
  std::vector<const ProcessReading*> order;
  order.reserve(document.items.size());
  for (const ProcessDocument& one : document.items) order.push_back(&one.process);
  const auto by = [&](auto key) {
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto* a, const auto* b) { return key(*a) > key(*b); });
  };
  switch (query.sort) {
    case ProcessQuery::Sort::pid:
      break;
    case ProcessQuery::Sort::gpu:
      by([](const ProcessReading& p) { return gpu_memory(p).value_or(Bytes(-1)); });
      break;
    case ProcessQuery::Sort::mem:
      by([](const ProcessReading& p) { return p.memory; });
      break;
    case ProcessQuery::Sort::cpu:
      by([](const ProcessReading& p) { return p.cpu.value_or(Cores(-1)); });
      break;
  }
  if (order.size() > query.limit) order.resize(query.limit);
  document.items.clear();
  for (const ProcessReading* one : order) document.items.push_back({*one, context});
  put(json, document);
}

bool write_process_snapshot(Json& json, const ProcessContext& context, pid_t pid) {
  const auto& items = context.list.items;
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const ProcessReading& p) { return p.pid == pid; });
  if (found == items.end()) return false;
  std::multimap<pid_t, const ProcessReading*> children;
  for (const ProcessReading& one : items) children.emplace(one.parent, &one);
  Tree tree;
  std::set<pid_t> seen;  // a list that was read while pids were given anew may have a circle
  std::vector<const ProcessReading*> open{&*found};
  while (!open.empty()) {
    const ProcessReading* one = open.back();
    open.pop_back();
    if (!seen.insert(one->pid).second) continue;
    ++tree.processes;
    tree.memory += one->memory;
    tree.resident += one->resident;
    if (one->cpu) tree.cpu = Cores(tree.cpu.value_or(Cores()).milli() + one->cpu->milli());
    tree.gpu_memory += gpu_memory(*one).value_or(Bytes());
    const auto [from, to] = children.equal_range(one->pid);
    for (auto child = from; child != to; ++child) open.push_back(child->second);
  }
  put(json, ProcessSnapshot{{*found, context}, tree});
  return true;
}

void write_lease_snapshot(Json& json, const ProcessContext& context, const LeaseView& lease) {
  LeaseSnapshot document{context, lease, {}};
  for (const ProcessReading& process : context.list.items) {
    if (process.lease == lease.lease.id) document.processes.push_back({process, context});
  }
  put(json, document);
}

void describe_processes(Schemas& all) {
  (void)schema_of<ProcessesDocument>(all);
  (void)schema_of<ProcessSnapshot>(all);
  (void)schema_of<LeaseSnapshot>(all);
}

}  // namespace headroom::serve
