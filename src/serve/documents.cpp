#include "serve/documents.hpp"

#include <algorithm>
#include <charconv>

#include "serve/advice.hpp"
#include "serve/component_document.hpp"
#include "serve/cost_document.hpp"
#include "serve/forecast_document.hpp"
#include "serve/lease_document.hpp"
#include "serve/lists.hpp"
#include "serve/model_document.hpp"
#include "serve/readings.hpp"
#include "serve/session_document.hpp"
#include "serve/strategy_document.hpp"

namespace headroom::serve {
namespace {

// ------------------------------------------------------------ what a document is written from

struct DrainDocument {
  const Drain& drain;
  UserNames& names;
};
struct RoomsDocument {
  const View& view;
};
struct SnapshotDocument {
  const View& view;
  Instant now;
};
struct NodeDocument {
  const View& view;
  const NodeFacts& node;
  Instant now;
};
struct LimitDocument {
  const MemoryReading& memory;
};
struct SensorDocument {
  std::string_view name;
  const Absence* absent;
};
struct CannotDocument {
  const Absence& absent;
};
struct OwnDocument {
  const Sample* sample;
};
struct AlertDocument {
  const Alert& alert;
  const View& view;
};
struct PressureDocument {
  const Pressure& pressure;
  const View& view;
};
struct HealthDocument {
  const View& view;
  Instant now;
};
struct CauseDocument {
  const Pressure& pressure;
};
struct CheckDocument {
  const std::vector<Setting>& changes;
};
struct InTheWay {
  LeaseId id;
  const LeaseView* lease;
};
struct QueueDocument {
  const Verdict& verdict;
};
struct VerdictDocument {
  const Verdict& verdict;
  const View* view;
};
struct StatisticsDocument {
  const HistoryAnswer& answer;
};
struct HistoryDocument {
  const HistoryQuery& query;
  std::string_view resource;
  std::string_view device;
  std::string_view device_name;
  const HistoryAnswer& answer;
};

// A term of a room, in the resource's own unit; the other unit's field is left out.
LeftOut<Bytes> term(const Room& room, std::int64_t Room::* amount) {
  if (room.resource == Resource::cpu) return {};
  return {Bytes(room.*amount)};
}
LeftOut<Cores> term_cores(const Room& room, std::int64_t Room::* amount) {
  if (room.resource != Resource::cpu) return {};
  return {Cores(room.*amount)};
}

std::vector<SensorDocument> sensors(const View& view) {
  static constexpr const char* kSensors[] = {"cpu", "memory", "stall", "network", "disk", "gpu"};
  std::vector<SensorDocument> out;
  if (!view.sample) return out;
  const auto& absent = view.sample->absent;
  for (const char* sensor : kSensors) {
    const bool missing = std::any_of(absent.begin(), absent.end(),
                                     [&](const Absence& a) { return a.sensor == sensor; });
    if (!missing) out.push_back({sensor, nullptr});
  }
  for (const Absence& a : absent) out.push_back({a.sensor, &a});
  return out;
}

std::vector<CauseDocument> causes(const View& view) {
  std::vector<CauseDocument> out;
  for (const Pressure& p : view.pressures) {
    // A level above the health is one that does not count: a CPU that is busy, and nobody waits for
    // it.
    if (p.level != Level::ok && p.level <= view.health) out.push_back({p});
  }
  return out;
}

std::vector<InTheWay> in_the_way(const Verdict& verdict, const View* view) {
  std::vector<InTheWay> out;
  for (const LeaseId id : verdict.in_the_way) {
    const LeaseView* lease = nullptr;
    if (view != nullptr) {
      const auto found = std::find_if(view->leases.begin(), view->leases.end(),
                                      [&](const LeaseView& l) { return l.lease.id == id; });
      if (found != view->leases.end()) lease = &*found;
    }
    out.push_back({id, lease});
  }
  return out;
}

const char* history_unit(std::string_view resource) {
  if (resource.ends_with("temperature")) return "celsius";
  if (resource.ends_with("power")) return "watts";
  if (resource == "network" || resource == "disk_io") return "bytes_per_second";
  if (resource == "lease_memory" || resource == "lease_gpu_memory" ||
      resource == "component_memory")
    return "bytes";
  return resource == "load" ? "tasks" : "percent";
}

std::optional<std::chrono::nanoseconds> age(const View& view, Instant now) {
  return view.sample ? std::optional(now.boot - view.sample->at.boot) : std::nullopt;
}

}  // namespace

// ---------------------------------------------------------------------------------- their fields

template <>
struct Described<ListOf<LeaseDocument>> {
  static constexpr std::string_view name = "Leases";
  static constexpr auto fields = kListFields<LeaseDocument>;
};

template <>
struct Described<AlertDocument> {
  using D = AlertDocument;
  static constexpr std::string_view name = "Alert";
  static constexpr auto fields = std::tuple{
      Field{"id", "", [](const D& d) { return "a" + std::to_string(d.alert.id); }},
      Field{"severity", "", [](const D& d) { return d.alert.level; }},
      Field{"resource", "", [](const D& d) { return d.alert.resource; }},
      Field{"device", "", [](const D& d) { return MaybeText{d.alert.device}; }},
      Field{"name", "Of the device: GPU 0, or where it is mounted.",
            [](const D& d) {
              return MaybeOwnText{device_name(d.view, d.alert.resource, d.alert.device)};
            }},
      Field{"text", "", [](const D& d) -> const auto& { return d.alert.text; }},
      Field{"value", "When its level last changed.", [](const D& d) { return d.alert.value; }},
      Field{"threshold", "The line it crossed.", [](const D& d) { return d.alert.threshold; }},
      Field{"since", "", [](const D& d) { return d.alert.since; }},
      Field{"ended", "", [](const D& d) { return d.alert.ended; }},
      Field{"lasted_seconds", "", [](const D& d) { return d.alert.lasted; }},
      Field{"acknowledged", "", [](const D& d) { return d.alert.acknowledged; }},
      Field{"muted_until", "Nobody is told of it until then.",
            [](const D& d) { return d.alert.muted_until; }},
      Field{"recommendations", "", [](const D& d) { return recommendations(d.alert); }},
  };
};

template <>
struct Described<ListOf<AlertDocument>> {
  static constexpr std::string_view name = "Alerts";
  static constexpr auto fields = kListFields<AlertDocument>;
};

template <>
struct Described<EventLine> {
  static constexpr std::string_view name = "Event";
  static constexpr auto fields = std::tuple{
      Field{"id", "", &EventLine::id},
      Field{"at", "", &EventLine::at},
      Field{
          "type",
          "Begins with lease., model., alert., component., allocation, quota., daemon. or sensor.",
          &EventLine::type},
      Field{"lease", "", [](const EventLine& e) { return LeaseRef{e.lease}; }},
      Field{"resource", "", &EventLine::resource},
      Field{"device", "", [](const EventLine& e) { return MaybeText{e.device}; }},
      Field{"text", "", &EventLine::text},
  };
};

template <>
struct Described<ListOf<EventLine>> {
  static constexpr std::string_view name = "Events";
  static constexpr auto fields = kListFields<EventLine>;
};

template <>
struct Described<Room> {
  static constexpr std::string_view name = "Room";
  static constexpr auto fields = std::tuple{
      Field{"resource", "", &Room::resource},
      Field{"device", "GPU UUID or mount.", [](const Room& r) { return MaybeText{r.device}; }},
      Field{"name", "", &Room::name},
      Field{"room_bytes", "What can still be booked; null: a term is unknown, and why says which.",
            [](const Room& r) {
              if (r.resource == Resource::cpu) return LeftOut<std::optional<std::int64_t>>();
              return LeftOut<std::optional<std::int64_t>>{r.room};
            }},
      Field{"room_cores", "",
            [](const Room& r) {
              if (r.resource != Resource::cpu) return LeftOut<std::optional<Cores>>();
              return LeftOut<std::optional<Cores>>{r.room ? std::optional(Cores(*r.room))
                                                          : std::nullopt};
            }},
      Field{"capacity_bytes", "", [](const Room& r) { return term(r, &Room::capacity); }},
      Field{"capacity_cores", "", [](const Room& r) { return term_cores(r, &Room::capacity); }},
      Field{"reserve_bytes", "Kept back.", [](const Room& r) { return term(r, &Room::reserve); }},
      Field{"reserve_cores", "", [](const Room& r) { return term_cores(r, &Room::reserve); }},
      Field{"booked_bytes", "By leases.", [](const Room& r) { return term(r, &Room::booked); }},
      Field{"booked_cores", "", [](const Room& r) { return term_cores(r, &Room::booked); }},
      Field{"measured_bytes", "What the leases' holders use.",
            [](const Room& r) { return term(r, &Room::measured); }},
      Field{"measured_cores", "", [](const Room& r) { return term_cores(r, &Room::measured); }},
      Field{"unbooked_bytes", "Used beyond the bookings and the reserve.",
            [](const Room& r) { return term(r, &Room::unbooked); }},
      Field{"unbooked_cores", "", [](const Room& r) { return term_cores(r, &Room::unbooked); }},
      Field{"free_bytes", "", [](const Room& r) { return term(r, &Room::free); }},
      Field{"free_cores", "", [](const Room& r) { return term_cores(r, &Room::free); }},
      Field{"unmaterialised_bytes", "Booked, not used yet.",
            [](const Room& r) { return term(r, &Room::unmaterialised); }},
      Field{"unmaterialised_cores", "",
            [](const Room& r) { return term_cores(r, &Room::unmaterialised); }},
      Field{"margin_bytes", "For the error of measurement.",
            [](const Room& r) { return term(r, &Room::margin); }},
      Field{"margin_cores", "", [](const Room& r) { return term_cores(r, &Room::margin); }},
      Field{"deficit_bytes", "What must come back before anything can be booked.",
            [](const Room& r) { return term(r, &Room::deficit); }},
      Field{"deficit_cores", "", [](const Room& r) { return term_cores(r, &Room::deficit); }},
      Field{"closed", "Why nobody new is placed on it, whatever its room.",
            [](const Room& r) { return MaybeText{r.closed}; }},
      Field{"pressure", "", &Room::pressure},
      Field{"why", "", [](const Room& r) { return MaybeText{r.why}; }},
  };
};

template <>
struct Described<RoomsDocument> {
  static constexpr std::string_view name = "Rooms";
  static constexpr auto fields = std::tuple{
      Field{"revision", "", [](const RoomsDocument& d) { return d.view.revision; }},
      Field{"at", "Of the sample it is computed from.",
            [](const RoomsDocument& d) {
              return d.view.sample ? std::optional(d.view.sample->at.wall) : std::nullopt;
            }},
      Field{"items", "", [](const RoomsDocument& d) -> const auto& { return d.view.rooms; }},
  };
};

namespace {

// What is in a snapshot only when there is a sample: with none, all of it is left out.
template <class Get>
constexpr auto reading(std::string_view name, std::string_view about, Get get) {
  return Field{name, about, [get](const SnapshotDocument& d) {
                 using Type = std::remove_cvref_t<std::invoke_result_t<const Get&, const Sample&>>;
                 return d.view.sample ? LeftOut<const Type*>{&std::invoke(get, *d.view.sample)}
                                      : LeftOut<const Type*>();
               }};
}

}  // namespace

template <>
struct Described<SnapshotDocument> {
  using D = SnapshotDocument;
  static constexpr std::string_view name = "Snapshot";
  static constexpr auto fields = std::tuple{
      Field{"revision", "", [](const D& d) { return d.view.revision; }},
      Field{"at", "null: the machine was not read yet, and nothing follows.",
            [](const D& d) {
              return d.view.sample ? std::optional(d.view.sample->at.wall) : std::nullopt;
            }},
      Field{"age_seconds", "", [](const D& d) { return age(d.view, d.now); }},
      reading("sample", "Counts up from 1.", &Sample::number),
      reading("took_seconds", "To read all of it.", &Sample::took),
      reading("cpu", "", &Sample::cpu),
      reading("memory", "", &Sample::memory),
      reading("stall", "Pressure stall information.", &Sample::stall),
      reading("numa", "Empty on a machine with one memory node.", &Sample::numa),
      reading("network", "", &Sample::networks),
      reading("disk", "", &Sample::disks),
      reading("filesystem", "", &Sample::filesystems),
      reading("temperature", "Sensors that are not a GPU's.", &Sample::temperatures),
      reading("power", "Meters that are not a GPU's.", &Sample::powers),
      reading("gpu", "", &Sample::gpus),
      Field{"gpu_driver", "",
            [](const D& d) {
              return d.view.sample ? LeftOut<MaybeText>{MaybeText{d.view.sample->gpu_driver}}
                                   : LeftOut<MaybeText>();
            }},
      reading("absent", "Sensors that gave nothing, and why.", &Sample::absent),
      Field{"room", "",
            [](const D& d) {
              return d.view.sample ? LeftOut<RoomsDocument>{RoomsDocument{d.view}}
                                   : LeftOut<RoomsDocument>();
            }},
  };
};

template <>
struct Described<Advice> {
  static constexpr std::string_view name = "AdviceItem";
  static constexpr auto fields = std::tuple{
      Field{"about",
            "memory, gpu_memory, gpu_temperature, cpu, disk, device, lease, model, budget, "
            "cost or peak hours.",
            &Advice::about},
      Field{"text", "What would help.", &Advice::text},
      Field{"reading", "Where it comes from.", &Advice::reading},
      Field{"command", "That applies it; what is in capitals is to be filled in.",
            [](const Advice& a) { return MaybeText{a.command}; }},
  };
};

template <>
struct Described<ListOf<Advice>> {
  static constexpr std::string_view name = "Advice";
  static constexpr auto fields = kListFields<Advice>;
};

template <>
struct Described<LimitDocument> {
  static constexpr std::string_view name = "Limit";
  static constexpr auto fields = std::tuple{
      Field{"resource", "", [](const LimitDocument&) { return Resource::memory; }},
      Field{"limit_bytes", "", [](const LimitDocument& d) { return d.memory.limit; }},
      Field{"group", "The control group that sets it.",
            [](const LimitDocument& d) { return MaybeText{d.memory.limit_path}; }},
  };
};

template <>
struct Described<CannotDocument> {
  static constexpr std::string_view name = "Cannot";
  static constexpr auto fields = std::tuple{
      Field{"what", "", [](const CannotDocument& d) -> const auto& { return d.absent.sensor; }},
      Field{"reason", "", [](const CannotDocument& d) -> const auto& { return d.absent.reason; }},
      Field{"fix", "", [](const CannotDocument& d) { return MaybeText{d.absent.fix}; }},
  };
};

template <>
struct Described<SensorDocument> {
  using D = SensorDocument;
  static constexpr std::string_view name = "Sensor";
  static constexpr auto fields = std::tuple{
      Field{"name", "", &D::name},
      Field{"up", "", [](const D& d) { return d.absent == nullptr; }},
      Field{"reason", "",
            [](const D& d) {
              return MaybeText{d.absent ? std::string_view(d.absent->reason) : std::string_view()};
            }},
      Field{"fix", "",
            [](const D& d) {
              return MaybeText{d.absent ? std::string_view(d.absent->fix) : std::string_view()};
            }},
  };
};

template <>
struct Described<OwnDocument> {
  static constexpr std::string_view name = "OwnCost";
  static constexpr auto fields = std::tuple{
      Field{"memory_bytes", "",
            [](const OwnDocument& d) {
              return d.sample != nullptr ? d.sample->own.resident : std::optional<Bytes>();
            }},
      Field{"cpu_seconds", "",
            [](const OwnDocument& d) {
              return d.sample != nullptr ? d.sample->own.cpu_total : std::chrono::nanoseconds();
            }},
  };
};

template <>
struct Described<NodeDocument> {
  using D = NodeDocument;
  static constexpr std::string_view name = "Node";
  static constexpr auto fields = std::tuple{
      Field{"name", "", [](const D& d) -> const auto& { return d.node.name; }},
      Field{"version", "Of headroom.", [](const D& d) -> const auto& { return d.node.version; }},
      Field{"uptime_seconds", "Of the machine.",
            [](const D& d) { return d.now.boot.time_since_epoch(); }},
      Field{"boot_id", "", [](const D& d) -> const auto& { return d.node.boot_id; }},
      Field{"kernel", "", [](const D& d) -> const auto& { return d.node.kernel; }},
      Field{"started_at", "Of the daemon.", [](const D& d) { return d.node.started.wall; }},
      Field{"revision", "Counts changes of the state.", [](const D& d) { return d.view.revision; }},
      Field{"strategy", "", [](const D& d) { return to_text(d.view.config->strategy); }},
      Field{"profile", "", [](const D& d) -> const auto& { return d.view.config->profile; }},
      Field{"health", "healthy, moderate or critical.",
            [](const D& d) -> std::string_view { return health_word(d.view.health); }},
      Field{"cores", "", [](const D& d) { return d.view.sample ? d.view.sample->cpu.cores : 0; }},
      Field{"limits", "Set above this node.",
            [](const D& d) {
              std::vector<LimitDocument> limits;
              if (d.view.sample && d.view.sample->memory.limit) {
                limits.push_back({d.view.sample->memory});
              }
              return limits;
            }},
      Field{"tier", "What control groups can do here: v2, hybrid, v1, none.",
            [](const D& d) -> const auto& { return d.node.tier; }},
      Field{"cannot", "What cannot be done on this machine, and why.",
            [](const D& d) {
              std::vector<CannotDocument> cannot;
              for (const Absence& a : d.node.cannot) cannot.push_back({a});
              return cannot;
            }},
      Field{"sensors", "", [](const D& d) { return sensors(d.view); }},
      Field{"own", "What the daemon itself costs.",
            [](const D& d) { return OwnDocument{d.view.sample.get()}; }},
      Field{"cost", "Null: nothing has a price ([cost] in the configuration).",
            [](const D& d) {
              return d.view.cost
                         ? std::optional(CostDocument{*d.view.cost, d.view.config->cost.currency})
                         : std::nullopt;
            }},
  };
};

template <>
struct Described<PressureDocument> {
  using D = PressureDocument;
  static constexpr std::string_view name = "Pressure";
  static constexpr auto fields = std::tuple{
      Field{"resource", "", [](const D& d) { return d.pressure.resource; }},
      Field{"device", "", [](const D& d) { return MaybeText{d.pressure.device}; }},
      Field{"name", "",
            [](const D& d) {
              return MaybeOwnText{device_name(d.view, d.pressure.resource, d.pressure.device)};
            }},
      Field{"level", "", [](const D& d) { return d.pressure.level; }},
      Field{"value", "", [](const D& d) { return d.pressure.value; }},
      Field{"unit", "percent, celsius, watts or bytes_per_second.",
            [](const D& d) -> std::string_view { return pressure_unit(d.pressure.resource); }},
      Field{"threshold", "The line of the level in force.",
            [](const D& d) { return d.pressure.threshold; }},
      Field{"clears_below", "", [](const D& d) { return d.pressure.clears_below; }},
      Field{"since", "",
            [](const D& d) {
              return d.pressure.since == WallTime() ? std::nullopt
                                                    : std::optional(d.pressure.since);
            }},
      Field{"step", "What is done about it; memory of the node only.",
            [](const D& d) { return d.pressure.step; }},
      Field{"step_number", "0 to 7.",
            [](const D& d) {
              return d.pressure.step ? std::optional(static_cast<int>(*d.pressure.step))
                                     : std::nullopt;
            }},
      Field{"step_why", "What the step was taken for.",
            [](const D& d) { return MaybeText{d.pressure.step_why}; }},
  };
};

template <>
struct Described<ListOf<PressureDocument>> {
  static constexpr std::string_view name = "Pressures";
  static constexpr auto fields = kListFields<PressureDocument>;
};

template <>
struct Described<CauseDocument> {
  using D = CauseDocument;
  static constexpr std::string_view name = "Cause";
  static constexpr auto fields = std::tuple{
      Field{"resource", "", [](const D& d) { return d.pressure.resource; }},
      Field{"device", "", [](const D& d) { return MaybeText{d.pressure.device}; }},
      Field{"level", "", [](const D& d) { return d.pressure.level; }},
  };
};

template <>
struct Described<HealthDocument> {
  using D = HealthDocument;
  static constexpr std::string_view name = "Health";
  static constexpr auto fields = std::tuple{
      Field{"health", "healthy, moderate or critical.",
            [](const D& d) -> std::string_view { return health_word(d.view.health); }},
      Field{"level", "", [](const D& d) { return d.view.health; }},
      Field{"causes", "", [](const D& d) { return causes(d.view); }},
      Field{"sample_age_seconds", "", [](const D& d) { return age(d.view, d.now); }},
  };
};

template <>
struct Described<Setting> {
  static constexpr std::string_view name = "Setting";
  static constexpr auto fields = std::tuple{
      Field{"key", "", &Setting::key},
      Field{"value", "As it would stand in TOML.", &Setting::value},
      Field{"origin", "Who set it: built-in, a file and line, a variable, a flag.",
            &Setting::origin},
      Field{"alias", "The specifications' name for it.",
            [](const Setting& s) { return MaybeText{s.alias}; }},
      Field{"about", "", &Setting::about},
      Field{"at_start", "A change takes effect when the daemon starts again.", &Setting::at_start},
  };
};

template <>
struct Described<ListOf<Setting>> {
  static constexpr std::string_view name = "Settings";
  static constexpr auto fields = kListFields<Setting>;
};

template <>
struct Described<CheckDocument> {
  static constexpr std::string_view name = "ConfigCheck";
  static constexpr auto fields = std::tuple{
      Field{"ok", "Always true: what is wrong is a problem.",
            [](const CheckDocument&) { return true; }},
      Field{"changes", "The settings that would differ from the built-in ones.",
            [](const CheckDocument& d) -> const auto& { return d.changes; }},
  };
};

template <>
struct Described<InTheWay> {
  static constexpr std::string_view name = "InTheWay";
  static constexpr auto fields = std::tuple{
      Field{"lease", "", [](const InTheWay& w) { return LeaseRef{w.id}; }},
      Field{"name", "",
            [](const InTheWay& w) {
              return w.lease != nullptr ? LeftOut<std::string>{w.lease->lease.name}
                                        : LeftOut<std::string>();
            }},
      Field{"booked", "",
            [](const InTheWay& w) {
              LeftOut<AmountsOf> booked;
              if (w.lease != nullptr) {
                booked.value.emplace(AmountsOf{w.lease->lease.booked, w.lease->lease.booked});
              }
              return booked;
            }},
  };
};

template <>
struct Described<QueueDocument> {
  static constexpr std::string_view name = "Queue";
  static constexpr auto fields = std::tuple{
      Field{"place", "1 is next.", [](const QueueDocument& d) { return d.verdict.place; }},
      Field{"earliest", "null: unknown.",
            [](const QueueDocument& d) { return d.verdict.earliest; }},
  };
};

template <>
struct Described<Help> {
  static constexpr std::string_view name = "Help";
  static constexpr auto fields = std::tuple{
      Field{"do", "wait, end, free, smaller, device or drain.", &Help::act},
      Field{"text", "", &Help::text},
      Field{"lease", "", [](const Help& h) { return LeaseRef{h.lease}; }},
      Field{"until", "", &Help::until},
  };
};

template <>
struct Described<Stranger> {
  static constexpr std::string_view name = "Stranger";
  static constexpr auto fields = std::tuple{
      Field{"pid", "", &Stranger::pid},
      Field{"memory_bytes", "On the device.", &Stranger::memory},
      Field{"name", "What the kernel calls it.",
            [](const Stranger& s) { return MaybeText{s.name}; }},
      Field{"uid", "", &Stranger::uid},
      Field{"container", "", [](const Stranger& s) { return MaybeText{s.container}; }},
  };
};

template <>
struct Described<DrainDocument> {
  using D = DrainDocument;
  static constexpr std::string_view name = "Drain";
  static constexpr auto fields = std::tuple{
      Field{"device", "GPU UUID; null: the whole node.",
            [](const D& d) { return MaybeText{d.drain.device}; }},
      Field{"by", "", [](const D& d) -> const auto& { return d.names.name(d.drain.by); }},
      Field{"uid", "", [](const D& d) { return d.drain.by; }},
      Field{"since", "", [](const D& d) { return d.drain.since; }},
      Field{"reason", "Why headroom did it by itself; null: somebody asked for it.",
            [](const D& d) { return MaybeText{d.drain.reason}; }},
  };
};

template <>
struct Described<ListOf<DrainDocument>> {
  static constexpr std::string_view name = "Drains";
  static constexpr auto fields = kListFields<DrainDocument>;
};

template <>
struct Described<VerdictDocument> {
  using D = VerdictDocument;
  static constexpr std::string_view name = "Verdict";
  static constexpr auto fields = std::tuple{
      Field{"revision", "Of the state it was computed from.",
            [](const D& d) { return d.verdict.revision; }},
      Field{"verdict", "", [](const D& d) { return d.verdict.answer; }},
      Field{"device", "Where it would be placed.",
            [](const D& d) { return MaybeText{d.verdict.gpu}; }},
      Field{"devices", "All of these, where several are wanted.",
            [](const D& d) -> const auto& { return d.verdict.gpus; }},
      Field{"best_device", "The one that comes nearest.",
            [](const D& d) { return MaybeText{d.verdict.best_gpu}; }},
      Field{"mount", "", [](const D& d) { return MaybeText{d.verdict.mount}; }},
      Field{"booked", "What would be.",
            [](const D& d) { return AmountsOf{d.verdict.amounts, d.verdict.amounts}; }},
      Field{"size", "What booked comes from; null: it was said.",
            [](const D& d) { return maybe_size(d.verdict.size); }},
      Field{"short", "How much is missing.",
            [](const D& d) { return AmountsOf{d.verdict.short_by, d.verdict.short_by}; }},
      Field{"in_the_way", "", [](const D& d) { return in_the_way(d.verdict, d.view); }},
      Field{"strangers",
            "Who holds memory of the best device and booked nothing, the largest first.",
            [](const D& d) -> const auto& { return d.verdict.strangers; }},
      Field{"queue", "",
            [](const D& d) {
              return d.verdict.place > 0 ? std::optional(QueueDocument{d.verdict}) : std::nullopt;
            }},
      Field{"steps", "What would be unloaded so that it fits, in this order.",
            [](const D& d) -> const auto& { return d.verdict.steps; }},
      Field{"help", "", [](const D& d) { return d.verdict.help; }},
      Field{"why", "One sentence.", [](const D& d) { return MaybeText{d.verdict.why}; }},
  };
};

namespace {

// A refusal of a request for resources has the members of the verdict, as an answer to fit does.
template <class Get>
constexpr auto of_verdict(const Field<Get>& field) {
  return Field{field.name, field.about, [get = field.get](const ProblemDocument& d) {
                 using Type = shape::FieldType<VerdictDocument, Get>;
                 LeftOut<Type> out;
                 if (d.verdict != nullptr) {
                   out.value.emplace(std::invoke(get, VerdictDocument{*d.verdict, d.view}));
                 }
                 return out;
               }};
}
template <std::size_t... I>
constexpr auto verdict_fields(std::index_sequence<I...>) {
  return std::tuple{of_verdict(std::get<I>(Described<VerdictDocument>::fields))...};
}

}  // namespace

template <>
struct Described<ProblemDocument> {
  using D = ProblemDocument;
  static constexpr std::string_view name = "Problem";
  // All but the last, which is "why": a problem has one of its own.
  static constexpr std::size_t kTaken =
      std::tuple_size_v<std::remove_cv_t<decltype(Described<VerdictDocument>::fields)>> - 1;
  static constexpr auto fields = std::tuple_cat(
      std::tuple{
          Field{"type", "A page that says more.", &D::type},
          Field{"title", "", &D::title},
          Field{"status", "", &D::status},
          Field{"detail", "What, and why.", &D::detail},
          Field{"what", "What was tried.", [](const D& d) { return LeftOut<std::string>{d.what}; }},
          Field{"why", "Why it failed.",
                [](const D& d) { return LeftOut<MaybeText>{MaybeText{d.why}}; }},
          Field{"try", "What helps.",
                [](const D& d) { return LeftOut<MaybeText>{MaybeText{d.help}}; }},
      },
      verdict_fields(std::make_index_sequence<kTaken>()));
};

template <>
struct Described<StatisticsDocument> {
  static constexpr std::string_view name = "Statistics";
  static constexpr auto fields = std::tuple{
      Field{"avg", "", [](const StatisticsDocument& d) { return d.answer.average; }},
      Field{"max", "", [](const StatisticsDocument& d) { return d.answer.max; }},
      Field{"min", "", [](const StatisticsDocument& d) { return d.answer.min; }},
      Field{"p95", "", [](const StatisticsDocument& d) { return d.answer.p95; }},
  };
};

template <>
struct Described<HistoryDocument> {
  using D = HistoryDocument;
  static constexpr std::string_view name = "History";
  static constexpr auto fields = std::tuple{
      Field{"resource", "", &D::resource},
      Field{"device", "", [](const D& d) { return MaybeText{d.device}; }},
      Field{"name", "Of the device: GPU 0, or where it is mounted.",
            [](const D& d) { return MaybeText{d.device_name}; }},
      Field{"unit", "percent, celsius, watts, bytes_per_second or tasks.",
            [](const D& d) -> std::string_view { return history_unit(d.resource); }},
      Field{"window_seconds", "", [](const D& d) { return d.query.window; }},
      Field{"step_seconds", "0: as sampled.", [](const D& d) { return d.query.step; }},
      Field{"oldest", "The oldest value there is.", [](const D& d) { return d.answer.oldest; }},
      Field{"statistics", "Over values, not over averaged points.",
            [](const D& d) { return StatisticsDocument{d.answer}; }},
      Field{"points", "Time and value.", [](const D& d) -> const auto& { return d.answer.points; }},
  };
};

void describe_documents(Schemas& all) {
  (void)schema_of<ListOf<LeaseDocument>>(all);
  (void)schema_of<ListOf<AlertDocument>>(all);
  (void)schema_of<ListOf<EventLine>>(all);
  (void)schema_of<SnapshotDocument>(all);
  (void)schema_of<NodeDocument>(all);
  (void)schema_of<ListOf<PressureDocument>>(all);
  (void)schema_of<HealthDocument>(all);
  (void)schema_of<ListOf<Setting>>(all);
  (void)schema_of<StrategyDocument>(all);
  (void)schema_of<ListOf<ForecastDocument>>(all);
  (void)schema_of<ListOf<ComponentDocument>>(all);
  (void)schema_of<ListOf<DecisionDocument>>(all);
  (void)schema_of<CallDocument>(all);
  (void)schema_of<TakenCall>(all);
  (void)schema_of<CheckDocument>(all);
  (void)schema_of<ListOf<DrainDocument>>(all);
  (void)schema_of<ModelsDocument>(all);
  (void)schema_of<Freed>(all);
  (void)schema_of<SessionsDocument>(all);
  (void)schema_of<ListOf<Advice>>(all);
  (void)schema_of<AskDocument>(all);
  (void)schema_of<TakenDocument>(all);
  (void)schema_of<VerdictDocument>(all);
  (void)schema_of<ProblemDocument>(all);
  (void)schema_of<HistoryDocument>(all);
}

// ---------------------------------------------------------------------------------------- words

LeaseId parse_lease_id(std::string_view text) {
  if (text.starts_with("l-")) text.remove_prefix(2);
  LeaseId id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc() && end == text.data() + text.size() ? id : 0;
}

std::uint64_t parse_alert_id(std::string_view text) {
  if (text.starts_with("a")) text.remove_prefix(1);
  return parse_lease_id(text);
}

std::string device_name(const View& view, Resource resource, const std::string& device) {
  if (device.empty() || resource == Resource::disk || !view.sample) return device;
  for (const GpuReading& gpu : view.sample->gpus) {
    if (gpu.id == device) return "GPU " + std::to_string(gpu.index);
  }
  return device;
}

const char* pressure_unit(Resource resource) {
  switch (resource) {
    case Resource::gpu_temperature:
      return "celsius";
    case Resource::power:
      return "watts";
    case Resource::network:
      return "bytes_per_second";
    default:
      return "percent";
  }
}

std::vector<std::string> recommendations(const Alert& alert) {
  switch (alert.resource) {
    case Resource::memory:
      return {"headroom ps shows what each lease uses, and what nobody booked",
              "start what can wait with headroom run --mem …, so that it queues"};
    case Resource::gpu_memory:
      return {"headroom ps shows who uses the device",
              "run jobs under headroom run --gpu-mem …, so that they wait for room"};
    case Resource::gpu_temperature:
      return {"look after the cooling; place no more work on this device"};
    case Resource::cpu:
      return {"start what can wait with headroom run --cpu …, so that it queues"};
    case Resource::disk:
      return {"make space on " + (alert.device.empty() ? "the disk" : alert.device)};
    case Resource::power:
    case Resource::network:
      return {};
    case Resource::budget:
      return {"headroom status -o wide shows what it is spent on",
              "cost.over_budget says who may still start something once it is spent"};
    case Resource::allocation_failures:
    case Resource::component_unresponsive:
      return {"headroom component show " + alert.device + " says what went wrong last",
              "look at its setters; headroom component rm " + alert.device + " forgets it"};
    case Resource::forecast_low_confidence:
      return {"give it an amount of its own: headroom quota set " + alert.device + " --memory …"};
  }
  return {};
}

// -------------------------------------------------------------------------------------- writing

void write_lease(Json& json, const LeaseView& lease, UserNames& names) {
  put(json, LeaseDocument{lease, names});
}

void write_leases(Json& json, const View& view, UserNames& names,
                  const std::function<bool(const Lease&)>& wanted) {
  ListOf<LeaseDocument> list;
  for (const LeaseView& lease : view.leases) {
    if (wanted(lease.lease)) list.items.push_back({lease, names});
  }
  put(json, list);
}

void write_alert(Json& json, const Alert& alert, const View& view) {
  put(json, AlertDocument{alert, view});
}
void write_alerts(Json& json, const std::vector<Alert>& alerts, const View& view) {
  ListOf<AlertDocument> list;
  for (const Alert& alert : alerts) list.items.push_back({alert, view});
  put(json, list);
}
void write_event(Json& json, const EventLine& line) { put(json, line); }
void write_events(Json& json, const std::vector<EventLine>& lines) {
  put(json, ListOf<EventLine>{lines});
}
void write_drains(Json& json, const std::vector<Drain>& drains, UserNames& names) {
  ListOf<DrainDocument> list;
  for (const Drain& drain : drains) list.items.push_back({drain, names});
  put(json, list);
}
void write_model(Json& json, const ModelView& model) { put(json, ModelDocument{model}); }
void write_models(Json& json, const View& view,
                  const std::function<bool(const ModelView&)>& wanted) {
  ModelsDocument list{view, {}};
  for (const ModelView& model : view.models) {
    if (wanted(model)) list.items.push_back({model});
  }
  put(json, list);
}
void write_freed(Json& json, const Freed& freed) { put(json, freed); }
void write_sessions(Json& json, const Sessions& sessions, UserNames& names) {
  SessionsDocument list{sessions, {}};
  for (const SessionView& session : sessions.items) list.items.push_back({session, names});
  put(json, list);
}
void write_advice(Json& json, const View& view) { put(json, ListOf<Advice>{advice(view)}); }
void write_ask(Json& json, const AskHook& ask, bool on_gpu) { put(json, AskDocument{ask, on_gpu}); }
void write_taken(Json& json, std::uint64_t ask) { put(json, TakenDocument{ask}); }
void write_rooms(Json& json, const View& view) { put(json, RoomsDocument{view}); }
void write_snapshot(Json& json, const View& view, Instant now) {
  put(json, SnapshotDocument{view, now});
}
void write_node(Json& json, const View& view, const NodeFacts& node, Instant now) {
  put(json, NodeDocument{view, node, now});
}
void write_pressures(Json& json, const View& view) {
  ListOf<PressureDocument> list;
  for (const Pressure& pressure : view.pressures) list.items.push_back({pressure, view});
  put(json, list);
}
void write_health(Json& json, const View& view, Instant now) {
  put(json, HealthDocument{view, now});
}
void write_components(Json& json, const View& view) {
  ListOf<ComponentDocument> list;
  list.items.reserve(view.components.size());
  for (const ComponentView& one : view.components) list.items.push_back(component_document(one));
  put(json, list);
}
void write_component(Json& json, const ComponentView& component) {
  put(json, component_document(component));
}
void write_quota(Json& json, const ComponentView& component) {
  put(json, quota_document(component));
}
void write_decisions(Json& json, const std::vector<Decision>& decisions) {
  ListOf<DecisionDocument> list;
  for (const Decision& one : decisions) list.items.push_back({one});
  put(json, list);
}
void write_call(Json& json, const CallSetter& call) { put(json, CallDocument{call}); }
void write_taken_call(Json& json, std::uint64_t id) { put(json, TakenCall{id}); }
void write_forecasts(Json& json, const std::vector<ForecastView>& forecasts) {
  ListOf<ForecastDocument> list;
  for (const ForecastView& view : forecasts) {
    const std::string_view series = view.series;
    list.items.push_back({view, history_unit(series.substr(0, series.find(':')))});
  }
  put(json, list);
}
void write_strategy(Json& json, const View& view) {
  StrategyDocument document{view.config->strategy, view.health, view.config->control.interval, {}};
  for (const std::string_view word : kStrategyWords) {
    document.words.push_back({word, parameters_of(*strategy_of(word), view.health)});
  }
  put(json, document);
}
void write_settings(Json& json, const std::vector<Setting>& settings) {
  put(json, ListOf<Setting>{settings});
}
void write_check(Json& json, const std::vector<Setting>& settings) {
  put(json, CheckDocument{settings});
}
void write_verdict(Json& json, const Verdict& verdict, const View* view) {
  put(json, VerdictDocument{verdict, view});
}
void write_problem(Json& json, const ProblemDocument& problem) { put(json, problem); }
void write_history(Json& json, const HistoryQuery& query, std::string_view resource,
                   std::string_view device, std::string_view device_name,
                   const HistoryAnswer& answer) {
  put(json, HistoryDocument{query, resource, device, device_name, answer});
}

std::string history_csv(const HistoryAnswer& answer) {
  std::string out = "time,value\n";
  out.reserve(out.size() + answer.points.size() * 34);
  for (const auto& [at, value] : answer.points) {
    append_rfc3339(out, at);
    out += ',';
    if (value) append_real(out, *value);
    out += '\n';
  }
  return out;
}

}  // namespace headroom::serve
