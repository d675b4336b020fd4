#include "digest.hpp"

#include <string>

namespace headroom::simulate {
namespace {

struct Parts {
  Digest& d;

  void number(std::uint64_t n) { d.add(static_cast<std::int64_t>(n)); }
  void holder(const Holder& h) {
    d.add(static_cast<std::int64_t>(h.pid));
    number(h.start_time);
  }

  void operator()(const Sampled& e) {
    const Sample& s = *e.sample;
    d.add(s.at.boot.time_since_epoch().count());
    d.add(s.memory.available.value_or(Bytes(-1)).count());
    for (const GpuReading& gpu : s.gpus) d.add(gpu.memory_used.value_or(Bytes(-1)).count());
    for (const FilesystemReading& fs : s.filesystems) d.add(fs.available.count());
    for (const HolderReading& h : s.holders) {
      number(h.lease);
      d.add(h.memory.value_or(Bytes(-1)).count());
      d.add(h.gpu_memory.value_or(Bytes(-1)).count());
    }
  }
  void operator()(const Asked& e) {
    number(e.request);
    number(e.ask.index());
  }
  void operator()(const Withdrawn& e) { number(e.request); }
  void operator()(const Exited& e) { holder(e.holder); }
  void operator()(const Ticked&) {}
  void operator()(const Restored& e) {
    for (const Record& record : e.records) d.add(record);
    for (const Holder& h : e.alive) holder(h);
  }
  void operator()(const Configured&) {}
  void operator()(const Placed& e) {
    number(e.lease);
    number(e.group.has_value());
  }
  void operator()(const Fenced& e) { number(e.lease); }
  void operator()(const Frozen& e) {
    number(e.lease);
    number(e.frozen);
  }
  void operator()(const Weighed& e) {
    number(e.lease);
    d.add(static_cast<std::int64_t>(e.percent));
  }
  void operator()(const Terminated& e) {
    number(e.lease);
    number(e.hard);
  }
  void operator()(const Touched& e) { number(e.leases.size()); }
  void operator()(const Released& e) {
    number(e.lease);
    number(e.gone);
    d.add(static_cast<std::int64_t>(e.processes));
  }
  void operator()(const HookAnswered& e) {
    number(e.ask);
    number(static_cast<std::uint64_t>(e.result));
  }
  void operator()(const EngineRead& e) {
    d.add(e.hook);
    number(e.models.size());
  }

  void operator()(const SessionsSeen& e) {
    number(e.run);
    number(e.roots.size());
  }
  void operator()(const SessionsCleaned& e) {
    number(e.run);
    number(e.removals.size());
  }
  void operator()(const SessionMade& e) {
    number(e.run);
    number(e.folder.has_value());
  }
  void operator()(const ComponentHeard& e) {
    d.add(e.component);
    number(e.listens);
  }
  void operator()(const SetterAnswered& e) {
    number(e.ask);
    number(e.done);
  }
  void operator()(const ZoneRead& e) { d.add(static_cast<std::int64_t>(e.rules.before.count())); }

  void operator()(const Respond& e) {
    number(e.request);
    number(e.what.index());
    if (const auto* verdict = std::get_if<Verdict>(&e.what)) {
      number(static_cast<std::uint64_t>(verdict->answer));
      d.add(verdict->why);
      d.add(verdict->gpu);
      d.add(verdict->earliest ? verdict->earliest->time_since_epoch().count() : -1);
    } else if (const auto* view = std::get_if<LeaseView>(&e.what)) {
      d.add(Record(PutLease{view->lease}));
      d.add(view->why);
    } else if (const auto* refusal = std::get_if<Refusal>(&e.what)) {
      d.add(refusal->error.what);
      d.add(refusal->error.why);
      d.add(refusal->error.help);
    }
  }
  void operator()(const Journal& e) { d.add(e.record); }
  void operator()(const Say& e) {
    d.add(e.line.type);
    d.add(e.line.text);
  }
  void operator()(const Changed& e) { number(e.what.index()); }
  void operator()(const Sense& e) { number(e.per_cpu); }
  void operator()(const Watch& e) { holder(e.holder); }
  void operator()(const PlaceHolder& e) { number(e.lease); }
  void operator()(const Fence& e) {
    number(e.lease);
    d.add(e.at.count());
  }
  void operator()(const Freeze& e) {
    number(e.lease);
    number(e.frozen);
  }
  void operator()(const Weigh& e) {
    number(e.lease);
    d.add(static_cast<std::int64_t>(e.percent));
  }
  void operator()(const Terminate& e) {
    number(e.lease);
    number(e.hard);
  }
  void operator()(const Release& e) { number(e.lease); }
  void operator()(const Notify& e) {
    number(static_cast<std::uint64_t>(e.what));
    number(e.alert.id);
  }
  void operator()(const AskHook& e) {
    number(e.ask);
    number(e.lease);
    d.add(e.model);
  }
  void operator()(const CallSetter& e) {
    number(e.ask);
    d.add(e.component);
    for (const CallSetter::Value& value : e.values) {
      d.add(static_cast<std::int64_t>(value.to * 1000));
    }
  }
  void operator()(const LimitCpu& e) { number(e.lease); }
  void operator()(const LimitMemory& e) { number(e.lease); }
  void operator()(const EndListening& e) { d.add(e.component); }
  void operator()(const LookAtSessions& e) { number(e.run); }
  void operator()(const CleanSessions& e) {
    number(e.run);
    number(e.folders.size());
  }
  void operator()(const MakeSession& e) {
    number(e.run);
    d.add(e.name);
  }
};

}  // namespace

void Digest::add(const Event& event) {
  add(static_cast<std::int64_t>(event.index()));
  std::visit(Parts{*this}, event);
}

void Digest::add(const Effect& effect) {
  add(static_cast<std::int64_t>(effect.index()));
  std::visit(Parts{*this}, effect);
}

void Digest::add(const Record& record) {
  std::string bytes;
  encode(record, bytes);
  add(bytes);
}

}  // namespace headroom::simulate
