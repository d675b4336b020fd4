// A lease as a document.
#pragma once

#include "serve/cost_document.hpp"
#include "serve/readings.hpp"
#include "serve/user_names.hpp"
#include "words/view.hpp"

namespace headroom::serve {

struct LeaseDocument {
  const LeaseView& view;
  UserNames& names;
};
struct AmountsOf {
  const Amounts& value;
  const Amounts& shown;  ///< those that are part of the lease
};
struct HolderDocument {
  const Holder& holder;
};
struct GroupDocument {
  const Lease& lease;
};

inline std::optional<WallTime> maybe_time(const Instant& at) {
  return at == Instant() ? std::nullopt : std::optional(at.wall);
}

inline LeftOut<Bytes> part(const AmountsOf& a, Bytes Amounts::* amount) {
  if ((a.shown.*amount).count() == 0) return {};
  return {a.value.*amount};
}

template <class T>
LeftOut<T> left_out_zero(T value) {
  if (value == T()) return {};
  return {value};
}

template <>
struct Described<AmountsOf> {
  static constexpr std::string_view name = "Amounts";
  static constexpr auto fields = std::tuple{
      Field{"memory_bytes", "", [](const AmountsOf& a) { return part(a, &Amounts::memory); }},
      Field{"gpu_memory_bytes", "",
            [](const AmountsOf& a) { return part(a, &Amounts::gpu_memory); }},
      Field{"cpu_cores", "",
            [](const AmountsOf& a) {
              return a.shown.cpu.milli() == 0 ? LeftOut<Cores>() : LeftOut<Cores>{a.value.cpu};
            }},
      Field{"disk_bytes", "", [](const AmountsOf& a) { return part(a, &Amounts::disk); }},
  };
};

template <>
struct Described<Needs> {
  static constexpr std::string_view name = "Needs";
  static constexpr auto fields = std::tuple{
      Field{"memory_bytes", "", [](const Needs& n) { return LeftOut<Bytes>{n.memory}; }},
      Field{"gpu_memory_bytes", "On each device.",
            [](const Needs& n) { return LeftOut<Bytes>{n.gpu_memory}; }},
      Field{"cpu_cores", "", [](const Needs& n) { return LeftOut<Cores>{n.cpu}; }},
      Field{"disk_bytes", "", [](const Needs& n) { return LeftOut<Bytes>{n.disk}; }},
      Field{"disk_path", "Any path on the filesystem meant.",
            [](const Needs& n) { return left_out_zero(n.disk_path); }},
      Field{"gpus", "So many whole devices, shared with nobody; all of them or none.",
            [](const Needs& n) { return left_out_zero(n.gpus); }},
      Field{"gpu", "These devices only: UUIDs or indices, with commas between.",
            [](const Needs& n) { return left_out_zero(n.gpu); }},
      Field{"compute", "Least CUDA compute capability.",
            [](const Needs& n) { return LeftOut<double>{n.compute}; }},
  };
};

/// A size that somebody or something said.
struct SizeDocument {
  const Size& size;
};

inline std::optional<SizeDocument> maybe_size(const Size& size) {
  return size.from == SizeFrom::nobody ? std::nullopt : std::optional(SizeDocument{size});
}

template <>
struct Described<Interval> {
  static constexpr std::string_view name = "Interval";
  static constexpr auto fields = std::tuple{
      Field{"p50_bytes", "Half of the runs stay below.", &Interval::p50},
      Field{"p95_bytes", "19 of 20 stay below.", &Interval::p95},
  };
};

template <>
struct Described<SizeDocument> {
  using D = SizeDocument;
  static constexpr std::string_view name = "Size";
  static constexpr auto fields = std::tuple{
      Field{"memory", "", [](const D& d) { return LeftOut<Interval>{d.size.memory}; }},
      Field{"gpu_memory", "On one device.",
            [](const D& d) { return LeftOut<Interval>{d.size.gpu_memory}; }},
      Field{"beyond_model",
            "Of gpu_memory: what a process takes of the device beyond its model. Left out where "
            "the size was measured and so has it in it.",
            [](const D& d) { return LeftOut<Interval>{d.size.beyond_model}; }},
      Field{"runs", "That it was learned from.", [](const D& d) { return d.size.runs; }},
      Field{"deaths", "Of these, that ended for want of memory.",
            [](const D& d) { return d.size.deaths; }},
      Field{"from",
            "learned (this configuration, on such a device), learned on another device, learned "
            "from other configurations, declared, configuration or built in.",
            [](const D& d) { return std::string_view(to_string(d.size.from)); }},
  };
};

template <>
struct Described<LeaseDevice> {
  static constexpr std::string_view name = "LeaseDevice";
  static constexpr auto fields = std::tuple{
      Field{"device", "UUID.", &LeaseDevice::gpu},
      Field{"gpu_index", "", &LeaseDevice::index},
      Field{"booked_bytes", "Of its memory.", &LeaseDevice::booked},
      Field{"measured_bytes", "What the lease's processes use of it; null: not known.",
            &LeaseDevice::measured},
  };
};

template <>
struct Described<HolderDocument> {
  static constexpr std::string_view name = "Holder";
  static constexpr auto fields = std::tuple{
      Field{"pid", "", [](const HolderDocument& h) { return left_out_zero(h.holder.pid); }},
      Field{"cgroup", "That headroom did not make: it is only measured.",
            [](const HolderDocument& h) { return left_out_zero(h.holder.group); }},
  };
};

template <>
struct Described<GroupDocument> {
  static constexpr std::string_view name = "Group";
  static constexpr auto fields = std::tuple{
      Field{"path", "Of its control group.",
            [](const GroupDocument& g) -> const std::string& {
              return g.lease.group.memory.empty() ? g.lease.group.unified : g.lease.group.memory;
            }},
      Field{"fence_bytes", "Where the soft fence stands.",
            [](const GroupDocument& g) {
              return g.lease.fence_set && g.lease.fence_at.count() > 0
                         ? std::optional(g.lease.fence_at)
                         : std::nullopt;
            }},
      Field{"enforced", "The booking is a hard limit.",
            [](const GroupDocument& g) { return g.lease.enforce; }},
  };
};

template <>
struct Described<LeaseDocument> {
  using D = LeaseDocument;
  static constexpr std::string_view name = "Lease";
  static constexpr auto fields = std::tuple{
      Field{"id", "", [](const D& d) { return LeaseRef{d.view.lease.id}; }},
      Field{"name", "", [](const D& d) -> const auto& { return d.view.lease.name; }},
      Field{"state", "", [](const D& d) { return d.view.lease.state; }},
      Field{"owner", "",
            [](const D& d) -> const auto& { return d.names.name(d.view.lease.owner); }},
      Field{"uid", "", [](const D& d) { return d.view.lease.owner; }},
      Field{"priority", "", [](const D& d) { return d.view.lease.priority; }},
      Field{"needs", "As asked.", [](const D& d) -> const auto& { return d.view.lease.needs; }},
      Field{"config", "What tells its runs apart from others of its name.",
            [](const D& d) { return MaybeText{d.view.lease.config}; }},
      Field{"size", "What needs come from; null: they were said.",
            [](const D& d) { return maybe_size(d.view.lease.size); }},
      Field{"booked", "What counts against room.",
            [](const D& d) { return AmountsOf{d.view.lease.booked, d.view.lease.booked}; }},
      Field{"measured", "What its processes use.",
            [](const D& d) {
              return d.view.measured
                         ? std::optional(AmountsOf{*d.view.measured, d.view.lease.booked})
                         : std::nullopt;
            }},
      Field{"peak", "",
            [](const D& d) { return AmountsOf{d.view.lease.peak, d.view.lease.booked}; }},
      Field{"over", "It uses more than it booked.", [](const D& d) { return d.view.over; }},
      Field{"frozen", "Its processes stand still until there is memory for them.",
            [](const D& d) { return d.view.lease.frozen.has_value(); }},
      Field{"return_idle", "It lets go of what it has booked and not used for long.",
            [](const D& d) { return d.view.lease.return_idle; }},
      Field{"idle", "What of its booking it has not used for long.",
            [](const D& d) { return MaybeText{d.view.idle}; }},
      Field{"device", "UUID of its GPU; of several, the first.",
            [](const D& d) { return MaybeText{d.view.lease.gpu}; }},
      Field{"gpu_index", "", [](const D& d) { return d.view.gpu_index; }},
      Field{"devices", "All of its GPUs, where it holds several; the amounts are their sums.",
            [](const D& d) {
              return d.view.devices.empty() ? LeftOut<std::vector<LeaseDevice>>()
                                            : LeftOut<std::vector<LeaseDevice>>{d.view.devices};
            }},
      Field{"mount", "Where its disk bytes lie.",
            [](const D& d) { return MaybeText{d.view.lease.mount}; }},
      Field{"holder", "null: tied to time only.",
            [](const D& d) {
              const Holder& holder = d.view.lease.holder;
              return holder.somebody() ? std::optional(HolderDocument{holder}) : std::nullopt;
            }},
      Field{"parent", "The lease it draws from.",
            [](const D& d) { return LeaseRef{d.view.lease.parent}; }},
      Field{"asked_at", "", [](const D& d) { return maybe_time(d.view.lease.asked); }},
      Field{"starts_at", "Not before then; what it needs is kept for it until then.",
            [](const D& d) { return d.view.lease.starts; }},
      Field{"granted_at", "", [](const D& d) { return maybe_time(d.view.lease.granted); }},
      Field{"ended_at", "", [](const D& d) { return maybe_time(d.view.lease.ended); }},
      Field{"expected_seconds", "", [](const D& d) { return d.view.lease.expected; }},
      Field{"expected_from", "declared or learned.",
            [](const D& d) {
              return MaybeText{!d.view.lease.expected          ? ""
                               : d.view.lease.expected_learned ? "learned"
                                                               : "declared"};
            }},
      Field{"expires_at", "End of its time to live.",
            [](const D& d) {
              const Lease& l = d.view.lease;
              return l.expires ? std::optional<WallTime>(l.asked.wall + (*l.expires - l.asked.boot))
                               : std::nullopt;
            }},
      Field{"place", "In the queue; 1 is next. null: it is not in it.",
            [](const D& d) {
              const Lease& l = d.view.lease;
              return l.state == LeaseState::waiting && !l.starts ? std::optional(d.view.place)
                                                                 : std::nullopt;
            }},
      Field{"earliest", "When it may be granted; null: unknown.",
            [](const D& d) {
              return d.view.lease.state == LeaseState::waiting ? d.view.earliest
                                                               : std::optional<WallTime>();
            }},
      Field{"why", "What it waits for.",
            [](const D& d) {
              return MaybeText{d.view.lease.state == LeaseState::waiting
                                   ? std::string_view(d.view.why)
                                   : std::string_view()};
            }},
      Field{"group", "Control groups of its own.",
            [](const D& d) {
              const Group& group = d.view.lease.group;
              return group.memory.empty() && group.unified.empty()
                         ? std::nullopt
                         : std::optional(GroupDocument{d.view.lease});
            }},
      Field{"reason", "Why it ended, why it is late, or why there is no group.",
            [](const D& d) { return MaybeText{d.view.lease.reason}; }},
      Field{"exit_status", "Its exit code, or 128 + the signal.",
            [](const D& d) { return d.view.lease.exit_status; }},
      Field{"oom_kills", "By the kernel, in its group.",
            [](const D& d) { return d.view.lease.oom_kills; }},
      Field{"gpu_fraction", "Of its device's memory; of several, where it is least.",
            [](const D& d) { return d.view.gpu_fraction; }},
      Field{"model", "That it keeps in memory, or uses.",
            [](const D& d) { return MaybeText{d.view.lease.model}; }},
      Field{"moved", "To another device, after an allocation had failed on its first.",
            [](const D& d) { return d.view.lease.moved; }},
      Field{"use", "It only uses the model, and books nothing.",
            [](const D& d) { return d.view.lease.use; }},
      Field{"cost", "Of what it has booked until now; null: nothing has a price.",
            [](const D& d) { return value_of(d.view.cost); }},
      Field{"cost_per_hour", "", [](const D& d) { return value_of(d.view.cost_per_hour); }},
  };
};

}  // namespace headroom::serve
